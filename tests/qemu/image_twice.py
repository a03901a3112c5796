"""Two builds of the same image, each with a cache of its own and another umask: the same bytes?

Everything is made twice but for Debian's packages, which are what is put in: the wheel compiled, the root assembled and
compressed, kernel and initrd, the disk, the bill, the update.
"""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from headgate_host.flash.image_open import Image, trusted_keys

Say = Callable[[str], None]
Headgate = Callable[..., str]  # one verb to its end: image_proof.Proof.headgate


def compare(folder: Path, packages: Path, recipe: tuple[str, int], headgate: Headgate, say: Say) -> list[str]:
    """-> what differs, in words. `folder` has keys/image.key; `packages`: where unpacked ones are kept; `recipe`: board
    and SOURCE_DATE_EPOCH."""
    board, epoch = recipe
    packages.mkdir(parents=True, exist_ok=True)
    made: list[dict[str, Path]] = []
    for number, umask in enumerate((0o022, 0o077)):
        work, cache = folder / f"build-{number}", folder / f"cache-{number}"
        work.mkdir()
        cache.mkdir()
        (cache / "rootfs").symlink_to(packages)
        before = os.umask(umask)
        try:
            headgate(
                *("image", "build", board, "--sign", "keys/image.key", "--version", "1.0.0", "--cache", str(cache)),
                *("--out", str(work / f"{board}.img.zst")),
                SOURCE_DATE_EPOCH=str(epoch),
            )
        finally:
            os.umask(before)
        shutil.rmtree(cache)
        made.append({path.name: path for path in work.iterdir()})
    one, two = made
    differences = [f"only one build made {name}" for name in sorted(one.keys() ^ two.keys())]
    for name in sorted(one.keys() & two.keys()):
        same = sha256(one[name]) == sha256(two[name])
        say(f"{'same' if same else 'DIFFERS':<8}{name:<36} {one[name].stat().st_size:>9} bytes  {sha256(one[name])}")
        if not same:
            differences.append(f"{name} differs")
            if name.endswith(".img.zst"):
                differences += [f"  in {where}" for where in parts(folder, one[name], two[name])]
    return differences


def parts(folder: Path, one: Path, two: Path) -> list[str]:
    """Which partitions differ, by the hashes of their ranges."""
    trusted = trusted_keys([folder / "keys/image.pub"])
    with Image(one, trusted) as first, Image(two, trusted) as second:
        hashes = {(piece.start, piece.size, piece.sha256) for piece in second.manifest.ranges}
        odd = [piece for piece in first.manifest.ranges if (piece.start, piece.size, piece.sha256) not in hashes]
        return [
            part.name
            for part in first.manifest.partitions
            if any(piece.start < part.start + part.size and part.start < piece.start + piece.size for piece in odd)
        ]


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
