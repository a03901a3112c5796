"""The batch format: what goes in comes out, and hostile blobs are refused within bounds."""

from __future__ import annotations

import struct
import sys
import threading
from typing import Any

import cbor2
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from headgate import limits
from headgate.linux import batch
from headgate.linux.batch import PLAIN, ZSTD, Batch, BatchError, Row

ROW = Row(7, "weather", "station-1", 1_764_000_000_123, "application/json", b'{"t": 1.50}', None)
TRACED = Row(9, "größe", "c/1", None, "application/cbor", b"\x00\xff", "00-" + "a" * 32 + "-" + "b" * 16 + "-01")
SAMPLE = Batch("hg1", 12, [ROW, TRACED])
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
rows = st.builds(
    Row,
    st.integers(1, 2**53 - 1),
    text,
    text,
    st.none() | st.integers(0, 2**53),
    text,
    st.binary(max_size=300),
    st.none() | text,
)


def packed(document: Any) -> bytes:
    return zstandard.ZstdCompressor().compress(cbor2.dumps(document))


def wire(**changes: Any) -> dict[str, Any]:
    return {"v": 1, "a": "hg1", "b": 12, "r": [list(ROW)], **changes}


@given(st.builds(Batch, text, st.integers(1, 2**53 - 1), st.lists(rows, max_size=20)))
def test_round_trip(sample: Batch) -> None:
    codec, blob = batch.encode(sample)
    assert codec == ZSTD
    assert batch.decode(blob) == sample


def test_is_zstd_of_the_documented_map() -> None:
    _, blob = batch.encode(SAMPLE)
    plain = zstandard.ZstdDecompressor().decompress(blob)
    assert cbor2.loads(plain) == {"v": 1, "a": "hg1", "b": 12, "r": [list(ROW), list(TRACED)]}
    assert zstandard.get_frame_parameters(blob).has_checksum


def test_message_id() -> None:
    assert SAMPLE.message_id(ROW) == "hg1/12.7"


def test_without_a_zstd_library_batches_are_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    compressed = batch.encode(SAMPLE)[1]
    monkeypatch.setitem(sys.modules, "zstandard", None)
    monkeypatch.setitem(sys.modules, "compression", None)
    monkeypatch.setattr(batch, "_kept", threading.local())
    codec, blob = batch.encode(SAMPLE)
    assert codec == PLAIN
    assert batch.decode(blob) == SAMPLE
    with pytest.raises(BatchError, match="install the zstandard package"):
        batch.decode(compressed)


def test_every_flipped_bit_and_every_cut_is_noticed() -> None:
    _, blob = batch.encode(SAMPLE)
    for position in range(len(blob) * 8):
        damaged = bytearray(blob)
        damaged[position // 8] ^= 1 << position % 8
        try:
            assert batch.decode(bytes(damaged)) == SAMPLE  # bits of the header that no decoder looks at
        except BatchError:
            continue
    for end in range(len(blob)):
        with pytest.raises(BatchError):
            batch.decode(blob[:end])
    with pytest.raises(BatchError):
        batch.decode(blob + b"x")
    with pytest.raises(BatchError):
        batch.decode(blob + blob)


def test_a_declared_size_over_the_limit_is_refused_before_it_is_allocated() -> None:
    header = b"\x28\xb5\x2f\xfd" + bytes([0xC0 | 0x20]) + struct.pack("<Q", 1 << 60)
    with pytest.raises(BatchError, match="limit"):
        batch.decode(header + bytes(20))
    bomb = zstandard.ZstdCompressor().compress(bytes(limits.BATCH_DECODED + 1))
    assert len(bomb) < 10_000
    with pytest.raises(BatchError, match="limit"):
        batch.decode(bomb)
    with pytest.raises(BatchError, match="limit"):
        batch.decode(cbor2.dumps(bytes(100)), max_bytes=50)


def test_a_bomb_that_lies_about_its_size_is_refused() -> None:
    raw = bytes([0x20 | 0x00, 100])  # single segment, content size 100
    rle = struct.pack("<I", (128 * 1024 << 3) | (1 << 1))[:3] + b"\0"  # RLE block of 128 KiB, not the last
    with pytest.raises(BatchError):
        batch.decode(b"\x28\xb5\x2f\xfd" + raw + rle * 1000)


def test_a_frame_without_a_declared_size_is_refused() -> None:
    streamed = zstandard.ZstdCompressor(write_content_size=False).compress(cbor2.dumps(wire()))
    with pytest.raises(BatchError, match="None"):
        batch.decode(streamed)


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        wire(v=2),
        wire(v=True, x=1),
        wire(a=1),
        wire(a=None),
        wire(b=0),
        wire(b=-1),
        wire(b=True),
        wire(b="1"),
        wire(b=2**53),
        wire(r={}),
        wire(r=[[]]),
        wire(r=[list(ROW)[:-1]]),
        wire(r=[[*ROW, 1]]),
        wire(r=[["1", *ROW[1:]]]),
        wire(r=[[0, *ROW[1:]]]),
        wire(r=[[True, *ROW[1:]]]),
        wire(r=[[1, b"weather", *ROW[2:]]]),
        wire(r=[[*ROW[:2], None, *ROW[3:]]]),
        wire(r=[[*ROW[:3], 1.5, *ROW[4:]]]),
        wire(r=[[*ROW[:3], True, *ROW[4:]]]),
        wire(r=[[*ROW[:4], None, *ROW[5:]]]),
        wire(r=[[*ROW[:5], "text", None]]),
        wire(r=[[*ROW[:6], 1]]),
        wire(r=[[*ROW[:6], [[[[[1]]]]]]]),
    ],
)
def test_wrong_shapes_are_refused(document: Any) -> None:
    with pytest.raises(BatchError):
        batch.decode(packed(document))


def test_too_many_items_are_refused() -> None:
    rows = [list(ROW)] * (limits.BATCH_RECORDS_MAX + 10)
    with pytest.raises(BatchError):
        batch.decode(packed(wire(r=rows)))
    largest = Batch("a" * 64, 2**53 - 1, [ROW] * limits.BATCH_RECORDS_MAX)
    assert batch.decode(batch.encode(largest)[1]) == largest


@given(st.binary(max_size=200))
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(BatchError):
        batch.decode(noise)
