"""MQTT 3.1.1 and 5 as a server reads and writes it that only takes messages: the packets of a publisher in, the answers
to them out.

Section numbers are those of MQTT 5.0; where 3.1.1 differs, it is said. `PacketReader` finds packets in bytes,
`parse_...` understand one, the functions at the end write answers. Nothing here decides what an answer means.
"""

from headgate.core import utf8

V311, V5 = 4, 5  # protocol levels, section 3.1.2.2

# Types, section 2.1.2
CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 1, 2, 3, 4, 8, 9
UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, AUTH = 10, 11, 12, 13, 14, 15
_FLAGS = {
    CONNECT: 0,
    SUBSCRIBE: 2,
    UNSUBSCRIBE: 2,
    PINGREQ: 0,
    DISCONNECT: 0,
    AUTH: 0,
}  # section 2.1.3; PUBLISH: its own

# Reason codes, section 2.4
SUCCESS = 0x00
WITH_WILL = 0x04  # a DISCONNECT that wants the will published
NO_SUBSCRIPTION = 0x11
UNSPECIFIED = 0x80
MALFORMED = 0x81
PROTOCOL_ERROR = 0x82
IMPLEMENTATION = 0x83
VERSION_NOT_SUPPORTED = 0x84
CLIENT_ID_REFUSED = 0x85
BAD_PASSWORD = 0x86
NOT_AUTHORIZED = 0x87
UNAVAILABLE = 0x88
BUSY = 0x89
SHUTTING_DOWN = 0x8B
BAD_METHOD = 0x8C
KEEP_ALIVE_TIMEOUT = 0x8D
TAKEN_OVER = 0x8E
TOPIC_REFUSED = 0x90
ALIAS_REFUSED = 0x94
TOO_LARGE = 0x95
QUOTA_EXCEEDED = 0x97
PAYLOAD_REFUSED = 0x99
QOS_NOT_SUPPORTED = 0x9B

# Return codes of a CONNACK in 3.1.1 (its section 3.2.2.3), by reason code
_RETURN_CODES = {
    SUCCESS: 0,
    VERSION_NOT_SUPPORTED: 1,
    CLIENT_ID_REFUSED: 2,
    BAD_PASSWORD: 4,
    NOT_AUTHORIZED: 5,
    BAD_METHOD: 5,
}
_SERVER_UNAVAILABLE = 3  # ... of all others

# Properties, section 2.2.2.2
PAYLOAD_FORMAT, MESSAGE_EXPIRY, CONTENT_TYPE, RESPONSE_TOPIC, CORRELATION = 0x01, 0x02, 0x03, 0x08, 0x09
SUBSCRIPTION_ID, SESSION_EXPIRY, ASSIGNED_CLIENT_ID, SERVER_KEEP_ALIVE = 0x0B, 0x11, 0x12, 0x13
METHOD, AUTH_DATA, REQUEST_PROBLEM, WILL_DELAY, REQUEST_RESPONSE = 0x15, 0x16, 0x17, 0x18, 0x19
REASON_STRING, RECEIVE_MAXIMUM, ALIAS_MAXIMUM, TOPIC_ALIAS, MAXIMUM_QOS = 0x1F, 0x21, 0x22, 0x23, 0x24
USER, MAXIMUM_PACKET, WILDCARDS, SUBSCRIPTION_IDS, SHARED = 0x26, 0x27, 0x28, 0x29, 0x2A

