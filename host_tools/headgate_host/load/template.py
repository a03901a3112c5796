"""Messages rendered beforehand, with a few values that are filled in for each sending: what costs time is done before
the load begins, and one message then costs one formatting of bytes.
"""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from json.encoder import encode_basestring
from typing import Any

import cbor2

from headgate_host.load.spoil import Path, value_at

Json = Any
Encode = Callable[[Json], bytes]
Fill = Callable[[int, int], Json]  # (number of the device, number of the message) -> value

_PLACE = re.compile(r"\{(device|n|now)\}")


_dumps = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def to_json(value: Json) -> bytes:
    if type(value) is str:  # what is filled in mostly is a text or a number
        return encode_basestring(value).encode()
    return b"%d" % value if type(value) is int else _dumps(value).encode()


ENCODINGS: Mapping[str, Encode] = {"json": to_json, "cbor": cbor2.dumps}
MEDIA_TYPES = {"json": "application/json", "cbor": "application/cbor"}
BATCH_TYPES = {"json": "application/x-ndjson", "cbor": "application/cbor-seq"}


class Clock:
    """Wall-clock time as texts; the second is formatted once."""

    def __init__(self, read: Callable[[], float] = time.time) -> None:
        self.read = read
        self._second, self._text = -1, ""

    def rfc3339(self) -> str:
        now = self.read()
        second = int(now)
        if second != self._second:
            self._second, self._text = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._text}.{int((now - second) * 1000):03}Z"


CLOCK = Clock()
NOW: Mapping[str, Callable[[Clock], Json]] = {
    "rfc3339": lambda clock: clock.rfc3339(),
    "s": lambda clock: int(clock.read()),
    "ms": lambda clock: int(clock.read() * 1000),
}


def fill_of(value: Json, names: Callable[[int], str], clock: Clock = CLOCK) -> Fill | None:
    """What the scenario's `fields` have for one place -> how it is filled in; None: always the same value.

    A text may hold {device}, {n} (the number of the message) and {now}; {counter = 5} is a number that begins there,
    {now = "s"} the time.
    """
    if isinstance(value, dict) and "counter" in value:
        first = value["counter"]
        return lambda _device, n: first + n
    if isinstance(value, dict) and "now" in value:
        read = NOW[value["now"]]
        return lambda _device, _n: read(clock)
    if value == "{device}":
        return lambda device, _n: names(device)
    if isinstance(value, str) and _PLACE.search(value):
        return lambda device, n: text(value, names, device, n, clock)
    return None


def text(pattern: str, names: Callable[[int], str], device: int, n: int, clock: Clock = CLOCK) -> str:
    """`pattern` with its placeholders filled in."""
    made = pattern
    if "{device}" in made:
        made = made.replace("{device}", names(device))
    if "{n}" in made:
        made = made.replace("{n}", str(n))
    return made.replace("{now}", clock.rfc3339()) if "{now}" in made else made


class Template:
    """One message; `render` gives its bytes for one sending."""

    __slots__ = ("_encode", "_fills", "_pattern")

    def __init__(self, document: Json, fills: Sequence[tuple[Path, Fill]], encode: Encode) -> None:
        """`fills`: the places to fill in."""
        self._encode = encode
        marked = json.loads(json.dumps(document))
        marks = []
        for number, (path, _) in enumerate(fills):
            marks.append(f"\x01{number} is filled in\x01")
            value_at(marked, path[:-1])[path[-1]] = marks[-1]
        found = encode(marked)
        order = sorted(range(len(marks)), key=lambda number: found.index(encode(marks[number])))
        found = found.replace(b"%", b"%%")
        for mark in marks:
            found = found.replace(encode(mark), b"%b", 1)
        self._pattern = found if fills else encode(marked)
        self._fills = tuple(fills[number][1] for number in order)

    def render(self, device: int, n: int) -> bytes:
        if not self._fills:
            return self._pattern
        encode = self._encode
        return self._pattern % tuple([encode(fill(device, n)) for fill in self._fills])


class Fixed:
    """A message that is sent as it is."""

    __slots__ = ("_body",)

    def __init__(self, body: bytes) -> None:
        self._body = body

    def render(self, _device: int, _n: int) -> bytes:
        return self._body
