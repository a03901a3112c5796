"""Minimal root file systems of Debian for another machine (arm64, armhf), made without running a program of it.

`mmdebstrap --variant=extract` downloads and unpacks packages with what they depend on; no maintainer script runs, which
under emulation takes ten minutes. What the scripts would have done and programs miss is done here, on this machine:
users, links of update-alternatives, the CA bundle, Python's byte code. Packages that need more of their scripts than
that (services, users of their own) are not for this. What was unpacked is written down as dpkg would
(/var/lib/dpkg/status, info/*.list), for bills of materials.

A root is made once for the same architecture, suite and packages, and kept. It is shared: who wants to change it lays
an overlay over it or copies it.
"""

import hashlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from headgate import errors
from headgate.errors import CommandError
from headgate_host import emulation
from headgate_host.debian_mirror import debian_mirrors

ARCHITECTURES = ("amd64", "arm64", "armhf")
SUITE = "bookworm"
ALWAYS = ("base-files", "base-passwd", "dash", "libc-bin")  # without them nothing runs
# What update-alternatives would link, in /usr/bin; the second where there is no first.
ALTERNATIVES = {"awk": ("gawk", "mawk"), "which": ("which.debianutils",), "cc": ("gcc",), "c++": ("g++",)}
MERGED_USR = Path("/usr/share/mmdebstrap/hooks/merged-usr/setup00.sh")
BUNDLE = "etc/ssl/certs/ca-certificates.crt"
RECORD = Path(__file__).with_name("rootfs_record.sh")
# What apt says of an index that is not the one its signed Release names: the mirror is out of step with itself.
OUT_OF_STEP = re.compile(r"File has unexpected size|Hash Sum mismatch")
ATTEMPTS = 2  # where it is: behind a mirror's name there may be several machines


@dataclass(frozen=True, slots=True)
class Archive:
    """Of Debian: `security`: with the security updates, for what goes to users."""

    suite: str = SUITE
    security: bool = False
    components: str = "main"


def say(text: str) -> None:
    print(f"rootfs: {text}", file=sys.stderr, flush=True)


def make(
    architecture: str,
    packages: Iterable[str],
    folder: Path,
    archive: Archive | None = None,
    *,
    byte_code: bool = True,
) -> Path:
    """The root file system for `architecture` with `packages` below `folder`; at once when it is there.

    `architecture` is Debian's word (ARCHITECTURES); `byte_code`: compile Python's library, if this machine can.
    Needs root, for owners and device nodes. Raises CommandError.
    """
    if architecture not in ARCHITECTURES:
        raise CommandError(errors.USAGE, f"no architecture '{architecture}'", f"One of {', '.join(ARCHITECTURES)}")
    wanted = sorted({*ALWAYS, *packages})
    archive = archive or Archive()
    suite = archive.suite
    lines = sources(archive)
    root = folder / f"{suite}-{architecture}-{_key(architecture, wanted, [*lines, f'{byte_code}'])}"
    if root.is_dir():
        return root
    _check_tools()
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    say(f"{suite} for {architecture}: downloading and unpacking {len(wanted)} packages and what they need")
    # Under another name until it is whole: what an interruption leaves is no root.
    with tempfile.TemporaryDirectory(dir=folder, prefix=f".{root.name}.") as making:
        fresh = Path(making) / "root"
        _unpack(architecture, wanted, suite, lines, fresh)
        finish(fresh, byte_code)
        if not root.exists():  # somebody else may have been quicker
            fresh.rename(root)
    say(f"{suite} for {architecture}: made in {time.monotonic() - began:.0f} s: {root}")
    return root


def own_architecture() -> str:
    """Debian's word for this machine. Raises CommandError when it is none of ARCHITECTURES."""
    for name in ARCHITECTURES:
        if emulation.is_native(name):
            return name
    raise CommandError(
        errors.MISSING, f"Debian's tools are not used on {platform.machine()}", "Use a PC, or 64-bit ARM"
    )


def sources(archive: Archive) -> list[str]:
    """Lines of apt for it, at this machine's mirrors."""
    lines = []
    wanted = [("debian", archive.suite)] + [("debian-security", f"{archive.suite}-security")] * archive.security
    for place, name in wanted:
        mirrors = debian_mirrors(archive=place)
        if not mirrors:
            raise CommandError(
                errors.MISSING,
                f"no mirror of {place} in /etc/apt",
                "Name one of the main archive: HEADGATE_DEBIAN_MIRROR=http://deb.debian.org/debian",
            )
        lines.append(f"deb {mirrors[0]} {name} {archive.components}")
    return lines


def lend_network(root: Path) -> None:
    """Gives `root` what this machine's network needs: name servers, CA bundle, pip's configuration.

    Not part of `make`: a root that leaves this machine must not have them.
    """
    for file in ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf", f"/{BUNDLE}"):
        target = root / file.lstrip("/")
        if Path(file).exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)  # it may be a link to somewhere
            shutil.copyfile(file, target)