# How the value of a property is written
_BYTE, _TWO, _FOUR, _NUMBER, _BINARY, _TEXT, _PAIR = 1, 2, 4, 5, 6, 7, 8
_KINDS = {
    PAYLOAD_FORMAT: _BYTE,
    MESSAGE_EXPIRY: _FOUR,
    CONTENT_TYPE: _TEXT,
    RESPONSE_TOPIC: _TEXT,
    CORRELATION: _BINARY,
    SUBSCRIPTION_ID: _NUMBER,
    SESSION_EXPIRY: _FOUR,
    ASSIGNED_CLIENT_ID: _TEXT,
    SERVER_KEEP_ALIVE: _TWO,
    METHOD: _TEXT,
    AUTH_DATA: _BINARY,
    REQUEST_PROBLEM: _BYTE,
    WILL_DELAY: _FOUR,
    REQUEST_RESPONSE: _BYTE,
    REASON_STRING: _TEXT,
    RECEIVE_MAXIMUM: _TWO,
    ALIAS_MAXIMUM: _TWO,
    TOPIC_ALIAS: _TWO,
    MAXIMUM_QOS: _BYTE,
    USER: _PAIR,
    MAXIMUM_PACKET: _FOUR,
    WILDCARDS: _BYTE,
    SUBSCRIPTION_IDS: _BYTE,
    SHARED: _BYTE,
}
# Which may come with what a client sends
_OF_CONNECT = (SESSION_EXPIRY, METHOD, AUTH_DATA, REQUEST_PROBLEM, REQUEST_RESPONSE, RECEIVE_MAXIMUM, ALIAS_MAXIMUM,
               USER, MAXIMUM_PACKET)  # fmt: skip
_OF_PUBLISH = (PAYLOAD_FORMAT, MESSAGE_EXPIRY, CONTENT_TYPE, RESPONSE_TOPIC, CORRELATION, TOPIC_ALIAS, USER)
_OF_WILL = (PAYLOAD_FORMAT, MESSAGE_EXPIRY, CONTENT_TYPE, RESPONSE_TOPIC, CORRELATION, WILL_DELAY, USER)
_OF_SUBSCRIBE = (SUBSCRIPTION_ID, USER)
_OF_UNSUBSCRIBE = (USER,)
_OF_DISCONNECT = (SESSION_EXPIRY, REASON_STRING, USER)
_YES_OR_NO = (PAYLOAD_FORMAT, REQUEST_PROBLEM, REQUEST_RESPONSE)
_NOT_ZERO = (SUBSCRIPTION_ID, RECEIVE_MAXIMUM, MAXIMUM_PACKET)

_LENGTH_BYTES = 4  # of a variable byte integer at most, section 1.5.5
_TEXT_MAX = 65535  # bytes
NEED_DATA = None


