"""The disks of this machine, from /sys, /proc, /run/udev and /dev; all below a `root`, so that tests can make one."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from headgate_host.flash import members

SECTOR = 512  # bytes; what /sys counts in, whatever the disk's own sectors are
_OCTAL = re.compile(r"\\([0-7]{3})")
# Kinds by what the path of the device in /sys contains, the first that fits.
_BUSES = (
    ("/usb", "usb-disk"),
    ("/mmc_host/", "sd-card"),
    ("/nvme/", "nvme"),
    ("/virtio", "virtio"),
    ("/ata", "sata"),
    ("/virtual/block/loop", "loop"),
    ("/virtual/", "virtual"),
)
_OTHER_BUS = "scsi"
_MOUNT_WORDS = 6  # before the "-" of a line of mountinfo
EASY_KINDS = frozenset({"usb-disk", "sd-card"})  # plugged in by hand; all others are internal


@dataclass(frozen=True, slots=True)
class Part:
    """`start` and `size` in bytes."""

    name: str
    dev: str
    start: int
    size: int
    member: str


@dataclass(frozen=True, slots=True)
class Disk:
    """One whole disk, as it was at the moment of looking."""

    name: str
    path: Path  # /dev/…
    dev: str  # major:minor
    size: int  # bytes; 0 is a reader without a card
    kind: str
    read_only: bool
    model: str
    serial: str  # "" when it has none
    sequence: int  # diskseq: another number after each plugging in; 0 on kernels before 5.15
    by_id: tuple[Path, ...] = ()
    parts: tuple[Part, ...] = ()
    holders: tuple[str, ...] = ()  # device-mapper, md, … that are built on it, at any depth
    mounts: tuple[tuple[str, str], ...] = ()  # (device, mount point)
    swaps: tuple[str, ...] = ()
    member: str = ""  # see members.member_of

    @property
    def internal(self) -> bool:
        return self.kind not in EASY_KINDS

    def document(self) -> dict[str, object]:
        """As `headgate disks --json` shows it."""
        return {
            "name": self.name,
            "path": str(self.path),
            "size": self.size,
            "kind": self.kind,
            "read_only": self.read_only,
            "model": self.model,
            "serial": self.serial,
            "by_id": [str(path) for path in self.by_id],
            "partitions": [{"name": p.name, "start": p.start, "size": p.size} for p in self.parts],
            "mounts": [{"device": device, "at": point} for device, point in self.mounts],
            "swaps": list(self.swaps),
            "holders": list(self.holders),
        }


@dataclass(slots=True)
class Machine:
    """What there is below `root`: / or a tree of a test."""

    root: Path = Path("/")
    _points: list[tuple[str, str, str]] = field(default_factory=list)  # (major:minor, source, mount point)
    _swaps: list[str] = field(default_factory=list)

    def disks(self) -> list[Disk]:
        """Every disk but memory-backed ones without a size."""
        self._points = list(self._mounts())
        self._swaps = [line.split()[0] for line in self._text("proc/swaps").splitlines()[1:] if line.split()]
        found = [self._disk(entry) for entry in sorted(self._dir("sys/block")) if (entry / "dev").is_file()]
        return [disk for disk in found if disk.size or not disk.internal]

    def disk(self, name: str) -> Disk | None:
        return next((disk for disk in self.disks() if disk.name == name), None)

    # --- one disk

    def _disk(self, entry: Path) -> Disk:
        name, place = entry.name, entry.resolve()
        dev = self._text_at(entry / "dev")
        size = self._number(entry / "size") * SECTOR
        udev = self._udev(dev)
        parts = tuple(self._parts(entry))
        devs = {dev: name} | {part.dev: part.name for part in parts}
        holders = (*self._holders(entry, devs), *self._shared(devs))
        return Disk(
            name,
            Path("/dev") / name.replace("!", "/"),
            dev,
            size,
            _kind(place, self._text_at(entry / "device/type")),
            self._text_at(entry / "ro") == "1",
            printable(self._model(entry, udev)),
            printable(self._serial(entry, udev)),
            self._number(entry / "diskseq"),
            tuple(self._by_id(name)),
            parts,
            holders,
            tuple(self._mounted(devs)),
            tuple(name for name in self._swaps if self._short(name) in devs.values()),
            members.member_of(self.device(name), size, udev),
        )

    def _parts(self, entry: Path) -> Iterator[Part]:
        for folder in sorted(entry.iterdir(), key=lambda f: (len(f.name), f.name)):
            if (folder / "partition").is_file():
                dev = self._text_at(folder / "dev")
                start, size = (self._number(folder / name) * SECTOR for name in ("start", "size"))
                member = members.member_of(self.device(folder.name), size, self._udev(dev))
                yield Part(folder.name, dev, start, size, member)

    def _holders(self, entry: Path, devs: dict[str, str]) -> Iterator[str]:
        """Names of what is built on `entry` and its partitions; their devices are added to `devs`."""
        places = [entry / "holders", *entry.glob("*/holders")]
        while places:
            for holder in sorted(self._list(places.pop())):
                above = self.root / "sys/block" / holder.name
                dev = self._text_at(above / "dev")
                if dev not in devs:
                    devs[dev] = holder.name
                    yield holder.name
                    places.append(above / "holders")

    def _shared(self, devs: dict[str, str]) -> Iterator[str]:
        """A mounted btrfs of several disks names one of them in mountinfo, and all of them here."""
        for link in self.root.glob("sys/fs/btrfs/*/devices/*"):
            if link.name in devs.values():
                yield f"btrfs {link.parents[1].name}"

    def _mounted(self, devs: dict[str, str]) -> Iterator[tuple[str, str]]:
        """By number, or by name where a file system has a number of its own (btrfs)."""
        for dev, source, point in self._points:
            name = devs.get(dev) or (self._short(source) if self._short(source) in devs.values() else "")
            if name:
                yield name, point

    def _mounts(self) -> Iterator[tuple[str, str, str]]:
        """proc(5): id, parent, major:minor, root, mount point, …, "-", type, source, …"""
        for line in self._text("proc/self/mountinfo").splitlines():
            before, _, after = line.partition(" - ")
            words, more = before.split(), after.split()
            if len(words) >= _MOUNT_WORDS and len(more) > 1:
                yield words[2], _unescaped(more[1]), printable(_unescaped(words[4]))

    def _model(self, entry: Path, udev: dict[str, str]) -> str:
        backing = self._text_at(entry / "loop/backing_file")
        if backing:
            return backing
        words = [self._text_at(entry / "device" / name) for name in ("vendor", "model", "name")]
        return " ".join(word for word in words if word and not word.startswith("0x")) or udev.get("ID_MODEL", "")

    def _serial(self, entry: Path, udev: dict[str, str]) -> str:
        for place in (entry / "device/serial", entry / "serial"):
            text = self._text_at(place)
            if text:
                return text
        for folder in entry.resolve().parents:  # the USB device that it is a part of
            if (folder / "idVendor").is_file():
                return self._text_at(folder / "serial")
        return udev.get("ID_SERIAL_SHORT", "")

    def _by_id(self, name: str) -> Iterator[Path]:
        for link in sorted(self._dir("dev/disk/by-id")):
            if link.is_symlink() and self._short(str(link.readlink())) == name:
                yield Path("/dev/disk/by-id") / link.name

    def _udev(self, dev: str) -> dict[str, str]:
        lines = self._text(f"run/udev/data/b{dev}").splitlines()
        return dict(line[2:].split("=", 1) for line in lines if line.startswith("E:") and "=" in line)

    def device(self, name: str) -> Path:
        """Where a disk or partition is opened."""
        return self.root / "dev" / name.replace("!", "/")

    # --- reading: what is not there is ""

    def _short(self, path: str) -> str:
        """/dev/sdb1, ../../sdb1 or a link below /dev to it -> sdb1"""
        if path.startswith("/dev/"):
            place = self.root / path[1:]
            if place.is_symlink():
                path = str(place.readlink())
        return path.rsplit("/", 1)[-1]

    def _dir(self, relative: str) -> list[Path]:
        return self._list(self.root / relative)

    def _list(self, folder: Path) -> list[Path]:
        return list(folder.iterdir()) if folder.is_dir() else []

    def _text(self, relative: str) -> str:
        return self._text_at(self.root / relative)

    def _text_at(self, path: Path) -> str:
        try:
            return path.read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return ""

    def _number(self, path: Path) -> int:
        text = self._text_at(path)
        return int(text) if text.isdecimal() else 0


def _kind(place: Path, mmc_type: str) -> str:
    if mmc_type == "MMC" or re.fullmatch(r"mmcblk\d+(boot\d+|rpmb|gp\d+)", place.name):
        return "emmc"
    return next((kind for part, kind in _BUSES if part in str(place)), _OTHER_BUS)


def _unescaped(text: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), text)


def printable(text: str) -> str:
    """What a device says of itself must not move the cursor of the terminal it is shown on."""
    return "".join(char if char.isprintable() else "?" for char in text)


def readable_size(size: int) -> str:
    """As it is printed on cards: powers of ten."""
    for unit, step in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= step:
            return f"{size / step:.1f} {unit}"
    return f"{size} B"
