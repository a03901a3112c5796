"""docs/validator.md: every example is executed, and what it states as a number is what the code has."""

import doctest
import re
from pathlib import Path

from headgate import limits
from headgate_native import Schema, _native

PAGE = Path(__file__).resolve().parents[2] / "docs/validator.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_the_examples() -> None:
    done = doctest.testfile(str(PAGE), module_relative=False, encoding="utf-8")
    assert done.attempted > 20
    assert done.failed == 0


def test_every_format_is_named() -> None:
    named = re.search(r"Formats: `([^`]+)`", TEXT)
    assert named is not None
    assert named[1].split() == list(_native.FORMATS)


def test_every_argument_is_described() -> None:
    signature = Schema.__new__.__kwdefaults__
    assert signature is not None
    for name in ["schema", *signature]:
        assert f"| `{name}` |" in TEXT


def test_the_limits() -> None:
    rows = dict(re.findall(r'^\| `"(\w+)"`[^|]*\| ([\d,]+ \| [\d,]+) \|', TEXT, re.MULTILINE))
    assert set(rows) == {"depth", "steps", "bytes", "errors"}
    found = {name: [int(number.replace(",", "")) for number in row.split(" | ")] for name, row in rows.items()}
    assert found["depth"] == [limits.JSON_DEPTH, limits.DOCUMENT_DEPTH]
    assert found["steps"][0] == limits.SCHEMA_STEPS
    assert found["bytes"] == [limits.DOCUMENT_BYTES, limits.DOCUMENT_BYTES]
    assert found["errors"][0] == limits.SCHEMA_ERRORS
    for name, (_, most) in found.items():
        Schema(True, limits={name: most})
        try:
            Schema(True, limits={name: most + 1})
        except ValueError as error:
            assert str(most) in str(error)  # noqa: PT017 (for each of them)
        else:
            raise AssertionError(name)
    for number in (limits.SCHEMA_NODES, limits.SCHEMA_NAMES, limits.PATTERN_STATES, limits.FORMAT_TEXT):
        assert f"{number:,}" in TEXT
