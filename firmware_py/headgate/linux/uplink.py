"""The uplink: stored batches go to the broker, and leave the outbox when it has acknowledged every message of them.

What can go wrong, and what is done:

- no connection, or it breaks: batches on their way are given back and come again marked as replays; the next attempt
  waits, longer each time, with jitter, until a connection was stable for a while
- the broker accepts bytes and answers nothing (frozen): after `ack_ms` without any acknowledgement the connection ends
- the broker refuses a message (reason code >= 0x80: not authorized, format, ...): it stays stored, the others of its
  batch are done; it is offered again later, less often each time, and at each new connection; never dropped here
- quota exceeded (0x97): as above, and nothing is sent for a while
- larger than the broker's Maximum Packet Size: batches are split; a single message that is too large counts as refused
"""

import asyncio
import logging
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from headgate import limits
from headgate.linux.batch import BatchError
from headgate.linux.mqtt import (
    PACKET_TOO_LARGE,
    QUOTA_EXCEEDED,
    REASONS,
    REFUSED_FROM,
    Broker,
    BrokerError,
    Link,
    PublishProperties,
)
from headgate.linux.outbox import Outbox, StoredBatch
from headgate.linux.uplink_messages import STATUS, Envelope, Message, fill, rest_of, single

if TYPE_CHECKING:
    from aiomqtt import Will

    from headgate.linux.config_rules import Config

log = logging.getLogger("headgate.uplink")

_TOPIC_INVALID = 0x90
_LEAST_PACKET = 256  # bytes; a broker that finds less too large is not one to work with


@dataclass(frozen=True, slots=True, kw_only=True)
class UplinkConfig:
    """`topics`: template of each stream for mode "json"; `topic`: of batches; `status_topic`: retained "online" or
    "offline", empty for none; `seal_to`: the receiver's public key for mode "sealed". Times in ms."""

    broker: Broker
    client_id: str
    mode: str = "batch"
    topic: str = "headgate/{appliance}/batch"
    topics: Mapping[str, str] = field(default_factory=dict)
    status_topic: str = ""
    seal_to: bytes = b""
    inflight: int = limits.UPLINK_INFLIGHT
    ack_ms: int = limits.UPLINK_ACK_MS
    backoff_ms: int = limits.UPLINK_BACKOFF_MS
    backoff_max_ms: int = limits.UPLINK_BACKOFF_MAX_MS
    stable_ms: int = limits.UPLINK_STABLE_MS
    refused_ms: int = limits.UPLINK_REFUSED_MS
    refused_max_ms: int = limits.UPLINK_REFUSED_MAX_MS


def uplink_config(config: "Config") -> UplinkConfig:
    """Of a whole configuration; `uplink.url` must be set."""
    uplink = config.uplink
    if uplink.url is None:
        raise ValueError("no uplink is configured")
    broker = Broker(
        host=uplink.url.host,
        port=uplink.url.port,
        tls=uplink.url.tls,
        username=uplink.username,
        password_file=uplink.password_file,
        ca_file=uplink.ca_file,
        cert_file=uplink.cert_file,
        key_file=uplink.key_file,
        keepalive_s=uplink.keepalive_s,
        session_expiry_s=uplink.session_expiry_s,
    )
    return UplinkConfig(
        broker=broker,
        client_id=config.client_id(),
        mode=uplink.mode,
        topic=uplink.topic,
        topics={name: stream.topic for name, stream in config.streams.items()},
        seal_to=uplink.seal_to or b"",
        inflight=uplink.inflight,
        ack_ms=getattr(uplink, "ack_timeout_ms", limits.UPLINK_ACK_MS),
        backoff_max_ms=getattr(uplink, "backoff_max_ms", limits.UPLINK_BACKOFF_MAX_MS),
    )


class _Flight:
    """A batch on its way. `waiting`: messages without an answer; `refused`: their row ranges [first, last)."""

    __slots__ = ("complete", "lost", "refused", "stored", "waiting")

    def __init__(self, stored: StoredBatch) -> None:
        self.stored = stored
        self.waiting = 0
        self.complete = False  # all messages are published
        self.lost = False
        self.refused: list[tuple[int, int]] = []


