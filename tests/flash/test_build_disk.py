"""A small disk by the real programs: partitions where the plan has them, the same bytes twice, and it can be packed."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from headgate.errors import CommandError
from headgate_host.flash import image_pack, partition_table
from headgate_host.flash.image_open import Image, trusted_keys
from headgate_host.image import build, disk, recipe
from headgate_host.update.bundle import Bundle

from . import kit

SBIN = f"{os.environ['PATH']}:/usr/sbin:/sbin"
PROGRAMS = ("genimage", "mkfs.vfat", "mcopy", "mmd", "mke2fs", "e2fsck")
pytestmark = pytest.mark.skipif(
    not all(shutil.which(name, path=SBIN) for name in PROGRAMS), reason="needs genimage, dosfstools, mtools, e2fsprogs"
)
EPOCH = 1764345600
MIB = disk.MIB
DISK_MIB = 64


class Here:
    """tools.Tools with the programs of this machine."""

    def run(self, folder: Path, *command: str) -> str:
        environment = {"PATH": SBIN, "TZ": "UTC", "SOURCE_DATE_EPOCH": str(EPOCH), "E2FSPROGS_FAKE_TIME": str(EPOCH)}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def contents(work: Path) -> dict[str, Path]:
    firmware, boot = work / "fw", work / "boot"
    (firmware / "overlays").mkdir(parents=True)
    (firmware / "boot.scr").write_bytes(b"script")
    (firmware / "overlays/disable-bt.dtbo").write_bytes(b"overlay")
    boot.mkdir()
    (boot / "vmlinuz").write_bytes(b"kernel" * 1000)
    (work / "root.squashfs").write_bytes(b"hsqs" * 5000)
    return {"fw": firmware, "boot_a": boot, "root_a": work / "root.squashfs"}


def make(work: Path, table: str = "gpt-hybrid", seed: str = "1 test") -> tuple[Path, list[disk.Place]]:
    work.mkdir()
    rows = [row | {"mib": min(row["mib"], 10)} for row in recipe.load("rpi-3").common["partition"]]
    places = disk.plan(rows, DISK_MIB)
    layout = disk.Layout(places, table, seed)
    return disk.make(layout, contents(work), work, Here()), places  # type: ignore[arg-type]


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[disk.Place]]:
    return make(tmp_path_factory.mktemp("disk") / "one")


def test_partitions_are_where_the_plan_has_them(made: tuple[Path, list[disk.Place]]) -> None:
    raw, places = made
    assert raw.stat().st_size == DISK_MIB * MIB
    with raw.open("rb") as file:
        found = partition_table.read(file, DISK_MIB * MIB)
        start = disk.FIRST_MIB * MIB
        for part, place in zip(found, places, strict=True):
            assert (part.name, part.start, part.size) == (place.name, start, place.size * MIB)
            start += place.size * MIB
        at = {part.name: part.start for part in found}
        file.seek(at["root_a"])
        assert file.read(8) == b"hsqshsqs"
        file.seek(at["provision"])
        assert file.read(MIB) == bytes(MIB)
        file.seek(0)
        mbr = file.read(512)[446:510]
    fat = [row for row in (mbr[i : i + 16] for i in range(0, 64, 16)) if row[4] == 0x0C]
    assert [int.from_bytes(row[8:12], "little") * 512 for row in fat] == [at["fw"]]  # what old firmware looks for


def test_file_systems_are_whole(made: tuple[Path, list[disk.Place]]) -> None:
    work = made[0].parent
    tools = Here()
    tools.run(work, "e2fsck", "-fn", "data.part")
    assert tools.run(work, "mcopy", "-n", "-i", "fw.part", "::overlays/disable-bt.dtbo", "-") == "overlay"
    assert tools.run(work, "mcopy", "-n", "-i", "boot_a.part", "::vmlinuz", "-") == "kernel" * 1000


def test_the_same_inputs_give_the_same_bytes(made: tuple[Path, list[disk.Place]], tmp_path: Path) -> None:
    first = sha256(made[0])
    assert sha256(make(tmp_path / "two")[0]) == first
    assert sha256(make(tmp_path / "three", seed="1 other")[0]) != first  # identifiers are its own


def test_it_is_packed_and_the_empty_slot_is_not_written(made: tuple[Path, list[disk.Place]], tmp_path: Path) -> None:
    raw, places = made
    facts = image_pack.Facts("rpi-3", "headgate", "1", EPOCH, sparse=[place.name for place in places if place.sparse])
    manifest = image_pack.pack(raw, tmp_path / "x.img.zst", facts, kit.SEED, level=1)
    at = {part.name: part for part in manifest.partitions}
    written = [(piece.start, piece.start + piece.size) for piece in manifest.ranges]
    for name in ("boot_b", "root_b", "provision"):
        part = at[name]
        assert not any(start < part.start + part.size and part.start < end for start, end in written), name
    assert any(start <= at["bootstate"].start < end for start, end in written)  # never a stranger's boot state
    kit.trust(tmp_path)
    with Image(tmp_path / "x.img.zst", trusted_keys([tmp_path])) as image:
        assert image.manifest == manifest
    build._bundle(tmp_path / "x.img.zst", kit.SEED, tmp_path / "x.hgu")
    with Bundle(tmp_path / "x.hgu", trusted_keys([tmp_path])) as bundle:
        assert bundle.manifest == manifest


def test_what_does_not_fit_is_said_before(tmp_path: Path) -> None:
    place = disk.Place("root_a", "root", 1)
    (tmp_path / "big").write_bytes(bytes(MIB + 1))
    with pytest.raises(CommandError, match=r"root_a has 1\.0 MiB, the partition 1"):
        disk.check_size(place, tmp_path / "big")
