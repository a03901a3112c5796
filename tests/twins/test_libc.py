"""linux/libc.py and native_ext/cpython/libc.c: the same answers by ctypes and in C."""

from headgate.linux import libc
from headgate_native import _native


def test_both_say_the_same_of_the_clock() -> None:
    assert _native.clock_synchronised() is libc.clock_synchronised()


def test_both_take_the_heap_in_hand() -> None:
    """What becomes of the memory is the C library's business, and measured by bench/gateway.py; nothing may break."""
    for twin in (_native, libc):
        twin.one_heap()
        twin.trim_heap()
        assert len(bytes(1 << 20)) == 1 << 20
