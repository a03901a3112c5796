"""What `headgate flash` refuses: numbered cases, each with its one reason, one next step, and nothing written.

The disks are trees that look like /sys (kit.Tree); docs/flash.md has the same list of reasons.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from headgate import errors
from headgate.errors import CommandError
from headgate.linux import image_format
from headgate_host.flash import boards, verb_flash
from headgate_host.flash.disks import Disk

from . import kit
from .kit import GB, MIB, Tree

ROOT = Path(__file__).parents[2]
Setup = Callable[[Tree], object]


@dataclass(frozen=True)
class Case:
    """`words`: of the command line; `cause`, `step`: parts of the two sentences; `code`: of the exit."""

    reason: str
    setup: Setup
    words: str = ""
    cause: str = ""
    step: str = ""
    code: int = errors.REFUSED
    board: str = "rpi-4"


def both(*steps: Setup) -> Setup:
    def run(tree: Tree) -> None:
        for step in steps:
            step(tree)

    return run


def card(**more: object) -> Setup:
    return lambda tree: tree.disk("sdb", **more)  # type: ignore[arg-type]


def on(part: str, point: str) -> Setup:
    """A USB disk with two partitions, one of them mounted."""

    def run(tree: Tree) -> None:
        dev = tree.disk("sdb", parts=(100, 200))
        tree.mount(f"{dev.split(':')[0]}:{part[-1]}", f"/dev/{part}", point)

    return run


def btrfs(tree: Tree) -> None:
    """Its number is not the partition's: known by name only."""
    tree.disk("sdb", parts=(100,))
    tree.mount("0:45", "/dev/sdb1", "/", "btrfs")


def second_of_btrfs(tree: Tree) -> None:
    tree.disk("sdb", parts=(100,))
    tree.disk("sdc", parts=(100,))
    tree.mount("0:46", "/dev/sdb1", "/media/pool", "btrfs")
    for name in ("sdb1", "sdc1"):
        tree._put(f"sys/fs/btrfs/1b2c/devices/{name}", "")


def written(data: bytes, offset: int, *, part: bool = True) -> Setup:
    def run(tree: Tree) -> None:
        tree.disk("sdb", size=64 * MIB, parts=(48,))
        tree.content("sdb1" if part else "sdb", data, offset)

    return run


def known_to_udev(kind: str) -> Setup:
    def run(tree: Tree) -> None:
        dev = tree.disk("sdb", parts=(100,))
        tree.udev(f"{dev.split(':')[0]}:1", ID_FS_TYPE=kind)

    return run


def swapping(tree: Tree) -> None:
    tree.disk("sdb", parts=(100,))
    tree.swap("/dev/sdb1")


def hidden(tree: Tree) -> None:
    """A device node that cannot be opened, and no udev to ask."""
    tree.disk("sdb", parts=(100,))
    (tree.root / "dev/sdb1").unlink()


def file_at(path: str) -> Setup:
    return lambda _: Path(path).write_bytes(b"x")


