"""The appliance on Linux: every part made, joined, started, reloaded and stopped in the right order.

Order of start: state (outbox) before the network (gateway), so that nothing is accepted that cannot be kept; the uplink
last, for it may take as long as it likes. Order of stop: gateway (answer what was accepted), outbox, uplink.
"""

import asyncio
import contextlib
import copy
import errno
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from headgate import __version__, _accel, errors, limits
from headgate.linux import cache_snapshot, config_plan, lean, machine, ntp, tls
from headgate.linux.config_rules import Config, Listen
from headgate.linux.config_values import Address
from headgate.linux.listener import RESERVE, Listener, allow_descriptors
from headgate.linux.outbox import Outbox, OutboxConfig
from headgate.linux.selector import NativeSelector
from headgate.linux.supervisor import Supervisor, Watchdog
from headgate.linux.systemd import Notifier
from headgate.tasks import plan as plans
from headgate.tasks.gateway import Gateway

if TYPE_CHECKING:
    from headgate.linux.mqtt_gateway import MqttGateway
    from headgate.linux.second_level import SecondLevel
    from headgate.linux.update_relay import Relay
    from headgate.linux.uplink import Uplink

log = logging.getLogger("headgate")

# What a running appliance cannot change: field of the configuration -> where it stands in the file. Of [listen] not the
# tls_… keys.
FIXED = {
    "appliance_id": "appliance",
    "state_dir": "appliance",
    "listen": "listen",
    "cache": "cache",
    "redis": "redis",
    "outbox": "outbox",
    "idempotency": "idempotency",
    "watchdog": "watchdog",
}

UPDATE_SOCKET = Path("/run/headgate-update/socket")  # systemd's, for the update helper

Loader = Callable[[], Config]  # reads the configuration anew; raises CommandError
_T = TypeVar("_T")


def monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def log_outbox(level: str, text: str) -> None:
    logging.getLogger("headgate.outbox").log(logging.ERROR if level == "error" else logging.WARNING, "%s", text)


def report(error: Exception) -> None:
    """An exception nobody foresaw while answering a request (the client got 500)."""
    log.error("a request failed", exc_info=error)


