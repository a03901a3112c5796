"""The initrd: busybox, the modules that reach the root file system, and a script (boards/common/initrd/init)."""

import shutil
from pathlib import Path

from headgate_host.image import kernel, recipe
from headgate_host.image.recipe import Recipe
from headgate_host.image.tools import Tools

FOLDERS = ("bin", "dev", "proc", "sys", "sysroot", "usr/lib/modules")


def make(build: Recipe, parts: Path, modules: Path, work: Path, tools: Tools) -> Path:
    """work/initrd, zstd of a cpio archive. `modules`: what kernel.index made."""
    tree = work / "initrd.tree"
    for folder in FOLDERS:
        (tree / folder).mkdir(parents=True)
    (tree / "lib").symlink_to("usr/lib")
    shutil.copyfile(parts / "usr/bin/busybox", tree / "bin/busybox")
    shutil.copyfile(recipe.common_folder() / "initrd/init", tree / "init")
    order = kernel.install(modules, build.modules(initrd=True), tree, tools)
    (tree / "modules.txt").write_text("".join(f"{name}\n" for name in order))
    for program in ("bin/busybox", "init"):
        (tree / program).chmod(0o755)
    # Names in order, times and inode numbers of no meaning: the same archive each time.
    archive = (
        "cd initrd.tree && find . -exec touch --no-dereference --date=@$SOURCE_DATE_EPOCH {} + && "
        "find . -print0 | LC_ALL=C sort --zero-terminated | "
        "cpio --null --create --format=newc --reproducible --owner=0:0 --quiet | zstd -q -19 --no-check -o ../initrd"
    )
    tools.run(work, "sh", "-c", archive)
    shutil.rmtree(tree)
    return work / "initrd"
