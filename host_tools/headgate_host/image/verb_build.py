"""`headgate image build`: makes the image of a board."""

import argparse
import os
import subprocess
import time
from pathlib import Path

from headgate import __version__
from headgate.errors import OK, USAGE, CommandError
from headgate.linux import keys
from headgate_host.flash import image_pack
from headgate_host.flash.disks import readable_size
from headgate_host.flash.progress import Progress
from headgate_host.image import build, recipe, rootless

HELP = "make the image of a board: Debian, kernel, boot files and Headgate, signed, with its bill of materials"

EPILOG = """\
Makes NAME.img.zst, which 'headgate flash' writes, NAME.hgu, which 'headgate update' sends to a board that runs,
and NAME.spdx.json, which says what is in it.
Packages come from this machine's mirror of Debian; none of their programs is run, and the tools are unpacked, too:
only mmdebstrap must be installed. Without root it works in a user namespace (package uidmap). What takes long is
kept in --cache.

examples
  headgate image build rpi-4 --sign image.key
  headgate image build qemu-virt-arm64 --sign image.key --set extra_cmdline=loglevel=7 --out /tmp/test.img.zst

docs/image-build.md lists the keys of --set, and says how two builds give the same bytes.

exit codes: 0 fine · 2 wrong command line · 4 a program or file is missing · 5 no packages to be had
7 a step failed, or something does not fit
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("board", metavar="BOARD", help="'headgate boards' lists them")
    add("-o", "--out", metavar="FILE", type=Path, help="default: ./headgate-BOARD.img.zst")
    add("--set", metavar="KEY=VALUE", action="append", default=[], help="a setting; see docs/image-build.md")
    add("--sign", metavar="KEY", type=Path, help="Ed25519 private key; without one nobody will flash it")
    add("--wheel", metavar="FILE", type=Path, help="of Headgate for the board; otherwise made from this checkout")
    add("--version", metavar="TEXT", default=__version__, help="of the image (default: %(default)s)")
    add("--cache", metavar="DIR", type=Path, help="default: ~/.cache/headgate")
    add("--level", type=int, choices=range(1, 23), metavar="1-22", default=9, help="of zstd (default: %(default)s)")
    add("--json", action="store_true", help="events as JSON lines")


def main(args: argparse.Namespace) -> int:
    began = time.monotonic()
    os.umask(0o022)  # modes get into the image: not those of whoever makes it
    target = args.out or Path(f"headgate-{args.board}.img.zst")
    if not target.name.endswith(".img.zst") or (target.exists() and not target.is_file()):
        raise CommandError(USAGE, f"--out {target}: not the name of an image", "NAME.img.zst")
    plan = recipe.load(args.board, args.set)
    seed = keys.load_private(args.sign) if args.sign is not None else None
    if os.geteuid() != 0:
        rootless.again(args.words)
    wish = build.Wish(target, args.version, source_date_epoch(), seed, args.wheel, args.level)
    cache = args.cache or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headgate"
    progress = Steps(as_json=args.json)
    made = build.build(plan, wish, cache, progress)
    progress.finish()
    sizes = {name: {"path": str(path), "size": path.stat().st_size} for name, path in made.items()}
    progress.event("done", seconds=round(time.monotonic() - began, 1), made=sizes)
    for name, path in made.items():
        progress.say(f"{name:<10}{path}, {readable_size(path.stat().st_size)}")
    if seed is None:
        progress.say("signed    by nobody: 'headgate flash' refuses it; --sign KEY")
    return OK


class Steps(Progress):
    """Steps that do not know how far they are: each is named when it starts, with the seconds of the one before."""

    _began = 0.0

    def phase(self, name: str) -> None:
        self.finish()
        self._phase, self._began = name, self._clock()
        self.event("phase", name=name)

    def finish(self) -> None:
        if self._phase:
            self.say(f"{self._phase:<10}{self._clock() - self._began:6.1f} s")
        self._phase = ""


def source_date_epoch() -> int:
    """The time of everything in the image: as the environment says, or of this checkout's last change."""
    given = image_pack.source_date_epoch()
    if given is not None:
        return given
    command = ["git", "-C", str(Path(__file__).parent), "log", "-1", "--format=%ct"]
    try:
        text = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603
    except FileNotFoundError:
        text = ""
    return int(text or time.time())
