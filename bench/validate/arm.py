"""Instructions on ARM, counted under qemu-user: it writes a line for every instruction it executes (`-singlestep -d
exec,nochain`); two runs with different numbers of rounds are subtracted."""

import os
import subprocess
import tempfile
from pathlib import Path

from . import environment, native
from .count import CannotCount, native_count

# Static, so that qemu needs no root filesystem of the other machine.
TARGETS = (
    native.Target(
        "aarch64",
        "aarch64-linux-gnu-gcc",
        "aarch64-linux-gnu-g++",
        ("-static",),
        ("qemu-aarch64-static", "-cpu", "cortex-a53"),
    ),
    native.Target(
        "armv7",
        "arm-linux-gnueabihf-gcc",
        "arm-linux-gnueabihf-g++",
        ("-static", "-march=armv7-a", "-mfpu=neon"),
        ("qemu-arm-static", "-cpu", "cortex-a7"),
    ),
)
ROUNDS = (1, 5)
PROGRAMS = (native.OURS, native.OURS_TO_CBOR, native.OURS_CBOR, native.YYJSON)


def missing_tools(target: native.Target) -> "list[str]":
    return [tool for tool in (target.cc, target.run[0]) if not environment.found(tool)]


def executed(command: "list[str]") -> int:
    """Instructions of a run under qemu-user; `command` begins with the emulator."""
    emulator, *rest = command
    with tempfile.TemporaryDirectory() as folder:
        pipe = Path(folder) / "log"
        os.mkfifo(pipe)
        # -c: count the lines in another process, gigabytes of them never touch the disk
        counter = subprocess.Popen(["grep", "-c", "^Trace", pipe], stdout=subprocess.PIPE)  # noqa: S603, S607
        done = subprocess.run(  # noqa: S603
            [emulator, "-singlestep", "-d", "exec,nochain", "-D", str(pipe), *rest], capture_output=True, check=False
        )
        if done.returncode and counter.poll() is None:
            counter.terminate()  # qemu may have died before it opened the pipe
        output, _ = counter.communicate()
    if done.returncode:
        raise CannotCount(done.stderr.decode(errors="replace").strip()[-200:] or f"exit {done.returncode}")
    return int(output)


def for_one(program: native.Built, folder: Path, workload: str) -> float:
    """Instructions for one document. Raises CannotCount."""
    return native_count(program, folder, workload, executed, ROUNDS)


def counts(folder: Path, workloads: "list[str]") -> "tuple[dict[str, dict[str, dict[str, float]]], dict[str, str]]":
    """-> {target: {program: {workload: instructions for one document}}}, and what is left out and why."""
    figures: dict[str, dict[str, dict[str, float]]] = {}
    skipped: dict[str, str] = {}
    wanted = [program for program in native.programs(folder, []) if program.name in PROGRAMS]
    for target in TARGETS:
        missing = missing_tools(target)
        if missing:
            skipped[target.name] = f"no {', '.join(missing)}"
            continue
        built, refused = native.build(wanted, target)
        skipped.update({f"{target.name}: {name}": reason for name, reason in refused.items()})
        figures[target.name] = {}
        for program in built:
            row = figures[target.name][program.program.name] = {}
            for workload in workloads:
                try:
                    row[workload] = for_one(program, folder, workload)
                except CannotCount as error:
                    skipped[f"{target.name}: {program.program.name} on {workload}"] = str(error)
    return figures, skipped
