"""linux/breaker.py: every transition of its table, and how long it leaves alone."""

from __future__ import annotations

import pytest

from headgate.linux.breaker import CLOSED, HALF_OPEN, NUMBERS, OPEN, Breaker


def made(jitter: float = 1.0) -> Breaker:
    return Breaker(failures=3, pause_ms=100, pause_max_ms=1000, jitter=lambda: jitter)


def closed() -> Breaker:
    breaker = made()
    breaker.due()
    breaker.success()
    assert breaker.state == CLOSED
    return breaker


def half_open() -> Breaker:
    breaker = made()
    breaker.due()
    assert breaker.state == HALF_OPEN
    return breaker


def test_it_begins_open_and_every_state_has_a_number() -> None:
    assert made().state == OPEN
    assert sorted(NUMBERS.values()) == [0, 1, 2]


@pytest.mark.parametrize(
    ("start", "event", "state"),
    [
        (made, "success", OPEN),
        (made, "lost", OPEN),
        (made, "failure", OPEN),
        (made, "due", HALF_OPEN),
        (half_open, "success", CLOSED),
        (half_open, "lost", OPEN),
        (half_open, "due", HALF_OPEN),
        (closed, "success", CLOSED),
        (closed, "lost", OPEN),
        (closed, "due", CLOSED),
        (closed, "failure", CLOSED),
    ],
)
def test_transitions(start: object, event: str, state: str) -> None:
    breaker = start()  # type: ignore[operator]
    getattr(breaker, event)()
    assert breaker.state == state


def test_so_many_failures_in_a_row_open_it() -> None:
    breaker = closed()
    assert [breaker.failure() for _ in range(2)] == [False, False]
    breaker.success()
    assert [breaker.failure() for _ in range(3)] == [False, False, True]
    assert (breaker.state, breaker.opened) == (OPEN, 1)
    breaker.success()  # a late one
    assert breaker.state == OPEN
    breaker.due()
    breaker.success()
    assert [breaker.failure() for _ in range(3)] == [False, False, True], "they are counted anew"
    assert breaker.opened == 2


def test_pauses_double_up_to_a_bound_and_begin_anew() -> None:
    breaker = closed()
    pauses = []
    for _ in range(30):
        breaker.lost()
        pauses.append(breaker.pause_ms())
        breaker.due()
    assert pauses[:6] == [100, 200, 400, 800, 1000, 1000]
    assert pauses[-1] == 1000
    breaker.success()  # the probe's
    breaker.success()
    breaker.lost()
    assert breaker.pause_ms() == 100
    assert breaker.opened == 2


def test_who_answers_probes_only_is_left_alone_for_longer_and_longer() -> None:
    breaker = closed()
    pauses = []
    for _ in range(6):
        breaker.lost()
        pauses.append(breaker.pause_ms())
        breaker.due()
        breaker.success()
    assert pauses == [100, 200, 400, 800, 1000, 1000]


def test_an_answer_that_nobody_waited_for_is_no_success() -> None:
    """A sign of life may come late for a request: who is too slow for those is still found out."""
    breaker = closed()
    opened = False
    for _ in range(5):
        opened = breaker.failure()
        breaker.of_use()
    assert opened
    breaker.due()
    breaker.success()  # the probe's
    breaker.of_use()
    breaker.lost()
    assert breaker.pause_ms() == 200  # others would still be too late, for all that is known
    breaker.due()
    breaker.success()
    breaker.success()
    breaker.lost()
    assert breaker.pause_ms() == 100


def test_who_answers_what_nobody_waits_for_is_not_left_alone_for_longer() -> None:
    breaker = closed()
    for _ in range(3):
        breaker.lost()
        assert breaker.pause_ms() == 100
        breaker.due()
        breaker.success()
        breaker.of_use()


def test_jitter_takes_up_to_half() -> None:
    for jitter, pause in ((0.0, 50), (0.5, 75), (1.0, 100)):
        breaker = made(jitter)
        breaker.due()
        breaker.lost()
        assert breaker.pause_ms() == pause
