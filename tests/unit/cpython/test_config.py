"""headgate.toml: what is accepted, what is refused and how, and that documentation, defaults and rules agree."""

import os
from pathlib import Path
from typing import Any

import pytest

from headgate import _accel, limits
from headgate.errors import CONFIG, MISSING, STATE, CommandError
from headgate.linux import config as configuration
from headgate.linux import config_values as v
from headgate.linux import keys, native_gateway
from headgate.linux.config import Config, ConfigErrors, Finding
from headgate.linux.config_plan import micro_problems, plan_document, revoked_tokens
from headgate.linux.config_rules import SECTIONS, burst_of
from headgate.tasks import plan as plans

ROOT = Path(__file__).parents[3]
HERE = v.Context(Path("/etc/headgate"), Path("/var/lib/headgate"))
SECRET = b"0123456789abcdef0123456789abcdef"


class Place:
    """A directory with a configuration, a schema and a secret."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path / "headgate.toml"
        (path / "any.json").write_text("true")
        (path / "state").mkdir()
        self.environ = {"HEADGATE_STATE": str(path / "state"), "HOME": str(path)}

    def load(self, text: str) -> Config:
        self.file.write_text(text)
        return configuration.load(self.file, environ=self.environ)

    def errors(self, text: str) -> list[Finding]:
        with pytest.raises(ConfigErrors) as caught:
            self.load(text)
        assert caught.value.code == CONFIG
        return [f for f in caught.value.findings if f.severity == "error"]

    def warnings(self, text: str) -> dict[str, str]:
        return {f.key: f.message for f in self.load(text).warnings}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


# --- finding and reading --------------------------------------------------------------------------------------------


def test_search_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(configuration, "SYSTEM_FILE", tmp_path / "etc.toml")
    assert configuration.find(None, {}) is None
    (tmp_path / "etc.toml").touch()
    assert configuration.find(None, {}) == tmp_path / "etc.toml"
    (tmp_path / "headgate.toml").touch()
    assert configuration.find(None, {}) == Path("headgate.toml")
    assert configuration.find(None, {"HEADGATE_CONFIG": "/x"}) == Path("/x")
    assert configuration.find("y", {"HEADGATE_CONFIG": "/x"}) == Path("y")


def test_state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration, "SYSTEM_STATE", tmp_path / "lib" / "headgate")
    assert configuration.default_state_dir({"HEADGATE_STATE": "/s", "HOME": "/h"}) == Path("/s")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert configuration.default_state_dir({"HOME": "/h"}) == Path("/h/.local/state/headgate")  # parent is missing
    (tmp_path / "lib").mkdir()
    assert configuration.default_state_dir({"HOME": "/h"}) == tmp_path / "lib" / "headgate"
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert configuration.default_state_dir({"HOME": "/h"}) == Path("/h/.local/state/headgate")
    (tmp_path / "lib" / "headgate").mkdir()
    assert configuration.default_state_dir({"HOME": "/h"}) == tmp_path / "lib" / "headgate"
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(CommandError) as caught:
        configuration.default_state_dir({})
    assert caught.value.code == STATE


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CommandError) as caught:
        configuration.load(tmp_path / "none.toml", environ={})
    assert caught.value.code == MISSING
    assert not isinstance(caught.value, ConfigErrors)


def test_embedded_defaults_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(configuration, "SYSTEM_FILE", tmp_path / "etc.toml")
    config = configuration.load(environ={"HEADGATE_STATE": str(tmp_path)})
    assert config.file is None
    assert config.listen.http == (v.Address("0.0.0.0", 8080),)  # noqa: S104 - not bound
    assert config.issuers[0].secret_file == tmp_path / "keys" / "device.key"
    assert list(config.streams) == ["weather"]
    assert isinstance(config.schemas["weather"], dict)
    assert config.state_dir == tmp_path
    assert config.appliance_id == ""


def test_an_empty_file_has_the_same_defaults_without_issuer_and_stream(place: Place) -> None:
    config = place.load("")
    embedded = configuration.load(v.data_directory() / "default.toml", environ=place.environ)
    for section in ("listen", "cache", "redis", "outbox", "idempotency", "uplink", "watchdog"):
        assert getattr(config, section) == getattr(embedded, section), section
    assert {f.key for f in config.warnings} == {"issuer", "streams", "uplink.url"}


def test_state_dir_precedence(place: Place, tmp_path: Path) -> None:
    place.file.write_text('[appliance]\nstate_dir = "mine"\n')
    assert configuration.load(place.file, environ=place.environ).state_dir == tmp_path / "mine"
    assert configuration.load(place.file, state_dir=Path("/z"), environ=place.environ).state_dir == Path("/z")


# --- errors ---------------------------------------------------------------------------------------------------------

BAD = """\
[appliance]
id = "gate 1"
[lisen]
http = "x"
[listen]
http = ["0.0.0.0:8080", "127.0.0.1:8080"]
https = "0.0.0.0:8443"
tiemout = "5 s"
metrics = "opn"
[[issuer]]
audience = "a"
secret_file = "k"
[[issuer]]
name = "two"
[streams.a]
schema = "none.json"
rate = "10"
burst = 0
body_limit = "1 MiB"
topic = "x/{device}/#"
[streams."b c"]
[cache]
bytes = "1 KiB"
[outbox]
when_full = "drop_oldest"
batch_linger = "10"
[uplink]
mode = "sealed"
cert_file = "c.pem"
[watchdog]
stall = "20 s"
"""


def test_every_error_at_once_with_its_line(place: Place) -> None:
    found = [(f.line, f.key, f.suggestion) for f in place.errors(BAD)]
    assert found == [
        (2, "appliance.id", '"gate-1"'),
        (3, "lisen", "listen"),
        (5, "listen.tls_cert", ""),
        (5, "listen.tls_key", ""),
        (6, "listen.http[1]", ""),
        (8, "listen.tiemout", "idle_timeout"),
        (9, "listen.metrics", '"open"'),
        (10, "issuer[0].name", ""),
        (13, "issuer[1]", ""),
        (16, "streams.a.schema", ""),
        (17, "streams.a.rate", '"10/s"'),
        (18, "streams.a.burst", ""),
        (19, "streams.a.body_limit", ""),
        (20, "streams.a.topic", ""),
        (21, 'streams."b c"', "[streams.b-c]"),
        (22, "cache.value_limit", ""),
        (25, "outbox.when_full", '"drop-oldest"'),
        (26, "outbox.batch_linger", '"10 s"'),
        (27, "uplink.seal_to", ""),
        (27, "uplink.key_file", ""),
        (29, "uplink.cert_file", ""),
        (31, "watchdog.stall", ""),
    ]


def test_text_of_a_finding(place: Place) -> None:
    (finding,) = place.errors("[streams.x]\nschema='any.json'\nrtae = '1/s'\n")
    assert finding.text() == f"{place.file}:3: streams.x.rtae: unknown key (did you mean rate?)"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (b"[a\n", 1, "column 3"),
        (b"a = 1\nb = = 2\n", 2, "column 5"),
        (b'a = """', 1, "Unterminated"),
        (b"a = 1\nb = '\xff'\n", 2, "UTF-8"),
        (b"a = 1\na = 2\n", 2, "overwrite"),
        (b"a = " + b"[" * 20000, 0, "deeply"),
        (b"a = " + b"9" * 5000, 0, "too many digits"),
        (b"\xef\xbb\xbf[listen]\n", 1, "byte order mark"),
    ],
)
def test_syntax_errors_show_their_place(place: Place, text: bytes, line: int, words: str) -> None:
    place.file.write_bytes(text)
    with pytest.raises(ConfigErrors) as caught:
        configuration.load(place.file, environ=place.environ)
    (finding,) = caught.value.findings
    assert finding.line == line
    assert words in finding.message


