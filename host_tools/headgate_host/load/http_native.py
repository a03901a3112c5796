"""HTTP/1.1 by the native client (headgate_native._load): a thread of C without the GIL sends and receives, Python only
makes the requests, shortly before they are due. Without TLS; answers whose bodies have to be read go to the twin,
http_pool.py."""

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from headgate import _accel
from headgate_host.load.distribution import Distribution
from headgate_host.load.http_pool import HttpPool
from headgate_host.load.http_wire import Writer
from headgate_host.load.operation import Request
from headgate_host.load.record import LOST, MALFORMED, REFUSED, TIMEOUT, UNSENT, Found, Recording
from headgate_host.load.result import OK, Measured, combined
from headgate_host.load.target import Target
from headgate_host.load.transport import QUEUE_MAX, Unreachable, reason_of

if TYPE_CHECKING:
    from headgate_native._load import Client

FAILURES = (REFUSED, LOST, MALFORMED, TIMEOUT, UNSENT)  # as enum hg_failure
TOP_UP_S = 0.005  # closed loop: how often more requests are made ready
READY_MIN = 1024  # closed loop: requests that are
REMEMBERED = 16384  # requests whose bytes are kept, for plans that send the same ones again and again
ROWS_KNOWN = 4096  # pairs of operation and expectation that are known by identity


def usable(target: Target) -> bool:
    return _accel.BACKEND == "native" and not target.tls


def reads_body(request: Request) -> bool:
    expect = request.expect
    return bool(expect.problem or expect.lines or expect.instance is not None)


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

    def begin(self, start_ns: int, warm_up_ns: int = 0, interval_ns: int = 1_000_000_000) -> None:
        self._client.begin(start_ns + warm_up_ns, interval_ns)

    @property
    def pending(self) -> int:
        return self._client.state()[1]

    def take_late(self) -> Distribution:
        return Distribution(*self._client.late())

    def take(self) -> Found:
        found: Found = {}
        for interval, row, due, sent, statuses, failures, latency, service in self._client.take():
            name, right = self._rows.rows[row]
            outcomes = {reason: count for reason, count in zip(FAILURES, failures, strict=True) if count}
            for status, count in statuses.items():
                outcome = OK if status in right else f"status {status}"
                outcomes[outcome] = outcomes.get(outcome, 0) + count
            one = Measured(due, sent, outcomes, Distribution(*latency), Distribution(*service))
            known = found.get((interval, name))
            found[interval, name] = one if known is None else combined([known, one])
        return found


class NativeHttp:
    """As HttpPool; `slow` is one, for requests whose answers are read, None: there are none such."""

    def __init__(
        self,
        target: Target,
        *,
        connections: int,
        token: Callable[[int], str] | None = None,
        timeout_s: float,
        slow: HttpPool | None = None,
    ) -> None:
        from headgate_native._load import Client

        family, address = _resolved(target)
        self._target, self._slow = target, slow
        self._client = Client(family, address, target.port, connections, QUEUE_MAX, int(timeout_s * 1e9))
        self._writer = Writer(target.authority, token)
        self._rows = Rows()
        self._made: dict[int, tuple[int, bool, bytes, Request]] = {}  # by id of the request, which stays with it
        self._ready = max(READY_MIN, 2 * connections)
        self._thread = threading.Thread(target=self._client.serve, name="load", daemon=True)
        self._topping_up: asyncio.Task[None] | None = None
        self.recorder = NativeRecorder(self._client, self._rows)

    @property
    def recorders(self) -> list[Recording]:
        return [self.recorder] if self._slow is None else [self.recorder, *self._slow.recorders]

    @property
    def ahead(self) -> int:
        return self._client.state()[0] + (self._slow.ahead if self._slow is not None else 0)

    @property
    def cpu_s(self) -> float:
        return self._client.state()[2] / 1e9

    async def open(self) -> None:
        try:
            await asyncio.to_thread(self._client.open)
        except OSError as error:
            raise Unreachable(self._target.url, reason_of(error)) from None
        self._thread.start()
        if self._slow is not None:
            await self._slow.open()

    def push(self, due_ns: int, request: Request) -> None:
        if self._slow is not None and reads_body(request):
            self._slow.push(due_ns, request)
        else:
            self._push(due_ns, request)

    def _push(self, due_ns: int, request: Request) -> None:
        made = self._made.get(id(request))
        if made is None:
            number, data = self._rows.number(request), self._writer.write(request)
            made = number, request.operation.method == "HEAD", data, request
            if len(self._made) < REMEMBERED:
                self._made[id(request)] = made
        number, to_head, data, _ = made
        self._client.push(due_ns, number, to_head, data)

    def close_loop(self, more: Callable[[], Request | None]) -> None:
        self._topping_up = asyncio.create_task(self._top_up(more))

    async def _top_up(self, more: Callable[[], Request | None]) -> None:
        """Keeps so many ready that a connection that becomes free never waits for Python."""
        while True:
            for _ in range(self._ready - self._client.state()[0]):
                request = more()
                if request is None:
                    self._client.drop()
                    return
                self._push(0, request)
            await asyncio.sleep(TOP_UP_S)

    async def close(self) -> None:
        if self._topping_up is not None:
            self._topping_up.cancel()
        self._client.drop()
        if self._thread.is_alive():
            self._client.stop()
            await asyncio.to_thread(self._thread.join)
        if self._slow is not None:
            await self._slow.close()


def _resolved(target: Target) -> tuple[int, str]:
    """Raises Unreachable."""
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Unreachable(target.url, error.strerror or str(error)) from None
    family, _, _, _, address = found[0]
    return family, str(address[0])
