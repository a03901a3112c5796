"""The tests on another machine, under qemu-user: ./dev test --target aarch64|armv7l|armv6l [--full] [options]

    aarch64   64-bit Raspberry Pi OS: the C unit tests, then the Python tests on the native blocks and on their twins
    armv7l    32-bit Raspberry Pi OS: the same
    armv6l    Raspberry Pi 1 and Zero: the C unit tests; Debian has no Python for it

Makes a root file system of Debian and a wheel for the machine, installs it there and tests what was installed. `--full`
runs what is marked slow_emulated as well. Other options and paths go to pytest; then the C unit tests are left out.
Needs root.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import cross_wheel
import target_root
from machines import MACHINES, Machine

from headgate import errors
from headgate.errors import CommandError
from headgate_host import emulation

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
ENTER = ROOT / "tests/qemu/enter.sh"
PLACES = {"native": ("tests/unit", "tests/twins", "tests/wire", "tests/e2e"), "pure": ("tests/unit", "tests/twins")}
NOTHING_SELECTED = 5  # pytest's exit code


class Stages:
    """What was run, for how long, and what came of it."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.failed = False

    def run(
        self, name: str, command: list[str], env: dict[str, str] | None = None, nothing_is_fine: bool = False
    ) -> None:
        print(f"\ndev: {name}", flush=True)
        began = time.monotonic()
        code = subprocess.run(command, cwd=ROOT, env={**os.environ, **(env or {})}, check=False).returncode
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


def c_tests(stages: Stages, name: str, target: str, cpu: str) -> None:
    make = ["make", "--no-print-directory", "-C", "native_ext", f"-j{os.cpu_count()}", target]
    zig = shutil.which("python-zig", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    stages.run(f"{name}: C unit tests", [*make, f"ZIG={zig}"] if zig else make, {"QEMU_CPU": cpu} if cpu else {})


def prepare(stages: Stages, name: str, machine: Machine) -> Path:
    """The root file system with everything installed."""
    began = time.monotonic()
    folder = CACHE / "target" / name
    folder.mkdir(parents=True, exist_ok=True)
    start = target_root.base(machine, CACHE / "rootfs")
    print(f"dev: building the wheel for {name}, unless there is a new one", flush=True)
    wheel = cross_wheel.find_or_build(name, machine, start, folder)
    emulation.prepare(machine.architecture)
    print(f"dev: installing {wheel.relative_to(ROOT)} and what the tests need", flush=True)
    root = target_root.prepare(name, machine, start, wheel, folder)
    stages.note(time.monotonic() - began, f"{name}: root file system, wheel, set-up", "passed")
    return root


def python_tests(stages: Stages, name: str, machine: Machine, root: Path, arguments: argparse.Namespace) -> None:
    variables = [f"{key}={value}" for key, value in emulation.variables(machine.architecture).items()]
    options = ["-q", "-p", "no:cacheprovider", "-n", str(os.cpu_count()), "--dist", "loadfile"]
    options += ["--durations=10", "--durations-min=20", *([] if arguments.full else ["-m", "not slow_emulated"])]
    selected = any((ROOT / option.split("::")[0]).exists() for option in arguments.pytest)
    for backend in arguments.backend or ("native", "pure"):
        stages.run(
            f"{name}: pytest, {backend}",
            [str(ENTER), str(root), f"/{target_root.INSIDE}", "env", *variables, "HEADGATE_EMULATED=1",
             f"HEADGATE_BACKEND={backend}", "PYTHONDONTWRITEBYTECODE=1", "python3", "-m", "pytest", *options,
             *([] if selected else PLACES[backend]), *arguments.pytest],
            nothing_is_fine=bool(arguments.pytest),
        )  # fmt: skip


def parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./dev test --target",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("machine", choices=[*MACHINES, "armv6l"])
    parser.add_argument("--full", action="store_true", help="what is slow under emulation, too")
    parser.add_argument("--backend", action="append", choices=["native", "pure"], help="only this one")
    arguments, arguments.pytest = parser.parse_known_args(words)
    return arguments


def main(words: list[str]) -> int:
    arguments = parse(words)
    stages = Stages()
    try:
        if arguments.machine == "armv6l":
            c_tests(stages, "armv6l", "test-armv6", "")
            return stages.report()
        machine = MACHINES[arguments.machine]
        if not arguments.pytest:
            cpu = emulation.variables(machine.architecture).get("QEMU_CPU", "")
            c_tests(stages, arguments.machine, machine.c_tests, cpu)
        root = prepare(stages, arguments.machine, machine)
        python_tests(stages, arguments.machine, machine, root, arguments)
    except CommandError as error:
        print(f"dev: {error.line()}", file=sys.stderr)
        return error.code
    return stages.report()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
