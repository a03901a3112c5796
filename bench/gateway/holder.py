"""A process that holds many connections to one server, so that what they cost there can be read from /proc.

python holder.py PORT [--tls]     commands on standard input, one line of JSON on standard output for each:

open N        N more connections, each with one request answered -> {"open": all of them}
check         one more request on each -> {"alive": so many answered}
slow N FILE S N more connections that send the requests of FILE in pieces over S seconds, all at once
              -> {"accepted": answered 202, "refused": answered otherwise, "lost": closed without an answer}"""

import json
import selectors
import socket
import ssl
import sys
import time
from pathlib import Path

PROBE = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
TIMEOUT_S = 30.0
SLOW_GRACE_S = 15.0
PIECES = 12


class Holder:
    def __init__(self, port: int, *, tls: bool) -> None:
        self._port = port
        self._held: list[socket.socket] = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if tls else None
        if self._context is not None:
            self._context.check_hostname = False
            self._context.verify_mode = ssl.CERT_NONE

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self._port), TIMEOUT_S)
        return self._context.wrap_socket(connection) if self._context is not None else connection

    @staticmethod
    def _ask(connection: socket.socket) -> bool:
        """Any answer will do: a server without /healthz says 404."""
        try:
            connection.sendall(PROBE)
            return connection.recv(65536).startswith(b"HTTP/1.1 ")
        except OSError:
            return False

    def open(self, count: int) -> "dict[str, int]":
        for _ in range(count):
            connection = self._connect()
            if not self._ask(connection):
                raise ConnectionError("no answer")
            self._held.append(connection)
        return {"open": len(self._held)}

    def check(self) -> "dict[str, int]":
        return {"alive": sum(self._ask(connection) for connection in self._held)}

    def slow(self, count: int, file: str, seconds: float) -> "dict[str, int]":
        requests = read_requests(Path(file))
        connections = [self._connect() for _ in range(count)]
        verdicts = {"accepted": 0, "refused": 0, "lost": 0}
        began = time.monotonic()
        for piece in range(PIECES):
            for i, connection in enumerate(connections):
                request = requests[i % len(requests)]
                size = -(-len(request) // PIECES)
                try:
                    connection.sendall(request[piece * size : (piece + 1) * size])
                except OSError:  # it was closed; counted when its answer is read
                    continue
            time.sleep(max(0.0, began + seconds * (piece + 1) / PIECES - time.monotonic()))
        with selectors.DefaultSelector() as waiting:
            for connection in connections:
                waiting.register(connection, selectors.EVENT_READ)
            deadline = time.monotonic() + SLOW_GRACE_S
            while waiting.get_map() and time.monotonic() < deadline:
                for key, _ in waiting.select(1):
                    waiting.unregister(key.fileobj)
                    try:
                        answer = key.fileobj.recv(65536)  # type: ignore[union-attr]
                    except OSError:
                        answer = b""
                    verdict = "accepted" if answer.startswith(b"HTTP/1.1 202") else "refused" if answer else "lost"
                    verdicts[verdict] += 1
            verdicts["lost"] += len(waiting.get_map())
        for connection in connections:
            connection.close()
        return verdicts


def read_requests(path: Path) -> "list[bytes]":
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        end = data.index(b"\n", at)
        length = int(data[at:end])
        found.append(data[end + 1 : end + 1 + length])
        at = end + 1 + length
    return found


def main() -> None:
    holder = Holder(int(sys.argv[1]), tls="--tls" in sys.argv)
    for line in sys.stdin:
        verb, *words = line.split()
        if verb == "open":
            answer = holder.open(int(words[0]))
        elif verb == "check":
            answer = holder.check()
        else:
            answer = holder.slow(int(words[0]), words[1], float(words[2]))
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
