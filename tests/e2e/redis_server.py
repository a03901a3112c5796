"""A real Redis (or Valkey) for tests: own port and directory, stopped, killed and frozen at will. What is written to it
survives a kill: the append-only file is synced with every write."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest
from local_server import START_S, LocalServer

from headgate.linux import resp
from headgate.linux.resp import MORE, Reader, Reply


def binary() -> str | None:
    return os.environ.get("HEADGATE_REDIS_SERVER") or shutil.which("valkey-server") or shutil.which("redis-server")


def need() -> None:
    if binary() is None:
        pytest.skip("there is no Redis (Debian and Ubuntu: apt-get install redis-server)")


class Redis(LocalServer):
    """`extra`: lines for the configuration."""

    def __init__(self, folder: Path, extra: str = "") -> None:
        super().__init__(folder, "redis")
        port = "" if "\nport " in f"\n{extra}" else f"port {self.port}\n"
        self.config.write_text(
            f'{port}bind 127.0.0.1\ndir {folder}\nsave ""\nappendonly yes\nappendfsync always\n{extra}\n'
        )

    def command(self) -> list[str]:
        program = binary()
        assert program is not None
        return [program, str(self.config)]

    def ask(self, *words: bytes) -> Reply:
        """One command's reply, as redis-cli would get it."""
        reader = Reader()
        with socket.create_connection(("127.0.0.1", self.port), START_S) as connection:
            connection.sendall(resp.command(*words))
            while True:
                reply = reader.next()
                if reply is not MORE:
                    return reply  # type: ignore[return-value]
                data = connection.recv(65536)
                assert data, "it has closed the connection"
                reader.feed(data)
