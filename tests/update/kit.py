"""What the tests of updates need: an image whose ranges cross the borders of slots, a board's partitions as files."""

from __future__ import annotations

import fcntl
import io
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flash.kit import gpt

from headgate.linux import boot_state, ed25519, keys, update_install
from headgate.linux.update_helper import Machine
from headgate.linux.update_install import Running
from headgate_host.flash import image_pack
from headgate_host.update.bundle import Bundle

MIB = 1 << 20
SEED, STRANGER = bytes(range(32)), bytes(range(1, 33))
# name, start, size in MiB. Ranges are cut every 4 MiB of the disk: they begin and end inside of partitions.
LAYOUT = [("fw", 1, 1), ("bootstate", 2, 1), ("boot_a", 3, 2), ("boot_b", 5, 2), ("root_a", 7, 6), ("root_b", 13, 6),
          ("provision", 19, 1), ("data", 20, 3)]  # fmt: skip
DISK_MIB = 24
FACTS = image_pack.Facts("rpi-4", "headgate", "1.3.0", 1764345600, sparse=("data", "root_b", "boot_b"))
HERE = Running("a", "rpi-4", "1.2.0", FACTS.created - 1000)


def make_image(folder: Path, facts: image_pack.Facts = FACTS, seed: bytes | None = SEED, name: str = "image") -> Path:
    """-> a container; the raw disk is beside it, as .raw, and the signer's public key as .pub"""
    noise = random.Random(name)  # noqa: S311
    raw = folder / f"{name}.raw"
    with raw.open("wb") as file:
        file.truncate(DISK_MIB * MIB)
        file.write(gpt(LAYOUT, DISK_MIB * MIB))
        for partition, start, size in LAYOUT:
            if partition in ("fw", "boot_a", "root_a"):
                file.seek(start * MIB)
                file.write(noise.randbytes(65536) * (16 * size - 3))  # zeros at the end, as a file system has them
    path = folder / f"{name}.img.zst"
    image_pack.pack(raw, path, facts, seed, level=1)
    if seed is not None:
        keys.write_key(folder / f"{name}.pub", ed25519.public_key(seed), private=False)
    return path


def trusted(seed: bytes = SEED) -> dict[str, bytes]:
    key = ed25519.public_key(seed)
    return {keys.thumbprint("EdDSA", key): key}


def bundle(image: Path, seed: bytes = SEED) -> bytes:
    with Bundle(image, trusted(seed)) as opened:
        return b"".join(opened.pieces())


def content(image: Path, partition: str) -> bytes:
    """What stands in a partition of the raw disk that `image` was made of."""
    raw = image.with_name(image.name.removesuffix(".img.zst") + ".raw")
    start, size = next((start, size) for name, start, size in LAYOUT if name == partition)
    return raw.read_bytes()[start * MIB : (start + size) * MIB]


class Disk:
    """A board that runs slot a, its partitions as files; b holds something older."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.before = {}
        for name, _, size in LAYOUT:
            (folder / name).write_bytes((name.encode() * (size * MIB))[: size * MIB])
            self.before[name] = (folder / name).read_bytes()
        boot_state.write(self.state, boot_state.BootState(("a", "b"), (9, 9)))

    @property
    def state(self) -> Path:
        return self.folder / "bootstate"

    def machine(self, here: Running = HERE, seed: bytes = SEED) -> Machine:
        return Machine(here, trusted(seed), self.folder)

    def next(self) -> str:
        """The slot that starts next."""
        return boot_state.read(self.state).order[0]

    def changed(self) -> set[str]:
        """Partitions that are not as they were, the boot state aside."""
        return {n for n, old in self.before.items() if n != "bootstate" and (self.folder / n).read_bytes() != old}


def locks_seen(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each reading and writing of a boot state from now on: whether nobody else could have locked it."""
    seen = []

    def noting(real: Callable[..., Any]) -> Callable[..., Any]:
        def noted(place: Path, *state: boot_state.BootState) -> Any:
            with place.open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    seen.append(False)
                except BlockingIOError:
                    seen.append(True)
            return real(place, *state)

        return noted

    for name in ("read", "write"):
        monkeypatch.setattr(boot_state, name, noting(getattr(boot_state, name)))
    return seen


def reader(data: bytes) -> update_install.Read:
    return io.BytesIO(data).read


def older() -> Running:
    """A board whose version is newer than the image."""
    return replace(HERE, version="2.0.0", created=FACTS.created + 1)
