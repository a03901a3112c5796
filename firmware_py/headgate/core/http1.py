"""HTTP/1.1 server side without I/O: RFC 9112 (message syntax) with the choices that leave no room for smuggling.

Bytes go in by `feed`, events come out of `next`; how the bytes were cut never changes the events (only how a body is
cut into parts). Every error is a `Problem` with `close=True`, and is raised again by every later call.

    state    reads                            then
    START    [one empty line] request line    FIELDS
    FIELDS   field lines                      themselves; on the empty line: Request, then DONE | BODY | SIZE
    BODY     Content-Length bytes             body parts, then DONE
    SIZE     chunk-size line                  DATA; TRAILER after the last chunk
    DATA     chunk bytes                      body parts, then DATA_END
    DATA_END CRLF                             SIZE
    TRAILER  field lines, dropped             themselves; on the empty line: DONE
    DONE     nothing                          END, then START; CLOSED when the connection does not persist
    CLOSED   nothing more                     input is ignored

What RFC 9112 leaves to the server, and what this one does: absolute-form is accepted (its authority is ignored, as is
Host), authority-form and asterisk-form are 400; obs-fold, bare CR and bare LF are 400; any pair of Content-Length and
Transfer-Encoding, and any repetition of either, is 400; minor versions above 1 are served as HTTP/1.1.
"""

# ruff: noqa: PLR2004 - the numbers are byte values and lengths of the grammar, with the rule named beside them

from headgate import limits
from headgate.core import utf8
from headgate.core.problem import STATUS_TEXT, Problem


class _Event:
    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


NEED_DATA = _Event("NEED_DATA")  # nothing until more is fed
END = _Event("END")  # the message is complete
LAST_CHUNK = b"0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_ALNUM = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_TOKEN = _ALNUM + b"!#$%&'*+-.^_`|~"  # RFC 9110 section 5.6.2
_TARGET = _ALNUM + b"-._~!$&'()*+,;=:@/?%"  # RFC 3986 section 3.3 and 3.4
_HOST = _ALNUM + b"-._~!$&'()*+;=:[]%"  # RFC 3986 section 3.2.2, without the comma of a joined list
_HEX = b"0123456789abcdefABCDEF"
_METHODS = (b"GET", b"POST", b"PUT", b"DELETE", b"HEAD")

# Names seen in nearly every request: found by one look-up, lower-cased once, shared by all requests.
_NAMES = {
    b"Host": b"host",
    b"Content-Type": b"content-type",
    b"Content-Length": b"content-length",
    b"Transfer-Encoding": b"transfer-encoding",
    b"Authorization": b"authorization",
    b"User-Agent": b"user-agent",
    b"Accept": b"accept",
    b"Accept-Encoding": b"accept-encoding",
    b"Connection": b"connection",
    b"Idempotency-Key": b"idempotency-key",
}

_START, _FIELDS, _BODY, _SIZE, _DATA, _DATA_END, _TRAILER, _DONE, _CLOSED = range(9)


def _bad(detail: str) -> Problem:
    return Problem(400, "malformed_request", detail, close=True)


def _is_token(name: bytes) -> bool:
    for byte in name:
        if byte not in _TOKEN:
            return False
    return len(name) > 0


def _is_clean(value: bytes) -> bool:
    """RFC 9110 section 5.5: visible bytes, obs-text, space and tab."""
    if value and (min(value) < 0x20 or b"\x7f" in value):
        for byte in value:
            if (byte < 0x20 and byte != 0x09) or byte == 0x7F:
                return False
    return True


def percent_decode(raw: bytes) -> str:
    """RFC 3986 section 2.1, strictly: two hex digits, UTF-8, no control characters. Raises ValueError."""
    if b"%" in raw:
        out = bytearray()
        at = 0
        while at < len(raw):
            byte = raw[at]
            at += 1
            if byte == 0x25:
                digits = raw[at : at + 2]
                if len(digits) != 2 or digits[0] not in _HEX or digits[1] not in _HEX:
                    raise ValueError("% is followed by two hexadecimal digits")
                byte = int(digits.decode(), 16)
                at += 2
                if byte < 0x20 or byte == 0x7F:
                    raise ValueError("control character")
            out.append(byte)
        raw = bytes(out)
    return utf8.decode(raw)


