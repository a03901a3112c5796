"""`headgate boards`: what boards there are, and how one is brought up."""

import argparse
import json
import sys

from headgate.errors import OK
from headgate_host.flash import boards
from headgate_host.flash.boards import Board

HELP = "list the boards, or show one with its bring-up notes"

EPILOG = """\
A board is a directory of boards/ with its facts (board.toml) and notes (README.md).

examples
  headgate boards
  headgate boards rpi-4                    its facts, and how to bring it up
  headgate boards --json | jq -r '.boards[] | select(.flash.runner == "disk-image").name'

exit codes: 0 fine · 2 no such board
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("board", nargs="?", metavar="NAME", help="show this one")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text")


def main(args: argparse.Namespace) -> int:
    if args.board:
        board = boards.load(args.board)
        sys.stdout.write(json.dumps(board.facts) + "\n" if args.json else _page(board))
    elif args.json:
        sys.stdout.write(json.dumps({"boards": [board.facts for board in boards.every()]}) + "\n")
    else:
        sys.stdout.write("".join(map(_line, boards.every())))
    return OK


def _line(board: Board) -> str:
    how = ", ".join(board.storage) or board.runner
    return f"{board.name:<17}{board.title:<34}{board.facts['runtime']:<13}{how:<27}{_tested(board)}\n"


def _tested(board: Board) -> str:
    if "emulator" in board.facts:
        return "emulated"
    return "tested on hardware" if board.facts["tested_on_hardware"] else "not tested on hardware"


def _page(board: Board) -> str:
    facts = board.facts
    users = ", ".join(f"{user['arch']} ({user['word_bits']} bits)" for user in facts["userlands"])
    clock = f", {facts['clock_mhz']} MHz" if "clock_mhz" in facts else ""
    limit = f", disks up to {facts['flash']['max_gib']} GiB" if board.storage else ""
    budgets = facts["budgets"]
    rows = {
        "processor": f"{facts['cores']} x {facts['cpu']} ({facts['soc']}){clock}",
        "memory": ", ".join(_memory(kib) for kib in facts["ram_kib"]),
        "runs": f"{facts['runtime']} on {users}",
        "boots": " on ".join(filter(None, (facts["boot"]["method"], facts["boot"].get("partition_table")))),
        "flashed": f"by {board.runner}: {', '.join(board.storage)}{limit}" if board.storage else f"by {board.runner}",
        "console": f"{facts['console']['device']} ({facts['console']['side']}), {facts['console']['baud']} baud",
        "watchdog": f"{facts['watchdog']['device']}, at most {facts['watchdog']['max_ms']} ms",
        "clock": "survives a power cut" if facts["rtc"] else "forgets the time without power",
        "budgets": f"{budgets['messages_per_s']} messages/s, p99 {budgets['p99_ms']} ms, {_memory(budgets['rss_kib'])}",
        "state": _tested(board),
    }
    return "".join(f"{name:<11}{text}\n" for name, text in rows.items()) + f"\n{board.notes}"


def _memory(kib: int) -> str:
    for unit, size in (("GiB", 1 << 20), ("MiB", 1 << 10)):
        if kib >= size and kib % size == 0:
            return f"{kib // size} {unit}"
    return f"{kib} KiB"
