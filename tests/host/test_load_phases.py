"""Due instants: as many as the area under the rate, in order, in time, the same every time."""

import math
from itertools import islice, pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headgate_host.load.phases import Phase, Schedule, hold, ramp, soak, spike, step

RATES = st.floats(0, 2000).filter(lambda rate: rate == 0 or rate > 0.01)
SECONDS = st.floats(0.1, 5)


@st.composite
def a_phase(draw: st.DrawFn) -> Phase:
    a, b, seconds = draw(RATES), draw(RATES), draw(SECONDS)
    return draw(
        st.sampled_from(
            [
                hold(a, seconds),
                soak(a, seconds),
                ramp(a, b, seconds),
                step(a, b, draw(st.integers(1, 7)), seconds),
                spike(a, b, draw(st.floats(0.01, 1)) * seconds, seconds),
            ]
        )
    )


@given(st.lists(a_phase(), max_size=4))
@example([ramp(0, 100, 2), hold(0, 1), ramp(100, 0, 2)])
def test_as_many_as_the_area_in_order_and_in_time(phases: list[Phase]) -> None:
    schedule = Schedule(phases)
    due = list(schedule.due())
    assert math.isclose(len(due), schedule.expected, abs_tol=1.001)
    assert all(earlier <= later for earlier, later in pairwise(due))
    assert all(0 <= t <= schedule.seconds * (1 + 1e-9) for t in due)
    assert due == list(schedule.due())


@given(a_phase(), st.floats(0.05, 0.95))
def test_the_rate_is_what_comes(phase: Phase, share: float) -> None:
    """Up to any moment as many are due as the rate promises until then."""
    schedule = Schedule([phase])
    until = phase.seconds * share
    steps = 4000
    promised = sum(schedule.rate_at(until * (n + 0.5) / steps) for n in range(steps)) * until / steps
    assert math.isclose(sum(t < until for t in schedule.due()), promised, rel_tol=0.01, abs_tol=1.1)


def test_hold_is_evenly_spaced_from_the_start() -> None:
    assert list(Schedule([hold(4, 1.5)]).due()) == [0, 0.25, 0.5, 0.75, 1.0, 1.25]


def test_ramp_gets_denser() -> None:
    due = list(Schedule([ramp(0, 100, 2)]).due())
    assert len(due) == 100
    assert due[0] == 0
    assert due[25] == pytest.approx(1.0)  # a quarter of the area in half of the time


def test_step_and_spike_have_the_rates_they_name() -> None:
    stairs = Schedule([step(100, 400, 4, 8)])
    assert [stairs.rate_at(t) for t in (0, 1.9, 2, 4, 6, 7.9, 8)] == [100, 100, 200, 300, 400, 400, 0]
    thorn = Schedule([spike(10, 500, 2, 10)])
    assert [thorn.rate_at(t) for t in (0, 3.9, 4, 5.9, 6, 9.9)] == [10, 10, 500, 500, 10, 10]


def test_phases_follow_each_other_without_a_gap() -> None:
    schedule = Schedule([ramp(0, 10, 1, warm_up=True), hold(10, 2)])
    assert list(schedule.boundaries()) == [(0, 1, "ramp"), (1, 3, "hold")]
    assert (schedule.measured_from, schedule.seconds, schedule.expected) == (1, 3, 25)
    gaps = [later - earlier for earlier, later in pairwise(t for t in schedule.due() if t >= 1)]
    assert gaps == [pytest.approx(0.1)] * len(gaps)


def test_only_leading_phases_warm_up() -> None:
    assert Schedule([hold(1, 2, warm_up=True), hold(1, 3, warm_up=True), hold(1, 4)]).measured_from == 5
    assert Schedule([]).measured_from == Schedule([]).seconds == 0


def test_poisson_has_the_rate_and_the_spread() -> None:
    schedule = Schedule([hold(1000, 20)], poisson=True, seed=7)
    due = list(schedule.due())
    assert len(due) == pytest.approx(20_000, abs=5 * math.sqrt(20_000))
    gaps = [later - earlier for earlier, later in pairwise(due)]
    mean = sum(gaps) / len(gaps)
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert deviation == pytest.approx(mean, rel=0.05)  # exponential: as large as the mean
    assert list(Schedule([hold(1000, 20)], poisson=True, seed=7).due()) == due
    assert list(islice(Schedule([hold(1000, 20)], poisson=True, seed=8).due(), 5)) != due[:5]


def test_endless_schedules_need_no_memory() -> None:
    assert next(islice(Schedule([soak(1e6, 1e9)]).due(), 1000, None)) == pytest.approx(0.001)
