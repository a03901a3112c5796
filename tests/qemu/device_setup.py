"""docs/raspberry-pi.md, done: its commands in a fresh root file system of Debian, the service as systemd starts it.

Not done as written: `apt install` (its packages are unpacked when the root is made) and `systemctl` (nothing boots in a
root file system; device_check.py takes the unit's environment and command from it, and a user such as it would get).
"""

import re
import shutil
import subprocess
from pathlib import Path

from machines import Machine

from headgate import errors
from headgate.errors import CommandError
from headgate_host import emulation, rootfs

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/raspberry-pi.md"
ENTER = ROOT / "tests/qemu/enter.sh"
PLACE = "root"  # where the wheel is, and the commands are typed
# What every Raspberry Pi OS has and the page takes for granted.
BASE = ("bash", "ca-certificates", "coreutils", "grep", "netbase", "python3", "sed")
COMPILERS = ("cc", "gcc", "clang", "rustc", "cargo")


def commands(page: str) -> "tuple[list[str], list[str], list[str]]":
    """The packages that the page installs, the lines up to the start of the service, and the lines after it."""
    lines = [line for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    packages = [word for line in lines if line.startswith("apt ") for word in line.split()[2:] if word[0] != "-"]
    start = lines.index("systemctl enable --now headgate")
    before, after = ([line for line in part if not line.startswith(("apt ", "systemctl "))]
                     for part in (lines[:start], lines[start:]))  # fmt: skip
    return packages, before, after


def run(machine: Machine, wheel: Path, folder: Path, cache: Path) -> int:
    """0 if it works as the page says; what is wrong is printed."""
    packages, before, after = commands(PAGE.read_text(encoding="utf-8"))
    start = rootfs.make(machine.architecture, [*BASE, *packages], cache)
    root = folder / "device"
    shutil.rmtree(root, ignore_errors=True)
    if subprocess.run(["cp", "-aT", "--reflink=auto", str(start), str(root)], check=False).returncode:
        raise CommandError(errors.STATE, f"cannot copy {start}", "Is the disk full?")
    rootfs.lend_network(root)
    for name in COMPILERS:
        if (root / "usr/bin" / name).exists():
            print(f"{name} is there: the test says nothing about boards without a compiler")
            return errors.FINDING
    for file in (wheel, ROOT / "tests/qemu/device_check.py"):
        shutil.copy2(file, root / PLACE)
    (root / "etc/systemd/system").mkdir(parents=True)
    check = "/opt/headgate/bin/python device_check.py headgate-*.whl after.sh"
    (root / PLACE / "commands.sh").write_text("\n".join(["set -ex", *before, check, ""]))
    (root / PLACE / "after.sh").write_text("\n".join(["set -ex", *after, ""]))
    variables = [f"{key}={value}" for key, value in emulation.variables(machine.architecture).items()]
    command = [str(ENTER), str(root), f"/{PLACE}", "env", *variables, "bash", "commands.sh"]
    return subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode
