"""What the tests of flashing need: raw disks with a partition table, signed images, trees that look like /sys."""

from __future__ import annotations

import argparse
import binascii
import json
import os
import random
import struct
import uuid
from pathlib import Path
from typing import Any

from headgate.linux import ed25519, image_format, keys
from headgate.linux.image_format import FRAME, Manifest
from headgate_host.flash import image_pack, verb_flash
from headgate_host.flash.disks import Machine

MIB = 1 << 20
GB = 10**9
SEED = bytes(range(32))  # of the images' signer
STRANGER = bytes(range(1, 33))
KIND = uuid.UUID("0fc63daf-8483-4772-8e79-3d69d8477de4").bytes_le  # Linux file system data

# name, start, size in MiB: a disk of 24 MiB as the boards have it, and how much of each is data
LAYOUT = (("boot", 1, 2), ("root_a", 4, 6), ("root_b", 10, 2), ("provision", 12, 1), ("data", 13, 10))
DISK_MIB = 24


def gpt(parts: list[tuple[str, int, int]], size: int) -> bytes:
    """The first 34 sectors of a disk of `size` bytes; `parts`: name, start, size in MiB."""
    last = size // 512 - 1
    entries = b""
    for number, (name, start, length) in enumerate(parts, 1):
        sectors = (start * 2048, (start + length) * 2048 - 1)
        unique = uuid.UUID(int=number).bytes_le
        entries += struct.pack("<16s16sQQQ72s", KIND, unique, *sectors, 0, name.encode("utf-16-le"))
    entries = entries.ljust(128 * 128, b"\0")
    disk = uuid.UUID(int=99).bytes_le
    fields = [b"EFI PART", 0x10000, 92, 0, 0, 1, last, 34, last - 33, disk, 2, 128, 128, binascii.crc32(entries)]
    fields[3] = binascii.crc32(struct.pack("<8sIIIIQQQQ16sQIII", *fields))
    mbr = bytes(446) + struct.pack("<B3sB3sII", 0, b"\0\2\0", 0xEE, b"\xff" * 3, 1, last) + bytes(48) + b"\x55\xaa"
    return mbr + struct.pack("<8sIIIIQQQQ16sQIII", *fields).ljust(512, b"\0") + entries


def raw_disk(path: Path, seed: int = 7) -> Path:
    """A sparse raw disk: table, full boot and root_a, empty root_b, data with something in its first and last MiB."""
    noise = random.Random(seed)  # noqa: S311
    with path.open("wb") as file:
        file.truncate(DISK_MIB * MIB)
        file.write(gpt(list(LAYOUT), DISK_MIB * MIB))
        for start, size in ((1, 2), (4, 4), (13, 1), (22, 1)):
            file.seek(start * MIB)
            file.write((noise.randbytes(65536) * (size * 16))[:-1000])
    return path


FACTS = image_pack.Facts("rpi-4", "headgate", "1.2.3", 1764345600, sparse=("data", "root_b"))


def make_image(folder: Path, facts: image_pack.Facts = FACTS, seed: bytes | None = SEED, name: str = "image") -> Path:
    """-> a container; the raw disk is beside it, as .raw"""
    raw = raw_disk(folder / f"{name}.raw")
    path = folder / f"{name}.img.zst"
    image_pack.pack(raw, path, facts, seed, level=1)
    return path


def manifest_start(image: Path) -> int:
    return image.read_bytes().index(b"{")


def document_of(image: Path) -> dict[str, Any]:
    """Its manifest."""
    data = image.read_bytes()
    size = FRAME.unpack_from(data)[1]
    document: dict[str, Any] = json.loads(data[manifest_start(image) : FRAME.size + size])
    return document


def signed(document: object, payload: bytes, path: Path) -> Path:
    """An image with another manifest, by the same signer."""
    path.write_bytes(image_format.header(json.dumps(document).encode(), SEED) + payload)
    return path


def trust(folder: Path, seed: bytes = SEED) -> Path:
    path = folder / "image.pub"
    keys.write_key(path, ed25519.public_key(seed), private=False, force=True)
    return path


def expected(raw: Path, manifest: Manifest) -> list[tuple[int, bytes]]:
    """(start, bytes) of each mapped range."""
    with raw.open("rb") as file:
        return [(piece.start, os.pread(file.fileno(), piece.size, piece.start)) for piece in manifest.ranges]


def arguments(*words: str) -> argparse.Namespace:
    """As `headgate flash` has them."""
    parser = argparse.ArgumentParser()
    verb_flash.add_arguments(parser)
    return parser.parse_args(words)


