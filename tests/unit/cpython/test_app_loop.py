"""What the appliance's event loop asks of Python."""

import sys

from headgate import limits
from headgate.linux.app import run_in_loop


async def _switch_interval(_selector: object) -> float:
    return sys.getswitchinterval()


def test_another_thread_gives_the_interpreter_back_soon() -> None:
    before = sys.getswitchinterval()
    try:
        assert run_in_loop(_switch_interval) * 1e6 == limits.OTHER_THREAD_US
    finally:
        sys.setswitchinterval(before)
