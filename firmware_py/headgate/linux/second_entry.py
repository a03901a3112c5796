"""An entry of the cache as the second level keeps it: a line of text, then the value.

    b"1 <max-age in s, 0: none> <media type>\\n" <value>

The time to live is the server's own (PX, PTTL): the clocks of two boards need not agree. Whoever can write there can
write anything, so nothing of it is believed: what comes out of `unpack` is what a PUT could have brought.
"""

import re

from headgate import limits

VERSION = b"1"
HEAD_MAX = 160  # bytes of the line: version, ten digits, a media type of 128
_TYPE_MAX = 128  # bytes, as for a PUT
_MAX_AGE = 2147483647  # seconds, as for a PUT
# A media type is a field value (RFC 9110 section 5.5), which goes into the answer's head.
_HEAD = re.compile(rb"1 (0|[1-9][0-9]{0,9}) ([!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)")


def pack(value: bytes, max_age: int, media_type: bytes) -> bytes:
    return b"%b %d %b\n%b" % (VERSION, max_age, media_type, value)


def unpack(data: bytes, value_max: int) -> "tuple[bytes, int, bytes] | None":
    """(value, max-age, media type), or None for what is not of this form or too large."""
    head, newline, value = data[:HEAD_MAX].partition(b"\n")
    match = _HEAD.fullmatch(head)
    if not newline or match is None:
        return None
    max_age, media_type = int(match[1]), match[2]
    value = data[len(head) + 1 :]
    if max_age > _MAX_AGE or len(media_type) > _TYPE_MAX or len(value) > value_max:
        return None
    return value, max_age, media_type


def time_to_live(max_age: int, left_ms: int) -> int:
    """Milliseconds to keep it here, 0: for ever. `left_ms`: PTTL's answer, -1: for ever there."""
    bounds = [bound for bound in (max_age * 1000, left_ms) if bound > 0]
    return min(*bounds, limits.CACHE_TTL_MS) if bounds else 0
