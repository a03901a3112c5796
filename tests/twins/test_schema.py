"""The native validator against its pure twin: random schemas of both drafts, random documents in both encodings.

HEADGATE_EXAMPLES=5000 looks longer. What only the C types can get wrong is in test_schema_type.py.
"""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headgate.core.schema import Schema as PureSchema
from headgate.core.schema_result import InvalidDocument as PureInvalidDocument
from headgate_native import InvalidDocument, Schema

from . import schema_kit as kit

SETTINGS = settings(max_examples=kit.EXAMPLES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
DRAFTS = ["2020-12", "7"]


@pytest.mark.parametrize("draft", DRAFTS)
def test_random_schemas_and_documents(draft: Any) -> None:
    @SETTINGS
    @given(kit.documents(draft), st.lists(kit.json_documents(), min_size=1, max_size=6), st.data())
    def check(schema: Any, documents: list[bytes], data: Any) -> None:
        pair = kit.twins(schema, draft=draft)
        if pair is None:
            return
        for document in documents:
            kit.same(*pair, document)
        kit.same(*pair, data.draw(kit.mutated(st.sampled_from(documents))))

    check()


@pytest.mark.parametrize("draft", DRAFTS)
def test_random_schemas_and_cbor(draft: Any) -> None:
    @SETTINGS
    @given(kit.documents(draft), st.lists(kit.cbor_documents(), min_size=1, max_size=6), st.data())
    def check(schema: Any, documents: list[bytes], data: Any) -> None:
        pair = kit.twins(schema, draft=draft)
        if pair is None:
            return
        for document in documents:
            kit.same(*pair, document, "cbor")
        kit.same(*pair, data.draw(kit.mutated(st.sampled_from(documents))), "cbor")

    check()


OPTIONS = [
    {"duplicates": "last"},
    {"formats": False},
    {"formats": ["date", "ipv4"]},
    {"limits": {"depth": 2, "errors": 3}},
    {"limits": {"bytes": 20}},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_options(options: Any) -> None:
    @SETTINGS
    @given(kit.documents("2020-12"), kit.json_documents(), kit.cbor_documents())
    def check(schema: Any, document: bytes, item: bytes) -> None:
        pair = kit.twins(schema, **options)
        if pair is None:
            return
        limit = options.get("limits", {}).get("errors", 16)
        kit.same(*pair, document, limit=limit)
        kit.same(*pair, item, "cbor", limit=limit)

    check()


NATIVE, PURE = Schema(True), PureSchema(True)


@SETTINGS
@given(kit.json_documents() | kit.mutated(kit.json_documents()) | st.binary(max_size=12))
def test_any_bytes_as_json(document: bytes) -> None:
    kit.same(NATIVE, PURE, document)


@SETTINGS
@given(kit.cbor_documents() | kit.mutated(kit.cbor_documents()) | st.binary(max_size=12))
def test_any_bytes_as_cbor(document: bytes) -> None:
    kit.same(NATIVE, PURE, document, "cbor")


def transcoded(schema: Any, method: str, document: bytes, **options: Any) -> Any:
    try:
        return getattr(schema, method)(document, **options)
    except (InvalidDocument, PureInvalidDocument) as error:
        return kit.told(error.result)


def same_text(native: Schema, pure: PureSchema, item: bytes) -> "bytes | None":
    """Asserts that the twins agree on an item as JSON; -> it, unless it is refused."""
    mine, other = transcoded(native, "to_json", item), transcoded(pure, "to_json", item)
    if isinstance(other, bytes):
        assert mine == other
        return other
    assert isinstance(mine, list)
    if not kit.names_a_duplicate(pure.validate(item, "cbor"), "cbor"):
        assert mine == other
    return None


@SETTINGS
@given(kit.json_documents(), st.booleans())
def test_json_to_cbor_and_back(document: bytes, deterministic: bool) -> None:
    item = transcoded(NATIVE, "to_cbor", document, deterministic=deterministic)
    assert item == transcoded(PURE, "to_cbor", document, deterministic=deterministic)
    if isinstance(item, bytes):
        assert kit.same(NATIVE, PURE, item, "cbor")
        text = NATIVE.to_json(item)
        assert text == PURE.to_json(item)
        assert NATIVE.to_cbor(text, deterministic=deterministic) == item
        if not deterministic:
            assert json.loads(text, parse_int=exact, parse_float=exact) == json.loads(
                document, parse_int=exact, parse_float=exact
            )


def exact(text: str) -> Any:
    """Equal for equal numbers, with every digit."""
    sign, digits, exponent = Decimal(text).as_tuple()
    assert isinstance(exponent, int)
    plain = "".join(map(str, digits)).lstrip("0")
    shorter = plain.rstrip("0")
    return (sign, shorter, exponent + len(plain) - len(shorter)) if plain else 0


@SETTINGS
@given(kit.cbor_documents() | kit.mutated(kit.cbor_documents()))
def test_cbor_to_json(item: bytes) -> None:
    text = same_text(NATIVE, PURE, item)
    if text is not None:
        assert kit.same(NATIVE, PURE, text)


@SETTINGS
@given(kit.documents("2020-12"), kit.cbor_documents(), kit.json_documents())
def test_transcoding_what_a_schema_allows(schema: Any, item: bytes, document: bytes) -> None:
    pair = kit.twins(schema)
    if pair is not None:
        same_text(*pair, item)
        assert transcoded(pair[0], "to_cbor", document) == transcoded(pair[1], "to_cbor", document)


_B16, _B64 = {"contentEncoding": "base16"}, {"contentEncoding": "base64"}


@pytest.mark.parametrize(
    ("schema", "item", "text"),
    [
        (_B64, b"\x43abc", b'"YWJj"'),
        ({"$ref": "#/$defs/a", "$defs": {"a": _B64}}, b"\x43abc", b'"YWJj"'),
        ({"allOf": [_B64, {}, True]}, b"\x43abc", b'"YWJj"'),
        ({**_B16, "allOf": [_B64]}, b"\x43abc", b'"616263"'),
        ({"allOf": [_B16, _B64]}, b"\x43abc", None),
        ({"anyOf": [_B64, _B16]}, b"\x43abc", None),
        ({"not": {**_B64, "maxLength": 2}}, b"\x43abc", None),
        ({"if": _B64, "then": _B64}, b"\x43abc", None),
        ({"items": _B64}, b"\x81\x43abc", b'["YWJj"]'),
        ({"prefixItems": [True], "items": _B64}, b"\x82\x01\x43abc", b'[1,"YWJj"]'),
        ({"contains": _B64}, b"\x81\x43abc", None),
        ({"properties": {"a": _B64}}, b"\xa1aa\x43abc", b'{"a":"YWJj"}'),
        ({"properties": {"a": True}, "patternProperties": {"a": _B64}}, b"\xa1aa\x43abc", None),
        ({"patternProperties": {"a": _B64, "^a": _B16}}, b"\xa1aa\x43abc", b'{"a":"616263"}'),
        ({"additionalProperties": _B64}, b"\xa1aa\x43abc", b'{"a":"YWJj"}'),
        # $dynamicRef is a reference: to a JSON pointer or an anchor, and to what the dynamic scope says
        ({"$dynamicRef": "#/$defs/a", "$defs": {"a": _B64}}, b"\x43abc", b'"YWJj"'),
        ({"$dynamicRef": "#a", "$defs": {"a": {**_B64, "$anchor": "a"}}}, b"\x43abc", b'"YWJj"'),
        ({"$dynamicRef": "#a", "$defs": {"a": {**_B64, "$dynamicAnchor": "a"}}}, b"\x43abc", b'"YWJj"'),
        ({"allOf": [{"$dynamicRef": "#/$defs/a"}], "$defs": {"a": _B64}}, b"\x43abc", b'"YWJj"'),
        ({"$dynamicRef": "#/$defs/a", "allOf": [_B16], "$defs": {"a": _B64}}, b"\x43abc", None),
        ({"$dynamicRef": "#/$defs/a", "$defs": {"a": {"items": _B64}}}, b"\x81\x43abc", b'["YWJj"]'),
        (
            {
                "$id": "x:list",
                "$dynamicAnchor": "item",
                "$ref": "x:base",
                **_B16,
                "$defs": {
                    "base": {
                        "$id": "x:base",
                        "items": {"$dynamicRef": "#item"},
                        "$defs": {"any": {"$dynamicAnchor": "item"}},
                    }
                },
            },
            b"\x81\x43abc",
            None,
        ),
        (
            {
                "$id": "x:list",
                "$ref": "x:base",
                "$defs": {
                    "text": {"$dynamicAnchor": "item", **_B64},
                    "base": {
                        "$id": "x:base",
                        "items": {"$dynamicRef": "#item"},
                        "$defs": {"any": {"$dynamicAnchor": "item"}},
                    },
                },
            },
            b"\x81\x43abc",
            b'["YWJj"]',
        ),
        # under `not` it is a condition, whatever stands beside it
        ({"not": {**_B64, "$ref": "#/$defs/no"}, "$defs": {"no": False}}, b"\x43abc", None),
        ({"not": {"$ref": "#/$defs/no", "not": _B64}, "$defs": {"no": False}}, b"\x43abc", None),
        ({"anyOf": [{"$ref": "#/$defs/no", "not": _B64}, True], "$defs": {"no": False}}, b"\x43abc", None),
        # what demands nothing may stand beside it
        ({"$ref": "#/$defs/yes", "allOf": [_B64], "$defs": {"yes": True}}, b"\x43abc", b'"YWJj"'),
        ({"$ref": "#/$defs/yes", "allOf": [_B64], "$defs": {"yes": {}}}, b"\x43abc", b'"YWJj"'),
        ({"allOf": [{"allOf": [True, {"if": {"allOf": [{}]}}]}, _B64]}, b"\x43abc", b'"YWJj"'),
        ({"$dynamicRef": "#/$defs/yes", "allOf": [_B64], "$defs": {"yes": True}}, b"\x43abc", None),
    ],
)
def test_where_a_byte_string_has_a_text(schema: Any, item: bytes, text: bytes | None) -> None:
    for twin in _pair(schema):
        assert twin.is_valid(item, "cbor")
        if text is not None:
            assert twin.to_json(item) == text
        else:
            with pytest.raises(ValueError, match="value has no JSON form"):
                twin.to_json(item)


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"properties": {"unit": {"enum": ["C", "F"]}}}, b'{"unit":"C","t":1}'),
        (
            {"properties": {"unit": {"const": 'a "long" one \\ of many bytes'}}},
            b'{"unit":"a \\"long\\" one \\\\ of many bytes"}',
        ),
        ({"items": {"enum": ["", "a", 1, None]}}, b'["","a",1,null,"a"]'),
        ({"enum": ["a"]}, b'"a"'),
        ({"additionalProperties": {"enum": ["a"]}}, b'{"x":"a","y":"a"}'),
        ({"patternProperties": {"x": {"enum": ["a"]}}}, b'{"x":"a","xx":"a","y":2.5}'),
    ],
)
def test_strings_of_the_schema_in_json(schema: Any, text: bytes) -> None:
    item = NATIVE.to_cbor(text)
    for twin in _pair(schema):
        assert twin.to_json(item) == text
        assert twin.to_cbor(text) == item


