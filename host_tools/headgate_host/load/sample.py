"""Valid messages out of a JSON Schema.

A document is made member by member from what the schema says, then put to the validator, and made anew if that says
no. So what comes out is always valid; a schema that only lets pass what cannot be found by this is an error, and the
advice then is to replay recorded messages.
"""

import json
import random
from collections.abc import Iterator, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from headgate._accel import Schema, SchemaError
from headgate.core.pattern import PatternError
from headgate.errors import CONFIG, CommandError
from headgate_host.load import sample_text

Json = Any
Said = dict[str, Any]  # what a schema says about one value, references and allOf resolved

ATTEMPTS = 500  # for one document
DEPTH = 12  # of references followed inside each other; then only what is required
NUMBERS = (0, 1000)  # where a schema sets no bounds
DECIMALS = Decimal("0.01")  # step of numbers about which nothing is said
SHARES = (0.0, 0.5, 0.5, 1.0)  # of the optional members, one of these for each document
EXTRA_ITEMS = 3
_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
_BY_KEYWORD = {  # the type that is meant where a schema does not say
    "properties": "object", "required": "object", "items": "array", "prefixItems": "array", "minItems": "array",
    "pattern": "string", "format": "string", "minLength": "string", "maxLength": "string", "minimum": "number",
    "maximum": "number", "multipleOf": "number", "exclusiveMinimum": "number", "exclusiveMaximum": "number",
}  # fmt: skip
_TIGHTER = {"minimum": max, "exclusiveMinimum": max, "minLength": max, "minItems": max,
            "maximum": min, "exclusiveMaximum": min, "maxLength": min, "maxItems": min}  # fmt: skip


class Sampler:
    """Makes valid documents; the same seed makes the same ones."""

    def __init__(self, schema: bytes, name: str, seed: int) -> None:
        """`name`: of the schema, for messages. Raises CommandError for one that cannot be compiled."""
        self.name = name
        try:
            self.validator = Schema(schema)
        except SchemaError as error:
            raise CommandError(
                CONFIG, f"{name} is not a usable JSON Schema: {error}", "'headgate check' says more"
            ) from None
        self.root: Json = json.loads(schema)
        self._conditions: dict[str, Schema] = {}
        self._share = 0.0
        self.chance = random.Random(seed)  # noqa: S311 - reproducible messages, nothing secret

    def documents(self) -> Iterator[Json]:
        while True:
            yield self.document()

    def document(self) -> Json:
        reason = ""
        for _ in range(ATTEMPTS):
            self._share = self.chance.choice(SHARES)
            try:
                made = self._value(self.root, 0)
            except (PatternError, _Impossible) as error:
                reason = str(error)
                continue
            except RecursionError:
                reason = "references that do not end"
                break
            verdict = self.validator.validate(json.dumps(made).encode())
            if verdict:
                return made
            reason = f"{verdict.errors[0].instance}: {verdict.errors[0].message}"
        cause = f"no valid message is found for {self.name}; the last attempt fails at {reason}"
        raise CommandError(CONFIG, cause, 'Replay recorded messages instead (replay = "messages.ndjson")')

    def said(self, schema: Json, depth: int = 0) -> Said:
        """What a schema says about the value itself: $ref, allOf, and one branch of anyOf and oneOf, merged into it."""
        if not isinstance(schema, dict):
            return {} if schema else {"not": {}}
        found: Said = {}
        if depth > DEPTH:
            raise _Impossible("references that do not end")
        if "$ref" in schema:
            found = merge(found, self.said(self._at(schema["$ref"]), depth + 1))
        found = merge(
            found, {key: value for key, value in schema.items() if key not in ("$ref", "allOf", "anyOf", "oneOf")}
        )
        for part in schema.get("allOf", ()):
            found = merge(found, self.said(part, depth + 1))
        for key in ("anyOf", "oneOf"):
            if key in schema:
                found = merge(found, self.said(self.chance.choice(schema[key]), depth + 1))
        return found

    def _at(self, reference: str) -> Json:
        """A place of this document; what refers elsewhere is followed by the validator alone."""
        place = self.root
        if not reference.startswith("#") or (reference[1:] and reference[1] != "/"):
            raise _Impossible(f"the reference {reference}")
        for name in reference[2:].split("/") if reference[1:] else ():
            key = name.replace("%25", "%").replace("~1", "/").replace("~0", "~")
            place = place[int(key)] if isinstance(place, list) else place[key]
        return place

    def _value(self, schema: Json, depth: int) -> Json:
        said = self.said(schema)
        if "const" in said:
            return said["const"]
        if "enum" in said:
            return self.chance.choice(said["enum"])
        return getattr(self, f"_{self._type(said)}")(said, depth)

    def _type(self, said: Said) -> str:
        kinds = said.get("type") or next((kind for key, kind in _BY_KEYWORD.items() if key in said), "string")
        kind: str = kinds if isinstance(kinds, str) else self.chance.choice(kinds)
        return kind

    def _null(self, _said: Said, _depth: int) -> None:
        return None

    def _boolean(self, _said: Said, _depth: int) -> bool:
        return self.chance.random() < 0.5  # noqa: PLR2004

    def _string(self, said: Said, _depth: int) -> str:
        return sample_text.of(said, self.chance)

    def _integer(self, said: Said, _depth: int) -> int:
        return int(self._stepped(said, max(Decimal(1), Decimal(str(said.get("multipleOf", 1))))))

    def _number(self, said: Said, _depth: int) -> float | int:
        value = self._stepped(said, Decimal(str(said.get("multipleOf", DECIMALS))))
        return int(value) if value == value.to_integral_value() else float(value)

    def _stepped(self, said: Said, step: Decimal) -> Decimal:
        """A multiple of `step` within the bounds."""
        low, high = (
            _bound(said, "minimum", "exclusiveMinimum", step),
            _bound(said, "maximum", "exclusiveMaximum", -step),
        )
        if low is None:
            low = Decimal(NUMBERS[0]) if high is None else min(Decimal(NUMBERS[0]), high - NUMBERS[1] * step)
        if high is None:
            high = max(Decimal(NUMBERS[1]), low + NUMBERS[1] * step)
        first, last = (low / step).to_integral_value(ROUND_CEILING), (high / step).to_integral_value(ROUND_FLOOR)
        if first > last:
            raise _Impossible(f"no multiple of {step} from {low} to {high}")
        return self.chance.randint(int(first), int(last)) * step

    def _array(self, said: Said, depth: int) -> list[Json]:
        prefix = said.get("prefixItems", [])
        least = int(said.get("minItems", len(prefix)))
        most = int(said.get("maxItems", least + EXTRA_ITEMS))
        rest = said.get("items", {"type": "integer"})
        count = least if depth >= DEPTH // 2 else self.chance.randint(least, max(least, min(most, least + EXTRA_ITEMS)))
        if rest is False:
            count = min(count, len(prefix))
        return [self._value(prefix[n] if n < len(prefix) else rest, depth + 1) for n in range(count)]

    def _object(self, said: Said, depth: int) -> dict[str, Json]:
        properties = said.get("properties", {})
        share = 0.0 if depth >= DEPTH // 2 else self._share
        required = said.get("required", ())
        found = {name: self._value(schema, depth + 1) for name, schema in properties.items()
                 if name in required or (schema is not False and self.chance.random() < share)}  # fmt: skip
        for name in required:
            if name not in found:
                found[name] = self._value(said.get("additionalProperties", True), depth + 1)
        for condition in said.get("conditions", ()):
            self._settle(condition, found, properties, depth)
        order = {name: n for n, name in enumerate(properties)}  # as devices write: always the same
        return dict(sorted(found.items(), key=lambda member: order.get(member[0], len(order))))

    def _settle(self, condition: Said, found: dict[str, Json], properties: Said, depth: int) -> None:
        """if/then/else: adds the members that follow from those that are there, removes those that may not be."""
        holds = self._condition(condition["if"]).is_valid(json.dumps(found).encode())
        then = self.said(condition.get("then" if holds else "else", True))
        joined = merge({"properties": properties}, then)["properties"]
        for name, schema in then.get("properties", {}).items():
            if name in found and joined[name] is False:
                del found[name]
            elif name in found and schema is not True:
                found[name] = self._value(joined[name], depth + 1)
        for name in then.get("required", ()):
            if name not in found:
                found[name] = self._value(joined.get(name, True), depth + 1)
        refused = then.get("not", {})
        for name in refused.get("required", ()) if isinstance(refused, dict) else ():
            found.pop(name, None)

    def _condition(self, schema: Json) -> Schema:
        """Compiled once; with the definitions that it may refer to."""
        key = json.dumps(schema)
        if key not in self._conditions:
            definitions = {name: self.root[name] for name in ("$defs", "definitions") if name in self.root}
            self._conditions[key] = Schema({**definitions, **schema} if isinstance(schema, dict) else schema)
        return self._conditions[key]


