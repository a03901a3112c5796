"""The native validator, its pure twin and the `jsonschema` package on the same schemas and bytes, and the two
HTTP parsers on the same connections, until time is up.

    make -C native_ext differential PYTHON=.../python FUZZ_SECONDS=3600 FUZZ_SEED=1

Schemas: those of the official suite, changed ones, random ones. Documents: the suite's instances, changed as values and
as bytes, as JSON and as CBOR. Whatever the twins do not say alike, and any verdict that `jsonschema` has otherwise
without a reason listed in `incomparable`, is cut down to a small case, printed, and makes the exit code 1.

Connections: http1_material.py; each in one piece, byte by byte and cut at random.
"""

import argparse
import json
import random
import re
import sys
import time
from collections.abc import Callable
from decimal import Decimal, InvalidOperation, localcontext
from typing import Any

import jsonschema
from fuzz_material import FAR, Material, loads, plain
from http1_material import Connections
from http1_material import disagreement as http1_disagreement
from referencing import Registry
from referencing.jsonschema import specification_with
from suite_files import suite
from told import names_a_duplicate, told

from headgate.core.schema import Schema as PureSchema
from headgate.core.schema import SchemaError as PureSchemaError
from headgate_native import Schema, SchemaError

DIALECTS = {
    "2020-12": (jsonschema.Draft202012Validator, "https://json-schema.org/draft/2020-12/schema"),
    "7": (jsonschema.Draft7Validator, "http://json-schema.org/draft-07/schema#"),
}
STEPS = "too many steps"  # the words for a document that asks for too much; the twins count differently
LIMIT = 16  # errors of one document


class Pair:
    """One schema in both twins, and in jsonschema if that has the same meaning."""

    def __init__(self, text: str, draft: str, formats: bool, registry: dict[str, str]) -> None:
        self.text, self.draft, self.formats = text, draft, formats
        options: dict[str, Any] = {"draft": draft, "formats": formats, "registry": registry}
        self.refusals: list[str] = []  # in words
        self.places: list[tuple[str, str]] = []  # by URI and pointer
        self.native = self.pure = None
        try:
            self.native = Schema(text, **options)
        except SchemaError as error:
            self._refused("native", error)
        try:
            self.pure = PureSchema(text, **options)
        except PureSchemaError as error:
            self._refused("pure", error)
        self.oracle = self._oracle(registry) if self.native is not None else None

    def _refused(self, by: str, error: Any) -> None:
        self.refusals.append(f"{by}: {error.uri}#{error.pointer}: {error.reason}")
        self.places.append((error.uri, error.pointer))

    def _oracle(self, registry: dict[str, str]) -> Any:
        if self.formats and '"format"' in self.text:
            return None  # jsonschema checks formats with other packages, and others than ours
        if "localhost:1234" in self.text or "json-schema.org" in self.text:
            return None  # other documents, metaschemas and vocabularies: its registry is not what is compared
        schema = _decimals(self.text)
        validator, _ = DIALECTS[self.draft]
        specification = specification_with(DIALECTS[self.draft][1])
        resources = [("", specification.create_resource(schema))]
        if FAR in self.text:
            resources.append((FAR, specification.create_resource(_decimals(registry[FAR]))))
        return validator(schema, registry=Registry().with_resources(resources))


def _decimals(text: str | bytes) -> Any:
    """Numbers as jsonschema calculates with them exactly: int, and Decimal where it must be."""

    def number(digits: str) -> Any:
        value = Decimal(digits)
        return int(value) if value == value.to_integral_value() else value

    with localcontext() as context:
        context.prec = 1000
        return json.loads(text, parse_int=number, parse_float=number)


def incomparable(pair: Pair, document: bytes) -> str:  # noqa: PLR0911 (a table, row by row)
    """Why jsonschema need not have our verdict on this well-formed document; "" if it must."""
    text = pair.text.encode() + document
    if re.search(rb"[eE][+-]?\d{3}|\d{60}", text):
        return "it would write out the digits of such numbers"
    if b'"pattern' in pair.text.encode() and (b"\\" in document or max(document, default=0) > 0x7F):
        return "Python's patterns: $ stands before a last line feed, \\d and \\w know all of Unicode"
    if b"\\" in pair.text.encode() and b'"pattern' in pair.text.encode():
        return "Python's patterns have other escapes than ECMA-262"
    if b"multipleOf" in pair.text.encode() and re.search(rb"[.eE]", text):
        return "multipleOf of fractions goes through 28 digits of Decimal, or through floats"
    if b'"patternProperties"' in pair.text.encode() and b'"":' in pair.text.encode().replace(b": ", b":"):
        return "beside additionalProperties (and unevaluatedProperties) it takes the pattern of no characters for none"
    if b"$dynamicRef" in pair.text.encode() and b"unevaluated" in pair.text.encode():
        return "it does not follow $dynamicRef to find what is evaluated"
    if b'"$dynamicAnchor"' in pair.text.encode() and re.search(rb'"\$ref": ?"[^"#]*#[^/"]', pair.text.encode()):
        return "it takes a $ref to a $dynamicAnchor for a $dynamicRef"
    return ""


