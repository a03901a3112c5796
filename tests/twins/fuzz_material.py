"""What fuzz_differential.py judges: schemas of the official suite and random ones, and documents near them.

A schema and a document are Python values in which each number is a `Number`: text as it is to be written. All is drawn
from one random.Random, so a seed names a run.
"""

import json
import random
from pathlib import PurePosixPath
from typing import Any

REMOTES = "http://localhost:1234/"  # where the suite says that its remotes/ are
DRAFTS = {"draft2020-12": "2020-12", "draft7": "7"}


class Number(str):
    """A JSON number by its text."""

    __slots__ = ()


NUMBERS = [
    Number(text)
    for text in [
        "0",
        "-0",
        "1",
        "1.0",
        "10e-1",
        "2",
        "3",
        "-1",
        "1.5",
        "0.1",
        "0.30",
        "600.03",
        "1e2",
        "100",
        "-1e-3",
        "4.5e0",
        "9007199254740993",
        "9223372036854775808",
        "1e30",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775809",
        "123456789012345678901234567890.5",
        "3.4e38",
        "1e400",
    ]
]
NAMES = ["a", "b", "ab", "foo", "bar", "é", "a/b", "~", "", "\0", "\U0001f600"]
TEXTS = [
    *NAMES, "abcabc", "2024-02-29", "2024-02-29T23:59:60Z", "12:00:00Z", "P1DT2H", "127.0.0.1", "::1", "a@b.example",
    "host.example", "urn:x:y", "/a/0", "0#", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "[a-z]+", "(", "x" * 40, "YWJj",
]  # fmt: skip
PATTERNS = ["^a", "b$", "^[a-c]+$", "^(ab|c)*$", "[0-9]", "^.{2,4}$", "^x-", "^$", "[^a]", "o"]
TYPES = ["null", "boolean", "integer", "number", "string", "array", "object"]
FORMATS = ["date-time", "date", "time", "duration", "uuid", "email", "hostname", "ipv4", "ipv6", "uri", "regex"]


def loads(text: str | bytes) -> Any:
    return json.loads(text, parse_int=Number, parse_float=Number)


