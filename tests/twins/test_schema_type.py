"""headgate_native.Schema: what only a C type, or the Python around it, can get wrong."""

import array
import copy
import gc
import inspect
import json
import pickle
import sys
import threading
import weakref
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import headgate_native
from headgate.core.json import loads
from headgate.core.schema import Schema as PureSchema
from headgate_native import InvalidDocument, Result, Schema, SchemaError, Violation, _native

POINT = {"type": "object", "required": ["x"], "properties": {"x": {"type": "integer"}}}
SCHEMA = Schema(POINT)
BIG = b'{"x": 1, "text": "' + b"x" * 10_000_000 + b'"}'

# --- documents --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 32767, 32768, 100000])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: array.array("B", data)])
def test_any_bytes_like_object(kind: Any, size: int) -> None:
    good = b'{"x":1}'.ljust(size)
    bad = b'{"x":""}'.ljust(size)
    for method in (SCHEMA.is_valid, lambda data: SCHEMA.validate(data).valid):
        assert method(kind(good)) is True
        assert method(kind(bad)) is False
    assert SCHEMA.to_cbor(kind(good)) == b"\xa1ax\x01"
    assert SCHEMA.to_json(kind(b"\xa1ax\x01")) == b'{"x":1}'


def test_a_view_of_a_part_is_not_read_beyond() -> None:
    for data in (memoryview(b'{"x":1}0')[:-1], memoryview(bytearray(b'0{"x":1}0'))[1:-1]):
        assert SCHEMA.is_valid(data)
    assert not Schema({"type": "integer", "maximum": 12}).is_valid(memoryview(b"123")[:0])
    assert Schema({"type": "integer", "maximum": 12}).is_valid(memoryview(b"123")[:2])


def test_a_subclass_of_bytes() -> None:
    class Mine(bytes):
        pass

    assert SCHEMA.is_valid(Mine(b'{"x":1}'))


def test_a_buffer_is_given_back() -> None:
    data = bytearray(b'{"x":1}')
    stream = SCHEMA.stream()
    for call in (SCHEMA.is_valid, SCHEMA.validate, SCHEMA.to_cbor, stream.feed):
        call(data)
        data += b" "  # would be a BufferError
    with pytest.raises(InvalidDocument):
        SCHEMA.to_json(data)
    data += b" "


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (SCHEMA.is_valid, TypeError, "is_valid() missing required argument 'data'"),
        (lambda: SCHEMA.is_valid("{}"), TypeError, "a bytes-like object is required, not 'str'"),
        (lambda: SCHEMA.is_valid(None), TypeError, "a bytes-like object is required, not 'NoneType'"),
        (lambda: SCHEMA.is_valid(b"", "xml"), ValueError, 'encoding must be "json" or "cbor"'),
        (lambda: SCHEMA.is_valid(b"", None), ValueError, 'encoding must be "json" or "cbor"'),
        (lambda: SCHEMA.is_valid(b"", "json", 1), TypeError, "is_valid() takes at most 2 arguments (3 given)"),
        (lambda: SCHEMA.is_valid(b"", text=1), TypeError, "is_valid() got an unexpected keyword argument 'text'"),
        (lambda: SCHEMA.validate(b"", "xml"), ValueError, 'encoding must be "json" or "cbor"'),
        (
            lambda: SCHEMA.to_cbor(b"", True),
            TypeError,
            "to_cbor() takes one argument; deterministic is given by its name",
        ),
        (lambda: SCHEMA.to_json("x"), TypeError, "a bytes-like object is required, not 'str'"),
        (lambda: _native.Feed(object(), "ndjson", 10), TypeError, None),
        (_native.Validator, TypeError, None),
        (lambda: _native.Validator(b"{}", 4, 0, False, True, (0, 0, 0, 0), None, []), ValueError, None),
    ],
)
def test_wrong_calls(call: Any, error: Any, message: "str | None") -> None:
    with pytest.raises(error) as caught:
        call()
    if message is not None:
        assert str(caught.value) == message