def out_of_steps(result: Any) -> bool:
    return bool(result.errors) and STEPS in result.errors[0].message


def disagreement(pair: Pair, document: bytes, encoding: Any, thorough: bool) -> str:
    """What is not the same about the document; "" if nothing is."""
    assert pair.native is not None
    assert pair.pure is not None
    valid = pair.native.is_valid(document, encoding)
    expected = pair.pure.is_valid(document, encoding)
    if valid != expected or (thorough and not valid):
        mine, other = pair.native.validate(document, encoding), pair.pure.validate(document, encoding)
        if out_of_steps(mine) or out_of_steps(other):
            return ""
        if not (mine.valid == other.valid == valid == expected):
            return f"native {valid}/{mine.valid}, pure {expected}/{other.valid}"
        if mine.malformed != other.malformed:
            return f"malformed: native {told(mine)}, pure {told(other)}"
        if names_a_duplicate(other, encoding):
            return ""
        if max(len(mine.errors), len(other.errors)) < LIMIT and told(mine) != told(other):
            return f"native {told(mine)}\n  pure   {told(other)}"
    return oracle(pair, document, valid) if encoding == "json" else ""


def oracle(pair: Pair, document: bytes, valid: bool) -> str:
    if pair.oracle is None or incomparable(pair, document):
        return ""
    try:
        value = _decimals(document)
    except (ValueError, RecursionError):
        return "it is not even JSON for Python" if valid else ""
    if not valid and pair.native is not None and pair.native.validate(document).malformed:
        return ""  # stricter than Python's json: duplicate names, lone surrogates, depth, NaN
    try:
        expected = pair.oracle.is_valid(value)
    except (RecursionError, re.error, TypeError, InvalidOperation):
        return ""  # TypeError: additionalItems beside a boolean `items`; InvalidOperation: multipleOf, of 28 digits
    return "" if valid == expected else f"jsonschema says {expected}, native {valid}"


