"""Root without being it: a build that somebody else starts goes on in namespaces of its own (user_namespaces(7)).

There it is root over the ids that /etc/subuid gives its user, so that what packages hold has its owners, and may mount.
Processes are numbered anew as well: without that nobody may mount /proc.
"""

import os
import subprocess
import sys
from collections.abc import Iterable
from typing import NoReturn

from headgate.errors import MISSING, CommandError

NAMESPACES = ("unshare", "--user", "--map-root-user", "--map-auto", "--mount", "--pid", "--mount-proc", "--kill-child")


def again(words: Iterable[str]) -> NoReturn:
    """Becomes `headgate WORDS` as root of new namespaces. Raises CommandError: this machine has none to give."""
    try:
        probe = subprocess.run([*NAMESPACES, "true"], capture_output=True, text=True, check=False)  # noqa: S603
        lines = probe.stderr.strip().splitlines() or ["no reason given"]
        reason = lines[0] if probe.returncode else ""
    except FileNotFoundError:
        reason = "no unshare on this machine"
    if reason:
        cause = f"making an image needs root, or a user namespace, which cannot be had: {reason}"
        next_step = (
            "Use sudo; or have util-linux 2.38 or newer (--map-auto), apt-get install uidmap, "
            "and your ids in /etc/subuid and /etc/subgid"
        )
        raise CommandError(MISSING, cause, next_step)
    # -P: what is in the current folder is not meant.
    command = [*NAMESPACES, sys.executable, "-P", "-m", "headgate", *words]
    os.execvp(command[0], command)  # noqa: S606 - the words of our own command line