def test_a_huge_file_is_refused(place: Place) -> None:
    place.file.write_bytes(b"#" * (configuration.FILE_MAX + 1))
    with pytest.raises(ConfigErrors):
        configuration.load(place.file, environ=place.environ)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("listen = 5", "listen"),
        ("[[listen]]", "listen"),
        ("issuer = 'x'", "issuer"),
        ("[issuer]\nname = 'x'", "issuer"),
        ("issuer = [1]", "issuer[0]"),
        ("streams = []", "streams"),
        ("streams.x = 1", "streams.x"),
        ("[streams.'']", 'streams.""'),
        ("[streams.'a/b']", 'streams."a/b"'),
        ("[listen]\nhttp = []", "listen.http"),
        ("[listen]\nhttp = '[::]:80'\nhttps = '[::1]:80'\ntls_cert='any.json'\ntls_key='any.json'", "listen.https"),
        ("[listen]\nmqtt = '0.0.0.0:8080'", "listen.mqtt"),
        ("[listen]\nmqtts = '0.0.0.0:8883'", "listen.tls_cert"),
        ("[listen]\nmqtt_connections = 0", "listen.mqtt_connections"),
        ("[listen]\nmqtt_keepalive = '0 s'", "listen.mqtt_keepalive"),
        ("[[issuer]]\nname='a'\npublic_keys='state'", "issuer[0].public_keys"),
        ("[[issuer]]\nname='a'\nsecret_file='k'\n[[issuer]]\nname='a'\nsecret_file='k'", "issuer[1].name"),
        ("[outbox]\nbytes='1 MiB'\nbatch_bytes='512 KiB'", "outbox.batch_bytes"),
        ("[outbox]\nbatch_bytes='32 KiB'\n[streams.a]\nschema='any.json'", "streams.a.body_limit"),
        ("[uplink]\nurl='mqtt://b'\nca_file='any.json'", "uplink.ca_file"),
        ("[uplink]\npassword_file='p'", "uplink.password_file"),
        ('[listen]\nmqtt = "a\\u0000b:1"', "listen.mqtt"),
        ("[streams.a]\nschema='/proc/self/mem'", "streams.a.schema"),  # it opens, and cannot be read
        (f"[[issuer]]\nname='a'\nsecret_file='{'k' * 300}'", "issuer[0].secret_file"),
    ],
)
def test_refused(place: Place, text: str, key: str) -> None:
    assert key in [f.key for f in place.errors(text)]


