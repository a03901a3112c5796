"""The JSON parser against the public JSONTestSuite, and against CPython's own parser on generated documents."""

import json as stdlib
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath

import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from suite_files import DOWNLOAD, suite

from headgate.core import utf8
from headgate.core.json import JSONError, dumps, loads
from headgate.core.number import Dec, compare, from_float, is_multiple, is_whole, make

# The suite wants these accepted (RFC 8259 does); we refuse them by default as I-JSON (RFC 7493 section 2.3) demands.
DUPLICATES = {"y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json"}


def refused(data: bytes, duplicates: bool = False) -> bool:
    try:
        loads(data, duplicates=duplicates)
    except JSONError as error:
        if not 0 <= error.offset <= len(data):
            raise AssertionError(error) from None
        return True
    return False


def test_json_test_suite() -> None:
    files = suite(
        "HEADGATE_JSON_TEST_SUITE", "JSONTestSuite", "pyjson5-*.tar.gz", "third-party/JSONTestSuite/test_parsing"
    )
    if not files:
        pytest.skip(f"no JSONTestSuite: {DOWNLOAD}, or name its directory in HEADGATE_JSON_TEST_SUITE")
    seen = {"y": 0, "n": 0, "i": 0}
    for path, data in files.items():
        name = PurePosixPath(path).name
        if name[:2] not in ("y_", "n_", "i_"):
            continue
        seen[name[0]] += 1
        if name[0] != "i":
            assert refused(data, duplicates=True) == (name[0] == "n"), name
        assert refused(data) or name[0] != "n", name
        assert not refused(data) or name[0] != "y" or name in DUPLICATES, name
    assert seen["y"] >= 95
    assert seen["n"] >= 187
    assert seen["i"] >= 35


def plain(value: object) -> object:
    """Our values in the types of the standard library, numbers as exact fractions."""
    if isinstance(value, Dec):
        return value.mantissa * Fraction(10) ** value.exponent
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return Fraction(value) if isinstance(value, int) and not isinstance(value, bool) else value


NUMBERS = st.one_of(
    st.integers(-(10**40), 10**40).map(str),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)
STRINGS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
DOCUMENTS = st.recursive(
    st.one_of(
        NUMBERS,
        st.sampled_from(["true", "false", "null"]),
        STRINGS.map(lambda s: stdlib.dumps(s, ensure_ascii=False)),
        STRINGS.map(stdlib.dumps),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: "[ " + " ,\n".join(items) + "]"),
        st.dictionaries(STRINGS.map(stdlib.dumps), inner, max_size=4).map(
            lambda members: "{" + ",".join(f"{name}\t:{item}" for name, item in members.items()) + " }"
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=examples(60))
@given(DOCUMENTS)
def test_values_are_those_of_the_standard_library(text: str) -> None:
    ours = loads(text.encode())
    theirs = stdlib.loads(text, parse_float=lambda t: Fraction(Decimal(t)), parse_int=Fraction)
    assert plain(ours) == theirs
    assert loads(dumps(ours)) == ours
    assert plain(stdlib.loads(dumps(ours), parse_float=lambda t: Fraction(Decimal(t)), parse_int=Fraction)) == theirs


def outcome(data: bytes) -> object:
    """What the standard library makes of the bytes, or None; made as strict as it can be."""

    def refuse(text: str) -> object:
        raise ValueError(text)

    def members(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("duplicate")
        return dict(pairs)

    try:
        text = data.decode("utf-8")
        value = stdlib.loads(text, parse_constant=refuse, object_pairs_hook=members)
        stdlib.dumps(value, ensure_ascii=False).encode("utf-8")  # refuses lone surrogates
    except (ValueError, RecursionError):
        return None
    return [value]


@settings(max_examples=examples(80))
@given(DOCUMENTS.map(str.encode), st.data())
def test_damaged_documents_are_judged_alike(text: bytes, data: st.DataObject) -> None:
    damaged = bytearray(text)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(damaged)))
        damaged[at : at + data.draw(st.integers(0, 2))] = data.draw(
            st.sampled_from(
                [
                    b"",
                    b'"',
                    b"\\",
                    b"[",
                    b"]",
                    b"{",
                    b"}",
                    b",",
                    b":",
                    b"0",
                    b"-",
                    b".",
                    b"e",
                    b"\x00",
                    b"\xff",
                    b"\xc3",
                    b"\\u",
                    b"\\ud83d",
                    b" ",
                    b"\n",
                ]
            )
        )
    assert refused(bytes(damaged)) == (outcome(bytes(damaged)) is None), bytes(damaged)


@settings(max_examples=examples(100))
@given(st.binary(max_size=12))
def test_utf8_is_judged_like_the_decoder(data: bytes) -> None:
    try:
        data.decode()
        expected = -1
    except UnicodeDecodeError as error:
        expected = error.start
    assert utf8.fault(data) == expected


DECIMALS = st.one_of(
    st.builds(make, st.integers(-(10**6), 10**6), st.integers(-8, 8)),
    st.builds(make, st.integers(-(10**60), 10**60), st.integers(-300, 300)),
    st.floats(allow_nan=False, allow_infinity=False),
)


def fraction(v: object) -> Fraction:
    if isinstance(v, Dec):
        return v.mantissa * Fraction(10) ** v.exponent
    assert isinstance(v, int | float)
    return Fraction(v)


@settings(max_examples=examples(150))
@given(DECIMALS, DECIMALS)
def test_arithmetic_is_that_of_fractions(a: int | Dec | float, b: int | Dec | float) -> None:
    x, y = fraction(a), fraction(b)
    assert compare(a, b) == (x > y) - (x < y)
    assert is_whole(a) == (x.denominator == 1)
    if y > 0:
        assert is_multiple(a, b) == ((x / y).denominator == 1)
    if isinstance(a, float):
        assert fraction(from_float(a)) == x


@settings(max_examples=examples(100))
@given(st.integers(-(10**50), 10**50), st.integers(-200, 200), st.integers(0, 40))
def test_one_form_for_one_number(mantissa: int, exponent: int, zeros: int) -> None:
    number = make(mantissa, exponent)
    assert fraction(number) == mantissa * Fraction(10) ** exponent
    assert make(mantissa * 10**zeros, exponent - zeros) == number
    assert loads(dumps(number)) == number
