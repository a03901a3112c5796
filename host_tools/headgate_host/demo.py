"""`headgate run --demo`: stations that send real weather records to a real appliance, and what became of each.

The verb `run` starts the appliance; this module is everything around it: a mosquitto and `headgate receive` where
they can be had, the stations posting over HTTP with tokens of their own, the live line, and the final account.
"""

import argparse
import asyncio
import json
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO
from urllib.parse import urlsplit

from headgate import errors
from headgate.core import jwt
from headgate.linux.app import App, announce, run_in_loop
from headgate.linux.config_plan import load_keys
from headgate.linux.config_values import BrokerURL
from headgate_host import stations as station_data
from headgate_host.children import Broker, Receiver, start_broker
from headgate_host.play import STREAM, Mint, play
from headgate_host.tally import Tally

if TYPE_CHECKING:
    from headgate.linux.config import Config
    from headgate.linux.selector import NativeSelector

TOKEN_TTL_S = 86400  # of the stations' tokens
QUIET_S = 5.0  # the receiver is given up on when nothing has arrived for this long
LIVE_S = 0.5  # between two states of the live line on a terminal
PLAIN_S = 5.0  # between two lines elsewhere

LEDGER = ("accepted", "delivered", "stored", "expired", "dropped")  # the first is the sum of the others
Ledger = Callable[[], Mapping[str, Any]]  # -> at least the numbers of LEDGER


def add_options(group: "argparse._ArgumentGroup") -> None:
    """The options of `headgate run --demo`; the flag itself belongs to the verb."""
    group.add_argument("--demo-rate", type=_positive, default=150.0, metavar="N", help="messages per second (150)")
    group.add_argument("--demo-count", type=_whole, default=0, metavar="N", help="end after N messages (0: go on)")
    group.add_argument("--demo-seconds", type=_positive, default=0.0, metavar="N", help="end after N seconds (go on)")
    group.add_argument("--demo-stations", type=_at_least_one, default=20, metavar="N", help="simulated stations (20)")
    group.add_argument("--demo-spoil", type=_share, default=0.03, metavar="SHARE", help="share spoiled, 0 to 1 (0.03)")
    group.add_argument("--demo-no-broker", action="store_true", help="start neither mosquitto nor `headgate receive`")


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e6:  # noqa: PLR2004 - also refuses nan and inf
        raise argparse.ArgumentTypeError("must be above 0 and below a million")
    return value


