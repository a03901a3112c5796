"""Which disks are never written: one rule for each reason, in the order of looking. docs/flash.md has the table."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from headgate.errors import MISSING, REFUSED, USAGE, CommandError
from headgate_host.flash.boards import GIB, Board
from headgate_host.flash.disks import Disk, Machine, readable_size
from headgate_host.flash.members import UNREADABLE

ANOTHER = "Choose another disk: headgate disks"
# What a board boots from -> the kinds of disks here it may be written on: cards and cases come with USB as well.
_WRITTEN_AS = {
    "sd-card": {"sd-card", "usb-disk"},
    "usb-disk": {"usb-disk"},
    "nvme": {"nvme", "usb-disk"},
    "emmc": {"emmc", "usb-disk"},
    "loop": {"loop"},
}
_BOOT = ("/boot", "/efi")
_SYSTEM = ("/usr", "/var", "/home", "/etc", "/opt", "/srv", "/root", "/nix")


class Refused(CommandError):
    """`reason`: the name of the rule, as in docs/flash.md."""

    def __init__(self, reason: str, cause: str, next_step: str, code: int = REFUSED) -> None:
        super().__init__(code, cause, next_step)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be written. `board` None: nothing particular; `size`: bytes needed; `large`: the user said so."""

    board: Board | None = None
    size: int = 0
    large: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """`cause` says what is wrong with a disk, or ""."""

    name: str
    cause: Callable[[Disk, Wish], str]
    next_step: Callable[[Disk], str] = lambda _: ANOTHER


def _below(point: str, folders: tuple[str, ...]) -> bool:
    return any(point == folder or point.startswith(folder + "/") for folder in folders)


def _mounted_at(test: Callable[[str], bool], what: str) -> Callable[[Disk, Wish], str]:
    def cause(disk: Disk, _: Wish) -> str:
        found = next((f"{device} is {point}" for device, point in disk.mounts if test(point)), "")
        return f"{disk.path} carries {what} of this machine ({found})" if found else ""

    return cause


def _mounted(disk: Disk, _: Wish) -> str:
    return f"{disk.path} is in use: {disk.mounts[0][0]} is mounted at {disk.mounts[0][1]}" if disk.mounts else ""


def _swap(disk: Disk, _: Wish) -> str:
    return f"{disk.path} carries swap space in use ({disk.swaps[0]})" if disk.swaps else ""


def _members(disk: Disk) -> Iterator[tuple[str, str]]:
    """(device, what it belongs to)"""
    yield disk.name, disk.member
    for part in disk.parts:
        yield part.name, part.member


def _member(disk: Disk, _: Wish) -> str:
    for name, member in _members(disk):
        if member and member != UNREADABLE:
            return f"{disk.path} is part of something larger: /dev/{name} is a member of {member}"
    return ""


def _wipe(disk: Disk) -> str:
    names = [name for name, member in _members(disk) if member and member != UNREADABLE]
    return f"If nobody needs it any more: wipefs --all /dev/{names[0]}"


def _held(disk: Disk, _: Wish) -> str:
    return f"{disk.path} is in use by {', '.join(disk.holders)}" if disk.holders else ""


def _empty(disk: Disk, _: Wish) -> str:
    return "" if disk.size else f"there is no card in {disk.path}"


def _read_only(disk: Disk, _: Wish) -> str:
    return f"{disk.path} is read-only" if disk.read_only else ""


def _bus(disk: Disk, wish: Wish) -> str:
    if wish.board is None:
        return f"{disk.path} is an internal disk ({disk.kind})" if disk.internal else ""
    if any(disk.kind in _WRITTEN_AS[storage] for storage in wish.board.storage):
        return ""
    place = "an internal disk" if disk.internal else "a disk"
    return f"{disk.path} is {place} ({disk.kind}), and {wish.board.name} boots from {', '.join(wish.board.storage)}"


def _small(disk: Disk, wish: Wish) -> str:
    if disk.size >= wish.size:
        return ""
    return f"{disk.path} is too small: {readable_size(disk.size)}, and {readable_size(wish.size)} are needed"


def _large(disk: Disk, wish: Wish) -> str:
    if wish.large or wish.board is None or disk.size <= wish.board.max_size:
        return ""
    limit = wish.board.max_size // GIB
    size = readable_size(disk.size)
    return f"{disk.path} is suspiciously large: {size}; for {wish.board.name} up to {limit} GiB are usual"


