"""tests/conftest.py: what holds for all tests."""

import hypothesis


def test_no_example_has_a_deadline() -> None:
    """On a busy machine any of them takes longer than the 200 ms that Hypothesis gives it."""
    assert hypothesis.settings.default.deadline is None
