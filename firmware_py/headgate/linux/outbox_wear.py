"""What the outbox writes to the disk, for the ledger: flash wears out by it."""

import threading
from pathlib import Path

from headgate.linux.outbox_types import Ledger

_EVERY = 64  # transactions between two looks at /proc


class Wear:
    """Bytes the outbox's thread wrote, from /proc: SQLite's, and the 8 for each ring of the server's bell. Unknown
    without that file."""

    def __init__(self) -> None:
        self._last = 0
        self._transactions = 0

    def update(self, ledger: Ledger, *, now: bool = False) -> Ledger:
        """Add what was written since the last look, every few transactions or `now`."""
        self._transactions += 1
        if not now and self._transactions % _EVERY:
            return ledger
        written = self._read()
        fresh, self._last = max(written - self._last, 0), max(written, self._last)
        return ledger._replace(written_bytes=ledger.written_bytes + fresh)

    @staticmethod
    def _read() -> int:
        try:
            text = Path(f"/proc/self/task/{threading.get_native_id()}/io").read_text()
        except OSError:
            return 0
        for line in text.splitlines():
            name, _, value = line.partition(":")
            if name == "wchar":
                return int(value)
        return 0
