"""A root file system in which the tests of a machine run: Debian, the programs that tests call, the wheel with what it
needs, and a copy of the repository. What is tested is what the wheel installs, not the copy."""

import shutil
import subprocess
import sys
from pathlib import Path

from machines import Machine

from headgate import errors
from headgate.errors import CommandError
from headgate_host import rootfs

ROOT = Path(__file__).resolve().parents[2]
BYTE_CODE = ROOT / "tests/qemu/byte_code.py"
INSIDE = "headgate"  # where the repository is in the root
# What the tests call.
PACKAGES = """
    bash ca-certificates coreutils curl findutils grep hostname mosquitto mosquitto-clients mount netbase
    nginx-light openssl procps python3 redis-server sed util-linux"""
# The extra `dev` without what examines sources; types and formatting are the same on every machine.
REQUIREMENTS = """
    aiomqtt>=2.5,<2.6 zstandard>=0.21 PyNaCl>=1.5 cbor2>=5.4 cffi pytest>=8 hypothesis>=6.100
    jsonschema>=4.21 PyJWT>=2.8 cryptography h2>=4.1"""
RECORDS = "vega_datasets==0.9.0"  # without its dependencies: only its CSV files are read
PYTHON = "3.11"  # bookworm's
PACKAGES_DIR = f"usr/local/lib/python{PYTHON}/dist-packages"
GLIBC = range(17, 37)  # manylinux_2_17 … 2_36, bookworm's
LAUNCHER = """#!/usr/bin/python3
import sys
from headgate.cli import main
sys.exit(main())
"""


def base(machine: Machine, folder: Path) -> Path:
    """The root all runs for this machine start from; kept in `folder`."""
    return rootfs.make(
        machine.architecture, [*PACKAGES.split(), *(f"python3-{name}" for name in machine.from_debian)], folder
    )


def prepare(name: str, machine: Machine, start: Path, wheel: Path, folder: Path) -> Path:
    """A fresh copy of `start` in `folder` with everything in it. `name`: as platform.machine() says there."""
    root = folder / "root"
    shutil.rmtree(root, ignore_errors=True)
    run("cp", "-aT", "--reflink=auto", str(start), str(root))
    rootfs.lend_network(root)
    _install(name, machine, wheel, root)
    copy_repository(root / INSIDE)
    make_unicode_tables(root / INSIDE)
    make_byte_code(root)
    return root


def _install(name: str, machine: Machine, wheel: Path, root: Path) -> None:
    """By this machine's pip, told what machine it is for: under emulation it would take minutes."""
    target = root / PACKAGES_DIR
    platforms = [f"--platform=manylinux_2_{minor}_{name}" for minor in GLIBC] + [f"--platform=linux_{name}"]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--upgrade", f"--target={target}"]
    pip += [*platforms, "--only-binary=:all:", f"--python-version={PYTHON}", "--implementation=cp"]
    pip += [f"--abi={abi}" for abi in (f"cp{PYTHON.replace('.', '')}", "abi3", "none")]
    debian = {"nacl": "PyNaCl"}
    there = {debian.get(name, name) for name in machine.from_debian}
    wanted = [line for line in REQUIREMENTS.split() if line.split(">")[0] not in there]
    # Those that Debian has are unknown to pip, so what depends on them is asked for without its dependencies.
    run(*pip, *[line for line in wanted if line != "cryptography"])
    run(*pip, "--no-deps", "cryptography", RECORDS, str(wheel))
    launcher = root / "usr/local/bin/headgate"
    launcher.write_text(LAUNCHER)
    launcher.chmod(0o755)
    run(sys.executable, "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash", f"-s{root}", "-p/", str(target))


def copy_repository(target: Path) -> None:
    """Files that git knows or would take, and the conformance suites that were downloaded."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    suites = [str(file.relative_to(ROOT)) for file in (ROOT / ".cache").glob("*.tar.gz")]
    for name in [*filter(None, listed), *suites]:
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def make_unicode_tables(folder: Path) -> None:
    """Hypothesis' tables, which it makes and keeps when it draws its first text: there it takes 14 s."""
    draw = "from hypothesis import find, strategies; find(strategies.text(), bool)"
    run("env", f"HYPOTHESIS_STORAGE_DIRECTORY={folder / '.hypothesis'}", sys.executable, "-c", draw)


def make_byte_code(root: Path) -> None:
    """By the pytest of the root, which is in Python alone. For another Python than the root's it would be of no use."""
    if f"{sys.version_info.major}.{sys.version_info.minor}" == PYTHON:
        run(sys.executable, str(BYTE_CODE), str(root / PACKAGES_DIR), str(root / INSIDE))


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        causes = [line for line in lines if line.startswith("ERROR:")] or lines
        raise CommandError(errors.NETWORK, f"{' '.join(command[:3])} failed: {causes[-1][:300]}", "Try again")
