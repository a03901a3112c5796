"""`headgate load find-limit`: the highest rate at which the target stays within its budgets.

The rate is doubled until a budget breaks, then the limit is closed in on by halves (of the logarithm), until the rate
that was kept and the one that was not are near enough. Before each try a single request is sent and its answer waited
for, so that the backlog of one try is not the latency of the next. All tries together are the knee of the curve.
"""

import argparse
import asyncio
import itertools
import json
import math
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median_low

from headgate.errors import INTERRUPTED, USAGE, CommandError
from headgate_host.load import exits, load, report, terminal, words
from headgate_host.load.budgets import RATE_OF
from headgate_host.load.device_sources import NOTHING
from headgate_host.load.distribution import MS
from headgate_host.load.engine import Plan
from headgate_host.load.exits import LoadError
from headgate_host.load.operation import MQTT
from headgate_host.load.phases import Schedule, hold
from headgate_host.load.result import INVALID, KEPT, Result

HELP = "the highest rate within the budgets"
EPILOG = """\
Tries rates until it knows the highest one at which all budgets are kept, every request is answered as expected, and the
target keeps up. The options are those of 'headgate load URL'; --for is the length of one try.

examples
  headgate load find-limit http://board:8080/healthz --budget 'p99 < 20 ms'
  headgate load find-limit http://board:8080/v1/streams/weather --body @m.json --devices 50 --state STATE \\
      --budget 'p99 < 50 ms' --for 10s --out limit.json

exit codes: 0 the limit was found · 1 not even --from is within the budgets · 2 wrong command line · 3 no connection ·
7 the generator is slower than the target: what was found is a lower bound · 130 interrupted
"""
KEEPS_UP = 0.98  # of the requests due must be answered while the try lasts
MOMENT_S = 0.05  # a machine may hold up what is answered so long
CHANCE = 3  # standard deviations
STEPS_MAX = 40
REST_S = 0.2
RETRIES = 2  # of a try that is not valid
SETTLE_SHARE = 0.2  # of a try before it counts


@dataclass
class Step:
    """One try. `kept`: None where the measurement is not valid."""

    rate: float
    kept: bool | None
    achieved: float
    p50_ms: float
    p99_ms: float
    why: list[str] = field(default_factory=list)


@dataclass
class Search:
    """`low`: the highest rate known to be kept; `high`: the lowest known not to be. `precision`: how near they get."""

    first: float
    most: float
    precision: float
    low: float = 0.0
    high: float = math.inf

    def next(self) -> float | None:
        """The rate to try, None when the limit is known."""
        if self.high == math.inf:
            rate = self.low * 2 or self.first
            return min(rate, self.most) if self.low < self.most else None
        if self.low == 0:
            return None
        return math.sqrt(self.low * self.high) if self.high > self.low * (1 + self.precision) else None

    def note(self, rate: float, *, kept: bool) -> None:
        if kept:
            self.low = max(self.low, rate)
        else:
            self.high = min(self.high, rate)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("target", metavar="URL", help="as for 'headgate load'")
    add("--budget", metavar="TEXT", action="append", default=[], help="default: 'p99 < 50 ms'; may be repeated")
    add("--from", dest="first", metavar="N", default="100", help="the first rate (default: 100/s)")
    add("--to", dest="most", metavar="N", default="100000", help="the highest one to try (default: 100000/s)")
    add("--precision", metavar="PERCENT", type=float, default=3.0, help="how near (default: 3)")
    add("--for", dest="length", metavar="TIME", default="5 s", help="length of each try (default: 5 s)")
    add("--out", metavar="FILE", type=Path, help="write the steps (JSON)")
    add("--json", action="store_true", help="each step as a JSON line, the limit last")
    words.add_arguments(parser)
    parser.set_defaults(closed=0, warm_up=None)


def main(args: argparse.Namespace) -> int:
    with exits.translated():
        if not 0.1 <= args.precision <= 50:  # noqa: PLR2004
            raise CommandError(USAGE, "--precision is 0.1 to 50 (per cent)")
        report.check_outputs(None, args.out)
        args.budget = args.budget or ["p99 < 50 ms"]
        search = Search(words.rate(args.first), words.rate(args.most), args.precision / 100)
        steps, interrupted = load.on_a_loop(find(search, lambda rate: trial(args, rate), _Show(as_json=args.json)))
        invalid = bool(steps) and steps[-1].kept is None
        code = INTERRUPTED if interrupted else exits.NOT_MEASURED if invalid else exits.OVER_BUDGET
        code = exits.PASSED if code == exits.OVER_BUDGET and search.low else code
        found = {"limit": search.low, "steps": [asdict(step) for step in steps], "exit_code": code}
        _tell(search, steps, args, code)
        if args.out is not None:
            _write(args.out, found)
    return code


def trial(args: argparse.Namespace, rate: float) -> load.Load:
    args.rate = str(rate)
    wanted = words.load_of(args, args.target)
    seconds = wanted.plan.seconds * (1 + SETTLE_SHARE)
    wanted.plan.measured_from = seconds - wanted.plan.seconds
    wanted.plan.seconds = seconds
    wanted.plan.due = Schedule([hold(rate, seconds)]).due()
    if any(budget.figure == RATE_OF for budget in wanted.budgets):
        raise CommandError(USAGE, "a budget of the rate makes no sense here", "It is what is looked for")
    return wanted


