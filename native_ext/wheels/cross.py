"""Wheels for other machines, made on this one alone: zig (PyPI: ziglang) compiles for all of them."""

import hashlib
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import nghttp2
from targets import Target

from headgate import errors
from headgate.errors import CommandError

HERE = Path(__file__).resolve().parent
# zig keeps frame pointers unless told. No debug information: it is not shipped, and holds this machine's paths.
FLAGS = ["-g0", "-fomit-frame-pointer"]
LINK = "-O2 -Wl,-s"  # unless told, zig links its run-time as made for debugging: on ARM 180 KB in each library
MUSL_NAMES = {"armv7l": "armv7"}  # Alpine's word, where it is not Python's


def zig() -> Path:
    """The compiler's program; its package has it as a file."""
    spec = importlib.util.find_spec("ziglang")
    if spec is None or spec.origin is None:
        raise CommandError(errors.MISSING, "no zig", "pip install ziglang; ./dev wheels does it")
    return Path(spec.origin).with_name("zig")


def headers(folder: Path) -> Path:
    """Python's headers with a pyconfig.h that holds for any machine."""
    if not folder.exists():
        shutil.copytree(sysconfig.get_path("include"), folder)
        shutil.copyfile(HERE / "pyconfig.h", folder / "pyconfig.h")
    return folder


def http2_library(target: Target, archive: Path, cache: Path) -> Path:
    """The folder with libnghttp2 for `target`, below `cache`; compiled once."""
    made_by = hashlib.sha256(Path(nghttp2.__file__).read_bytes()).hexdigest()[:12]
    prefix = cache / f"nghttp2-{target.name}-{made_by}"
    try:
        nghttp2.build(archive, prefix, [str(zig()), "cc", *target.compiler, *FLAGS], [str(zig()), "ar"])
    except nghttp2.Failed as error:
        raise CommandError(errors.FINDING, str(error)) from None
    return prefix


def build(source: Path, target: Target, folder: Path, cache: Path) -> Path:
    """The wheel of the unpacked source distribution for `target`, in `folder`; raises CommandError."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=f".{target.name}.") as name:
        work = Path(name)
        shutil.copytree(source, work / "source")
        compiler = shlex.join([str(zig()), "cc", *target.compiler])
        environment = tools() | {
            "CC": compiler,
            "LDSHARED": f"{compiler} -shared",
            "CFLAGS": shlex.join([*FLAGS, f"-I{headers(work / 'include')}"]),
            "LDFLAGS": LINK,
            "HEADGATE_WERROR": "1",
            "HEADGATE_NGHTTP2": str(http2_library(target, source / ".cache" / nghttp2.ARCHIVE, cache)),
            "_PYTHON_HOST_PLATFORM": f"linux-{target.machine}",
            "ZIG_GLOBAL_CACHE_DIR": str(cache),
            "ZIG_LOCAL_CACHE_DIR": str(cache),
        }
        python = [sys.executable, "-m"]
        options = ["--wheel", "--no-isolation", "--outdir", str(work / "built")]
        run([*python, "build", *options, "."], work / "source", environment)
        if target.libc == "musl":
            _name_libc(target, work, environment)
        (wheel,) = (work / "built").glob("*.whl")
        if not target.platform.startswith("linux_"):  # for that one there is no policy
            run([*python, "auditwheel", "repair", "-w", str(work / "repaired"), str(wheel)], work, environment)
            (wheel,) = (work / "repaired").glob("*.whl")
        return Path(shutil.move(wheel, folder / wheel.name))


def _name_libc(target: Target, work: Path, environment: dict[str, str]) -> None:
    """The libraries say `libc.so` to be musl's; on Alpine, which musllinux is made after, it has a name of its own."""
    (wheel,) = (work / "built").glob("*.whl")
    wheel_tool = [sys.executable, "-m", "wheel"]
    run([*wheel_tool, "unpack", "--dest", str(work / "unpacked"), str(wheel)], work, environment)
    (tree,) = (work / "unpacked").iterdir()
    name = f"libc.musl-{MUSL_NAMES.get(target.machine, target.machine)}.so.1"
    for library in sorted(tree.glob("headgate_native/*.so")):
        run(["patchelf", "--replace-needed", "libc.so", name, str(library)], work, environment)
    run([*wheel_tool, "pack", "--dest-dir", str(work / "built"), str(tree)], work, environment)


def tools() -> dict[str, str]:
    """The environment with the programs of this Python's packages (patchelf) on the path."""
    return os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def run(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    """Its output; CommandError, with all it said, if it fails."""
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        output = (done.stdout + done.stderr).strip()
        raise CommandError(errors.FINDING, f"{output}\n{shlex.join(command[:4])} ... ended with {done.returncode}")
    return done.stdout
