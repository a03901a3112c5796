"""UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing above U+10FFFF.

CPython's decoder is strict. MicroPython's only looks at the shape of lead and continuation bytes, so there the text
is checked here as well; pure ASCII, the usual case, costs nothing extra.
"""
# ruff: noqa: PLR2004 - the numbers are those of Unicode table 3-7


def _decoder_is_strict() -> bool:
    try:
        return not str(b"\xed\xa0\x80", "utf-8")
    except UnicodeError:
        return True


STRICT_DECODER = _decoder_is_strict()


def fault(  # noqa: PLR0912 - the rows of the table
    data: "bytes | bytearray | memoryview", start: int = 0, end: int = -1
) -> int:
    """The offset of the first sequence in data[start:end] that is not well-formed (Unicode 15 table 3-7), or -1."""
    if end < 0:
        end = len(data)
    while start < end:
        lead = data[start]
        if lead < 0x80:
            start += 1
            continue
        low = 0x80  # bounds of the first continuation byte; the lead byte can make them narrower
        high = 0xBF
        if 0xC2 <= lead <= 0xDF:
            more = 1
        elif 0xE0 <= lead <= 0xEF:
            more = 2
            if lead == 0xE0:
                low = 0xA0
            elif lead == 0xED:
                high = 0x9F
        elif 0xF0 <= lead <= 0xF4:
            more = 3
            if lead == 0xF0:
                low = 0x90
            elif lead == 0xF4:
                high = 0x8F
        else:
            return start
        if start + more >= end or not low <= data[start + 1] <= high:
            return start
        for at in range(start + 2, start + 1 + more):
            if not 0x80 <= data[at] <= 0xBF:
                return start
        start += 1 + more
    return -1


def decode(data: bytes) -> str:
    """`data` as text; ValueError when it is not well-formed UTF-8."""
    text = str(data, "utf-8")
    # As many characters as bytes: all of them are ASCII (a lenient decoder counts lead bytes, and each needs a
    # continuation byte that is not counted).
    if not STRICT_DECODER and len(text) != len(data) and fault(data) >= 0:
        raise ValueError("invalid UTF-8")
    return text