@pytest.mark.parametrize("value", ["'true'", "1", "'on'"])
def test_http2_is_a_switch(place: Place, value: str) -> None:
    (finding,) = place.errors(f"[listen]\nhttp2 = {value}\n")
    assert "must be true or false" in finding.message


def test_http2_needs_the_native_backend(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_accel, "BACKEND", "pure")
    (finding,) = place.errors("[listen]\nhttp2 = true\n")
    assert (finding.key, finding.line) == ("listen.http2", 2)
    assert "needs the native backend" in finding.message
    assert place.load("[listen]\nhttp2 = false\n").listen.http2 is False


def test_http2_needs_its_library(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_accel, "BACKEND", "native")
    monkeypatch.setattr(native_gateway, "http2_missing", lambda: "No module named 'headgate_native._http2'")
    (finding,) = place.errors("[listen]\nhttp2 = true\n")
    assert "built without HTTP/2" in finding.message
    monkeypatch.setattr(native_gateway, "http2_missing", lambda: "")
    assert place.load("[listen]\nhttp2 = true\n").listen.http2 is True


def test_different_addresses_on_one_port_are_fine(place: Place) -> None:
    config = place.load('[listen]\nhttp = ["127.0.0.1:80", "127.0.0.2:80", "[::]:80", "127.0.0.1:0", "127.0.0.1:0"]')
    assert len(config.listen.http) == 5


@pytest.mark.parametrize(
    ("mode", "fine"), [(0o600, True), (0o640, True), (0o644, False), (0o660, False), (0o604, False)]
)
def test_modes_of_secrets(place: Place, mode: int, fine: bool) -> None:
    secret = place.path / "pw"
    secret.write_text("secret")
    secret.chmod(mode)
    text = "[uplink]\nurl='mqtts://b'\nusername='u'\npassword_file='pw'\n"
    if fine:
        assert place.load(text).uplink.password_file == secret
    else:
        (finding,) = place.errors(text)
        assert "chmod 600" in finding.message


