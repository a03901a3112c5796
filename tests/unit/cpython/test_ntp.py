"""linux/ntp.py: when the system is asked, what is kept on disk and how often."""

import threading
from pathlib import Path

import pytest

from headgate import limits
from headgate.linux import ntp

T = 1_800_000_000


class Machine:
    """A machine with a wall clock, a monotonic clock and a time source that can be set; counts the questions."""

    def __init__(self, state: Path, wall: float) -> None:
        self.state = state
        self.wall = wall
        self.monotonic = 100.0
        self.synchronised = False
        self.asked = 0

    def source(self) -> bool:
        self.asked += 1
        return self.synchronised

    def clock(self) -> ntp.TrustedClock:
        return ntp.TrustedClock(
            self.state, wall=lambda: self.wall, monotonic=lambda: self.monotonic, source=self.source
        )

    def later(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds

    def saved(self) -> int:
        for thread in threading.enumerate():
            if thread.name == "clock":
                thread.join()
        file = self.state / ntp.FILE
        return int(file.read_text()) if file.exists() else 0


def test_from_unset_to_trusted(tmp_path: Path) -> None:
    machine = Machine(tmp_path, 1000.0)
    clock = machine.clock()
    assert clock.reading() == (limits.CLOCK_FLOOR_S, "unset", limits.CLOCK_FLOOR_S)
    machine.wall = T
    machine.monotonic += ntp.CHECK_S
    assert clock.read() == (T, "estimated")
    assert machine.saved() == 0
    machine.synchronised = True
    machine.later(ntp.CHECK_S)
    assert clock.reading() == (T + ntp.CHECK_S, "trusted", T + ntp.CHECK_S)
    assert machine.saved() == T + ntp.CHECK_S


def test_the_source_is_not_asked_for_each_reading(tmp_path: Path) -> None:
    machine = Machine(tmp_path, T)
    clock = machine.clock()
    for _ in range(100):
        clock.read()
    assert machine.asked == 1
    machine.later(ntp.CHECK_S)
    assert clock.state == "estimated"
    assert machine.asked == 2
    machine.synchronised = True
    machine.later(ntp.CHECK_S)
    for _ in range(100):
        clock.read()
        machine.later(1)
    assert clock.state == "trusted"
    assert machine.asked == 3


def test_the_kept_time_is_the_floor_of_the_next_start(tmp_path: Path) -> None:
    machine = Machine(tmp_path, T)
    machine.synchronised = True
    clock = machine.clock()
    clock.read()
    machine.later(3600)
    clock.save()
    assert machine.saved() == T + 3600
    # Power cut; the board wakes up in 1970 and without a network.
    machine = Machine(tmp_path, 30.0)
    assert machine.clock().reading() == (T + 3600, "unset", T + 3600)


def test_written_once_a_day(tmp_path: Path) -> None:
    machine = Machine(tmp_path, T)
    machine.synchronised = True
    clock = machine.clock()
    written = set()
    for _ in range(3 * 24 * 6):
        clock.read()
        written.add(machine.saved())
        machine.later(600)
    assert len(written) == 3
    assert max(written) >= T + 2 * limits.CLOCK_SAVE_S


def test_an_estimate_is_never_kept(tmp_path: Path) -> None:
    machine = Machine(tmp_path, T)
    clock = machine.clock()
    clock.read()
    clock.save()
    assert machine.saved() == 0


def test_a_step_back_is_noticed_at_once(tmp_path: Path) -> None:
    machine = Machine(tmp_path, T)
    machine.synchronised = True
    clock = machine.clock()
    assert clock.state == "trusted"
    machine.wall = T - 86400.0
    assert clock.reading() == (T, "unset", T)


def test_a_clock_that_went_wrong_while_running_is_not_kept(tmp_path: Path) -> None:
    machine = Machine(tmp_path, T)
    machine.synchronised = True
    clock = machine.clock()
    clock.read()
    machine.saved()
    machine.synchronised = False
    machine.wall = T + 10.0**9
    clock.save()
    assert machine.saved() == T


@pytest.mark.parametrize("content", [b"", b"never", b"-5", b"1.5", b"9" * 40, b"\xff", b"0", b"253402300800"])
def test_damaged_file(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / ntp.FILE).write_bytes(content)
    assert ntp.load_floor(tmp_path / ntp.FILE) == limits.CLOCK_FLOOR_S
    assert "does not hold a time" in caplog.text


def test_old_file_does_not_lower_the_floor(tmp_path: Path) -> None:
    (tmp_path / ntp.FILE).write_text("1000000000\n")
    assert ntp.load_floor(tmp_path / ntp.FILE) == limits.CLOCK_FLOOR_S
    assert ntp.load_floor(tmp_path / "absent") == limits.CLOCK_FLOOR_S


def test_unwritable_state_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ntp.save_floor(tmp_path / "no such directory" / "clock", T)
    assert "cannot keep the time" in caplog.text


def test_timesyncd_is_asked_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ntp, "_TIMESYNCD", tmp_path / "timesync")
    monkeypatch.setattr(ntp, "kernel_synchronised", lambda: True)
    assert ntp.synchronised()
    (tmp_path / "timesync").mkdir()
    assert not ntp.synchronised()
    (tmp_path / "timesync/synchronized").touch()
    assert ntp.synchronised()


def test_the_kernel_answers() -> None:
    """What it says depends on the machine; /proc knows nothing of it, so only type and repeatability are checked."""
    assert ntp.kernel_synchronised() in (True, False)
    assert ntp.kernel_synchronised() == ntp.kernel_synchronised()