class Tree:
    """A root folder with /sys, /proc, /run and /dev of a machine of its own."""

    _PATHS = {  # noqa: RUF012
        "usb": "devices/pci0000:00/usb1/1-{n}/1-{n}:1.0/host{n}/target{n}:0:0/{n}:0:0:0",
        "sata": "devices/pci0000:00/ata{n}/host{n}/target{n}:0:0/{n}:0:0:0",
        "mmc": "devices/platform/mmc{n}/mmc_host/mmc{n}/mmc{n}:0001",
        "nvme": "devices/pci0000:00/nvme/nvme{n}",
        "virtio": "devices/pci0000:00/virtio{n}",
        "virtual": "devices/virtual",
    }

    def __init__(self, root: Path) -> None:
        self.root = root
        self._count = 0
        self._ids = 20
        for folder in ("sys/block", "proc/self", "run/udev/data", "dev/disk/by-id"):
            (root / folder).mkdir(parents=True)
        self._put("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n")
        self._put("proc/self/mountinfo", "")

    def machine(self) -> Machine:
        return Machine(self.root)

    def _put(self, relative: str, text: str) -> None:
        path = self.root / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def disk(self, name: str, size: int = 32 * GB, bus: str = "usb", **more: Any) -> str:
        """Add a disk -> its major:minor. more: serial, model, ro, parts (sizes in MiB), mmc (SD or MMC), sequence."""
        self._count += 1
        number = self._count
        dev = f"{8 + number}:0"
        device = "sys/" + self._PATHS[bus].format(n=number)
        block = f"{device}/block/{name}"
        self._put(f"{block}/dev", dev + "\n")
        self._put(f"{block}/size", f"{size // 512}\n")
        self._put(f"{block}/ro", f"{int(more.get('ro', False))}\n")
        self._put(f"{block}/diskseq", f"{more.get('sequence', number)}\n")
        (self.root / block / "holders").mkdir()
        if bus != "virtual":
            (self.root / block / "device").symlink_to(Path("../.."))
            self._put(f"{device}/model", f"{more.get('model', 'Card Reader')}\n")
        serial = more.get("serial", f"SN{number:04}")
        if bus == "usb":
            self._put(f"sys/devices/pci0000:00/usb1/1-{number}/idVendor", "1234\n")
            self._put(f"sys/devices/pci0000:00/usb1/1-{number}/serial", f"{serial}\n")
        elif bus != "virtual":
            self._put(f"{device}/serial", f"{serial}\n")
        if bus == "mmc":
            self._put(f"{device}/type", more.get("mmc", "SD") + "\n")
        (self.root / "sys/block" / name).symlink_to(self.root / block)
        self.content(name, b"", 0)
        start = 1
        for index, length in enumerate(more.get("parts", ()), 1):
            part = f"{name}{'p' if name[-1].isdigit() else ''}{index}"
            self._put(f"{block}/{part}/partition", f"{index}\n")
            self._put(f"{block}/{part}/dev", f"{8 + number}:{index}\n")
            self._put(f"{block}/{part}/start", f"{start * 2048}\n")
            self._put(f"{block}/{part}/size", f"{length * 2048}\n")
            (self.root / block / part / "holders").mkdir()
            self.content(part, b"", 0)
            start += length
        return dev

    def set(self, name: str, attribute: str, text: str) -> None:
        (self.root / "sys/block" / name / attribute).resolve().write_text(text + "\n")

    def remove(self, name: str) -> None:
        (self.root / "sys/block" / name).unlink()

    def content(self, name: str, data: bytes, offset: int) -> None:
        """What a device holds; a sparse file stands for it."""
        path = self.root / "dev" / name
        with path.open("r+b" if path.exists() else "wb") as file:
            file.truncate(max(4 * MIB, offset + len(data)))
            file.seek(offset)
            file.write(data)

    def mount(self, dev: str, source: str, point: str, kind: str = "ext4") -> None:
        self._ids += 1
        with (self.root / "proc/self/mountinfo").open("a") as file:
            file.write(f"{self._ids} 1 {dev} / {point} rw,relatime shared:1 - {kind} {source} rw\n")

    def swap(self, path: str) -> None:
        with (self.root / "proc/swaps").open("a") as file:
            file.write(f"{path} partition\t1000\t0\t-2\n")

    def by_id(self, link: str, name: str) -> str:
        (self.root / "dev/disk/by-id" / link).symlink_to(f"../../{name}")
        return f"/dev/disk/by-id/{link}"

    def udev(self, dev: str, **properties: str) -> None:
        lines = "".join(f"E:{key}={value}\n" for key, value in properties.items())
        self._put(f"run/udev/data/b{dev}", "S:disk/x\n" + lines)

    def mapped(self, name: str, below: str, *, at: str = "/") -> None:
        """A device-mapper device `name` on the partition or disk `below`, mounted at `at` ("" for not)."""
        dev = self.disk(name, bus="virtual")
        holder = next((self.root / "sys/block").glob(f"*/{below}/holders"), self.root / "sys/block" / below / "holders")
        (holder / name).symlink_to(self.root / "sys/block" / name)
        if at:
            self.mount(dev, f"/dev/mapper/{name}", at)
