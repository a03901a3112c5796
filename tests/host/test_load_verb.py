"""The command line of `headgate load`, and that its page says what there is."""

from __future__ import annotations

import argparse
import importlib
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from headgate import _accel
from headgate.errors import USAGE, CommandError
from headgate_host.load import agents, exits, find_limit, terminal, verb
from headgate_host.load.distribution import MS, Distribution
from headgate_host.load.exits import LoadError
from headgate_host.load.repeated import body_of
from headgate_host.load.result import Audit, BudgetOutcome, Measured, Result, Run
from headgate_host.load.target import Target

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/load.md").read_text(encoding="utf-8")


def result(outcomes: dict[str, int], *, verdict: str = "valid", budget: str = "", interrupted: bool = False) -> Result:
    run = Run([], "2026-01-01T00:00:00Z", 1.0)
    budgets = [BudgetOutcome("p99 < 1 ms", budget)] if budget else []
    total = Measured(10, 10, outcomes)
    return Result(run, {}, {}, Audit(verdict), total, budgets=budgets, interrupted=interrupted)


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (result({"ok": 10}), 0),
        (result({"ok": 10}, budget="kept"), 0),
        (result({"ok": 10}, budget="broken"), 1),
        (result({"ok": 10}, budget="not measured"), 1),
        (result({"ok": 9, "status 503": 1}, budget="broken"), 4),
        (result({"ok": 9, "timeout": 1}, verdict="invalid", budget="broken"), 7),
        (result({"ok": 9, "timeout": 1}, verdict="invalid", interrupted=True), 130),
    ],
)
def test_the_first_that_applies(found: Result, code: int) -> None:
    assert exits.code_of(found, errors_have_budget=False) == code


def test_a_budget_for_errors_decides() -> None:
    assert exits.code_of(result({"ok": 9, "timeout": 1}, budget="kept"), errors_have_budget=True) == 0
    assert exits.code_of(result({"ok": 9, "timeout": 1}, budget="broken"), errors_have_budget=True) == 1


def test_other_failures_are_translated() -> None:
    from headgate.errors import CONFIG, CommandError

    with pytest.raises(LoadError) as failure, exits.translated():
        raise CommandError(CONFIG, "no such issuer")
    assert failure.value.code == USAGE
    with pytest.raises(LoadError) as bug, exits.translated():
        raise ZeroDivisionError
    assert bug.value.code == exits.UNEXPECTED
    # 1 is a broken budget here, 4 a target that failed
    with pytest.raises(LoadError) as refused, exits.translated():
        raise PermissionError(13, "Permission denied", "/key")
    assert (refused.value.code, refused.value.cause) == (USAGE, "cannot use /key: Permission denied")
    with pytest.raises(LoadError) as other, exits.translated():
        raise OSError(5, "Input/output error")
    assert other.value.code == exits.UNEXPECTED


def test_the_worst_of_the_agents() -> None:
    both = [result({"ok": 10}), result({"ok": 10})]
    both[0].audit.figures = {"asked": 500.0, "achieved_share": 0.992, "late_p99_ms": 1.0}
    both[1].audit.figures = {"asked": 400.0, "achieved_share": 1.0, "late_p99_ms": 0.5}
    merged = agents.merged(Run([], "2026-01-01T00:00:00Z", 0.0), ["a", "b"], both)
    assert merged.audit.figures == {"asked": 900.0, "achieved_share": 0.992, "late_p99_ms": 1.0}


def test_a_budget_that_is_not_measured_is_not_kept_by_a_rate() -> None:
    """Nor one that is broken with nothing at all."""
    for budget, said in (
        (BudgetOutcome("device.rss < 48 MB", "not measured", None, "MB"), "device.rss < 48 MB: not measured"),
        (BudgetOutcome("device.cpu > 1", "broken", 0.0, ""), "device.cpu > 1: 0 "),
    ):
        found = result({"ok": 10})
        found.budgets = [budget]
        step = find_limit._judge(50.0, found)
        assert (step.kept, step.why) == (False, [said])


