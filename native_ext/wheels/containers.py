"""Wheels by cibuildwheel, as pyproject.toml tells it: built and tested in a container of each target.

With a Docker engine that answers, in the manylinux and musllinux images; otherwise by podman in images of Debian made
here (image.py), and then for glibc only.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import image
from cross import tools
from targets import Target

from headgate import errors
from headgate.errors import CommandError

HERE = Path(__file__).resolve().parent


def has_docker() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


def build(source: Path, targets: Sequence[Target], folder: Path, cache: Path) -> list[Path]:
    """The wheels of the unpacked source distribution, in `folder`; raises CommandError."""
    environment = tools() | {"CIBW_BUILD": " ".join(sorted({_identifier(target) for target in targets}))}
    if not has_docker():
        environment |= _podman(targets, cache, environment)
    machines = ",".join(dict.fromkeys(target.machine for target in targets))
    with tempfile.TemporaryDirectory(dir=folder, prefix=".cibuildwheel.") as output:
        command = [sys.executable, "-m", "cibuildwheel", "--platform", "linux", "--archs", machines]
        command += ["--output-dir", output, "."]
        # It copies the folder it starts in. What it says goes where messages go: --json has the output to itself.
        if subprocess.run(command, cwd=source, env=environment, stdout=sys.stderr, check=False).returncode:
            raise CommandError(errors.FINDING, f"cibuildwheel failed for {machines}", "Its output above says where")
        return [Path(shutil.move(wheel, folder / wheel.name)) for wheel in sorted(Path(output).glob("*.whl"))]


def _identifier(target: Target) -> str:
    return f"cp311-{'manylinux' if target.libc == 'glibc' else 'musllinux'}_{target.machine}"


def _podman(targets: Sequence[Target], cache: Path, environment: dict[str, str]) -> dict[str, str]:
    """What cibuildwheel is told to use podman and the images made here."""
    podman = shutil.which("podman")
    if podman is None or shutil.which("runc") is None or os.geteuid() != 0:
        raise CommandError(
            errors.MISSING,
            "no Docker engine, and not podman as root in its place",
            "Start Docker, or as root: apt-get install podman runc mmdebstrap qemu-user-static; or ./dev wheels --zig",
        )
    settings = {
        "CIBW_CONTAINER_ENGINE": "podman",
        "CONTAINERS_CONF": str(HERE / "containers.conf"),
        "HEADGATE_PODMAN": podman,
        "PATH": f"{HERE / 'bin'}:{environment['PATH']}",
        "CIBW_BUILD_FRONTEND": "build[uv]",  # a program of this machine: with an emulated pip it takes minutes
        "CIBW_DEPENDENCY_VERSIONS": "latest",  # its pins may be newer than what an index has
        "CIBW_AUDIT_COMMAND": "",  # check.py does that, for the wheels by zig too
    }
    for target in targets:
        name = image.make(target, cache, [podman], environment | settings)
        settings[f"CIBW_MANYLINUX_{target.machine.upper()}_IMAGE"] = name
    return settings
