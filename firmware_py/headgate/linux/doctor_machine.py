"""Doctor's look at the machine: interpreter, native core, libraries, clock, watchdog. Nothing here changes anything."""

import importlib.util
import os
import platform
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from headgate import limits
from headgate.linux import ntp, update_status
from headgate.linux.config_rules import Config

OK, WARN, FAIL = "ok", "warn", "fail"
USUAL_PAGE = 4096  # bytes; a Raspberry Pi 5 has 16384
JUST_STARTED_S = 120
DAY_S = 86400


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: what was looked at, how it stands, what that means, and what to do (empty when nothing)."""

    name: str
    status: str
    found: str
    meaning: str = ""
    next_step: str = ""

    def document(self) -> dict[str, str]:
        return {
            "check": self.name,
            "status": self.status,
            "found": self.found,
            "meaning": self.meaning,
            "next_step": self.next_step,
        }


def machine_checks(config: Config | None) -> Iterator[Check]:
    """Everything that needs no state directory and no network. `config` None: it was refused, or there is none."""
    yield python()
    yield native_core()
    yield from libraries(config)
    yield word_size()
    yield page_size()
    yield clock(ntp.synchronised(), config)
    yield uptime(Path("/proc/uptime"))
    yield watchdog(config)
    yield from slot(update_status.load())


def python() -> Check:
    """Shown for the report: pip and the syntax of this very program refuse anything before 3.11."""
    return Check("python", OK, f"{platform.python_implementation()} {platform.python_version()}, {sys.executable}")


def native_core() -> Check:
    try:
        from headgate import _accel
    except ImportError as error:
        return Check(
            "native core",
            FAIL,
            str(error),
            "'headgate run' will not start",
            "Run './dev setup', or reinstall the package",
        )
    if _accel.BACKEND != "native":
        meaning = "every message is handled in pure Python: many times the CPU time"
        return Check("native core", WARN, f"backend {_accel.BACKEND}", meaning, "Unset HEADGATE_BACKEND")
    return Check("native core", OK, f"backend native: {', '.join(_accel.FEATURES)}")


def libraries(config: Config | None) -> Iterator[Check]:
    """The optional libraries: what is lost without each, and whether this configuration needs it."""
    eddsa = config is not None and any(i.public_keys or i.jwks_file for i in config.issuers)
    sealed = config is not None and config.uplink.mode == "sealed"
    uplink = config is not None and config.uplink.url is not None
    yield library("PyNaCl", "nacl", eddsa or sealed, "EdDSA tokens and sealed batches", "python3-nacl")
    yield library("zstandard", "zstandard", False, "compression in the outbox and on the wire", "python3-zstandard")
    yield library("aiomqtt", "aiomqtt", uplink, "the uplink", "pip: aiomqtt")


def library(name: str, module: str, needed: bool, lost: str, package: str) -> Check:
    """Presence and version of one library; it is not imported: some cost megabytes."""
    if importlib.util.find_spec(module) is not None:
        try:
            return Check(name, OK, metadata.version(name))
        except metadata.PackageNotFoundError:
            return Check(name, OK, "present, version unknown")
    status = FAIL if needed else WARN
    meaning = f"without it: no {lost}" + (", which this configuration asks for" if needed else "")
    how = f"pip install {package[5:]}" if package.startswith("pip: ") else f"apt-get install {package}"
    return Check(name, status, "not installed", meaning, f"Type: {how}")


def word_size() -> Check:
    bits = struct.calcsize("P") * 8
    found = f"{bits}-bit Python on {platform.machine()}"
    if bits < 64:  # noqa: PLR2004 - says what it is
        return Check("word size", OK, found, "32 bits: PyNaCl and zstandard come from Debian, not from PyPI")
    return Check("word size", OK, found)


def page_size() -> Check:
    size = os.sysconf("SC_PAGE_SIZE")
    if size != USUAL_PAGE:
        meaning = "memory is counted in larger steps; the figures in the documentation are for 4096 bytes"
        return Check("page size", OK, f"{size} bytes", meaning)
    return Check("page size", OK, f"{size} bytes")


def clock(synchronised: bool, config: Config | None, wall_s: int | None = None) -> Check:
    """As core/clock.py judges it. `wall_s`: what it shows, for tests."""
    shown_s = int(time.time()) if wall_s is None else wall_s
    policies = {issuer.clock_policy for issuer in config.issuers} if config else set()
    kept = config.state_dir / ntp.FILE if config else None
    floor_s = ntp.load_floor(kept) if kept else limits.CLOCK_FLOOR_S
    if shown_s + limits.CLOCK_SLACK_S * synchronised < floor_s:
        found = f"shows {_moment(shown_s)}, before {_moment(floor_s)}, which has passed"
        meaning = "it is not believed" + ("; tokens are refused" if policies & {"estimate", "refuse"} else "")
        step = "Set it: timedatectl set-ntp true, or install chrony"
        if floor_s > limits.CLOCK_FLOOR_S:
            found += f" by {kept}"
            step = "Set it; if it is right, that file was written while it was wrong: remove it and restart headgate"
        return Check("clock", FAIL if synchronised else WARN, found, meaning, step)
    if synchronised:
        return Check("clock", OK, "synchronised")
    if "refuse" in policies:
        meaning = "tokens are refused until it is"
    elif "estimate" in policies:
        meaning = "tokens are judged by what it shows"
    else:
        meaning = "only tokens surely expired are refused"
    return Check("clock", WARN, "not synchronised", meaning, "Type: timedatectl set-ntp true, or install chrony")


def _moment(unix_s: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(unix_s))


def uptime(file: Path) -> Check:
    try:
        seconds = int(float(file.read_text().split()[0]))
    except (OSError, ValueError, IndexError):
        return Check("since boot", WARN, "unknown", f"{file} cannot be read")
    hours, minutes = seconds % DAY_S // 3600, seconds % 3600 // 60
    found = f"{seconds // DAY_S} d {hours} h {minutes} min"
    if seconds < JUST_STARTED_S:
        return Check("since boot", OK, found, "just started: the clock and the network may need a moment more")
    return Check("since boot", OK, found)


def watchdog(config: Config | None) -> Check:
    """Only looks: opening a watchdog device starts its countdown."""
    device = config.watchdog.device if config else None
    if device is None:
        if os.environ.get("WATCHDOG_USEC"):
            return Check("watchdog", OK, "systemd's")
        present = Path("/dev/watchdog").exists()
        found = "/dev/watchdog is there, and not used by us" if present else "no device"
        step = "Use the systemd unit (RuntimeWatchdogSec= in system.conf), or set watchdog.device" if present else ""
        return Check("watchdog", OK, found, "nothing resets this board when it hangs" if present else "", step)
    if not device.is_char_device():
        return Check(
            "watchdog", FAIL, f"{device} is no device", "'headgate run' will not start", "Correct watchdog.device"
        )
    if not os.access(device, os.W_OK):
        return Check("watchdog", FAIL, f"{device} may not be written", "'headgate run' will not start", "Run as root")
    return Check("watchdog", OK, f"{device}, {config.watchdog.timeout_s if config else 0} s")


def slot(status: dict[str, Any] | None) -> Iterator[Check]:
    """Of an image with slots, which one runs; `status`: what the confirming service published."""
    if status is None:
        return
    found = f"{status['slot']}, version {status['version']}"
    rollback = status["last_rollback"]
    after = f"; slot {rollback['slot']} was given up: {rollback['reason']}" if rollback else ""
    if status["problem"]:
        yield Check("slot", WARN, found, status["problem"] + after, "See the lines above and journalctl -b")
    elif not status["confirmed"]:
        yield Check("slot", WARN, found, f"this start is not confirmed yet{after}", "Wait some minutes and look again")
    elif rollback:
        yield Check("slot", WARN, found, f"the last update was rolled back{after}", "Correct it and update again")
    else:
        yield Check("slot", OK, f"{found}, confirmed")
