"""An appliance that devices reach over MQTT, and the clients for it that others have written."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
import threading
from pathlib import Path
from typing import Any

from harness import START_S, Appliance, free_port
from paho.mqtt.client import CallbackAPIVersion, Client, MQTTv5, MQTTv311
from paho.mqtt.properties import Properties

from headgate.linux.batch import decode

STREAMS = """
[streams.weather]
rate = "100000/s"
burst = 100000
[streams.strict]
schema = "builtin:weather"
rate = "100000/s"
burst = 100000
"""
TOPIC = "v1/streams/weather"
VERSIONS = (MQTTv311, MQTTv5)
PUB = shutil.which("mosquitto_pub")


def appliance(folder: Path, *, listen: str = "", config: str = STREAMS) -> tuple[Appliance, int]:
    """-> (not started, its MQTT port)"""
    port = free_port()
    made = Appliance(folder, uplink_port=None, config=config)
    made.config.write_text(
        made.config.read_text().replace("[listen]\n", f'[listen]\nmqtt = "127.0.0.1:{port}"\n{listen}', 1)
    )
    return made, port


def mosquitto_pub(port: int, token: str, *words: str, version: str = "5", topic: str = TOPIC) -> tuple[int, str]:
    """-> exit code, and what it said"""
    assert PUB is not None
    login = ["-u", "x", "-P", token] if token else []
    command = [PUB, "-h", "127.0.0.1", "-p", str(port), "-V", version, "-t", topic, *login, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=START_S)
    return done.returncode, done.stdout + done.stderr


def stored(state: Path) -> list[tuple[str, str]]:
    """(message id, body) of everything in the outbox of an appliance that does not run."""
    with contextlib.closing(sqlite3.connect(state / "outbox.db")) as database:
        batches = [decode(blob) for (blob,) in database.execute("SELECT blob FROM batch")]
    return [(batch.message_id(row), row.body.decode()) for batch in batches for row in batch.rows]


class Device:
    """A client of paho. `answers`: packet identifier -> reason code of its PUBACK."""

    def __init__(self, version: int, name: str = "dev") -> None:
        self.version = version
        self.client = Client(CallbackAPIVersion.VERSION2, name, protocol=version)
        self.answers: dict[int, int] = {}
        self.why: dict[int, Properties | None] = {}
        self.ended: Any = None
        self.connected: Any = None
        self.subscribed: list[Any] = []
        self._changed = threading.Condition()
        self.client.on_connect = self._on_connect
        self.client.on_publish = self._on_publish
        self.client.on_disconnect = self._on_disconnect
        self.client.on_subscribe = self._on_subscribe
        self.client.on_connect_fail = lambda *_: None

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _on_connect(self, _client: Client, _data: object, _flags: object, reason: Any, _properties: object) -> None:
        self.connected = reason
        self._tell()

    def _on_publish(self, _client: Client, _data: object, packet_id: int, reason: Any, properties: Any) -> None:
        self.why[packet_id] = properties
        self.answers[packet_id] = reason.value
        self._tell()

    def _on_disconnect(self, _client: Client, _data: object, _flags: object, reason: Any, _properties: object) -> None:
        self.ended = reason
        self._tell()

    def _on_subscribe(self, _client: Client, _data: object, _id: int, reasons: Any, _properties: object) -> None:
        self.subscribed = reasons
        self._tell()

    def until(self, condition: Any) -> Any:
        with self._changed:
            assert self._changed.wait_for(condition, START_S), (self.answers, self.ended)
        return condition()

    def connect(self, port: int, token: str | None) -> Device:
        if token is not None:
            self.client.username_pw_set("x", token)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        self.until(lambda: self.connected is not None)
        return self

    def publish(self, body: bytes, *, topic: str = TOPIC, qos: int = 1, properties: Properties | None = None) -> int:
        return self.client.publish(topic, body, qos, properties=properties).mid

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
