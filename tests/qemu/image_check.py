"""Looks into a disk that was flashed: is everything there that the board's firmware, U-Boot and kernel need to start?

What an emulator cannot show of a Raspberry Pi (its firmware, its memory) is checked as far as files can tell.
"""

import re
import struct
import subprocess
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import zstandard

from headgate.linux.image_format import Partition
from headgate_host.flash import partition_table
from headgate_host.image import boot_files, device_tree, disk, recipe
from headgate_host.image.recipe import Recipe

MIB = 1 << 20
ROOT_MAX, IMAGE_MAX = 40_000_000, 96_000_000  # bytes: the goals of docs/image-build.md
INITRD_MAX = 8 * MIB
MBR_FAT, MBR_PROTECTIVE, MBR_ACTIVE = 0x0C, 0xEE, 0x80
_MBR = struct.Struct("<B3sB3sII")
# U-Boot's legacy image: magic, CRC, time, size, two addresses, CRC; system, CPU, kind, compression; name
_SCRIPT = struct.Struct(">IIIIIII4B32s")
_SCRIPT_MAGIC, _SCRIPT_KIND = 0x27051956, 6
_ELF, _ELF_MACHINE = b"\x7fELF", 18
# Debian's word -> (CPU of a U-Boot image, machine of an ELF file)
ARCHITECTURES = {"arm64": (22, 183), "armhf": (2, 40)}
# What the Raspberry Pi's firmware loads itself: before the Pi 4, and on it (it has its first stage in an EEPROM).
STAGES = {"BCM2711": ("start4.elf", "fixup4.dat"), "": ("bootcode.bin", "start.elf", "fixup.dat")}
_CPIO = 110  # bytes of a newc header: 6 of magic, 13 numbers of 8 hexadecimal digits


class Wrong(Exception):
    """What the disk should have and has not."""


def must(so: bool, what: str) -> None:
    if not so:
        raise Wrong(what)


def check(path: Path, board: str, image: Path) -> dict[str, Any]:
    """`path`: the disk; `image`: what was flashed, U-Boot of an emulator beside it. -> sizes. Raises Wrong."""
    plan = recipe.load(board)
    work = path.with_suffix(".parts")
    with path.open("rb") as file:
        parts = _partitions(file, path.stat().st_size, plan)
        firmware, boot = (_fat(file, parts[name], work) for name in ("fw", "boot_a"))
        root = _at(file, parts["root_a"], 0, 96)
        file_system = _at(file, parts["data"], 1024, 1024)
    must(root[:4] == b"hsqs", "root_a is no squashfs")
    must(file_system[56:58] == b"\x53\xef", "data is no ext4")
    must((firmware / "boot.scr").exists(), "there is no boot.scr on fw")
    script = _script((firmware / "boot.scr").read_bytes(), plan)
    if plan.board.facts["boot"]["method"] == boot_files.RASPBERRY_PI:
        _raspberry_pi(firmware, boot, plan)
        u_boot = (firmware / "u-boot.bin").read_bytes()
    else:
        u_boot = image.with_name(image.name.replace(".img.zst", ".u-boot.bin")).read_bytes()
    kernel = (boot / "vmlinuz").read_bytes()
    _initrd((boot / "initrd").read_bytes(), plan)
    _slot(boot, plan)
    _emulator_tree(image, boot, plan)
    _memory(script, u_boot, kernel, (boot / "initrd").stat().st_size, plan)
    (root_size,) = struct.unpack_from("<Q", root, 40)
    sizes = {"image": image.stat().st_size, "root": root_size, "kernel": len(kernel)}
    must(root_size <= ROOT_MAX, f"the root has {root_size} bytes, more than {ROOT_MAX}")
    must(sizes["image"] <= IMAGE_MAX, f"the image has {sizes['image']} bytes, more than {IMAGE_MAX}")
    return {f"{name}_bytes": size for name, size in sizes.items()} | {"initrd_bytes": (boot / "initrd").stat().st_size}


def _at(file: BinaryIO, part: Partition, offset: int, size: int) -> bytes:
    file.seek(part.start + offset)
    return file.read(size)