class App:
    """One appliance. `load` reads the configuration again for a reload; `selector`: see run_in_loop."""

    def __init__(self, config: Config, load: Loader, selector: NativeSelector | None) -> None:
        self.config = config
        self._load = load
        self._selector = selector
        self._notifier = Notifier()
        self._clock = ntp.TrustedClock(config.state_dir)
        self.stopping = asyncio.Event()
        self.reloading = asyncio.Event()
        self.urls: list[str] = []
        self._tls: tls.ServerTls | None = None
        self.mqtt: MqttGateway | None = None

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
            self.supervisor = Supervisor(self._notifier, device)
            undo.push_async_callback(self.supervisor.stop)
            self.supervisor.start()  # what follows may take longer than a watchdog waits
            self.outbox = await Outbox.open(
                self.config.state_dir,
                outbox_config(self.config),
                appliance=self.config.appliance_id,
                clock=self._clock.read,
                log=log_outbox,
            )
            undo.push_async_callback(self.outbox.close)
            # The outbox knows who we are when the configuration does not say.
            self.config = self.config.replace(appliance_id=self.outbox.appliance)
            self._maximum, self._mqtt_maximum = self._connections()
            plan = self._plan(self.config)
            store = _accel.Store(plan.cache_bytes, plan.cache_value, plan.cache_entries)
            self.second = self._second_level(plan, store)
            self.gateway = self._open_gateway(plan, store)
            undo.push_async_callback(self._drain, 0)
            self.gateway.updates = update_relay()
            self.snapshot = self._restore_cache()
            self._listen()
            self.supervisor.run("outbox", self.outbox.watch, essential=True)
            self.supervisor.probe("outbox", lambda: self.outbox.stalled(self.config.watchdog.stall_s))
            if self.snapshot is not None:
                self.supervisor.run("cache", self.snapshot.run, essential=False)
            if self.second is not None:
                self.supervisor.run("second_level", self.second.run, essential=False)
            self._start_uplink()
            self.supervisor.ready()
            undo.pop_all()
        self._notifier.ready(f"listening on {', '.join(self.urls)}")

    def _second_level(self, plan: plans.Plan, store: _accel.Store) -> "SecondLevel | None":
        if self.config.redis.url is None:
            return None
        from headgate.linux import second_level

        return second_level.open_second_level(self.config, store, value_max=plan.cache_value, now_ms=monotonic_ms)

    def _open_gateway(self, plan: plans.Plan, store: _accel.Store) -> Gateway:
        """On the native server, if there is one (run_in_loop)."""
        parts: dict[str, Any] = {
            "store": store,
            "limiter": _accel.Limiter(),
            "clock": self._clock.reading,
            "now_ms": monotonic_ms,
            "info": self.info,
            "report": report,
        }
        if self.second is not None:
            parts["second"] = self.second
            # Clients may meet several appliances under one name: no two must use an ETag for different values.
            parts["boot"] = int.from_bytes(os.urandom(6))
        if self._selector is None:
            return Gateway(plan, sink=self.outbox, **parts)
        from headgate.linux.native_gateway import open_gateway

        http2 = self.config.listen.http2
        return open_gateway(self._selector, plan, self.outbox, reading=self._clock.reading, http2=http2, **parts)

    def _restore_cache(self) -> cache_snapshot.Snapshot | None:
        directory, every_ms = self.config.state_dir, self.config.cache.snapshot_ms
        if not every_ms:
            with contextlib.suppress(OSError):  # one of earlier days must not come back when it is wanted again
                cache_snapshot.remove(directory)
            return None
        store, reading = self.gateway.store, self._clock.reading
        snapshot = cache_snapshot.Snapshot(directory, store, every_ms, reading=reading, now_ms=monotonic_ms)
        snapshot.load(self.supervisor.feed_board)
        return snapshot

    def _listen(self) -> None:
        listen = self.config.listen
        if listen.tls:
            self._tls = tls.ServerTls(listen)
        http = self._listeners()
        mqtt = self._mqtt_listeners()
        for scheme, make in (("http", http), ("https", http), ("mqtt", mqtt), ("mqtts", mqtt)):
            for address in getattr(listen, scheme):
                self._open(scheme, address, make(self._tls if scheme in ("https", "mqtts") else None))

    def _open(self, scheme: str, address: Address, listener: Any) -> None:
        """Raises CommandError."""
        try:
            listener.open(address.host, address.port)
        except OSError as error:
            raise cannot_listen(str(address), error) from None
        port = listener.sockets[0].getsockname()[1]
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)  # noqa: S104
        self.urls.append(f"{scheme}://{type(address)(host, port)}")

    def _listeners(self) -> Callable[[tls.ServerTls | None], Any]:
        """Makes what listens on one address, with TLS or without; the gateway closes it."""
        if self._selector is not None:
            return self.gateway.listener  # type: ignore[attr-defined, no-any-return]  # it is a NativeGateway
        return self._asyncio_listeners(self.gateway, self._maximum)

    def _mqtt_listeners(self) -> Callable[[tls.ServerTls | None], Any]:
        """The same for MQTT, of which nothing is loaded unless it is wanted."""
        if not (self.config.listen.mqtt or self.config.listen.mqtts):
            return self._listeners()  # makes none
        from headgate.linux.mqtt_gateway import MqttGateway

        self.mqtt = MqttGateway(self.gateway, self._mqtt_plan(self.gateway.plan))
        return self._asyncio_listeners(self.mqtt, self._mqtt_maximum)

    def _asyncio_listeners(self, gateway: Gateway, maximum: int) -> Callable[[tls.ServerTls | None], Listener]:
        table: set[Any] = set()
        handshake_s = self.config.listen.head_ms / 1000
        if self._tls is not None:
            tls.bound_asyncio()

        def make(secure: tls.ServerTls | None) -> Listener:
            listener = Listener(gateway, table, maximum, tls=secure, handshake_s=handshake_s)
            gateway.add_server(listener)
            return listener

        return make

    def _plan(self, config: Config) -> plans.Plan:
        plan = build_plan(config)
        plan.connections = min(plan.connections, max(self._maximum - limits.REFUSALS, 1))
        return plan

    def _mqtt_plan(self, plan: plans.Plan) -> plans.Plan:
        """The bounds of MQTT connections; everything else they take from `plan` itself."""
        listen = self.config.listen
        bounds = copy.copy(plan)
        bounds.connections = min(listen.mqtt_connections, max(self._mqtt_maximum - limits.REFUSALS, 1))
        bounds.idle_ms = listen.mqtt_keepalive_ms
        return bounds

    def _connections(self) -> tuple[int, int]:
        """How many may be open at a time over HTTP and over MQTT, those that are told that there are too many included.
        If there are not files enough for all, each has its share."""
        listen = self.config.listen
        http = listen.connections + limits.REFUSALS
        mqtt = listen.mqtt_connections + limits.REFUSALS if listen.mqtt or listen.mqtts else 0
        wanted = http + mqtt
        maximum = max(allow_descriptors(wanted + RESERVE) - RESERVE, 2)
        if maximum < wanted:
            cause = "the system allows no more open files (ulimit -n)"
            log.warning("only %d connections at a time, those being refused included: %s", maximum, cause)
        share = max(maximum * http // wanted, 1)
        return share, max(maximum - share, 1)

    def _start_uplink(self) -> None:
        self.uplink: Uplink | None = None
        url = self.config.uplink.url
        if url is None:
            return
        self.uplink = _uplink_class(tls=url.tls)(self.outbox, self.config)
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
            "tls": self._tls.stats() if self._tls is not None else None,
            "second_level": self.second.stats() if self.second is not None else None,
            "mqtt": self.mqtt.stats() if self.mqtt is not None else None,
            "snapshot": self.snapshot.stats() if self.snapshot is not None else None,
            "task_restarts": dict(self.supervisor.restarts),
            "process": machine.process(),
            "board": machine.board(),
        }

    async def reload(self) -> bool:
        """Read the configuration again. A bad one is refused, and the old one goes on; False then."""
        self._notifier.reloading()
        try:
            config = self._load()
            fixed = {name: getattr(self.config, name) for name in FIXED}
            fixed["listen"] = self._with_tls_of(config.listen)
            later = [name for name in FIXED if getattr(config, name) != fixed[name]]
            if "appliance_id" in later and not config.appliance_id:  # not in the file: it goes on as it is
                later.remove("appliance_id")
            config = config.replace(**fixed)
            plan = self._plan(config)
            made = self._tls.prepare(config.listen) if self._tls is not None else None
            if config.uplink.url is not None:
                _uplink_class(tls=config.uplink.url.tls)  # fails where packages have changed since the start
            self.gateway.adopt(plan)
        except errors.CommandError as problem:
            return self._refuse_reload(problem.line())
        except Exception as problem:  # nobody foresaw it: no reason for those who are served to be left alone
            return self._refuse_reload(f"unexpected {type(problem).__name__}, please report it", problem)
        for name in later:
            log.warning("[%s] has changed: takes effect with the next start", FIXED[name])
        known = {(warning.key, warning.message) for warning in self.config.warnings}
        for warning in config.warnings:
            if (warning.key, warning.message) not in known:
                log.warning("%s", warning.text())
        uplink_changed = config.uplink != self.config.uplink or topics(config) != topics(self.config)
        self.config = config
        if self.mqtt is not None:
            self.mqtt.adopt(self._mqtt_plan(plan))
        if self._tls is not None and made is not None:
            self._tls.adopt(made)
        if uplink_changed:
            await self.supervisor.end("uplink")
            self._start_uplink()
        log.info("reloaded")
        self._notifier.ready("reloaded")
        return True

    def _refuse_reload(self, reason: str, bug: Exception | None = None) -> bool:
        log.error("reload refused, the old configuration goes on: %s", reason, exc_info=bug)
        self._notifier.ready("reload refused, the old configuration goes on")
        return False

    def _with_tls_of(self, listen: Listen) -> Listen:
        """[listen] as it is in use, with the TLS keys of `listen`: they can change while there is TLS at all."""
        now = self.config.listen
        if self._tls is None or not listen.tls:
            return now
        return now.replace(**{name: getattr(listen, name) for name in Listen.DEFAULTS if name.startswith("tls_")})

    async def stop(self) -> None:
        """Stop accepting, answer what was accepted, commit, disconnect."""
        self._notifier.stopping()
        await self._drain(self.config.listen.drain_ms)
        if self.second is not None:
            await self.second.close()
        await self.supervisor.stop()
        await self.outbox.close()
        if self.snapshot is not None:
            await self.snapshot.close()
        self._clock.save()

    async def _drain(self, timeout_ms: int) -> None:
        gateways = [self.gateway] if self.mqtt is None else [self.gateway, self.mqtt]
        await asyncio.gather(*(gateway.drain(timeout_ms) for gateway in gateways))

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


