"""`headgate verify`: is this image what its maker signed, and does this disk hold it?"""

import argparse
import contextlib
import hashlib
import os
import sys
from pathlib import Path

from headgate.errors import FINDING, MISSING, OK, CommandError
from headgate.linux import provisioning
from headgate.linux.image_format import BadImage, Extent, verify_hash
from headgate_host.flash.image_open import Image, trusted_keys
from headgate_host.flash.progress import Progress
from headgate_host.flash.target import Target
from headgate_host.flash.writer import first_difference

HELP = "check an image, or a disk against an image"

EPILOG = """\
An image: its signature by a trusted key, every hash, and that 'zstd -dc' gives the signed disk.
A disk, or a file written with --out: every mapped range is read past the page cache and compared; the board's own data
(the provisioning area) must be whole. What the board has written since makes a difference, as it should.

Trusted keys are the files *.pub in ~/.config/headgate/trust and /etc/headgate/trust ($HEADGATE_TRUST
names another folder), or what --trust names.

examples
  headgate verify headgate-rpi-4.img.zst
  headgate verify /dev/sdb --image headgate-rpi-4.img.zst
  headgate verify disk.img --image headgate-qemu.img.zst --json

exit codes: 0 all as signed · 4 a file or disk cannot be read · 7 something is not
"""

_AREA_READ = 1 << 20  # bytes; far more than a record may have


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", metavar="WHAT", type=Path, help="an image; with --image: a disk or a raw file")
    parser.add_argument("--image", metavar="FILE", type=Path, help="compare WHAT with this image")
    parser.add_argument(
        "--trust", metavar="KEY", type=Path, action="append", default=[], help="public key, or a folder"
    )
    parser.add_argument("--json", action="store_true", help="events and the outcome as JSON lines")


def main(args: argparse.Namespace) -> int:
    progress = Progress(as_json=args.json)
    try:
        with Image(args.image or args.what, trusted_keys(args.trust)) as image:
            if args.image is None:
                return _image(image, progress)
            with _opened(args.what) as target:
                return _disk(image, target, progress)
    except BadImage as bad:
        raise CommandError(FINDING, bad.cause, bad.next_step) from None
    finally:
        progress.end()


def _image(image: Image, progress: Progress) -> int:
    manifest = image.manifest
    progress.begin(manifest.payload_size)
    progress.phase("hashing")
    image.check_payload(progress.at)
    progress.begin(manifest.size)
    progress.phase("unpacking")
    image.check_whole(progress.at)
    progress.end()
    _say(
        progress,
        f"{image.path}: {manifest.name} {manifest.version} for {manifest.board}, as signed by {image.signer}",
    )
    progress.event("verified", image=manifest.sha256, verify_hash=manifest.verify_hash())
    return OK


def _opened(place: Path) -> Target:
    try:
        descriptor = _open(place)
        size = os.lseek(descriptor, 0, os.SEEK_END)
    except OSError as error:
        next_step = "Type the same after sudo" if isinstance(error, PermissionError) else "'headgate disks' lists disks"
        raise CommandError(MISSING, f"cannot read {place}: {error.strerror}", next_step) from None
    return Target(descriptor, str(place), size)


def _open(place: Path) -> int:
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # of a pipe: an error, at once
    with contextlib.suppress(OSError):
        return os.open(place, flags | os.O_DIRECT)
    return os.open(place, flags)


def _disk(image: Image, target: Target, progress: Progress) -> int:
    manifest = image.manifest
    if target.size < manifest.size:
        raise CommandError(FINDING, f"{target.name} is smaller than the image", "Flash another disk")
    progress.begin(manifest.mapped_size)
    progress.phase("comparing")
    digests = []
    for piece in manifest.ranges:
        found = _read(target, piece)
        digests.append(hashlib.sha256(found).hexdigest())
        if digests[-1] != piece.sha256:
            offset = piece.start + first_difference(found, image.read(piece))
            raise CommandError(FINDING, f"{target.name} differs from the image at byte {offset}", "Flash it again")
        progress.advance(piece.size)
    board = _provisioned(target, manifest.provisioning)
    progress.end()
    _say(progress, f"{target.name} holds {manifest.name} {manifest.version} for {manifest.board}; {board}")
    progress.event("verified", image=manifest.sha256, verify_hash=verify_hash(digests), provisioned=board)
    return OK


def _provisioned(target: Target, area: Extent | None) -> str:
    """What is known of the board's own data, without any of it."""
    if area is None:
        return "the image has no provisioning area"
    document = provisioning.decode(_read(target, Extent(area.start, min(area.size, _AREA_READ))))
    return f"provisioned as {document['hostname']}" if document else "not provisioned, or the board has taken it"


def _read(target: Target, place: Extent) -> bytes:
    try:
        return target.read(place.start, place.size)
    except OSError as error:
        cause = f"cannot read {target.name} at byte {place.start}: {error.strerror}"
        raise CommandError(FINDING, cause, "Likely a failing card: try another one, then another reader") from None


def _say(progress: Progress, text: str) -> None:
    if not progress.as_json:
        sys.stdout.write(text + "\n")
