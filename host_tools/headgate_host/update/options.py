"""What `headgate update` and `update-status` have in common: the board's address and a token."""

import argparse
import os
import sys
from pathlib import Path

from headgate import limits
from headgate.errors import MISSING, USAGE, CommandError
from headgate_host.update.board import Board


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("host", metavar="HOST", help="the board: gate-017, gate-017:8080 or https://gate-017:8443")
    parser.add_argument("--token", metavar="FILE", type=Path, help="a file with a token, - is standard input")
    parser.add_argument("--ca", metavar="FILE", type=Path, help="who vouches for an https:// board (PEM)")
    parser.add_argument("--json", action="store_true", help="JSON instead of text")


def board(args: argparse.Namespace) -> Board:
    """Raises CommandError."""
    return Board(args.host, _token(args.token), args.ca)


def _token(file: Path | None) -> str:
    """Never from the command line, which others can read in the process list."""
    if file is None:
        name, text = "$HEADGATE_TOKEN", os.environ.get("HEADGATE_TOKEN", "")
        if not text:
            raise CommandError(
                USAGE, "a token is needed", "--token FILE, or $HEADGATE_TOKEN; 'headgate token' makes one"
            )
    else:
        name = str(file)
        try:
            text = sys.stdin.read(2 * limits.TOKEN) if name == "-" else file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(MISSING, f"cannot read {file}: {error}", "Name another file") from None
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise CommandError(MISSING, f"{name} does not hold a token", "'headgate token' makes one")
    return token
