"""Results of runs that never were, for the tests of what reads them."""

import random

from headgate_host.load.distribution import MS, Distribution
from headgate_host.load.result import (
    Audit,
    BudgetOutcome,
    Device,
    DeviceSeries,
    Measured,
    Result,
    Run,
    Series,
    Slices,
    combined,
)


def a_result(seed: int = 1, *, seconds: int = 20, rate: int = 200, slower: float = 1.0) -> Result:
    """A service time of about 1 ms, times `slower`, and one stall of half a second in the middle, after which the
    requests that were due meanwhile are answered at once. Device figures have a gap."""
    chance = random.Random(seed)  # noqa: S311
    slices = Slices()
    series = Series()
    operations: dict[str, list[Measured]] = {"publish": [], "spoiled": []}
    stall = seconds // 2
    for second in range(seconds):
        latency, service, errors = [], [], 0
        for n in range(rate):
            took = chance.lognormvariate(0, 0.3) * MS * slower
            service.append(int(took))
            waited = max(0.0, 0.5 - n / rate) * 1000 * MS if second == stall else 0.0
            latency.append(int(took + waited))
            errors += chance.random() < 0.002
        all_of_them = Distribution.of(latency)
        slices.add(all_of_them)
        outcomes = {"ok": rate - errors} | ({"status 503": errors} if errors else {})
        half = rate // 2
        for name, part in (("publish", slice(0, half)), ("spoiled", slice(half, rate))):
            counted = {**outcomes, "ok": half - errors} if name == "publish" else {"ok": rate - half}
            measured = Measured(half, half, counted, Distribution.of(latency[part]), Distribution.of(service[part]))
            operations[name].append(measured)
        for values, value in (
            (series.due, rate),
            (series.sent, rate),
            (series.done, rate),
            (series.errors, errors),
            (series.in_flight, 2),
        ):
            values.append(value)
        series.p50_ms.append(all_of_them.quantile(0.5) / MS)
        series.p99_ms.append(all_of_them.quantile(0.99) / MS)
    each = {name: combined(parts) for name, parts in operations.items()}
    run = Run.begin(["headgate", "load", "http://127.0.0.1:8080", "--rate", str(rate)])
    run.seconds = float(seconds)
    return Result(
        run=run,
        target={"url": "http://127.0.0.1:8080", "server": "headgate 0.1.0"},
        scenario={"name": "unit <test>", "phases": [{"kind": "hold", "rate": rate, "for": f"{seconds} s"}]},
        audit=Audit(figures={"lag_p99_ms": 0.2, "cpu_share": 0.31}),
        total=combined(each.values()),
        operations=each,
        series=series,
        slice_s=slices.seconds,
        slices=slices.all(),
        device=Device(
            "http://127.0.0.1:8080/metrics",
            {
                "rss": DeviceSeries("bytes", [30e6 + n * 1e4 for n in range(seconds)]),
                "cpu": DeviceSeries("cores", [None if n == 3 else 0.2 for n in range(seconds)]),
            },
            {"accepted": rate * seconds, "delivered": rate * seconds, "stored": 0, "expired": 0, "dropped": 0},
        ),
        budgets=[
            BudgetOutcome("p99 < 8 ms", "broken", 480.0, "ms"),
            BudgetOutcome("errors < 1 %", "kept", 0.1, "%"),
            BudgetOutcome("device.temp < 75", "not measured", None, "celsius"),
        ],
        exit_code=1,
    )
