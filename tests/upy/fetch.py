"""Bring a real MicroPython (Debian trixie's package) into .cache/micropython/<arch>/ without touching the system.

Nothing is installed and no maintainer script runs: the package index is downloaded with apt's own helper from the
mirror that this machine's apt sources name, each .deb is checked against the index and unpacked with `dpkg-deb -x`.
The program then runs through its own dynamic linker (this machine's word) or through qemu-user (the other ones).

    python tests/upy/fetch.py [amd64|arm64|armhf ...]      default: amd64 armhf

Exit code: 0 all there, 1 not possible (one line says why). `HEADGATE_DEBIAN_MIRROR` names a mirror by hand where the
machine's sources have none (Ubuntu).
"""

from __future__ import annotations

import hashlib
import lzma
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from headgate_host.debian_mirror import debian_mirrors

SUITE = "trixie"
ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "micropython"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
APT_HELPER = Path("/usr/lib/apt/apt-helper")


class FetchError(Exception):
    """Cannot be had on this machine; the message is one line for the user."""


class Arch(NamedTuple):
    machines: tuple[str, ...]  # what platform.machine() says on a board of this kind
    triplet: str  # library directory
    loader: str  # dynamic linker, relative to the unpacked root
    qemu: tuple[str, ...]  # names of the user-mode emulator


ARCHES = {
    "amd64": Arch(
        ("x86_64", "AMD64"),
        "x86_64-linux-gnu",
        "usr/lib64/ld-linux-x86-64.so.2",
        ("qemu-x86_64-static", "qemu-x86_64"),
    ),
    "arm64": Arch(
        ("aarch64", "arm64"),
        "aarch64-linux-gnu",
        "usr/lib/ld-linux-aarch64.so.1",
        ("qemu-aarch64-static", "qemu-aarch64"),
    ),
    "armhf": Arch(("armv7l",), "arm-linux-gnueabihf", "usr/lib/ld-linux-armhf.so.3", ("qemu-arm-static", "qemu-arm")),
}


def say(text: str) -> None:
    print(text, flush=True)


def native_arch() -> str:
    """The Debian name of this machine's architecture; "" when it is none of ARCHES."""
    machine = platform.machine()
    return next((name for name, arch in ARCHES.items() if machine in arch.machines), "")