def smaller(document: bytes, fails: Callable[[bytes], bool]) -> bytes:
    """The document without all the runs of bytes that are not needed for it to fail."""
    size = max(1, len(document) // 2)
    while size:
        at = 0
        while at < len(document):
            shorter = document[:at] + document[at + size :]
            if fails(shorter):
                document = shorter
            else:
                at += size
        size //= 2
    return document


def smaller_schema(schema: Any, fails: Callable[[Any], bool]) -> Any:
    """The schema without the members and items that are not needed for it to fail."""
    changed = True
    while changed:
        changed = False
        for copy in _without_one(schema):
            if fails(copy):
                schema, changed = copy, True
                break
    return schema


def _without_one(value: Any) -> Any:
    if isinstance(value, dict):
        for name in value:
            yield {other: item for other, item in value.items() if other != name}
        for name, item in value.items():
            for copy in _without_one(item):
                yield {**value, name: copy}
    elif isinstance(value, list):
        for at in range(len(value)):
            yield value[:at] + value[at + 1 :]
        for at, item in enumerate(value):
            for copy in _without_one(item):
                yield [*value[:at], copy, *value[at + 1 :]]


def _without(value: Any, pointer: str) -> Any:
    """A copy without what the JSON pointer leads to."""
    if not pointer:
        return {}
    token, _, rest = pointer[1:].partition("/")
    if isinstance(value, dict):
        at: Any = token.replace("~1", "/").replace("~0", "~")
        copy: Any = dict(value)
    else:
        at, copy = int(token), list(value)
    if rest:
        copy[at] = _without(copy[at], "/" + rest)
    elif isinstance(copy, dict):
        del copy[at]
    else:
        copy[at] = {}
    return copy


class Run:
    def __init__(self, seed: int) -> None:
        files = suite("HEADGATE_JSON_SCHEMA_SUITE", "JSON-Schema-Test-Suite", "jsonschema-*.tar.gz", "json")
        self.material = Material(random.Random(seed), files)  # noqa: S311 (nothing secret)
        self.seen: set[str] = set()
        self.counts = {"schemas": 0, "refused": 0, "documents": 0, "cbor": 0}
        self.failures = 0

    def fail(self, what: str, draft: str, schema: str, document: bytes | None, encoding: str = "json") -> None:
        kind = re.sub(r"\d+", "", what)[:60] + schema[:20]
        self.failures += 1
        if kind not in self.seen:
            self.seen.add(kind)
            print(f"FAIL draft {draft} {encoding}: {schema}\n  document {document!r}\n  {what}", flush=True)
            if FAR in schema:
                print(f"  with {FAR}: {self.material.registry[FAR]}", flush=True)

    def round(self) -> None:
        """One schema, and some documents."""
        material, counts = self.material, self.counts
        draft, schema, instances = material.schema()
        formats = material.rng.randrange(2) == 0
        pair = Pair(plain(schema), draft, formats, material.registry)
        counts["schemas"] += 1
        if pair.native is None or pair.pure is None:
            counts["refused"] += 1
            if len(pair.refusals) == 1 or pair.places[0] != pair.places[1]:
                self.refusal(pair, schema)
            return
        for n in range(40):
            document = material.document(instances)
            self.judge(pair, document, "json", n % 2 == 0)
            if n % 4 == 0:
                self.as_cbor(pair, document)

    def refusal(self, pair: Pair, schema: Any) -> None:
        """Only one twin refuses it, or they do at different places; with several faults each may find its own."""

        def fails(copy: Any) -> bool:
            other = Pair(plain(copy), pair.draft, pair.formats, self.material.registry)
            if len(other.places) != 2 or other.places[0] == other.places[1]:
                return len(other.places) == 1
            if other.places[0][0]:
                return False  # in a document of the registry
            rest = Pair(plain(_without(copy, other.places[0][1])), pair.draft, pair.formats, self.material.registry)
            return rest.native is not None or rest.pure is not None

        if fails(schema):
            text = plain(smaller_schema(schema, fails))
            small = Pair(text, pair.draft, pair.formats, self.material.registry)
            self.fail("; ".join(small.refusals), pair.draft, text, None)

    def as_cbor(self, pair: Pair, document: bytes) -> None:
        try:
            item = ANYTHING.to_cbor(document)
        except ValueError:
            return
        if self.material.rng.randrange(2):
            item = self.material.broken(item)
        self.counts["cbor"] += 1
        self.judge(pair, item, "cbor", True)

    def judge(self, pair: Pair, document: bytes, encoding: str, thorough: bool) -> None:
        self.counts["documents"] += 1
        what = disagreement(pair, document, encoding, thorough)
        if what == "":
            return
        document = smaller(document, lambda shorter: disagreement(pair, shorter, encoding, thorough) != "")

        def fails(schema: Any) -> bool:
            try:
                other = Pair(plain(schema), pair.draft, pair.formats, self.material.registry)
                return (
                    other.native is not None
                    and other.pure is not None
                    and (disagreement(other, document, encoding, thorough) != "")
                )
            except Exception:  # (jsonschema on a schema that is none any more)
                return False

        schema = smaller_schema(loads(pair.text), fails)
        text = plain(schema)
        small = Pair(text, pair.draft, pair.formats, self.material.registry)
        if small.native is not None and small.pure is not None:
            what = disagreement(small, document, encoding, thorough) or what
        self.fail(f"{what} (formats={pair.formats})", pair.draft, text, document, encoding)


ANYTHING = Schema(True)


class Http1Run:
    """The HTTP parsers, beside the validators' Run."""

    def __init__(self, seed: int) -> None:
        self.material = Connections(random.Random(seed))  # noqa: S311 (nothing secret)
        self.connections = 0
        self.failures = 0

    def round(self) -> None:
        for n in range(20):
            data = self.material.input()
            limits, cuts, ends = self.material.limits(), self.material.cuts(len(data)), n % 2 == 0
            self.connections += 1
            if http1_disagreement(data, cuts, limits, ends):
                self.fail(data, cuts, limits, ends)

    def fail(self, data: bytes, cuts: list[int], limits: dict[str, int], ends: bool) -> None:
        data = smaller(data, lambda shorter: http1_disagreement(shorter, cuts, limits, ends) != "")
        what = http1_disagreement(data, cuts, limits, ends)
        self.failures += 1
        if self.failures < 10:
            print(f"FAIL http1 {data!r} cut at {cuts}, limits {limits}, ends {ends}\n  {what}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    run, connections = Run(options.seed), Http1Run(options.seed)
    if not run.material.groups:
        print("the official suite is not here (tests/unit/cpython/suite_files.py): random schemas only")
    end = time.monotonic() + options.seconds
    while time.monotonic() < end:
        run.round()
        connections.round()
    failures = run.failures + connections.failures
    print(f"seed {options.seed}: {run.counts}, {connections.connections} connections, {failures} disagreements")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
