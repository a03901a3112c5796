"""The steps of writing on a disk in memory, where the kernel cannot be made to fail; and progress, disks, boards."""

from __future__ import annotations

import argparse
import errno
import fcntl
import io
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from headgate import errors
from headgate.errors import CommandError
from headgate.linux.image_format import FIRST
from headgate_host.flash import boards, target, verb_boards, verb_disks, verb_flash
from headgate_host.flash.disks import Machine
from headgate_host.flash.image_open import Image, trusted_keys
from headgate_host.flash.progress import Progress
from headgate_host.flash.refusals import Refused
from headgate_host.flash.target import FileTarget, Target
from headgate_host.flash.writer import FLUSH, Result, Writer, first_difference

from . import kit
from .kit import GB, MIB, Tree


class Memory(Target):
    """A disk in memory that notes what is asked of it. `on_write` may change data or raise OSError."""

    def __init__(self, size: int, on_write: Callable[[int, bytes], bytes] = lambda _, data: data) -> None:
        self.name, self.size = "/dev/mem", size
        self.data = bytearray(b"\xaa" * size)
        self.log: list[tuple[str, int, int]] = []
        self._on_write = on_write

    def write(self, start: int, data: bytes) -> None:
        assert start % 512 == len(data) % 512 == 0
        self.log.append(("write", start, len(data)))
        self.data[start : start + len(data)] = self._on_write(start, data)

    def read(self, start: int, size: int) -> bytes:
        self.log.append(("read", start, size))
        return bytes(self.data[start : start + size])

    def sync(self) -> None:
        self.log.append(("sync", 0, 0))


def written(image: Path, disk: Memory, record: bytes = b"record") -> Result:
    with Image(image, trusted_keys([image.parent])) as opened:
        writer = Writer(opened, disk, record, Progress(as_json=False, err=io.StringIO()))
        result = writer.run()
        assert result.verify_hash == opened.manifest.verify_hash()
        for start, data in kit.expected(image.with_name("image.raw"), opened.manifest):
            assert disk.data[start : start + len(data)] == data
    return result


def test_the_order_of_things(image: Path) -> None:
    """The first MiB is erased first and written last, after everything else was read back."""
    disk = Memory(32 * MIB)
    written(image, disk)
    log = disk.log
    assert log[0] == ("write", 0, FIRST)
    assert log[1] == ("write", 31 * MIB, MIB)
    head = max(i for i, entry in enumerate(log) if entry[0] == "write" and entry[1] < FIRST)
    assert log[head][1] == 0
    assert all(kind != "write" for kind, _, _ in log[head + 1 :])
    assert [kind for kind, _, _ in log[head + 1 :]] == ["sync", "read"]
    reads = [entry for entry in log[:head] if entry[0] == "read"]
    with Image(image, trusted_keys([image.parent])) as opened:
        for piece in opened.manifest.ranges:
            if piece.start >= FIRST:
                assert ("read", piece.start, piece.size) in reads
    assert reads[-1] == ("read", 0, FIRST)


def test_it_is_flushed_now_and_then(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from headgate_host.flash import writer

    monkeypatch.setattr(writer, "FLUSH", 3 * MIB)
    disk = Memory(32 * MIB)
    written(image, disk)
    unflushed = longest = 0
    for kind, _, size in disk.log:
        unflushed = 0 if kind == "sync" else unflushed + size * (kind == "write")
        longest = max(longest, unflushed)
    assert longest <= 3 * MIB + 4 * MIB
    assert FLUSH == 32 * MIB


def test_the_record_fills_its_area(image: Path) -> None:
    disk = Memory(32 * MIB)
    written(image, disk, b"r" * 5000)
    assert disk.data[12 * MIB : 13 * MIB] == b"r" * 5000 + bytes(MIB - 5000)
    written(image, disk, b"")
    assert disk.data[12 * MIB : 13 * MIB] == bytes(MIB)


def test_two_signals_at_once_leave_a_disk_that_does_not_boot(image: Path) -> None:
    """As a session ends with SIGTERM and SIGHUP, while the last flush takes its time."""

    class Ending(Memory):
        def sync(self) -> None:
            super().sync()
            if any(self.data[:FIRST]) and self.log[-2][:2] == ("write", 0):
                both = {signal.SIGTERM, signal.SIGHUP}
                signal.pthread_sigmask(signal.SIG_BLOCK, both)
                for one in both:
                    os.kill(os.getpid(), one)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, both)

    disk = Ending(32 * MIB)
    with verb_flash._signals() as too_late, Image(image, trusted_keys([image.parent])) as opened:
        progress = Progress(as_json=False, err=io.StringIO())
        with pytest.raises(KeyboardInterrupt):
            Writer(opened, disk, b"record", progress).run(too_late)
    assert disk.data[:FIRST] == bytes(FIRST)


