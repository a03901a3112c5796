"""HTTP/2 on the whole appliance: durable messages, TLS with ALPN, client certificates, and the end."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import socket
import ssl
import subprocess
from pathlib import Path

import certificates
import pytest
from harness import Appliance, running, wait_for
from https_kit import STREAMS, client_context, https

from headgate import _accel
from headgate.linux.native_gateway import http2_missing

pytestmark = [
    pytest.mark.skipif(_accel.BACKEND != "native", reason="HTTP/2 is the native server's"),
    pytest.mark.skipif(bool(http2_missing()), reason="built without HTTP/2 (Debian: apt-get install libnghttp2-dev)"),
]
PATH = "/v1/streams/weather"
CALM_S = 20


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificates.make(tmp_path_factory.mktemp("tls") / "certs")


def plain(folder: Path) -> Appliance:
    appliance = Appliance(folder, uplink_port=None, config=STREAMS)
    text = appliance.config.read_text()
    appliance.config.write_text(text.replace("[listen]\n", "[listen]\nhttp2 = true\n", 1))
    return appliance


async def post_many(url: str, token: str, count: int, context: ssl.SSLContext | bool = False) -> set[str]:
    """-> the sequence numbers; over one connection."""
    httpx = pytest.importorskip("httpx", reason="needs the Python package httpx")
    pytest.importorskip("h2", reason="needs the Python package h2")
    fields = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    async with httpx.AsyncClient(http1=False, http2=True, base_url=url, verify=context, timeout=CALM_S) as client:
        answers = await asyncio.gather(*(client.post(PATH, content=b'{"t":1}', headers=fields) for _ in range(count)))
    assert {(answer.status_code, answer.http_version) for answer in answers} == {(202, "HTTP/2")}
    assert {answer.json()["durability"] for answer in answers} == {"fsync"}
    return {answer.json()["seq"] for answer in answers}


def test_durable_messages(tmp_path: Path) -> None:
    appliance = plain(tmp_path)
    with running(appliance):
        stored = asyncio.run(post_many(f"http://127.0.0.1:{appliance.port}", appliance.token("mill"), 200))
        assert len(stored) == 200
        assert appliance.get("/healthz")[0] == 200, "HTTP/1.1 beside it"
        assert appliance.stop() == 0
    assert appliance.ledger()["accepted"] == 200
    assert "Traceback" not in appliance.log.read_text()


def test_alpn(tmp_path: Path, certs: Path) -> None:
    """Who offers h2 gets it; others HTTP/1.1, as before."""
    appliance, port = https(tmp_path, certs, listen="http2 = true\n")
    with running(appliance):
        for offered, chosen in ((["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1"), ([], None)):
            context = client_context(certs)
            context.set_alpn_protocols(offered)
            with (
                socket.create_connection(("127.0.0.1", port), timeout=10) as connection,
                context.wrap_socket(connection, server_hostname="127.0.0.1") as secure,
            ):
                assert secure.selected_alpn_protocol() == chosen
        context = ssl.create_default_context(cafile=str(certs / "ca.pem"))
        stored = asyncio.run(post_many(f"https://127.0.0.1:{port}", appliance.token("mill"), 100, context))
        assert len(stored) == 100
        curl = shutil.which("curl")
        if curl is not None:
            words = [curl, "-sS", "--http2", "--cacert", str(certs / "ca.pem"), "-w", " %{http_version}"]
            done = subprocess.run(
                [*words, f"https://127.0.0.1:{port}/healthz"], capture_output=True, text=True, check=True
            )
            assert done.stdout in ('{"status":"ok"} 2', '{"status":"ok"} 1.1')  # as this curl was built
        assert appliance.stop() == 0
    assert "Traceback" not in appliance.log.read_text()


def test_a_stream_is_its_connections_client(tmp_path: Path, certs: Path) -> None:
    """By the certificate of the connection, without a token."""
    listen = f'http2 = true\ntls_client_ca = "{certs}/ca.pem"\ntls_client_scopes = ["publish:*"]\n'
    appliance, port = https(tmp_path, certs, listen=listen)
    with running(appliance):
        context = client_context(certs, certificate="client")
        assert len(asyncio.run(post_many(f"https://127.0.0.1:{port}", "", 10, context))) == 10


def test_drain(tmp_path: Path) -> None:
    """SIGTERM: GOAWAY, what is under way is answered, and the process ends."""
    pytest.importorskip("h2", reason="needs the Python package h2")
    import h2.config
    import h2.connection
    import h2.events

    appliance = plain(tmp_path)
    with running(appliance):
        token = appliance.token("mill")
        frames = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        frames.initiate_connection()
        fields = {":method": "POST", ":scheme": "http", ":authority": "x", ":path": PATH}
        fields |= {"authorization": f"Bearer {token}", "content-type": "application/x-ndjson"}
        frames.send_headers(1, list(fields.items()))
        with socket.create_connection(("127.0.0.1", appliance.port), timeout=CALM_S) as connection:
            seen: list[h2.events.Event] = []

            def exchange(until: type[h2.events.Event]) -> None:
                connection.sendall(frames.data_to_send())
                while not any(isinstance(event, until) for event in seen):
                    data = connection.recv(65536)
                    assert data
                    seen.extend(frames.receive_data(data))

            frames.send_data(1, b'{"t":1}\n')
            exchange(h2.events.DataReceived)  # its verdict: the request is being served
            assert appliance.process is not None
            appliance.process.send_signal(signal.SIGTERM)
            exchange(h2.events.ConnectionTerminated)
            connection.sendall(b"\0\0\0\0\1\0\0\0\1")  # END_STREAM; python-h2 says nothing more after a GOAWAY
            rest = b""
            while data := connection.recv(65536):
                rest += data
        wait_for(lambda: appliance.process is None or appliance.process.poll() is not None, "it ends")
        body = b"".join(event.data or b"" for event in seen if isinstance(event, h2.events.DataReceived))
        assert json.loads(body)["status"] == 202
        assert rest, "the end of the stream"
    assert appliance.ledger()["accepted"] == 1


def test_without_it(tmp_path: Path) -> None:
    """Without `http2 = true` the preface is a request of an unknown version, as it always was."""
    appliance = Appliance(tmp_path, uplink_port=None, config=STREAMS)
    with running(appliance), socket.create_connection(("127.0.0.1", appliance.port), timeout=10) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 505 ")