def _hidden(disk: Disk, _: Wish) -> str:
    names = [name for name, member in _members(disk) if member == UNREADABLE]
    return f"nobody could look at what /dev/{names[0]} belongs to" if names else ""


RULES = (
    Rule("root", _mounted_at(lambda point: point == "/", "/")),
    Rule("boot", _mounted_at(lambda point: _below(point, _BOOT), "/boot")),
    Rule("system", _mounted_at(lambda point: _below(point, _SYSTEM), "a part of the system")),
    Rule("swap", _swap, lambda disk: f"Type: swapoff {disk.swaps[0]}"),
    Rule("mounted", _mounted, lambda disk: f"Type: umount /dev/{disk.mounts[0][0]}"),
    Rule("member", _member, _wipe),
    Rule("held", _held, lambda disk: f"Type: lsblk {disk.path}"),
    Rule("no-card", _empty, lambda _: "Put one in, then type: headgate disks"),
    Rule("read-only", _read_only, lambda disk: f"Slide the card's lock, or type: blockdev --setrw {disk.path}"),
    Rule("bus", _bus),
    Rule("too-small", _small),
    Rule("too-large", _large, lambda _: "If it is the right one, repeat the command with --large"),
    Rule("unreadable", _hidden, lambda _: "Type the same after sudo"),
)


def why_not(disk: Disk, wish: Wish) -> Refused | None:
    """The one reason against writing this disk, with the one next step; None when there is none."""
    for rule in RULES:
        cause = rule.cause(disk, wish)
        if cause:
            return Refused(rule.name, cause, rule.next_step(disk))
    return None


def find(machine: Machine, named: str) -> Disk:
    """The disk that a user names: sdb, /dev/sdb, or a link below /dev/disk. Raises Refused."""
    text = named if "/" in named else f"/dev/{named}"
    place = machine.root / text.lstrip("/") if text.startswith("/dev/") else Path(text)
    # As the kernel names it, with ! for /, and through all links: /dev/disk/by-id/sdb, a link that is gone, is no sdb.
    real, nodes = os.path.realpath(place), os.path.realpath(machine.root / "dev") + "/"
    device = real.removeprefix(nodes).replace("/", "!") if text.startswith("/dev/") and real.startswith(nodes) else ""
    for disk in machine.disks():
        if disk.name == device:
            return disk
        if any(part.name == device for part in disk.parts):
            cause = f"{named} is a partition of {disk.path}, and an image is a whole disk"
            raise Refused("partition", cause, f"If all of it may go: --disk {disk.path}", USAGE)
    if place.is_file() or place.is_dir():
        raise Refused(
            "not-a-disk", f"{named} is a file or folder, not a disk", f"Files are written with --out {named}", USAGE
        )
    if place.exists():
        raise Refused("not-a-disk", f"{named} is no disk", ANOTHER, USAGE)
    raise Refused("no-such-disk", f"there is no disk {named}", "Plug it in, then type: headgate disks", MISSING)


def choose(machine: Machine, wish: Wish) -> Disk:
    """The only disk that could be meant. Never one of several: raises Refused."""
    easy = [disk for disk in machine.disks() if not disk.internal]
    able = [disk for disk in easy if why_not(disk, wish) is None]
    if len(able) == 1:
        return able[0]
    if able:
        names = ", ".join(f"{d.path} ({readable_size(d.size)} {d.model})".replace(" )", ")") for d in able)
        raise Refused(
            "several",
            f"{len(able)} disks could be meant: {names}",
            f"Name one, for instance: --disk {able[0].path}",
            USAGE,
        )
    if easy:
        reason = why_not(easy[0], wish)
        raise (
            reason
            if reason is not None and len(easy) == 1
            else Refused("no-candidate", "none of the disks here can be used", "Type: headgate disks", MISSING)
        )
    raise Refused("no-candidate", "there is no card or USB disk", "Plug one in, then type: headgate disks", MISSING)


def changed(before: Disk, now: Disk | None) -> str:
    """What differs between the disk the user agreed to and the one that is there now, or ""."""
    if now is None:
        return f"{before.path} is gone"
    for what in ("dev", "size", "serial", "model", "sequence"):
        old, new = getattr(before, what), getattr(now, what)
        if old != new:
            return f"{before.path} is another disk now: its {what} was {old or 'none'} and is {new or 'none'}"
    return ""
