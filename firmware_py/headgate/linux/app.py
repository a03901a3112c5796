"""The appliance on Linux: every part made, joined, started, reloaded and stopped in the right order.

Order of start: state (outbox) before the network (gateway), so that nothing is accepted that cannot be kept; the uplink
last, for it may take as long as it likes. Order of stop: gateway (answer what was accepted), outbox, uplink.
"""

import asyncio
import contextlib
import errno
import json
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from headgate import __version__, _accel, errors, limits
from headgate.linux import cache_snapshot, config_plan, lean, ntp, tls
from headgate.linux.config_rules import Config
from headgate.linux.listener import RESERVE, Listener, allow_descriptors
from headgate.linux.outbox import Outbox, OutboxConfig
from headgate.linux.supervisor import Supervisor, Watchdog
from headgate.linux.systemd import Notifier
from headgate.linux.uplink import Uplink
from headgate.tasks import plan as plans
from headgate.tasks.gateway import Gateway

log = logging.getLogger("headgate")

# What a running appliance cannot change: field of the configuration -> where it stands in the file.
FIXED = {
    "appliance_id": "appliance",
    "state_dir": "appliance",
    "listen": "listen",
    "cache": "cache",
    "outbox": "outbox",
    "idempotency": "idempotency",
    "watchdog": "watchdog",
}

Loader = Callable[[], Config]  # reads the configuration anew; raises CommandError


def monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def log_outbox(level: str, text: str) -> None:
    logging.getLogger("headgate.outbox").log(logging.ERROR if level == "error" else logging.WARNING, "%s", text)


def report(error: Exception) -> None:
    """An exception nobody foresaw while answering a request (the client got 500)."""
    log.error("a request failed", exc_info=error)


