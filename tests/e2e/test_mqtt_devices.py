"""Devices publish to the appliance over MQTT, with clients that nobody here has written: mosquitto, paho, aiomqtt."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import certificates
import pytest
from harness import Appliance, free_port, headgate, running, wait_for
from mosquitto import Mosquitto, available
from mqtt_kit import PUB, STREAMS, TOPIC, VERSIONS, Device, appliance, mosquitto_pub, stored
from paho.mqtt.client import MQTTv5
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

pytestmark = pytest.mark.slow_emulated
needs_mosquitto_pub = pytest.mark.skipif(PUB is None, reason="mosquitto_pub is not installed")
BODY = '{"station":"{device}","ts":"2026-01-01T00:00:00Z","kind":"hourly","temp_f":50}'
JUDGED = (0, 7)  # passed, or: this machine was too busy to tell how fast it was
DEVICES = 600
KILLS = 4


def metrics(running_one: Appliance, prefix: str = "headgate_mqtt_") -> dict[str, int]:
    lines = [line.split() for line in running_one.get("/metrics")[1].decode().splitlines() if line.startswith(prefix)]
    return {name.removeprefix(prefix): int(value) for name, value in lines}


def user_property(name: str, value: str) -> Properties:
    found = Properties(PacketTypes.PUBLISH)
    found.UserProperty = (name, value)
    return found


@needs_mosquitto_pub
def test_mosquitto_pub(tmp_path: Path) -> None:
    made, port = appliance(tmp_path)
    with running(made):
        token, weak = made.token("mill", "publish:*", "read:*"), made.token("mill", "read:*")
        for number, (version, qos) in enumerate((v, q) for v in ("311", "5") for q in ("0", "1")):
            code, said = mosquitto_pub(port, token, "-q", qos, "-m", json.dumps({"n": number}), version=version)
            assert (code, said) == (0, ""), (version, qos)
            wait_for(lambda n=number: made.get(f"/{TOPIC}/last/mill", token)[1] == b'{"n": %d}' % n, "it is stored")
        # The same key twice is one message; CBOR by its content type.
        words = ["-q", "1", "-m", '{"n":9}', "-D", "publish", "user-property", "idempotency-key", "k"]
        assert [mosquitto_pub(port, token, *words)[0] for _ in range(2)] == [0, 0]
        cbor = tmp_path / "message.cbor"
        cbor.write_bytes(b"\xa1\x61n\x07")
        words = ["-q", "1", "-f", str(cbor), "-D", "publish", "content-type", "application/cbor"]
        assert mosquitto_pub(port, token, *words)[0] == 0
        assert made.get(f"/{TOPIC}/last/mill", token)[1] == cbor.read_bytes()
        # What is refused: with its reason in 5; in 3.1.1 the message at fault is acknowledged, and counted.
        assert "Payload format invalid" in mosquitto_pub(port, token, "-q", "1", "-m", "{")[1]
        assert "Not authorized" in mosquitto_pub(port, weak, "-q", "1", "-m", "{}")[1]
        assert "Topic Name invalid" in mosquitto_pub(port, token, "-q", "1", "-m", "{}", topic="elsewhere")[1]
        assert mosquitto_pub(port, token, "-q", "1", "-m", "{", version="311")[0] == 0
        assert mosquitto_pub(port, "", "-m", "{}")[0] != 0
        assert mosquitto_pub(port, "x", "-m", "{}", version="311")[0] != 0
        mosquitto_pub(port, token, "-q", "2", "-m", "{}")  # it knows Maximum QoS, says nothing and sends nothing
        found = metrics(made, "headgate_messages_rejected_total")
        assert found['{code="malformed_json"}'] == 2
        assert found['{code="insufficient_scope"}'] == 1
        assert found['{code="not_found"}'] == 1
        assert made.stop() == 0
    assert made.ledger()["accepted"] == 6
    assert "Traceback" not in made.log.read_text()


@pytest.mark.parametrize("version", VERSIONS)
def test_paho(tmp_path: Path, version: int) -> None:
    made, port = appliance(tmp_path)
    with running(made):
        device = Device(version).connect(port, made.token("mill"))
        assert not device.connected.is_failure
        sent = {device.publish(b'{"n":%d}' % n): n for n in range(300)}
        device.until(lambda: len(device.answers) == len(sent))
        assert set(device.answers.values()) == {0}
        device.client.subscribe("#", 1)
        device.until(lambda: device.subscribed)
        assert [reason.value for reason in device.subscribed] == [0x87 if version == MQTTv5 else 0x80]
        late = device.publish(b'{"n":-1}')
        device.until(lambda: late in device.answers)
        device.close()
        assert metrics(made)['publishes_total{reason="0x00"}'] == 301
        assert made.stop() == 0
    assert sorted(json.loads(body)["n"] for _, body in stored(made.state)) == list(range(-1, 300))


def test_why_it_was_refused(tmp_path: Path) -> None:
    made, port = appliance(tmp_path)
    with running(made):
        device = Device(MQTTv5).connect(port, made.token("mill"))
        refused = device.publish(b'{"station":"sea-01","ts":"2026-01-01T00:00:00Z","kind":"hourly","temp_f":999}',
                                 topic="v1/streams/strict")  # fmt: skip
        device.until(lambda: refused in device.answers)
        assert device.answers[refused] == 0x99
        why: Any = device.why[refused]
        assert dict(why.UserProperty) == {"problem": "schema_violation"}
        assert why.ReasonString.startswith("/temp_f: ")
        first = device.publish(b'{"n":1}', properties=user_property("idempotency-key", "k"))
        second = device.publish(b'{"n":2}', properties=user_property("idempotency-key", "k"))
        device.until(lambda: second in device.answers)
        assert (device.answers[first], device.answers[second]) == (0, 0x83)
        device.close()


def test_aiomqtt(tmp_path: Path) -> None:
    import aiomqtt

    made, port = appliance(tmp_path)

    async def publish(token: str) -> None:
        async with aiomqtt.Client("127.0.0.1", port, username="x", password=token, identifier="async") as client:
            await asyncio.gather(*(client.publish(TOPIC, b'{"n":%d}' % n, qos=1) for n in range(50)))

    with running(made):
        asyncio.run(publish(made.token("mill")))
        with pytest.raises(aiomqtt.MqttError):
            asyncio.run(publish("x.y.z"))
        assert made.stop() == 0
    assert made.ledger()["accepted"] == 50


@needs_mosquitto_pub
def test_tls_and_certificates(tmp_path: Path) -> None:
    certs = certificates.make(tmp_path / "certs")
    port = free_port()
    keys = f'mqtts = "127.0.0.1:{port}"\ntls_cert = "{certs}/server.pem"\ntls_key = "{certs}/server.key"\n'
    keys += f'tls_client_ca = "{certs}/ca.pem"\ntls_client_scopes = ["publish:weather"]\n'
    made, _ = appliance(tmp_path, listen=keys)
    with running(made):
        tls = ["--cafile", f"{certs}/ca.pem"]
        mutual = [*tls, "--cert", f"{certs}/client.pem", "--key", f"{certs}/client.key"]
        message = ["-q", "1", "-m", '{"n":1}']
        for version in ("311", "5"):
            assert mosquitto_pub(port, made.token("mill"), *message, *tls, version=version)[0] == 0
            assert mosquitto_pub(port, "", *message, *mutual, version=version)[0] == 0
            assert mosquitto_pub(port, "", *message, *tls, version=version)[0] != 0
        assert made.get(f"/{TOPIC}/last/client", made.token("mill", "read:*")) == (200, b'{"n":1}')
        assert "Not authorized" in mosquitto_pub(port, "", *message, *mutual, topic="v1/streams/strict")[1]
        assert made.stop() == 0
    assert made.ledger()["accepted"] == 4


def test_shutting_down_is_said(tmp_path: Path) -> None:
    made, port = appliance(tmp_path)
    with running(made):
        devices = [Device(version, f"d{version}").connect(port, made.token("mill")) for version in VERSIONS]
        for device in devices:
            device.publish(b"1")
            device.until(lambda found=device: found.answers)
            device.client.reconnect_delay_set(60, 60)
        assert made.stop() == 0
        for device in devices:
            device.until(lambda found=device: found.ended is not None)
            device.client.loop_stop()
    assert devices[1].ended.value == 0x8B
    assert made.ledger()["accepted"] == 2


class Sender(threading.Thread):
    """A device that sends without pause, with many messages in flight, until it is told to stop. What it has no answer
    to it forgets, so every body is sent once. `acked`: bodies the appliance has acknowledged."""

    def __init__(self, port: int, token: str, version: int, name: str) -> None:
        super().__init__()
        self.acked: set[str] = set()
        self.failed: Exception | None = None
        self.over = threading.Event()
        self._arguments = (port, token, version, name)

    def run(self) -> None:
        try:
            asyncio.run(self._run(*self._arguments))
        except Exception as error:
            self.failed = error

    async def _run(self, port: int, token: str, version: int, name: str) -> None:
        from headgate_host.load import mqtt_wire as wire

        number = 0
        while not self.over.is_set():
            writer = None
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(wire.connect(name, version=version, username="x", password=token))
                packets, waiting, packet_id = wire.Reader(), dict[int, str](), 0
                await reader.read(1000)  # CONNACK
                while not self.over.is_set():
                    while len(waiting) < 20:
                        number, packet_id = number + 1, packet_id % wire.IDS + 1
                        waiting[packet_id] = f'{{"n":"{name}/{number}"}}'
                        body = waiting[packet_id].encode()
                        writer.write(wire.publish(TOPIC.encode(), body, packet_id, version=version))
                    data = await reader.read(4096)
                    if not data:
                        break
                    for kind, body in packets.feed(data):
                        if kind == wire.PUBACK:
                            acknowledged, reason = wire.read_puback(body)
                            if reason < 0x80:
                                self.acked.add(waiting.pop(acknowledged))
            except OSError:
                await asyncio.sleep(0.02)
            finally:
                if writer is not None:
                    writer.close()


def test_killed_under_load(tmp_path: Path) -> None:
    """kill -9 at random: everything acknowledged is stored, and nothing twice."""
    seed = int(os.environ.get("HEADGATE_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"HEADGATE_TEST_SEED={seed}")
    dice = random.Random(seed)  # noqa: S311
    made, port = appliance(tmp_path)
    made.start()
    senders = [Sender(port, made.token(f"d{n}"), version, f"d{n}") for n, version in enumerate((4, 5, 4, 5))]
    try:
        for sender in senders:
            sender.start()
        for _ in range(KILLS):
            before = [len(sender.acked) for sender in senders]
            wait_for(
                lambda was=before: all(len(s.acked) > n for s, n in zip(senders, was, strict=True)), "all are served"
            )
            time.sleep(dice.uniform(0, 0.2))
            made.kill()
            made.start()
    finally:
        for sender in senders:
            sender.over.set()
        assert made.process is not None
        made.stop()
        for sender in senders:
            sender.join()
    assert [sender.failed for sender in senders] == [None] * len(senders)
    found = stored(made.state)
    bodies = [body for _, body in found]
    assert len(set(bodies)) == len(bodies) == len(dict(found))
    for sender in senders:
        assert sender.acked <= set(bodies)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_many_devices_and_the_ledger(tmp_path: Path, version: str) -> None:
    """As bench/load.py does with 10,000: what the generator counts is what the appliance has stored."""
    made, port = appliance(tmp_path, config=STREAMS)
    with running(made):
        file = tmp_path / "result.json"
        done = headgate(
            "load", f"mqtt://127.0.0.1:{port}/v1/streams/strict", "--rate", str(DEVICES), "--for", "2 s",
            "--devices", str(DEVICES), "--body", BODY, "--mqtt", version, "--json", "--out", str(file),
            "--config", str(made.config), "--state", str(made.state),
            "--metrics", f"http://127.0.0.1:{made.port}/metrics",
        )  # fmt: skip
        assert done.returncode in JUDGED, done.stdout + done.stderr
        end = json.loads(done.stdout.splitlines()[-1])
        assert end["outcomes"] == {"ok": 2 * DEVICES}
        assert json.loads(file.read_bytes())["device"]["ledger"]["accepted"] == 2 * DEVICES
        assert metrics(made)["opened"] == DEVICES
        assert made.stop() == 0
    assert made.ledger()["accepted"] == 2 * DEVICES
    assert "Traceback" not in made.log.read_text()


SCENARIO = """
name = "both ways in"
seed = 5
[devices]
count = 100
name = "abc-{{n:03}}"
config = "headgate.toml"
state = "state"
[[phase]]
kind = "hold"
rate = 200
for = "2 s"
[data.weather]
schema = "{schema}"
fields = {{ "/station" = "{{device}}", "/ts" = {{ now = "rfc3339" }} }}
[[operation]]
do = "publish"
stream = "strict"
data = "weather"
[[operation]]
do = "mqtt"
topic = "v1/streams/strict"
data = "weather"
"""


def test_http_and_mqtt_in_one_scenario(tmp_path: Path) -> None:
    schema = Path(__file__).resolve().parents[2] / "firmware_py/headgate/data/weather.schema.json"
    file, out = tmp_path / "both.toml", tmp_path / "both.json"
    file.write_text(SCENARIO.format(schema=schema))
    made, port = appliance(tmp_path)
    with running(made):
        urls = ["--target", f"http://127.0.0.1:{made.port}", "--broker", f"mqtt://127.0.0.1:{port}"]
        done = headgate("load", "run", str(file), *urls, "--out", str(out))
        assert done.returncode in JUDGED, done.stdout + done.stderr
        result = json.loads(out.read_bytes())
        assert result["total"]["outcomes"] == {"ok": 400}
        assert result["device"]["ledger"]["accepted"] == 400
        assert 100 < metrics(made)['publishes_total{reason="0x00"}'] < 300
        assert made.stop() == 0


def test_a_reload_holds_for_open_connections(tmp_path: Path) -> None:
    made, port = appliance(tmp_path)
    with running(made):
        device = Device(MQTTv5).connect(port, made.token("mill"))
        first = device.publish(b"{}", topic="v1/streams/new")
        device.until(lambda: first in device.answers)
        with made.config.open("a") as file:
            file.write("[streams.new]\n")
        assert made.process is not None
        made.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "reloaded" in made.log.read_text(), "it reloads")
        second = device.publish(b"{}", topic="v1/streams/new")
        device.until(lambda: second in device.answers)
        assert (device.answers[first], device.answers[second]) == (0x90, 0)
        device.close()


def test_more_devices_than_files(tmp_path: Path) -> None:
    """HTTP and MQTT have their shares; who is over them is closed, and the others are served."""
    made, port = appliance(tmp_path)
    command = [sys.executable, "-m", "headgate", "run", "--config", str(made.config), "--state", str(made.state)]
    with made.log.open("ab") as log:
        made.process = subprocess.Popen(
            ["sh", "-c", f"ulimit -n 200; exec {' '.join(command)}"], stdout=log, stderr=log
        )
    with contextlib.ExitStack() as stack:
        stack.callback(made.process.wait)
        stack.callback(made.process.kill)
        wait_for(made._answers, "it answers")
        assert "only 160 connections at a time" in made.log.read_text()
        token = made.token("mill")
        devices = [Device(MQTTv5, "first").connect(port, token)]
        idle = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(150)]
        wait_for(lambda: metrics(made)["refused"] > 150 - 80, "those over the share are refused")
        devices[0].publish(b"1")
        devices[0].until(lambda: devices[0].answers)
        for client in idle:
            client.close()
        wait_for(lambda: metrics(made)["connections"] == 1, "they are gone")
        devices.append(Device(MQTTv5, "second").connect(port, token))
        assert not devices[1].connected.is_failure
        for device in devices:
            device.close()
        assert "Traceback" not in made.log.read_text()


@pytest.mark.skipif(not available(), reason="no mosquitto")
@pytest.mark.parametrize("version", ["mqttv311", "mqttv50"])
def test_a_bridge(tmp_path: Path, version: str) -> None:
    """A mosquitto of the site's own that hands on what it gets: the other way in for devices."""
    made, port = appliance(tmp_path)
    with running(made):
        bridge = (
            f"connection up\naddress 127.0.0.1:{port}\nremote_username x\nremote_password {made.token('site')}\n"
            f"topic {TOPIC} out 1\nbridge_protocol_version {version}\nnotifications false\ntry_private false\n"
        )
        with Mosquitto(tmp_path / "broker", bridge) as broker:
            device = Device(MQTTv5).connect(broker.port, None)
            for n in range(20):
                device.publish(b'{"n":%d}' % n)
            wait_for(lambda: metrics(made).get('publishes_total{reason="0x00"}', 0) == 20, "all have been handed on")
            device.close()
        assert made.stop() == 0
    assert made.ledger()["accepted"] == 20
