"""Messages that are wrong in one place on purpose, with what has to be said about them.

Each is a valid document with one value changed so that one keyword of the schema is violated; the validator confirms
it, or the attempt is dropped. So the answer an appliance owes is known: 422, and this violation among the others.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any, NamedTuple

from headgate_host.load.sample import Sampler

Json = Any
Path = tuple[str | int, ...]
Wrongs = Iterator[Json]
MALFORMED = "malformed"  # not by the schema: the text itself is cut


class Spoiled(NamedTuple):
    document: Json
    keyword: str  # that is violated
    instance: str  # JSON pointer of the violation, as the validator says it


def _types(value: Json, _: Json) -> Wrongs:
    candidates: tuple[Json, ...] = (None, True, "text", 7.5, [], {})
    yield from (wrong for wrong in candidates if type(wrong) is not type(value))


def _none_of(_value: Json, _allowed: Json) -> Wrongs:
    yield "none of these"
    yield None


def _below(_value: Json, bound: float) -> Wrongs:
    yield bound - 1


def _above(_value: Json, bound: float) -> Wrongs:
    yield bound + 1


def _between(value: float, step: float) -> Wrongs:
    yield round(value + step / 2, 9)


def _against(value: str, _pattern: str) -> Wrongs:
    yield from ("", "!", f"!{value}!")


def _shorter(value: Any, least: int) -> Wrongs:
    yield value[: int(least) - 1] if least else value


def _longer(value: Any, most: int) -> Wrongs:
    filler: Any = "x" if isinstance(value, str) else [deepcopy(value[-1]) if value else 0]
    yield value + filler * (int(most) + 1 - len(value))


def _without(value: dict[str, Json], required: list[str]) -> Wrongs:
    yield from ({other: kept for other, kept in value.items() if other != name} for name in required)


def _with_more(value: dict[str, Json], _: Json) -> Wrongs:
    yield {**value, "unasked": 1}


# keyword -> (the type of value it speaks of, how it is violated)
SPOILERS: Mapping[str, tuple[type | tuple[type, ...], Callable[[Any, Any], Wrongs]]] = {
    "type": (object, _types),
    "enum": (object, _none_of),
    "const": (object, _none_of),
    "minimum": ((int, float), _below),
    "maximum": ((int, float), _above),
    "exclusiveMinimum": ((int, float), _below),
    "exclusiveMaximum": ((int, float), _above),
    "multipleOf": ((int, float), _between),
    "pattern": (str, _against),
    "format": (str, _against),
    "minLength": (str, _shorter),
    "maxLength": (str, _longer),
    "minItems": (list, _shorter),
    "maxItems": (list, _longer),
    "required": (dict, _without),
    "additionalProperties": (dict, _with_more),
}


def spoiled(sampler: Sampler, document: Json, wants: Callable[[str], bool] = lambda _: True) -> Iterator[Spoiled]:
    """Everything that can be done to a valid document; `wants`: is it worth to try and violate this keyword?"""
    for path, said in _places(sampler, sampler.root, document, ()):
        value = value_at(document, path)
        for keyword, (kind, wrongs) in SPOILERS.items():
            if keyword not in said or not isinstance(value, kind) or isinstance(value, bool) > (kind is object):
                continue
            for wrong in wrongs(value, said[keyword]):
                if not wants(keyword):
                    continue
                changed = replaced(document, path, wrong)
                instance = violation(sampler, changed, keyword)
                if instance is not None:
                    yield Spoiled(changed, keyword, instance)


def violation(sampler: Sampler, document: Json, keyword: str) -> str | None:
    """Where the validator sees this keyword violated; None: nowhere."""
    errors = sampler.validator.validate(json.dumps(document).encode()).errors
    return next((error.instance for error in errors if error.schema.rpartition("/")[2] == keyword), None)


def _places(sampler: Sampler, schema: Json, value: Json, path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every value of the document with what the schema says about it."""
    said = sampler.said(schema)
    yield path, said
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _places(sampler, said.get("properties", {}).get(name, True), member, (*path, name))
    elif isinstance(value, list):
        prefix = said.get("prefixItems", [])
        for n, item in enumerate(value):
            yield from _places(sampler, prefix[n] if n < len(prefix) else said.get("items", True), item, (*path, n))


def value_at(document: Json, path: Path) -> Json:
    for part in path:
        document = document[part]
    return document


def replaced(document: Json, path: Path, value: Json) -> Json:
    """A copy with another value at `path`."""
    if not path:
        return deepcopy(value)
    changed = deepcopy(document)
    value_at(changed, path[:-1])[path[-1]] = deepcopy(value)
    return changed