def plain(value: Any) -> str:
    """The value as JSON, always written the same way."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{plain(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(plain, value)) + "]"
    return str(value) if isinstance(value, Number) else json.dumps(value)


class Material:
    """`files`: the suite's JSON files by path; may be empty."""

    def __init__(self, rng: random.Random, files: dict[str, bytes]) -> None:
        self.rng = rng
        self.registry = {
            REMOTES + PurePosixPath(path).relative_to("remotes").as_posix(): data.decode()
            for path, data in files.items()
            if path.startswith("remotes/")
        }
        self.groups: list[tuple[str, Any, list[Any]]] = []  # draft, schema, instances
        for path, data in files.items():
            draft = DRAFTS.get(PurePosixPath(path).parts[1], "") if path.startswith("tests/") else ""
            for group in loads(data) if draft else []:
                self.groups.append((draft, group["schema"], [test["data"] for test in group["tests"]]))

    def schema(self) -> tuple[str, Any, list[Any]]:
        """A draft, a schema in it, and documents to begin with."""
        draft, schema, instances = self.rng.choice(self.groups) if self.groups else ("2020-12", {}, [])
        how = self.rng.randrange(10) if self.groups else 9
        if how < 5:
            return draft, schema, instances
        if how < 7:
            return draft, self.changed(schema, self.random_schema(draft, 1)), instances
        schema = self.random_schema(draft, 3)
        if isinstance(schema, dict):
            definitions = "$defs" if draft == "2020-12" else "definitions"
            schema = {**schema, definitions: {name: self.random_schema(draft, 2) for name in "ab"}}
            if draft == "2020-12":
                schema = self.with_scopes(schema)
        return draft, schema, [self.value(3) for _ in range(4)]

    def with_scopes(self, schema: Any) -> Any:
        """The schema, mostly what is in its $defs, and another document, as resources that have a (dynamic) anchor
        each: a $dynamicRef leads to one or the other, and sometimes round in a circle.
        """
        rng = self.rng
        far = self.random_schema("2020-12", 2)
        far = far if isinstance(far, dict) else {}
        definitions = schema["$defs"]
        resources = [("top", schema), *definitions.items(), ("far", far)]
        resources = [(name, one) for name, one in resources if isinstance(one, dict)]
        for name, one in resources:
            if name in definitions and rng.randrange(4) == 0:
                continue
            one["$id"] = f"x:{name}"
            for anchor in rng.sample(ANCHORS, rng.choice([1, 1, 2, 3])):  # some are asked for, some are not
                inner = anchor != "n" or rng.randrange(2) == 0
                anchored = {"type": rng.choice(TYPES)} if inner else one
                anchored[rng.choice(["$dynamicAnchor", "$dynamicAnchor", "$anchor"])] = anchor
                if inner and rng.randrange(3) == 0:
                    anchored["$dynamicRef"] = "#" + rng.choice(ANCHORS)
                if inner:
                    one["$defs"] = {**one.get("$defs", {}), anchor: anchored}
        if isinstance(definitions["a"], dict) and rng.randrange(4) == 0:  # one within the other
            place = rng.choice(["$defs", "$defs", "properties", "dependentSchemas"])
            definitions["a"][place] = {**definitions["a"].get(place, {}), "b": definitions.pop("b")}
        self.aim([("x:top", schema), (FAR, far)])
        self.registry[FAR] = plain(far)
        return schema

    def aim(self, documents: list[tuple[str, Any]]) -> None:
        """Most references of the documents lead to something, and many not for the same value: else few compile."""
        rng = self.rng
        found = [pair for uri, document in documents for pair in _places(document, uri)]
        known: set[str] = set()
        dynamic: set[str] = set()
        for here, one in found:
            known.add(here)
            for keyword in ("$anchor", "$dynamicAnchor"):
                if keyword in one:
                    (dynamic if keyword == "$dynamicAnchor" else known).add(f"{here}#{one[keyword]}")
            if one.get("$id") == here:
                known |= {f"{here}#/$defs/{name}" for name in one.get("$defs", ())}
        for here, one in found:
            for keyword in ("$ref", "$dynamicRef"):
                reference = one.get(keyword, "")
                full = here + reference if reference[:1] == "#" else reference
                wanted = sorted(dynamic if keyword == "$dynamicRef" and rng.randrange(6) else known | dynamic)
                if keyword in one and full.rstrip("#") not in wanted and rng.randrange(16) and wanted:
                    full = rng.choice(wanted)
                    one[keyword] = full[len(here) :] if full.startswith(here + "#") and rng.randrange(3) else full
                if keyword in one and rng.randrange(3):
                    one[rng.choice(DEEPER)] = {keyword: one.pop(keyword)}

    # --- values -----------------------------------------------------------------------------------------------------

    def value(self, depth: int) -> Any:
        rng = self.rng
        kind = rng.randrange(8 if depth else 5)
        if kind == 0:
            return rng.choice([None, True, False])
        if kind <= 2:
            return rng.choice(NUMBERS) if rng.randrange(2) else Number(rng.randrange(-3, 10))
        if kind <= 4:
            return rng.choice(TEXTS)
        if kind == 5:
            return [self.value(depth - 1) for _ in range(rng.randrange(4))]
        return {rng.choice(NAMES[:6]): self.value(depth - 1) for _ in range(rng.randrange(4))}

    def changed(self, value: Any, other: Any) -> Any:
        """A copy of the value in which one place is gone, twice there, renamed, or `other`."""
        rng = self.rng
        if isinstance(value, list | dict) and value and rng.randrange(4):
            keys = list(value) if isinstance(value, dict) else list(range(len(value)))
            at = rng.choice(keys)
            copy: Any = dict(value) if isinstance(value, dict) else list(value)
            how = rng.randrange(6)
            if how == 0:
                del copy[at]
            elif how == 1 and isinstance(copy, dict):
                copy[rng.choice(NAMES)] = copy.pop(at)
            elif how == 1:
                copy.insert(at, copy[at])
            else:
                copy[at] = self.changed(copy[at], other)
            return copy
        if isinstance(value, dict) and rng.randrange(2):
            return {**value, rng.choice(NAMES[:6]): other}
        if isinstance(value, list) and rng.randrange(2):
            return [*value, other]
        if isinstance(value, Number) and rng.randrange(2):
            return Number(rng.choice(["-", "", ""]) + value.lstrip("-") + rng.choice(["0", "1"]))
        return other

    def document(self, instances: list[Any]) -> bytes:
        """Near one of the instances, written in one of many ways, and sometimes with broken bytes."""
        rng = self.rng
        value = rng.choice(instances) if instances else self.value(3)
        for _ in range(rng.randrange(4)):
            value = self.changed(value, self.value(rng.randrange(3)))
        data = self.text(value).encode()
        return self.broken(data) if rng.randrange(4) == 0 else data

    def broken(self, data: bytes) -> bytes:
        """A few bytes changed, put in, taken out or cut off."""
        rng = self.rng
        out = bytearray(data)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(out) + 1)
            byte = (
                rng.choice(b'{}[]",:\\ue0-+.1\x00\x1f\x80\xc3\xed\xff\n tfn')
                if rng.randrange(2)
                else rng.randrange(256)
            )
            how = rng.randrange(9)
            if how < 3:
                out[at : at + 1] = bytes([byte])
            elif how < 6:
                out[at:at] = bytes([byte])
            elif how < 8:
                del out[at : at + rng.randrange(1, 3)]
            else:
                del out[at:]
        return bytes(out)

    def text(self, value: Any) -> str:
        """The value as JSON: white space and escapes are drawn."""
        rng = self.rng
        white = rng.choice(["", "", "", " ", "\n", "\t\r\n"])
        if isinstance(value, dict):
            members = [f"{self.text(name)}{white}:{self.text(item)}" for name, item in value.items()]
            return "{" + white + f"{white},".join(members) + "}"
        if isinstance(value, list):
            return f"[{white}{f',{white}'.join(self.text(item) for item in value)}]"
        if isinstance(value, Number):
            return str(value) + white
        if isinstance(value, str):
            text = json.dumps(value, ensure_ascii=rng.randrange(2) == 0)
            if value and value[0] < "\ud800" and rng.randrange(6) == 0:
                return f'"\\u{ord(value[0]):04X}{json.dumps(value[1:])[1:]}'
            return text
        return json.dumps(value) + white

    # --- schemas ----------------------------------------------------------------------------------------------------

    def random_schema(self, draft: str, depth: int) -> Any:
        rng = self.rng
        if rng.randrange(12) == 0:
            return rng.choice([True, False])
        names = list(SIMPLE) if depth == 0 else [*SIMPLE, *NESTED[draft], *NESTED[draft]]
        schema: dict[str, Any] = {}
        for _ in range(rng.randrange(1, 4)):
            name = rng.choice(names)
            schema[name] = self.argument(name, draft, max(0, depth - 1))
        if draft == "7" and "$ref" in schema:
            return {"$ref": schema["$ref"]}
        if "const" in schema:  # together with enum the two may tell it by another of them
            schema.pop("enum", None)
        return schema

    def argument(self, name: str, draft: str, depth: int) -> Any:
        rng = self.rng
        takes = {**SIMPLE, **NESTED[draft]}[name]
        if isinstance(takes, list):
            return rng.choice(takes)
        sub = self.random_schema
        few = [sub(draft, depth) for _ in range(rng.randrange(1, 4))] if takes in ("subs", "map", "both") else []
        made: dict[str, Any] = {"subs": few, "both": rng.choice([few, few[0]]) if few else None}
        if takes == "map":
            keys = PATTERNS if name == "patternProperties" else NAMES[:6]
            made["map"] = {rng.choice(keys): item for item in few}
        elif takes == "sub":
            made["sub"] = sub(draft, depth)
        elif takes == "value":
            made["value"] = self.value(2)
        elif takes == "values":
            made["values"] = [self.value(2) for _ in range(rng.randrange(1, 4))]
        elif takes == "names":
            made["names"] = sorted({rng.choice(NAMES[:5]) for _ in range(rng.randrange(3))})
        elif takes == "lists":
            made["lists"] = {rng.choice(NAMES[:5]): sorted({rng.choice(NAMES[:5])}) for _ in range(2)}
        elif takes == "reference":
            place = "#/$defs/" if draft == "2020-12" else "#/definitions/"
            made["reference"] = rng.choice(["#", place + "a", place + "b", *ACROSS[draft]])
        elif takes == "dynamic":
            made["dynamic"] = rng.choice(["#n", "#n", "#m", "x:a#n", "x:b#m", "#/$defs/n", *ACROSS[draft]])
        return made[takes]


