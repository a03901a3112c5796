"""Helpers to start the real MicroPython appliance (headgate.micro.main) as a child process and to talk to it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import selectors
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

import fetch

ROOT = Path(__file__).resolve().parents[2]
FIRMWARE = ROOT / "firmware_py"
SECRET = bytes(range(32))
RESTING_S = 0.3  # without any CPU time

WEATHER = {
    "type": "object",
    "required": ["station", "seq", "temp_c"],
    "properties": {
        "station": {"type": "string", "pattern": "^st-[0-9]{1,4}$", "maxLength": 8},
        "seq": {"type": "integer", "minimum": 0},
        "temp_c": {"type": "number", "minimum": -90, "maximum": 60},
        "humidity": {"type": "integer", "minimum": 0, "maximum": 100},
        "sky": {"enum": ["clear", "cloudy", "rain", "snow"]},
    },
    "additionalProperties": False,
}


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(subject: str, scopes: str, lifetime_s: int = 3600) -> str:
    """An HS256 token of the plan's issuer, made with nothing of ours."""
    now = int(time.time())
    claims = {"iss": "test", "aud": "headgate", "sub": subject, "scope": scopes, "iat": now, "exp": now + lifetime_s}
    parts = [{"alg": "HS256", "typ": "JWT", "kid": "k1"}, claims]
    text = ".".join(base64url(json.dumps(part).encode()) for part in parts)
    return text + "." + base64url(hmac.new(SECRET, text.encode(), hashlib.sha256).digest())


def document(port: int, **changes: object) -> dict[str, object]:
    """A headgate.json for MicroPython: one stream with a schema, one HS256 issuer, a cache of 32 KB."""
    return {
        "v": 1,
        "appliance": "upy-gate",
        "listen": f"127.0.0.1:{port}",
        "issuers": [
            {
                "name": "test",
                "audience": "headgate",
                "keys": [{"kid": "k1", "alg": "HS256", "k": base64url(SECRET)}],
            }
        ],
        "streams": {
            "weather": {"schema": WEATHER, "rate_milli": 1000000000, "burst": 1000000, "durability": "memory"},
        },
        "cache": {"bytes": 32768, "value_limit": 2048, "rate_milli": 1000000000, "burst": 1000000},
        **changes,
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Appliance:
    """Context manager: the process, listening. `image`: run from this ROMFS image, in place; otherwise from source."""

    def __init__(self, arch: str, plan: Path, heap: str, image: Path | None = None) -> None:
        fetch.fetch(arch)
        start = (
            [str(FIRMWARE / "headgate/micro/rom_start.py"), str(image)]
            if image
            else [str(FIRMWARE / "headgate/micro/main.py")]
        )
        self.command = [*fetch.micropython_command(arch), "-X", f"heapsize={heap}", *start, str(plan)]
        self.environment = {"MICROPYPATH": f"{FIRMWARE}:.frozen", "PATH": "/usr/bin:/bin"}
        self.lines: list[str] = []

    def __enter__(self) -> Appliance:
        self.process = subprocess.Popen(
            self.command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self.environment,
            bufsize=0,  # a line that came with another would wait in a buffer, where the selector does not see it
        )
        if not self.wait_line("listening", 60):
            self.__exit__(None, None, None)
            raise AssertionError("did not start:\n" + "\n".join(self.lines))
        return self

    def wait_line(self, part: str, timeout_s: float) -> bool:
        """Read the process's output until a line holds `part`; False when it ends or `timeout_s` pass first."""
        assert self.process.stdout is not None
        end = time.monotonic() + timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while (left := end - time.monotonic()) > 0 and selector.select(left):
                line = self.process.stdout.readline()
                if not line:
                    return False
                self.lines.append(line.decode(errors="replace").rstrip())
                if part in self.lines[-1]:
                    return True
        return False

    def stop(self) -> int:
        """Interrupt it as Ctrl-C does; its exit code. What it printed is in `lines`.

        Only while it rests: MicroPython's unix port raises KeyboardInterrupt out of the signal handler, and out of the
        middle of a collection that leaves the heap locked for good.
        """
        self._wait_until_it_rests()
        self.process.send_signal(signal.SIGINT)
        output, _ = self.process.communicate(timeout=60)
        self.lines += output.decode(errors="replace").splitlines()
        return self.process.returncode

    def _wait_until_it_rests(self) -> None:
        """Until no CPU time passes for a while (or the process is gone)."""
        stat = Path(f"/proc/{self.process.pid}/stat")
        used, quiet_since, deadline = "", time.monotonic(), time.monotonic() + 30
        while self.process.poll() is None and time.monotonic() < deadline:
            now = "".join(stat.read_text().rpartition(")")[2].split()[11:13])  # utime, stime
            if now != used:
                used, quiet_since = now, time.monotonic()
            elif time.monotonic() - quiet_since > RESTING_S:
                return
            time.sleep(0.02)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        if self.process.stdout is not None and not self.process.stdout.closed:
            self.lines += self.process.stdout.read().decode(errors="replace").splitlines()
            self.process.stdout.close()
        self.process.wait()


class Client:
    """One keep-alive connection. A dropped connection raises; nothing is tried twice."""

    def __init__(self, port: int, bearer: str, timeout_s: float = 60) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
        self.connection.connect()
        self.socket = self.connection.sock
        self.bearer = bearer

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        """Status and body of the answer."""
        fields = {"Authorization": f"Bearer {self.bearer}"} | {k.replace("_", "-"): v for k, v in headers.items()}
        self.connection.request(method, path, body=body, headers=fields)
        response = self.connection.getresponse()
        data = response.read()
        assert self.connection.sock is self.socket, "the server closed a keep-alive connection"
        return response.status, data

    def close(self) -> None:
        self.connection.close()
