"""What an attacker may send, and what a careless or hostile author of schemas may write, against both twins.

Nothing here is timed. What could take for ever must end at a bound that is counted (steps, items, states, bytes): then
the answer is a refusal, and it comes. The large ones are for the native twin, the same ones in small for both.
"""

import json
import os
import subprocess
import sys
import time
from typing import Any

import pytest

from headgate.core.schema import Schema as PureSchema
from headgate.core.schema import SchemaError as PureSchemaError
from headgate_native import Schema, SchemaError

TWINS = [pytest.param(Schema, SchemaError, id="native"), pytest.param(PureSchema, PureSchemaError, id="pure")]
both = pytest.mark.parametrize(("twin", "refused"), TWINS)


def words(result: Any) -> str:
    """Why a document is malformed."""
    assert result.malformed
    assert len(result.errors) == 1
    return str(result.errors[0].message)


# --- documents: structure ---------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize(("opened", "closed"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_depth(twin: Any, refused: Any, opened: bytes, closed: bytes) -> None:
    for depth in (1, 32, 100):
        schema = twin(True, limits={"depth": depth})
        good = opened * depth + b"1" + closed * depth
        assert schema.is_valid(good)
        at = depth * len(opened)
        assert (
            words(schema.validate(opened * (depth + 1) + b"1" + closed * (depth + 1)))
            == f"nested too deeply at byte {at}"
        )
        # nobody reads on behind the limit
        assert words(schema.validate(opened * 100_000)) == f"nested too deeply at byte {at}"
        assert words(schema.validate(opened * depth)).startswith("unexpected end")
    with pytest.raises((ValueError, refused)):
        twin(True, limits={"depth": 129})


@both
def test_depth_of_a_recursive_schema(twin: Any, refused: Any) -> None:
    schema = twin({"anyOf": [{"type": "null"}, {"items": {"$ref": "#"}, "type": "array", "maxItems": 1}]})
    assert schema.is_valid(b"[" * 32 + b"]" * 32)
    assert not schema.is_valid(b"[" * 31 + b"1" + b"]" * 31)
    assert schema.validate(b"[" * 33 + b"]" * 33).malformed


@both
@pytest.mark.parametrize("size", [1000, pytest.param(10_000_000, id="10 MB")])
def test_long_strings(twin: Any, refused: Any, size: int) -> None:
    size = min(size, 100_000) if twin is PureSchema else size
    schema = twin({"type": "string", "maxLength": size, "pattern": "^a*$"})
    assert schema.is_valid(b'"' + b"a" * size + b'"')
    assert not schema.is_valid(b'"' + b"a" * (size - 1) + b'b"')
    assert not schema.is_valid(b'"' + b"a" * size + b'a"')
    assert words(schema.validate(b'"' + b"a" * size)) == f"unexpected end at byte {size + 1}"
    assert words(schema.validate(b'"' + b"a" * size + b'\xff"')) == f"invalid UTF-8 at byte {size + 1}"


@pytest.mark.parametrize("schema", [True, {"format": "uri"}, {"enum": ["x"]}, {"pattern": "(a|b)*c"}])
def test_long_strings_of_escapes(schema: Any) -> None:
    document = b'"' + b"\\u0061" * 1_000_000 + b'"'
    assert Schema(schema).is_valid(document) == (schema is True)
    assert Schema(True).to_cbor(document) == b"\x7a\x00\x0f\x42\x40" + b"a" * 1_000_000


