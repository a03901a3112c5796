"""The MQTT port: that what it overrides is still there, and its own small encoders."""

from __future__ import annotations

import inspect
import subprocess
import sys
from types import SimpleNamespace

import aiomqtt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import Client as PahoClient
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from headgate.linux.mqtt import Broker, Link, PublishProperties
from headgate.linux.uplink_messages import as_json, fill, level

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)

PRIVATE = {
    aiomqtt.Client: {
        "_client_connect": ["self"],
        "_misc_loop": ["self"],
        "_on_connect": ["self", "client", "userdata", "flags", "reason_code", "properties"],
        "_on_disconnect": ["self", "client", "userdata", "flags", "reason_code", "properties"],
        "_on_message": ["self", "client", "userdata", "message"],
        "_on_publish": ["self", "client", "userdata", "mid", "reason_code", "properties"],
        "_on_subscribe": ["self", "client", "userdata", "mid", "reason_codes", "properties"],
        "_on_unsubscribe": ["self", "client", "userdata", "mid", "reason_codes", "properties"],
        "_on_socket_close": ["self", "client", "userdata", "sock"],
        "_on_socket_open": ["self", "client", "userdata", "sock"],
        "_on_socket_register_write": ["self", "client", "userdata", "sock"],
    },
    PahoClient: {
        "_call_socket_register_write": ["self"],
        "_create_socket": ["self"],
        "_sock_close": ["self"],
        "_sock_recv": ["self", "bufsize"],
        "_sock_send": ["self", "buf"],
    },
}


@pytest.mark.parametrize(("owner", "name"), [(owner, name) for owner, names in PRIVATE.items() for name in names])
def test_the_private_names_we_override_exist_and_take_what_they_took(owner: type, name: str) -> None:
    assert list(inspect.signature(getattr(owner, name)).parameters) == PRIVATE[owner][name]


def test_the_private_attributes_we_read_exist() -> None:
    source = inspect.getsource(PahoClient)
    for name in (
        "_keepalive",
        "_last_msg_out",
        "_last_bytes_received",
        "_ping_t",
        "_sock",
        "_in_messages",
        "_out_packet",
    ):
        assert f"self.{name} = " in source or f"self.{name}: " in source, name
    source = inspect.getsource(aiomqtt.Client)
    for name in ("_connected", "_disconnected", "_misc_task", "_loop", "_client", "_pending_subscribes"):
        assert f"self.{name} = " in source or f"self.{name}: " in source, name
    assert '"to_process": len(packet)' in inspect.getsource(PahoClient._packet_queue).replace("'", '"')
    assert "packed_properties = properties.pack()" in inspect.getsource(PahoClient._send_publish)


class Socket:
    def __init__(self) -> None:
        self.sizes: list[int] = []

    def send(self, data: bytes) -> int:
        self.sizes.append(len(data))
        return len(data)


class TlsSocket(Socket):
    def pending(self) -> int:
        return 0


@pytest.mark.parametrize(
    ("kind", "size", "sent"),
    [(Socket, 1 << 20, 1 << 20), (TlsSocket, 100_000, 16_384), (TlsSocket, 100, 100), (TlsSocket, 1 << 20, 1 << 16)],
)
def test_tls_is_given_no_more_than_can_be_seen_to_be_taken(kind: type[Socket], size: int, sent: int) -> None:
    """It returns when it has handed on all of it, which takes a slow line minutes."""
    sock = kind()
    link = Link.__new__(Link)
    link._client, link._handed = SimpleNamespace(_sock=sock), 0  # type: ignore[assignment]
    assert link._sock_send(bytes(size)) == sent
    assert (sock.sizes, link._handed) == ([sent], sent)


@given(text, st.lists(st.tuples(text, text), max_size=5))
def test_properties_are_what_paho_would_pack(content_type: str, user: list[tuple[str, str]]) -> None:
    packed = PublishProperties(content_type, user).pack()
    properties = Properties(PacketTypes.PUBLISH)
    _, length = properties.unpack(packed)
    assert length == len(packed)
    assert properties.ContentType == content_type
    assert getattr(properties, "UserProperty", []) == user


def test_properties_that_mqtt_cannot_carry_are_made_to_fit() -> None:
    packed = PublishProperties("a\0b", [("k", "ü" * 40_000)]).pack()
    properties = Properties(PacketTypes.PUBLISH)
    properties.unpack(packed)
    assert properties.ContentType == "a\ufffdb"
    ((_, value),) = properties.UserProperty
    assert value == "ü" * 32_767


@pytest.mark.parametrize(
    ("raw", "safe"),
    [
        ("station-1", "station-1"),
        ("a/b", "a%2Fb"),
        ("#", "%23"),
        ("+", "%2B"),
        ("100%", "100%25"),
        ("a\0b\n", "a%00b%0A"),
        ("", "%00"),
        ("größe", "größe"),
    ],
)
def test_a_client_cannot_change_the_structure_of_a_topic(raw: str, safe: str) -> None:
    assert level(raw) == safe
    assert fill("h/{client}/x", client=raw) == f"h/{safe}/x"


def test_placeholders_are_filled_once() -> None:
    assert fill("{a}/{b}/{c}/{", a="{b}", b="1") == "{b}/1/{c}/{"


def test_cbor_becomes_json() -> None:
    import cbor2

    value = {"t": 21.5, "n": [1, None, True], "b": b"\xff\xfe", 3: cbor2.CBORTag(999, "x"), "i": float("inf")}
    kind, body = as_json("application/cbor", cbor2.dumps(value))
    assert kind == "application/json"
    assert body == b'{"t":21.5,"n":[1,null,true],"b":"__4","3":"x","i":null}'


@pytest.mark.parametrize("body", [b"\xff", b"\xa2\x01\x02\x61\x31\x03"])
def test_cbor_without_a_json_form_stays_cbor(body: bytes) -> None:
    assert as_json("application/cbor", body) == ("application/cbor", body)


def test_json_is_not_touched() -> None:
    assert as_json("application/json", b'{"t": 1.50}') == ("application/json", b'{"t": 1.50}')


def test_the_module_works_where_ssl_is_absent() -> None:
    """linux/lean.py keeps `ssl` out of an appliance without TLS; the port must not need it."""
    script = (
        "from headgate.linux import lean; assert lean.import_asyncio(); lean.import_mqtt(tls=False)\n"
        "import sys, headgate.linux.mqtt, headgate.linux.uplink\n"
        "assert 'ssl' not in sys.modules or not hasattr(sys.modules['ssl'], 'SSLContext')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_broker_defaults() -> None:
    assert Broker(host="x").keepalive_s >= 60
