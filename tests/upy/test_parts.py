"""Small parts on the host: dependencies of packages (fetch.py), wrapping ticks, the board's own settings."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import fetch
import pytest
import real
from appliance import FIRMWARE

from headgate.micro import settings
from headgate.tasks.plan import PlanError


def test_no_mirror_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "debian_mirrors", list)
    with pytest.raises(fetch.FetchError, match="no Debian mirror"):
        fetch.fetch("amd64", tmp_path / "cache")


def test_dependencies() -> None:
    packages = {
        "a": {"Depends": "b (>= 1), gone | c, d:any"},
        "b": {"Pre-Depends": "e"},
        "c": {},
        "d": {"Depends": "a"},
        "e": {},
    }
    assert sorted(fetch.needed(packages, "a")) == ["a", "b", "c", "d", "e"]


def test_ticks_do_not_wrap(monkeypatch: pytest.MonkeyPatch) -> None:
    """MicroPython's ticks on a board: 2**30 ms, differences signed."""
    period = 1 << 30
    now = [period - 1500]
    monkeypatch.setattr(time, "ticks_ms", lambda: now[0] % period, raising=False)
    half = period // 2
    monkeypatch.setattr(time, "ticks_diff", lambda a, b: (a - b + half) % period - half, raising=False)
    from headgate.micro.ticks import Ticks

    ticks = Ticks()
    total = 0
    for step in (0, 1000, 1000, half - 1, half - 1, 5):
        now[0] += step
        total += step
        assert ticks() == total


def test_board_settings_and_defaults() -> None:
    document = {"v": 1, "listen": "[::]:8443", "watchdog_ms": 8000, "streams": {"s": {}}, "cache": {"bytes": 4096}}
    found = settings.take(document)
    assert (found.host, found.port, found.watchdog_ms, found.cert) == ("::", 8443, 8000, "")
    assert document == {
        "v": 1,
        "streams": {"s": {"body_limit": 2048, "durability": "fsync"}},
        "cache": {"bytes": 4096, "value_limit": 2048, "entries": 128},
        "limits": {"connections": 8},
    }


def test_a_small_cache_with_the_boards_own_limit_of_a_value() -> None:
    """It is not refused for what it does not say; a value that does not fit is."""
    document = {"v": 1, "cache": {"bytes": 1024}}
    settings.take(document)
    assert document["cache"] == {"bytes": 1024, "value_limit": 2048, "entries": 128}


@pytest.mark.parametrize(
    ("part", "where"),
    [
        ({"listen": "x"}, "listen"),
        ({"listen": "h:0"}, "listen"),
        ({"listen": 1}, "listen"),
        ({"watchdog_ms": True}, "watchdog_ms"),
        ({"floor_s": "1"}, "floor_s"),
        ({"tls": []}, "tls"),
        ({"tls": {"cert": "c", "key": "k", "x": 1}}, "tls.x"),
        ({"tls": {"cert": "", "key": "k"}}, "tls.cert"),
        ({"uplink": None}, "uplink"),
        ({"ntp": 1}, "ntp"),
        ({"cache": {"bytes": 1024, "value_limit": 961}}, "cache.value_limit"),
    ],
)
def test_board_settings_refused(part: dict[str, object], where: str) -> None:
    with pytest.raises(PlanError) as caught:
        settings.take({"v": 1} | part)
    assert caught.value.where == where


def test_a_count_of_starts_that_cannot_be_replaced_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from headgate.micro import load

    count = tmp_path / "headgate.boot"
    count.write_text("41")
    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", lambda old, new: (tmp_path / "missing").stat())
        assert load.next_boot(str(count)) == 0
    assert count.read_text() == "41"
    assert load.next_boot(str(count)) == 43


ON_A_BOARD = """
import vfs
from headgate.micro.load import next_boot

class Flash:
    data = bytearray(65536)
    def readblocks(self, block, buffer, offset=0):
        at = block * 512 + offset
        buffer[:] = self.data[at : at + len(buffer)]
    def writeblocks(self, block, buffer, offset=0):
        at = block * 512 + offset
        self.data[at : at + len(buffer)] = buffer
    def ioctl(self, what, argument):
        return {4: len(self.data) // 512, 5: 512}.get(what, 0)

for kind in (vfs.VfsFat, vfs.VfsLfs2):
    kind.mkfs(Flash())
    vfs.mount(kind(Flash()), "/flash")
    print(next_boot("/flash/headgate.boot"), next_boot("/flash/headgate.boot"))
    vfs.umount("/flash")
"""


def test_the_count_of_starts_on_a_boards_file_systems(tmp_path: Path) -> None:
    """Renaming replaces there too."""
    script = tmp_path / "script.py"
    script.write_text(ON_A_BOARD)
    environment = {"MICROPYPATH": f"{FIRMWARE}:.frozen", "PATH": "/usr/bin:/bin"}
    command = [*real.micropython(real.NATIVE), str(script)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.split(), done.stderr) == (["1", "2"] * 2, "")


def test_wlan_file(tmp_path: Path) -> None:
    from headgate.micro import boot

    path = tmp_path / "wlan.json"
    path.write_text(json.dumps({"ssid": "net", "key": "secret", "timeout_s": 5}))
    assert boot.settings(str(path))["ssid"] == "net"
    assert boot.connect(str(path)) is False  # no radio here
    for wrong in ({}, {"ssid": ""}, {"ssid": "n", "timeout_s": 0}, {"ssid": "n", "pass": "x"}, []):
        path.write_text(json.dumps(wrong))
        with pytest.raises(ValueError, match=r"wlan\.json"):
            boot.settings(str(path))


def test_the_example_in_the_documentation() -> None:
    from headgate.tasks.plan import build

    page = (Path(__file__).resolve().parents[2] / "docs/micropython.md").read_text(encoding="utf-8")
    document = json.loads(page.split("```json\n")[1].split("```")[0])
    assert settings.take(document).port == 8080
    assert list(build(document, None, False).streams) == ["weather"]