MD_MAGIC = b"\xfc\x4e\x2b\xa9"
MD_10 = (48 * MIB // 512 - 16) // 8 * 8 * 512
MD_090 = 48 * MIB // 65536 * 65536 - 65536
CASES = {
    # who is meant
    1: Case("no-candidate", lambda _: None, cause="no card or USB disk", step="headgate disks", code=errors.MISSING),
    2: Case("no-candidate", lambda t: t.disk("sda", bus="sata"), cause="no card", code=errors.MISSING),
    3: Case(
        "several", lambda t: (t.disk("sdb"), t.disk("sdc")), cause="/dev/sdc", step="--disk /dev/sdb", code=errors.USAGE
    ),
    4: Case(
        "several",
        lambda t: (t.disk("sdb"), t.disk("mmcblk0", bus="mmc")),
        cause="2 disks could be meant",
        code=errors.USAGE,
    ),
    5: Case("no-such-disk", card(), "--disk /dev/sdx", step="Plug it in", code=errors.MISSING),
    6: Case("partition", card(parts=(100,)), "--disk /dev/sdb1", "of /dev/sdb", "--disk /dev/sdb", errors.USAGE),
    7: Case(
        "partition",
        lambda t: t.disk("mmcblk0", bus="mmc", parts=(100, 100)),
        "--disk mmcblk0p2",
        "of /dev/mmcblk0",
        code=errors.USAGE,
    ),
    8: Case("not-a-disk", file_at("disk.img"), "--disk ./disk.img", step="--out ./disk.img", code=errors.USAGE),
    9: Case("not-a-disk", lambda _: None, "--disk /tmp", code=errors.USAGE),
    10: Case("not-a-disk", lambda t: t._put("dev/tty9", ""), "--disk /dev/tty9", code=errors.USAGE),
    # what is in use
    11: Case("root", on("sdb2", "/"), "--disk sdb", "sdb2 is /", "headgate disks"),
    12: Case("root", btrfs, "--disk sdb", "sdb1 is /"),
    13: Case("root", both(card(parts=(100,)), lambda t: t.mapped("dm-0", "sdb1")), "--disk sdb", "dm-0 is /"),
    14: Case("boot", on("sdb1", "/boot/firmware"), "--disk sdb", "/boot/firmware"),
    15: Case("boot", on("sdb1", "/efi"), "--disk sdb"),
    16: Case("system", on("sdb1", "/var/lib"), "--disk sdb", "/var/lib"),
    17: Case("system", on("sdb1", "/home"), "--disk sdb"),
    18: Case("swap", swapping, "--disk sdb", "sdb1", "swapoff /dev/sdb1"),
    19: Case("mounted", on("sdb1", "/media/me/CARD\\040A"), "--disk sdb", "/media/me/CARD A", "umount /dev/sdb1"),
    20: Case("mounted", on("sdb2", "/bootleg"), "--disk sdb", "sdb2 is mounted"),
    21: Case("member", written(b"LABELONE", 512), "--disk sdb", "member of LVM", "wipefs --all /dev/sdb1"),
    22: Case("member", written(b"LUKS\xba\xbe\0\2", 0), "--disk sdb", "member of LUKS"),
    23: Case("member", written(MD_MAGIC, 4096, part=False), "--disk sdb", "/dev/sdb is a member of md", "/dev/sdb"),
    24: Case("member", written(MD_MAGIC, MD_10), "--disk sdb", "member of md RAID"),
    25: Case("member", written(MD_MAGIC, MD_090), "--disk sdb", "member of md RAID"),
    26: Case("member", written(b"\x0c\xb1\xba\0\0\0\0\0", 140 * 1024), "--disk sdb", "member of ZFS"),
    27: Case("member", known_to_udev("LVM2_member"), "--disk sdb", "member of LVM"),
    28: Case("member", known_to_udev("linux_raid_member"), "--disk sdb", "member of md RAID"),
    29: Case(
        "held",
        both(card(parts=(100,)), lambda t: t.mapped("dm-0", "sdb1", at="")),
        "--disk sdb",
        "in use by dm-0",
        "lsblk /dev/sdb",
    ),
    57: Case("held", second_of_btrfs, "--disk sdc", "in use by btrfs 1b2c"),
    30: Case("unreadable", hidden, "--disk sdb", "/dev/sdb1", "sudo"),
    # what does not fit
    31: Case("no-card", card(size=0), "--disk sdb", "no card in /dev/sdb", "Put one in"),
    32: Case("read-only", card(ro=True), "--disk sdb", "read-only", "lock"),
    33: Case("bus", lambda t: t.disk("sda", bus="sata"), "--disk sda", "internal disk (sata)"),
    34: Case("bus", lambda t: t.disk("nvme0n1", bus="nvme"), "--disk nvme0n1", "rpi-4 boots from sd-card, usb-disk"),
    35: Case("bus", lambda t: t.disk("mmcblk1", bus="mmc", mmc="MMC"), "--disk mmcblk1", "internal disk (emmc)"),
    36: Case("bus", lambda t: t.disk("vda", bus="virtio"), "--disk vda", "internal disk (virtio)"),
    37: Case("bus", lambda t: t.disk("loop3", bus="virtual"), "--disk loop3", "internal disk (loop)"),
    38: Case("too-small", card(size=16 * MIB), "--disk sdb", "16.8 MB, and 25.2 MB are needed"),
    39: Case("too-large", card(size=2000 * GB), "--disk sdb", "2.0 TB", "--large"),
    40: Case("too-small", card(size=16 * MIB), "", "too small"),  # the only card there is, not named
    # whether the user knows
    41: Case("serial", card(serial="A1"), "--disk sdb --expect-serial A2", "serial number A1, not A2"),
    42: Case("serial", card(serial=""), "--disk sdb --expect-serial A2", "(none)"),
    43: Case("yes-needs-serial", card(), "--yes", "which disk", "--expect-serial", errors.USAGE),
    44: Case("yes-needs-serial", card(), "--yes --disk /dev/sdb", code=errors.USAGE),
    58: Case("yes-needs-serial", card(), "--yes --disk /dev/disk/by-id/../../sdb", code=errors.USAGE),
    62: Case("yes-needs-serial", card(serial=""), "--yes --expect-serial=", code=errors.USAGE),  # "$SERIAL", not set
    # a link that is gone, or one that does not tell disks apart, is no other word for the disk with its last part
    59: Case("no-such-disk", card(), "--yes --disk /dev/disk/by-id/sdb", code=errors.MISSING),
    60: Case("no-such-disk", card(parts=(100,)), "--disk /dev/mapper/sdb1", code=errors.MISSING),
    61: Case(
        "no-such-disk",
        both(card(), lambda t: t.by_id("usb-x", "../old/sdb")),
        "--yes --disk /dev/disk/by-id/usb-x",
        code=errors.MISSING,
    ),
    45: Case("nobody-to-ask", card(), "--disk sdb", "not a terminal", "--yes", errors.USAGE),
    # the image
    46: Case("wrong-board", card(), "--disk sdb", "is for rpi-4, not for rpi-3", board="rpi-3"),
    # where a file should go
    47: Case("out-exists", file_at("there.img"), "--out there.img", "exists", "--out", errors.USAGE),
    48: Case("no-place", lambda _: None, "--out no/such/disk.img", "no folder", "mkdir -p no/such", errors.MISSING),
}


def flash(tree: Tree, image: Path, board: str, *words: str) -> int:
    args = kit.arguments(board, "--image", str(image), "--trust", str(image.with_name("image.pub")), *words)
    return verb_flash.flash(boards.load(board), args, tree.machine())


def snapshot(tree: Tree) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (tree.root / "dev").iterdir() if path.is_file()}


