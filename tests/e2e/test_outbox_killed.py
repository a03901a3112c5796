"""kill -9 at random instants: every acknowledged message is in the database or at the broker, and no id comes twice."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from examples import EMULATED
from mosquitto import Mosquitto, available

from headgate.linux.batch import decode

KILLS = 4 if EMULATED == "quick" else 12  # each starts a Python
WRITER = Path(__file__).with_name("outbox_writer.py")


def chance() -> random.Random:
    seed = int(os.environ.get("HEADGATE_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"HEADGATE_TEST_SEED={seed}")
    return random.Random(seed)  # noqa: S311


def run_and_kill(arguments: list[str], after_s: float) -> list[tuple[str, str]]:
    """-> (id, body) of all acknowledgements printed; the kill comes `after_s` after the first one."""
    command = [sys.executable, str(WRITER), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines: list[str] = []
    first = threading.Event()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            first.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert first.wait(30), "the writer acknowledges nothing"
        time.sleep(after_s)
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stdout.close()
    whole = [line for line in lines if line.endswith("\n")]
    return [(parts[1], parts[2]) for parts in (line.rstrip("\n").split(" ", 2) for line in whole)]


def stored(state: Path) -> list[tuple[str, str]]:
    """-> (id, body) of all in the database; its ledger balances."""
    with contextlib.closing(sqlite3.connect(state / "outbox.db")) as database:
        assert database.execute("SELECT messages, bytes FROM conservation").fetchone() == (0, 0)
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        batches = [decode(blob) for (blob,) in database.execute("SELECT blob FROM batch")]
    return [(batch.message_id(row), row.body.decode()) for batch in batches for row in batch.rows]


def test_killed_while_storing(tmp_path: Path) -> None:
    dice = chance()
    acked: dict[str, str] = {}
    for _ in range(KILLS):
        for identity, body in run_and_kill([str(tmp_path)], dice.uniform(0, 0.25)):
            assert identity not in acked, "an id was given twice"
            acked[identity] = body
        found = stored(tmp_path)
        assert len(dict(found)) == len(found), "an id is stored twice"
        assert acked.items() <= dict(found).items()


@pytest.mark.skipif(not available(), reason="mosquitto is not installed")
def test_killed_while_storing_and_forwarding(tmp_path: Path) -> None:
    dice = chance()
    acked: dict[str, str] = {}
    received = tmp_path / "received.db"
    with Mosquitto(tmp_path / "broker") as broker:
        command = [sys.executable, "-m", "headgate", "receive", "--url", f"mqtt://127.0.0.1:{broker.port}"]
        command += ["--client-id", "keeper", "--sqlite", str(received)]
        once = subprocess.run([*command, "--idle", "0.1"], capture_output=True, text=True, check=False, timeout=60)
        assert once.returncode == 0, once.stderr  # the session exists: nothing is missed from here on
        for _ in range(KILLS // 2):
            acked |= run_and_kill([str(tmp_path / "state"), str(broker.port)], dice.uniform(0, 0.4))
        waiting = stored(tmp_path / "state")
        done = subprocess.run([*command, "--idle", "2"], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
    with contextlib.closing(sqlite3.connect(received)) as database:
        arrived = database.execute("SELECT id, body FROM messages").fetchall()
        assert database.execute("SELECT count(*) FROM undecodable").fetchone() == (0,)
    assert arrived
    assert len(dict(arrived)) == len(arrived)
    assert acked.items() <= (dict(waiting) | dict(arrived)).items()
