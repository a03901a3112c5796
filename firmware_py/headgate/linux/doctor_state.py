"""Doctor's look at the disk: state directory, file system, fsync, space against the outbox's budget, keys."""

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from headgate.errors import CommandError
from headgate.linux.config_plan import issuer_keys
from headgate.linux.config_rules import Config
from headgate.linux.config_values import show_size
from headgate.linux.doctor_machine import FAIL, OK, WARN, Check

SPACE_MIN = 16 << 20  # bytes free; below it SQLite's log and a compaction may not fit
FSYNC_TRIES = 5
OUTBOX = "outbox.db"  # outbox_schema.FILE, whose module loads SQLite
MOUNTS = Path("/proc/self/mountinfo")
MOUNT_POINT = 4  # its field with the mount point

# File system -> (status, meaning, next step). Not listed: taken for a disk of this machine.
_RAM = (WARN, "it is memory: a restart of the machine loses what was acknowledged", "Put appliance.state_dir on a disk")
_REMOTE = (FAIL, "SQLite's log cannot be shared over a network file system", "Put appliance.state_dir on a local disk")
FILE_SYSTEMS = {
    "tmpfs": _RAM,
    "ramfs": _RAM,
    "overlay": (WARN, "a container's layer: it vanishes with the container", "Mount a volume for appliance.state_dir"),
    "vfat": (WARN, "no file modes: keys are readable by everybody; not safe in a power cut", "Use ext4 or f2fs"),
    "exfat": (WARN, "no file modes: keys are readable by everybody; not safe in a power cut", "Use ext4 or f2fs"),
    "nfs": _REMOTE,
    "nfs4": _REMOTE,
    "cifs": _REMOTE,
    "9p": _REMOTE,
}


def state_checks(config: Config) -> Iterator[Check]:
    """`config.state_dir` and the keys."""
    directory = existing_part(config.state_dir)
    check = usable(config.state_dir, directory)
    yield check
    yield file_system(directory, MOUNTS)
    yield space(shutil.disk_usage(directory).free, config.outbox.bytes, in_use(config.state_dir))
    if check.status != FAIL:
        yield fsync(directory)
    yield from keys(config)


def existing_part(directory: Path) -> Path:
    """`directory`, or the nearest parent that exists."""
    while not directory.exists() and directory != directory.parent:
        directory = directory.parent
    return directory


def usable(wanted: Path, existing: Path) -> Check:
    name = "state directory"
    meaning, step = "'headgate run' will not start", "Give its owner write access, or set appliance.state_dir"
    if not existing.is_dir():
        return Check(name, FAIL, f"{existing} is no directory", meaning, "Set appliance.state_dir")
    if not os.access(existing, os.R_OK | os.W_OK | os.X_OK):
        return Check(name, FAIL, f"{existing} is not writable for this user", meaning, step)
    if existing != wanted:
        return Check(name, OK, f"{wanted} will be made by the first run")
    return Check(name, OK, str(wanted))


def file_system_type(directory: Path, mounts: Path) -> str:
    """The type of the file system below `directory`, from /proc/self/mountinfo (proc(5)); "" when unknown."""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return ""
    real = directory.resolve()
    best, kind = -1, ""
    for line in lines:
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) <= MOUNT_POINT or not after:
            continue
        # Space, tab, line end and backslash stand as octal escapes.
        point = Path(re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), fields[MOUNT_POINT]))
        # Of several mounts on one point the last is on top.
        if (real == point or point in real.parents) and len(point.parts) >= best:
            best, kind = len(point.parts), after.split()[0]
    return kind


def file_system(directory: Path, mounts: Path) -> Check:
    kind = file_system_type(directory, mounts)
    if not kind:
        return Check("file system", WARN, "unknown", f"{mounts} does not tell")
    status, meaning, step = FILE_SYSTEMS.get(kind, (OK, "", ""))
    return Check("file system", status, kind, meaning, step)


def in_use(directory: Path) -> int:
    """About what the disk has given of the budget already: keys and free pages are in that file as well."""
    try:
        return (directory / OUTBOX).stat().st_size
    except OSError:
        return 0


def space(free: int, budget: int, used: int = 0) -> Check:
    used = min(used, budget)
    found = f"{free >> 20} MiB free, outbox budget {show_size(budget)}"
    if used >> 20:
        found += f", {used >> 20} MiB of it on the disk"
    if free < SPACE_MIN:
        return Check("disk space", FAIL, found, "messages will be answered 503", "Free some space")
    if free + used < budget:
        meaning = "the disk will be full before the outbox is; then messages are answered 503"
        return Check("disk space", WARN, found, meaning, "Lower outbox.bytes or free some space")
    return Check("disk space", OK, found)


def fsync(directory: Path) -> Check:
    """Does a small write reach the disk, and how long does it take? Reported, never judged: it depends on the card."""
    times_us = []
    try:
        with tempfile.TemporaryFile(dir=directory) as file:
            for _ in range(FSYNC_TRIES):
                file.write(b"headgate" * 512)
                file.flush()
                start = time.perf_counter_ns()
                os.fsync(file.fileno())
                times_us.append((time.perf_counter_ns() - start) // 1000)
    except OSError as error:
        return Check(
            "fsync", FAIL, f"fails: {error.strerror}", "no message can be acknowledged", "Check the disk: dmesg"
        )
    times_us.sort()
    found = f"{times_us[FSYNC_TRIES // 2] / 1000:.1f} ms (slowest of {FSYNC_TRIES}: {times_us[-1] / 1000:.1f} ms)"
    return Check("fsync", OK, found, "each acknowledged batch waits for one of these")


def keys(config: Config) -> Iterator[Check]:
    """Every issuer's keys: there, readable, private. Their content is never shown."""
    for issuer in config.issuers:
        name = f"keys of {issuer.name}"
        secret = issuer.secret_file
        if secret is not None and not secret.exists():
            meaning = "the first 'headgate run' makes it; until then no token can be minted"
            yield Check(name, WARN, f"{secret} does not exist yet", meaning, "Type: headgate keys init")
            continue
        try:
            found = issuer_keys(issuer)
        except CommandError as error:
            yield Check(name, FAIL, error.cause, "tokens of this issuer get 401", error.next_step)
            continue
        yield Check(name, OK, ", ".join(f"{key.alg} {key.kid}" for key in found))
