"""The generator's judgement of itself."""

from __future__ import annotations

from headgate_host.load.audit import Watched, audit, notes
from headgate_host.load.distribution import MS, Distribution
from headgate_host.load.result import INVALID, VALID

QUICK = Distribution.of([MS // 5] * 1000)
SLOW = Distribution.of([50 * MS] * 1000)


def watched(**changes: object) -> Watched:
    calm = Watched(
        late=Distribution.of([50_000] * 1000),
        lag=Distribution.of([MS] * 100),
        seconds=10.0,
        busiest_s=2.0,
        cpu_s=2.5,
        asked=1000,
        due=1000,
        done=1000,
    )
    for name, value in changes.items():
        setattr(calm, name, value)
    return calm


def test_calm() -> None:
    found = audit(watched(), QUICK)
    assert (found.verdict, found.reasons) == (VALID, [])
    assert found.figures["cpu_us_per_request"] == 2500
    assert found.figures["cpu_share"] == 0.2
    assert not notes(watched(), QUICK)


def test_late_is_relative_to_what_was_measured() -> None:
    late = Distribution.of([4 * MS] * 1000)
    assert audit(watched(late=late), QUICK).verdict == INVALID
    assert audit(watched(late=late), SLOW).verdict == VALID


def test_one_percent_of_late_starts_counts() -> None:
    some = Distribution.of([10_000] * 985 + [20 * MS] * 15)
    found = audit(watched(late=some), QUICK)
    assert found.verdict == INVALID
    assert "p99" in found.reasons[0]


def test_a_single_stall_of_our_own_is_noted() -> None:
    once = Distribution.of([10_000] * 999 + [80 * MS])
    assert audit(watched(late=once), QUICK).verdict == VALID
    assert "80.0 ms once" in notes(watched(late=once), QUICK)[0]


def test_a_loop_that_lags() -> None:
    lag = Distribution.of([8 * MS] * 100)
    assert audit(watched(lag=lag), QUICK).verdict == INVALID
    assert audit(watched(lag=lag), SLOW).verdict == VALID
    assert audit(watched(lag=None), QUICK).verdict == VALID


def test_no_cpu_left() -> None:
    found = audit(watched(busiest_s=9.5), SLOW)
    assert found.verdict == INVALID
    assert "95%" in found.reasons[0]


def test_less_than_asked() -> None:
    assert audit(watched(due=995), QUICK).verdict == VALID
    assert audit(watched(due=900), QUICK).reasons == ["only 900 of 1000 requests were started"]
    assert audit(watched(asked=None, due=5), QUICK).verdict == VALID


def test_nothing_measured() -> None:
    assert audit(Watched(), Distribution()).verdict == VALID
