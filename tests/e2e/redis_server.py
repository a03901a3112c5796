"""A real Redis (or Valkey) for tests: own port and directory, stopped, killed and frozen at will. What is written to it
survives a kill: the append-only file is synced with every write."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

import pytest

from headgate.linux.resp import MORE, Reader, Reply, command

START_S = 20


def binary() -> str | None:
    return shutil.which("valkey-server") or shutil.which("redis-server")


def need() -> None:
    if binary() is None:
        pytest.skip("there is no Redis (Debian and Ubuntu: apt-get install redis-server)")


class Redis:
    """`port`: on 127.0.0.1. `extra`: lines for the configuration."""

    def __init__(self, folder: Path, extra: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.log = folder / "redis.log"
        self.config = folder / "redis.conf"
        self.process: subprocess.Popen[bytes] | None = None
        port = "" if "\nport " in f"\n{extra}" else f"port {self.port}\n"
        self.config.write_text(
            f'{port}bind 127.0.0.1\ndir {folder}\nsave ""\nappendonly yes\nappendfsync always\n{extra}\n'
        )

    def __enter__(self) -> Redis:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Returns when the port accepts connections."""
        program = binary()
        assert program is not None
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([program, str(self.config)], stdout=log, stderr=log)
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"it ended: {self.log.read_text()[-2000:]}"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.02)
        raise AssertionError(f"it does not listen after {START_S} s: {self.log.read_text()[-2000:]}")

    def kill(self) -> None:
        """SIGKILL, or nothing when it is not running."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(START_S)

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and nobody answers."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def ask(self, *words: bytes) -> Reply:
        """One command's reply, as redis-cli would get it."""
        reader = Reader()
        with socket.create_connection(("127.0.0.1", self.port), START_S) as connection:
            connection.sendall(command(*words))
            while True:
                reply = reader.next()
                if reply is not MORE:
                    return reply  # type: ignore[return-value]
                data = connection.recv(65536)
                assert data, "it has closed the connection"
                reader.feed(data)
