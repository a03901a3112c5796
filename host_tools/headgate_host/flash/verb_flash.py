"""`headgate flash`: from an image to a board that can be shipped, in one step that erases no wrong disk."""

import argparse
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from headgate.errors import INTERRUPTED, OK, USAGE, CommandError
from headgate_host.flash import birth, boards, provision, refusals
from headgate_host.flash.boards import MPREMOTE, Board
from headgate_host.flash.disks import Disk, Machine, readable_size
from headgate_host.flash.image_open import Image, trusted_keys
from headgate_host.flash.progress import Progress
from headgate_host.flash.provision import Provisioning
from headgate_host.flash.refusals import Refused, Wish
from headgate_host.flash.target import DiskTarget, FileTarget, Target
from headgate_host.flash.writer import Result, Writer

HELP = "write an image to a disk, read it back, provision the board"

EPILOG = """\
Checks the image (signature, hashes, board) and the disk before anything is written, and asks. What is on
the disk is gone then. Writes mapped blocks only, reads everything back past the page cache, and writes
the first MiB last: a disk that boots is a disk that was verified. docs/flash.md has the table of refusals.

The board gets an identity of its own (an Ed25519 key pair; the private key is on the disk only), a host
name, the time, and what --provision names: Wi-Fi, SSH keys, token issuer, uplink. A birth certificate
(JSON, no secrets) goes to --birth.

examples
  headgate flash rpi-4 --image headgate-rpi-4.img.zst                     the only card there is; asks
  headgate flash rpi-4 --image … --disk /dev/sdb --provision fleet.toml --hostname gate-017
  headgate flash rpi-4 --image … --disk /dev/sdb --expect-serial 4C530001 --yes --json
  headgate flash qemu-virt-arm64 --image … --out disk.img                 a file instead of a disk
  headgate flash rpi-4 --image … --dry-run                                all the checks, no writing
  headgate flash rpi-pico-w --port /dev/ttyACM0 --config headgate.json    MicroPython: files over USB

exit codes: 0 written and verified · 2 wrong command line · 3 provisioning refused · 4 a file, disk or
key is missing · 8 refused, nothing written · 9 writing failed, it does not boot · 130 interrupted
"""

BY_ID = Path("/dev/disk/by-id")
_DEFAULT_BIRTH = Path("birth-certificates")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("board", metavar="BOARD", help="'headgate boards' lists them")
    add("--image", metavar="FILE", type=Path, help="the image (.img.zst with a manifest)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--disk", metavar="DISK", help="/dev/sdb, or a link in /dev/disk/by-id")
    where.add_argument("--out", metavar="FILE", type=Path, help="write a new file instead of a disk")
    where.add_argument("--port", metavar="DEVICE", help="serial port of a MicroPython board")
    add("--config", metavar="FILE", type=Path, help="MicroPython: the compiled plan (docs/micropython.md)")
    add("--trust", metavar="KEY", type=Path, action="append", default=[], help="public key of the image's maker")
    add("--provision", metavar="FILE", type=Path, help="settings for the board (TOML, docs/flash.md)")
    add("--hostname", metavar="NAME", help="its name, instead of the one in --provision")
    add("--no-provision", action="store_true", help="leave the provisioning area empty")
    add("--birth", metavar="DIR", type=Path, default=_DEFAULT_BIRTH, help="certificates (default: %(default)s)")
    add("--expect-serial", metavar="SERIAL", help="refuse a disk with another serial number")
    add("--yes", action="store_true", help="do not ask; needs --expect-serial or a link in /dev/disk/by-id")
    add("--large", action="store_true", help="a suspiciously large disk is meant")
    add("--dry-run", action="store_true", help="check everything, write nothing")
    add("--json", action="store_true", help="events as JSON lines")


def main(args: argparse.Namespace) -> int:
    board = boards.load(args.board)
    if board.runner == MPREMOTE:
        from headgate_host.flash import pico

        return pico.flash(board, args)
    return flash(board, args, Machine())


@dataclass(frozen=True, slots=True)
class Job:
    """All that is known before anything is written. `disk` None: a file."""

    args: argparse.Namespace
    machine: Machine
    wish: Wish
    image: Image
    disk: Disk | None
    own: Provisioning | None
    progress: Progress


