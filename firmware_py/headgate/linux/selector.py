"""asyncio's selector with the native server inside: while the event loop waits for its descriptors, the server serves.

    loop = asyncio.SelectorEventLoop(NativeSelector())
    ...                                        # an epoll set like any other
    selector.join(server, clock)               # from now on loop.run... serves
    loop.add_reader(server.fileno(), dispatch) # called when the server has something for Python: selector.events()
    selector.leave()                           # before the server goes

asyncio stays stock: it sees a selector whose `select` takes its time. Before `join` and after `leave` that is epoll.
"""

import contextlib
import select
import selectors
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

    from headgate.linux.server_port import Server

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE  # 1 and 2, as in server.h
GONE = 4  # hang-up or error: whoever waits for anything has to look
CLOCK_S = 1.0  # between two looks at the clock; the server's own goes on meanwhile

Reading = Callable[[], "tuple[int, str, int]"]  # linux/ntp.py, TrustedClock.reading


def _descriptor(fileobj: "FileDescriptorLike") -> int:
    """Raises ValueError as the selectors of the standard library do."""
    if isinstance(fileobj, int):
        number = fileobj
    else:
        try:
            number = int(fileobj.fileno())
        except (AttributeError, TypeError, ValueError):
            raise ValueError(f"Invalid file object: {fileobj!r}") from None
    if number < 0:
        raise ValueError(f"Invalid file descriptor: {number}")
    return number


class _Map(Mapping["FileDescriptorLike", selectors.SelectorKey]):
    """What is registered, by file object or descriptor."""

    def __init__(self, keys: dict[int, selectors.SelectorKey]) -> None:
        self._keys = keys

    def __len__(self) -> int:
        return len(self._keys)

    def __getitem__(self, fileobj: "FileDescriptorLike") -> selectors.SelectorKey:
        """KeyError also for a file object that was closed meanwhile, unless it is still registered."""
        try:
            return self._keys[_descriptor(fileobj)]
        except ValueError:
            for key in self._keys.values():
                if key.fileobj is fileobj:
                    return key
        except KeyError:
            pass
        raise KeyError(f"{fileobj!r} is not registered")

    def __iter__(self) -> "Iterator[FileDescriptorLike]":
        return iter(self._keys)


class _Epoll:
    """What a Server does with asyncio's descriptors, while there is none."""

    def __init__(self) -> None:
        self._epoll = select.epoll()

    @staticmethod
    def _bits(mask: int) -> int:
        return (select.EPOLLIN if mask & READ else 0) | (select.EPOLLOUT if mask & WRITE else 0)

    def fileno(self) -> int:
        return self._epoll.fileno()

    def register(self, fd: int, mask: int) -> None:
        self._epoll.register(fd, self._bits(mask))

    def modify(self, fd: int, mask: int) -> None:
        self._epoll.modify(fd, self._bits(mask))

    def unregister(self, fd: int) -> None:
        self._epoll.unregister(fd)

    def wait(self, timeout_s: float | None) -> list[tuple[int, int]]:
        ready = []
        for fd, bits in self._epoll.poll(timeout_s):
            mask = (READ if bits & select.EPOLLIN else 0) | (WRITE if bits & select.EPOLLOUT else 0)
            ready.append((fd, mask | (GONE if bits & ~(select.EPOLLIN | select.EPOLLOUT) else 0)))
        return ready

    def close(self) -> None:
        self._epoll.close()


