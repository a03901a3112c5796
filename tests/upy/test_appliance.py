"""The MicroPython appliance as a black box: from source on this machine's word, from a ROMFS image on 32-bit ARM.

What it shares with CPython is tested in tests/unit and tests/wire; here is what is its own: start, refusals, limits,
parking of connections, TLS.
"""

from __future__ import annotations

import datetime
import json
import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import real
from appliance import SECRET, Appliance, Client, base64url, document, free_port, token

WAYS = [(real.NATIVE, False), ("armhf", True)]
ALL = "publish:* read:* cache:*"
GOOD = b'{"station":"st-1","seq":1,"temp_c":21.5}'
JSON = {"Content_Type": "application/json"}


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: f"{way[0]}-{'romfs' if way[1] else 'source'}")
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, image: Path) -> Iterator[int]:
    arch, packed = request.param
    real.micropython(arch)
    number = free_port()
    path = tmp_path_factory.mktemp("plan") / "headgate.json"
    small = {"connections": 4, "idle_ms": 1500}
    path.write_text(json.dumps(document(number, limits=small)))
    with Appliance(arch, path, "128K" if packed else "1M", image if packed else None) as running:
        yield number
        assert running.stop() == 130, running.lines
        assert "Traceback" not in "\n".join(running.lines), running.lines


@pytest.fixture
def client(port: int) -> Iterator[Client]:
    made = Client(port, token("device-1", ALL))
    yield made
    made.close()


def test_message_in_and_out(client: Client) -> None:
    status, body = client.request("POST", "/v1/streams/weather", GOOD, **JSON)
    assert status == 202
    receipt = json.loads(body)
    assert receipt["durability"] == "memory"
    assert receipt["seq"].split(".")[0] == "1"  # the first start with this file
    assert client.request("GET", "/v1/streams/weather/last/device-1") == (200, GOOD)


def test_violation_has_its_pointer(client: Client) -> None:
    status, body = client.request("POST", "/v1/validate/weather", GOOD.replace(b"21.5", b"99.5"), **JSON)
    assert status == 422
    problem = json.loads(body)
    assert problem["title"] == "The message violates the stream's schema"
    assert problem["type"] == "urn:headgate:problem:schema_violation"
    assert problem["errors"] == [
        {"instance": "/temp_c", "schema": "/properties/temp_c/maximum", "message": "99.5 is more than 60"}
    ]


def test_cbor_and_batches(client: Client) -> None:
    """The modules that the image imports on first use."""
    cbor = b"\xa3gstationdst-1cseq\x02ftemp_c\xf9\x4d\x00"  # 20.0
    assert client.request("POST", "/v1/validate/weather", cbor, Content_Type="application/cbor")[0] == 200
    assert client.request("POST", "/v1/validate/weather", cbor[:-1], Content_Type="application/cbor")[0] == 400
    lines = GOOD + b"\n" + GOOD.replace(b"st-1", b"x") + b"\n" + b"{" + b"\n"
    status, body = client.request("POST", "/v1/validate/weather", lines, Content_Type="application/x-ndjson")
    assert status == 200
    assert [json.loads(line)["status"] for line in body.splitlines()] == [200, 422, 400]


@pytest.mark.parametrize(
    ("bearer", "status"),
    [
        ("", 401),
        (token("d", ALL, -3600), 401),
        (token("d", ALL)[:-4] + "AAAA", 401),
        (token("d", "read:*"), 403),
    ],
    ids=["none", "expired", "forged", "scope"],
)
def test_who_may_not(port: int, bearer: str, status: int) -> None:
    client = Client(port, bearer)
    assert client.request("POST", "/v1/streams/weather", GOOD, **JSON)[0] == status
    client.close()


def test_cache_and_limits(client: Client) -> None:
    value = os.urandom(1000)
    assert client.request("PUT", "/v1/cache/a", value, Content_Type="x/y")[0] == 201
    assert client.request("GET", "/v1/cache/a") == (200, value)
    assert client.request("DELETE", "/v1/cache/a")[0] == 204
    assert client.request("GET", "/v1/cache/a")[0] == 404
    assert client.request("POST", "/v1/streams/nowhere", GOOD, **JSON)[0] == 404


