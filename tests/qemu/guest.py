"""A board in the emulator: an image's disk in qemu-system, its ports 8080 and 22 on loopback ports of this machine.

    guest.py on|off FOLDER      switches it, as a plug would: `headgate load powercut --cut … --restore …`

The folder says all about it (guest.json); its console goes to serial.log. Off is SIGKILL: what the guest had in memory
is lost, what it had given to the disk is in this machine's page cache and stays. (A disk that loses what it promised
is another matter: tests/unit/cpython/test_outbox_faults.py.)
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import emulator

from headgate.errors import MISSING, CommandError

ROOT = Path(__file__).resolve().parents[2]
PORT, SSH_PORT = 8080, 22  # of the board
TREE = "board.dtb"  # in the guest's folder: the device tree of a machine that does not make its own
REAL_TIME = ("chrt", "--rr", "1")
_POLL_S = 0.1


def check_real_time() -> None:
    """Raises CommandError: nobody here may have an emulator that nothing else on this machine holds up."""
    try:
        tried = subprocess.run([*REAL_TIME, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise CommandError(MISSING, "there is no chrt", "apt-get install util-linux") from None
    if tried.returncode != 0:
        cause = f"no real-time priority: {tried.stderr.strip() or 'chrt failed'}"
        raise CommandError(MISSING, cause, "Run it as root, or raise your limit (ulimit -r)")


class Guest:
    """`folder` is the guest's own; disk.img, u-boot.bin and perhaps board.dtb are in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.serial = folder / "serial.log"
        self._pid = folder / "guest.pid"

    @classmethod
    def make(cls, folder: Path, board: str, kept: Path, *, real_time: bool = False) -> "Guest":
        """A new one, from board.toml; does not start it. `kept`: where emulators that are fetched are. `real_time`:
        what else this machine has to do waits (the guest's clock runs on while the emulator does): check_real_time."""
        facts = tomllib.loads((ROOT / "boards" / board / "board.toml").read_text())
        machine = facts["emulator"]
        port, ssh_port = free_port(), free_port()
        forwards = f"hostfwd=tcp:127.0.0.1:{port}-:{PORT},hostfwd=tcp:127.0.0.1:{ssh_port}-:{SSH_PORT}"
        priority = REAL_TIME if real_time else ("nice", "-n", "5")
        command = [
            *(priority if shutil.which(priority[0]) else ()),
            *emulator.words(machine["program"], machine.get("version", 0), folder, kept),
            *("-M", machine["machine"], "-cpu", machine["cpu"], "-m", str(machine["ram_mib"])),
            *("-accel", machine.get("accel", "tcg")),
            *("-smp", str(facts["cores"]), "-nodefaults", "-display", "none", f"-{machine['u_boot']}", "u-boot.bin"),
            *(("-dtb", TREE) if (folder / TREE).exists() else ()),
            *("-drive", f"file=disk.img,format=raw,if={machine.get('disk', 'none')},id=disk"),
            *("-netdev", f"user,id=net,{forwards}"),
            *(word for device in machine["devices"] for word in ("-device", device)),
            *("-chardev", "file,id=console,path=serial.log,append=on"),
            *(*("-serial", "null") * machine.get("uart", 0), "-serial", "chardev:console"),
        ]
        (folder / "guest.json").write_text(json.dumps({"port": port, "ssh_port": ssh_port, "command": command}))
        return cls(folder)

    @property
    def port(self) -> int:
        return self._fact("port")

    @property
    def ssh_port(self) -> int:
        return self._fact("ssh_port")

    def _fact(self, name: str) -> int:
        return int(json.loads((self.folder / "guest.json").read_text())[name])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def on(self) -> None:
        """Returns as soon as it is switched on."""
        command = json.loads((self.folder / "guest.json").read_text())["command"]
        with (self.folder / "qemu.log").open("ab") as log:
            process = subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._pid.write_text(str(process.pid))

    def off(self) -> None:
        """Returns when it is gone."""
        try:
            pid = int(self._pid.read_text())
        except (OSError, ValueError):
            return
        self._pid.unlink()
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):  # another process of ours had switched it on
            os.waitpid(pid, 0)
        while _alive(pid):
            time.sleep(_POLL_S)

    def log(self, after: int = 0) -> str:
        """What came over the serial port, from byte `after` on."""
        try:
            return self.serial.read_bytes()[after:].decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def said(self) -> int:
        """How many bytes came over the serial port so far."""
        return self.serial.stat().st_size if self.serial.exists() else 0

    def wait_for(self, pattern: str, seconds: float, after: int = 0) -> "re.Match[str]":
        """Until the console has said `pattern`. Raises TimeoutError with what it said last."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = re.search(pattern, self.log(after))
            if found is not None:
                return found
            time.sleep(_POLL_S)
        raise TimeoutError(f"the guest has not said {pattern!r} in {seconds:g} s:\n{self.log(after)[-4000:]}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _alive(pid: int) -> bool:
    """Neither gone nor a zombie that somebody else has to collect."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def main(words: list[str]) -> int:
    if len(words) != 2 or words[0] not in ("on", "off"):
        print(__doc__, file=sys.stderr)
        return 2
    guest = Guest(Path(words[1]))
    guest.on() if words[0] == "on" else guest.off()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
