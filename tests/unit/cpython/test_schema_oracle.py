"""Differential test of verdicts, places and encodings against the `jsonschema` package, on generated schemas."""

import json as stdlib
from decimal import Decimal
from typing import Any

import cbor2
import jsonschema
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate._accel import Schema

NAMES = st.sampled_from(["a", "b", "t1", "~/%"])
# Quarters are exact in binary as well: jsonschema divides floats, and decimal arithmetic is tested elsewhere.
NUMBERS = st.sampled_from(["0", "1", "2", "3", "-1", "1.0", "0.5", "2.25", "-0.75", "10"])
TEXTS = st.sampled_from(["", "a", "ab", "abc", "b1", "\u00e9\u20ac", "\U0001f600x"])

VALUES = st.recursive(
    st.one_of(NUMBERS, TEXTS.map(stdlib.dumps), st.sampled_from(["true", "false", "null"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: "[" + ",".join(items) + "]"),
        st.dictionaries(NAMES.map(stdlib.dumps), inner, max_size=3).map(
            lambda members: "{" + ",".join(f"{name}:{item}" for name, item in members.items()) + "}"
        ),
    ),
    max_leaves=6,
)
COUNTS = st.integers(0, 3).map(str)
NAME_LISTS = st.lists(NAMES, unique=True, max_size=2).map(stdlib.dumps)
PATTERNS = st.sampled_from(["^a", "b$", "^[a-z]+$", "\\d", "^.{2}$", ""]).map(stdlib.dumps)
TYPES = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])

LEAVES: dict[str, st.SearchStrategy[str]] = {
    "type": st.one_of(TYPES.map(stdlib.dumps), st.lists(TYPES, min_size=1, max_size=3, unique=True).map(stdlib.dumps)),
    "enum": st.lists(VALUES, min_size=1, max_size=3).map(lambda values: "[" + ",".join(values) + "]"),
    "const": VALUES,
    "minimum": NUMBERS,
    "maximum": NUMBERS,
    "exclusiveMinimum": NUMBERS,
    "exclusiveMaximum": NUMBERS,
    "multipleOf": st.sampled_from(["1", "2", "0.5", "0.25", "1.5"]),
    "minLength": COUNTS,
    "maxLength": COUNTS,
    "pattern": PATTERNS,
    "required": NAME_LISTS,
    "dependentRequired": st.dictionaries(NAMES, st.lists(NAMES, unique=True, max_size=2), max_size=2).map(stdlib.dumps),
    "minItems": COUNTS,
    "maxItems": COUNTS,
    "uniqueItems": st.sampled_from(["true", "false"]),
    "minProperties": COUNTS,
    "maxProperties": COUNTS,
    "$ref": st.sampled_from(['"#/$defs/leaf"', '"#/$defs/deep"']),
}
SINGLE = [
    "additionalProperties",
    "items",
    "propertyNames",
    "not",
    "if",
    "then",
    "else",
    "unevaluatedProperties",
    "unevaluatedItems",
]
LISTS = ["allOf", "anyOf", "oneOf", "prefixItems"]


def object_of(members: dict[str, str]) -> str:
    return "{" + ",".join(f"{stdlib.dumps(name)}:{text}" for name, text in members.items()) + "}"


def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    lists = st.lists(inner, min_size=1, max_size=3).map(lambda subs: "[" + ",".join(subs) + "]")
    keywords: dict[str, st.SearchStrategy[str]] = {
        **dict.fromkeys(SINGLE, inner),
        **dict.fromkeys(LISTS, lists),
        "properties": st.dictionaries(NAMES, inner, max_size=3).map(object_of),
        "dependentSchemas": st.dictionaries(NAMES, inner, max_size=2).map(object_of),
        "patternProperties": st.dictionaries(st.sampled_from(["^t", "[ab]", "1$"]), inner, min_size=1, max_size=2).map(
            object_of
        ),
    }
    contains = st.fixed_dictionaries({"contains": inner}, optional={"minContains": COUNTS, "maxContains": COUNTS}).map(
        object_of
    )
    return st.one_of(
        st.fixed_dictionaries({}, optional={**keywords, "type": LEAVES["type"]}).map(object_of),
        st.sampled_from(sorted(keywords)).flatmap(
            lambda name: keywords[name].map(lambda text: object_of({name: text}))
        ),
        contains,
    )


BASE = st.one_of(
    st.sampled_from(["true", "false", "{}"]),
    st.sampled_from(sorted(LEAVES)).flatmap(lambda name: LEAVES[name].map(lambda text: object_of({name: text}))),
    st.sets(st.sampled_from(sorted(LEAVES)), min_size=2, max_size=4).flatmap(
        lambda names: st.fixed_dictionaries({name: LEAVES[name] for name in names}).map(object_of)
    ),
)
SCHEMAS = st.recursive(BASE, grow, max_leaves=8)
DEFS = (
    '"leaf":{"type":["integer","string","object"],"maximum":2,"minLength":1},'
    '"deep":{"properties":{"a":{"$ref":"#/$defs/deep"}},"additionalProperties":{"$ref":"#/$defs/leaf"},'
    '"items":{"$ref":"#/$defs/deep"}}'
)


def exact(text: str) -> Any:
    """For the oracle: integral numbers as ints, the rest as floats (all exact here)."""

    def number(digits: str) -> int | float:
        value = Decimal(digits)
        return int(value) if value == int(value) else float(value)

    return stdlib.loads(text, parse_float=number)


@settings(max_examples=examples(100))
@given(SCHEMAS, st.lists(VALUES, min_size=1, max_size=6))
def test_agrees_with_jsonschema(schema_text: str, value_texts: list[str]) -> None:
    text = f'{{"$defs":{{{DEFS},"main":{schema_text}}},"$ref":"#/$defs/main"}}'
    ours = Schema(text)
    theirs = jsonschema.Draft202012Validator(exact(text))
    for value_text in value_texts:
        verdict = ours.is_valid(value_text.encode())
        assert verdict == theirs.is_valid(exact(value_text)), (text, value_text)
        result = ours.validate(value_text.encode())
        assert bool(result) == verdict
        assert ours.is_valid(cbor2.dumps(exact(value_text)), "cbor") == verdict
        places = []
        for violation in result.errors:
            found = resolve(exact(value_text), violation.instance)
            assert stdlib.dumps(found) == stdlib.dumps(value_at(value_text, violation.offset))
            resolve(exact(text), violation.schema)
            places.append(violation.offset)
        assert places == sorted(places)


def value_at(text: str, offset: int) -> Any:
    """The value whose text begins at the byte."""

    def number(digits: str) -> int | float:
        value = Decimal(digits)
        return int(value) if value == int(value) else float(value)

    rest = text.encode()[offset:].decode()
    return stdlib.JSONDecoder(parse_float=number).raw_decode(rest)[0]


def resolve(document: Any, pointer: str) -> Any:
    """What the JSON Pointer points to; a pointer into nothing is an error."""
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        document = document[int(name)] if isinstance(document, list) else document[name]
    return document
