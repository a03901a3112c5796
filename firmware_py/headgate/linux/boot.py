"""Who this appliance is and how often it started: the two numbers that make message ids unique for ever.

They live in a file of their own, beside the database and not in it only, because a lost database must not make the
counter start again: ids that come twice are taken for replays by `headgate receive`, and real messages would vanish.
"""

import os
import time
from binascii import crc32
from pathlib import Path
from typing import NamedTuple

from headgate import limits
from headgate.linux import atomic_file
from headgate.tasks.plan import is_name

FILE = "boot"
_MAGIC = "headgate-boot 1"
_RANDOM_BITS = 12
_FLOOR_MS = limits.CLOCK_FLOOR_S * 1000
_COUNT_MAX = 2**53 - 1  # exact in JSON
_CEILING_MS = _COUNT_MAX >> _RANDOM_BITS  # Unix ms, September 2039: what a later one gives is larger
_LINES = 4


class Identity(NamedTuple):
    """`note`: something the operator should read once, or empty."""

    appliance: str
    boot: int
    note: str


def read(state_dir: Path) -> tuple[str, int] | None:
    """-> (appliance, boot) of the last start, or None when the file is missing, damaged or not ours."""
    try:
        text = (state_dir / FILE).read_bytes().decode("ascii")
    except (OSError, UnicodeDecodeError):
        return None
    lines = text.splitlines()
    if len(lines) != _LINES or lines[0] != _MAGIC:
        return None
    names = [line.partition(" ")[0] for line in lines[1:]]
    appliance, boot, check = (line.partition(" ")[2] for line in lines[1:])
    if names != ["appliance", "boot", "crc32"] or check != _check(lines[1], lines[2]):
        return None
    if not is_name(appliance) or not boot.isdigit() or int(boot) == 0:
        return None
    return appliance, int(boot)


def write(state_dir: Path, appliance: str, boot: int) -> None:
    """Replaces the file in one step; on disk when it returns. Raises OSError, the old file is intact then."""
    lines = [f"appliance {appliance}", f"boot {boot}"]
    text = "\n".join([_MAGIC, *lines, f"crc32 {_check(*lines)}"]) + "\n"
    atomic_file.write(state_dir / FILE, text.encode("ascii"))


def start(state_dir: Path, configured: str, database: tuple[str, int] | None, *, first_run: bool) -> Identity:
    """The identity of the start that begins now; not yet written.

    `configured`: the appliance id of the configuration, or empty; `database`: what the outbox remembers;
    `first_run`: nothing in the state directory speaks of an earlier start.
    """
    known = [memory for memory in (read(state_dir), database) if memory is not None]
    if known:
        appliance, boot = max(known, key=lambda memory: memory[1])
        configured = configured or appliance
        if boot < _COUNT_MAX:
            return Identity(configured, boot + 1, "")
    if first_run and not configured:
        return Identity(random_appliance(), 1, "")
    # The id may have been used before (a configured one, or a state directory that lost its memory), with any count.
    boot = _unused_count(time.time_ns() // 1_000_000)
    appliance = configured or random_appliance()
    if first_run:
        return Identity(appliance, boot, "")
    return Identity(appliance, boot, f"boot counter lost; starts now count from {boot}, message ids stay unique")


def _unused_count(now_ms: int) -> int:
    """Above every honest count of starts and, with a clock that works, above every number made here before; random
    bits keep two numbers apart that are made at the same time or by a clock that is wrong. Below 2**53: exact in JSON.
    A clock that shows too much for that counts as wrong.
    """
    if not _FLOOR_MS <= now_ms < _CEILING_MS:
        now_ms = _FLOOR_MS // 2 + int.from_bytes(os.urandom(8), "big") % (_FLOOR_MS // 2)
    return (now_ms << _RANDOM_BITS) + int.from_bytes(os.urandom(2), "big") % (1 << _RANDOM_BITS)


def random_appliance() -> str:
    return "hg" + os.urandom(8).hex()


def _check(*lines: str) -> str:
    return format(crc32("\n".join(lines).encode("ascii")), "08x")
