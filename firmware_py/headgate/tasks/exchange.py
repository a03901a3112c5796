"""One request and its answer, as the handlers in api.py see them: no parser, no socket."""

from headgate import limits
from headgate.core.http1 import CONTINUE, END, LAST_CHUNK, Request, chunk, last_chunk, response_head
from headgate.core.problem import CONTENT_TYPE, Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from headgate.tasks.connection import Connection
    from headgate.tasks.gateway import Gateway
    from headgate.tasks.plan import Plan

JSON = b"application/json"


class Response:
    """A complete answer. `headers` without Content-Length, Connection and Date, which the connection adds."""

    __slots__ = ("body", "code", "headers", "status")

    def __init__(
        self,
        status: int,
        body: bytes = b"",
        content_type: bytes = b"",
        headers: "list[tuple[bytes, bytes]] | None" = None,
    ) -> None:
        self.status = status
        self.body = body
        self.headers = [(b"Content-Type", content_type)] if content_type else []
        if headers:
            self.headers.extend(headers)
        self.code = ""  # of the problem, for the counters


def problem_response(problem: Problem, path: str) -> Response:
    response = Response(problem.status, problem.body(path), CONTENT_TYPE, problem.headers)
    response.code = problem.code
    return response


class Exchange:
    """`plan`: the one this request finishes on, whatever a reload does, but for its token; `complete`: the body is
    read."""

    __slots__ = (
        "_connection",
        "_continued",
        "_head",
        "broken",
        "complete",
        "gateway",
        "plan",
        "request",
        "started",
        "trailers",
    )

    def __init__(self, connection: "Connection", request: Request) -> None:
        self._connection = connection
        self._continued = not request.expect_continue
        self._head = b""
        self.gateway: Gateway = connection.gateway
        self.plan: Plan = connection.gateway.plan
        self.request = request
        self.complete = False
        self.started = False  # a streamed answer has begun
        self.broken = False  # the streamed answer told of an error: the connection ends with it
        self.trailers: list[tuple[bytes, bytes]] | None = None  # fields after a streamed answer
        if request.length == 0:
            self.complete = connection.parser.next() is END

    def identity(self) -> str:
        """Who the client is by its TLS certificate, as a token's `sub`; "" when it has shown none. Streams of TLS
        connections have an attribute of this name."""
        return getattr(self._connection.reader, "identity", "")

    def gone(self) -> bool:
        """The client is known to be gone. Streams of lent connections have an attribute of this name."""
        return getattr(self._connection.reader, "gone", False)

    async def read(self) -> "bytes | None":
        """The next part of the body, None at its end. The first call answers Expect: 100-continue."""
        if self.complete:
            return None
        while True:
            event = self._connection.parser.next()
            if event is END:
                self.complete = True
                return None
            if isinstance(event, bytes):
                self._continued = True  # who sends did not wait; and behind a result there is no place for it any more
                return event
            if not self._continued:
                await self._connection.write(CONTINUE)
            self._continued = True
            await self._connection.receive_body()

    async def read_all(self, limit: int) -> bytes:
        """The body. Raises Problem 413 over `limit` bytes (before anything is read, if the length was announced)."""
        parts: list[bytes] = []
        size = max(0, self.request.length)
        while size <= limit:
            part = await self.read()
            if part is None:
                return parts[0] if len(parts) == 1 else b"".join(parts)
            if self.request.length < 0:  # chunked
                size += len(part)
            # Small ones are joined, equal to equal: each would be an object of many times its size.
            while parts and len(parts[-1]) <= len(part) < limits.READ_CHUNK:
                part = parts.pop() + part
            parts.append(part)
        raise Problem(413, "body_too_large", f"this resource takes {limit} bytes")

    def can_skip(self) -> bool:
        """True when the rest of the body is certain to come and, as far as is known, short enough to be read over."""
        return self.complete or (self._continued and self.request.length <= limits.LINGER_BYTES)

    async def skip(self) -> bool:
        """Read over what is left of the body; False when it is longer than that is worth. Raises Problem."""
        left = limits.LINGER_BYTES
        while left > 0:
            part = await self.read()
            if part is None:
                return True
            left -= len(part)
        return False

    def begin(self, status: int, content_type: bytes, headers: "list[tuple[bytes, bytes]] | None" = None) -> None:
        """Start an answer of unknown length; it goes out with the first `send`."""
        self.started = True
        gateway = self.gateway
        keep_alive = self.request.keep_alive and not gateway.draining
        fields = gateway.with_date([(b"Content-Type", content_type)])
        if headers:
            fields.extend(headers)
        self._head = response_head(status, fields, None, keep_alive, self.request.http10)

    async def send(self, data: bytes) -> None:
        """A piece of the streamed answer, as one write; `data` is not empty. HEAD has none (RFC 9110 section 9.3.2)."""
        if self.request.method == b"HEAD":
            return
        head = self._head
        self._head = b""
        await self._connection.write(head + (data if self.request.http10 else chunk(data)))

    async def finish(self) -> None:
        """The end of the streamed answer."""
        last = LAST_CHUNK if self.trailers is None else last_chunk(self.trailers)
        if self.request.http10 or self.request.method == b"HEAD":
            last = b""
        if self._head or last:
            await self._connection.write(self._head + last)
