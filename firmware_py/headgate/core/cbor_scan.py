"""Where a CBOR item ends (RFC 8949 appendix C), found in a buffer that grows.

Apart from cbor.py because a splitter of sequences (RFC 8742) needs no more than this, and a small board loads no more.
"""
# ruff: noqa: PLR2004 - the numbers are those of RFC 8949 section 3: major types 0-7, additional information 24-31

from headgate import limits

_BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = 2, 3, 4, 5, 6, 7  # major types, RFC 8949 section 3.1
_INDEFINITE = 31  # additional information of indefinite lengths, and of "break" in major type 7
MORE, TOO_LARGE = -1, -2  # what `Scanner.end` returns when there is no end yet, or never an acceptable one


class CBORError(ValueError):
    """Refused input or value. `offset`: byte of the item that is wrong (0 when encoding)."""

    def __init__(self, reason: str, offset: int = 0) -> None:
        super().__init__(f"{reason} at byte {offset}")
        self.reason = reason
        self.offset = offset


class Scanner:
    """Finds the end of one item, reading no head twice: what trickles in costs no more than what comes at once.

    `end(data, pos)` is called again whenever more bytes have come, with the item's first byte at data[pos]; only
    structure is checked, `cbor.loads` judges the rest. `at`: how many bytes the item is known to have so far, which
    may be more than have arrived. `max_size`: bytes an item may have, 0 = any; the verdict comes with the head that
    announces too many, and does not depend on how the bytes were cut.
    """

    __slots__ = ("_open", "at", "max_depth", "max_size")

    def __init__(self, max_depth: int = limits.CBOR_DEPTH, max_size: int = 0) -> None:
        self.max_depth = max_depth
        self.max_size = max_size
        self.reset()

    def reset(self) -> None:
        """Forget the item: the next call of `end` is about another one."""
        self.at = 0
        # Items each open container still waits for: n of a definite one; of an indefinite one -1 array, -2 map before
        # a key, -3 map before a value, -4 byte string, -5 text string. The outermost entry is the item itself.
        self._open = [1]

    def end(self, data: "bytes | bytearray", pos: int = 0) -> int:
        """Index past the item at `pos`; MORE: bytes are missing; TOO_LARGE: it has more than `max_size`. CBORError: no
        bytes can make this an item."""
        waiting = self._open
        size = len(data) - pos
        while True:
            while waiting and waiting[-1] == 0:
                waiting.pop()
            at = self.at
            if not waiting:
                return pos + at if at <= size else MORE
            if at >= size:
                return MORE
            initial = data[pos + at]
            major = initial >> 5
            info = initial & 31
            argument = info
            head = 1
            if info >= 28 and (info != _INDEFINITE or major < _BYTES or major == _TAG):
                raise CBORError("reserved additional information", pos + at)
            if 24 <= info < 28:
                head = 1 + (1 << (info - 24))
            if self.max_size and at + head > self.max_size:
                return TOO_LARGE
            if head > 1:
                if size - at < head:
                    return MORE
                argument = int.from_bytes(data[pos + at + 1 : pos + at + head], "big")
                if major == _SIMPLE and info == 24 and argument < 32:
                    raise CBORError("simple value below 32 in two bytes", pos + at)
            more = self._take(major, info, argument, pos + at)
            at += head
            if major in (_BYTES, _TEXT) and info != _INDEFINITE:
                at += argument
            if self.max_size and at + max(more, 0) > self.max_size:  # an item within takes a byte at least
                return TOO_LARGE
            self.at = at

    def _take(self, major: int, info: int, argument: int, offset: int) -> int:
        """Account for one head in the open containers; -> what it opens, as in `_open`, or 0."""
        waiting = self._open
        top = waiting[-1]
        if major == _SIMPLE and info == _INDEFINITE:
            if top >= 0 or top == -3:
                raise CBORError("unexpected break", offset)
            waiting.pop()
            return 0
        if top > 0:
            waiting[-1] = top - 1
        elif top <= -4:
            if major != -2 - top or info == _INDEFINITE:
                raise CBORError("chunk is not a definite-length string of the same type", offset)
        elif top < -1:
            waiting[-1] = -5 - top  # key and value by turns
        more = 0
        if major == _TAG:
            more = 1
        elif info == _INDEFINITE:
            more = (-4, -5, -1, -2)[major - _BYTES]
        elif major == _ARRAY:
            more = argument
        elif major == _MAP:
            more = 2 * argument
        if more:
            if len(waiting) > self.max_depth:
                raise CBORError("nested too deeply", offset)
            waiting.append(more)
        return more
