"""The promise, under every fault we can make: what was acknowledged arrives, exactly once, and the ledger balances.

10,000 real weather records of 20 stations, 3 % spoiled, over real HTTP, through a real mosquitto, to
`headgate receive`.
The faults: none; broker stopped; broker frozen; appliance killed 20 times; disk full.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import START_S, Appliance, Load, Outcome, Receiver, running, wait_for
from mosquitto import Mosquitto

from headgate_host import stations

pytestmark = pytest.mark.slow_emulated

MESSAGES = 10_000
CLIENTS = 20
SPOILED = 0.03
CONFIG = """
[streams.weather]
schema = "weather.schema.json"
rate = "100000/s"
burst = 100000
"""
KILLS = 20


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
def appliance(tmp_path: Path, broker: Mosquitto) -> Iterator[Appliance]:
    with running(prepared(tmp_path, broker.port)) as appliance:
        yield appliance


def prepared(folder: Path, port: int, state: Path | None = None, config: str = "") -> Appliance:
    (folder / "weather.schema.json").write_bytes(stations.schema())
    return Appliance(folder, uplink_port=port, config=CONFIG + config, state=state)


@pytest.fixture
def receiver(tmp_path: Path, broker: Mosquitto) -> Iterator[Receiver]:
    receiver = Receiver(tmp_path, broker.port)
    yield receiver
    receiver.stop()


def weather(count: int = MESSAGES) -> list[stations.Message]:
    return list(stations.messages(count, CLIENTS, spoil=SPOILED, seed=1))


def check_nothing_lost(
    appliance: Appliance, receiver: Receiver, outcome: Outcome, sent: list[stations.Message]
) -> None:
    assert outcome.wrong == []
    good = [message for message in sent if message.expected_status == 202]
    assert len(outcome.acked) == len(good)
    wait_for(lambda: appliance.ledger()["stored"] == 0, "the outbox is empty", 2 * START_S)
    wait_for(lambda: len(receiver.rows()) >= len(good), "everything accepted is received", 2 * START_S)
    rows = receiver.rows()
    identities = [identity for identity, _, _ in rows]
    assert len(set(identities)) == len(rows), "received twice"
    # Each accepted message arrived under the very number its receipt named, byte for byte, from its own client.
    by_seq = {identity.rpartition("/")[2]: (client, body) for identity, client, body in rows}
    assert len(rows) == len(good)
    for message in good:
        assert by_seq[outcome.receipts[message.msg_id]] == (message.client, message.body)
    ledger = appliance.ledger()
    assert ledger["accepted"] == ledger["delivered"] + ledger["stored"] + ledger["expired"] + ledger["dropped"]
    assert ledger["accepted"] == ledger["delivered"] == len(good)


def test_ten_thousand_weather_messages(appliance: Appliance, receiver: Receiver) -> None:
    sent = weather()
    outcome = Load(appliance, sent, keys=False).start().join()
    spoiled = [message for message in sent if message.expected_status != 202]
    assert len(spoiled) == pytest.approx(MESSAGES * SPOILED, rel=0.2)
    assert outcome.retries == 0
    check_nothing_lost(appliance, receiver, outcome, sent)
    assert appliance.stop() == 0


def test_broker_stopped_for_a_while(appliance: Appliance, receiver: Receiver, broker: Mosquitto) -> None:
    sent = weather()
    load = Load(appliance, sent).start()
    wait_for(lambda: len(load.outcome.acked) > MESSAGES // 10, "a tenth is accepted")
    broker.stop()
    acked = len(load.outcome.acked)
    wait_for(lambda: len(load.outcome.acked) > acked + MESSAGES // 5, "accepting goes on without the broker")
    broker.start()
    check_nothing_lost(appliance, receiver, load.join(), sent)


def test_broker_frozen_for_a_while(appliance: Appliance, receiver: Receiver, broker: Mosquitto) -> None:
    sent = weather()
    load = Load(appliance, sent).start()
    wait_for(lambda: len(load.outcome.acked) > MESSAGES // 10, "a tenth is accepted")
    broker.freeze()
    acked = len(load.outcome.acked)
    wait_for(lambda: len(load.outcome.acked) > acked + MESSAGES // 5, "accepting goes on while the broker hangs")
    time.sleep(3)  # longer than the appliance waits for an acknowledgement: it must give up on this connection
    broker.thaw()
    check_nothing_lost(appliance, receiver, load.join(), sent)


def test_killed_at_random_instants(tmp_path: Path, broker: Mosquitto, receiver: Receiver) -> None:
    seed = int(os.environ.get("HEADGATE_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"HEADGATE_TEST_SEED={seed}")
    chance = random.Random(seed)  # noqa: S311
    appliance = prepared(tmp_path, broker.port)
    sent = weather()
    with running(appliance):
        load = Load(appliance, sent, pace_s=0.02).start()
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.05, 0.6))
            appliance.kill()
            appliance.start()
        outcome = load.join()
        assert outcome.retries > 0, "no kill ever hit a request: the test proves nothing"
        check_nothing_lost(appliance, receiver, outcome, sent)


def test_disk_full(tmp_path: Path, broker: Mosquitto, receiver: Receiver) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "headgate-test", str(disk)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a small tmpfs: {mounted.stderr.strip()}")
    try:
        appliance = prepared(tmp_path, broker.port, state=disk / "state")
        with running(appliance):
            sent = weather()
            broker.stop()  # so that the outbox grows
            load = Load(appliance, sent).start()
            wait_for(lambda: load.outcome.acked, "the first message is accepted")
            ballast = disk / "ballast"
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
            wait_for(lambda: load.outcome.statuses[503] > CLIENTS, "the full disk is answered with 503")
            broker.start()
            ballast.unlink()
            check_nothing_lost(appliance, receiver, load.join(), sent)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_sigterm_answers_what_it_accepted(tmp_path: Path, broker: Mosquitto, receiver: Receiver) -> None:
    appliance = prepared(tmp_path, broker.port)
    sent = weather(2_000)
    with running(appliance):
        load = Load(appliance, sent).start()
        wait_for(lambda: len(load.outcome.acked) > 200, "some are accepted")
        assert appliance.process is not None
        appliance.process.send_signal(signal.SIGTERM)
        assert appliance.process.wait(timeout=20) == 0
        appliance.start()
        check_nothing_lost(appliance, receiver, load.join(), sent)