_KINDS = {
    "oneOf": [
        {"properties": {"kind": {"const": "a"}, "x": {"type": "integer"}}, "required": ["kind"]},
        {"properties": {"kind": {"const": "b"}, "x": {"type": "string"}}, "required": ["kind", "x"]},
        {"properties": {"kind": {"enum": [1, "c", None]}, "x": False}},
        {"type": "array", "items": {"$ref": "#"}},
        {"allOf": [{"$ref": "#/$defs/d"}], "minProperties": 2},
    ],
    "$defs": {"d": {"type": "object", "properties": {"kind": {"$ref": "#/$defs/name"}}}, "name": {"const": "d"}},
}


@pytest.mark.parametrize("keyword", ["oneOf", "anyOf"])
@pytest.mark.parametrize(
    "document",
    [
        b'{"kind":"a"}', b'{"kind":"a","x":1}', b'{"x":"1","kind":"b"}', b'{"kind":"b"}', b'{"kind":"c"}',
        b'{"kind":1.0}', b'{"kind":null}', b'{"kind":"d"}', b'{"kind":"d","x":[]}', b'{"kind":"e"}', b'{"kind":true}',
        b'{"kind":[]}', b"{}", b'{"x":1}', b'{"y":1,"z":2}', b'{"\\u006bind":"a"}', b'{"kind":"\\u0061"}',
        b'{"kind":"a","kind":"b"}', b'{"kind":"a"', b'{"kind":', b'{"kind":"a","x":01}', b'{"x":}',
        b'{"x":[{"kind":"b"}],"kind":"a"}', b'[{"kind":"a"},[{"kind":"b","x":""}]]', b'[{"kind":"a"},{"kind":"b"}]',
        b'{"kind" : "a"}', b'{"x":1,"kind"\n:"b"}', b'{ "x" : "" , "kind" : "b" }', b'{"kind" :"e"}',
        b"[]", b"1", b'"a"', b"null", b'{"kind":1e400}', b'{"kind":123456789012345678901234567890}',
    ],
)  # fmt: skip
def test_alternatives_that_a_member_tells_apart(keyword: str, document: bytes) -> None:
    schema = {keyword: _KINDS["oneOf"], "$defs": _KINDS["$defs"]}
    for options in ({}, {"duplicates": "last"}):
        pair = kit.twins(schema, **options)
        assert pair is not None
        kit.same(*pair, document)
    try:
        item = NATIVE.to_cbor(document)
    except ValueError:
        return
    kit.same(*_pair(schema), item, "cbor")
    named = {"s": {**schema, "$id": "x:s"}}
    for around in ({"not": {"$ref": "x:s"}}, {"type": ["object", "array"], "$ref": "x:s"}):
        pair = _pair({**around, "$defs": named})
        kit.same(*pair, document)
        kit.same(*pair, item, "cbor")


