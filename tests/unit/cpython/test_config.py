"""headgate.toml: what is accepted, what is refused and how, and that documentation, defaults and rules agree."""

import json
import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate import limits
from headgate.errors import CONFIG, MISSING, STATE, CommandError
from headgate.linux import config as configuration
from headgate.linux import config_values as v
from headgate.linux.config import Config, ConfigErrors, Finding
from headgate.linux.config_plan import micro_problems, plan_document
from headgate.linux.config_rules import REQUIRED, SECTIONS, burst_of, rules_of
from headgate.tasks import plan as plans

ROOT = Path(__file__).parents[3]
HERE = v.Context(Path("/etc/headgate"), Path("/var/lib/headgate"))
SECRET = b"0123456789abcdef0123456789abcdef"
SECRET_FILE = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\n"


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


# --- values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "written", "expected"),
    [
        (v.size(0, 2**40), "64 KiB", 65536),
        (v.size(0, 2**40), "64KiB", 65536),
        (v.size(0, 2**40), "1.5 MiB", 1572864),
        (v.size(0, 2**40), "16 kB", 16000),
        (v.size(0, 2**40), 4096, 4096),
        (v.duration(0, 10**9), "500 ms", 500),
        (v.duration(0, 10**9), "1.5 s", 1500),
        (v.duration(0, 10**9), "24 h", 86_400_000),
        (v.duration(0, 10**9, unit_ms=1000), "5 min", 300),
        (v.duration(1000, 10**9, zero="any"), "0 s", 0),
        (v.rate(), "10/s", 10_000),
        (v.rate(), "600/min", 10_000),
        (v.rate(), "0.5 / s", 500),
        (v.rate(), "1/min", 17),
        (v.addresses(), "0.0.0.0:8080", (v.Address("0.0.0.0", 8080),)),
        (v.addresses(), ["[::1]:80", "gate.local:0"], (v.Address("::1", 80), v.Address("gate.local", 0))),
        (v.addresses(), [], ()),
        (v.broker(), "mqtt://broker", v.BrokerURL("broker", 1883, False)),
        (v.broker(), "mqtts://[fe80::1]/", v.BrokerURL("fe80::1", 8883, True)),
        (v.broker(), "mqtts://10.0.0.1:18883", v.BrokerURL("10.0.0.1", 18883, True)),
        (v.topic("appliance"), "a/{appliance}/ü", "a/{appliance}/ü"),
        (v.pointer(), "/a~1b/0", "/a~1b/0"),
        (v.path(), "x/y", Path("/etc/headgate/x/y")),
        (v.path(), "/x", Path("/x")),
        (v.path(), "{state}/keys/k", Path("/var/lib/headgate/keys/k")),
        (v.paths(), ["a", "/b"], (Path("/etc/headgate/a"), Path("/b"))),
        (v.public_key(), "A" * 43, bytes(32)),
        (v.public_key(), "_" * 42 + "8", b"\xff" * 32),
        (v.choice("open", "scope"), "scope", "scope"),
        (v.integer(1, 5), 5, 5),
        (v.name(), "gate-1.x_Y", "gate-1.x_Y"),
        (v.text(), "ü x", "ü x"),
    ],
)
def test_value(kind: v.Kind, written: object, expected: object) -> None:
    assert kind.read(written, HERE) == expected


