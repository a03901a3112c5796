"""The live view of `headgate load` on a terminal, with rich: rate and latency over time, histogram, device."""

import sys
from collections import deque
from typing import TYPE_CHECKING

from headgate_host.load import terminal
from headgate_host.load.distribution import MS, Distribution, bucket, merge
from headgate_host.load.engine import Moment

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

SHOWN = 60  # intervals of the lines over time
RECENT = 10  # intervals of the histogram
BAR = 40  # characters of the longest bar
STEPS = "▁▂▃▄▅▆▇█"


def spark(values: "list[float]") -> str:
    """A line of characters, the highest value the full block."""
    most = max(values, default=0.0)
    top = len(STEPS) - 1
    return "".join(STEPS[round(value / most * top)] if most > 0 else STEPS[0] for value in values)


def bars(latency: Distribution) -> "list[tuple[str, int, float]]":
    """(upper end, count, share of the largest) for each power of two of the latencies."""
    octaves: dict[int, int] = {}
    for index, count in latency.counts.items():
        octave = bucket(index)[1].bit_length()
        octaves[octave] = octaves.get(octave, 0) + count
    if not octaves:
        return []
    most = max(octaves.values())
    rows = range(min(octaves), max(octaves) + 1)
    return [(terminal.figure(1 << octave), octaves.get(octave, 0), octaves.get(octave, 0) / most) for octave in rows]


def _short(value: float) -> str:
    return f"{value / 1e6:,.1f} M" if value >= 1e6 else f"{value:,.4g}"  # noqa: PLR2004


class Screen:
    def __init__(self, console: "Console | None" = None) -> None:
        from rich.console import Console
        from rich.live import Live

        self._rates: deque[float] = deque(maxlen=SHOWN)
        self._p99: deque[float] = deque(maxlen=SHOWN)
        self._recent: deque[Distribution] = deque(maxlen=RECENT)
        self._live = Live(console=console or Console(), auto_refresh=False, transient=True)
        self._live.start()

    def moment(self, moment: Moment) -> None:
        latency = moment.measured.latency
        self._rates.append(float(moment.measured.done))
        self._p99.append(latency.quantile(0.99) / MS)
        self._recent.append(latency)
        self._live.update(self.picture(moment), refresh=True)

    def picture(self, moment: Moment) -> "RenderableType":
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        lines = Table.grid(padding=(0, 2))
        lines.add_row("answered", f"{self._rates[-1]:,.0f}", spark(list(self._rates)))
        lines.add_row("p99, ms", terminal.figure(self._p99[-1] * MS), spark(list(self._p99)))
        histogram = Table.grid(padding=(0, 2))
        for end, count, share in bars(merge(self._recent)):
            bar = "█" * max(round(share * BAR), min(count, 1))
            histogram.add_row(Text(f"up to {end} ms", justify="right"), f"{count:,}", bar)
        parts: list[RenderableType] = [Text(terminal.moment_line(moment)), "", lines, "", histogram]
        if moment.device:
            figures = (f"{name} {_short(value)}" for name, value in moment.device.items())
            parts += ["", Text("device  " + "   ".join(figures))]
        return Group(*parts)

    def close(self) -> None:
        self._live.stop()


def screen(*, quiet_loop: bool) -> "Screen | None":
    """None: plain lines instead. Drawing takes milliseconds, which a loop that sends (not `quiet_loop`) has not."""
    if not quiet_loop or not sys.stdout.isatty():
        return None
    try:
        return Screen()
    except ImportError:  # rich is optional
        return None
