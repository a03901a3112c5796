"""What is in `fw` and `boot_a`: the maker's firmware, U-Boot and its script; kernel, initrd, device trees.

The contract with the boot script (boards/common/boot/boot.cmd): a slot's boot partition holds `vmlinuz`, `initrd`,
the board's device trees, and `boot.txt`, a U-Boot environment in text: `hg_cmdline`, the kernel's command line without
what depends on the slot; `hg_fdt`, the device tree to use where there is one only, else the firmware's choice.
"""

import shutil
from pathlib import Path

from headgate.errors import BUG, CommandError
from headgate_host.flash import boards
from headgate_host.image import kernel
from headgate_host.image.job import Job
from headgate_host.image.recipe import Recipe, common_folder

RASPBERRY_PI = "raspberry-pi"  # [boot] method
# Of Debian's raspi-firmware: for the boards before the Pi 4, and for it. The Pi 5 has its firmware in flash.
FIRMWARE = Path("usr/lib/raspi-firmware")
FIRMWARE_FILES = ("bootcode.bin", "start.elf", "fixup.dat", "start4.elf", "fixup4.dat")
FIRMWARE_LICENCE = Path("usr/share/doc/raspi-firmware/copyright")
U_BOOT = Path("usr/lib/u-boot")


def slot(job: Job, initrd: Path) -> tuple[Path, list[Path]]:
    """-> (job.work/boot, the paths below job.parts that were taken)"""
    folder, parts, recipe = job.work / "boot", job.parts, job.recipe
    folder.mkdir()
    release = kernel.version(parts)
    taken = [Path("boot") / f"vmlinuz-{release}"]
    shutil.copyfile(parts / taken[0], folder / "vmlinuz")
    shutil.copyfile(initrd, folder / "initrd")
    trees = kernel.trees(parts, recipe.own.get("dtbs", ()))
    for tree in trees:
        _copy(tree, folder / tree.name)
    lines = [f"hg_cmdline={recipe.cmdline}"]
    lines += [f"hg_fdt={trees[0].name}"] if len(trees) == 1 else []
    (folder / "boot.txt").write_text("".join(f"{line}\n" for line in lines))
    return folder, taken + [tree.relative_to(parts) for tree in trees]


def firmware(job: Job) -> tuple[Path, list[Path]]:
    """-> (job.work/fw, the paths below job.parts that were taken)"""
    folder, parts, recipe = job.work / "fw", job.parts, job.recipe
    folder.mkdir()
    taken: list[Path] = []
    common, own = common_folder() / "boot", boards.folder() / recipe.board.name / "boot"
    shutil.copyfile(common / "boot.cmd", job.work / "boot.cmd")
    script = ["mkimage", "-A", recipe.architecture.removesuffix("hf"), "-T", "script", "-C", "none", "-d", "boot.cmd"]
    job.run(*script, "fw/boot.scr")
    if recipe.board.facts["boot"]["method"] == RASPBERRY_PI:
        taken += [FIRMWARE / name for name in FIRMWARE_FILES]
        for path in taken:
            _copy(parts / path, folder / path.name)
        _copy(parts / FIRMWARE_LICENCE, folder / "LICENCE.txt")
        for tree in kernel.trees(parts, recipe.own.get("dtbs", ())):  # the firmware looks for the board's beside itself
            _copy(tree, folder / tree.name)
        u_boot = U_BOOT / recipe.own["u_boot"]
        _copy(parts / u_boot, folder / "u-boot.bin")
        taken.append(u_boot)
        for source in (common / "config.txt", own / "config.txt"):
            if source.exists():
                shutil.copyfile(source, folder / "config.txt")
    return folder, taken


def emulator_firmware(recipe: Recipe) -> Path | None:
    """U-Boot as an emulator takes it: not on the disk. Below Job.parts; None where there is none."""
    if "emulator" not in recipe.board.facts or "u_boot" not in recipe.own:
        return None
    return U_BOOT / str(recipe.own["u_boot"])


def emulator_tree(job: Job, tree: Path) -> Path:
    """For the emulated U-Boot: `tree` without what it must leave alone. The kernel gets the slot's own."""
    own = job.work / "emulator.dtb"
    shutil.copyfile(tree, own)
    for node in job.recipe.board.facts["emulator"].get("u_boot_without", ()):
        job.run("fdtput", "-t", "s", own.name, node, "status", "disabled")
    return own


def _copy(source: Path, target: Path) -> None:
    if not source.exists():
        raise CommandError(BUG, f"there is no {source.name} in Debian's packages", "Correct [image] in board.toml")
    shutil.copyfile(source, target)