# ── Download and check ────────────────────────────────────────────────────────────────────────────────────────


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def download(uri: str, target: Path) -> None:
    """Fetch with apt's helper: the machine's proxy and credential settings apply. Raises FetchError."""
    target.unlink(missing_ok=True)
    done = subprocess.run(
        [str(APT_HELPER), "download-file", uri, str(target)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0 or not target.is_file():
        reason = next((line for line in done.stdout.splitlines() if line.startswith("E:")), "no reason given")
        raise FetchError(f"cannot download {uri}: {reason}")


def signed_index_hash(release: Path, arch: str) -> str:
    """SHA-256 of main/binary-<arch>/Packages.xz as signed by Debian's keys; "" when the signature cannot be checked."""
    gpgv = shutil.which("gpgv")
    if gpgv is None or not KEYRING.is_file():
        return ""
    with tempfile.TemporaryDirectory() as folder:
        clear = Path(folder) / "Release"
        done = subprocess.run(
            [gpgv, "--keyring", str(KEYRING), "--output", str(clear), str(release)],
            capture_output=True,
            check=False,
        )
        if done.returncode != 0 or not clear.is_file():
            return ""
        text = clear.read_text(encoding="utf-8")
    section = text.partition("\nSHA256:")[2]
    wanted = f"main/binary-{arch}/Packages.xz"
    for line in section.splitlines():
        words = line.split()
        if len(words) == 3 and words[2] == wanted:
            return words[0]
    return ""


def package_index(mirror: str, arch: str, folder: Path) -> dict[str, dict[str, str]]:
    """The stanzas of the suite's package index by package name."""
    base = f"{mirror}/dists/{SUITE}"
    release, index = folder / "InRelease", folder / "Packages.xz"
    download(f"{base}/InRelease", release)
    download(f"{base}/main/binary-{arch}/Packages.xz", index)
    signed = signed_index_hash(release, arch)
    if not signed:
        say(f"  {arch}: signature of the index not checked (gpgv or Debian's keyring missing)")
    elif sha256(index) != signed:
        try:  # a mirror caught between two publications still has the signed one under its hash
            by_hash = folder / "by-hash.xz"
            download(f"{base}/main/binary-{arch}/by-hash/SHA256/{signed}", by_hash)
            if sha256(by_hash) == signed:
                index = by_hash
        except FetchError:
            say(f"  {arch}: the mirror's index is not the signed one (out of step): packages are checked by it only")
    packages: dict[str, dict[str, str]] = {}
    for stanza in lzma.decompress(index.read_bytes()).decode("utf-8").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and line[0] != " ")
        if "Package" in fields:
            packages[fields["Package"]] = fields
    return packages


def needed(packages: dict[str, dict[str, str]], name: str) -> list[str]:
    """`name` and everything it depends on (first alternative that exists), names in the order found."""
    todo, order = [name], []
    while todo:
        package = todo.pop(0)
        if package in order:
            continue
        order.append(package)
        fields = packages[package]
        for clause in (fields.get("Pre-Depends", "") + "," + fields.get("Depends", "")).split(","):
            names = [re.split(r"[\s(:]", choice.strip(), maxsplit=1)[0] for choice in clause.split("|")]
            todo += [choice for choice in names if choice in packages][:1]
    return order


def fetch(arch: str, cache: Path = CACHE) -> Path:
    """Unpack MicroPython for `arch` below `cache`; returns the root directory. Quick when it is there. FetchError."""
    root = cache / arch
    stamp = root / ".complete"
    if stamp.is_file():
        say(f"  {arch}: {stamp.read_text(encoding='utf-8').strip()} is there")
        return root
    if not APT_HELPER.is_file() or shutil.which("dpkg-deb") is None:
        raise FetchError(
            "MicroPython is taken from Debian's archive with apt-helper and dpkg-deb; this system lacks them"
        )
    mirrors = debian_mirrors()
    if not mirrors:
        raise FetchError("no Debian mirror in /etc/apt; name one in HEADGATE_DEBIAN_MIRROR")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as name:
        folder = Path(name)
        folder.chmod(0o755)
        say(f"  {arch}: reading the package index of {SUITE}")
        packages = package_index(mirrors[0], arch, folder)
        if "micropython" not in packages:
            raise FetchError(f"{SUITE} has no micropython for {arch}")
        fresh = folder / "root"
        fresh.mkdir()
        for package in needed(packages, "micropython"):
            fields = packages[package]
            deb = folder / "package.deb"
            say(f"  {arch}: unpacking {package} {fields['Version']}")
            download(f"{mirrors[0]}/{fields['Filename']}", deb)
            if sha256(deb) != fields["SHA256"]:
                raise FetchError(f"{package} for {arch} is not what the index says (SHA-256)")
            subprocess.run(["dpkg-deb", "-x", str(deb), str(fresh)], check=True)
        # Packages of a merged-/usr system expect these links; no maintainer script made them here.
        for link in ("lib", "lib64", "bin", "sbin"):
            if (fresh / "usr" / link).is_dir() and not (fresh / link).exists():
                (fresh / link).symlink_to(f"usr/{link}")
        (fresh / ".complete").write_text(f"micropython {packages['micropython']['Version']}\n", encoding="utf-8")
        shutil.rmtree(root, ignore_errors=True)
        fresh.rename(root)
    return root


def micropython_command(arch: str, cache: Path = CACHE) -> list[str]:
    """The words that start the fetched MicroPython; options and a script follow. FetchError without an emulator."""
    root = cache / arch
    kind = ARCHES[arch]
    program = str(root / "usr/bin/micropython")
    if native_arch() == arch:
        return [str(root / kind.loader), "--library-path", str(root / "usr/lib" / kind.triplet), program]
    qemu = next((path for path in map(shutil.which, kind.qemu) if path), None)
    if qemu is None:
        raise FetchError(f"running {arch} needs {kind.qemu[0]} (package qemu-user-static)")
    return [qemu, "-L", str(root), program]


def main(arguments: list[str]) -> int:
    try:
        for arch in arguments or ["amd64", "armhf"]:
            if arch not in ARCHES:
                raise FetchError(f"unknown architecture {arch!r}: one of {', '.join(ARCHES)}")
            fetch(arch)
            done = subprocess.run(
                [*micropython_command(arch), "-c", "import sys; print(sys.version)"],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                raise FetchError(f"MicroPython for {arch} does not start: {done.stderr.strip()[-200:]}")
            say(f"  {arch}: runs, {done.stdout.strip()}")
    except FetchError as error:
        print(f"micropython: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