@both
@pytest.mark.parametrize("count", [300, pytest.param(100_000, id="100k")])
def test_many_unknown_names(twin: Any, refused: Any, count: int) -> None:
    count = min(count, 10_000) if twin is PureSchema else count
    names = [f"name{i}" for i in range(count)]
    document = json.dumps(dict.fromkeys(names, 0)).encode()
    schema = twin({"properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "integer"}})
    assert schema.is_valid(document)
    count = min(count, 1000)  # the native one takes time with the square of it, up to its limit of steps
    document = json.dumps(dict.fromkeys(names[:count], 0)).encode()
    twice = document[:-1] + b', "name7": 0}'
    assert words(schema.validate(twice)).startswith("duplicate name")
    assert twin(True, duplicates="last").is_valid(twice)
    closed = twin({"additionalProperties": False, "patternProperties": {"^name[0-9]+$": True}})
    assert closed.is_valid(document)
    assert not twin({"unevaluatedProperties": False}).is_valid(document)


@both
@pytest.mark.parametrize("count", [300, pytest.param(100_000, id="100k")])
def test_unique_items(twin: Any, refused: Any, count: int) -> None:
    count = min(count, 10_000) if twin is PureSchema else count
    schema = twin({"uniqueItems": True}, limits={"steps": 2**30})
    count = min(count, 30_000)  # the native one takes time with the square of it, up to its limit of steps
    items = [b"%d" % i if i % 3 else b'["x",%d]' % i for i in range(count)]
    assert schema.is_valid(b"[" + b",".join(items) + b"]")
    assert not schema.is_valid(b"[" + b",".join([*items, b"1.0"]) + b"]")
    assert not schema.is_valid(b"[" + b",".join([*items, b'["\\u0078",0e5]']) + b"]")


@both
@pytest.mark.parametrize("depth", [1, 10, 15, 16, 17, 29, 30])
@pytest.mark.parametrize("many", [False, True])
def test_items_that_are_equal_however_deep(twin: Any, refused: Any, depth: int, many: bool) -> None:
    """Two items are compared while both are open: that makes neither of them deeper."""
    schema, anything = twin({"uniqueItems": True}), twin(True)
    before = b"".join(b"%d," % i for i in range(20)) if many else b""
    shapes = [(b"[", b"]"), (b'{"a":1,"b":', b"}"), (b'{"b":', b',"a":1.0}')]
    for opened, closed in shapes:
        value, other = (opened * depth + text + closed * depth for text in (b'"x"', b'"y"'))
        swapped = [left * depth + b'"\\u0078"' + right * depth for left, right in shapes[1:]]
        for item in [value, *(swapped if opened != b"[" else [])]:
            document = b"[" + before + value + b"," + item + b"]"
            assert not schema.is_valid(document)
            assert [error.schema for error in schema.validate(document).errors] == ["/uniqueItems"]
            assert not schema.is_valid(anything.to_cbor(document), "cbor")
        document = b"[" + before + value + b"," + other + b"]"
        assert schema.is_valid(document)
        assert schema.is_valid(anything.to_cbor(document), "cbor")


@both
def test_many_names_that_others_depend_on(twin: Any, refused: Any) -> None:
    """unevaluatedProperties asks which of them are there, in an object of any size."""
    names = [f"n{i}" for i in range(200)]
    schema = twin(
        {
            "dependentSchemas": {name: {"properties": {f"of-{name}": True}} for name in names},
            "properties": {"n7": True, "n150": True, "long": True},
            "unevaluatedProperties": False,
        }
    )
    assert schema.is_valid(b'{"n7": 1, "of-n7": 1}')
    assert schema.is_valid(b'{"of-n150": 1, "long": "%s", "\\u006e150": 1}' % (b"x" * 5000))
    assert not schema.is_valid(b'{"n7": 1, "of-n150": 1}')
    assert not schema.is_valid(b'{"of-n7": 1}')
    assert not schema.is_valid(b'{"n8": 1}')
    assert schema.is_valid(twin(True).to_cbor(b'{"of-n150": 1, "n150": 1}'), "cbor")


def test_names_in_another_order_cost_what_is_passed_over() -> None:
    """Each is looked for from the start, past all the values before it."""
    schema = Schema({"uniqueItems": True})
    for count, words in ((300, "an array with 2 items has equal items"), (2500, "too many steps")):
        names = [f"k{i}" for i in range(count)]
        one, other = (json.dumps(dict.fromkeys(order, "v" * 100)).encode() for order in (names, reversed(names)))
        assert schema.is_valid(b"[" + one + b"]")
        assert [error.message for error in schema.validate(b"[" + one + b"," + other + b"]").errors] == [words]
        constant = Schema(b'{"const":' + one + b"}").validate(other)
        assert [error.message for error in constant.errors] == ([words] if count > 300 else [])


# --- documents: values ------------------------------------------------------------------------------------------------


def test_many_alternatives_of_one_long_list() -> None:
    """What the alternatives come to is asked of so many subschemas only, however long a list is."""
    names = [f"n{i:02}" for i in range(16)]
    rules = {"properties": {name: {"const": name} for name in names}, "required": names}
    long = {"allOf": [{"minProperties": i % 7 + 1} for i in range(1500)], **rules}
    all_alike = {"oneOf": [{"$ref": "#/$defs/long"}] * 60}
    members = {f"p{i}": {"oneOf": [{"$ref": "#/$defs/alike"}]} for i in range(600)}
    began = time.process_time()
    Schema({"$defs": {"long": long, "alike": all_alike}, "properties": members})
    assert time.process_time() - began < 2


def test_looks_in_vain_are_work() -> None:
    """The name that would tell the alternatives apart is escaped and comes last: each of them looks through all."""

    def of(i: int) -> Any:
        kinds = [{"properties": {"k": {"const": f"{c}{i}"}, "z": {"type": "null"}}, "required": ["k"]} for c in "ab"]
        return {"type": "object", "oneOf": kinds}

    schema = Schema({"not": {"anyOf": [of(i) for i in range(300)]}}, limits={"steps": 1000})
    rest = ",".join(f'"{i:05}":1' for i in range(3000))
    result = schema.validate(f'{{"z":1,{rest},"\\u006b":"q"}}'.encode())
    assert not result
    assert result.errors[0].message == "too many steps"


@pytest.mark.parametrize(
    ("alternative", "document"),
    [
        (lambda i: {"minItems": 10**6 + i}, b"[" + b"1," * 9999 + b"1]"),
        (lambda i: {"contains": {"const": 2 + i}}, b"[" + b"1," * 9999 + b"1]"),
        (lambda i: {"minProperties": 10**6 + i}, b"{" + b",".join(b'"%d":1' % n for n in range(3000)) + b"}"),
        (lambda i: {"required": [f"a{i}", f"b{i}"]}, b"{" + b",".join(b'"%d":1' % n for n in range(3000)) + b"}"),
        (lambda i: {"pattern": f"b{i}$"}, b'"' + b"a" * 20_000 + b'"'),
        (lambda i: {"minLength": 10**6 + i}, b'"' + b"a" * 20_000 + b'"'),
        (lambda i: {"type": "string", "enum": [f"a{i}", f"b{i}"], "maxLength": 10**6}, b'"' + b"a" * 20_000 + b'"'),
    ],
)
def test_what_is_refused_as_a_whole_was_read(alternative: Any, document: bytes) -> None:
    """It counts, for the next alternative reads it again."""
    schema = Schema({"anyOf": [alternative(i) for i in range(400)]}, limits={"steps": 1000})
    assert schema.validate(document).errors[0].message == "too many steps"


@both
def test_numbers(twin: Any, refused: Any) -> None:
    number = twin({"type": "number", "not": {"type": "integer"}})
    integer = twin({"type": "integer", "maximum": 10})
    assert not number.is_valid(b"1e400")
    assert not integer.is_valid(b"1e400")
    assert integer.is_valid(b"-1e400")
    assert number.is_valid(b"1e-400")
    assert twin({"const": 0}).is_valid(b"-0")
    assert twin({"const": 0}).is_valid(b"-0.0e7")
    assert twin({"enum": [10]}).is_valid(b"1e1")
    assert twin({"const": 1}).is_valid(b"1" + b"0" * 100 + b"e-100")
    assert not twin({"multipleOf": 7}).is_valid(b"1e999999999")
    assert twin({"multipleOf": 0.01}).is_valid(b"1e999999999")
    assert not twin({"minimum": 0}).is_valid(b"-1e-999999999")
    for text in (b"1e1000000000", b"1e-1000000000", b"1" * 129, b"1e" + b"9" * 5000, b"0." + b"1" * 128):
        assert twin(True).validate(text).malformed
    assert twin(True).is_valid(b"1e+000000000000000000000000000000000000000000000000000000000000000000001")
    items = b"[1e400,10e399,1" + b"0" * 100 + b"e300]"
    assert not twin({"uniqueItems": True}).is_valid(items)


@both
@pytest.mark.parametrize(
    "number",
    ["1e127", "1e128", "-1e128", "12e127", "1" + "0" * 127, "-" + "9" * 128, "12345678901234567890e109", "1e129",
     "0." + "0" * 126 + "1", "1e-128", "1.5e-130", "1e999999999", "-2e-999999999"],
)  # fmt: skip
def test_numbers_in_constants(twin: Any, refused: Any, number: str) -> None:
    """What is in an array or object of const or enum is kept as text, which is read again with each document."""
    for keyword in (f'"const":[{number}]', f'"enum":[{{}},[{number}]]'):
        schema = twin("{" + keyword + "}")
        document = f"[{number}]".encode()
        assert schema.is_valid(document), number
        assert schema.is_valid(twin(True).to_cbor(document), "cbor")
        assert not schema.is_valid(b"[1]")


@both
def test_names(twin: Any, refused: Any) -> None:
    """NUL in a name, names that differ only by how they are escaped, and names that only look alike."""
    schema = twin({"properties": {"a": {"type": "integer"}, "\0": {"type": "null"}}, "additionalProperties": False})
    assert schema.is_valid(b'{"a": 1, "\\u0000": null}')
    assert schema.is_valid(b'{"\\u0061": 1}')
    assert not schema.is_valid(b'{"\\u0061": null}')
    assert not schema.is_valid(b'{"a\\u0000": 1}')
    assert words(schema.validate(b'{"\\u0061": 1, "a": 1}')) == "duplicate name at byte 14"
    assert words(schema.validate(b'{"\\u0000": null, "\\u0000": null}')) == "duplicate name at byte 17"
    assert twin(True).is_valid('{"\u00e9": 1, "e\u0301": 1}'.encode())  # NFC and NFD are two names
    assert words(schema.validate(b'{"\0": null}')) == "control character in a string at byte 2"
    assert twin({"required": ["a\0b"]}).is_valid(b'{"a\\u0000b": 1}')
    assert not twin({"required": ["a\0b"]}).is_valid(b'{"a": 1}')
    assert twin(True).is_valid(b'{"/":1,"\\/x":1,"\\u002f":1}') is False
    assert twin({"maxLength": 1}).is_valid(b'"\\ud83d\\ude00"')


@both
def test_a_nul_is_no_quote(twin: Any, refused: Any) -> None:
    """A name that JSON must escape is never compared as it stands in the schema."""
    for name in ('a"b', "a\\b", "a\nb", 'name of more than 16 bytes "'):
        schema = twin({"properties": {name: {"type": "null"}}, "additionalProperties": False, "required": [name]})
        assert schema.is_valid(json.dumps({name: None}).encode())
        assert schema.validate(b"{\0" + name.encode() + b'":null}').malformed
        values = twin({"enum": [name]})
        assert values.is_valid(json.dumps(name).encode())
        assert values.validate(b"\0" + name.encode() + b'"').malformed


@both
@pytest.mark.parametrize("length", [*range(1, 20), 29, 30, 31, 32, 33, 34, 47, 48, 49, 50])
def test_names_that_differ_in_one_byte(twin: Any, refused: Any, length: int) -> None:
    """Names and choices are compared many bytes at a time, less where the document ends soon."""
    name = ("abcdefghijklmnopqrstuvwxyz" * 2)[:length]
    member = twin({"properties": {name: {"type": "null"}}, "required": [name], "additionalProperties": False})
    choice = twin({"type": "string", "enum": [name]})
    for space in (b"", b" ", b" " * 40):
        assert member.is_valid(b'{"' + name.encode() + b'":null' + space + b"}")
        assert choice.is_valid(b'"' + name.encode() + b'"' + space)
        for at in range(length):
            other = name.encode()[:at] + b"_" + name.encode()[at + 1 :]
            assert not member.is_valid(b'{"' + other + b'":null' + space + b"}")
            assert not choice.is_valid(b'"' + other + b'"' + space)
        for wrong in (name[:-1], name + "a", name + name):
            assert not member.is_valid(b'{"' + wrong.encode() + b'":null' + space + b"}")
            assert not choice.is_valid(b'"' + wrong.encode() + b'"' + space)


@both
@pytest.mark.parametrize("text", [b'"\\ud800"', b'"\\udc00"', b'"\\ud800\\ud800"', b'"\\ud800x"', b'"\\ud83d\\u0061"'])
def test_lone_surrogates(twin: Any, refused: Any, text: bytes) -> None:
    for document in (text, b"[" + text + b"]", b"{" + text + b":1}"):
        assert words(twin(True).validate(document)).startswith("lone surrogate")


@both
@pytest.mark.parametrize(
    "document",
    [b"", b" ", b"\xef\xbb\xbf1", b"\xff\xfe1\x00", b"1\x00", b"\x00", b"[1,]", b"[,1]", b'{"a"}', b"nul",
     b"NaN", b"Infinity", b"-", b"+1", b"01", b".5", b"1.", b"0x1", b"'a'", b"[1]]", b"{}{}", b"/**/1",
     b'"\n"', b'"\x7f', b"\xc3\xa9", b'"\xc0\x80"'],
)  # fmt: skip
def test_not_json(twin: Any, refused: Any, document: bytes) -> None:
    result = twin(True).validate(document)
    assert result.malformed
    assert not twin(True).is_valid(document)
    assert twin({"type": "null"}).validate(document).malformed


# --- schemas ----------------------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("keyword", ["anyOf", "oneOf"])
def test_alternatives_of_alternatives(twin: Any, refused: Any, keyword: str) -> None:
    """2^32 ways to fail: the count of steps ends it."""
    schema = {"$defs": {"0": {"type": "null"}}, "$ref": "#/$defs/30"}
    for i in range(30):
        step = {"properties": {"a": {"$ref": f"#/$defs/{i}"}}, "required": ["a"]}
        schema["$defs"][str(i + 1)] = {keyword: [step, {**step, "minProperties": 1}]}  # type: ignore[index]
    document = b'{"a":' * 30 + b"1" + b"}" * 30
    compiled = twin(schema, limits={"steps": 20_000})
    assert not compiled.is_valid(document)
    assert "too many steps" in compiled.validate(document).errors[0].message


@both
def test_references_that_double(twin: Any, refused: Any) -> None:
    """allOf of two references to the same, 40 deep in place: refused when loaded, or ended by the steps."""
    schema: dict[str, Any] = {"$defs": {"0": {"minimum": 0}}, "$ref": "#/$defs/25"}
    for i in range(25):
        schema["$defs"][str(i + 1)] = {"allOf": [{"$ref": f"#/$defs/{i}"}, {"$ref": f"#/$defs/{i}"}]}
    try:
        compiled = twin(schema, limits={"steps": 20_000})
    except refused:
        return
    assert compiled.validate(b"-1").errors
    assert not compiled.is_valid(b"-1")
    compiled.is_valid(b"1")


@both
@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"allOf": [{"$ref": "#"}]},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}},
        {"not": {"$ref": "#"}},
        {"if": {"$ref": "#"}},
        {"dependentSchemas": {"a": {"$ref": "#"}}},
        {"$dynamicAnchor": "a", "$dynamicRef": "#a"},
        # round through the dynamic scope only: `b` alone would lead to its own anchor
        {
            "$id": "x:a",
            "$dynamicAnchor": "n",
            "$ref": "x:b",
            "$defs": {
                "b": {
                    "$id": "x:b",
                    "if": {"$dynamicRef": "#n"},
                    "$defs": {"n": {"$dynamicAnchor": "n", "type": "null"}},
                }
            },
        },
        {
            "allOf": [{"$dynamicRef": f"#n{i}"} for i in range(65)],
            "$defs": {str(i): {"$dynamicAnchor": f"n{i}"} for i in range(65)},
        },
        {"$ref": "#/$defs/0", "$defs": {str(i): {"$ref": f"#/$defs/{i + 1}"} for i in range(5000)}},
    ],
)
def test_references_that_never_end(twin: Any, refused: Any, schema: Any) -> None:
    with pytest.raises(refused):
        twin(schema)


