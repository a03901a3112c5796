"""Budgets: `p99 < 8 ms`, `publish.errors < 0.1 %`, `device.rss < 48 MB`. What they say, and whether they are kept.

    budget   = figure relation number [unit]
    figure   = [operation "."] (["service."] ("p50" ... "p99.99" | "mean" | "max") | "errors" | "rate")
             | "device." name ["." ("max" | "min" | "mean" | "last" | "growth")]
    relation = "<" | "<=" | ">" | ">="

Latencies run from the due instant unless `service` is said; they need a unit of time. `errors` is a share (%) or a
number of requests, `rate` the requests answered in a second (/s). A figure of the device is its largest value unless
said otherwise; `growth` is the mean of its last tenth less that of its first.
"""

import operator
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from headgate.linux.config_values import SIZE_UNITS, ValueOf, closest
from headgate_host.load.distribution import Distribution
from headgate_host.load.result import BROKEN, KEPT, UNKNOWN, BudgetOutcome, Measured, Numbers, Result

RELATIONS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
TIME, SIZE, SHARE, RATE, PLAIN, DEGREES = "time", "size", "share", "rate", "number", "temperature"
UNITS: dict[str, dict[str, float]] = {  # of each kind, in nanoseconds, bytes, parts of one, ...
    TIME: {"ns": 1, "us": 1e3, "µs": 1e3, "ms": 1e6, "s": 1e9, "min": 60e9},
    SIZE: {name: float(size) for name, size in SIZE_UNITS.items()},
    SHARE: {"%": 0.01},
    RATE: {"/s": 1, "/min": 1 / 60},
    PLAIN: {"": 1},
    DEGREES: {"C": 1, "°C": 1},
}
SERIES_KINDS = {  # by DeviceSeries.unit
    "bytes": (SIZE,),
    "bytes/s": (SIZE,),
    "celsius": (DEGREES, PLAIN),
    "cores": (PLAIN, SHARE),
}
ERRORS, RATE_OF = "errors", "rate"
TENTH = 10


def growth(values: Sequence[float]) -> float:
    part = max(1, len(values) // TENTH)
    return (sum(values[-part:]) - sum(values[:part])) / part


STATISTICS: dict[str, Callable[[Sequence[float]], float]] = {
    "max": max,
    "min": min,
    "mean": lambda values: sum(values) / len(values),
    "last": lambda values: values[-1],
    "growth": growth,
}
RESERVED = frozenset(("service", "device", ERRORS, RATE_OF, "mean", "max"))  # what no operation may be called

_SHAPE = re.compile(r"\s*([^\s<>=]+)\s*([<>=!]+)\s*([^\s%/A-Za-zµ°]+)\s*(\S*)\s*")
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,4})?)", re.ASCII)


@dataclass(frozen=True)
class Budget:
    """`figure` without the operation or "device."; `limit` in the unit of the text, which is worth `scale`."""

    text: str
    operation: str  # "" for all
    device: bool
    figure: str
    relation: str
    limit: float
    unit: str
    kind: str  # of the unit

    @property
    def scale(self) -> float:
        return UNITS[self.kind][self.unit]


def parse(text: str, operations: Collection[str] = ()) -> Budget:
    """Raises ValueOf, with what should have been written where that can be guessed."""
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        raise ValueOf("a budget is a figure, a relation and a limit", "p99 < 8 ms")
    figure, relation, number, unit = shape.groups()
    if relation not in RELATIONS:
        raise ValueOf(
            f'"{relation}" is no relation; there are {" ".join(RELATIONS)}', f"{figure} < {number} {unit}".rstrip()
        )
    try:
        limit = float(number)
    except ValueError:
        raise ValueOf(f'"{number}" is not a number') from None
    if not abs(limit) < 1e18:  # noqa: PLR2004 - inf and nan neither
        raise ValueOf(f"{number} is not a limit")
    operation, device, name = _figure(figure, operations)
    kind = _kind(name, device, unit, f"{figure} {relation} {number}")
    return Budget(text.strip(), operation, device, name, relation, limit, unit, kind)