async def find(
    search: Search, trial_of: Callable[[float], load.Load], show: "Callable[[Step], None]"
) -> tuple[list[Step], bool]:
    """-> the steps, and whether it was interrupted. A try that is not valid is repeated."""
    steps: list[Step] = []
    left = RETRIES
    while (rate := search.next()) is not None and len(steps) < STEPS_MAX:
        rested = await _rest(trial_of(search.first))
        result = await _carried_out(trial_of(rate)) if rested else None
        if result is None:
            return steps, True
        step = _judge(rate, result)
        steps.append(step)
        show(step)
        if step.kept is not None:
            search.note(rate, kept=step.kept)
            left = RETRIES
        elif left:
            left -= 1
        else:
            break
    return steps, False


async def _carried_out(wanted: load.Load) -> Result | None:
    """None: it was interrupted."""
    try:
        result = (await load.run(wanted, sys.argv)).result
    except LoadError as error:
        if error.code != INTERRUPTED:
            raise
        return None
    return None if result.interrupted else result


async def _rest(probe: load.Load) -> bool:
    """Until what the last try left behind is worked off: one request, and its answer. False: it was interrupted."""
    if MQTT in probe.targets:
        await asyncio.sleep(REST_S)
        return True
    probe.plan = Plan(itertools.islice(probe.plan.requests, 1), REST_S, closed=1)
    probe.budgets = ()
    probe.device = NOTHING
    return await _carried_out(probe) is not None


def _judge(rate: float, result: Result) -> Step:
    total, seconds = result.total, max(result.run.seconds, 1e-9)
    in_time = _in_time(rate, result)
    why = [
        f"{one.text}: {'not measured' if one.measured is None else f'{one.measured:.4g} {one.unit}'}"
        for one in result.budgets
        if one.outcome != KEPT
    ]
    allowed = any(one.text.startswith("errors") and one.outcome == KEPT for one in result.budgets)
    if total.errors and not allowed:
        why.append(f"{total.errors} errors: " + ", ".join(name for name in total.outcomes if name != "ok"))
    if in_time < KEEPS_UP:
        why.append(f"only {in_time:.1%} answered in time")
    kept: bool | None = not why
    if why and result.audit.verdict == INVALID:  # what the generator adds only ever makes it worse: kept is kept
        why, kept = [*why, *result.audit.reasons], None
    p50, p99 = (total.latency.quantile(share) / MS for share in (0.5, 0.99))
    return Step(rate, kept, total.done / seconds, p50, p99, why)


def _in_time(rate: float, result: Result) -> float:
    """The share that was answered while the try lasted: all but what has piled up at its end. Some are always under
    way (as many as in its midst, or as come in the mean latency, Little's law; give or take what chance does), and a
    pause of the target is made up for faster than requests come."""
    total, under_way = result.total, result.series.in_flight or [0]
    if not total.due:
        return 0.0
    little = total.done / max(result.run.seconds, 1e-9) * total.latency.mean / 1e9
    usual = max(median_low(under_way[:-1] or [0]), little)
    usual += max(CHANCE * math.sqrt(usual), rate * MOMENT_S)
    worked_off_s = result.run.seconds - total.due / rate
    piled_up = under_way[-1] - usual if under_way[-1] <= rate * worked_off_s else 0.0
    return min(total.done, total.due - max(piled_up, 0.0)) / total.due


class _Show:
    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def __call__(self, step: Step) -> None:
        if self._as_json:
            print(json.dumps({"event": "step", **asdict(step)}), flush=True)
            return
        verdict = {True: "kept", False: "broken", None: "INVALID"}[step.kept]
        p50, p99 = terminal.figure(step.p50_ms * MS), terminal.figure(step.p99_ms * MS)
        line = f"{step.rate:10.1f}/s  p50 {p50:>6}  p99 {p99:>6} ms  {verdict:<8}"
        print(line + "; ".join(step.why), flush=True)


def _tell(search: Search, steps: list[Step], args: argparse.Namespace, code: int) -> None:
    if args.json:
        print(json.dumps({"event": "end", "limit": search.low, "exit_code": code}))
        return
    budget = ", ".join(args.budget)
    if code == INTERRUPTED:
        print(f"\ninterrupted; {search.low:.1f}/s were within {budget}" if search.low else "\ninterrupted")
    elif code == exits.PASSED:
        reached = "" if search.high < math.inf else " (--to; the target may do more)"
        print(f"\n{search.low:.1f}/s within {budget}{reached}")
    elif code == exits.NOT_MEASURED:
        print(f"\nat least {search.low:.1f}/s within {budget}; then the generator was the limit, or this machine busy")
    else:
        print(f"\nnot even {steps[0].rate if steps else search.first:.1f}/s within {budget}")


def _write(path: Path, found: dict[str, object]) -> None:
    try:
        path.write_text(json.dumps(found) + "\n", encoding="utf-8")
    except OSError as error:
        raise LoadError(USAGE, f"cannot write {path}: {error.strerror}", "Name another file") from None