@both
def test_many_anchors_in_one_resource(twin: Any, refused: Any) -> None:
    """Only those count that are led to."""
    many: dict[str, Any] = {f"k{i}": {"$dynamicAnchor": f"k{i}"} for i in range(15_000)}
    many["k7"]["type"] = ["integer", "null"]
    many["k9"]["$dynamicRef"] = "#k7"
    registry = {"x:many": json.dumps({"$id": "x:many", "$defs": many})}
    schema = twin({"$ref": "x:many#k9"}, registry=registry)
    assert schema.is_valid(b"1")
    assert not schema.is_valid(b'"a"')
    top = {"$id": "x:top", "$ref": "x:many#k9", "$defs": {"n": {"$dynamicAnchor": "k7", "type": "string"}}}
    schema = twin(top, registry=registry)
    assert schema.is_valid(b'"a"')
    assert not schema.is_valid(b"1")
    with pytest.raises(refused) as error:
        twin({"$defs": many})
    assert "more than 4096 subschemas" in str(error.value)


@both
@pytest.mark.parametrize(
    "pattern",
    ["(a*)*$", "(a|a)*$", "(a+)+b", "^(a|ab|b)*c$", "(.*)*x", "(x+x+)+y", "([a-z]+)*[0-9]", "(a?){30}a{30}"],
)
def test_patterns_that_blow_up(twin: Any, refused: Any, pattern: str) -> None:
    schema = twin({"pattern": pattern})
    schema.is_valid(b'"' + b"a" * 20_000 + b'!"')
    schema.is_valid(b'"' + b"x" * 20_000 + b'"')


