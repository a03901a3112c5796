"""linux/cache_snapshot.py: what comes back after a restart, and what a damaged file, a full disk or a kill leave."""

import asyncio
import errno
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from headgate import limits
from headgate._accel import Store
from headgate.core import cbor
from headgate.linux import atomic_file, cache_snapshot
from headgate.linux.cache_snapshot import DAMAGED, FILE, Snapshot

HOUR_S = 3600


class Life:
    """One run of an appliance: a store, a clock, a snapshot in `folder`."""

    def __init__(self, folder: Path, *, now_ms: int = 1000, now_s: int = 1_800_000_000, state: str = "trusted") -> None:
        self.store = Store(1 << 20)
        self.now_ms = now_ms
        self.reading = (now_s, state, 0)
        self.snapshot = Snapshot(folder, self.store, 300_000, reading=lambda: self.reading, now_ms=lambda: self.now_ms)
        self.snapshot.load()

    def put(self, key: bytes, value: bytes, max_age: int = 0, media_type: bytes = b"text/plain; charset=utf-8") -> int:
        meta = b"%d %d %b" % (max_age, self.now_ms, media_type)
        return self.store.put(key, value, meta, max_age * 1000, self.now_ms)

    def get(self, key: bytes) -> tuple[bytes, int, int, bytes, int] | None:
        """(value, max-age s, age ms, media type, ms left)"""
        found = self.store.get(key, self.now_ms)
        if found is None:
            return None
        max_age, stored_ms, media_type = found[1].split(b" ", 2)
        return found[0], int(max_age), self.now_ms - int(stored_ms), media_type, found[3]

    def keep(self) -> None:
        asyncio.run(self.snapshot.close())


def play(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 20))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_everything_comes_back(tmp_path: Path) -> None:
    first = Life(tmp_path)
    first.put(b"kv/a", b"\0one")
    first.put(b"last/s/dev", b"{}", media_type=b"application/json")
    first.put(b"kv/timed", b"x", 60)
    first.put(b"kv/gone", b"x", 5)
    first.put(b"kv/empty", b"", media_type=b"")
    first.put(b"kv/", b"v" * 65536)
    first.now_ms += 5000
    first.keep()
    second = Life(tmp_path, now_ms=77)  # the board was started again: its clock began anew
    text = b"text/plain; charset=utf-8"
    assert second.get(b"kv/a") == (b"\0one", 0, 5000, text, 0)
    assert second.get(b"last/s/dev") == (b"{}", 0, 5000, b"application/json", 0)
    assert second.get(b"kv/timed") == (b"x", 60, 5000, text, 55000)
    assert second.get(b"kv/gone") is None
    assert second.get(b"kv/empty") == (b"", 0, 5000, b"", 0)
    assert second.get(b"kv/") == (b"v" * 65536, 0, 5000, text, 0)
    assert second.snapshot.stats() == {"restored": 5, "written": 0, "failed": 0, "bytes": 0}
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("before", "after", "counts"),
    [("trusted", "trusted", True), ("trusted", "estimated", False), ("unset", "trusted", False)],
)
def test_time_away_counts_if_the_clock_is_trusted(tmp_path: Path, before: str, after: str, counts: bool) -> None:
    first = Life(tmp_path, state=before)
    first.put(b"short", b"x", HOUR_S)
    first.put(b"long", b"x", 3 * HOUR_S)
    first.keep()
    second = Life(tmp_path, now_s=first.reading[0] + 2 * HOUR_S, state=after)
    away_ms = 2 * HOUR_S * 1000 if counts else 0
    long = second.get(b"long")
    assert long is not None
    assert (long[2], long[4]) == (away_ms, 3 * HOUR_S * 1000 - away_ms)
    assert (second.get(b"short") is None) is counts


def test_a_clock_that_went_back(tmp_path: Path) -> None:
    first = Life(tmp_path)
    first.put(b"k", b"x", 60)
    first.keep()
    second = Life(tmp_path, now_s=first.reading[0] - HOUR_S)
    found = second.get(b"k")
    assert found is not None
    assert (found[2], found[4]) == (0, 60000)


def test_what_came_back_is_kept_again(tmp_path: Path) -> None:
    first = Life(tmp_path)
    first.put(b"k", b"x", 60)
    first.keep()
    for life in range(1, 4):
        again = Life(tmp_path, now_s=first.reading[0] + life)
        again.now_ms += 1000
        found = again.get(b"k")
        assert found is not None
        assert (found[2], found[4]) == (2000 * life, 60000 - 2000 * life), "a second away, a second running"
        again.keep()