class Request:
    """A request's head.

    `method`, `target`: bytes as received; `path`: decoded; `query`: as received, without the "?"; `headers`: (lower
    name, value) in order; `length`: bytes of body, -1 chunked, 0 none; `keep_alive`: the client lets the connection
    persist; `http10`: no chunked answer for this one; `expect_continue`: it waits for 100 before it sends the body.
    """

    __slots__ = ("expect_continue", "headers", "http10", "keep_alive", "length", "method", "path", "query", "target")

    def __init__(self, method: bytes, target: bytes, path: str, query: str, http10: bool) -> None:
        self.method = method
        self.target = target
        self.path = path
        self.query = query
        self.http10 = http10
        self.headers: list[tuple[bytes, bytes]] = []
        self.keep_alive = not http10
        self.length = 0
        self.expect_continue = False

    def header(self, name: bytes) -> "bytes | None":
        """The field's value; several lines are joined as RFC 9110 section 5.3 says. `name` is lower-case."""
        found = None
        for key, value in self.headers:
            if key == name:
                found = value if found is None else found + b", " + value
        return found


def _parse_target(target: bytes) -> "tuple[str, str]":
    """origin-form or absolute-form -> (decoded path, raw query). RFC 9112 section 3.2."""
    for byte in target:
        if byte not in _TARGET:
            raise _bad("character not allowed in the request target")
    rest = target
    if rest[:1] != b"/":
        scheme = rest[:8].lower()
        cut = 7 if scheme[:7] == b"http://" else 8
        if cut == 8 and scheme != b"https://":  # lengths of the two schemes
            raise _bad("the request target is neither a path nor an http URI")
        end = cut
        while end < len(rest) and rest[end] not in b"/?":
            end += 1
        if end == cut or b"@" in rest[cut:end]:
            raise _bad("the request target has no proper authority")
        rest = rest[end:]
        if rest[:1] != b"/":
            rest = b"/" + rest
    path, _, query = rest.partition(b"?")
    try:
        percent_decode(query)
        return percent_decode(path), query.decode()
    except ValueError:
        raise _bad("the request target is not strictly percent-encoded UTF-8") from None


def _parse_request_line(line: bytes) -> Request:
    """RFC 9112 section 3: three parts, one space between them."""
    parts = line.split(b" ")
    if len(parts) != 3:  # method, target, version
        raise _bad("the request line is: method, one space, target, one space, version")
    method, target, version = parts
    if method not in _METHODS and not _is_token(method):
        raise _bad("the method is not a token")
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        if len(version) != 8 or version[:5] != b"HTTP/" or version[6] != 0x2E:  # "HTTP/" DIGIT "." DIGIT
            raise _bad("no HTTP version")
        if not version[5:6].isdigit() or not version[7:].isdigit():
            raise _bad("no HTTP version")
        if version[5] != 0x31:
            raise Problem(505, "version_not_supported", "this is an HTTP/1.1 server", close=True)
    path, query = _parse_target(target)
    return Request(method, target, path, query, version == b"HTTP/1.0")


def _parse_field(line: bytes) -> "tuple[bytes, bytes]":
    """RFC 9112 section 5: name ":" OWS value OWS -> (lower-case name, value)."""
    if line[0] in b" \t":
        raise _bad("folded field line")
    name, colon, value = line.partition(b":")
    known = _NAMES.get(name)
    if known is None:
        if not colon or not _is_token(name):
            raise _bad("a field line is: a token, a colon, a value")
        known = name.lower()
    elif not colon:
        raise _bad("a field line is: a token, a colon, a value")
    value = value.strip(b" \t")
    if not _is_clean(value):
        raise _bad("control character in a field value")
    return known, value


