"""What the bench installs and builds for itself, all under .cache: the peers' virtual environment, the sources of those
that are also measured as C or C++, and where the compilers are."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = ROOT / ".cache"
VENV = CACHE / "bench-venv"
SOURCES = CACHE / "bench-src"
BUILD = CACHE / "bench-build"
REQUIREMENTS = HERE / "requirements.txt"
IMPORT_PATH = os.pathsep.join(str(ROOT / part) for part in ("bench", "native_ext", "firmware_py"))


def python() -> Path:
    return VENV / "bin" / "python"


def inside() -> bool:
    return Path(sys.prefix).resolve() == VENV.resolve()


def make(folder: Path = VENV, requirements: Path = REQUIREMENTS) -> None:
    """Make the virtual environment if it is not there, not for these requirements, or moved: its programs name it."""
    stamp = folder / "requirements.sha256"
    digest = hashlib.sha256(requirements.read_bytes() + bytes(folder.resolve())).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    print(f"installing the peers into {folder.relative_to(ROOT)} ...", file=sys.stderr)
    inside_it = folder / "bin" / "python"
    if not inside_it.exists():
        venv.create(folder, with_pip=True, symlinks=True)
    again = ["--force-reinstall"] if stamp.exists() else []
    subprocess.run([inside_it, "-m", "pip", "install", "-q", *again, "-r", requirements], check=True)  # noqa: S603
    stamp.write_text(digest)


def variables() -> "dict[str, str]":
    """The environment of every process that is measured. As where it is installed, modules have byte code."""
    found = {**os.environ, "PYTHONPATH": IMPORT_PATH, "PYTHONHASHSEED": "0"}
    found.pop("PYTHONDONTWRITEBYTECODE", None)
    return found


def pinned(package: str) -> str:
    """The line of requirements.txt for a package."""
    for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines():
        if line.partition("==")[0] == package:
            return line
    return package


def source_package(requirement: str) -> Path:
    """The source package of `name==version`, unpacked -> its folder. Raises CalledProcessError."""
    name, _, version = requirement.partition("==")
    folder = SOURCES / f"{name}-{version}"
    if folder.exists():
        return folder
    SOURCES.mkdir(parents=True, exist_ok=True)
    subprocess.run(  # noqa: S603
        [python(), "-m", "pip", "download", "-q", "--no-deps", "--no-build-isolation", "--no-binary", ":all:",
         "-d", SOURCES, requirement],
        check=True, capture_output=True,
    )  # fmt: skip
    (archive,) = SOURCES.glob(f"{name.replace('-', '[-_]')}-{version}.tar.gz")
    scratch = SOURCES / "unpacking"
    shutil.rmtree(scratch, ignore_errors=True)
    with tarfile.open(archive) as tar:
        tar.extractall(scratch, filter="data")
    (inner,) = scratch.iterdir()
    inner.rename(folder)
    scratch.rmdir()
    return folder


def found(*tools: str) -> bool:
    return all(shutil.which(tool) for tool in tools)


def ours_importable() -> bool:
    """True if headgate_native has Schema."""
    code = "from headgate_native import Schema"
    done = subprocess.run([python(), "-c", code], env=variables(), capture_output=True, check=False)  # noqa: S603
    return done.returncode == 0
