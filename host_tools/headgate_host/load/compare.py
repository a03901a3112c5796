"""`headgate load compare`: is the second run slower than the first, or is it chance?

A run is cut into slices of equal length, each with the latencies of the requests that were due in it. Slices, not
requests, are resampled (a bootstrap over blocks of time), because requests that follow each other share their fate: a
stall makes hundreds of them late at once. From 1,000 such draws of both runs come 1,000 ratios; the interval that holds
95 % of them is the confidence interval. A regression is a ratio whose whole interval lies beyond the tolerance.
"""

import argparse
import json
import random
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path

from headgate.errors import OK, USAGE
from headgate_host.load import exits
from headgate_host.load.distribution import Distribution, bucket, merge
from headgate_host.load.exits import LoadError
from headgate_host.load.result import INVALID, Result
from headgate_host.load.terminal import figure

HELP = "compare two results: ratio with its confidence interval, exit code 1 on a regression"
EPILOG = """\
The ratio is B / A: 1.20 means that B takes 20 % longer. The interval comes from resampling slices of time of both runs
(1,000 draws, 95 %), so a run should last a minute or more: with few slices it is wide, and nothing is found.

examples
  headgate load compare before.json after.json
  headgate load compare before.json after.json --tolerance 10 --json

exit codes: 0 no regression · 1 B is worse · 2 a file is not a result · 7 a result is INVALID, or there is too little
"""
SHARES = ((0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9"))
DRAWS = 1000
CONFIDENCE = 0.95
SLICES_MIN = 8  # of each run
TOLERANCE = 5.0  # %
ERRORS_MIN = 50  # in both runs; a ratio of fewer says nothing
REGRESSION, NOT_COMPARABLE = 1, 7
SAME, WORSE, BETTER = "no difference seen", "worse", "better"
_SEED = 20260101


@dataclass(frozen=True)
class Ratio:
    """Of the second to the first, with the interval; `before` and `after` in `unit`."""

    name: str
    unit: str
    before: float
    after: float
    ratio: float
    low: float
    high: float
    verdict: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", metavar="A.json", type=Path, help="the result to compare with")
    parser.add_argument("after", metavar="B.json", type=Path, help="the result to judge")
    parser.add_argument(
        "--tolerance",
        metavar="PERCENT",
        type=float,
        default=TOLERANCE,
        help=f"what is not called worse ({TOLERANCE:g})",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text")


def main(args: argparse.Namespace) -> int:
    with exits.translated():
        if not args.tolerance >= 0:
            raise LoadError(USAGE, f"--tolerance {args.tolerance:g} is none", "Per cent, 0 or more")
        before, after = Result.read(args.before), Result.read(args.after)
        for path, result in ((args.before, before), (args.after, after)):
            if result.audit.verdict == INVALID:
                raise LoadError(
                    NOT_COMPARABLE, f"{path} is INVALID: {'; '.join(result.audit.reasons)}", "Measure again"
                )
        found = compare(before, after, args.tolerance / 100)
    code = REGRESSION if any(one.verdict == WORSE for one in found) else OK
    notes = differences(before, after)
    if args.json:
        document = {"ratios": [asdict(one) for one in found], "notes": notes, "exit_code": code}
        print(json.dumps(document))
    else:
        print(table(found))
        for note in notes:
            print(f"note: {note}")
    return code


def compare(before: Result, after: Result, tolerance: float = TOLERANCE / 100) -> list[Ratio]:
    """Latency percentiles from the due instant, and the share of errors. Raises LoadError for runs too short."""
    for result in (before, after):
        if len(result.slices) < SLICES_MIN:
            cause = f"a run has {len(result.slices)} slices of {result.slice_s:g} s; {SLICES_MIN} are the least"
            raise LoadError(NOT_COMPARABLE, cause, "Let it run for longer: --for 1min")
    chance = random.Random(_SEED)  # noqa: S311 - the same files give the same interval
    drawn = _draws(before.slices, chance), _draws(after.slices, chance)
    found = []
    for place, (share, name) in enumerate(SHARES):
        if not all(result.total.latency.is_exceeded(share) for result in (before, after)):
            continue
        ratios = sorted(b[place] / max(a[place], 1) for a, b in zip(*drawn, strict=True))
        values = [merge(result.slices).quantile(share) for result in (before, after)]
        found.append(_ratio(name, "ms", values[0] / 1e6, values[1] / 1e6, ratios, tolerance))
    errors = _errors(before, after, tolerance, chance)
    return [*found, errors] if errors else found


def _ratio(name: str, unit: str, before: float, after: float, ratios: Sequence[float], tolerance: float) -> Ratio:  # noqa: PLR0913, PLR0917 - its fields
    tail = (1 - CONFIDENCE) / 2
    low, high = ratios[int(tail * len(ratios))], ratios[min(int((1 - tail) * len(ratios)), len(ratios) - 1)]
    verdict = WORSE if low > 1 + tolerance else BETTER if high < 1 / (1 + tolerance) else SAME
    return Ratio(name, unit, before, after, after / before if before else float(after > 0), low, high, verdict)


def _draws(slices: Sequence[Distribution], chance: random.Random) -> list[list[int]]:
    """DRAWS times the percentiles of as many slices, drawn with replacement.

    The buckets of all slices are numbered once, so that a draw is a sum of short columns instead of a merge.
    """
    order = sorted({index for one in slices for index in one.counts})
    place = {index: n for n, index in enumerate(order)}
    columns = [[(place[index], count) for index, count in one.counts.items()] for one in slices]
    upper = [bucket(index)[1] for index in order]
    found = []
    for _ in range(DRAWS):
        sums = [0] * len(order)
        for column in chance.choices(columns, k=len(columns)):
            for n, count in column:
                sums[n] += count
        upto = list(accumulate(sums))
        total = upto[-1] if upto else 0
        found.append(
            [upper[bisect_left(upto, max(1, -int(-share * total // 1)))] if total else 0 for share, _ in SHARES]
        )
    return found


def _errors(before: Result, after: Result, tolerance: float, chance: random.Random) -> Ratio | None:
    """The share of requests that failed, by intervals; None where hardly any failed in either."""
    shares = [result.total.share_of_errors() or 0.0 for result in (before, after)]
    if sum(share * result.total.due for share, result in zip(shares, (before, after), strict=True)) < ERRORS_MIN:
        return None
    drawn = []
    for result in (before, after):
        pairs = list(zip(result.series.due, result.series.errors, strict=False))
        each = []
        for _ in range(DRAWS):
            chosen = chance.choices(pairs, k=len(pairs)) if pairs else []
            due = sum(one for one, _ in chosen)
            each.append(sum(one for _, one in chosen) / due if due else 0.0)
        drawn.append(each)
    least = 1 / max(before.total.due, 1)  # none of so many: a ratio to nothing is to one of them
    ratios = sorted(b / max(a, least) for a, b in zip(*drawn, strict=True))
    return _ratio("errors", "%", shares[0] * 100, shares[1] * 100, ratios, tolerance)


def table(found: Sequence[Ratio]) -> str:
    def value(one: Ratio, number: float) -> str:
        return f"{figure(number * 1e6)} ms" if one.unit == "ms" else f"{number:.3g} %"

    lines = [f"{'':8}{'A':>12}{'B':>12}{'B / A':>9}   95 % interval"]
    for one in found:
        interval = f"{one.low:.2f} … {one.high:.2f}"
        figures = f"{one.name:8}{value(one, one.before):>12}{value(one, one.after):>12}{one.ratio:>9.2f}"
        lines.append(f"{figures}   {interval:15} {one.verdict}")
    return "\n".join(lines)


def differences(before: Result, after: Result) -> list[str]:
    """What differs beside the figures: a ratio says little of two different things."""
    found = [
        f"{name}: {before.run.machine.get(name, '-')} and {after.run.machine.get(name, '-')}"
        for name in sorted({*before.run.machine, *after.run.machine})
        if before.run.machine.get(name) != after.run.machine.get(name)
    ]
    if before.scenario != after.scenario:
        found.append("the scenarios differ")
    rates = [result.total.due / result.run.seconds if result.run.seconds else 0.0 for result in (before, after)]
    if max(rates) > 1.02 * min(rates):
        found.append(f"the rates differ: {rates[0]:.0f} and {rates[1]:.0f} requests a second")
    return found