def test_is_valid_is_the_c_method_itself() -> None:
    assert inspect.ismethoddescriptor(Schema.is_valid)
    assert Schema.is_valid is _native.Validator.is_valid
    assert SCHEMA.is_valid(data=b"\xa1ax\x01", encoding="cbor")


def test_large_documents() -> None:
    assert SCHEMA.is_valid(BIG)
    assert SCHEMA.is_valid(bytearray(BIG))
    assert not SCHEMA.is_valid(BIG[:-1])
    assert not SCHEMA.is_valid(BIG.replace(b"1", b"1.5", 1))
    item = SCHEMA.to_cbor(BIG)
    assert SCHEMA.is_valid(item, "cbor")
    assert json.loads(SCHEMA.to_json(item)) == json.loads(BIG)
    many = b"[" + b",\n".join([b'{"x": true}'] * 100_000) + b"]"
    result = Schema({"items": POINT}).validate(many)
    assert [violation.instance for violation in result.errors] == [f"/{i}/x" for i in range(16)]
    assert [violation.line for violation in result.errors] == list(range(1, 17))
    assert all(many[violation.offset :].startswith(b"true") for violation in result.errors)


def test_a_text_that_grows_when_it_is_written_as_json() -> None:
    """Control characters are six bytes of JSON for one of CBOR: more than the first guess at the size."""
    for length in (10, 2000, 50000):
        item = b"\x7a" + length.to_bytes(4, "big") + b"\x01" * length
        assert Schema(True).to_json(item) == b'"' + b"\\u0001" * length + b'"'


@pytest.mark.parametrize("depth", [1, 32, 128])
def test_nesting_up_to_the_limit(depth: int) -> None:
    schema = Schema({"anyOf": [{"items": {"$ref": "#"}}, False]}, limits={"depth": depth})
    assert schema.is_valid(b"[" * depth + b"]" * depth)
    result = schema.validate(b"[" * (depth + 1) + b"]" * (depth + 1))
    assert result.malformed
    assert result.errors[0].message == f"nested too deeply at byte {depth}"
    assert schema.is_valid(b"\x81" * depth + b"\x01", "cbor")
    assert not schema.is_valid(b"\x81" * (depth + 1) + b"\x01", "cbor")


def test_a_document_over_the_limit_of_bytes() -> None:
    schema = Schema(True, limits={"bytes": 10})
    for data in (b"1234567890", bytearray(b"1234567890")):
        assert schema.is_valid(data)
    for data in (b"12345678901", bytearray(b"12345678901"), b" " * 100_000):
        assert not schema.is_valid(data)
        assert schema.validate(data).errors[0].message == "document too large at byte 10"
        for method in (schema.to_cbor, schema.to_json):
            with pytest.raises(InvalidDocument) as caught:
                method(data)
            assert caught.value.result.malformed


def test_work_is_bounded() -> None:
    """Each level would double it."""
    schema: Any = {"$defs": {"x": {"anyOf": [{"items": {"$ref": "#/$defs/x"}, "const": 1}] * 2}}, "$ref": "#/$defs/x"}
    tight = Schema(schema, limits={"steps": 100})
    assert not tight.is_valid(b"[" * 30 + b"]" * 30)
    assert not tight.validate(b"[" * 30 + b"]" * 30)


@pytest.mark.parametrize("size", [0, 5000, 40000])
def test_of_equal_names_the_last_one_counts(size: int) -> None:
    schema = Schema(POINT, duplicates="last")
    good, bad = b'{"x":"","x":1}'.ljust(size), b'{"x":1,"\\u0078":""}'.ljust(size)
    for kind in (bytes, bytearray):
        assert schema.is_valid(kind(good))
        assert not schema.is_valid(kind(bad))
        assert schema.validate(kind(good)).valid
        assert schema.to_cbor(kind(good)) == b"\xa1ax\x01"
        with pytest.raises(InvalidDocument):
            schema.to_cbor(kind(bad))
    (violation,) = schema.validate(bad).errors
    assert (violation.instance, violation.offset) == ("/x", bad.index(b'""'))
    assert [result.valid for result in schema.stream().feed(good + b"\n" + bad + b"\n")] == [True, False]
    assert not SCHEMA.is_valid(good)


