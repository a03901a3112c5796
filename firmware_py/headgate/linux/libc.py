"""What the C library has and Python does not: heap and clock, by ctypes. The native twin is native_ext/cpython/libc.c,
which does without the 0.4 MB and the time that ctypes takes; `_accel` chooses."""

import ctypes
import struct

_ARENA_MAX, _MMAP_THRESHOLD = -8, -3  # M_ARENA_MAX and M_MMAP_THRESHOLD of glibc's malloc.h
_MAPPED = 128 * 1024  # bytes; glibc's default, which would grow with the first batch that is freed
_STA_UNSYNC = 0x0040  # timex.h
_STATUS_LONGS = 5  # struct timex: `status` follows modes, offset, freq, maxerror and esterror, each as long as a long
_TIMEX_SIZE = 256  # bytes; more than any kernel's struct timex


def one_heap() -> None:
    """All threads allocate from one heap, where each would have one of its own (glibc; musl has one anyway); what is
    large is never part of it, and goes back to the system when it is freed."""
    _call("mallopt", _ARENA_MAX, 1)
    _call("mallopt", _MMAP_THRESHOLD, _MAPPED)


def trim_heap() -> None:
    """What is free in the heap goes back to the system (glibc; musl does so by itself)."""
    _call("malloc_trim", 0)


def clock_synchronised() -> bool:
    """Whether something (chrony, ntpd, timesyncd, PTP) disciplines the clock, by the kernel's word: adjtimex(2)."""
    buffer = ctypes.create_string_buffer(_TIMEX_SIZE)  # modes 0: only read
    if _call("adjtimex", buffer) < 0:
        return False
    status: int = struct.unpack_from("i", buffer, _STATUS_LONGS * struct.calcsize("l"))[0]
    return not status & _STA_UNSYNC


def _call(name: str, *arguments: object) -> int:
    """-1: this C library has no such function."""
    try:
        function = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return -1
    return int(function(*arguments))
