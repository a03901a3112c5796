"""`cache.snapshot`: what a real appliance cached is there again after a stop, a kill and a damaged file."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Appliance, wait_for

CONFIG = """
[streams.any]

[cache]
snapshot = "1 s"
"""
SCOPES = ("publish:any", "read:any", "cache:*")


class Client:
    def __init__(self, appliance: Appliance) -> None:
        self.port = appliance.port
        self.token = appliance.token("dev", *SCOPES)

    def request(self, method: str, path: str, body: bytes = b"", **fields: str) -> tuple[int, dict[str, str], bytes]:
        headers = {"Authorization": f"Bearer {self.token}"}
        headers.update({name.replace("_", "-"): value for name, value in fields.items()})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def metric(self, name: str) -> int:
        lines = self.request("GET", "/metrics")[2].decode().splitlines()
        return int(next(line for line in lines if line.startswith(name + " ")).rsplit(" ", 1)[1])


@pytest.fixture
def appliance(tmp_path: Path) -> Iterator[Appliance]:
    appliance = Appliance(tmp_path, uplink_port=None, config=CONFIG)
    appliance.start()
    yield appliance
    assert appliance.stop() == 0


def test_after_a_stop(appliance: Appliance) -> None:
    client = Client(appliance)
    status, made, _ = client.request(
        "PUT", "/v1/cache/a/b", b"\0one", Content_Type="image/png", Cache_Control="max-age=900"
    )
    assert status == 201
    assert client.request("POST", "/v1/streams/any", b"[1]", Content_Type="application/json")[0] == 202
    assert appliance.stop() == 0
    appliance.start()
    status, again, body = client.request("GET", "/v1/cache/a/b")
    assert (status, body) == (200, b"\0one")
    assert (again["content-type"], again["cache-control"]) == ("image/png", "max-age=900")
    assert 0 <= int(again["age"]) < 900
    assert again["etag"] != made["etag"], "a new version of an entry, for what was put since the snapshot is not known"
    assert client.request("PUT", "/v1/cache/a/b", b"x", If_Match=made["etag"])[0] == 412
    assert client.request("PUT", "/v1/cache/a/b", b"two", If_Match=again["etag"])[0] == 204
    assert client.request("GET", "/v1/streams/any/last/dev")[2] == b"[1]"
    assert client.request("GET", "/v1/cache?key=a/b")[2].count(b'"text":"two"') == 1
    assert client.metric("headgate_snapshot_restored") == 2


def test_after_a_kill_and_a_damaged_file(appliance: Appliance) -> None:
    client = Client(appliance)
    file = appliance.state / "cache.snapshot"
    assert client.request("PUT", "/v1/cache/k", b"1")[0] == 201
    wait_for(lambda: client.metric("headgate_snapshot_written"), "the first snapshot is written")
    appliance.kill()
    appliance.start()
    assert client.request("GET", "/v1/cache/k")[2] == b"1"
    assert appliance.stop() == 0
    data = file.read_bytes()
    file.write_bytes(data[:20] + bytes([data[20] ^ 1]) + data[21:])
    appliance.start()
    assert client.request("GET", "/v1/cache/k")[0] == 404
    assert file.with_name("cache.snapshot.damaged").exists()
    assert appliance.log.read_text().count("its checksum is wrong") == 1


@pytest.mark.slow_emulated
def test_without_snapshots_an_old_one_goes(appliance: Appliance) -> None:
    client = Client(appliance)
    assert client.request("PUT", "/v1/cache/k", b"1")[0] == 201
    assert appliance.stop() == 0
    file = appliance.state / "cache.snapshot"
    assert file.exists()
    half = file.with_name(".cache.snapshot.1")  # of one that was killed while it wrote
    half.touch()
    appliance.config.write_text(appliance.config.read_text().replace('"1 s"', '"0 s"'))
    appliance.start()
    assert not file.exists()
    assert not half.exists()
    assert client.request("GET", "/v1/cache/k")[0] == 404


@pytest.mark.slow_emulated
def test_a_budget_of_nothing(tmp_path: Path) -> None:
    appliance = Appliance(tmp_path, uplink_port=None, config="[streams.any]\n[cache]\nbytes = 0\n")
    appliance.start()
    client = Client(appliance)
    assert client.request("PUT", "/v1/cache/k", b"")[0] == 413
    assert client.request("POST", "/v1/streams/any", b"1", Content_Type="application/json")[0] == 202
    assert client.request("GET", "/v1/streams/any/last/dev")[0] == 404
    assert appliance.stop() == 0


@pytest.mark.slow_emulated
def test_64_kib_by_default(appliance: Appliance) -> None:
    client = Client(appliance)
    assert client.request("PUT", "/v1/cache/k", b"x" * 65536)[0] == 201
    assert client.request("PUT", "/v1/cache/k", b"y" * 65537)[0] == 413
    assert client.request("GET", "/v1/cache/k")[2] == b"x" * 65536
    assert client.metric("headgate_cache_entries") == 1
    meta = "0 ", " application/octet-stream"  # around the time of the PUT in ms
    digits = client.metric("headgate_cache_bytes") - 64 - len("kv/k") - 65536 - sum(map(len, meta))
    assert 1 <= digits <= 16
