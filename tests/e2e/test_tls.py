"""TLS for real: HTTPS in, MQTT over TLS out, sealed batches, and what a reload does to them."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import resource
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
from pathlib import Path

import certificates
import pytest
from harness import Appliance, Receiver, headgate, pss_kib, running, wait_for
from https_kit import STREAMS, client_context, https, post_tls
from mosquitto import Mosquitto, available

from headgate.core import cbor

RSS_GROWTH_KIB = 8 * 1024
PSS_MAX_KIB = 32 * 1024  # with OpenSSL; without it the bound is in test_service.py


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificates.make(tmp_path_factory.mktemp("tls") / "certs")


def post(appliance: Appliance, token: str, body: bytes, kind: str = "application/json") -> str:
    """-> sequence number"""
    connection = http.client.HTTPConnection("127.0.0.1", appliance.port, timeout=10)
    connection.request("POST", "/v1/streams/weather", body, {"Authorization": f"Bearer {token}", "Content-Type": kind})
    response = connection.getresponse()
    answer = response.read()
    connection.close()
    assert response.status == http.HTTPStatus.ACCEPTED, answer
    return str(json.loads(answer)["seq"])


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_https(tmp_path: Path, certs: Path) -> None:
    appliance, port = https(tmp_path, certs)
    with running(appliance):
        token = appliance.token("mill")
        for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
            assert post_tls(port, client_context(certs, version), token) == (202, name)
        with pytest.raises(ssl.SSLError, match=r"(?i)EOF|protocol version"):  # the server ends it
            post_tls(port, client_context(certs, ssl.TLSVersion.TLSv1_1), token)
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
            plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"200" not in plain.recv(1000)
        assert post_tls(port, client_context(certs, ssl.TLSVersion.TLSv1_3), token)[0] == 202
        assert "Traceback" not in appliance.log.read_text()
        assert appliance.stop() == 0


def test_silent_tls_clients_are_bounded(tmp_path: Path, certs: Path) -> None:
    """A connection costs its memory before it has a token, or a handshake: so they are counted from the first byte."""
    appliance, port = https(tmp_path, certs, listen='connections = 20\nhead_timeout = "1 s"\n')
    with running(appliance), contextlib.ExitStack() as stack:
        assert appliance.process is not None
        pid = appliance.process.pid
        before = rss_kib(pid)
        silent = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10)) for _ in range(200)]
        wait_for(lambda: refused(silent) >= 100, "those over the limit are closed at once")
        assert len(list(Path(f"/proc/{pid}/fd").iterdir())) < 120
        assert rss_kib(pid) - before < RSS_GROWTH_KIB  # 52 of them; asyncio's own buffers would take 13 MiB
        wait_for(lambda: refused(silent) == len(silent), "the others when they have not begun in head_timeout")
        assert appliance.get("/healthz")[0] == 200
        assert "Traceback" not in appliance.log.read_text()


def rss_kib(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() // 1024


def refused(connections: list[socket.socket]) -> int:
    """How many were closed by the other side."""
    count = 0
    for connection in connections:
        connection.settimeout(0)
        try:
            count += connection.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            pass
        except OSError:
            count += 1
    return count


@pytest.mark.parametrize("content", ["", "not a key\n", "other"])
def test_bad_tls_key(tmp_path: Path, certs: Path, content: str) -> None:
    appliance, _ = https(tmp_path, certs)
    key = tmp_path / "bad.key"
    key.write_text((certs / "client.key").read_text() if content == "other" else content)
    key.chmod(0o600)
    appliance.config.write_text(appliance.config.read_text().replace(f"{certs}/server.key", str(key)))
    ended = headgate("run", "--config", str(appliance.config), "--state", str(appliance.state))
    assert ended.returncode == 4
    assert str(key) in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


needs_broker = pytest.mark.skipif(not available(), reason="mosquitto is not installed")


def uplink(url: str, *lines: str) -> str:
    more = "\n".join(lines)
    return f'\n[uplink]\nurl = "{url}"\nbackoff_max = "1 s"\n{more}\n'


def configure(appliance: Appliance, base: str, section: str) -> None:
    """Write the configuration and have it read."""
    assert appliance.process is not None
    appliance.config.write_text(base + section)
    appliance.process.send_signal(signal.SIGHUP)


@needs_broker
def test_uplink_over_tls_begun_by_a_reload(tmp_path: Path, certs: Path) -> None:
    """The process was started without OpenSSL in it. CA wrong, certificate missing, password wrong: all visible, all
    tried again, nothing lost; then all is right."""
    users = tmp_path / "users"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(users), "mill", "right"], check=True, capture_output=True)
    users.chmod(0o644)
    extra = (
        f"cafile {certs}/ca.pem\ncertfile {certs}/server.pem\nkeyfile {certs}/server.key\nrequire_certificate true\n"
    )
    password = tmp_path / "password"
    password.write_text("wrong\n")
    password.chmod(0o600)
    appliance = Appliance(tmp_path, uplink_port=None, config=STREAMS)
    base = appliance.config.read_text()
    with Mosquitto(tmp_path / "broker", f"{extra}password_file {users}", anonymous=False) as broker, running(appliance):
        assert appliance.process is not None
        token = appliance.token("mill")
        post(appliance, token, b'{"n":1}')
        url = f"mqtts://127.0.0.1:{broker.port}"
        pair = (f'cert_file = "{certs}/client.pem"', f'key_file = "{certs}/client.key"')
        login = ('username = "mill"', f'password_file = "{password}"')
        configure(appliance, base, uplink(url, f'ca_file = "{certs}/other-ca.pem"', *pair, *login))
        wait_for(lambda: "certificate verify failed" in appliance.log.read_text(), "the foreign CA is refused")
        assert b"headgate_uplink_connected 0" in appliance.get("/metrics")[1]
        wait_for(lambda: metric(appliance, "headgate_uplink_attempts") > 1, "it is tried again")
        assert appliance.get("/readyz")[0] == 200  # a broker that is away is no reason to refuse messages
        configure(appliance, base, uplink(url, f'ca_file = "{certs}/ca.pem"', *login))
        wait_for(lambda: "certificate required" in appliance.log.read_text(), "the missing certificate is refused")
        configure(appliance, base, uplink(url, f'ca_file = "{certs}/ca.pem"', *pair, *login))
        wait_for(lambda: "ot authorized" in appliance.log.read_text(), "the wrong password is refused")
        assert appliance.ledger()["stored"] == 1
        password.write_text("right\n")  # read at each attempt
        wait_for(lambda: metric(appliance, "headgate_uplink_connected") == 1, "connected")
        post(appliance, token, b'{"n":2}')
        wait_for(lambda: appliance.ledger()["delivered"] == 2, "everything is delivered")
        pss = pss_kib(appliance.process.pid)
        print(f"PSS with TLS uplink: {pss} KiB")
        if not os.environ.get("HEADGATE_EMULATED"):  # there the emulator's memory is in it
            assert pss <= PSS_MAX_KIB
        assert "Traceback" not in appliance.log.read_text()
        assert appliance.stop() == 0


def metric(appliance: Appliance, name: str) -> int:
    for line in appliance.get("/metrics")[1].decode().splitlines():
        if line.startswith(f"{name} "):
            return int(line.split()[1])
    return 0


def test_https_added_by_a_reload_waits_for_the_next_start(tmp_path: Path, certs: Path) -> None:
    appliance, port = https(tmp_path, certs)
    with_tls = appliance.config.read_text()
    lines = [line for line in with_tls.splitlines() if not line.startswith(("https", "tls_"))]
    appliance.config.write_text("\n".join(lines))
    with running(appliance):
        assert appliance.process is not None
        appliance.config.write_text(with_tls + "\n[streams.later]\n")
        appliance.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "reloaded" in appliance.log.read_text(), "it reloads")
        assert "[listen] has changed: takes effect with the next start" in appliance.log.read_text()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=10)
        assert appliance.get("/v1/streams/later/last/x", appliance.token("a", "read:*"))[0] == 404
        assert appliance.stop() == 0
        appliance.start()
        assert post_tls(port, client_context(certs, ssl.TLSVersion.TLSv1_3), appliance.token("a"))[0] == 202


@pytest.fixture
def broker(tmp_path: Path) -> object:
    with Mosquitto(tmp_path / "broker", "log_type all") as broker:
        yield broker


@needs_broker
def test_sealed_from_end_to_end(tmp_path: Path, broker: Mosquitto) -> None:
    """Only the receiver's private key opens it; the broker sees neither message nor client."""
    for name in ("receiver", "stranger"):
        made = headgate("keys", "init", "--seal", "--dir", str(tmp_path / name))
        assert made.returncode == 0, made.stderr
    public = (tmp_path / "receiver" / "seal.pub").read_text().strip()
    section = uplink(f"mqtt://127.0.0.1:{broker.port}", 'mode = "sealed"', f'seal_to = "{public}"')
    appliance = Appliance(tmp_path, uplink_port=None, config=STREAMS + section)
    stranger_folder = tmp_path / "stranger"
    receiver = Receiver(tmp_path, broker.port, "--seal-key", str(tmp_path / "receiver" / "seal.key"))
    stranger = Receiver(
        stranger_folder, broker.port, "--client-id", "stranger", "--seal-key", str(stranger_folder / "seal.key")
    )
    try:
        with running(appliance):
            token = appliance.token("mill")
            sent = {post(appliance, token, b'{"secret":%d}' % n): b'{"secret":%d}' % n for n in range(20)}
            wait_for(lambda: len(receiver.rows()) >= len(sent), "all are received")
            assert {identity.rpartition("/")[2]: body for identity, _, body in receiver.rows()} == sent
            wait_for(lambda: undecodable(stranger), "the stranger gets what it cannot read")
            assert stranger.rows() == []
            payload, reason = undecodable(stranger)[0]
            assert b"secret" not in payload
            assert b"mill" not in payload
            assert "does not open with this key" in reason
    finally:
        receiver.stop()
        stranger.stop()


