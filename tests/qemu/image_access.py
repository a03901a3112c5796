"""What an administrator has of a board beside the appliance: SSH with provisioned keys, the time, and a watchdog."""

import subprocess
import time
from pathlib import Path

from guest import Guest

SSH_S = 120  # of a busy machine that emulates
FEED_S = 15  # RuntimeWatchdogSec= of the image
_REFUSED = 255  # ssh's own failures
_POLL_S = 0.5
SETTINGS = (
    "UserKnownHostsFile=known_hosts",
    "StrictHostKeyChecking=accept-new",
    "LogLevel=ERROR",
    "BatchMode=yes",
    "IdentitiesOnly=yes",
)
HANG = "kill -SEGV 1"  # systemd notes it and stands still, and nobody feeds the watchdog


class Access:
    """A key pair made in `folder`, whose public half goes into the provisioning."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key("ssh.key")
        self.public = (folder / "ssh.key.pub").read_text().strip()

    def _key(self, name: str) -> None:
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "proof", "-f", name]
        subprocess.run(command, cwd=self._folder, check=True)

    def run(self, guest: Guest, command: str, key: str = "ssh.key") -> tuple[int, str]:
        """-> (exit code, what it printed); 255: ssh itself failed. The host key is learnt at the first contact."""
        words = ["ssh", "-p", str(guest.ssh_port), "-i", key]
        words += [word for setting in (*SETTINGS, f"ConnectTimeout={SSH_S}") for word in ("-o", setting)]
        done = subprocess.run(
            [*words, "-F", "none", "root@127.0.0.1", command],
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=2 * SSH_S,
            check=False,
        )
        return done.returncode, done.stdout.strip()

    def log_in(self, guest: Guest, command: str) -> str:
        """What `command` prints; tried until the board listens, which it does after the appliance."""
        deadline = time.monotonic() + SSH_S
        while True:
            code, text = self.run(guest, command)
            if code != _REFUSED or time.monotonic() > deadline:
                assert code == 0, f"ssh: {code}: {text}"
                return text
            time.sleep(_POLL_S)

    def strangers(self, guest: Guest) -> dict[str, bool]:
        """Who tries without the provisioned key -> was refused."""
        self._key("stranger.key")
        code, said = self.run(guest, "true", key="stranger.key")
        return {
            "another key": code == _REFUSED and "Permission denied" in said,
            "a password": said.endswith("(publickey)."),  # the board names all that it would take
        }