@both
@pytest.mark.parametrize(
    "pattern",
    ["(", "(?=a)", "(a)\\1", "(?<!a)b", "a{1001}", "(a{100}){100}", "((a{50}){50}){50}", "(" * 50 + ")" * 50,
     "[" + "a-z" * 9000, "\\p{Nope}", "[b-a]", "a{2,1}", "x" * 20_000, "(?i)a", "\\u{110000}"],
)  # fmt: skip
def test_patterns_that_are_refused(twin: Any, refused: Any, pattern: str) -> None:
    with pytest.raises(refused) as error:
        twin({"properties": {"a": {"pattern": pattern}}})
    assert error.value.pointer == "/properties/a/pattern"


@both
def test_large_schemas(twin: Any, refused: Any) -> None:
    enum = twin({"enum": [f"value-{i}" for i in range(1000)]})
    assert enum.is_valid(b'"value-999"')
    assert not enum.is_valid(b'"value-1000"')
    numbers = twin({"enum": list(range(2000))})
    assert numbers.is_valid(b"1999.0")
    assert not numbers.is_valid(b"2000")
    with pytest.raises(refused):
        twin({"properties": {f"name{i}": True for i in range(1025)}})
    with pytest.raises(refused):
        twin({"anyOf": [{"minimum": i, "title": str(i)} for i in range(5000)]})
    with pytest.raises(refused):
        twin('{"$comment":"' + "x" * 1_100_000 + '"}')
    with pytest.raises(refused):
        twin('{"not":' * 2000 + "true" + "}" * 2000)
    with pytest.raises(refused):
        twin("[" * 100_000)


