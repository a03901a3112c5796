"""Damage in the outbox, at a start and while it runs: what can be saved is saved, and the service goes on."""

# ruff: noqa: F811  # a fixture and its parameters have one name
from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from outbox_kit import (  # noqa: F401
    BOUND_S,
    Clock,
    Log,
    drain,
    fill_up,
    folder,
    on_disk,
    opened,
    record,
    some,
    soon,
    store,
    stored_ids,
    until,
    until_stored,
)
from small_disk import small_disk

from headgate import limits
from headgate.core.problem import Problem
from headgate.linux import outbox_db, outbox_rescue, outbox_schema
from headgate.linux.batch import decode
from headgate.linux.outbox import Outbox


def damage(path: Path, seed: int) -> None:
    """Some bytes, somewhere, but in the file header too."""
    chance = random.Random(seed)  # noqa: S311
    size = path.stat().st_size
    with path.open("r+b") as file:
        for _ in range(chance.choice([1, 8, 200])):
            file.seek(chance.randrange(size))
            file.write(chance.randbytes(chance.choice([1, 16, 512])))
        file.truncate(size)


def fill(folder: Path, batches: int = 12) -> dict[str, bytes]:
    """-> id -> body of what is in the outbox afterwards."""

    async def scenario() -> dict[str, bytes]:
        bodies: dict[str, bytes] = {}
        async with opened(folder, batch_records=5, linger_ms=0) as outbox:
            for start in range(0, batches * 5, 5):
                sent = [record(n, key=f"k{n}", pad=700) for n in range(start, start + 5)]
                for item, receipt in zip(sent, await store(outbox, *sent), strict=True):
                    bodies[f"{outbox.appliance}/{receipt.seq}"] = item.body
        return bodies

    return asyncio.run(scenario())


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    folder = tmp_path_factory.mktemp("filled")
    return folder, fill(folder)


@pytest.mark.parametrize("seed", range(30))
def test_random_damage_never_stops_a_start(filled: tuple[Path, dict[str, bytes]], folder: Path, seed: int) -> None:
    """What comes out afterwards is right or absent, the ledger balances, and new messages get new numbers."""
    source, bodies = filled
    state = folder / "state"
    shutil.copytree(source, state)
    damage(state / "outbox.db", seed)

    async def scenario() -> None:
        async with opened(state) as outbox:
            assert outbox.boot == 2
            (receipt,) = await store(outbox, record(999))
            new = f"{outbox.appliance}/{receipt.seq}"
            assert new not in bodies
            on_disk(state)
            got = {identity: row.body for identity, row, _ in await drain(outbox)}
            assert got.pop(new) == record(999).body
            for identity, body in got.items():
                assert bodies[identity] == body
            ledger = on_disk(state)
            assert ledger["stored"] == 0
            # Every message is delivered or counted as lost, unless the ledger itself was unreadable.
            assert ledger["delivered"] == len(got) + 1
            if len(got) < len(bodies):
                kept = list(state.glob("outbox.db.corrupt-*"))
                assert kept or ledger["dropped"] > 0
                if kept:
                    assert outbox.stats()["corrupt"] >= 1

    asyncio.run(scenario())


