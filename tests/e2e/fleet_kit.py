"""Appliances that share a cache, and clients of it."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from harness import Appliance, wait_for

SCOPES = ("cache:*", "publish:any", "read:any")
PREFIX = b"headgate:fleet:"  # of keys at the server, as configured by default

Answer = tuple[int, dict[str, str], bytes]


def config(port: int, more: str = "", *, scheme: str = "redis") -> str:
    """Requests wait longer than on a device: this machine may be busy with other things."""
    return f"""
[streams.any]

[cache]
rate = "100000/s"
burst = 1000000

[redis]
url = "{scheme}://127.0.0.1:{port}"
timeout = "1 s"
{more}
"""


class Board:
    """One appliance of the fleet, and somebody who may use its cache."""

    def __init__(self, folder: Path, text: str, options: tuple[str, ...] = ()) -> None:
        folder.mkdir(parents=True)
        self.appliance = Appliance(folder, uplink_port=None, config=text)
        self.appliance.options += options
        self.appliance.start()
        self.token = self.appliance.token("dev", *SCOPES)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.appliance.port, timeout=20)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        on: http.client.HTTPConnection | None = None,
        **fields: str,
    ) -> Answer:
        headers = {"Authorization": f"Bearer {self.token}"}
        headers.update({name.replace("_", "-"): value for name, value in fields.items()})
        connection = on or self.connect()
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            if on is None:
                connection.close()

    def put(self, key: str, value: bytes, **fields: str) -> Answer:
        answer = self.ask("PUT", f"/v1/cache/{key}", value, **fields)
        assert answer[0] in (201, 204), answer
        return answer

    def get(self, key: str, **fields: str) -> Answer:
        return self.ask("GET", f"/v1/cache/{key}", **fields)

    def gives(self, key: str, value: bytes | None) -> Answer:
        """Waits until it answers so; None: 404."""

        def there() -> Answer | None:
            answer = self.get(key)
            return answer if (answer[2] if answer[0] == 200 else None) == value else None

        found: Answer = wait_for(there, f"{key} is {value!r}, not {self.get(key)}")
        return found

    def metric(self, name: str) -> int:
        lines = self.ask("GET", "/metrics")[2].decode().splitlines()
        return int(next(line for line in lines if line.startswith(f"headgate_second_level_{name} ")).rsplit(" ", 1)[1])

    def until(self, name: str, condition: Callable[[int], bool]) -> int:
        wait_for(lambda: condition(self.metric(name)), f"{name} is as it should be, not {self.metric(name)}")
        return self.metric(name)

    def settled(self) -> None:
        """Connected, and the server knows of all changes so far."""
        self.until("connected", lambda value: value == 1)
        self.until("queued", lambda value: value == 0)
        self.until("in_flight", lambda value: value == 0)

    def kill(self) -> None:
        process = self.appliance.process
        if process is not None and process.poll() is None:
            self.appliance.kill()


class CacheLoad:
    """Clients that read, write and delete on one board, each on its own connection, until they are stopped."""

    def __init__(self, board: Board, clients: int = 4) -> None:
        self.board = board
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.wrong: list[str] = []
        self.slowest_s = 0.0  # the answer that took longest
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._client, args=(number,)) for number in range(clients)]

    def __enter__(self) -> CacheLoad:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def total(self) -> int:
        with self._lock:
            return sum(self.statuses.values())

    def more(self, requests: int) -> None:
        """So many more are answered."""
        goal = self.total() + requests
        wait_for(lambda: self.total() >= goal or self.wrong, f"{requests} more requests are answered")

    def _client(self, number: int) -> None:
        connection = self.board.connect()
        hot, turn = f"hot/{number}", 0

        def ask(method: str, key: str, *expected: int, body: bytes | None = None, gives: bytes | None = None) -> None:
            began = time.monotonic()
            status, _, answer = self.board.ask(method, f"/v1/cache/{key}", body, on=connection)
            with self._lock:
                self.slowest_s = max(self.slowest_s, time.monotonic() - began)
                self.statuses[method, status] += 1
                if status not in expected or (gives is not None and answer != gives):
                    self.wrong.append(f"{method} {key}: {status} {answer[:100]!r}, not {expected} {gives!r}")

        try:
            while not self._stop.is_set():
                turn += 1
                value = f"{number}.{turn}".encode()
                ask("PUT", hot, 201, 204, body=value)
                ask("GET", hot, 200, gives=value)
                ask("GET", f"cold/{number}/{turn}", 404)
                ask("PUT", f"short/{number}/{turn}", 201, body=value)
                ask("DELETE", f"short/{number}/{turn}", 204)
                ask("GET", f"short/{number}/{turn}", 404)
        except Exception as error:  # whatever it is, it is wrong
            with self._lock:
                self.wrong.append(repr(error))
        finally:
            connection.close()
