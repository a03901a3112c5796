"""libnghttp2 for the wheels: its source at one version, made a static library by the compiler of the wheel.

    python native_ext/wheels/nghttp2.py PREFIX      by CC, CFLAGS and AR; then for setup.py HEADGATE_NGHTTP2=PREFIX

The source is that in a source package on PyPI, so pip is all it takes; upstream's at that tag has the same bytes.
Needs nothing of Headgate: cibuildwheel runs it in containers that have no more than a Python and a compiler.
"""

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

VERSION = "1.70.0"
PACKAGE = "ngh2==0.3.0"
ARCHIVE = "ngh2-0.3.0.tar.gz"
SHA256 = "09b995aa65b8a397de652fd7a9b3877d6d1e24c10d2effc36204a3f37aa73440"
INSIDE = "ngh2-0.3.0/vendor/nghttp2/"
HERE = Path(__file__).resolve().parent
CACHE = HERE.parents[1] / ".cache"
# What upstream's configure finds on every Linux. Hidden: nobody but the extension it is linked into calls it.
FLAGS = shlex.split("-std=c11 -O2 -fPIC -fvisibility=hidden -fstack-protector-strong -fno-asynchronous-unwind-tables")
DEFINES = """NGHTTP2_STATICLIB NDEBUG HAVE_ARPA_INET_H HAVE_NETINET_IN_H HAVE_TIME_H HAVE_CLOCK_GETTIME
    HAVE_DECL_CLOCK_MONOTONIC=1 _GNU_SOURCE"""


class Failed(Exception):
    """Not to be had or not to be compiled; the message is one line."""


def source(cache: Path) -> Path:
    """The archive in `cache`, downloaded once."""
    archive = cache / ARCHIVE
    if not archive.exists():
        with tempfile.TemporaryDirectory() as folder:
            # pip looks at the metadata of a source package, for which it brings the tools that the package asks for.
            pip = [
                sys.executable,
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                "--no-binary=ngh2",
                "--dest",
                folder,
            ]
            _run([*pip, PACKAGE], Path(folder), "download libnghttp2's source")
            cache.mkdir(parents=True, exist_ok=True)
            shutil.move(Path(folder) / ARCHIVE, archive)
    if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
        raise Failed(f"{archive} is not the source of libnghttp2 {VERSION}: delete it, and try again")
    return archive


def unpack(archive: Path, folder: Path) -> None:
    """Debian 12's Python has no filters yet: those archives are ours, or known by their SHA-256."""
    with tarfile.open(archive) as packed:
        packed.extraction_filter = getattr(tarfile, "data_filter", lambda member, _path: member)
        packed.extractall(folder)  # noqa: S202 - filtered where that can be had


def build(archive: Path, prefix: Path, compiler: list[str], archiver: list[str]) -> None:
    """prefix/lib/libnghttp2.a and prefix/include/nghttp2; at once when they are there."""
    library = prefix / "lib/libnghttp2.a"
    if library.exists():
        return
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        unpack(archive, work)
        code = work / INSIDE / "lib"
        headers = code / "includes"
        _write_version(headers / "nghttp2")
        objects = work / "objects"
        objects.mkdir()
        options = [*FLAGS, *(f"-D{define}" for define in DEFINES.split()), f"-I{headers}"]
        compile_all([*compiler, *options], sorted(code.glob("*.c")), objects)
        made = work / library.name
        _run([*archiver, "rcs", str(made), *map(str, sorted(objects.glob("*.o")))], work, "archive libnghttp2")
        shutil.copytree(headers, prefix / "include", dirs_exist_ok=True)
        library.parent.mkdir(parents=True, exist_ok=True)
        # Under another name until it is whole.
        unfinished = library.with_suffix(".new")
        shutil.copy(made, unfinished)
        unfinished.rename(library)


def compile_all(command: list[str], sources: list[Path], folder: Path) -> None:
    """One by one: of several in one command zig makes a single object, of which a linker takes all or nothing."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        commands = [[*command, "-c", "-o", f"{source.stem}.o", str(source)] for source in sources]
        list(pool.map(lambda one: _run(one, folder, f"compile {Path(one[-1]).name}"), commands))


def _write_version(folder: Path) -> None:
    major, minor, patch = map(int, VERSION.split("."))
    text = (folder / "nghttp2ver.h.in").read_text(encoding="utf-8")
    text = text.replace("@PACKAGE_VERSION@", VERSION)
    text = text.replace("@PACKAGE_VERSION_NUM@", f"0x{major:02x}{minor:02x}{patch:02x}")
    (folder / "nghttp2ver.h").write_text(text, encoding="utf-8")


def _run(command: list[str], folder: Path, what: str) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except OSError as error:
        raise Failed(f"cannot {what}: {error}") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        causes = [line for line in lines if "error" in line.lower()] or lines
        raise Failed(f"cannot {what}: {causes[0][:300]}")


def main() -> int:
    if len(sys.argv) != 2:  # noqa: PLR2004 - the program and the prefix
        print(__doc__, file=sys.stderr)
        return 2
    compiler = shlex.split(os.environ.get("CC", "cc")) + shlex.split(os.environ.get("CFLAGS", ""))
    try:
        build(source(CACHE), Path(sys.argv[1]), compiler, shlex.split(os.environ.get("AR", "ar")))
    except Failed as error:
        print(f"nghttp2: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
