"""The byte code of the tests for a root file system, made on this machine: emulated, it takes a minute.

    python byte_code.py PACKAGES FOLDER     PACKAGES: where its pytest is; FOLDER: has `tests`, and pytest starts in it

Test files and the packages of pytest's plugins (all of Hypothesis) as pytest keeps them, assertions rewritten; what
tests share as Python keeps it. Pytest has no command for this: where its insides are others, its own run makes what is
missing.
"""

import compileall
import os
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any


class NoTrace:
    """What pytest's cache writes its notes to."""

    def trace(self, *_: Any) -> None:
        pass


def keep_rewritten(file: Path) -> None:
    """As if pytest had imported it."""
    from _pytest.assertion import rewrite

    folder = rewrite.get_cache_dir(file)
    folder.mkdir(exist_ok=True)
    check, code = rewrite._rewrite_test(file, None)
    rewrite._write_pyc(NoTrace(), code, check, folder / (file.name.removesuffix(".py") + rewrite.PYC_TAIL))


def of_plugins(packages: Path) -> Iterator[Path]:
    for package in distributions(path=[str(packages)]):
        if any(entry.group == "pytest11" for entry in package.entry_points):
            files = [packages / str(file) for file in package.files or () if file.suffix == ".py"]
            yield from (file for file in files if file.is_file())


def make(packages: Path, folder: Path) -> None:
    plugins = sorted(of_plugins(packages.resolve()))
    os.chdir(folder)  # names in tracebacks are relative to it
    files = sorted(Path("tests").rglob("*.py"))
    tested = [file for file in files if file.name.startswith("test_") or file.name == "conftest.py"]
    for file in set(files).difference(tested):
        compileall.compile_file(file, quiet=2)
    try:
        for file in [*tested, *plugins]:
            keep_rewritten(file)
    except (ImportError, AttributeError, TypeError, OSError, SyntaxError) as error:
        print(f"pytest's byte code is not made: {error!r}", file=sys.stderr)


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    make(Path(sys.argv[1]), Path(sys.argv[2]))