class _Impossible(ValueError):
    """Not this way; another attempt may go another one."""


def _bound(said: Said, inclusive: str, exclusive: str, step: Decimal) -> Decimal | None:
    found = [Decimal(str(said[inclusive]))] if inclusive in said else []
    if exclusive in said:
        found.append(Decimal(str(said[exclusive])) + step)
    return None if not found else max(found) if step > 0 else min(found)


def both(one: Json, other: Json) -> Json:
    """The schema that says what both say."""
    if one is False or other is False:
        return False
    return other if one is True else one if other is True else {"allOf": [one, other]}


def merge(one: Mapping[str, Any], other: Mapping[str, Any]) -> Said:
    """What both say. Keywords that cannot be joined are taken from the second: the validator has the last word."""
    found = dict(one)
    if "if" in other:
        found["conditions"] = [
            *found.get("conditions", ()),
            {key: other[key] for key in ("if", "then", "else") if key in other},
        ]
    for key, value in other.items():
        if key in ("if", "then", "else"):
            continue
        if key not in found or key not in one:
            found[key] = value if key != "conditions" else [*found.get("conditions", ()), *value]
        elif key == "properties":
            found[key] = {
                **one[key],
                **{name: both(one[key].get(name, True), schema) for name, schema in value.items()},
            }
        elif key in ("items", "additionalProperties"):
            found[key] = both(one[key], value)
        elif key == "required":
            found[key] = list(dict.fromkeys([*one[key], *value]))
        elif key == "conditions":
            found[key] = [*one[key], *value]
        elif key == "enum":
            found[key] = [item for item in one[key] if item in value]
        elif key in _TIGHTER:
            found[key] = _TIGHTER[key](one[key], value)
        else:
            found[key] = value
    return found
