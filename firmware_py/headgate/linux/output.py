"""Standard output and error of a command. What breaks there (a reader that went away, a full disk) ends nothing: no
disk is left half-written, and no failure becomes a success, because nobody reads what is said of it."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO


class Output:
    """A text stream that remembers its first failure instead of raising it. Its `buffer` raises it: for what was asked
    for, such as `--out -`."""

    def __init__(self, stream: TextIO) -> None:
        self.failure: OSError | None = None
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            self.failure = self.failure or error.with_traceback(None)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self.failure = self.failure or error.with_traceback(None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def settle(self) -> None:
        """What is still buffered must not fail once more when the interpreter ends."""
        try:
            self._stream.flush()
        except OSError as error:
            self.failure = self.failure or error.with_traceback(None)
            nothing = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            os.dup2(nothing, self._stream.fileno())
            os.close(nothing)


@contextlib.contextmanager
def unbroken() -> Iterator[Output]:
    """sys.stdout, which it gives, and sys.stderr are such streams within, and settled behind it."""
    before = sys.stdout, sys.stderr
    out, err = Output(sys.stdout), Output(sys.stderr)
    sys.stdout, sys.stderr = out, err
    try:
        yield out
    finally:
        sys.stdout, sys.stderr = before
        out.settle()
        err.settle()
