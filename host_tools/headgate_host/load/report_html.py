"""A result as one HTML file that needs nothing else: no scripts, no fonts, no network. Below PAGE_MAX bytes whatever
the run was.
"""

from collections.abc import Iterator, Sequence
from html import escape

from headgate_host.load import chart, report_tables
from headgate_host.load.chart import Line, Value
from headgate_host.load.distribution import MS, Distribution
from headgate_host.load.report_tables import Table
from headgate_host.load.result import Result

PAGE_MAX = 200_000  # bytes
CELL_MAX = 400  # characters
MARKS_MAX = 40

# Colours that can be told apart by everybody, on light and dark ground.
STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#5b636e;--grid:#e3e6ea;--ground:#fff;--mark:#b3261e;
--c1:#1f6feb;--c2:#d9730d;--c3:#2da44e;--c4:#8250df}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ee;--soft:#9aa4b2;--grid:#2b313a;--ground:#12161c;--mark:#ff8a80;
--c1:#6cb0ff;--c2:#f0a35e;--c3:#5fce80;--c4:#c3a0ff}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--ground);max-width:920px;margin:2em auto;
padding:0 1em}
h1{font-size:1.5em;margin:0}h2{font-size:1.05em;margin:2em 0 .4em}
.verdict{font-weight:700}.verdict.bad,tr.marked td{color:var(--mark)}.gap{font-size:1.1em}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}td,th{padding:.15em .9em .15em 0;text-align:right;
vertical-align:top;font-weight:400}th{color:var(--soft)}td:first-child,th:first-child,.wide td{text-align:left}
.wide td{overflow-wrap:anywhere}
svg{width:100%;height:auto;display:block}svg text{font-size:11px;fill:var(--soft)}
svg text.y{text-anchor:end}svg text.x{text-anchor:middle}
.grid{stroke:var(--grid);stroke-width:1}path.band{stroke-width:6;opacity:.35}
.mark{stroke:var(--soft);stroke-dasharray:2 4}
.line{fill:none;stroke-width:1.6;stroke-linejoin:round;stroke-linecap:round}
.c1{stroke:var(--c1);--c:var(--c1)}.c2{stroke:var(--c2);--c:var(--c2)}
.c3{stroke:var(--c3);--c:var(--c3)}.c4{stroke:var(--c4);--c:var(--c4)}
.legend{margin:.1em 0;color:var(--soft);font-size:.9em}.legend span{margin-right:1.4em}
.legend span::before{content:"";display:inline-block;width:.9em;height:.2em;margin-right:.4em;
vertical-align:middle;background:var(--c)}
"""


def page(result: Result) -> str:
    verdict = report_tables.verdict(result)
    name = escape(str(result.scenario.get("name") or result.target.get("url") or "load")[:CELL_MAX])
    bad = "" if verdict == "PASSED" else " bad"
    body = [
        f"<h1>{name}</h1>",
        f'<p><span class="verdict{bad}">{verdict}</span> {escape(report_tables.headline(result))}</p>',
        f'<p class="gap">{escape(report_tables.gap(result))}</p>',
        *_charts(result),
        *(_table(table) for table in report_tables.tables(result)),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{verdict}: {name}</title><style>{STYLE}</style></head><body>'
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _table(table: Table) -> str:
    def row(n: int, cells: "list[str]") -> str:
        return (
            f"<tr{' class=marked' * (n in table.marked)}>"
            + "".join(f"<td>{escape(cell[:CELL_MAX])}</td>" for cell in cells)
            + "</tr>"
        )

    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.head)
    wide = ' class="wide"' if not any(table.head) else ""
    rows = "".join(row(n, list(cells)) for n, cells in enumerate(table.rows))
    return f"<h2>{escape(table.title)}</h2><table{wide}><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _charts(result: Result) -> Iterator[str]:
    yield from _percentiles(result)
    series = result.series
    length = max(len(series.due) * series.interval_s, series.interval_s)
    along = chart.seconds(length)
    marks = _phases(result, length)

    def over_time(values: "Sequence[Value]") -> "list[tuple[float, Value]]":
        return [(n * series.interval_s, value) for n, value in enumerate(values)]

    def rates(values: "list[int]") -> "list[tuple[float, Value]]":
        return over_time([value / series.interval_s for value in values])

    panels = [
        ("rate", "Requests a second",
         [Line("due", rates(series.due), 1, band=True), Line("answered", rates(series.done), 2)]),
        ("latency", "Latency by the second in which requests were due, ms",
         [Line("p50", over_time(series.p50_ms), 1), Line("p99", over_time(series.p99_ms), 2)]),
        ("errors", "Errors a second", [Line("errors", rates(series.errors), 4)]),
        ("in-flight", "Requests under way", [Line("under way", over_time(series.in_flight), 3)]),
    ]  # fmt: skip
    shown = list(result.device.series.items())[: report_tables.DEVICE_MAX]
    panels += [
        (f"device-{name}", f"Device: {name}, {found.unit}", [Line(name, over_time(found.values), 3)])
        for name, found in shown
    ]
    for name, title, lines in panels:
        if name == "errors" and not any(series.errors):
            continue
        values = [value for line in lines for _, value in line.values]
        from_zero = not name.startswith("device-")
        yield f"<h2>{escape(title)}</h2>" + (chart.legend(lines) if len(lines) > 1 else "")
        yield chart.svg(title, along, chart.linear(values, from_zero=from_zero), lines, name=name, marks=marks)
    if len(result.device.series) > len(shown):
        yield f"<p>{len(result.device.series) - len(shown)} more figures of the device are in the result file.</p>"


def _phases(result: Result, length: float) -> "list[tuple[float, str]]":
    """Where a phase of the scenario begins; the first one and what is over before it need no mark."""
    found = result.scenario.get("timeline")
    known = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    marks = [(one.get("from_s"), str(one.get("kind", ""))) for one in known]
    return [(at, kind) for at, kind in marks if isinstance(at, int | float) and 0 < at < length][:MARKS_MAX]


def _percentiles(result: Result) -> Iterator[str]:
    """Both curves: where they part, requests had to wait for others."""
    total = result.total
    if not total.latency.count:
        return
    lines = [
        Line("latency, from the due instant", _curve(total.latency), 2),
        Line("service time, from the send", _curve(total.service), 1),
    ]
    title = "Latency by percentile, ms"
    values = [value for line in lines for _, value in line.values if value is not None]
    yield f"<h2>{title}</h2>" + chart.legend(lines)
    across = chart.percentiles(total.latency.count)
    yield chart.svg(title, across, chart.logarithmic(values), lines, height=280, name="percentiles")


def _curve(distribution: Distribution) -> "list[tuple[float, Value]]":
    return [(share, max(value, 1) / MS) for share, value in distribution.curve()]