@pytest.mark.parametrize(
    ("schema", "pointer", "words"),
    [
        (b'{"type": "strin"}', "/type", ""),
        (b'{"properties": {"a": {"unheardOf": 1}}}', "/properties/a", "unheardOf"),
        (b'{"type": "string",\n "type": 1}', "", "line 2"),
        (b"{", "", "not JSON"),
        (b"\xff", "", "not JSON"),
    ],
)
def test_schema_errors_name_file_and_pointer(place: Place, schema: bytes, pointer: str, words: str) -> None:
    (place.path / "s.json").write_bytes(schema)
    (finding,) = place.errors("[streams.x]\nschema = 's.json'\n")
    assert finding.file == str(place.path / "s.json")
    assert finding.key.startswith(pointer)
    assert words in finding.message


def test_each_file_error_is_reported_beside_the_others(place: Place) -> None:
    (place.path / "s.json").write_text("[")
    found = place.errors("[streams.x]\nschema = 's.json'\nrate = 5\n[streams.y]\nschema = 'missing.json'\n")
    assert [Path(f.file).name for f in found] == ["headgate.toml", "headgate.toml", "s.json"]


def test_tls_files(place: Place) -> None:
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (place.path / name).write_text("x")
    (place.path / "key.pem").chmod(0o600)
    text = "[uplink]\nurl='mqtts://b'\nca_file='ca.pem'\ncert_file='cert.pem'\nkey_file='key.pem'\n"
    config = place.load(text + "[listen]\nhttps='0.0.0.0:8443'\ntls_cert='cert.pem'\ntls_key='key.pem'\n")
    assert config.listen.tls_key == place.path / "key.pem"
    assert {".".join(map(str, path)) for path, _ in micro_problems(config, {})} == {
        "appliance.id",
        "listen.https",
        "uplink.url",
    }


HTTPS = "[listen]\nhttps='0.0.0.0:8443'\ntls_cert='cert.pem'\ntls_key='key.pem'\n"
CA = "tls_client_ca='ca.pem'\n"
SCOPES = "tls_client_scopes=['publish:*', 'read:weather']\n"


@pytest.fixture
def tls_place(place: Place) -> Place:
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (place.path / name).write_text("x")
    (place.path / "key.pem").chmod(0o600)
    return place


@pytest.mark.parametrize(
    ("text", "auth", "scopes"),
    [
        (HTTPS, "none", []),
        (HTTPS + CA + SCOPES, "optional", ["publish:*", "read:weather"]),
        (HTTPS + CA + SCOPES + "tls_client_auth='required'", "required", ["publish:*", "read:weather"]),
        (HTTPS + CA + SCOPES + "tls_client_auth='none'", "none", []),
    ],
)
def test_client_certificates(tls_place: Place, text: str, auth: str, scopes: list[str]) -> None:
    config = tls_place.load(text)
    assert config.listen.client_auth == auth
    assert plan_document(config, {})["certificate_scopes"] == scopes


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (HTTPS + CA, "listen.tls_client_scopes"),  # nobody could do anything
        (HTTPS + SCOPES + "tls_client_auth='optional'", "listen.tls_client_ca"),
        (HTTPS + SCOPES + "tls_client_ca='absent.pem'", "listen.tls_client_ca"),
        (HTTPS + CA + "tls_client_scopes=['publish']", "listen.tls_client_scopes"),
        (HTTPS + CA + SCOPES + "tls_client_identity='CN'", "listen.tls_client_identity"),
        ("[listen]\n" + CA + SCOPES, "listen.https"),
    ],
)
def test_client_certificates_refused(tls_place: Place, text: str, key: str) -> None:
    assert [finding.key for finding in tls_place.errors(text)] == [key]