_LONG = "a name of more than 24 bytes, which has a longer head"


@pytest.mark.parametrize("name", ["kind", "k" * 15, "k" * 16, "k" * 23, _LONG])
def test_a_telling_name_in_any_spelling(name: str) -> None:
    """White space before a colon; a CBOR head that is not the shortest."""
    kinds = [{"properties": {name: {"const": kind}}, "required": [name]} for kind in ("a", "b")]
    text = name.encode()
    heads = [b"\x78" + bytes([len(text)]), b"\x79" + len(text).to_bytes(2, "big")]
    if len(text) < 24:
        heads.append(bytes([0x60 + len(text)]))
    for keyword in ("oneOf", "anyOf"):
        for schema in ({keyword: kinds}, {"not": {keyword: kinds}}, {keyword: [kinds[0], {"type": "null"}]}):
            pair = _pair(schema)
            for kind in (b"a", b"b", b"c"):
                for colon in (b":", b" :", b"\n\t : "):
                    kit.same(*pair, b'{"%b"%b"%b"}' % (text, colon, kind))
                for head in heads:
                    kit.same(*pair, b"\xa1" + head + text + b"\x61" + kind, "cbor")


def test_a_first_look_hides_no_name_given_twice() -> None:
    """In a map below a tag, which a first look has passed over."""
    kinds = [{"properties": {"kind": {"const": kind}}, "required": ["kind"]} for kind in ("a", "b")]
    item = bytes.fromhex("a2 6178 d820 a2 616101 616102 646b696e64 6161")  # {"x": 32({"a": 1, "a": 2}), "kind": "a"}
    pair = _pair({"oneOf": kinds})
    kit.same(*pair, item, "cbor")
    assert not pair[0].is_valid(item, "cbor")


