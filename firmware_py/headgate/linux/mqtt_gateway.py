"""Devices publish over MQTT: the gateway of tasks/ behind another protocol, publish side only.

A PUBLISH is a request: its topic is the path, the password of the CONNECT its bearer token, its properties are the
fields; tasks/streams.py judges it as it judges a POST. What has arrived on a connection is taken as one batch
(limits.MQTT_BATCH packets at most): stored in one commit, answered in one write, in order; until then nothing more is
read from it. So what one client can have in flight is bounded without being counted, and no message needs a task of
its own. There are no sessions, no subscriptions, and nothing is ever sent but answers. docs/wire.md has the contract.
"""

import asyncio
import gc
from typing import TYPE_CHECKING, Any

from headgate import limits
from headgate.core import mqtt_packets as mqtt
from headgate.core.mqtt_packets import NEED_DATA, V5, Connect, Message, MqttError, PacketReader
from headgate.core.problem import Problem
from headgate.tasks.access import accepted_type, authenticate
from headgate.tasks.connection import READ, Connection
from headgate.tasks.exchange import JSON, Exchange
from headgate.tasks.gateway import Gateway
from headgate.tasks.streams import CBOR, Intake, begin

if TYPE_CHECKING:
    from headgate.tasks.plan import Plan
    from headgate.tasks.sink import Ticket

TOPIC = "v1/streams/"  # followed by the stream's name

# Problem -> reason code of a PUBACK (section 3.4.2.1): by code, else by HTTP status.
_BY_CODE = {
    "bad_idempotency_key": mqtt.IMPLEMENTATION,
    "idempotency_key_reused": mqtt.IMPLEMENTATION,
    "outbox_full": mqtt.QUOTA_EXCEEDED,
}
_BY_STATUS = {
    400: mqtt.PAYLOAD_REFUSED,
    401: mqtt.NOT_AUTHORIZED,
    403: mqtt.NOT_AUTHORIZED,
    404: mqtt.TOPIC_REFUSED,
    413: mqtt.IMPLEMENTATION,
    415: mqtt.PAYLOAD_REFUSED,
    422: mqtt.PAYLOAD_REFUSED,
    429: mqtt.QUOTA_EXCEEDED,
}
_HOPELESS = (mqtt.IMPLEMENTATION, mqtt.PAYLOAD_REFUSED)  # the message itself is at fault, and would be for ever
_UNAUTHORIZED = 401


def reason_of(problem: Problem) -> int:
    return _BY_CODE.get(problem.code) or _BY_STATUS.get(problem.status, mqtt.UNSPECIFIED)


def retry_after_s(problem: Problem) -> int:
    """0: it does not say."""
    return next((int(value) for name, value in problem.headers if name.lower() == b"retry-after"), 0)


def explanation(problem: Problem) -> bytes:
    """A problem as properties: its code and what else a program may want as user properties, words as reason string."""
    found: list[tuple[str, str]] = [("problem", problem.code)]
    retry_s = retry_after_s(problem)
    if retry_s:
        found.append(("retry-after", str(retry_s)))
    found += [(name, str(value)) for name, value in (problem.extra or {}).items()]
    text = problem.detail or problem.title()
    if problem.errors:
        text = "{instance}: {message}".format(**problem.errors[0])
    return mqtt.encode(mqtt.REASON_STRING, text[: limits.MQTT_REASON]) + b"".join(
        mqtt.encode(mqtt.USER, pair) for pair in found
    )


class _Fields:
    """What a request has in its head."""

    __slots__ = ("_password", "_properties")

    def __init__(self, password: bytes | None, properties: mqtt.Properties) -> None:
        self._password = password
        self._properties = properties

    def header(self, name: bytes) -> bytes | None:
        if name == b"authorization":
            return None if self._password is None else b"Bearer " + self._password
        if name == b"content-type":
            found: object = self._properties.values.get(mqtt.CONTENT_TYPE, JSON)
        else:
            found = self._properties.user(name.decode())
        return found.encode() if isinstance(found, str) else found  # type: ignore[return-value]  # bytes or None