@pytest.mark.parametrize(
    ("seconds", "latencies_ms", "under_way", "in_time"),
    [
        (5.0, [1], [1] * 5, None),
        # a server that answers 200/s: all of them are answered, and no budget forbids it
        (10.0, range(5000), [200, 400, 600, 800, 1000], "78.3%"),
        (10.0, range(5000), [1000], "78.3%"),
        # one that takes its time, and answers as many as come
        (6.5, [1500], [600] * 5, None),
        (7.0, [2000], [800] * 5, None),
        # one that stops for half a second every two, in the end too
        (5.1, [*range(0, 500, 5), *[1] * 300], [2, 160, 1, 2, 160], None),
    ],
)
def test_a_backlog_that_is_worked_off_later_is_no_rate_that_is_kept(
    seconds: float, latencies_ms: Sequence[int], under_way: list[int], in_time: str | None
) -> None:
    """400/s for 5 s."""
    found = result({"ok": 2000})
    found.run.seconds, found.total.due = seconds, 2000
    found.total.latency = Distribution.of([one * MS for one in latencies_ms])
    found.series.in_flight = under_way
    step = find_limit._judge(400.0, found)
    assert step.why == ([] if in_time is None else [f"only {in_time} answered in time"])
    assert step.kept is (in_time is None)


def test_the_codes_are_described() -> None:
    table = PAGE.partition("## Exit codes")[2].partition("## What is sent")[0]
    for code in exits.MEANINGS:
        assert re.search(rf"^\| {code} \|", table, re.MULTILINE), code


def test_every_verb_and_option_is_described() -> None:
    pages = PAGE + (ROOT / "docs/load-scenarios.md").read_text(encoding="utf-8")
    for name in verb.SUBVERBS:
        assert re.search(rf"\bload {name}\b|## {name}\b", pages, re.IGNORECASE), name
    parser = argparse.ArgumentParser()
    verb.add_arguments(parser)
    for action in parser._actions:
        for option in action.option_strings:
            assert action.help == argparse.SUPPRESS or option in ("-h", "--help") or option in pages, option


@pytest.mark.parametrize("name", list(verb.SUBVERBS))
def test_every_verb_explains_itself(name: str) -> None:
    module = importlib.import_module(verb.SUBVERBS[name][0])
    parser = argparse.ArgumentParser(description=module.HELP, epilog=module.EPILOG)
    module.add_arguments(parser)
    assert "exit codes" in parser.format_help()


def test_the_sentence_on_the_gap() -> None:
    quick, stalled = Distribution.of([MS] * 100), Distribution.of([MS] * 90 + [900 * MS] * 10)
    assert "did not have to wait" in terminal.gap_sentence(quick, quick)
    said = terminal.gap_sentence(stalled, quick)
    assert "900 ms" in said
    assert "1.00 ms" in said
    assert terminal.gap_sentence(Distribution(), Distribution()) == "Nothing was answered."


def _exceeded(count: int, share: float) -> bool:
    return Distribution.of([MS] * count).is_exceeded(round(share, 4))


def test_percentiles_without_a_value_beyond_are_not_printed() -> None:
    some = result({"ok": 50})
    some.total.latency = some.total.service = Distribution.of([2 * MS] * 50)
    row = next(line for line in terminal.summary(some, [], closed=False).splitlines() if "from due" in line)
    assert row.split()[3:] == ["2.00", "2.00", "-", "-", "-", "2.00"]
    assert [place for place in range(1, 5) if not _exceeded(10**place, 1 - 10**-place)] == []
    assert [place for place in range(1, 5) if _exceeded(10**place - 1, 1 - 10**-place)] == []


@pytest.mark.parametrize("host", ["gate..017", "x" * 64, ".x", ""])
def test_a_host_that_cannot_be_one(host: str) -> None:
    with pytest.raises(CommandError) as caught:
        Target.parse(f"http://{host}/")
    assert caught.value.code == USAGE


def test_the_message_of_the_help_is_valid() -> None:
    (body,) = re.findall(r"--body '(.*)'", verb.EPILOG)
    schema = _accel.Schema((ROOT / "firmware_py/headgate/data/weather.schema.json").read_bytes())
    for n in ("0", "14999"):
        assert schema.validate(body.replace("{device}", "dev-00000").replace("{n}", n).encode()).valid


def test_a_body_is_the_bytes_that_were_typed() -> None:
    """What is no UTF-8 on the command line comes as lone surrogates."""
    assert body_of("\udcff\u00e9") == b"\xff\xc3\xa9"
