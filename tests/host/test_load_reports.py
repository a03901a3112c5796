"""Reports: what stands in them comes from the result, and nothing in a result can break them."""

import json
import re
from argparse import Namespace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from load_kit import a_result

from headgate.errors import CommandError
from headgate_host.load import chart, exits, report, report_html, report_tables, report_text
from headgate_host.load.distribution import Distribution
from headgate_host.load.result import KEPT, BudgetOutcome, DeviceSeries, Result

HOSTILE = "</title><script>alert(1)</script>\"'|&\x00\ufffe`"


def long_result() -> Result:
    """A day, with more of everything than a page shows."""
    found = a_result(seconds=30)
    series = found.series
    for name in ("due", "sent", "done", "errors", "in_flight", "p50_ms", "p99_ms"):
        setattr(series, name, getattr(series, name) * (86_400 // 30))
    for n in range(30):
        found.device.series[f"figure{n}"] = DeviceSeries("bytes", [float(k * n) for k in range(86_400)])
    found.operations |= {f"operation{n}": found.total for n in range(100)}
    return found


class Page(HTMLParser):
    """Tags, and what is loaded from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]


@pytest.mark.parametrize("make", [a_result, long_result])
def test_a_page_is_small_and_needs_nothing_else(make: object) -> None:
    text = report_html.page(make())  # type: ignore[operator]
    assert len(text.encode()) < report_html.PAGE_MAX
    page = Page(text)
    assert page.loads == ["data:,"]
    assert "script" not in page.tags
    assert "@import" not in text
    assert "url(" not in text


def test_charts_have_every_point() -> None:
    found = a_result(seconds=20)
    text = report_html.page(found)
    points = {(name, line): int(count) for name, line, count in drawn(text)}
    assert points["rate", "due"] == points["latency", "p99"] == points["in-flight", "under way"] == 20
    assert points["device-cpu", "cpu"] == 19  # one second is not known
    assert points["percentiles", "service time, from the send"] == len(found.total.service.counts)


def test_phases_are_marked_where_they_begin() -> None:
    found = a_result(seconds=20)
    found.scenario["timeline"] = [
        {"kind": "ramp", "from_s": -5, "to_s": 0},
        {"kind": "hold", "from_s": 0, "to_s": 10},
        {"kind": "spike", "from_s": 10, "to_s": 20},
        {"from_s": "soon"},
        7,
    ]
    text = report_html.page(found)
    assert text.count('class="mark"') == len(re.findall('data-chart="(?!percentiles)', text))
    assert "<title>spike</title>" in text
    assert "<title>ramp</title>" not in text


def drawn(text: str) -> list[tuple[str, str, str]]:
    charts = re.findall(r'<svg class="chart" data-chart="([^"]*)".*?</svg>', text)
    bodies = re.findall(r'<svg class="chart".*?</svg>', text)
    return [(name, line, count) for name, body in zip(charts, bodies, strict=True)
            for line, count in re.findall(r'data-line="([^"]*)" data-points="(\d+)"', body)]  # fmt: skip


def test_nothing_in_a_result_becomes_markup() -> None:
    found = a_result()
    found.scenario["name"] = HOSTILE
    found.run.command = [HOSTILE]
    found.target = {HOSTILE: HOSTILE}
    found.operations = {HOSTILE: found.total}
    found.total.outcomes[HOSTILE] = 1
    found.device.series[HOSTILE] = DeviceSeries(HOSTILE, [1.0])
    found.budgets[0].text = HOSTILE
    found.audit.reasons = [HOSTILE]
    found.audit.verdict = "invalid"
    assert "script" not in Page(report_html.page(found)).tags
    assert "<script" not in report_text.markdown(found)
    table_rows = [
        line for line in report_text.markdown(found).splitlines() if line.startswith("| ") and "alert" in line
    ]
    assert table_rows
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in table_rows} <= {3, 4, 8}
    suite = ElementTree.fromstring(report_text.junit(found))  # noqa: S314 - our own
    assert "<script>" in suite.attrib["name"]


def test_a_run_of_which_nothing_came() -> None:
    found = a_result(seconds=1, rate=2)
    found.total.latency = found.total.service = Distribution()
    found.series.p50_ms = found.series.p99_ms = [None]
    found.operations, found.budgets, found.device.series = {}, [], {}
    assert "Nothing was answered" in report_html.page(found)
    assert "Nothing was answered" in report_text.markdown(found)
    assert report_html.page(Result(found.run, {}, {}))


def test_the_sentence_about_the_gap() -> None:
    assert report_tables.gap(a_result(seconds=120)).startswith("One in 1,000 requests was answered")
    assert report_tables.gap(a_result(seconds=20)).startswith("One in 100 requests")


def test_verdicts() -> None:
    found = a_result()
    found.exit_code = 0
    assert report_tables.verdict(found) == "PASSED"
    found.exit_code = 1
    assert report_tables.verdict(found) == "FAILED"
    found.interrupted = True
    assert report_tables.verdict(found) == "INTERRUPTED"
    found.audit.verdict, found.audit.reasons = "invalid", ["the generator slept"]
    assert report_tables.verdict(found) == "INVALID"
    assert report_tables.headline(found) == "These figures are not to be used: the generator slept."


def test_junit_counts_what_ci_shows() -> None:
    suite = ElementTree.fromstring(report_text.junit(a_result()))  # noqa: S314
    assert (suite.attrib["tests"], suite.attrib["failures"], suite.attrib["errors"]) == ("4", "1", "1")
    assert [case.attrib["name"] for case in suite] == [
        "the measurement is valid", "p99 < 8 ms", "errors < 1 %", "device.temp < 75"]  # fmt: skip
    assert suite[1][0].attrib["message"] == "measured 480 ms"
    without = a_result()
    without.budgets = []
    assert ElementTree.fromstring(report_text.junit(without)).attrib["failures"] == "1"  # noqa: S314
    # budgets that say nothing of errors: what fails is as red as the exit code
    silent = a_result()
    silent.budgets = [BudgetOutcome("p50 < 8 ms", KEPT, 1.0, "ms")]
    silent.exit_code = exits.code_of(silent, errors_have_budget=False)
    suite = ElementTree.fromstring(report_text.junit(silent))  # noqa: S314
    assert (silent.exit_code, suite.attrib["failures"]) == (exits.TARGET_ERRORS, "1")


def test_the_verb_writes_what_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "r.json"
    a_result().write(file)
    names = {"html": tmp_path / "r.html", "junit": tmp_path / "r.xml", "markdown": None}
    assert report.main(Namespace(result=file, **names)) == 0
    assert names["html"].read_text(encoding="utf-8").startswith("<!doctype html>")  # type: ignore[union-attr]
    assert capsys.readouterr().out == ""
    assert report.main(Namespace(result=file, html=None, junit=None, markdown=None)) == 0
    assert capsys.readouterr().out.startswith("## unit &lt;test&gt;: FAILED")
    with pytest.raises(CommandError, match="cannot write"):
        report.main(Namespace(result=file, html=tmp_path / "no" / "r.html", junit=None, markdown=None))
    file.write_text(json.dumps({}))
    with pytest.raises(CommandError, match="not a result"):
        report.main(Namespace(result=file, html=None, junit=None, markdown=None))


# --- charts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([0, 9.2], ["0", "5", "10"]),
        ([120.0, None, 480.0], ["0", "200", "400", "600"]),
        ([], ["0", "0.5", "1"]),
        ([0, 0], ["0", "0.5", "1"]),
        ([0, 31_000_000], ["0", "20 M", "40 M"]),
        ([0, float("inf"), 15_000], ["0", "5,000", "10 k", "15 k"]),
    ],
)
def test_axes_have_round_numbers(values: list[float | None], labels: list[str]) -> None:
    axis = chart.linear(values)
    assert [label for _, label in axis.ticks] == labels
    assert (axis.share(axis.low), axis.share(axis.high)) == (0, 1)


def test_an_axis_of_percentiles_reaches_as_far_as_the_values() -> None:
    axis = chart.percentiles(24_000)
    assert [label for _, label in axis.ticks] == ["0 %", "50 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %"]
    assert axis.share(0.9) == pytest.approx(0.2)


def test_gaps_and_lonely_points() -> None:
    line = chart.Line("l", [(0, 1.0), (1, None), (2, 2.0), (3, 3.0), (4, None), (5, 1.0)])
    drawing = chart.svg("t", chart.seconds(5), chart.linear([0, 3]), [line])
    path = re.search(r'data-points="4" d="([^"]*)"', drawing)
    assert path is not None
    assert (path[1].count("M"), path[1].count("L"), path[1].count("h0.1")) == (3, 1, 2)


def test_long_lines_are_joined_by_their_largest() -> None:
    values = [(float(n), 1.0 if n != 777 else 9.0) for n in range(5000)]
    joined = chart.joined(values)
    assert len(joined) <= chart.POINTS
    assert max(value for _, value in joined if value is not None) == 9.0
    assert chart.joined([(0.0, None)] * 2000)[0][1] is None