def test_a_smaller_budget_keeps_the_newest(tmp_path: Path) -> None:
    first = Life(tmp_path)
    for number in range(10):
        first.put(b"%d" % number, b"x" * 100)
    first.keep()
    second = Life(tmp_path / "none")
    second.store = Store(3 * (1 + 100 + 30 + limits.ENTRY_OVERHEAD))
    count = cache_snapshot.restore(tmp_path / FILE, second.store, 0, None)
    assert (count, second.store.stats()["entries"]) == (10, 3)
    assert second.store.get(b"9", 0) is not None


def test_only_what_has_changed_is_written(tmp_path: Path) -> None:
    async def story() -> None:
        life = Life(tmp_path)
        for change, written in (
            (lambda: None, 0),
            (lambda: life.put(b"k", b"1"), 1),
            (lambda: life.get(b"k"), 1),
            (lambda: life.put(b"k", b"1"), 2),
            (lambda: life.store.delete(b"none", 0), 2),
            (lambda: life.store.delete(b"k", 0), 3),
        ):
            change()
            await life.snapshot.save()
            assert life.snapshot.stats()["written"] == written
        await life.snapshot.close()
        assert life.snapshot.stats()["written"] == 3, "empty, and that is on disk already"
        assert life.snapshot.stats()["bytes"] == (tmp_path / FILE).stat().st_size

    play(story)


def test_it_is_read_by_anybody(tmp_path: Path) -> None:
    """The format, with nothing of ours but the CBOR decoder: RFC 8742."""
    life = Life(tmp_path)
    life.put(b"k", b"v", 9)
    life.now_ms += 1
    life.keep()
    data = (tmp_path / FILE).read_bytes()
    head, entry = b"\xa3", cbor.dumps([b"k", b"v", b"text/plain; charset=utf-8", 9, 1, 8999])
    assert data.startswith(head)
    assert data[-5 - len(entry) : -5] == entry
    assert cbor.loads(data[: -5 - len(entry)]) == {"headgate": "cache", "v": 1, "t": 1_800_000_000}


def whole(tmp_path: Path) -> bytes:
    life = Life(tmp_path)
    life.put(b"a", b"1")
    life.put(b"b", b"2" * 300)
    life.keep()
    return (tmp_path / FILE).read_bytes()


def sealed(*items: object) -> bytes:
    data = b"".join(map(cbor.dumps, items))
    return data + b"\x1a" + cache_snapshot.crc32(data).to_bytes(4, "big")


HEAD = {"headgate": "cache", "v": 1, "t": None}
GOOD = [b"k", b"v", b"t", 0, 0, 0]


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"",
        lambda data: b"\x1a",
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: data[: len(data) // 2],
        lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:],
        lambda data: b"\0" * len(data),
        lambda data: sealed(),
        lambda data: sealed([]),
        lambda data: sealed({**HEAD, "v": 2}, GOOD),
        lambda data: sealed({**HEAD, "t": -(1 << 62)}, GOOD),
        lambda data: sealed({**HEAD, "t": "1"}, GOOD),
        lambda data: sealed({**HEAD, "headgate": "outbox"}, GOOD),
        lambda data: sealed(HEAD, GOOD, {}),
        lambda data: sealed(HEAD, GOOD, GOOD[:5]),
        lambda data: sealed(HEAD, GOOD, ["k", *GOOD[1:]]),
        lambda data: sealed(HEAD, GOOD, [*GOOD[:5], -1]),
        lambda data: sealed(HEAD, GOOD, [*GOOD[:5], None]),
        lambda data: sealed(HEAD, GOOD, [*GOOD[:3], 1 << 70, 0, 0]),
        lambda data: sealed(HEAD, GOOD, [*GOOD[:5], limits.CACHE_TTL_MS + 1]),
    ],
)
def test_damaged_or_alien(tmp_path: Path, caplog: pytest.LogCaptureFixture, change: Callable[[bytes], bytes]) -> None:
    bad = change(whole(tmp_path))
    (tmp_path / FILE).write_bytes(bad)
    life = Life(tmp_path)
    assert life.store.stats()["entries"] == 0
    (line,) = warnings(caplog)
    assert DAMAGED in line
    assert (tmp_path / DAMAGED).read_bytes() == bad
    assert not (tmp_path / FILE).exists()
    life.put(b"k", b"v")
    life.keep()
    assert Life(tmp_path).get(b"k") is not None


def test_the_good_one_of_those(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(sealed(HEAD, GOOD))
    assert Life(tmp_path).get(b"k") == (b"v", 0, 0, b"t", 0)


def test_a_file_that_cannot_be_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / FILE).mkdir()
    assert Life(tmp_path).store.stats()["entries"] == 0
    assert "the cache starts empty" in warnings(caplog)[0]


