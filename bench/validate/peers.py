"""Who is measured: each peer is a function that is given a task and returns `bytes -> bool`, as its users would write
it, with everything that can be prepared once prepared once.

`kind` says which of the others it may be compared with:
    verdict   JSON text -> valid or not
    to_cbor   JSON text -> verdict and, if valid, CBOR
    cbor      CBOR -> valid or not
    to_json   CBOR -> verdict and, if valid, JSON text
    parse     JSON text -> values or CBOR, no schema: the verdict is "well-formed"
    skim      CBOR -> values or JSON text, no schema
    floor     an empty call: what calling costs
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Judge = Callable[[bytes], bool]
Schema = dict[str, Any]

OURS = "headgate"
BARE = "headgate, schema true"  # the same without anything to check: what only reading costs


@dataclass(frozen=True)
class Task:
    schema: Schema
    formats: bool = True  # assert `format`


@dataclass(frozen=True)
class Peer:
    name: str
    kind: str
    make: "Callable[[Task], Judge]"
    packages: "tuple[str, ...]"  # whose versions are in the report
    formats: bool = True  # asserts `format`
    slow: bool = False  # milliseconds for a small document

    @property
    def schema_free(self) -> bool:
        return self.kind in ("parse", "skim", "floor")


def _raises(
    decode: Callable[[bytes], object], refusal: "type[BaseException] | tuple[type[BaseException], ...]"
) -> Judge:
    """A decoder that raises says "not valid" by raising."""

    def judge(data: bytes) -> bool:
        try:
            decode(data)
        except refusal:
            return False
        return True

    judge.bare = decode  # type: ignore[attr-defined]
    return judge


def bare(judge: Judge) -> Callable[[bytes], object]:
    """What is called for valid documents: where it says "valid" by not raising, without the function around it that
    makes a bool of that. Those who call it have a `try` of their own, which costs nothing."""
    return getattr(judge, "bare", judge)


def _headgate(task: Task) -> Any:
    from headgate_native import Schema as Compiled  # noqa: PLC0415 - may not be built

    return Compiled(task.schema, formats=task.formats)


def _ours(task: Task) -> Judge:
    return _headgate(task).is_valid  # type: ignore[no-any-return]


def _ours_bare(_task: Task) -> Judge:
    return _ours(Task({}))


def _ours_cbor(task: Task) -> Judge:
    is_valid = _headgate(task).is_valid
    return lambda data: is_valid(data, "cbor")


def _ours_to_cbor(task: Task) -> Judge:
    from headgate_native import InvalidDocument  # noqa: PLC0415 - may not be built

    return _raises(_headgate(task).to_cbor, InvalidDocument)


def _ours_to_json(task: Task) -> Judge:
    from headgate_native import InvalidDocument  # noqa: PLC0415 - may not be built

    return _raises(_headgate(task).to_json, InvalidDocument)


def _loaded(loads: Callable[[bytes], Any], refusal: type[Exception], is_valid: Callable[[Any], bool]) -> Judge:
    def judge(data: bytes) -> bool:
        try:
            value = loads(data)
        except refusal:
            return False
        return is_valid(value)

    return judge


def _transcoded(
    loads: Callable[[bytes], Any],
    refusal: type[Exception],
    is_valid: Callable[[Any], bool],
    dumps: Callable[[Any], Any],
) -> Judge:
    def judge(data: bytes) -> bool:
        try:
            value = loads(data)
        except refusal:
            return False
        if not is_valid(value):
            return False
        dumps(value)
        return True

    return judge


def _orjson_then(is_valid: Callable[[Any], bool]) -> Judge:
    import orjson  # noqa: PLC0415 - lives in the peers' environment

    return _loaded(orjson.loads, orjson.JSONDecodeError, is_valid)


def _jsonschema_rs_validator(task: Task) -> Callable[[Any], bool]:
    import jsonschema_rs  # noqa: PLC0415 - lives in the peers' environment

    validator = jsonschema_rs.validator_for(task.schema, validate_formats=task.formats)
    return validator.is_valid  # type: ignore[no-any-return]


def _jsonschema_rs(task: Task) -> Judge:
    return _orjson_then(_jsonschema_rs_validator(task))


def _corvus_validator(task: Task) -> Any:
    import corvus_json_schema_rs  # noqa: PLC0415 - lives in the peers' environment

    return corvus_json_schema_rs.compile(task.schema, assert_format=task.formats)


def _corvus(task: Task) -> Judge:
    return _orjson_then(_corvus_validator(task).is_valid)


def _corvus_text(task: Task) -> Judge:
    """Its own reader: JSON text in, no Python objects; raises for malformed text."""
    is_valid_json = _corvus_validator(task).is_valid_json

    def judge(data: bytes) -> bool:
        try:
            return is_valid_json(data)  # type: ignore[no-any-return]
        except ValueError:
            return False

    return judge


def _fastjsonschema(task: Task) -> Judge:
    import fastjsonschema  # noqa: PLC0415 - lives in the peers' environment

    schema = {**task.schema, "$schema": "http://json-schema.org/draft-07/schema#"}
    check = fastjsonschema.compile(schema, use_formats=task.formats)
    refusal = fastjsonschema.JsonSchemaValueException

    def is_valid(value: Any) -> bool:
        try:
            check(value)
        except refusal:
            return False
        return True

    return _orjson_then(is_valid)


def _msgspec(task: Task) -> Judge:
    import msgspec  # noqa: PLC0415 - lives in the peers' environment

    from .types_of import Msgspec  # noqa: PLC0415

    return _raises(msgspec.json.Decoder(Msgspec().build(task.schema)).decode, msgspec.DecodeError)


def _pydantic(task: Task) -> Judge:
    import pydantic  # noqa: PLC0415 - lives in the peers' environment

    from .types_of import Pydantic  # noqa: PLC0415

    return _raises(pydantic.TypeAdapter(Pydantic().build(task.schema)).validate_json, pydantic.ValidationError)


def _jsonschema(task: Task) -> Judge:
    import jsonschema  # noqa: PLC0415 - lives in the peers' environment

    kind = jsonschema.Draft202012Validator
    if "draft-07" in task.schema.get("$schema", ""):
        kind = jsonschema.Draft7Validator
    checker = kind.FORMAT_CHECKER if task.formats else None
    is_valid, loads = kind(task.schema, format_checker=checker).is_valid, json.loads

    def judge(data: bytes) -> bool:
        try:
            value = loads(data)
        except ValueError:
            return False
        return is_valid(value)  # type: ignore[no-any-return]

    return judge


def _rapidjson(task: Task) -> Judge:
    import rapidjson  # noqa: PLC0415 - lives in the peers' environment

    check = rapidjson.Validator(json.dumps(task.schema))
    return _raises(check, (rapidjson.ValidationError, rapidjson.JSONDecodeError))


def _rs_to_cbor(task: Task) -> Judge:
    import cbor2  # noqa: PLC0415 - lives in the peers' environment
    import orjson  # noqa: PLC0415

    return _transcoded(orjson.loads, orjson.JSONDecodeError, _jsonschema_rs_validator(task), cbor2.dumps)


def _rs_from_cbor(task: Task) -> Judge:
    import cbor2  # noqa: PLC0415 - lives in the peers' environment

    return _loaded(cbor2.loads, cbor2.CBORDecodeError, _jsonschema_rs_validator(task))


def _rs_to_json(task: Task) -> Judge:
    import cbor2  # noqa: PLC0415 - lives in the peers' environment
    import orjson  # noqa: PLC0415

    return _transcoded(cbor2.loads, cbor2.CBORDecodeError, _jsonschema_rs_validator(task), orjson.dumps)


def _parser(module: str, name: str, refusal: str) -> "Callable[[Task], Judge]":
    def make(_task: Task) -> Judge:
        package = __import__(module)
        return _raises(getattr(package, name), getattr(package, refusal, ValueError))

    return make


def _translate_to_cbor(_task: Task) -> Judge:
    import cbor2  # noqa: PLC0415 - lives in the peers' environment
    import orjson  # noqa: PLC0415

    loads, dumps = orjson.loads, cbor2.dumps
    return _raises(lambda data: dumps(loads(data)), orjson.JSONDecodeError)


def _translate_to_json(_task: Task) -> Judge:
    import cbor2  # noqa: PLC0415 - lives in the peers' environment
    import orjson  # noqa: PLC0415

    loads, dumps = cbor2.loads, orjson.dumps
    return _raises(lambda data: dumps(loads(data)), cbor2.CBORDecodeError)


def _yyjson(_task: Task) -> Judge:
    import yyjson  # noqa: PLC0415 - lives in the peers' environment

    return _raises(yyjson.Document, ValueError)


def _simdjson(_task: Task) -> Judge:
    import simdjson  # noqa: PLC0415 - lives in the peers' environment

    return _raises(simdjson.Parser().parse, ValueError)


def _nothing(_task: Task) -> Judge:
    return len  # type: ignore[return-value]


PEERS = (
    Peer(OURS, "verdict", _ours, ()),
    Peer("orjson + jsonschema-rs", "verdict", _jsonschema_rs, ("orjson", "jsonschema-rs")),
    Peer("orjson + corvus-rs", "verdict", _corvus, ("orjson", "corvus-json-schema-rs")),
    Peer("corvus-rs on text", "verdict", _corvus_text, ("corvus-json-schema-rs",)),
    Peer("orjson + fastjsonschema", "verdict", _fastjsonschema, ("orjson", "fastjsonschema")),
    Peer("msgspec typed", "verdict", _msgspec, ("msgspec",)),
    Peer("pydantic", "verdict", _pydantic, ("pydantic",)),
    Peer("python-rapidjson", "verdict", _rapidjson, ("python-rapidjson",), formats=False),
    Peer("json + jsonschema", "verdict", _jsonschema, ("jsonschema",), slow=True),
    Peer(OURS + " to CBOR", "to_cbor", _ours_to_cbor, ()),
    Peer("orjson + jsonschema-rs + cbor2", "to_cbor", _rs_to_cbor, ("orjson", "jsonschema-rs", "cbor2")),
    Peer(OURS + " on CBOR", "cbor", _ours_cbor, ()),
    Peer("cbor2 + jsonschema-rs", "cbor", _rs_from_cbor, ("cbor2", "jsonschema-rs")),
    Peer(OURS + " to JSON", "to_json", _ours_to_json, ()),
    Peer("cbor2 + jsonschema-rs + orjson", "to_json", _rs_to_json, ("cbor2", "jsonschema-rs", "orjson")),
    Peer(BARE, "parse", _ours_bare, ()),
    Peer("orjson + cbor2.dumps", "parse", _translate_to_cbor, ("orjson", "cbor2")),
    Peer("cbor2 + orjson.dumps", "skim", _translate_to_json, ("cbor2", "orjson")),
    Peer("orjson.loads", "parse", _parser("orjson", "loads", "JSONDecodeError"), ("orjson",)),
    Peer("yyjson", "parse", _yyjson, ("yyjson",)),
    Peer("pysimdjson", "parse", _simdjson, ("pysimdjson",)),
    Peer("json.loads", "parse", _parser("json", "loads", "JSONDecodeError"), ()),
    Peer("cbor2.loads", "skim", _parser("cbor2", "loads", "CBORDecodeError"), ("cbor2",)),
    Peer("empty call", "floor", _nothing, ()),
)
BY_NAME = {peer.name: peer for peer in PEERS}
