"""The initrd: busybox, the modules that reach the root file system, and a script (boards/common/initrd/init)."""

import shutil
from pathlib import Path

from headgate.errors import BUG, CommandError
from headgate_host.image import device_tree, kernel, recipe
from headgate_host.image.job import Job

BUSYBOX = Path("usr/bin/busybox")  # of busybox-static
FOLDERS = ("bin", "dev", "proc", "sys", "sysroot", "usr/lib/modules")


def make(job: Job, modules: Path) -> Path:
    """job.work/initrd, zstd of a cpio archive. `modules`: what kernel.index made."""
    tree = job.work / "initrd.tree"
    for folder in FOLDERS:
        (tree / folder).mkdir(parents=True)
    (tree / "lib").symlink_to("usr/lib")
    shutil.copyfile(job.parts / BUSYBOX, tree / "bin/busybox")
    shutil.copyfile(recipe.common_folder() / "initrd/init", tree / "init")
    order = kernel.install(modules, job.recipe.modules(initrd=True), tree, job.tools)
    _check_storage(job, modules, order)
    (tree / "modules.txt").write_text("".join(f"{name}\n" for name in order))
    for program in ("bin/busybox", "init"):
        (tree / program).chmod(0o755)
    # Names in order, times and inode numbers of no meaning: the same archive each time.
    archive = (
        "cd initrd.tree && find . -exec touch --no-dereference --date=@$SOURCE_DATE_EPOCH {} + && "
        "find . -print0 | LC_ALL=C sort --zero-terminated | "
        "cpio --null --create --format=newc --reproducible --owner=0:0 --quiet | zstd -q -19 --no-check -o ../initrd"
    )
    job.run("sh", "-c", archive)
    shutil.rmtree(tree)
    return job.work / "initrd"


def _check_storage(job: Job, modules: Path, order: list[str]) -> None:
    """Raises CommandError where a card would not be found: its controller waits for the drivers of its supplies."""
    loaded = {name.replace("-", "_") for name in order}
    for path in kernel.trees(job.parts, job.recipe.own.get("dtbs", ())):
        for node, compatible in device_tree.storage(path.read_bytes()).items():
            found = kernel.drivers(modules, compatible)
            if found and not found & loaded:
                cause = f"{path.name}: the initrd has no driver for {node}: {', '.join(sorted(found))}"
                raise CommandError(BUG, cause, "Correct the list of modules: boards/common/image.toml")
