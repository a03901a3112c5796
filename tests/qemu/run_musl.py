"""The tests of a musllinux wheel in a Python of musl.

    ./dev test --target aarch64-musl|armv7l-musl|x86_64-musl

What cibuildwheel does in a musllinux image (test-requires, test-environment and test-command of pyproject.toml), in a
root file system of Debian beside whose glibc there is musl (its package) and a Python for it (musl_python.py). Needs
root.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import musl_python
import target_root
import target_wheel
from run_target import CACHE, ENTER, JOBS, ROOT, Stages

from headgate.errors import CommandError
from headgate_host import emulation, rootfs

sys.path.append(str(ROOT / "native_ext/wheels"))
import cross  # of the scripts that make wheels
from targets import TARGETS, Target

PACKAGES = ("bash", "coreutils", "curl", "musl", "netbase", "procps")
TRIPLETS = {"x86_64": "x86_64-linux-musl", "aarch64": "aarch64-linux-musl", "armv7l": "arm-linux-musleabihf"}
DEBIAN = {target.machine: target.debian for target in TARGETS if target.debian}
MUSL = {f"{target.machine}-musl": target for target in TARGETS if target.libc == "musl"}


def prepare(target: Target, requirements: "list[str]", folder: Path) -> Path:
    """The root file system with Python, the wheel and the tests in it."""
    compiler = [str(cross.zig()), "cc", *target.compiler]
    python = musl_python.make(compiler, TRIPLETS[target.machine], CACHE / "musl", JOBS)
    start = rootfs.make(DEBIAN[target.machine], PACKAGES, CACHE / "rootfs")
    folder.mkdir(parents=True, exist_ok=True)
    wheel = target_wheel.find_or_build(target.machine, folder, "musl")
    print(f"dev: {wheel.relative_to(ROOT)}", flush=True)
    emulation.prepare(DEBIAN[target.machine])
    root = folder / "root"
    shutil.rmtree(root, ignore_errors=True)
    target_root.run("cp", "-aT", "--reflink=auto", str(start), str(root))
    rootfs.lend_network(root)
    there = root / musl_python.PREFIX.lstrip("/")
    shutil.copytree(python, there, symlinks=True)
    packages = there / "lib/python3.11/site-packages"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", f"--target={packages}"]
    pip += [f"--platform=musllinux_1_2_{target.machine}", "--only-binary=:all:", "--python-version=3.11"]
    target_root.run(*pip, *requirements)
    target_root.run(*pip, "--no-deps", str(wheel))
    target_root.copy_repository(root / target_root.INSIDE)
    target_root.make_unicode_tables(root / target_root.INSIDE)
    return root


def run(name: str) -> int:
    target = MUSL[name]
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["cibuildwheel"]
    stages = Stages()
    began = time.monotonic()
    root = prepare(target, settings["test-requires"], CACHE / "target" / name)
    stages.note(time.monotonic() - began, f"{name}: Python, root file system, wheel", "passed")
    variables = emulation.variables(DEBIAN[target.machine]) | settings["test-environment"]
    variables |= {"PATH": f"{musl_python.PREFIX}/bin:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    variables["HEADGATE_JOBS"] = str(JOBS)
    inside = ["env", *(f"{key}={value}" for key, value in variables.items()), "sh", "-c"]
    for command in settings["test-command"]:
        whole = [str(ENTER), str(root), f"/{target_root.INSIDE}", *inside, command]
        stages.run(f"{name}: {command.split()[0]}", lambda whole=whole: subprocess.run(whole, check=False).returncode)
    return stages.report()


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="./dev test --target", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("machine", choices=MUSL)
    if os.geteuid() != 0:
        parser.error("needs root")
    try:
        return run(parser.parse_args().machine)
    except CommandError as error:
        print(f"dev: {error.line()}", file=sys.stderr)
        return error.code


if __name__ == "__main__":
    sys.exit(main())