def test_mqtt(tls_place: Place) -> None:
    config = tls_place.load(HTTPS.replace("https", "mqtts") + "mqtt=['127.0.0.1:1883', '[::1]:1883']\n" + CA + SCOPES)
    listen = config.listen
    assert (listen.tls, listen.client_auth, len(listen.mqtt)) == (True, "optional", 2)
    assert (listen.mqtt_connections, listen.mqtt_keepalive_ms) == (1024, 1_200_000)
    assert {".".join(map(str, path)) for path, _ in micro_problems(config, {})} == {
        "appliance.id",
        "listen.mqtt",
        "listen.mqtts",
    }


def test_scopes_without_client_certificates_are_warned_of(tls_place: Place) -> None:
    assert "not asked for a certificate" in tls_place.warnings(HTTPS + SCOPES)["listen.tls_client_scopes"]


def test_one_key_twice(place: Place) -> None:
    pytest.importorskip("nacl")
    keys.create_pair(place.path / "a.key", seal=False)
    (finding,) = place.errors("[[issuer]]\nname='x'\npublic_keys=['a.pub', 'a.pub']\n")
    assert finding.key == "issuer[0].public_keys"
    assert "two keys have the id" in finding.message
    assert len(place.load("[[issuer]]\nname='x'\npublic_keys='a.pub'\n").issuers) == 1


def test_a_key_set(place: Place) -> None:
    jwks = place.path / "fleet.jwks"
    jwks.write_text('{"keys": [{"kty": "oct", "kid": "a", "k": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}]}')
    jwks.chmod(0o600)
    text = "[[issuer]]\nname='x'\njwks_file='fleet.jwks'\n"
    assert [key.kid for key in configuration.load_keys(place.load(text))["x"]] == ["a"]
    jwks.chmod(0o644)
    assert [f.key for f in place.errors(text)] == ["issuer[0].jwks_file"]


def test_revoked_tokens(place: Place) -> None:
    keys.ensure_hs256(place.path / "k")
    (place.path / "gone.txt").write_text("from-file\n\n  spaced \r\nlisted\n")
    text = "[[issuer]]\nname='x'\nsecret_file='k'\nrevoked=['listed', '\u00e9']\nrevoked_file='gone.txt'\n"
    config = place.load(text)
    assert revoked_tokens(config.issuers[0]) == ["listed", "\u00e9", "from-file", "spaced"]
    document: Any = plan_document(config, configuration.load_keys(config))
    assert document["issuers"][0]["revoked"] == ["listed", "\u00e9", "from-file", "spaced"]
    assert revoked_tokens(place.load("[[issuer]]\nname='x'\nsecret_file='k'\n").issuers[0]) == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot read"),
        (b"caf\xe9\n", "is not UTF-8"),
        (b"one\n" + bytes(20), "line 2 is no jti"),
        (b"x" * 257, "line 1 is no jti"),
        (b"x" * ((1 << 20) + 1), "bytes"),
        (b"".join(b"%d\n" % number for number in range(limits.REVOKED)), "has revoked 4097 tokens; 4096 are possible"),
    ],
)
def test_a_list_of_revoked_tokens_that_cannot_be_used(place: Place, content: "bytes | None", says: str) -> None:
    if content is not None:
        (place.path / "gone.txt").write_bytes(content)
    keys.ensure_hs256(place.path / "k")
    (finding,) = place.errors("[[issuer]]\nname='x'\nsecret_file='k'\nrevoked=['one']\nrevoked_file='gone.txt'\n")
    assert finding.key == "issuer[0].revoked_file"
    assert says in finding.message


def test_what_is_no_regular_file_is_not_waited_for(place: Place) -> None:
    os.mkfifo(place.path / "pipe")
    keys.ensure_hs256(place.path / "k")
    text = "[[issuer]]\nname='x'\nsecret_file='k'\nrevoked_file='pipe'\n[streams.x]\nschema='pipe'\n"
    text += "[uplink]\nurl='mqtts://b'\nca_file='pipe'\n"
    found = place.errors(text)
    assert [f.key for f in found] == ["issuer[0].revoked_file", "streams.x.schema", "uplink.ca_file"]
    assert all("not a regular file" in f.message for f in found)