@pytest.mark.parametrize("twin", [Schema, PureSchema])
def test_lines_behind_names_that_were_given_twice(twin: Any) -> None:
    document = b'{\n"x":\n1,\n"y":{"x":\n\n3, "x":4},\n\n"x":\n"a",\n"y":\nnull\n}'
    schema = twin({"properties": {"x": {"type": "integer"}, "y": {"type": "object"}}}, duplicates="last")
    for violation in schema.validate(document).errors:
        assert violation.line == document[: violation.offset].count(b"\n") + 1
    assert [violation.line for violation in schema.validate(document).errors] == [9, 11]


# --- results ----------------------------------------------------------------------------------------------------------


def test_results_and_violations() -> None:
    result = SCHEMA.validate(b'{\n"x": "1"}')
    assert isinstance(result, Result)
    assert (result.valid, result.malformed, bool(result)) == (False, False, False)
    (violation,) = result.errors
    assert isinstance(violation, Violation)
    assert (violation.instance, violation.schema, violation.keyword_location) == ("/x", *["/properties/x/type"] * 2)
    assert (violation.uri, violation.offset, violation.line) == ("", 7, 2)
    assert str(violation) == "/x: " + violation.message
    assert repr(violation).startswith("Violation(instance='/x', schema='/properties/x/type', message=")
    assert violation == next(SCHEMA.iter_errors(b'{\n"x": "1"}'))
    assert violation != next(SCHEMA.iter_errors(b'{\n"x": "2"}'))
    assert violation != ""
    assert len({violation, next(SCHEMA.iter_errors(b'{\n"x": "1"}'))}) == 1
    assert repr(result).startswith("Result(invalid: /x: ")
    assert repr(SCHEMA.validate(b"{")) == "Result(malformed: unexpected end at byte 1)"
    assert repr(SCHEMA.validate(b'{"x":1}')) == "Result(valid)"
    assert list(SCHEMA.iter_errors(b'{"x":1}')) == []


def test_lines_of_violations_that_are_found_from_the_inside_out() -> None:
    schema = Schema({"required": ["b"], "properties": {"a": {"$ref": "#"}, "c": {"type": "null"}}})
    document = b'{"c":1,\n"a":{"c":2,\n\n"a":{"c":\n3}}\n}'
    found = [(violation.instance, violation.line) for violation in schema.validate(document).errors]
    assert found == [("", 1), ("/c", 1), ("/a", 2), ("/a/c", 2), ("/a/a", 4), ("/a/a/c", 5)]


def test_results_do_not_share_their_lists() -> None:
    SCHEMA.validate(b'{"x":1}').errors.append(None)  # type: ignore[arg-type]
    assert SCHEMA.validate(b'{"x":1}').errors == []


def test_the_standard_output_is_that_of_the_twin() -> None:
    schema: Any = {"$id": "https://example.com/s", "properties": {"a b%": {"$ref": "#/$defs/x"}}, "$defs": {"x": POINT}}
    for document in (b"{}", b"{", b'{"a b%": 1}', b'\n{"a b%": {"x": null}}'):
        assert Schema(schema).validate(document).output() == PureSchema(schema).validate(document).output()


def test_invalid_documents() -> None:
    with pytest.raises(InvalidDocument) as caught:
        SCHEMA.to_cbor(b"{}")
    assert isinstance(caught.value, ValueError)
    assert str(caught.value) == caught.value.result.errors[0].message
    assert caught.value.result.errors[0].schema == "/required"
    for again in (copy.copy(caught.value), pickle.loads(pickle.dumps(caught.value))):  # noqa: S301 (our own bytes)
        assert str(again) == str(caught.value)
        assert again.result.errors == caught.value.result.errors
    with pytest.raises(InvalidDocument) as caught:
        Schema(True).to_json(b"\x81\xf7")
    assert str(caught.value) == "value has no JSON form at byte 1"


