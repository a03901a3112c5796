"""`headgate update`: sends a new version to a running board, and waits until it proves itself or is rolled back."""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from headgate.errors import FINDING, NETWORK, OK, REFUSED, STATE, CommandError
from headgate_host.flash.image_open import trusted_keys
from headgate_host.flash.progress import Progress
from headgate_host.update import options
from headgate_host.update.board import Board
from headgate_host.update.bundle import Bundle, describe

HELP = "update a running board; it goes back by itself if that fails"

SUBVERBS = {"bundle": ("headgate_host.update.verb_bundle", "cut the update out of an image")}

EPILOG = """\
FILE is an image, or what 'headgate update bundle' cut out of one. The board writes it to the slot that does
not run, checks signature and hashes, and restarts into it. There the appliance must say that it is ready,
and reach its broker; otherwise the board goes back to what ran before. Configuration, keys and messages
are not touched. docs/update.md

The token needs the scopes update:install and update:read; an older version: update:downgrade as well.

examples
  headgate update gate-017 headgate-rpi-4.img.zst --token admin.token
  headgate update gate-017 headgate-rpi-4.hgu --token admin.token --no-wait
  headgate update bundle headgate-rpi-4.img.zst -o headgate-rpi-4.hgu

exit codes: 0 updated and confirmed · 2 wrong command line · 4 a file, key or token is missing or refused
5 no connection · 6 the board cannot be updated · 7 rolled back · 8 refused, nothing changed
"""

POLL_S = 1.0
KNOWN_S = 120.0  # after a board's start, until it knows what it runs
BACK_S = 900.0  # three starts of five minutes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add(parser)
    parser.add_argument("file", metavar="FILE", type=Path, help="the image, or a bundle of it")
    parser.add_argument("--trust", metavar="KEY", type=Path, action="append", default=[], help="the maker's public key")
    parser.add_argument("--downgrade", action="store_true", help="an older version is meant")
    parser.add_argument("--no-wait", action="store_true", help="do not wait for the board to confirm")


def main(args: argparse.Namespace) -> int:
    progress = Progress(as_json=args.json)
    board = options.board(args)
    with Bundle(args.file, trusted_keys(args.trust)) as bundle:
        before = board.status(patience_s=KNOWN_S)
        _check(bundle, before, downgrade=args.downgrade)
        progress.say(f"update  {describe(bundle.manifest, bundle.signer)}")
        progress.say(f"board   {board.name}, slot {before['slot']}, version {before['version']}")
        progress.event("plan", version=bundle.manifest.version, size=bundle.size, before=before)
        progress.begin(bundle.size)
        progress.phase("sending")
        written = board.install(bundle.size, _counted(bundle, progress))
        progress.end()
    progress.say(f"written slot {written['slot']}; the board restarts into it")
    if args.no_wait:
        progress.event("done", updated=None, **written)
        return OK
    return _report(_wait(board, written["slot"], before), written, progress)


def _check(bundle: Bundle, before: dict[str, Any], *, downgrade: bool) -> None:
    """What the board would refuse, before megabytes are sent to it."""
    manifest = bundle.manifest
    if manifest.board != before["board"]:
        cause = f"the update is for {manifest.board}, and the board is a {before['board']}"
        raise CommandError(REFUSED, cause, f"Get the one for {before['board']}")
    if manifest.created < before["created"] and not downgrade:
        cause = f"version {manifest.version} is older than {before['version']}, which runs"
        raise CommandError(REFUSED, cause, "If that is meant: --downgrade")


def _counted(bundle: Bundle, progress: Progress) -> Iterator[bytes]:
    done = 0
    for piece in bundle.pieces():
        yield piece
        done += len(piece)
        progress.at(done, bundle.size)


def _wait(board: Board, slot: str, before: dict[str, Any]) -> dict[str, Any]:
    """Until the new slot is confirmed, or the old one is back. `before`: what the board said before it was written; a
    start of its own has another `ready_ms`. Raises CommandError(NETWORK)."""
    deadline = time.monotonic() + BACK_S
    restarted = False
    while time.monotonic() < deadline:
        try:
            status = board.status()
        except CommandError as error:
            if error.code not in (NETWORK, STATE):
                raise
            restarted = True  # it is on its way, or does not know yet which slot it is; or an answer was lost
        else:
            # Before the restart the old slot still answers, with what it knew; after it, not before it knows all.
            if status["slot"] == slot and status["confirmed"]:
                return status
            if restarted and status["slot"] != slot and status["confirmed"] and status != before:
                return status
        time.sleep(POLL_S)
    raise CommandError(NETWORK, f"{board.name} did not confirm within {BACK_S:g} s", "headgate update-status")


def _report(after: dict[str, Any], written: dict[str, Any], progress: Progress) -> int:
    works = after["slot"] == written["slot"]
    progress.event("done", updated=works, **after)
    if works:
        progress.say(f"done    slot {after['slot']}, version {after['version']}, is confirmed")
        return OK
    reason = (after["last_rollback"] or {}).get("reason", "for no reason that is known")
    progress.say(f"back    slot {written['slot']} was given up: {reason}")
    progress.say(f"        slot {after['slot']}, version {after['version']}, runs as before")
    return FINDING