def test_body_over_the_limit(port: int) -> None:
    client = Client(port, token("device-1", ALL))
    client.connection.request(
        "PUT", "/v1/cache/a", body=b"x" * 3000, headers={"Authorization": f"Bearer {client.bearer}"}
    )
    assert client.connection.getresponse().status == 413
    client.close()


def test_pipelined_requests(port: int) -> None:
    """What has been read beyond one request is not lost when a connection is parked."""
    with socket.create_connection(("127.0.0.1", port), 30) as raw:
        raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n" * 5 + b"GET /healthz HTTP/1.1\r\nHo")
        data = b""
        while data.count(b'{"status":"ok"}') < 5:
            data += raw.recv(4096)
        raw.sendall(b"st: h\r\nConnection: close\r\n\r\n")
        while part := raw.recv(4096):
            data += part
    assert data.count(b"HTTP/1.1 200 OK") == 6


def test_slow_body_does_not_hold_the_others(port: int, client: Client) -> None:
    head = b"PUT /v1/cache/slow HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %s\r\nContent-Length: 4\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), 30) as slow:
        slow.sendall(head % token("slow", ALL).encode() + b"ab")
        for _ in range(3):
            assert client.request("GET", "/healthz")[0] == 200
        slow.sendall(b"cd")
        assert slow.recv(100).startswith(b"HTTP/1.1 201")
    assert client.request("GET", "/v1/cache/slow")[1] == b"abcd"


def test_a_trickle_does_not_hold_the_others(port: int, client: Client) -> None:
    """A byte every 20 ms is no reason to wait for who sends it."""
    with socket.create_connection(("127.0.0.1", port), 30) as slow:
        slow.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: h\r\nX: ")
        done = threading.Event()

        def trickle() -> None:
            while not done.wait(0.02):
                slow.sendall(b"x")

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            start = time.monotonic()
            for _ in range(3):
                assert client.request("GET", "/healthz")[0] == 200
            assert time.monotonic() - start < 5  # it was head_ms, 10 s
        finally:
            done.set()
            thread.join()
        slow.sendall(b"\r\n\r\n")
        assert slow.recv(100).startswith(b"HTTP/1.1 200")


FAILS_ONCE = """
import asyncio, socket, sys
from headgate.micro.turns import Turns

class Gateway:
    failed = 0
    class plan: connections, idle_ms, cache_value, streams = 8, 60000, 2048, {}
    class counters: opened = refused = 0
    def now_ms(self): return 0
    def accept(self, reader, writer):
        self.failed += 1
        if self.failed < 3:
            raise MemoryError
        writer.write(b"served")
        yield from writer.wait_closed()

async def main():
    listener = socket.socket()
    listener.bind(socket.getaddrinfo("127.0.0.1", int(sys.argv[1]))[0][-1])
    listener.listen(4)
    print("listening")
    await Turns(Gateway()).listen(listener, None)

asyncio.run(main())
"""


def test_no_memory_for_a_request_is_not_the_end_of_all(tmp_path: Path) -> None:
    """Who had the turn then gives it back; nobody else would ever have one."""
    number = free_port()
    script = tmp_path / "script.py"
    script.write_text(FAILS_ONCE)
    running = Appliance(real.NATIVE, Path(str(number)), "1M")
    running.command[-2] = str(script)
    with running:
        answers = []
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", number), 30) as one:
                one.sendall(b"x")
                try:
                    answers.append(one.recv(10))
                except ConnectionResetError:
                    answers.append(b"")
        assert answers == [b"", b"", b"served"]


def test_connections_over_the_limit(port: int) -> None:
    """The fifth is refused; an idle one is closed in the end, and makes room."""
    clients = [Client(port, "") for _ in range(4)]
    for one in clients:
        assert one.request("GET", "/healthz")[0] == 200
    with socket.create_connection(("127.0.0.1", port), 30) as fifth:
        assert fifth.recv(1000).startswith(b"HTTP/1.1 503")
        assert fifth.recv(1000) == b""
    for one in clients:
        one.socket.settimeout(30)
        assert one.socket.recv(1) == b""  # idle_ms has passed
        one.close()
    again = Client(port, "")
    assert again.request("GET", "/healthz")[0] == 200
    again.close()


