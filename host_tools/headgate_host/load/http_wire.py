"""HTTP/1.1 as a client speaks it, without a socket: requests to bytes, bytes to one answer (RFC 9110, 9112)."""

import re
from collections.abc import Callable

from headgate_host.load.operation import Operation, Request

HEAD_MAX = 65536  # bytes of an answer's head; more is not understood
BODY_KEPT = 1_048_576  # bytes of an answer's body that are kept; the rest is only counted
_STATUS_LINE = re.compile(rb"HTTP/1\.[^\r\n] [0-9]{3}(?: |$)", re.DOTALL)  # RFC 9112 section 4
_NO_BODY = (204, 304)  # RFC 9112 section 6.3
_CONTINUE = range(100, 200)
# RFC 9112 section 7.1, as strict as hg_reply: no sign, no space, no "0x"; at most 15 digits
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})((?:;[^\r]*)?)\r\n")
_CHUNK_SIZE_BEGUN = re.compile(rb"(?:[0-9A-Fa-f]{1,15}(?:;[^\r]*)?\r?)?")


class NotHttp(ValueError):
    """What came is not an answer of HTTP/1.1."""


class Writer:
    """Requests for one target. What of an operation does not change is made once; tokens are asked for by device."""

    BEARER = "Authorization: Bearer %s\r\n"
    WITHOUT_BODY = ("GET", "HEAD", "DELETE")  # where there is none, nothing is said of it

    def __init__(self, authority: str, token: Callable[[int], str] | None) -> None:
        self._authority = authority
        self._token = token
        self._heads: dict[int, tuple[Operation, tuple[bytes, bytes]]] = {}
        self._tokens: dict[int, bytes] = {}

    def _head(self, operation: Operation) -> tuple[bytes, bytes]:
        """What comes before the request's target, and after it."""
        fields = "".join(f"{name}: {value}\r\n" for name, value in operation.headers.items())
        return f"{operation.method} ".encode(), f" HTTP/1.1\r\nHost: {self._authority}\r\n{fields}".encode()

    def _known(self, operation: Operation) -> tuple[bytes, bytes]:
        known = self._heads.get(id(operation))
        if known is None:  # the operation is kept with it: its id is not given to another one
            known = self._heads[id(operation)] = operation, self._head(operation)
        return known[1]

    def write(self, request: Request) -> bytes:
        operation, body = request.operation, request.body
        begin, tail = self._known(operation)
        head = b"%s%s%s%s" % (begin, request.target.encode(), tail, self._bearer(request))
        if not body and operation.method in self.WITHOUT_BODY:
            return head + b"\r\n"
        return b"%sContent-Length: %d\r\n\r\n%s" % (head, len(body), body)

    def _bearer(self, request: Request) -> bytes:
        if self._token is None or not request.operation.authorize:
            return b""
        line = self._tokens.get(request.device)
        if line is None:
            line = self._tokens[request.device] = (self.BEARER % self._token(request.device)).encode()
        return line


