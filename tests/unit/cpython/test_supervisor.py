"""The watchdogs: when they are fed, and what becomes of one that cannot be."""

import asyncio
import errno
import fcntl
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headgate import errors
from headgate.core.store import Store
from headgate.linux import app, cache_snapshot, outbox_db, supervisor
from headgate.linux import config as configuration
from headgate.linux.selector import NativeSelector
from headgate.linux.supervisor import Supervisor, Watchdog
from headgate.linux.systemd import Notifier

BOUND_S = 60


class Board:
    """In place of a device."""

    def __init__(self, *, broken: bool = False) -> None:
        self.timeout_s = 0.03
        self.fed = 0
        self.broken = broken

    def feed(self) -> None:
        self.fed += 1
        if self.broken:
            raise OSError(errno.EIO, "Input/output error")

    def close(self) -> None:
        """As if it were disarmed."""


class Systemd(Notifier):
    def __init__(self) -> None:
        super().__init__({})
        self.watchdog_s = 0.03
        self.fed = 0

    def watchdog(self) -> bool:
        self.fed += 1
        return True


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(BOUND_S):
        while not happened():  # noqa: ASYNC110 - what is counted in another thread sets no event
            await asyncio.sleep(0.005)


def test_a_slow_start_does_not_reset_the_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its watchdog counts as soon as the device is open, and what a power cut did to the outbox is put right after
    that: if nobody fed it, the board would be reset in the middle of it, time and again."""
    board = Board()
    monkeypatch.setattr(app, "Watchdog", lambda *_: board)
    opening = outbox_db.Database.open

    def slow(database: outbox_db.Database, appliance: str) -> Any:
        """In its own thread."""
        end = time.monotonic() + BOUND_S
        while board.fed < 5:
            assert time.monotonic() < end, "nobody feeds it"
            time.sleep(0.005)
        return opening(database, appliance)

    monkeypatch.setattr(outbox_db.Database, "open", slow)
    file = tmp_path / "headgate.toml"
    file.write_text('[listen]\nhttp = "127.0.0.1:0"\n[watchdog]\ndevice = "/dev/null"\n')
    config = configuration.load(file, state_dir=tmp_path / "state")

    async def scenario(selector: NativeSelector | None) -> None:
        one = app.App(config, lambda: config, selector)
        await one.start()
        await one.stop()

    interval = sys.getswitchinterval()
    try:
        app.run_in_loop(scenario)
    finally:
        sys.setswitchinterval(interval)


def test_the_board_is_fed_while_a_snapshot_comes_back(tmp_path: Path) -> None:
    writer = cache_snapshot.Writer(tmp_path / cache_snapshot.FILE, None, 0)
    writer.add([(b"k%d" % n, bytes(1000), b"0 0 text/plain", n, 0) for n in range(1000)], 0)
    writer.commit()
    signs: list[int] = []
    store = Store(1 << 22)
    cache_snapshot.restore(
        tmp_path / cache_snapshot.FILE, store, 0, None, lambda: signs.append(store.stats()["entries"])
    )
    assert signs[0] == 0
    assert len(signs) >= 2 * (1_000_000 // 65536), "as the checksum is compared, and as the entries are put back"
    assert len(set(signs)) > 8


def test_systemd_is_fed_from_its_ready_on() -> None:
    async def scenario() -> None:
        systemd, board = Systemd(), Board()
        one = Supervisor(systemd, board)  # type: ignore[arg-type]  # has all that is asked of it
        one.start()
        await until(lambda: board.fed > 5)
        assert systemd.fed == 0
        one.ready()
        await until(lambda: systemd.fed > 5)
        await one.stop()

    asyncio.run(scenario())


def test_a_start_that_hangs_is_not_fed_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "START_S", 0.05)

    async def scenario() -> None:
        board = Board()
        one = Supervisor(Systemd(), board)  # type: ignore[arg-type]  # has all that is asked of it
        one.start()
        await until(lambda: one._stalled != set())
        fed = board.fed
        await asyncio.sleep(0.1)
        assert board.fed == fed > 0
        one.ready()
        await until(lambda: board.fed > fed)
        await one.stop()

    asyncio.run(scenario())


def test_a_device_that_fails_is_told_of_and_the_other_watchdog_is_fed(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        systemd = Systemd()
        one = Supervisor(systemd, Board(broken=True))  # type: ignore[arg-type]  # has all that is asked of it
        one.start()
        one.ready()
        await until(lambda: systemd.fed > 5)
        await one.stop()

    asyncio.run(scenario())
    assert caplog.text.count("cannot be fed: Input/output error") == 1


def test_a_probe_that_fails_is_a_stall_with_a_name(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        systemd = Systemd()
        one = Supervisor(systemd, None)
        asked = 0

        def probe() -> str | None:
            nonlocal asked
            asked += 1
            if asked <= 5:
                raise ZeroDivisionError("of nothing")
            return None

        one.probe("x", probe)
        one.ready()
        one.start()
        await until(lambda: asked == 5)
        assert systemd.fed == 0
        await until(lambda: systemd.fed > 0)
        await one.stop()

    asyncio.run(scenario())
    assert caplog.text.count("ZeroDivisionError: of nothing") == 1


def test_the_timeout_is_what_the_hardware_made_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Documentation/watchdog/watchdog-api.rst: "this timeout might differ from the requested one"."""
    monkeypatch.setattr(fcntl, "ioctl", lambda *_: struct.pack("i", 6))
    device = Watchdog(Path("/dev/null"), 15)
    assert device.timeout_s == 6
    device.close()


def test_only_a_device_is_written_to(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"key")
    with pytest.raises(errors.CommandError) as refused:
        Watchdog(file, 15)
    assert refused.value.code == errors.MISSING
    assert file.read_bytes() == b"key"


def test_a_device_that_cannot_be_disarmed_does_not_stop_a_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "ioctl", lambda *_: struct.pack("i", 15))
    device = Watchdog(Path("/dev/null"), 15)

    def fails(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("headgate.linux.supervisor.os.write", fails)
    device.close()
