"""The wheel for another machine, as users get it: from dist/ if it is newer than its sources, otherwise built now."""

import subprocess
import sys
from pathlib import Path

from headgate import errors
from headgate.errors import CommandError

ROOT = Path(__file__).resolve().parents[2]
BUILDER = ROOT / "native_ext/wheels/build.py"
SOURCES = ("setup.py", "pyproject.toml", "firmware_py", "host_tools", "boards", "native_ext")
MADE_HERE = (".so", ".pyc", ".o")


def find_or_build(machine: str, folder: Path, libc: str = "glibc") -> Path:
    """`machine`: as platform.machine() says there; `folder`: to build in, and to find again what was built.
    `libc`: glibc, which Debian has, or musl."""
    newest = _newest_source()
    for place in (ROOT / "dist", folder):
        wheels = [path for path in _wheels(machine, libc, place) if path.stat().st_mtime >= newest]
        if wheels:
            return max(wheels, key=lambda path: path.stat().st_mtime)
    for wheel in _wheels(machine, libc, folder):  # of older sources
        wheel.unlink()
    command = [sys.executable, str(BUILDER), "--zig", "--archs", machine, "--libc", libc, "--output", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    wheels = _wheels(machine, libc, folder)
    if done.returncode or not wheels:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        causes = [line for line in said if ": error:" in line] or said[-1:]
        raise CommandError(
            errors.MISSING, f"no wheel for {machine}: {causes[0]}", "The whole output: ./dev wheels --zig"
        )
    return wheels[0]


def _wheels(machine: str, libc: str, place: Path) -> list[Path]:
    found = place.glob(f"headgate-*_{machine}.whl")
    return [path for path in found if ("musllinux" in path.name) == (libc == "musl")]


def _newest_source() -> float:
    """When a source was changed last."""
    files = [file for source in SOURCES for file in [ROOT / source, *(ROOT / source).rglob("*")]]
    return max(file.stat().st_mtime for file in files if file.is_file() and file.suffix not in MADE_HERE)
