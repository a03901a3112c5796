"""From what the broker hands over to messages: seals, batches and single messages, all of them untrusted input."""

from dataclasses import dataclass
from typing import Any

from headgate import limits
from headgate.errors import MISSING, CommandError
from headgate.linux.batch import MESSAGE_MAX, ZSTD_MAGIC, BatchError, Row, decode
from headgate.linux.config_values import NAME_MAX
from headgate.linux.seal import SealError, unseal
from headgate.linux.uplink_messages import BATCH, JSON, SEALED, STATUS


class Undecodable(Exception):
    """Kept for a person to look at; the text says why."""


@dataclass(frozen=True, slots=True)
class Received:
    """One message; `boot` and `row.seq` number it within `appliance`."""

    appliance: str
    boot: int
    row: Row

    @property
    def id(self) -> str:
        return f"{self.appliance}/{self.boot}.{self.row.seq}"


def decode_publish(payload: bytes, properties: Any, seal_key: bytes | None) -> list[Received]:
    """The messages in one PUBLISH, none for a status message. `properties`: paho's, of the PUBLISH.

    Raises Undecodable, and CommandError(MISSING) for a sealed batch when there is no key: nobody can be helped by
    acknowledging those.
    """
    content_type = getattr(properties, "ContentType", "")
    user = dict(getattr(properties, "UserProperty", []))
    if content_type == STATUS:
        return []
    if content_type == SEALED:
        if seal_key is None:
            raise CommandError(MISSING, "sealed batches arrive and there is no key", "Give it with --seal-key FILE")
        try:
            payload = unseal(payload, seal_key)
        except SealError as error:
            raise Undecodable(str(error)) from None
    elif content_type != BATCH and "msg-id" in user:
        return [_single(payload, content_type or JSON, user)]
    elif content_type != BATCH and payload[:4] != ZSTD_MAGIC:
        raise Undecodable("neither a batch nor a message with a msg-id")
    return _batch(payload)


def _batch(blob: bytes) -> list[Received]:
    try:
        batch = decode(blob, limits.BATCH_DECODED)
    except BatchError as error:
        raise Undecodable(str(error)) from None
    if len(batch.appliance) > NAME_MAX:
        raise Undecodable(f"the appliance has more than {NAME_MAX} characters")
    return [Received(batch.appliance, batch.boot, row) for row in batch.rows]


def _single(payload: bytes, content_type: str, user: dict[str, str]) -> Received:
    appliance, _, numbers = user["msg-id"].rpartition("/")
    boot, _, seq = numbers.partition(".")
    ts_ms = user.get("ts")
    named = 0 < len(appliance) <= NAME_MAX
    if not (named and _is_counter(boot) and _is_counter(seq) and (ts_ms is None or _is_counter(ts_ms))):
        raise Undecodable("the msg-id or ts is malformed")
    row = Row(
        int(seq),
        user.get("stream", ""),
        user.get("client", ""),
        None if ts_ms is None else int(ts_ms),
        content_type,
        payload,
        user.get("traceparent"),
    )
    return Received(appliance, int(boot), row)


def _is_counter(text: str) -> bool:
    """Digits only and exact in JSON; ASCII, for str.isdigit takes others too."""
    return text.isascii() and text.isdigit() and len(text) <= len(str(MESSAGE_MAX)) and int(text) <= MESSAGE_MAX
