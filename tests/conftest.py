"""What is different when tests run on an emulated machine (tests/qemu/run_target.py sets HEADGATE_EMULATED), on a busy
one, or behind a shell that ignores Ctrl-C."""

import signal

import hypothesis
import pytest
from examples import EMULATED, examples

# A job in the background of a shell ignores SIGINT, and so would every program the tests start to interrupt it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# An example has no deadline: how long one takes says how busy this machine is.
many = examples(hypothesis.settings.default.max_examples)
hypothesis.settings.register_profile("headgate", deadline=None, max_examples=many)
hypothesis.settings.load_profile("headgate")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        mark = item.get_closest_marker("not_emulated")
        if mark is not None and EMULATED:
            item.add_marker(pytest.mark.skip(reason=mark.kwargs["reason"]))
