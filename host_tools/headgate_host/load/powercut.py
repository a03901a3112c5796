"""`headgate load powercut`: cuts the power of an appliance at random, again and again, and proves by sequence numbers
that nothing it had acknowledged is lost."""

import argparse
import asyncio
import contextlib
import json
import os
import random
import shlex
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from headgate.errors import MISSING, USAGE, CommandError
from headgate.linux.batch import decode
from headgate_host.http_client import Connection
from headgate_host.load import devices, exits
from headgate_host.load.devices import Issuing, Tokens
from headgate_host.load.target import Target
from headgate_host.load.transport import Unreachable

HELP = "cut the power at random and prove that nothing acknowledged was lost"
EPILOG = """\
Devices post numbered messages and note which were acknowledged. Meanwhile the power is cut at random instants. In the
end every acknowledged number must be found, once.

Without more it starts an appliance of its own on this machine, in a directory that goes afterwards, and cuts with
kill -9; the numbers are looked for in its outbox. For a board behind a switchable plug, or a guest in an emulator, say
how to cut and restore, and where 'headgate receive --sqlite FILE' keeps what arrives:

  headgate load powercut --cuts 20
  headgate load powercut --url http://board:8080 --state keys/ --stream events --received got.db \\
      --cut 'plug off 3' --restore 'plug on 3' --cuts 50

exit codes: 0 nothing is lost · 2 wrong command line · 3 the appliance does not come (back) · 4 something is lost, or
came twice · 130 interrupted
"""
STREAM = "powercut"
CONFIG = """\
[listen]
http = "127.0.0.1:{port}"
[[issuer]]
name = "headgate"
secret_file = "{{state}}/keys/device.key"
[streams.powercut]
rate = "100000/s"
"""
BACK_S = 120.0  # a board needs a while to start, an emulated one still longer: --back
ASK_S = 5.0  # for one look whether it is back; an emulator takes a connection and then nothing comes
ANSWER_S = 30.0  # for the answer to a message; then nobody knows what became of it
POLL_S = 0.05
RETRY_S = 0.02
ARRIVE_S = 60.0  # without anything new at the receiver: that was all
SHOWN = 10  # lost messages that are listed
ACCEPTED = 202
Message = tuple[str, int]  # device and number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--cuts", metavar="N", type=int, default=10, help="how often (default: 10)")
    add("--devices", metavar="N", type=int, default=16, help="that post at the same time (default: 16)")
    add("--most", metavar="SECONDS", type=float, default=1.0, help="longest time until a cut (default: 1)")
    add("--back", metavar="SECONDS", type=float, default=BACK_S, help="it may take to come back (default: %(default)g)")
    add("--seed", metavar="N", type=int, help="of the random instants, to repeat a run")
    add("--url", metavar="URL", help="an appliance that is not started here")
    add("--stream", metavar="NAME", help="its stream; takes any JSON object")
    add("--cut", metavar="COMMAND", help="cuts its power")
    add("--restore", metavar="COMMAND", help="restores it")
    add("--received", metavar="FILE", type=Path, help="the database of 'headgate receive --sqlite'")
    add("--config", metavar="FILE", help="its configuration, for tokens")
    add("--state", metavar="DIR", help="where its keys are")
    add("--json", action="store_true", help="one JSON document instead of text")


def main(args: argparse.Namespace) -> int:
    with exits.translated():
        if args.cuts < 0 or args.devices < 1 or args.most <= 0 or args.back <= 0:
            raise CommandError(USAGE, "--cuts, --devices, --most and --back are positive")
        seed = args.seed if args.seed is not None else random.SystemRandom().randrange(1 << 32)
        with _subject(args) as subject:
            outcome = asyncio.run(_drive(subject, args, random.Random(seed)))  # noqa: S311 - reproducible
            report = judge(outcome, subject.found(outcome.acknowledged))
    code = exits.PASSED if not report["lost"] and not report["twice"] else exits.TARGET_ERRORS
    _tell({**report, "seed": seed, "exit_code": code}, as_json=args.json)
    return code


# --- what is cut ---


class Subject(Protocol):
    target: Target
    stream: str
    tokens: Tokens

    def cut(self) -> None: ...

    def restore(self) -> None: ...

    def found(self, acknowledged: "set[Message]") -> "Counter[Message]":
        """What is there in the end, and how often. May wait for `acknowledged`."""


