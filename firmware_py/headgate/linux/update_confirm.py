"""Does the slot that was started work? Then it is confirmed; a new one that does not is given up, and says why.

Works means: the appliance says that it is ready (/readyz), and its uplink, if it has one, is connected (/metrics).
One that listens on no plain HTTP cannot be asked: ready is then what systemd was told, and nobody looks at the uplink.
A slot that was confirmed before is never given up here: it has nothing better to go back to, and what it lacks may be
the broker's fault. Nor does it need the uplink.
"""

import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from headgate.errors import DEVICE, FINDING, OK, CommandError
from headgate.linux import boot_state, update_install, update_status
from headgate.linux import config as configuration
from headgate.linux.boot_state import BootState
from headgate.linux.update_install import Running

TRIAL_S = 300.0  # for a new slot; a board starts, gets an address and reaches its broker in less
_TRIAL_WORD = "headgate.trial="  # on the kernel's command line: another number of seconds
PAUSE_S = 1.0
_ANSWER_S = 10.0
_ANSWER_MAX = 1 << 18  # bytes
_OK = "200"
_SYSTEMCTL = ("/usr/bin/systemctl",)
_CONNECTED = b"headgate_uplink_connected 1"

Ask = Callable[[str], tuple[str, bytes]]  # path -> (status, body); raises OSError


def asking(host: str, port: int) -> Ask:
    """GET from the appliance, without importing an HTTP client: this runs while the board starts."""

    def ask(path: str) -> tuple[str, bytes]:
        with socket.create_connection((host, port), _ANSWER_S) as connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            answer = b""
            while len(answer) < _ANSWER_MAX and (data := connection.recv(65536)):
                answer += data
        head, _, body = answer.partition(b"\r\n\r\n")
        return head.decode("latin-1").partition(" ")[2][:3], body

    return ask


def lacks(ask: Ask, *, uplink: bool) -> str:
    """What is missing for a slot that works; "" when nothing is."""
    try:
        status, body = ask("/readyz")
        if status != _OK:
            return f"not ready: {body[:200].decode('utf-8', 'replace')}"
        if uplink:
            status, body = ask("/metrics")
            # Where /metrics wants a token this cannot be judged; the appliance itself is ready.
            if status == _OK and _CONNECTED not in body:
                return "the uplink is not connected"
    except OSError as error:
        return f"the appliance does not answer: {error.strerror or error}"
    return ""


def wait(ask: Ask, *, uplink: bool, seconds: float, pause: Callable[[float], None] = time.sleep) -> str:
    """`lacks` until it lacks nothing or time is up."""
    end = time.monotonic() + seconds
    while (problem := lacks(ask, uplink=uplink)) and time.monotonic() < end:
        pause(PAUSE_S)
    return problem


def decide(problem: str, here: Running, before: BootState, state: Path, memory: Path) -> bool:
    """Keep or give up. `before`: the state as this start began. True: the machine is to be restarted, into the other
    slot. Raises OSError."""
    with boot_state.locked(state):
        return _decide(problem, here, before, state, memory)


def _decide(problem: str, here: Running, before: BootState, state: Path, memory: Path) -> bool:
    now = boot_state.read(state)
    on_trial = now.trial == here.slot
    if not problem:
        if now != before and now.trial == boot_state.other(here.slot):
            return False  # an update was written meanwhile: the restart that comes now tries it
        after, fallen = boot_state.confirmed(now, here.slot)
        if fallen:
            update_status.remember_rollback(fallen, f"slot {fallen} did not come up", memory)
        elif on_trial:
            update_status.forget_rollback(memory)
        boot_state.write(state, after)
        return False
    if not on_trial:
        return False
    # The reason first: after a power cut between the two it is tried, and judged, once more.
    update_status.remember_rollback(here.slot, f"version {here.version}: {problem}", memory)
    boot_state.write(state, boot_state.failed(here.slot))
    return True


def main() -> int:
    state = update_install.PARTITIONS / "bootstate"
    try:
        here = update_install.running()
        before = boot_state.read(state)
        update_status.publish(here, confirmed=False)  # this start is not: what went before is not told yet, either
        problem = _watch(before.trial == here.slot)
        restart = decide(problem, here, before, state, update_status.MEMORY)
        update_status.publish(here, confirmed=not restart, problem=problem, ready_ms=ready_ms())
    except CommandError as error:
        print(f"headgate: {error.line()}", file=sys.stderr)
        return error.code
    except OSError as error:
        # Not confirmed, then: the boot loader counts this start, and tries the other slot when none is left.
        print(f"headgate: slot state in {state}: {error.strerror}. Is the card failing? Replace it", file=sys.stderr)
        return DEVICE
    if not problem:
        print(f"headgate: slot {here.slot}, version {here.version}, works", file=sys.stderr)
        return OK
    print(f"headgate: slot {here.slot}, version {here.version}: {problem}", file=sys.stderr)
    if restart:
        subprocess.run([*_SYSTEMCTL, "reboot"], check=False)  # noqa: S603
    return FINDING


def _watch(on_trial: bool) -> str:
    """-> the problem, or """ ""
    try:
        config = configuration.load()
    except CommandError as error:  # this version does not take the configuration that is there
        return error.cause
    seconds = trial_s(update_install.CMDLINE.read_text())
    address = next(iter(config.listen.http), None)
    if address is None:
        return wait(systemd_says, uplink=False, seconds=seconds)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)  # noqa: S104
    uplink = on_trial and config.uplink.url is not None
    return wait(asking(host, address.port), uplink=uplink, seconds=seconds)


def systemd_says(_: str) -> tuple[str, bytes]:
    """Ask of an appliance that speaks TLS only. That this was started after it says nothing: also if it failed."""
    done = subprocess.run([*_SYSTEMCTL, "is-active", "headgate.service"], capture_output=True, check=False)  # noqa: S603
    return (_OK if done.returncode == 0 else "503"), done.stdout.strip()


def trial_s(cmdline: str) -> float:
    given = [word.removeprefix(_TRIAL_WORD) for word in cmdline.split() if word.startswith(_TRIAL_WORD)]
    return float(given[-1]) if given and given[-1].isdecimal() else TRIAL_S


def ready_ms() -> int | None:
    """When systemd was told that the appliance is ready, since the kernel's start; None: nobody knows."""
    command = [*_SYSTEMCTL, "show", "--value", "--property=ActiveEnterTimestampMonotonic", "headgate.service"]
    try:
        text = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603
    except OSError:
        return None
    return int(text) // 1000 if text.isdecimal() and int(text) else None


if __name__ == "__main__":
    sys.exit(main())
