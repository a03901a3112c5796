"""`headgate outbox`: right numbers, also while the appliance runs, and findings that end in exit code 7."""

# ruff: noqa: F811  # a fixture and its parameters have one name
from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from outbox_kit import drain, folder, opened, record, store  # noqa: F401

from headgate.errors import FINDING, OK, STATE, CommandError
from headgate.linux import verb_outbox


def run(folder: Path, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    verb_outbox.add_arguments(parser)
    return verb_outbox.main(parser.parse_args(["--state", str(folder), *arguments]))


def as_json(capsys: pytest.CaptureFixture[str], folder: Path, *arguments: str) -> dict[str, Any]:
    run(folder, "--json", *arguments)
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_while_the_appliance_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def scenario() -> None:
        async with opened(folder) as outbox:
            await store(outbox, *[record(n) for n in range(5)])
            await drain(outbox)
            await store(outbox, *[record(n, stream=f"s{n % 2}", key=f"k{n}") for n in range(7)])
            report = as_json(capsys, folder, "--list", "2", "--verify")
            counters = [report[name] for name in ("accepted", "delivered", "stored", "expired", "dropped")]
            assert counters == [12, 5, 7, 0, 0]
            assert report["balanced"] is True
            assert report["streams"] == {"s0": 4, "s1": 3}
            assert report["idempotency_keys"] == 7
            assert report["appliance"] == outbox.appliance
            assert [message["body"] for message in report["oldest"]] == ['{"n":0}', '{"n":1}']
            assert report["findings"] == []
            assert report["oldest_s"] >= 0
            assert run(folder, "--list", "3", "--verify") == OK
            text = capsys.readouterr().out
            assert "balanced" in text
            assert "verified" in text
            assert f"{outbox.appliance}/1.8" in text

    asyncio.run(scenario())


def change(folder: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(folder / "outbox.db")) as database:
        database.execute(statement)
        database.commit()


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("UPDATE ledger SET accepted = accepted + 1", "the ledger is off by 1 messages"),
        ("DELETE FROM batch", "the ledger is off by 3 messages"),
        ("UPDATE batch SET crc = crc + 1", "checksum"),
        ("UPDATE batch SET blob = 'text'", "checksum"),
        ("UPDATE batch SET records = 2; ", "holds 3 messages, not 2"),
    ],
)
def test_verify_finds(folder: Path, capsys: pytest.CaptureFixture[str], statement: str, finding: str) -> None:
    async def fill() -> None:
        async with opened(folder) as outbox:
            await store(outbox, *[record(n) for n in range(3)])

    asyncio.run(fill())
    change(folder, statement)
    assert run(folder, "--verify") == FINDING
    assert finding in capsys.readouterr().out


def test_what_cannot_be_read_is_said(folder: Path) -> None:
    with pytest.raises(CommandError) as refused:
        run(folder)
    assert refused.value.code == STATE
    (folder / "outbox.db").write_bytes(b"x" * 5000)
    with pytest.raises(CommandError) as refused:
        run(folder)
    assert refused.value.code == STATE
    assert "not a database" in refused.value.cause


def test_control_characters_of_a_sender_do_not_reach_the_terminal(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fill() -> None:
        async with opened(folder) as outbox:
            bad = record(1, client="\x1b[2J")
            bad.body = b"\x1b]0;owned\x07"
            await store(outbox, bad)

    asyncio.run(fill())
    run(folder, "--list", "1")
    assert "\x1b" not in capsys.readouterr().out