class _Request(Exchange):
    """A CONNECT or PUBLISH as the handlers of tasks/ see a request."""

    __slots__ = ()

    def __init__(self, connection: "MqttConnection", password: bytes | None, properties: mqtt.Properties) -> None:
        self._connection = connection
        self.gateway = connection.mqtt.main
        self.plan = self.gateway.plan
        self.request = _Fields(password, properties)  # type: ignore[assignment]  # has all that is asked of it


class _Taken:
    """A message on its way to the disk. `key`: of the last value."""

    __slots__ = ("intake", "key", "message", "ticket")

    def __init__(self, message: Message, intake: Intake, ticket: "Ticket", key: bytes) -> None:
        self.message = message
        self.intake = intake
        self.ticket = ticket
        self.key = key


_Answers = list[bytes | _Taken]  # in order; bytes: a packet that is finished


class MqttConnection(Connection):
    """One client. `version` 0: its CONNECT has not been accepted (yet)."""

    __slots__ = ("_explains", "_full", "_hello_by", "_most", "_packets", "_password", "_silence_ms", "_will", "_wish",
                 "key", "mqtt", "version")  # fmt: skip

    def __init__(self, gateway: "MqttGateway", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._packets = PacketReader(limits.MQTT_CONNECT, mqtt.CONNECT)
        super().__init__(gateway, reader, writer, self._packets)
        self.mqtt = gateway
        self.version = 0
        self._full = False  # there are too many connections, it is to be told
        self._wish = 0  # reason for which somebody wants it to end
        self._hello_by = gateway.now_ms() + gateway.plan.head_ms  # CONNECT has to be complete
        self._silence_ms = 0
        self._budget_ms = gateway.plan.body_ms
        self._password: bytes | None = None
        self.key = ""  # in the gateway's table of clients
        self._will: Message | None = None
        self._explains = True  # the client wants to know why
        self._most = 0  # bytes of a packet it takes; 0: any

    # -- its life

    async def run(self) -> None:
        try:
            await super().run()
        finally:
            await self._leave()

    async def refuse(self) -> None:
        self._full = True
        await self.run()

    def end(self, reason: int) -> None:
        """As soon as what it has sent is answered."""
        self._wish = reason
        if self.read_deadline:
            self.cancel(READ)

    async def _serve_one(self) -> bool:
        """One batch and its answers. True when the connection goes on."""
        answers: _Answers = []
        ending: MqttError | None = None
        try:
            taken = 0
            while taken < limits.MQTT_BATCH:
                packet = self._packets.next()
                if packet is NEED_DATA:
                    break
                taken += 1
                await self._take(packet[0], packet[1], answers)
            if not taken:
                return await self._more()
            self._budget_ms = self.gateway.plan.body_ms
        except MqttError as error:
            ending = error.with_traceback(None)  # its frames would hold it, and be garbage together with all they hold
        except (OSError, MemoryError):
            raise
        except Exception as error:
            self.gateway.report(error)
            ending = MqttError(mqtt.UNSPECIFIED, "a bug: please report it")
        ending = await self._send(answers) or ending
        if ending is None:
            return True
        if ending.reason:
            await self._say_why(ending)
        elif not self.version:
            await self._linger()  # so that the refusal arrives
        return False

    async def _more(self) -> bool:
        """Wait for more. False: nothing will come. Raises MqttError when it has to end."""
        packets, gateway = self._packets, self.gateway
        if self._wish or gateway.draining:
            raise MqttError(self._wish or mqtt.SHUTTING_DOWN, "")
        try:
            if not self.version:
                await self._receive(self._hello_by)
            elif packets.idle:
                await self._receive(gateway.now_ms() + self._silence_ms)
            else:
                await self.receive_body()
        except Problem:  # time is up, or `cancel` was called
            if self._wish or gateway.draining:
                raise MqttError(self._wish or mqtt.SHUTTING_DOWN, "") from None
            raise MqttError(mqtt.KEEP_ALIVE_TIMEOUT, "no packet in time") from None
        return not self.eof

    async def _say_why(self, ending: MqttError) -> None:
        """The last words: to 3.1.1, and before CONNECT, there are none."""
        self.mqtt.note(self.mqtt.ended, ending.reason)
        if self.version == V5:
            words = mqtt.encode(mqtt.REASON_STRING, ending.detail) if ending.detail else b""
            await self.write(mqtt.disconnect(ending.reason, self._as_far_as_it_fits(words)))
        await self._linger()

    async def _leave(self) -> None:
        """The will is published, as section 3.1.2.5 says, unless it is us who leave."""
        if self.mqtt.clients.get(self.key) is self:
            del self.mqtt.clients[self.key]
        will, self._will = self._will, None
        if will is None or self.gateway.draining:
            return
        answers: _Answers = []
        try:
            answers.append(self._judge(will))
        except Problem as problem:
            self.mqtt.main.counters.reject(problem.code)
            return
        await self._settle(answers)

    # -- packets

    async def _take(self, first: int, body: bytes, answers: _Answers) -> None:
        """Raises MqttError when the connection has to end; reason SUCCESS: without a word."""
        kind = mqtt.check_flags(first)
        version = self.version
        if kind == mqtt.PUBLISH:
            await self._publish(mqtt.parse_publish(first, body, version), answers)
        elif kind == mqtt.CONNECT:
            self._connect(body, answers)
        elif kind == mqtt.PINGREQ:
            if body:
                raise mqtt.malformed("more than belongs to it")
            answers.append(mqtt.PINGRESP_PACKET)
        elif kind == mqtt.SUBSCRIBE:
            answers.append(mqtt.suback(version, *mqtt.parse_subscribe(body, version)))
        elif kind == mqtt.UNSUBSCRIBE:
            answers.append(mqtt.unsuback(version, *mqtt.parse_unsubscribe(body, version)))
        elif kind == mqtt.DISCONNECT:
            if mqtt.parse_disconnect(body, version) == mqtt.SUCCESS:
                self._will = None
            raise MqttError(mqtt.SUCCESS, "the client leaves")
        else:
            raise MqttError(mqtt.PROTOCOL_ERROR, "this packet may not come here")

    def _connect(self, body: bytes, answers: _Answers) -> None:
        """Section 3.1.4. Raises MqttError(SUCCESS) when the client is not let in."""
        if self.version:
            raise MqttError(mqtt.PROTOCOL_ERROR, "a second CONNECT")
        version, properties = mqtt.V311, b""
        try:
            connect = mqtt.parse_connect(body)
            version = connect.version
            self._explains = bool(connect.properties.number(mqtt.REQUEST_PROBLEM, 1))
            self._most = connect.properties.number(mqtt.MAXIMUM_PACKET, 0)
            if version == V5 and self._packets.overlong:
                raise mqtt.malformed("a length with more bytes than it needs")
            client = self._admit(connect)
        except MqttError as error:
            reason, properties = error.reason, mqtt.encode(mqtt.REASON_STRING, error.detail)
        except Problem as problem:
            reason, properties = reason_of(problem), explanation(problem)
            if problem.code == "missing_token":
                reason = mqtt.BAD_PASSWORD
        else:
            self.mqtt.note(self.mqtt.connects, mqtt.SUCCESS)
            answers.append(mqtt.connack(version, mqtt.SUCCESS, self._enter(connect, client)))
            return
        self.mqtt.note(self.mqtt.connects, reason)
        if reason not in (mqtt.MALFORMED, mqtt.PROTOCOL_ERROR):  # who speaks no MQTT would not understand it
            answers.append(mqtt.connack(version, reason, self._as_far_as_it_fits(properties)))
        raise MqttError(mqtt.SUCCESS, "not let in")

    def _admit(self, connect: Connect) -> str:
        """-> whose token it is. Raises MqttError or Problem."""
        if self._full:
            raise MqttError(mqtt.BUSY, "too many connections")
        if self.gateway.draining:
            raise MqttError(mqtt.UNAVAILABLE, "shutting down")
        if mqtt.METHOD in connect.properties.values:
            raise MqttError(mqtt.BAD_METHOD, "no authentication but a token as password")
        if connect.will is not None and connect.will.qos > 1:
            raise MqttError(mqtt.QOS_NOT_SUPPORTED, "QoS 0 and 1 only")
        if len(connect.client_id) > limits.MQTT_CLIENT_ID or (
            not connect.client_id and not connect.clean and connect.version != V5
        ):
            raise MqttError(mqtt.CLIENT_ID_REFUSED, f"1 to {limits.MQTT_CLIENT_ID} characters")
        return authenticate(_Request(self, connect.password, connect.properties)).sub

    def _enter(self, connect: Connect, client: str) -> bytes:
        """-> the properties of its CONNACK."""
        gateway, given = self.mqtt, connect.properties
        self.version = connect.version
        self._password = connect.password
        self._will = connect.will
        packets = self._packets
        packets.expected, packets.shortest = 0, connect.version == V5
        packets.limit = limits.MQTT_HEAD + max((s.body_limit for s in gateway.main.plan.streams.values()), default=0)
        most_s = gateway.plan.idle_ms // 1000
        keep_alive_s = min(connect.keep_alive_s or most_s, most_s)
        self._silence_ms = keep_alive_s * 1500  # section 3.1.2.10: one and a half times as long
        words = [
            (mqtt.RECEIVE_MAXIMUM, limits.MQTT_BATCH),
            (mqtt.MAXIMUM_QOS, 1),
            (mqtt.MAXIMUM_PACKET, packets.limit),
            (mqtt.WILDCARDS, 0),
            (mqtt.SUBSCRIPTION_IDS, 0),
            (mqtt.SHARED, 0),
        ]
        if given.number(mqtt.SESSION_EXPIRY, 0):
            words.append((mqtt.SESSION_EXPIRY, 0))
        if keep_alive_s != connect.keep_alive_s:
            words.append((mqtt.SERVER_KEEP_ALIVE, keep_alive_s))
        said = b"".join(mqtt.encode(name, value) for name, value in words)
        if connect.client_id:
            gateway.enter(f"{client}\0{connect.client_id}", self)
        elif self.version == V5:
            said += mqtt.encode(mqtt.ASSIGNED_CLIENT_ID, gateway.next_name())
        return said

    # -- messages

    async def _publish(self, message: Message, answers: _Answers) -> None:
        """Judge it; who speaks 3.1.1 cannot be told to wait, and is made to: nothing is read meanwhile."""
        if message.qos > 1:
            raise MqttError(mqtt.QOS_NOT_SUPPORTED, "QoS 0 and 1 only")
        patience_s = limits.MQTT_PATIENCE_S
        while True:
            try:
                answers.append(self._judge(message))
                return
            except Problem as problem:
                wait_s = retry_after_s(problem)
                if self.version == V5 or not message.qos or not wait_s or self.gateway.draining or wait_s > patience_s:
                    self._refuse(problem, message, answers)
                    return
            except MemoryError:
                gc.collect()
                self._refuse(Problem(503, "out_of_memory"), message, answers)
                return
            ending = await self._send(answers)
            if ending is not None:
                raise ending
            patience_s -= wait_s
            await asyncio.sleep(wait_s)

    def _judge(self, message: Message) -> _Taken:
        """As a POST of one message: tasks/streams.py. Raises Problem."""
        if not message.topic.startswith(TOPIC):
            raise Problem(404, "not_found", f"the topic is {TOPIC}STREAM")
        request = _Request(self, self._password, message.properties)
        intake = begin(request, message.topic[len(TOPIC) :], True)
        intake.take_rate()
        intake.binary = accepted_type(request, (JSON, CBOR)) == CBOR
        if len(message.payload) > intake.limit:
            raise Problem(413, "body_too_large", f"this stream takes {intake.limit} bytes")
        ticket, key = intake.accept(message.payload, intake.key)
        assert ticket is not None  # noqa: S101 - for mypy: it is not for judging only
        return _Taken(message, intake, ticket, key)

    def _refuse(self, problem: Problem, message: Message, answers: _Answers) -> None:
        """Count it and say so where MQTT can. Raises MqttError where the connection has to end instead."""
        self.mqtt.main.counters.reject(problem.code)
        reason = reason_of(problem)
        self.mqtt.note(self.mqtt.published, reason)
        ends = problem.status == _UNAUTHORIZED  # whatever it sends now is in vain
        if message.qos:
            if self.version == V5:
                words = self._as_far_as_it_fits(explanation(problem)) if self._explains else b""
                answers.append(mqtt.puback(message.packet_id, reason, words))
            elif reason in _HOPELESS:
                answers.append(mqtt.puback(message.packet_id))
            else:
                ends = True
        if ends:
            raise MqttError(reason, problem.detail)

    def _as_far_as_it_fits(self, properties: bytes) -> bytes:
        """Nothing, if the client would not take such a packet (section 3.1.2.11.4)."""
        return b"" if self._most and len(properties) + limits.MQTT_ANSWER > self._most else properties

    async def _send(self, answers: _Answers) -> MqttError | None:
        """What was taken is stored, then answered in one write; `answers` is empty again. -> why it has to end."""
        finished, ending = await self._settle(answers)
        answers.clear()
        if finished:
            await self.write(b"".join(finished))
        return ending

    async def _settle(self, answers: _Answers) -> tuple[list[bytes], MqttError | None]:
        """The packets, once they are true; whatever ends the connection, what is stored is acknowledged before."""
        finished: _Answers = []
        ending: MqttError | None = None
        for one in answers:
            if isinstance(one, bytes):
                finished.append(one)
                continue
            try:
                receipt = await one.ticket.wait()
            except Problem as problem:
                try:
                    self._refuse(problem, one.message, finished)
                except MqttError as error:
                    ending = error
                continue
            one.intake.settle(receipt, one.key, one.message.payload)
            self.mqtt.note(self.mqtt.published, mqtt.SUCCESS)
            if one.message.qos and one.message.packet_id:
                finished.append(mqtt.puback(one.message.packet_id))
        return [one for one in finished if isinstance(one, bytes)], ending


class MqttGateway(Gateway):
    """Shares all parts of `main`, and counts its messages there; connections are its own. Of `plan` only `connections`,
    `idle_ms` (the longest keep alive), `head_ms` and `body_ms` are asked for.

    `clients`: by token and client id, for whoever connects anew while the old connection still looks open;
    `connects`, `published`, `ended`: CONNECTs, messages and ends by our will, by reason code.
    """

    connection = MqttConnection  # type: ignore[assignment]  # its gateway is this one

    def __init__(self, main: Gateway, plan: "Plan") -> None:
        super().__init__(
            plan,
            store=main.store,
            limiter=main.limiter,
            sink=main.sink,
            clock=main.clock,
            now_ms=main.now_ms,
            boot=main.boot,
            report=main.report,
        )
        self.main = main
        self.clients: dict[str, MqttConnection] = {}
        self.connects: dict[str, int] = {}
        self.published: dict[str, int] = {}
        self.ended: dict[str, int] = {}
        self._names = 0

    @staticmethod
    def note(counts: dict[str, int], reason: int) -> None:
        name = f"0x{reason:02x}"
        counts[name] = counts.get(name, 0) + 1

    def enter(self, key: str, connection: MqttConnection) -> None:
        """Section 3.1.4: a client that connects again is one; the older connection ends."""
        older = self.clients.get(key)
        self.clients[key] = connection
        connection.key = key
        if older is not None:
            older.end(mqtt.TAKEN_OVER)

    def next_name(self) -> str:
        """For who has none."""
        self._names += 1
        return f"headgate-{self.boot}-{self._names}"

    def stats(self) -> dict[str, Any]:
        """For /metrics."""
        counters = self.counters
        return {
            "connections": self.count(),
            "opened": counters.opened,
            "refused": counters.refused,
            "connects": self.connects,
            "publishes": self.published,
            "disconnects": self.ended,
        }
