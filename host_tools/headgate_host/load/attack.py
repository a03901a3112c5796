"""`headgate load attack`: malformed, slow, oversized, floods. The target owes a status, and must go on as before."""

import argparse
import asyncio
import contextlib
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field

from headgate.errors import USAGE, CommandError
from headgate_host.http_client import Connection
from headgate_host.load import attack_probes as probes
from headgate_host.load import exits, words
from headgate_host.load.attack_probes import CLOSED, Place, Probe
from headgate_host.load.device_sources import Endpoint
from headgate_host.load.load import allow_descriptors
from headgate_host.load.target import Target
from headgate_host.load.transport import Unreachable, reason_of

HELP = "malformed, slow, oversized, floods: a status, and never a crash"
EPILOG = """\
Sends what a careless or hostile client might, to a URL that takes POSTs, and looks after each whether others are still
served. Give --state or --config so that it has a token; without one most of it ends at 401, which tests less. Only for
targets of your own.

  headgate load attack http://127.0.0.1:8080/v1/streams/weather --state STATE

exit codes: 0 it answered everything rightly and went on · 2 wrong command line · 3 no connection · 4 a wrong answer, no
answer, or it stopped serving
"""
ANSWER_S = 20.0  # the longest a probe waits: more than an appliance's time for a head
SERVE_S = 5.0  # in which others must be served, meanwhile and afterwards
RUBBISH = 200
FLOOD = 2000  # connections
SLOW = 200
PIPELINED = 5000
OPENING = 100
RETRY_S = 0.05


@dataclass
class Finding:
    name: str
    passed: bool
    said: str


@dataclass
class Report:
    findings: list[Finding] = field(default_factory=list)

    def note(self, name: str, said: str, *, passed: bool) -> None:
        self.findings.append(Finding(name, passed, said))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("target", metavar="URL", help="http:// or https://, a resource that takes POSTs")
    add("--seed", metavar="N", type=int, help="of the rubbish, to repeat a run")
    add("--rubbish", metavar="N", type=int, default=RUBBISH, help=f"changed and random requests (default: {RUBBISH})")
    add("--flood", metavar="N", type=int, default=FLOOD, help=f"connections of a flood (default: {FLOOD})")
    add("--patience", metavar="TIME", default=f"{ANSWER_S:g} s", help="how long an answer may take (default: 20 s)")
    add("--json", action="store_true", help="one JSON document instead of text")
    words.add_target_arguments(parser)


def main(args: argparse.Namespace) -> int:
    with exits.translated():
        target = Target.parse(args.target, args.ca_file, insecure=args.insecure)
        if target.scheme not in ("http", "https") or args.rubbish < 0 or args.flood < 0:
            raise CommandError(USAGE, "an attack needs an http:// or https:// URL, and counts that are not negative")
        tokens = words.tokens_of(args)
        seed = args.seed if args.seed is not None else random.SystemRandom().randrange(1 << 32)
        place = Place(target.authority, target.path, tokens(0) if tokens else "")
        patience_s = words.seconds("--patience", args.patience)
        report = asyncio.run(Attack(target, place, patience_s).run(seed, args.rubbish, args.flood))
    failed = [one for one in report.findings if not one.passed]
    code = exits.TARGET_ERRORS if failed else exits.PASSED
    if args.json:
        found = {"seed": seed, "findings": [vars(one) for one in report.findings], "exit_code": code}
        print(json.dumps(found))
    else:
        for one in failed:
            print(f"  FAILED  {one.name}: {one.said}")
        print(f"{len(report.findings)} attacks, {len(failed)} answered wrongly (seed {seed})")
    return code


