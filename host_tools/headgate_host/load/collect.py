"""Gathers what the recorders found into totals and series of a result, in bounded memory however long the run."""

from headgate_host.load.distribution import MS
from headgate_host.load.record import Found
from headgate_host.load.result import Measured, Series, Slices, combined


class Collector:
    """An interval is closed when nothing that was due in it can be answered any more; then only figures are kept."""

    def __init__(self, interval_s: float) -> None:
        self.interval_s = interval_s
        self.operations: dict[str, Measured] = {}
        self.series = Series(interval_s)
        self.slices = Slices(interval_s)
        self._open: dict[int, Measured] = {}

    def add(self, found: Found) -> None:
        for (interval, name), measured in found.items():
            known = self.operations.get(name)
            self.operations[name] = measured if known is None else combined([known, measured])
            part = self._open.get(interval)
            self._open[interval] = measured if part is None else combined([part, measured])

    def latest(self, interval: int) -> Measured:
        """What is known of the requests due in it."""
        return self._open.get(interval) or Measured()

    def close(self, before: int) -> None:
        """The intervals up to that one, which is not closed itself."""
        series = self.series
        for interval in range(len(series.due), before):
            one = self._open.pop(interval, None) or Measured()
            series.due.append(one.due)
            series.sent.append(one.sent)
            series.done.append(one.done)
            series.errors.append(one.errors)
            for share, into in ((0.5, series.p50_ms), (0.99, series.p99_ms)):
                into.append(one.latency.quantile(share) / MS if one.latency.count else None)
            self.slices.add(one.latency)

    def finish(self, intervals: int) -> None:
        """The run had so many; what was noted beyond (while the last answers came) goes."""
        self.close(max([intervals - 1, *self._open]) + 1)
        count = len(self.series.due)
        self.series.in_flight = (self.series.in_flight + [0] * count)[:count]

    @property
    def total(self) -> Measured:
        return combined(self.operations.values())
