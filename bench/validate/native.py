"""The native programs: ours without Python, yyjson, simdjson, RapidJSON, serde, and the floors. Each is built when its
source and a compiler are there; what cannot be built is left out, with the reason."""

import json
import os
import shutil
import statistics
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from . import corpus, environment
from .types_of import Rust

PROGRAMS = environment.HERE / "native"
CORE = environment.ROOT / "native_ext"
SAMPLE_NS = 30e6
PEER_FLAGS = ("-O3", "-DNDEBUG")  # what their own release builds use

OURS, OURS_CBOR, OURS_TO_CBOR = "headgate", "headgate on CBOR", "headgate to CBOR"
YYJSON = "yyjson DOM"


class CannotBuild(Exception):
    """Why a program is left out, in one line."""


@dataclass
class Program:
    name: str
    build: "Callable[[Target, Path], None]"  # (for what, where to)
    judges: bool = True  # decides by the schema, not only by the grammar
    formats: bool = True  # asserts `format`
    suffix: str = ".json"
    workloads: "tuple[str, ...]" = ()  # only these; () is all


@dataclass
class Target:
    """What is compiled for; the machine of the bench itself, or an ARM that qemu emulates."""

    name: str = "host"
    cc: str = "gcc"
    cxx: str = "g++"
    flags: "tuple[str, ...]" = ()
    run: "tuple[str, ...]" = field(default=())

    def folder(self) -> Path:
        folder = environment.BUILD / self.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


HOST = Target()


def run(*command: "str | Path") -> None:
    if not environment.found(str(command[0])):
        raise CannotBuild(f"no {command[0]}")
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines() or [""]
        raise CannotBuild(f"{command[0]}: {lines[0][:200]}")


def core_sources() -> "list[Path]":
    return sorted((CORE / "core").glob("*.c"))


def _ours(mode: int) -> "Callable[[Target, Path], None]":
    def build(target: Target, path: Path) -> None:
        folder = target.folder() / "core"
        folder.mkdir(exist_ok=True)
        newest = max(file.stat().st_mtime for file in (CORE / "core").iterdir())
        objects = []
        for source in core_sources():
            compiled = folder / f"{source.stem}.o"
            objects.append(compiled)
            if not compiled.exists() or compiled.stat().st_mtime < newest:
                run(target.cc, "-std=c11", "-O2", *target.flags, f"-I{CORE}", "-c", source, "-o", compiled)
        main = PROGRAMS / "ours.c"
        # gnu11: the driver reads the CPU clock of POSIX
        run(target.cc, "-std=gnu11", "-O2", *target.flags, f"-DMODE={mode}", f"-I{CORE}", main, *objects, "-o", path)

    return build


def _yyjson(pool: int) -> "Callable[[Target, Path], None]":
    def build(target: Target, path: Path) -> None:
        folder = _source("yyjson") / "yyjson"
        compiled = target.folder() / "yyjson.o"
        run(target.cc, *PEER_FLAGS, *target.flags, f"-I{folder}", "-c", folder / "yyjson.c", "-o", compiled)
        main = PROGRAMS / "yyjson.c"
        run(target.cc, *PEER_FLAGS, *target.flags, f"-I{folder}", f"-DPOOL={pool}", main, compiled, "-o", path)

    return build


def _source(package: str) -> Path:
    try:
        return environment.source_package(environment.pinned(package))
    except (subprocess.CalledProcessError, ValueError, OSError) as error:
        raise CannotBuild(f"the source package of {package} cannot be had: {type(error).__name__}") from None


def _simdjson(target: Target, path: Path) -> None:
    folder = _source("pysimdjson") / "simdjson"
    compiled = target.folder() / "simdjson.o"
    flags = ("-std=c++17", *PEER_FLAGS, *target.flags, f"-I{folder}")
    if not compiled.exists():
        run(target.cxx, *flags, "-c", folder / "simdjson.cpp", "-o", compiled)
    run(target.cxx, *flags, PROGRAMS / "simdjson.cpp", compiled, "-o", path)


def _rapidjson(target: Target, path: Path) -> None:
    folder = _source("python-rapidjson") / "rapidjson" / "include"
    flags = ("-std=c++17", "-w", *PEER_FLAGS, *target.flags)  # its SSE2 switch costs it 5 % on these documents
    run(target.cxx, *flags, f"-I{folder}", PROGRAMS / "rapidjson.cpp", "-o", path)


