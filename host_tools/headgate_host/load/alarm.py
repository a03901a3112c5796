"""Calls a function at an instant, to the microsecond: asyncio's timers are up to a millisecond late (epoll counts in
milliseconds), which would stand in every latency. On Linux a timerfd, elsewhere asyncio's timer."""

import asyncio
import ctypes
import os
import time
from collections.abc import Callable

_ABSOLUTE = 1  # TFD_TIMER_ABSTIME
_PR_SET_TIMERSLACK = 29
_SLACK_NS = 1000


class _Setting(ctypes.Structure):
    """struct itimerspec"""

    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


class Alarm:
    """One alarm at a time: `set` replaces the one before. `ring` is called by the running loop, once for each `set`."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None
        self._setting = _Setting()
        self._fd = self._open()
        if self._fd >= 0:
            self._loop.add_reader(self._fd, self._ready)

    def _open(self) -> int:
        try:
            self._libc = ctypes.CDLL(None, use_errno=True)
            fd = int(self._libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC))
            self._libc.prctl(_PR_SET_TIMERSLACK, ctypes.c_ulong(_SLACK_NS), 0, 0, 0)  # of this thread
        except (AttributeError, OSError):  # not Linux
            return -1
        return fd

    def set(self, at_ns: int) -> None:
        """Monotonic; in the past: at once."""
        if self._fd < 0:
            self.cancel()
            self._handle = self._loop.call_at(at_ns / 1e9, self._ring)
            return
        self._setting.value_s, self._setting.value_ns = divmod(max(at_ns, 1), 1_000_000_000)
        self._libc.timerfd_settime(self._fd, _ABSOLUTE, ctypes.byref(self._setting), None)

    def _ready(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:  # set anew since
            return
        self._ring()

    def cancel(self) -> None:
        if self._handle is not None:
            self._handle.cancel()

    def close(self) -> None:
        self.cancel()
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
