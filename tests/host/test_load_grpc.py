"""Operations of a scenario over HTTP/2 and gRPC: what is sent, by the .proto files that the appliance ships and
protobuf's own library; and how the answers are judged."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from headgate_host.load import mix_grpc, protobuf_wire, scenario
from headgate_host.load.grpc_proto import encoder
from headgate_host.load.operation import GRPC, HTTP, HTTP2, MQTT, Request, grpc_status
from headgate_host.load.scenario import ScenarioErrors

ROOT = Path(__file__).resolve().parents[2]
PROTO = ROOT / "firmware_py/headgate/data/proto/headgate/v1"
SCHEMA = ROOT / "firmware_py/headgate/data/weather.schema.json"
PHASE = '[[phase]]\nkind = "hold"\nrate = 1\nfor = "1 s"\n'
DATA = f'[data.w]\nschema = "{SCHEMA}"\ninvalid = "30 %"\n'


def requests(operation: str, top: str = "", count: int = 60) -> list[Request]:
    found = scenario.parse(f"{top}\n{PHASE}{DATA}[[operation]]\n{operation}".encode(), ROOT / "s.toml")
    return list(islice(found.requests(), count))


def errors(operation: str, top: str = "") -> str:
    with pytest.raises(ScenarioErrors) as failure:
        requests(operation, top)
    return "\n".join(finding.text() for finding in failure.value.findings)


@pytest.mark.parametrize(
    ("operation", "top", "protocol"),
    [
        ('do = "http"\npath = "/"', "", HTTP),
        ('do = "http"\npath = "/"', 'over = "http/2"', HTTP2),
        ('do = "http"\npath = "/"\nover = "http/1.1"', 'over = "http/2"', HTTP),
        ('do = "batch"\nstream = "w"\ndata = "w"\nover = "http/2"', "", HTTP2),
        ('do = "publish"\nstream = "w"\ndata = "w"\nover = "grpc"', 'over = "http/2"', GRPC),
        ('do = "grpc"\ncall = "a.B/C"', "", GRPC),
        ('do = "mqtt"\ntopic = "t"\ndata = "w"', 'over = "http/2"', MQTT),
    ],
)
def test_over_what(operation: str, top: str, protocol: str) -> None:
    assert {request.operation.protocol for request in requests(operation, top)} == {protocol}


@pytest.mark.parametrize(
    ("operation", "why"),
    [
        ('do = "batch"\nstream = "w"\ndata = "w"\nover = "grpc"', "is not a call of gRPC"),
        ('do = "http"\npath = "/"\nover = "grpc"', "is not a call of gRPC"),
        ('do = "mqtt"\ntopic = "t"\ndata = "w"\nover = "http/2"', "over"),
        ('do = "grpc"\ncall = "a.B/C"\nover = "http/2"', "over"),
        ('do = "grpc"\ncall = "C"', "call"),
        ('do = "grpc"', "call"),
        ('do = "grpc"\ncall = "a.B/C"\nexpect = [200]', "expect"),
        ('do = "http"\npath = "/"\nexpect = [0]', "expect"),
        ('do = "http"\npath = "/"\nproto = "x.proto"', "proto"),
    ],
)
def test_what_does_not_go_together(operation: str, why: str) -> None:
    assert why in errors(operation)


def message(file: str, name: str, data: bytes) -> Any:
    """By protobuf's library."""
    pytest.importorskip("grpc_tools")
    from google.protobuf import descriptor_pool, message_factory

    from headgate_host.load import grpc_proto

    pool = descriptor_pool.DescriptorPool()
    for one in grpc_proto._compiled(PROTO / file).file:
        pool.Add(one)
    kind = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"headgate.v1.{name}"))
    return kind.FromString(data)


@pytest.mark.parametrize("encoding", ["json", "cbor"])
@pytest.mark.parametrize(
    ("do", "file", "name", "call"),
    [
        ("publish", "ingest.proto", "PublishRequest", "Ingest/Publish"),
        ("validate", "validator.proto", "ValidateRequest", "Validator/ValidateOne"),
    ],
)
def test_messages_of_a_stream(do: str, file: str, name: str, call: str, encoding: str) -> None:
    words = f'do = "{do}"\nstream = "weather"\ndata = "w"\nencoding = "{encoding}"\n'
    plain, sent = requests(words), requests(words + 'over = "grpc"')
    assert {request.target for request in sent} == {f"/headgate.v1.{call}"}
    for one, request in zip(plain, sent, strict=True):
        found = message(file, name, request.body)
        assert (found.stream, found.body, found.encoding) == ("weather", one.body, 1 if encoding == "json" else 2)
        assert (found.SerializeToString(), request.operation.name) == (request.body, one.operation.name)
        wrong = one.operation.name.endswith(".invalid")
        if do == "publish":
            assert request.expect.statuses == (grpc_status(3 if wrong else 0),)
        else:  # the verdict is the answer
            assert request.expect.statuses == (grpc_status(0),)
            assert request.expect.problem == (one.expect.problem if wrong else mix_grpc.VALID)
            assert request.expect.instance == one.expect.instance


@pytest.mark.parametrize(("do", "name"), [("get", "GetRequest"), ("put", "PutRequest"), ("delete", "DeleteRequest")])
def test_messages_of_the_cache(do: str, name: str) -> None:
    (request,) = requests(f'do = "cache-{do}"\nkey = "of/{{device}} {{n}}"\nkeys = 1\nover = "grpc"', count=1)
    found = message("cache.proto", name, request.body)
    assert (found.key, found.SerializeToString()) == ("of/dev-00000 0", request.body)
    if do == "put":
        assert (found.value, found.content_type) == (b"v" * 256, "application/octet-stream")


def test_verdicts() -> None:
    kind = type(message("validator.proto", "ValidateResponse", b""))
    violation = {"instance": "/t", "schema": "/properties/t/maximum", "message": "is too large"}
    for fields, document in (
        ({"valid": True}, {"type": "none", "errors": []}),
        (
            {"code": "schema_violation", "detail": "x", "violations": [violation, {"instance": ""}]},
            {"type": "schema_violation", "errors": [{"instance": "/t"}, {"instance": ""}]},
        ),
        ({}, {"type": "", "errors": []}),
    ):
        assert mix_grpc.verdict(b"\0\0\0\0\0" + kind(**fields).SerializeToString()) == document
    assert mix_grpc.verdict(b"\0\0\0\0\1\xff") == {}


def test_json_for_our_own_calls() -> None:
    pytest.importorskip("grpc_tools")
    text = json.dumps({"stream": "weather", "encoding": "ENCODING_JSON", "body": "e30="}).encode()
    found = message(
        "ingest.proto", "PublishRequest", encoder(PROTO / "ingest.proto", "headgate.v1.Ingest/Publish")(text)
    )
    assert (found.stream, found.body) == ("weather", b"{}")


@pytest.mark.parametrize("data", [b"\x08", b"\x0a\x05abc", b"\x0b", b"\x08" + b"\x80" * 10, b"\x0d\0\0", b"\x80"])
def test_what_is_no_message(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"cut short|not known|64 bits"):
        list(protobuf_wire.fields(data))


def test_fields_that_are_skipped() -> None:
    data = b"\x0d\1\2\3\4" + protobuf_wire.number(2, 300) + b"\x19" + bytes(8) + protobuf_wire.sized(4, b"x")
    assert list(protobuf_wire.fields(data)) == [(2, 300), (4, b"x")]
