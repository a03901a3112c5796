"""What a board was provisioned with gets into place, whatever is cut off when; and what stands there works."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest

from headgate.core import base64url
from headgate.errors import CommandError
from headgate.linux import atomic_file, config, first_boot, ntp, provisioning
from headgate.linux.first_boot import APPLIED, DONE, Place

KEY = base64url.encode(bytes(range(32))).decode()
DOCUMENT: dict[str, Any] = {
    "v": 1,
    "hostname": "gate-1",
    "time": 1795000000,
    "device": {"private_key": KEY, "public_key": KEY},
}
FULL: dict[str, Any] = {
    **DOCUMENT,
    "issuer": {"name": 'fleet "x"', "public_key": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
    "wifi": {"ssid": "wörks", "password": "eight or more", "country": "CH"},
    "ssh_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA me@here"],
    "ntp": ["time.example", "10.0.2.2"],
    "uplink": {"url": "mqtts://broker:8883", "username": "u", "password": "SECRET", "mode": "sealed", "seal_to": KEY},
    "config": '[listen]\nhttp = "0.0.0.0:80"\n[uplink]\nurl = "mqtt://other"\n[streams.x]\nschema = "schemas/x.json"\n',
    "schemas": {"x": '{"type":"object"}'},
}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "data").mkdir()
    return Place(tmp_path / "data")


def partition(folder: Path, document: dict[str, Any] | None) -> Path:
    path = folder / "provision"
    path.write_bytes((b"" if document is None else provisioning.encode(document)).ljust(1 << 20, b"\0"))
    return path


def tree(place: Place) -> dict[str, tuple[int, bytes]]:
    files = [path for path in sorted(place.data.rglob("*")) if path.is_file()]
    return {str(p.relative_to(place.data)): (stat.S_IMODE(p.stat().st_mode), p.read_bytes()) for p in files}


def test_everything_has_its_place(tmp_path: Path, place: Place) -> None:
    area = partition(tmp_path, FULL)
    assert first_boot.run(place, area) == "provisioned as gate-1"
    found = tree(place)
    assert found["config/hostname"] == (0o644, b"gate-1\n")
    assert found["headgate/keys/identity.key"] == (0o600, KEY.encode() + b"\n")
    assert found["headgate/keys/uplink.password"] == (0o600, b"SECRET\n")
    assert found["config/ssh/authorized_keys"] == (0o600, FULL["ssh_keys"][0].encode() + b"\n")
    assert found["config/wpa_supplicant.conf"][0] == 0o600
    assert found["config/timesyncd.conf"] == (0o644, b"[Time]\nNTP=time.example 10.0.2.2\nFallbackNTP=\n")
    assert ntp.load_floor(place.data / "headgate" / "clock") == DOCUMENT["time"]
    assert area.read_bytes() == bytes(1 << 20), "the private key is in one place only"
    assert stat.S_IMODE((place.data / "headgate").stat().st_mode) == 0o700
    assert {APPLIED, DONE} <= set(found)


def test_the_configuration_is_one(tmp_path: Path, place: Place) -> None:
    first_boot.run(place, partition(tmp_path, FULL))
    made = config.load(place.data / "config/headgate.toml", state_dir=place.data / "headgate")
    assert made.appliance_id == "gate-1"
    assert [(issuer.name, issuer.audience) for issuer in made.issuers] == [('fleet "x"', "headgate")]
    assert (str(made.uplink.url), made.uplink.mode, made.uplink.username) == ("mqtts://broker:8883", "sealed", "u")
    assert made.uplink.password_file == place.data / "headgate/keys/uplink.password"
    assert list(made.streams) == ["x"]
    assert [address.port for address in made.listen.http] == [80]


@pytest.mark.parametrize("header", ["[uplink]", "  [uplink]", "\t[ uplink ]  # old", "['uplink']"])
def test_sections_give_way_however_they_are_written(header: str) -> None:
    text = f"[listen]\nhttp = '0.0.0.0:80'\n{header}\nurl = 'mqtt://old'\n  [watchdog]\nstall = '5 s'\n"
    made = tomllib.loads(first_boot.configuration({"config": text, "uplink": {"url": "mqtt://new"}}))
    assert made == {"listen": {"http": "0.0.0.0:80"}, "watchdog": {"stall": "5 s"}, "uplink": {"url": "mqtt://new"}}


def test_without_one_of_its_own_it_has_the_defaults(tmp_path: Path, place: Place) -> None:
    first_boot.run(place, partition(tmp_path, DOCUMENT))
    made = config.load(place.data / "config/headgate.toml", state_dir=place.data / "headgate")
    assert (made.appliance_id, list(made.streams), made.uplink.url) == ("gate-1", ["weather"], None)


def test_not_provisioned(tmp_path: Path, place: Place) -> None:
    """It starts all the same, and would be provisioned later."""
    assert "not provisioned" in first_boot.run(place, partition(tmp_path, None))
    made = config.load(place.data / "config/headgate.toml", state_dir=place.data / "headgate")
    assert list(made.streams) == ["weather"]
    assert not (place.data / DONE).exists()
    assert first_boot.run(place, partition(tmp_path, DOCUMENT)) == "provisioned as gate-1"


def test_a_damaged_record_is_not_passed_over(tmp_path: Path, place: Place) -> None:
    area = partition(tmp_path, DOCUMENT)
    area.write_bytes(area.read_bytes().replace(b"gate-1", b"gate-2"))
    with pytest.raises(CommandError, match="damaged"):
        first_boot.run(place, area)
    assert not (place.data / DONE).exists()


def test_the_appliance_may_start_before_it_is_done(tmp_path: Path, place: Place) -> None:
    """What runs meanwhile (the partition grows) and is cut off there happens again at the next boot."""
    area = partition(tmp_path, FULL)

    def cut(said: str) -> None:
        assert said == "provisioned as gate-1"
        assert area.read_bytes() == bytes(1 << 20)
        raise PowerCut

    with pytest.raises(PowerCut):
        first_boot.run(place, area, then=cut)
    assert not (place.data / DONE).exists()
    grown: list[str] = []
    assert first_boot.run(place, area, then=grown.append) == grown[0] == "finished what a power cut had interrupted"
    assert (place.data / DONE).exists()


class PowerCut(Exception):
    pass


@pytest.mark.slow_emulated
def test_a_power_cut_at_any_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each write, and in the middle of each: the next boot ends with the same files and nothing else."""
    (tmp_path / "whole").mkdir()
    whole = Place(tmp_path / "whole")
    first_boot.run(whole, partition(tmp_path, FULL))
    expected = tree(whole)
    commit, erase = atomic_file.NewFile.commit, provisioning.erase
    left = 0

    def stop() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise PowerCut

    def cut_commit(new: atomic_file.NewFile, *, replace: bool = True) -> bool:
        if left == 1:
            new.file.close()  # what is left of it has a name of its own, and the old one is intact
        stop()
        done = commit(new, replace=replace)
        stop()
        return done

    def cut_erase(path: Path) -> None:
        stop()
        erase(path)
        stop()

    monkeypatch.setattr(atomic_file.NewFile, "commit", cut_commit)
    monkeypatch.setattr(provisioning, "erase", cut_erase)
    for moment in range(1, 100):
        folder = tmp_path / str(moment)
        folder.mkdir()
        place, area = Place(folder), partition(tmp_path, FULL)
        left = moment
        try:
            first_boot.run(place, area)
        except PowerCut:
            left = 0
            first_boot.run(place, area)
        else:
            assert moment > 2 * len(expected)
            return
        assert tree(place) == expected, moment
        assert area.read_bytes() == bytes(1 << 20)
    raise AssertionError("it never ended")


def test_wifi() -> None:
    text = first_boot.wpa_supplicant({"ssid": 'a"b', "country": "CH", "password": 'p"\\ssword'})
    assert "ssid=612262" in text
    assert 'psk="p"\\ssword"' in text
    assert "key_mgmt=NONE" in first_boot.wpa_supplicant({"ssid": "open", "country": "CH"})
