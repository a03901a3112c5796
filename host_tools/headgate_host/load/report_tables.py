"""What a report says in words and tables, whatever it is written in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from headgate_host.load.budgets import growth, known
from headgate_host.load.chart import number
from headgate_host.load.distribution import Distribution
from headgate_host.load.result import INVALID, OK, Measured, Result
from headgate_host.load.terminal import SHARES, figure, gap_sentence

OPERATIONS_MAX = 40  # rows of a table
DEVICE_MAX = 12  # figures of a device that are shown
_DRIFT_PARTS = 10  # the first and the last of so many parts of a run are compared


@dataclass(frozen=True)
class Table:
    """`marked`: rows to look at."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    marked: frozenset[int] = field(default=frozenset())


def verdict(result: Result) -> str:
    if result.audit.verdict == INVALID:
        return "INVALID"
    if result.interrupted:
        return "INTERRUPTED"
    return "PASSED" if result.exit_code == 0 else "FAILED"


def headline(result: Result) -> str:
    total, seconds = result.total, result.run.seconds
    if result.audit.verdict == INVALID:
        return f"These figures are not to be used: {'; '.join(result.audit.reasons)}."
    share = total.share_of_errors()
    errors = "nothing failed" if not share else f"{share:.3%} failed"
    rate = total.done / seconds if seconds else 0.0
    return f"{total.done:,} of {total.due:,} requests answered, {number(rate)} a second for {seconds:.0f} s; {errors}."


def gap(result: Result) -> str:
    """The one sentence about latency from the due instant and service time."""
    return gap_sentence(result.total.latency, result.total.service)


def _cells(distribution: Distribution) -> list[str]:
    """ms; a percentile beyond which there is no value is none."""
    if not distribution.count:
        return ["-"] * (len(SHARES) + 2)
    cells = [figure(distribution.quantile(share)) if distribution.is_exceeded(share) else "-" for share in SHARES]
    return [figure(distribution.mean), *cells, figure(distribution.most)]


def latencies(result: Result) -> Table:
    head = ("ms", "mean", *(f"p{share * 100:g}" for share in SHARES), "max")
    rows = [["latency, from due", *_cells(result.total.latency)], ["service, from send", *_cells(result.total.service)]]
    return Table("Latency", head, rows)


def operations(result: Result) -> Table:
    def row(name: str, part: Measured) -> list[str]:
        failed = part.due - part.outcomes.get(OK, 0)
        quantiles = [figure(part.latency.quantile(share)) if part.latency.count else "-" for share in (0.5, 0.99)]
        return [name, f"{part.due:,}", f"{part.sent:,}", f"{part.done:,}", f"{failed:,}", *quantiles]

    parts = list(result.operations.items())
    rows = [row(name, part) for name, part in parts[:OPERATIONS_MAX]]
    if len(parts) > OPERATIONS_MAX:
        rows.append([f"... and {len(parts) - OPERATIONS_MAX} more", *[""] * 6])
    rows.append(row("all", result.total))
    return Table("Operations", ("", "due", "sent", "answered", "failed", "p50 ms", "p99 ms"), rows)


def outcomes(result: Result) -> Table:
    found = sorted(result.total.outcomes.items(), key=lambda item: (item[0] != OK, -item[1]))
    rows = [["as expected" if name == OK else name, f"{count:,}"] for name, count in found[:OPERATIONS_MAX]]
    lost = result.total.due - result.total.done
    if lost > 0:
        rows.append(["no outcome by the end", f"{lost:,}"])
    return Table("What became of the requests", ("", "requests"), rows)


def budgets(result: Result) -> Table:
    rows = [
        [one.text, "-" if one.measured is None else f"{one.measured:.4g} {one.unit}".rstrip(), one.outcome]
        for one in result.budgets
    ]
    marked = frozenset(n for n, one in enumerate(result.budgets) if one.outcome != "kept")
    return Table("Budgets", ("budget", "measured", "outcome"), rows, marked)


def device(result: Result) -> Table:
    rows = []
    for name, series in list(result.device.series.items())[:DEVICE_MAX]:
        values = known(series.values)
        if values:
            figures = (values[0], min(values), sum(values) / len(values), max(values), values[-1], growth(values))
            rows.append([f"{name}, {series.unit}", *map(number, figures)])
    return Table("Device", ("", "first", "min", "mean", "max", "last", "growth"), rows)


def ledger(result: Result) -> Table:
    return Table(
        "Ledger of the device", ("", "messages"), [[name, f"{count:,}"] for name, count in result.device.ledger.items()]
    )


def drift(result: Result) -> Table:
    """The first and the last tenth, for runs long enough to have tenths."""
    series = result.series
    rows = []
    if len(series.due) >= 2 * _DRIFT_PARTS:
        for title, values, show in (("p50 ms", series.p50_ms, number), ("p99 ms", series.p99_ms, number)):
            there = known(values)
            part = max(1, len(there) // _DRIFT_PARTS)
            if there:
                rows.append([title, show(sum(there[:part]) / part), show(sum(there[-part:]) / part)])
    return Table("First and last tenth of the run", ("mean of", "first", "last"), rows)


def generator(result: Result) -> Table:
    run = result.run
    rows = [["command", " ".join(run.command)], ["started", run.started], ["headgate", run.tool]]
    rows += [[str(name), str(value)] for name, value in {**run.machine, **result.target}.items()]
    rows += [[name, "-" if value is None else number(value)] for name, value in result.audit.figures.items()]
    return Table("Run and generator", ("", ""), rows)


def tables(result: Result) -> Iterator[Table]:
    """Those that have rows, in the order of interest."""
    kinds = (budgets, latencies, operations, outcomes, device, ledger, drift, generator)
    yield from (table for table in (kind(result) for kind in kinds) if table.rows)
