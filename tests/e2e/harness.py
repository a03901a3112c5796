"""What the end-to-end tests share: a real appliance as a child process, and clients that never give up on a message.

Nothing here is a stand-in: the appliance is `python -m headgate run`, the broker is mosquitto, the receiver is
`headgate receive`, the clients speak HTTP/1.1 over sockets.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_server import free_port

from headgate_host.stations import Message

ISSUER = """
[[issuer]]
name = "headgate"
secret_file = "{state}/keys/device.key"
"""
# Generous: the machine may be busy, or emulated. Every wait ends as soon as the thing is there.
START_S = 120 if os.environ.get("HEADGATE_EMULATED") else 30
RETRY_S = 0.05


def headgate(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run one verb to its end."""
    return subprocess.run(
        [sys.executable, "-m", "headgate", *arguments],
        text=True,
        capture_output=True,
        timeout=2 * START_S,
        check=False,
        **options,
    )


def wait_for(condition: Any, what: str, seconds: float = START_S) -> Any:
    """Poll until `condition()` is truthy; fails with `what` when it never is."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"still not after {seconds} s: {what}")


class Appliance:
    """`headgate run` in a child process on a fixed port, so that it can be killed and started again."""

    def __init__(self, folder: Path, *, uplink_port: int | None, config: str = "", state: Path | None = None) -> None:
        self.folder = folder
        self.state = state or folder / "state"
        self.port = free_port()
        self.config = folder / "headgate.toml"
        self.log = folder / "appliance.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.options: list[str] = []  # more words for the command line
        text = f'[listen]\nhttp = "127.0.0.1:{self.port}"\n{ISSUER}{config}'
        if uplink_port:
            text += f'\n[uplink]\nurl = "mqtt://127.0.0.1:{uplink_port}"\nack_timeout = "2 s"\nbackoff_max = "1 s"\n'
        self.config.write_text(text)

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(
                        sys.executable,
                        "-m",
                        "headgate",
                        "run",
                        "--config",
                        str(self.config),
                        "--state",
                        str(self.state),
                    ),
                    *self.options,
                ],
                stdout=log,
                stderr=log,
            )
        wait_for(self._answers, f"the appliance answers (log: {self.log.read_text()[-2000:]})")

    def _answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the appliance ended with {self.process.returncode}: {self.log.read_text()[-3000:]}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.get("/healthz")[0] == http.HTTPStatus.OK
        return False

    def kill(self) -> None:
        """The power cut."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM: drains and ends by itself."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=START_S)

    def get(self, path: str, token: str = "") -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def token(self, client: str, *scopes: str) -> str:
        done = headgate(
            "token", "--config", str(self.config), "--state", str(self.state), "--sub", client,
            *[part for scope in scopes or ("publish:*",) for part in ("--scope", scope)],
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def ledger(self) -> dict[str, Any]:
        """The outbox as `headgate outbox --json` reads it from disk."""
        done = headgate("outbox", "--json", "--config", str(self.config), "--state", str(self.state))
        assert done.returncode == 0, done.stderr
        ledger: dict[str, Any] = json.loads(done.stdout)
        return ledger


@dataclass
class Outcome:
    """What the clients saw. `acked`: message id -> body of every message answered 202."""

    acked: dict[str, bytes] = field(default_factory=dict)
    receipts: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    retries: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Load:
    """Posts messages from many clients, each on its own keep-alive connection, in its own thread.

    A message whose fate is unknown (connection lost, 503, 429) is sent again under the same Idempotency-Key until the
    appliance says yes or no: what a careful device does.
    """

    def __init__(
        self, appliance: Appliance, messages: Iterable[Message], *, keys: bool = True, pace_s: float = 0
    ) -> None:
        self.appliance = appliance
        self.keys = keys
        self.pace_s = pace_s
        self.outcome = Outcome()
        self.give_up = 0.0  # set by start(): the tokens below take a while on an emulated machine
        by_client: dict[str, list[Message]] = {}
        for message in messages:
            by_client.setdefault(message.client, []).append(message)
        self.tokens = {client: appliance.token(client) for client in by_client}
        self.threads = [threading.Thread(target=self._client, args=item) for item in by_client.items()]

    def start(self) -> Load:
        self.give_up = time.monotonic() + 10 * START_S
        for thread in self.threads:
            thread.start()
        return self

    def running(self) -> bool:
        return any(thread.is_alive() for thread in self.threads)

    def join(self) -> Outcome:
        for thread in self.threads:
            thread.join()
        return self.outcome

    def _client(self, client: str, messages: list[Message]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.appliance.port, timeout=START_S / 2)
        for message in messages:
            headers = {"Authorization": f"Bearer {self.tokens[client]}", "Content-Type": "application/json"}
            if self.keys:
                headers["Idempotency-Key"] = message.msg_id
            while time.monotonic() < self.give_up:
                try:
                    connection.request("POST", "/v1/streams/weather", message.body, headers)
                    response = connection.getresponse()
                    self._judge(message, response.status, response.read())
                    if response.status not in (429, 503):
                        break
                except (OSError, http.client.HTTPException):
                    connection.close()
                with self.outcome.lock:
                    self.outcome.retries += 1
                time.sleep(RETRY_S)
            if self.pace_s:
                time.sleep(self.pace_s)
        connection.close()

    def _judge(self, message: Message, status: int, answer: bytes) -> None:
        outcome = self.outcome
        with outcome.lock:
            outcome.statuses[status] += 1
            if status in (429, 503):
                return
            if status != message.expected_status:
                outcome.wrong.append(f"{message.msg_id}: {status}, not {message.expected_status}: {answer[:200]!r}")
            elif status == http.HTTPStatus.ACCEPTED:
                outcome.acked[message.msg_id] = message.body
                outcome.receipts[message.msg_id] = json.loads(answer)["seq"]
            elif message.expected_pointer is not None:
                pointers = [error["instance"] for error in json.loads(answer)["errors"]]
                if message.expected_pointer not in pointers:
                    outcome.wrong.append(f"{message.msg_id}: {pointers}, not {message.expected_pointer!r}")


class Receiver:
    """`headgate receive --sqlite` in a child process."""

    def __init__(self, folder: Path, port: int, *extra: str) -> None:
        self.database = folder / "received.db"
        self.log = folder / "receive.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "headgate", "receive", "--url", f"mqtt://127.0.0.1:{port}", "--sqlite",
                 str(self.database), "--client-id", "e2e-receiver", *extra],
                stdout=log, stderr=log,
            )  # fmt: skip
        wait_for(lambda: "subscribed" in self.log.read_text(), f"the receiver subscribes: {self.log.read_text()}")

    def rows(self) -> list[tuple[str, str, bytes]]:
        """(message id, client, body) of everything received."""
        import sqlite3

        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as database:
            return [
                (row[0], row[1], row[2].encode() if isinstance(row[2], str) else bytes(row[2]))
                for row in database.execute("SELECT id, client, body FROM messages ORDER BY rowid")
            ]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=START_S)


@contextlib.contextmanager
def running(appliance: Appliance) -> Iterator[Appliance]:
    appliance.start()
    try:
        yield appliance
    finally:
        if appliance.process is not None and appliance.process.poll() is None:
            appliance.process.kill()
            appliance.process.wait()


def cpu_ms(pid: int) -> float:
    """CPU time of all threads of a process so far, in ms (schedstat: nanoseconds, not clock ticks)."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e6


def pss_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise AssertionError("no Pss line")


def context_switches(pid: int) -> int:
    """Voluntary context switches of all threads: each is a wake-up."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        for line in (task / "status").read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                total += int(line.split()[1])
    return total


def environment(**extra: str) -> dict[str, str]:
    return {**os.environ, **extra}
