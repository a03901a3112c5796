"""An agent on another machine ends with whoever started it: a killed ssh ends nothing there but its standard input."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Iterator

_HELD = b"+"  # comes first: standard input that is empty or closed from the start says nothing
_INPUT = 0


@contextlib.contextmanager
def held() -> Iterator[int]:
    """Standard input for an agent: it ends with the context, or with this process."""
    theirs, ours = os.pipe()
    try:
        os.write(ours, _HELD)
        yield theirs
    finally:
        os.close(theirs)
        os.close(ours)


@contextlib.contextmanager
def watched(loop: asyncio.AbstractEventLoop, let_go: Callable[[], None]) -> Iterator[None]:
    """`let_go` is called when standard input ends, if it was `held`."""
    is_held = False

    def readable() -> None:
        nonlocal is_held
        try:
            data = os.read(_INPUT, 64)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        is_held = is_held or bool(data)
        if not data:
            loop.remove_reader(_INPUT)
            if is_held:
                let_go()

    try:
        if sys.stdin is None:  # closed: its number is something else's now
            raise ValueError
        loop.add_reader(_INPUT, readable)
    except (OSError, ValueError):  # /dev/null, a file: nobody holds it
        yield
        return
    try:
        yield
    finally:
        loop.remove_reader(_INPUT)
