"""Room kept back on the disk: to delete what was delivered is to write first, also on a disk that is full."""

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from headgate import limits

FILE = "outbox.reserve"


class Reserve:
    """A file of nothing. For one thread."""

    def __init__(self, directory: Path, size: int, log: Callable[[str, str], None]) -> None:
        self.low = False  # the disk is nearly full, as of the last look
        self._directory = directory
        self._path = str(directory / FILE)
        self._wanted = size  # bytes
        self._log = log
        self._there = False  # as of the last look
        self._next_look = 0.0  # monotonic

    def size(self) -> tuple[int, int]:
        """-> (bytes of the reserve, bytes free on its file system). A small file system gives an eighth at most."""
        space = os.statvfs(self._directory)
        return min(self._wanted, space.f_blocks * space.f_frsize // 8), space.f_bavail * space.f_frsize

    def is_there(self) -> bool:
        """Looks at the disk when it is time to, and at each commit while room is short. What others write meanwhile is
        covered by the reserve. Raises OSError."""
        now = time.monotonic()
        if self.low or not self._there or now >= self._next_look:
            self._next_look = now + limits.DISK_LOOK_MS / 1000
            self._there = self.fill()
            size, free = self.size()
            self.low = free < 4 * size
        return self._there

    def fill(self) -> bool:
        """Whether the reserve is there (again). Not taken from a disk that has less than twice as much left."""
        try:
            if os.path.exists(self._path):  # noqa: PTH110 - a name made once
                return True
            size, free = self.size()
            if size == 0:
                return True
            if free < 2 * size:
                return False
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, size)
            finally:
                os.close(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(self._path)  # noqa: PTH108
            return False
        return True

    def release(self) -> bool:
        """Gives the room to whoever writes next. -> whether there was any."""
        self._there = False
        try:
            os.unlink(self._path)  # noqa: PTH108
        except OSError:
            return False
        self._log("warning", "disk full: the reserve is in use")
        return True
