"""What the process costs and how the board is, for /metrics: whole numbers, and only what this machine tells."""

import time
from pathlib import Path

_PROC = Path("/proc/self")
TEMPERATURE = Path("/sys/class/thermal/thermal_zone0/temp")  # thousandths of a degree
_MEMORY = Path("/proc/meminfo")
THROTTLED = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")  # Raspberry Pi: bits, in hexadecimal


def process(proc: Path = _PROC) -> dict[str, int]:
    """`cpu_ms`: user and system time of all threads so far. `resident_bytes`, `proportional_bytes`: RSS and PSS.
    `disk_bytes`: written to storage so far, as far as the kernel accounts for it."""
    found = {"cpu_ms": time.process_time_ns() // 1_000_000}
    wanted = (
        ("smaps_rollup", "Rss:", "resident_bytes", 1024),
        ("smaps_rollup", "Pss:", "proportional_bytes", 1024),
        ("io", "write_bytes:", "disk_bytes", 1),
    )
    for file, word, name, unit in wanted:
        value = _number_in(proc / file, word)
        if value is not None:
            found[name] = value * unit
    return found


def board(temperature: Path = TEMPERATURE, throttled: Path = THROTTLED, memory: Path = _MEMORY) -> dict[str, int]:
    """`memory_bytes`: what the kernel has for all; `memory_available_bytes`: of it, what more programs could have.
    `temperature_mc`: of the first thermal zone, thousandths of a degree Celsius. `throttled`: 0 if it is not and was
    not since the start (Raspberry Pi; its bits)."""
    found = {}
    for path, name, base in ((temperature, "temperature_mc", 10), (throttled, "throttled", 16)):
        try:
            found[name] = int(path.read_text(), base)
        except (OSError, ValueError):
            continue
    for word, name in (("MemTotal:", "memory_bytes"), ("MemAvailable:", "memory_available_bytes")):
        kib = _number_in(memory, word)
        if kib is not None:
            found[name] = kib * 1024
    return found


def _number_in(path: Path, word: str) -> int | None:
    try:
        return number_after(path.read_text(), word)
    except (OSError, ValueError):
        return None


def number_after(text: str, word: str) -> int | None:
    """What stands behind `word` in a file of /proc; None: it is not there."""
    words = text.split()
    try:
        return int(words[words.index(word) + 1])
    except (ValueError, IndexError):
        return None