def _serde(workload: str, folder: Path) -> "Callable[[Target, Path], None]":
    def build(target: Target, path: Path) -> None:
        crate = target.folder() / f"serde-{workload}"
        (crate / "src").mkdir(parents=True, exist_ok=True)
        (crate / "Cargo.toml").write_text(
            f'[package]\nname = "serde-{workload}"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\n'
            'serde = { version = "1", features = ["derive"] }\nserde_json = "1"\n'
            '[profile.release]\nlto = true\ncodegen-units = 1\npanic = "abort"\n'
        )
        types = Rust(corpus.schema(folder, workload)).source()
        (crate / "src" / "typed.rs").write_text("#![allow(dead_code)]\n" + types)
        shutil.copyfile(PROGRAMS / "serde.rs", crate / "src" / "main.rs")
        shared = environment.BUILD / "cargo"
        run("cargo", "build", "-q", "--release", "--manifest-path", crate / "Cargo.toml", "--target-dir", shared)
        shutil.copy2(shared / "release" / f"serde-{workload}", path)

    return build


def _floor(kind: int) -> "Callable[[Target, Path], None]":
    def build(target: Target, path: Path) -> None:
        run(target.cc, "-std=gnu11", "-O2", *target.flags, f"-DFLOOR={kind}", PROGRAMS / "floor.c", "-o", path)

    return build


def programs(folder: Path, workloads: "list[str]") -> "list[Program]":
    return [
        Program(OURS, _ours(0)),
        Program(OURS_CBOR, _ours(1), suffix=".cbor"),
        Program(OURS_TO_CBOR, _ours(2)),
        Program(YYJSON, _yyjson(0), judges=False),
        Program("yyjson DOM, pool", _yyjson(1), judges=False),
        Program("simdjson DOM", _simdjson, judges=False),
        Program("RapidJSON SchemaValidator", _rapidjson, formats=False),
        *(Program(f"serde typed {name}", _serde(name, folder), judges=False, workloads=(name,)) for name in workloads),
        Program("floor: memcpy", _floor(0), judges=False),
        Program("floor: scan", _floor(1), judges=False),
        Program("floor: CBOR skip", _floor(2), judges=False, suffix=".cbor"),
    ]


@dataclass
class Built:
    program: Program
    path: Path
    target: Target

    def command(self, folder: Path, workload: str, rounds: int, files: "list[str] | None" = None) -> "list[str]":
        documents = corpus.valid_files(folder, workload, self.program.suffix) if files is None else files
        return [*self.target.run, str(self.path), str(folder / workload / "schema.json"), str(rounds), *documents]

    def run(self, folder: Path, workload: str, rounds: int, files: "list[str] | None" = None) -> "dict[str, int]":
        done = subprocess.run(  # noqa: S603
            self.command(folder, workload, rounds, files), capture_output=True, text=True, check=False
        )
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[0]
            raise CannotBuild(f"{self.program.name} on {workload}: {reason[:200]}")
        return json.loads(done.stdout)  # type: ignore[no-any-return]

    def takes(self, workload: str) -> bool:
        return not self.program.workloads or workload in self.program.workloads

    def wrong(self, folder: Path, workload: str) -> "list[str]":
        """Documents it decides otherwise than it should; programs without a schema are asked about valid ones only."""
        wrong = []
        for row in corpus.documents(folder, workload):
            path = row.path.with_suffix(self.program.suffix)
            judged = row.valid or (self.program.judges and (self.program.formats or not row.needs_format))
            if judged and path.exists():
                answer = self.run(folder, workload, 1, [str(path)])
                if bool(answer["valid"]) is not row.valid:
                    wrong.append(row.name)
        return wrong


def build(all_programs: "list[Program]", target: Target = HOST) -> "tuple[list[Built], dict[str, str]]":
    """-> what could be built, and why the rest could not."""
    built, skipped = [], {}
    for program in all_programs:
        path = target.folder() / program.name.replace(" ", "-").replace(":", "").replace(",", "").lower()
        try:
            program.build(target, path)
        except CannotBuild as error:
            skipped[program.name] = str(error)
        else:
            built.append(Built(program, path, target))
    return built, skipped


@contextmanager
def pinned(core: int) -> "Iterator[None]":
    """Children started inside run on one core."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(allowed)[core % len(allowed)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def measure(programs_: "list[Built]", folder: Path, workload: str, rounds: int, core: int) -> "dict[str, float]":
    """-> name: nanoseconds for one document, median of the rounds, taking turns."""
    loops: dict[str, int] = {}
    samples: dict[str, list[float]] = {built.program.name: [] for built in programs_}
    with pinned(core):
        for built in programs_:
            number = 1
            while True:
                spent = built.run(folder, workload, number)["ns"]
                if spent > SAMPLE_NS / 4:
                    break
                number *= 4
            loops[built.program.name] = max(1, round(number * SAMPLE_NS / spent))
        for _ in range(rounds):
            for built in programs_:
                answer = built.run(folder, workload, loops[built.program.name])
                samples[built.program.name].append(answer["ns"] / answer["documents"])
    return {name: round(statistics.median(values), 1) for name, values in samples.items()}
