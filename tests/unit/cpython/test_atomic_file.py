"""linux/atomic_file.py: the old file or the new one, never half of it, and nothing left over."""

import os
import stat
from pathlib import Path

import pytest

from headgate.linux import atomic_file


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_written_replaced_or_kept(tmp_path: Path) -> None:
    path = tmp_path / "f"
    assert atomic_file.write(path, b"1", mode=0o600)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not atomic_file.write(path, b"2", replace=False)
    assert path.read_bytes() == b"1"
    assert atomic_file.write(path, b"3")
    assert path.read_bytes() == b"3"
    assert names(tmp_path) == ["f"]


def test_what_a_dead_process_left_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / f".f.{os.getpid()}").write_bytes(b"half")
    assert atomic_file.write(tmp_path / "f", b"whole", replace=False)
    assert names(tmp_path) == ["f"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    path = tmp_path / "f"
    atomic_file.write(path, b"old")

    def broken(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr({"fsync": os, "replace": Path}[call], call, broken)
    with pytest.raises(OSError, match="Input/output"):
        atomic_file.write(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["f"]


def test_piece_by_piece(tmp_path: Path) -> None:
    path = tmp_path / "f"
    atomic_file.write(path, b"old")
    for commit, content in ((False, b"old"), (True, b"new")):
        new = atomic_file.NewFile(path)
        new.file.write(b"ne")
        assert path.read_bytes() == b"old"
        new.file.write(b"w")
        if commit:
            assert new.commit()
        else:
            new.abandon()
        assert path.read_bytes() == content
        assert names(tmp_path) == ["f"]


def test_sweeping(tmp_path: Path) -> None:
    for name in ("f", ".f.123", ".f.4", ".g.5", "f.damaged"):
        (tmp_path / name).write_bytes(b"")
    atomic_file.sweep(tmp_path / "f")
    assert names(tmp_path) == [".g.5", "f", "f.damaged"]


def test_file_and_directory_reach_the_disk_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The content before the name, the name before the return."""
    path = tmp_path / "f"
    seen: list[tuple[bool, bool]] = []

    def fsync(descriptor: int) -> None:
        seen.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), path.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    atomic_file.write(path, b"1")
    assert seen == [(False, False), (True, True)]
