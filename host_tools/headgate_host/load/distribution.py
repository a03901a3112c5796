"""What a histogram has counted: sparse, lossless to merge, as it stands in a result file.

A value (whole nanoseconds) falls into the log-linear bucket `index_of(value)`: 2**precision_bits buckets for every
power of two, so a bucket is at most 1 / 2**precision_bits of its value wide. The index is the one that HdrHistogram
gives it (lowest discernible value 1, sub-bucket count 2 ** (precision_bits + 1)), so its export needs no arithmetic.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import Any

PRECISION_BITS = 7  # buckets at most 0.8 % wide
VALUE_MAX = (1 << 63) - 1
MS = 1_000_000  # nanoseconds


def index_of(value: int, bits: int = PRECISION_BITS) -> int:
    """The bucket of a value >= 0."""
    shift = max(value.bit_length() - bits - 1, 0)
    return (shift << bits) + (value >> shift)


def bucket(index: int, bits: int = PRECISION_BITS) -> tuple[int, int]:
    """The lowest and the highest value of a bucket."""
    shift = max((index >> bits) - 1, 0)
    low = (index - (shift << bits)) << shift
    return low, low + (1 << shift) - 1


@dataclass(frozen=True)
class Distribution:
    """Counts by bucket, with the exact smallest, largest and sum of the values (0 where there is none)."""

    counts: Mapping[int, int] = field(default_factory=dict)
    least: int = 0
    most: int = 0
    total: int = 0  # sum of the values
    precision_bits: int = PRECISION_BITS

    @classmethod
    def of(cls, values: Iterable[int], bits: int = PRECISION_BITS) -> "Distribution":
        counts: dict[int, int] = {}
        everything = list(values)
        for value in everything:
            index = index_of(value, bits)
            counts[index] = counts.get(index, 0) + 1
        return cls(counts, min(everything, default=0), max(everything, default=0), sum(everything), bits)

    @cached_property
    def count(self) -> int:
        return sum(self.counts.values())

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0

    @cached_property
    def _cumulative(self) -> tuple[list[int], list[int]]:
        order = sorted(self.counts)
        return order, list(accumulate(self.counts[index] for index in order))

    def _rank(self, share: float) -> int:
        return max(1, -int(-share * self.count // 1))  # rounded up, RFC 2330 section 11.3

    def is_exceeded(self, share: float) -> bool:
        """Does a value lie beyond that quantile?"""
        return self._rank(share) < self.count

    def quantile(self, share: float) -> int:
        """The value that `share` (0 to 1) of all values do not exceed: its bucket's upper end, at most the largest."""
        if not self.count:
            return 0
        order, upto = self._cumulative
        rank = self._rank(share)
        at = min(bisect_left(upto, rank), len(order) - 1)
        return max(self.least, min(self.most, bucket(order[at], self.precision_bits)[1]))

    def curve(self) -> Iterator[tuple[float, int]]:
        """(share of the values that do not exceed it, value) for each bucket in use, ascending."""
        order, upto = self._cumulative
        for index, below in zip(order, upto, strict=True):
            yield below / self.count, min(self.most, bucket(index, self.precision_bits)[1])

    def share_within(self, value: int) -> float:
        """The share of the values that lie in the buckets up to that of `value`."""
        if not self.count:
            return 0.0
        order, upto = self._cumulative
        at = bisect_right(order, index_of(value, self.precision_bits))
        return upto[at - 1] / self.count if at else 0.0

    def document(self) -> dict[str, Any]:
        """For a result file: buckets in ascending order, as [steps since the bucket before, count, ...]."""
        steps: list[int] = []
        before = 0
        for index in sorted(self.counts):
            steps += (index - before, self.counts[index])
            before = index
        return {
            "precision_bits": self.precision_bits,
            "min_ns": self.least,
            "max_ns": self.most,
            "sum_ns": self.total,
            "buckets": steps,
        }

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "Distribution":
        """The inverse of `document`, for what result.schema.json lets pass. Raises ValueError."""
        steps, bits = [int(one) for one in document["buckets"]], int(document["precision_bits"])
        order = list(accumulate(steps[::2]))
        if order and order[-1] > index_of(VALUE_MAX, bits):
            raise ValueError("a bucket beyond the largest value")
        counts = {index: count for index, count in zip(order, steps[1::2], strict=True) if count}
        return cls(counts, int(document["min_ns"]), int(document["max_ns"]), int(document["sum_ns"]), bits)


def merge(parts: Iterable[Distribution]) -> Distribution:
    """All of them together; they have the same precision (else ValueError)."""
    counts: dict[int, int] = {}
    used = [part for part in parts if part.count]
    if len({part.precision_bits for part in used}) > 1:
        raise ValueError("histograms of different precision do not merge without loss")
    for part in used:
        for index, count in part.counts.items():
            counts[index] = counts.get(index, 0) + count
    return Distribution(
        counts,
        min((part.least for part in used), default=0),
        max((part.most for part in used), default=0),
        sum(part.total for part in used),
        used[0].precision_bits if used else PRECISION_BITS,
    )
