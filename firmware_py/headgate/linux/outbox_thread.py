"""The outbox's thread: it commits one after the other what the event loop gives it, and says when that is done.

Where a native server is (server_port.CommitServer), the server hears it first and answers who waits, before the event
loop knows. And as long as the event loop has no part in the next commit, the server hands that to this thread as well:
the event loop gives an order for it with a commit, and recalls it whenever it has something to do itself. So an
appliance whose uplink waits for nothing enters the event loop once in `limits.UNHEARD_COMMITS` commits.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from headgate import limits
from headgate.linux import intake
from headgate.linux.outbox_types import DROP_OLDEST, Committed, Ledger, OutboxConfig, Work
from headgate.linux.worker import Done, Worker

if TYPE_CHECKING:
    from headgate.linux.outbox_db import Database
    from headgate.linux.server_port import CommitServer

_T = TypeVar("_T")


class Order(NamedTuple):
    """To commit what the server hands over. `busy`: Work.busy."""

    server: "CommitServer"
    number: int
    busy: frozenset[int]


class CommitThread:
    """Methods without "in the thread" are for the event loop, which hears in `settle` what has been done.

    `handed_over(batch, committed, error)`: called then for each commit of a batch that the server has handed over;
    `broken(error)`: when nothing will be committed any more."""

    def __init__(
        self,
        config: OutboxConfig,
        handed_over: Callable[[intake.Batch, Committed | None, BaseException | None], None],
        broken: Callable[[BaseException], None],
    ) -> None:
        self.database: Database
        self.server: CommitServer | None = None  # which is told of commits, instead of the event loop
        self.awaited = False  # the event loop has something to do when the commit ends, not with the next one
        self._config = config
        self._handed_over = handed_over
        self._begun_s: float | None = None  # monotonic; of the event loop's own commit
        self._begun = self._heard = 0  # of the server's: begun, as of the last recall; heard of
        # Of the thread:
        self._early: intake.Batch | None = None  # the batch that the server is to release
        self._order: Order | None = None  # that holds after the last commit
        self._direct_s: float | None = None  # monotonic; when the server's commit that is under way began
        self._worker = Worker("outbox")
        self._worker.tell, self._worker.rest = self._tell, self._commit_handed_over
        self._worker.broken = broken

    # -- the event loop's

    def call(self, function: Callable[..., _T], *arguments: Any) -> "asyncio.Future[_T]":
        """In its turn -> its result."""
        self.recall()
        return self._worker.call(function, *arguments)

    def start(self, done: Done, function: Callable[..., Any], *arguments: Any) -> None:
        """The same; `done` hears the outcome before those of later calls and commits are heard."""
        self.recall()
        self._worker.start(done, function, *arguments)

    def commit(self, work: Work, done: Done, *, alone: bool, awaited: bool) -> None:
        """Begin one; `done(committed, error)`. `alone`: nobody but the server waits for its rows; `awaited`: the event
        loop is to be told at once when it is done."""
        self.recall()
        self.awaited = awaited
        self._begun_s = time.monotonic()
        order = None
        if self.server is not None and not awaited:
            order = Order(self.server, self.server.order(), frozenset(work.busy))
        self._worker.start(partial(self._ended, done), self._commit, work, alone, order)

    def recall(self) -> None:
        """From now on the event loop decides again when a commit begins."""
        if self.server is not None:
            self._begun = self.server.recall()

    @property
    def under_way(self) -> bool:
        """A commit is, as far as the event loop has heard. To be asked after `recall`."""
        return self._begun_s is not None or self._begun != self._heard

    @property
    def since_s(self) -> float | None:
        """Monotonic time at which the commit that is under way began."""
        return self._direct_s if self._begun_s is None else self._begun_s

    def settle(self) -> None:
        """Hear of what has been done."""
        self._worker.settle()

    def part(self) -> None:
        """The server serves no more: the event loop is told of everything again."""
        self.recall()
        self.server = None
        self.settle()

    def stop(self) -> None:
        """When what was given to it so far is done; waits for that."""
        self.recall()
        self._worker.stop()

    def _ended(self, done: Done, committed: Committed | None, error: BaseException | None) -> None:
        self._begun_s = None
        done(committed, error)

    def _ended_handed_over(self, taken: intake.Batch, committed: Committed | None, error: BaseException | None) -> None:
        self._heard += 1
        self._handed_over(taken, committed, error)

    # -- in the thread

    def _commit(self, work: Work, alone: bool, order: Order | None) -> Committed:
        self._order = None
        committed = self.database.commit(work)
        if alone and len(committed.outcomes) == 1 and not committed.outcomes[0] and self._is_roomy(committed.ledger):
            self._early, self._order = work.taken[0], order
        return committed

    def _is_roomy(self, ledger: Ledger) -> bool:
        """Only far from the budget is somebody answered before the event loop hears of it: until then the intake has
        the room it had."""
        needed = ledger.stored_bytes + self._config.buffer_bytes + self._config.batch_bytes
        return self._config.when_full == DROP_OLDEST or needed <= self._config.max_bytes

    def _tell(self) -> None:
        """After each call."""
        server = self.server  # which the event loop may take away
        if server is not None and self._order is not None:
            return  # `take` posts it
        self._order = None
        early, self._early = self._early, None
        if server is None:
            self._worker.wake()
        else:
            server.post(early, early is None or self._is_told())

    def _is_told(self) -> bool:
        """The event loop, at once."""
        return self.awaited or self._worker.unsettled >= limits.UNHEARD_COMMITS

    def _commit_handed_over(self) -> None:
        """Before it sleeps: commits of what the server hands over, as long as the order holds and none of them is out
        of the ordinary."""
        while self._order is not None and self._commit_next(self._order):
            pass

    def _commit_next(self, order: Order) -> bool:
        """False: the order was recalled."""
        self._order = None
        early, self._early = self._early, None
        handed = order.server.take(order.number, early, self._is_told())
        if handed is None:
            return False
        taken, now_s, trusted = handed
        self._direct_s = time.monotonic()
        work = Work((taken,), (), (), order.busy, now_s, trusted)
        self._worker.do(partial(self._ended_handed_over, taken), self._commit, (work, True, order))
        self._direct_s = None
        return True
