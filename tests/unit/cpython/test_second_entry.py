"""linux/second_entry.py: what was packed comes back, and nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headgate import limits
from headgate.linux.second_entry import HEAD_MAX, pack, time_to_live, unpack

TYPES = st.from_regex(rb"\A[!-~\x80-\xff]([\t -~\x80-\xff]{0,126}[!-~\x80-\xff])?\Z")


@given(st.binary(max_size=300), st.integers(0, 2147483647), TYPES)
@example(b"\n", 0, b"a/b")
@example(b"", 2147483647, b"x" * 128)
def test_there_and_back(value: bytes, max_age: int, media_type: bytes) -> None:
    packed = pack(value, max_age, media_type)
    assert unpack(packed, 300) == (value, max_age, media_type)
    assert packed.index(b"\n") < HEAD_MAX


@given(st.binary(max_size=400))
def test_whatever_comes_is_what_a_put_could_bring(data: bytes) -> None:
    found = unpack(b"1 " + data, 100)
    if found is not None:
        value, max_age, media_type = found
        assert len(value) <= 100
        assert 0 <= max_age <= 2147483647
        assert 1 <= len(media_type) <= 128
        assert all(byte == 9 or 32 <= byte != 127 for byte in media_type)
        assert pack(value, max_age, media_type) == b"1 " + data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"1 0 a/b",
        b"1 0 \nv",
        b"1 0\nv",
        b"1  a/b\nv",
        b"0 0 a/b\nv",
        b"1 0 a/b \nv",
        b"1 0  a/b\nv",
        b"1 +1 a/b\nv",
        b"1 2147483648 a/b\nv",
        "1 \u0661 a/b\nv".encode(),  # a digit, but not ours
        b"1 0 a\x7fb\nv",
        b"1 0 a\rb\nv",
        b"1 0 " + b"x" * 129 + b"\nv",
        b"1 0 a/b\n" + b"v" * 101,
    ],
)
def test_what_is_no_entry(data: bytes) -> None:
    assert unpack(data, 100) is None


@pytest.mark.parametrize(
    ("max_age", "left_ms", "ttl_ms"),
    [
        (0, -1, 0),
        (60, -1, 60000),
        (60, 59000, 59000),
        (60, 61000, 60000),
        (0, 5, 5),
        (2147483647, 10**17, 2147483647000),
        (0, 10**17, limits.CACHE_TTL_MS),
    ],
)
def test_the_shorter_time_to_live_counts(max_age: int, left_ms: int, ttl_ms: int) -> None:
    assert time_to_live(max_age, left_ms) == ttl_ms