def _places(value: Any, here: str) -> list[tuple[str, dict[str, Any]]]:
    """The schemas in a schema, each with the URI of its resource; and other objects, which have no keywords."""
    found = []
    if isinstance(value, dict):
        here = value.get("$id", here)
        found.append((here, value))
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        found += _places(item, here)
    return found


ANCHORS = ["n", "m", "o"]
FAR = "x:far"  # a document of the registry
DEEPER = ["items", "additionalProperties", "contains", "propertyNames"]
ACROSS = {"2020-12": ["x:top", "x:a", "x:b", FAR], "7": []}  # Material.with_scopes
_COUNTS = [Number(count) for count in range(5)]
_BOUNDS = [
    Number(text) for text in ["0", "1", "1.5", "-1", "2", "3", "10", "9007199254740993", "9223372036854775808", "1e30"]
]
SIMPLE: dict[str, Any] = {
    "type": [*TYPES, ["integer", "string"], ["number", "null", "array"], ["object", "boolean"]],
    "enum": "values", "const": "value", "minimum": _BOUNDS, "maximum": _BOUNDS, "exclusiveMinimum": _BOUNDS,
    "exclusiveMaximum": _BOUNDS, "multipleOf": [Number(text) for text in ["1", "2", "0.01", "0.3", "1.5", "7", "100"]],
    "minLength": _COUNTS, "maxLength": _COUNTS, "pattern": PATTERNS, "format": FORMATS, "minItems": _COUNTS,
    "maxItems": _COUNTS, "uniqueItems": [True, False], "minProperties": _COUNTS, "maxProperties": _COUNTS,
    "required": "names",
}  # fmt: skip
_COMMON = {
    "properties": "map", "patternProperties": "map", "additionalProperties": "sub", "propertyNames": "sub",
    "contains": "sub", "allOf": "subs", "anyOf": "subs", "oneOf": "subs", "not": "sub", "if": "sub", "then": "sub",
    "else": "sub", "$ref": "reference",
}  # fmt: skip
NESTED: dict[str, dict[str, Any]] = {
    "2020-12": {
        **_COMMON, "prefixItems": "subs", "items": "sub", "minContains": _COUNTS, "maxContains": _COUNTS,
        "unevaluatedItems": "sub", "unevaluatedProperties": "sub", "dependentSchemas": "map",
        "dependentRequired": "lists", "$dynamicRef": "dynamic",
    },
    "7": {**_COMMON, "items": "both", "additionalItems": "sub", "dependencies": "map"},
}  # fmt: skip