@pytest.mark.parametrize(
    ("kind", "written", "suggestion"),
    [
        (v.size(0, 2**40), "64", '"64 KiB"'),
        (v.size(0, 2**40), "64 kib", '"64 KiB"'),
        (v.size(0, 2**40), "64 KB", '"64 kB"'),
        (v.size(0, 2**40), " 64 KiB", ""),
        (v.size(0, 2**40), "-1 B", ""),
        (v.size(0, 2**40), "0.5 B", ""),
        (v.size(0, 2**40), "٣ B", ""),
        (v.size(0, 2**40), "1e3 B", ""),
        (v.size(0, 2**40), True, ""),
        (v.size(0, 2**40), 1.5, ""),
        (v.size(0, 10), "11 B", ""),
        (v.duration(0, 10**9), 30, '"30 s"'),
        (v.duration(0, 10**9), "30 sec", '"30 s"'),
        (v.duration(0, 10**9), "30 m", '"30 min"'),
        (v.duration(0, 10**9), "1.5 ms", ""),
        (v.duration(0, 10**9, unit_ms=1000), "1500 ms", ""),
        (v.duration(1000, 10**9), "0 s", ""),
        (v.rate(), 10, '"10/s"'),
        (v.rate(), "10", '"10/s"'),
        (v.rate(), "10/minute", '"10/min"'),
        (v.rate(), "0/s", ""),
        (v.rate(), "1000000/s", ""),
        (v.rate(), "1/h", '"1/s"'),
        (v.rate(), "0.5/min", ""),
        (v.addresses(), 8080, ""),
        (v.addresses(), "8080", '"0.0.0.0:8080"'),
        (v.addresses(), "localhost", '"localhost:8080"'),
        (v.addresses(), ":8080", '"0.0.0.0:8080"'),
        (v.addresses(), "*:8080", '"0.0.0.0:8080"'),
        (v.addresses(), "::1:8080", '"[::1]:8080"'),
        (v.addresses(), "[127.0.0.1]:80", '"127.0.0.1:80"'),
        (v.addresses(), "1.2.3.4:65536", ""),
        (v.addresses(), "1.2.3.400:80", ""),
        (v.addresses(), "a b:80", ""),
        (v.addresses(), "x:٨٠", ""),
        (v.addresses(), ["1.1.1.1:1"] * 17, ""),
        (v.broker(), "broker.local", '"mqtt://broker.local"'),
        (v.broker(), "ssl://b:1", '"mqtts://b:1"'),
        (v.broker(), "tcp://b:1", '"mqtt://b:1"'),
        (v.broker(), "mqtt://u:p@b:1", '"mqtt://b:1"'),
        (v.broker(), "mqtt://b/topic", ""),
        (v.broker(), "mqtt://b:1?x=1", ""),
        (v.broker(), "mqtt://b:0", ""),
        (v.broker(), "mqtt://", ""),
        (v.broker(), "mqtt://::1", ""),
        (v.topic("appliance", "stream"), "a/{applience}", '"a/{appliance}"'),
        (v.topic("appliance"), "a/{xyzzy}", ""),
        (v.topic("appliance"), "a/{appliance", ""),
        (v.topic("appliance"), "a/+/b", ""),
        (v.topic("appliance"), "a/#", ""),
        (v.topic("appliance"), "$SYS/x", '"SYS/x"'),
        (v.topic("appliance"), "a\0b", ""),
        (v.topic("appliance"), "", ""),
        (v.topic("appliance"), "x" * 513, ""),
        (v.pointer(), "station", '"/station"'),
        (v.pointer(), "a.b", '"/a/b"'),
        (v.pointer(), "/a~2", ""),
        (v.path(), "", ""),
        (v.path(), 5, ""),
        (v.public_key(), "AAAA", ""),
        (v.public_key(), "*" * 43, ""),
        (v.choice("open", "scope"), "Scope", '"scope"'),
        (v.choice("open", "scope"), "xyz", ""),
        (v.choice("open", "scope"), True, ""),
        (v.integer(1, 5), 6, ""),
        (v.integer(1, 5), True, ""),
        (v.integer(1, 5), "5", ""),
        (v.integer(1, 5), 5.0, ""),
        (v.name(), "gate 1", '"gate-1"'),
        (v.name(), "x" * 65, f'"{"x" * 64}"'),
        (v.name(), "", ""),
        (v.text(), "a\nb", ""),
        (v.schema_path(), "builtin:wether", '"builtin:weather"'),
        (v.schema_path(), "builtin:", '"builtin:weather"'),
    ],
)
def test_refused_value(kind: v.Kind, written: object, suggestion: str) -> None:
    with pytest.raises(v.ValueOf) as caught:
        kind.read(written, HERE)
    assert caught.value.message
    assert caught.value.suggestion == suggestion


