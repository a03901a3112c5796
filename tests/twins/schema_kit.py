"""Random schemas and documents for the twins of the validator, and what it means that two verdicts are the same.

Everything is drawn from few names and values, so that schemas and documents meet; numbers and texts are written in
several ways. A schema is drawn as Python objects, a document as bytes.
"""

import json
import os
from typing import Any

from examples import examples
from hypothesis import strategies as st

from headgate.core.schema import Schema as PureSchema
from headgate.core.schema import SchemaError as PureSchemaError
from headgate_native import Schema, SchemaError

from .told import names_a_duplicate, told

EXAMPLES = examples(int(os.environ.get("HEADGATE_EXAMPLES", "40")))  # of each hypothesis test; more where there is time

NAMES = ["a", "b", "ab", "abc", "é", "a/b", "~", "", "x-1", "\0", "\U0001f600", "foo_bar_baz_qux"]
STRINGS = [
    *NAMES, "abcabc", "2024-02-29", "2023-02-29", "2024-02-29T23:59:60Z", "12:00:00Z", "P1DT2H", "127.0.0.1", "::1",
    "a@b.example", "host.example", "urn:x:y", "/a/0", "0#", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "[a-z]+", "(",
    "x" * 70, "YWJj", "616263",
]  # fmt: skip
NUMBERS = [
    "0", "-0", "1", "1.0", "10e-1", "2", "3", "-1", "1.5", "0.1", "0.30", "600.03", "1e2", "100", "1e400", "-1e-400",
    "4.5e0", "7e0", "9007199254740992", "9007199254740993", "9223372036854775807", "9223372036854775808",
    "18446744073709551615", "18446744073709551616", "-9223372036854775808", "-9223372036854775809",
    "123456789012345678901234567890.5", "3.40282e38",
]  # fmt: skip
FORMATS = [
    "date-time", "date", "time", "duration", "uuid", "email", "hostname", "ipv4", "ipv6", "uri", "uri-reference",
    "json-pointer", "relative-json-pointer", "regex", "unheard-of",
]  # fmt: skip
PATTERNS = ["^a", "b$", "^[a-c]+$", "^(ab|c)*$", "\\d", "^.{2,4}$", "é", "^x-", "\\bb", "^$", "[^a]"]
TYPES = ["null", "boolean", "integer", "number", "string", "array", "object"]

# --- documents as JSON text -------------------------------------------------------------------------------------------


def _escaped(draw: Any, text: str) -> str:
    """The text in quotes, with some characters escaped that need not be."""
    plain = json.dumps(text, ensure_ascii=draw(st.booleans()))
    if text and draw(st.integers(0, 4)) == 0:
        first = "".join(f"\\u{unit:04x}" for unit in _units(text[0]))
        return f'"{first}{json.dumps(text[1:])[1:]}'
    return plain


def _units(character: str) -> list[int]:
    encoded = character.encode("utf-16-be")
    return [int.from_bytes(encoded[i : i + 2], "big") for i in range(0, len(encoded), 2)]


@st.composite
def json_texts(draw: Any, depth: int = 3) -> str:
    kind = draw(st.integers(0, 9 if depth else 5))
    white = draw(st.sampled_from(["", "", "", " ", "\n", "\t\r\n"]))
    if kind == 0:
        return draw(st.sampled_from(["null", "true", "false"])) + white
    if kind <= 2:
        return str(draw(st.sampled_from(NUMBERS) | st.integers(-5, 12).map(str)))
    if kind <= 5:
        return _escaped(draw, draw(st.sampled_from(STRINGS) | st.text(max_size=4)))
    if kind <= 7:
        items = draw(st.lists(json_texts(depth - 1), max_size=4))
        return f"[{white}{f',{white}'.join(items)}]"
    names = draw(
        st.lists(st.sampled_from(NAMES[:6]) | st.sampled_from(NAMES), max_size=5, unique=draw(st.integers(0, 9)) > 0)
    )
    members = [f"{_escaped(draw, name)}{white}:{draw(json_texts(depth - 1))}" for name in names]
    return "{" + white + f"{white},".join(members) + "}"


@st.composite
def mutated(draw: Any, documents: Any) -> bytes:
    """A document with a few bytes changed, cut out, put in or cut off."""
    data = bytearray(draw(documents))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        byte = draw(st.sampled_from(b'{}[]",:\\ue0-+.1\x00\x1f\x80\xc3\xed\xff\n tfn') | st.integers(0, 255))
        how = draw(st.integers(0, 3))
        if how == 0:
            data[at : at + 1] = bytes([byte])
        elif how == 1:
            data[at:at] = bytes([byte])
        elif how == 2:
            del data[at : at + 2]
        else:
            del data[at:]
    return bytes(data)


def json_documents() -> Any:
    return json_texts().map(str.encode)


# --- documents as CBOR ------------------------------------------------------------------------------------------------


