"""Counts latencies while they come: log-linear buckets, bounded memory, a stated relative error, lossless merge.

Values are whole nanoseconds. Below 256 each has a bucket of its own; above, every power of two is divided into 128
steps, so a percentile is less than 1/128 (0.8 %) too high and never too low. What has been counted is a `Distribution`
(distribution.py), which also says where the buckets lie.
"""

from headgate_host.load.distribution import PRECISION_BITS, Distribution

LARGEST_NS = 3_600_000_000_000  # an hour; what takes longer counts as this


class Histogram:
    """`count` values so far; `take` gives them and starts anew."""

    __slots__ = ("_counts", "_least", "_most", "_total", "count")

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self._counts: dict[int, int] = {}
        self._least, self._most, self._total = LARGEST_NS, 0, 0
        self.count = 0

    def add(self, value: int) -> None:
        if not 0 <= value <= LARGEST_NS:
            value = min(max(value, 0), LARGEST_NS)
        # distribution.index_of(), without a call: this is done twice for each request
        shift = value.bit_length() - PRECISION_BITS - 1
        index = value if shift <= 0 else (shift << PRECISION_BITS) + (value >> shift)
        self._counts[index] = self._counts.get(index, 0) + 1
        self._total += value
        self.count += 1
        if value > self._most:  # noqa: PLR1730 - a call is slower
            self._most = value
        if value < self._least:  # noqa: PLR1730
            self._least = value

    def take(self) -> Distribution:
        found = Distribution(self._counts, self._least if self.count else 0, self._most, self._total)
        self._start()
        return found