def _transfer_encoding(value: bytes) -> int:
    """RFC 9112 section 6.1: chunked is the only coding here. -> -1, or Problem."""
    value = value.lower()
    if value == b"chunked":
        return -1
    codings = [part.strip(b" \t") for part in value.split(b",")]
    if b"chunked" in value and (codings[-1] != b"chunked" or codings.count(b"chunked") > 1):
        raise _bad("Transfer-Encoding does not end with one chunked")
    raise Problem(501, "not_implemented", "the only transfer coding here is chunked", close=True)


def _single(request: Request, name: bytes) -> "bytes | None":
    found = None
    for key, value in request.headers:
        if key == name:
            if found is not None:
                raise _bad(f"several {name.decode()} fields")
            found = value
    return found


def _body_length(request: Request) -> int:
    """RFC 9112 section 6.3, with nothing to choose: -1 chunked, or bytes."""
    length = _single(request, b"content-length")
    encoding = _single(request, b"transfer-encoding")
    if encoding is not None:
        if length is not None:
            raise _bad("both Content-Length and Transfer-Encoding")
        if request.http10:
            raise _bad("Transfer-Encoding in HTTP/1.0")
        return _transfer_encoding(encoding)
    if length is None:
        return 0
    if not length.isdigit():  # for bytes: ASCII digits, at least one
        raise _bad("Content-Length is not a decimal number")
    if len(length) > 18:  # so it stays below 2**63
        raise Problem(413, "body_too_large", close=True)
    return int(length)


def _finish_head(request: Request) -> None:
    """What needs all fields: Host (RFC 9112, 3.2), framing (6), persistence (9.3), Expect (RFC 9110, 10.1.1)."""
    host = _single(request, b"host")
    if host is None and not request.http10:
        raise _bad("a Host field is needed")
    for byte in host or b"":
        if byte not in _HOST:
            raise _bad("character not allowed in Host")
    request.length = _body_length(request)
    connection = request.header(b"connection")
    if connection is not None:
        options = [option.strip(b" \t") for option in connection.lower().split(b",")]
        request.keep_alive = b"close" not in options and (not request.http10 or b"keep-alive" in options)
    expect = request.header(b"expect")
    if expect is not None and not request.http10:
        if expect.lower() != b"100-continue":
            raise Problem(417, "expectation_failed", "the only expectation here is 100-continue", close=True)
        request.expect_continue = request.length != 0


