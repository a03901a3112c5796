"""A small HTTP/1.1 client on asyncio streams for the tools that share the machine with the appliance.

One object is one keep-alive connection with one request in flight. It speaks only what the appliance answers:
a status line, fields, and a body with Content-Length or chunked coding.
"""

import asyncio
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import ssl

HEAD_LIMIT = 16384  # bytes of an answer's head; more is not one of ours
BODY_LIMIT = 1048576  # bytes of an answer's body


class Answer(NamedTuple):
    status: int
    headers: dict[bytes, bytes]  # lower-case names
    body: bytes


class AnswerError(ConnectionError):
    """What came back is not HTTP as the appliance speaks it, or the connection ended in the middle of it."""


class Connection:
    """A keep-alive connection that opens itself when first used and again after it was closed."""

    def __init__(self, base_url: str, context: "ssl.SSLContext | None" = None) -> None:
        """`context`: for an https:// URL."""
        url = urlsplit(base_url)
        if url.scheme != ("http" if context is None else "https") or not url.hostname:
            raise ValueError(f"not an http:// URL: {base_url}")
        self.host, self.port = url.hostname, url.port or (80 if context is None else 443)
        self._context = context
        self._authority = url.netloc.encode()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(self, method: str, target: str, headers: dict[str, str], body: bytes = b"") -> Answer:
        """Send one request and read its answer. Raises OSError (AnswerError is one); then the connection is closed."""
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection(self.host, self.port, limit=HEAD_LIMIT, ssl=self._context)
            reader, writer = self._streams
            fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            head = f"{method} {target} HTTP/1.1\r\n{fields}Content-Length: {len(body)}\r\n".encode()
            writer.write(b"%sHost: %s\r\n\r\n%s" % (head, self._authority, body))
            # No drain(): the answer may be a refusal that comes before the body is taken, and it is read either way.
            answer = await _read_answer(reader)
        except BaseException:  # a cancelled request leaves its answer on the wire: the connection cannot go on
            self.close()
            raise
        if b"close" in answer.headers.get(b"connection", b"").lower():
            self.close()
        return answer

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _read_answer(reader: asyncio.StreamReader) -> Answer:
    try:
        lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        version, _, rest = lines[0].partition(b" ")
        if not version.startswith(b"HTTP/1.") or not rest[:3].isdigit():
            raise AnswerError(f"not an HTTP status line: {lines[0][:80]!r}")
        status = int(rest[:3])
        headers = {}
        for line in lines[1:-2]:
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip()
        if b"chunked" in headers.get(b"transfer-encoding", b"").lower():
            body = await _read_chunks(reader)
        else:
            body = await reader.readexactly(_length(headers.get(b"content-length", b"0"), 10))
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise AnswerError(f"the answer is cut off or too long: {error}") from None
    return Answer(status, headers, body)


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    """RFC 9112 section 7.1, without trailers (the appliance sends none)."""
    body = b""
    while True:
        size = _length((await reader.readuntil(b"\r\n")).split(b";")[0].strip(), 16)
        chunk = await reader.readexactly(size + 2)
        if size == 0:
            return body
        body += chunk[:-2]
        if len(body) > BODY_LIMIT:
            raise AnswerError("the answer is longer than expected")


def _length(text: bytes, base: int) -> int:
    try:
        value = int(text, base)
    except ValueError:
        value = -1
    if not 0 <= value <= BODY_LIMIT:
        raise AnswerError(f"not a length: {text[:40]!r}")
    return value
