"""What the native transports have in common: a thread of C without the GIL sends and receives (native_ext/load), Python
only makes the requests, shortly before they are due, and judges the answers whose bodies matter."""

import asyncio
import itertools
import socket
import threading
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Union

from headgate_host.load.distribution import Distribution
from headgate_host.load.operation import GRPC, Expect, Request, status_name
from headgate_host.load.record import LOST, MALFORMED, REFUSED, RESET, TIMEOUT, UNSENT, Found, Recording
from headgate_host.load.result import OK, Measured, combined
from headgate_host.load.target import Target
from headgate_host.load.transport import Unreachable, reason_of

if TYPE_CHECKING:
    from headgate_native import _load, _load_http2

    Client = Union[_load.Client, _load_http2.Client]  # noqa: UP007 - not there when this is run

FAILURES = (REFUSED, LOST, MALFORMED, TIMEOUT, UNSENT, RESET)  # as enum hg_failure
TO_HEAD, OF_GRPC, JUDGED = 1, 2, 4  # as in native_ext/load/shot.h; a test compares them
JUDGE_S = 0.02  # how often answers are read
TOP_UP_S = 0.005  # closed loop: how often more requests are made ready
READY_MIN = 1024  # closed loop: requests that are
REMEMBERED = 16384  # requests whose bytes are kept, for plans that send the same ones again and again
ROWS_KNOWN = 4096  # pairs of operation and expectation that are known by identity


class Rows:
    """What is counted apart: operations, and of one operation requests that expect other statuses."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, tuple[int, ...]]] = []
        self._numbers: dict[tuple[str, tuple[int, ...]], int] = {}
        self._known: dict[tuple[int, int], tuple[int, Request]] = {}

    def number(self, request: Request) -> int:
        key = id(request.operation), id(request.expect)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= ROWS_KNOWN:
                self._known.clear()
            row = request.operation.name, request.expect.statuses
            number = self._numbers.get(row)
            if number is None:
                number = self._numbers[row] = len(self.rows)
                self.rows.append(row)
            known = self._known[key] = number, request  # the request keeps what has these ids
        return known[0]


class NativeRecorder(Recording):
    """What the client counted, as a Recorder would say it."""

    def __init__(self, client: "Client", rows: Rows) -> None:
        self._client = client
        self._rows = rows
        self._tickets = itertools.count()
        self._owed: dict[int, Request] = {}  # by ticket: whose answers are read here
        self._judged: dict[tuple[int, str], Counter[str]] = {}

    def begin(self, start_ns: int, warm_up_ns: int = 0, interval_ns: int = 1_000_000_000) -> None:
        self._client.begin(start_ns + warm_up_ns, interval_ns)

    @property
    def pending(self) -> int:
        return self._client.state()[1]

    def take_late(self) -> Distribution:
        return Distribution(*self._client.late())

    def ticket(self, request: Request) -> int:
        """For a request whose answer is to be read here."""
        ticket = next(self._tickets)
        self._owed[ticket] = request
        return ticket

    def take(self) -> Found:
        found: Found = {}
        for interval, row, due, sent, statuses, failures, latency, service in self._client.take():
            name, right = self._rows.rows[row]
            outcomes = {reason: count for reason, count in zip(FAILURES, failures, strict=True) if count}
            for status, count in statuses.items():
                outcome = OK if status in right else status_name(status)
                outcomes[outcome] = outcomes.get(outcome, 0) + count
            one = Measured(due, sent, outcomes, Distribution(*latency), Distribution(*service))
            known = found.get((interval, name))
            found[interval, name] = one if known is None else combined([known, one])
        self.judge()
        judged, self._judged = self._judged, {}
        for key, counts in judged.items():
            outcomes = found.setdefault(key, Measured()).outcomes
            for outcome, count in counts.items():
                outcomes[outcome] = outcomes.get(outcome, 0) + count
        return found

    def judge(self) -> None:
        """What has been answered since the last time."""
        for ticket, interval, status, body in self._client.judged():
            request = self._owed.pop(ticket)
            if status < 0 or interval < 0:  # it failed, which the client has counted; or was due in the warm-up
                continue
            outcome = request.expect.wrong(status, body) or OK
            self._judged.setdefault((interval, request.operation.name), Counter())[outcome] += 1


def reads_body(expect: Expect) -> bool:
    return bool(expect.problem or expect.lines or expect.instance is not None)


class NativeTransport:
    """`write`: a request as the client wants it."""

    def __init__(self, target: Target, client: "Client", write: Callable[[Request], bytes], at_once: int) -> None:
        """`at_once`: requests that can be under way."""
        self._target, self._client, self._write = target, client, write
        self._rows = Rows()
        self._made: dict[int, tuple[int, int, bytes, Request]] = {}  # by id of the request, which stays with it
        self._ready = max(READY_MIN, 2 * at_once)
        self._thread = threading.Thread(target=client.serve, name="load", daemon=True)
        self._tasks: list[asyncio.Task[None]] = []
        self.recorder = NativeRecorder(client, self._rows)

    @property
    def recorders(self) -> list[Recording]:
        return [self.recorder]

    @property
    def ahead(self) -> int:
        return self._client.state()[0]

    @property
    def cpu_s(self) -> float:
        return self._client.state()[2] / 1e9

    async def open(self) -> None:
        try:
            await asyncio.to_thread(self._client.open)
        except OSError as error:
            raise Unreachable(self._target.url, error.strerror or reason_of(error)) from None
        self._thread.start()
        self._tasks.append(asyncio.create_task(self._judge_always()))

    async def _judge_always(self) -> None:
        """A little at a time: requests have to be made meanwhile."""
        while True:
            await asyncio.sleep(JUDGE_S)
            self.recorder.judge()

    def push(self, due_ns: int, request: Request) -> None:
        made = self._made.get(id(request))
        if made is None:
            made = self._rows.number(request), _flags(request), self._write(request), request
            if len(self._made) < REMEMBERED:
                self._made[id(request)] = made
        number, flags, data, _ = made
        self._client.push(due_ns, number, flags, self.recorder.ticket(request) if flags & JUDGED else 0, data)

    def close_loop(self, more: Callable[[], Request | None]) -> None:
        self._tasks.append(asyncio.create_task(self._top_up(more)))

    async def _top_up(self, more: Callable[[], Request | None]) -> None:
        """Keeps so many ready that a connection that becomes free never waits for Python."""
        while True:
            for _ in range(self._ready - self._client.state()[0]):
                request = more()
                if request is None:
                    self._client.drop()
                    return
                self.push(0, request)
            await asyncio.sleep(TOP_UP_S)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._client.drop()
        self._client.stop()  # be it that it still opens connections
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)


def _flags(request: Request) -> int:
    operation = request.operation
    flags = TO_HEAD * (operation.method == "HEAD") | OF_GRPC * (operation.protocol == GRPC)
    return flags | JUDGED * reads_body(request.expect)


def resolved(target: Target) -> tuple[int, str]:
    """Family and numeric address. Raises Unreachable."""
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Unreachable(target.url, error.strerror or str(error)) from None
    family, _, _, _, address = found[0]
    return family, str(address[0])
