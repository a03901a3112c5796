"""The root of an image: Debian's files without what an appliance never reads, Headgate's wheel, overlays."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from headgate.core import base64url
from headgate.errors import BUG, FINDING, CommandError
from headgate_host.flash import boards
from headgate_host.image import kernel
from headgate_host.image.job import Job
from headgate_host.image.recipe import Recipe, common_folder

PYTHON_PACKAGES = "usr/local/lib/python3.{minor}/dist-packages"
DOCUMENTATION = "usr/share/doc"
FIRMWARE = "usr/lib/firmware"
GLIBC = range(17, 42)  # manylinux_2_17 … 2_41, trixie's
# -P: what lies in the working directory is not imported.
LAUNCHER = "#!/usr/bin/python3 -P\nimport sys\n\nfrom headgate.cli import main\n\nsys.exit(main())\n"
# What of a module is written once or twice depends on what its compiler has loaded, and whence: never from byte code,
# which the tools have after their first use.
COMPILE = "import sys, compileall; sys.pycache_prefix = None; sys.exit(not compileall.main())"
# Places for what is mounted, and links to what the running system keeps in memory.
FOLDERS = ("boot", "data", "dev", "mnt", "proc", "run", "sys", "tmp", "var", "root", "etc/headgate")
LINKS = {"etc/mtab": "../proc/self/mounts", "etc/resolv.conf": "../run/resolv.conf", "var/run": "../run"}
# What maintainer scripts would have made, and the appliance's own.
USERS = """\
headgate:x:990:990:Headgate:/var/lib/headgate:/usr/sbin/nologin
systemd-timesync:x:991:991:systemd Time Synchronization:/:/usr/sbin/nologin
"""
GROUPS = "headgate:x:990:\nsystemd-timesync:x:991:\n"
IDENTITY, TRUST = "usr/lib/headgate/image.json", "etc/headgate/trust"
# Blocks of 32 KiB: unpacking them takes 1 MB less memory than blocks of 128.
COMPRESSION = ("-b", "32K", "-comp", "zstd", "-Xcompression-level", "19")
SQUASHFS = (*COMPRESSION, "-all-root", "-no-xattrs", "-noappend", "-no-progress")


def assemble(job: Job, wheel: Path, modules: Path) -> Path:
    """job.work/root. `modules`: what kernel.index made."""
    root, recipe = job.work / "root", job.recipe
    # Links to the files of the shared root.
    _run("cp", "--archive", "--link", f"{job.debian}/.", str(root))
    prune(root, recipe.common["root"]["prune"], recipe.common["root"]["licences"])
    _places(root)
    _users(root)
    _busybox(job, root)
    _headgate(recipe, root, wheel)
    kernel.install(modules, recipe.modules(initrd=False), root, job.tools)
    for folder in (common_folder(), boards.folder() / recipe.board.name):
        overlay(folder / "overlay", root)
    _byte_code(job, root)
    return root


def firmware(job: Job, root: Path) -> list[Path]:
    """Copies the board's firmware files that the kernel loads. -> their paths below job.parts"""
    taken: list[Path] = []
    for pattern in job.recipe.own.get("firmware", ()):
        found = sorted((job.parts / FIRMWARE).glob(pattern))
        if not found:
            raise CommandError(BUG, f"no package has a firmware file {pattern}", "Correct [image] in board.toml")
        taken += [path.relative_to(job.parts) for path in found]
    for path in taken:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(job.parts / path, root / path, follow_symlinks=False)
    return taken


def licences(parts: Path, packages: Iterable[str], root: Path) -> None:
    """Those of packages that only single files were taken from."""
    for name in packages:
        source, target = (folder / DOCUMENTATION / name / "copyright" for folder in (parts, root))
        if source.is_file() and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def identify(root: Path, facts: Mapping[str, object], trusted: bytes | None) -> None:
    """What a running system needs for updates (headgate.linux.update_install): what it is, and whose images it takes,
    the public key of who signs this one; None: nobody's."""
    (root / IDENTITY).write_text(json.dumps(facts) + "\n")
    if trusted is not None:
        folder = root / TRUST
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "image.pub").write_bytes(base64url.encode(trusted) + b"\n")


def pack(job: Job, root: Path) -> Path:
    """root.squashfs beside `root`; kept in the cache by its content: compressing takes most of the time."""
    image = root.with_suffix(".squashfs")
    times = ["-mkfs-time", str(job.tools.epoch), "-all-time", str(job.tools.epoch)]
    kept = job.cache / f"root-{tree_hash(root, f'{job.tools.root.name} {times} {SQUASHFS}')}.squashfs"
    if kept.exists():
        image.hardlink_to(kept)
        return image
    # The variable would only make newer files older, and is refused beside the options.
    job.run("env", "-u", "SOURCE_DATE_EPOCH", "mksquashfs", root.name, image.name, *SQUASHFS, *times)
    kept.unlink(missing_ok=True)
    kept.hardlink_to(image)
    return image


