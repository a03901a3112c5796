"""A streamed body -> its records, however the bytes were cut.

`feed` returns the records that are complete. When the input cannot go on, `problem` says why: the records before that
point have been returned, every later `feed` or `close` raises it.
"""

# ruff: noqa: PLR2004 - the numbers are those of RFC 8949 section 3: major types 0-7, additional information 24-31

from headgate import limits
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
                self._too_large()
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
            self._too_large()
        elif line.strip(_WHITE):
            records.append(line)

    def _too_large(self) -> None:
        self._rest = bytearray()
        self.problem = Problem(413, "record_too_large", f"a record may have {self._max} bytes")


class CBORSeqSplitter:
    """RFC 8742: items one after the other, nothing between them.

    Each byte is looked at once: the walk through an unfinished item is kept (RFC 8949 section 3 heads, and how many
    items each open container still takes), so an item that trickles in costs no more than one that comes at once. Only
    what finding the end needs is checked here; `cbor.loads` judges the record.
    """

    def __init__(self, max_record: int, max_open: int = 4 * limits.CBOR_DEPTH) -> None:
        self._max = max_record
        self._max_open = max_open  # only bounds the list below: cbor.loads judges the depth
        self._rest = bytearray()  # of an item that is not complete
        self._at = 0  # index in it of the next head; may lie past its end, inside a string
        self._open: list[int] = []  # items still to come, outermost container first; -1 = until the break
        self.problem: Problem | None = None

    def feed(self, data: bytes) -> "list[bytes]":
        if self.problem is not None:
            raise self.problem
        records: list[bytes] = []
        self._rest += data
        try:
            while self._step():
                if not self._open:
                    records.append(bytes(self._rest[: self._at]))
                    self._rest = self._rest[self._at :]
                    self._at = 0
            if max(self._at, len(self._rest)) > self._max:
                raise self._too_large()
        except Problem as problem:
            self.problem = problem
            self._rest = bytearray()
        return records

    def close(self) -> "list[bytes]":
        """The end of the body: nothing may be left over."""
        if self.problem is not None:
            raise self.problem
        if self._rest:
            self.problem = Problem(400, "malformed_cbor", "the last item is not complete")
            raise self.problem
        return []

    def _too_large(self) -> Problem:
        return Problem(413, "record_too_large", f"a record may have {self._max} bytes")

    def _step(self) -> bool:  # noqa: PLR0912 - one head, one decision
        """Past one head and its string. False: bytes are missing. True with `_open` empty: an item ends at `_at`."""
        rest = self._rest
        at = self._at
        if at > len(rest) or (at == len(rest) and (self._open or not rest)):
            return False
        if at and not self._open:
            return True  # the string that was the whole item has arrived
        major = rest[at] >> 5
        info = rest[at] & 31
        size = 1 << (info - 24) if 24 <= info <= 27 else 0
        if len(rest) < at + 1 + size:
            return False
        value = info
        if size:
            value = 0
            for byte in rest[at + 1 : at + 1 + size]:
                value = value << 8 | byte
        at += 1 + size
        if major in (2, 3) and info != 31:
            at += value
        if at > self._max:
            raise self._too_large()
        indefinite = info == 31  # RFC 8949 section 3.2
        if 28 <= info <= 30 or (indefinite and major in (0, 1, 6)):
            raise Problem(400, "malformed_cbor", "reserved additional information")
        if major == 7 and indefinite:  # the break
            if not self._open or self._open[-1] >= 0:
                raise Problem(400, "malformed_cbor", "break outside an indefinite-length item")
            self._open.pop()
            self._close_items()
        elif major in (4, 5, 6) or (indefinite and major in (2, 3)):  # containers, tags, strings in pieces
            count = -1 if indefinite else value * 2 if major == 5 else 1 if major == 6 else value
            if count > self._max:
                raise self._too_large()
            if len(self._open) >= self._max_open:
                raise Problem(400, "malformed_cbor", "nested too deeply")
            self._open.append(count)
            if count == 0:
                self._open.pop()
                self._close_items()
        else:
            self._close_items()
        self._at = at
        return at <= len(rest)

    def _close_items(self) -> None:
        """One item has ended: so has every container it was the last of."""
        while self._open and self._open[-1] >= 0:
            self._open[-1] -= 1
            if self._open[-1]:
                return
            self._open.pop()
