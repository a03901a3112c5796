"""Line charts as inline SVG: axes with round numbers, one line for each series, gaps where nothing is known.

Every line says how many points it has (`data-points`), so that a test can hold the drawing against the figures.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape

WIDTH = 880
LEFT, RIGHT, TOP, BOTTOM = 64, 36, 12, 26
POINTS = 600  # of one line; more are joined
_STEPS = (1, 2, 5, 10)

Value = float | None


@dataclass(frozen=True)
class Axis:
    """From values to a share of the axis. `ticks`: (value, label)."""

    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    scale: Callable[[float], float] = field(default=lambda value: value)

    def share(self, value: float) -> float:
        low, high = self.scale(self.low), self.scale(self.high)
        return (self.scale(min(max(value, self.low), self.high)) - low) / (high - low) if high > low else 0.0


@dataclass(frozen=True)
class Line:
    """`colour`: number of a class of the page's style. `band`: wide and pale, for another line to lie upon."""

    name: str
    values: Sequence[tuple[float, Value]]  # (x, y)
    colour: int = 1
    band: bool = False


def number(value: float) -> str:
    """Three significant digits; what is large in thousands, millions, thousands of millions."""
    for limit, unit, letter in ((1e9, 1e9, " G"), (1e6, 1e6, " M"), (1e4, 1e3, " k")):
        if abs(value) >= limit:
            return f"{value / unit:.3g}{letter}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"  # noqa: PLR2004


def linear(values: Sequence[Value], *, from_zero: bool = True, label: Callable[[float], str] = number) -> Axis:
    """Around all values, with ends that are ticks."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    low = min(low, 0.0) if from_zero else low
    if high <= low:
        high = low + (abs(low) or 1.0)
    step = _round_step((high - low) / 3)
    first, last = math.floor(low / step), math.ceil(high / step)
    ticks = [(n * step, label(n * step)) for n in range(first, last + 1)]
    return Axis(ticks[0][0], ticks[-1][0], ticks)


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in _STEPS if step * power >= rough * 0.999)


def logarithmic(values: Sequence[float], label: Callable[[float], str] = number) -> Axis:
    """Powers of ten around all values above 0."""
    known = [value for value in values if value > 0] or [1.0]
    first, last = math.floor(math.log10(min(known))), math.ceil(math.log10(max(known)))
    last = max(last, first + 1)
    ticks = [(10.0**n, label(10.0**n)) for n in range(first, last + 1)]
    return Axis(ticks[0][0], ticks[-1][0], ticks, math.log10)


def percentiles(count: int) -> Axis:
    """Shares of 1 spread by their nines, as far as `count` values reach."""
    nines = max(1, min(6, math.ceil(math.log10(max(count, 10)))))
    ticks = [(0.0, "0 %"), (0.5, "50 %")]
    ticks += [(1 - 10.0**-n, f"{100 - 10.0 ** (2 - n):g} %") for n in range(1, nines + 1)]
    return Axis(0.0, 1 - 10.0**-nines, ticks, lambda share: -math.log10(max(1 - share, 1e-12)))


def seconds(length: float) -> Axis:
    """From 0 to the end of a run."""
    unit, name = next(((unit, name) for unit, name in ((3600, "h"), (60, "min")) if length >= 3 * unit), (1, "s"))
    step = _round_step(max(length, 1e-3) / 8 / unit) * unit
    ticks = [(n * step, f"{n * step / unit:g}") for n in range(math.floor(length / step) + 1)]
    return Axis(0.0, length, [*ticks[:-1], (ticks[-1][0], f"{ticks[-1][1]} {name}")])


def joined(
    values: Sequence[tuple[float, Value]], join: Callable[[Sequence[float]], float] = max
) -> list[tuple[float, Value]]:
    """At most POINTS of them: neighbours become one."""
    each = -(-len(values) // POINTS)
    if each <= 1:
        return list(values)
    found: list[tuple[float, Value]] = []
    for n in range(0, len(values), each):
        part = values[n : n + each]
        known = [y for _, y in part if y is not None]
        found.append((part[0][0], join(known) if known else None))
    return found


def svg(  # noqa: PLR0913 - its parts
    title: str,
    x: Axis,
    y: Axis,
    lines: Sequence[Line],
    *,
    height: int = 150,
    name: str = "",
    marks: Sequence[tuple[float, str]] = (),
) -> str:
    """`name`: for a test to find it by. `marks`: places of the x axis with what begins there."""
    inner, tall = WIDTH - LEFT - RIGHT, height - TOP - BOTTOM

    def at(horizontal: float, vertical: float) -> tuple[float, float]:
        return LEFT + x.share(horizontal) * inner, TOP + (1 - y.share(vertical)) * tall

    parts = [f'<svg class="chart" data-chart="{escape(name)}" viewBox="0 0 {WIDTH} {height}" role="img">',
             f"<title>{escape(title)}</title>"]  # fmt: skip
    for value, label in y.ticks:
        across = at(x.low, value)[1]
        parts.append(f'<path class="grid" d="M{LEFT} {across:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text class="y" x="{LEFT - 6}" y="{across + 4:.1f}">{escape(label)}</text>')
    for value, label in x.ticks:
        along = at(value, y.low)[0]
        parts.append(f'<text class="x" x="{along:.1f}" y="{height - 8}">{escape(label)}</text>')
    for value, what in marks:
        along = at(value, y.low)[0]
        parts.append(
            f'<path class="mark" d="M{along:.1f} {TOP}V{height - BOTTOM}"><title>{escape(what)}</title></path>'
        )
    parts += [_line(line, at) for line in lines]
    parts.append("</svg>")
    return "".join(parts)


def _line(line: Line, at: Callable[[float, float], tuple[float, float]]) -> str:
    """One path; a value that is not known interrupts it, and one that stands alone is a dot."""
    values = joined(line.values)
    path, pen_down = [], False
    for position, (horizontal, value) in enumerate(values):
        if value is None:
            pen_down = False
            continue
        a, b = at(horizontal, value)
        alone = not pen_down and (position + 1 == len(values) or values[position + 1][1] is None)
        path.append(f"{'L' if pen_down else 'M'}{a:.1f} {b:.1f}{'h0.1' if alone else ''}")
        pen_down = True
    count = sum(value is not None for _, value in values)
    kind = f"line c{line.colour}{' band' if line.band else ''}"
    data = f'data-line="{escape(line.name)}" data-points="{count}" d="{"".join(path)}"'
    return f'<path class="{kind}" {data}><title>{escape(line.name)}</title></path>'


def legend(lines: Sequence[Line]) -> str:
    return (
        '<p class="legend">'
        + "".join(f'<span class="c{line.colour}">{escape(line.name)}</span>' for line in lines)
        + "</p>"
    )
