"""sd_notify over real sockets, and the unit file."""

import configparser
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from headgate.linux.systemd import STATUS_MAX, Notifier


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "notify"))
        server.settimeout(5)
        yield server, str(tmp_path / "notify")


def test_messages(listener: tuple[socket.socket, str]) -> None:
    server, path = listener
    notifier = Notifier({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "30000000"})
    assert notifier.active
    assert notifier.ready("listening on\n0.0.0.0:8080")
    assert server.recv(4096) == b"READY=1\nSTATUS=listening on 0.0.0.0:8080"
    assert notifier.status("x" * 1000)
    assert server.recv(4096) == b"STATUS=" + b"x" * STATUS_MAX
    assert notifier.stopping()
    assert server.recv(4096) == b"STOPPING=1"
    assert notifier.watchdog()
    assert server.recv(4096) == b"WATCHDOG=1"


def test_reload_carries_a_fresh_monotonic_time(listener: tuple[socket.socket, str]) -> None:
    server, path = listener
    notifier = Notifier({"NOTIFY_SOCKET": path})
    stamps = []
    for _ in range(2):
        assert notifier.reloading()
        first, second = server.recv(4096).decode().split("\n")
        assert first == "RELOADING=1"
        name, value = second.split("=")
        assert name == "MONOTONIC_USEC"
        stamps.append(int(value))
    assert 0 < stamps[0] <= stamps[1]


def test_abstract_socket() -> None:
    name = f"headgate-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind("\0" + name)
        server.settimeout(5)
        assert Notifier({"NOTIFY_SOCKET": "@" + name}).ready()
        assert server.recv(4096) == b"READY=1"


@pytest.mark.parametrize("path", ["", "@", "relative", "vsock:2:1234"])
def test_without_a_service_manager_nothing_happens(path: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "1000000"})
    assert not notifier.active
    assert not notifier.ready()
    assert not notifier.watchdog()


def test_a_vanished_or_full_socket_stops_nobody(listener: tuple[socket.socket, str], tmp_path: Path) -> None:
    server, path = listener
    assert not Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready()
    notifier = Notifier({"NOTIFY_SOCKET": path})
    sent = 0
    while notifier.status("fill"):  # never blocks: a full queue says no
        sent += 1
        assert sent < 100_000
    assert sent > 0
    server.recv(4096)
    assert notifier.ready()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, 0.0),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(os.getpid())}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
        ({"WATCHDOG_USEC": "-5"}, 0.0),
        ({"WATCHDOG_USEC": "٣٠"}, 0.0),
    ],
)
def test_watchdog_period(environ: dict[str, str], expected: float) -> None:
    assert Notifier(environ).watchdog_s == expected


def unit_text() -> str:
    return (files("headgate") / "data" / "headgate.service").read_text()


def test_unit_is_hardened() -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(unit_text())
    service = parser["Service"]
    for key in ("NoNewPrivileges", "PrivateTmp", "ProtectHome", "RestrictSUIDSGID", "DynamicUser"):
        assert service[key] == "yes", key
    assert service["ProtectSystem"] == "strict"
    assert service["StateDirectory"] == "headgate"
    assert service["Restart"] == "on-failure"
    assert service["Type"].startswith("notify")
    assert service["WatchdogSec"]
    assert service["MemoryMax"]
    assert "ExecReload" in service


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.skipif(not Path("/bin/kill").exists(), reason="no /bin/kill: procps is not installed")
def test_unit_is_accepted_by_systemd(tmp_path: Path) -> None:
    unit = tmp_path / "headgate.service"
    unit.write_text(unit_text())
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    # Warnings (an unknown setting is one) leave the exit code at 0; other units of the machine are not our concern.
    assert [line for line in done.stderr.splitlines() if "headgate" in line] == []
