"""Operations of a scenario over HTTP, 1.1 or 2, and MQTT -> their requests."""

from collections.abc import Mapping
from itertools import count, islice
from urllib.parse import quote

from headgate_host.load import template
from headgate_host.load.messages import Message, Names
from headgate_host.load.mix_line import Line, Make, Maker, Source, keys_of, own, value_of
from headgate_host.load.operation import ACKNOWLEDGED, ANY_SUCCESS, MQTT, Expect, Operation, Request
from headgate_host.load.spoil import MALFORMED


def _stream(route: str, accepted: int) -> Maker:
    def maker(line: Line, source: Source | None, _names: Names) -> Make:
        assert source is not None  # noqa: S101 - the scenario's schema asks for data
        valid, invalid = own(line, template.MEDIA_TYPES[line.encoding])
        target = f"/v1/{route}/{line.stream}"
        right = Expect(line.expect or (accepted,))
        dealt = ((message, *_judged(message, line, valid, invalid, right)) for message in source.deal())
        numbers = count()

        def make(device: int) -> Request:
            message, operation, expect = next(dealt)
            return Request(operation, device, target, message.body.render(device, next(numbers)), expect)

        return make

    return maker


def _judged(
    message: Message, line: Line, valid: Operation, invalid: Operation, right: Expect
) -> tuple[Operation, Expect]:
    """How the appliance has to answer it."""
    if not message.keyword:
        return valid, right
    if message.keyword == MALFORMED:
        return invalid, Expect((400,), f"malformed_{line.encoding}")
    return invalid, Expect((422,), "schema_violation", message.instance)


def _batch(line: Line, source: Source | None, _names: Names) -> Make:
    """Records in the order of the data; each is judged alone."""
    assert source is not None  # noqa: S101
    operation, _ = own(line, template.BATCH_TYPES[line.encoding])
    target = f"/v1/streams/{line.stream}"
    end = b"\n" if line.encoding == "json" else b""
    framed = line.encoding == "json"  # a cut item would end a sequence of CBOR
    dealt = (message for message in source.deal() if framed or message.keyword != MALFORMED)
    numbers = count()

    def make(device: int) -> Request:
        messages = list(islice(dealt, line.records))
        body = b"".join([message.body.render(device, next(numbers)) + end for message in messages])
        statuses = tuple(
            [202 if not message.keyword else 400 if message.keyword == MALFORMED else 422 for message in messages]
        )
        return Request(operation, device, target, body, Expect(line.expect or (200,), lines=statuses))

    return make


def _cache(method: str, statuses: tuple[int, ...]) -> Maker:
    def maker(line: Line, source: Source | None, names: Names) -> Make:
        body_type = (
            "" if method != "PUT" else template.MEDIA_TYPES[line.encoding] if source else "application/octet-stream"
        )
        operation, _ = own(line, body_type, method=method)
        expect = Expect(line.expect or statuses)
        varies = "{device}" in line.key
        paths = (f"/v1/cache/{quote(key, safe='/{}')}" for key in keys_of(line))
        fixed = value_of(line) if method == "PUT" else b""
        dealt = source.deal() if source else None
        numbers = count()

        def make(device: int) -> Request:
            path = next(paths)
            target = path.replace("{device}", quote(names(device))) if varies else path
            body = fixed if dealt is None else next(dealt).body.render(device, next(numbers))
            return Request(operation, device, target, body, expect)

        return make

    return maker


def _http(line: Line, source: Source | None, names: Names) -> Make:
    """Any server's."""
    body = line.body.encode()
    body_type = template.MEDIA_TYPES[line.encoding] if source else "application/octet-stream" if body else ""
    valid, invalid = own(line, body_type, method=line.method or ("POST" if source or body else "GET"))
    right, refused = Expect(line.expect) if line.expect else ANY_SUCCESS, Expect(line.expect_invalid)
    dealt = source.deal() if source else None
    fixed = Message(template.Fixed(body))
    numbers = count()

    def make(device: int) -> Request:
        n = next(numbers)
        message = next(dealt) if dealt else fixed
        operation, expect = (invalid, refused) if message.keyword else (valid, right)
        return Request(
            operation, device, template.text(line.path, names, device, n), message.body.render(device, n), expect
        )

    return make


def _mqtt(line: Line, source: Source | None, names: Names) -> Make:
    """A broker judges nothing: what is wrong is acknowledged as well."""
    assert source is not None  # noqa: S101
    operation = Operation(line.name, MQTT, "PUBLISH", qos=line.qos, retain=line.retain)
    dealt = source.deal()
    numbers = count()

    def make(device: int) -> Request:
        n = next(numbers)
        topic = template.text(line.topic, names, device, n)
        return Request(operation, device, topic, next(dealt).body.render(device, n), ACKNOWLEDGED)

    return make


MAKERS: Mapping[str, Maker] = {
    "publish": _stream("streams", 202),
    "validate": _stream("validate", 200),
    "batch": _batch,
    "cache-get": _cache("GET", (200, 404)),
    "cache-put": _cache("PUT", (201, 204)),
    "cache-delete": _cache("DELETE", (204, 404)),
    "http": _http,
    "mqtt": _mqtt,
}
