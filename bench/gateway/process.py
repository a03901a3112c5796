"""Servers as child processes on one core, and what /proc says about them: CPU time and memory of a process tree."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

START_S = 30.0
STOP_S = 20.0
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[0], CORES[-1]  # the same one if there is only one


class Failed(Exception):
    """A server that does not start, or a tool that does not run; the reason for the report."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def on_core(core: int) -> "Iterator[None]":
    """Children started inside run there."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


@dataclass
class Command:
    argv: "Sequence[str | os.PathLike[str]]"
    port: int  # where it listens when it is ready
    environment: "dict[str, str]" = field(default_factory=dict)


class Tree:
    """The processes of one server, in the order they were started."""

    def __init__(self, name: str, commands: "Sequence[Command]", log: Path, core: int = SERVER_CORE) -> None:
        self.name = name
        self._log = log
        self._core = core
        self._processes: list[subprocess.Popen[bytes]] = []
        try:
            for command in commands:
                self._start(command)
        except BaseException:
            self.stop()
            raise

    def _start(self, command: Command) -> None:
        with self._log.open("ab") as log, on_core(self._core):
            process = subprocess.Popen(  # noqa: S603
                command.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **command.environment},
            )
        self._processes.append(process)
        deadline = time.monotonic() + START_S
        while not _listens(command.port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"{self.name} does not start: {self.last_words()}")
            time.sleep(0.02)

    def last_words(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else "it says nothing"

    @property
    def main(self) -> int:
        """The process that listens for clients."""
        return self._processes[-1].pid

    def pids(self) -> "list[int]":
        found = [process.pid for process in self._processes if process.poll() is None]
        for pid in found:  # grows while we go: children of children
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    found += [int(child) for child in children.read_text().split()]
        return found

    def signal(self, number: int) -> None:
        os.kill(self.main, number)

    def stop(self) -> "list[int]":
        """-> exit codes, the last one's first."""
        codes = []
        for process in reversed(self._processes):
            if process.poll() is None:
                process.terminate()
            try:
                codes.append(process.wait(STOP_S))
            except subprocess.TimeoutExpired:
                process.kill()
                codes.append(process.wait())
        return codes


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass(frozen=True)
class Cpu:
    """CPU time of a tree so far. `total_s` is exact to the microsecond (the scheduler's own account of each thread);
    how it divides is sampled by the kernel's tick, so it needs seconds to say something."""

    total_s: float
    user_s: float
    system_s: float

    def since(self, before: "Cpu") -> "Cpu":
        user, system = self.user_s - before.user_s, self.system_s - before.system_s
        total = self.total_s - before.total_s
        if total < user + system - 2 * TICK_S:  # a thread ended, and took its exact account with it
            total = user + system
        share = user / (user + system) if user + system > 0 else 0.0
        return Cpu(total, total * share, total * (1 - share))


def cpu(pids: "Sequence[int]") -> Cpu:
    total_ns = user = system = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            user += int(fields[11])
            system += int(fields[12])
        for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):
                total_ns += int(thread.read_text().split()[0])
    return Cpu(total_ns / 1e9, user * TICK_S, system * TICK_S)


@dataclass(frozen=True)
class Memory:
    """Bytes of a tree. PSS counts what is shared in proportion, USS not at all."""

    rss: int
    pss: int
    uss: int


def memory(pids: "Sequence[int]") -> Memory:
    sums = {"Rss": 0, "Pss": 0, "Private_Clean": 0, "Private_Dirty": 0}
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                name, _, rest = line.partition(":")
                if name in sums:
                    sums[name] += int(rest.split()[0]) * 1024
    return Memory(sums["Rss"], sums["Pss"], sums["Private_Clean"] + sums["Private_Dirty"])


def run(argv: "Sequence[str | os.PathLike[str]]", seconds: float, core: int = LOAD_CORE) -> str:
    """A tool to its end, on the loader's core -> its standard output. Raises Failed."""
    with on_core(core):
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds, check=False)  # noqa: S603
        except subprocess.TimeoutExpired:
            raise Failed(f"{Path(argv[0]).name} is not done after {seconds:.0f} s") from None
    if done.returncode:
        raise Failed(f"{Path(argv[0]).name}: {(done.stderr.strip().splitlines() or ['failed'])[-1][:200]}")
    return done.stdout
