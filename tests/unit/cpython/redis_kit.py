"""A server that says what a test tells it, and a second level that is connected to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

from headgate._accel import Store
from headgate.linux.resp import MORE, Reader
from headgate.linux.resp_link import Place
from headgate.linux.second_level import SecondLevel

PREFIX = b"p:"
FOREVER = 60_000  # ms; no test waits so long for an answer
GREETINGS = {  # answered by itself
    b"HELLO": b"%1\r\n+proto\r\n:3\r\n",
    b"CLIENT": b"+OK\r\n",
    b"PING": b"+PONG\r\n",
}


class ScriptedServer:
    """What is not in `greetings` waits in `asked` for the test to answer with `say`."""

    def __init__(self) -> None:
        self.greetings = dict(GREETINGS)
        self.asked: deque[list[bytes]] = deque()
        self.greeted: list[list[bytes]] = []
        self.connections = 0
        self._news = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self.hang_up()

    def hang_up(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writer = writer
        self.asked.clear()
        words = Reader()
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                words.feed(data)
                while (command := words.next()) is not MORE:
                    self._hear(writer, command)  # type: ignore[arg-type]
        writer.close()

    def _hear(self, writer: asyncio.StreamWriter, command: list[bytes]) -> None:
        answer = self.greetings.get(command[0])
        if answer is None:
            self.asked.append(command)
        else:
            self.greeted.append(command)
            writer.write(answer)
        self._news.set()

    async def hears(self) -> list[bytes]:
        """The next command that waits for an answer."""
        while not self.asked:
            self._news.clear()
            await self._news.wait()
        return self.asked.popleft()

    def say(self, data: bytes) -> None:
        assert self._writer is not None
        self._writer.write(data)

    def tells(self, *keys: bytes) -> None:
        """Somebody else has changed them."""
        names = b"".join(b"$%d\r\n%b\r\n" % (len(PREFIX + key), PREFIX + key) for key in keys)
        self.say(b">2\r\n$10\r\ninvalidate\r\n*%d\r\n" % len(keys) + names)


async def until(condition: Callable[[], bool]) -> None:
    """The loop runs on until it holds."""
    turns = 0
    while not condition():
        turns += 1
        await asyncio.sleep(0 if turns < 50 else 0.001)


def bulk(text: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(text), text)


class Scene:
    """`ms`: the clock, for the test to move."""

    def __init__(self, server: ScriptedServer) -> None:
        self.server = server
        self.ms = 1_000_000
        self.store: Any = Store(100_000)
        place = Place(host="127.0.0.1", port=server.port, prefix=PREFIX, username="u")
        self.level = SecondLevel(
            place, self.store, value_max=1000, now_ms=lambda: self.ms, jitter=lambda: 0.0, wait_ms=FOREVER
        )

    def hurry(self, wait_ms: int = FOREVER) -> None:
        """Requests wait no longer from now on (a connection is only made when the server answers as fast)."""
        self.level._wait_s = wait_ms / 1000

    def put(self, key: bytes, value: bytes, max_age: int = 0) -> None:
        """As a client's PUT."""
        self.store.put(b"kv/" + key, value, b"%d %d text/plain" % (max_age, self.ms), max_age * 1000, self.ms)
        self.level.changed(b"kv/" + key)

    def delete(self, key: bytes) -> None:
        self.store.delete(b"kv/" + key, self.ms)
        self.level.changed(b"kv/" + key)

    def value(self, key: bytes) -> bytes | None:
        found = self.store.peek(b"kv/" + key, self.ms)
        return None if found is None else found[0]

    def fetch(self, *keys: bytes) -> asyncio.Task[None]:
        return asyncio.create_task(self.level.fetch([b"kv/" + key for key in keys]))  # type: ignore[arg-type]

    async def until(self, **wanted: int) -> None:
        """The stats are so."""
        await until(lambda: all(self.level.stats()[name] == value for name, value in wanted.items()))

    async def has(self, key: bytes, value: bytes | None) -> None:
        await until(lambda: self.value(key) == value)


@contextlib.asynccontextmanager
async def scene(*, connected: bool = True, **greetings: bytes) -> AsyncIterator[Scene]:
    server = ScriptedServer()
    server.greetings.update({name.encode(): answer for name, answer in greetings.items()})
    await server.start()
    made = Scene(server)
    task = asyncio.create_task(made.level.run())
    try:
        async with asyncio.timeout(60):
            if connected:
                await made.until(connected=1)
            yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        server.stop()
