"""The byte code of the tests for a root file system, made on this machine: emulated, it takes half a minute.

    PYTHONPATH=<where its pytest is> python byte_code.py FOLDER     the folder with `tests`, as pytest is started in

Test files as pytest keeps them, their assertions rewritten; what they share as Python keeps it. Pytest has no command
for this: where its insides are others, its own run makes what is missing.
"""

import compileall
import os
import sys
from pathlib import Path
from typing import Any


class NoTrace:
    """What pytest's cache writes its notes to."""

    def trace(self, *_: Any) -> None:
        pass


def keep_rewritten(file: Path) -> Path:
    """`file` as pytest would import it -> where it is kept."""
    from _pytest.assertion import rewrite

    folder = rewrite.get_cache_dir(file)
    folder.mkdir(exist_ok=True)
    kept = folder / (file.name.removesuffix(".py") + rewrite.PYC_TAIL)
    check, code = rewrite._rewrite_test(file, None)
    rewrite._write_pyc(NoTrace(), code, check, kept)
    return kept


def make(folder: Path) -> int:
    """How many files pytest finds rewritten."""
    os.chdir(folder)  # names in tracebacks are relative to it
    files = sorted(Path("tests").rglob("*.py"))
    tested = [file for file in files if file.name.startswith("test_") or file.name == "conftest.py"]
    for file in set(files).difference(tested):
        compileall.compile_file(file, quiet=2)
    try:
        return sum(keep_rewritten(file).is_file() for file in tested)
    except (ImportError, AttributeError, TypeError) as error:
        print(f"pytest's byte code is not made: {error!r}", file=sys.stderr)
        return 0


if __name__ == "__main__":
    make(Path(sys.argv[1]))
