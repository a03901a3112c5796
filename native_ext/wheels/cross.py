"""Wheels for other machines, made on this one alone: zig (PyPI: ziglang) compiles for all of them."""

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from headgate import errors
from headgate.errors import CommandError
from targets import Target

HERE = Path(__file__).resolve().parent
# zig keeps frame pointers unless told. No debug information: it is not shipped, and holds this machine's paths.
FLAGS = ["-g0", "-fomit-frame-pointer"]


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


def build(source: Path, target: Target, folder: Path, cache: Path) -> Path:
    """The wheel of the unpacked source distribution for `target`, repaired, in `folder`; works below folder.name."""
    work = folder / f".{target.name}"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(source, work / "source")
    compiler = shlex.join([str(zig()), "cc", *target.compiler])
    environment = os.environ | {
        "CC": compiler,
        "LDSHARED": f"{compiler} -shared",
        "CFLAGS": shlex.join([*FLAGS, f"-I{headers(work / 'include')}"]),
        "LDFLAGS": "-Wl,-s",
        "HEADGATE_WERROR": "1",
        "_PYTHON_HOST_PLATFORM": f"linux-{target.machine}",
        "ZIG_GLOBAL_CACHE_DIR": str(cache),
        "ZIG_LOCAL_CACHE_DIR": str(cache),
    }
    run([sys.executable, "-m", "build", "-q", "-w", "-n", "-o", str(work / "built"), "."], work / "source", environment)
    (built,) = (work / "built").glob("*.whl")
    if target.platform.startswith("linux_"):  # no policy to repair to, and nothing to graft
        return built.rename(folder / built.name)
    run([sys.executable, "-m", "auditwheel", "repair", "-w", str(work / "repaired"), str(built)], work, environment)
    (repaired,) = (work / "repaired").glob("*.whl")
    return repaired.rename(folder / repaired.name)


def run(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise CommandError(errors.FINDING, f"{shlex.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout
