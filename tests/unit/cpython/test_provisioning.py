"""The provisioning area: what the host writes is what the board reads; what is damaged or foreign is known."""

import hashlib
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from headgate import _accel, errors
from headgate.core import base64url
from headgate.errors import CommandError
from headgate.linux import ed25519, keys, provisioning
from headgate_host.flash import provision

KEY = base64url.encode(bytes(range(32))).decode()
DOCUMENT: dict[str, Any] = {
    "v": 1,
    "hostname": "gate-1",
    "time": 1764345600,
    "device": {"private_key": KEY, "public_key": KEY},
}
SCHEMA = Path(provisioning.__file__).parents[1] / "data" / "provisioning.json"


def refused(call: Any, *arguments: Any) -> CommandError:
    with pytest.raises(CommandError) as caught:
        call(*arguments)
    assert "\n" not in caught.value.line()
    return caught.value


# --- the record ------------------------------------------------------------------------------------------------------


def test_there_and_back() -> None:
    record = provisioning.encode(DOCUMENT)
    assert record.startswith(b"headgate-provisioning 1\n")
    for rest in (b"", bytes(5000), b"what was there before"):
        assert provisioning.decode(record + rest) == DOCUMENT


def test_nothing_there() -> None:
    assert provisioning.decode(b"") is None
    assert provisioning.decode(bytes(4096)) is None


def test_something_else_there() -> None:
    assert "something else" in refused(provisioning.decode, b"\xeb\x58\x90mkfs.fat").cause


def test_each_damaged_byte_is_noticed() -> None:
    record = provisioning.encode(DOCUMENT)
    for offset in range(len(record)):
        damaged = bytearray(record)
        damaged[offset] ^= 1
        assert refused(provisioning.decode, bytes(damaged)).code == errors.CONFIG


def test_each_cut_is_noticed() -> None:
    record = provisioning.encode(DOCUMENT)
    for length in range(1, len(record)):
        assert refused(provisioning.decode, record[:length]).code == errors.CONFIG


def test_a_length_that_lies() -> None:
    data = json.dumps(DOCUMENT).encode()
    digest = hashlib.sha256(data).hexdigest().encode()
    for length in (b"999999", b"9999999", b"0", b"-1", b"1e3"):
        refused(provisioning.decode, provisioning.FIRST_LINE + length + b" " + digest + b"\n" + data)
    too_much = json.dumps({**DOCUMENT, "x": "y" * 70000}).encode()
    head = b"%d %s\n" % (len(too_much), hashlib.sha256(too_much).hexdigest().encode())
    assert "at most 65536" in refused(provisioning.decode, provisioning.FIRST_LINE + head + too_much).cause


def test_from_a_partition_and_erased(tmp_path: Path) -> None:
    place = tmp_path / "provision"
    place.write_bytes(provisioning.encode(DOCUMENT).ljust(1 << 20, b"\0"))
    assert provisioning.read(place) == DOCUMENT
    provisioning.erase(place)
    assert place.read_bytes() == bytes(1 << 20)
    assert provisioning.read(place) is None
    small = tmp_path / "small"
    small.write_bytes(provisioning.encode(DOCUMENT))
    size = small.stat().st_size
    provisioning.erase(small)
    assert small.read_bytes() == bytes(size)
    assert refused(provisioning.read, tmp_path / "none").code == errors.MISSING


# --- the document ----------------------------------------------------------------------------------------------------

FULL: dict[str, Any] = {
    **DOCUMENT,
    "issuer": {"name": "fleet", "audience": "headgate", "public_key": KEY},
    "wifi": {"ssid": "works", "password": "eight or more", "country": "CH"},
    "ssh_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA me@here"],
    "ntp": ["time.example", "10.0.2.2", "2001:db8::7b", "::1"],
    "uplink": {"url": "mqtts://broker:8883", "username": "u", "password": "p", "mode": "sealed", "seal_to": KEY},
}
BAD: dict[str, dict[str, Any]] = {
    "another version": {"v": 2},
    "no name": {"hostname": ""},
    "a name with a dot": {"hostname": "gate.example"},
    "a name that starts with a hyphen": {"hostname": "-gate"},
    "a long name": {"hostname": "g" * 64},
    "capitals": {"hostname": "Gate"},
    "a short key": {"device": {"private_key": KEY[:-1], "public_key": KEY}},
    "no private key": {"device": {"public_key": KEY}},
    "time of 1970": {"time": 0},
    "unknown": {"colour": "green"},
    "short password": {"wifi": {"ssid": "x", "country": "CH", "password": "1234567"}},
    "no country": {"wifi": {"ssid": "x"}},
    "long ssid": {"wifi": {"ssid": "x" * 33, "country": "CH"}},
    "no broker": {"uplink": {"url": "http://broker"}},
    "a password in the url": {"uplink": {"url": "mqtt://me:secret@broker"}},
    "sealed to nobody": {"uplink": {"url": "mqtt://broker", "mode": "sealed"}},
    "two lines of a key": {"ssh_keys": ["ssh-ed25519 AAAA me\nssh-ed25519 BBBB you"]},
    "options before a key": {"ssh_keys": ['command="x" ssh-ed25519 AAAA']},
    "an old kind of key": {"ssh_keys": ["ssh-dss AAAA"]},
    "no time server": {"ntp": []},
    "two time servers in one": {"ntp": ["time.example other.example"]},
    "another line": {"ntp": ["time.example\nFallbackNTP=other.example"]},
    "an option": {"ntp": ["-time"]},
    "too many time servers": {"ntp": ["a", "b", "c", "d", "e"]},
}


def test_both_validators_agree() -> None:
    schema = json.loads(SCHEMA.read_bytes())
    jsonschema.Draft202012Validator.check_schema(schema)
    oracle = jsonschema.Draft202012Validator(schema)
    for good in (DOCUMENT, FULL, {**FULL, "uplink": {"url": "mqtt://broker"}}):
        assert oracle.is_valid(good)
        provisioning.check(json.dumps(good).encode())
    for label, change in BAD.items():
        assert not oracle.is_valid({**DOCUMENT, **change}), label
        assert refused(provisioning.encode, {**DOCUMENT, **change}).code == errors.CONFIG, label


def test_a_refusal_quotes_nothing() -> None:
    bad = {**DOCUMENT, "wifi": {"ssid": "x", "country": "CH", "password": "SECRET\n"}}
    assert "SECRET" not in refused(provisioning.encode, bad).line()


# --- the operator's file ---------------------------------------------------------------------------------------------


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def made(file: Path | None, hostname: str | None = None) -> dict[str, Any]:
    document = provisioning.decode(provision.make(file, hostname).record)
    assert document is not None
    return document


def test_without_a_file() -> None:
    own, other = provision.make(None, None), provision.make(None, None)
    assert own.public_key != other.public_key
    assert own.hostname == f"headgate-{own.serial}"
    document = provisioning.decode(own.record)
    assert document is not None
    seed = base64url.decode(document["device"]["private_key"].encode())
    assert ed25519.public_key(seed) == own.public_key


