"""The raw disk: genimage puts partitions together, from a plan that is data (boards/common/image.toml)."""

import hashlib
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headgate.errors import USAGE, CommandError
from headgate_host.image.tools import Tools

MIB = 1 << 20
FIRST_MIB = 1  # where the first partition starts; as much is left at the end, for the second table
# GPT partition types: Linux file system data; EFI system partition would make firmware look into it.
LINUX = "0fc63daf-8483-4772-8e79-3d69d8477de4"
BASIC_DATA = "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7"
FAT_LBA = "0x0c"  # the type of a FAT partition in an MBR
TABLES = {"gpt": "gpt", "gpt-hybrid": "hybrid", "mbr": "mbr"}  # board.toml's words -> genimage's


@dataclass(frozen=True, slots=True)
class Place:
    """A partition: `kind` says what is in it (fat, root, ext4, empty), `size` is in MiB."""

    name: str
    kind: str
    size: int
    sparse: bool = False


def plan(partitions: Iterable[Mapping[str, Any]], disk_mib: int) -> list[Place]:
    """The partitions with their sizes; the one of 0 MiB gets what is left. Raises CommandError(USAGE)."""
    rows = list(partitions)
    left = disk_mib - 2 * FIRST_MIB - sum(row["mib"] for row in rows)
    if left < 1:
        raise CommandError(USAGE, f"a disk of {disk_mib} MiB is too small by {1 - left} MiB", "--set disk_mib=NUMBER")
    return [Place(row["name"], row["kind"], row["mib"] or left, row.get("sparse", False)) for row in rows]


def fixed_id(seed: str, name: str) -> str:
    """A UUID that follows from what the image is and what carries it: the same inputs, the same bytes."""
    return str(uuid.UUID(bytes=hashlib.sha256(f"{seed} {name}".encode()).digest()[:16], version=4))


@dataclass(frozen=True, slots=True)
class Layout:
    """What a disk is to be. `table`: board.toml's word; `seed`: of all identifiers."""

    places: list[Place]
    table: str
    seed: str

    def id(self, name: str) -> str:
        return fixed_id(self.seed, name)


def make(layout: Layout, contents: Mapping[str, Path], work: Path, tools: Tools) -> Path:
    """work/disk.img. `contents`: partition -> a folder (FAT) or a file, below `work`.

    Raises CommandError when something does not fit into its partition.
    """
    for place in layout.places:
        command: list[str] = []
        if place.kind == "fat":
            command = _fat(place, layout)
            check_size(place, *contents[place.name].rglob("*"))
        elif place.kind == "ext4":
            command = _ext4(place, layout)
        elif place.kind == "root":
            check_size(place, contents[place.name])
        if command:
            with (work / _file(place)).open("wb") as file:
                file.truncate(place.size * MIB)
            tools.run(work, *command, _file(place))
        if place.kind == "fat":
            _fill(_file(place), contents[place.name], work, tools)
    images = {name: str(path.relative_to(work)) for name, path in contents.items() if path.is_file()}
    (work / "genimage.cfg").write_text(_config(layout, images))
    (work / "nothing").mkdir()
    folders = ["--rootpath", "nothing", "--tmppath", "genimage.tmp", "--inputpath", ".", "--outputpath", "."]
    tools.run(work, "genimage", "--config", "genimage.cfg", *folders)
    return work / "disk.img"


def _config(layout: Layout, images: Mapping[str, str]) -> str:
    table = TABLES[layout.table]
    lines = ["image disk.img {", "hdimage {"]
    lines += [f'partition-table-type = "{table}"', "align = 1M", f'disk-uuid = "{layout.id("disk")}"', "}"]
    offset = FIRST_MIB
    for place in layout.places:
        lines += [f"partition {place.name} {{", f"offset = {offset}M", f"size = {place.size}M"]
        lines.append(f'partition-uuid = "{layout.id(place.name)}"')
        lines.append(f'partition-type-uuid = "{BASIC_DATA if place.kind == "fat" else LINUX}"')
        if place.name == "fw":
            lines += ["bootable = true"] + [f"partition-type = {FAT_LBA}"] * (table != "gpt")
        if place.kind in ("fat", "ext4"):
            lines.append(f'image = "{_file(place)}"')
        elif place.kind == "root":
            lines.append(f'image = "{images[place.name]}"')
        lines.append("}")
        offset += place.size
    lines += [f"size = {offset + FIRST_MIB}M", "}"]
    return "\n".join(lines) + "\n"


def _file(place: Place) -> str:
    return f"{place.name}.part"


def _fat(place: Place, layout: Layout) -> list[str]:
    volume = layout.id(f"{place.name} volume")[:8]
    return ["mkfs.vfat", "--invariant", "-F", "16", "-i", volume, "-n", place.name.upper()]


def _fill(image: str, folder: Path, work: Path, tools: Tools) -> None:
    for path in sorted(folder.rglob("*")):
        target = f"::{path.relative_to(folder)}"
        if path.is_dir():
            tools.run(work, "mmd", "-i", image, target)
        else:
            tools.run(work, "mcopy", "-i", image, str(path.relative_to(work)), target)


def _ext4(place: Place, layout: Layout) -> list[str]:
    # The hash of directory names needs a seed. Tables and journal are written at once: a hole may hold anything.
    extended = f"hash_seed={layout.id(f'{place.name} hash')},lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0"
    options = ["-q", "-t", "ext4", "-L", place.name, "-m", "0", "-U", layout.id(f"{place.name} ext4")]
    return ["mke2fs", *options, "-E", extended]


def check_size(place: Place, *files: Path) -> None:
    size = sum(file.stat().st_size for file in files if file.is_file())
    if size > place.size * MIB:
        cause = f"what goes into {place.name} has {size / MIB:.1f} MiB, the partition {place.size}"
        raise CommandError(USAGE, cause, "Make it smaller, or the partition larger: boards/common/image.toml")