def flash(board: Board, args: argparse.Namespace, machine: Machine) -> int:
    """Raises CommandError; `machine` is where disks are looked for."""
    _check_options(args)
    progress = Progress(as_json=args.json)
    with Image(args.image, trusted_keys(args.trust)) as image:
        wish = Wish(board, image.manifest.required_size, args.large)
        _check_board(board, image)
        disk = None if args.out is not None else _disk(args, machine, wish)
        _announce(image, disk, args, progress)
        own = _provisioning(args, image)
        progress.begin(image.manifest.payload_size)
        progress.phase("checking")
        image.check_payload(progress.at)
        job = Job(args, machine, wish, image, disk, own, progress)
        if args.dry_run:
            if args.out is not None:
                FileTarget.check(args.out, image.manifest.mapped_size)
            progress.say("nothing was written: --dry-run")
            progress.event("done", dry_run=True)
            return OK
        if disk is not None and not args.yes:
            _ask(disk, progress)
        return _write(job)


# --- before


def _check_options(args: argparse.Namespace) -> None:
    if args.port is not None or args.config is not None:
        raise CommandError(USAGE, f"{args.board} is written by an image, not over a port", "Name it: --image FILE")
    if args.image is None:
        raise CommandError(USAGE, f"{args.board} is written by an image", "Name it: --image FILE")
    if args.no_provision and (args.provision is not None or args.hostname is not None):
        raise CommandError(USAGE, "--no-provision contradicts --provision and --hostname", "Leave one of them out")
    by_id = args.disk is not None and Path(args.disk).parent == BY_ID  # not /dev/disk/by-id/../../sdb
    if args.yes and args.out is None and not args.expect_serial and not by_id:
        cause = "--yes does not know which disk you mean: names like sdb change with each plugging in"
        raise Refused("yes-needs-serial", cause, "Add --expect-serial, or name a link in /dev/disk/by-id", USAGE)


def _check_board(board: Board, image: Image) -> None:
    if image.manifest.board != board.name:
        cause = f"{image.path} is for {image.manifest.board}, not for {board.name}"
        raise Refused("wrong-board", cause, f"Get the image for {board.name}")


def _disk(args: argparse.Namespace, machine: Machine, wish: Wish) -> Disk:
    disk = refusals.find(machine, args.disk) if args.disk is not None else refusals.choose(machine, wish)
    problem = refusals.why_not(disk, wish)
    if problem is not None:
        raise problem
    if args.expect_serial is not None and disk.serial != args.expect_serial:
        cause = f"{disk.path} has the serial number {disk.serial or '(none)'}, not {args.expect_serial}"
        raise Refused("serial", cause, refusals.ANOTHER)
    return disk


def _provisioning(args: argparse.Namespace, image: Image) -> Provisioning | None:
    area = image.manifest.provisioning
    if args.no_provision:
        return None
    if area is None:
        if args.provision is not None or args.hostname is not None:
            raise Refused("no-area", f"{image.path} has no provisioning area", "Leave out --provision and --hostname")
        return None
    own = provision.make(args.provision, args.hostname)
    if len(own.record) > area.size:
        raise Refused(
            "no-area", f"{image.path} has a provisioning area of only {area.size} bytes", "Shorten --provision"
        )
    if not args.dry_run:
        birth.prepare(args.birth)
    return own


def _announce(image: Image, disk: Disk | None, args: argparse.Namespace, progress: Progress) -> None:
    manifest = image.manifest
    progress.say(f"image   {manifest.name} {manifest.version} for {manifest.board}, signed by {image.signer}")
    if disk is None:
        progress.say(f"file    {args.out}, {readable_size(manifest.required_size)}")
    else:
        serial = f"serial {disk.serial}" if disk.serial else "no serial number"
        progress.say(
            f"disk    {disk.path}, {readable_size(disk.size)}, {disk.kind}, {disk.model or 'no name'}, {serial}"
        )
        for part in disk.parts:
            progress.say(f"        {part.name} with {readable_size(part.size)} will be erased")
    size = readable_size(manifest.mapped_size)
    progress.say(f"        {size} of {readable_size(manifest.size)} will be written")
    target = {"disk": disk.document()} if disk is not None else {"out": str(args.out)}
    progress.event("plan", image=manifest.sha256, version=manifest.version, mapped=manifest.mapped_size, **target)