class NativeSelector(selectors.BaseSelector):
    """One event loop's. Not for several threads."""

    def __init__(self) -> None:
        self._keys: dict[int, selectors.SelectorKey] = {}
        self._map: _Map | None = _Map(self._keys)
        self._epoll: _Epoll | None = _Epoll()
        self._server: Server | None = None
        self._set: _Epoll | Server = self._epoll
        self._events: deque[tuple[str, int]] = deque()
        self._reading: Reading | None = None
        self._next_clock = 0.0
        self._door = -1  # the descriptor that stands for the server's events; nobody watches it

    # -- the server

    def join(self, server: "Server", reading: Reading) -> None:
        """All that is registered moves to the server's set. `reading`: tells it the time, once a second at most."""
        if self._server is not None or self._epoll is None:
            raise RuntimeError("there is a server already, or the selector is closed")
        for fd, key in self._keys.items():
            server.register(fd, key.events)
        self._epoll.close()
        self._epoll = None
        self._server = self._set = server
        self._reading = reading
        self._next_clock = 0.0
        self._door = server.fileno()

    def leave(self) -> None:
        """The server serves no more, and what is registered moves to a set of ours. Its own descriptor must have been
        unregistered. Nothing happens without a server."""
        server = self._server
        if server is None:
            return
        if self._door in self._keys:
            raise RuntimeError("the server's descriptor is still registered")
        self._epoll = self._set = _Epoll()
        self._server, self._reading, self._door = None, None, -1
        self._events.clear()
        for fd, key in self._keys.items():
            server.unregister(fd)
            self._epoll.register(fd, key.events)

    def events(self) -> "Iterator[tuple[str, int]]":
        """What the server has told, each once: (kind, id), see server.h."""
        while self._events:
            yield self._events.popleft()

    # -- selectors.BaseSelector

    def register(self, fileobj: "FileDescriptorLike", events: int, data: Any = None) -> selectors.SelectorKey:
        if not events or events & ~(READ | WRITE):
            raise ValueError(f"Invalid events: {events!r}")
        fd = _descriptor(fileobj)
        if fd in self._keys:
            raise KeyError(f"{fileobj!r} (FD {fd}) is already registered")
        if fd != self._door:
            self._set.register(fd, events)
        key = self._keys[fd] = selectors.SelectorKey(fileobj, fd, events, data)
        return key

    def unregister(self, fileobj: "FileDescriptorLike") -> selectors.SelectorKey:
        key = self._key(fileobj)
        del self._keys[key.fd]
        if key.fd != self._door:
            with contextlib.suppress(OSError):  # it was closed: the kernel has forgotten it already
                self._set.unregister(key.fd)
        return key

    def modify(self, fileobj: "FileDescriptorLike", events: int, data: Any = None) -> selectors.SelectorKey:
        if not events or events & ~(READ | WRITE):
            raise ValueError(f"Invalid events: {events!r}")
        key = self._key(fileobj)
        if events != key.events and key.fd != self._door:
            try:
                self._set.modify(key.fd, events)
            except OSError:
                del self._keys[key.fd]  # it was closed
                raise
        if events != key.events or data != key.data:
            key = self._keys[key.fd] = key._replace(events=events, data=data)
        return key

    def _key(self, fileobj: "FileDescriptorLike") -> selectors.SelectorKey:
        if self._map is None:
            raise KeyError(f"{fileobj!r} is not registered")
        return self._map[fileobj]

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Serve, until something of asyncio's is ready, the server has an event for Python, its turn or `timeout`
        (seconds; None: no end) is over. A signal ends it as well."""
        if timeout is not None:
            timeout = max(timeout, 0.0)
        server = self._server
        if server is not None:
            self._tell_time(server)
            if self._events:
                timeout = 0.0  # somebody took only some of them
        try:
            found = self._set.wait(timeout)
        except InterruptedError:
            found = []
        ready = []
        keys = self._keys
        for fd, mask in found:
            key = keys.get(fd)
            if key is not None:  # else: unregistered meanwhile
                ready.append((key, (READ | WRITE if mask & GONE else mask) & key.events))
        if server is not None:
            self._events.extend(server.events())
            door = keys.get(self._door)
            if self._events and door is not None:
                ready.append((door, READ))
        return ready

    def _tell_time(self, server: "Server") -> None:
        now = time.monotonic()
        if now >= self._next_clock and self._reading is not None:
            self._next_clock = now + CLOCK_S
            server.set_clock(*self._reading())

    def close(self) -> None:
        if self._epoll is not None:
            self._epoll.close()
        self._epoll = self._server = self._map = None
        self._keys.clear()

    def get_map(self) -> "Mapping[FileDescriptorLike, selectors.SelectorKey]":
        return self._map  # type: ignore[return-value]  # None once closed, as everywhere; get_key then says so