class MqttError(Exception):
    """What ends the connection: `reason` for the DISCONNECT, `detail` for people."""

    def __init__(self, reason: int, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def malformed(detail: str) -> MqttError:
    return MqttError(MALFORMED, detail)


class PacketReader:
    """Bytes in, packets out: (first byte, what follows the length).

    `limit`: bytes of one packet, its header included; more is refused as soon as it is announced. `expected`: only
    packets of this type, 0: of any; another one is refused at its first byte. `shortest`: a length has to be written
    with as few bytes as it needs, as section 1.5.5 wants it; 3.1.1 does not say so, and there are devices that always
    use four. `overlong`: that of the last packet was not.
    """

    def __init__(self, limit: int, expected: int = 0) -> None:
        self.limit = limit
        self.expected = expected
        self.shortest = False
        self.overlong = False
        self._data = bytearray()
        self._at = 0  # of the next packet in it

    def feed(self, data: bytes) -> None:
        if self._at:
            self._data = self._data[self._at :]
            self._at = 0
        self._data += data

    def eof(self) -> None:
        """Nothing more will come: a packet that is not complete never will be."""

    @property
    def idle(self) -> bool:
        """There is no byte of another packet."""
        return self._at == len(self._data)

    def next(self) -> "tuple[int, bytes] | None":
        """The next packet, NEED_DATA until it is complete. Raises MqttError, again and again."""
        data = self._data
        at = self._at
        if at == len(data):
            return NEED_DATA
        first = data[at]
        if self.expected and first >> 4 != self.expected:
            raise MqttError(PROTOCOL_ERROR, "this packet may not come here")
        length = 0
        shift = 0
        while True:
            at += 1
            if at == len(data):
                return NEED_DATA
            length |= (data[at] & 0x7F) << shift
            shift += 7
            if data[at] < 0x80:  # noqa: PLR2004 - the top bit: another byte follows
                break
            if shift == 7 * _LENGTH_BYTES:
                raise malformed("a length of more than four bytes")
        overlong = shift > 7 and not data[at]  # noqa: PLR2004
        if overlong and self.shortest:
            raise malformed("a length with more bytes than it needs")
        start = at + 1
        if start - self._at + length > self.limit:
            raise MqttError(TOO_LARGE, f"more than {self.limit} bytes")
        if len(data) - start < length:
            return NEED_DATA
        self._at = start + length
        self.overlong = overlong
        return first, bytes(data[start : self._at])


class _Fields:
    """The fields of one packet, in order. Raises MqttError where they are cut or not what they must be."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self.data):
            raise malformed("it ends early")
        found = self.data[self.at : end]
        self.at = end
        return found

    def integer(self, size: int) -> int:
        value = 0
        for byte in self.take(size):
            value = value << 8 | byte
        return value

    def number(self) -> int:
        """A variable byte integer, section 1.5.5."""
        value = 0
        for place in range(_LENGTH_BYTES):
            byte = self.integer(1)
            value |= (byte & 0x7F) << 7 * place
            if byte < 0x80:  # noqa: PLR2004
                if place and not byte:
                    raise malformed("a number with more bytes than it needs")
                return value
        raise malformed("a number of more than four bytes")

    def binary(self) -> bytes:
        return self.take(self.integer(2))

    def text(self) -> str:
        """Section 1.5.4: UTF-8 without U+0000."""
        data = self.binary()
        try:
            text = utf8.decode(data)
        except ValueError:
            raise malformed("a text that is not UTF-8") from None
        if "\0" in text:
            raise malformed("U+0000 in a text")
        return text

    def value(self, kind: int) -> "int | bytes | str | tuple[str, str]":
        if kind <= _FOUR:
            return self.integer(kind)
        if kind == _NUMBER:
            return self.number()
        if kind == _BINARY:
            return self.binary()
        if kind == _TEXT:
            return self.text()
        name = self.text()
        return name, self.text()

    def properties(self, allowed: "tuple[int, ...]") -> "Properties":
        """Section 2.2.2."""
        found = Properties()
        end = self.number() + self.at
        if end > len(self.data):
            raise malformed("properties longer than their packet")
        while self.at < end:
            identifier = self.number()
            if identifier not in allowed:
                raise malformed(f"property 0x{identifier:02x} may not come here")
            value = self.value(_KINDS[identifier])
            if isinstance(value, tuple):
                found.pairs.append(value)
                continue
            if identifier in found.values:
                raise MqttError(PROTOCOL_ERROR, f"property 0x{identifier:02x} comes twice")
            if (identifier in _YES_OR_NO and value not in (0, 1)) or (identifier in _NOT_ZERO and not value):
                raise MqttError(PROTOCOL_ERROR, f"property 0x{identifier:02x} is out of range")
            found.values[identifier] = value
        if self.at != end:
            raise malformed("the last property is longer than all of them")
        return found

    def end(self) -> None:
        if self.at != len(self.data):
            raise malformed("more than belongs to it")


class Properties:
    """`pairs`: user properties in order; `values`: all others by identifier."""

    __slots__ = ("pairs", "values")

    def __init__(self) -> None:
        self.values: dict[int, int | bytes | str] = {}
        self.pairs: list[tuple[str, str]] = []

    def number(self, identifier: int, default: int) -> int:
        value = self.values.get(identifier, default)
        return value if isinstance(value, int) else default

    def user(self, name: str) -> "str | None":
        """All values of this name, joined as those of an HTTP field are (RFC 9110 section 5.3); None: there is none."""
        found = None
        for key, value in self.pairs:
            if key == name:
                found = value if found is None else found + ", " + value
        return found


class Message:
    """What a PUBLISH or a will brings. `packet_id`: 0 for QoS 0 and wills."""

    __slots__ = ("packet_id", "payload", "properties", "qos", "topic")

    def __init__(self, topic: str, payload: bytes, qos: int, packet_id: int, properties: Properties) -> None:
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.packet_id = packet_id
        self.properties = properties


class Connect:
    """`keep_alive_s` 0: none; `password` and `will`: None if there is none."""

    __slots__ = ("clean", "client_id", "keep_alive_s", "password", "properties", "version", "will")

    client_id: str
    version: int
    clean: bool
    keep_alive_s: int
    password: "bytes | None"
    properties: Properties
    will: "Message | None"


def check_flags(first: int) -> int:
    """-> the packet's type. Raises MqttError for one that no client may send here, and for wrong flags."""
    kind = first >> 4
    if kind == PUBLISH:
        return kind
    if kind not in _FLAGS:
        raise MqttError(PROTOCOL_ERROR, "this packet may not come here")
    if first & 0x0F != _FLAGS[kind]:
        raise malformed("wrong flags")
    return kind


def parse_connect(body: bytes) -> Connect:
    """Section 3.1. A version that is neither 3.1.1 nor 5: MqttError(VERSION_NOT_SUPPORTED)."""
    fields = _Fields(body)
    protocol = fields.binary()
    connect = Connect()
    connect.version = fields.integer(1)
    if protocol not in (b"MQTT", b"MQIsdp"):  # the latter: 3.1
        raise malformed("not MQTT")
    if protocol != b"MQTT" or connect.version not in (V311, V5):
        raise MqttError(VERSION_NOT_SUPPORTED, "only MQTT 3.1.1 and 5")
    five = connect.version == V5
    flags = fields.integer(1)
    will_qos = flags >> 3 & 3
    if flags & 1 or will_qos == 3 or (not flags & 4 and flags & 0x38):  # noqa: PLR2004
        raise malformed("wrong flags")
    if flags & 0xC0 == 0x40 and not five:  # noqa: PLR2004 - 3.1.1 section 3.1.2.9
        raise malformed("a password without a user name")
    connect.clean = bool(flags & 2)
    connect.keep_alive_s = fields.integer(2)
    connect.properties = fields.properties(_OF_CONNECT) if five else Properties()
    values = connect.properties.values
    if AUTH_DATA in values and METHOD not in values:
        raise MqttError(PROTOCOL_ERROR, "authentication data without a method")
    connect.client_id = fields.text()
    connect.will = None
    if flags & 4:
        properties = fields.properties(_OF_WILL) if five else Properties()
        topic = fields.text()
        connect.will = Message(topic, fields.binary(), will_qos, 0, properties)
    if flags & 0x80:
        fields.text()  # the user name: whoever has the token is its `sub`
    connect.password = fields.binary() if flags & 0x40 else None
    fields.end()
    return connect


def parse_publish(first: int, body: bytes, version: int) -> Message:
    """Section 3.3."""
    qos = first >> 1 & 3
    if qos == 3 or (first & 8 and not qos):  # noqa: PLR2004 - DUP belongs to what is sent again
        raise malformed("wrong flags")
    fields = _Fields(body)
    topic = fields.text()
    packet_id = fields.integer(2) if qos else 0
    if qos and not packet_id:
        raise MqttError(PROTOCOL_ERROR, "packet identifier 0")
    properties = fields.properties(_OF_PUBLISH) if version == V5 else Properties()
    if TOPIC_ALIAS in properties.values:  # our Topic Alias Maximum is 0, section 3.3.2.3.4
        raise MqttError(ALIAS_REFUSED, "topic aliases are not taken")
    if not topic:
        raise MqttError(PROTOCOL_ERROR, "no topic")
    return Message(topic, body[fields.at :], qos, packet_id, properties)


def parse_subscribe(body: bytes, version: int) -> "tuple[int, int]":
    """Section 3.8 -> (packet identifier, number of topic filters)."""
    return _filters(body, version, _OF_SUBSCRIBE, True)


def parse_unsubscribe(body: bytes, version: int) -> "tuple[int, int]":
    """Section 3.10 -> (packet identifier, number of topic filters)."""
    return _filters(body, version, _OF_UNSUBSCRIBE, False)


def _filters(body: bytes, version: int, allowed: "tuple[int, ...]", options: bool) -> "tuple[int, int]":
    fields = _Fields(body)
    packet_id = fields.integer(2)
    if not packet_id:
        raise MqttError(PROTOCOL_ERROR, "packet identifier 0")
    if version == V5:
        fields.properties(allowed)
    count = 0
    while fields.at < len(body):
        fields.text()
        if options:
            byte = fields.integer(1)
            if byte & 3 == 3 or byte & (0xC0 if version == V5 else 0xFC):  # noqa: PLR2004
                raise malformed("wrong subscription options")
        count += 1
    if not count:
        raise MqttError(PROTOCOL_ERROR, "no topic filter")
    return packet_id, count


def parse_disconnect(body: bytes, version: int) -> int:
    """Section 3.14 -> reason code."""
    if not body:
        return SUCCESS
    if version != V5:
        raise malformed("more than belongs to it")
    fields = _Fields(body)
    reason = fields.integer(1)
    if len(body) > 1:
        fields.properties(_OF_DISCONNECT)
    fields.end()
    return reason


# --- answers --------------------------------------------------------------------------------------------------------

PINGRESP_PACKET = b"\xd0\x00"


def _encoded(value: int) -> bytes:
    """A variable byte integer, section 1.5.5."""
    out = bytearray()
    while value > 0x7F:  # noqa: PLR2004
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _text(value: str) -> bytes:
    data = value.replace("\0", " ").encode()
    if len(data) > _TEXT_MAX:
        raise ValueError("a text of more than 65535 bytes")
    return len(data).to_bytes(2, "big") + data


def encode(identifier: int, value: "int | str | tuple[str, str]") -> bytes:
    """One property."""
    head = bytes((identifier,))
    if isinstance(value, tuple):
        return head + _text(value[0]) + _text(value[1])
    if isinstance(value, str):
        return head + _text(value)
    return head + value.to_bytes(_KINDS[identifier], "big")


def _packet(kind: int, body: bytes) -> bytes:
    return bytes((kind << 4,)) + _encoded(len(body)) + body


def connack(version: int, reason: int, properties: bytes = b"") -> bytes:
    """Section 3.2; there is never a session. 3.1.1: the return code that is nearest."""
    if version != V5:
        return _packet(CONNACK, bytes((0, _RETURN_CODES.get(reason, _SERVER_UNAVAILABLE))))
    return _packet(CONNACK, bytes((0, reason)) + _encoded(len(properties)) + properties)


def puback(packet_id: int, reason: int = SUCCESS, properties: bytes = b"") -> bytes:
    """Section 3.4. In 3.1.1 there is only the first form."""
    body = packet_id.to_bytes(2, "big")
    if reason or properties:
        body += bytes((reason,))
    if properties:
        body += _encoded(len(properties)) + properties
    return _packet(PUBACK, body)


def suback(version: int, packet_id: int, count: int) -> bytes:
    """Section 3.9: all filters are refused. In 3.1.1 the only way to say so is 0x80."""
    none = b"\x00" if version == V5 else b""
    reason = NOT_AUTHORIZED if version == V5 else UNSPECIFIED
    return _packet(SUBACK, packet_id.to_bytes(2, "big") + none + bytes((reason,)) * count)


def unsuback(version: int, packet_id: int, count: int) -> bytes:
    """Section 3.11: there was no such subscription. 3.1.1 says nothing of each."""
    each = b"\x00" + bytes((NO_SUBSCRIPTION,)) * count if version == V5 else b""
    return _packet(UNSUBACK, packet_id.to_bytes(2, "big") + each)


def disconnect(reason: int, properties: bytes = b"") -> bytes:
    """Section 3.14; version 5 only: a server of 3.1.1 just closes the connection."""
    body = bytes((reason,))
    if properties:
        body += _encoded(len(properties)) + properties
    return _packet(DISCONNECT, body)
