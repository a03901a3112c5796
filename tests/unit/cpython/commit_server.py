"""A native server as the outbox sees it (server_port.CommitServer), which does what a test tells it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

from outbox_kit import BOUND_S

from headgate.linux import intake
from headgate.linux.outbox import Outbox


def add_rows(outbox: Outbox, count: int, *, key: str | None = None) -> None:
    """As the native server does: somebody waits for them, and has no ticket. Nobody is told."""
    for number in range(count):
        body = b'{"n":%d}' % number
        added = outbox.intake.add("weather", "c1", body, None, outbox._now_ms(), intake.DURABLE, key)
        assert isinstance(added, int), added


class CommitServer:
    """Joins the outbox. It notes what is posted, and releases it with the next `hand`, which hands a batch over."""

    def __init__(self, outbox: Outbox) -> None:
        self.posted: list[tuple[int, bool]] = []  # rows to be released early, tell
        self.released: list[tuple[int, Mapping[int, Any] | None]] = []  # rows, outcomes: by the event loop
        self.failed: list[tuple[int, str]] = []  # rows, code
        self.error: Exception | None = None  # of the next `take`
        self._outbox = outbox
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._lock = threading.Condition()
        self._number = self._handed = 0
        self._wants = False
        self._batch: Any = None
        self._posted: Any = None
        outbox.join(self)

    async def until(self, posted: int) -> None:
        await self._wait(lambda: len(self.posted) >= posted)

    async def until_failed(self, count: int) -> None:
        await self._wait(lambda: len(self.failed) >= count)

    async def until_wanted(self) -> None:
        """The thread waits for a batch."""
        await self._wait(lambda: self._wants)

    async def _wait(self, condition: Any) -> None:
        async with asyncio.timeout(BOUND_S):
            while not condition():
                self._news.clear()
                await self._news.wait()

    def _tell(self) -> None:
        self._loop.call_soon_threadsafe(self._news.set)

    def hand(self) -> bool:
        """What the native server does when rows are due. False: nobody takes them."""
        posted, self._posted = self._posted, None
        if posted is not None:
            posted.release()
        with self._lock:
            wanted = self._wants
            if wanted:
                self._batch = self._outbox.intake.take(500, 1 << 20)
                self._wants = False
                self._handed += 1
                self._lock.notify_all()
            return wanted

    # -- as the outbox calls it

    def release(self, batch: Any, outcomes: Mapping[int, Any] | None) -> None:
        self.released.append((len(batch), outcomes))
        batch.release()

    def fail(self, batch: Any, code: str, _detail: str, _retry_s: int) -> None:
        self.failed.append((len(batch), code))
        batch.give_back()
        self._outbox.intake.take_waiting().release()
        self._tell()

    def post(self, batch: Any, tell: bool) -> None:
        self.posted.append((0 if batch is None else len(batch), tell))
        self._posted = batch
        self._tell()
        if tell:
            self._loop.call_soon_threadsafe(self._outbox.settle)

    def order(self) -> int:
        return self._number

    def recall(self) -> int:
        with self._lock:
            self._number += 1
            self._wants = False
            self._lock.notify_all()
            return self._handed

    def take(self, order: int, batch: Any, tell: bool) -> tuple[Any, int, bool] | None:
        error, self.error = self.error, None
        if error is not None:
            raise error
        with self._lock:
            self._wants = order == self._number
            self.post(batch, tell)
            assert self._lock.wait_for(lambda: not self._wants, BOUND_S)
            taken, self._batch = self._batch, None
            return None if taken is None else (taken, 1_764_000_000, True)