def check(tree: Tree, case: Case, run: Callable[[], object]) -> CommandError:
    before = snapshot(tree)
    with pytest.raises(CommandError) as caught:
        run()
    refused = caught.value
    assert getattr(refused, "reason", "") == case.reason, refused.line()
    assert (refused.code, case.cause in refused.cause, case.step in refused.next_step) == (case.code, True, True), (
        refused.line()
    )
    assert "\n" not in refused.line()
    assert refused.next_step
    assert snapshot(tree) == before
    assert not list(Path().glob("birth-certificates/*.json"))
    return refused


@pytest.mark.parametrize("number", CASES)
def test_refused(number: int, tree: Tree, image: Path) -> None:
    case = CASES[number]
    case.setup(tree)
    check(tree, case, lambda: flash(tree, image, case.board, *case.words.split()))


@pytest.mark.parametrize("number", [47, 48])
def test_a_dry_run_refuses_what_it_would_without(number: int, tree: Tree, image: Path) -> None:
    case = CASES[number]
    case.setup(tree)
    check(tree, case, lambda: flash(tree, image, case.board, *case.words.split(), "--dry-run"))


@pytest.mark.parametrize(
    ("board", "setup", "words"),
    [
        ("rpi-4", card(), "--disk sdb"),
        ("rpi-4", card(), ""),  # the only one
        ("rpi-4", both(card(), lambda t: t.disk("sda", bus="sata")), ""),
        ("rpi-4", both(card(), lambda t: t.disk("sdc", size=0)), ""),  # an empty reader beside it
        ("rpi-4", lambda t: t.disk("mmcblk0", bus="mmc"), "--disk /dev/mmcblk0"),
        ("rpi-4", card(size=2000 * GB), "--disk sdb --large"),
        ("rpi-4", card(serial="A1"), "--disk sdb --expect-serial A1"),
        ("rpi-4", both(card(), lambda t: t.by_id("usb-x", "sdb")), "--disk /dev/disk/by-id/usb-x --yes"),
        ("rpi-4", both(card(), lambda t: t.by_id("usb-x", "../dev/sdb")), "--disk /dev/disk/by-id/usb-x --yes"),
        ("rpi-4", written(b"SWAPSPACE2", 4086), "--disk sdb"),  # swap that nobody uses
    ],
)
def test_not_refused(board: str, setup: Setup, words: str, tree: Tree, image: Path) -> None:
    """The cases above fail for what they say they fail for: without it, all checks pass."""
    setup(tree)
    before = snapshot(tree)
    assert flash(tree, image, board, *words.split(), "--dry-run") == errors.OK
    assert snapshot(tree) == before


def test_an_internal_disk_where_the_board_says_so(tree: Tree, image: Path, tmp_path: Path) -> None:
    """rpi-5 boots from NVMe; such a disk is never the one that goes without saying."""
    other = kit.make_image(tmp_path, replace(kit.FACTS, board="rpi-5"), name="five")
    kit.trust(tmp_path)
    tree.disk("nvme0n1", bus="nvme", serial="NV1")
    assert flash(tree, other, "rpi-5", "--disk", "nvme0n1", "--dry-run") == errors.OK
    check(tree, Case("no-candidate", card(), code=errors.MISSING), lambda: flash(tree, other, "rpi-5"))


# --- between the question and the answer -----------------------------------------------------------------------------


def replugged(tree: Tree) -> None:
    tree.set("sdb", "diskseq", "77")


