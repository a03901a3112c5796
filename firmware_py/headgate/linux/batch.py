"""The batch: one format at rest, on the wire and in `headgate receive`.

zstd(CBOR map {"v": 1, "a": appliance, "b": boot, "r": [row, ...]}); the format is described in docs/architecture.md,
section 4. A blob names its own codec: a zstd frame starts with 28 b5 2f fd (RFC 8878 section 3.1.1), a CBOR map with
major type 5, so nothing outside the blob is needed to read it.
"""

import sys
import threading
from binascii import crc32
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, TypeGuard, cast

from headgate import limits
from headgate.core import cbor

VERSION = 1
PLAIN = 0  # codec tags, stored beside each blob
ZSTD = 1
LEVEL = 1  # on batches of short JSON messages as small as 3, in a quarter of its memory (0.1 MiB)
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_kept = threading.local()  # compress: of _compressor
_WINDOW_MAX = 1 << 25  # bytes; what a decoder may have to allocate: our own frames never exceed their content
_HEADER_PARTS = 4
_ARRAY = 4  # RFC 8949 section 3.1, major type
MESSAGE_MAX = 2**53 - 1  # of boot and sequence: exact in every JSON reader


class BatchError(ValueError):
    """Not a batch, or one that is over the limits; the text says which."""


class Row(NamedTuple):
    """One message. `ts_ms`: Unix ms of arrival or None when the clock was unset; `trace`: W3C traceparent or None."""

    seq: int
    stream: str
    client: str
    ts_ms: int | None
    content_type: str
    body: bytes
    trace: str | None


class Batch(NamedTuple):
    appliance: str
    boot: int
    rows: list[Row]

    def message_id(self, row: Row) -> str:
        return f"{self.appliance}/{self.boot}.{row.seq}"


def encode(batch: Batch) -> tuple[int, bytes]:
    """-> (codec tag, blob). Without a zstd library the blob is plain CBOR: larger, never refused."""
    rows = [cbor.dumps(list(row)) for row in batch.rows]
    return encode_rows(batch.appliance, batch.boot, len(rows), lambda head: b"".join([head, *rows]))


def encode_rows(appliance: str, boot: int, count: int, rows: Callable[[bytes], bytes | bytearray]) -> tuple[int, bytes]:
    """The same of rows that are CBOR already: `rows(head)` -> `head` and then `count` of them, in one buffer."""
    head = bytearray(_head(appliance, boot))
    cbor.head(head, _ARRAY, count)
    plain = rows(bytes(head))
    compress = _compressor()
    if compress is None:
        return PLAIN, bytes(plain)
    return ZSTD, compress(plain)


@lru_cache(maxsize=4)
def _head(appliance: str, boot: int) -> bytes:
    """A batch up to its rows."""
    return cbor.dumps({"v": VERSION, "a": appliance, "b": boot, "r": []})[:-1]


def decode(blob: bytes, max_bytes: int = limits.BATCH_DECODED) -> Batch:
    """Every field is checked: the blob may come from a damaged disk or from a stranger. Raises BatchError."""
    if blob[:4] == ZSTD_MAGIC:
        blob = _decompress(blob, max_bytes)
    elif len(blob) > max_bytes:
        raise BatchError(f"batch of {len(blob)} bytes, limit {max_bytes}")
    try:
        # Items: seven fields and the row itself for each message; the map, its names and values.
        document = cbor.loads(blob, 4, 8 * limits.BATCH_RECORDS_MAX + 16)
    except cbor.CBORError as error:
        raise BatchError(f"not CBOR: {error}") from None
    return _checked(document)


def checksum(blob: bytes) -> int:
    """CRC-32 of the stored form: SQLite does not notice a flipped bit in a blob."""
    return crc32(blob)


def _checked(document: Any) -> Batch:
    if not isinstance(document, dict) or document.get("v") != VERSION or len(document) != _HEADER_PARTS:
        raise BatchError("not a batch of version 1")
    appliance, boot, rows = document.get("a"), document.get("b"), document.get("r")
    if not isinstance(appliance, str) or not _counter(boot) or not isinstance(rows, list):
        raise BatchError("batch header has a wrong type")
    return Batch(appliance, boot, [_row(row) for row in rows])


