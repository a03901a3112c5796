"""`headgate load report`: a result file as HTML, Markdown or JUnit XML."""

import argparse
import contextlib
import errno
import os
import stat
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from headgate.errors import OK, USAGE
from headgate.linux import atomic_file
from headgate_host.load import exits, report_html, report_text
from headgate_host.load.exits import LoadError
from headgate_host.load.result import Result

HELP = "a result as HTML, Markdown or JUnit XML"
EPILOG = """\
The HTML file needs nothing else: charts are in it, it loads nothing, and it stays below 200 kB however long the run.
Without an option Markdown goes to standard output.

examples
  headgate load report result.json --html report.html
  headgate load report result.json >> "$GITHUB_STEP_SUMMARY"
  headgate load report result.json --junit junit.xml

exit codes: 0 written, whatever the result says · 2 the file is not a result, or cannot be written
"""
WRITERS: Mapping[str, Callable[[Result], str]] = {
    "html": report_html.page,
    "markdown": report_text.markdown,
    "junit": report_text.junit,
}


def add_outputs(parser: argparse.ArgumentParser) -> None:
    """The options that name the files; whatever runs a load has them."""
    for name, what in (
        ("html", "one self-contained page"),
        ("markdown", "a summary"),
        ("junit", "for CI, a case for each budget"),
    ):
        parser.add_argument(f"--{name}", metavar="FILE", type=Path, help=what)


def check_outputs(replaced: Path | None, *written: Path | None) -> None:
    """Before a load that may take hours. Raises LoadError for what could not be written, or replaced as a whole."""
    for path in filter(None, (replaced, *written)):
        try:
            with contextlib.suppress(FileNotFoundError):
                if stat.S_ISDIR(path.stat().st_mode):
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            path.parent.stat()
            if path is replaced:
                atomic_file.check(path)
        except OSError as error:
            raise LoadError(USAGE, f"cannot write {path}: {error.strerror}", "Name another file") from None


def write_outputs(args: argparse.Namespace, result: Result) -> None:
    """What was asked for. Raises LoadError when it cannot be written."""
    for name, writer in WRITERS.items():
        path: Path | None = getattr(args, name)
        if path is None:
            continue
        try:
            path.write_text(writer(result), encoding="utf-8")
        except OSError as error:
            raise LoadError(USAGE, f"cannot write {path}: {error.strerror}", "Name another file") from None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("result", metavar="FILE", type=Path, help="what `headgate load --out FILE` has written")
    add_outputs(parser)


def main(args: argparse.Namespace) -> int:
    with exits.translated():
        result = Result.read(args.result)
        write_outputs(args, result)
        if not any(getattr(args, name) for name in WRITERS):
            sys.stdout.write(report_text.markdown(result))
    return OK
