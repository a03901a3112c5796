"""HdrHistogram's V2 encoding and its log: what other tools read (HistogramLogAnalyzer, libraries of many languages).

The encoding is big-endian: a cookie, the length, then the same again deflated. Inside: cookie, length of the counts,
normalizing index offset, significant digits, lowest and highest value, ratio (double), then the counts in order of
their index as zig-zag LEB128 of up to 9 bytes, where -n stands for n empty buckets. With two significant digits its
buckets are ours (distribution.py), so nothing is lost.
"""

import base64
import struct
import zlib
from collections.abc import Iterable, Iterator

from headgate_host.load.distribution import Distribution, bucket, index_of
from headgate_host.load.histogram import LARGEST_NS

_COOKIE = 0x1C849303 | 0x10
_COMPRESSED = 0x1C849304 | 0x10
_DIGITS = 2  # significant: 128 steps a power of two, as ours
_HEAD = struct.Struct(">iiiiqqd")
_OUTER = struct.Struct(">ii")
_GROUPS = 8  # of 7 bits; the ninth byte has 8
_MORE = 0x80  # in a byte: another one follows
_DECODED_MOST = 1 << 20  # bytes; 9 for each bucket there can be are less
_TAG = str.maketrans(", \r\n", "____")  # what separates fields and lines


class HdrError(ValueError):
    """Not an encoded histogram with two significant digits."""


def _signed(value: int) -> bytes:
    """Zig-zag LEB128 of 64 bits."""
    value = ((value << 1) ^ (value >> 63)) & 0xFFFFFFFFFFFFFFFF
    encoded = bytearray()
    while value >= _MORE and len(encoded) < _GROUPS:
        encoded.append(value & (_MORE - 1) | _MORE)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _counts(latencies: Distribution) -> bytes:
    encoded, following = bytearray(), 0
    for index in sorted(latencies.counts):
        if index > following:
            encoded += _signed(following - index)
        encoded += _signed(latencies.counts[index])
        following = index + 1
    return bytes(encoded)


def encode(latencies: Distribution) -> str:
    counts = _counts(latencies)
    packed = zlib.compress(_HEAD.pack(_COOKIE, len(counts), 0, _DIGITS, 1, LARGEST_NS, 1.0) + counts)
    return base64.b64encode(_OUTER.pack(_COMPRESSED, len(packed)) + packed).decode()


def _values(data: bytes) -> Iterator[int]:
    at = 0
    while at < len(data):
        value = shift = 0
        while True:
            if at == len(data):
                raise HdrError("a count is cut off")
            byte = data[at]
            at += 1
            last = shift == 7 * _GROUPS
            value |= (byte if last else byte & (_MORE - 1)) << shift
            if last or byte < _MORE:
                break
            shift += 7
        yield (value >> 1) ^ -(value & 1)


def decode(text: str) -> Distribution:
    """The counts are exact; least, most and total are those of the buckets' ends. Raises HdrError."""
    try:
        raw = base64.b64decode(text, validate=True)
        cookie, length = _OUTER.unpack_from(raw)
        unpack = zlib.decompressobj()
        plain = unpack.decompress(raw[_OUTER.size : _OUTER.size + length], _DECODED_MOST)
        inner, size, offset, digits, lowest, _, _ = _HEAD.unpack_from(plain)
    except (ValueError, struct.error, zlib.error) as error:
        raise HdrError(f"not a compressed HdrHistogram: {error}") from None
    if cookie != _COMPRESSED or inner != _COOKIE or (offset, digits, lowest) != (0, _DIGITS, 1):
        raise HdrError("not HdrHistogram V2 with two significant digits and lowest value 1")
    if not unpack.eof or _HEAD.size + size != len(plain):
        raise HdrError("an HdrHistogram of another length than it says")
    counts: dict[int, int] = {}
    index, most = 0, index_of(LARGEST_NS)
    for value in _values(plain[_HEAD.size :]):
        if value > 0:
            counts[index] = value
        index += -value if value < 0 else 1
        if index > most + 1:
            raise HdrError("a count outside the range")
    ends = {one: min(bucket(one)[1], LARGEST_NS) for one in counts}
    total = sum(ends[one] * count for one, count in counts.items())
    return Distribution(counts, bucket(min(counts))[0] if counts else 0, max(ends.values(), default=0), total)


def log(intervals: Iterable[tuple[str, float, float, Distribution]], started_s: float) -> Iterator[str]:
    """Lines of a histogram log, version 1.3. `intervals`: (tag, start and length in s since the start, latencies);
    `started_s`: Unix time of the start. Values are nanoseconds, the maximum is in milliseconds as usual."""
    yield "#[Logged by headgate load]"
    yield "#[Histogram log format version 1.3]"
    yield f"#[StartTime: {started_s:.3f} (seconds since epoch)]"
    yield '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'
    for tag, start_s, length_s, latencies in intervals:
        name = f"Tag={tag.translate(_TAG)}," if tag else ""
        yield f"{name}{start_s:.3f},{length_s:.3f},{latencies.most / 1e6:.3f},{encode(latencies)}"
