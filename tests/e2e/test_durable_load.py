"""Durable messages of devices in lock step: whatever happens to the process or the disk, what was answered 202 is
stored, once, and the ledger balances."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import Appliance, running, wait_for
from lock_step import LockStep
from small_disk import small_disk

from headgate import _accel
from headgate.linux.batch import decode

KILLS = 5
CONFIG = """
[streams.weather]
schema = "{folder}/any.schema.json"
rate = "100000/s"
burst = 1000000
durability = "fsync"
"""


def chance() -> random.Random:
    seed = int(os.environ.get("HEADGATE_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"HEADGATE_TEST_SEED={seed}")
    return random.Random(seed)  # noqa: S311


def appliance_in(folder: Path, state: Path | None = None) -> Appliance:
    (folder / "any.schema.json").write_text('{"type": "object"}')
    return Appliance(folder, uplink_port=None, config=CONFIG.format(folder=folder), state=state)


def stored(state: Path) -> dict[str, bytes]:
    """boot.seq -> body."""
    found: dict[str, bytes] = {}
    with contextlib.closing(sqlite3.connect(f"file:{state / 'outbox.db'}?mode=ro", uri=True)) as database:
        assert database.execute("SELECT messages, bytes FROM conservation").fetchone() == (0, 0)
        for batch in [decode(blob) for (blob,) in database.execute("SELECT blob FROM batch")]:
            for row in batch.rows:
                assert f"{batch.boot}.{row.seq}" not in found, "a message is stored twice"
                found[f"{batch.boot}.{row.seq}"] = row.body
    return found


def test_killed_while_devices_send_in_lock_step(tmp_path: Path) -> None:
    dice = chance()
    appliance = appliance_in(tmp_path)
    acked: dict[str, bytes] = {}
    token = ""
    for life in range(KILLS):
        with running(appliance):
            token = token or appliance.token("pump", "publish:weather")
            load = LockStep(appliance.port, token, lambda n, life=life: b'{"life":%d,"n":%d}' % (life, n)).start()  # type: ignore[misc]
            wait_for(lambda load=load: load.acked, "the first answer")  # type: ignore[misc]
            time.sleep(dice.uniform(0, 0.3))
            appliance.kill()
            load.join()
        assert not load.twice
        assert set(load.statuses) == {202}
        assert acked.keys().isdisjoint(load.acked)
        acked |= load.acked
        assert acked.items() <= stored(appliance.state).items()


def test_terminated_while_devices_send_in_lock_step(tmp_path: Path) -> None:
    appliance = appliance_in(tmp_path)
    with running(appliance):
        load = LockStep(appliance.port, appliance.token("pump", "publish:weather"), lambda n: b'{"n":%d}' % n).start()
        wait_for(lambda: len(load.acked) > 500, "some answers")
        assert appliance.stop() == 0
        load.join()
    assert set(load.statuses) <= {202, 503}
    assert load.acked == {seq: body for seq, body in stored(appliance.state).items() if seq in load.acked}
    # Stored and not answered: connections that ended meanwhile.
    assert len(stored(appliance.state)) - len(load.acked) <= load.cut


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path, 4) as mounted:
        yield mounted


def test_the_disk_is_full_while_devices_send_in_lock_step(tmp_path: Path, disk: Path) -> None:
    appliance = appliance_in(tmp_path, disk / "state")
    with running(appliance):
        token = appliance.token("pump", "publish:weather")
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(1 << 20))
        noise = random.Random(1)  # noqa: S311

        def large(number: int) -> bytes:  # does not compress to less than half
            return b'{"n":%d,"noise":"%s"}' % (number, noise.randbytes(600).hex().encode())

        load = LockStep(appliance.port, token, large).start()
        wait_for(lambda: load.statuses[503] > 100, "the disk is full")
        full = len(load.acked)
        ballast.unlink()
        wait_for(lambda: len(load.acked) > full + 100, "there is room again")
        load.stop()
        assert appliance.stop() == 0
    assert set(load.statuses) == {202, 503}
    assert stored(appliance.state) == load.acked


@pytest.mark.skipif(_accel.BACKEND != "native", reason="the native server's")
def test_commits_do_without_the_event_loop(tmp_path: Path) -> None:
    from headgate.linux import app
    from headgate.linux import config as configuration

    appliance = appliance_in(tmp_path)
    config = configuration.load(str(appliance.config), state_dir=appliance.state)
    begun: list[int] = []

    async def main(selector: Any) -> tuple[LockStep, dict[str, Any]]:
        one = app.App(config, lambda: config, selector)
        await one.start()
        commit = one.outbox._commit

        def counted() -> None:
            begun.append(1)
            commit()

        one.outbox._commit = counted  # type: ignore[method-assign]
        try:
            token = await asyncio.to_thread(appliance.token, "pump", "publish:weather")
            load = await asyncio.to_thread(LockStep, appliance.port, token, lambda n: b'{"n":%d}' % n)
            load.start()
            async with asyncio.timeout(60):
                while len(load.acked) < 3000:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            await asyncio.to_thread(load.stop)
            return load, one.outbox.stats()
        finally:
            await one.stop()

    from headgate.linux import keys

    keys.ensure_hs256(appliance.state / "keys" / "device.key")
    load, stats = app.run_in_loop(main)
    assert set(load.statuses) == {202}
    assert stored(appliance.state) == load.acked
    assert stats["accepted"] == len(load.acked)
    assert len(begun) < stats["commits"]  # by how much depends on the machine
    print(json.dumps({"commits": stats["commits"], "begun by the event loop": len(begun)}))
