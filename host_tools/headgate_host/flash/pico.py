"""`headgate flash` for boards with MicroPython: files compiled by mpy-cross, sent by mpremote, hashed on the board.

As on disks, what starts the appliance goes first and comes last: main.py is removed, everything else is sent and
verified, then main.py. A board that starts is a board that was verified. What else is in lib/headgate goes: a module's
source beside its bytecode would be imported in its place.
"""

import argparse
import hashlib
import json
import os
import stat
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

import headgate
from headgate.core import json as strict_json
from headgate.errors import CONFIG, DEVICE, INTERRUPTED, MISSING, OK, USAGE, CommandError
from headgate.micro import settings as board_settings
from headgate.tasks import plan
from headgate_host import micro_pack
from headgate_host.flash import mpremote, provision
from headgate_host.flash.boards import Board
from headgate_host.flash.disks import readable_size
from headgate_host.flash.progress import Progress

CONFIG_FILE, WLAN_FILE = "headgate.json", "wlan.json"
MAIN = 'from headgate.micro import main\n\nmain.run("headgate.json")\n'
BOOT = 'from headgate.micro import boot\n\nboot.connect("wlan.json")\n'
_PREPARE = """
import os
for change, name in ((os.remove, "main.py"), (os.mkdir, "lib")):
    try:
        change(name)
    except OSError:  # not there, or there already
        pass

def tidy(folder):
    for name, kind in [entry[:2] for entry in os.ilistdir(folder)]:
        path = folder + "/" + name
        if kind == 0x4000:
            tidy(path)
        elif path not in KEPT:
            os.remove(path)
    if not os.listdir(folder):
        os.rmdir(folder)

if "headgate" in os.listdir("lib"):
    tidy("lib/headgate")
"""
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_DISK_ONLY = ("image", "disk", "out", "expect_serial", "trust")


def flash(board: Board, args: argparse.Namespace) -> int:
    _check_options(board, args)
    progress = Progress(as_json=args.json)
    document, data = _configuration(args.config)
    wlan = _wlan(args)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        progress.phase("compiling")
        size = micro_pack.compile_tree(Path(headgate.__file__).parent, folder / "lib")
        _write(folder / CONFIG_FILE, data)
        if wlan:
            _write(folder / WLAN_FILE, json.dumps(wlan).encode())
            _write(folder / "boot.py", BOOT.encode())
        _write(folder / "main.py", MAIN.encode())
        progress.say(f"board   {document['appliance']}: {readable_size(size)} of bytecode")
        if args.dry_run:
            progress.say("nothing was sent: --dry-run")
            progress.event("done", dry_run=True, bytecode=size)
            return OK
        mpremote.check_installed()
        remote = mpremote.Remote(args.port or mpremote.only_board())
        try:
            count = _send(remote, folder, progress)
        except KeyboardInterrupt:
            cause = f"interrupted while sending to {remote.port}: it will not start the appliance"
            raise CommandError(INTERRUPTED, cause, "Flash it again") from None
    progress.say(f"done    {count} files are on {remote.port} and verified; it starts with the next reset")
    progress.event("done", dry_run=False, bytecode=size, files=count)
    return OK


def _check_options(board: Board, args: argparse.Namespace) -> None:
    for name in _DISK_ONLY:
        if getattr(args, name):
            cause = f"{board.name} has no disk: --{name.replace('_', '-')} means nothing to it"
            raise CommandError(USAGE, cause, "Name its --port and --config")
    if args.config is None:
        cause = f"{board.name} needs a compiled plan"
        raise CommandError(USAGE, cause, "Name it: --config headgate.json (docs/micropython.md)")


def _configuration(file: Path) -> tuple[dict[str, Any], bytes]:
    """-> (the plan, its bytes), checked as the board will: what it would refuse is refused here. It holds keys."""
    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            data = opened.read()
    except OSError as error:
        raise CommandError(MISSING, f"cannot read {file}: {error.strerror}", "Name another: --config") from None
    if mode & _OTHERS:
        raise CommandError(CONFIG, f"{file} holds keys and others can read it", f"Type: chmod 600 {file}")
    try:
        document: Any = strict_json.loads(data)
        board_settings.take(document)
        plan.build(document, None, False)
    except ValueError as error:  # JSONError and PlanError say where, not what stands there
        raise CommandError(CONFIG, f"{file}: {error}", "docs/micropython.md shows one") from None
    return document, data


def _wlan(args: argparse.Namespace) -> dict[str, str]:
    """The file that headgate.micro.boot reads, of [wifi] in --provision; {} without."""
    if args.provision is None:
        return {}
    wifi = provision.settings(args.provision).get("wifi")
    if not isinstance(wifi, dict) or not all(isinstance(wifi.get(name, ""), str) for name in ("ssid", "password")):
        raise CommandError(CONFIG, f"{args.provision} has no [wifi], which is all that this board takes of it")
    found = {"ssid": wifi.get("ssid"), "key": wifi.get("password"), "country": wifi.get("country")}
    found["hostname"] = args.hostname
    return {name: str(value) for name, value in found.items() if value is not None}


def _write(path: Path, data: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(data)


def _send(remote: mpremote.Remote, folder: Path, progress: Progress) -> int:
    """-> how many files are there, each with the right hash. main.py last."""
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    last = Path("main.py")
    before = [file for file in files if file != last]
    progress.phase("sending")
    remote.execute(f"KEPT = {[str(PurePosixPath(file)) for file in before]}\n{_PREPARE}")
    remote.send(folder / "lib/headgate", PurePosixPath("lib"))
    for file in before:
        if file.parent == Path():
            remote.send(folder / file, PurePosixPath(file))
    progress.phase("verifying")
    _verify(remote, folder, before)
    progress.phase("finishing")
    remote.send(folder / last, PurePosixPath(last))
    _verify(remote, folder, [last])
    return len(files)


def _verify(remote: mpremote.Remote, folder: Path, files: list[Path]) -> None:
    found = remote.hashes([PurePosixPath(file) for file in files])
    wanted = [hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in files]
    for file, here, there in zip(files, wanted, found + [""] * (len(wanted) - len(found)), strict=True):
        if here != there:
            cause = f"the board at {remote.port} holds another {file} than was sent; it will not start the appliance"
            raise CommandError(DEVICE, cause, "Flash it again; if it happens again, its flash memory fails")
