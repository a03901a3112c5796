"""May the figures be believed? The generator watches itself and says what it finds.

A figure is worthless when a part of it that matters is the generator's own: that it took requests up late, did not get
to reading answers, had no CPU time left, or did not do what was asked of it. How late is too late depends on what was
measured: a millisecond is nothing beside 50 ms.
"""

from dataclasses import dataclass, field

from headgate_host.load.distribution import MS, Distribution
from headgate_host.load.result import INVALID, VALID, Audit

OWN_SHARE = 0.25  # of a percentile may be the generator's delay
LATE_FLOOR_NS = 1 * MS  # less is never too late
LAG_FLOOR_NS = 3 * MS  # asyncio's own timers are up to 1 ms late
JUDGED = (0.5, 0.99)  # percentiles that are judged; what is beyond is noted
BUSY = 0.9  # CPU share of the busiest thread: beyond it, requests queue up inside the generator
ACHIEVED = 0.99  # of what was to be due


@dataclass
class Watched:
    """What the generator saw of itself while it measured. `late`: how long after their due instants requests were taken
    up; `lag`: how late a timer of its loop was, where a loop reads the answers. `asked`: requests that were to be due,
    None: as many as went (closed loop)."""

    late: Distribution = field(default_factory=Distribution)
    lag: Distribution | None = None
    seconds: float = 0.0
    busiest_s: float = 0.0  # CPU time of the busiest thread
    cpu_s: float = 0.0  # of the whole process
    asked: int | None = None
    done: int = 0
    due: int = 0

    @property
    def busy(self) -> float:
        return self.busiest_s / self.seconds if self.seconds > 0 else 0.0


def audit(watched: Watched, latency: Distribution) -> Audit:
    reasons = [*_too_late(watched, latency), *_too_little(watched)]
    figures = {
        "cpu_share": watched.busy,
        "cpu_us_per_request": watched.cpu_s * 1e6 / watched.done if watched.done else 0.0,
        "late_p50_ms": watched.late.quantile(0.5) / MS,
        "late_p99_ms": watched.late.quantile(0.99) / MS,
        "late_max_ms": watched.late.most / MS,
    }
    if watched.lag is not None:
        figures |= {"lag_p99_ms": watched.lag.quantile(0.99) / MS, "lag_max_ms": watched.lag.most / MS}
    if watched.asked is not None:
        figures |= {"asked": float(watched.asked), "achieved_share": watched.due / max(watched.asked, 1)}
    return Audit(INVALID if reasons else VALID, reasons, figures)


def _too_late(watched: Watched, latency: Distribution) -> list[str]:
    reasons = []
    kinds = (
        (watched.late, LATE_FLOOR_NS, "took up requests {own:.1f} ms late"),
        (watched.lag or Distribution(), LAG_FLOOR_NS, "read answers up to {own:.1f} ms late"),
    )
    for own, floor, text in kinds:
        for share in JUDGED:
            delay, measured = own.quantile(share), latency.quantile(share)
            if delay > max(floor, OWN_SHARE * measured):
                said = text.format(own=delay / MS)
                reasons.append(f"the generator {said} (p{share * 100:g}), where {measured / MS:.1f} ms were measured")
    return reasons


def _too_little(watched: Watched) -> list[str]:
    reasons = []
    if watched.busy > BUSY:
        reasons.append(f"the generator used {watched.busy:.0%} of a core: what was measured is its own limit")
    if watched.asked and watched.due < ACHIEVED * watched.asked:
        reasons.append(f"only {watched.due} of {watched.asked} requests were started")
    return reasons


def notes(watched: Watched, latency: Distribution) -> list[str]:
    """What does not make the figures invalid, and should be known."""
    own = max(watched.late.most, watched.lag.most if watched.lag else 0)
    if own > max(LAG_FLOOR_NS, OWN_SHARE * latency.most):
        return [f"the generator itself stalled for {own / MS:.1f} ms once: do not quote the maximum"]
    return []