def _row(row: Any) -> Row:
    if not isinstance(row, list) or len(row) != len(Row._fields):
        raise BatchError("a row has the wrong shape")
    seq, stream, client, ts_ms, content_type, body, trace = row
    if not (
        _counter(seq)
        and isinstance(stream, str)
        and isinstance(client, str)
        and (ts_ms is None or (isinstance(ts_ms, int) and not isinstance(ts_ms, bool)))
        and isinstance(content_type, str)
        and isinstance(body, bytes)
        and (trace is None or isinstance(trace, str))
    ):
        raise BatchError("a row has a field of a wrong type")
    return Row(seq, stream, client, ts_ms, content_type, body, trace)


def _counter(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MESSAGE_MAX


def _standard_zstd() -> Any:
    """`compression.zstd` of the standard library, or None. Before 3.14 it is not looked for: to find nothing takes
    longer than to compress a small batch."""
    if sys.version_info < (3, 14):
        return None
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return None
    return zstd


def _compressor() -> Callable[[bytes | bytearray], bytes] | None:
    """Each thread keeps its own: zstandard's takes half as long to be made anew as to compress a small batch."""
    try:
        return cast("Callable[[bytes | bytearray], bytes] | None", _kept.compress)
    except AttributeError:
        _kept.compress = compress = _new_compressor()
        return compress


def _new_compressor() -> Callable[[bytes | bytearray], bytes] | None:
    """zstd of the standard library, else of the zstandard package, else None. With checksum and size."""
    zstd = _standard_zstd()
    if zstd is not None:
        options = {zstd.CompressionParameter.compression_level: LEVEL, zstd.CompressionParameter.checksum_flag: 1}
        return lambda plain: bytes(zstd.compress(plain, options=options))
    try:
        import zstandard
    except ImportError:
        return None
    return zstandard.ZstdCompressor(level=LEVEL, write_checksum=True, write_content_size=True).compress


def _decompress(blob: bytes, max_bytes: int) -> bytes:
    """One frame, whole, with a declared size within `max_bytes`, or BatchError."""
    size = _frame_size(blob)
    if size is None or size > max_bytes:
        raise BatchError(f"batch declares {size} bytes, limit {max_bytes}")
    zstd = _standard_zstd()
    if zstd is not None:
        decoder = zstd.ZstdDecompressor(
            options={zstd.DecompressionParameter.window_log_max: _WINDOW_MAX.bit_length() - 1}
        )
        try:
            plain = bytes(decoder.decompress(blob, size + 1))
        except zstd.ZstdError as error:
            raise BatchError(f"not zstd: {error}") from None
        if not decoder.eof or decoder.unused_data or len(plain) != size:
            raise BatchError("not one whole zstd frame")
        return plain
    try:
        import zstandard
    except ImportError:
        raise BatchError("compressed with zstd; install the zstandard package") from None
    try:
        # In one step into a buffer of the declared size: a stream would hand out more before it finds the lie.
        plain = zstandard.ZstdDecompressor(max_window_size=_WINDOW_MAX).decompress(blob, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise BatchError(f"not one whole zstd frame: {error}") from None
    if len(plain) != size:
        raise BatchError(f"declares {size} bytes and holds {len(plain)}")
    return plain


def _frame_size(blob: bytes) -> int | None:
    """Frame_Content_Size of RFC 8878 section 3.1.1.1, or None when the frame does not declare it."""
    if len(blob) < 5:  # noqa: PLR2004  # magic and descriptor
        return None
    descriptor = blob[4]
    single_segment = descriptor >> 5 & 1
    width = (single_segment, 2, 4, 8)[descriptor >> 6]
    at = 5 + (1 - single_segment) + (0, 1, 2, 4)[descriptor & 3]
    field = blob[at : at + width]
    if width == 0 or len(field) < width:
        return None
    size = int.from_bytes(field, "little")
    return size + 256 if width == 2 else size  # noqa: PLR2004  # the two-byte field is offset by 256
