"""A scenario's operations -> an endless, reproducible sequence of requests.

Everything that can be is rendered before the load begins. What is left for each request: a turn of the mix, a turn of
the devices, a formatting of bytes.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, cycle, islice
from typing import Any
from urllib.parse import quote

from headgate_host.load import template
from headgate_host.load.messages import Message, Names, Pool
from headgate_host.load.operation import ACKNOWLEDGED, ANY_SUCCESS, HTTP, MQTT, Expect, Operation, Request
from headgate_host.load.spoil import MALFORMED

# Turns of the mix, in which the weights are kept as exactly as whole numbers can. A prime: with a divisor in common
# with the number of devices, each device would always get the same few operations.
TURNS = 1009
INVALID = ".invalid"  # behind an operation's name: its messages that are wrong on purpose are counted apart
KEY = "load/{n}"
KEYS = 1000
VALUE_BYTES = 256
_REFUSED = (400, 422)

Make = Callable[[int], Request]  # device -> its next request
Share = float


@dataclass(frozen=True)
class Line:
    """One [[operation]] of a scenario; the members are described in scenario.schema.json."""

    name: str
    do: str
    weight: float = 1.0
    stream: str = ""
    data: str = ""
    encoding: str = "json"
    records: int = 100
    key: str = KEY
    keys: int = KEYS
    size: int = VALUE_BYTES
    method: str = ""  # POST where there is a body, else GET
    path: str = "/"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    expect: tuple[int, ...] = ()
    expect_invalid: tuple[int, ...] = _REFUSED
    topic: str = ""
    qos: int = 1
    retain: bool = False


@dataclass(frozen=True)
class Source:
    """Where the messages of a line come from."""

    pool: Pool
    invalid: Share
    seed: int

    def deal(self) -> Iterator[Message]:
        return self.pool.deal(self.invalid, self.seed)


def requests(
    lines: Sequence[Line], sources: Mapping[str, Source], names: Names, devices: int, seed: int
) -> Iterator[Request]:
    """`sources`: by the line's name, for those that have data."""
    chance = random.Random(seed)  # noqa: S311 - reproducible order, nothing secret
    makers: list[Make] = [MAKERS[line.do](line, sources.get(line.name), names) for line in lines]
    turns = shares([line.weight for line in lines])
    mix = [maker for maker, turn in zip(makers, turns, strict=True) for _ in range(turn)]
    chance.shuffle(mix)
    order = list(range(devices))
    chance.shuffle(order)
    for make, device in zip(cycle(mix), cycle(order), strict=False):
        yield make(device)


def shares(weights: Sequence[float], turns: int = TURNS) -> list[int]:
    """How many of `turns` each gets: by largest remainders, and each at least one."""
    turns = max(turns, len(weights))
    exact = [weight / sum(weights) * turns for weight in weights]
    found = [max(1, int(one)) for one in exact]
    by_remainder = sorted(range(len(weights)), key=lambda n: exact[n] - found[n], reverse=True)
    for n in islice(cycle(by_remainder), max(0, turns - sum(found))):
        found[n] += 1
    return found


def _own(line: Line, body_type: str = "", **more: Any) -> tuple[Operation, Operation]:
    """The operation, and the one its invalid messages are counted as."""
    headers = {**({"Content-Type": body_type} if body_type else {}), **line.headers}
    made = [Operation(name, HTTP, headers=headers, **more) for name in (line.name, line.name + INVALID)]
    return made[0], made[1]


def _stream(route: str, accepted: int) -> Callable[[Line, Source | None, Names], Make]:
    def maker(line: Line, source: Source | None, _names: Names) -> Make:
        assert source is not None  # noqa: S101 - the scenario's schema asks for data
        valid, invalid = _own(line, template.MEDIA_TYPES[line.encoding])
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
    operation, _ = _own(line, template.BATCH_TYPES[line.encoding])
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


def _cache(method: str, statuses: tuple[int, ...]) -> Callable[[Line, Source | None, Names], Make]:
    def maker(line: Line, source: Source | None, names: Names) -> Make:
        body_type = (
            "" if method != "PUT" else template.MEDIA_TYPES[line.encoding] if source else "application/octet-stream"
        )
        operation, _ = _own(line, body_type, method=method)
        expect = Expect(line.expect or statuses)
        order = list(range(line.keys))
        random.Random(line.name).shuffle(order)  # noqa: S311
        varies = "{device}" in line.key
        paths = [f"/v1/cache/{quote(line.key.replace('{n}', str(n)), safe='/{}')}" for n in order]
        keys = cycle(paths if line.keys > 1 or "{n}" in line.key else paths[:1])
        fixed = (b"v" * line.size) if method == "PUT" else b""
        dealt = source.deal() if source else None
        numbers = count()

        def make(device: int) -> Request:
            path = next(keys)
            target = path.replace("{device}", quote(names(device))) if varies else path
            body = fixed if dealt is None else next(dealt).body.render(device, next(numbers))
            return Request(operation, device, target, body, expect)

        return make

    return maker


def _http(line: Line, source: Source | None, names: Names) -> Make:
    """Any server's."""
    body = line.body.encode()
    body_type = template.MEDIA_TYPES[line.encoding] if source else "application/octet-stream" if body else ""
    valid, invalid = _own(line, body_type, method=line.method or ("POST" if source or body else "GET"))
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


MAKERS: Mapping[str, Callable[[Line, Source | None, Names], Make]] = {
    "publish": _stream("streams", 202),
    "validate": _stream("validate", 200),
    "batch": _batch,
    "cache-get": _cache("GET", (200, 404)),
    "cache-put": _cache("PUT", (201, 204)),
    "cache-delete": _cache("DELETE", (204, 404)),
    "http": _http,
    "mqtt": _mqtt,
}