class RequestParser:
    """One connection's input. Limits in bytes and fields, see limits.py."""

    def __init__(
        self,
        max_head: int = limits.HTTP_HEAD,
        max_line: int = limits.HTTP_LINE,
        max_headers: int = limits.HTTP_HEADERS,
    ) -> None:
        self._max_head = max_head
        self._max_line = max_line
        self._max_headers = max_headers
        self._buffer = b""
        self._at = 0  # index of the first byte not consumed
        self._state = _START
        self._used = 0  # bytes of this head, or of all chunk extensions, or of the trailers
        self._fields = 0
        self._blank = False  # the one empty line before a request line was seen
        self._left = 0  # bytes left of the body or the chunk
        self._eof = False
        self._request: Request | None = None
        self._problem: Problem | None = None

    @property
    def idle(self) -> bool:
        """True between messages with no byte of the next one: the moment a connection may close without loss."""
        return self._state == _START and self._at == len(self._buffer)

    def feed(self, data: bytes) -> None:
        """More input. `data` must not change afterwards."""
        if self._state == _CLOSED:
            return
        self._buffer = self._buffer[self._at :] + data if self._at < len(self._buffer) else data
        self._at = 0

    def eof(self) -> None:
        """No more input: an unfinished message becomes a Problem."""
        self._eof = True

    def rest(self) -> bytes:
        """What came after END, taken out, for who hands the connection on there; nothing while a message is read."""
        if self._state != _START:
            return b""
        rest = self._buffer[self._at :]
        self._buffer = b""
        self._at = 0
        return rest

    def next(self) -> object:
        """NEED_DATA, a Request, a body part (bytes, not empty) or END. Raises Problem."""
        if self._problem is not None:
            raise self._problem
        try:
            while True:
                event = _STEPS[self._state](self)
                if event is not None:
                    if event is NEED_DATA and self._eof and self._state != _CLOSED and not self.idle:
                        raise Problem(400, "incomplete", "the connection ended inside a message", close=True)
                    return event
        except Problem as problem:
            self._state = _CLOSED
            self._buffer = b""
            self._at = 0
            # A copy: the traceback of what is raised leads, by way of the caller's frames, back to this parser.
            self._problem = Problem(problem.status, problem.code, problem.detail, close=True)
            raise

    def _line(self, status: int) -> "bytes | None":
        """The next line without its CRLF; None when it is not all there. Over the line limit: Problem `status`."""
        limit = self._max_line
        if limit > self._max_head - self._used:
            limit = self._max_head - self._used
            status = 431
        return self._line_within(limit, status, "uri_too_long" if status == 414 else "head_too_large")

    def _line_within(self, limit: int, status: int, code: str) -> "bytes | None":
        buffer = self._buffer
        start = self._at
        at = buffer.find(b"\n", start)
        length = len(buffer) - start + 1 if at < 0 else at + 1 - start
        if length > limit:
            raise Problem(status, code, close=True)
        if at < 0:
            return None
        if at == start or buffer[at - 1] != 0x0D:
            raise _bad("a line ends with CR LF")
        self._at = at + 1
        self._used += length
        return buffer[start : at - 1]

    def _start(self) -> object:
        line = self._line(414)
        if line is None:
            return NEED_DATA
        if not line:
            if self._blank:
                raise _bad("empty lines before the request")
            self._blank = True  # RFC 9112 section 2.2: at least one is tolerated
            return None
        self._request = _parse_request_line(line)
        self._fields = 0
        self._state = _FIELDS
        return None

    def _field_lines(self) -> object:
        request = self._request
        if request is None:
            raise RuntimeError("no request line")
        while True:
            line = self._line(431)
            if line is None:
                return NEED_DATA
            if not line:
                break
            self._fields += 1
            if self._fields > self._max_headers:
                raise Problem(431, "head_too_large", "too many fields", close=True)
            request.headers.append(_parse_field(line))
        _finish_head(request)
        self._used = 0
        self._left = request.length
        self._state = _SIZE if request.length < 0 else _BODY if request.length else _DONE
        return request

    def _part(self, after: int) -> object:
        """The next bytes of a body or a chunk; the state `after` it once they are all there."""
        buffer = self._buffer
        start = self._at
        end = min(len(buffer), start + self._left)
        if end < len(buffer):
            self._at = end
        else:  # used up: not kept while the next part is read
            self._buffer = b""
            self._at = 0
        if end == start:
            return NEED_DATA
        self._left -= end - start
        if not self._left:
            self._state = after
        return buffer[start:end] if start or end < len(buffer) else buffer

    def _body(self) -> object:
        return self._part(_DONE)

    def _data(self) -> object:
        return self._part(_DATA_END)

    def _size(self) -> object:
        """RFC 9112 section 7.1: chunk-size [ ";" extensions ] CRLF. Extensions are skipped, max_head bytes in all."""
        used = self._used
        line = self._line_within(limits.HTTP_CHUNK_LINE, 400, "malformed_request")
        if line is None:
            return NEED_DATA
        digits, semicolon, extension = line.partition(b";")
        self._used = used + len(extension)
        if not 0 < len(digits) <= 8:  # 32 bits
            raise _bad("no chunk size")
        for byte in digits:
            if byte not in _HEX:
                raise _bad("the chunk size is not hexadecimal")
        if semicolon and (not _is_clean(extension) or self._used > self._max_head):
            raise _bad("chunk extensions not understood")
        self._left = int(digits.decode(), 16)
        self._state = _DATA if self._left else _TRAILER
        if not self._left:
            self._used = 0
            self._fields = 0
        return None

    def _data_end(self) -> object:
        if self._buffer[self._at : self._at + 1] not in (b"", b"\r"):
            raise _bad("a chunk ends with CR LF")
        if len(self._buffer) - self._at < 2:  # CR LF
            return NEED_DATA
        if self._buffer[self._at + 1] != 0x0A:
            raise _bad("a chunk ends with CR LF")
        self._at += 2
        self._state = _SIZE
        return None

    def _trailer(self) -> object:
        """RFC 9112 section 7.1.2: checked like fields, bounded like a head, dropped."""
        while True:
            line = self._line(431)
            if line is None:
                return NEED_DATA
            if not line:
                self._state = _DONE
                return None
            self._fields += 1
            if self._fields > self._max_headers:
                raise Problem(431, "head_too_large", "too many trailer fields", close=True)
            _parse_field(line)

    def _done(self) -> object:
        request = self._request
        self._request = None
        self._used = 0
        self._blank = False
        self._state = _START if request is not None and request.keep_alive else _CLOSED
        if self._at == len(self._buffer):  # an idle connection holds no buffer
            self._buffer = b""
            self._at = 0
        return END

    def _closed(self) -> object:
        return NEED_DATA


