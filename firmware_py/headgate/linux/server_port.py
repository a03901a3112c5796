"""What the Python side asks of the native server (`headgate_native._native.Server`), which core/server.h explains.

For type checkers and readers; nothing is imported from here when the program runs.
"""

from collections.abc import Mapping
from typing import Any, Protocol


class CommitServer(Protocol):
    """Of the server: who waits for commits, as the outbox and its thread see it."""

    def release(self, batch: Any, outcomes: Mapping[int, Any] | None, /) -> None:
        """The batch of the intake is committed: who waits is answered, and it is freed. `outcomes`: of rows that were
        not stored, by their index: "boot.seq" of the first message under the key, False when that had another body."""

    def fail(self, batch: Any, code: str, detail: str, retry_s: int, /) -> None:
        """It is not: who waits hears that; promised rows go back to the intake."""

    def post(self, batch: Any, tell: bool, /) -> None:
        """For another thread: a commit has ended. `batch`: every row is stored and none is of interest to Python: it is
        released as soon as the server looks, before Python does; None: there is no such batch. `tell`: Python waits for
        that, event "committed"."""

    def order(self) -> int:
        """From now on a batch that is due, and that somebody waits for, goes to the thread that waits in `take`. If
        none does, or nobody waits for the rows, it is event "rows" as ever. -> the order's number, for `take`."""

    def recall(self) -> int:
        """No order holds any more, and whoever waits in `take` gets None. -> batches handed over since the
        beginning."""

    def take(self, order: int, batch: Any, tell: bool, /) -> "tuple[Any, int, bool] | None":
        """For another thread: post(batch, tell), then wait for the next batch. -> (it, Unix s, whether that is
        trusted); None: that order was recalled. What it raises (no memory) ends the outbox: a batch may have been
        posted, or handed over."""


class Server(CommitServer, Protocol):
    """One thread's, but for `post` and `take`. Calls on a lent connection raise OSError when it is broken or not there
    (any more)."""

    plan: Any  # the native form of tasks.plan.Plan, for new requests

    def fileno(self) -> int: ...

    def listen(self, fd: int, tls: Any, /) -> None:
        """Accept connections from this listening socket, which stays the caller's. `tls`: a native Tls, or None."""

    def unlisten(self, fd: int) -> None: ...

    def http2(self, library: Any, /) -> None:
        """Connections whose first bytes say so speak HTTP/2 from now on. `library`: headgate_native._http2.library."""

    def register(self, fd: int, mask: int) -> None:
        """A descriptor of asyncio's. `mask`: 1 readable, 2 writable."""

    def modify(self, fd: int, mask: int) -> None: ...

    def unregister(self, fd: int) -> None: ...

    def wait(self, timeout_s: float | None) -> list[tuple[int, int]]:
        """Serve. -> asyncio's descriptors that are ready: (fd, mask), in the mask 4 for a hang-up or error."""

    def events(self) -> list[tuple[str, int]]:
        """(kind, connection or 0), each once. Kinds: "lent" "input" "drained" "gone" "rows" "changes"
        "committed" "no_files" "empty"."""

    def changes(self) -> list[bytes]:
        """Keys of the store that were put or deleted in C, where the cache is shared; each change once."""

    def set_clock(self, now_s: int, state: str, floor_s: int) -> None: ...

    def lent_read(self, identity: int) -> bytes | None:
        """b"": wait for "input"; None: nothing more will come."""

    def lent_identity(self, identity: int) -> str:
        """The client's name by its TLS certificate; "": it has shown none."""

    def lent_write(self, identity: int, data: bytes) -> bool:
        """True: wait for "drained" before the next one."""

    def lent_return(self, identity: int, rest: bytes) -> None: ...

    def lent_close(self, identity: int, abort: bool) -> None: ...

    def lent_finish(self, identity: int) -> None: ...

    def drain(self) -> None: ...

    def abort(self) -> None: ...

    def counters(self) -> Mapping[str, Any]:
        """By the names of tasks.counters.Counters, and in their form."""

    @property
    def connections(self) -> int: ...

    @property
    def memory(self) -> int:
        """Bytes held for connections."""
