"""The wheel for another machine: one from dist/ if it is newer than its sources, otherwise one that is built here by a
cross compiler with the headers of the machine's own Python."""

import os
import subprocess
import sys
from pathlib import Path

from machines import Machine

from headgate import errors
from headgate.errors import CommandError

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("setup.py", "pyproject.toml", "firmware_py", "host_tools", "boards", "native_ext/core", "native_ext/cpython",
           "native_ext/headgate_native")  # fmt: skip


def find_or_build(name: str, machine: Machine, root: Path, folder: Path) -> Path:
    """`name`: as platform.machine() says there; `root`: its file system, with Python.h; `folder`: to build in."""
    newest = _newest()
    for place in (ROOT / "dist", folder):
        wheels = [path for path in place.glob(f"headgate-*_{name}.whl") if path.stat().st_mtime >= newest]
        if wheels:
            return max(wheels, key=lambda path: path.stat().st_mtime)
    return _build(name, machine, root, folder)


def _newest() -> float:
    """When a source was changed last."""
    files = [file for source in SOURCES for file in [ROOT / source, *(ROOT / source).rglob("*")]]
    made_here = (".so", ".pyc", ".o")
    return max(file.stat().st_mtime for file in files if file.is_file() and file.suffix not in made_here)


def _build(name: str, machine: Machine, root: Path, folder: Path) -> Path:
    headers = root / "usr/include"
    # Before everything the build brings for this machine. pyconfig.h is in the triplet's folder.
    include = f"-I{headers}/python3.11 -I{headers}/{machine.triplet}/python3.11 -idirafter {headers}"
    environment = {
        **os.environ,
        "CC": f"{machine.compiler} {include}",
        "LDSHARED": f"{machine.compiler} -shared",
        "AR": machine.compiler.removesuffix("gcc") + "ar",
        "CFLAGS": "",
        "_PYTHON_HOST_PLATFORM": f"linux-{name}",
        "HEADGATE_WERROR": "1",
    }
    command = [sys.executable, "setup.py", "-q", "build", "--build-base", str(folder / "build")]
    command += [
        "bdist_wheel",
        "--plat-name",
        f"linux_{name}",
        "--dist-dir",
        str(folder),
        "--bdist-dir",
        str(folder / "wheel"),
    ]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    wheels = list(folder.glob(f"headgate-*_{name}.whl"))
    if done.returncode or not wheels:
        lines = [line for line in done.stderr.splitlines() if ": error:" in line] or done.stderr.strip().splitlines()
        raise CommandError(
            errors.MISSING,
            f"no wheel for {name}: {(lines or ['no reason given'])[0]}",
            f"apt-get install {machine.packages}",
        )
    return max(wheels, key=lambda path: path.stat().st_mtime)
