"""The official JSON-Schema-Test-Suite, drafts 2020-12 and 7, against whichever Schema HEADGATE_BACKEND gives.

Every required case, and of the optional ones those named here. Each case is asked as JSON and, where CBOR can say it
with a public encoder, as CBOR; the verdict, the explaining pass and the suite must all agree.
"""

import json
from pathlib import PurePosixPath
from typing import Any

import cbor2
import pytest
from suite_files import DOWNLOAD, suite

from headgate._accel import Schema

DRAFTS = {"draft2020-12": "2020-12", "draft7": "7"}
HOST = "http://localhost:1234/"  # where the suite says that its remotes/ are
FORMATS = (
    "date-time",
    "date",
    "time",
    "duration",
    "uuid",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uri-reference",
    "json-pointer",
    "relative-json-pointer",
    "regex",
)
OPTIONAL = ("bignum", "float-overflow", "anchor", "id", "no-schema", "dynamicRef", "refOfUnknownKeyword")
# Cases (of groups that load) in the suite's newest copy that we know, by draft: required, formats, other optional.
COUNTS = {"draft2020-12": (1299, 562, 32), "draft7": (927, 475, 17)}
NEWEST = 1299  # required cases of 2020-12 in that copy


def files() -> dict[str, bytes]:
    found = suite("HEADGATE_JSON_SCHEMA_SUITE", "JSON-Schema-Test-Suite", "jsonschema-*.tar.gz", "json")
    if not found:
        pytest.skip(f"no JSON-Schema-Test-Suite: {DOWNLOAD}, or name its directory in HEADGATE_JSON_SCHEMA_SUITE")
    return found


def kind(path: PurePosixPath) -> int:
    """0 required, 1 a format of ours, 2 another optional file of ours, -1 not taken."""
    if "optional" not in path.parts:
        return 0
    if "format" in path.parts:
        return 1 if path.stem in FORMATS else -1
    return 2 if path.stem in OPTIONAL else -1


def as_cbor(text: str) -> bytes | None:
    """What cbor2 makes of JSON text; None if a number in it has more digits than a float."""

    def exact(number: str) -> float:
        if len(number.partition("e")[0].replace(".", "").strip("-0")) > 15:
            raise OverflowError(number)
        return float(number)

    try:
        return cbor2.dumps(json.loads(text, parse_float=exact))
    except OverflowError:
        return None


@pytest.mark.parametrize("draft", DRAFTS)
def test_all_agree(draft: str) -> None:
    all_files = files()
    registry = {HOST + name.removeprefix("remotes/"): data for name, data in all_files.items() if "remotes/" in name}
    counts = [0, 0, 0]
    binary = 0
    wrong = []
    for name, data in all_files.items():
        path = PurePosixPath(name)
        if not path.is_relative_to(f"tests/{draft}") or kind(path) < 0:
            continue
        for group in json.loads(data, parse_float=_Literal, parse_int=_Literal):
            # `format` asserts nothing by default in the suite's view; in its optional files it does.
            schema = Schema(_text(group["schema"]), draft=DRAFTS[draft], registry=registry, formats=kind(path) == 1)
            for case in group["tests"]:
                text = _text(case["data"])
                counts[kind(path)] += 1
                verdicts = {schema.is_valid(text.encode()), bool(schema.validate(text.encode()))}
                encoded = as_cbor(text)
                if encoded is not None:
                    binary += 1
                    verdicts |= {schema.is_valid(encoded, "cbor"), bool(schema.validate(encoded, "cbor"))}
                if verdicts != {case["valid"]}:
                    wrong.append((name, group["description"], case["description"]))
    assert wrong == []
    print(f"{draft}: {counts[0]} required, {counts[1]} of formats, {counts[2]} other optional; {binary} as CBOR too")
    assert binary > 0.95 * sum(counts)
    if sum(1 for _ in _cases(all_files, "draft2020-12", 0)) == NEWEST:
        assert tuple(counts) == COUNTS[draft]
    else:
        assert counts[0] >= 850


def _cases(all_files: dict[str, bytes], draft: str, which: int) -> Any:
    for name, data in all_files.items():
        path = PurePosixPath(name)
        if path.is_relative_to(f"tests/{draft}") and kind(path) == which:
            for group in json.loads(data):
                yield from group["tests"]


class _Literal:
    """A number as the suite writes it: 1e308 must not become a float on its way."""

    def __init__(self, text: str) -> None:
        self.text = text


def _text(value: Any) -> str:
    if isinstance(value, _Literal):
        return value.text
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{_text(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_text, value)) + "]"
    return json.dumps(value)