_STEPS = (
    RequestParser._start,
    RequestParser._field_lines,
    RequestParser._body,
    RequestParser._size,
    RequestParser._data,
    RequestParser._data_end,
    RequestParser._trailer,
    RequestParser._done,
    RequestParser._closed,
)


def response_head(
    status: int, headers: "list[tuple[bytes, bytes]]", length: "int | None", keep_alive: bool, http10: bool = False
) -> bytes:
    """Status line and fields up to and including the empty line.

    `length`: bytes of content; None = chunked, or for an HTTP/1.0 client until the connection closes. 1xx, 204 and 304
    get no framing field (RFC 9110 section 8.6). Raises ValueError when a field would break the framing.
    """
    lines = [b"HTTP/1.1 %d %s" % (status, STATUS_TEXT.get(status, b"Unknown"))]
    for name, value in headers:
        line = name + b": " + value
        if b"\r" in line or b"\n" in line or b"\0" in line:
            raise ValueError("CR, LF or NUL in a response field")
        lines.append(line)
    if status >= 200 and status not in (204, 304):
        if length is not None:
            lines.append(b"Content-Length: %d" % length)
        elif http10:
            keep_alive = False
        else:
            lines.append(b"Transfer-Encoding: chunked")
    if not keep_alive:
        lines.append(b"Connection: close")
    elif http10:
        lines.append(b"Connection: keep-alive")
    lines.append(b"\r\n")
    return b"\r\n".join(lines)


def chunk(data: bytes) -> bytes:
    """One chunk; nothing for no data, for that would be the last one."""
    return b"%x\r\n%s\r\n" % (len(data), data) if data else b""


def last_chunk(trailers: "list[tuple[bytes, bytes]]") -> bytes:
    """The end of a chunked body, with fields after it (RFC 9112 section 7.1.2)."""
    return b"0\r\n" + b"".join([name + b": " + value + b"\r\n" for name, value in trailers]) + b"\r\n"


def http_date(now_s: int) -> bytes:
    """RFC 9110 section 5.6.7: IMF-fixdate of Unix seconds, by integers (days to civil date, March-based years)."""
    days, seconds = now_s // 86400, now_s % 86400
    shifted = days + 719468  # days since 0000-03-01
    era = shifted // 146097
    of_era = shifted % 146097
    year_of_era = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month = (5 * of_year + 2) // 153  # 0 = March
    day = of_year - (153 * month + 2) // 5 + 1
    year = era * 400 + year_of_era + (1 if month >= 10 else 0)  # January and February
    return b"%s, %02d %s %04d %02d:%02d:%02d GMT" % (
        b"ThuFriSatSunMonTueWed"[days % 7 * 3 : days % 7 * 3 + 3],
        day,
        b"MarAprMayJunJulAugSepOctNovDecJanFeb"[month * 3 : month * 3 + 3],
        year,
        seconds // 3600,
        seconds % 3600 // 60,
        seconds % 60,
    )
