"""headgate._accel: which backend it chooses, and that it never chooses the slow one silently."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import headgate_native

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware_py"
NATIVE = Path(headgate_native.__file__).parent.parent
SHOW = "import headgate._accel as a; print(a.BACKEND, a.FEATURES, a.Limiter.__module__, a.Store.__module__)"


def run(backend: str | None, path: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if name != "HEADGATE_BACKEND"}
    environment["PYTHONPATH"] = path
    if backend is not None:
        environment["HEADGATE_BACKEND"] = backend
    # -S: the interpreter's own site-packages could have a native core as well
    return subprocess.run(
        [sys.executable, "-S", "-c", SHOW], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("backend", [None, "", "auto", "native"])
def test_native_unless_asked_otherwise(backend) -> None:
    done = run(backend, f"{FIRMWARE}{os.pathsep}{NATIVE}")
    assert done.stdout.split("(")[0] == "native ", done.stderr
    assert done.stdout.endswith("headgate_native._native headgate_native._native\n")
    assert "'limiter', 'store'" in done.stdout


def test_pure_when_asked() -> None:
    for path in (str(FIRMWARE), f"{FIRMWARE}{os.pathsep}{NATIVE}"):
        assert run("pure", path).stdout == "pure () headgate.core.limiter headgate.core.store\n"


@pytest.mark.parametrize("backend", [None, "auto", "native"])
def test_a_missing_native_core_is_one_clear_line(backend) -> None:
    done = run(backend, str(FIRMWARE))
    assert done.returncode != 0
    assert done.stdout == ""
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: Headgate's native core is missing or stale (")
    assert "setup.py build_ext --inplace" in last
    assert "HEADGATE_BACKEND=pure" in last


@pytest.mark.parametrize("backend", ["Native", "fast", " "])
def test_an_unknown_backend_is_an_error(backend) -> None:
    done = run(backend, f"{FIRMWARE}{os.pathsep}{NATIVE}")
    assert done.returncode != 0
    assert done.stderr.strip().splitlines()[-1] == (
        f"ImportError: HEADGATE_BACKEND is {backend!r}; it must be auto, native or pure"
    )


@pytest.mark.parametrize(("backend", "path"), [("auto", str(FIRMWARE)), ("fast", f"{FIRMWARE}{os.pathsep}{NATIVE}")])
def test_what_the_command_says_of_it(backend: str, path: str, tmp_path: Path) -> None:
    """It is no bug; and the verb that examines the machine goes on."""
    environment = {
        "PYTHONPATH": path,
        "HEADGATE_BACKEND": backend,
        "HEADGATE_STATE": str(tmp_path),
        "PATH": os.environ["PATH"],
    }

    def headgate(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-S", "-m", "headgate", *arguments],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    done = headgate("check")
    assert done.returncode == 4
    assert "unexpected" not in done.stderr
    assert "HEADGATE_BACKEND" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    done = headgate("doctor", "--offline")
    assert done.returncode == 7, done.stderr
    assert "FAIL native core" in done.stdout
