"""`headgate flash --out`: a file that has its name only when it is complete, whoever else is at work there.

Numbered with the faults of test_disk.py: docs/flash.md has the table.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from headgate import errors
from headgate.errors import CommandError
from headgate_host.flash import target
from headgate_host.flash.refusals import Refused
from headgate_host.flash.target import FileTarget, Target

from .kit import MIB


def refusing(number: int) -> Callable[..., None]:
    """A system call."""

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


def test_f56_one_file_at_a_time(tmp_path: Path) -> None:
    """A second one would take the first one's half-written file for a dead one's, and give it a name."""
    path = tmp_path / "x.img"
    with FileTarget(path, MIB, MIB) as first:
        with pytest.raises(Refused, match="is being written") as caught:
            FileTarget(path, MIB, MIB)
        assert (caught.value.reason, caught.value.code) == ("out-exists", errors.USAGE)
        first.write(0, b"a" * MIB)
        first.finish()
    assert path.read_bytes() == b"a" * MIB
    assert [one.name for one in tmp_path.iterdir()] == ["x.img"]


@pytest.mark.parametrize("place", [".", "/", ""])
def test_a_place_without_a_name(place: str) -> None:
    with pytest.raises(Refused) as caught:
        FileTarget(Path(place), MIB, MIB)
    assert (caught.value.reason, caught.value.code) == ("out-exists", errors.USAGE)


def test_f57_a_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FAT: a stick that an image is put on. Nothing is overwritten there either, and nothing empty stays."""
    monkeypatch.setattr(os, "link", refusing(errno.EPERM))
    path = tmp_path / "x.img"
    with FileTarget(path, MIB, MIB) as file:
        file.write(0, b"a" * MIB)
        file.finish()
    assert path.read_bytes() == b"a" * MIB
    with FileTarget(tmp_path / "y.img", MIB, MIB) as file:
        (tmp_path / "y.img").write_bytes(b"somebody else's")
        with pytest.raises(Refused, match="exists now"):
            file.finish()
    assert (tmp_path / "y.img").read_bytes() == b"somebody else's"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["x.img", "y.img"]
    with monkeypatch.context() as patch, FileTarget(tmp_path / "z.img", MIB, MIB) as file:
        patch.setattr(Path, "replace", refusing(errno.EIO))
        with pytest.raises(CommandError, match="cannot name"):
            file.finish()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["x.img", "y.img"]


def written(file: FileTarget, path: Path) -> None:
    """Another run of the same `--out`, to its end."""
    file.write(0, b"b" * MIB)
    file.finish()
    file.close()
    assert path.read_bytes() == b"b" * MIB
    assert [one.name for one in path.parent.iterdir()] == ["x.img"]


@pytest.mark.parametrize("direct", [True, False])
def test_f58_two_that_begin_at_the_same_moment(direct: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one comes when the first one's file is there, and not locked yet."""
    path = tmp_path / "x.img"
    open_, set_ = os.open, fcntl.fcntl
    others: list[FileTarget] = []

    def disturbed(place: Path, flags: int, *more: int) -> int:
        descriptor = open_(place, flags, *more)
        if flags & os.O_CREAT and not others:
            others.append(None)  # type: ignore[arg-type]  # its own file is not disturbed
            others[0] = FileTarget(path, MIB, MIB)
        if flags & os.O_DIRECT and not direct:
            os.close(descriptor)
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return descriptor

    def fcntl_(descriptor: int, command: int, argument: int = 0) -> int:
        if command == fcntl.F_SETFL and argument & os.O_DIRECT and not direct:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return set_(descriptor, command, argument)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", disturbed)
        patch.setattr(fcntl, "fcntl", fcntl_)
        with pytest.raises(Refused, match="is being written"):
            FileTarget(path, MIB, MIB)
    with pytest.raises(Refused, match="is being written"):
        FileTarget(path, MIB, MIB)
    written(others[0], path)


def test_f58_two_that_remove_an_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one has its file when the first one is about to make its own."""
    path = tmp_path / "x.img"
    create = target._create
    others: list[FileTarget] = []

    def disturbed(partial: Path) -> int:
        monkeypatch.setattr(target, "_create", create)
        others.append(FileTarget(path, MIB, MIB))
        return create(partial)

    monkeypatch.setattr(target, "_create", disturbed)
    with pytest.raises(Refused, match="is being written"):
        FileTarget(path, MIB, MIB)
    written(others[0], path)


def test_f59_one_that_begins_as_another_gives_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.img"
    first = FileTarget(path, MIB, MIB)
    close = Target.close
    others: list[FileTarget] = []

    def disturbed(self: Target) -> None:
        close(self)
        if self is first:  # its lock is gone
            others.append(FileTarget(path, MIB, MIB))

    monkeypatch.setattr(Target, "close", disturbed)
    first.close()
    written(others[0], path)


def test_f60_a_half_written_file_that_somebody_removes(tmp_path: Path) -> None:
    """Another run has its own under the same name then: neither is named by the other, nor removed."""
    path = tmp_path / "x.img"
    with FileTarget(path, MIB, MIB) as first:
        first.write(0, b"a" * MIB)
        (tmp_path / ".x.img.partial").unlink()
        with pytest.raises(CommandError, match=r"cannot name .*x\.img: somebody removed \.x\.img\.partial") as caught:
            first.finish()
        assert caught.value.code == errors.DEVICE
        second = FileTarget(path, MIB, MIB)
        with pytest.raises(CommandError, match="somebody removed"):
            first.finish()
    assert not path.exists()
    written(second, path)


def test_f61_locks_of_nfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They want a file that is open for writing."""
    flock = fcntl.flock

    def nfs(descriptor: int, operation: int) -> None:
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", nfs)
    path = tmp_path / "x.img"
    first = FileTarget(path, MIB, MIB)
    with pytest.raises(Refused, match="is being written"):
        FileTarget(path, MIB, MIB)
    written(first, path)


@pytest.mark.parametrize("kind", ["link", "another user's", "socket"])
def test_f63_what_cannot_be_asked_for_its_lock(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in nobody's way; what a link leads to stays as it is."""
    partial, elsewhere = tmp_path / ".x.img.partial", tmp_path / "elsewhere"
    elsewhere.write_bytes(b"somebody's")
    open_ = os.open

    def denied(place: Path, flags: int, *more: int) -> int:
        if place == partial and not flags & os.O_CREAT:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return open_(place, flags, *more)

    if kind == "link":
        partial.symlink_to(elsewhere)
    elif kind == "socket":
        os.mknod(partial, stat.S_IFSOCK | 0o600)
    else:
        partial.write_bytes(b"of a run that was killed")
        monkeypatch.setattr(os, "open", denied)
    with FileTarget(tmp_path / "x.img", MIB, MIB) as file:
        file.write(0, b"a" * MIB)
        file.finish()
    assert elsewhere.read_bytes() == b"somebody's"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["elsewhere", "x.img"]