def test_a_table_that_is_kept_the_second_time(image: Path) -> None:
    """Only the last write to the first MiB goes wrong, once."""
    bad: list[int] = []

    def on_write(start: int, data: bytes) -> bytes:
        if start == 0 and any(data) and not bad:
            bad.append(start)
            return data[:700] + b"?" + data[701:]
        return data

    assert written(image, Memory(32 * MIB, on_write)).retries == 1


def test_a_disk_that_cannot_be_erased_any_more(image: Path) -> None:
    """It fails for good in the middle: the message says that not even zeros could be written."""
    spent: list[int] = []

    def on_write(start: int, data: bytes) -> bytes:
        spent.append(start)
        if len(spent) > 20:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return data

    said = io.StringIO()
    with Image(image, trusted_keys([image.parent])) as opened:
        writer = Writer(opened, Memory(32 * MIB, on_write), b"", Progress(as_json=False, err=said))
        with pytest.raises(CommandError) as caught:
            writer.run()
    assert caught.value.code == errors.DEVICE
    assert "could not even be erased: do not use it" in said.getvalue()


def test_interrupted_as_it_becomes_too_late(image: Path) -> None:
    """All was verified and is there: it goes again, since nobody will hear of this board."""
    disk = Memory(32 * MIB)

    def too_late() -> None:
        assert any(disk.data[:FIRST])
        raise KeyboardInterrupt

    with Image(image, trusted_keys([image.parent])) as opened:
        writer = Writer(opened, disk, b"", Progress(as_json=False, err=io.StringIO()))
        with pytest.raises(KeyboardInterrupt):
            writer.run(too_late)
    assert disk.data[:FIRST] == bytes(FIRST)


