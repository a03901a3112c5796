"""The page of the bench: floors first, the claims judged by the figures, and nothing made up where none were taken."""

import copy
import json
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"
sys.path.append(str(BENCH))

from page import claims, page  # noqa: E402

LOAD = {"throughput": {"hey": {"cpu_us": 40.0, "rate": 20_000}, "wrk": {"cpu_us": 8.0, "rate": 90_000}}}
FLOORS = ["floor: fixed answer", "floor: the same core"]


@pytest.fixture
def kept() -> dict[str, Any]:
    """What a machine has measured."""
    found: dict[str, Any] = json.loads((BENCH / "results/gateway-x86_64.json").read_bytes())
    return found


def test_floors_come_first_then_ours_then_the_cheapest(kept: dict[str, Any]) -> None:
    names = [name for name, _ in page.in_order(kept["rows"]["ingest"]["servers"])]
    assert names[:3] == [*FLOORS, "headgate"]
    costs = [kept["rows"]["ingest"]["servers"][name]["us"] for name in names[3:]]
    assert costs == sorted(costs)


def test_claims_follow_the_figures(kept: dict[str, Any]) -> None:
    changed = copy.deepcopy(kept)
    servers = changed["rows"]["ingest"]["servers"]
    servers["headgate"]["us"], servers["article's stack"]["us"] = 10.0, 100.0
    servers["headgate"]["p99_us"] = 1001
    changed["rows"]["ingest-1000"]["servers"]["headgate"]["p99_us"] = 1000
    del changed["rows"]["fsync"]
    found = {claim.how: claim for claim in claims.claims(changed)}
    ours = next(claim for how, claim in found.items() if how.startswith("ours against the article's stack, as fast"))
    assert (ours.measured, ours.outcome) == ("10x", claims.HOLDS)
    assert found["ours, memory durability, 1,000 requests/s: p99, row `ingest-1000`"].outcome == claims.HOLDS
    slow = found["ours, memory durability, 64 connections without a pause: p99, row `ingest`"]
    assert (slow.measured, slow.outcome) == ("1 ms", claims.FAILS)
    assert [claim.outcome for how, claim in found.items() if "fsync" in how] == [claims.UNKNOWN]


def test_without_results_there_are_no_figures() -> None:
    assert {claim.outcome for claim in claims.claims({})} == {claims.UNKNOWN}
    assert "not measured" in page.page({}, {}, {}, "x.svg")


def test_the_page_and_its_picture(kept: dict[str, Any], tmp_path: Path) -> None:
    kept["rows"]["tls"]["skipped"] = {"nginx, fixed answer": "nginx is not there"}
    written = page.write(tmp_path, kept, {}, LOAD)
    text = written.read_text(encoding="utf-8")
    assert written.name == "bench-x86_64.md"
    assert text.index("| wrk | 8.0 | 90,000 |") < text.index("| hey | 40.0 | 20,000 |")
    ours = kept["rows"]["ingest"]["servers"]["headgate"]["us"]
    assert f"| **headgate** | **{ours:.1f}** | **1.00** |" in text
    assert "- tls: nginx, fixed answer: nginx is not there" in text
    for name in {**kept["machine"], **kept["versions"]}:
        assert f"| {name} | " in text
    picture = ElementTree.parse(tmp_path / "bench-x86_64.svg").getroot()  # noqa: S314 - our own
    bars = picture.findall(".//{http://www.w3.org/2000/svg}rect")
    pictured = [row for name, row in kept["rows"].items() if name in page.PICTURED]
    assert len(bars) == 2 * sum(len(row["servers"]) for row in pictured)
    assert all(float(bar.attrib["width"]) >= 0 for bar in bars)
