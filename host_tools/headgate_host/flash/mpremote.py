"""Talks to a MicroPython board through the real mpremote, as a child process: its command line is what stays stable."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path, PurePosixPath

from headgate.errors import DEVICE, MISSING, USAGE, CommandError
from headgate_host.flash.disks import printable
from headgate_host.flash.refusals import Refused

PATIENCE_S = 300  # for one command; all files together take a board well below a minute
MAKER = "2e8a"  # USB vendor of boards with the RP2040 and its successors
_HASH = re.compile(r"^[0-9a-f]{64}$", re.MULTILINE)
_UNREACHABLE = ("failed to access", "could not enter raw repl", "no device found")


def check_installed() -> None:
    if importlib.util.find_spec("mpremote") is None:
        raise CommandError(MISSING, "mpremote is not installed", "Type: pip install mpremote")


def only_board() -> str:
    """The serial port of the only board that is plugged in. Never one of several: raises Refused."""
    rows = [line.split() for line in _run(["connect", "list"], "").splitlines()]
    ports = [row[0] for row in rows if len(row) > 2 and row[2].lower().startswith(MAKER + ":")]  # noqa: PLR2004 - a column
    if not ports:
        raise Refused("no-candidate", "there is no MicroPython board", "Plug one in, or name it: --port", MISSING)
    if len(ports) > 1:
        cause = f"{len(ports)} boards could be meant: {', '.join(ports)}"
        raise Refused("several", cause, f"Name one, for instance: --port {ports[0]}", USAGE)
    return ports[0]


class Remote:
    """One board, at a serial port."""

    def __init__(self, port: str) -> None:
        self.port = port

    def execute(self, source: str) -> str:
        """Run Python on the board -> what it prints."""
        return self._board("exec", source)

    def send(self, source: Path, target: PurePosixPath) -> None:
        """A file, or a folder into the folder `target` that is there. What is the same already is not sent again."""
        self._board("fs", "cp", *(["-r"] if source.is_dir() else []), str(source), f":{target}")

    def hashes(self, files: list[PurePosixPath]) -> list[str]:
        """SHA-256 of each file, computed by the board from its flash memory."""
        found: list[str] = _HASH.findall(self._board("fs", "sha256sum", *(f":{file}" for file in files)))
        return found

    def _board(self, *words: str) -> str:
        return _run(["connect", self.port, *words], self.port)


def _run(words: list[str], port: str) -> str:
    """Raises CommandError: MISSING when nobody answers, DEVICE when the board fails."""
    command = [sys.executable, "-m", "mpremote", *words]
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            command, capture_output=True, text=True, errors="replace", timeout=PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise CommandError(DEVICE, f"the board at {port} does not answer any more", "Plug it in again") from None
    if done.returncode == 0:
        return done.stdout
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    last = printable(said[-1]) if said else "no reason given"
    if any(text in last for text in _UNREACHABLE):
        next_step = "Is MicroPython on it, and nothing else at the port? Its owner is the group dialout"
        raise CommandError(MISSING, f"no MicroPython board answers at {port}: {last}", next_step)
    raise CommandError(DEVICE, f"the board at {port} failed: {last}; it will not start the appliance", "Flash it again")
