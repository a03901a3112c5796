"""The live view, drawn on a terminal that is a text."""

from __future__ import annotations

import io

import pytest

from headgate_host.load import live
from headgate_host.load.distribution import MS, Distribution
from headgate_host.load.engine import Moment
from headgate_host.load.result import Measured


def moment(number: int, *milliseconds: int) -> Moment:
    latency = Distribution.of([ms * MS for ms in milliseconds])
    measured = Measured(len(milliseconds), len(milliseconds), {"ok": len(milliseconds)}, latency, latency)
    return Moment(number, number + 1.0, measured, 2, {"rss": 26e6, "cpu": 0.25})


def test_sparks() -> None:
    assert live.spark([]) == ""
    assert live.spark([0, 0]) == "▁▁"
    assert live.spark([0, 7, 14]) == "▁▅█" or live.spark([0, 7, 14]) == "▁▄█"


def test_bars() -> None:
    rows = live.bars(Distribution.of([MS] * 10 + [9 * MS] * 5))
    assert sum(count for _, count, _ in rows) == 15
    assert max(share for *_, share in rows) == 1.0
    assert rows[0][1] == 10
    assert rows[-1][1:] == (5, 0.5)
    assert [count for _, count, _ in rows[1:-1]] == [0] * (len(rows) - 2)  # the gap is seen
    assert live.bars(Distribution()) == []


def test_the_screen() -> None:
    rich = pytest.importorskip("rich.console")
    text = io.StringIO()
    screen = live.Screen(rich.Console(file=text, force_terminal=True, width=120))
    for number in range(3):
        screen.moment(moment(number, 1, 2, 250))
    screen.close()
    shown = text.getvalue()
    for wanted in ("answered", "p99, ms", "250", "█", "rss 26.0 M", "2 under way"):
        assert wanted in shown, wanted


def test_no_screen_where_nobody_looks_or_the_loop_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert live.screen(quiet_loop=True) is None  # the tests' output is no terminal
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert live.screen(quiet_loop=False) is None