class Uplink:
    """`await uplink.run()` until cancelled. One at a time for an outbox."""

    def __init__(
        self, outbox: Outbox, config: "UplinkConfig | Config", *, jitter: Callable[[], float] = random.random
    ) -> None:
        self._outbox = outbox
        self._config = config if isinstance(config, UplinkConfig) else uplink_config(config)
        self._jitter = jitter
        self._loop = asyncio.get_running_loop()
        self._link: Link | None = None
        self._connected_at: float | None = None
        self._attempts = 0  # since the last stable connection
        self._connections = 0
        self._last_error = ""
        self._published = 0
        self._refused = 0
        self._last_refusal = ""
        self._flights: set[_Flight] = set()
        self._waiting = 0
        self._answers = 0  # of any kind: the sign of life of a connection
        self._ack_timer: asyncio.TimerHandle | None = None
        self._refused_timer: asyncio.TimerHandle | None = None
        self._refused_ms = self._config.refused_ms
        self._refused_at = 0.0
        self._pause_until = 0.0
        self._learned_maximum = 0  # bytes of a packet, from a DISCONNECT with 0x95; 0: nothing learned
        self._sizes: dict[int, int] = {}  # of messages on their way, by a running number
        self._number = 0
        self._slots = asyncio.Semaphore(1)
        self._rooms = asyncio.Semaphore(limits.UPLINK_BATCHES)

    async def run(self) -> None:
        while True:
            started = self._loop.time()
            try:
                await self._connection()
            except BrokerError as error:
                self._failed(error, self._loop.time() - started)
            await asyncio.sleep(self._backoff_ms() / 1000)

    def stats(self) -> "dict[str, int | str | bool]":
        """`published`: MQTT messages acknowledged; `refused`: answered with a reason >= 0x80 (and kept); `in_flight`:
        published, not answered; `connections`: made so far."""
        return {
            "connected": self._connected_at is not None,
            "connections": self._connections,
            "attempts": self._attempts,
            "in_flight": self._waiting,
            "published": self._published,
            "refused": self._refused,
            "last_error": self._last_error,
            "last_refusal": self._last_refusal,
        }

    # -- the connection

    def _failed(self, error: BrokerError, lasted_s: float) -> None:
        if error.reason == PACKET_TOO_LARGE and self._sizes:
            self._learned_maximum = max(max(self._sizes.values()) - 1, _LEAST_PACKET)
        if lasted_s * 1000 >= self._config.stable_ms:
            self._attempts = 0
        self._attempts += 1
        text = str(error)
        if text != self._last_error or self._attempts == 1:
            log.warning("no connection to the broker: %s; trying again until it works", text)
        self._last_error = text

    def _backoff_ms(self) -> float:
        config = self._config
        ceiling = min(config.backoff_ms << min(self._attempts - 1, 16), config.backoff_max_ms)
        return ceiling * (0.5 + self._jitter() / 2)

    async def _connection(self) -> None:
        """One connection from its start to its end; raises BrokerError."""
        config = self._config
        link = Link(config.broker, config.client_id, will=self._will())
        try:
            await link.open()
            self._begin(link)
            feeder = self._loop.create_task(self._feed(link), name="uplink feed")
            try:
                ends: set[asyncio.Future[Any]] = {feeder, link.lost}
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                if not link.lost.done():
                    feeder.result()  # only ever an error
                raise link.lost.result()
            finally:
                feeder.cancel()
                await asyncio.gather(feeder, return_exceptions=True)
        except asyncio.CancelledError:
            if self._connected_at is not None:
                self._announce(link, "offline")
            raise
        finally:
            self._end(link)
            await link.close()

    def _begin(self, link: Link) -> None:
        self._link = link
        self._connected_at = self._loop.time()
        self._connections += 1
        self._slots = asyncio.Semaphore(min(self._config.inflight, link.inflight_limit))
        self._rooms = asyncio.Semaphore(limits.UPLINK_BATCHES)
        self._sizes.clear()
        self._pause_until = 0.0
        self._outbox.offer_deferred()  # it may be another broker, or the same with other rules
        self._announce(link, "online")
        broker = self._config.broker
        log.info("connected to %s:%d as %s", broker.host, broker.port, self._config.client_id)

    def _end(self, link: Link) -> None:
        """What was on its way may have arrived or not: it comes again, marked."""
        self._connected_at = None
        self._link = None
        for timer in (self._ack_timer, self._refused_timer):
            if timer is not None:
                timer.cancel()
        self._ack_timer = self._refused_timer = None
        flights, self._flights = self._flights, set()
        self._waiting = 0
        for flight in flights:
            flight.lost = True
            self._outbox.give_back(flight.stored)

    def _will(self) -> "Will | None":
        if not self._config.status_topic:
            return None
        import aiomqtt
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        properties = Properties(PacketTypes.WILLMESSAGE)  # type: ignore[no-untyped-call]
        properties.ContentType = STATUS
        return aiomqtt.Will(self._status_topic(), b"offline", 1, True, properties)

    def _status_topic(self) -> str:
        return fill(self._config.status_topic, appliance=self._outbox.appliance)

    def _announce(self, link: Link, word: str) -> None:
        if self._config.status_topic and not link.lost.done():
            link.publish_nowait(self._status_topic(), word.encode(), PublishProperties(STATUS, []), retain=True)

    # -- sending

    async def _feed(self, link: Link) -> None:
        while True:
            await self._rooms.acquire()
            stored = await self._outbox.next_batch()
            flight = _Flight(stored)
            self._flights.add(flight)
            try:
                for message in self._messages(link, stored):
                    await self._slots.acquire()
                    await self._paused()
                    self._publish(link, flight, message)
            except BatchError as error:
                # Its checksum was right, so it was stored like this. It stays where it is for somebody to look at.
                log.error("a stored batch cannot be read and is kept: %s", error)
                flight.refused = [(0, stored.records)]
            flight.complete = True
            if flight.waiting == 0:
                self._landed(flight)

    def _messages(self, link: Link, stored: StoredBatch) -> Iterator[Message]:
        config = self._config
        if config.mode == "json":
            return single(stored, config.topics)
        seal: Callable[[bytes], bytes] | None = None
        if config.mode == "sealed":
            from headgate.linux.seal import seal as seal_to

            seal = partial(seal_to, public_key=config.seal_to)
        topic = fill(config.topic, appliance=self._outbox.appliance)
        return Envelope(topic, stored.replay, seal, self._maximum(link)).messages(stored)

    def _maximum(self, link: Link) -> int:
        known = [size for size in (link.maximum_packet, self._learned_maximum) if size]
        return min(known, default=0)

    async def _paused(self) -> None:
        wait_s = self._pause_until - self._loop.time()
        if wait_s > 0:
            await asyncio.sleep(wait_s)

    def _publish(self, link: Link, flight: _Flight, message: Message) -> None:
        size = message.size()
        maximum = self._maximum(link)
        if maximum and size > maximum:  # the broker would close the connection: MQTT 5 section 3.2.2.3.6
            self._slots.release()
            self._refuse(flight, message, PACKET_TOO_LARGE)
            return
        try:
            future = link.publish_nowait(message.topic, message.payload, message.properties)
        except ValueError as error:
            self._slots.release()
            log.error("cannot publish to %r: %s", message.topic, error)
            self._refuse(flight, message, _TOPIC_INVALID)
            return
        except BaseException:
            self._slots.release()
            raise
        self._number += 1
        self._sizes[self._number] = size
        flight.waiting += 1
        self._waiting += 1
        # Bound to what the answer needs; the payload can go.
        future.add_done_callback(partial(self._answered, flight, message._replace(payload=b""), self._number))
        if self._ack_timer is None:
            self._watch(link)

    def _answered(self, flight: _Flight, message: Message, number: int, future: "asyncio.Future[int]") -> None:
        if flight.lost or future.cancelled() or future.exception() is not None:
            return  # the connection is over; _end gives the batch back
        self._sizes.pop(number, None)
        self._slots.release()
        self._answers += 1
        self._waiting -= 1
        flight.waiting -= 1
        code = future.result()
        if code >= REFUSED_FROM:
            self._refuse(flight, message, code)
        else:
            self._published += 1
        if flight.complete and flight.waiting == 0:
            self._landed(flight)

    def _landed(self, flight: _Flight) -> None:
        self._flights.discard(flight)
        self._rooms.release()
        if not flight.refused:
            self._outbox.delivered_soon(flight.stored)
        elif sum(last - first for first, last in flight.refused) >= flight.stored.records:
            self._outbox.defer(flight.stored)
        else:
            self._outbox.delivered_part_soon(flight.stored, rest_of(flight.stored, flight.refused))

    # -- a broker that does not answer

    def _watch(self, link: Link) -> None:
        answers = self._answers
        self._ack_timer = self._loop.call_later(self._config.ack_ms / 1000, self._check, link, answers)

    def _check(self, link: Link, answers: int) -> None:
        """Runs only while something waits for an answer: an idle uplink has no timer."""
        self._ack_timer = None
        if self._link is not link or self._waiting == 0:
            return
        if self._answers == answers:
            link.give_up(f"no acknowledgement in {self._config.ack_ms / 1000:g} s")
        else:
            self._watch(link)

    # -- a broker that refuses

    def _refuse(self, flight: _Flight, message: Message, code: int) -> None:
        flight.refused.append((message.first, message.last))
        self._refused += 1
        text = f"{message.topic}: {REASONS.get(code, 'refused')} (0x{code:02x})"
        if text != self._last_refusal:
            log.error("the broker refuses a message, it is kept and tried again: %s", text)
        self._last_refusal = text
        now = self._loop.time()
        if self._refused_timer is None:
            if now - self._refused_at > 2 * self._refused_ms / 1000:
                self._refused_ms = self._config.refused_ms
            self._refused_timer = self._loop.call_later(self._refused_ms / 1000, self._offer_refused)
        self._refused_at = now
        if code == QUOTA_EXCEEDED:
            self._pause_until = now + self._refused_ms / 1000

    def _offer_refused(self) -> None:
        self._refused_timer = None
        self._refused_ms = min(self._refused_ms * 2, self._config.refused_max_ms)
        self._refused_at = self._loop.time()
        self._outbox.offer_deferred()
