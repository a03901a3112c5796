"""MQTT 5 behind a small port: publish, then await the broker's answer.

aiomqtt and paho-mqtt speak the protocol. This subclass of aiomqtt's client changes what would lose messages, wake an
idle appliance or cost memory; tests/unit/cpython/test_mqtt.py guards that the private names it relies on exist:

- the PUBACK's reason code is kept (aiomqtt drops it, so a refusal would look like success): `_on_publish`
- it sleeps until the keep-alive needs it, not for one second at a time: `_misc_loop`
- it connects without a thread and its memory: `_create_socket`, `_client_connect`
- it reads what the socket has in one call, paho asks byte by byte: `_sock_recv`, `_sock_send`, `_on_socket_open`.
  (paho without `ssl`, see linux/lean.py, would also stumble over its own `except ssl.…` there.)
- a publish is one future instead of an event, a task and a timer: `publish_nowait`
"""

import asyncio
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiomqtt
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from headgate import limits
from headgate.linux import dial

if TYPE_CHECKING:
    from paho.mqtt.client import Client as PahoClient
    from paho.mqtt.client import MQTTMessage
    from paho.mqtt.reasoncodes import ReasonCode
    from paho.mqtt.subscribeoptions import SubscribeOptions

# MQTT 5 section 2.4
REFUSED_FROM = 0x80  # this and above: not delivered
QUOTA_EXCEEDED = 0x97
PACKET_TOO_LARGE = 0x95
RETAIN_NOT_SUPPORTED = 0x9A
_TLS_RECORD = 16384  # bytes, RFC 8446 section 5.1
RECEIVE_MAXIMUM = 65535  # section 3.2.2.3.3: without the property
REASONS = {
    0x80: "unspecified error",
    0x83: "implementation specific error",
    0x87: "not authorized",
    0x90: "topic name invalid",
    0x91: "packet identifier in use",
    0x95: "packet too large",
    0x97: "quota exceeded",
    0x99: "payload format invalid",
}
# Ends that no message of ours is to blame for: server busy or shutting down, keep alive timeout, session taken over,
# administrative action, use another server, server moved, maximum connect time.
_BLAMELESS = frozenset((0x89, 0x8B, 0x8D, 0x8E, 0x98, 0x9C, 0x9D, 0xA0))
_READ = 65536  # bytes asked of the socket at a time
_PING_SLACK_S = 0.01  # so that a wake-up for the keep-alive finds it due


class BrokerError(Exception):
    """No connection, or none any more; `reason`: the broker's reason code, 0 when there is none."""

    def __init__(self, text: str, reason: int = 0) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """Where and as whom. `tls`: with the system's CAs, or those of `ca_file`; `password_file` is read at each
    connection and may end with a newline."""

    host: str
    port: int = 1883
    tls: bool = False
    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    keepalive_s: int = 60
    session_expiry_s: int = 86400
    connect_timeout_s: float = limits.UPLINK_CONNECT_MS / 1000


class PublishProperties:
    """The properties of a PUBLISH as bytes: paho only calls `pack`, its own class takes 50 us to fill and pack four."""

    __slots__ = ("_packed",)

    def __init__(self, content_type: str, user: "list[tuple[str, str]]") -> None:
        parts = [b"\x03", _text(content_type)]  # section 3.3.2.3.9
        for name, value in user:
            parts += (b"\x26", _text(name), _text(value))  # section 3.3.2.3.7
        body = b"".join(parts)
        self._packed = _variable_length(len(body)) + body

    def pack(self) -> bytes:
        return self._packed


def _text(value: str) -> bytes:
    """UTF-8 string with its length; cut where MQTT cannot carry more, U+0000 replaced (section 1.5.4)."""
    data = value.replace("\0", "\ufffd").encode("utf-8", "replace")
    if len(data) > 65535:  # noqa: PLR2004
        data = data[:65535].decode("utf-8", "ignore").encode()
    return len(data).to_bytes(2, "big") + data


def _variable_length(value: int) -> bytes:
    """Section 1.5.5."""
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        if value == 0:
            out.append(low)
            return bytes(out)
        out.append(low | 0x80)