def _uplink_class(*, tls: bool) -> "type[Uplink]":
    """Loaded when there is one to connect: it brings aiomqtt and paho along."""
    lean.import_mqtt(tls=tls)
    from headgate.linux.uplink import Uplink

    return Uplink


def update_relay() -> "Relay | None":
    """Where the system is an image with slots; elsewhere nothing of it is imported."""
    if not UPDATE_SOCKET.exists():
        return None
    from headgate.linux.update_relay import Relay

    return Relay(UPDATE_SOCKET)


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
    run_in_loop(lambda selector: _run(config, load, as_json, selector))
    return errors.OK


def run_in_loop(main: Callable[[NativeSelector | None], Coroutine[Any, Any, _T]]) -> _T:
    """asyncio.run, with the native backend in a loop whose selector, `main`'s argument, an App's server can join."""
    sys.setswitchinterval(limits.OTHER_THREAD_US / 1e6)  # a commit's Python would keep clients waiting
    selector = NativeSelector() if _accel.BACKEND == "native" else None
    factory = None if selector is None else lambda: asyncio.SelectorEventLoop(selector)
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main(selector))


async def _run(config: Config, load: Loader, as_json: bool, selector: NativeSelector | None) -> None:
    app = App(config, load, selector)
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
    print(text, flush=True)  # linux/output.py raises nothing
