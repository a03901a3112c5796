"""The outbox: accepted messages are on disk before anybody hears that they are, and leave it when the broker has them.

Group commit: messages gather while a commit is under way or until the batch is large or old enough; then one
transaction makes them durable, and all their tickets resolve. Batches that nobody waits for share a transaction.
Deletions of delivered batches ride on the same transactions. With nothing to do there is no timer and no wake-up.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from headgate import limits
from headgate._accel import Intake
from headgate.core.problem import Problem
from headgate.linux import intake
from headgate.linux.batch import Batch
from headgate.linux.outbox_db import Database
from headgate.linux.outbox_schema import StorageFailed
from headgate.linux.outbox_thread import CommitThread
from headgate.linux.outbox_types import (
    DROP_OLDEST,
    Committed,
    Fetched,
    Ledger,
    OutboxConfig,
    Outcome,
    StoredBatch,
    Work,
)
from headgate.linux.worker import settle_future
from headgate.tasks.sink import Receipt, Record, Ticket

if TYPE_CHECKING:
    from headgate.linux.server_port import CommitServer

__all__ = ["Outbox", "OutboxConfig", "StoredBatch"]

TRUSTED = "trusted"  # of core.clock.Clock.state
_STATE_OK, _STATE_FULL, _STATE_FAILING = "ok", "full", "failing"


def _unset_clock() -> tuple[int, str]:
    return int(time.time()), "unset"


def _no_log(level: str, text: str) -> None:
    """The default log: nobody listens."""


class Outbox:
    """The sink of tasks/sink.py with a disk. One event loop, one consumer of `next_batch`. Made by `Outbox.open`."""

    durable = True

    def __init__(
        self, config: OutboxConfig, clock: Callable[[], tuple[int, str]], log: Callable[[str, str], None]
    ) -> None:
        self.appliance = ""
        self.boot = 0
        self.config = config
        self._clock = clock
        self._log = log
        self._loop = asyncio.get_running_loop()
        self.intake: Intake  # what is accepted and not committed, by `submit` or by whoever else adds rows (note_rows)
        # How rows of the intake end; to be replaced by whoever adds rows that somebody waits for. Stored:
        # release(batch, outcomes of those that were not, or None); if not: fail(batch, code, detail, Retry-After in s).
        self.release: Callable[[intake.Batch, Mapping[int, Outcome] | None], None] = _release
        self.fail: Callable[[intake.Batch, str, str, int], None] = self._forget
        self._hungry = False  # next_batch waits for one
        self._tickets: dict[int, tuple[Ticket, bool]] = {}  # by number: of what came by `submit` and waits; durable
        self._overfull = 0  # of the intake, as it was last seen
        self._delivered: dict[int, asyncio.Future[None]] = {}
        self._shrunk: dict[int, tuple[Batch, asyncio.Future[None], bool]] = {}  # rest, done, offer again at once
        self._deletion_at: float | None = None
        self._busy: set[int] = set()  # handed out by next_batch and not given back
        self._cursor = 0  # next_batch looks above this id
        self._offered = False  # ... and has to look again: since it began to look, older ones have come back
        self._replay_up_to = 0
        self._arrival = asyncio.Event()
        self._sweep = False  # a commit without messages, to expire what is too old
        self._goes_on = False  # the last one was not through with expiring or stamping
        self._noted = False  # `_look` is on its way
        self._timer: asyncio.TimerHandle | None = None  # of the next look; never later than the deadline
        self._failures = 0
        self._last_error = ""
        self._commits = 0
        self._ledger = Ledger(0, 0, 0, 0, 0, 0, 0, 0)
        self._oldest_s: int | None = None
        self._thread = CommitThread(config, self._committed_for_server, self._break)
        self._database: Database
        self._ended: asyncio.Future[None] = self._loop.create_future()  # closed; or what ended the work before

    @classmethod
    async def open(
        cls,
        state_dir: Path,
        config: OutboxConfig | None = None,
        *,
        appliance: str = "",
        clock: Callable[[], tuple[int, str]] = _unset_clock,
        log: Callable[[str, str], None] = _no_log,
    ) -> "Outbox":
        """Begin a start of the appliance: counts the boot, opens or makes the database.

        `appliance`: the configured id, or empty for the one made at the first run; `clock`: -> (Unix s, state of
        core.clock.Clock); `log`: called with ("warning" | "error", text), also from the worker thread.
        Raises CommandError(STATE) when the directory cannot be used; never because of what is in the database file.
        """
        outbox = cls(config or OutboxConfig(), clock, log)
        database = Database(state_dir, outbox.config, log)
        try:
            identity = await outbox._thread.call(database.open, appliance)
        except BaseException:
            await outbox._thread.call(database.close)
            outbox._thread.stop()
            raise
        if identity.note:
            log("warning", identity.note)
        outbox.appliance, outbox.boot = identity.appliance, identity.boot
        outbox._database = outbox._thread.database = database
        outbox.intake = Intake(identity.boot, outbox.config.buffer_records, outbox.config.buffer_bytes)
        outbox._take_ledger(database.ledger)
        return outbox

    async def watch(self) -> None:
        """Ends when the outbox is closed; raises what ended its work before that. Nothing is stored any more then."""
        await asyncio.shield(self._ended)

    async def close(self) -> None:
        """Commit what waits and close the database. Nothing may be submitted any more."""
        self.intake.closing = True
        self._notify()
        await asyncio.wait([self._ended])  # how it ended is for `watch` to say
        if self.intake.rows or self._tickets:
            detail = "the appliance is shutting down and its disk does not take the message"
            self._fail_waiting((), detail, 5)
        lost = self.intake.rows
        if lost:
            self._log("error", f"{lost} messages of streams with memory durability were not stored before the end")
        await self._thread.call(self._database.close)
        self._thread.stop()
        for future in [*self._delivered.values(), *(future for _, future, _ in self._shrunk.values())]:
            future.cancel()

    # -- accepting

    def submit(self, record: Record, durable: bool) -> Ticket:
        """The ticket resolves after the commit; without `durable` it carries its receipt at once, except for records
        with a key (whether they are replays is known after the commit only), and while the disk is behind
        (Intake.crowded).

        Raises Problem 503 `outbox_full` | `storage_failed` | `draining` with Retry-After. The ticket may fail with 503
        `storage_failed` or 422 `idempotency_key_reused`.
        """
        promised = not durable and record.key is None and not self.intake.crowded
        flags = intake.DURABLE * durable | intake.PROMISED * promised
        flags |= intake.CBOR * (record.content_type == "application/cbor")
        added = self.intake.add(
            record.stream, record.client, record.body, record.ts_ms, self._now_ms(), flags, record.key, record.trace
        )
        self._sweep_if_due()
        self._notify()
        if not isinstance(added, int):
            raise _unavailable(*added)
        if promised:
            return Ticket(Receipt(f"{self.boot}.{added}", False, "memory"))
        ticket = Ticket()
        self._tickets[added] = ticket, durable
        return ticket

    def _now_ms(self) -> int:
        """The monotonic time of the intake's rows: the event loop's, which is that of the native server."""
        return int(self._loop.time() * 1000)

    def _sweep_if_due(self) -> None:
        """Messages were refused for want of room, so no commit would come by to expire the old ones."""
        if self.intake.overfull == self._overfull:
            return
        self._overfull = self.intake.overfull
        now_s, state = self._clock()
        if state == TRUSTED and self.config.max_hours:
            age_s = None if self._oldest_s is None else now_s - self._oldest_s
            if age_s is None or not -limits.CLOCK_SLACK_S <= age_s < self.config.max_hours * 3600:
                self._sweep = True

    # -- the commit

    def _deadline(self) -> float | None:
        """loop.time() of the next commit; None when there is nothing to commit."""
        queued = self.intake
        goes_on = self._goes_on and not queued.closing
        if not (queued.rows or self._delivered or self._shrunk or self._sweep or goes_on):
            return None
        if queued.closing:
            return 0.0
        due = 0.0
        batches = self._batches()
        full = (
            queued.crowded
            or queued.rows >= batches * self.config.batch_records
            or queued.bytes >= batches * self.config.batch_bytes
        )
        if not (full or self._sweep or (queued.gathered and not self._tickets)):
            due = self._first_due()
        return max(due, queued.refuse_until_ms / 1000)

    def _batches(self) -> int:
        """How many go into one transaction. Whoever waits gets a short one, unless the disk is behind, when that would
        keep it there; and so does a disk that fails."""
        waits = self.intake.oldest_waiting_ms is not None and not self.intake.crowded
        return 1 if waits or self._failures else self._database.batches

    def _take(self) -> list[intake.Batch]:
        taken: list[intake.Batch] = []
        most = self._batches()
        while self.intake.rows and len(taken) < most:
            taken.append(self.intake.take(self.config.batch_records, self.config.batch_bytes))
        return taken

    def _first_due(self) -> float:
        config, due = self.config, []
        if self._deletion_at is not None:
            due.append(self._deletion_at + limits.DELIVERED_LINGER_MS / 1000)
        oldest_ms, waiting_ms = self.intake.oldest_ms, self.intake.oldest_waiting_ms
        if oldest_ms is not None:
            due.append((oldest_ms + config.memory_linger_ms) / 1000)
        if waiting_ms is not None:
            due.append((waiting_ms + config.linger_ms) / 1000)
        return min(due, default=0.0)

    def note_rows(self) -> None:
        """The intake has rows, or refused some, of which nobody told."""
        self._sweep_if_due()
        self._look()

    def _notify(self) -> None:
        """Something new to commit. What else comes in this turn of the event loop joins it."""
        self._thread.recall()  # at once: the server serves before `_look` runs, and must not hand over a ticket's row
        if not self._noted:
            self._noted = True
            self._loop.call_soon(self._look)

    def _look(self) -> None:
        """Begin a commit if one is due and none is under way; else see to it that it is looked again in time."""
        self._noted = False
        # Until the next one begins; before what has ended is asked for: nothing falls between.
        self._thread.awaited = True
        self._thread.recall()
        self._thread.settle()
        if self._thread.under_way or self._ended.done():
            return
        deadline = self._deadline()
        if deadline is None:
            self._forget_timer()
            if self.intake.closing:
                self._ended.set_result(None)
        elif deadline <= self._loop.time():
            try:
                self._commit()
            except Exception as error:
                self._break(error)
        elif self._timer is None or deadline < self._timer.when():
            self._forget_timer()
            self._timer = self._loop.call_at(deadline, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._look()

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _commit(self) -> None:
        """Begin one. What has come of it is taken when it has ended, and then it is looked whether the next is due."""
        taken = self._take()
        delivered, self._delivered = self._delivered, {}
        shrunk, self._shrunk = self._shrunk, {}
        self._deletion_at = None
        self._sweep = self._goes_on = False
        now_s, state = self._clock()
        # What is being deleted stays busy until it is: next_batch must not hand it out again.
        rest = [(identity, batch) for identity, (batch, _, _) in shrunk.items()]
        work = Work(taken, tuple(delivered), rest, frozenset(self._busy), now_s, state == TRUSTED)
        awaited = self._hungry or bool(delivered or shrunk or self._tickets)

        def ended(committed: Committed | None, error: BaseException | None) -> None:
            self._take_outcome(taken, delivered, shrunk, committed, error)
            self._look()

        self._thread.commit(work, ended, alone=not self._tickets, awaited=awaited)

    def join(self, server: "CommitServer") -> None:
        """A native server, which adds rows to the intake, answers for them from now on."""
        self.release, self.fail, self._thread.server = server.release, server.fail, server

    def part(self) -> None:
        """The native server serves no more."""
        self._thread.part()

    def settle(self) -> None:
        """Hear of what the thread has done; when somebody was told."""
        self._thread.settle()

    def _committed_for_server(
        self, taken: intake.Batch, committed: Committed | None, error: BaseException | None
    ) -> None:
        """A commit that the server began: it goes on by itself, unless there is something to do here."""
        self._take_outcome([taken], {}, {}, committed, error)
        if error is not None or (self._thread.awaited and not self._thread.under_way):
            self._look()

    def _take_outcome(
        self,
        taken: list[intake.Batch],
        delivered: "dict[int, asyncio.Future[None]]",
        shrunk: "dict[int, tuple[Batch, asyncio.Future[None], bool]]",
        committed: Committed | None,
        error: BaseException | None,
    ) -> None:
        try:
            if committed is not None:
                self._stored(taken, committed)
                self._deleted(delivered, shrunk)
            else:
                self._delivered.update(delivered)
                self._shrunk.update(shrunk)
                if delivered or shrunk:
                    self._deletion_at = self._loop.time()
                if taken or delivered or shrunk or not isinstance(error, StorageFailed):  # else nobody wanted it
                    self._failed(taken, error)
                if self.intake.closing:  # the disk will not have it: do not hang at the end
                    self._ended.set_result(None)
        except Exception as bug:
            self._break(bug)

    def _break(self, error: BaseException) -> None:
        """Nothing is stored any more: `watch` says it."""
        if not self._ended.done():
            self._ended.set_exception(error)

    def _stored(self, taken: list[intake.Batch], committed: Committed) -> None:
        self._succeeded(committed)
        if taken:
            self._arrival.set()
        for batch, outcomes in zip(taken, committed.outcomes, strict=True):
            self._resolve(batch, outcomes)
            self.release(batch, outcomes or None)

    def _deleted(
        self,
        delivered: "dict[int, asyncio.Future[None]]",
        shrunk: "dict[int, tuple[Batch, asyncio.Future[None], bool]]",
    ) -> None:
        for identity, future in delivered.items():
            self._busy.discard(identity)
            _ring(future)
        for identity, (_, future, offer) in shrunk.items():
            self._busy.discard(identity)
            if offer:
                self._offer(identity)
            _ring(future)

    def _succeeded(self, committed: Committed | Fetched) -> None:
        if isinstance(committed, Committed):
            self._commits += 1
            if self._failures:
                self._log("warning", f"the outbox works again after {self._failures} failed attempts")
            self._failures = 0
            self.intake.refuse_until_ms = 0
        self._oldest_s = committed.oldest_s
        self._take_ledger(committed.ledger)
        if committed.goes_on and not self._goes_on:
            self._goes_on = True
            self._deletion_due()

    def _take_ledger(self, ledger: Ledger) -> None:
        self._ledger = ledger
        if self.config.when_full != DROP_OLDEST:
            self.intake.room = max(self.config.max_bytes - ledger.stored_bytes, 0)

    def _resolve(self, taken: intake.Batch, outcomes: Mapping[int, Outcome]) -> None:
        """The tickets of these rows; other rows have none."""
        for index, seq in enumerate(taken.seqs() if self._tickets else ()):
            if seq not in self._tickets:
                continue
            ticket, durable = self._tickets.pop(seq)
            outcome = outcomes.get(index)
            if outcome is False:
                detail = "this Idempotency-Key came before with another body"
                ticket.fail(Problem(422, "idempotency_key_reused", detail))
            else:
                durability = "fsync" if durable else "memory"
                ticket.resolve(Receipt(outcome or f"{self.boot}.{seq}", outcome is not None, durability))

    def _failed(self, taken: Sequence[intake.Batch], error: BaseException | None) -> None:
        """Nothing of this commit is stored: whoever waits hears it, and so do those that arrived meanwhile, who would
        wait for the next attempt; what was promised goes back into the intake."""
        self._failures += 1
        delay_ms = min(limits.OUTBOX_RETRY_MS << min(self._failures - 1, 10), limits.OUTBOX_RETRY_MAX_MS)
        self.intake.refuse_until_ms = self._now_ms() + delay_ms
        known = isinstance(error, StorageFailed)
        text = str(error) if known else f"{type(error).__name__}: {error}"
        if text != self._last_error or self._failures == 1:
            self._log("error", f"storing failed, messages are refused with 503 until it works again: {text}")
        self._last_error = text
        detail = "the disk is full or failing; the message was not stored"
        self._fail_waiting(taken, detail, max(1, (delay_ms + 999) // 1000))

    def _fail_waiting(self, taken: Sequence[intake.Batch], detail: str, retry_s: int) -> None:
        tickets, self._tickets = self._tickets, {}
        for ticket, _ in tickets.values():
            ticket.fail(_unavailable("storage_failed", detail, retry_s))
        for batch in reversed(taken or [self.intake.take(0, 0)]):  # each goes before what is queued: the first last
            self.fail(batch, "storage_failed", detail, retry_s)

    def _forget(self, taken: intake.Batch, _code: str, _detail: str, _retry_s: int) -> None:
        taken.give_back()
        self.intake.take_waiting().release()

    # -- forwarding

    async def next_batch(self) -> StoredBatch:
        """The oldest batch that is not handed out; waits for one. `replay`: it may have been sent before."""
        told = ""
        while True:
            self._arrival.clear()
            now_s, state = self._clock()
            future: asyncio.Future[Fetched] = self._loop.create_future()
            self._offered = False
            wanted = (self._cursor, frozenset(self._busy), now_s, state == TRUSTED)
            self._thread.start(partial(self._fetched, future), self._database.fetch, *wanted)
            try:
                fetched = await future
            except StorageFailed as error:
                if str(error) != told:
                    told = str(error)
                    self._log("error", f"reading the outbox failed: {error}")
                await asyncio.sleep(limits.OUTBOX_RETRY_MAX_MS / 1000)
                continue
            batch = fetched.batch
            if batch is None:
                self._hungry = self._thread.awaited = True
                self.settle()  # a commit may have ended of which nobody was told
                try:
                    await self._arrival.wait()
                finally:
                    self._hungry = False
            elif batch.id not in self._busy:
                self._busy.add(batch.id)
                self._thread.recall()  # an order knows those that were busy when it was given
                if not self._offered:  # else there may be older ones now, that were not looked at
                    self._cursor = batch.id
                return batch._replace(replay=True) if batch.id <= self._replay_up_to else batch

    def _fetched(self, future: "asyncio.Future[Fetched]", fetched: Fetched | None, error: BaseException | None) -> None:
        """At once: when `next_batch` goes on, the ledger may be that of a later commit."""
        if fetched is not None:
            self._succeeded(fetched)
        settle_future(future, fetched, error)

    async def delivered(self, batch: StoredBatch) -> None:
        """The broker has it: delete it and count it as delivered. Returns when that is on disk, however long the disk
        refuses; the batch is not offered again meanwhile."""
        await asyncio.shield(self.delivered_soon(batch))

    async def delivered_part(self, batch: StoredBatch, rest: Batch, *, offer: bool = False) -> None:
        """The broker has it all but `rest` (rows of the same batch): only they stay stored. Like `delivered`; the batch
        counts as deferred then, or as given back if `offer`."""
        await asyncio.shield(self.delivered_part_soon(batch, rest, offer=offer))

    def delivered_soon(self, batch: StoredBatch) -> "asyncio.Future[None]":
        """`delivered` for who need not wait."""
        future = self._delivered.setdefault(batch.id, self._loop.create_future())
        self._deletion_due()
        return future

    def delivered_part_soon(self, batch: StoredBatch, rest: Batch, *, offer: bool = False) -> "asyncio.Future[None]":
        """`delivered_part` for who need not wait."""
        _, future, _ = self._shrunk.setdefault(batch.id, (rest, self._loop.create_future(), offer))
        self._replay_up_to = max(self._replay_up_to, batch.id)
        self._deletion_due()
        return future

    def _deletion_due(self) -> None:
        if self._deletion_at is None:
            self._deletion_at = self._loop.time()
        self._notify()

    def give_back(self, batch: StoredBatch) -> None:
        """Not delivered: it is offered again, next and marked as a replay."""
        self.defer(batch)
        self._offer(batch.id)

    def defer(self, batch: StoredBatch) -> None:
        """Not delivered, and not to be offered before `offer_deferred`."""
        self._replay_up_to = max(self._replay_up_to, batch.id)
        self._busy.discard(batch.id)

    def offer_deferred(self) -> None:
        self._offer(1)

    def _offer(self, identity: int) -> None:
        """This batch, and those after it, that are not handed out."""
        self._cursor = min(self._cursor, identity - 1)
        self._offered = True
        self._arrival.set()

    # -- looking

    def stats(self) -> "dict[str, int | str | None]":
        """Messages: accepted = delivered + stored + expired + dropped, as of the last commit; `pending`: accepted into
        memory, not committed. `bytes`: stored, compressed; `oldest_s`: age in s, None when unknown; `corrupt`: files
        and batches put aside; `state`: "ok" | "full" | "failing"."""
        self.settle()
        ledger = self._ledger
        now_s, state = self._clock()
        known = self._oldest_s is not None and state == TRUSTED
        return {
            "accepted": ledger.accepted,
            "delivered": ledger.delivered,
            "stored": ledger.stored,
            "expired": ledger.expired,
            "dropped": ledger.dropped,
            "pending": self.intake.rows,
            "in_flight": len(self._busy),
            "bytes": ledger.stored_bytes,
            "budget_bytes": self.config.max_bytes,
            "oldest_s": max(now_s - (self._oldest_s or 0), 0) if known else None,
            "state": self._state(),
            "failures": self._failures,
            "last_error": self._last_error,
            "corrupt": ledger.quarantined,
            "commits": self._commits,
            "payload_bytes": ledger.payload_bytes,
            "written_bytes": ledger.written_bytes,
        }

    def stalled(self, limit_s: float) -> str | None:
        """For the watchdog: a reason when one commit takes longer than that. A disk that refuses is no stall, nor is a
        damaged file that is being replaced."""
        self.settle()
        since_s = self._thread.since_s
        if since_s is None or time.monotonic() - max(since_s, self._database.progress_s) < limit_s:
            return None
        return f"a commit takes {int(time.monotonic() - since_s)} s"

    def _state(self) -> str:
        if self._failures:
            return _STATE_FAILING
        full = self.config.when_full != DROP_OLDEST and (
            self._ledger.stored_bytes + self.intake.bytes >= self.config.max_bytes
        )
        return _STATE_FULL if full else _STATE_OK


def _release(taken: intake.Batch, _outcomes: Mapping[int, Outcome] | None) -> None:
    taken.release()


def _ring(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _unavailable(code: str, detail: str, retry_after_s: int) -> Problem:
    return Problem(503, code, detail, headers=[(b"retry-after", str(retry_after_s).encode())])
