"""The histogram of `headgate load`: counts while they come, lossless merge, the same buckets as HdrHistogram."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate_host.load import hdr
from headgate_host.load.distribution import Distribution, bucket, index_of, merge
from headgate_host.load.histogram import LARGEST_NS, Histogram

RELATIVE_ERROR = 1 / 128
values = st.one_of(st.integers(0, 1000), st.integers(0, LARGEST_NS))
lists = st.lists(values, max_size=200)


def of(numbers: list[int]) -> Distribution:
    histogram = Histogram()
    for number in numbers:
        histogram.add(number)
    return histogram.take()


@given(lists)
def test_it_counts_what_a_distribution_is(numbers: list[int]) -> None:
    assert of(numbers) == Distribution.of(numbers)


@given(lists.filter(bool), st.floats(0, 1))
def test_percentiles_are_never_too_low(numbers: list[int], share: float) -> None:
    numbers.sort()
    exact = next(number for place, number in enumerate(numbers, 1) if place >= share * len(numbers))
    found = of(numbers).quantile(share)
    assert exact <= found <= exact + exact * RELATIVE_ERROR


@given(lists, lists)
def test_merging_is_counting_together(a: list[int], b: list[int]) -> None:
    assert merge([of(a), of(b)]) == of(a + b) == merge([of(b), of(a)])


def test_out_of_range() -> None:
    latencies = of([-5, LARGEST_NS * 10])
    assert (latencies.least, latencies.most, latencies.count) == (0, LARGEST_NS, 2)


def test_taking_starts_anew() -> None:
    histogram = Histogram()
    histogram.add(7)
    first = histogram.take()
    histogram.add(9)
    second = histogram.take()
    assert (first, second) == (Distribution.of([7]), Distribution.of([9]))
    assert histogram.take() == Distribution()


@given(lists)
def test_hdr_round_trip(numbers: list[int]) -> None:
    latencies = of(numbers)
    again = hdr.decode(hdr.encode(latencies))
    assert again.counts == latencies.counts
    assert again.least <= latencies.least <= latencies.most <= again.most


@given(lists.filter(bool))
def test_hdr_is_what_others_read(numbers: list[int]) -> None:
    library = pytest.importorskip("hdrh.histogram")
    latencies = of(numbers)
    theirs = library.HdrHistogram.decode(hdr.encode(latencies))
    assert theirs.get_total_count() == len(numbers)
    ends = sorted({bucket(index_of(number))[1] for number in numbers})
    for percent in (1, 50, 90, 99, 99.9):
        # Its rank is rounded, ours is the first at or above: neighbours in a short list.
        place = ends.index(bucket(index_of(latencies.quantile(percent / 100)))[1])
        assert theirs.get_value_at_percentile(percent) in ends[max(0, place - 1) : place + 2]


@given(lists.filter(bool))
def test_what_others_write_is_read(numbers: list[int]) -> None:
    library = pytest.importorskip("hdrh.histogram")
    theirs = library.HdrHistogram(1, LARGEST_NS, 2)
    for number in numbers:
        theirs.record_value(number)
    assert hdr.decode(theirs.encode().decode()).counts == of(numbers).counts


def test_a_log_is_what_others_read(tmp_path: Path) -> None:
    library = pytest.importorskip("hdrh.log")
    histogram_library = pytest.importorskip("hdrh.histogram")
    chance = random.Random(7)  # noqa: S311
    parts = [of([chance.randrange(10**9) for _ in range(50)]) for _ in range(3)]
    file = tmp_path / "run.hlog"
    rows = [("a kind, or two", number * 1.0, 1.0, part) for number, part in enumerate(parts)]
    file.write_text("\n".join(hdr.log(rows, 1_700_000_000.0)) + "\n")
    reader = library.HistogramLogReader(str(file), histogram_library.HdrHistogram(1, LARGEST_NS, 2))
    read = 0
    while (part := reader.get_next_interval_histogram()) is not None:
        read += part.get_total_count()
    reader.close()
    assert read == 150


@pytest.mark.parametrize("text", ["", "!", "AAAA", "HISTFAAAAAB4", hdr.encode(of([1, 2, 3]))[:-8]])
def test_what_is_no_histogram(text: str) -> None:
    with pytest.raises(hdr.HdrError):
        hdr.decode(text)


def test_a_histogram_of_other_digits_is_refused() -> None:
    library = pytest.importorskip("hdrh.histogram")
    theirs = library.HdrHistogram(1, LARGEST_NS, 3)
    theirs.record_value(5)
    with pytest.raises(hdr.HdrError):
        hdr.decode(theirs.encode().decode())