def test_more_strings_than_a_table_has_room_for() -> None:
    with pytest.raises(SchemaError):
        Schema(json.dumps({"enum": [f"value-{i}" for i in range(70_000)]}))


@both
@pytest.mark.parametrize(
    "schema",
    [b"", b"null", b"[]", b"1", b'"a"', b'{"type":"object"', b'{"type":1}', b'{"minimum":"1"}',
     b'{"a":1,"a":2}', b"\xff", b'{"$ref":"#/%"}', b'{"$ref":"http://[::1/"}', b'{"$ref":"other"}',
     b'{"multipleOf":0}', b'{"multipleOf":-1}', b'{"minLength":-1}', b'{"minLength":1.5}',
     b'{"required":["a","a"]}', b'{"pattern":1}'],
)  # fmt: skip
def test_not_a_schema(twin: Any, refused: Any, schema: bytes) -> None:
    with pytest.raises(refused):
        twin(schema)


# --- CBOR -------------------------------------------------------------------------------------------------------------

CBOR_BOMBS = [
    pytest.param(bytes.fromhex(item), id=item[:24])
    for item in (
        "9bffffffffffffffff", "9b7fffffffffffffff", "9affffffff", "bbffffffffffffffff", "ba80000000",
        "5bffffffffffffffff", "7b8000000000000000", "7affffffff61", "5f5bffffffffffffffff", "7f7affffffff",
        "9b0000000100000000", "c25bffffffffffffffff", "9f" * 1000, "5f" * 1000, "7f7f", "5f7f",
        "81" * 100_000, "c6" * 100_000, "c1" * 100_000, "d9d9f7" * 1000, "a1" * 1000, "bf" * 1000, "bf6161",
        "bf6161ff", "9fff" * 100_000, "ff", "81ff", "a161", "a1ff00", "c482", "c4821b8000000000000000",
        "c4821a3b9aca0001", "c25881" + "ff" * 129, "f800", "f81f", "1c", "fc", "7f61c3ff", "7f61c361a9ff",
        "62c328", "c100ff", "c061", "c000", "c16161",
    )
]  # fmt: skip


