"""A streamed body -> its records, however the bytes were cut.

`feed` returns the records that are complete. When the input cannot go on, `problem` says why: the records before that
point have been returned, every later `feed` or `close` raises it.
"""

from headgate import limits
from headgate.core.cbor_scan import TOO_LARGE, CBORError, Scanner
from headgate.core.problem import Problem

_WHITE = b" \t\r"


class NDJSONSplitter:
    """Lines that end with LF or CRLF; blank ones are skipped, the last one may lack its end.

    `max_record`: bytes of one line without its end; more is Problem 413 `record_too_large`.
    """

    def __init__(self, max_record: int) -> None:
        self._max = max_record
        self._rest = bytearray()  # of a line that is not complete
        self.problem: Problem | None = None

    def feed(self, data: bytes) -> "list[bytes]":
        if self.problem is not None:
            raise self.problem
        records: list[bytes] = []
        start = 0
        at = data.find(b"\n")
        while at >= 0:
            piece = data[start:at]
            if self._rest:
                piece = bytes(self._rest) + piece
                self._rest = bytearray()
            self._line(piece, records)
            if self.problem is not None:
                return records
            start = at + 1
            at = data.find(b"\n", start)
        if start < len(data):
            self._rest += data[start:] if start else data
            if len(self._rest) > self._max + 1:  # the one more may be the CR
                self._refuse()
        return records

    def close(self) -> "list[bytes]":
        """The end of the body: the last record, if it had no line end."""
        if self.problem is not None:
            raise self.problem
        records: list[bytes] = []
        self._line(bytes(self._rest), records)
        self._rest = bytearray()
        if self.problem is not None:
            raise self.problem
        return records

    def _line(self, line: bytes, records: "list[bytes]") -> None:
        if line[-1:] == b"\r":
            line = line[:-1]
        if len(line) > self._max:
            self._refuse()
        elif line.strip(_WHITE):
            records.append(line)

    def _refuse(self) -> None:
        self._rest = bytearray()
        self.problem = _too_large(self._max)


class CBORSeqSplitter:
    """RFC 8742: items one after the other, nothing between them. `max_record`: bytes of one item.

    Only what finding the end needs is checked here; `cbor.loads` judges the record, its depth as well.
    """

    def __init__(self, max_record: int, max_open: int = 4 * limits.CBOR_DEPTH) -> None:
        self._scanner = Scanner(max_open, max_record)
        self._rest = bytearray()  # of an item that is not complete
        self.problem: Problem | None = None

    def feed(self, data: bytes) -> "list[bytes]":
        if self.problem is not None:
            raise self.problem
        records: list[bytes] = []
        rest = self._rest
        rest += data
        scanner = self._scanner
        start = 0
        try:
            end = scanner.end(rest)
            while end > 0:
                records.append(bytes(rest[start:end]))
                start = end
                scanner.reset()
                end = scanner.end(rest, start)
            if end == TOO_LARGE:
                self.problem = _too_large(scanner.max_size)
        except CBORError as error:
            self.problem = Problem(400, "malformed_cbor", error.reason)
        if start:
            self._rest = rest[start:]
        return records

    def close(self) -> "list[bytes]":
        """The end of the body: nothing may be left over."""
        if self.problem is None and self._rest:
            self.problem = Problem(400, "malformed_cbor", "the last item is not complete")
        if self.problem is not None:
            raise self.problem
        return []


def _too_large(size: int) -> Problem:
    return Problem(413, "record_too_large", f"a record may have {size} bytes")
