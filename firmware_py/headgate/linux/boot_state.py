"""Which slot starts next, and how often it may fail: the state that U-Boot (boards/common/boot/boot.cmd) and we share.

Two copies of a U-Boot environment, half of the partition `bootstate` apart so that no erase block holds both:

    u32 CRC-32 of the rest, little-endian    "name=value\\0" … "\\0", zeros up to 512 bytes

The first copy counts if it is intact, else the second. Whoever writes, writes the first and then, when that is on the
medium, the second: a power cut at any moment leaves one that is whole, either the old state or the new one. Without any
intact copy a board starts like a new one: slot a.

    order=b a     slots that may be started, in this order; one that is empty, half-written or proved bad is not here
    b_left=2      starts of b that may still fail; U-Boot takes one away, on the medium, before it starts b
    a_left=9
    trial=b       b is new: nobody has confirmed that it works

One digit, because U-Boot's setexpr counts in hexadecimal.
"""

import contextlib
import fcntl
import os
import re
from binascii import crc32
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SLOTS = ("a", "b")
COPY = 512  # bytes of one copy
TRIAL_STARTS = 3  # of a new slot: one may be lost to a power cut
STARTS = 9  # of a confirmed one, before the other is tried; a start counts until it is confirmed, a minute or so
_CRC = 4  # bytes
_VALUE = re.compile(r"[a-z0-9 ]{0,32}")


class BootState(NamedTuple):
    """`left`: of each slot of SLOTS; `trial`: the slot that is new, or ""."""

    order: tuple[str, ...]
    left: tuple[int, int]
    trial: str = ""


FACTORY = BootState(("a",), (STARTS, 0))


def other(slot: str) -> str:
    return SLOTS[1 - SLOTS.index(slot)]


# --- transitions: pure ---


def installing(running: str) -> BootState:
    """The other slot is about to be written: it must not be started, whatever happens meanwhile."""
    return _only(running)


def on_trial(running: str) -> BootState:
    """The other slot is written and checked: it starts next, and `running` after it has failed."""
    new = other(running)
    return BootState((new, running), _left({new: TRIAL_STARTS, running: STARTS}), new)


def failed(running: str) -> BootState:
    """`running` proved bad: the other slot starts next, and this one no more."""
    return _only(other(running))


def confirmed(state: BootState, running: str) -> tuple[BootState, str]:
    """`running` works. -> (the state from now on, the slot that was on trial and did not come up; usually "")"""
    if state.trial and state.trial != running:
        return _only(running), state.trial
    order = (running, *(slot for slot in state.order if slot != running))
    return BootState(order, _left(dict.fromkeys(order, STARTS))), ""


def _only(slot: str) -> BootState:
    return BootState((slot,), _left({slot: STARTS}))


def _left(starts: dict[str, int]) -> tuple[int, int]:
    return starts.get("a", 0), starts.get("b", 0)


# --- bytes ---


def encode(state: BootState) -> bytes:
    """One copy."""
    values = {"order": " ".join(state.order), "a_left": state.left[0], "b_left": state.left[1], "trial": state.trial}
    # U-Boot takes an empty value for "no such variable", and so do we.
    text = b"".join(f"{name}={value}\0".encode() for name, value in values.items() if value != "") + b"\0"
    data = text.ljust(COPY - _CRC, b"\0")
    return crc32(data).to_bytes(_CRC, "little") + data


def decode(copy: bytes) -> BootState | None:
    """None: damaged, or not ours."""
    data = copy[_CRC:COPY]
    if len(copy) < COPY or crc32(data) != int.from_bytes(copy[:_CRC], "little"):
        return None
    values = {}
    for entry in data.split(b"\0\0", 1)[0].split(b"\0"):
        name, _, value = entry.decode("latin-1").partition("=")
        if _VALUE.fullmatch(value) is None:
            return None
        values[name] = value
    order = tuple(values.get("order", "").split(" "))
    lefts = [values.get(f"{slot}_left", "") for slot in SLOTS]
    trial = values.get("trial", "")
    if not set(order) <= set(SLOTS) or len(set(order)) != len(order) or trial not in ("", *SLOTS):
        return None
    if not all(len(left) == 1 and left.isdigit() for left in lefts):
        return None
    return BootState(order, (int(lefts[0]), int(lefts[1])), trial)


# --- the partition ---


@contextlib.contextmanager
def locked(place: Path) -> Iterator[None]:
    """From what is read within to what is written within, nobody else writes: who confirms a start, and who installs an
    update, are processes of their own. Raises OSError."""
    with place.open("rb", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # goes with the file, also of a process that is killed
        yield


def read(place: Path) -> BootState:
    """Raises OSError."""
    with place.open("rb", buffering=0) as file:
        for offset in _offsets(file.fileno()):
            state = decode(os.pread(file.fileno(), COPY, offset))
            if state is not None:
                return state
    return FACTORY


def write(place: Path, state: BootState) -> None:
    """On the medium when it returns. Raises OSError: one copy is whole then."""
    copy = encode(state)
    with place.open("r+b", buffering=0) as file:
        for offset in _offsets(file.fileno()):
            os.pwrite(file.fileno(), copy, offset)
            os.fsync(file.fileno())


def _offsets(descriptor: int) -> tuple[int, int]:
    half = os.lseek(descriptor, 0, os.SEEK_END) // 2
    return 0, half // COPY * COPY