def test_a_file_name_that_is_too_long_is_said(place: Place) -> None:
    (finding,) = place.errors(f"[[issuer]]\nname='x'\nsecret_file='{'k' * 300}'\n")
    assert (finding.line, finding.key) == (3, "issuer[0].secret_file")
    assert "too long" in finding.message


def test_a_byte_order_mark_hides_no_revoked_token(place: Place) -> None:
    """Editors of Windows put one there; it is no part of the first token's name."""
    keys.ensure_hs256(place.path / "k")
    (place.path / "gone.txt").write_bytes(b"\xef\xbb\xbffirst\r\nsecond\r\n")
    config = place.load("[[issuer]]\nname='x'\nsecret_file='k'\nrevoked_file='gone.txt'\n")
    assert revoked_tokens(config.issuers[0]) == ["first", "second"]


def test_a_huge_schema_is_refused(place: Place) -> None:
    (place.path / "s.json").write_bytes(b" " * ((1 << 20) + 1))
    (finding,) = place.errors("[streams.x]\nschema = 's.json'\n")
    assert "larger than 1 MiB" in finding.message


def test_an_endless_schema_is_refused(place: Place) -> None:
    (found,) = place.errors("[streams.x]\nschema = '/dev/zero'\n")
    assert "is not a regular file" in found.message
    with (place.path / "huge.json").open("wb") as file:
        file.truncate(1 << 40)  # bytes; all of it would not fit in memory
    (found,) = place.errors("[streams.x]\nschema = 'huge.json'\n")
    assert "larger than" in found.message


def test_password_without_a_user(place: Place) -> None:
    (place.path / "pw").write_text("x")
    (place.path / "pw").chmod(0o600)
    (finding,) = place.errors("[uplink]\nurl='mqtts://b'\npassword_file='pw'\n")
    assert finding.key == "uplink.username"


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        ("url='redis://a'\nusername='u'", "redis.password_file", "is needed with username"),
        ("url='redis://u:p@a'", "redis.url", "use redis.username and redis.password_file"),
        ("url='redis://a'\nca_file='any.json'", "redis.ca_file", "must start with rediss://"),
        ("url='rediss://a'\ncert_file='any.json'", "redis.key_file", "go together"),
        ("url='redis://a/0'", "redis.url", "is not a host"),
        ("url='valkey://a'", "redis.url", "is not redis or rediss"),
        ("url='redis://a'\ntimeout='0 s'", "redis.timeout", "1 ms to 1 s"),
        ("url='redis://a'\nnamespace='a:b'", "redis.namespace", "letters, digits"),
    ],
)
def test_a_second_level_that_cannot_be(place: Place, text: str, key: str, says: str) -> None:
    (finding,) = place.errors(f"[redis]\n{text}\n")
    assert finding.key == key
    assert says in finding.message


def test_a_second_level(place: Place) -> None:
    (place.path / "pw").write_text("secret\n")
    (place.path / "pw").chmod(0o600)
    config = place.load("[redis]\nurl='redis://cache'\npassword_file='pw'\n")
    assert str(config.redis.url) == "redis://cache:6379"
    assert "redis.url" in {f.key for f in config.warnings}, "the password goes in clear"
    (place.path / "pw").chmod(0o644)
    (finding,) = place.errors("[redis]\nurl='rediss://cache'\npassword_file='pw'\n")
    assert "chmod 600" in finding.message
    (finding,) = place.errors("[cache]\nbytes=0\nvalue_limit=1\n[redis]\nurl='redis://cache'\n")
    assert "no first level" in finding.message
    assert "redis.namespace" in place.warnings("[redis]\nnamespace='x'\n")


