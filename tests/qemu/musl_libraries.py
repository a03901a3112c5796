"""The C libraries in a Python for musl (musl_python.py): static, cross-compiled from Debian's sources."""

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from headgate import errors
from headgate.errors import CommandError
from headgate_host.debian_mirror import debian_mirrors

sys.path.append(str(Path(__file__).resolve().parents[2] / "native_ext/wheels"))
import nghttp2  # of the scripts that make wheels

# Where they are in Debian's archive (12), and their SHA-256.
ARCHIVES = {
    "python": (
        "pool/main/p/python3.11/python3.11_3.11.2.orig.tar.gz",
        "2411c74bda5bbcfcddaf4531f66d1adc73f247f529aee981b029513aefdbf849",
    ),
    "zlib": (
        "pool/main/z/zlib/zlib_1.2.13.dfsg.orig.tar.bz2",
        "71feb7947e3c00ef125f83b79a4e529bde31171e5babe48b391f06758d1ab0a1",
    ),
    "libffi": (
        "pool/main/libf/libffi/libffi_3.4.4.orig.tar.gz",
        "d66c56ad259a82cf2a9dfc408b32bf5da52371500b84745f7fb8b645712df676",
    ),
    "sqlite": (
        "pool/main/s/sqlite3/sqlite3_3.40.1.orig.tar.xz",
        "aaa776260ab4dc976db34aa7891819484c8676b5b2783123ebc6301e2ca5d655",
    ),
}
APT_HELPER = Path("/usr/lib/apt/apt-helper")
MIRROR = "On a Debian: HEADGATE_DEBIAN_MIRROR=http://deb.debian.org/debian"
ZLIB = "adler32 compress crc32 deflate infback inffast inflate inftrees trees uncompr zutil"
FLAGS = ["-O2", "-g0", "-w", "-fPIC"]


def build(compiler: list[str], triplet: str, cache: Path) -> Path:
    """The prefix, below `cache`, with include/ and lib/ of them; compiled once. Raises CommandError."""
    key = hashlib.sha256(f"{compiler}".encode() + Path(__file__).read_bytes()).hexdigest()[:12]
    made = cache / f"libraries-{triplet}-{key}"
    if made.is_dir():
        return made
    with tempfile.TemporaryDirectory(dir=cache, prefix=".libraries.") as name:
        work = Path(name)
        prefix = work / "made"
        for folder in ("include", "lib"):
            (prefix / folder).mkdir(parents=True)
        _zlib(compiler, source("zlib", cache, work), prefix)
        _sqlite(compiler, source("sqlite", cache, work), prefix)
        _libffi(compiler, triplet, source("libffi", cache, work), prefix)
        prefix.rename(made)
    return made


def _zlib(compiler: list[str], folder: Path, prefix: Path) -> None:
    _archive(compiler, [folder / f"{file}.c" for file in ZLIB.split()], "libz.a", folder, prefix)
    for header in ("zlib.h", "zconf.h"):
        shutil.copy(folder / header, prefix / "include")


def _sqlite(compiler: list[str], folder: Path, prefix: Path) -> None:
    """Its one big source file is put together by programs of this machine."""
    run(["./configure", "-q", "--disable-tcl", "--disable-readline"], folder)
    run(["make", "sqlite3.c"], folder)
    _archive(compiler, [folder / "sqlite3.c"], "libsqlite3.a", folder, prefix)
    shutil.copy(folder / "sqlite3.h", prefix / "include")


def _libffi(compiler: list[str], triplet: str, folder: Path, prefix: Path) -> None:
    options = [f"--prefix={prefix}", f"--host={triplet}", "--disable-shared", "--disable-docs"]
    options += ["--disable-multi-os-directory", "--disable-exec-static-tramp"]
    variables = {"CC": shlex.join(compiler), "AR": f"{compiler[0]} ar", "RANLIB": "true", "CFLAGS": shlex.join(FLAGS)}
    run(["./configure", "-q", *options], folder, variables)
    run(["make", "install"], folder, variables)


def _archive(compiler: list[str], sources: list[Path], name: str, folder: Path, prefix: Path) -> None:
    nghttp2.compile_all([*compiler, *FLAGS], sources, folder)
    run([compiler[0], "ar", "rcs", str(prefix / "lib" / name), *(f"{file.stem}.o" for file in sources)], folder)


def source(name: str, cache: Path, work: Path) -> Path:
    """Unpacked in `work`; downloaded to `cache` once."""
    file, sha256 = ARCHIVES[name]
    archive = cache / Path(file).name
    if not archive.exists():
        mirrors = debian_mirrors()
        if not mirrors or not APT_HELPER.exists():
            raise CommandError(
                errors.MISSING, f"the source of {name} comes from Debian, and no mirror is known here", MIRROR
            )
        run([str(APT_HELPER), "download-file", f"{mirrors[0]}/{file}", str(archive), f"SHA256:{sha256}"], cache)
    if hashlib.sha256(archive.read_bytes()).hexdigest() != sha256:
        raise CommandError(errors.NETWORK, f"{archive} is not what it should be", "Delete it, and try again")
    before = set(work.iterdir())
    nghttp2.unpack(archive, work)
    (unpacked,) = set(work.iterdir()) - before
    return unpacked


def run(command: list[str], folder: Path, variables: "dict[str, str] | None" = None) -> None:
    environment = os.environ | (variables or {})
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines() or ["no reason given"]
        causes = [line for line in lines if "error:" in line.lower() or line.startswith("E:")] or lines[-1:]
        raise CommandError(errors.BUG, f"{shlex.join(command)[:120]} failed: {causes[0][:300]}", "Run it by hand")
