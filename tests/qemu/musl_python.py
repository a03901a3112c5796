"""A CPython for musl, cross-compiled by zig from the source that Debian has, for neither PyPI nor Debian has one.

Enough of it for the tests of the core and no more: without OpenSSL, SQLite and libffi. It runs where musl's dynamic
linker is, which Debian has as a package.
"""

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
import nghttp2

VERSION = "3.11.2"
PYTHON = (
    "pool/main/p/python3.11/python3.11_3.11.2.orig.tar.gz",
    "2411c74bda5bbcfcddaf4531f66d1adc73f247f529aee981b029513aefdbf849",
)
ZLIB = (
    "pool/main/z/zlib/zlib_1.2.13.dfsg.orig.tar.bz2",
    "71feb7947e3c00ef125f83b79a4e529bde31171e5babe48b391f06758d1ab0a1",
)
APT_HELPER = Path("/usr/lib/apt/apt-helper")
# Of Modules/Setup; all of them part of the interpreter.
MODULES = """_asyncio _bisect _blake2 _contextvars _csv _datetime _heapq _json _md5 _multiprocessing _opcode _pickle
    _posixsubprocess _queue _random _sha1 _sha256 _sha3 _sha512 _socket _statistics _struct _typing _zoneinfo array
    binascii cmath fcntl grp math mmap resource select termios unicodedata zlib"""
# What configure would find out by running a program, and the answers on Linux.
CROSS = ["ac_cv_file__dev_ptmx=yes", "ac_cv_file__dev_ptc=no", "ac_cv_buggy_getaddrinfo=no"]
OPTIONS = ["--without-ensurepip", "--disable-test-modules", "--without-doc-strings", "--disable-shared"]
ZLIB_SOURCES = "adler32 compress crc32 deflate infback inffast inflate inftrees trees uncompr zutil"


def make(compiler: list[str], triplet: str, cache: Path, jobs: int) -> Path:
    """The folder that is to be /opt/python there; compiled once, some minutes. Raises CommandError."""
    if sys.version_info[:2] != (3, 11):
        raise CommandError(errors.MISSING, f"cross-compiling Python {VERSION} takes a Python 3.11 on this machine")
    key = hashlib.sha256(f"{compiler} {triplet}".encode() + Path(__file__).read_bytes()).hexdigest()[:12]
    made = cache / f"python-{triplet}-{key}"
    if made.is_dir():
        return made
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".python.") as name:
        work = Path(name)
        for file, sha256 in (PYTHON, ZLIB):
            nghttp2.unpack(_download(file, sha256, cache), work)
        source, zlib = work / f"Python-{VERSION}", work / "zlib-1.2.13.dfsg"
        nghttp2.compile_all([*compiler, "-O2", "-w"], [zlib / f"{file}.c" for file in ZLIB_SOURCES.split()], zlib)
        _run([*compiler[:1], "ar", "rcs", "libz.a", *(f"{file}.o" for file in ZLIB_SOURCES.split())], zlib)
        _choose_modules(source / "Modules", zlib)
        environment = os.environ | {"CC": shlex.join(compiler), "AR": f"{compiler[0]} ar", "CFLAGS": "-O1 -g0"}
        environment |= {"LDFLAGS": "-dynamic", "READELF": "/usr/bin/readelf", "PYTHONDONTWRITEBYTECODE": "1"}
        host = [
            f"--host={triplet}",
            "--build=x86_64-pc-linux-gnu",
            f"--with-build-python={sys.executable}",
        ]
        _run(["./configure", "-q", "--prefix=/opt/python", *host, *OPTIONS, *CROSS], source, environment)
        _run(["make", f"-j{jobs}", "python", "pybuilddir.txt"], source, environment)
        _collect(source, work / "made")
        (work / "made").rename(made)
    return made


def _download(file: str, sha256: str, cache: Path) -> Path:
    target = cache / Path(file).name
    if not target.exists():
        mirrors = debian_mirrors()
        if not mirrors or not APT_HELPER.exists():
            raise CommandError(errors.MISSING, "Python's source comes from Debian, and this machine knows no mirror")
        _run([str(APT_HELPER), "download-file", f"{mirrors[0]}/{file}", str(target), f"SHA256:{sha256}"], cache)
    if hashlib.sha256(target.read_bytes()).hexdigest() != sha256:
        raise CommandError(errors.NETWORK, f"{target} is not what it should be", "Delete it, and try again")
    return target


def _choose_modules(folder: Path, zlib: Path) -> None:
    lines = [line[1:] for line in (folder / "Setup").read_text().splitlines() if line.startswith("#")]
    chosen = [line for line in lines if line.split(" ")[0] in MODULES.split()]
    text = "\n".join(["*static*", *chosen, ""]).replace("-lz", f"-I{zlib} -L{zlib} -lz")
    (folder / "Setup.local").write_text(text)


def _collect(source: Path, target: Path) -> None:
    """The interpreter with its library, as `make install` lays them out."""
    library = target / "lib/python3.11"
    leave = shutil.ignore_patterns("test", "tests", "idlelib", "tkinter", "lib2to3", "ensurepip", "__pycache__")
    shutil.copytree(source / "Lib", library, ignore=leave)
    built = source / (source / "pybuilddir.txt").read_text().strip()
    for file in built.glob("_sysconfigdata*.py"):
        shutil.copy(file, library)
    (library / "lib-dynload").mkdir()
    (target / "bin").mkdir()
    shutil.copy(source / "python", target / "bin/python3.11")
    (target / "bin/python").symlink_to("python3.11")
    (target / "bin/python3").symlink_to("python3.11")
    _run([sys.executable, "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash", "-s", str(target), "-p",
          "/opt/python", str(library)], target)  # fmt: skip


def _run(command: list[str], folder: Path, environment: "dict[str, str] | None" = None) -> None:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines() or ["no reason given"]
        causes = [line for line in lines if "error:" in line.lower() or line.startswith("E:")] or lines[-1:]
        raise CommandError(errors.BUG, f"{shlex.join(command)[:120]} failed: {causes[0][:300]}")