@both
@pytest.mark.parametrize("item", CBOR_BOMBS)
def test_cbor_bombs(twin: Any, refused: Any, item: bytes) -> None:
    schema = twin(True)
    assert schema.validate(item, "cbor").malformed
    assert not schema.is_valid(item, "cbor")
    with pytest.raises(ValueError, match="at byte"):
        schema.to_json(item)


@both
def test_cbor_counts(twin: Any, refused: Any) -> None:
    schema = twin(True)
    assert schema.is_valid(b"\x99\xff\xfe" + b"\x00" * 65534, "cbor")
    assert words(schema.validate(b"\x9a\x00\x01\x00\x00" + b"\x00" * 65536, "cbor")).startswith("too many items")
    assert words(schema.validate(b"\x9f" + b"\x00" * 65536 + b"\xff", "cbor")).startswith("too many items")
    assert schema.is_valid(b"\x7f" + b"\x60" * 60_000 + b"\xff", "cbor")
    assert schema.is_valid(b"\x81" * 32 + b"\x80"[:0] + b"\x00", "cbor")
    assert schema.validate(b"\x81" * 33 + b"\x00", "cbor").malformed
    assert words(schema.validate(b"\xa2\x61a\x00\x7f\x61a\xff\x00", "cbor")).startswith("duplicate name")
    assert words(schema.validate(b"\xc0\xa2\x61a\x00\x61a\x00", "cbor")) == "duplicate name at byte 5"  # before its tag
    inner = b"\xc0\xa2\x61a\xa2\x61x\x00\x61y\x00\x61a\x00"  # behind a map in it that has none twice
    assert words(schema.validate(inner, "cbor")) == "duplicate name at byte 11"
    assert words(schema.validate(b"\xa1\x41a\x00", "cbor")).startswith("name is not text")


