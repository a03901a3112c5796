"""Reverse proxies in front of the server under test, and a relay between the two that notes what the server answers.

    client -> front (nginx, or Go's net/http) -> relay -> server

Every request of the smuggling tests has a path that leads nowhere, so the answer is a problem with that path as its
`instance`: the answers tell which requests the server has seen. The front's own log tells which ones it has sent.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from wire import PATIENCE_S

HERE = Path(__file__).resolve().parent
REFUSED = "(refused)"  # an answer to what was no request for the server

NGINX = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 128; }}
http {{
    log_format seen "$upstream_addr $uri";
    access_log {folder}/access.log seen;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream appliance {{ server 127.0.0.1:{upstream}; keepalive 2; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://appliance;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_request_buffering {buffering};
        }}
    }}
}}
"""


class Relay:
    """Passes connections on to `port` and keeps all that comes back, by connection."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._answers: list[bytearray] = []
        self._read: list[int] = []  # bytes of each connection that `seen` has told
        self._closing = False
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            if self._closing:
                client.close()
                return
            server = socket.create_connection(("127.0.0.1", self._to))
            answers = bytearray()
            self._answers.append(answers)
            self._read.append(0)
            self._threads.append(threading.Thread(target=self._serve, args=(client, server, answers)))
            self._threads[-1].start()

    def _serve(self, client: socket.socket, server: socket.socket, answers: bytearray) -> None:
        with client, server:
            back = threading.Thread(target=self._pump, args=(server, client, answers))
            back.start()
            self._pump(client, server, bytearray())
            back.join()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket, kept: bytearray) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                kept += data  # before it goes on: whoever has an answer finds it here
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def seen(self) -> list[str]:
        """The paths of the requests that were answered since the last call."""
        paths = []
        for number, answers in enumerate(self._answers):
            data = bytes(answers[self._read[number] :])
            while b"\r\n\r\n" in data:
                head, _, rest = data.partition(b"\r\n\r\n")
                fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
                length = int(fields.get(b"content-length", 0))
                if len(rest) < length:
                    break
                if not head.startswith(b"HTTP/1.1 100 "):
                    paths.append(json.loads(rest[:length]).get("instance", REFUSED))
                self._read[number] += len(head) + 4 + length
                data = rest[length:]
        return paths

    def close(self) -> None:
        """To be called when the front and its connections are gone."""
        self._closing = True
        with socket.create_connection(("127.0.0.1", self.port)):
            for thread in self._threads:
                thread.join(PATIENCE_S)
        self._listener.close()


class Front:
    """A proxy that is running. `log`: the lines it has written so far; `path_of`: of a line, None: not forwarded."""

    def __init__(
        self, process: subprocess.Popen[bytes], port: int, log: Path, path_of: Callable[[str], str | None], relay: Relay
    ) -> None:
        self.process = process
        self.port = port
        self.relay = relay
        self._log = log
        self._path_of = path_of
        self._lines = 0
        self.forwarded_so_far: Counter[str] = Counter()
        self.seen_so_far: Counter[str] = Counter()

    def forwarded(self, last: str) -> list[str]:
        """The paths of the requests forwarded since the last call, up to that of `last`, which is waited for."""
        paths: list[str] = []
        give_up = threading.Event()
        timer = threading.Timer(PATIENCE_S, give_up.set)
        timer.start()
        while last not in paths:
            assert not give_up.is_set(), f"{last} is not in the front's log, only {paths}"
            lines = self._log.read_text(errors="replace").split("\n")[:-1]
            found = [self._path_of(line) for line in lines[self._lines :]]
            self._lines = len(lines)
            paths += [path for path in found if path is not None]
        timer.cancel()
        return paths


@contextlib.contextmanager
def nginx(relay: Relay, folder: Path, buffering: str) -> Iterator[Front]:
    """`buffering`: "on": nginx reads a body before it connects; "off": it passes chunks on as they come."""
    program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if program is None:
        pytest.skip("there is no nginx (Debian and Ubuntu: apt-get install nginx-light)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file = folder / "nginx.conf"
    file.write_text(NGINX.format(folder=folder, upstream=relay.port, port=port, buffering=buffering))
    log = folder / "access.log"
    log.touch()
    process = subprocess.Popen([program, "-c", str(file), "-p", str(folder)], stderr=subprocess.DEVNULL)
    try:
        while True:
            assert process.poll() is None, (folder / "error.log").read_text()
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                break

        def path_of(line: str) -> str | None:
            upstream, _, path = line.partition(" ")
            return None if upstream == "-" else path

        yield Front(process, port, log, path_of, relay)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


@contextlib.contextmanager
def go(relay: Relay, folder: Path) -> Iterator[Front]:
    program = shutil.which("go")
    if program is None:
        pytest.skip("there is no Go (Debian and Ubuntu: apt-get install golang-go)")
    binary = folder / "front"
    build = [program, "build", "-o", str(binary), str(HERE / "peers" / "front.go")]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    log = folder / "log"
    with log.open("wb") as file:
        process = subprocess.Popen([str(binary), f"127.0.0.1:{relay.port}"], stdout=file)
    try:
        while "\n" not in (first := log.read_text()):
            assert process.poll() is None
        port = int(first.split("\n")[0].rpartition(":")[2])
        yield Front(process, port, log, lambda line: None if line.startswith("listening ") else line, relay)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
