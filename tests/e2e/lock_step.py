"""Devices in lock step: each connection sends its next message when the last is answered, so they share commits."""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import threading
from collections import Counter
from collections.abc import Callable

READ = 65536


class LockStep:
    """In a thread of its own, until `stop`, or until every connection is gone. `acked`: boot.seq -> body of what was
    answered 202; `statuses`: how many of each; `cut`: connections that ended with a message on its way."""

    def __init__(self, port: int, token: str, body: Callable[[int], bytes], *, connections: int = 32) -> None:
        self.acked: dict[str, bytes] = {}
        self.statuses: Counter[int] = Counter()
        self.cut = 0
        self.twice: list[str] = []  # ids given out twice
        self._body = body
        self._head = (
            f"POST /v1/streams/weather HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        ).encode()
        self._number = 0
        self._ending = False
        self._set = selectors.DefaultSelector()
        self._sent: dict[socket.socket, bytes] = {}
        self._answer: dict[socket.socket, bytes] = {}
        for _ in range(connections):
            connection = socket.create_connection(("127.0.0.1", port), 30)
            self._set.register(connection, selectors.EVENT_READ)
            self._answer[connection] = b""
        self._thread = threading.Thread(target=self._run)

    def start(self) -> LockStep:
        self._thread.start()
        return self

    def stop(self) -> LockStep:
        """No more messages; waits for what is on its way."""
        self._ending = True
        self._thread.join()
        return self

    def join(self) -> LockStep:
        """Until the server has closed all connections."""
        self._thread.join()
        return self

    def _run(self) -> None:
        for connection in list(self._answer):
            self._send(connection)
        while self._answer:
            for key, _ in self._set.select(30) or self._give_up():
                self._receive(key.fileobj)  # type: ignore[arg-type]

    def _give_up(self) -> list[tuple[selectors.SelectorKey, int]]:
        raise AssertionError(f"{len(self._answer)} connections wait for an answer in vain")

    def _send(self, connection: socket.socket) -> None:
        body = self._body(self._number)
        self._number += 1
        self._sent[connection] = body
        with contextlib.suppress(OSError):  # reading will tell
            connection.sendall(self._head + str(len(body)).encode() + b"\r\n\r\n" + body)

    def _receive(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(READ)
        except OSError:
            data = b""
        if not data:
            self.cut += connection in self._sent
            self._drop(connection)
            return
        answer = self._answer[connection] + data
        head, found, body = answer.partition(b"\r\n\r\n")
        length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:"), 0)
        if not found or len(body) < length:
            self._answer[connection] = answer
            return
        self._answer[connection] = b""
        self._judge(int(head[9:12]), body, self._sent.pop(connection))
        if b"connection: close" in head.lower() or self._ending:
            self._drop(connection)
        else:
            self._send(connection)

    def _judge(self, status: int, answer: bytes, body: bytes) -> None:
        self.statuses[status] += 1
        if status == 202:
            seq = json.loads(answer)["seq"]
            if seq in self.acked:
                self.twice.append(seq)
            self.acked[seq] = body

    def _drop(self, connection: socket.socket) -> None:
        self._set.unregister(connection)
        connection.close()
        del self._answer[connection]
