"""Budgets: what they mean, and what is said about those that mean nothing."""

import pytest
from load_kit import a_result

from headgate.linux.config_values import ValueOf
from headgate_host.load import budgets
from headgate_host.load.distribution import Distribution
from headgate_host.load.result import BROKEN, KEPT, UNKNOWN, DeviceSeries, Result

OPERATIONS = ("publish", "cache.get", "spoiled")


def the_result() -> Result:
    """100 requests of 1 to 100 ms, 2 of them refused."""
    found = a_result()
    found.run.seconds = 10
    found.total.due, found.total.outcomes = 100, {"ok": 98, "status 503": 2}
    found.total.latency = Distribution.of(n * 1_000_000 for n in range(1, 101))
    found.total.service = Distribution.of([500_000] * 100)
    found.operations = {"publish": found.total}
    found.device.series = {
        "rss": DeviceSeries("bytes", [40e6, None, 47e6, 46e6]),
        "cpu": DeviceSeries("cores", [0.25, 0.5]),
        "temp": DeviceSeries("celsius", [60, 70]),
        "disk": DeviceSeries("bytes/s", [0, 2e6]),
    }
    return found


@pytest.mark.parametrize(
    ("text", "outcome", "measured"),
    [
        ("p50 < 51 ms", KEPT, 50),
        ("p50 < 50000 us", BROKEN, 50000),
        ("p99 <= 0.1 s", KEPT, 0.099),
        ("max < 100 ms", BROKEN, 100),
        ("mean<51ms", KEPT, 50.5),
        ("service.p99.9 < 1 ms", KEPT, 0.5),
        ("publish.service.max < 501 µs", KEPT, 500),
        ("errors < 0.1 %", BROKEN, 2),
        ("errors <= 2", KEPT, 2),
        ("publish.errors < 3 %", KEPT, 2),
        ("rate > 9.9 /s", KEPT, 10),
        ("rate >= 601/min", BROKEN, 600),
        ("device.rss < 48 MB", KEPT, 47),
        ("device.rss.last < 44 MiB", KEPT, 46e6 / 2**20),
        ("device.rss.growth < 1 MB", BROKEN, 6),
        ("device.cpu < 0.6", KEPT, 0.5),
        ("device.cpu.mean < 30 %", BROKEN, 37.5),
        ("device.temp < 75", KEPT, 70),
        ("device.temp < 65 °C", BROKEN, 70),
        ("device.disk < 1 MB", BROKEN, 2),
        ("device.pss < 48 MB", UNKNOWN, None),
        ("device.temp < 48 MB", UNKNOWN, None),
        ("spoiled.p99 < 8 ms", UNKNOWN, None),
    ],
)
def test_what_a_budget_says_of_a_result(text: str, outcome: str, measured: float | None) -> None:
    found = budgets.judge(budgets.parse(text, OPERATIONS), the_result())
    assert (found.outcome, found.text) == (outcome, text)
    assert found.measured == (None if measured is None else pytest.approx(measured, rel=0.008))


@pytest.mark.parametrize(
    ("text", "words", "suggestion"),
    [
        ("fast", "a figure, a relation and a limit", "p99 < 8 ms"),
        ("p99 < 8", "needs a unit", "p99 < 8 ms"),
        ("p99 < 8 MS", "no unit of it", "p99 < 8 ms"),
        ("p99 < 8 MB", "no unit of it", ""),
        ("p99 = 8 ms", "no relation", "p99 < 8 ms"),
        ("p999 < 8 ms", "no percentile", ""),
        ("p99 < 1.2.3 ms", "not a number", ""),
        (f"p99 < 1{'0' * 400} ms", "is not a limit", ""),
        ("p99 < nan ms", "figure, a relation and a limit", "p99 < 8 ms"),
        ("erors < 1 %", "is no figure", "errors"),
        ("errors < 1 ms", "no unit of it", ""),
        ("rate > 100", "needs a unit", "rate > 100 /s"),
        ("publsh.p99 < 8 ms", "no operation", "publish.p99"),
        ("publish.p < 8 ms", "is no figure", ""),
        ("service.errors < 1 %", "is no figure", "errors"),
        ("device < 3", "which figure", "device.rss"),
        ("device.rss.median < 3 MB", "none of", "device.rss.mean"),
        ("device.rss.men < 3 MB", "none of", "device.rss.mean"),
    ],
)
def test_what_is_no_budget(text: str, words: str, suggestion: str) -> None:
    with pytest.raises(ValueOf, match=words) as refused:
        budgets.parse(text, OPERATIONS)
    assert refused.value.suggestion == suggestion


def test_an_operation_with_dots_in_its_name() -> None:
    found = budgets.parse("cache.get.p99 < 1 ms", OPERATIONS)
    assert (found.operation, found.figure) == ("cache.get", "p99")


def test_nothing_answered_is_not_measured() -> None:
    empty = the_result()
    empty.total.latency = empty.total.service = Distribution()
    empty.total.due, empty.run.seconds = 0, 0
    for text in ("p99 < 8 ms", "service.mean < 1 s", "errors < 1 %", "errors < 1", "rate > 0 /s"):
        assert budgets.judge(budgets.parse(text), empty).outcome == UNKNOWN


def test_a_percentile_is_the_one_that_the_report_shows() -> None:
    """Of 1,000 requests one is slow: p99.9 is the last of the others."""
    found = the_result()
    found.total.latency = Distribution.of([*range(1_000_000, 1_000_999), 500_000_000])
    for text in ("p99.9 < 2 ms", "service.p99.9 < 2 ms"):
        assert budgets.judge(budgets.parse(text), found).outcome == KEPT
    assert budgets.judge(budgets.parse("p99.9 < 2 ms"), found).measured == found.total.latency.quantile(0.999) / 1e6
    assert budgets.judge(budgets.parse("p99.91 < 2 ms"), found).outcome == BROKEN
