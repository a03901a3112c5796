"""core/cbor.py against cbor2: the same values, the same bytes, and agreement on what is CBOR at all."""

import io
import math
from typing import Any

import cbor2
import pytest
from examples import examples
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headgate import limits
from headgate.core import cbor
from headgate.core.cbor_scan import Scanner
from headgate.core.number import Dec, make

KEYS = st.one_of(st.integers(-(2**64), 2**64 - 1), st.text(max_size=8), st.binary(max_size=8))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**200), 2**200),
    st.floats(allow_nan=False),
    st.floats(allow_nan=False, width=16),
    st.floats(allow_nan=False, width=32),
    st.text(max_size=12),
    st.binary(max_size=12),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(KEYS, inner, max_size=5)),
    max_leaves=20,
)


def item_end(data: bytes, pos: int = 0) -> int:
    return Scanner().end(data, pos)


def same(a: Any, b: Any) -> bool:
    """Equal, with the types equal as well (1 is not 1.0 is not True), and -0.0 is not 0.0."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return len(a) == len(b) and all(any(same(k, j) and same(a[k], b[j]) for j in b) for k in a)
    return bool(a == b)


@given(VALUES)
def test_cbor2_reads_what_we_write(value: object) -> None:
    for deterministic in (False, True):
        data = cbor.dumps(value, deterministic)
        assert same(cbor2.loads(data), value)
        assert same(cbor.loads(data), value)
        assert item_end(data) == len(data)


@given(VALUES)
def test_we_read_what_cbor2_writes(value: object) -> None:
    assert same(cbor.loads(cbor2.dumps(value)), value)


@given(st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=5), max_leaves=20))
def test_the_same_shortest_bytes(value: object) -> None:
    assert cbor.dumps(value, True) == cbor2.dumps(value, canonical=True)


@given(st.dictionaries(KEYS, st.integers(), max_size=8))
def test_deterministic_keys_are_sorted_bytewise(value: dict[Any, int]) -> None:
    encoded = sorted(cbor2.dumps(key) for key in value)
    body = b"".join(key + cbor2.dumps(value[cbor2.loads(key)]) for key in encoded)
    assert cbor.dumps(value, True) == bytes([0xA0 + len(value)]) + body


@given(st.integers(1 - 10**128, 10**128 - 1), st.one_of(st.integers(-(10**6), 10**6), st.integers(0, 200)))
@example(10**128 - 1, 128)
def test_decimal_fractions(mantissa: int, exponent: int) -> None:
    number = make(mantissa, exponent)
    data = cbor.dumps(number)
    assert cbor.loads(data) == number
    if isinstance(number, Dec):
        sign, digits, power = cbor2.loads(data).as_tuple()
        assert int("".join(map(str, digits))) * (-1) ** sign == number.mantissa
        assert power == number.exponent


def attempt(data: bytes) -> tuple[object, cbor.CBORError | None]:
    try:
        return cbor.loads(data), None
    except cbor.CBORError as error:
        return None, error


def plain(value: Any) -> Any:
    """Our result in cbor2's types, where a comparison makes sense."""
    if isinstance(value, cbor.Tag | cbor.Simple | Dec):
        raise NotImplementedError
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    return value


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    """Real items with a few bytes changed: they reach much further into the decoder than random bytes do."""
    data = bytearray(cbor2.dumps(draw(VALUES)))
    for index in draw(st.lists(st.integers(0, len(data) - 1), max_size=3)):
        data[index] = draw(st.integers(0, 255))
    return bytes(data)


@settings(max_examples=examples(300))
@given(st.one_of(st.binary(max_size=24), mutants()))
@example(b"\x5f\x41\x00\x42\x01\x02\xff")
@example(b"\xbf\x61a\x01\xff")
@example(b"\x7f\x61\xc3\x61\xbc\xff")
def test_hostile_bytes(data: bytes) -> None:
    value, error = attempt(data)
    if error is not None:
        assert 0 <= error.offset <= len(data)
        assert error.reason
        return
    # What we accept is well-formed, complete, and cbor2 sees the same in it.
    assert item_end(data) == len(data)
    assert same(cbor.loads(cbor.dumps(value)), value) or "Simple" in repr(value) or "Tag" in repr(value)
    try:
        ours = plain(value)
    except NotImplementedError:
        return
    assert same(cbor2.loads(data), ours)


@settings(max_examples=examples(300))
@given(st.binary(max_size=24))
def test_what_cbor2_accepts_and_we_refuse_is_refused_on_purpose(data: bytes) -> None:
    stream = io.BytesIO(data)
    try:
        cbor2.load(stream)
    except Exception:  # whatever cbor2 thinks of it
        return
    if stream.tell() != len(data):
        return
    _, error = attempt(data)
    if error is not None:
        assert error.reason in {
            "duplicate map key",
            "unsupported type of map key",
            "nested too deeply",
            "decimal fraction is not an array of two integers",
            "simple value below 32 in two bytes",
            "unexpected break",  # an item for the cbor2 of Debian 12
        }


@given(VALUES, st.integers(0, 6))
def test_every_way_to_cut_gives_the_same_end(value: object, before: int) -> None:
    data = cbor2.dumps(value)
    buffer = bytearray(before)
    scanner = Scanner()
    for byte in data[:-1]:
        buffer.append(byte)
        assert scanner.end(buffer, before) == -1
        assert item_end(bytes(buffer), before) == -1
    buffer.append(data[-1])
    assert scanner.end(buffer, before) == before + len(data)


def test_a_sequence_of_items() -> None:
    values = [1, "two", [3, {"four": 5.5}], None, b"six"]
    data = b"".join(cbor2.dumps(value) for value in values)
    pos, found = 0, []
    while pos < len(data):
        end = item_end(data, pos)
        found.append(cbor.loads(data[pos:end]))
        pos = end
    assert found == values


@pytest.mark.parametrize("head", [b"\x9a", b"\xba", b"\x5a", b"\x7a", b"\x9b\xff\xff\xff\xff", b"\xbb\x00\x00\x00\x01"])
def test_announced_lengths_cost_nothing(head: bytes) -> None:
    import tracemalloc

    data = head + b"\xff\xff\xff\xff" + b"\x00" * 100
    tracemalloc.start()
    try:
        with pytest.raises(cbor.CBORError, match="larger than the input"):
            cbor.loads(data)
        assert tracemalloc.get_traced_memory()[1] < 20_000
    finally:
        tracemalloc.stop()


def test_colliding_keys_are_not_to_be_had() -> None:
    """Multiples of 2**61 - 1 all have the same hash on CPython; with 64 bits there are only 16 of them."""
    modulus = 2**61 - 1
    data = b"\xb9\x01\x00" + b"".join(cbor2.dumps(modulus * n) + b"\x00" for n in range(256))
    with pytest.raises(cbor.CBORError, match="unsupported type of map key"):
        cbor.loads(data)
    assert limits.CBOR_BIGNUM * 8 > 61
