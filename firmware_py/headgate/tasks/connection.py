"""One client connection: asyncio streams <-> core/http1, with its deadlines.

A connection sets `read_deadline` or `write_deadline` (ms, 0 = none) around every wait; the gateway's one reaper task
cancels the connection's task when one has passed, with `expired` saying which. So there is no timer per connection and
none at all while nobody is connected, on both interpreters.
"""

import asyncio
import gc

from headgate import limits
from headgate._accel import Request, RequestParser
from headgate.core.http1 import NEED_DATA, response_head
from headgate.core.problem import Problem
from headgate.tasks.exchange import Exchange, Response, problem_response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from headgate.tasks.gateway import Gateway

READ, WRITE = 1, 2  # which deadline has passed


class Connection:
    """`reader`, `writer`: asyncio streams (one object on MicroPython). `parser`: of another protocol than HTTP, for who
    serves that (linux/mqtt_gateway.py)."""

    __slots__ = (
        "_budget_ms",
        "_head_deadline",
        "eof",
        "expired",
        "gateway",
        "idle",
        "parser",
        "read_deadline",
        "reader",
        "task",
        "write_deadline",
        "writer",
    )

    def __init__(
        self, gateway: "Gateway", reader: "asyncio.StreamReader", writer: "asyncio.StreamWriter", parser: "Any" = None
    ) -> None:
        self.gateway = gateway
        self.reader = reader
        self.writer = writer
        self.parser: RequestParser = parser or RequestParser(limits.HTTP_HEAD, limits.HTTP_LINE, limits.HTTP_HEADERS)
        self.task: Any = asyncio.current_task()
        self.read_deadline = 0
        self.write_deadline = 0
        self.expired = 0
        self.eof = False
        self.idle = True  # between requests: may be closed at any time
        self._head_deadline = 0
        self._budget_ms = 0
        transport: Any = getattr(writer, "transport", None)
        if hasattr(transport, "max_size"):  # asyncio reads 256 KiB at a time, and others wait for their turn
            transport.max_size = 4 * limits.READ_CHUNK
        set_limits = getattr(transport, "set_write_buffer_limits", None)
        if transport is not None and set_limits is not None:  # else asyncio keeps the end of an answer, to lose it
            # From so many bytes on asyncio's TLS lets us wait, with 0 for ever; a plain transport from one more on.
            set_limits(0 if transport.get_extra_info("sslcontext") is None else 1)

    async def run(self) -> None:
        """Serve requests until one side has had enough; closes the connection. Raises nothing."""
        try:
            while await self._serve_one():
                if not self.parser.idle:
                    await asyncio.sleep(0)  # others' turn: what is here already needs no wait
        except OSError:
            pass  # the client is gone
        except MemoryError:  # outside any handler: this connection ends, the others go on
            gc.collect()
        except asyncio.CancelledError:
            self._abort()  # a write that does not move, or the end of a drain
        finally:
            await self._close()

    async def refuse(self) -> None:
        """Say 503 to a connection over the limit and close it."""
        try:
            headers = [(b"Retry-After", b"1")]
            problem = Problem(503, "too_many_connections", headers=headers, close=True)
            await self._answer_problem(problem)
        except OSError:
            pass
        except asyncio.CancelledError:
            self._abort()
        finally:
            await self._close()

    def check(self, now_ms: int) -> int:
        """Called by the reaper: cancels this connection's wait if its time is up. -> the next deadline, 0 = none."""
        deadline = self.read_deadline
        which = READ
        if self.write_deadline and (not deadline or self.write_deadline < deadline):
            deadline = self.write_deadline
            which = WRITE
        if not deadline or now_ms < deadline:
            return deadline
        self.cancel(which)
        return 0

    def cancel(self, which: int) -> None:
        self.expired = which
        self.read_deadline = 0
        if which != READ:  # else the results of a batch, which are written meanwhile, keep theirs
            self.write_deadline = 0
        self.task.cancel()

    async def write(self, data: bytes) -> None:
        """One write, then wait until the client has taken enough of it. Raises OSError when it is gone."""
        self.writer.write(data)
        self.write_deadline = self.gateway.now_ms() + self.gateway.plan.body_ms
        try:
            await self.writer.drain()
        finally:
            self.write_deadline = 0

    async def receive_body(self) -> None:
        """Feed the parser with more of a body. Problem 408 when it does not get on: waiting is paid from a budget of
        body_ms that every byte refills at limits.BODY_RATE, so neither a pause nor a trickle holds a connection."""
        clock = self.gateway.now_ms
        start = clock()
        size = await self._receive(start + self._budget_ms)
        budget = self._budget_ms - (clock() - start) + size * 1000 // limits.BODY_RATE
        self._budget_ms = max(1, min(budget, self.gateway.plan.body_ms))

    async def _receive(self, deadline_ms: int) -> int:
        """One read into the parser -> bytes; 0 at the end of input. Raises Problem 408 at the deadline."""
        self.read_deadline = deadline_ms
        try:
            try:
                data = await self.reader.read(limits.READ_CHUNK)
            except MemoryError:  # nothing was taken from the socket yet
                gc.collect()
                data = await self.reader.read(limits.READ_CHUNK)
        except asyncio.CancelledError:
            if self.expired != READ:
                raise
            self.expired = 0
            if hasattr(self.task, "uncancel"):  # CPython 3.11+: the cancellation was ours, and ends here
                self.task.uncancel()
            raise Problem(408, "timeout", close=True) from None
        finally:
            self.read_deadline = 0
        if data:
            self.parser.feed(data)
        else:
            self.eof = True
            self.parser.eof()
        return len(data)

    async def _next_request(self) -> "Request | None":
        """None: no further one will come. Raises Problem."""
        parser = self.parser
        gateway = self.gateway
        self._head_deadline = 0
        while True:
            event = parser.next()
            if isinstance(event, Request):
                self.idle = False
                self._budget_ms = gateway.plan.body_ms
                return event
            if event is not NEED_DATA:
                raise RuntimeError("body outside a request")
            self.idle = parser.idle
            if self.eof:
                return None
            if self.idle and gateway.draining:
                await self._end_unasked()
                return None
            now_ms = gateway.now_ms()
            if self.idle:
                if hasattr(self.reader, "park") and self.reader.park():
                    return None  # a board's stream waits for the next request by itself, without this object
                try:
                    await self._receive(now_ms + gateway.plan.idle_ms)
                except Problem:
                    return None
            else:
                if not self._head_deadline:
                    self._head_deadline = now_ms + gateway.plan.head_ms
                await self._receive(self._head_deadline)

    async def _serve_one(self) -> bool:
        """One request and its answer. True when the connection goes on."""
        try:
            request = await self._next_request()
            if request is None:
                return False
            start_ms = self.gateway.now_ms()
            exchange = Exchange(self, request)
        except Problem as problem:
            await self._answer_problem(problem)
            return False
        response: Response | None
        close = False
        try:
            response = await self.gateway.handle(exchange)
        except Problem as problem:
            response = problem_response(problem, request.path)
            close = problem.close
        except MemoryError:
            gc.collect()
            response = problem_response(Problem(503, "out_of_memory", headers=[(b"Retry-After", b"1")]), "")
        except OSError:
            raise
        except Exception as error:
            self.gateway.report(error)
            response = problem_response(Problem(500, "internal", close=True), request.path)
            close = True
        if exchange.started:
            return await self._finish_stream(exchange, response, start_ms)
        if response is None:
            raise RuntimeError("a handler gave no answer")
        return await self._answer(exchange, response, close, start_ms)

    async def _finish_stream(self, exchange: Exchange, error: "Response | None", start_ms: int) -> bool:
        """End a streamed answer. After an unforeseen `error` the last chunk is left out: the client sees it is cut."""
        if error is None:
            await exchange.finish()
        self.gateway.counters.finish(200, error.code if error else "", self.gateway.now_ms() - start_ms)
        if error is None and not exchange.broken and exchange.complete:
            goes_on = exchange.request.keep_alive and not exchange.request.http10
            if goes_on and self.gateway.draining:
                await self._end_unasked()
            return goes_on and not self.gateway.draining
        if not exchange.complete:
            await self._linger()
        return False

    async def _answer(self, exchange: Exchange, response: Response, close: bool, start_ms: int) -> bool:
        request = exchange.request
        gateway = self.gateway
        keep_alive = not close and request.keep_alive and not gateway.draining and exchange.can_skip()
        body = response.body
        headers = gateway.with_date(response.headers)
        head = response_head(response.status, headers, len(body), keep_alive, request.http10)
        await self.write(head if request.method == b"HEAD" else head + body)
        gateway.counters.finish(response.status, response.code, gateway.now_ms() - start_ms)
        if exchange.complete:
            if request.keep_alive and not keep_alive:
                await self._end_unasked()
            return keep_alive
        if keep_alive:
            try:
                if await exchange.skip():
                    return True
            except Problem:
                pass
        await self._linger()
        return False

    async def _answer_problem(self, problem: Problem) -> None:
        """For input that is no request, or a client that is not let in: the answer, then the end."""
        response = problem_response(problem, "")
        headers = self.gateway.with_date(response.headers)
        await self.write(response_head(response.status, headers, len(response.body), False) + response.body)
        self.gateway.counters.finish(response.status, response.code, 0)
        await self._linger()

    async def _linger(self) -> None:
        """Read what the client is still sending, within limits: closing now would reset the connection and could take
        the answer away before it is read (RFC 9112 section 9.6)."""
        if self._has_half_close():
            self.writer.write_eof()
        self.read_deadline = self.gateway.now_ms() + limits.LINGER_MS
        left = limits.LINGER_BYTES
        while (left > 0 or self.gateway.draining) and not self.eof:  # draining, the time is limit enough
            try:
                data = await self.reader.read(limits.READ_CHUNK)
            except MemoryError:
                return
            except asyncio.CancelledError:
                if self.expired != READ:
                    raise
                return  # closed, and not cut: what the native server has still to send has a time of its own
            self.eof = not data
            left -= len(data)

    async def _end_unasked(self) -> None:
        """The client would have gone on, and may have sent more, here or on its way."""
        if self._has_half_close():
            self.idle = False  # or the drain would cancel this
            await self._linger()

    def _has_half_close(self) -> bool:
        """With TLS, and on a board, the client sees the end only when the connection is closed."""
        writer = self.writer
        return hasattr(writer, "can_write_eof") and bool(writer.can_write_eof())

    def _abort(self) -> None:
        transport = getattr(self.writer, "transport", None)
        if transport is not None:
            transport.abort()

    async def _close(self) -> None:
        self.read_deadline = 0
        self.write_deadline = self.gateway.now_ms() + limits.LINGER_MS
        try:
            self.writer.close()
            await self.writer.wait_closed()  # MicroPython closes here
        except OSError:
            pass
        except asyncio.CancelledError:
            self._abort()
        self.write_deadline = 0