def grown(tree: Tree) -> None:
    tree.set("sdb", "size", str(64 * GB // 512))


CHANGES = {
    49: (lambda t: t.remove("sdb"), Case("changed", card(), cause="is gone", step="headgate disks")),
    50: (replugged, Case("changed", card(), cause="sequence was 1 and is 77")),
    51: (grown, Case("changed", card(), cause="size was")),
    52: (lambda t: t.set("sdb", "device/model", "Backup"), Case("changed", card(), cause="model was Card Reader")),
    53: (lambda t: t.mount("9:1", "/dev/sdb1", "/media/x"), Case("mounted", card(), cause="/media/x")),
    54: (lambda t: t.set("sdb", "ro", "1"), Case("read-only", card(), cause="read-only")),
    # Nothing changed in /sys, but what is opened is not that disk: here, a file.
    55: (lambda _: None, Case("changed", card(), cause="it is no block device")),
}


@pytest.mark.parametrize("number", CHANGES)
def test_changed_while_asking(number: int, tree: Tree, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change, case = CHANGES[number]
    tree.disk("sdb", parts=(100,))
    asked: list[Disk] = []

    def ask(disk: Disk, _: object) -> None:
        asked.append(disk)
        change(tree)

    monkeypatch.setattr(verb_flash, "_ask", ask)
    check(tree, case, lambda: flash(tree, image, "rpi-4", "--disk", "sdb"))
    assert [disk.name for disk in asked] == ["sdb"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("bus", "answer"), [("usb", "yes\n"), ("usb", "\n"), ("usb", ""), ("nvme", "nvme0n1\n")])
def test_56_the_wrong_answer(
    bus: str, answer: str, tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A USB disk wants its name, an internal one its serial number."""
    board, name = ("rpi-5", "nvme0n1") if bus == "nvme" else ("rpi-4", "sdb")
    image = kit.make_image(tmp_path, replace(kit.FACTS, board=board))
    kit.trust(tmp_path)
    tree.disk(name, bus=bus)
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    check(tree, Case("not-confirmed", card()), lambda: flash(tree, image, board, "--disk", name))


def test_an_answer_that_is_no_text(tree: Tree, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.disk("sdb")
    stdin = io.TextIOWrapper(io.BytesIO(b"\xff\n"), encoding="utf-8")
    monkeypatch.setattr(stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdin", stdin)
    check(tree, Case("not-confirmed", card()), lambda: flash(tree, image, "rpi-4", "--disk", "sdb"))


def test_the_right_answer_goes_on(tree: Tree, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the next refusal: a tree's disk is a file."""
    tree.disk("sdb")
    monkeypatch.setattr("sys.stdin", Terminal("sdb\n"))
    check(tree, Case("changed", card()), lambda: flash(tree, image, "rpi-4", "--disk", "sdb"))


# --- what the image has no room for ----------------------------------------------------------------------------------


def without_area(document: dict[str, Any]) -> None:
    del document["provisioning"]


def small_area(document: dict[str, Any]) -> None:
    document["provisioning"]["size"] = 4096


NO_ROOM = {
    57: (without_area, Case("no-area", card(), "--hostname gate", "no provisioning area", "Leave out --provision")),
    58: (without_area, Case("no-area", card(), "--provision fleet.toml", "no provisioning area", "Leave out")),
    59: (small_area, Case("no-area", card(), "--provision fleet.toml", "only 4096 bytes", "Shorten --provision")),
}


@pytest.mark.parametrize("number", NO_ROOM)
def test_no_area(number: int, tree: Tree, image: Path, tmp_path: Path) -> None:
    """What is the board's own has no place: said before anything is written or made up."""
    change, case = NO_ROOM[number]
    document = kit.document_of(image)
    change(document)
    payload = image.read_bytes()[-document["payload"]["size"] :]
    other = kit.signed(document, payload, tmp_path / "other.img.zst")
    kit.trust(tmp_path)
    Path("fleet.toml").write_text(
        f'ssh_keys = ["ssh-rsa {"A" * 1900}", "ssh-rsa {"B" * 1900}", "ssh-rsa {"C" * 1900}"]\n'
    )
    case.setup(tree)
    check(tree, case, lambda: flash(tree, other, case.board, *case.words.split()))
    assert not Path("birth-certificates").exists()
    assert flash(tree, other, case.board, "--no-provision", "--dry-run") == errors.OK


# --- the page --------------------------------------------------------------------------------------------------------


def test_every_reason_is_documented() -> None:
    """docs/flash.md names each reason that the sources know, and no other."""
    files = [*(ROOT / "host_tools/headgate_host/flash").glob("*.py"), Path(image_format.__file__)]
    sources = [path.read_text() for path in files]
    known = {name for text in sources for name in re.findall(r'(?:Refused|Rule|BadImage)\(\s*"([a-z-]+)"', text)}
    section = (ROOT / "docs/flash.md").read_text().split("## What is refused")[1].split("With `--json`")[0]
    table = re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE)
    assert sorted(table) == sorted(known)
    assert len(known) > 20