class Link(aiomqtt.Client):
    """One connection. `await link.open()`, use, `await link.close()`; `lost` is done when it is over.

    `on_message`: called with each incoming paho message, in the loop; acknowledge it with `acknowledge`. Incoming
    messages are limited by `receive_maximum`, so that unacknowledged ones bound the memory. Over `packet_maximum` bytes
    of one packet (0: whatever MQTT allows), and when more packets for the broker wait than limits.UPLINK_UNSENT, the
    connection ends.
    """

    def __init__(  # noqa: PLR0913 - what a connection is made of
        self,
        broker: Broker,
        client_id: str,
        *,
        will: aiomqtt.Will | None = None,
        on_message: "Callable[[MQTTMessage], None] | None" = None,
        receive_maximum: int = 1,
        packet_maximum: int = 0,
    ) -> None:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = broker.session_expiry_s
        if packet_maximum:
            properties.MaximumPacketSize = packet_maximum
        properties.ReceiveMaximum = receive_maximum
        super().__init__(
            broker.host,
            broker.port,
            username=broker.username,
            password=_password(broker),
            identifier=client_id,
            protocol=aiomqtt.ProtocolVersion.V5,
            will=will,
            timeout=broker.connect_timeout_s,
            keepalive=broker.keepalive_s,
            clean_start=False,
            properties=properties,
        )
        self.broker = broker
        self.lost: asyncio.Future[BrokerError] = self._loop.create_future()
        self.inflight_limit = RECEIVE_MAXIMUM
        self.maximum_packet = 0  # bytes; 0: the broker names no limit
        self.session_present = False
        self.ended_by_broker = False  # a DISCONNECT or the end of the stream, and not a timeout or ourselves
        self._handler = on_message
        self._packet_maximum = packet_maximum
        self._receive_maximum = receive_maximum
        self._cause = ""  # how the socket failed, in its own words; paho's are "unspecified error"
        self._acks: dict[int, asyncio.Future[int]] = {}
        self._inbound = b""
        self._inbound_at = 0
        self._handed = 0  # bytes given to the socket
        paho = self._client
        paho.max_inflight_messages_set(0)  # we bound it ourselves; paho would walk all messages at each ack
        paho.disable_logger()
        paho.manual_ack_set(on_message is not None)
        paho._sock_recv = self._sock_recv  # type: ignore[method-assign,assignment]
        paho._sock_send = self._sock_send  # type: ignore[method-assign,assignment]

    # -- connection

    async def open(self) -> None:
        """Raises BrokerError: not reachable, TLS refused, CONNACK with a reason, or no answer in time."""
        try:
            async with asyncio.timeout(self.broker.connect_timeout_s):
                connection = await _connect(self.broker)
                self._client._create_socket = lambda: connection  # type: ignore[method-assign]
                self._client_connect()
                await self._connected
        except TimeoutError:
            self._drop()
            raise BrokerError(f"no answer in {self.broker.connect_timeout_s:g} s") from None
        except aiomqtt.MqttCodeError as error:
            self._drop()
            raise BrokerError(f"refused: {error}", _code(error.rc)) from None
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            self._drop()
            raise BrokerError(dial.reason_of(error)) from None
        except BaseException:
            self._drop()
            raise

    async def close(self) -> None:
        """DISCONNECT when the connection still works; never raises, never takes longer than a second."""
        if not self._disconnected.done():
            self._client.disconnect()
            try:
                async with asyncio.timeout(1):
                    await asyncio.wait([self._disconnected])
            except TimeoutError:
                pass
        self._drop()

    def give_up(self, reason: str) -> None:
        """End it here and now: whoever waits gets BrokerError(reason)."""
        self._over(BrokerError(reason))
        self._client._sock_close()

    def _drop(self) -> None:
        """Close the socket and fail whoever waits."""
        self._over(BrokerError("connection closed"))
        self._client._sock_close()
        if self._misc_task is not None:
            self._misc_task.cancel()
        for future in (self._connected, self._disconnected):
            if future.done() and not future.cancelled():
                future.exception()  # seen: reported through `lost`
            future.cancel()

    def _over(self, error: BrokerError) -> None:
        if not self.lost.done():
            self.lost.set_result(error)
        acks, self._acks = self._acks, {}
        for future in acks.values():
            if not future.done():
                future.set_exception(error)
                future.exception()  # not every publisher is still there to look

    def _on_connect(
        self,
        client: "PahoClient",
        userdata: Any,
        flags: Any,
        reason_code: "ReasonCode",
        properties: Properties | None = None,
    ) -> None:
        self.inflight_limit = getattr(properties, "ReceiveMaximum", RECEIVE_MAXIMUM)
        self.maximum_packet = getattr(properties, "MaximumPacketSize", 0)
        self.session_present = bool(flags.session_present)
        if self._misc_task is not None and not self._connected.done():
            # It sleeps for our keep-alive, and the broker's may be shorter (section 3.2.2.3.14).
            self._misc_task.cancel()
            self._misc_task = self._loop.create_task(self._misc_loop())
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(
        self,
        client: "PahoClient",
        userdata: Any,
        flags: Any,
        reason_code: "ReasonCode",
        properties: Properties | None = None,
    ) -> None:
        if not self._connected.done():
            error = (
                aiomqtt.MqttError(self._cause) if self._cause else aiomqtt.MqttCodeError(reason_code, "Disconnected")
            )
            self._connected.set_exception(error)
        super()._on_disconnect(client, userdata, flags, reason_code, properties)
        if not self.lost.done():
            self.ended_by_broker = _code(reason_code) not in _BLAMELESS
        self._over(BrokerError(self._cause or f"disconnected: {reason_code}", _code(reason_code)))

    async def _misc_loop(self) -> None:
        client = self._client
        before = self.queued()  # ... a PINGREQ that is sent now
        while client.loop_misc() == MQTTErrorCode.MQTT_ERR_SUCCESS:
            if client._keepalive == 0:
                return
            last = min(client._last_msg_out, client._last_bytes_received)
            if client._ping_t > 0:
                last = min(last, client._ping_t)
            taken = self.taken()
            await asyncio.sleep(max(last + client._keepalive - time.monotonic(), 0) + _PING_SLACK_S)
            if taken < min(self.taken(), before):  # a slow line: our PINGREQ waits behind what it goes on taking
                client._last_bytes_received = time.monotonic()
                client._ping_t = client._ping_t and client._last_bytes_received
            before = self.queued()

    # -- socket

    def _on_socket_open(self, client: "PahoClient", userdata: Any, sock: Any) -> None:
        """Called in the loop's thread here, not in an executor's."""

        later: asyncio.Handle | None = None  # another turn

        def readable() -> None:
            if later is None:
                read()

        def read() -> None:
            nonlocal later
            later = None
            until = self._loop.time() + limits.SERVER_TURN_US / 1e6
            try:
                while client.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS and self._more(sock):
                    if self._loop.time() >= until:  # thousands of small packets: others' turn
                        later = self._loop.call_soon(read)
                        return
            except Exception as error:  # a protocol violation that paho trips over
                self._broken(error)

        self._loop.add_reader(sock.fileno(), readable)
        self._misc_task = self._loop.create_task(self._misc_loop())

    def _on_socket_register_write(self, client: "PahoClient", userdata: Any, sock: Any) -> None:
        def writable() -> None:
            try:
                client.loop_write()
            except Exception as error:
                self._broken(error)

        self._loop.add_writer(sock.fileno(), writable)

    def _on_socket_close(self, client: "PahoClient", userdata: Any, sock: Any) -> None:
        if sock.fileno() > -1:
            self._loop.remove_reader(sock.fileno())
            self._loop.remove_writer(sock.fileno())
        if self._misc_task is not None and self._misc_task is not asyncio.current_task(self._loop):
            self._misc_task.cancel()

    def _broken(self, error: Exception) -> None:
        failure = BrokerError(f"{type(error).__name__}: {error}")
        if not self._connected.done():
            self._connected.set_exception(aiomqtt.MqttError(str(failure)))
        self._over(failure)
        self._client._sock_close()

    def _more(self, sock: Any) -> bool:
        return self._inbound_at < len(self._inbound) or (hasattr(sock, "pending") and sock.pending() > 0)

    def _sock_recv(self, size: int) -> bytes:
        """As paho expects: bytes, b"" at the end, or BlockingIOError."""
        paho = self._client
        if self._packet_maximum and size > self._packet_maximum:  # what is left of a packet
            self._cause = f"the broker sends a packet of more than {self._packet_maximum} bytes"
        elif len(paho._in_messages) > self._receive_maximum:  # of QoS 2, until they are released
            self._cause = f"the broker sends more than {self._receive_maximum} messages at a time"
        elif len(paho._out_packet) > limits.UPLINK_UNSENT:
            self._cause = "the broker sends without reading"
        if self._cause:
            raise ConnectionError(self._cause)
        if self._inbound_at >= len(self._inbound):
            self._inbound = self._recv(max(size, _READ))
            self._inbound_at = 0
            if len(self._inbound) <= size:
                data, self._inbound = self._inbound, b""
                return data
        data = self._inbound[self._inbound_at : self._inbound_at + size]
        self._inbound_at += len(data)
        if self._inbound_at == len(self._inbound):
            self._inbound, self._inbound_at = b"", 0
        return data

    def _recv(self, size: int) -> bytes:
        sock: Any = self._client._sock
        if sock is None:
            raise ConnectionError("closed")
        try:
            data = bytes(sock.recv(size))
        except BlockingIOError:
            raise
        except OSError as error:  # of TLS: both ways of wanting are subclasses of OSError
            if type(error).__name__ in ("SSLWantReadError", "SSLWantWriteError"):
                raise BlockingIOError from None
            self._cause = dial.reason_of(error)
            raise
        if not data:
            self._cause = "the broker closed the connection"
        return data

    def _sock_send(self, data: bytes) -> int:
        sock: Any = self._client._sock
        if sock is None:
            raise ConnectionError("closed")
        try:
            # TLS says nothing before it has all of what it is given; then a slow line could not be seen to take it.
            sent = int(sock.send(data[: max(_TLS_RECORD, len(data) // 16)] if hasattr(sock, "pending") else data))
            self._handed += sent
            return sent
        except OSError as error:
            if isinstance(error, BlockingIOError) or type(error).__name__ in ("SSLWantReadError", "SSLWantWriteError"):
                self._client._call_socket_register_write()
                raise BlockingIOError from None
            raise

    def queued(self) -> int:
        """Bytes published so far: those of the last message end here."""
        return self._handed + sum(packet["to_process"] for packet in list(self._client._out_packet))

    def taken(self) -> int:
        """... that the broker's side has taken: not what waits in our kernel for a slow line."""
        import fcntl
        import termios

        sock: Any = self._client._sock
        waiting = bytearray(4)
        try:
            fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, waiting)
        except (AttributeError, OSError, ValueError):  # there is no socket any more
            return self._handed
        return self._handed - int.from_bytes(waiting, sys.byteorder)

    # -- publish

    def publish_nowait(
        self, topic: str, payload: bytes, properties: PublishProperties | None = None, *, retain: bool = False
    ) -> "asyncio.Future[int]":
        """QoS 1. -> a future of the PUBACK's reason code; BrokerError when the connection ends before it comes.

        The caller keeps at most `inflight_limit` of them unresolved. Raises BrokerError when there is no connection,
        ValueError for a topic that cannot be published to.
        """
        if self.lost.done():
            raise self.lost.result()
        info = self._client.publish(topic, payload, 1, retain, properties)  # type: ignore[arg-type]
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise BrokerError(f"cannot publish: {MQTTErrorCode(info.rc).name}")
        future: asyncio.Future[int] = self._loop.create_future()
        self._acks[info.mid] = future
        return future

    def _on_publish(
        self, client: "PahoClient", userdata: Any, mid: int, reason_code: "ReasonCode", properties: Properties
    ) -> None:
        future = self._acks.pop(mid, None)
        if future is not None and not future.done():
            future.set_result(_code(reason_code))

    # -- subscribe

    async def subscribe_to(self, topic: str, options: "SubscribeOptions") -> int:
        """-> the SUBACK's reason code. Raises BrokerError."""
        try:
            codes = await self.subscribe(topic, options=options)
        except aiomqtt.MqttError as error:
            raise BrokerError(str(error)) from None
        return _code(codes[0])

    def _on_subscribe(self, client: "PahoClient", userdata: Any, mid: int, *rest: Any) -> None:
        if mid in self._pending_subscribes:  # else aiomqtt logs a traceback for each
            super()._on_subscribe(client, userdata, mid, *rest)

    def _on_unsubscribe(self, client: "PahoClient", userdata: Any, mid: int, *rest: Any) -> None:
        """Nothing is ever unsubscribed from."""

    def _on_message(self, client: "PahoClient", userdata: Any, message: "MQTTMessage") -> None:
        if self._handler is not None:
            self._handler(message)

    def acknowledge(self, message: "MQTTMessage") -> None:
        """PUBACK; to be sent in the order of arrival (section 4.6). Does nothing when the connection is over."""
        if not self.lost.done() and message.qos > 0:
            self._client.ack(message.mid, message.qos)


def _code(reason: Any) -> int:
    """Of a ReasonCode or a plain number (both occur in paho)."""
    value = getattr(reason, "value", reason)
    return value if isinstance(value, int) else 0


def _password(broker: Broker) -> str | None:
    try:
        return dial.read_password(broker.password_file)
    except dial.UnreadableError as error:
        raise BrokerError(str(error)) from None


async def _connect(broker: Broker) -> socket.socket:
    """A connected, non-blocking socket; over TLS, with the handshake done. Raises OSError, ValueError."""
    return await dial.connect(broker.host, broker.port, partial(_handshake, broker) if broker.tls else None)


async def _handshake(broker: Broker, plain: socket.socket) -> socket.socket:
    import ssl

    context = dial.client_context(broker.ca_file, broker.cert_file, broker.key_file)
    secure = context.wrap_socket(plain, server_hostname=broker.host, do_handshake_on_connect=False)
    try:
        while True:
            try:
                secure.do_handshake()
                return secure
            except ssl.SSLWantReadError:
                await _ready(secure, asyncio.get_running_loop().add_reader, asyncio.get_running_loop().remove_reader)
            except ssl.SSLWantWriteError:
                await _ready(secure, asyncio.get_running_loop().add_writer, asyncio.get_running_loop().remove_writer)
    except BaseException:
        secure.close()
        raise


async def _ready(sock: socket.socket, add: Callable[..., Any], remove: Callable[[int], Any]) -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def ring() -> None:
        if not future.done():
            future.set_result(None)

    add(sock.fileno(), ring)
    try:
        await future
    finally:
        remove(sock.fileno())
