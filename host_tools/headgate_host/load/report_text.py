"""A result for machines and for pull requests: JUnit XML, where every budget is a test case, and a Markdown summary."""

from xml.sax.saxutils import escape, quoteattr

from headgate_host.load import report_tables
from headgate_host.load.exits import TARGET_ERRORS
from headgate_host.load.report_tables import Table
from headgate_host.load.result import BROKEN, INVALID, KEPT, Result

SUITE = "headgate load"


def junit(result: Result) -> str:
    """The audit, the answers and each budget; what was not measured is an error, as the audit is."""
    name = str(result.scenario.get("name") or result.target.get("url") or SUITE)
    invalid = result.audit.verdict == INVALID
    cases = [_case("the measurement is valid", "error" if invalid else "", "; ".join(result.audit.reasons))]
    if result.interrupted:
        cases.append(_case("the run is complete", "error", "it was interrupted"))
    for one in result.budgets:
        measured = "not measured" if one.measured is None else f"measured {one.measured:.4g} {one.unit}".rstrip()
        kind = {KEPT: "", BROKEN: "failure"}.get(one.outcome, "error")
        cases.append(_case(one.text, kind, measured))
    if not result.budgets or result.exit_code == TARGET_ERRORS:  # no budget says how many may fail
        failed = result.total.due - result.total.outcomes.get("ok", 0)
        cases.append(
            _case(
                "every request is answered as expected",
                "failure" if failed else "",
                f"{failed} of {result.total.due} are not",
            )
        )
    text = "".join(cases)
    counts = f'tests="{len(cases)}" failures="{text.count("<failure ")}" errors="{text.count("<error ")}"'
    when = f'time="{result.run.seconds:.3f}" timestamp={_attribute(result.run.started)}'
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return f"{head}<testsuite name={_attribute(name)} {counts} {when}>\n{text}</testsuite>\n"


def _case(name: str, kind: str, why: str) -> str:
    outcome = f"<{kind} message={_attribute(why)}/>" if kind else ""
    return f"  <testcase classname={_attribute(SUITE)} name={_attribute(name)}>{outcome}</testcase>\n"


def _attribute(text: str) -> str:
    """Without what XML 1.0 section 2.2 does not have."""
    return quoteattr(
        "".join(c if c >= " " and c not in "\ufffe\uffff" and not "\ud800" <= c <= "\udfff" else "\ufffd" for c in text)
    )


def markdown(result: Result) -> str:
    name = str(result.scenario.get("name") or result.target.get("url") or SUITE)
    lines = [f"## {_cell(name)}: {report_tables.verdict(result)}", "", _cell(report_tables.headline(result)), "",
             _cell(report_tables.gap(result))]  # fmt: skip
    for table in report_tables.tables(result):
        lines += ["", f"### {table.title}", "", *_table(table)]
    return "\n".join(lines) + "\n"


def _table(table: Table) -> "list[str]":
    def row(cells: "list[str]") -> str:
        return "| " + " | ".join(cells) + " |"

    rows = [
        row([f"**{_cell(cell)}**" if n in table.marked and cell else _cell(cell) for cell in cells])
        for n, cells in enumerate(table.rows)
    ]
    return [row([_cell(cell) for cell in table.head]), "|---" * len(table.head) + "|", *rows]


def _cell(text: str) -> str:
    """What a table or HTML would take for its own."""
    return escape(" ".join(text.split())).replace("|", "\\|")[:400]
