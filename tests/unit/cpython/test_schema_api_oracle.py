"""Schema as a library, against what only CPython has: cbor2, json, the suite's output schema."""

import json
from decimal import Decimal
from typing import Any

import cbor2
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from suite_files import suite

from headgate._accel import Schema, SchemaError
from headgate.data import metaschemas

ANY = Schema(True)
NUMBERS = st.one_of(
    st.integers(-(2**66), 2**66).map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**6), max_value=10**6).map(str),
    st.builds("{}e{}".format, st.integers(-(10**18), 10**18), st.integers(-320, 320)),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)
DOCUMENTS = st.recursive(
    st.one_of(NUMBERS, st.text().map(json.dumps), st.sampled_from(["true", "false", "null"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: "[" + ",".join(items) + "]"),
        st.dictionaries(st.text(max_size=8), inner, max_size=4).map(
            lambda members: "{" + ",".join(f"{json.dumps(name)}: {item}" for name, item in members.items()) + "}"
        ),
    ),
    max_leaves=12,
)


def value_of(text: str | bytes) -> Any:
    """With exact numbers."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def is_json(text: str) -> bool:
    return ANY.is_valid(text.encode())


@settings(max_examples=examples(150))
@given(DOCUMENTS.filter(is_json))
def test_round_trip(text: str) -> None:
    data = ANY.to_cbor(text.encode())
    assert ANY.is_valid(data, "cbor")
    back = ANY.to_json(data)
    assert value_of(back) == value_of(text)
    assert ANY.to_cbor(back) == data
    assert ANY.to_json(ANY.to_cbor(back, deterministic=True)) is not None


@settings(max_examples=examples(150))
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_what_json_would_print(value: float) -> None:
    shortest = next(text for text in (f"{value:.{digits}e}" for digits in (14, 15, 16)) if float(text) == value)
    schema = Schema(f'{{"const": {shortest}}}')
    assert schema.is_valid(cbor2.dumps(value), "cbor")
    assert schema.is_valid(shortest.encode())


@settings(max_examples=examples(150))
@given(st.integers(-(2**70), 2**70), st.booleans())
def test_integers_are_those_of_cbor2(value: int, as_decimal: bool) -> None:
    if -(2**64) <= value < 2**64:
        text = f"{value}.0" if as_decimal else str(value)
        assert ANY.to_cbor(text.encode()) == cbor2.dumps(value)


def test_deterministic_maps_are_those_of_cbor2() -> None:
    text = json.dumps({"b": 1, "aa": [2.5, {"": None, "x": -1}], "a" * 30: True})
    assert cbor2.loads(ANY.to_cbor(text.encode(), deterministic=True)) == json.loads(text)
    names = list(cbor2.loads(ANY.to_cbor(text.encode(), deterministic=True)))
    assert names == sorted(names, key=cbor2.dumps)


@pytest.mark.parametrize(
    "uri", ["https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/draft-07/schema#"]
)
def test_metaschemas_judge_themselves(uri: str) -> None:
    text = metaschemas.load(uri)
    assert text is not None
    schema = Schema({"$ref": uri})
    assert schema.validate(text.encode()).errors == []
    assert not schema.is_valid(b'{"minLength": -1}')
    assert not schema.is_valid(b'{"properties": {"a": {"type": "thing"}}}')
    assert Schema(text).is_valid(text.encode())


def test_metaschemas_are_nowhere_else() -> None:
    assert metaschemas.load("https://json-schema.org/draft/2020-12/meta/../schema") is None
    assert metaschemas.load("") is None
    with pytest.raises(SchemaError):
        Schema({"$ref": "https://json-schema.org/draft/2019-09/schema"})


def test_output_is_the_standard_form() -> None:
    files = suite("HEADGATE_JSON_SCHEMA_SUITE", "JSON-Schema-Test-Suite", "jsonschema-*.tar.gz", "json")
    found = files.get("output-tests/draft2020-12/output-schema.json")
    if found is None:
        pytest.skip("no output schema in the suite that is here")
    output = Schema(found)
    source = {"$defs": {"n": {"type": "integer"}}, "items": {"$ref": "#/$defs/n"}, "minItems": 3}
    for schema in (Schema(source), Schema({"$id": "https://example.org/s"} | source)):
        for text in (b"[1,2,3]", b'[1,"x"]', b"[", b"5"):
            document = json.dumps(schema.validate(text).output()).encode()
            assert output.validate(document).errors == [], document
