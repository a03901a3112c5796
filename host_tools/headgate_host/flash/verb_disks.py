"""`headgate disks`: what could be flashed, and why the rest could not."""

import argparse
import json
import sys

from headgate.errors import OK
from headgate_host.flash import boards
from headgate_host.flash.disks import Disk, Machine, readable_size
from headgate_host.flash.refusals import Wish, why_not

HELP = "list the disks, and which of them could be flashed"

EPILOG = """\
Every disk with its size, kind, model and serial number, and whether 'headgate flash' would write it: the
first reason against it, and what to do. It opens disks only to look whether they belong to something
larger (LVM, LUKS, RAID), and changes nothing. With --board the board's own limits count, too.

examples
  headgate disks
  headgate disks --board rpi-4
  headgate disks --json | jq -r '.disks[] | select(.refused == null).path'

exit codes: 0 fine, even if there is none · 2 no such board
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--board", metavar="NAME", help="judge them for this board")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text")


def main(args: argparse.Namespace) -> int:
    return show(args, Machine())


def show(args: argparse.Namespace, machine: Machine) -> int:
    wish = Wish(boards.load(args.board) if args.board else None)
    found = machine.disks()
    if args.json:
        sys.stdout.write(json.dumps({"disks": [_document(disk, wish) for disk in found]}) + "\n")
    else:
        sys.stdout.write("".join(_text(disk, wish) for disk in found) or "there is no disk\n")
    return OK


def _document(disk: Disk, wish: Wish) -> dict[str, object]:
    refused = why_not(disk, wish)
    reason = {"reason": refused.reason, "cause": refused.cause, "next_step": refused.next_step} if refused else None
    return {**disk.document(), "refused": reason}


def _text(disk: Disk, wish: Wish) -> str:
    refused = why_not(disk, wish)
    head = f"{disk.path!s:<16}{readable_size(disk.size):>10}  {disk.kind:<9} {disk.model or '-'}"
    lines = [f"{head}  serial {disk.serial or '-'}"]
    lines += [f"{'':<28}{path}" for path in disk.by_id[:1]]
    lines.append(f"{'':<28}{'can be flashed' if refused is None else refused.line()}")
    return "\n".join(lines) + "\n"
