"""TLS with clients as they are: certificates instead of tokens, reloads, resumption, and those who mean ill."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
from pathlib import Path
from typing import Any

import certificates
import pytest
from harness import Appliance, running, wait_for
from https_kit import Connection, client_context, https, post_tls

pytestmark = pytest.mark.slow_emulated

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
JSON = {"Content_Type": "application/json"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificates.make(tmp_path_factory.mktemp("tls") / "certs")


@pytest.fixture
def certs(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return shutil.copytree(made, tmp_path / "certs")


def mutual(folder: Path, certs: Path, auth: str = "optional", listen: str = "") -> tuple[Appliance, int]:
    keys = f'tls_client_ca = "{certs}/ca.pem"\ntls_client_auth = "{auth}"\ntls_client_scopes = ["publish:*"]\n'
    return https(folder, certs, listen=keys + listen)


def reload(appliance: Appliance, *, refused: bool = False) -> None:
    """SIGHUP, until it is obeyed."""
    assert appliance.process is not None
    word = "reload refused" if refused else "reloaded"
    before = appliance.log.read_text().count(word)
    appliance.process.send_signal(signal.SIGHUP)
    wait_for(lambda: appliance.log.read_text().count(word) > before, word)


def metrics(appliance: Appliance, prefix: str = "headgate_tls_") -> dict[str, int]:
    lines = [line.split() for line in appliance.get("/metrics")[1].decode().splitlines() if line.startswith(prefix)]
    return {name.removeprefix(prefix): int(value) for name, value in lines}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_certificate_instead_of_a_token(tmp_path: Path, certs: Path, version: ssl.TLSVersion) -> None:
    appliance, port = mutual(tmp_path, certs, listen='metrics = "scope"\n')
    with running(appliance):
        token = appliance.token("mill", "read:*", "metrics:read")
        known, unknown = client_context(certs, version, "client"), client_context(certs, version)
        path = "/v1/streams/weather"
        with Connection(port, known) as connection:
            for n in range(3):  # one identity for the whole connection
                assert connection.ask("POST", path, b'{"n":%d}' % n, **JSON)[0] == 202
            status, body = connection.ask("POST", path, b"1\n2\n", Content_Type="application/x-ndjson")
            assert [json.loads(line)["status"] for line in body.splitlines()] == [202, 202]
            status, body = connection.ask("GET", f"{path}/last/client")
            assert (status, json.loads(body)["type"]) == (403, "urn:headgate:problem:insufficient_scope")
            assert connection.ask("GET", "/metrics")[0] == 403
            # A token decides where there is one, also a bad one.
            assert connection.ask("GET", f"{path}/last/client", Authorization=f"Bearer {token}") == (200, b"2")
            assert connection.ask("POST", path, b"1", Authorization=f"Bearer {token}", **JSON)[0] == 403
            assert connection.ask("POST", path, b"1", Authorization="Bearer x.y.z", **JSON)[0] == 401
            assert connection.ask("POST", path, b"1", Authorization="Basic eDp5", **JSON)[0] == 401
            assert connection.ask("POST", path, b"1", **JSON)[0] == 202
        with Connection(port, unknown) as connection:
            assert connection.ask("POST", path, b"1", **JSON)[0] == 401
        assert appliance.ledger()["stored"] == 6
        assert "Traceback" not in appliance.log.read_text()
        assert appliance.stop() == 0


def test_the_rate_is_the_identitys(tmp_path: Path, certs: Path) -> None:
    """Two connections of one certificate share a bucket, and share it with a token for the same name."""
    appliance, port = mutual(tmp_path, certs)
    appliance.config.write_text(
        appliance.config.read_text().replace('"100000/s"\nburst = 100000', '"1/min"\nburst = 2')
    )
    with running(appliance):
        context = client_context(certs, certificate="client")
        assert [post_tls(port, context, "")[0] for _ in range(3)] == [202, 202, 429]
        assert post_tls(port, context, appliance.token("client"))[0] == 429
        assert post_tls(port, context, appliance.token("other"))[0] == 202


@pytest.mark.parametrize("version", VERSIONS)
def test_clients_that_are_refused(tmp_path: Path, certs: Path, version: ssl.TLSVersion) -> None:
    appliance, port = mutual(tmp_path, certs, "required")
    said = {
        "": "peer did not return a certificate",
        "expired": "client certificate: certificate has expired",
        "stranger": "client certificate: unable to get local issuer certificate",
        "revoked": "client certificate: certificate revoked",
        "server": "client certificate: unsuitable certificate purpose",
        "nameless": "client certificate: its commonName is no client's name: 'mill 7/\\xe9",
        "twonames": "client certificate: not one commonName: there are 2",
    }
    with running(appliance):
        token = appliance.token("mill")
        for name in said:
            with pytest.raises((OSError, http.client.HTTPException)):
                post_tls(port, client_context(certs, version, name), token)
        assert metrics(appliance) == {"handshakes": 0, "resumed": 0, "refused": len(said)}
        assert post_tls(port, client_context(certs, version, "client"), token)[0] == 202
        log = appliance.log.read_text()
        for reason in said.values():
            assert f"TLS connection refused: {reason}" in log
        assert "Traceback" not in log
        assert "PRIVATE" not in log


@pytest.mark.parametrize("version", VERSIONS)
def test_reload(tmp_path: Path, certs: Path, version: ssl.TLSVersion) -> None:
    appliance, port = mutual(tmp_path, certs)
    context = client_context(certs, version, "client")
    path = "/v1/streams/weather"
    with running(appliance), contextlib.ExitStack() as stack:

        def connect(session: ssl.SSLSession | None = None) -> Connection:
            connection = stack.enter_context(Connection(port, context, session))
            assert connection.ask("POST", path, b"1", **JSON)[0] == 202
            return connection

        def server_name(connection: Connection) -> Any:
            certificate = connection.socket.getpeercert()
            assert certificate is not None
            return certificate["subject"][0][0][1]  # type: ignore[index]

        first = connect()
        again = connect(first.socket.session)
        assert (again.socket.session_reused, server_name(first)) == (True, "server")
        reload(appliance)  # nothing has changed
        assert connect(first.socket.session).socket.session_reused

        # A key that does not fit: one line, and nothing has changed.
        fitting = (certs / "server.key").read_bytes()
        (certs / "server.key").write_bytes((certs / "client.key").read_bytes())
        reload(appliance, refused=True)
        line = next(line for line in appliance.log.read_text().splitlines() if "reload refused" in line)
        assert f"{certs}/server.key unusable" in line
        assert connect(first.socket.session).socket.session_reused
        (certs / "server.key").write_bytes(fitting)

        # A renewed certificate: new connections have it, and cannot resume what the old one began.
        for end in ("pem", "key"):
            (certs / f"server.{end}").write_bytes((certs / f"renewed.{end}").read_bytes())
        reload(appliance)
        renewed = connect(first.socket.session)
        assert (renewed.socket.session_reused, server_name(renewed)) == (False, "renewed")
        assert connect(renewed.socket.session).socket.session_reused
        assert first.ask("POST", path, b"1", **JSON)[0] == 202

        # Scopes count for all from now on, also who is connected.
        text = appliance.config.read_text()
        appliance.config.write_text(text.replace('["publish:*"]', '["read:*"]'))
        reload(appliance)
        assert first.ask("POST", path, b"1", **JSON)[0] == 403
        assert first.ask("GET", f"{path}/last/client") == (200, b"1")
        assert metrics(appliance)["resumed"] == 4
        # Certificates do not count any more.
        appliance.config.write_text("\n".join(line for line in text.splitlines() if "tls_client" not in line))
        reload(appliance)
        assert first.ask("GET", f"{path}/last/client")[0] == 401
        assert "takes effect with the next start" not in appliance.log.read_text()
        assert "Traceback" not in appliance.log.read_text()


def test_stuck_handshakes_hold_up_nobody(tmp_path: Path, certs: Path) -> None:
    """200 clients stop in the middle of a handshake: plain and TLS requests are answered while all of them wait."""
    appliance, port = https(tmp_path, certs, listen='head_timeout = "60 s"\n')
    with running(appliance), contextlib.ExitStack() as stack:
        token = appliance.token("mill")
        hello = first_flight(certs)
        stuck = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10)) for _ in range(200)]
        for number, connection in enumerate(stuck):
            connection.sendall(hello if number % 2 else hello[: len(hello) // 2])
        for connection in stuck[1::2]:
            assert connection.recv(1) == b"\x16"  # the server has answered, and waits
        for _ in range(20):
            assert appliance.get("/healthz")[0] == 200
        assert post_tls(port, client_context(certs), token)[0] == 202
        assert not any(ended(connection) for connection in stuck)
        assert metrics(appliance)["refused"] == 0
    assert "Traceback" not in appliance.log.read_text()


def first_flight(certs: Path) -> bytes:
    """A ClientHello."""
    outgoing = ssl.MemoryBIO()
    client = client_context(certs).wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="127.0.0.1")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def ended(connection: socket.socket) -> bool:
    connection.settimeout(0)
    try:
        while connection.recv(4096):
            pass
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


@pytest.mark.parametrize(
    "data",
    [
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x00\x40\x01\x02\x00\x00\x03\x03" + b"r" * 58,  # a ClientHello of 128 KiB
        b"\x16\x03\x01\xff\xff" + b"\x01" * 70000,  # a record longer than any
        b"\x15\x03\x01\x00\x02\x02\x28",  # an alert
        b"\x80\x2e\x01\x00\x02" + b"\0" * 44,  # SSL 2
        os.urandom(3000),
    ],
    ids=["http", "hello", "record", "alert", "ssl2", "noise"],
)
def test_what_is_no_tls_is_closed(tmp_path: Path, certs: Path, data: bytes) -> None:
    appliance, port = https(tmp_path, certs, listen='head_timeout = "1 s"\n')
    with running(appliance):
        answer = b""
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as connection,
            contextlib.suppress(ConnectionError),
        ):
            connection.sendall(data)
            while piece := connection.recv(4096):
                answer += piece
        assert answer[:1] in (b"", b"\x15")  # nothing, or an alert
        assert b"HTTP" not in answer
        wait_for(lambda: metrics(appliance)["refused"] == 1, "it is counted")
        assert post_tls(port, client_context(certs), appliance.token("mill"))[0] == 202
        assert "Traceback" not in appliance.log.read_text()


needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed")
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


def s_client(port: int, certs: Path, *arguments: str, say: bytes) -> str:
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", str(certs / "ca.pem"), *arguments],
        input=say, capture_output=True, timeout=30, check=False,
    )  # fmt: skip
    return (done.stdout + done.stderr).decode(errors="replace")


@needs_openssl
def test_openssl_client(tmp_path: Path, certs: Path) -> None:
    appliance, port = mutual(tmp_path, certs)
    with running(appliance):
        request = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        for version in ("-tls1", "-tls1_1"):
            said = s_client(port, certs, version, "-cipher", "DEFAULT:@SECLEVEL=0", say=request)
            assert "200 OK" not in said
            assert "protocol version" in said or "unexpected eof" in said  # asyncio sends no alert
        pair = ("-cert", str(certs / "client.pem"), "-key", str(certs / "client.key"))
        for version in ("-tls1_2", "-tls1_3"):
            said = s_client(port, certs, version, *pair, "-ign_eof", say=request)
            assert "Verify return code: 0 (ok)" in said
            assert '{"status":"ok"}' in said
        # Renegotiation: a denial of service by asking, RFC 9325 section 3.5.
        assert "no renegotiation" in s_client(port, certs, "-tls1_2", say=b"R\n" + request)
        assert "Traceback" not in appliance.log.read_text()
        assert appliance.get("/healthz")[0] == 200


@needs_curl
def test_curl(tmp_path: Path, certs: Path) -> None:
    appliance, port = mutual(tmp_path, certs, "required")
    with running(appliance):
        url = f"https://127.0.0.1:{port}/v1/streams/weather"
        command = ["curl", "-sS", "-w", "\n%{http_code}\n", "--cacert", str(certs / "ca.pem")]
        pair = ["--cert", str(certs / "client.pem"), "--key", str(certs / "client.key")]
        message = ["-H", "Content-Type: application/json", "-d", '{"t":1}', url]
        done = subprocess.run([*command, *pair, *message, url], capture_output=True, text=True, timeout=30, check=False)
        assert done.stdout.split()[1::2] == ["202", "202"], done.stderr  # two on one connection
        done = subprocess.run([*command, *message], capture_output=True, text=True, timeout=30, check=False)
        assert (done.returncode != 0, done.stdout.split()) == (True, ["000"])


@needs_openssl
def test_key_update(tmp_path: Path, certs: Path) -> None:
    """The client changes its key and asks the server to (RFC 8446 section 4.6.3)."""
    appliance, port = https(tmp_path, certs)
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", str(certs / "ca.pem"), "-tls1_3"]
    pipe = subprocess.PIPE
    with running(appliance), subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        assert client.stderr is not None
        try:
            for _ in range(3):
                client.stdin.write(b"K\n")
                client.stdin.flush()
                while b"KEYUPDATE" not in (line := client.stderr.readline()):
                    assert line
            client.stdin.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            client.stdin.flush()
            said = client.stdout.read()  # until the server closes
        finally:
            client.kill()
        assert b'{"status":"ok"}' in said


def test_byte_by_byte_and_in_tiny_records(tmp_path: Path, certs: Path) -> None:
    appliance, port = https(tmp_path, certs)
    with running(appliance), socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = client_context(certs).wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")

        def exchange(step: Any) -> Any:
            """`step` of the client, whose bytes go one by one, until it is through."""
            while True:
                with contextlib.suppress(ssl.SSLWantReadError):
                    done = step()
                    for byte in outgoing.read():
                        connection.sendall(bytes((byte,)))
                    return done
                for byte in outgoing.read():
                    connection.sendall(bytes((byte,)))
                incoming.write(connection.recv(16384))

        exchange(client.do_handshake)
        for byte in b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n":
            client.write(bytes((byte,)))
        answer = b""
        while piece := exchange(lambda: client.read(16384)):
            answer += piece
        assert answer.endswith(b'{"status":"ok"}')


@pytest.mark.parametrize("version", VERSIONS)
def test_records_that_come_while_a_message_waits(tmp_path: Path, certs: Path, version: ssl.TLSVersion) -> None:
    """Two messages in one packet, the second ends in another record: it is not forgotten while the first waits."""
    appliance, port = https(tmp_path, certs)
    with running(appliance), socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        head = f"POST /v1/streams/weather HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {appliance.token('mill')}\r\n"
        message = f"{head}Content-Type: application/json\r\nContent-Length: 1\r\n\r\n1".encode()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = client_context(certs, version).wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
        answers = b""

        def step() -> bool:
            """-> whether both messages are answered."""
            nonlocal answers
            if client.version() is None:
                client.do_handshake()
                client.write(message + message[:100])
                client.write(message[100:])
            answers += client.read(16384)
            return answers.count(b"HTTP/1.1 202 ") == 2

        done = False
        while not done:
            try:
                done = step()
            except ssl.SSLWantReadError:
                connection.sendall(outgoing.read())
                incoming.write(connection.recv(16384))


def test_resets_during_the_handshake(tmp_path: Path, certs: Path) -> None:
    appliance, port = https(tmp_path, certs)
    hello = first_flight(certs)
    with running(appliance):
        assert appliance.process is not None
        descriptors = Path(f"/proc/{appliance.process.pid}/fd")
        before = len(list(descriptors.iterdir()))
        for number in range(150):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                connection.sendall(hello[: 7 * number % len(hello)] if number % 3 else hello)
                if number % 2:
                    reset = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        wait_for(lambda: metrics(appliance)["refused"] == 150, "all are counted")
        wait_for(lambda: len(list(descriptors.iterdir())) <= before + 1, "all are gone")
        assert post_tls(port, client_context(certs), appliance.token("mill"))[0] == 202
        log = appliance.log.read_text()
        assert "Traceback" not in log
        assert log.count("TLS connection refused") <= 3  # a line for each reason


@pytest.mark.parametrize("version", VERSIONS)
def test_large_bodies_both_ways(tmp_path: Path, certs: Path, version: ssl.TLSVersion) -> None:
    """More than one record, more than the socket's buffers: every byte arrives, also at a client that reads late."""
    appliance, port = https(tmp_path, certs)
    value = os.urandom(60_000)
    with running(appliance), Connection(port, client_context(certs, version)) as connection:
        token = f"Bearer {appliance.token('mill', 'cache:*')}"
        kind = "application/octet-stream"
        status, _ = connection.ask("PUT", "/v1/cache/k", value, Authorization=token, Content_Type=kind)
        assert status == 201
        request = f"GET /v1/cache/k HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n\r\n".encode()
        connection.socket.sendall(request * 20)
        with connection.socket.makefile("rb") as answers:
            for _ in range(20):
                assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
                while answers.readline() != b"\r\n":
                    pass
                assert answers.read(len(value)) == value
