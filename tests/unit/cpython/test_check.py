"""`headgate check`: text, JSON, exit codes, and the compiled plan for MicroPython."""

import argparse
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from headgate import cli, errors
from headgate.core import base64url
from headgate.core import json as core_json
from headgate.linux import keys, verb_check
from headgate.micro import settings
from headgate.tasks import plan as plans

MICRO = """
[appliance]
id = "pico-1"
[[issuer]]
name = "headgate"
secret_file = "device.key"
[streams.weather]
schema = "builtin:weather"
durability = "memory"
[cache]
bytes = "16 KiB"
value_limit = "2 KiB"
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADGATE_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("HEADGATE_CONFIG", raising=False)
    keys.ensure_hs256(tmp_path / "device.key")
    return tmp_path


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser(description=verb_check.HELP, epilog=verb_check.EPILOG)
    verb_check.add_arguments(parser)
    return verb_check.main(parser.parse_args(arguments))


def write(place: Path, text: str) -> str:
    (place / "headgate.toml").write_text(text)
    return str(place / "headgate.toml")


def test_good(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(place, MICRO)
    assert run("--config", file) == errors.OK
    out, err = capsys.readouterr()
    assert err == ""
    assert "warning: " in out
    assert "usable: 0 errors, 1 warning" in out
    assert "pico-1" in out
    assert "http 0.0.0.0:8080" in out


def test_state(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--config", write(place, MICRO), "--state", "elsewhere") == errors.OK
    assert f"state    {place / 'elsewhere'}\n" in capsys.readouterr().out


def test_the_file_is_found(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(place, "[lsiten]\n")
    assert run() == errors.CONFIG
    assert capsys.readouterr().err == "headgate.toml:1: lsiten: unknown key (did you mean listen?)\n"


def test_every_error_is_shown(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(place, "[listen]\nmetrics = 'opne'\n[cache]\nbytes = '1'\n")
    assert run("--config", file) == errors.CONFIG
    out, err = capsys.readouterr()
    assert err.splitlines() == [
        f'{file}:2: listen.metrics: "opne" is not "open" or "scope" (did you mean "open"?)',
        f'{file}:4: cache.bytes: has no unit (B, kB, KiB, MB, MiB, GB, GiB) (did you mean "1 KiB"?)',
    ]
    assert out.endswith("refused: 2 errors, 3 warnings\n")


def test_json(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(place, "[listen]\nmetrics = 'opne'\n")
    assert run("--config", file, "--json") == errors.CONFIG
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is False
    assert document["config"] == file
    assert document["findings"][0] == {
        "severity": "error",
        "file": file,
        "line": 2,
        "key": "listen.metrics",
        "message": '"opne" is not "open" or "scope"',
        "suggestion": '"open"',
    }
    assert {f["severity"] for f in document["findings"][1:]} == {"warning"}


def test_missing(place: Path) -> None:
    with pytest.raises(errors.CommandError) as caught:
        run("--config", str(place / "none.toml"))
    assert caught.value.code == errors.MISSING


def test_a_secret_others_can_read_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "device.key").chmod(0o644)
    assert run("--config", write(place, MICRO)) == errors.CONFIG
    assert "issuer[0].secret_file" in capsys.readouterr().err


def test_micro(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(place, MICRO)
    out = place / "plan.json"
    out.write_text("old")
    out.chmod(0o644)
    assert run("--config", file, "--micro", str(out), "--json") == errors.OK
    assert json.loads(capsys.readouterr().out)["micro"] == str(out)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert sorted(p.name for p in place.iterdir()) == ["device.key", "headgate.toml", "plan.json"]
    document: Any = core_json.loads(out.read_bytes().strip())
    secret = keys.load_hs256(place / "device.key").secret
    assert base64url.decode(document["issuers"][0]["keys"][0]["k"].encode()) == secret
    settings.take(document)
    plan = plans.build(document, None, fsync=False)
    assert plan.cache_bytes == 16384
    schema = plan.streams["weather"].schema
    good = b'{"station":"sea-01","ts":"2010-01-01T00:00:00Z","kind":"hourly","temp_f":39.4}'
    bad = b'{"station":"sea-01","ts":"2010-01-01T00:00:00Z","kind":"hourly","temp_f":39.45}'
    assert schema.is_valid(good)
    assert not schema.is_valid(bad)  # multipleOf 0.1 survived the way through JSON exactly


def test_micro_leaves_open_what_the_file_does_not_say(place: Path) -> None:
    """A board has smaller sizes than Linux; and it listens where the file says."""
    out = place / "plan.json"
    text = MICRO.replace("[cache]", '[listen]\nhttp = "192.0.2.1:9090"\n[cache]')
    assert run("--config", write(place, text), "--micro", str(out)) == errors.OK
    document: Any = core_json.loads(out.read_bytes().strip())
    found = settings.take(document)
    assert (found.host, found.port) == ("192.0.2.1", 9090)
    assert document["limits"]["connections"] == 8
    assert document["cache"]["value_limit"] == 2048
    assert document["streams"]["weather"]["body_limit"] == settings.STREAM_BODY


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ('[listen]\nhttp = ["0.0.0.0:80", "0.0.0.0:81"]\n', "listen.http: MicroPython listens on one address"),
        ('[listen]\nhttp = "0.0.0.0:0"\n', "listen: must be"),
        ('[cache]\nbytes = "1 MiB"\n', "cache.bytes: must be an integer from 1024 to 65536"),
        ('[cache]\nvalue_limit = "40 KiB"\n', "cache.value_limit: must be 32704 or less"),  # of a board's own bytes
    ],
)
def test_micro_refuses_what_a_board_would_not_do(
    place: Path, capsys: pytest.CaptureFixture[str], change: str, says: str
) -> None:
    write(place, MICRO.partition("[cache]")[0] + change)
    assert cli.main(["check", "--micro", str(place / "plan.json")]) == errors.CONFIG
    assert says in capsys.readouterr().err
    assert not (place / "plan.json").exists()


def test_micro_refuses_with_reasons(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(place, MICRO.replace('durability = "memory"', "") + '[uplink]\nurl = "mqtt://b"\n')
    assert run("--config", file, "--micro", str(place / "plan.json")) == errors.CONFIG
    err = capsys.readouterr().err.splitlines()
    assert err[0].startswith(f"{file}:7: streams.weather.durability: ")
    assert 'durability = "memory"' in err[0]
    assert err[1].startswith(f"{file}:14: uplink.url: ")
    assert not (place / "plan.json").exists()


def test_micro_refuses_eddsa(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("nacl")
    keys.create_pair(place / "fleet.key", seal=False)
    file = write(place, MICRO.replace('secret_file = "device.key"', 'public_keys = "fleet.pub"'))
    assert run("--config", file) == errors.OK
    assert run("--config", file, "--micro", str(place / "plan.json")) == errors.CONFIG
    assert f"{file}:6: issuer[0].public_keys: EdDSA is not available" in capsys.readouterr().err


def test_micro_that_cannot_be_written(place: Path) -> None:
    with pytest.raises(errors.CommandError) as caught:
        run("--config", write(place, MICRO), "--micro", str(place / "none" / "plan.json"))
    assert caught.value.code == errors.MISSING


def test_micro_without_a_key_yet(place: Path) -> None:
    (place / "device.key").unlink()
    with pytest.raises(errors.CommandError) as caught:
        run("--config", write(place, MICRO), "--micro", str(place / "plan.json"))
    assert caught.value.code == errors.MISSING
    assert not (place / "plan.json").exists()