@pytest.mark.parametrize(
    ("schema", "document", "options"),
    [
        ({"items": {"type": "array", "uniqueItems": True}}, [[1, 1], [[1]]], {"limits": {"depth": 3}}),
        (
            {"items": {"type": "array", "uniqueItems": True}},
            [[1, 1], [[[[1]]]], [{}, {}], [[[[1]]]]],
            {"limits": {"depth": 6}},
        ),
        ({"uniqueItems": True}, [{"a": 1, "b": 2}, {"b": 2, "a": 1}], {}),
        ({"uniqueItems": True}, [{"a": 1, "b": 2}, {"b": 2, "a": 3}, {"a": 1}], {}),
    ],
)
def test_few_items(schema: Any, document: Any, options: "dict[str, Any]") -> None:
    pair = kit.twins(schema, **options)
    assert pair is not None
    kit.same(*pair, json.dumps(document).encode())


def test_many_members_in_another_order() -> None:
    names = [f"member {i}" for i in range(300)]
    items = [dict.fromkeys(order, 0) | {"member 299": i} for i in range(6) for order in (names, names[::-1])]
    for i, item in enumerate(items):
        item["member 299"] = i
    pair = _pair({"uniqueItems": True})
    kit.same(*pair, json.dumps(items).encode())
    assert pair[0].is_valid(json.dumps(items).encode())


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "null"}, 'expected null, found "616263"'),
        ({"anyOf": [{"type": "null"}, False]}, '"616263" matches none of the 2 alternatives'),
        ({"oneOf": [True, {}]}, '"616263" matches 2 alternatives, there must be one'),
        ({"not": {}}, '"616263" is what is excluded here'),
        ({"allOf": [False]}, "nothing is allowed here, found a value that JSON does not have"),
    ],
)
def test_a_violation_shows_the_text_of_a_byte_string_where_it_has_one(schema: Any, message: str) -> None:
    for twin in _pair({**schema, **_B16}):
        assert [error.message for error in twin.validate(b"\x43abc", "cbor").errors] == [message]


