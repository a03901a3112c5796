"""One thread for what blocks. Calls run in the order they were made; while there are none it sleeps without a timer."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

_T = TypeVar("_T")
Done = Callable[[Any, BaseException | None], None]  # (result, None) or (None, what was raised)


class Worker:
    """Use from one event loop. A daemon: a process that ends without `stop` is a power cut, which the disk survives."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._calls: SimpleQueue[tuple[Done, Callable[..., Any], tuple[Any, ...]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def call(self, function: Callable[..., _T], *arguments: Any) -> "asyncio.Future[_T]":
        """A future of the result. Cancelling it does not stop the call."""
        future: asyncio.Future[_T] = self._loop.create_future()
        self.start(partial(_settle, future), function, *arguments)
        return future

    def start(self, done: Done, function: Callable[..., Any], *arguments: Any) -> None:
        """The event loop calls `done` with the outcome: for who would rather not wake a task for it."""
        self._calls.put((done, function, arguments))

    def stop(self, *, wait: bool = True) -> None:
        """The thread ends when the calls made so far are done; `wait` for that here, which blocks the loop."""
        self._calls.put(None)
        if wait:
            self._thread.join()

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            done, function, arguments = call
            result, error = None, None
            try:
                result = function(*arguments)
            except BaseException as raised:
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(done, result, error)
            del call, done, function, arguments, result, error  # an idle thread holds on to nothing


def _settle(future: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    if future.done():  # cancelled meanwhile
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
