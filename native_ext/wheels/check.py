"""What a wheel must be before anybody gets it: its tag true, one ABI for all Pythons, small, stripped, hardened, and
on ARM without instructions its processor lacks."""

import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from headgate import errors
from headgate.errors import CommandError

MOST_BYTES = 1_500_000
LIBRARIES = [f"headgate_native/{name}.abi3.so" for name in ("_http2", "_load", "_native")]
DATA = Path(__file__).resolve().parents[2] / "firmware_py/headgate/data"
Problem = Callable[[str], None]
# libdl: where glibc before 2.34 has dlopen.
LIBC = re.compile(r"libc\.so\.6|libdl\.so\.2|libc\.musl-\w+\.so\.1|ld-linux\S*|ld-musl\S*")
# ARM's build attributes: what linked code needs. An ARMv6 processor runs this, and no more.
ARMV6: dict[str, set[str | None]] = {
    "Tag_CPU_arch": {"v6", "v6K", "v6KZ"},
    "Tag_FP_arch": {"VFPv2"},
    "Tag_THUMB_ISA_use": {"Thumb-1"},
}
ARMV6 |= {"Tag_CPU_unaligned_access": {"None"}, "Tag_Advanced_SIMD_arch": {None}}


@dataclass
class Report:
    name: str
    bytes: int
    tags: list[str] = field(default_factory=list)
    auditwheel: str = ""
    abi3audit: str = ""
    problems: list[str] = field(default_factory=list)

    def json(self) -> dict[str, object]:
        return asdict(self)


def check(wheel: Path) -> Report:
    if not wheel.is_file():
        raise CommandError(errors.MISSING, f"no wheel {wheel}", "./dev wheels makes some, in dist/")
    if not zipfile.is_zipfile(wheel):
        raise CommandError(errors.MISSING, f"{wheel} is no wheel, which is a zip", "./dev wheels makes some, in dist/")
    report = Report(wheel.name, wheel.stat().st_size, wheel.stem.split("-")[-1].split("."))
    problem = report.problems.append
    if report.bytes > MOST_BYTES:
        problem(f"{report.bytes} bytes are more than {MOST_BYTES}")
    if "-cp311-abi3-" not in wheel.name:
        problem("not tagged cp311-abi3")
    report.auditwheel = _auditwheel(wheel, report.tags, problem)
    report.abi3audit = _abi3audit(wheel, problem)
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        libraries = sorted(name for name in names if name.endswith(".so") or ".so." in name)
        if libraries != LIBRARIES:
            problem(f"libraries in it: {', '.join(libraries) or 'none'}")
        for name in missing_data(names):
            problem(f"is not in it: {name}")
        for name in names:
            if name.endswith((".c", ".h", ".pyc")) or name.startswith("tests/"):
                problem(f"should not be in it: {name}")
        for name in libraries:
            _library(Path(archive.extract(name, folder)), "linux_armv6l" in report.tags, problem)
    return report


def missing_data(names: Iterable[str]) -> list[str]:
    """The package's data files that are not among these: defaults, schemas, the .proto files of docs/grpc.md."""
    package = DATA.parents[1]
    files = {
        file.relative_to(package).as_posix()
        for file in DATA.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    return sorted(files - set(names))


def _auditwheel(wheel: Path, tags: list[str], problem: Problem) -> str:
    """The policy that the wheel's library keeps to, which its name must say."""
    done = _tool("auditwheel", "show", "--json", str(wheel))
    if done.returncode:
        problem(f"auditwheel: {_last(done.stderr)}")
        return "refused"
    found = json.loads(done.stdout)
    tag = str(found["overall_tag"])
    # There is no policy for ARMv6: auditwheel applies that of ARMv7, which says what glibc is needed.
    if tag not in tags and not (tags == ["linux_armv6l"] and tag.startswith("manylinux_")):
        problem(f"auditwheel finds it to be {tag}")
    if found["external_libs"] or found["unsupported_isa"]:
        problem(f"auditwheel: needs {found['external_libs']}, or instructions beyond the base of {tag}")
    return tag


def _abi3audit(wheel: Path, problem: Problem) -> str:
    done = _tool("abi3audit", "--strict", "--report", str(wheel))
    verdicts = json.loads(done.stdout)["specs"] if done.stdout.strip() else {}
    results = [item["result"] for spec in verdicts.values() for item in spec["wheel"]]
    if (
        done.returncode
        or len(results) != len(LIBRARIES)
        or not all(one["is_abi3_baseline_compatible"] for one in results)
    ):
        problem(f"abi3audit: {_last(done.stderr + done.stdout)}")
        return "refused"
    newest = max((one["computed"] for one in results), key=lambda version: [int(part) for part in version.split(".")])
    return f"abi3 {newest}"


def _library(path: Path, armv6: bool, problem: Problem) -> None:
    def readelf(options: str) -> str:
        environment = os.environ | {"LC_ALL": "C"}
        command = ["readelf", *options.split(), str(path)]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout

    dynamic, segments, sections, symbols = readelf("-dW"), readelf("-lW"), readelf("-SW"), readelf("-W --dyn-syms")
    others = [name for name in re.findall(r"NEEDED.*\[(.*)\]", dynamic) if not LIBC.fullmatch(name)]
    if others:
        problem(f"needs {', '.join(others)}")
    # glibc's have a version. On musl they have none; but what nobody defines there, nobody defines here.
    undefined = re.findall(r"GLOBAL +DEFAULT +UND (?!_?Py)([^@\s]+)$", symbols, re.MULTILINE)
    if undefined and "libc.so.6" in dynamic:
        problem(f"nobody defines {', '.join(undefined[:5])}")
    if re.search(r"RPATH|RUNPATH", dynamic):
        problem("has a path to look for libraries")
    if re.search(r"\.symtab|\.debug_", sections):
        problem("not stripped")
    if "GNU_RELRO" not in segments or ("BIND_NOW" not in dynamic and " NOW" not in dynamic):
        problem("writable tables of the dynamic linker: no full RELRO")
    if not re.search(r"GNU_STACK.* RW ", segments) or re.search(r"LOAD.* RWE ", segments):
        problem("memory that can be written and executed")
    if armv6:
        attributes = dict(re.findall(r"(Tag_\w+): (.*)", readelf("-AW")))
        wrong = [f"{name} {attributes.get(name)}" for name, good in ARMV6.items() if attributes.get(name) not in good]
        if wrong:
            problem(f"not code for ARMv6: {', '.join(wrong)}")


def _tool(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)


def _last(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1]