def _key(architecture: str, packages: list[str], lines: list[str]) -> str:
    """Of everything the result depends on, this code included; not of the versions the mirror has today."""
    digest = hashlib.sha256(Path(__file__).read_bytes() + RECORD.read_bytes())
    digest.update("\n".join([architecture, *packages, *lines]).encode())
    return digest.hexdigest()[:12]


def _check_tools() -> None:
    if os.geteuid() != 0:
        raise CommandError(errors.MISSING, "making a root file system needs root", "Run it as root, or with sudo")
    for program, package in (("mmdebstrap", "mmdebstrap"), ("unshare", "util-linux")):
        if shutil.which(program) is None:
            raise CommandError(errors.MISSING, f"no {program}", f"apt-get install {package}")


def _unpack(architecture: str, packages: list[str], suite: str, lines: list[str], root: Path) -> None:
    # A mount namespace of its own: what mmdebstrap has mounted ends with it, however that ends. If it was killed, the
    # folder that is deleted next would hold this machine's /dev.
    command = ["unshare", "--mount", "mmdebstrap", "--variant=extract", "--mode=root", "--skip=check/qemu"]
    command += [
        f"--architectures={architecture}",
        f"--setup-hook={MERGED_USR}",
        f'--extract-hook=sh {shlex.quote(str(RECORD))} "$1"',
        f"--include={','.join(packages)}",
        suite,
        str(root),
        *lines,
    ]
    for _ in range(ATTEMPTS):
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
        if done.returncode == 0:
            return
        shutil.rmtree(root, ignore_errors=True)
        # apt names the cause first; mmdebstrap's own lines say only that apt failed.
        output = (done.stdout + done.stderr).strip().splitlines() or ["no reason given"]
        causes = [line for line in output if line.startswith("E:") and "apt-get" not in line] or output[-1:]
        cause = causes[0].removeprefix("E: ")
        if cause.startswith("unshare: "):
            raise CommandError(errors.MISSING, cause, "Root must be allowed to mount: a container needs CAP_SYS_ADMIN")
        if not OUT_OF_STEP.search(cause):
            break
    raise CommandError(
        errors.NETWORK, f"cannot make {suite} for {architecture}: {cause}", _next_step(cause, architecture, lines)
    )


def _next_step(cause: str, architecture: str, lines: list[str]) -> str:
    mirror = lines[0].split()[1]
    if not OUT_OF_STEP.search(cause):
        return f"Is {mirror} reachable, and has it these packages for {architecture}?"
    later = "The mirror is being updated, or broken: try again in an hour, or HEADGATE_DEBIAN_MIRROR=another one"
    # Only images take them.
    return later + ("; --set security=no leaves the security updates out" if "-security/" in cause else "")


def finish(root: Path, byte_code: bool = True) -> None:
    """What maintainer scripts would have done, as far as programs miss it."""
    for name in ("passwd", "group"):
        shutil.copyfile(root / "usr/share/base-passwd" / f"{name}.master", root / "etc" / name)
    for folder in ("usr/local/bin", "usr/local/sbin", "usr/local/lib", "usr/local/share"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    for file in ("etc/resolv.conf", "etc/hostname"):  # of this machine
        (root / file).unlink(missing_ok=True)
    for name, programs in ALTERNATIVES.items():
        link = root / "usr/bin" / name
        found = [program for program in programs if (root / "usr/bin" / program).exists()]
        if found and not link.is_symlink():
            link.symlink_to(found[0])
    certificates = sorted((root / "usr/share/ca-certificates").glob("*/*.crt"))
    if certificates:
        bundle = root / BUNDLE
        bundle.parent.mkdir(parents=True, exist_ok=True)
        bundle.write_bytes(b"".join(file.read_bytes() for file in certificates))
    for library in sorted((root / "usr/lib").glob("python3.*")) if byte_code else ():
        _compile_python(root, library)


def _compile_python(root: Path, library: Path) -> None:
    """Byte code of the standard library and of Debian's packages; without it, importing asyncio takes 4 s emulated."""
    interpreter = _interpreter(library.name)
    if interpreter is None:
        say(f"no {library.name} on this machine to compile that library with: each start of Python there will be slow")
        return
    folders = [library, root / "usr/lib/python3/dist-packages"]
    # Not by time stamp: the root may be copied or packed.
    options = ["-q", "--invalidation-mode", "unchecked-hash", "-s", str(root), "-p", "/"]
    subprocess.run(  # noqa: S603 - our own words; a file that cannot be compiled cannot be imported either
        [interpreter, "-m", "compileall", *options, *map(str, folders)], capture_output=True, check=False
    )


def _interpreter(version: str) -> str | None:
    """An interpreter of this machine that writes byte code for `version` (python3.11)."""
    if version == f"python{sys.version_info[0]}.{sys.version_info[1]}":
        return sys.executable
    found = shutil.which(version)
    if found is None:
        return None
    probe = subprocess.run([found, "-c", ""], capture_output=True, check=False)  # noqa: S603 - it may be a shim
    return found if probe.returncode == 0 else None
