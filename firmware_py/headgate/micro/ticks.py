"""A monotonic clock that does not wrap, from MicroPython's `time.ticks_ms`, which does."""

import time


class Ticks:
    """Call it for milliseconds since it was made.

    `ticks_ms` wraps (after 2**30 ms, 12.4 days, on small boards). Differences are right below half of that, so it must
    be called at least once in 6 days; the supervisor calls it every second.
    """

    __slots__ = ("_last", "_total")

    def __init__(self) -> None:
        self._last = time.ticks_ms()
        self._total = 0

    def __call__(self) -> int:
        now = time.ticks_ms()
        self._total += time.ticks_diff(now, self._last)
        self._last = now
        return self._total


# Boards count their epoch from 2000, the unix port from 1970.
EPOCH_S = 946684800 if time.gmtime(0)[0] == 2000 else 0  # noqa: PLR2004 - the year


def wall_s() -> int:
    """Unix seconds as the board has them, right or not. Not `time.time()`: that is a rounded float on some ports."""
    return time.time_ns() // 1000000000 + EPOCH_S