# --- schemas ----------------------------------------------------------------------------------------------------------


def test_a_schema_given_in_every_way() -> None:
    for schema in (POINT, json.dumps(POINT), json.dumps(POINT).encode()):
        assert Schema(schema).is_valid(b'{"x":1}')
        assert not Schema(schema).is_valid(b"{}")
    for schema in (True, "true", b" true\n"):
        assert Schema(schema).is_valid(b"null")
    assert not Schema(False).is_valid(b"null")


def test_numbers_of_a_schema_are_exact() -> None:
    assert Schema({"const": 2**200}).is_valid(str(2**200).encode())
    assert not Schema({"const": 2**200}).is_valid(str(2**200 + 1).encode())
    assert Schema({"multipleOf": Decimal("0.01")}).is_valid(b"600.03")
    assert Schema({"multipleOf": 0.01}).is_valid(b"600.03")
    parsed: Any = loads(b'{"multipleOf": 0.01, "maximum": 1e300}')
    assert Schema(parsed).is_valid(b"600.03")
    assert not Schema(parsed).is_valid(b"600.035")
    assert Schema({"enum": (1, "é", None, True, {"a": [1.5]})}).is_valid('"é"'.encode())
    assert Schema({"const": -(10**128 - 1)}).is_valid(b"-" + b"9" * 128)
    assert Schema({"const": Decimal("-0." + "9" * 127)}).is_valid(b"-0." + b"9" * 127)
    assert Schema({"const": "\ud83d\ude00"}).is_valid('"\U0001f600"'.encode())


@pytest.mark.parametrize(
    ("schema", "pointer"),
    [
        (None, ""),
        (1, ""),
        ([], ""),
        ("", ""),
        ("{", ""),
        (b"\xff", ""),
        ("\ud800", ""),
        ({"type": "strin"}, "/type"),
        ({"properties": {"a/b": {"type": 1}}}, "/properties/a~1b/type"),
        ({"const": float("nan")}, "/const"),
        ({"const": float("-inf")}, "/const"),
        ({"const": Decimal("sNaN")}, "/const"),
        ({"const": [0, object()]}, "/const/1"),
        ({"const": b"x"}, "/const"),
        ({"const": {"a": {1: 2}}}, "/const/a"),
        ({"const": 10**5000}, "/const"),
        ({"properties": {"a": {"const": [1, -(10**128)]}}}, "/properties/a/const/1"),
        ({"minimum": Decimal("0." + "1" * 128)}, "/minimum"),
        ({"enum": ["\U0001f600", "\ud800"]}, "/enum/1"),
        ({"properties": {"\udfff": {}}}, "/properties"),
        ({"$ref": "https://example.com/"}, "/$ref"),
    ],
)
def test_schemas_that_are_none(schema: Any, pointer: str) -> None:
    with pytest.raises(SchemaError) as caught:
        Schema(schema)
    assert caught.value.pointer == pointer
    assert caught.value.reason
    assert str(caught.value).endswith(f" at {pointer or 'the top'}")
    assert pickle.loads(pickle.dumps(caught.value)).pointer == pointer  # noqa: S301 (our own bytes)