def _whole(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 1_000_000_000:  # noqa: PLR2004
        raise argparse.ArgumentTypeError("must be a whole number from 0 to 1000000000")
    return value


def _at_least_one(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 1000:  # noqa: PLR2004 - each has a connection
        raise argparse.ArgumentTypeError("must be from 1 to 1000")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError("must be from 0 to 1")
    return value


class Demo:
    """Broker, receiver, stations and report of one `headgate run --demo`.

    `open()` before the appliance starts, `run()` while it runs, `close()` when it has stopped.
    """

    def __init__(self, arguments: argparse.Namespace, *, as_json: bool = False, out: TextIO | None = None) -> None:
        self.options = arguments
        self.as_json = as_json
        self.out = out or sys.stdout
        self.tally = Tally()
        self.receiver: Receiver | None = None
        self._broker: Broker | None = None
        self._live = not as_json and self.out.isatty()

    async def open(self, folder: Path) -> str | None:
        """Start mosquitto and the receiver, their files under `folder`; returns the broker's URL, None without one."""
        station_data.data_folder()  # the most likely thing to be missing: say so before anything is started
        if self.options.demo_no_broker:
            return None
        self._broker = await start_broker(folder)
        if self._broker is None:
            self._say("mosquitto is not installed (apt-get install mosquitto): messages stay in the outbox")
            return None
        self.receiver = Receiver()
        await self.receiver.start(self._broker.url)
        return self._broker.url

    async def run(self, *, base_url: str, mint: Mint, ledger: Ledger, stop: asyncio.Event) -> int:
        """Play until done or `stop` is set, then report. Returns OK, or FINDING when something does not add up."""
        self._introduce(base_url, mint)
        started = time.monotonic()
        reporter = asyncio.create_task(self._report(ledger, started))
        options = self.options
        try:
            await play(
                base_url,
                mint,
                rate=options.demo_rate,
                count=options.demo_count,
                seconds=options.demo_seconds,
                spoil=options.demo_spoil,
                stations=options.demo_stations,
                tally=self.tally,
                stop=stop,
            )
            await self._settle(ledger)
        finally:
            reporter.cancel()
            await asyncio.gather(reporter, return_exceptions=True)
        return self._summarise(ledger(), time.monotonic() - started)

    async def close(self) -> None:
        for child in (self.receiver, self._broker):
            if child is not None:
                await child.stop()

    def _say(self, text: str) -> None:
        if not self.as_json:
            self.out.write(text + "\n")
            self.out.flush()

    async def _settle(self, ledger: Ledger) -> None:
        """Wait until what was accepted has arrived and is accounted for, or nothing moves any more."""
        if self.receiver is None:
            return
        arrived = await self.receiver.wait_count(self.tally.accepted - self.tally.replayed, QUIET_S)
        deadline = time.monotonic() + QUIET_S
        # The broker's acknowledgements are on their way back.
        while arrived and ledger()["stored"] and time.monotonic() < deadline:  # noqa: ASYNC110 - a ledger has no event
            await asyncio.sleep(0.02)

    def _introduce(self, base_url: str, mint: Mint) -> None:
        token = mint("visitor")
        body = '{"station":"vis-01","ts":"2026-01-01T12:00:00Z","kind":"hourly","temp_f":68.4}'
        broker = self._broker.url if self._broker else "none"
        if self.as_json:
            self._write_json({"event": "demo", "url": base_url, "token": token, "broker": broker})
            return
        self._say(
            f"url     {base_url}\nbroker  {broker}\n\n"
            f"Try in another terminal:\n\nTOKEN={token}\n"
            f'curl -i {base_url}/v1/streams/{STREAM} -H "Authorization: Bearer $TOKEN" '
            f"-H 'Content-Type: application/json' -d '{body}'\n"
            f"curl {base_url}/metrics\n\n"
            "Ctrl-C ends the demo with a summary.\n"
        )

    async def _report(self, ledger: Ledger, started: float) -> None:
        while True:
            await asyncio.sleep(LIVE_S if self._live else PLAIN_S)
            state = ledger()
            if self.as_json:
                self._write_json({"event": "progress", **self._document(state, time.monotonic() - started)})
            elif self._live:
                self.out.write("\r\x1b[2K" + self._line(state)[: _columns() - 1])
                self.out.flush()
            else:
                self._say(self._line(state))

    def _line(self, ledger: Mapping[str, Any]) -> str:
        tally = self.tally
        reasons = ", ".join(f"{n} {reason}" for reason, n in tally.reasons().items())
        p50, p99 = (tally.latencies.quantile_ms(share) for share in (0.5, 0.99))
        retried = f" | retried {tally.retries.total()}" if tally.retries else ""
        received = f" | received {self.receiver.count}" if self.receiver else ""
        return (
            f"accepted {tally.accepted} | rejected {tally.rejected.total()}{f' ({reasons})' if reasons else ''}"
            f"{retried} | forwarded {ledger['delivered']}{received} | p50 {p50:.1f} ms, p99 {p99:.1f} ms"
        )

    def _document(self, ledger: Mapping[str, Any], seconds: float) -> dict[str, object]:
        return {
            "seconds": round(seconds, 1),
            **self.tally.document(),
            "received": self.receiver.count if self.receiver else None,
            "last": self.receiver.last if self.receiver else None,
            "ledger": {name: ledger[name] for name in LEDGER},
        }

    def _write_json(self, document: dict[str, object]) -> None:
        self.out.write(json.dumps(document) + "\n")
        self.out.flush()

    def _summarise(self, ledger: Mapping[str, Any], seconds: float) -> int:
        findings = self._findings(ledger)
        document = self._document(ledger, seconds)
        if self.as_json:
            self._write_json({"event": "summary", **document, "findings": findings})
            return errors.FINDING if findings else errors.OK
        tally = self.tally
        if self._live:
            self.out.write("\r\x1b[2K")
        self._say(self._line(ledger))
        self._say(f"\nAfter {seconds:.0f} s: {tally.sent} messages of {self.options.demo_stations} stations")
        for reason, n in tally.reasons().items():
            self._say(f"  rejected {n:>7}  {reason}")
        for name, n in sorted(tally.spoiled.items()):
            self._say(f"  spoiled  {n:>7}  {name}")
        for reason, n in sorted(tally.retries.items()):
            self._say(f"  retried  {n:>7}  {STATUS_RETRY.get(reason, reason)}")
        self._say("  ledger   " + ", ".join(f"{name} {ledger[name]}" for name in LEDGER))
        if self.receiver is not None:
            self._say(f"  received {self.receiver.count}; the last one: {json.dumps(self.receiver.last)}")
        for finding in findings or ["Everything adds up: every answer as owed, ledger balanced, nothing lost."]:
            self._say(finding)
        return errors.FINDING if findings else errors.OK

    def _findings(self, ledger: Mapping[str, Any]) -> list[str]:
        """What does not add up, in words; empty when all is well."""
        tally = self.tally
        findings = [f"wrong answer: {text}" for text in tally.wrong]
        if tally.wrong_count > len(tally.wrong):
            findings.append(f"... and {tally.wrong_count - len(tally.wrong)} more wrong answers")
        parts = sum(int(ledger[name]) for name in LEDGER[1:])
        if parts != ledger["accepted"]:
            findings.append(f"the ledger does not balance: accepted {ledger['accepted']}, sum of the others {parts}")
        fresh = tally.accepted - tally.replayed
        if self.receiver is not None and self.receiver.count < fresh:
            findings.append(f"accepted {fresh}, but only {self.receiver.count} arrived at the receiver so far")
        if self.receiver is not None and self.receiver.unreadable:
            findings.append(f"{self.receiver.unreadable} lines of the receiver are not JSON")
        return findings


STATUS_RETRY = {"429": "over rate (429)", "503": "not now (503)", "connection": "connection lost"}


def _columns() -> int:
    return shutil.get_terminal_size().columns


# --- with the appliance ---------------------------------------------------------------------------------------------


def run(config: "Config", args: argparse.Namespace, folder: Path) -> int:
    """What `headgate run --demo` does: appliance, broker, receiver and stations until done, SIGINT or SIGTERM.

    `args` has the options above and `json`; everything that is written goes below `folder`. Returns an exit code.
    """
    if STREAM not in config.streams:
        raise errors.CommandError(
            errors.CONFIG, f"the demo needs a stream called {STREAM}", "Add it, or run the demo without --config"
        )
    return run_in_loop(lambda selector: _run(config, args, folder, selector))


async def _run(config: "Config", args: argparse.Namespace, folder: Path, selector: "NativeSelector | None") -> int:
    demo = Demo(args, as_json=args.json)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ask_to_stop(number: int) -> None:
        stop.set()
        loop.remove_signal_handler(number)  # the second Ctrl-C does not wait for anything

    try:
        if config.uplink.url is None:
            url = await demo.open(folder)
            config = demo_config(config, url)
        app = App(config, lambda: config, selector)
        await app.start()
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, ask_to_stop, number)
            announce(app, as_json=args.json)
            playing = asyncio.create_task(
                demo.run(base_url=app.urls[0], mint=minter(config), ledger=app.outbox.stats, stop=stop)
            )
            waits: set[asyncio.Future[Any]] = {playing, app.supervisor.failed}
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if not playing.done():
                playing.cancel()
                await asyncio.gather(playing, return_exceptions=True)
                app.supervisor.failed.result()
            return await playing
        finally:
            await app.stop()
    finally:
        await demo.close()


def demo_config(config: "Config", broker_url: str | None) -> "Config":
    """The configuration, forwarding to the demo's broker if there is one."""
    if broker_url is None:
        return config
    broker = urlsplit(broker_url)
    url = BrokerURL(broker.hostname or "", broker.port or 0, tls=False)
    return config.replace(uplink=config.uplink.replace(url=url))


def minter(config: "Config") -> Mint:
    """Mints tokens with the first HS256 key of the configuration, as `headgate token` does."""
    keys = load_keys(config)
    for issuer in config.issuers:
        for key in keys[issuer.name]:
            if key.alg == jwt.HS256:
                break
        else:
            continue
        break
    else:
        raise errors.CommandError(
            errors.CONFIG, "the demo mints tokens and needs an issuer with an HS256 secret", "Leave out --config"
        )

    def mint(station: str) -> str:
        now = int(time.time())
        ttl = min(TOKEN_TTL_S, issuer.max_ttl_s or TOKEN_TTL_S)
        claims: dict[str, object] = {
            "iss": issuer.name,
            "aud": issuer.audience,
            "sub": station,
            "scope": f"publish:{STREAM} read:{STREAM}",
            "iat": now,
            "exp": now + ttl,
        }
        return jwt.sign_hs256(claims, key).decode()

    return mint
