"""One thread for what blocks. Calls run in the order they were made; while there are none it sleeps without a timer."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

_T = TypeVar("_T")


class Worker:
    """Use from one event loop. A daemon: a process that ends without `stop` is a power cut, which the disk survives."""

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...], asyncio.Future[Any]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def call(self, function: Callable[..., _T], *arguments: Any) -> "asyncio.Future[_T]":
        """A future of the result. Cancelling it does not stop the call."""
        future: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self._calls.put((function, arguments, future))
        return future

    def stop(self, *, wait: bool = True) -> None:
        """The thread ends when the calls made so far are done; `wait` for that here, which blocks the loop."""
        self._calls.put(None)
        if wait:
            self._thread.join()

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            function, arguments, future = call
            result, error = None, None
            try:
                result = function(*arguments)
            except BaseException as raised:
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                future.get_loop().call_soon_threadsafe(_settle, future, result, error)
            del call, function, arguments, future, result, error  # an idle thread holds on to nothing


def _settle(future: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    if future.done():  # cancelled meanwhile
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