def _ask(disk: Disk, progress: Progress) -> None:
    """Internal disks want their serial number typed, others their name."""
    next_step = "Add --yes and --expect-serial, or type the command at a terminal"
    if not sys.stdin.isatty():
        raise Refused("nobody-to-ask", "there is nobody to ask: this is not a terminal", next_step, USAGE)
    answer = disk.serial if disk.internal and disk.serial else disk.name
    what = "serial number" if answer == disk.serial else "name"
    progress.end()
    try:
        question = f"Everything on {disk.path} will be lost. Type its {what} ({answer}) to go on: "
        sys.stderr.flush()
        sys.stderr.buffer.write(question.encode(errors="backslashreplace"))  # raises, as the stream does not
        sys.stderr.buffer.flush()
    except OSError:
        raise Refused(
            "nobody-to-ask", "there is nobody to ask: the question cannot be shown", next_step, USAGE
        ) from None
    try:
        said = sys.stdin.readline().strip()
    except UnicodeDecodeError:
        said = ""
    if said != answer:
        raise Refused("not-confirmed", "not confirmed, nothing was written", "Type the same again if you mean it")


# --- writing


def _target(job: Job) -> Target:
    """Opened, after another look: between the question and now somebody may have changed the card."""
    manifest = job.image.manifest
    if job.disk is None:
        return FileTarget(job.args.out, manifest.required_size, manifest.mapped_size)
    now = job.machine.disk(job.disk.name)
    difference = refusals.changed(job.disk, now)
    if difference or now is None:
        raise Refused("changed", difference, "Look again: headgate disks")
    problem = refusals.why_not(now, job.wish)
    if problem is not None:
        raise problem
    return DiskTarget.open(now, job.machine.device(now.name))


def _write(job: Job) -> int:
    progress = job.progress
    with _signals() as too_late:
        with _target(job) as target, _stoppable(target, progress):
            record = job.own.record if job.own is not None else b""
            result = Writer(job.image, target, record, progress).run(too_late)
            target.finish()
            progress.end()
        return _report(job, result)


@contextlib.contextmanager
def _signals() -> Iterator[Callable[[], None]]:
    """SIGTERM and a terminal that goes away (but for nohup) are like Ctrl-C. The first of them counts: another must not
    interrupt what is done then. What is given makes all three do nothing, for the disk boots then and has an identity:
    without its certificate nobody's books would know this board."""
    old = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    over = False

    def too_late() -> None:
        nonlocal over
        over = True

    def stop(*_: object) -> None:
        if not over:
            too_late()
            raise KeyboardInterrupt

    for one, handler in old.items():
        if handler is not signal.SIG_IGN:
            signal.signal(one, stop)
    try:
        yield too_late
    finally:
        for one, handler in old.items():
            signal.signal(one, handler)


@contextlib.contextmanager
def _stoppable(target: Target, progress: Progress) -> Iterator[None]:
    """An interruption ends in one line that says what is there now."""
    try:
        yield
    except KeyboardInterrupt:
        cause = f"interrupted while writing {target.name}: {target.remains}"
        raise CommandError(INTERRUPTED, cause, "Flash it again") from None
    finally:
        progress.end()


def _report(job: Job, result: Result) -> int:
    place = job.disk.path if job.disk is not None else job.args.out
    progress = job.progress
    document = birth.certificate(job.image, job.disk, job.own, result)
    if job.own is not None:
        certificate = birth.write(job.args.birth, document)
        progress.say(f"board   {job.own.hostname}, serial {job.own.serial}; birth certificate {certificate}")
    if result.retries:
        progress.say(f"warning {result.retries} blocks had to be tried again: this card will not live long")
    progress.say(f"done    {place} is written and verified; verify hash {result.verify_hash}")
    progress.event("done", dry_run=False, certificate=document)
    return OK