@given(st.text() | st.integers() | st.floats() | st.booleans() | st.lists(st.text(max_size=5), max_size=3))
def test_any_value_is_read_or_refused(value: object) -> None:
    for section, _ in SECTIONS.values():
        for _, rule in rules_of(section).values():
            try:
                rule.kind.read(value, HERE)
            except v.ValueOf as error:
                assert error.message


@given(st.integers(0, 2**45))
def test_sizes_and_durations_are_shown_as_they_are_read(number: int) -> None:
    assert v.size(0, 2**50).read(v.show_size(number), HERE) == number
    assert v.duration(0, 2**50).read(v.show_duration(number), HERE) == number


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
    assert config.listen.http == (v.Address("0.0.0.0", 8080),)
    assert config.issuers[0].secret_file == tmp_path / "keys" / "device.key"
    assert list(config.streams) == ["weather"]
    assert isinstance(config.schemas["weather"], dict)
    assert config.state_dir == tmp_path
    assert v.is_name(config.appliance_id)
    assert not config.needs_tls()
    assert config.client_id() == f"headgate-{config.appliance_id}"


def test_an_empty_file_has_the_same_defaults_without_issuer_and_stream(place: Place) -> None:
    config = place.load("")
    embedded = configuration.load(v.data_directory() / "default.toml", environ=place.environ)
    for section in ("listen", "cache", "outbox", "idempotency", "uplink", "watchdog"):
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
        (27, "uplink.key_file", ""),
        (27, "uplink.seal_to", ""),
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
        ("[[issuer]]\nname='a'\npublic_keys='state'", "issuer[0].public_keys"),
        ("[[issuer]]\nname='a'\nsecret_file='k'\n[[issuer]]\nname='a'\nsecret_file='k'", "issuer[1].name"),
        ("[outbox]\nbytes='1 MiB'\nbatch_bytes='512 KiB'", "outbox.batch_bytes"),
        ("[outbox]\nbatch_bytes='32 KiB'\n[streams.a]\nschema='any.json'", "streams.a.body_limit"),
        ("[uplink]\nurl='mqtt://b'\nca_file='any.json'", "uplink.ca_file"),
        ("[uplink]\npassword_file='p'", "uplink.password_file"),
    ],
)
def test_refused(place: Place, text: str, key: str) -> None:
    assert key in [f.key for f in place.errors(text)]


def test_different_addresses_on_one_port_are_fine(place: Place) -> None:
    config = place.load('[listen]\nhttp = ["127.0.0.1:80", "127.0.0.2:80", "[::]:80", "127.0.0.1:0", "127.0.0.1:0"]')
    assert len(config.listen.http) == 5


@pytest.mark.parametrize(("mode", "fine"), [(0o600, True), (0o640, True), (0o644, False), (0o660, False), (0o604, False)])
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


def test_warnings(place: Place) -> None:
    (place.path / "k").write_bytes(SECRET)
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


# --- rules, defaults, documentation ---------------------------------------------------------------------------------


def every_rule() -> list[Any]:
    return [
        pytest.param(section, repeated, rule, id=f"{section}.{rule.key}")
        for section, (kind, repeated) in SECTIONS.items()
        for _, rule in rules_of(kind).values()
    ]


def table_of(document: dict[str, Any], section: str, repeated: str) -> dict[str, Any]:
    found = document[section]
    if repeated == "array":
        return dict(found[0])
    return dict(next(iter(found.values()))) if repeated == "named" else dict(found)