def test_warnings(place: Place) -> None:
    found = place.warnings(
        """
        [[issuer]]
        name = "a"
        secret_file = "missing"
        [streams.a]
        durability = "memory"
        topic = "t"
        [uplink]
        url = "mqtt://b"
        username = "u"
        """
    )
    assert set(found) == {
        "issuer[0].secret_file",
        "streams.a.schema",
        "streams.a.durability",
        "streams.a.topic",
        "uplink.username",
    }
    found = place.warnings(
        """
        [listen]
        tls_cert = "any.json"
        [streams.a]
        schema = "any.json"
        topic = "t"
        [streams.b]
        schema = "any.json"
        topic = "t"
        [uplink]
        mode = "json"
        topic = "x"
        seal_to = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        """
    )
    expected = {"issuer", "listen.tls_cert", "streams.a.topic", "streams.b.topic"}
    assert set(found) == expected | {"uplink.url", "uplink.topic", "uplink.seal_to"}


# --- plan -----------------------------------------------------------------------------------------------------------


def test_burst() -> None:
    stream = SECTIONS["streams"][0]
    assert burst_of(stream(name="a", rate_milli=10_000)) == 20
    assert burst_of(stream(name="a", rate_milli=17)) == 1
    assert burst_of(stream(name="a", burst=7)) == 7


def test_plan_document_builds(place: Place) -> None:
    from headgate.core.jwt import Key

    config = place.load(
        """
        [appliance]
        id = "gate-1"
        [[issuer]]
        name = "me"
        secret_file = "k"
        max_ttl = "1 h"
        clock_policy = "accept"
        [[issuer]]
        name = "nobody"
        secret_file = "missing"
        [streams.weather]
        schema = "builtin:weather"
        rate = "5/s"
        body_limit = "1 KiB"
        durability = "memory"
        cache_key = "/station"
        last_ttl = "1 h"
        [streams.any]
        [listen]
        connections = 5
        metrics = "scope"
        [cache]
        bytes = "32 KiB"
        value_limit = "2 KiB"
        entries = 9
        rate = "3/s"
        burst = 4
        """
    )
    document = plan_document(config, {"me": [Key("k1", "HS256", SECRET)]})
    issuers: Any = document["issuers"]
    assert [i["name"] for i in issuers] == ["me"]
    plan = plans.build(document)
    assert plan.appliance == "gate-1"
    assert plan.connections == 5
    assert not plan.metrics_open
    assert (plan.cache_bytes, plan.cache_value, plan.cache_entries) == (32768, 2048, 9)
    assert (plan.cache_rate_milli, plan.cache_burst) == (3000, 4)
    weather = plan.streams["weather"]
    assert not weather.schema.is_valid(b"null")
    assert (weather.rate_milli, weather.burst, weather.body_limit) == (5000, 10, 1024)
    assert not weather.durable
    assert weather.cache_key == ["station"]
    assert weather.last_ttl_ms == 3_600_000
    assert plan.streams["any"].schema.is_valid(b"null")
    assert plan.streams["any"].durable


def test_micro_problems(place: Place) -> None:
    (place.path / "pub").write_text("x")
    streams = "[streams.a]\nschema='any.json'\ndurability='memory'\n"
    assert [where for where, _ in micro_problems(place.load(streams), {})] == [("appliance", "id")]
    config = place.load("[appliance]\nid='gate-1'\n" + streams)
    assert micro_problems(config, {}) == []
    config = place.load(
        "[streams.a]\nschema='any.json'\n[uplink]\nurl='mqtt://b'\nmode='sealed'\nseal_to='" + "A" * 43 + "'"
    )
    problems = {".".join(map(str, path)): reason for path, reason in micro_problems(config, {})}
    assert set(problems) == {"appliance.id", "streams.a.durability", "uplink.url", "uplink.mode"}
    assert 'durability = "memory"' in problems["streams.a.durability"]
    config = place.load("[appliance]\nid='gate-1'\n[cache]\nsnapshot='5 min'\n" + streams)
    assert config.cache.snapshot_ms == 300_000
    assert [where for where, _ in micro_problems(config, {})] == [("cache", "snapshot")]


def test_defaults_respect_the_limits() -> None:
    assert limits.CACHE_VALUE <= limits.HTTP_BODY
    assert limits.BATCH_BYTES * 4 <= 256 * 1024 * 1024