def test_first_difference() -> None:
    for size in (1, 2, 3, 4096):
        for at in {0, size // 2, size - 1}:
            data = bytearray(size)
            data[at] = 1
            assert first_difference(bytes(data), bytes(size)) == at
            assert first_difference(bytes(data[: at + 1]) + b"\1" * (size - at - 1), bytes(size)) == at


# --- targets ---------------------------------------------------------------------------------------------------------


def test_a_file_system_without_o_direct(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says EINVAL when it is asked for, or only when it is written: the page cache is used, and emptied."""
    real_fcntl, real_write = fcntl.fcntl, os.pwrite

    def fcntl_(descriptor: int, command: int, argument: int = 0) -> int:
        if command == fcntl.F_SETFL and argument & os.O_DIRECT:
            raise OSError(errno.EINVAL, "no O_DIRECT")
        return real_fcntl(descriptor, command, argument)

    refusals: list[int] = []

    def pwrite(descriptor: int, data: bytes, offset: int) -> int:
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DIRECT:
            refusals.append(offset)
            raise OSError(errno.EINVAL, "no O_DIRECT after all")
        return real_write(descriptor, data, offset)

    for module, name, function in ((fcntl, "fcntl", fcntl_), (os, "pwrite", pwrite)):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, function)
            with FileTarget(tmp_path / name, 2 * MIB, MIB) as file:
                file.write(MIB, b"x" * 8192)
                file.sync()
                assert file.read(MIB, 8192) == b"x" * 8192
                file.finish()
        assert (tmp_path / name).stat().st_size == 2 * MIB
    assert refusals in ([], [MIB])  # none where the file system of the test has no O_DIRECT itself


def test_a_name_that_is_taken_meanwhile(tmp_path: Path) -> None:
    with FileTarget(tmp_path / "x", MIB, MIB) as file:
        (tmp_path / "x").write_text("somebody's")
        with pytest.raises(Refused, match="exists now") as caught:
            file.finish()
    assert caught.value.reason == "out-exists"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_text() == "somebody's"


@pytest.mark.parametrize(
    ("number", "reason", "code"),
    [
        (errno.EACCES, "permission", errors.MISSING),
        (errno.EPERM, "permission", errors.MISSING),
        (errno.EBUSY, "busy", errors.REFUSED),
        (errno.EROFS, "read-only", errors.REFUSED),
        (errno.ENOMEDIUM, "changed", errors.REFUSED),
        (errno.ENOENT, "changed", errors.REFUSED),
        (errno.EIO, "busy", errors.REFUSED),
    ],
)
def test_disks_that_cannot_be_opened(
    number: int, reason: str, code: int, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.disk("sdb")
    disk = tree.machine().disk("sdb")
    assert disk is not None

    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(target, "_open", refuse)
    with pytest.raises(Refused) as caught:
        target.DiskTarget.open(disk, Path("/nowhere"))
    assert (caught.value.reason, caught.value.code) == (reason, code)


# --- progress --------------------------------------------------------------------------------------------------------


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_on_a_terminal() -> None:
    now = [0.0]
    screen = Screen()
    progress = Progress(as_json=False, err=screen, clock=lambda: now[0])
    progress.begin(100 * MIB)
    progress.phase("writing")
    for _ in range(4):
        now[0] += 1
        progress.advance(25 * MIB)
    lines = screen.getvalue().split("\r")
    assert "25 %  26.2 MB, 26.2 MB/s, 0:03 to go" in lines[1]
    assert "100 %" in lines[4]
    progress.say("done")
    assert screen.getvalue().endswith("\rdone\n")


def test_progress_elsewhere_is_ten_lines() -> None:
    screen = io.StringIO()
    progress = Progress(as_json=False, err=screen, clock=iter(range(10**6)).__next__)
    progress.begin(1000)
    for _ in range(1000):
        progress.advance(1)
    assert screen.getvalue().count("\n") == 11
    assert "\r" not in screen.getvalue()


def test_progress_as_events() -> None:
    out = io.StringIO()
    progress = Progress(as_json=True, out=out, err=io.StringIO(), clock=iter(range(10**6)).__next__)
    progress.begin(4)
    progress.phase("writing")
    progress.advance(3)
    progress.at(4, 4)
    progress.say("for people")
    events = [json.loads(line) for line in out.getvalue().splitlines()]
    assert events[0] == {"event": "phase", "name": "writing"}
    assert events[1] == {"event": "progress", "phase": "writing", "done": 3, "total": 4, "rate": 3, "eta_s": 1}
    assert (events[2]["done"], len(events)) == (4, 3)


# --- disks and boards ------------------------------------------------------------------------------------------------


def shown(tree: Tree, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    parser = argparse.ArgumentParser()
    verb_disks.add_arguments(parser)
    assert verb_disks.show(parser.parse_args(words), tree.machine()) == errors.OK
    return capsys.readouterr().out


def test_disks(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(tree, capsys) == "there is no disk\n"
    dev = tree.disk("sda", bus="sata", parts=(1, 2), serial="ROOT1", model="Samsung SSD")
    tree.mount(f"{dev.split(':')[0]}:2", "/dev/sda2", "/")
    tree.disk("sdb", serial="4C5300", model="Ultra Fit")
    tree.disk("mmcblk0", bus="mmc", size=8 * GB)
    tree.disk("loop7", bus="virtual", size=0)  # nothing behind it: not shown
    tree.by_id("usb-Ultra_Fit_4C5300-0:0", "sdb")
    text = shown(tree, capsys)
    assert "/dev/sda           32.0 GB  sata      Samsung SSD  serial ROOT1" in text
    assert "/dev/sda carries / of this machine (sda2 is /). Choose another disk: headgate disks" in text
    assert "/dev/disk/by-id/usb-Ultra_Fit_4C5300-0:0\n" + " " * 28 + "can be flashed" in text
    assert "loop7" not in text
    document = json.loads(shown(tree, capsys, "--json"))
    found = {disk["name"]: disk for disk in document["disks"]}
    assert found["sda"]["refused"]["reason"] == "root"
    assert found["sda"]["mounts"] == [{"device": "sda2", "at": "/"}]
    assert found["sdb"]["refused"] is None
    assert (found["sdb"]["kind"], found["sdb"]["serial"], found["mmcblk0"]["kind"]) == ("usb-disk", "4C5300", "sd-card")
    assert json.loads(shown(tree, capsys, "--json", "--board", "qemu-virt-arm64"))["disks"][2]["refused"]


def test_what_a_device_says_of_itself_stays_on_its_line(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.disk("sdb", model="Nice\x1b[2J\nname", serial="A\rB")
    text = shown(tree, capsys)
    assert "Nice?[2J?name  serial A?B" in text
    assert text.count("\n") == 2


def test_the_disks_of_this_machine() -> None:
    """Whatever they are: each has a size and a place, and the one with / is never for flashing."""
    for disk in Machine().disks():
        assert disk.path.parent == Path("/dev")
        assert disk.dev.count(":") == 1


def test_boards(capsys: pytest.CaptureFixture[str]) -> None:
    from headgate import cli

    assert cli.main(["boards"]) == errors.OK
    assert len(capsys.readouterr().out.splitlines()) == len(boards.names()) >= 8
    assert cli.main(["boards", "rpi-5", "--json"]) == errors.OK
    assert json.loads(capsys.readouterr().out)["flash"]["storage"] == ["sd-card", "usb-disk", "nvme"]
    for name in boards.names():
        assert cli.main(["boards", name]) == errors.OK
        assert "## Bring-up" in capsys.readouterr().out
    assert cli.main(["boards", "rpi4"]) == errors.USAGE
    assert "Did you mean rpi-4?" in capsys.readouterr().err
    assert verb_boards.HELP