def undecodable(receiver: Receiver) -> list[tuple[bytes, str]]:
    with contextlib.closing(sqlite3.connect(f"file:{receiver.database}?mode=ro", uri=True)) as database:
        return database.execute("SELECT payload, reason FROM undecodable").fetchall()


@needs_broker
def test_json_mode_for_any_subscriber(tmp_path: Path, broker: Mosquitto) -> None:
    """A topic for each stream, one JSON document each, also for what came as CBOR: any MQTT client can read it."""
    section = uplink(f"mqtt://127.0.0.1:{broker.port}", 'mode = "json"')
    config = STREAMS + 'topic = "plant/{appliance}/{client}/w"\n[appliance]\nid = "mill-7"\n'
    appliance = Appliance(tmp_path, uplink_port=None, config=config + section)
    command = ["mosquitto_sub", "-V", "5", "-q", "1", "-p", str(broker.port), "-t", "plant/#", "-F", "%t %p", "-C", "2"]
    with running(appliance), subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as subscriber:
        try:
            wait_for(lambda: "Sending SUBACK" in broker.log.read_text(), "the subscriber is there")
            token = appliance.token("mill.north~1")
            post(appliance, token, b'{"t": 21.5}')
            post(appliance, token, cbor.dumps({"t": [1, None, True, "ä"]}), "application/cbor")
            out, _ = subscriber.communicate(timeout=20)
        finally:
            subscriber.kill()
    assert out.splitlines() == [
        'plant/mill-7/mill.north~1/w {"t": 21.5}',
        'plant/mill-7/mill.north~1/w {"t":[1,null,true,"ä"]}',
    ]


