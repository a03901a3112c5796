"""A CPython for musl, cross-compiled by zig: neither PyPI nor Debian has one.

Enough of it for the tests that wheels are tested with: without OpenSSL. It runs where musl's dynamic linker is, which
Debian has as a package (an older musl than zig's headers: what a wheel must not take for granted is found out).
"""

import hashlib
import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

import musl_libraries
from musl_libraries import run

from headgate import errors
from headgate.errors import CommandError

PREFIX = "/opt/python"  # there
# Of Modules/Setup; all of them part of the interpreter.
MODULES = """_asyncio _bisect _blake2 _contextvars _csv _ctypes _datetime _heapq _json _md5 _multiprocessing _opcode
    _pickle _posixsubprocess _queue _random _sha1 _sha256 _sha3 _sha512 _socket _statistics _struct _typing
    _zoneinfo array binascii cmath fcntl grp math mmap resource select syslog termios unicodedata zlib"""
# What configure would find out by running a program, and what zig's musl has and that of Debian 12 lacks.
ANSWERS = """ac_cv_file__dev_ptmx=yes ac_cv_file__dev_ptc=no ac_cv_buggy_getaddrinfo=no ac_cv_func_preadv2=no
    ac_cv_func_pwritev2=no"""
OPTIONS = ["--without-ensurepip", "--disable-test-modules", "--without-doc-strings", "--disable-shared"]
# As Alpine: musl gives a thread 128 KB unless told.
FLAGS = "-O1 -g0 -fPIE -Wno-date-time -DTHREAD_STACK_SIZE=0x100000"
LEFT_OUT = ("test", "tests", "idlelib", "tkinter", "lib2to3", "ensurepip", "__pycache__")


def make(compiler: list[str], triplet: str, cache: Path, jobs: int) -> Path:
    """The folder that is to be PREFIX there; compiled once, some minutes. Raises CommandError."""
    if sys.version_info[:2] != (3, 11):
        cause = "cross-compiling Python 3.11 takes a Python 3.11 on this machine"
        raise CommandError(errors.MISSING, cause, "HEADGATE_VENV of one, as Debian 12 has it")
    code = Path(__file__).read_bytes() + Path(musl_libraries.__file__).read_bytes()
    key = hashlib.sha256(f"{compiler} {triplet}".encode() + code).hexdigest()[:12]
    made = cache / f"python-{triplet}-{key}"
    if made.is_dir():
        return made
    cache.mkdir(parents=True, exist_ok=True)
    os.environ["ZIG_GLOBAL_CACHE_DIR"] = os.environ["ZIG_LOCAL_CACHE_DIR"] = str(cache.parent / "zig")
    libraries = musl_libraries.build(compiler, triplet, cache)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".python.") as name:
        work = Path(name)
        source = musl_libraries.source("python", cache, work)
        _choose_modules(source / "Modules")
        variables = {
            "CC": shlex.join(compiler),
            "AR": f"{compiler[0]} ar",
            "CFLAGS": FLAGS,
            "CPPFLAGS": f"-I{libraries}/include",
            "LDFLAGS": f"-dynamic -pie -L{libraries}/lib",  # zig's programs for musl are static unless told
            "READELF": shutil.which("readelf") or "",  # the bare word is taken for this machine's alone
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        host = [f"--host={triplet}", "--build=x86_64-pc-linux-gnu", f"--with-build-python={sys.executable}"]
        run(["./configure", "-q", f"--prefix={PREFIX}", *host, *OPTIONS, *ANSWERS.split()], source, variables)
        run(["make", f"-j{jobs}", "python", "pybuilddir.txt"], source, variables)
        _collect(source, work / "made")
        (work / "made").rename(made)
    return made


def _choose_modules(folder: Path) -> None:
    lines = [line[1:] for line in (folder / "Setup").read_text().splitlines() if line.startswith("#")]
    chosen = [line for line in lines if line.split(" ")[0] in MODULES.split()]
    sqlite = sorted(str(file.relative_to(folder)) for file in (folder / "_sqlite").glob("*.c"))
    chosen.append(f"_sqlite3 {' '.join(sqlite)} -lsqlite3")  # which that file lacks
    (folder / "Setup.local").write_text("\n".join(["*static*", *chosen, ""]))


def _collect(source: Path, target: Path) -> None:
    """The interpreter with its library, as `make install` lays them out."""
    library = target / "lib/python3.11"
    shutil.copytree(source / "Lib", library, ignore=shutil.ignore_patterns(*LEFT_OUT))
    built = source / (source / "pybuilddir.txt").read_text().strip()
    for file in built.glob("_sysconfigdata*.py"):
        shutil.copy(file, library)
    (library / "lib-dynload").mkdir()
    (target / "bin").mkdir()
    shutil.copy(source / "python", target / "bin/python3.11")
    for link in ("python", "python3"):
        (target / "bin" / link).symlink_to("python3.11")
    options = ["-q", "--invalidation-mode=unchecked-hash", "-s", str(target), "-p", PREFIX]
    run([sys.executable, "-m", "compileall", *options, str(library)], target)
