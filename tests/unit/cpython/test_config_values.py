"""Sizes, durations, rates, addresses, topics: what is read, what is refused, and what is suggested instead."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.linux import config_values as v
from headgate.linux.config_rules import SECTIONS

HERE = v.Context(Path("/etc/headgate"), Path("/var/lib/headgate"))


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
        (v.scopes(), "publish:*", ("publish:*",)),
        (v.scopes(), ["cache:read:a/b", "read:x"], ("cache:read:a/b", "read:x")),
        (v.scopes(), [], ()),
        (v.rate(), "10/s", 10_000),
        (v.rate(), "600/min", 10_000),
        (v.rate(), "0.5 / s", 500),
        (v.rate(), "1/min", 17),
        (v.addresses(), "0.0.0.0:8080", (v.Address("0.0.0.0", 8080),)),  # noqa: S104 - not bound
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
        (v.switch(), True, True),
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
        (v.scopes(), "publish", ""),
        (v.scopes(), ["publish:a b"], ""),
        (v.scopes(), [":x"], ""),
        (v.scopes(), ["a:" + "x" * 127], ""),
        (v.scopes(), ["a:b"] * 33, ""),
        (v.scopes(), [7], ""),
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
        (v.path(), "~/x", ""),
        (v.public_key(), "AAAA", ""),
        (v.public_key(), "*" * 43, ""),
        (v.choice("open", "scope"), "Scope", '"scope"'),
        (v.choice("open", "scope"), "xyz", ""),
        (v.choice("open", "scope"), True, ""),
        (v.integer(1, 5), 6, ""),
        (v.switch(), 1, ""),
        (v.switch(), "true", ""),
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


@pytest.mark.parametrize("value", [1 << 20000, -(1 << 20000)], ids=["large", "small"])
def test_a_number_that_python_does_not_print(value: int) -> None:
    """TOML's 0x… may have any length, and str() of one of more than 4300 digits is a ValueError."""
    for kind in (v.integer(1, 5), v.size(1, 5), v.duration(1, 5), v.rate(), v.text(), v.choice("a"), v.path()):
        with pytest.raises(v.ValueOf):
            kind.read(value, HERE)


@given(st.text() | st.integers() | st.floats() | st.booleans() | st.lists(st.text(max_size=5), max_size=3))
def test_any_value_is_read_or_refused(value: object) -> None:
    for section, _ in SECTIONS.values():
        for _, rule in section.RULES.values():
            with contextlib.suppress(v.ValueOf):  # nothing else may come
                rule.kind.read(value, HERE)


@given(st.integers(0, 2**45))
def test_sizes_and_durations_are_shown_as_they_are_read(number: int) -> None:
    assert v.size(0, 2**50).read(v.show_size(number), HERE) == number
    assert v.duration(0, 2**50).read(v.show_duration(number), HERE) == number
