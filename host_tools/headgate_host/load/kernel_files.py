"""What Linux says of a process and of the board in /proc and /sys (proc(5)), by the names of device.MEANINGS."""

from collections.abc import Mapping

from headgate.linux import machine
from headgate.linux.machine import number_after

TICKS_PER_S = 100  # USER_HZ: what user space sees, on every architecture
SECTOR = 512  # bytes, of /proc/diskstats whatever the disk's are
KIB = 1024
STAT, MEMORY, DISKS = "/proc/stat", "/proc/meminfo", "/proc/diskstats"
TEMPERATURE, THROTTLED = str(machine.TEMPERATURE), str(machine.THROTTLED)
_PARTS = ("loop", "ram", "zram", "dm-", "md")  # disks that are made of others, or of memory


def of_process(pid: int) -> "list[str]":
    return [f"/proc/{pid}/{name}" for name in ("stat", "smaps_rollup", "status", "io")]


def of_machine(pid: "int | None") -> "list[str]":
    """To be read there. Without a process its place is taken by all of the machine."""
    return [*([STAT, MEMORY, DISKS] if pid is None else of_process(pid)), TEMPERATURE, THROTTLED]


def figures(files: "Mapping[str, str]", pid: "int | None" = None) -> "dict[str, float]":
    """`files`: text by path; what could not be read is missing or empty. Raises FileNotFoundError: no process."""
    found = _of_all(files) if pid is None else _of_process(files, pid)
    for path, name, base in (
        (TEMPERATURE, "headgate_board_temperature_mc", 10),
        (THROTTLED, "headgate_board_throttled", 16),
    ):
        text = files.get(path, "").strip()
        if text:
            found[name] = float(int(text, base))
    return found


def _of_process(files: "Mapping[str, str]", pid: int) -> "dict[str, float]":
    stat = files.get(f"/proc/{pid}/stat", "").rpartition(")")[2].split()  # the name before it may hold anything
    if len(stat) < 13:  # noqa: PLR2004 - utime and stime are the 12th and 13th behind the name
        raise FileNotFoundError(f"there is no process {pid}")
    wanted = (
        ("status", "VmRSS:", "process_resident_memory_bytes", KIB),
        ("smaps_rollup", "Pss:", "headgate_process_proportional_bytes", KIB),
        ("io", "write_bytes:", "headgate_process_disk_bytes", 1),
    )
    found = {"process_cpu_seconds_total": (int(stat[11]) + int(stat[12])) / TICKS_PER_S}
    for file, word, name, unit in wanted:
        value = number_after(files.get(f"/proc/{pid}/{file}", ""), word)
        if value is not None:
            found[name] = float(value * unit)
    return found


def _of_all(files: "Mapping[str, str]") -> "dict[str, float]":
    first = files.get(STAT, "").partition("\n")[0].split()
    if not first:
        raise FileNotFoundError(f"{STAT} is not there: is it Linux?")
    ticks = [int(word) for word in first[1:9]]  # user nice system idle iowait irq softirq steal
    found = {"process_cpu_seconds_total": (sum(ticks) - ticks[3] - ticks[4]) / TICKS_PER_S}
    total, free = (number_after(files.get(MEMORY, ""), word) for word in ("MemTotal:", "MemAvailable:"))
    if total is not None and free is not None:
        found["process_resident_memory_bytes"] = float((total - free) * KIB)
    rows = [line.split() for line in files.get(DISKS, "").splitlines()]
    disks = [row for row in rows if len(row) > 9 and not row[2].startswith(_PARTS)]  # noqa: PLR2004
    whole = [row for row in disks if not any(row[2] != one[2] and row[2].startswith(one[2]) for one in disks)]
    if whole:
        found["node_disk_written_bytes_total"] = float(sum(int(row[9]) for row in whole) * SECTOR)
    return found
