"""Two results compared: a slower one is found, chance is not, and what cannot be compared is not."""

import json
from argparse import Namespace
from pathlib import Path

import pytest
from load_kit import a_result

from headgate.errors import CommandError
from headgate_host.load import compare
from headgate_host.load.result import Result


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rougher intervals, sooner."""
    monkeypatch.setattr(compare, "DRAWS", 200)


def by_name(before: Result, after: Result) -> dict[str, compare.Ratio]:
    return {one.name: one for one in compare.compare(before, after)}


def test_a_slower_run_is_found_and_a_faster_one() -> None:
    before = a_result(1, seconds=60)
    slower = by_name(before, a_result(2, seconds=60, slower=1.25))
    assert (slower["p50"].verdict, slower["p90"].verdict) == (compare.WORSE, compare.WORSE)
    assert slower["p50"].low < slower["p50"].ratio < slower["p50"].high
    assert slower["p50"].ratio == pytest.approx(1.25, abs=0.04)
    faster = by_name(a_result(2, seconds=60, slower=1.25), before)
    assert (faster["p50"].verdict, faster["p90"].verdict) == (compare.BETTER, compare.BETTER)


def test_chance_is_not_called_a_difference() -> None:
    for seed in range(1, 5):
        found = by_name(a_result(seed, seconds=24), a_result(seed + 100, seconds=24))
        assert {one.verdict for one in found.values()} == {compare.SAME}, found


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """95 % of them; of 40, fewer than 33 would come by chance once in thousands of times."""
    held = 0
    for seed in range(40):
        one = by_name(a_result(seed, seconds=16, rate=100), a_result(seed + 500, seconds=16, rate=100, slower=1.1))[
            "p50"
        ]
        held += one.low <= 1.1 * 1.005 and one.high >= 1.1 * 0.995
    assert held >= 33


def test_one_stall_does_not_make_a_tail() -> None:
    """A stall is one event, however many requests it delays: whether it comes again nobody knows."""
    quiet = a_result(1, seconds=60)
    quiet.slices = [one for one in quiet.slices if one.most < 100e6]
    found = by_name(quiet, a_result(2, seconds=60))
    assert found["p99.9"].ratio > 50
    assert found["p99.9"].low < 1.5


def test_errors_are_compared_where_there_are_some() -> None:
    before, after = a_result(1, seconds=60), a_result(2, seconds=60)
    after.series.errors = [errors + 20 for errors in after.series.errors]
    after.total.outcomes = {"ok": 10_800, "status 503": 1_200}
    assert by_name(before, after)["errors"].verdict == compare.WORSE
    for result in (before, after):
        result.total.outcomes = {"ok": result.total.due}
    assert "errors" not in by_name(before, after)


def args(folder: Path, before: Result, after: Result, *, as_json: bool = False) -> Namespace:
    before.write(folder / "a.json")
    after.write(folder / "b.json")
    return Namespace(before=folder / "a.json", after=folder / "b.json", tolerance=5.0, json=as_json)


def test_the_exit_code_is_1_on_a_regression(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = a_result(1, seconds=60), a_result(2, seconds=60, slower=1.25)
    after.run.machine["kernel"] = "another"
    after.scenario = {"name": "another"}
    assert compare.main(args(tmp_path, before, after)) == 1
    out = capsys.readouterr().out
    assert "worse" in out
    assert "note: kernel: " in out
    assert "note: the scenarios differ" in out
    assert compare.main(args(tmp_path, before, a_result(3, seconds=60), as_json=True)) == 0
    document = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in document["ratios"]] == ["p50", "p90", "p99", "p99.9", "errors"]
    assert compare.main(args(tmp_path, after, before)) == 0


def test_what_cannot_be_compared(tmp_path: Path) -> None:
    invalid = a_result(seconds=20)
    invalid.audit.verdict, invalid.audit.reasons = "invalid", ["the generator slept"]
    with pytest.raises(CommandError, match="INVALID: the generator slept") as refused:
        compare.main(args(tmp_path, a_result(seconds=20), invalid))
    assert refused.value.code == 7
    with pytest.raises(CommandError, match="3 slices of 1 s; 8 are the least"):
        compare.main(args(tmp_path, a_result(seconds=20), a_result(seconds=3)))


def test_rates_that_differ_are_said() -> None:
    assert compare.differences(a_result(rate=100), a_result(rate=200)) == [
        "the scenarios differ",
        "the rates differ: 100 and 200 requests a second",
    ]