@needs_broker
def test_two_receivers_share(tmp_path: Path, broker: Mosquitto) -> None:
    """Together they get each message exactly once."""
    section = uplink(f"mqtt://127.0.0.1:{broker.port}", 'mode = "json"')
    appliance = Appliance(tmp_path, uplink_port=None, config=STREAMS + section)
    receivers = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        receivers.append(Receiver(tmp_path / name, broker.port, "--share", "loaders", "--client-id", name))
    try:
        with running(appliance):
            token = appliance.token("mill")
            sent = {post(appliance, token, b"%d" % n) for n in range(60)}
            wait_for(lambda: sum(len(r.rows()) for r in receivers) >= len(sent), "all are received")
            got = [identity.rpartition("/")[2] for r in receivers for identity, _, _ in r.rows()]
            assert sorted(got) == sorted(sent)
            assert all(r.rows() for r in receivers)
    finally:
        for receiver in receivers:
            receiver.stop()


def test_receive_with_a_file_that_is_no_key(tmp_path: Path) -> None:
    key = tmp_path / "seal.key"
    key.write_text("nonsense\n")
    key.chmod(0o600)
    ended = subprocess.run(
        [sys.executable, "-m", "headgate", "receive", "--seal-key", str(key)],
        capture_output=True, text=True, check=False, timeout=20,
    )  # fmt: skip
    assert ended.returncode == 4
    assert str(key) in ended.stderr
