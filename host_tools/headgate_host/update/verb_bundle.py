"""`headgate update bundle`: the part of an image that an update needs, as a file."""

import argparse
import json
import sys
from pathlib import Path

from headgate.errors import OK
from headgate_host.flash.disks import readable_size
from headgate_host.flash.image_open import trusted_keys
from headgate_host.update.bundle import Bundle, describe

HELP = "cut the update out of an image"

EPILOG = """\
What is signed is the image; the bundle carries its manifest and signature, and needs no key.

examples
  headgate update bundle headgate-rpi-4.img.zst -o headgate-rpi-4.hgu

exit codes: 0 written · 4 a file or key is missing · 8 not to be trusted
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", metavar="IMAGE", type=Path)
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, required=True)
    parser.add_argument("--trust", metavar="KEY", type=Path, action="append", default=[], help="the maker's public key")
    parser.add_argument("--json", action="store_true", help="JSON instead of text")


def main(args: argparse.Namespace) -> int:
    with Bundle(args.image, trusted_keys(args.trust)) as bundle:
        bundle.save(args.output)
        if args.json:
            facts = {"version": bundle.manifest.version, "board": bundle.manifest.board, "size": bundle.size}
            sys.stdout.write(json.dumps(facts) + "\n")
        else:
            what = describe(bundle.manifest, bundle.signer)
            sys.stdout.write(f"{args.output}: {what}, {readable_size(bundle.size)}\n")
    return OK