@pytest.mark.parametrize(("section", "repeated", "rule"), every_rule())
def test_every_key_is_in_the_default_file(section: str, repeated: str, rule: Any) -> None:
    """With its default, or commented out as an example where there is none."""
    text = (v.data_directory() / "default.toml").read_text()
    table = table_of(tomllib.loads(text), section, repeated)
    if rule.key in table:
        if rule.default not in (None, REQUIRED) and (section, rule.key) != ("streams", "body_limit"):
            assert rule.kind.read(table[rule.key], HERE) == rule.kind.read(rule.default, HERE)
        return
    assert rule.default is None, "a key with a default must be shown"
    header = re.escape({"table": f"[{section}]", "array": f"[[{section}]]", "named": f"[{section}."}[repeated])
    body = re.split(r"\n\[", re.split(header, text, maxsplit=1)[1], maxsplit=1)[0]
    assert re.search(rf"^#{rule.key} = ", body, re.MULTILINE), "an optional key must be shown as an example"


def test_examples_in_the_default_file_are_valid() -> None:
    text = (v.data_directory() / "default.toml").read_text()
    document = tomllib.loads(re.sub(r"^#(?=[a-z_]+ = )", "", text, flags=re.MULTILINE))
    for section, (kind, repeated) in SECTIONS.items():
        rules = rules_of(kind)
        for key, value in table_of(document, section, repeated).items():
            if key != "seal_to":
                rules[key][1].kind.read(value, HERE)


@pytest.mark.parametrize(("section", "repeated", "rule"), every_rule())
def test_every_key_is_documented(section: str, repeated: str, rule: Any) -> None:
    """docs/configuration.md has a row `| key | type | default | meaning | at the limit |` in the section's table."""
    page = (ROOT / "docs" / "configuration.md").read_text()
    header = {"table": f"[{section}]", "array": f"[[{section}]]", "named": f"[{section}.NAME]"}[repeated]
    part = page.split(f"## `{header}`\n", 1)[1].split("\n## ", 1)[0]
    rows = {row.split("|")[1].strip(): row for row in part.splitlines() if row.startswith("| `")}
    assert rows[f"`{rule.key}`"] == row_of(rule)


def row_of(rule: Any) -> str:
    if rule.default is REQUIRED:
        default = "**required**"
    elif rule.default is None:
        default = "–"
    else:
        default = f"`{json.dumps(rule.default, ensure_ascii=False)}`"
    kind = rule.kind.label + (f"<br>{rule.kind.limits}" if rule.kind.limits else "")
    return f"| `{rule.key}` | {kind} | {default} | {rule.meaning} | {rule.at_limit or '–'} |"


def test_the_page_documents_no_other_keys() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `") and line.count(" | ") == 4]
    assert len(rows) == len(every_rule())


def test_every_exit_code_is_documented() -> None:
    from headgate.errors import EXIT_CODES

    page = (ROOT / "docs" / "exit-codes.md").read_text()
    for code, meaning in EXIT_CODES.items():
        assert f"| {code} | {meaning} |" in page


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
    assert weather.schema is not None
    assert (weather.rate_milli, weather.burst, weather.body_limit) == (5000, 10, 1024)
    assert not weather.durable
    assert weather.cache_key == ["station"]
    assert weather.last_ttl_ms == 3_600_000
    assert plan.streams["any"].schema is None
    assert plan.streams["any"].durable


def test_micro_problems(place: Place) -> None:
    (place.path / "pub").write_text("x")
    config = place.load("[streams.a]\nschema='any.json'\ndurability='memory'\n")
    assert micro_problems(config, {}) == []
    config = place.load("[streams.a]\nschema='any.json'\n[uplink]\nurl='mqtt://b'\nmode='sealed'\nseal_to='" + "A" * 43 + "'")
    problems = {".".join(map(str, path)): reason for path, reason in micro_problems(config, {})}
    assert set(problems) == {"streams.a.durability", "uplink.url", "uplink.mode"}
    assert 'durability = "memory"' in problems["streams.a.durability"]


def test_defaults_respect_the_limits() -> None:
    assert limits.CACHE_VALUE <= limits.HTTP_BODY
    assert limits.BATCH_BYTES * 4 <= 256 * 1024 * 1024