class Attack:
    def __init__(self, target: Target, place: Place, patience_s: float) -> None:
        self._target, self._place, self._patience_s = target, place, patience_s
        self._context = target.context()
        self._origin = f"{target.scheme}://{target.authority}"
        self._report = Report()

    async def run(self, seed: int, rubbish: int, flood: int) -> Report:
        """Raises Unreachable when it does not even answer in peace."""
        allow_descriptors()
        try:
            await self._serves()
        except (OSError, TimeoutError) as error:
            raise Unreachable(self._target.url, reason_of(error)) from None
        born = await self._born()
        place = self._place
        kinds: tuple[Iterable[Probe], ...] = (
            probes.framing(place),
            probes.sizes(place),
            probes.contents(place),
            probes.tokens(place) if place.bearer else (),
            probes.rubbish(place, seed, rubbish),
        )
        for kind in kinds:
            for probe in kind:
                await self._probe(probe)
            await self._still_serves("after that")
        for name, attack in (
            ("clients that send a byte at a time", self._slow),
            (f"{flood} connections at once", lambda: self._flood(flood)),
            (f"{PIPELINED} requests in one piece, and nobody reads", self._unread),
        ):
            await self._while(name, attack)
        now = await self._born()
        if born is not None:
            self._report.note("it was never restarted", f"boot and CPU time: {born} -> {now}", passed=_same(born, now))
        return self._report

    # -- one request

    async def _probe(self, probe: Probe) -> None:
        try:
            status = await self._status(probe.data)
            said = "closed" if status == CLOSED else str(status)
            passed = status in probe.right
        except TimeoutError:
            said, passed = f"no answer in {self._patience_s:g} s", False
        except OSError as error:
            said, passed = reason_of(error), False
        self._report.note(probe.name, said, passed=passed)

    async def _status(self, data: bytes) -> int:
        """Of the first answer that is not 1xx; CLOSED when the connection ends first."""
        async with asyncio.timeout(self._patience_s), self._open() as (reader, writer):
            writer.write(data)
            with contextlib.suppress(OSError):  # it may answer and close before it has read everything
                await asyncio.wait_for(writer.drain(), self._patience_s / 2)
            while True:
                try:
                    line = await reader.readuntil(b"\r\n")
                except (asyncio.IncompleteReadError, ConnectionError):
                    return CLOSED
                except asyncio.LimitOverrunError:
                    return -1
                if line.startswith(b"HTTP/1.") and line[9:12].isdigit() and not line.startswith(b"1", 9):
                    return int(line[9:12])

    @contextlib.asynccontextmanager
    async def _open(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection(self._target.host, self._target.port, ssl=self._context)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    # -- others

    async def _serves(self) -> int:
        """The status that a client in peace gets. Raises OSError, TimeoutError."""
        connection = Connection(self._origin, self._context)
        try:
            async with asyncio.timeout(SERVE_S):
                return (await connection.request("GET", "/healthz", {})).status
        finally:
            connection.close()

    async def _still_serves(self, when: str) -> None:
        """Soon: those who were there before may still be leaving."""
        began, said = time.monotonic(), ""
        while time.monotonic() < began + SERVE_S:
            try:
                status = await self._serves()
            except (OSError, TimeoutError) as error:
                said = reason_of(error)
                await asyncio.sleep(RETRY_S)
                continue
            said = f"status {status} after {time.monotonic() - began:.2f} s"
            if status < 500:  # noqa: PLR2004
                self._report.note(f"others are served {when}", said, passed=True)
                return
        self._report.note(f"others are served {when}", said, passed=False)

    async def _born(self) -> "tuple[float, float] | None":
        """Boot number and CPU time of an appliance, None for others."""
        endpoint = Endpoint(self._target, "/metrics")
        try:
            metrics = await endpoint.read()
            return metrics["headgate_boot"], metrics["headgate_process_cpu_ms"]
        except (OSError, TimeoutError, KeyError):
            return None
        finally:
            await endpoint.close()

    # -- many at once

    async def _while(self, name: str, attack: "Callable[[], contextlib.AbstractAsyncContextManager[str]]") -> None:
        async with attack() as said:
            self._report.note(name, said, passed=True)
        await self._still_serves(f"after {name}")

    @contextlib.asynccontextmanager
    async def _slow(self) -> AsyncIterator[str]:
        """Heads that never end. Somebody in peace is served meanwhile."""
        async with self._many(SLOW) as writers:
            for byte in b"GET / HTT":
                for writer in writers:
                    writer.write(bytes((byte,)))
                await asyncio.sleep(0)
            await self._still_serves(f"while {SLOW} clients are slow")
            yield f"{len(writers)} connections"

    @contextlib.asynccontextmanager
    async def _flood(self, count: int) -> AsyncIterator[str]:
        """More connections than it has room for: those over the limit are told so, or closed."""
        async with self._many(count) as writers:
            yield f"{len(writers)} connections were accepted by its kernel"

    @contextlib.asynccontextmanager
    async def _unread(self) -> AsyncIterator[str]:
        """It must stop reading when nobody takes its answers, and keep its memory."""
        request = f"GET /healthz HTTP/1.1\r\nHost: {self._target.authority}\r\n\r\n".encode()
        async with self._open() as (_, writer):
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            with contextlib.suppress(OSError, TimeoutError):
                writer.write(request * PIPELINED)
                await asyncio.wait_for(writer.drain(), 1.0)
            await self._still_serves("while answers are not read")
            yield f"{len(request) * PIPELINED} bytes"

    @contextlib.asynccontextmanager
    async def _many(self, count: int) -> AsyncIterator[list[asyncio.StreamWriter]]:
        writers: list[asyncio.StreamWriter] = []
        failures: Counter[str] = Counter()

        async def one() -> None:
            try:
                async with asyncio.timeout(SERVE_S):
                    _, writer = await asyncio.open_connection(self._target.host, self._target.port, ssl=self._context)
                writers.append(writer)
            except (OSError, TimeoutError) as error:
                failures[reason_of(error)] += 1

        try:
            for _ in range(0, count, OPENING):
                await asyncio.gather(*(one() for _ in range(OPENING)))
            yield writers
        finally:
            for writer in writers:
                writer.transport.abort()


def _same(before: tuple[float, float], now: tuple[float, float] | None) -> bool:
    return now is not None and now[0] == before[0] and now[1] >= before[1]