def tree_hash(root: Path, with_this: str) -> str:
    """Of names, kinds, modes and contents below `root`; times and owners do not get into an image."""
    digest = hashlib.sha256(with_this.encode())
    for path in sorted(root.rglob("*")):
        mode = path.lstat().st_mode
        digest.update(f"{path.relative_to(root)}\0{mode:o}\0".encode())
        if path.is_symlink():
            digest.update(f"{path.readlink()}".encode())
        elif path.is_file():
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def prune(root: Path, patterns: Iterable[str], keep: str) -> None:
    """Removes what the patterns name, and documentation but for what `keep` names."""
    for path in sorted({path for pattern in patterns for path in root.glob(pattern)}):
        _remove(path)
    kept = set(root.glob(keep))
    for path in sorted((root / DOCUMENTATION).glob("*/*")):
        if path not in kept:
            _remove(path)


def overlay(source: Path, root: Path) -> None:
    """Copies the files and links below `source`, if there is one, over those below `root`, as root's own."""
    for path in sorted(source.rglob("*")) if source.is_dir() else ():
        target = root / path.relative_to(source)
        if path.is_dir() and not path.is_symlink():
            target.mkdir(parents=True, exist_ok=True)
            continue
        if path.name == "__pycache__" or path.suffix == ".pyc":
            continue
        target.unlink(missing_ok=True)  # not written to: it may be a link to a shared file
        if path.is_symlink():
            target.symlink_to(path.readlink())
        else:
            shutil.copyfile(path, target)
            target.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)  # whatever the umask of the checkout was


def _places(root: Path) -> None:
    for name in FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    for name, target in LINKS.items():
        (root / name).unlink(missing_ok=True)
        (root / name).symlink_to(target)
    machine_id = root / "etc/machine-id"  # a file to mount the real one over
    machine_id.unlink(missing_ok=True)
    machine_id.write_bytes(b"")


def _users(root: Path) -> None:
    for name, lines in (("passwd", USERS), ("group", GROUPS)):
        path = root / "etc" / name
        text = path.read_text(encoding="ascii").replace(":/bin/bash\n", ":/bin/sh\n") + lines
        path.unlink()  # not written to: it is a link to a shared file
        path.write_text(text, encoding="ascii")


def _busybox(job: Job, root: Path) -> None:
    """Its applets where Debian's own programs are not there; the tools have the same busybox, which can be asked."""
    for name in job.run("busybox", "--list").split():
        if not any((root / folder / name).exists() for folder in ("usr/bin", "usr/sbin")):
            (root / "usr/bin" / name).symlink_to("busybox")


def _headgate(recipe: Recipe, root: Path, wheel: Path) -> None:
    """The wheel and what Debian lacks, by this machine's pip, told what machine it is for."""
    (library,) = (path for path in (root / "usr/lib").glob("python3.*") if path.name != "python3")
    minor = library.name.removeprefix("python3.")
    target = root / PYTHON_PACKAGES.format(minor=minor)
    platforms = [f"--platform=manylinux_2_{number}_{recipe.machine}" for number in GLIBC]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--no-deps", f"--target={target}"]
    pip += [*platforms, f"--platform=linux_{recipe.machine}", "--only-binary=:all:", f"--python-version=3.{minor}"]
    pip += ["--implementation=cp", *(f"--abi={abi}" for abi in (f"cp3{minor}", "abi3", "none"))]
    _run(*pip, *recipe.common["root"]["python"], str(wheel))
    _remove(target / "bin")  # starts with this machine's Python
    for record in target.glob("*.dist-info/*"):
        if record.name in ("direct_url.json", "REQUESTED", "INSTALLER", "RECORD"):  # say where it was installed from
            record.unlink()
    launcher = root / "usr/bin/headgate"
    launcher.write_text(LAUNCHER)
    launcher.chmod(0o755)
    unit = root / "usr/lib/systemd/system/headgate.service"
    shutil.copyfile(target / "headgate/data/headgate.service", unit)


def _byte_code(job: Job, root: Path) -> None:
    """Of all Python, by the image's own version, valid whatever the times of the sources are; without the columns of
    tracebacks, 1 MB of the image."""
    folders = [*root.glob("usr/lib/python3*"), *root.glob("usr/local/lib/python3.*"), *root.glob("usr/lib/headgate")]
    names = [str(folder.relative_to(job.work)) for folder in sorted(folders)]
    options = ["-q", "-f", "--invalidation-mode", "unchecked-hash", "-s", root.name, "-p", "/"]
    job.run("python3", "-X", "no_debug_ranges", "-X", "pycache_prefix=/tmp", "-c", COMPILE, *options, *names)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        causes = [line for line in lines if line.startswith("ERROR:")] or lines
        raise CommandError(FINDING, f"{' '.join(command[:4])} failed: {causes[-1][:300]}", "Try again")