@pytest.mark.parametrize("when", ["room", "write", "fsync"])
def test_a_full_disk(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """The old file stays, nothing is left over, one line; and it goes on when there is room."""

    async def story() -> None:
        life = Life(tmp_path)
        life.put(b"k", b"1")
        await life.snapshot.save()
        old = (tmp_path / FILE).read_bytes()

        class FullFile(atomic_file.NewFile):
            def __init__(self, *arguments: Any) -> None:
                super().__init__(*arguments)
                self.file.close()
                self.file = open("/dev/full", "wb", buffering=0)  # noqa: PTH123, SIM115

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patch:
            if when == "room":
                patch.setattr(limits, "OUTBOX_RESERVE_BYTES", 1 << 62)
            elif when == "write":
                patch.setattr(atomic_file, "NewFile", FullFile)
            else:
                patch.setattr(os, "fsync", full)
            for value in (b"2", b"3"):
                life.put(b"k", value)
                await life.snapshot.save()
        assert (tmp_path / FILE).read_bytes() == old
        assert names(tmp_path) == [FILE]
        assert life.snapshot.stats()["failed"] == 2
        assert len(warnings(caplog)) == 1
        assert "No space left" in warnings(caplog)[0]
        await life.snapshot.save()
        assert len(warnings(caplog)) == 2
        await life.snapshot.close()
        assert life.snapshot.stats()["written"] >= 2

    play(story)
    found = Life(tmp_path).get(b"k")
    assert found is not None
    assert found[0] == b"3"


def test_killed_while_it_is_written(tmp_path: Path) -> None:
    old = whole(tmp_path)
    program = """
import os, signal, sys
from pathlib import Path
from headgate.linux.cache_snapshot import FILE, Writer
writer = Writer(Path(sys.argv[1]) / FILE, None, 0)
writer.add([(b"k", b"v" * 100000, b"0 0 t", 1, 0)], 0)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert done.returncode == -9
    assert len(list(tmp_path.iterdir())) == 2
    assert (tmp_path / FILE).read_bytes() == old
    assert Life(tmp_path).get(b"a") is not None
    assert names(tmp_path) == [FILE]


def test_the_loop_goes_on_and_the_disk_is_the_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that hangs holds the snapshot, not the loop; what changes meanwhile is in it or not, and is no harm."""

    async def story() -> None:
        life = Life(tmp_path)
        for number in range(2000):
            life.put(b"%d" % number, b"x" * 100)
        loop, release, arrived = threading.get_ident(), threading.Event(), asyncio.Event()
        running = asyncio.get_running_loop()
        add = cache_snapshot.Writer.add

        def slow(writer: cache_snapshot.Writer, *arguments: Any) -> None:
            assert threading.get_ident() != loop
            running.call_soon_threadsafe(arrived.set)
            assert release.wait(20)
            add(writer, *arguments)

        monkeypatch.setattr(cache_snapshot.Writer, "add", slow)
        task = asyncio.create_task(life.snapshot.save())
        await arrived.wait()
        for number in range(0, 2000, 2):
            life.store.delete(b"%d" % number, 0)
            life.put(b"new-%d" % number, b"y")
        release.set()
        await task
        assert life.snapshot.stats()["written"] == 1
        await life.snapshot.save()
        assert life.snapshot.stats()["written"] == 2, "it had changed"
        await life.snapshot.close()

    play(story)
    after = Life(tmp_path)
    assert after.store.stats()["entries"] == 2000
    assert after.get(b"1") is not None
    assert after.get(b"new-0") is not None
    assert after.get(b"0") is None


def test_cancelled_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a stop does to the task: the old file or the new one, nothing left over, and the last one is written."""

    async def story() -> None:
        life = Life(tmp_path)
        life.put(b"k", b"1")
        arrived = asyncio.Event()
        running = asyncio.get_running_loop()
        release = threading.Event()
        add = cache_snapshot.Writer.add

        def slow(writer: cache_snapshot.Writer, *arguments: Any) -> None:
            running.call_soon_threadsafe(arrived.set)
            assert release.wait(20)
            add(writer, *arguments)

        monkeypatch.setattr(cache_snapshot.Writer, "add", slow)
        task = asyncio.create_task(life.snapshot.save())
        await arrived.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        release.set()
        life.put(b"k", b"2")
        await life.snapshot.close()

    play(story)
    assert names(tmp_path) == [FILE]
    found = Life(tmp_path).get(b"k")
    assert found is not None
    assert found[0] == b"2"