def test_a_schema_that_contains_itself() -> None:
    schema: dict[str, Any] = {}
    schema["properties"] = {"a": schema}
    with pytest.raises(SchemaError) as caught:
        Schema(schema)
    assert caught.value.reason == "nested too deeply"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"draft": "4"}, 'draft must be "2020-12" or "7"'),
        ({"duplicates": "first"}, 'duplicates must be "refuse" or "last"'),
        ({"unknown": ""}, 'unknown must be "refuse" or "ignore"'),
        ({"formats": ["date", "when"]}, 'unknown format "when"'),
        ({"limits": {"width": 1}}, 'unknown limit "width"'),
        ({"limits": {"depth": 129}}, 'the limit "depth" must be an integer from 1 to 128'),
        ({"limits": {"bytes": 0}}, 'the limit "bytes" must be an integer from 1 to 268435456'),
        ({"limits": {"errors": True}}, 'the limit "errors" must be an integer from 1 to 65536'),
        ({"registry": {"point": True}}, "the key 'point' of the registry is not an absolute URI without fragment"),
        ({"registry": {1: True}}, "the key 1 of the registry is not an absolute URI without fragment"),
    ],
)
def test_wrong_options(options: Any, error: str) -> None:
    with pytest.raises(ValueError, match=r"must|unknown|not") as caught:
        Schema(True, **options)
    assert str(caught.value) == error
    assert not isinstance(caught.value, SchemaError)


def test_formats_are_not_a_text() -> None:
    with pytest.raises(TypeError):
        Schema(True, formats="date")


def test_lints_and_unknown_keywords() -> None:
    schema = {"properties": {"a": {"requird": []}}}
    assert [pointer for pointer, _ in Schema(schema).lints] == ["/properties/a/requird"]
    with pytest.raises(SchemaError) as caught:
        Schema(schema, unknown="refuse")
    assert caught.value.pointer == "/properties/a/requird"
    assert Schema(POINT).lints == ()
    with pytest.raises(AttributeError):
        SCHEMA.lints = ()  # type: ignore[misc]


def test_the_registry() -> None:
    uri = "https://example.com/point"
    for document in (POINT, json.dumps(POINT), json.dumps(POINT).encode()):
        for key in (uri, uri + "#"):
            schema = Schema({"$ref": uri}, registry={key: document, "urn:unused": True})
            assert schema.is_valid(b'{"x":1}')
            (violation,) = schema.validate(b"{}").errors
            assert (violation.uri, violation.schema, violation.keyword_location) == (uri, "/required", "/$ref/required")
    with pytest.raises(SchemaError) as caught:
        Schema({"$ref": uri}, registry={uri: {"type": "?"}})
    assert (caught.value.uri, caught.value.pointer) == (uri, "/type")
    with pytest.raises(SchemaError) as caught:
        Schema({"$ref": uri}, registry={uri: {"const": object()}})
    assert (caught.value.uri, caught.value.pointer) == (uri, "/const")


@pytest.mark.parametrize(
    "uri", ["https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/draft-07/schema#"]
)
def test_the_metaschemas_are_there(uri: str) -> None:
    schema = Schema({"$schema": uri, "$ref": uri})
    assert schema.is_valid(json.dumps({"$schema": uri, **POINT}).encode())
    assert not schema.is_valid(b'{"type": 1}')


def test_what_a_registry_raises_comes_through() -> None:
    class Odd(dict[str, Any]):
        def items(self) -> Any:
            raise KeyError("odd")

    with pytest.raises(KeyError):
        Schema({"$ref": "urn:x"}, registry={"urn:x": Odd()})


# --- the type ---------------------------------------------------------------------------------------------------------


def test_the_signatures_are_those_of_the_pure_twin() -> None:
    for name in ("is_valid", "validate", "iter_errors", "to_cbor", "to_json", "stream"):
        mine, other = (list(inspect.signature(getattr(type_, name)).parameters) for type_ in (Schema, PureSchema))
        assert mine == other, name
    mine, other = (
        [(p.name, p.default) for p in list(inspect.signature(method).parameters.values())[1:]]
        for method in (Schema.__new__, PureSchema.__init__)
    )
    assert mine == other


def test_schemas_are_shared_not_copied() -> None:
    assert copy.copy(SCHEMA) is SCHEMA
    assert copy.deepcopy({"schema": SCHEMA})["schema"] is SCHEMA
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        for thing in (SCHEMA, SCHEMA.stream()):
            with pytest.raises(TypeError):
                pickle.dumps(thing, protocol)