# --- streams ----------------------------------------------------------------------------------------------------------


@both
def test_streams_keep_to_the_limit(twin: Any, refused: Any) -> None:
    stream = twin(True).stream("ndjson", max_record=100)
    out = []
    for _ in range(1000):  # a line without an end
        out += stream.feed(b"[" * 100)
    out += stream.feed(b"\n1\n")
    assert [bool(result) for result in out] == [False, True]
    stream = twin(True).stream("cbor-seq", max_record=100)
    assert [bool(result) for result in stream.feed(b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff")] == [False]


# --- memory -----------------------------------------------------------------------------------------------------------

NO_MEMORY = """
import _testcapi, json
from headgate_native import Schema, InvalidDocument

SCHEMA = json.dumps({"type": "object", "properties": {"a": {"pattern": "^(a|b)*$"}, "b": {"enum": [1, [2]]}}})
schema = Schema(SCHEMA)
last = Schema(SCHEMA, duplicates="last")

def failing(schema):
    try:
        schema.to_cbor(b"[")
    except InvalidDocument as error:
        return error.result.errors

CALLS = [
    lambda: Schema(SCHEMA),
    lambda: schema.is_valid(bytearray(b'{"a": "abc", "b": [2]}')),
    lambda: schema.validate(b'{"a": "abc", "b": [3]}').errors,
    lambda: last.validate(b'{"a": "abc", "a": 1, "b": 1}').errors,
    lambda: schema.to_cbor(b'{"a": "ab", "b": 1}', deterministic=True),
    lambda: schema.to_json(bytes.fromhex("a1616161 62".replace(" ", ""))),
    lambda: failing(schema),
    lambda: [bool(r) for r in schema.stream("ndjson").feed(b'{"a": 1}\\n{}\\n{')],
]
for call in CALLS:
    expected = repr(call())[:40]
    good = 0
    for at in range(400):
        _testcapi.set_nomemory(at, at + 1)
        try:
            result = call()
        except (MemoryError, SystemError) as error:
            # CPython 3.11 forgets to raise where a frame of a Python function finds no memory
            assert isinstance(error, MemoryError) or str(error).startswith("<function "), error
            result = None
        finally:
            _testcapi.remove_mem_hooks()
        good = good + 1 if result is not None else 0
    assert good > 0, "never enough memory"
    assert repr(call())[:40] == expected
print("all answered")
"""


def test_no_memory_for_python_objects() -> None:
    """Each allocation of the interpreter fails in turn: MemoryError, and the next call is as good as the first."""
    pytest.importorskip("_testcapi")
    done = subprocess.run(
        [sys.executable, "-c", NO_MEMORY],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=dict(os.environ),
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "all answered" in done.stdout
