"""`headgate image`: turn a raw disk into a signed container, or show what a container says of itself.

`headgate image build`, which makes the raw disk, too, is headgate_host.image.verb_build.
"""

import argparse
import dataclasses
import json
import sys
import time
from pathlib import Path

from headgate.core.jwt import EDDSA
from headgate.errors import OK, USAGE, CommandError
from headgate.linux import ed25519, keys
from headgate.linux.image_format import Manifest
from headgate_host.flash import boards, image_pack
from headgate_host.flash.disks import readable_size
from headgate_host.flash.image_open import Image, trusted_keys

HELP = "make a board's image ('headgate image build --help'), pack a raw disk into one, or show one"
SUBVERBS = {"build": ("headgate_host.image.verb_build", "make the image of a board")}

EPILOG = """\
An image is an ordinary .zst file (zstd -dc gives the raw disk) that starts with a signed manifest:
board, version, block map with a hash for each range. docs/image-format.md describes it.

Keys: 'headgate keys init --image --dir DIR' makes image.key (keep it) and image.pub (give it to those who
flash; they put it into ~/.config/headgate/trust).

examples
  headgate image pack disk.img --board rpi-4 --version 1.2.0 --sign image.key -o headgate-rpi-4.img.zst
  headgate image pack disk.img --board rpi-4 --version 1.2.0 --sign image.key --sparse data -o …
                                        holes in the partition 'data' may hold anything: not written
  headgate image show headgate-rpi-4.img.zst

exit codes: 0 fine · 2 wrong command line · 4 a file or key is missing
7 a damaged partition table · 8 not to be trusted
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("action", choices=("pack", "show"))
    add("file", metavar="FILE", type=Path, help="pack: the raw disk; show: the image")
    add("-o", "--output", metavar="FILE", type=Path, help="pack: the image to be made")
    add("--board", metavar="NAME", help="pack: the board it is for")
    add("--name", default="headgate", help="pack: what it is called (default: %(default)s)")
    add("--version", metavar="TEXT", help="pack: its version")
    add("--sign", metavar="KEY", type=Path, help="pack: Ed25519 private key; without one nobody will flash it")
    add("--sparse", metavar="PARTITION", action="append", default=[], help="pack: its holes need not be written")
    add(
        "--required-mib", metavar="N", type=int, default=0, help="pack: smallest disk it fits on, when not its own size"
    )
    add(
        "--level",
        type=int,
        choices=range(1, 23),
        metavar="1-22",
        default=19,
        help="pack: of zstd (default: %(default)s)",
    )
    add("--trust", metavar="KEY", type=Path, action="append", default=[], help="show: public key of the maker")
    add("--json", action="store_true", help="one JSON document instead of text")


def main(args: argparse.Namespace) -> int:
    manifest, signer = _pack(args) if args.action == "pack" else _shown(args)
    if args.json:
        document = dataclasses.asdict(manifest) | {"signed_by": signer or None, "mapped_size": manifest.mapped_size}
        document["ranges"] = len(manifest.ranges)
        sys.stdout.write(json.dumps(document) + "\n")
    else:
        sys.stdout.write(_text(manifest, signer))
    return OK


def _pack(args: argparse.Namespace) -> tuple[Manifest, str]:
    """-> (what it says of itself, thumbprint of the signer's key)"""
    for option in ("output", "board", "version"):
        if getattr(args, option) is None:
            raise CommandError(USAGE, f"'image pack' needs --{option}", "headgate image --help")
    board = boards.load(args.board)
    given = image_pack.source_date_epoch()
    created = int(time.time()) if given is None else given
    facts = image_pack.Facts(board.name, args.name, args.version, created, args.required_mib << 20, tuple(args.sparse))
    seed = keys.load_private(args.sign) if args.sign is not None else None
    manifest = image_pack.pack(args.file, args.output, facts, seed, level=args.level)
    return manifest, keys.thumbprint(EDDSA, ed25519.public_key(seed)) if seed is not None else ""


def _shown(args: argparse.Namespace) -> tuple[Manifest, str]:
    with Image(args.file, trusted_keys(args.trust)) as image:
        return image.manifest, image.signer


def _text(manifest: Manifest, signer: str) -> str:
    created = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(manifest.created))
    area = manifest.provisioning
    rows = [
        ("image", f"{manifest.name} {manifest.version} for {manifest.board}, made {created}"),
        ("signed by", signer or "nobody"),
        ("size", f"{readable_size(manifest.size)}, {readable_size(manifest.payload_size)} compressed"),
        ("written", f"{readable_size(manifest.mapped_size)} in {len(manifest.ranges)} ranges"),
        ("needs", f"a disk of {readable_size(manifest.required_size)}"),
        ("own data", f"{readable_size(area.size)} at byte {area.start}" if area else "no provisioning area"),
        ("SHA-256", manifest.sha256),
    ]
    rows += [("partition", f"{p.name:<16} {readable_size(p.size)} at byte {p.start}") for p in manifest.partitions]
    return "".join(f"{name:<11}{text}\n" for name, text in rows)