def test_metrics(client: Client) -> None:
    status, body = client.request("GET", "/metrics")
    assert status == 200
    lines = body.decode().splitlines()
    assert any(line.startswith("headgate_heap_live_bytes ") for line in lines)
    assert any(line.startswith("headgate_info{") and 'interpreter="micropython"' in line for line in lines)
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#") and line)
    assert int(values["headgate_outbox_accepted_total"]) == int(values["headgate_outbox_dropped_total"]) > 0


# ── What is refused at load ──


def refusal(tmp_path: Path, plan: object) -> tuple[int, str]:
    """Exit code and last line of an appliance that must not start."""
    real.micropython(real.NATIVE)
    path = tmp_path / "headgate.json"
    path.write_text(plan if isinstance(plan, str) else json.dumps(plan))
    running = Appliance(real.NATIVE, path, "1M")
    done = subprocess.run(
        running.command, env=running.environment, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout.splitlines()[-1]


def with_stream(**keys: object) -> dict[str, object]:
    return document(1, streams={"s": {"durability": "memory", **keys}})


def with_key(**keys: object) -> dict[str, object]:
    key = {"kid": "k1", "alg": "HS256", "k": base64url(SECRET)} | keys
    return document(1, issuers=[{"name": "t", "audience": "a", "keys": [key]}])


@pytest.mark.parametrize(
    ("plan", "code", "part"),
    [
        (with_key(alg="EdDSA"), 3, "issuers[0].keys[0].alg: EdDSA is not available"),
        (with_stream(durability="fsync"), 3, 'say durability = "memory"'),
        (document(1, streams={"s": {}}), 3, 'say durability = "memory"'),
        (document(1, uplink={}), 3, "there is no uplink here"),
        (document(1, http2=True), 3, "there is no HTTP/2 here"),
        (document(1, outbox={}), 3, "there is no outbox here"),
        (document(1, listen="8080"), 3, 'listen: must be "address:port"'),
        (document(1, floor_s=-1), 3, "floor_s: must be"),
        (document(1, tls={"cert": "c.der"}), 3, "tls.key: must be the path"),
        (document(1, tls={"cert": "/no/c.der", "key": "/no/k.der"}), 4, "cannot read /no/c.der"),
        (document(1, cache={"bytes": 0}), 3, "cache.bytes: must be an integer from 1024 to 65536"),
        (document(1, cache={"bytes": 66000}), 3, "cache.bytes: must be an integer from 1024 to 65536"),
        (document(1, cache={"bytes": 10**30}), 3, "cache.bytes: must be an integer"),
        (document(1, cache={"value_limit": 32705}), 3, "cache.value_limit: must be 32704 or less"),
        (document(1, cache=7), 3, "cache: must be an object"),
        (document(1, limits={"connections": 5000}), 3, "limits.connections: 5000 do not fit"),
        (document(1, surprise=1), 3, "surprise: unknown key"),
        (with_stream(schema={"unknownKeyword": 1}), 3, "streams.s.schema"),
        ("{", 3, "is not JSON"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) and value else None,
)
def test_refused_at_load(tmp_path: Path, plan: object, code: int, part: str) -> None:
    found, line = refusal(tmp_path, plan)
    assert part in line
    assert found == code


def test_no_file_and_wrong_usage(tmp_path: Path) -> None:
    real.micropython(real.NATIVE)
    running = Appliance(real.NATIVE, tmp_path / "missing.json", "1M")
    run: dict[str, Any] = {"env": running.environment, "capture_output": True, "text": True, "timeout": 60}
    done = subprocess.run(running.command, check=False, **run)
    assert done.returncode == 4
    assert "cannot read" in done.stdout
    done = subprocess.run(running.command[:-1], check=False, **run)
    assert done.returncode == 2
    assert "usage:" in done.stdout


def test_cache_that_does_not_fit(tmp_path: Path, image: Path) -> None:
    real.micropython("armhf")
    path = tmp_path / "headgate.json"
    for size, part in ((40000, "cache.bytes: 40000 does not fit"), (52000, "smaller cache.bytes")):
        path.write_text(json.dumps(document(1, cache={"bytes": size})))
        running = Appliance("armhf", path, "96K", image)
        done = subprocess.run(
            running.command, env=running.environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 3
        assert part in done.stdout


def test_each_start_has_its_number(tmp_path: Path) -> None:
    real.micropython(real.NATIVE)
    path = tmp_path / "headgate.json"
    for boot in (1, 2, 3):
        number = free_port()
        path.write_text(json.dumps(document(number)))
        with Appliance(real.NATIVE, path, "1M") as running:
            client = Client(number, token("d", ALL))
            body = client.request("POST", "/v1/streams/weather", GOOD, **JSON)[1]
            assert json.loads(body)["seq"] == f"{boot}.1"
            client.close()
            running.stop()


def test_the_count_of_starts_survives_a_power_cut(tmp_path: Path) -> None:
    """While it is written: numbers that come again would give two messages one id, and two values one ETag."""
    real.micropython(real.NATIVE)
    path, count, new = (tmp_path / f"headgate.{name}" for name in ("json", "boot", "boot.unfinished"))
    left = (("41", "", "42"), ("41", "4", "42"), ("41", "42", "43"), (None, "41", "42"), ("x", "41", "42"))
    for old, cut, expected in left:
        count.unlink(missing_ok=True)
        if old is not None:
            count.write_text(old)
        new.write_text(cut)
        number = free_port()
        path.write_text(json.dumps(document(number)))
        with Appliance(real.NATIVE, path, "1M") as running:
            running.stop()
        assert count.read_text() == expected
        assert not new.exists()


# A board's module: what it makes of a datagram that is cut, of none, and of a good one.
NTPTIME = """
import struct
answers = [b"", None, b"time"]
def settime():
    answer = answers.pop(0)
    print("asked", len(answers))
    if answer is None:
        raise OSError(110)
    struct.unpack("!I", answer)
"""


def test_an_answer_of_ntp_that_is_too_short_is_none(tmp_path: Path) -> None:
    """Whoever is in the network could end the appliance with it."""
    real.micropython(real.NATIVE)
    (tmp_path / "ntptime.py").write_text(NTPTIME)
    (tmp_path / "main.py").write_text(
        "import sys\nfrom headgate.micro import appliance, main\nappliance.NTP_RETRY_S = 0\nmain.run(sys.argv[1])\n"
    )
    number = free_port()
    path = tmp_path / "headgate.json"
    path.write_text(json.dumps(document(number)))
    running = Appliance(real.NATIVE, path, "1M")
    running.command[-2] = str(tmp_path / "main.py")
    with running:
        assert running.wait_line("asked 0", 60), running.lines
        client = Client(number, "")
        assert client.request("GET", "/healthz")[0] == 200
        client.close()


# ── TLS ──


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed P-256 certificate and its key, both DER."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gate.example")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("gate.example")]), critical=False)
    cert = builder.sign(key, hashes.SHA256())
    (folder / "c.der").write_bytes(cert.public_bytes(serialization.Encoding.DER))
    (folder / "c.pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    (folder / "k.der").write_bytes(
        key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    return folder / "c.der", folder / "k.der"


@pytest.mark.parametrize(("arch", "packed"), WAYS)
def test_tls_1_3(arch: str, packed: bool, tmp_path: Path, image: Path) -> None:
    real.micropython(arch)
    cert, key = certificate(tmp_path)
    number = free_port()
    path = tmp_path / "headgate.json"
    path.write_text(json.dumps(document(number, tls={"cert": str(cert), "key": str(key)})))
    context = ssl.create_default_context(cafile=str(tmp_path / "c.pem"))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    with Appliance(arch, path, "128K" if packed else "1M", image if packed else None) as running:
        with (
            socket.create_connection(("127.0.0.1", number), 60) as raw,
            context.wrap_socket(raw, server_hostname="gate.example") as secure,
        ):
            assert secure.version() == "TLSv1.3"
            for _ in range(3):  # kept alive
                secure.sendall(b"GET /healthz HTTP/1.1\r\nHost: gate.example\r\n\r\n")
                data = b""
                while b'{"status":"ok"}' not in data:
                    data += secure.recv(4096)
                assert data.startswith(b"HTTP/1.1 200 OK")
        assert running.stop() == 130, running.lines
