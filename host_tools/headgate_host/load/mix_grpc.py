"""Operations of a scenario over gRPC: those of the appliance as calls of headgate.v1 (firmware_py/headgate/data/proto),
and any unary call of any server."""

from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any

from headgate_host.load import protobuf_wire, template
from headgate_host.load.grpc_proto import encoder
from headgate_host.load.messages import Message, Names, read
from headgate_host.load.mix_line import Line, Make, Maker, Source, keys_of, own, value_of
from headgate_host.load.operation import Expect, Request, grpc_status
from headgate_host.load.protobuf_wire import number, sized
from headgate_host.load.spoil import MALFORMED

SERVICES = "/headgate.v1."
OK, INVALID_ARGUMENT, NOT_FOUND = map(grpc_status, (0, 3, 5))
ENCODINGS = {"json": 1, "cbor": 2}  # enum Encoding
BODY_FIELD = 3  # of PublishRequest and ValidateRequest
PREFIX = 5  # bytes before a message of gRPC
VALID = "none"  # the problem of a message that has none


def _message(line: Line) -> Callable[[bytes], bytes]:
    """Body -> PublishRequest or ValidateRequest."""
    begin = sized(1, line.stream.encode()) + number(2, ENCODINGS[line.encoding])
    return lambda body: begin + sized(BODY_FIELD, body)


def _stream(call: str, judged: Callable[[Line, Message], Expect]) -> Maker:
    def maker(line: Line, source: Source | None, _names: Names) -> Make:
        assert source is not None  # noqa: S101 - the scenario's schema asks for data
        valid, invalid = own(line)
        encode, numbers = _message(line), count()
        dealt = ((one, invalid if one.keyword else valid, judged(line, one)) for one in source.deal())

        def make(device: int) -> Request:
            message, operation, expect = next(dealt)
            body = encode(message.body.render(device, next(numbers)))
            return Request(operation, device, SERVICES + call, body, expect)

        return make

    return maker


def _published(line: Line, message: Message) -> Expect:
    return Expect((INVALID_ARGUMENT,)) if message.keyword else Expect(line.statuses or (OK,))


def _validated(line: Line, message: Message) -> Expect:
    """The verdict is the answer; whatever it is, the call has succeeded."""
    code = f"malformed_{line.encoding}" if message.keyword == MALFORMED else "schema_violation"
    return Expect(line.statuses or (OK,), code if message.keyword else VALID, message.instance, read=verdict)


def verdict(body: bytes) -> Mapping[str, Any]:
    """A ValidateResponse as a problem would say it."""
    try:
        found = list(protobuf_wire.fields(body[PREFIX:]))
        violations = [dict(protobuf_wire.fields(value)) for at, value in found if at == 4 and isinstance(value, bytes)]  # noqa: PLR2004
    except ValueError:
        return {}
    members = dict(found)
    code = members.get(2, b"")
    errors = [{"instance": _text(one.get(1, b""))} for one in violations]
    return {"type": VALID if members.get(1) else _text(code), "errors": errors}


def _text(value: int | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""


def _cache(call: str, statuses: tuple[int, ...]) -> Maker:
    def maker(line: Line, source: Source | None, names: Names) -> Make:
        operation, _ = own(line)
        expect = Expect(line.statuses or statuses)
        keys = keys_of(line)
        puts = call == "Cache/Put"
        kind = sized(3, (template.MEDIA_TYPES[line.encoding] if source else "application/octet-stream").encode())
        dealt = source.deal() if source else None
        fixed = sized(2, value_of(line)) + kind
        numbers = count()

        def make(device: int) -> Request:
            key = sized(1, next(keys).replace("{device}", names(device)).encode())
            value = b""
            if puts:
                value = fixed if dealt is None else sized(2, next(dealt).body.render(device, next(numbers))) + kind
            return Request(operation, device, SERVICES + call, key + value, expect)

        return make

    return maker


def _call(line: Line, source: Source | None, names: Names) -> Make:
    """Any server's: a message as it is, or JSON with its .proto file."""
    operation, _ = own(line)
    expect = Expect(line.statuses or (OK,))
    bodies = _bodies(line, source, names)

    def make(device: int) -> Request:
        return Request(operation, device, f"/{line.call}", bodies(device), expect)

    return make


def _bodies(line: Line, source: Source | None, names: Names) -> Callable[[int], bytes]:
    if line.message is not None:
        fixed = read(line.message)
        return lambda _device: fixed
    encode = encoder(line.proto, line.call) if line.proto is not None else bytes
    dealt: Iterator[Message] | None = source.deal() if source else None
    numbers = count()

    def body(device: int) -> bytes:
        n = next(numbers)
        if dealt is not None:
            return encode(next(dealt).body.render(device, n))
        return encode(template.text(line.body, names, device, n).encode())

    return body


MAKERS: Mapping[str, Maker] = {
    "publish": _stream("Ingest/Publish", _published),
    "validate": _stream("Validator/ValidateOne", _validated),
    "cache-get": _cache("Cache/Get", (OK, NOT_FOUND)),
    "cache-put": _cache("Cache/Put", (OK,)),
    "cache-delete": _cache("Cache/Delete", (OK, NOT_FOUND)),
    "grpc": _call,
}
