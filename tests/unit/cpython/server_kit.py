"""A native server that does what a test tells it: asyncio's descriptors are real, connections are bytes in memory."""

from __future__ import annotations

import errno
import select
from typing import Any

from headgate.linux.native_gateway import NativeGateway
from headgate.tasks.counters import BUCKETS_MS
from headgate.tasks.sink import Record, Ticket


class Lent:
    """One connection. `coming`: what lent_read gives next, None for the end; `sent`: what was written."""

    def __init__(self, *coming: bytes | None) -> None:
        self.coming = list(coming)
        self.sent = b""
        self.full = False
        self.broken = False
        self.finished = False
        self.returned: bytes | None = None
        self.identity = ""  # by its TLS certificate
        self.closed: str | None = None  # "close" or "abort"


class ScriptedServer:
    def __init__(self) -> None:
        self.epoll = select.epoll()
        self.told: list[tuple[str, int]] = []
        self.lent: dict[int, Lent] = {}
        self.watched: dict[int, int] = {}
        self.listening: list[int] = []
        self.changed: list[bytes] = []  # keys
        self.clocks: list[tuple[int, str, int]] = []
        self.calls: list[str] = []
        self.timeouts: list[float | None] = []
        self.error: BaseException | None = None  # of the next wait
        self.plan: Any = None
        self.connections = 0
        self.memory = 4711
        self.counted: dict[str, Any] = {
            **dict.fromkeys(("accepted", "replayed", "validated", "opened", "refused", "connections", "latency_ms"), 0),
            **{"requests": {}, "problems": {}, "rejected": {}, "latency": [0] * (len(BUCKETS_MS) + 1)},
        }

    # -- the test's

    def tell(self, kind: str, identity: int = 0) -> None:
        self.told.append((kind, identity))

    def lend(self, identity: int, *coming: bytes | None) -> Lent:
        self.lent[identity] = lent = Lent(*coming)
        self.connections += 1
        self.tell("lent", identity)
        return lent

    def more(self, identity: int, *coming: bytes | None) -> None:
        self.lent[identity].coming.extend(coming)
        self.tell("input", identity)

    def close(self) -> None:
        self.epoll.close()

    # -- the server's

    def fileno(self) -> int:
        return self.epoll.fileno()

    def listen(self, fd: int, secure: bool = False) -> None:
        self.listening.append(fd)

    def unlisten(self, fd: int) -> None:
        self.listening.remove(fd)

    def register(self, fd: int, mask: int) -> None:
        self.epoll.register(fd, (mask & 1) * select.EPOLLIN | (mask >> 1 & 1) * select.EPOLLOUT)
        self.watched[fd] = mask

    def modify(self, fd: int, mask: int) -> None:
        self.epoll.modify(fd, (mask & 1) * select.EPOLLIN | (mask >> 1 & 1) * select.EPOLLOUT)
        self.watched[fd] = mask

    def unregister(self, fd: int) -> None:
        self.epoll.unregister(fd)
        del self.watched[fd]

    def wait(self, timeout_s: float | None) -> list[tuple[int, int]]:
        self.timeouts.append(timeout_s)
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        ready = []
        for fd, bits in self.epoll.poll(0 if self.told else timeout_s):
            mask = 1 * bool(bits & select.EPOLLIN) | 2 * bool(bits & select.EPOLLOUT)
            ready.append((fd, mask | 4 * bool(bits & (select.EPOLLHUP | select.EPOLLERR))))
        return ready

    def events(self) -> list[tuple[str, int]]:
        told, self.told = self.told, []
        return told

    def changes(self) -> list[bytes]:
        changed, self.changed = self.changed, []
        return changed

    def set_clock(self, now_s: int, state: str, floor_s: int) -> None:
        self.clocks.append((now_s, state, floor_s))

    def _of(self, identity: int) -> Lent:
        lent = self.lent.get(identity)
        if lent is None or lent.closed or lent.returned is not None:
            raise OSError(errno.EBADF, "not lent")
        if lent.broken:
            raise BrokenPipeError(errno.EPIPE, "gone")
        return lent

    def lent_read(self, identity: int) -> bytes | None:
        coming = self._of(identity).coming
        if not coming:
            return b""
        return coming[0] if coming[0] is None else coming.pop(0)

    def lent_identity(self, identity: int) -> str:
        return self._of(identity).identity

    def lent_write(self, identity: int, data: bytes) -> bool:
        lent = self._of(identity)
        lent.sent += data
        return lent.full

    def lent_return(self, identity: int, rest: bytes) -> None:
        self._of(identity).returned = rest

    def lent_close(self, identity: int, abort: bool) -> None:
        lent = self.lent.get(identity)
        if lent is None or lent.closed:
            raise OSError(errno.EBADF, "not lent")
        lent.closed = "abort" if abort else "close"
        self.connections -= 1
        if "drain" in self.calls and not self.connections:
            self.tell("empty")

    def lent_finish(self, identity: int) -> None:
        self._of(identity).finished = True

    def drain(self) -> None:
        self.calls.append("drain")

    def abort(self) -> None:
        self.calls.append("abort")
        self.connections = 0
        for identity, lent in self.lent.items():
            if lent.returned is None and not lent.closed:
                lent.broken = True
                self.tell("gone", identity)

    def counters(self) -> dict[str, Any]:
        return {**self.counted, "connections": self.connections}


def held_tickets(gateway: NativeGateway) -> list[Ticket]:
    """Those of what is accepted from now on: the test says when it is stored."""
    tickets: list[Ticket] = []

    def submit(_record: Record, _durable: bool) -> Ticket:
        tickets.append(Ticket())
        return tickets[-1]

    gateway.sink.submit = submit  # type: ignore[method-assign]
    return tickets