def _partitions(file: BinaryIO, size: int, plan: Recipe) -> dict[str, Partition]:
    found = partition_table.read(file, size)
    wanted = disk.plan(plan.common["partition"], size // MIB)
    names = [(part.name, part.size) for part in found]
    must(names == [(place.name, place.size * MIB) for place in wanted], f"the partitions are {names}")
    file.seek(446)
    rows = [row for row in _MBR.iter_unpack(file.read(64)) if row[2]]
    fat = [(row[0], row[4] * 512) for row in rows if row[2] == MBR_FAT]
    hybrid = plan.board.facts["boot"]["partition_table"] == "gpt-hybrid"
    must(fat == [(MBR_ACTIVE, found[0].start)] * hybrid, f"the MBR shows {rows}")
    must(any(row[2] == MBR_PROTECTIVE for row in rows), "nothing in the MBR protects the GPT")
    return {part.name: part for part in found}


def _fat(file: BinaryIO, part: Partition, work: Path) -> Path:
    """A folder with what is in the FAT file system, which is whole."""
    folder = work / part.name
    folder.mkdir(parents=True)
    image = work / f"{part.name}.fat"
    image.write_bytes(_at(file, part, 0, part.size))
    for command in (["fsck.fat", "-n", image.name], ["mcopy", "-s", "-n", "-i", image.name, "::*", part.name]):
        done = subprocess.run(
            command, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        must(done.returncode == 0, f"{part.name}: {command[0]}: {done.stdout[-500:]}")
    image.unlink()
    return folder


def _script(data: bytes, plan: Recipe) -> str:
    """The text of boot.scr, as U-Boot would take it."""
    fields = _SCRIPT.unpack_from(data)
    head, body = data[: _SCRIPT.size], data[_SCRIPT.size :]
    must(fields[0] == _SCRIPT_MAGIC and fields[3] == len(body), "boot.scr is no image of U-Boot's")
    must(zlib.crc32(head[:4] + bytes(4) + head[8:]) == fields[1], "the checksum of boot.scr's header")
    must(zlib.crc32(body) == fields[6], "the checksum of boot.scr")
    must(fields[8:10] == (ARCHITECTURES[plan.architecture][0], _SCRIPT_KIND), f"boot.scr is for {fields[8:10]}")
    (length,) = struct.unpack_from(">I", body)  # a list of lengths, which a 0 ends
    text = body[8 : 8 + length].decode()
    must(text == (recipe.common_folder() / "boot/boot.cmd").read_text(), "boot.scr is not boot.cmd")
    return text


def _raspberry_pi(firmware: Path, boot: Path, plan: Recipe) -> None:
    """What the maker's firmware reads: https://www.raspberrypi.com/documentation/computers/config_txt.html"""
    lines = (line for line in (firmware / "config.txt").read_text().splitlines() if line and line[0] != "#")
    config = dict(line.split("=", 1) for line in lines)
    must(config["arm_64bit"] == str(int(plan.architecture == "arm64")), "config.txt: arm_64bit")
    must(config["enable_uart"] == "1", "config.txt: without enable_uart=1 the console has no clock")
    must((firmware / config["kernel"]).exists(), f"config.txt: no {config['kernel']}")
    must(config["upstream_kernel"] == "1", "config.txt: the firmware would look for its own kernel's device trees")
    for name in STAGES.get(plan.board.facts["soc"], STAGES[""]):
        must((firmware / name).stat().st_size > 0, f"{name} is empty")
    for program in firmware.glob("start*.elf"):
        must(program.read_bytes()[:4] == _ELF, f"{program.name} is no program")
    must("Broadcom" in (firmware / "LICENCE.txt").read_text(errors="replace"), "the firmware's licence is missing")
    for tree in boot.glob("*.dtb"):
        must((firmware / tree.name).read_bytes() == tree.read_bytes(), f"fw has another {tree.name}")


def _slot(boot: Path, plan: Recipe) -> None:
    variables = dict(line.split("=", 1) for line in (boot / "boot.txt").read_text().splitlines())
    must(variables["hg_cmdline"].startswith(plan.own["cmdline"]), f"boot.txt: {variables}")
    trees = sorted(path.name for path in boot.glob("*.dtb"))
    must(trees == sorted(Path(name).name for name in plan.own.get("dtbs", ())), f"device trees: {trees}")
    must(variables.get("hg_fdt") == (trees[0] if len(trees) == 1 else None), f"boot.txt: {variables}")


def _emulator_tree(image: Path, boot: Path, plan: Recipe) -> None:
    """Beside an emulator's image: the slot's device tree, in which U-Boot finds switched off what it must leave alone,
    and nothing else is changed."""
    stem = image.name.removesuffix(".img.zst")
    beside = sorted(image.parent.glob(f"{stem}.*.dtb"))
    trees = sorted(boot.glob("*.dtb")) if "emulator" in plan.board.facts else []
    must([path.name for path in beside] == [f"{stem}.{tree.name}" for tree in trees], f"beside the image: {beside}")
    for tree, own in zip(trees, beside, strict=True):
        off = {path.rpartition("/")[2] for path in plan.board.facts["emulator"].get("u_boot_without", ())}
        before, after = (device_tree.nodes(path.read_bytes()) for path in (tree, own))
        must({node.name for node in before if node.enabled} >= off, f"{tree.name} has not all of {off}, switched on")
        for node in before:
            if node.name in off:
                node.properties["status"] = b"disabled\0"
        must(before == after, f"{own.name} is not {tree.name} without {off}")


def _initrd(data: bytes, plan: Recipe) -> None:
    files: dict[str, bytes] = {}
    archive = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    position = 0
    while archive[position : position + 6] == b"070701":
        numbers = [int(archive[start : start + 8], 16) for start in range(position + 6, position + _CPIO, 8)]
        size, length = numbers[6], numbers[11]
        start = (position + _CPIO + length + 3) & ~3
        files[archive[position + _CPIO :][: length - 1].decode().removeprefix("./")] = archive[start : start + size]
        position = (start + size + 3) & ~3
    must("TRAILER!!!" in files, "the initrd ends too early")
    must(files["init"] == (recipe.common_folder() / "initrd/init").read_bytes(), "the initrd has another init")
    (machine,) = struct.unpack_from("<H", files["bin/busybox"], _ELF_MACHINE)
    must(machine == ARCHITECTURES[plan.architecture][1], f"the initrd's busybox is for machine {machine}")
    modules = {Path(name).name for name in files if name.endswith(".ko")}
    missing = {f"{name}.ko" for name in files["modules.txt"].decode().split()} - modules
    must(not missing, f"modules that the initrd is to load and has not: {missing}")


def _memory(script: str, u_boot: bytes, kernel: bytes, initrd: int, plan: Recipe) -> None:
    """Kernel, device tree and initrd lie apart where the script has U-Boot load them, and fit the smallest board."""
    place = re.search(rb"\0kernel_addr_r=(0x[0-9a-f]+)\0", u_boot)
    further = re.search(r"setexpr hg_initrd_at \$\{kernel_addr_r\} \+ ([0-9a-f]+)\n", script)
    before = re.search(r"setexpr hg_tree_at \$\{hg_initrd_at\} - ([0-9a-f]+)\n", script)
    if place is None or further is None or before is None:
        raise Wrong("the places for kernel and initrd are not to be found")
    start = int(place[1], 16)
    initrd_at = start + int(further[1], 16)
    if plan.architecture == "arm64":  # Documentation/arch/arm64/booting.rst: the size with .bss; U-Boot aligns to 2 MiB
        must(kernel[56:60] == b"ARMd", "vmlinuz is no arm64 kernel")
        (size,) = struct.unpack_from("<Q", kernel, 16)
        end = -(-start // (2 * MIB)) * 2 * MIB + size
    else:  # Documentation/arch/arm/booting.rst, a zImage
        must(struct.unpack_from("<I", kernel, 0x24) == (0x016F2818,), "vmlinuz is no ARM kernel")
        end = start + len(kernel)
    must(end <= initrd_at - int(before[1], 16), f"the kernel reaches to {end:#x}, over what is loaded behind it")
    must(initrd <= INITRD_MAX, f"the initrd has {initrd} bytes")
    memory = start // (128 * MIB) * 128 * MIB + plan.board.facts["ram_kib"][0] * 1024
    must(initrd_at + initrd <= memory, "the initrd reaches beyond the memory of the smallest board")
