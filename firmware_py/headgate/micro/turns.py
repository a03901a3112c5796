"""Many connections in little memory: an idle one is a socket and one small coroutine, and requests take turns.

The gateway's objects for a connection exist only from the moment its next request begins to arrive until that has been
answered; then the connection is parked. What a request needs in memory exists once, however many clients send at full
speed: the turn is kept while a request is worked on. A client that is slow with a body, or does not take its answer,
waits without the turn, and what has come of its body waits with it.
"""

import asyncio
from asyncio import core

# How long a client keeps its turn, in steps: each wait of STEP_MS for the next byte takes one, a read of little and an
# answer take USE_STEPS. After TURN_STEPS others have their turn before each of its reads. A body that comes as fast as
# it is read takes none, for half of it would stay in memory while the others begin theirs: up to the largest that the
# plan allows, then its reads do as well. Answers do, or who sends requests without end would keep the turn for ever.
TURN_STEPS = 24
USE_STEPS = 3
STEP_MS = 5
LITTLE = 8  # a read of less than 1/LITTLE of what was asked for
REFUSALS = 4  # connections that are waited for, at the same time, to take their refusal
# Made once: `except (A, B):` makes its tuple each time, which without memory raises MemoryError out of the handler.
_NOT_ACCEPTED = (OSError, ValueError, MemoryError)
_ENDED = (OSError, MemoryError, asyncio.CancelledError)
REFUSAL = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def _await_input(s):
    """`yield _await_input(s)`: until the socket `s` has input. Raises MemoryError."""
    try:
        core._io_queue.queue_read(s)
    except MemoryError:
        _forget()
        raise


def _forget():
    """Take the current task out of the queue of those that wait for a socket. Without memory it may have got half-way
    into it: it would be woken after its end, and a closed socket kept for ever. (On Linux MicroPython 1.25 may crash
    then, here or as it polls: docs/micropython.md.)"""
    core._io_queue.remove(asyncio.current_task())


class Stream:
    """MicroPython's asyncio stream while a request is worked on; reader and writer in one, as there."""

    def __init__(self, stream, lock, limit):
        self.stream = stream
        self.lock = lock
        self.limit = limit  # bytes that may be read for nothing
        self.mine = True
        self.steps = TURN_STEPS
        self.served = False
        self.parked = False

    def park(self):
        """Asked by the connection when it has nothing to do: True when it should end without closing the socket."""
        self.parked = self.served
        self.served = True
        return self.parked

    def give_back(self):
        if self.mine:
            self.mine = False
            self.lock.release()  # portable: of asyncio.Lock

    def read(self, n):  # a generator, as the coroutines of MicroPython's own stream
        """Up to `n` bytes, b"" at the end of input. Raises OSError."""
        s = self.stream.s
        while self.mine and self.steps > 0:
            data = s.read(n)
            if data is not None:
                self.limit -= len(data)
                if self.limit < 0 or len(data) * LITTLE < n:
                    self.steps -= USE_STEPS
                return data
            self.steps -= 1
            yield from asyncio.sleep_ms(STEP_MS)
        self.give_back()
        yield from asyncio.sleep_ms(0)  # who sends without a pause does not keep the others from it
        while True:
            yield from self.lock.acquire()
            self.mine = True
            data = s.read(n)
            if data is not None:
                return data
            self.give_back()
            yield _await_input(s)

    def write(self, data):
        self.steps -= USE_STEPS
        self.stream.write(data)

    async def drain(self):
        if self.stream.out_buf:
            self.give_back()
            try:
                await self.stream.drain()
            except MemoryError:
                _forget()
                raise

    def close(self):
        pass

    async def wait_closed(self):
        self.give_back()
        if not self.parked:
            await self.stream.wait_closed()


class Turns:
    """`accept` goes to asyncio.start_server. `gateway`: tasks.gateway.Gateway; its plan says how many connections there
    may be and how long they may be idle."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.lock = asyncio.Lock()
        self.count = 0
        self._refusing = 0
        self.idle = {}  # task of a parked connection: when it will be closed (ms)
        limit = gateway.plan.cache_value
        for stream in gateway.plan.streams.values():
            limit = max(limit, stream.body_limit)
        self.limit = limit + 4096  # and a head, and what frames chunks

    def listen(self, s, context):
        """Accept connections on the listening socket `s`, for ever; a generator. asyncio's own server ends for good
        where there is no memory for a connection: here only that one is closed. `context`: for TLS, or None."""
        while True:
            client = None
            try:
                yield _await_input(s)
                client = s.accept()[0]
                if context:
                    client = context.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
                client.setblocking(False)
                stream = asyncio.StreamReader(client)
                asyncio.create_task(self.accept(stream, stream))  # noqa: RUF006 - MicroPython keeps tasks
            except _NOT_ACCEPTED:
                if client is not None:
                    client.close()
                yield from asyncio.sleep_ms(STEP_MS)

    def accept(self, reader, writer):
        """The connection's task, all its life; a generator, like MicroPython's own coroutines."""
        gateway = self.gateway
        if self.count >= gateway.plan.connections:
            gateway.counters.refused += 1
            try:
                yield from self._refuse(writer)
            except _ENDED:  # also where there is no memory to begin with it
                pass
            finally:
                writer.s.close()
            return
        self.count += 1
        task = asyncio.current_task()
        parked = True
        try:
            while parked:
                self.idle[task] = gateway.now_ms() + gateway.plan.idle_ms
                yield _await_input(reader.s)
                del self.idle[task]
                yield from self.lock.acquire()
                stream = None
                try:
                    stream = Stream(reader, self.lock, self.limit)
                    yield from gateway.accept(stream, stream)
                finally:  # however it ends: nobody else would ever have a turn
                    if stream is None:
                        self.lock.release()  # portable: of asyncio.Lock
                    else:
                        stream.give_back()
                parked = stream.parked
                if parked:  # it will come again, and be the same connection
                    gateway.counters.opened -= 1
        except _ENDED:
            pass
        finally:
            self.count -= 1
            if parked:  # cancelled while idle
                self.idle.pop(task, None)
                reader.s.close()  # what wait_closed does, and takes no memory for a coroutine

    def _refuse(self, writer):
        """Over the limit. Closed at once, the connection would be reset by what the client sends meanwhile, and the
        client would see that and not the answer: what it sends is read for as long as a turn lasts."""
        self._refusing += 1
        try:
            writer.write(REFUSAL)
            steps = TURN_STEPS if self._refusing <= REFUSALS and not writer.out_buf else 0  # not amid TLS's handshake
            while steps > 0 and writer.s.read(512) != b"":
                steps -= 1
                yield from asyncio.sleep_ms(STEP_MS)
        finally:
            self._refusing -= 1

    def reap(self):
        """Close the connections that have been idle for too long."""
        now_ms = self.gateway.now_ms()
        for task in [task for task in self.idle if now_ms >= self.idle[task]]:
            task.cancel()