@contextlib.contextmanager
def _subject(args: argparse.Namespace) -> Iterator[Subject]:
    outside = (args.url, args.cut, args.restore, args.received, args.stream)
    if all(outside):
        yield Board(args)
    elif any(outside):
        raise CommandError(USAGE, "--url, --stream, --cut, --restore and --received belong together")
    else:
        with tempfile.TemporaryDirectory(prefix="headgate-powercut-") as folder, Local(Path(folder)) as local:
            yield local


class Local:
    """`headgate run` as a child; its power is cut with SIGKILL: what it had given to the kernel survives, what it had
    in memory does not."""

    stream = STREAM

    def __init__(self, folder: Path) -> None:
        self._config, self._state, self._log = folder / "headgate.toml", folder / "state", folder / "log"
        port = _free_port()
        self._config.write_text(CONFIG.format(port=port))
        self.target = Target.parse(f"http://127.0.0.1:{port}")
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Local":
        self.restore()
        deadline = time.monotonic() + BACK_S
        while not (self._state / "keys" / "device.key").exists() and time.monotonic() < deadline:
            self._alive()
            time.sleep(POLL_S)
        self.tokens = Issuing(str(self._config), str(self._state)).tokens()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()

    def _alive(self) -> None:
        if self._child is None or self._child.poll() is not None:
            said = self._log.read_text().strip().splitlines()[-1:] or ["it said nothing"]
            raise Unreachable(self.target.url, f"the appliance ended: {said[0]}")

    def cut(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None

    def restore(self) -> None:
        command = [sys.executable, "-m", "headgate", "run", "--config", str(self._config), "--state", str(self._state)]
        path = os.pathsep.join(part for part in sys.path if part)
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(  # noqa: S603
                command, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": path}
            )

    def found(self, acknowledged: set[Message]) -> Counter[Message]:
        """In its outbox, whose ledger must balance."""
        self.cut()
        with contextlib.closing(sqlite3.connect(self._state / "outbox.db")) as database:
            if database.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                raise CommandError(MISSING, "the outbox is damaged")
            if database.execute("SELECT messages, bytes FROM conservation").fetchone() != (0, 0):
                raise CommandError(MISSING, "the ledger of the outbox does not balance")
            blobs = [blob for (blob,) in database.execute("SELECT blob FROM batch")]
        return Counter(_message(row.client, row.body) for blob in blobs for row in decode(blob).rows)


class Board:
    """Anything that commands switch off and on, and whose messages arrive at a receiver."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.target = Target.parse(args.url)
        self.stream, self._received = args.stream, args.received
        self._cut, self._restore = shlex.split(args.cut), shlex.split(args.restore)
        self.tokens = Issuing(args.config, args.state).tokens()

    def cut(self) -> None:
        _do(self._cut)

    def restore(self) -> None:
        _do(self._restore)

    def found(self, acknowledged: set[Message]) -> Counter[Message]:
        """At the receiver; waits while more arrives."""
        found: Counter[Message] = Counter()
        changed = time.monotonic()
        while not acknowledged <= found.keys() and time.monotonic() < changed + ARRIVE_S:
            try:
                with contextlib.closing(sqlite3.connect(f"file:{self._received}?mode=ro", uri=True)) as database:
                    rows = database.execute("SELECT client, body FROM messages WHERE stream = ?", (self.stream,))
                    now = Counter(_message(client, _bytes(body)) for client, body in rows)
            except sqlite3.Error as error:
                raise CommandError(MISSING, f"cannot read {self._received}: {error}", "See --received") from None
            if now != found:
                found, changed = now, time.monotonic()
            time.sleep(POLL_S)
        return found


def _do(command: list[str]) -> None:
    try:
        done = subprocess.run(command, check=False, timeout=BACK_S)  # noqa: S603 - the user's own
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandError(MISSING, f"{command[0]} cannot be run: {error}") from None
    if done.returncode:
        raise CommandError(MISSING, f"{shlex.join(command)} ended with {done.returncode}")


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _bytes(body: object) -> bytes:
    return body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else b""


def _message(client: str, body: bytes) -> Message:
    try:
        return client, int(json.loads(body)["n"])
    except (ValueError, KeyError, TypeError):
        return client, -1  # somebody else's


# --- driving ---


@dataclass
class Outcome:
    acknowledged: set[Message] = field(default_factory=set)
    receipts: Counter[str] = field(default_factory=Counter)  # how often each id was given
    refused: Counter[int] = field(default_factory=Counter)  # by status
    unknown: int = 0  # sent, and the connection ended before an answer
    cuts: int = 0


async def _drive(subject: Subject, args: argparse.Namespace, chance: random.Random) -> Outcome:
    outcome, over = Outcome(), asyncio.Event()
    await _wait_until_ready(subject, args.back)
    senders = [asyncio.create_task(_sender(subject, device, outcome, over)) for device in range(args.devices)]
    try:
        for _ in range(args.cuts):
            before = len(outcome.acknowledged)
            await asyncio.sleep(chance.uniform(0, args.most))
            while len(outcome.acknowledged) == before:  # a cut before anything was acknowledged proves nothing
                await asyncio.sleep(POLL_S)
                for sender in senders:
                    if sender.done():
                        sender.result()
            await asyncio.to_thread(subject.cut)
            outcome.cuts += 1
            await asyncio.to_thread(subject.restore)
            await _wait_until_ready(subject, args.back)
    finally:
        over.set()
        done, _ = await asyncio.wait(senders, timeout=BACK_S)
        for sender in done:
            sender.result()
    return outcome


async def _wait_until_ready(subject: Subject, back_s: float) -> None:
    connection = Connection(f"{subject.target.scheme}://{subject.target.authority}", subject.target.context())
    deadline = time.monotonic() + back_s
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            async with asyncio.timeout(ASK_S):
                if (await connection.request("GET", "/readyz", {})).status == 200:  # noqa: PLR2004
                    connection.close()
                    return
        await asyncio.sleep(POLL_S)
    raise Unreachable(subject.target.url, f"not ready after {back_s:g} s")


async def _sender(subject: Subject, device: int, outcome: Outcome, over: asyncio.Event) -> None:
    """Posts the next number when the last one has its answer, or will never have one."""
    connection = Connection(f"{subject.target.scheme}://{subject.target.authority}", subject.target.context())
    name, number = devices.name_of(device), 0
    headers = {"Authorization": f"Bearer {subject.tokens(device)}", "Content-Type": "application/json"}
    while not over.is_set():
        number += 1
        body = json.dumps({"n": number}).encode()
        try:
            async with asyncio.timeout(ANSWER_S):
                answer = await connection.request("POST", f"/v1/streams/{subject.stream}", headers, body)
        except (OSError, TimeoutError):
            outcome.unknown += 1
            await asyncio.sleep(RETRY_S)
            continue
        if answer.status == ACCEPTED:
            outcome.acknowledged.add((name, number))
            outcome.receipts[json.loads(answer.body)["seq"]] += 1
        else:
            outcome.refused[answer.status] += 1
            await asyncio.sleep(RETRY_S)
    connection.close()


def judge(outcome: Outcome, found: Counter[Message]) -> dict[str, object]:
    """`twice`: messages found more than once, or ids given to two messages."""
    lost = sorted(outcome.acknowledged - found.keys())
    twice = sorted(message for message, count in found.items() if count > 1 and message[1] > 0)
    ids = sorted(receipt for receipt, count in outcome.receipts.items() if count > 1)
    return {
        "cuts": outcome.cuts,
        "acknowledged": len(outcome.acknowledged),
        "unknown": outcome.unknown,
        "refused": dict(outcome.refused),
        "found": found.total(),
        "lost": [f"{name} {number}" for name, number in lost],
        "twice": [*(f"{name} {number}" for name, number in twice), *(f"id {receipt}" for receipt in ids)],
    }


def _tell(report: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(report))
        return
    lost, twice = report["lost"], report["twice"]
    assert isinstance(lost, list)  # noqa: S101 - for mypy
    assert isinstance(twice, list)  # noqa: S101
    print(
        f"{report['cuts']} power cuts, {report['acknowledged']} messages acknowledged, {report['found']} found, "
        f"{report['unknown']} without an answer (seed {report['seed']})"
    )
    for what, which in (("lost", lost), ("twice", twice)):
        for one in which[:SHOWN]:
            print(f"  {what}: {one}")
    print("nothing is lost" if not lost and not twice else f"{len(lost)} LOST, {len(twice)} twice")
