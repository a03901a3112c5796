"""What `headgate load` says on a terminal: a line for each interval, and what came of it."""

from headgate_host.load.distribution import MS, Distribution
from headgate_host.load.engine import Moment
from headgate_host.load.result import INVALID, KEPT, OK, BudgetOutcome, Result

SHARES = (0.5, 0.9, 0.99, 0.999, 0.9999)
LABELS = ("p50", "p90", "p99", "p99.9", "p99.99")
GAP_FACTOR, GAP_NS = 1.5, MS  # both at least, for the gap to mean something


def figure(ns: float) -> str:
    """Milliseconds with three significant digits."""
    ms = ns / MS
    return f"{ms:.0f}" if ms >= 100 else f"{ms:.1f}" if ms >= 10 else f"{ms:.2f}" if ms >= 1 else f"{ms:.3f}"  # noqa: PLR2004


def moment_line(moment: Moment) -> str:
    measured, latency = moment.measured, moment.measured.latency
    return (
        f"{moment.seconds:6.0f} s  {measured.due:7d} due  {measured.done:7d} answered  "
        f"p50 {figure(latency.quantile(0.5)):>6}  p99 {figure(latency.quantile(0.99)):>6} ms  "
        f"{measured.errors} errors  {moment.in_flight} under way"
    )


def summary(result: Result, notes: list[str], *, closed: bool) -> str:
    total, seconds = result.total, result.run.seconds
    rate = total.done / seconds if seconds else 0.0
    counts = f"{total.due} due, {total.sent} sent, {total.done} done, {total.errors} errors"
    lines = [
        "",
        f"{counts}; {rate:.1f}/s for {seconds:.1f} s",
        *(f"  {count:>8} {name}" for name, count in sorted(total.outcomes.items()) if name != OK),
        "",
        "  " + " " * 22 + "".join(f"{label:>9}" for label in (*LABELS, "max")) + "  ms",
    ]
    if not closed:
        lines.append("  latency, from due     " + _row(total.latency))
    lines.append("  service, from send    " + _row(total.service))
    if result.audit.verdict != INVALID:
        lines += ["", "  " + (_closed_sentence() if closed else gap_sentence(total.latency, total.service))]
    lines.append("")
    lines += [_budget_line(one) for one in result.budgets]
    lines += [f"  generator: {text}" for text in (_generator(result), *notes)]
    if result.audit.verdict == INVALID:
        lines += ["", "INVALID: these figures are not to be used", *(f"  {reason}" for reason in result.audit.reasons)]
    return "\n".join(lines)


def _row(values: Distribution) -> str:
    """A percentile beyond which there is no value is none."""
    cells = [figure(values.quantile(share)) if values.is_exceeded(share) else "-" for share in SHARES]
    return "".join(f"{cell:>9}" for cell in (*cells, figure(values.most)))


def gap_sentence(latency: Distribution, service: Distribution) -> str:
    """About the first percentile at which both part."""
    if not latency.count:
        return "Nothing was answered."
    for share, few in ((0.99, "One in 100 requests"), (0.999, "One in 1,000 requests"), (1.0, "The slowest request")):
        late, sent = latency.quantile(share), service.quantile(share)
        if late - sent > GAP_NS and late > GAP_FACTOR * sent:
            return (
                f"{few} was answered {figure(late)} ms or more after it was due, most of that waiting for "
                f"earlier ones: users feel it. Timed from the send it would look like {figure(sent)} ms."
            )
    return "Both agree: requests did not have to wait for earlier ones."


def _closed_sentence() -> str:
    return "Closed loop: while the target stalled nothing was sent, so this says nothing of who would have had to wait."


def _budget_line(one: BudgetOutcome) -> str:
    measured = "not measured" if one.measured is None else f"{one.measured:.4g} {one.unit}".rstrip()
    return f"  budget {'kept  ' if one.outcome == KEPT else 'BROKEN'}  {one.text}   ({measured})"


def _generator(result: Result) -> str:
    figures = result.audit.figures
    return (
        f"{figures.get('cpu_us_per_request', 0):.1f} us CPU a request, {figures.get('cpu_share', 0):.0%} of a core, "
        f"took requests up {figures.get('late_p99_ms', 0):.2f} ms late (p99)"
    )
