"""One thread for what blocks. Calls run in the order they were made; while there are none it sleeps without a timer."""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

_T = TypeVar("_T")
Done = Callable[[Any, BaseException | None], None]  # (result, None) or (None, what was raised)


class Worker:
    """Use from one event loop. A daemon: a process that ends without `stop` is a power cut, which the disk survives.

    `tell`: called by the thread after each call, whose outcome then waits for `settle`; `rest`: by the thread before it
    sleeps, which may `do` calls of its own meanwhile; `broken`: by `settle`, with what one of them raised (a bug, or no
    memory). All may be replaced."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._calls: SimpleQueue[tuple[Done, Callable[..., Any], tuple[Any, ...]] | None] = SimpleQueue()
        self._outcomes: deque[tuple[Done, Any, BaseException | None]] = deque()
        self.tell: Callable[[], object] = self.wake
        self.rest: Callable[[], object] = _sleep_at_once
        self.broken: Callable[[BaseException], object] = _raise
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def call(self, function: Callable[..., _T], *arguments: Any) -> "asyncio.Future[_T]":
        """A future of the result. Cancelling it does not stop the call."""
        future: asyncio.Future[_T] = self._loop.create_future()
        self.start(partial(settle_future, future), function, *arguments)
        return future

    def start(self, done: Done, function: Callable[..., Any], *arguments: Any) -> None:
        """The event loop calls `done` with the outcome: for who would rather not wake a task for it."""
        self._calls.put((done, function, arguments))

    @property
    def unsettled(self) -> int:
        """Outcomes that wait for `settle`."""
        return len(self._outcomes)

    def wake(self) -> None:
        """Any thread: the event loop calls `settle`."""
        with contextlib.suppress(RuntimeError):  # it is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self.settle)

    def settle(self) -> None:
        """Hand out the outcomes there are. In the event loop."""
        while self._outcomes:
            done, result, error = self._outcomes.popleft()
            done(result, error)

    def stop(self, *, wait: bool = True) -> None:
        """The thread ends when the calls made so far are done; `wait` for that here, which blocks the loop."""
        self._calls.put(None)
        if wait:
            self._thread.join()

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                self.do(*call)
                del call  # an idle thread holds on to nothing
                self.rest()
            except BaseException as raised:
                self._outcomes.append((self._broke, None, raised))
                self.wake()

    def _broke(self, _: None, raised: BaseException | None) -> None:
        if raised is not None:
            self.broken(raised)

    def do(self, done: Done, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        """In the thread: as if it had been started."""
        result, error = None, None
        try:
            result = function(*arguments)
        except BaseException as raised:
            error = raised
        self._outcomes.append((done, result, error))
        self.tell()


def _sleep_at_once() -> None:
    """Nothing else is to be done."""


def _raise(error: BaseException) -> None:
    raise error


def settle_future(future: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    """With the outcome of a call."""
    if future.done():  # cancelled meanwhile
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
