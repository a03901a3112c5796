"""Phases -> the instants at which requests are due. Nothing here knows how fast the target answers: that is what makes
the load open.

A phase is a run of straight pieces of a rate over time; a request is due whenever the area under the rate reaches the
next whole number. So a schedule is exact, the same on every machine, and needs no memory however long it is.
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise


@dataclass(frozen=True)
class Piece:
    """A rate (requests per second) that goes in a straight line from one value to another."""

    seconds: float
    start: float
    end: float

    @property
    def area(self) -> float:
        """Requests that are due in it."""
        return self.seconds * (self.start + self.end) / 2

    def rate_at(self, t: float) -> float:
        return self.start + (self.end - self.start) * t / self.seconds

    def time_of(self, area: float) -> float:
        """When the area under the rate reaches `area`."""
        slope = (self.end - self.start) / self.seconds
        root = math.sqrt(max(self.start * self.start + 2 * slope * area, 0.0))
        # The numerically stable root of slope/2 t^2 + start t - area = 0; for slope = 0 it is area / start.
        return min(2 * area / (self.start + root), self.seconds) if area > 0 else 0.0


@dataclass(frozen=True)
class Phase:
    """A named stretch of the run. What happens while it warms up is not in the figures."""

    kind: str  # hold, ramp, step, spike, soak
    pieces: tuple[Piece, ...]
    warm_up: bool = False

    @property
    def seconds(self) -> float:
        return sum(piece.seconds for piece in self.pieces)


def hold(rate: float, seconds: float, *, warm_up: bool = False) -> Phase:
    return Phase("hold", (Piece(seconds, rate, rate),), warm_up)


def soak(rate: float, seconds: float) -> Phase:
    """As `hold`; the report compares the first tenth of it with the last."""
    return Phase("soak", (Piece(seconds, rate, rate),))


def ramp(start: float, end: float, seconds: float, *, warm_up: bool = False) -> Phase:
    return Phase("ramp", (Piece(seconds, start, end),), warm_up)


def step(start: float, end: float, steps: int, seconds: float) -> Phase:
    """`steps` levels of the same length, the first at `start`, the last at `end`."""
    rates = [start + (end - start) * n / (steps - 1) if steps > 1 else end for n in range(steps)]
    return Phase("step", tuple(Piece(seconds / steps, rate, rate) for rate in rates))


def spike(rate: float, peak: float, peak_seconds: float, seconds: float) -> Phase:
    """`rate`, and in the middle for `peak_seconds` abruptly `peak`."""
    around = (seconds - peak_seconds) / 2
    pieces = (Piece(around, rate, rate), Piece(peak_seconds, peak, peak), Piece(around, rate, rate))
    return Phase("spike", tuple(piece for piece in pieces if piece.seconds > 0))


class Schedule:
    """Phases one after the other."""

    def __init__(self, phases: Sequence[Phase], *, poisson: bool = False, seed: int = 1) -> None:
        """`poisson`: requests come independently of each other with the same rate, instead of evenly spaced."""
        self.phases = tuple(phases)
        self._poisson, self._seed = poisson, seed
        pieces = [piece for phase in self.phases for piece in phase.pieces]
        begins = accumulate((piece.seconds for piece in pieces), initial=0.0)
        areas = accumulate((piece.area for piece in pieces), initial=0.0)
        self._pieces = list(zip(pieces, begins, areas, strict=False))  # (piece, when it begins, what was due before)

    @property
    def seconds(self) -> float:
        return sum(phase.seconds for phase in self.phases)

    @property
    def expected(self) -> float:
        """How many requests are due in all (Poisson: on average)."""
        return sum(piece.area for piece, _, _ in self._pieces)

    @property
    def measured_from(self) -> float:
        """Seconds; what is due before is the warm-up, and not in the figures. Only leading phases can be one."""
        first = next((n for n, phase in enumerate(self.phases) if not phase.warm_up), len(self.phases))
        return sum(phase.seconds for phase in self.phases[:first])

    def rate_at(self, t: float) -> float:
        """Requests per second that are due at `t` seconds; 0 outside."""
        for piece, begin, _ in self._pieces:
            if begin <= t < begin + piece.seconds:
                return piece.rate_at(t - begin)
        return 0.0

    def boundaries(self) -> Iterator[tuple[float, float, str]]:
        """(begin, end, kind) of each phase, in seconds."""
        ends = accumulate((phase.seconds for phase in self.phases), initial=0.0)
        for (begin, end), phase in zip(pairwise(ends), self.phases, strict=True):
            yield begin, end, phase.kind

    def due(self) -> Iterator[float]:
        """The instants, in seconds from the start, ascending; the first request of a constant rate is due at once."""
        chance = random.Random(self._seed) if self._poisson else None  # noqa: S311 - reproducible, nothing secret
        target = chance.expovariate(1.0) if chance else 0.0
        for piece, begin, before in self._pieces:
            area = piece.area
            while target - before < area:
                yield begin + piece.time_of(target - before)
                target += chance.expovariate(1.0) if chance else 1.0
