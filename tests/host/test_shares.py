"""tests/shares.py: every file is run once, a failure in any share fails them all, a share that hangs is ended."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SHARES = Path(__file__).resolve().parents[1] / "shares.py"
PASSES = "def test_it() -> None: pass\n"


def shares(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    files = sorted(str(file) for file in folder.glob("test_*.py"))
    command = [sys.executable, str(SHARES), "-v", "-p", "no:cacheprovider", *options, *files]
    environment = os.environ | {"HEADGATE_JOBS": "2", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b", "c"):
        (tmp_path / f"test_{name}.py").write_text(PASSES)
    return tmp_path


def test_every_file_is_run_once(folder: Path) -> None:
    done = shares(folder)
    assert done.returncode == 0, done.stdout
    assert sorted(line.split(" ")[0] for line in done.stdout.splitlines() if " PASSED" in line) == [
        f"test_{name}.py::test_it" for name in ("a", "b", "c")
    ]
    assert done.stdout.count(" passed in ") == 2


@pytest.mark.parametrize("name", ["a", "b"])  # the first is in the one share, the second in the other
def test_one_failure_fails_them_all(folder: Path, name: str) -> None:
    (folder / f"test_{name}.py").write_text("def test_it() -> None: assert False\n")
    assert shares(folder).returncode == 1


def test_nothing_selected_in_one_share_is_no_failure(folder: Path) -> None:
    (folder / "test_b.py").write_text("def test_other() -> None: pass\n")
    assert shares(folder, "-k", "test_it").returncode == 0
    assert shares(folder, "-k", "absent").returncode == 5


def test_one_that_hangs_is_ended(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text("import signal\ndef test_it() -> None: signal.pause()\n")
    done = shares(tmp_path, "--limit", "3")
    assert done.returncode == 124
    assert "shares: ended, as it took more than 3 s" in done.stdout
