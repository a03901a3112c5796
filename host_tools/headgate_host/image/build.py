"""A board's image from nothing: Debian's packages -> root, initrd, boot files -> disk -> signed container, and its SBOM.

docs/image-build.md has the picture. What takes long is kept below a cache folder, by what it was made of.
"""

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from headgate.linux import ed25519
from headgate_host import rootfs
from headgate_host.debian_mirror import debian_mirrors
from headgate_host.flash import image_pack
from headgate_host.flash.progress import Progress
from headgate_host.image import boot_files, disk, initrd, kernel, sbom, system, tools, wheel
from headgate_host.image.recipe import Recipe
from headgate_host.image.tools import Tools

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
    level: int = 19


@dataclass(frozen=True, slots=True)
class Sources:
    """Debian's part: roots that are shared with other images, and the programs."""

    system: Path  # unpacked packages of the root
    parts: Path  # unpacked packages of which single files are taken
    tools: Tools


def build(recipe: Recipe, wish: Wish, cache: Path, progress: Progress) -> dict[str, Path]:
    """-> what was made: image, sbom, and for an emulator what it is given beside the disk. Raises CommandError."""
    cache.mkdir(parents=True, exist_ok=True)
    progress.phase("packages")
    sources = _sources(recipe, wish, cache)
    progress.phase("wheel")
    one = wheel.named(wish.wheel, recipe.machine) if wish.wheel else wheel.built(recipe.machine, cache, wish.epoch)
    with tempfile.TemporaryDirectory(dir=cache, prefix=f".{recipe.board.name}.") as folder:
        work = Path(folder)
        contents, components = _contents(recipe, wish, sources, one, work, cache, progress)
        progress.phase("disk")
        places = disk.plan(recipe.common["partition"], recipe.settings["disk_mib"])
        table = recipe.board.facts["boot"]["partition_table"]
        seed = f"{FORMAT} {recipe.board.name} {wish.epoch}"
        raw = disk.make(places, table, seed, contents, work, sources.tools)
        progress.phase("packing")
        wish.target.parent.mkdir(parents=True, exist_ok=True)
        sparse = [place.name for place in places if place.sparse]
        facts = image_pack.Facts(recipe.board.name, NAME, wish.version, wish.epoch, sparse=sparse)
        manifest = image_pack.pack(raw, wish.target, facts, wish.seed, level=wish.level)
        made = {"image": wish.target} | _beside(recipe, wish, sources.parts, contents["boot_a"])
        made["sbom"] = _named(wish.target, ".spdx.json")
        text = sbom.document(wish.target.name, manifest.sha256, components, wish.epoch)
        made["sbom"].write_bytes(sbom.encode(text))
    return made


def _sources(recipe: Recipe, wish: Wish, cache: Path) -> Sources:
    suite = str(recipe.settings["suite"])
    security = bool(debian_mirrors(archive="debian-security"))
    roots = cache / "rootfs"
    return Sources(
        rootfs.make(recipe.architecture, recipe.root_packages, roots, suite, security, byte_code=False),
        rootfs.make(
            recipe.architecture,
            recipe.part_packages,
            roots,
            suite,
            security,
            components="main non-free-firmware",
            byte_code=False,
        ),
        tools.make(suite, roots, wish.epoch),
    )


def _contents(  # noqa: PLR0913, PLR0917 - all that an image is made of
    recipe: Recipe, wish: Wish, sources: Sources, one: Path, work: Path, cache: Path, progress: Progress
) -> tuple[dict[str, Path], list[sbom.Component]]:
    """-> (partition -> what is in it, the components of it all)"""
    progress.phase("kernel")
    (work / "modules").mkdir()
    modules = kernel.index(sources.parts, work / "modules", sources.tools)
    first = initrd.make(recipe, sources.parts, modules, work, sources.tools)
    boot, taken = boot_files.slot(recipe, sources.parts, first, work)
    firmware, more = boot_files.firmware(recipe, sources.parts, work, sources.tools)
    progress.phase("root")
    root = system.assemble(recipe, sources.system, one, modules, work, sources.tools)
    wireless = system.firmware(recipe, sources.parts, root)
    names = _owners(sources.parts, {*map(str, [*taken, *more, *wireless]), "usr/bin/busybox"})
    system.licences(sources.parts, names, root)
    components = sbom.debian(_status(sources.parts), names)
    components += sbom.debian(_status(sources.system), _owners(sources.system, _present(root)))
    components += sbom.python(next(root.glob("usr/local/lib/python3.*/dist-packages")))
    facts = {"board": recipe.board.name, "version": wish.version, "created": wish.epoch}
    system.identify(root, facts, ed25519.public_key(wish.seed) if wish.seed is not None else None)
    progress.phase("squashfs")
    squashfs = system.pack(root, cache, sources.tools)
    shutil.rmtree(root)
    return {"fw": firmware, "boot_a": boot, "root_a": squashfs}, components


def _owners(debian: Path, paths: Iterable[str]) -> list[str]:
    """The packages unpacked in `debian` that one of `paths` belongs to."""
    wanted = set(paths)
    return [
        record.stem
        for record in sorted((debian / "var/lib/dpkg/info").glob("*.list"))
        if not wanted.isdisjoint(line.strip("/") for line in record.read_text(encoding="utf-8").splitlines())
    ]


def _status(debian: Path) -> str:
    return (debian / "var/lib/dpkg/status").read_text(encoding="utf-8")


def _present(root: Path) -> Iterator[str]:
    """All files of `root` but documentation: licences alone make no package."""
    for path in root.rglob("*"):
        relative = path.relative_to(root)
        if not path.is_dir() and relative.parts[:3] != ("usr", "share", "doc"):
            yield str(relative)


def _beside(recipe: Recipe, wish: Wish, parts: Path, boot: Path) -> dict[str, Path]:
    """What an emulator is given that is not on the disk, beside the image."""
    made: dict[str, Path] = {}
    firmware = boot_files.emulator_firmware(recipe, parts)
    if firmware is not None:
        made["firmware"] = _named(wish.target, ".u-boot.bin")
        shutil.copyfile(parts / firmware, made["firmware"])
    if recipe.board.facts["boot"]["method"] == "qemu-kernel":
        for name in sorted(path.name for path in boot.iterdir()):
            made[name] = _named(wish.target, f".{name}")
            shutil.copyfile(boot / name, made[name])
    return made


def _named(target: Path, suffix: str) -> Path:
    return target.with_name(target.name.removesuffix(".img.zst") + suffix)