class App:
    """One appliance. `load` reads the configuration again for a reload."""

    def __init__(self, config: Config, load: Loader) -> None:
        self.config = config
        self._load = load
        self._notifier = Notifier()
        self._clock = ntp.TrustedClock(config.state_dir)
        self.stopping = asyncio.Event()
        self.reloading = asyncio.Event()
        self.urls: list[str] = []

    def obey_signals(self) -> None:
        """To be called before `start`: a signal that comes meanwhile is obeyed as soon as it is through."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self.reloading.set)

    async def start(self) -> None:
        """Raises CommandError: configuration, state directory or address unusable. Nothing keeps running then."""
        async with contextlib.AsyncExitStack() as undo:
            watchdog = self.config.watchdog
            device = Watchdog(watchdog.device, watchdog.timeout_s) if watchdog.device else None
            self.supervisor = Supervisor(self._notifier, device, watchdog.timeout_s)
            undo.push_async_callback(self.supervisor.stop)
            self.outbox = await Outbox.open(
                self.config.state_dir,
                outbox_config(self.config),
                appliance=self.config.appliance_id,
                clock=self._clock.read,
                log=log_outbox,
            )
            undo.push_async_callback(self.outbox.close)
            # The outbox knows who we are when the configuration does not say.
            self.config = replace(self.config, appliance_id=self.outbox.appliance)
            plan = build_plan(self.config)
            self.gateway = Gateway(
                plan,
                store=_accel.Store(plan.cache_bytes, plan.cache_value, plan.cache_entries),
                limiter=_accel.Limiter(),
                sink=self.outbox,
                clock=self._clock.reading,
                now_ms=monotonic_ms,
                info=self.info,
                report=report,
            )
            undo.push_async_callback(self.gateway.drain, 0)
            self.snapshot = self._restore_cache()
            self._listen()
            self.supervisor.run("outbox", self.outbox.watch, essential=True)
            self.supervisor.probe("outbox", lambda: self.outbox.stalled(self.config.watchdog.stall_s))
            if self.snapshot is not None:
                self.supervisor.run("cache", self.snapshot.run, essential=False)
            self._start_uplink()
            self.supervisor.start()
            undo.pop_all()
        self._notifier.ready(f"listening on {', '.join(self.urls)}")

    def _restore_cache(self) -> cache_snapshot.Snapshot | None:
        directory, every_ms = self.config.state_dir, self.config.cache.snapshot_ms
        if not every_ms:
            with contextlib.suppress(OSError):  # one of earlier days must not come back when it is wanted again
                (directory / cache_snapshot.FILE).unlink()
            return None
        store, reading = self.gateway.store, self._clock.reading
        snapshot = cache_snapshot.Snapshot(directory, store, every_ms, reading=reading, now_ms=monotonic_ms)
        snapshot.load()
        return snapshot

    def _listen(self) -> None:
        listen = self.config.listen
        context = tls.server_context(listen.tls_cert, listen.tls_key) if listen.https else None
        maximum = self._connections()
        table: set[Any] = set()
        for scheme, address in [("http", a) for a in listen.http] + [("https", a) for a in listen.https]:
            secure = context if scheme == "https" else None
            listener = Listener(self.gateway, table, maximum, context=secure, handshake_s=listen.head_ms / 1000)
            self.gateway.add_server(listener)
            try:
                listener.open(address.host, address.port)
            except OSError as error:
                raise cannot_listen(str(address), error) from None
            port = listener.sockets[0].getsockname()[1]
            host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)  # noqa: S104
            self.urls.append(f"{scheme}://{type(address)(host, port)}")

    def _connections(self) -> int:
        """How many may be open at a time, those that are told that there are too many included."""
        wanted = self.config.listen.connections + limits.REFUSALS
        maximum = max(allow_descriptors(wanted + RESERVE) - RESERVE, 1)
        if maximum < wanted:
            log.warning("only %d connections at a time: the system allows no more open files (ulimit -n)", maximum)
        return maximum

    def _start_uplink(self) -> None:
        self.uplink = Uplink(self.outbox, self.config) if self.config.uplink.url is not None else None
        if self.uplink is not None:
            self.supervisor.run("uplink", self.uplink.run, essential=False)

    def info(self) -> dict[str, object]:
        """What /readyz, /metrics and the index show of the parts the gateway does not know."""
        outbox = self.outbox.stats()
        reasons = self.supervisor.stalled()
        if outbox["state"] != "ok":
            reasons.append(f"outbox: {outbox['state']}")
        return {
            "version": __version__,
            "backend": _accel.BACKEND,
            "appliance": self.config.appliance_id,
            "boot": self.outbox.boot,
            "clock": self._clock.state,
            "unready": reasons,
            "outbox": outbox,
            "uplink": self.uplink.stats() if self.uplink is not None else None,
            "snapshot": self.snapshot.stats() if self.snapshot is not None else None,
            "task_restarts": dict(self.supervisor.restarts),
        }

    async def reload(self) -> bool:
        """Read the configuration again. A bad one is refused, and the old one goes on; False then."""
        self._notifier.reloading()
        try:
            config = self._load()
            later = [name for name in FIXED if getattr(config, name) != getattr(self.config, name)]
            if "appliance_id" in later and not config.appliance_id:  # not in the file: it goes on as it is
                later.remove("appliance_id")
            config = replace(config, **{name: getattr(self.config, name) for name in FIXED})
            plan = build_plan(config)
        except errors.CommandError as problem:
            log.error("reload refused, the old configuration goes on: %s", problem.line())
            self._notifier.ready("reload refused, the old configuration goes on")
            return False
        for name in later:
            log.warning("[%s] has changed: takes effect with the next start", FIXED[name])
        uplink_changed = config.uplink != self.config.uplink or topics(config) != topics(self.config)
        self.config, self.gateway.plan = config, plan
        if uplink_changed:
            await self.supervisor.end("uplink")
            self._start_uplink()
        log.info("reloaded")
        self._notifier.ready("reloaded")
        return True

    async def stop(self) -> None:
        """Stop accepting, answer what was accepted, commit, disconnect."""
        self._notifier.stopping()
        await self.gateway.drain(self.config.listen.drain_ms)
        await self.supervisor.stop()
        await self.outbox.close()
        if self.snapshot is not None:
            await self.snapshot.close()
        self._clock.save()

    async def run(self) -> None:
        """Started already: serve until `stopping` is set or an essential task fails; then stop."""
        reloading = self.reloading
        try:
            while not self.stopping.is_set() and not self.supervisor.failed.done():
                signals = [asyncio.create_task(event.wait()) for event in (self.stopping, reloading)]
                waits: list[asyncio.Future[Any]] = [*signals, self.supervisor.failed]
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                for task in signals:
                    task.cancel()
                if reloading.is_set():
                    reloading.clear()
                    await self.reload()
        finally:
            await self.stop()
        if self.supervisor.failed.done():
            self.supervisor.failed.result()


def cannot_listen(address: str, error: OSError) -> errors.CommandError:
    reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
    next_step = {
        errno.EACCES: "Ports below 1024 are for root or CAP_NET_BIND_SERVICE: choose a higher one",
        errno.EADDRINUSE: "Stop the program that uses it ('headgate doctor' names it), or choose another",
    }.get(error.errno or 0, "Is it an address of this machine? See [listen] (or --listen)")
    return errors.CommandError(errors.NETWORK, f"cannot listen on {address}: {reason}", next_step)


def build_plan(config: Config) -> plans.Plan:
    """Raises CommandError when keys are missing or the plan is refused."""
    keys = config_plan.load_keys(config)
    verify = None
    if any(key.alg == "EdDSA" for found in keys.values() for key in found):
        from headgate.linux import ed25519

        verify = ed25519.verifier()
    try:
        return plans.build(config_plan.plan_document(config, keys), verify)
    except plans.PlanError as error:
        raise errors.CommandError(errors.CONFIG, f"{config.file or 'defaults'}: {error}") from None


def topics(config: Config) -> Mapping[str, str]:
    return {name: stream.topic for name, stream in config.streams.items()}


def outbox_config(config: Config) -> OutboxConfig:
    return OutboxConfig(
        max_bytes=config.outbox.bytes,
        max_hours=config.outbox.hours,
        when_full=config.outbox.when_full,
        batch_records=config.outbox.batch_records,
        batch_bytes=config.outbox.batch_bytes,
        linger_ms=config.outbox.batch_linger_ms,
        key_hours=config.idempotency.hours,
        keys=config.idempotency.keys,
    )


def run(config: Config, load: Loader, *, as_json: bool) -> int:
    """Run one appliance to its end; returns the exit code."""
    asyncio.run(_run(config, load, as_json))
    return errors.OK


async def _run(config: Config, load: Loader, as_json: bool) -> None:
    app = App(config, load)
    app.obey_signals()
    await app.start()
    announce(app, as_json=as_json)
    lean.give_memory_back()
    await app.run()


def announce(app: App, *, as_json: bool) -> None:
    """One line on standard output: ready, and where. Nobody needs to read it: without a reader we go on."""
    text = f"headgate {__version__} ({_accel.BACKEND}) listening on {', '.join(app.urls)}"
    if as_json:
        text = json.dumps({"event": "ready", "urls": app.urls, "appliance": app.config.appliance_id})
    with contextlib.suppress(OSError):
        print(text, flush=True)
