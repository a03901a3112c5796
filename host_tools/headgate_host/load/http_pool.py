"""HTTP/1.1 on asyncio: a pool of keep-alive connections, one request in flight on each. Plain and over TLS."""

import asyncio
import contextlib
import socket
import time
from collections import deque
from collections.abc import Callable

from headgate_host.load.http_wire import Answer, NotHttp, Writer
from headgate_host.load.record import LOST, MALFORMED, REFUSED, TIMEOUT, Recorder
from headgate_host.load.target import Target
from headgate_host.load.transport import Clocked, Due, Unreachable, reason_of

CONNECT_S = 10.0
REOPEN_S = 0.1  # after a connection could not be opened, or was of no use
OPENING = 64  # connections that are opened at the same time


class Connection(asyncio.Protocol):
    """`due`: what is in flight, None: idle. `fruitful`: a request was answered on it."""

    def __init__(self, pool: "HttpPool") -> None:
        self.due: Due | None = None
        self.sent_ns = 0
        self.fruitful = False
        self._pool = pool
        self._answer = Answer()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for mypy; create_connection gives no other
        self._transport = transport
        plain = transport.get_extra_info("socket")
        if plain is not None:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, due: Due, data: bytes) -> None:
        if self._transport is None:
            return
        self.due = due
        self._answer.begin(to_head=due.request.operation.method == "HEAD")
        self.sent_ns = time.monotonic_ns()
        self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        if self.due is None:
            self.abort()  # an answer nobody asked for, such as 408 to an idle connection
            return
        try:
            complete = self._answer.feed(data)
        except NotHttp:
            self._fail(MALFORMED, now)
            self.abort()
            return
        if complete:
            self._complete(now)

    def _complete(self, now: int) -> None:
        due, self.due = self.due, None
        if due is None:
            return
        self.fruitful = True
        wrong = due.request.expect.wrong(self._answer.status, self._answer.body)
        self._pool.recorder.answered(due.request, wrong, due.due_ns, self.sent_ns, now)
        if self._answer.keep_alive:
            self._pool.freed(self)
        else:
            self.abort()

    def eof_received(self) -> None:
        if self.due is not None and self._answer.eof():
            self._complete(time.monotonic_ns())
        self._pool.retire(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._fail(LOST, time.monotonic_ns())
        self._pool.lost(self)

    def _fail(self, reason: str, now: int) -> None:
        due, self.due = self.due, None
        if due is not None:
            waited = now if reason == TIMEOUT else 0
            self._pool.recorder.failed(due.request, reason, due.due_ns, self.sent_ns, waited)

    def expire(self, now: int) -> None:
        """What is in flight has had its time."""
        self._fail(TIMEOUT, now)
        self.abort()

    def abort(self) -> None:
        self._pool.retire(self)
        if self._transport is not None:
            self._transport.abort()


class HttpPool(Clocked):
    def __init__(
        self,
        target: Target,
        recorder: Recorder,
        *,
        connections: int,
        token: Callable[[int], str] | None = None,
        timeout_s: float,
    ) -> None:
        super().__init__(recorder, timeout_s)
        self._target = target
        self._context = target.context()
        self._writer = Writer(target.authority, token)
        self._count = connections
        self._open: set[Connection] = set()
        self._idle: deque[Connection] = deque()
        self._openers: set[asyncio.Task[None]] = set()
        self._closing = False

    async def open(self) -> None:
        reason = "no connection wanted"
        left = self._count
        while left:
            tries = [self._connect() for _ in range(min(left, OPENING))]
            left -= len(tries)
            for found in await asyncio.gather(*tries, return_exceptions=True):
                if isinstance(found, OSError | TimeoutError):
                    reason = reason_of(found)
                elif isinstance(found, BaseException):
                    raise found
            if not self._open:
                raise Unreachable(self._target.url, reason)
        for _ in range(self._count - len(self._open) - len(self._openers)):
            self._reopen(0)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_S):
            _, connection = await loop.create_connection(
                lambda: Connection(self), self._target.host, self._target.port, ssl=self._context
            )
        self._open.add(connection)
        self.freed(connection)

    def freed(self, connection: Connection) -> None:
        self._idle.append(connection)
        self._next()

    @property
    def free(self) -> bool:
        return bool(self._idle)

    def _start(self, due: Due) -> bool:
        if not self._idle:
            return False
        connection = self._idle.popleft()
        self.recorder.sent(due.request, due.due_ns)
        connection.send(due, self._writer.write(due.request))
        return True

    def retire(self, connection: Connection) -> None:
        """It gets nothing more to do."""
        self._open.discard(connection)
        with contextlib.suppress(ValueError):
            self._idle.remove(connection)

    def lost(self, connection: Connection) -> None:
        self.retire(connection)
        if not self._closing:  # at once where it was of use: servers close connections, now and then or always
            self._reopen(0 if connection.fruitful else REOPEN_S)

    def _reopen(self, after_s: float) -> None:
        task = asyncio.create_task(self._open_again(after_s))
        self._openers.add(task)
        task.add_done_callback(self._openers.discard)

    async def _open_again(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        while True:
            try:
                await self._connect()
                return
            except (OSError, TimeoutError):
                while self._waiting and not self._open:  # nobody is there: what is due fails now
                    due = self._waiting.popleft()
                    self.recorder.failed(due.request, REFUSED, due.due_ns)
                await asyncio.sleep(REOPEN_S)

    def _sweep(self, now: int) -> None:
        super()._sweep(now)
        for connection in [one for one in self._open if one.due is not None]:
            if connection.sent_ns + self._timeout_ns < now:
                connection.expire(now)

    async def close(self) -> None:
        self._closing = True
        for task in self._openers:
            task.cancel()
        now = time.monotonic_ns()
        for connection in list(self._open):
            connection.expire(now)
        await super().close()