def test_subclasses() -> None:
    class Mine(Schema):
        def __init__(self, schema: Any, **options: Any) -> None:
            self.name = options.get("draft")

    mine = Mine(POINT, draft="7")
    assert mine.name == "7"
    assert mine.is_valid(b'{"x":1}')
    assert mine.stream().feed(b'{"x":1}\n')[0].valid
    with pytest.raises(AttributeError):
        SCHEMA.name = ""  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        type("Mine", (_native.Feed,), {})


def test_garbage() -> None:
    class Mine(Schema):
        pass

    mine: Any = Mine(POINT)
    mine.me = mine
    stream = mine.stream()
    stream.feed(b"{")
    mine.stream = stream
    gone = weakref.ref(mine)
    del mine, stream
    gc.collect()
    assert gone() is None
    before = [sys.getrefcount(type_) for type_ in (Schema, _native.Validator, _native.Feed)]
    for _ in range(100):
        Schema(POINT).stream("cbor-seq").feed(b"\x9f")
        with pytest.raises(SchemaError):
            Schema({"type": 1})
    gc.collect()
    assert [sys.getrefcount(type_) for type_ in (Schema, _native.Validator, _native.Feed)] == before


def test_a_finaliser_may_use_the_stream_it_interrupts() -> None:
    """Garbage collection inside feed() runs other people's code; it is told that the stream is in use."""
    stream = SCHEMA.stream()
    told: list[str] = []

    class Cycle:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            try:
                stream.feed(b"{}\n")
            except RuntimeError as error:
                told.append(str(error))

    threshold = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    try:
        for _ in range(50):
            Cycle()
            for result in stream.feed(b"[]\n" * 5):
                assert not result.valid
    finally:
        gc.set_threshold(*threshold)
    assert set(told) <= {"the stream is in use by another call"}


@pytest.mark.slow_emulated
def test_threads_share_a_schema() -> None:
    small, large = b'{"x": 1}', b'{"x": 1, "y": [' + b"1," * 40000 + b"1]}"
    expected = [violation.message for violation in SCHEMA.validate(large.replace(b"1", b"null", 1)).errors]
    wrong: list[Any] = []
    start = threading.Barrier(8)

    def work(number: int) -> None:
        start.wait()
        for i in range(60):
            bad = large.replace(b"1", b"null", 1)
            found = [violation.message for violation in SCHEMA.validate(bad).errors]
            stream = SCHEMA.stream()
            records = [result.valid for result in stream.feed(large + b"\n" + bad + b"\n")]
            if not (
                SCHEMA.is_valid(small)
                and SCHEMA.is_valid(large)
                and SCHEMA.is_valid(bytearray(large))
                and not SCHEMA.is_valid(bad)
                and found == expected
                and records == [True, False]
                and SCHEMA.is_valid(SCHEMA.to_cbor(large), "cbor")
            ):
                wrong.append((number, i))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_one_stream_in_many_threads_is_refused_not_corrupted() -> None:
    stream = Schema(True).stream(max_record=1 << 20)
    record = b'{"x": [' + b"1," * 40000 + b"1]}\n"
    results: list[Any] = []

    def work() -> None:
        for _ in range(30):
            try:
                results.extend(stream.feed(record))
            except RuntimeError as error:
                assert str(error) == "the stream is in use by another call"  # noqa: PT017

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results
    assert all(result.valid for result in results)


def test_the_public_names() -> None:
    assert headgate_native.__all__ == ["InvalidDocument", "Result", "Schema", "SchemaError", "Stream", "Violation"]
    for name in headgate_native.__all__:
        assert getattr(headgate_native, name).__doc__


def test_the_stub_says_what_is_there(tmp_path: Path) -> None:
    """Every public name of the C modules, no more and no less; mypy's stubtest compares the signatures."""
    stubtest = pytest.importorskip("mypy.stubtest")
    arguments = [
        "headgate_native._native",
        "headgate_native._load",
        "headgate_native._http2",
        "--ignore-disjoint-bases",
    ]
    assert stubtest.test_stubs(stubtest.parse_options(arguments)) == 0
