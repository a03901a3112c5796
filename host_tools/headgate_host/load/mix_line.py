"""One operation of a scenario, and what the makers of its requests have in common."""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

from headgate_host.load.messages import Message, Names, Pool
from headgate_host.load.operation import GRPC, HTTP, HTTP2, MQTT, Operation, Request, grpc_status

HTTP11, HTTP20 = "http/1.1", "http/2"
PROTOCOLS = {HTTP11: HTTP, HTTP20: HTTP2, GRPC: GRPC}  # by what `over` says
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
    over: str = HTTP11
    call: str = ""
    proto: Path | None = None
    message: Path | None = None

    @property
    def protocol(self) -> str:
        return MQTT if self.do == "mqtt" else PROTOCOLS[self.over]

    @property
    def statuses(self) -> tuple[int, ...]:
        """What `expect` says, where it says something."""
        return tuple(map(grpc_status, self.expect)) if self.over == GRPC else self.expect


@dataclass(frozen=True)
class Source:
    """Where the messages of a line come from."""

    pool: Pool
    invalid: Share
    seed: int

    def deal(self) -> Iterator[Message]:
        return self.pool.deal(self.invalid, self.seed)


Maker = Callable[[Line, Source | None, Names], Make]


def own(line: Line, body_type: str = "", **more: Any) -> tuple[Operation, Operation]:
    """The operation, and the one its invalid messages are counted as."""
    headers = {**({"Content-Type": body_type} if body_type else {}), **line.headers}
    names = (line.name, line.name + INVALID)
    made = [Operation(name, line.protocol, headers=headers, **more) for name in names]
    return made[0], made[1]


def keys_of(line: Line) -> Iterator[str]:
    """Of cache entries, without end; always in the same order."""
    order = list(range(line.keys))
    random.Random(line.name).shuffle(order)  # noqa: S311
    keys = [line.key.replace("{n}", str(n)) for n in order]
    return cycle(keys if line.keys > 1 or "{n}" in line.key else keys[:1])


def value_of(line: Line) -> bytes:
    """Of a cache entry that has no data."""
    return b"v" * line.size
