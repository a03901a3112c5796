"""The only part that may write a slot: root, started by systemd when the appliance connects to its socket.

    -> {"length": bytes, "downgrade": bool} "\\n"   then so many bytes of a bundle
    <- {"slot": …, "version": …} "\\n"              the slot is written and starts next: the machine restarts
    <- {"refused": reason, "detail": …} "\\n"        the bundle is at fault; the slot that runs stays
    <- {"failed": why} "\\n"                        this machine is

The appliance, which faces the network, can do no more with it than hand over a bundle that somebody trusted has signed.
One at a time; ends when nothing comes for a while.
"""

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headgate.errors import DEVICE, OK, CommandError
from headgate.linux import boot_state, update_install
from headgate.linux.image_format import BadImage
from headgate.linux.update_install import Read, Running, Slot

IDLE_S = 20.0
STALL_S = 120.0  # without any byte of an update
LINE_MAX = 256  # bytes of the first line
_FIRST_FD = 3  # sd_listen_fds(3)


@dataclass(frozen=True)
class Machine:
    """What an update changes. `partitions`: the folder with its links."""

    here: Running
    trusted: dict[str, bytes]
    partitions: Path

    @property
    def state(self) -> Path:
        return self.partitions / "bootstate"


def install(
    read: Read, machine: Machine, *, downgrade: bool, wanted: Callable[[], bool] = lambda: True
) -> dict[str, Any]:
    """From the first byte of a bundle to a slot that starts next. Raises CommandError; the running slot stays then.

    `wanted`: asked last of all. The appliance that has waited for too long has answered that what runs goes on running.
    """
    here = machine.here
    state = boot_state.read(machine.state)
    if state.trial == here.slot:
        raise BadImage("unconfirmed", "what runs is not confirmed yet, and the other slot is what it would go back to")
    manifest, _, _ = update_install.read_manifest(read, machine.trusted)
    update_install.check(manifest, here, downgrade=downgrade)
    target = boot_state.other(here.slot)
    slot = Slot(target, machine.partitions)
    with contextlib.closing(slot):
        with boot_state.locked(machine.state):
            boot_state.write(machine.state, boot_state.installing(here.slot))
        update_install.write(read, manifest, slot)
    if not wanted():
        raise CommandError(DEVICE, "the appliance did not wait for the update to be written", "Send it again")
    with boot_state.locked(machine.state):
        boot_state.write(machine.state, boot_state.on_trial(here.slot))
    return {"slot": target, "version": manifest.version}


def failure(error: Exception) -> dict[str, Any]:
    if isinstance(error, BadImage):
        return {"refused": error.reason, "detail": error.line()}
    return {"failed": error.line() if isinstance(error, CommandError) else f"the update failed: {error}"}


def serve(client: socket.socket, machine: Machine) -> bool:
    """One bundle. True: the machine is to be restarted."""
    client.settimeout(STALL_S)
    with client, client.makefile("rb") as stream:
        left = 0
        done = False
        try:
            order = json.loads(stream.readline(LINE_MAX))
            length, downgrade = order["length"], order["downgrade"] is True
            if type(length) is not int or length < 0:
                raise ValueError("no length")
            left = length

            def read(size: int) -> bytes:
                nonlocal left
                data = stream.read(min(size, left))
                left -= len(data)
                return data

            def wanted() -> bool:
                """All was read: what can be read now is the end."""
                return left > 0 or not select.select([client], [], [], 0)[0]

            answer = install(read, machine, downgrade=downgrade, wanted=wanted)
            done = True
        except (CommandError, OSError, ValueError, KeyError, TypeError) as error:
            answer = failure(error)
        with contextlib.suppress(OSError):  # nobody waits for it any more
            client.sendall(json.dumps(answer).encode() + b"\n")
            client.shutdown(socket.SHUT_WR)
            while left > 0 and (data := stream.read(min(left, 65536))):  # or the answer would be lost with a reset
                left -= len(data)
        print(
            f"headgate: update: {answer.get('detail') or answer.get('failed') or 'written, restarting'}",
            file=sys.stderr,
        )
        return done


def listen(listener: socket.socket, machine: Machine, restart: Callable[[], None]) -> None:
    """Until an update is installed, or nobody comes."""
    listener.settimeout(IDLE_S)
    while True:
        try:
            client, _ = listener.accept()
        except TimeoutError:
            return
        if serve(client, machine):
            restart()
            return


def _restart() -> None:
    subprocess.run(["/usr/bin/systemctl", "reboot"], check=False)


def main() -> int:
    try:
        machine = Machine(update_install.running(), update_install.trusted_keys(), update_install.PARTITIONS)
    except CommandError as error:
        print(f"headgate: {error.line()}", file=sys.stderr)
        return error.code
    if os.environ.get("LISTEN_FDS") != "1":
        print("headgate: started by its socket only", file=sys.stderr)
        return DEVICE
    listen(socket.socket(fileno=_FIRST_FD), machine, _restart)
    return OK


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main())
