"""./dev wheels: makes the wheels of Headgate for the machines it runs on, and checks what came out.

All come from one source distribution, unpacked: what it lacks they lack. Two ways, for the same wheels:

  cibuildwheel   builds and tests each in a container (containers.py); slow where that is emulated
  zig            compiles for all of them on this machine, and runs nothing (cross.py); the only way for ARMv6
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import check
import containers
import cross
import nghttp2
from targets import LIBCS, MACHINES, TARGETS, Target

from headgate import errors
from headgate.errors import CommandError

ROOT = Path(__file__).resolve().parents[2]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev wheels", description="Builds wheels, and checks them.")
    parser.add_argument("--archs", default=",".join(MACHINES), help="of %(default)s")
    parser.add_argument("--libc", default=",".join(LIBCS), help="of %(default)s")
    parser.add_argument("--zig", action="store_true", help="cross-compile here; nothing is run, no container needed")
    parser.add_argument("--output", type=Path, default=ROOT / "dist", metavar="FOLDER", help="default: dist")
    parser.add_argument("--json", action="store_true", help="what was built and found, as JSON")
    parser.add_argument("--check", nargs="+", type=Path, metavar="WHEEL", help="build nothing: check these")
    return parser.parse_args()


def chosen(machines: list[str], libcs: list[str]) -> list[Target]:
    for word, known in [(word, MACHINES) for word in machines] + [(word, LIBCS) for word in libcs]:
        if word not in known:
            raise CommandError(errors.USAGE, f"there is no '{word}'", f"One of {', '.join(known)}")
    return [target for target in TARGETS if target.machine in machines and target.libc in libcs]


def source_distribution(folder: Path) -> Path:
    """Makes it in `folder`. -> the folder it unpacks to"""
    command = [sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    cross.run(command, ROOT, dict(os.environ))
    (packed,) = folder.glob("*.tar.gz")
    nghttp2.unpack(packed, folder)
    return folder / packed.name.removesuffix(".tar.gz")


def build(targets: list[Target], by_zig: bool, output: Path) -> list[Path]:
    cache = ROOT / ".cache"
    cache.mkdir(exist_ok=True)
    output.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("SOURCE_DATE_EPOCH", _last_change())
    with tempfile.TemporaryDirectory(dir=cache, prefix="wheels.") as name:
        work = Path(name)
        source = source_distribution(work)
        _add_http2(source, cache)
        crossed = [target for target in targets if by_zig or not _in_container(target)]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            wheels = list(pool.map(lambda target: cross.build(source, target, work, cache / "zig"), crossed))
        others = [target for target in targets if target not in crossed]
        if others:
            wheels += containers.build(source, others, work, cache)
        shutil.copy(source.with_name(f"{source.name}.tar.gz"), output)
        return [Path(shutil.copy(wheel, output)) for wheel in wheels]


def _add_http2(source: Path, cache: Path) -> None:
    """libnghttp2's source where native_ext/wheels/nghttp2.py looks for it: containers may have no pip."""
    try:
        archive = nghttp2.source(cache)
    except nghttp2.Failed as error:
        raise CommandError(errors.NETWORK, str(error), "Is the index of Python packages reachable?") from None
    (source / ".cache").mkdir()
    shutil.copy(archive, source / ".cache")


def _in_container(target: Target) -> bool:
    """cibuildwheel has no image for ARMv6; without Docker there is none with musl."""
    return target.machine != "armv6l" and (target.libc == "glibc" or containers.has_docker())


def _last_change() -> str:
    """Of this revision, in seconds since 1970: the date of all files, so that the same source makes the same wheel."""
    command = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or str(int(time.time()))


def table(reports: list[check.Report]) -> str:
    lines = [f"{'bytes':>9}  {'auditwheel':24} {'abi3audit':12} wheel"]
    for report in reports:
        lines.append(f"{report.bytes:9}  {report.auditwheel:24} {report.abi3audit:12} {report.name}")
        lines += [f"{'':11}PROBLEM: {problem}" for problem in report.problems]
    return "\n".join(lines)


def main() -> int:
    options = arguments()
    try:
        wheels = options.check or build(
            chosen(options.archs.split(","), options.libc.split(",")), options.zig, options.output
        )
        reports = [check.check(wheel) for wheel in wheels]
    except CommandError as error:
        print(f"dev: {error.line()}", file=sys.stderr)
        return error.code
    print(json.dumps([report.json() for report in reports], indent=2) if options.json else table(reports))
    return errors.FINDING if any(report.problems for report in reports) else errors.OK


if __name__ == "__main__":
    sys.exit(main())
