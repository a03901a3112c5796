"""Documents one after the other, cut anywhere: a Result for each as soon as its last byte is in. Portable.

ndjson    lines that end with LF or CRLF; blank ones are skipped, the last one may lack its end.
json-seq  RFC 7464: RS, JSON text, LF. A record is complete with the LF after its outermost value, else with the next
          RS; a number, true, false or null without white space at its end is refused: it may be a part of a longer one.
cbor-seq  RFC 8742: items one after the other. Once one is broken nobody can say where the next begins: the stream
          ends, and what follows is ignored.

A record that is too large is malformed; ndjson and json-seq go on with the next one. Memory: one record.
"""

from headgate import limits
from headgate.core.cbor_scan import TOO_LARGE, CBORError, Scanner
from headgate.core.schema_result import Result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from headgate.core.schema import Data, Schema

FRAMINGS = ("ndjson", "json-seq", "cbor-seq")
_WHITE = b" \t\r\n"
_RS = b"\x1e"


class Stream:
    """`feed` gives the Results of the records that are complete, `close` that of the last one. Offsets count from the
    start of a record. `max_record`: bytes of one, without what frames it."""

    def __init__(self, schema: "Schema", framing: str, max_record: int) -> None:
        if framing not in FRAMINGS:
            raise ValueError('framing must be "ndjson", "json-seq" or "cbor-seq"')
        if not 1 <= max_record <= limits.DOCUMENT_BYTES:
            raise ValueError(f"max_record must be from 1 to {limits.DOCUMENT_BYTES}")
        self._schema = schema
        self._framing = framing
        self._max = max_record
        self._rest = bytearray()  # of a record that is not complete
        self._inside = framing == "ndjson"  # False: up to the next RS, or LF of a record that is too large
        self._stray = False  # what is skipped has been complained about
        self._text = _Text()
        self._scanner = Scanner(4 * limits.DOCUMENT_DEPTH, max_record)
        self._closed = False
        self._ended = False

    def feed(self, chunk: "Data") -> "list[Result]":
        """The next bytes. ValueError after `close`."""
        if self._closed:
            raise ValueError("the stream is closed")
        if self._ended:
            return []
        chunk = bytes(chunk)
        if self._framing == "cbor-seq":
            return self._items(chunk)
        return self._lines(chunk) if self._framing == "ndjson" else self._texts(chunk)

    def close(self) -> "list[Result]":
        """There is no more. Closing again does nothing."""
        results: list[Result] = []
        if not self._closed and self._rest:
            rest = bytes(self._rest)
            if self._framing == "cbor-seq":
                results.append(self._refused("unexpected end", len(rest), rest))
            elif self._framing == "ndjson":
                self._line(rest, results)
            else:
                results.append(self._cut(rest))
        self._closed = True
        self._rest = bytearray()
        return results

    def _judge(self, record: bytes) -> Result:
        return self._schema.validate(record, "cbor" if self._framing == "cbor-seq" else "json")

    def _refused(self, reason: str, offset: int, data: bytes = b"") -> Result:
        result = Result(data, "cbor" if self._framing == "cbor-seq" else "json", False)
        result.refuse(reason, offset)
        return result

    # --- lines ---

    def _lines(self, chunk: bytes) -> "list[Result]":
        results: list[Result] = []
        start = 0
        while start < len(chunk):
            end = chunk.find(b"\n", start)
            stop = len(chunk) if end < 0 else end
            if self._inside:
                if stop - start > self._max + 1 - len(self._rest):  # the one more may be the CR
                    self._rest = bytearray()
                    self._inside = False
                    results.append(self._refused("document too large", self._max))
                else:
                    self._rest += chunk[start:stop]
                    if end >= 0:
                        self._line(bytes(self._rest), results)
                        self._rest = bytearray()
            if end >= 0:
                self._inside = True
            start = stop + 1
        return results

    def _line(self, line: bytes, results: "list[Result]") -> None:
        if line[-1:] == b"\r":
            line = line[:-1]
        if len(line) > self._max:
            results.append(self._refused("document too large", self._max))
        elif line.strip(_WHITE):
            results.append(self._judge(line))

    # --- RFC 7464 ---

    def _texts(self, chunk: bytes) -> "list[Result]":
        results: list[Result] = []
        at = 0
        size = len(chunk)
        while at < size:
            if not self._inside:
                end = chunk.find(_RS, at)
                before = chunk[at : size if end < 0 else end]
                if before.strip(_WHITE) and not self._stray:
                    self._stray = True
                    results.append(self._refused("expected a record separator", 0))
                if end < 0:
                    break
                self._begin()
                at = end + 1
                continue
            end = self._text.end(chunk, at)
            if end - at > self._max - len(self._rest):
                self._inside = False
                self._stray = True
                self._rest = bytearray()
                results.append(self._refused("document too large", self._max))
                continue
            self._rest += chunk[at:end]
            at = end
            if end < size:
                at += 1
                record = bytes(self._rest)
                self._rest = bytearray()
                if chunk[end : end + 1] == _RS:
                    self._begin()
                    if record:  # several RS in a row mean nothing (section 2.1)
                        results.append(self._cut(record))
                else:
                    self._inside = False
                    results.append(self._judge(record))
        return results

    def _begin(self) -> None:
        self._inside = True
        self._stray = False
        self._text = _Text()

    def _cut(self, record: bytes) -> Result:
        """A record that ended with an RS or with the stream, not with an LF (section 2.4)."""
        result = self._judge(record)
        text = record.lstrip(_WHITE)
        if not result.malformed and record[-1] not in _WHITE and text[:1] not in (b"{", b"[", b'"'):
            return self._refused("unexpected end", len(record), record)
        return result

    # --- RFC 8742 ---

    def _items(self, chunk: bytes) -> "list[Result]":
        results: list[Result] = []
        rest = self._rest
        rest += chunk
        start = 0
        try:
            while start < len(rest):
                end = self._scanner.end(rest, start)
                if end == TOO_LARGE:
                    self._ended = True
                    results.append(self._refused("document too large", self._max))
                if end < 0:
                    break
                results.append(self._judge(bytes(rest[start:end])))
                start = end
                self._scanner.reset()
        except CBORError as error:
            self._ended = True
            results.append(self._refused(error.reason, error.offset - start))
        self._rest = bytearray() if self._ended else rest[start:]
        return results


class _Text:
    """Where in a JSON text: strings and brackets are told apart, so that an LF between values does not end it."""

    __slots__ = ("escaped", "open", "quoted", "started")

    def __init__(self) -> None:
        self.started = False  # a byte that is not white space was seen
        self.quoted = False
        self.escaped = False
        self.open = 0

    def end(self, data: bytes, at: int) -> int:
        """The index of the LF or RS that ends the text which goes on at `at`, or the end of the data."""
        for i in range(at, len(data)):
            c = data[i : i + 1]
            if c == _RS:
                return i
            if self.quoted:
                if self.escaped:
                    self.escaped = False
                elif c == b"\\":
                    self.escaped = True
                elif c == b'"':
                    self.quoted = False
            elif c in (b" ", b"\t", b"\r", b"\n"):
                if c == b"\n" and self.started and self.open == 0:
                    return i
            else:
                self.started = True
                if c == b'"':
                    self.quoted = True
                elif c in (b"{", b"["):
                    self.open += 1
                elif c in (b"}", b"]") and self.open:
                    self.open -= 1
        return len(data)
