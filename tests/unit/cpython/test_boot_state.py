"""The state that U-Boot and we share: its bytes, its transitions, and a power cut in the middle of a write."""

import zlib
from pathlib import Path
from typing import Any

import pytest

from headgate.linux import boot_state
from headgate.linux.boot_state import COPY, FACTORY, STARTS, TRIAL_STARTS, BootState

TRIAL = BootState(("b", "a"), (STARTS, TRIAL_STARTS), "b")
MIB = 1 << 20


@pytest.fixture
def place(tmp_path: Path) -> Path:
    path = tmp_path / "bootstate"
    path.write_bytes(bytes(MIB))
    return path


def started(state: BootState, broken: str = "") -> tuple[BootState, str]:
    """What boot.cmd does: -> (state as saved, the slot that is started; "": all have failed)."""
    for slot in state.order:
        number = boot_state.SLOTS.index(slot)
        if state.left[number] > 0:
            left = list(state.left)
            left[number] -= 1
            state = state._replace(left=(left[0], left[1]))
            if slot != broken:
                return state, slot
    return state, ""


def test_one_copy_is_a_u_boot_environment() -> None:
    copy = boot_state.encode(TRIAL)
    assert len(copy) == COPY
    assert int.from_bytes(copy[:4], "little") == zlib.crc32(copy[4:])
    assert copy[4:].startswith(b"order=b a\0a_left=9\0b_left=3\0trial=b\0\0")
    assert boot_state.decode(copy) == TRIAL


@pytest.mark.parametrize("state", [FACTORY, TRIAL, boot_state.installing("b"), BootState(("a", "b"), (0, 9))])
def test_there_and_back(state: BootState) -> None:
    assert boot_state.decode(boot_state.encode(state)) == state


def test_each_damaged_bit_is_noticed() -> None:
    copy = boot_state.encode(TRIAL)
    for bit in range(8 * COPY):
        damaged = bytearray(copy)
        damaged[bit // 8] ^= 1 << bit % 8
        assert boot_state.decode(bytes(damaged)) is None


@pytest.mark.parametrize(
    "text",
    [b"", b"order=c\0a_left=1\0b_left=1", b"order=a a\0a_left=1\0b_left=1", b"order=a\0a_left=12\0b_left=0",
     b"order=a\0a_left=-1\0b_left=0", b"order=a\0a_left=1", b"order=a\0a_left=1\0b_left=1\0trial=c",
     b"order=a\0a_left=1\0b_left=\xb2", b"bootcmd=reset\xff"],
)  # fmt: skip
def test_what_nobody_wrote(text: bytes) -> None:
    data = (text + b"\0\0").ljust(COPY - 4, b"\0")
    assert boot_state.decode(zlib.crc32(data).to_bytes(4, "little") + data) is None


def test_a_new_board(place: Path) -> None:
    assert boot_state.read(place) == FACTORY


def test_the_copies_lie_far_apart(place: Path) -> None:
    boot_state.write(place, TRIAL)
    data = place.read_bytes()
    assert data[:COPY] == data[MIB // 2 :][:COPY] == boot_state.encode(TRIAL)
    assert data.count(b"order=") == 2


@pytest.mark.parametrize("written", [0, 1, 4, 20, COPY])
@pytest.mark.parametrize("second", [False, True])
def test_a_power_cut_in_the_middle_of_a_write(place: Path, written: int, second: bool) -> None:
    """`written` bytes of the first (or second) copy are on the medium, and what comes after it is not."""
    boot_state.write(place, FACTORY)
    data, copy = bytearray(place.read_bytes()), boot_state.encode(TRIAL)
    if second:
        data[:COPY] = copy
    start = MIB // 2 if second else 0
    data[start : start + written] = copy[:written]
    place.write_bytes(data)
    assert boot_state.read(place) == (TRIAL if second or written == COPY else FACTORY)
    boot_state.write(place, TRIAL)  # and the next write makes both whole
    assert boot_state.read(place) == TRIAL


def test_an_update_that_works() -> None:
    state = boot_state.on_trial("a")
    assert state == TRIAL
    state, slot = started(state)
    assert (slot, state.left) == ("b", (STARTS, TRIAL_STARTS - 1))
    state, rolled_back = boot_state.confirmed(state, "b")
    assert (state, rolled_back) == (BootState(("b", "a"), (STARTS, STARTS)), "")


def test_an_update_that_hangs_is_given_up_after_three_starts() -> None:
    state, slots = boot_state.on_trial("a"), []
    for _ in range(TRIAL_STARTS + 1):
        state, slot = started(state)
        slots.append(slot)
    assert slots == ["b", "b", "b", "a"]
    assert boot_state.confirmed(state, "a") == (FACTORY, "b")


def test_an_update_whose_kernel_cannot_be_read() -> None:
    state, slot = started(boot_state.on_trial("a"), broken="b")
    assert slot == "a"
    assert boot_state.confirmed(state, "a") == (FACTORY, "b")


def test_an_update_that_says_itself_that_it_failed() -> None:
    assert started(boot_state.failed("b"))[1] == "a"
    assert boot_state.failed("b").order == ("a",)


def test_half_an_update_is_never_started() -> None:
    state: Any = boot_state.installing("a")
    for _ in range(20):
        state, slot = started(state)
        assert slot != "b"


def test_a_confirmed_slot_that_dies_later_gives_way_to_the_older_one() -> None:
    state = BootState(("b", "a"), (STARTS, STARTS))
    slots = []
    for _ in range(STARTS + 1):
        state, slot = started(state)
        slots.append(slot)
    assert slots == ["b"] * STARTS + ["a"]
    assert boot_state.confirmed(state, "a") == (BootState(("a", "b"), (STARTS, STARTS)), "")
