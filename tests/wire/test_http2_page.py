"""docs/http2.md: its tables say what there is."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

h2spec_cases = pytest.importorskip("h2spec_cases", reason="needs the Python package hpack (it comes with h2)")
from h2spec_steps import Case, stream_is_closed  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.not_emulated(reason="the page is not there")
ALLOWED = {"http2/5.3.1/1", "http2/5.3.1/2"}  # and what is stream_is_closed


def table(title: str) -> list[list[str]]:
    page = (ROOT / "docs" / "http2.md").read_text()
    section = page.split(f"## {title}\n")[1].split("\n## ")[0]
    return [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| ")][1:]


def test_every_test_that_is_named_exists() -> None:
    sources = [file for folder in ("wire", "e2e", "unit", "update") for file in (ROOT / "tests" / folder).rglob("*.py")]
    functions = set(re.findall(r"^def (test_\w+)", "\n".join(file.read_text() for file in sources), re.MULTILINE))
    names = {file.name for file in sources}
    for row in [*table("Clients and proxies"), *table("Attacks")]:
        for name in re.findall(r"`(test_[\w.]+)`", row[2]):
            assert name in names | functions, name
        assert "`test_" in row[2], row


def test_every_flood_has_a_row() -> None:
    import test_http2_floods

    said = "".join(row[0] for row in table("Attacks"))
    for flood in test_http2_floods.FLOODS:
        number = re.search(r"CVE-[\d-]+", flood)
        assert (number[0] if number else flood.split()[0]) in said.replace("PING answers", "answers"), flood


def group(case: Case) -> str:
    """As the page has them."""
    kind, section, *_ = case.number.split("/")
    major = int(section.split(".")[0])
    if kind != "http2":
        return kind
    return "http2, " + {3: "sections 3 and 4", 4: "sections 3 and 4", 5: "section 5", 6: "section 6"}.get(
        major, "sections 7 and 8"
    )


def test_the_cases_are_counted() -> None:
    cases = Counter(map(group, h2spec_cases.CASES))
    allowed = Counter(
        group(case) for case in h2spec_cases.CASES if case.expect is stream_is_closed or case.number in ALLOWED
    )
    cases["all"], allowed["all"] = cases.total(), allowed.total()
    rows = {name.strip(): tuple(map(int, numbers)) for name, *numbers in table("h2spec's cases")}
    assert rows == {name: (count, count - allowed[name], allowed[name]) for name, count in cases.items()}


def test_what_h2spec_finds_wrong_is_said() -> None:
    import test_h2spec

    page = (ROOT / "docs" / "http2.md").read_text()
    named = set(re.findall(r"`(http2/[\d./]+)`", page))
    assert named == test_h2spec.NOT_AS_H2SPEC_ASKS | test_h2spec.ANSWERED_BEFORE
    assert len(test_h2spec.NOT_AS_H2SPEC_ASKS) == 7, "as the page says"


def test_what_only_http1_has_is_counted() -> None:
    import test_over_http2

    assert len(test_over_http2.ONLY_HTTP1) == 7, "as the page says"
