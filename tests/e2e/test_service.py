"""The appliance as a service: idle it costs nothing, it reloads, it refuses a second instance, it drains."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Appliance, Load, context_switches, cpu_ms, headgate, pss_kib, running, wait_for
from mosquitto import Mosquitto

from headgate_host import stations

CONFIG = """
[streams.weather]
schema = "builtin:weather"
rate = "{rate}"
"""
IDLE_S = 10
PSS_MAX_KIB = 24 * 1024


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path / "broker") as broker:
        yield broker


def uplink_connected(appliance: Appliance) -> bool:
    return b"headgate_uplink_connected 1" in appliance.get("/metrics")[1]


@pytest.mark.not_emulated(reason="the memory of the emulator would count as the appliance's")
def test_idle_costs_nothing(tmp_path: Path, broker: Mosquitto) -> None:
    """Connected and idle: no CPU, no wake-up, PSS within 24 MiB; also after it has worked."""
    appliance = Appliance(tmp_path, uplink_port=broker.port, config=CONFIG.format(rate="1000/s"))
    with running(appliance):
        wait_for(lambda: uplink_connected(appliance), "the uplink connects")
        outcome = Load(appliance, stations.messages(200, 4, spoil=0)).start().join()
        assert len(outcome.acked) == 200
        wait_for(lambda: appliance.ledger()["stored"] == 0, "everything is delivered")
        assert appliance.process is not None
        pid = appliance.process.pid
        quiet = settle(pid)
        before = cpu_ms(pid), context_switches(pid)
        time.sleep(IDLE_S)
        used_ms, woken = cpu_ms(pid) - before[0], context_switches(pid) - before[1]
        pss = pss_kib(pid)
        print(f"idle for {IDLE_S} s: {used_ms:.2f} ms CPU, {woken} wake-ups, PSS {pss} KiB (quiet after {quiet:.1f} s)")
        assert used_ms == 0
        assert woken == 0
        assert pss <= PSS_MAX_KIB


def settle(pid: int) -> float:
    """Wait until three seconds pass without a wake-up (work may pause for one); returns how long that took."""
    started = time.monotonic()
    while time.monotonic() - started < 30:
        before = context_switches(pid)
        time.sleep(3)
        if context_switches(pid) == before:
            break
    return time.monotonic() - started


def test_reload(tmp_path: Path) -> None:
    appliance = Appliance(tmp_path, uplink_port=None, config=CONFIG.format(rate="2/s"))
    with running(appliance):
        assert appliance.process is not None
        token = appliance.token("sea-00")
        assert json.loads(post(appliance, "/v1/streams/later", token)[1])["type"].endswith("unknown_stream")
        good = appliance.config.read_text()
        appliance.config.write_text(good + '\n[streams.later]\ndurabilty = "memory"\n')
        appliance.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "reload refused" in appliance.log.read_text(), "the bad configuration is refused")
        assert "durability" in appliance.log.read_text(), "the log says what is meant"
        assert post(appliance, "/v1/streams/later", token)[0] == 404
        appliance.config.write_text(good + '\n[streams.later]\ndurability = "memory"\n')
        appliance.process.send_signal(signal.SIGHUP)
        wait_for(lambda: post(appliance, "/v1/streams/later", token)[0] == 202, "the new stream is there")
        appliance.process.send_signal(signal.SIGHUP)
        wait_for(lambda: appliance.log.read_text().count("reloaded") == 2, "it reloads again")
        assert appliance.log.read_text().count("streams.later.schema: is not given") == 1, "what is new is warned of"
        assert appliance.stop() == 0


@pytest.mark.parametrize(
    "text",
    [
        '[uplink]\nurl = "mqtt://a\\u0000b:1"',
        f"[cache]\nentries = {'9' * 5000}",
        "[streams.later]\nschema = '/proc/self/mem'",
        f"[[issuer]]\nname = 'x'\nsecret_file = '{'k' * 300}'",
        "[[issuer]]\nname = 'x'\nsecret_file = 'k'\nrevoked_file = 'pipe'",
    ],
)
def test_a_reload_of_what_cannot_be_read_is_refused(tmp_path: Path, text: str) -> None:
    appliance = Appliance(tmp_path, uplink_port=None, config="[streams.any]\n")
    os.mkfifo(tmp_path / "pipe")  # nobody will ever write into it
    with running(appliance):
        assert appliance.process is not None
        token = appliance.token("sea-00")
        appliance.config.write_text(f"{appliance.config.read_text()}\n{text}\n")
        appliance.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "reload refused" in appliance.log.read_text(), "it is refused")
        assert post(appliance, "/v1/streams/any", token)[0] == 202
        assert appliance.stop() == 0
    assert "Traceback" not in appliance.log.read_text()


def test_a_reload_revokes_a_token(tmp_path: Path) -> None:
    appliance = Appliance(tmp_path, uplink_port=None, config="[streams.any]\n")
    with running(appliance):
        assert appliance.process is not None
        lost, kept = appliance.token("lost-00"), appliance.token("kept-00")
        for token in (lost, kept):  # verified once, both are remembered
            assert post(appliance, "/v1/streams/any", token)[0] == 202
        claims = json.loads(base64.urlsafe_b64decode(lost.split(".")[1] + "=="))
        (appliance.config.parent / "revoked.txt").write_text(f"somebody-elses\n{claims['jti']}\n")
        text = appliance.config.read_text()
        appliance.config.write_text(text.replace("[[issuer]]\n", '[[issuer]]\nrevoked_file = "revoked.txt"\n'))
        appliance.process.send_signal(signal.SIGHUP)
        wait_for(lambda: post(appliance, "/v1/streams/any", lost)[0] == 401, "the token is refused")
        assert json.loads(post(appliance, "/v1/streams/any", lost)[1])["reason"] == "token_revoked"
        assert post(appliance, "/v1/streams/any", kept)[0] == 202
        assert appliance.stop() == 0


def post(appliance: Appliance, path: str, token: str, body: bytes = b"{}") -> tuple[int, bytes]:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", appliance.port, timeout=10)
    connection.request("POST", path, body, {"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
    response = connection.getresponse()
    answer = response.status, response.read()
    connection.close()
    return answer


def test_second_instance_is_refused(tmp_path: Path) -> None:
    appliance = Appliance(tmp_path, uplink_port=None)
    with running(appliance):
        second = headgate(
            "run", "--config", str(appliance.config), "--state", str(appliance.state), "--listen", "127.0.0.1:0"
        )
        assert second.returncode == 6
        assert len(second.stderr.strip().splitlines()[-1]) < 300


def test_taken_port(tmp_path: Path) -> None:
    appliance = Appliance(tmp_path, uplink_port=None)
    with socket.socket() as other:
        other.bind(("127.0.0.1", appliance.port))
        other.listen()
        ended = headgate("run", "--config", str(appliance.config), "--state", str(appliance.state))
    assert ended.returncode == 5
    assert f"127.0.0.1:{appliance.port}" in ended.stderr


def test_first_run_creates_keys(tmp_path: Path) -> None:
    appliance = Appliance(tmp_path, uplink_port=None, config=CONFIG.format(rate="10/s"))
    with running(appliance):
        log = appliance.log.read_text()
        assert "headgate token --sub" in log
        keys = [path for path in appliance.state.rglob("*.key") if path.is_file()]
        assert keys
        assert all(path.stat().st_mode & 0o777 == 0o600 for path in keys)
        assert all(path.read_text().strip() not in log for path in keys)
        assert post(appliance, "/v1/streams/weather", appliance.token("a", "publish:weather"), b"[")[0] == 400


def test_no_secret_is_logged(tmp_path: Path) -> None:
    """With --verbose, whatever is done with keys and tokens: accepted, altered, cut, sent where they do not belong."""
    appliance = Appliance(tmp_path, uplink_port=None, config=CONFIG.format(rate="1000/s"))
    appliance.options = ["--verbose"]
    with running(appliance):
        token = appliance.token("a", "publish:weather", "read:*")
        head, claims, signature = token.split(".")
        for words in (token, f"{head}.{claims}.{signature[::-1]}", f"{head}.{claims}.", f"{claims}.{head}.{signature}"):
            post(appliance, "/v1/streams/weather", words, b"{}")
            appliance.get("/v1/streams/weather/last/a", words)
            appliance.get(f"/v1/cache/{words}", words)
            appliance.get(f"/metrics?token={words}")
        assert appliance.process is not None
        appliance.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "reloaded" in appliance.log.read_text(), "it reloads")
        assert appliance.stop() == 0
    log = appliance.log.read_text()
    keys = [path.read_text().strip() for path in appliance.state.rglob("*.key")]
    assert keys
    assert not [part for part in (claims, signature, signature[::-1], *keys) if part in log]


def test_corrupt_outbox_is_put_aside(tmp_path: Path) -> None:
    appliance = Appliance(tmp_path, uplink_port=None, config=CONFIG.format(rate="1000/s"))
    with running(appliance):
        before = Load(appliance, stations.messages(20, 2, spoil=0)).start().join()
        assert len(before.acked) == 20
        appliance.kill()
        for path in appliance.state.glob("outbox.db*"):
            path.write_bytes(os.urandom(path.stat().st_size))
        appliance.start()
        after = Load(appliance, stations.messages(20, 2, spoil=0, seed=2)).start().join()
        assert len(after.acked) == 20
        assert not set(before.receipts.values()) & set(after.receipts.values()), "message numbers came twice"
        assert appliance.ledger()["quarantined"] == 1
        assert list(appliance.state.glob("outbox.db.corrupt-*"))


def test_service_manager_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """READY=1 when it listens, WATCHDOG=1 while it turns, STOPPING=1 at the end."""
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(address))
        listener.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(address))
        monkeypatch.setenv("WATCHDOG_USEC", "600000")
        appliance = Appliance(tmp_path, uplink_port=None)
        with running(appliance):
            heard = [listener.recv(4096).decode() for _ in range(3)]
            assert re.search(r"^READY=1$", heard[0], re.MULTILINE)
            assert heard[1:] == ["WATCHDOG=1", "WATCHDOG=1"]
            assert appliance.stop() == 0
            listener.settimeout(0.1)
            while "STOPPING=1" not in heard[-1]:
                heard.append(listener.recv(4096).decode())


def test_ledger_balances_on_disk_at_every_instant(tmp_path: Path, broker: Mosquitto) -> None:
    appliance = Appliance(tmp_path, uplink_port=broker.port, config=CONFIG.format(rate="1000/s"))
    with running(appliance):
        load = Load(appliance, stations.messages(1_000, 8, spoil=0)).start()
        while load.running():
            ledger = appliance.ledger()
            assert ledger["accepted"] == ledger["delivered"] + ledger["stored"] + ledger["expired"] + ledger["dropped"]
        load.join()
        with contextlib.closing(sqlite3.connect(f"file:{appliance.state}/outbox.db?mode=ro", uri=True)) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