class Answer:
    """One answer, fed in pieces. `begin` before each; `feed` says when it is complete; then `status`, `body` (of the
    length announced, at most BODY_KEPT) and `keep_alive` are there. What follows it is not part of it: that a server
    says more than it was asked is NotHttp."""

    __slots__ = ("_at", "_body", "_data", "_left", "_reads", "body", "keep_alive", "started", "status", "to_head")

    def __init__(self) -> None:
        self.begin(to_head=False)

    def begin(self, *, to_head: bool) -> None:
        """`to_head`: the request is a HEAD, whose answer has no body whatever it announces."""
        self.to_head = to_head
        self.status, self.body, self.keep_alive, self.started = 0, b"", True, False
        self._data, self._at = b"", 0  # what has come, and how much of it was read
        self._left = 0  # bytes of the body, or of the chunk with its end, that are still to come
        self._body = bytearray()
        self._reads: Callable[[], bool | None] = self._head  # -> complete, or None: go on with the next one

    def feed(self, data: bytes) -> bool:
        self.started = True
        self._data = self._data[self._at :] + data if self._at < len(self._data) else data
        self._at = 0
        while (complete := self._reads()) is None:  # a loop: what a server sends decides how often
            pass
        return complete

    def eof(self) -> bool:
        """The server has ended the connection: complete only where the body goes on until then."""
        if self._reads == self._until_close:
            self.body = bytes(self._body)
            return True
        return False

    def _head(self) -> bool | None:
        data, at = self._data, self._at
        end = data.find(b"\r\n\r\n", at)
        if end < 0:
            if len(data) - at > HEAD_MAX or not data[at : at + 7].startswith(b"HTTP/1."[: len(data) - at]):
                raise NotHttp("no head of HTTP/1.1")
            return False
        head, self._at = data[at:end], end + 4
        line, _, fields = head.partition(b"\r\n")
        if not _STATUS_LINE.match(line):
            raise NotHttp("no status line of HTTP/1.1")
        self.status = int(line[9:12])
        if self.status in _CONTINUE:
            return None if self._at < len(data) else False
        lower = fields.lower()
        length = _field(lower, b"content-length")
        coding = _field(lower, b"transfer-encoding")
        connection = _field(lower, b"connection") or b""
        self.keep_alive = b"close" not in connection and (line[7:8] != b"0" or b"keep-alive" in connection)
        if self.to_head or self.status in _NO_BODY:
            return self._finish()
        if coding is not None:
            if coding != b"chunked":
                raise NotHttp("a transfer coding other than chunked")
            self._reads = self._chunk_size
        elif length is None:
            self.keep_alive = False
            self._reads = self._until_close
        elif not length.isdigit() or len(length) > 18:  # noqa: PLR2004 - digits of a 64-bit number
            raise NotHttp("no content length")
        else:
            self._left = int(length)
            self._reads = self._counted
        return None

    def _take(self) -> None:
        """What has come of the `_left` bytes that are wanted."""
        part = self._data[self._at : self._at + self._left]
        self._left -= len(part)
        self._at += len(part)
        if len(self._body) < BODY_KEPT:
            self._body += part

    def _counted(self) -> bool:
        self._take()
        return self._left == 0 and self._finish()

    def _until_close(self) -> bool:
        self._left = len(self._data) - self._at
        self._take()
        return False

    def _chunk_size(self) -> bool | None:
        line = _CHUNK_SIZE.match(self._data, self._at)
        if line is None:
            begun = _CHUNK_SIZE_BEGUN.fullmatch(self._data, self._at)
            if begun is None or len(self._data) - self._at > HEAD_MAX + 1:
                raise NotHttp("no size of a chunk")
            return False
        if line.end(2) - self._at > HEAD_MAX:
            raise NotHttp("a line of a chunked body is too long")
        self._left, self._at = int(line[1], 16), line.end()
        self._reads = self._chunk if self._left else self._trailer
        return None

    def _chunk(self) -> bool | None:
        self._take()
        if self._left:
            return False
        self._reads = self._chunk_end
        return None

    def _chunk_end(self) -> bool | None:
        end = self._data[self._at : self._at + 2]
        if not b"\r\n".startswith(end):
            raise NotHttp("a chunk longer than its size")
        if len(end) < 2:  # noqa: PLR2004 - CR LF
            return False
        self._at += 2
        self._reads = self._chunk_size
        return None

    def _trailer(self) -> bool:
        """Fields after the last chunk, until an empty line."""
        data, at = self._data, self._at
        empty = at if data.startswith(b"\r\n", at) else data.find(b"\n\r\n", at) + 1 or -1
        if (empty + 2 if empty >= 0 else len(data)) - at > HEAD_MAX:
            raise NotHttp("the trailer of a chunked body is too long")
        if empty < 0:
            return False
        self._at = empty + 2
        return self._finish()

    def _finish(self) -> bool:
        if self._at < len(self._data):
            raise NotHttp("more than the answer")
        self.body = bytes(self._body)
        return True


def _field(lower: bytes, name: bytes) -> bytes | None:
    """The value of the first field of that name, in lower case."""
    at = 0 if lower.startswith(name + b":") else lower.find(b"\r\n" + name + b":") + 2
    if at == 1:
        return None
    start = at + len(name) + 1
    end = lower.find(b"\r\n", start)
    return lower[start : end if end >= 0 else len(lower)].strip()
