"""From a stored batch to MQTT messages: topics, payloads, properties, and what to do when one is too large.

Content types: `application/json` and `application/cbor` are single messages with the user properties msg-id, stream,
client, ts (Unix ms, when known), replay=1 (when it may have been sent before) and traceparent; BATCH and SEALED are
whole batches with the user properties count and replay. STATUS is the retained word "online" or "offline".
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from headgate.core import base64url, cbor, json
from headgate.linux.batch import Batch, decode, encode
from headgate.linux.mqtt import PublishProperties
from headgate.linux.outbox_types import StoredBatch

JSON, CBOR = "application/json", "application/cbor"
BATCH = "application/vnd.headgate.batch"
SEALED = "application/vnd.headgate.sealed"
STATUS = "application/vnd.headgate.status"
MODES = ("json", "batch", "sealed")
DEFAULT_TOPIC = "headgate/{appliance}/{stream}/{client}"
_HEAD = 16  # bytes of a PUBLISH beside topic, properties and payload, at most
_UNSAFE = frozenset("%/+#") | frozenset(map(chr, range(0x20))) | {"\x7f"}


class Message(NamedTuple):
    """One PUBLISH; `first` and `last` + 1: which rows of the batch it carries."""

    first: int
    last: int
    topic: str
    payload: bytes
    properties: PublishProperties

    def size(self) -> int:
        return _HEAD + len(self.topic.encode()) + len(self.payload) + len(self.properties.pack())


def level(text: str) -> str:
    """One level of a topic: what would change its structure is percent-encoded, and so is an empty one ("%00")."""
    if not text:
        return "%00"
    if _UNSAFE.isdisjoint(text):
        return text
    return "".join(f"%{ord(c):02X}" if c in _UNSAFE else c for c in text)


def fill(template: str, **values: str) -> str:
    """Placeholders like {stream}; values cannot contain placeholders of their own."""
    out, rest = [], template
    while rest:
        before, opening, after = rest.partition("{")
        name, closing, tail = after.partition("}")
        if opening and closing and name in values:
            out += [before, level(values[name])]
            rest = tail
        else:
            out += [before, opening]
            rest = after
    return "".join(out)


def single(stored: StoredBatch, topics: Mapping[str, str]) -> Iterator[Message]:
    """`json` mode: one message each. Raises BatchError."""
    batch = decode(stored.blob)
    for index, row in enumerate(batch.rows):
        content_type, payload = as_json(row.content_type, row.body)
        user = [("msg-id", batch.message_id(row)), ("stream", row.stream), ("client", row.client)]
        if row.ts_ms is not None:
            user.append(("ts", str(row.ts_ms)))
        if stored.replay:
            user.append(("replay", "1"))
        if row.trace is not None:
            user.append(("traceparent", row.trace))
        topic = fill(
            topics.get(row.stream) or DEFAULT_TOPIC, appliance=batch.appliance, stream=row.stream, client=row.client
        )
        yield Message(index, index + 1, topic, payload, PublishProperties(content_type, user))


class Envelope(NamedTuple):
    """`batch` and `sealed` mode. `seal`: blob -> box, or None; `maximum`: bytes of a packet, 0: any."""

    topic: str
    replay: bool
    seal: "Callable[[bytes], bytes] | None"
    maximum: int

    def messages(self, stored: StoredBatch) -> Iterator[Message]:
        """The stored blob, or parts of it that fit. Raises BatchError."""
        message = self._message(0, stored.records, stored.blob)
        if not self.maximum or message.size() <= self.maximum:
            yield message
            return
        batch = decode(stored.blob)
        yield from self._split(batch, 0, len(batch.rows))

    def _split(self, batch: Batch, first: int, last: int) -> Iterator[Message]:
        """Halves, until they fit; a single message that does not is yielded as it is."""
        message = self._message(first, last, encode(batch._replace(rows=batch.rows[first:last]))[1])
        if last - first <= 1 or message.size() <= self.maximum:
            yield message
            return
        middle = (first + last) // 2
        yield from self._split(batch, first, middle)
        yield from self._split(batch, middle, last)

    def _message(self, first: int, last: int, blob: bytes) -> Message:
        user = [("count", str(last - first))]
        if self.replay:
            user.append(("replay", "1"))
        if self.seal is None:
            return Message(first, last, self.topic, blob, PublishProperties(BATCH, user))
        return Message(first, last, self.topic, self.seal(blob), PublishProperties(SEALED, user))


def rows_in(ranges: "Sequence[tuple[int, int]]") -> set[int]:
    """Indexes in the ranges [first, last)."""
    return {index for first, last in ranges for index in range(first, last)}


def without(stored: StoredBatch, acknowledged: "Sequence[tuple[int, int]]") -> Batch:
    """What is left when the rows in the ranges are gone. Raises BatchError."""
    batch, gone = decode(stored.blob), rows_in(acknowledged)
    return batch._replace(rows=[row for index, row in enumerate(batch.rows) if index not in gone])


def numbers_of(stored: StoredBatch, ranges: "Sequence[tuple[int, int]]") -> set[int]:
    """Sequence numbers of the rows in the ranges. Raises BatchError."""
    batch = decode(stored.blob)
    return {batch.rows[index].seq for index in rows_in(ranges)}


def indexes_of(stored: StoredBatch, numbers: set[int]) -> set[int]:
    """Of the rows with these sequence numbers. Raises BatchError."""
    return {index for index, row in enumerate(decode(stored.blob).rows) if row.seq in numbers}


def as_json(content_type: str, body: bytes) -> tuple[str, bytes]:
    """-> (content type, body): CBOR becomes JSON if it has a JSON form, all else stays as it is."""
    if content_type != CBOR:
        return content_type, body
    try:
        return JSON, json.dumps(_plain(cbor.loads(body)))
    except (ValueError, TypeError):
        return CBOR, body


def _plain(value: Any) -> Any:
    """RFC 8949 section 6.1: byte strings as base64url text, tags dropped, what JSON cannot say as null."""
    if isinstance(value, dict):
        plain = {_name(key): _plain(item) for key, item in value.items()}
        if len(plain) != len(value):
            raise ValueError("keys that differ in CBOR only")
        return plain
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, cbor.Tag):
        return _plain(value.value)
    if isinstance(value, bytes):
        return base64url.encode(value).decode()
    if isinstance(value, cbor.Simple) or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value


def _name(key: Any) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, bytes):
        return base64url.encode(key).decode()
    return json.dumps(_plain(key)).decode()