def _figure(text: str, operations: Collection[str]) -> tuple[str, bool, str]:
    """-> (operation, is it the device's, figure)."""
    head, _, rest = text.partition(".")
    if head == "device":
        name, _, statistic = rest.partition(".")
        if not name:
            raise ValueOf("which figure of the device?", "device.rss")
        if statistic and statistic not in STATISTICS:
            raise ValueOf(
                f'"{statistic}" is none of {", ".join(STATISTICS)}', _hint(f"device.{name}.", statistic, STATISTICS)
            )
        return "", True, rest
    # An operation's name may hold dots: the longest one that fits.
    operation = max((name for name in operations if text.startswith(f"{name}.")), key=len, default="")
    name = text[len(operation) + 1 :] if operation else text
    bare = name.removeprefix("service.")
    known = (ERRORS, RATE_OF) if bare == name else ()
    if bare in known or bare in ("mean", "max") or _PERCENTILE.fullmatch(bare):
        return operation, False, name
    if re.fullmatch(r"p\d.*", bare):
        raise ValueOf(f'"{bare}" is no percentile: p50 to p99.9999')
    first = name.partition(".")[0]
    if rest and not operation and first != "service":
        hint = _hint("", head, operations)
        raise ValueOf(f'there is no operation "{head}"', f"{hint}.{rest}" if hint else "")
    raise ValueOf(f'"{name}" is no figure: p50 … p99.99, mean, max, errors, rate, device.…', _hint("", bare, RESERVED))


def _hint(before: str, word: str, known: Collection[str]) -> str:
    found = closest(word, known)
    return before + found if found else ""


def _kind(figure: str, device: bool, unit: str, rest: str) -> str:
    """Of the unit; refuses one that does not fit the figure."""
    kinds: Mapping[str, tuple[str, ...]] = {ERRORS: (SHARE, PLAIN), RATE_OF: (RATE,)}
    allowed = (SIZE, SHARE, DEGREES, PLAIN) if device else kinds.get(figure, (TIME,))
    for kind in allowed:
        if unit in UNITS[kind]:
            return kind
    names = [name for kind in allowed for name in UNITS[kind] if name]
    meant = next((name for name in names if name.lower() == unit.lower()), "") if unit else names[0]
    what = f'"{unit}" is no unit of it' if unit else "it needs a unit"
    if allowed == (TIME,) and not unit:
        meant = "ms"
    raise ValueOf(f"{what} ({', '.join(names)})", f"{rest} {meant}" if meant else "")


def judge(budget: Budget, result: Result) -> BudgetOutcome:
    """What was not measured is never kept."""
    measured = _measure(budget, result)
    if measured is None:
        return BudgetOutcome(budget.text, UNKNOWN, None, budget.unit)
    measured /= budget.scale
    kept = RELATIONS[budget.relation](measured, budget.limit)
    return BudgetOutcome(budget.text, KEPT if kept else BROKEN, measured, budget.unit)


def _measure(budget: Budget, result: Result) -> float | None:
    """In the base unit of the budget's kind."""
    if budget.device:
        return _of_device(budget, result)
    part = result.operations.get(budget.operation) if budget.operation else result.total
    if part is None:
        return None
    if budget.figure == ERRORS:
        share = part.share_of_errors()
        return share if budget.kind == SHARE or share is None else share * part.due
    if budget.figure == RATE_OF:
        return part.done / result.run.seconds if result.run.seconds else None
    return _latency(budget.figure, part)


def _latency(figure: str, part: Measured) -> float | None:
    name = figure.removeprefix("service.")
    distribution: Distribution = part.latency if name == figure else part.service
    if not distribution.count:
        return None
    if name in ("mean", "max"):
        return distribution.mean if name == "mean" else distribution.most
    share = round(float(name[1:]) / 100, 6)  # 99.9 / 100 is more than 0.999: the rank of the next value
    return distribution.quantile(share)


def _of_device(budget: Budget, result: Result) -> float | None:
    name, _, statistic = budget.figure.partition(".")
    series = result.device.series.get(name)
    if series is None or budget.kind not in SERIES_KINDS.get(series.unit, (PLAIN,)):
        return None
    values = known(series.values)
    return STATISTICS[statistic or "max"](values) if values else None


def known(values: Numbers) -> list[float]:
    return [value for value in values if value is not None]