@st.composite
def heads(draw: Any, major: int, argument: int) -> bytes:
    """In as few bytes as it can be, or in more."""
    least = next(i for i, most in enumerate((24, 1 << 8, 1 << 16, 1 << 32, 1 << 64)) if argument < most)
    size = max(least, draw(st.sampled_from([0, 0, 0, 0, 1, 2, 3, 4])))
    if size == 0:
        return bytes([major << 5 | argument])
    return bytes([major << 5 | 23 + size]) + argument.to_bytes(1 << (size - 1), "big")


FLOATS = bytes.fromhex(
    "f90000 f98000 f93c00 f93e00 f97e00 f97c00 fa3dcccccd fa7f800000 fa44960000 fb4082c03d70a3d70a fb3ff8000000000000"
    "fb7ff8000000000000 fbfff0000000000000 fb7fefffffffffffff fb0000000000000001 fb4008000000000000"
)
FLOATS = [
    FLOATS[i : i + n] for i, n in [(0, 3), (3, 3), (6, 3), (9, 3), (12, 3), (15, 3), (18, 5), (23, 5), (28, 5)]
] + [FLOATS[33 + 9 * i : 42 + 9 * i] for i in range(7)]


@st.composite
def cbor_texts(draw: Any, text: str, major: int = 3) -> bytes:
    data = text.encode()
    if draw(st.integers(0, 5)) == 0 and len(data) == len(text):
        at = draw(st.integers(0, len(data)))
        chunks = b"".join(draw(heads(major, len(part))) + part for part in (data[:at], data[at:]))
        return bytes([major << 5 | 31]) + chunks + b"\xff"
    return bytes(draw(heads(major, len(data)))) + data


@st.composite
def cbor_documents(draw: Any, depth: int = 3) -> bytes:  # noqa: PLR0911 (one for each kind of item)
    kind = draw(st.integers(0, 13 if depth else 8))
    if kind == 0:
        return draw(st.sampled_from([b"\xf6", b"\xf5", b"\xf4", b"\xf7", b"\xf8\x20"]))
    if kind <= 2:
        return draw(
            heads(draw(st.integers(0, 1)), draw(st.integers(0, 12) | st.sampled_from([2**53, 2**63, 2**64 - 1])))
        )
    if kind == 3:
        return draw(st.sampled_from(FLOATS))
    if kind <= 6:
        return draw(cbor_texts(draw(st.sampled_from(STRINGS))))
    if kind == 7:
        return draw(cbor_texts(draw(st.sampled_from(NAMES)), 2))
    if kind == 8:
        tag = draw(st.sampled_from([0, 1, 2, 3, 4, 32, 55799]))
        if tag in (2, 3):
            return bytes([0xC0 | tag]) + draw(cbor_texts(draw(st.sampled_from(["", "\0", "a", "abcabcabc"])), 2))
        if tag == 4:
            exponent = draw(heads(draw(st.integers(0, 1)), draw(st.integers(0, 400))))
            return b"\xc4\x82" + exponent + draw(heads(draw(st.integers(0, 1)), draw(st.integers(0, 60030))))
        return draw(heads(6, tag)) + draw(cbor_documents(max(0, depth - 1)))
    indefinite = draw(st.integers(0, 4)) == 0
    if kind <= 10:
        items = draw(st.lists(cbor_documents(depth - 1), max_size=4))
        start = b"\x9f" if indefinite else draw(heads(4, len(items)))
    else:
        names = draw(st.lists(st.sampled_from(NAMES[:6]), max_size=4, unique=draw(st.integers(0, 9)) > 0))
        items = [draw(cbor_texts(name)) + draw(cbor_documents(depth - 1)) for name in names]
        start = b"\xbf" if indefinite else draw(heads(5, len(items)))
    return start + b"".join(items) + (b"\xff" if indefinite else b"")


# --- schemas ----------------------------------------------------------------------------------------------------------


def plain_values(depth: int = 2) -> Any:
    """Values for const and enum."""
    scalars = st.sampled_from([None, True, False, 0, 1, 1.5, 2, 100, 10**20, *STRINGS[:16]])
    if depth == 0:
        return scalars
    below = plain_values(depth - 1)
    return scalars | st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(NAMES[:6]), below, max_size=3)


@st.composite
def schemas(draw: Any, draft: str, depth: int = 3) -> Any:
    """A subschema. References lead to #/$defs/0 ... 2 (#/definitions/... in draft-07), which `documents` adds."""
    if draw(st.integers(0, 11)) == 0:
        return draw(st.booleans())
    schema: dict[str, Any] = {}
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(SIMPLE if depth == 0 else [*SIMPLE, *NESTED[draft], *NESTED[draft]]))
        schema[name] = _argument(draw, name, draft, depth - 1)
        if name in ("minContains", "maxContains"):
            schema.setdefault("contains", draw(schemas(draft, 0)))
        if name in ("then", "else"):
            schema.setdefault("if", draw(schemas(draft, depth - 1)))
    if "const" in schema:  # the native compiler makes one of the two: same verdicts, but fewer violations
        schema.pop("enum", None)
    if draft == "7" and "$ref" in schema:  # which hides what stands beside it
        return {"$ref": schema["$ref"]}
    return schema


