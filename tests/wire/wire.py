"""A client that says exactly what it is told to, and what the tests need to start and know the server.

HEADGATE_WIRE_INTERPRETER: "cpython" (default), or the command line of a MicroPython; the tests are the same.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
INTERPRETER = os.environ.get("HEADGATE_WIRE_INTERPRETER", "cpython")
CPYTHON = INTERPRETER == "cpython"
SECRET = bytes(range(32))
# A wait that takes longer has failed; none of them sleeps.
PATIENCE_S = 120 if os.environ.get("HEADGATE_EMULATED") else 20
JSON_TYPE = "application/json"
NDJSON = "application/x-ndjson"

WEATHER = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["station", "temp_c"],
    "properties": {
        "station": {"type": "string", "pattern": "^st-[0-9]{1,4}$"},
        "temp_c": {"type": "number", "minimum": -90, "maximum": 60},
        "sky": {"enum": ["clear", "cloudy", "rain"]},
    },
    "additionalProperties": False,
}


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def plan() -> dict[str, Any]:
    """Small limits, so that reaching them is quick."""
    fast = {"rate_milli": 100_000_000, "burst": 100_000, "durability": "memory"}
    return {
        "v": 1,
        "appliance": "wire",
        "issuers": [
            {
                "name": "test",
                "audience": "headgate",
                "leeway_s": 5,
                "keys": [{"kid": "k1", "alg": "HS256", "k": b64(SECRET)}],
            }
        ],
        "streams": {
            "weather": {**fast, "schema": WEATHER, "body_limit": 2048, "cache_key": "/station"},
            "any": {**fast, "schema": None, "body_limit": 4096},
            "slow": {"schema": None, "rate_milli": 100, "burst": 3, "body_limit": 1024, "durability": "memory"},
        },
        "cache": {"bytes": 32768, "value_limit": 4096, "entries": 64, "rate_milli": 100_000_000, "burst": 100_000},
        "limits": {"connections": 12, "idle_ms": 60000, "head_ms": 600, "body_ms": 600},
        "metrics": "open",
    }


def token(sub: str = "dev-1", scope: str = "publish:* read:* cache:read cache:write", **claims: Any) -> str:
    """An HS256 token, made with nothing of ours. A claim given as None is left out; `header`, `secret`: as they say."""
    header = claims.pop("header", {"alg": "HS256", "typ": "JWT", "kid": "k1"})
    secret = claims.pop("secret", SECRET)
    now = int(time.time())
    payload = {"iss": "test", "aud": "headgate", "sub": sub, "scope": scope, "iat": now, "exp": now + 600, **claims}
    payload = {name: value for name, value in payload.items() if value is not None}
    text = ".".join(b64(json.dumps(part).encode()) for part in (header, payload))
    return text + "." + b64(hmac.new(secret, text.encode(), hashlib.sha256).digest())


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.body.splitlines()]


class Client:
    """One connection. Raw bytes out, parsed responses in."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.buffer = b""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """A server that has answered and closed may not take all of it."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def fill(self) -> bool:
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.buffer += data
        return bool(data)

    def until(self, mark: bytes) -> bytes:
        """Everything up to and including `mark`; b"" when the connection ends before it."""
        while mark not in self.buffer:
            if not self.fill():
                return b""
        head, _, self.buffer = self.buffer.partition(mark)
        return head + mark

    def exactly(self, count: int) -> bytes:
        while len(self.buffer) < count:
            assert self.fill(), f"the connection ended inside a body: {self.buffer!r}"
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def chunk(self) -> bytes:
        data = self.exactly(int(self.until(b"\r\n"), 16) + 2)
        assert data.endswith(b"\r\n")
        return data[:-2]

    def head(self) -> Answer | None:
        """The next response without its body; None when the connection ends instead."""
        raw = self.until(b"\r\n\r\n")
        if not raw:
            assert not self.buffer, f"half a response: {self.buffer!r}"
            return None
        status, *lines = raw[:-4].decode("ascii").split("\r\n")
        assert status.startswith("HTTP/1.1 ")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(": ")
            assert name.lower() not in headers, f"{name} twice"
            headers[name.lower()] = value
        return Answer(int(status[9:12]), headers, b"")

    def answer(self, method: str = "GET") -> Answer | None:
        answer = self.head()
        if answer is None:
            return None
        body = b""
        if method == "HEAD" or answer.status in (100, 204, 304):
            pass
        elif answer.headers.get("transfer-encoding") == "chunked":
            while part := self.chunk():
                body += part
        elif "content-length" in answer.headers:
            body = self.exactly(int(answer.headers["content-length"]))
        else:
            while self.fill():
                pass
            body, self.buffer = self.buffer, b""
        return answer._replace(body=body)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        auth: str | None = "",
    ) -> Answer:
        """`auth`: a token, "" for the usual one, None for none."""
        self.send(head(method, path, None if body is None else len(body), headers, auth) + (body or b""))
        answer = self.answer(method)
        assert answer is not None, "the connection ended without an answer"
        return answer


def head(
    method: str, path: str, length: int | None = None, headers: dict[str, str] | None = None, auth: str | None = ""
) -> bytes:
    fields = {"Host": "wire"}
    if length is not None:
        fields["Content-Length"] = str(length)
    if auth is not None:
        fields["Authorization"] = "Bearer " + (auth or token())
    fields.update(headers or {})
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def chunked(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)


class Server:
    """serve.py in a child process."""

    def __init__(self, folder: Path, document: dict[str, Any], *words: str) -> None:
        """`words`, for the native server: "http2"; "tls", with certificates in `folder`/certs."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        file = folder / "plan.json"
        file.write_text(json.dumps(document))
        command = [sys.executable] if CPYTHON else shlex.split(INTERPRETER)
        environment = {**os.environ, "PYTHONWARNINGS": "error", "PYTHONASYNCIODEBUG": ""}
        self.process = subprocess.Popen(
            [*command, str(HERE / "serve.py"), str(file), str(self.port), str(folder), *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        if said.strip() != b"listening":
            self.process.kill()  # it may go on after what it said
            raise AssertionError(said + self.process.stdout.read())

    def client(self) -> Client:
        return Client(self.port)

    def request(self, *arguments: Any, **options: Any) -> Answer:
        with self.client() as client:
            return client.request(*arguments, **options)

    def metrics(self) -> dict[str, str]:
        text = self.request("GET", "/metrics", auth=None).body.decode()
        return dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))

    def stop(self) -> str:
        """End it; -> what it said since it listened, which must not be a traceback."""
        self.process.terminate()
        try:
            said, _ = self.process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            said, _ = self.process.communicate()
        return said.decode(errors="replace")


def living(folder: Path, document: dict[str, Any], *words: str) -> Iterator[Server]:
    """A server that must live through all that is done to it and say nothing."""
    running = Server(folder, document, *words)
    yield running
    assert running.process.poll() is None, running.process.communicate()[0]
    said = running.stop()
    assert "Traceback" not in said, said