def test_most_of_a_damaged_file_is_saved(filled: tuple[Path, dict[str, bytes]], folder: Path) -> None:
    source, bodies = filled
    state = folder / "state"
    shutil.copytree(source, state)
    with sqlite3.connect(state / "outbox.db") as database:
        pages = database.execute("PRAGMA page_count").fetchone()[0]
    database.close()
    with (state / "outbox.db").open("r+b") as file:
        file.seek((pages // 2) * 4096)
        file.write(os.urandom(4096))
    log = Log()

    async def scenario() -> None:
        async with opened(state, log=log) as outbox:
            got = {identity: row.body for identity, row, replay in await drain(outbox) if replay}
            assert len(got) >= len(bodies) / 2
            assert got.items() <= bodies.items()
            ledger = on_disk(state)
            assert ledger["accepted"] == len(bodies)
            assert ledger["delivered"] + ledger["dropped"] == len(bodies)
            saved = next(iter(got))
            number = int(bodies[saved].partition(b":")[2].partition(b",")[0])
            (again,) = await store(outbox, record(number, key=f"k{number}", pad=700))
            assert again.replayed or ledger["quarantined"] == 0  # its key was saved as well

    asyncio.run(scenario())


@pytest.mark.usefixtures("soon")
def test_what_can_be_saved_waits_for_room(tmp_path: Path) -> None:
    """A damaged page on a disk without room for a copy: nothing is given up for that, and the ledger goes on."""

    async def scenario(disk: Path) -> None:
        log = Log()
        state = disk / "state"
        async with opened(state, batch_bytes=40_000) as outbox:
            for _ in range(8):
                await some(outbox, 20)
            delivered = await outbox.next_batch()
            await outbox.delivered(delivered)
        _damage_a_leaf(state / "outbox.db", -1)
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(10 << 20))
        async with opened(state, batch_bytes=40_000, log=log) as outbox:
            with pytest.raises(Problem):
                await outbox.submit(record(1), True).wait()
            assert any("no room" in text for text in log.errors()), log.lines
            assert not list(state.glob("*.corrupt*"))
            ballast.unlink()
            await until_stored(outbox, 2)
            ledger = on_disk(state)
            assert (ledger["accepted"], ledger["delivered"]) == (161, delivered.records)
            assert ledger["stored"] > 140

    with small_disk(tmp_path, 16) as disk:
        asyncio.run(scenario(disk))


@pytest.mark.usefixtures("soon")
def test_a_senseless_ledger_of_a_damaged_file_asks_for_no_room(folder: Path) -> None:
    """It had waited for ever: the disk never has an exabyte."""

    async def scenario() -> None:
        async with opened(folder, batch_bytes=25_000) as outbox:
            await some(outbox, 20)
        with contextlib.closing(sqlite3.connect(folder / "outbox.db")) as database, database:
            database.execute("UPDATE ledger SET stored_bytes = 1 << 60")
        _damage_a_leaf(folder / "outbox.db", -1)
        async with opened(folder) as outbox:
            await until_stored(outbox, 1)
            assert on_disk(folder)["stored"] > 10

    asyncio.run(scenario())


@pytest.mark.usefixtures("soon")
def test_what_was_put_aside_makes_room_for_what_can_be_saved(tmp_path: Path) -> None:
    """Three times 3 MiB fit, and were there when the fourth could not be written: nothing was accepted any more."""

    async def scenario(disk: Path) -> None:
        state = disk / "state"
        stored = 0
        for times in range(5):
            async with opened(state, batch_bytes=40_000) as outbox:
                await until_stored(outbox, 100 + times)
                if times == 0:
                    for _ in range(8):
                        await some(outbox, 20)
                stored = on_disk(state)["stored"]
            _damage_a_leaf(state / "outbox.db", -1)
        assert stored > 140
        assert 0 < len(list(state.glob("*.corrupt-?"))) < limits.OUTBOX_QUARANTINE

    with small_disk(tmp_path, 14) as disk:
        asyncio.run(scenario(disk))


def test_a_replacement_that_takes_long_is_no_stall(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the watchdog would end it, and it would begin anew with each start."""
    write = outbox_rescue._write

    def slowly(*arguments: Any) -> int:
        time.sleep(0.1)
        return write(*arguments)

    monkeypatch.setattr(outbox_rescue, "_write", slowly)
    monkeypatch.setattr(outbox_rescue, "_CHUNK", 1)
    monkeypatch.setattr(limits, "OUTBOX_CHECK_BYTES", 0)  # the damage of a large file is found while it runs

    async def scenario() -> None:
        async with opened(folder, batch_bytes=25_000) as outbox:
            await some(outbox, 20)
        _damage_a_leaf(folder / "outbox.db", 0)
        async with opened(folder) as outbox:
            submitted = outbox.submit(record(1), True)
            found = set()
            while not submitted.done:
                await asyncio.sleep(0.02)
                found.add(outbox.stalled(1))
            assert outbox.stats()["corrupt"] == 1
            assert found == {None}

    asyncio.run(scenario())


def _damage_a_leaf(path: Path, index: int) -> None:
    """Of the table of batches."""
    data = bytearray(path.read_bytes())
    pages = range(4096, len(data), 4096)
    page = [at for at in pages if data[at] == 13 and b'{"weather":' in data[at : at + 4096]][index]
    data[page : page + 200] = b"\xff" * 200
    path.write_bytes(data)


def test_a_foreign_file_is_put_aside_and_counted_for_ever(folder: Path) -> None:
    (folder / "outbox.db").write_bytes(b"this is not a database" * 500)

    async def scenario() -> None:
        log = Log()
        async with opened(folder, log=log) as outbox:
            await store(outbox, record(1))
            assert outbox.stats()["corrupt"] == 1
        assert (folder / "outbox.db.corrupt-1").read_bytes().startswith(b"this is not")
        assert any("corrupt-1" in text for text in log.errors())
        (folder / "outbox.db.corrupt-1").unlink()
        async with opened(folder) as outbox:
            assert outbox.stats()["corrupt"] == 1

    asyncio.run(scenario())


def test_somebody_elses_database_is_not_touched(folder: Path) -> None:
    with contextlib.closing(sqlite3.connect(folder / "outbox.db")) as database:
        database.execute("CREATE TABLE precious(x)")
        database.execute("INSERT INTO precious VALUES(42)")
        database.commit()
    asyncio.run(_one(folder))
    with contextlib.closing(sqlite3.connect(folder / "outbox.db.corrupt-1")) as database:
        assert database.execute("SELECT x FROM precious").fetchone() == (42,)


async def _one(folder: Path) -> None:
    async with opened(folder) as outbox:
        await store(outbox, record(1))


def test_damage_while_running_is_survived(folder: Path) -> None:
    """The file is overwritten under the running appliance: it goes on, and what it acknowledges then is stored."""

    async def scenario() -> None:
        log = Log()
        async with opened(folder, log=log, batch_records=5, batch_bytes=100_000) as outbox:
            before = {f"{outbox.appliance}/{seq}" for seq in await some(outbox, 100)}
            with (folder / "outbox.db").open("r+b") as file:
                size = file.seek(0, 2)
                for page in range(size // 4096 // 3, size // 4096):
                    file.seek(page * 4096)
                    file.write(b"\xff" * 4096)
            got = {identity for identity, _, _ in await drain(outbox)}
            assert got < before
            assert log.errors()
            after = {f"{outbox.appliance}/{await until_stored(outbox, n)}" for n in range(100, 110)}
            assert after == stored_ids(folder)
            assert after.isdisjoint(before)
            ledger = on_disk(folder)
            # A batch that was on its way when the file was replaced may be delivered and counted as lost.
            assert ledger["accepted"] == 110
            assert ledger["delivered"] + ledger["dropped"] == 100
            assert 0 < ledger["delivered"] <= len(got)

    asyncio.run(scenario())


def _remove_all(folder: Path) -> None:
    for path in folder.glob("outbox.db*"):
        path.unlink()


def test_a_file_deleted_under_the_running_appliance_comes_back_whole(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder) as outbox:
            first = (await store(outbox, *[record(n) for n in range(5)]))[0].seq
            _remove_all(folder)
            second = await until_stored(outbox, 9)
            seqs = {identity.partition("/")[2] for identity in stored_ids(folder)}
            assert {first, second} < seqs
            assert len(seqs) == 6
            assert on_disk(folder)["accepted"] == 6

    asyncio.run(scenario())


def test_a_deleted_file_that_takes_long_to_write_again_is_no_stall(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[float] = []
    note = outbox_db.Database._note_progress

    def noted(database: outbox_db.Database) -> None:
        note(database)
        told.append(database.progress_s)

    monkeypatch.setattr(outbox_db.Database, "_note_progress", noted)

    async def scenario() -> None:
        async with opened(folder, batch_bytes=25_000) as outbox:
            await some(outbox, 20)
            _remove_all(folder)
            await store(outbox, record(1))
            assert len(told) > 5
            assert on_disk(folder)["stored"] == 21

    asyncio.run(scenario())


def test_keys_that_take_long_to_save_are_no_stall(tmp_path: Path) -> None:
    """Up to ten million of them: idempotency.keys."""
    path = tmp_path / outbox_schema.FILE
    with contextlib.closing(outbox_schema.connect(path)) as database:
        database.executemany(
            "INSERT INTO idempotency VALUES(1, ?, ?, '1.1')", [(b"%d" % n, b"body") for n in range(200)]
        )
    signs = 0

    def progress() -> None:
        nonlocal signs
        signs += 1

    outbox_rescue.rebuild(path, None, 1, progress)
    assert signs == 4


@pytest.mark.usefixtures("soon")
def test_the_reserve_makes_room_for_a_deleted_file(tmp_path: Path) -> None:
    async def scenario(disk: Path) -> None:
        state = disk / "state"
        async with opened(state, batch_bytes=40_000, reserve_bytes=2 << 20) as outbox:
            await some(outbox, 80)  # 1.6 MB
            fill_up(disk)
            (state / "outbox.db").unlink()  # it takes its room until it is closed
            with contextlib.suppress(Problem):
                await outbox.submit(record(1), True).wait()
            await until((state / "outbox.db").exists)
            assert on_disk(state)["stored"] >= 80

    with small_disk(tmp_path, 16) as disk:
        asyncio.run(scenario(disk))


def test_a_flipped_bit_in_a_stored_message_costs_that_batch_only(folder: Path) -> None:
    async def scenario() -> None:
        async with opened(folder, batch_records=5) as outbox:
            await store(outbox, *[record(n) for n in range(15)])
            with contextlib.closing(sqlite3.connect(folder / "outbox.db")) as database:
                blob = bytearray(database.execute("SELECT blob FROM batch WHERE id = 2").fetchone()[0])
                blob[len(blob) // 2] ^= 4
                database.execute("UPDATE batch SET blob = ? WHERE id = 2", (bytes(blob),))
                database.commit()
            assert [row.body for _, row, _ in await drain(outbox)] == [
                record(n).body for n in (*range(5), *range(10, 15))
            ]
            ledger = on_disk(folder)
            assert (ledger["accepted"], ledger["delivered"], ledger["dropped"]) == (15, 10, 5)
            assert outbox.stats()["corrupt"] == 1
            assert (folder / "outbox.db.corrupt-1-batch").read_bytes() == bytes(blob)

    asyncio.run(scenario())


def test_a_ledger_that_does_not_balance_is_put_right_and_said(folder: Path) -> None:
    log = Log()
    asyncio.run(_one(folder))
    with contextlib.closing(sqlite3.connect(folder / "outbox.db")) as database:
        database.execute("UPDATE ledger SET accepted = 10")
        database.commit()

    async def scenario() -> None:
        async with opened(folder, log=log):
            ledger = on_disk(folder)
            assert (ledger["accepted"], ledger["dropped"], ledger["stored"]) == (10, 9, 1)

    asyncio.run(scenario())
    assert any("off by 9 messages" in text for text in log.errors())


@pytest.mark.parametrize("step", ["before", "between"])
def test_a_power_cut_during_a_replacement_is_completed(
    filled: tuple[Path, dict[str, bytes]], folder: Path, step: str
) -> None:
    source, bodies = filled
    state = folder / "state"
    shutil.copytree(source, state)
    if step == "between":  # the damaged file has its new name, the fresh one has not
        (state / "outbox.db").rename(state / "outbox.db.new")
        (state / "outbox.db.corrupt-1").write_bytes(b"damaged")
    else:  # the fresh file is half written
        (state / "outbox.db.new").write_bytes(b"SQLite format 3\0 half of it")

    async def scenario() -> Any:
        async with opened(state) as outbox:
            return {identity: row.body for identity, row, _ in await drain(outbox)}

    assert asyncio.run(scenario()) == bodies
    assert not (state / "outbox.db.new").exists()


def test_quarantine_is_bounded(folder: Path) -> None:
    for _ in range(limits.OUTBOX_QUARANTINE + 2):
        (folder / "outbox.db").write_bytes(b"junk" * 100)
        asyncio.run(_one(folder))
    names = sorted(path.name for path in folder.glob("outbox.db.corrupt-*"))
    assert names == [f"outbox.db.corrupt-{n}" for n in range(3, limits.OUTBOX_QUARANTINE + 3)]


def test_decode_of_salvaged_batches_is_the_original(filled: tuple[Path, dict[str, bytes]]) -> None:
    """Guards the kit itself: what `fill` returns is what the file holds."""
    source, bodies = filled
    with contextlib.closing(sqlite3.connect(source / "outbox.db")) as database:
        batches = [decode(blob) for (blob,) in database.execute("SELECT blob FROM batch")]
    assert {batch.message_id(row): row.body for batch in batches for row in batch.rows} == bodies


@pytest.mark.parametrize("where", ["_commit", "_stored"])
def test_an_unforeseen_error_of_the_commit_ends_the_watch(
    folder: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """The supervisor ends the appliance then; whoever still waits is told so."""

    def broken(*_arguments: object) -> None:
        raise RuntimeError("a bug")

    async def scenario() -> None:
        outbox = await Outbox.open(folder)
        monkeypatch.setattr(Outbox, where, broken)
        ticket = outbox.submit(record(1), True)
        with pytest.raises(RuntimeError, match="a bug"):
            await outbox.watch()
        await outbox.close()
        with pytest.raises(Problem) as caught:
            await ticket.wait()
        assert caught.value.status == 503

    asyncio.run(scenario())