SIMPLE = [
    "type", "type", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    "minLength", "maxLength", "pattern", "format", "minItems", "maxItems", "uniqueItems", "minProperties",
    "maxProperties", "required", "contentEncoding",
]  # fmt: skip
_COMMON = [
    "properties", "properties", "patternProperties", "additionalProperties", "propertyNames", "items", "items",
    "contains", "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "$ref",
]  # fmt: skip
NESTED = {
    "2020-12": [
        *_COMMON, "prefixItems", "minContains", "maxContains", "unevaluatedItems", "unevaluatedProperties",
        "dependentSchemas", "dependentRequired", "$dynamicRef",
    ],
    "7": [*_COMMON, "additionalItems", "dependencies"],
}  # fmt: skip


def _argument(draw: Any, name: str, draft: str, depth: int) -> Any:  # noqa: PLR0911, PLR0912 (one line for each keyword)
    names = st.sampled_from(NAMES[:6])
    sub = schemas(draft, max(0, depth))
    few = st.lists(sub, min_size=1, max_size=3)
    if name == "type":
        return draw(st.sampled_from(TYPES) | st.lists(st.sampled_from(TYPES), min_size=1, max_size=3, unique=True))
    if name == "enum":
        return draw(st.lists(plain_values(), min_size=1, max_size=4))
    if name == "const":
        return draw(plain_values())
    if name == "multipleOf":
        return draw(st.sampled_from([1, 2, 0.01, 0.3, 1.5, 7, 100]))
    if name in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
        return draw(st.sampled_from([0, 1, 1.5, -1, 2, 9007199254740993, 2**63, 1e300]) | st.integers(-3, 10))
    if name.startswith(("min", "max")):
        return draw(st.integers(0, 4))
    if name == "pattern":
        return draw(st.sampled_from(PATTERNS))
    if name == "format":
        return draw(st.sampled_from(FORMATS))
    if name == "contentEncoding":
        return draw(st.sampled_from(["base16", "base32", "base64", "base64url", "8bit"]))
    if name == "uniqueItems":
        return draw(st.booleans())
    if name == "required":
        return draw(st.lists(names, max_size=3, unique=True))
    if name == "dependentRequired":
        return draw(st.dictionaries(names, st.lists(names, max_size=2, unique=True), max_size=2))
    if name == "dependencies":
        return draw(st.dictionaries(names, st.lists(names, max_size=2, unique=True) | sub, max_size=2))
    if name in ("properties", "dependentSchemas"):
        return draw(st.dictionaries(names, sub, max_size=3))
    if name == "patternProperties":
        return draw(st.dictionaries(st.sampled_from(PATTERNS), sub, max_size=2))
    if name in ("allOf", "anyOf", "oneOf", "prefixItems"):
        return draw(few)
    if name == "items" and draft == "7":
        return draw(sub | few)
    if name == "$ref":
        return draw(
            st.sampled_from(["#", *[f"#/{'$defs' if draft == '2020-12' else 'definitions'}/{i}" for i in range(3)]])
        )
    if name == "$dynamicRef":
        return "#node"
    return draw(sub)


@st.composite
def documents(draw: Any, draft: str) -> dict[str, Any]:
    """A whole schema document."""
    schema = draw(schemas(draft).filter(lambda found: isinstance(found, dict)))
    definitions = {str(i): draw(schemas(draft, 2)) for i in range(3)}
    schema = {**schema, "$defs" if draft == "2020-12" else "definitions": definitions}
    if draft == "2020-12" and draw(st.booleans()):
        schema["$dynamicAnchor"] = "node"
    elif draft == "2020-12":
        definitions["node"] = {"$anchor": "node"}
    return schema


# --- comparing --------------------------------------------------------------------------------------------------------


def twins(schema: Any, **options: Any) -> "tuple[Schema, PureSchema] | None":
    """The same schema in both; None if both refuse it: where, may differ for references in a circle."""
    text = json.dumps(schema) if not isinstance(schema, str | bytes) else schema
    native = pure = None
    refused = expected = ""
    try:
        native = Schema(text, **options)
    except SchemaError as error:
        refused = error.pointer
    try:
        pure = PureSchema(text, **options)
    except PureSchemaError as error:
        expected = error.pointer
    assert (native is None) == (pure is None), (refused, expected)
    return None if native is None or pure is None else (native, pure)


def same(native: Schema, pure: PureSchema, data: bytes, encoding: str = "json", limit: int = 16) -> bool:
    """Asserts that the twins agree on a document; -> the verdict."""
    verdict = pure.is_valid(data, encoding)
    assert native.is_valid(data, encoding) == verdict  # type: ignore[arg-type]
    mine, other = native.validate(data, encoding), pure.validate(data, encoding)  # type: ignore[arg-type]
    assert mine.valid == other.valid == bool(mine) == bool(other) == verdict
    assert mine.malformed == other.malformed
    if names_a_duplicate(other, encoding):
        return verdict
    if len(other.errors) < limit:
        assert told(mine) == told(other)
    else:
        assert len(mine.errors) == limit
    return verdict
