"""The uplink: stored batches go to the broker, and leave the outbox when it has acknowledged every message of them.

What can go wrong, and what is done:

- no connection, or it breaks: what was on its way is given back and comes again marked as a replay; the next attempt
  waits, longer each time, with jitter, until a connection was stable for a while
- the broker accepts bytes and answers nothing (frozen), or never the oldest message (its acknowledgement is lost:
  brokers send them in order, as a rule): after `ack_ms` the connection ends, unless a slow line is still taking it
- the broker refuses a message (reason code >= 0x80: not authorized, format, ...): it stays stored, the others of its
  batch are done; it is offered again later, less often each time; never dropped here
- the broker disconnects at a message instead of answering (mosquitto 2.0.11 with `max_queued_messages 0` does when it
  refuses one): a message that was the first without an answer at three disconnections counts as refused, so the others
  get through
- quota exceeded (0x97): as above, and nothing is sent for a while
- larger than the broker's Maximum Packet Size: batches are split; a single message that is too large counts as refused
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from headgate import limits
from headgate.linux import dial
from headgate.linux.batch import BatchError
from headgate.linux.mqtt import (
    PACKET_TOO_LARGE,
    QUOTA_EXCEEDED,
    REASONS,
    REFUSED_FROM,
    RETAIN_NOT_SUPPORTED,
    Broker,
    BrokerError,
    Link,
    PublishProperties,
)
from headgate.linux.outbox import Outbox, StoredBatch
from headgate.linux.uplink_messages import STATUS, Envelope, Message, fill, indexes_of, numbers_of, single, without

if TYPE_CHECKING:
    from aiomqtt import Will

    from headgate.linux.config_rules import Config

log = logging.getLogger("headgate.uplink")

_TOPIC_INVALID = 0x90
_STRIKES = 3  # disconnections at the same message
_LEARNED_S = 3600.0  # a size is tried again so long after: to learn it anew may take many disconnections
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
        status_topic=uplink.status_topic or "",
        topic=uplink.topic,
        topics={name: stream.topic for name, stream in config.streams.items()},
        seal_to=uplink.seal_to or b"",
        inflight=uplink.inflight,
        ack_ms=uplink.ack_timeout_ms,
        backoff_max_ms=uplink.backoff_max_ms,
    )


class _Flight:
    """A batch on its way. `waiting`: number of messages without an answer; `unanswered`, `done` (acknowledged),
    `refused`: row ranges [first, last) of messages."""

    __slots__ = ("complete", "done", "lost", "refused", "stored", "unanswered", "waiting")

    def __init__(self, stored: StoredBatch) -> None:
        self.stored = stored
        self.waiting = 0
        self.complete = False  # all messages are published
        self.lost = False
        self.done: list[tuple[int, int]] = []
        self.unanswered: set[tuple[int, int]] = set()
        self.refused: list[tuple[int, int]] = []


class Uplink:
    """`await uplink.run()` until cancelled. One at a time for an outbox."""

    def __init__(
        self, outbox: Outbox, config: "UplinkConfig | Config", *, jitter: Callable[[], float] = dial.jitter
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
        self._ack_timer: asyncio.TimerHandle | None = None
        self._refused_timer: asyncio.TimerHandle | None = None
        self._refused_ms = self._config.refused_ms
        self._refused_at = 0.0
        self._deferred = False  # batches wait for offer_deferred
        self._over = False  # `run` has ended: another uplink sees to what is deferred
        # Refused rows (sequence numbers) of batches that a lost connection brought back before they were through.
        self._carried: dict[int, set[int]] = {}
        self._suspect = (0, 0)  # (batch, row number) of the first message without an answer when a connection was lost
        self._strikes = 0
        self._pause_until = 0.0
        self._learned_maximum = 0  # bytes of a packet, from a DISCONNECT with 0x95; 0: nothing learned
        self._learned_at = 0.0
        self._sizes: dict[int, int] = {}  # of messages on their way, by a running number
        self._ends: dict[int, int] = {}  # where what waits for its answer ends, in order: Link.queued
        self._number = 0
        self._slots = asyncio.Semaphore(1)
        self._landing = asyncio.Event()  # a batch is not on its way any more

    async def run(self) -> None:
        self._over = False
        self._outbox.offer_deferred()  # what was refused an uplink of other settings, before a reload
        try:
            while True:
                started = self._loop.time()
                try:
                    await self._connection()
                except BrokerError as error:
                    self._failed(error, self._loop.time() - started)
                await asyncio.sleep(self._backoff_ms() / 1000)
        finally:
            self._over = True

    def stats(self) -> "dict[str, int | str | bool]":
        """`published`: MQTT messages acknowledged; `refused`: answered with a reason >= 0x80 (and kept); `in_flight`:
        published, not answered; `connections`: made so far."""
        return {
            "connected": self._connected_at is not None,
            "connections": self._connections,
            "attempts": self._attempts,
            "in_flight": len(self._ends),
            "published": self._published,
            "refused": self._refused,
            "last_error": self._last_error,
            "last_refusal": self._last_refusal,
        }

    # -- the connection

    def _failed(self, error: BrokerError, lasted_s: float) -> None:
        now = self._loop.time()
        if error.reason == PACKET_TOO_LARGE and self._sizes:
            self._learned_maximum = max(max(self._sizes.values()) - 1, _LEAST_PACKET)
            self._learned_at = now
        elif now - self._learned_at >= _LEARNED_S:
            self._learned_maximum = 0  # whoever answers next may take more: what is kept for that would stay for ever
        if lasted_s * 1000 >= self._config.stable_ms:
            self._attempts = 0
        self._attempts += 1
        text = str(error)
        if error.reason == RETAIN_NOT_SUPPORTED and self._config.status_topic:
            text += " (leave out uplink.status_topic)"
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
        self._sizes.clear()
        link = Link(config.broker, config.client_id, will=self._will(), packet_maximum=limits.UPLINK_PACKET)
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
        window = max(min(self._config.inflight, link.inflight_limit), 1)  # MQTT 5 section 3.3.4: no more on their way
        told = self._announce(link, "online")  # is one of them
        self._slots = asyncio.Semaphore(window - (told is not None))
        self._pause_until = 0.0
        if self._deferred:
            wait_s = max(self._refused_at + self._refused_ms / 1000 - self._loop.time(), 0)
            self._refused_timer = self._loop.call_later(wait_s, self._offer_refused)
        if told is not None:
            self._number += 1
            self._ends[self._number] = link.queued()
            told.add_done_callback(partial(self._told, link, self._slots, self._number))
            self._watch(link)
        broker = self._config.broker
        log.info("connected to %s:%d as %s", broker.host, broker.port, self._config.client_id)

    def _end(self, link: Link) -> None:
        """What was acknowledged is done; the rest of what was on its way comes again, marked."""
        self._connected_at = None
        self._link = None
        for timer in (self._ack_timer, self._refused_timer):
            if timer is not None:
                timer.cancel()
        self._ack_timer = self._refused_timer = None
        flights, self._flights = self._flights, set()
        self._ends.clear()
        if link.ended_by_broker:
            self._accuse(flights)
        for flight in flights:
            flight.lost = True
            self._bring_back(flight)

    def _bring_back(self, flight: _Flight) -> None:
        try:
            if flight.refused:
                self._carried[flight.stored.id] = numbers_of(flight.stored, flight.refused)
            if flight.done:
                rest = without(flight.stored, flight.done)
                self._outbox.delivered_part_soon(flight.stored, rest, offer=True)
                return
        except BatchError as error:
            log.error("a stored batch cannot be read and is kept: %s", error)
        self._outbox.give_back(flight.stored)

    def _accuse(self, flights: "set[_Flight]") -> None:
        """The broker ended the connection: is it always at the same message? Then that one has to wait."""
        open_flights = [flight for flight in flights if flight.unanswered]
        if not open_flights:
            return
        flight = min(open_flights, key=lambda item: item.stored.id)
        first, last = min(flight.unanswered)
        try:
            numbers = numbers_of(flight.stored, [(first, last)])
        except BatchError:
            return
        suspect = (flight.stored.id, min(numbers))
        self._strikes = self._strikes + 1 if suspect == self._suspect else 1
        self._suspect = suspect
        if self._strikes >= _STRIKES:
            self._strikes = 0
            flight.refused.append((first, last))
            self._refused += 1
            self._last_refusal = f"message {self._outbox.appliance} #{suspect[1]}: the broker disconnects at it"
            log.error("the broker disconnects at a message, it is kept and tried again later: number %d", suspect[1])
            self._refused_later()

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

    def _announce(self, link: Link, word: str) -> "asyncio.Future[int] | None":
        if not self._config.status_topic or link.lost.done():
            return None
        return link.publish_nowait(self._status_topic(), word.encode(), PublishProperties(STATUS, []), retain=True)

    def _told(self, link: Link, slots: asyncio.Semaphore, number: int, _: "asyncio.Future[int]") -> None:
        slots.release()
        if self._link is link and not link.lost.done():
            self._ends.pop(number, None)

    # -- sending

    async def _feed(self, link: Link) -> None:
        while True:
            while self._crowded():
                self._landing.clear()
                await self._landing.wait()
            stored = await self._outbox.next_batch()
            flight = _Flight(stored)
            self._flights.add(flight)
            carried = self._carried.pop(stored.id, None)
            try:
                known = indexes_of(stored, carried) if carried else set()
                for message in self._messages(link, stored):
                    if known and known.issuperset(range(message.first, message.last)):
                        flight.refused.append((message.first, message.last))  # its time comes with the deferred ones
                        continue
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

    def _crowded(self) -> bool:
        """As many batches are on their way as may be. More where they are small: those of messages that come one by one
        would leave the window empty."""
        count = len(self._flights)
        size = sum(len(flight.stored.blob) for flight in self._flights)
        return count >= self._config.inflight or (count >= limits.UPLINK_BATCHES and size >= limits.UPLINK_SMALL)

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
        self._ends[self._number] = link.queued()
        flight.waiting += 1
        flight.unanswered.add((message.first, message.last))
        # Bound to what the answer needs; the payload can go.
        future.add_done_callback(partial(self._answered, flight, message._replace(payload=b""), self._number))
        if self._ack_timer is None:
            self._watch(link)

    def _answered(self, flight: _Flight, message: Message, number: int, future: "asyncio.Future[int]") -> None:
        if flight.lost or future.cancelled() or future.exception() is not None:
            return  # the connection is over; _end gives the batch back
        self._sizes.pop(number, None)
        self._ends.pop(number, None)
        flight.waiting -= 1
        flight.unanswered.discard((message.first, message.last))
        self._slots.release()
        code = future.result()
        if code >= REFUSED_FROM:
            self._refuse(flight, message, code)
        else:
            self._published += 1
            flight.done.append((message.first, message.last))
        if flight.complete and flight.waiting == 0:
            self._landed(flight)

    def _landed(self, flight: _Flight) -> None:
        self._flights.discard(flight)
        self._landing.set()
        if not flight.refused:
            self._outbox.delivered_soon(flight.stored)
        elif not flight.done:
            self._outbox.defer(flight.stored)
            self._wait_for_turn()
        else:
            future = self._outbox.delivered_part_soon(flight.stored, without(flight.stored, flight.done))
            future.add_done_callback(self._wait_for_turn)

    # -- a broker that does not answer

    def _watch(self, link: Link) -> None:
        seen = next(iter(self._ends), 0), link.taken()
        self._ack_timer = self._loop.call_later(self._config.ack_ms / 1000, self._check, link, *seen)

    def _check(self, link: Link, oldest: int, taken: int) -> None:
        """Runs only while something waits for an answer: an idle uplink has no timer."""
        self._ack_timer = None
        if self._link is not link or not self._ends:
            return
        end = self._ends.get(oldest)
        if end is not None and taken >= min(link.taken(), end):  # else it is answered, or a slow line went on taking it
            link.give_up(f"no acknowledgement in {self._config.ack_ms / 1000:g} s")
        else:
            self._watch(link)

    # -- a broker that refuses

    def _refuse(self, flight: _Flight, message: Message, code: int) -> None:
        flight.refused.append((message.first, message.last))
        self._refused += 1
        self._last_refusal = f"{message.topic}: {REASONS.get(code, 'refused')} (0x{code:02x})"
        if self._refused_timer is None:  # the first of this round
            log.error("the broker refuses messages, they are kept and tried again later: %s", self._last_refusal)
        self._refused_later()
        if code == QUOTA_EXCEEDED:
            self._pause_until = self._loop.time() + self._refused_ms / 1000

    def _wait_for_turn(self, _: "asyncio.Future[None] | None" = None) -> None:
        """A batch is deferred from now on; the timer of its refusal may have run out before that."""
        if self._over:
            self._outbox.offer_deferred()
            return
        self._deferred = True
        self._refused_later()

    def _refused_later(self) -> None:
        now = self._loop.time()
        if self._refused_timer is None:
            if now - self._refused_at > 2 * self._refused_ms / 1000:
                self._refused_ms = self._config.refused_ms
            if self._link is not None:
                self._refused_timer = self._loop.call_later(self._refused_ms / 1000, self._offer_refused)
        self._refused_at = now

    def _offer_refused(self) -> None:
        self._refused_timer = None
        self._deferred = False
        self._refused_ms = min(self._refused_ms * 2, self._config.refused_max_ms)
        self._refused_at = self._loop.time()
        self._outbox.offer_deferred()
