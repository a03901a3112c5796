"""linux/dial.py: what is connected to, and in which words it fails."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from headgate.linux import dial


def listening(family: socket.AddressFamily, host: str) -> socket.socket:
    listener = socket.socket(family)
    listener.bind((host, 0))
    listener.listen()
    return listener


@pytest.mark.parametrize(("host", "name"), [("127.0.0.1", "127.0.0.1"), ("127.0.0.1", "localhost")])
def test_an_address_and_a_name(host: str, name: str) -> None:
    with listening(socket.AF_INET, host) as listener:
        connected = asyncio.run(dial.connect(name, listener.getsockname()[1]))
        with connected, listener.accept()[0] as peer:
            assert peer.getsockname() == connected.getpeername()
            assert not connected.getblocking()


def test_nobody_there() -> None:
    with listening(socket.AF_INET, "127.0.0.1") as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionRefusedError) as caught:
        asyncio.run(dial.connect("127.0.0.1", port))
    assert dial.reason_of(caught.value) == "Connection refused"


def test_what_follows_the_connection_fails() -> None:
    async def then(connected: socket.socket) -> socket.socket:
        raise OSError(5, "not today")

    with listening(socket.AF_INET, "127.0.0.1") as listener:
        with pytest.raises(OSError, match="not today") as caught:
            asyncio.run(dial.connect("127.0.0.1", listener.getsockname()[1], then))
        assert dial.reason_of(caught.value) == "not today"
        with listener.accept()[0] as peer:
            assert peer.recv(1) == b"", "it was closed"


def test_reasons_are_never_empty() -> None:
    assert dial.reason_of(ValueError("x")) == "x"
    assert dial.reason_of(TimeoutError()) == "TimeoutError"
    with pytest.raises(socket.gaierror) as caught:
        asyncio.run(dial.connect("no-such-host.invalid", 1))
    assert dial.reason_of(caught.value)


def test_passwords(tmp_path: Path) -> None:
    assert dial.read_password(None) is None
    file = tmp_path / "password"
    file.write_bytes("pass w\u00f6rd\r\n".encode())
    assert dial.read_password(file) == "pass w\u00f6rd"
    file.write_bytes(b"\xff")
    with pytest.raises(dial.UnreadableError, match="cannot read"):
        dial.read_password(file)
    with pytest.raises(dial.UnreadableError, match="gone"):
        dial.read_password(tmp_path / "gone")


def test_jitter_is_a_part_of_one() -> None:
    assert all(0 <= dial.jitter() <= 1 for _ in range(100))
