"""The messages of a scenario: a pool made before the load begins, dealt out in an order that the seed decides."""

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from headgate.errors import CONFIG, MISSING, CommandError
from headgate.linux.config_values import closest
from headgate_host.load.sample import Sampler
from headgate_host.load.spoil import MALFORMED, SPOILERS, replaced, spoiled, value_at
from headgate_host.load.spoil import Path as Place
from headgate_host.load.template import ENCODINGS, Fill, Fixed, Template, fill_of

POOL = 128  # different valid messages
SPOILED_EACH = 8  # different messages for each keyword that is violated
DEAL = 2003  # messages in which the share of invalid ones is kept; a prime, for the reason of mix.TURNS
REPLAY_MAX = 64 << 20  # bytes of a recorded file
NO_PLACE = "there is no such member in these messages"

Names = Callable[[int], str]  # number of a device -> its name


@dataclass(frozen=True)
class Message:
    """`keyword`: what it violates, "" for a valid one; `instance`: JSON pointer of the violation, None if malformed."""

    body: Template | Fixed
    keyword: str = ""
    instance: str | None = None


@dataclass(frozen=True)
class Data:
    """One table [data.NAME] of a scenario."""

    name: str
    schema: Path | None = None
    replay: Path | None = None
    invalid: float = 0.0  # share
    violations: tuple[str, ...] = ()  # keywords; empty: whatever the schema has
    fields: Mapping[str, Any] = field(default_factory=dict)  # JSON pointer -> value or how it is filled in


class Pool:
    """The messages of one `Data` in one encoding."""

    def __init__(self, data: Data, encoding: str, names: Names, seed: int) -> None:
        self._encode = ENCODINGS[encoding]
        self.valid: list[Message] = []
        self.invalid: list[Message] = []
        if data.replay is not None:
            self.valid = [
                Message(Fixed(self._encode(one) if encoding == "cbor" else line)) for line, one in recorded(data.replay)
            ]
        else:
            self._make(data, names, seed)

    def _make(self, data: Data, names: Names, seed: int) -> None:
        if data.schema is None:
            raise ValueError("neither a schema nor a recording")
        sampler = Sampler(read(data.schema), str(data.schema), seed)
        fields = {place_of(pointer): value for pointer, value in data.fields.items()}
        fills = {place: fill for place, value in fields.items() if (fill := fill_of(value, names)) is not None}
        wanted = dict.fromkeys(data.violations or (*SPOILERS, MALFORMED), SPOILED_EACH) if data.invalid else {}
        for _ in range(POOL):
            document = self._with_fields(sampler, fields, fills, data)
            self.valid.append(Message(self._template(document, document, fills)))
            self._spoil(sampler, document, fills, wanted)
        missing = [keyword for keyword in data.violations if wanted.get(keyword) == SPOILED_EACH]
        if missing:
            raise CommandError(
                CONFIG, f"[data.{data.name}]: no message violates {missing[0]!r}", "Name others in `violations`"
            )

    def _with_fields(
        self, sampler: Sampler, fields: Mapping[Place, Any], fills: Mapping[Place, Fill], data: Data
    ) -> Any:
        """A valid document with the scenario's own values in it, those of the first message for what varies."""
        document = sampler.document()
        for place, value in fields.items():
            try:
                value_at(document, place[:-1])
                document = replaced(document, place, fills[place](0, 0) if place in fills else value)
            except (LookupError, TypeError):
                raise CommandError(CONFIG, f"[data.{data.name}.fields] {pointer_of(place)}: {NO_PLACE}", "") from None
        verdict = sampler.validator.validate(json.dumps(document).encode())
        if not verdict:
            first = verdict.errors[0]
            cause = (
                f"[data.{data.name}.fields] make messages that {data.schema} refuses: {first.instance}: {first.message}"
            )
            raise CommandError(CONFIG, cause, "Change the field, or leave it to the schema")
        return document

    def _spoil(self, sampler: Sampler, document: Any, fills: Mapping[Place, Fill], wanted: dict[str, int]) -> None:
        if not any(wanted.values()):
            return

        def wants(keyword: str) -> bool:
            return wanted.get(keyword, 0) > 0 and sampler.chance.random() < 0.5  # noqa: PLR2004 - not always the first

        for one in spoiled(sampler, document, wants):
            wanted[one.keyword] -= 1
            body = self._template(one.document, document, fills)
            self.invalid.append(Message(body, one.keyword, one.instance))
        if wanted.get(MALFORMED, 0) > 0:
            wanted[MALFORMED] -= 1
            self.invalid.append(Message(Fixed(self._encode(document)[:-1]), MALFORMED))

    def _template(self, document: Any, valid: Any, fills: Mapping[Place, Fill]) -> Template:
        """What varies is filled in only where the document still has what the valid one has."""
        kept = [(place, fill) for place, fill in fills.items() if _same(document, valid, place)]
        return Template(document, kept, self._encode)

    def deal(self, share: float, seed: int) -> Iterator[Message]:
        """Without end: the valid ones in turn, with the share of invalid ones kept over DEAL messages."""
        chance = random.Random(seed)  # noqa: S311 - reproducible order, nothing secret
        count = round(DEAL * share) if self.invalid else 0
        wrong = sorted(self.invalid, key=lambda _: chance.random())
        dealt = [*islice(cycle(wrong), count), *islice(cycle(self.valid), DEAL - count)]
        if count:
            chance.shuffle(dealt)
            return cycle(dealt)
        return cycle(self.valid)  # a recording in its order


def _same(one: Any, other: Any, place: Place) -> bool:
    try:
        return bool(value_at(one, place) == value_at(other, place))
    except (LookupError, TypeError):
        return False


def place_of(pointer: str) -> Place:
    """JSON pointer -> path; numbers stand for items of arrays."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    return tuple(int(part) if part.isdecimal() else part for part in parts)


def pointer_of(place: Place) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in place)


def read(path: Path, most: int = REPLAY_MAX) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(most + 1)
    except OSError as error:
        raise CommandError(
            MISSING, f"cannot read {path}: {error.strerror}", "Paths start at the scenario's folder"
        ) from None
    if len(data) > most:
        raise CommandError(MISSING, f"{path} is larger than {most >> 20} MiB", "Use a part of it")
    return data


def recorded(path: Path) -> Sequence[tuple[bytes, Any]]:
    """The lines of an NDJSON file: as they are, and as values."""
    found = []
    for number, line in enumerate(read(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            found.append((line, json.loads(line)))
        except (ValueError, RecursionError):
            raise CommandError(
                CONFIG, f"{path}:{number}: not a JSON text", "One message on each line (NDJSON)"
            ) from None
    if not found:
        raise CommandError(CONFIG, f"{path} has no messages", "One message on each line (NDJSON)")
    return found


def unknown_violation(word: str) -> str:
    """A hint for a keyword that nothing can violate; "" if it is known."""
    known = (*SPOILERS, MALFORMED)
    return "" if word in known else closest(word, known) or known[0]
