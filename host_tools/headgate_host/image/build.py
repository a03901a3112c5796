"""A board's image: Debian's packages -> root, initrd, boot files -> disk -> signed container, with its SBOM.

docs/image-build.md has the picture. What takes long is kept below a cache folder, by what it was made of.
"""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from headgate.core.jwt import EDDSA
from headgate.errors import MISSING, CommandError
from headgate.linux import ed25519, keys
from headgate_host import rootfs
from headgate_host.debian_mirror import debian_mirrors
from headgate_host.flash import image_pack
from headgate_host.flash.progress import Progress
from headgate_host.image import boot_files, disk, initrd, kernel, sbom, system, tools, wheel
from headgate_host.image.job import Job
from headgate_host.image.recipe import Recipe
from headgate_host.update.bundle import Bundle

NAME = "headgate"
FORMAT = "1"  # part of all identifiers: change it and disks have other ones


@dataclass(frozen=True, slots=True)
class Wish:
    """Besides the recipe. `seed`: Ed25519 private key of the signer; `wheel` None: made here; `target`: *.img.zst"""

    target: Path
    version: str
    epoch: int
    seed: bytes | None = None
    wheel: Path | None = None
    level: int = 9  # of zstd: 19 makes the image 3 % smaller and takes as long as all the rest


def build(recipe: Recipe, wish: Wish, cache: Path, progress: Progress) -> dict[str, Path]:
    """-> what was made: image, sbom, and for an emulator what it is given beside the disk. Raises CommandError."""
    # Before it takes minutes: what is refused for its arguments alone.
    places = disk.plan(recipe.common["partition"], recipe.settings["disk_mib"])
    one = wheel.named(wish.wheel, recipe.machine) if wish.wheel else None
    sparse = [place.name for place in places if place.sparse]
    size = recipe.settings["disk_mib"] * disk.MIB
    facts = image_pack.Facts(recipe.board.name, NAME, wish.version, wish.epoch, size, sparse)
    image_pack.check(facts)
    for folder in (cache, wish.target.parent):
        _make_folder(folder)
    with tempfile.TemporaryDirectory(dir=cache, prefix=f".{recipe.board.name}.") as work:
        progress.phase("packages")
        job = _job(recipe, wish, cache, Path(work))
        progress.phase("wheel")
        one = one or wheel.built(recipe.machine, cache, wish.epoch)
        contents, components = _contents(job, wish, one, progress)
        progress.phase("disk")
        seed = f"{FORMAT} {recipe.board.name} {wish.epoch}"
        layout = disk.Layout(places, recipe.board.facts["boot"]["partition_table"], seed)
        raw = disk.make(layout, contents, job.work, job.tools)
        progress.phase("packing")
        manifest = image_pack.pack(raw, wish.target, facts, wish.seed, level=wish.level)
        made = {"image": wish.target} | _beside(job, wish, contents["boot_a"])
        made["sbom"] = _named(wish.target, ".spdx.json")
        text = sbom.document(wish.target.name, manifest.sha256, components, wish.epoch)
        made["sbom"].write_bytes(sbom.encode(text))
    if wish.seed is not None:
        made["update"] = _named(wish.target, ".hgu")
        _bundle(wish.target, wish.seed, made["update"])
    return made


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(MISSING, f"cannot make the folder {folder}: {error.strerror}", "Name another one") from None


def _bundle(image: Path, seed: bytes, target: Path) -> None:
    """What of the image a running board is sent; nobody takes one that is not signed."""
    public = ed25519.public_key(seed)
    with Bundle(image, {keys.thumbprint(EDDSA, public): public}) as bundle:
        bundle.save(target)


def _job(recipe: Recipe, wish: Wish, cache: Path, work: Path) -> Job:
    suite = str(recipe.settings["suite"])
    security = bool(recipe.settings["security"] and debian_mirrors(archive="debian-security"))
    roots = cache / "rootfs"
    archive = rootfs.Archive(suite, security)
    debian = rootfs.make(recipe.architecture, recipe.root_packages, roots, archive, byte_code=False)
    archive = rootfs.Archive(suite, security, "main non-free-firmware")
    parts = rootfs.make(recipe.architecture, recipe.part_packages, roots, archive, byte_code=False)
    return Job(recipe, debian, parts, tools.make(suite, roots, wish.epoch), cache, work)


def _contents(job: Job, wish: Wish, one: Path, progress: Progress) -> tuple[dict[str, Path], list[sbom.Component]]:
    """-> (partition -> what is in it, the components of it all)"""
    progress.phase("kernel")
    modules = kernel.index(job.parts, job.cache, job.tools)
    boot, taken = boot_files.slot(job, initrd.make(job, modules))
    firmware, more = boot_files.firmware(job)
    progress.phase("root")
    root = system.assemble(job, one, modules)
    taken = [*taken, *more, *system.firmware(job, root), initrd.BUSYBOX]
    names = sbom.owners(job.parts, map(str, taken))
    system.licences(job.parts, names, root)
    components = sbom.debian(job.parts, names)
    components += sbom.debian(job.debian, sbom.owners(job.debian, _present(root)))
    components += sbom.python(next(root.glob("usr/local/lib/python3.*/dist-packages")))
    facts = {"board": job.recipe.board.name, "version": wish.version, "created": wish.epoch}
    system.identify(root, facts, ed25519.public_key(wish.seed) if wish.seed is not None else None)
    progress.phase("squashfs")
    squashfs = system.pack(job, root)
    shutil.rmtree(root)
    return {"fw": firmware, "boot_a": boot, "root_a": squashfs}, components


def _present(root: Path) -> Iterator[str]:
    """All files of `root` but documentation: licences alone make no package."""
    for path in root.rglob("*"):
        relative = path.relative_to(root)
        if not path.is_dir() and relative.parts[:3] != ("usr", "share", "doc"):
            yield str(relative)


def _beside(job: Job, wish: Wish, boot: Path) -> dict[str, Path]:
    """What an emulator is given that is not on the disk, beside the image."""
    made: dict[str, Path] = {}
    firmware = boot_files.emulator_firmware(job.recipe)
    if firmware is not None:
        made["firmware"] = _named(wish.target, ".u-boot.bin")
        shutil.copyfile(job.parts / firmware, made["firmware"])
        for tree in boot.glob("*.dtb"):  # one at most: there is one machine
            made["tree"] = _named(wish.target, f".{tree.name}")
            shutil.copyfile(boot_files.emulator_tree(job, tree), made["tree"])
    return made


def _named(target: Path, suffix: str) -> Path:
    return target.with_name(target.name.removesuffix(".img.zst") + suffix)