def test_the_file_of_the_documentation(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs/flash.md").read_text()
    text = page.split("```toml\n", 1)[1].split("```", 1)[0]
    settings = write(tmp_path / "fleet.toml", text.replace("AAAA…", "AAAA"))
    for name in ("wifi.txt", "uplink.txt"):
        write(tmp_path / name, "Secret-Word\n")
    for name in ("device-eddsa.pub", "seal.pub"):
        keys.write_key(tmp_path / name, ed25519.public_key(bytes(32)), private=False)
    document = made(settings, "gate-017")
    assert document["hostname"] == "gate-017"
    public = base64url.encode(ed25519.public_key(bytes(32))).decode()
    assert document["uplink"]["seal_to"] == document["issuer"]["public_key"] == public
    assert document["wifi"] == {"ssid": "works", "password": "Secret-Word", "country": "CH"}


@pytest.mark.parametrize(
    ("text", "mode", "cause"),
    [
        ('[wifi]\nssid = "x"\ncountry = "CH"\npassword = "SECRET-1"\n', 0o644, "others can read it"),
        ('[wifi]\nssid = "x"\ncountry = "CH"\npassword_file = "open.txt"\n', 0o600, "open.txt holds a password"),
        ('[wifi]\nssid = "x"\ncountry = "CH"\npassword_file = "none.txt"\n', 0o600, "No such file"),
        ('[wifi]\npassword = "SECRET-1', 0o600, "is not TOML"),
        ("hostname = 2026-01-01\n", 0o600, "neither text nor number"),
        ('hostname = "A"\n', 0o600, "/hostname"),
        ("v = 1\n", 0o600, "v is written by headgate flash itself"),
        ('[device]\nprivate_key = "x"\n', 0o600, "device is written by"),
        ("x" * 70000, 0o600, "more than 65536 bytes"),
        ("a." * 3000 + "b = 1\n", 0o600, "is not TOML"),
        ("a = " + "9" * 5000 + "\n", 0o600, "is not TOML"),
        ('wifi_file = "\\u0000"\n', 0o600, "is no name of a file"),
    ],
)
def test_bad_files(text: str, mode: int, cause: str, tmp_path: Path) -> None:
    write(tmp_path / "open.txt", "SECRET-1", 0o644)
    error = refused(provision.make, write(tmp_path / "fleet.toml", text, mode), None)
    assert error.code in (errors.CONFIG, errors.MISSING)
    assert cause in error.cause
    assert "SECRET" not in error.line()


@pytest.mark.parametrize(
    ("configuration", "schema", "cause"),
    [
        ("[streams.reading]\nschema = 1\n", "{}", "headgate.toml, streams.reading.schema"),
        ("x = [\n", "{}", "headgate.toml"),
        ('[streams.reading]\nschema = "schemas/reading.json"\n', '{"type":', "reading.json"),
        ('[streams.reading]\nschema = "schemas/redding.json"\n', "{}", "headgate.toml, streams.reading.schema"),
        ("uplink.retry = 1\n", "{}", "headgate.toml"),  # not seen to give way
        ('[streams.reading]\ncache_key = "station"\n', "{}", "headgate.toml, streams.reading.cache_key"),
        ('[streams.reading]\nschema = "schemas/reading.json"\n', '{"$ref": "/other"}', "reading.json, /$ref"),
        ('[streams.reading]\nmode = "plain /x"\n', "{}", "headgate.toml, streams.reading.mode"),
        ('[listen]\nhttp2 = "yes"\n', "{}", "headgate.toml, listen.http2"),
        ('[listen]\nhttps = "0.0.0.0:1"\n', "{}", "headgate.toml, listen.tls_cert"),
    ],
)
def test_a_board_that_would_not_start_is_not_made(configuration: str, schema: str, cause: str, tmp_path: Path) -> None:
    write(tmp_path / "c.toml", configuration)
    write(tmp_path / "reading.json", schema)
    text = 'config_file = "c.toml"\n[uplink]\nurl = "mqtt://broker"\n[schemas]\nreading_file = "reading.json"\n'
    error = refused(provision.make, write(tmp_path / "fleet.toml", text), None)
    assert error.code == errors.CONFIG
    assert f"the board would not start: {cause}" in error.cause


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ('[uplink]\nurl = "mqtt://broker:99999"\n', "uplink.url"),
        ('[uplink]\nurl = "mqtt://broker"\npassword = "SECRET-1"\n', "uplink.username"),
        (f'[uplink]\nurl = "mqtt://broker"\nmode = "sealed"\nseal_to = "{"A" * 42}B"\n', "uplink.seal_to"),
        (f'[issuer]\nname = "fleet"\npublic_key = "{"A" * 43}"\n', "issuer[0].public_keys"),
        (f'[issuer]\nname = "a\\nb"\npublic_key = "{KEY}"\n', "issuer[0].name"),
    ],
)
def test_nor_one_that_would_not_with_the_defaults(text: str, cause: str, tmp_path: Path) -> None:
    error = refused(provision.make, write(tmp_path / "fleet.toml", text), None)
    assert f"the board would not start: headgate.toml, {cause}" in error.cause
    assert "SECRET" not in error.line()


def test_a_network_whose_name_is_too_long_in_bytes(tmp_path: Path) -> None:
    """wpa_supplicant would refuse the whole file."""
    text = '[wifi]\nssid = "{}"\ncountry = "CH"\n'
    assert made(write(tmp_path / "fleet.toml", text.format("ü" * 16)))["wifi"]["ssid"] == "ü" * 16
    error = refused(provision.make, write(tmp_path / "fleet.toml", text.format("ü" * 16 + "x")), None)
    assert (error.code, "wifi.ssid has more than 32 bytes" in error.cause) == (errors.CONFIG, True)


@pytest.mark.parametrize(
    "text",
    [
        '[listen]\nhttps = "0.0.0.0:8443"\ntls_cert = "/data/x.pem"\ntls_key = "/data/x.key"\n',
        '[listen]\nhttps = "0.0.0.0:8443"\ntls_cert = "/etc"\ntls_key = "/etc/passwd"\n',  # here, they are others
        '[[issuer]]\nname = "fleet"\njwks_file = "/etc/hostname"\n',
        '[[issuer]]\nname = "fleet"\npublic_keys = ["{state}/keys/issuer.pub"]\n',
        "[listen]\nhttp2 = true\n",
    ],
)
def test_what_only_the_board_will_have(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_accel, "BACKEND", "pure")  # an image has the native one
    write(tmp_path / "c.toml", text)
    assert made(write(tmp_path / "fleet.toml", 'config_file = "c.toml"\n'))["config"] == text.strip()
