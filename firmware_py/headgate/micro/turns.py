"""One request at a time: what a request needs in memory exists once, however many connections are open.

Every connection's stream is wrapped. Reading first gives the turn back, then waits until there is something to read
(which takes next to no memory), then waits for its turn; the turn is kept while the request is worked on and its answer
written. A client that does not take its answer, or is slow with a body, waits without the turn.
"""

import asyncio
from asyncio import core


class Stream:
    """Wraps MicroPython's asyncio stream; reader and writer in one, as there."""

    def __init__(self, stream, lock):
        self.stream = stream
        self.lock = lock
        self.mine = False

    def give_back(self):
        if self.mine:
            self.mine = False
            self.lock.release()

    async def read(self, n):
        """Up to `n` bytes, b"" at the end of input. Raises OSError."""
        self.give_back()
        s = self.stream.s
        while True:
            await readable(s)
            await self.lock.acquire()
            self.mine = True
            data = s.read(n)
            if data is not None:
                return data
            self.give_back()

    def write(self, data):
        self.stream.write(data)

    async def drain(self):
        if self.stream.out_buf:
            self.give_back()
            await self.stream.drain()

    def close(self):
        self.stream.close()

    async def wait_closed(self):
        self.give_back()
        await self.stream.wait_closed()


def readable(s):
    """Await it: the next time `s` has input. What asyncio's own stream does before it reads."""
    yield core._io_queue.queue_read(s)


class Turns:
    """`accept` goes to asyncio.start_server instead of `handler`, a coroutine function of (reader, writer)."""

    def __init__(self, handler):
        self.handler = handler
        self.lock = asyncio.Lock()

    async def accept(self, reader, writer):
        stream = Stream(reader, self.lock)
        try:
            await self.handler(stream, stream)
        finally:
            stream.give_back()
