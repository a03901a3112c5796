"""The tests on another machine, under qemu-user: ./dev test --target aarch64|armv7l|armv6l [--full] [options]

    aarch64   64-bit Raspberry Pi OS: C unit tests, the set-up of docs/raspberry-pi.md, then the Python tests, on the
              native blocks and on their twins
    armv7l    32-bit Raspberry Pi OS: the same
    armv6l    Raspberry Pi 1 and Zero: C unit tests; Debian has no Python for it

Makes a root file system of Debian and a wheel for the machine, installs it there and tests what was installed. `--full`
runs what is marked slow_emulated as well, and every example. Other options and paths go to pytest; then nothing but
pytest is run. Needs root.
"""

import argparse
import functools
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import device_setup
import target_root
import target_wheel
from machines import MACHINES, Machine

from headgate import errors
from headgate.errors import CommandError
from headgate_host import emulation

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
ENTER = ROOT / "tests/qemu/enter.sh"
# What the twins are is the same Python on every machine: of them, what also runs under MicroPython, and the server. Not
# tests/host, which is about the operator's machine.
PLACES = {
    "native": ("tests/unit/**/test_*.py", "tests/twins/test_*.py", "tests/wire/test_*.py", "tests/e2e/test_*.py"),
    "pure": ("tests/unit/test_*.py", "tests/wire/test_*.py"),
}
PLACES_FULL = {
    "native": (*PLACES["native"], "tests/host/test_*.py"),
    "pure": ("tests/unit/**/test_*.py", "tests/wire/test_*.py"),
}
NOTHING_SELECTED = 5  # pytest's exit code
JOBS = int(os.environ.get("HEADGATE_JOBS") or os.cpu_count() or 1)  # as many processors are used
SHARE_S = 1500 * (os.cpu_count() or 1) // JOBS  # for what one process has to do: a third of it on a quiet machine


class Stages:
    """What was run, for how long, and what came of it."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.failed = False

    def run(self, name: str, work: "Callable[[], int]", nothing_is_fine: bool = False) -> None:
        print(f"\ndev: {name}", flush=True)
        began = time.monotonic()
        code = work()
        passed = code == 0 or (nothing_is_fine and code == NOTHING_SELECTED)
        self.failed = self.failed or not passed
        self.note(time.monotonic() - began, name, "passed" if passed else f"FAILED ({code})")

    def note(self, seconds: float, name: str, outcome: str) -> None:
        self.lines.append(f"{seconds:6.0f} s  {name:44} {outcome}")

    def report(self) -> int:
        print("\ndev: where the time went")
        print("\n".join(self.lines))
        print("dev: tests FAILED" if self.failed else "dev: all tests passed", flush=True)
        return errors.BUG if self.failed else errors.OK


def call(command: list[str], **variables: str) -> int:
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}, check=False).returncode


def c_tests(machine: Machine) -> int:
    zig = shutil.which("python-zig", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    make = ["make", "--no-print-directory", "-C", "native_ext", f"-j{JOBS}", machine.c_tests]
    return call(make + [f"ZIG={zig}"] * bool(zig), **emulation.variables(machine.architecture))


def prepare(stages: Stages, name: str, machine: Machine, folder: Path) -> tuple[Path, Path]:
    """The root file system with everything installed, and the wheel."""
    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    start = target_root.base(machine, CACHE / "rootfs")
    wheel = target_wheel.find_or_build(name, folder)
    emulation.prepare(machine.architecture)
    print(f"dev: installing {wheel.relative_to(ROOT)} and what the tests need", flush=True)
    root = target_root.prepare(name, machine, start, wheel, folder)
    stages.note(time.monotonic() - began, f"{name}: root file system, wheel, set-up", "passed")
    return root, wheel


def test_files(patterns: "Iterable[str]") -> "list[str]":
    """Relative to the repository."""
    return [str(file.relative_to(ROOT)) for pattern in patterns for file in sorted(ROOT.glob(pattern))]


def python_tests(machine: Machine, root: Path, backend: str, arguments: argparse.Namespace) -> int:
    variables = {
        **emulation.variables(machine.architecture),
        "HEADGATE_EMULATED": "full" if arguments.full else "quick",
        "HEADGATE_BACKEND": backend,
        "HEADGATE_JOBS": str(JOBS),
    }
    words = ["-q", "-p", "no:cacheprovider", "--durations=10", "--durations-min=20", *arguments.pytest]
    words += [] if arguments.full else ["-m", "not slow_emulated"]
    inside = ["env", *(f"{key}={value}" for key, value in variables.items()), "python3"]
    command = [str(ENTER), str(root), f"/{target_root.INSIDE}", *inside]
    if any((ROOT / option.split("::")[0]).exists() for option in arguments.pytest):
        return call([*command, "-m", "pytest", *words])
    limit = [] if arguments.full else [f"--limit={SHARE_S}"]
    places = PLACES_FULL if arguments.full else PLACES
    return call([*command, "tests/shares.py", *limit, *words, *test_files(places[backend])])


def run(stages: Stages, name: str, arguments: argparse.Namespace) -> None:
    machine = MACHINES[name]
    if not arguments.pytest:
        stages.run(f"{name}: C unit tests", lambda: c_tests(machine))
    if not machine.python:
        return
    folder = CACHE / "target" / name
    root, wheel = prepare(stages, name, machine, folder)
    if not arguments.pytest:
        kept = CACHE / "rootfs"
        stages.run(f"{name}: set-up of docs/raspberry-pi.md", lambda: device_setup.run(machine, wheel, folder, kept))
    for backend in arguments.backend or PLACES:
        work = functools.partial(python_tests, machine, root, backend, arguments)
        stages.run(f"{name}: pytest, {backend}", work, nothing_is_fine=bool(arguments.pytest))


def parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./dev test --target",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("machine", choices=MACHINES)
    parser.add_argument("--full", action="store_true", help="what is slow under emulation, too")
    parser.add_argument("--backend", action="append", choices=[*PLACES], help="only this one")
    arguments, arguments.pytest = parser.parse_known_args(words)
    return arguments


def main(words: list[str]) -> int:
    arguments = parse(words)
    stages = Stages()
    try:
        run(stages, arguments.machine, arguments)
    except CommandError as error:
        print(f"dev: {error.line()}", file=sys.stderr)
        return error.code
    return stages.report()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
