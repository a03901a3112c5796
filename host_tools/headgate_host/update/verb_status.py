"""`headgate update-status`: which slot of a board runs, and what became of its last update."""

import argparse
import json
import sys
from typing import Any

from headgate.errors import FINDING, OK
from headgate_host.update import options

HELP = "which slot of a board runs, and how its last update ended"

EPILOG = """\
The token needs the scope update:read.

examples
  headgate update-status gate-017 --token admin.token
  headgate update-status https://gate-017:8443 --ca fleet-ca.pem --token admin.token --json

exit codes: 0 confirmed · 4 token refused · 5 no connection · 6 a system without slots
7 not confirmed, or the last update was rolled back
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add(parser)


def main(args: argparse.Namespace) -> int:
    status = options.board(args).status()
    sys.stdout.write(json.dumps(status) + "\n" if args.json else text(status))
    return OK if status["confirmed"] and not status["problem"] and not status["last_rollback"] else FINDING


def text(status: dict[str, Any]) -> str:
    state = "confirmed" if status["confirmed"] else "not confirmed yet"
    lines = [f"slot      {status['slot']}, {state}", f"version   {status['version']} for {status['board']}"]
    if status["problem"]:
        lines.append(f"problem   {status['problem']}")
    if status["last_rollback"]:
        lines.append(f"rollback  slot {status['last_rollback']['slot']}: {status['last_rollback']['reason']}")
    return "\n".join(lines) + "\n"
