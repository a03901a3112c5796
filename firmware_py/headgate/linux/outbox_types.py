"""What the two sides of the outbox, event loop and worker thread, hand each other. Plain values only."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from headgate import limits
from headgate.linux import intake
from headgate.linux.batch import Batch

REJECT, DROP_OLDEST = "reject", "drop-oldest"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxConfig:
    """Budget and batching. `max_hours` 0: messages never expire; `when_full`: "reject" | "drop-oldest"."""

    max_bytes: int = 256 * 1024 * 1024
    max_hours: int = 168
    when_full: str = REJECT
    batch_records: int = limits.BATCH_RECORDS
    batch_bytes: int = limits.BATCH_BYTES
    linger_ms: int = limits.BATCH_LINGER_MS
    memory_linger_ms: int = limits.MEMORY_LINGER_MS
    buffer_records: int = limits.OUTBOX_BUFFER_RECORDS
    buffer_bytes: int = limits.OUTBOX_BUFFER_BYTES
    key_hours: int = limits.IDEMPOTENCY_HOURS
    keys: int = limits.IDEMPOTENCY_KEYS
    reserve_bytes: int = limits.OUTBOX_RESERVE_BYTES

    @property
    def commit_batches(self) -> int:
        """Batches that one transaction may have while nobody waits for it: the buffer has room for as much again."""
        by_records = self.buffer_records // 2 // self.batch_records
        by_bytes = min(limits.COMMIT_BYTES, self.buffer_bytes // 2) // self.batch_bytes
        return max(min(limits.COMMIT_BATCHES, by_records, by_bytes), 1)


class StoredBatch(NamedTuple):
    """`blob`: the stored form, which is the wire form; `replay`: it may have reached the broker before."""

    id: int
    records: int
    codec: int
    blob: bytes
    replay: bool


class Ledger(NamedTuple):
    """Messages since the state directory was made; bytes where the name says so (see outbox_schema.py)."""

    accepted: int
    delivered: int
    expired: int
    dropped: int
    stored_bytes: int
    payload_bytes: int
    written_bytes: int
    quarantined: int

    @property
    def stored(self) -> int:
        return self.accepted - self.delivered - self.expired - self.dropped


class Work(NamedTuple):
    """One transaction. `taken`: new messages, a stored batch of each; `shrunk`: batches of which only this rest stays;
    `busy`: ids that are being sent right now."""

    taken: Sequence[intake.Batch]
    delivered: Collection[int]
    shrunk: Sequence[tuple[int, Batch]]
    busy: Collection[int]
    now_s: int
    trusted: bool


Outcome: TypeAlias = str | Literal[False]  # replayed, with the first one's "boot.seq"; key reused for another body


class Committed(NamedTuple):
    """`outcomes`: for each of `taken`, by index in it, of those that were not stored. `oldest_s`: Unix s at which the
    oldest stored batch was stored, None when there is none or it is not known. `goes_on`: the next transaction has to
    expire or to stamp more."""

    outcomes: Sequence[Mapping[int, Outcome]]
    ledger: Ledger
    oldest_s: int | None
    goes_on: bool = False


class Fetched(NamedTuple):
    batch: StoredBatch | None
    ledger: Ledger
    oldest_s: int | None
    goes_on: bool = False
