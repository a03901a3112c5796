"""The boot counter: goes up at every start, whatever is lost, and never gives a number twice."""

from __future__ import annotations

from binascii import crc32
from pathlib import Path

import pytest

from headgate.linux import boot
from headgate.tasks.plan import is_name

LARGE = 1 << 50


def test_the_first_run_makes_an_id_and_counts_from_one(tmp_path: Path) -> None:
    identity = boot.start(tmp_path, "", None, first_run=True)
    assert identity.boot == 1
    assert is_name(identity.appliance)
    assert identity.note == ""
    assert boot.start(tmp_path, "", None, first_run=True).appliance != identity.appliance


def test_it_goes_on_from_the_larger_of_the_two_memories(tmp_path: Path) -> None:
    boot.write(tmp_path, "a1", 5)
    assert boot.start(tmp_path, "", ("a1", 9), first_run=False) == ("a1", 10, "")
    assert boot.start(tmp_path, "", ("a1", 3), first_run=False) == ("a1", 6, "")
    assert boot.start(tmp_path, "", None, first_run=False) == ("a1", 6, "")
    (tmp_path / "boot").unlink()
    assert boot.start(tmp_path, "", ("a1", 9), first_run=False) == ("a1", 10, "")


def test_a_configured_id_keeps_the_count(tmp_path: Path) -> None:
    boot.write(tmp_path, "a1", 5)
    assert boot.start(tmp_path, "mill-7", None, first_run=False) == ("mill-7", 6, "")


def test_when_both_are_lost_the_numbers_are_new_and_it_says_so(tmp_path: Path) -> None:
    first = boot.start(tmp_path, "", None, first_run=False)
    second = boot.start(tmp_path, "mill-7", None, first_run=False)
    assert LARGE < first.boot < 2**53
    assert first.boot != second.boot
    assert str(first.boot) in first.note
    assert "unique" in first.note


def test_a_configured_id_without_a_memory_never_starts_at_one(tmp_path: Path) -> None:
    """The card may have been written anew under an id that has sent messages before."""
    identity = boot.start(tmp_path, "mill-7", None, first_run=True)
    assert identity.boot > LARGE
    assert identity.note == ""


def test_with_a_dead_clock_the_numbers_differ_and_stay_below_those_of_a_good_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("headgate.linux.boot.time.time_ns", lambda: 0)
    dead = {boot.start(tmp_path, "a", None, first_run=False).boot for _ in range(50)}
    monkeypatch.setattr("headgate.linux.boot.time.time_ns", lambda: 1_800_000_000 * 10**9)
    good = boot.start(tmp_path, "a", None, first_run=False).boot
    assert len(dead) == 50
    assert LARGE < min(dead) <= max(dead) < good < 2**53


@pytest.mark.parametrize("unix_s", [2_209_000_000, 4_294_967_295, 253_402_300_799])
def test_a_clock_far_in_the_future_gives_a_number_that_can_be_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, unix_s: int
) -> None:
    """2040, 2106, 9999: dead clocks show such times. With a count that is too large the intake refuses to begin."""
    monkeypatch.setattr("headgate.linux.boot.time.time_ns", lambda: unix_s * 10**9)
    counts = {boot.start(tmp_path, "a", None, first_run=True).boot for _ in range(50)}
    assert len(counts) == 50
    assert LARGE < min(counts) <= max(counts) < 2**53


def test_a_count_at_its_end_is_not_counted_on(tmp_path: Path) -> None:
    """Also one that an earlier version has made by such a clock, and kept: it would never start again."""
    assert boot.start(tmp_path, "", ("a", 2**53 - 2), first_run=False) == ("a", 2**53 - 1, "")
    for last in (2**53 - 1, 2**60):
        boot.write(tmp_path, "a", last)
        identity = boot.start(tmp_path, "", ("a", 7), first_run=False)
        assert identity.appliance == "a"
        assert LARGE < identity.boot < 2**53
        assert str(identity.boot) in identity.note


def test_the_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    boot.write(tmp_path, "a1", 5)
    boot.write(tmp_path, "a1", 6)
    assert boot.read(tmp_path) == ("a1", 6)
    assert [path.name for path in tmp_path.iterdir()] == ["boot"]


def test_damage_is_noticed_at_every_byte(tmp_path: Path) -> None:
    boot.write(tmp_path, "a1", 12345)
    good = (tmp_path / "boot").read_bytes()
    for position in range(len(good) * 8):
        damaged = bytearray(good)
        damaged[position // 8] ^= 1 << position % 8
        (tmp_path / "boot").write_bytes(damaged)
        assert boot.read(tmp_path) in (None, ("a1", 12345)), bytes(damaged)
    for end in range(len(good) - 1):
        (tmp_path / "boot").write_bytes(good[:end])
        assert boot.read(tmp_path) is None


@pytest.mark.parametrize("name", ["", "a/b", "a+", "é", "a" * 65])
def test_a_file_that_names_no_appliance_is_not_believed(tmp_path: Path, name: str) -> None:
    for appliance, believed in (("a" * 64, ("a" * 64, 5)), (name, None)):
        lines = f"appliance {appliance}\nboot 5"
        (tmp_path / "boot").write_text(f"headgate-boot 1\n{lines}\ncrc32 {crc32(lines.encode()):08x}\n")
        assert boot.read(tmp_path) == believed
