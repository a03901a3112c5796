"""One rules table, one default file, one page: each key is in all three, with the same default."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from headgate.errors import EXIT_CODES
from headgate.linux import config_values as v
from headgate.linux.config_rules import SECTIONS
from headgate.linux.record import REQUIRED

pytestmark = pytest.mark.slow_emulated  # about files, the same on every machine

ROOT = Path(__file__).parents[3]
HERE = v.Context(Path("/etc/headgate"), Path("/var/lib/headgate"))


def every_rule() -> list[Any]:
    return [
        pytest.param(section, repeated, rule, id=f"{section}.{rule.key}")
        for section, (kind, repeated) in SECTIONS.items()
        for _, rule in kind.RULES.values()
    ]


def table_of(document: dict[str, Any], section: str, repeated: str) -> dict[str, Any]:
    found = document[section]
    if repeated == "array":
        return dict(found[0])
    return dict(next(iter(found.values()))) if repeated == "named" else dict(found)


@pytest.mark.parametrize(("section", "repeated", "rule"), every_rule())
def test_every_key_is_in_the_default_file(section: str, repeated: str, rule: Any) -> None:
    """With its default, or commented out as an example where there is none."""
    text = (v.data_directory() / "default.toml").read_text()
    table = table_of(tomllib.loads(text), section, repeated)
    if rule.key in table:
        if rule.default not in (None, REQUIRED) and (section, rule.key) != ("streams", "body_limit"):
            assert rule.kind.read(table[rule.key], HERE) == rule.kind.read(rule.default, HERE)
        return
    assert rule.default is None, "a key with a default must be shown"
    header = re.escape({"table": f"[{section}]", "array": f"[[{section}]]", "named": f"[{section}."}[repeated])
    body = re.split(r"\n\[", re.split(header, text, maxsplit=1)[1], maxsplit=1)[0]
    assert re.search(rf"^#{rule.key} = ", body, re.MULTILINE), "an optional key must be shown as an example"


def test_examples_in_the_default_file_are_valid() -> None:
    text = (v.data_directory() / "default.toml").read_text()
    document = tomllib.loads(re.sub(r"^#(?=[a-z_]+ = )", "", text, flags=re.MULTILINE))
    for section, (kind, repeated) in SECTIONS.items():
        rules = kind.RULES
        for key, value in table_of(document, section, repeated).items():
            if key != "seal_to":
                rules[key][1].kind.read(value, HERE)


@pytest.mark.parametrize(("section", "repeated", "rule"), every_rule())
def test_every_key_is_documented(section: str, repeated: str, rule: Any) -> None:
    """docs/configuration.md has a row `| key | type | default | meaning | at the limit |` in the section's table."""
    page = (ROOT / "docs" / "configuration.md").read_text()
    header = {"table": f"[{section}]", "array": f"[[{section}]]", "named": f"[{section}.NAME]"}[repeated]
    part = page.split(f"## `{header}`\n", 1)[1].split("\n## ", 1)[0]
    rows = {row.split("|")[1].strip(): row for row in part.splitlines() if row.startswith("| `")}
    assert rows[f"`{rule.key}`"] == row_of(rule)


def row_of(rule: Any) -> str:
    if rule.default is REQUIRED:
        default = "**required**"
    elif rule.default is None:
        default = "-"
    else:
        default = f"`{json.dumps(rule.default, ensure_ascii=False)}`"
    kind = rule.kind.label + (f"<br>{rule.kind.limits}" if rule.kind.limits else "")
    return f"| `{rule.key}` | {kind} | {default} | {rule.meaning} | {rule.at_limit or '-'} |"


def test_the_page_documents_no_other_keys() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `") and line.count(" | ") == 4]
    assert len(rows) == len(every_rule())


def test_every_exit_code_is_documented() -> None:
    page = (ROOT / "docs" / "exit-codes.md").read_text()
    for code, meaning in EXIT_CODES.items():
        assert f"| {code} | {meaning} |" in page
