"""Histograms in result files: buckets, quantiles, merging, and what a hostile file can say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate_host.load.distribution import PRECISION_BITS, VALUE_MAX, Distribution, bucket, index_of, merge

VALUES = st.integers(0, VALUE_MAX)


@given(VALUES, st.integers(1, 14))
def test_a_value_lies_in_its_bucket_which_is_narrow(value: int, bits: int) -> None:
    low, high = bucket(index_of(value, bits), bits)
    assert low <= value <= high
    assert high - low <= value >> bits


@given(st.integers(0, index_of(VALUE_MAX)))
def test_every_bucket_has_its_own_values(index: int) -> None:
    low, high = bucket(index)
    assert index_of(low) == index_of(high) == index
    assert bucket(index + 1)[0] == high + 1


def test_numbering_is_that_of_hdrhistogram() -> None:
    """Sub-bucket count 256: (bucket + 1) * 128 + (sub-bucket - 128), sub-bucket = value >> bucket."""
    assert [index_of(value) for value in (0, 1, 255, 256, 257, 258, 511, 512)] == [0, 1, 255, 256, 256, 257, 383, 384]


@given(st.lists(VALUES, min_size=1), st.floats(0, 1))
def test_quantile_is_within_a_bucket_of_the_exact_one(values: list[int], share: float) -> None:
    exact = sorted(values)[max(0, -int(-share * len(values) // 1) - 1)]
    found = Distribution.of(values).quantile(share)
    assert exact <= found <= exact + (exact >> PRECISION_BITS)


@given(st.lists(st.lists(st.integers(0, 1 << 40))))
def test_merging_loses_nothing(lists: list[list[int]]) -> None:
    together = Distribution.of([value for values in lists for value in values])
    assert merge(Distribution.of(values) for values in lists) == together
    assert Distribution.read(together.document()) == together


def test_curve_and_shares() -> None:
    distribution = Distribution.of([10, 20, 30, 1000])
    assert list(distribution.curve()) == [(0.25, 10), (0.5, 20), (0.75, 30), (1.0, 1000)]
    assert [distribution.share_within(value) for value in (9, 10, 29, 1000, 1 << 50)] == [0, 0.25, 0.5, 1, 1]


def test_empty() -> None:
    empty = Distribution()
    assert (empty.count, empty.mean, empty.quantile(0.99), empty.share_within(5), list(empty.curve())) == (
        0,
        0,
        0,
        0,
        [],
    )
    assert merge([]) == merge([empty, Distribution.of([], 3)]) == empty


def test_other_precisions_do_not_merge() -> None:
    with pytest.raises(ValueError, match="precision"):
        merge([Distribution.of([1], 7), Distribution.of([1], 8)])


@pytest.mark.parametrize("buckets", [[1], [1 << 62, 1], [5000, 1, 5000, 1]])
def test_a_file_cannot_name_what_does_not_exist(buckets: list[int]) -> None:
    document = {"precision_bits": 5, "min_ns": 0, "max_ns": 0, "sum_ns": 0, "buckets": buckets}
    with pytest.raises(ValueError, match=r"."):
        Distribution.read(document)