HARD = [
    b"", b" ", b"\xef\xbb\xbf{}", b"1e400", b"-0", b"-", b"01", b"1.", b"1e", b'"\\u0000"',
    b'{"\\u0000": 1, "\\u0000": 2}', b'{"a": 1, "\\u0061": 2}', b'"\\ud800"', b'"\\udc00\\ud800"',
    b'"\\ud83d\\ude00"', b'"\xed\xa0\x80"', b'"\xc0\x80"', b'"\xf4\x90\x80\x80"', b"[" * 33 + b"]" * 33,
    b"[" * 32 + b"]" * 32, b"\0", b"{}\0", b"nul", b"nulll", b"NaN", b"[1,]", b'{"a":1,}', b"1 2", b'"a', b'"\\',
    b"1" * 128, b"1" * 129, b"1e999999999", b"1e1000000000", b"0." + b"0" * 126 + b"1", b'"\x7f"', b'"\t"', b"\xff",
    b"[1 2]", b'{"a" 1}',
]  # fmt: skip


@pytest.mark.parametrize("document", HARD)
def test_hard_documents(document: bytes) -> None:
    kit.same(NATIVE, PURE, document)
    kit.same(*_pair({"type": "number", "multipleOf": 0.01}), document)
    kit.same(*_pair({"uniqueItems": True, "propertyNames": {"maxLength": 0}}), document)


def _pair(schema: Any) -> Any:
    pair = kit.twins(schema)
    assert pair is not None
    return pair
