"""The tests of a musllinux wheel in a Python of musl: ./dev test --target aarch64-musl|armv7l-musl|x86_64-musl

What cibuildwheel would do in a musllinux image (test-requires, test-environment and test-command of pyproject.toml), in
a root file system of Debian beside whose glibc there is musl (its package) and a Python for it (musl_python.py). Needs
root.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import musl_python
import target_root
import target_wheel

from headgate import errors
from headgate.errors import CommandError
from headgate_host import emulation, rootfs

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
ENTER = ROOT / "tests/qemu/enter.sh"
sys.path.append(str(ROOT / "native_ext/wheels"))

import cross  # noqa: E402 - of the scripts that make wheels
from targets import TARGETS, Target  # noqa: E402

PACKAGES = ("bash", "coreutils", "musl", "netbase", "procps")
TRIPLETS = {"x86_64": "x86_64-linux-musl", "aarch64": "aarch64-linux-musl", "armv7l": "arm-linux-musleabihf"}
DEBIAN = {target.machine: target.debian for target in TARGETS if target.debian}
MUSL = {f"{target.machine}-musl": target for target in TARGETS if target.libc == "musl"}
JOBS = os.environ.get("HEADGATE_JOBS") or str(os.cpu_count() or 1)


def prepare(target: Target, settings: "dict[str, list[str]]", folder: Path) -> Path:
    """The root file system with Python, the wheel and the tests in it."""
    compiler = [str(cross.zig()), "cc", *target.compiler]
    python = musl_python.make(compiler, TRIPLETS[target.machine], CACHE / "musl", int(JOBS))
    start = rootfs.make(DEBIAN[target.machine], PACKAGES, CACHE / "rootfs")
    wheel = target_wheel.find_or_build(target.machine, folder, "musl")
    emulation.prepare(DEBIAN[target.machine])
    root = folder / "root"
    shutil.rmtree(root, ignore_errors=True)
    target_root.run("cp", "-a", "--reflink=auto", str(start), str(root))
    rootfs.lend_network(root)
    shutil.copytree(python, root / "opt/python", symlinks=True)
    packages = root / "opt/python/lib/python3.11/site-packages"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", f"--target={packages}"]
    pip += [f"--platform=musllinux_1_2_{target.machine}", "--only-binary=:all:", "--python-version=3.11"]
    target_root.run(*pip, *settings["test-requires"])
    target_root.run(*pip, "--no-deps", str(wheel))
    target_root.copy_repository(root / target_root.INSIDE)
    return root


def run(name: str) -> int:
    target = MUSL[name]
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["cibuildwheel"]
    root = prepare(target, settings, CACHE / "target" / name)
    variables = emulation.variables(DEBIAN[target.machine]) | settings["test-environment"]
    variables |= {"PATH": "/opt/python/bin:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", "HEADGATE_JOBS": JOBS}
    inside = ["env", *(f"{key}={value}" for key, value in variables.items()), "sh", "-c"]
    codes = []
    for command in settings["test-command"]:
        print(f"\ndev: {name}: {command}", flush=True)
        whole = [str(ENTER), str(root), f"/{target_root.INSIDE}", *inside, command]
        codes.append(subprocess.run(whole, stdin=subprocess.DEVNULL, check=False).returncode)
    return errors.BUG if any(codes) else errors.OK


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev test --target", description=__doc__)
    parser.add_argument("machine", choices=MUSL)
    try:
        return run(parser.parse_args().machine)
    except CommandError as error:
        print(f"dev: {error.line()}", file=sys.stderr)
        return error.code


if __name__ == "__main__":
    sys.exit(main())
