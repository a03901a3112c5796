"""One connection to a Valkey or Redis server: commands one after the other, their answers in the same order, and
between them what the server tells by itself. Why there is no client library here: docs/adr/0011-second-level.md.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from headgate import limits
from headgate.linux import dial
from headgate.linux.resp import MORE, Failure, Push, Reader, Reply, RespError, command

if TYPE_CHECKING:
    from headgate.linux.client_tls import ClientTls

_OF_OLD = ("ERR unknown command", "NOPROTO")  # how servers answer that do not know HELLO
Answer = Callable[["Reply | Lost"], None]  # called once for each command, in their order


class Lost:
    """What a command gets whose answer will not come any more."""


LOST = Lost()


class LinkError(Exception):
    """No connection, or none any more: one line without secrets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where and as whom. `prefix`: of all keys that are of interest; `password_file` is read at each connection."""

    host: str
    port: int
    prefix: bytes
    tls: bool = False
    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    name: str = "headgate"  # of the connection, for the server's CLIENT LIST


class Link(asyncio.Protocol):
    """`tracking`: the server tells of changes of keys with our prefix that others make; `untold`: why not."""

    def __init__(self, on_push: Callable[[Push], None], tls: "ClientTls | None") -> None:
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()  # why
        self.tracking = False
        self.untold = ""
        self._on_push = on_push
        self._tls = tls
        self._reader = Reader()
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[Answer] = deque()

    @classmethod
    async def open(cls, place: Place, on_push: Callable[[Push], None]) -> "Link":
        """Connected, logged in, and told of changes if the server does that. Raises LinkError."""
        try:
            async with asyncio.timeout(limits.SHARED_CONNECT_MS / 1000):
                link = await cls._connect(place, on_push)
                try:
                    await link._log_in(place)
                except BaseException:
                    link.close()
                    raise
                return link
        except TimeoutError:
            raise LinkError(f"no answer within {limits.SHARED_CONNECT_MS} ms") from None
        except dial.UnreadableError as error:
            raise LinkError(str(error)) from None
        except OSError as error:
            raise LinkError(dial.reason_of(error)) from None

    @classmethod
    async def _connect(cls, place: Place, on_push: Callable[[Push], None]) -> "Link":
        tls = None
        if place.tls:
            from headgate.linux import client_tls

            context = dial.client_context(place.ca_file, place.cert_file, place.key_file)
            tls = client_tls.ClientTls(context, place.host)
        connected = await dial.connect(place.host, place.port)
        try:
            _, link = await asyncio.get_running_loop().create_connection(lambda: cls(on_push, tls), sock=connected)
        except BaseException:
            connected.close()
            raise
        return link

    async def _log_in(self, place: Place) -> None:
        password = dial.read_password(place.password_file)
        who = [(place.username or "default").encode(), password.encode()] if password is not None else []
        greeting = await self.ask(b"HELLO", b"3", *([b"AUTH", *who] if who else []), b"SETNAME", place.name.encode())
        if isinstance(greeting, Failure):
            if who and not greeting.text.startswith(_OF_OLD):
                raise LinkError(f"it refuses us: {greeting.text}")
            try:
                await self._log_in_of_old(place, who, greeting)
            except LinkError:
                if self.lost.done() and not greeting.text.startswith(_OF_OLD):  # it has told why, and hung up
                    raise LinkError(f"it refuses us: {greeting.text}") from None
                raise
            return
        prefix = (b"BCAST", b"PREFIX", place.prefix, b"NOLOOP")
        answer = await self.ask(b"CLIENT", b"TRACKING", b"ON", *prefix)
        self.tracking = answer == b"OK"
        if isinstance(answer, Failure):
            self.untold = answer.text

    async def _log_in_of_old(self, place: Place, who: list[bytes], greeting: Failure) -> None:
        """A server before version 6: RESP2, no users, and nothing told."""
        self.untold = greeting.text
        if who:
            answer = await self.ask(b"AUTH", *(who if place.username else who[1:]))
            if isinstance(answer, Failure):
                raise LinkError(f"it refuses us: {answer.text}")
        answer = await self.ask(b"PING")
        if isinstance(answer, Failure):
            raise LinkError(f"it refuses us: {answer.text}")

    @property
    def in_flight(self) -> int:
        """Commands without an answer so far."""
        return len(self._waiting)

    def send(self, answer: Answer, *words: bytes) -> None:
        """`answer` is called with the reply when its turn has come, with LOST when the connection ends before."""
        if self._transport is None or self.lost.done():
            answer(LOST)
            return
        self._waiting.append(answer)
        self._write(command(*words))

    async def ask(self, *words: bytes) -> Reply:
        """The reply. Raises LinkError when the connection ends before."""
        future: asyncio.Future[Reply | Lost] = asyncio.get_running_loop().create_future()

        def settle(reply: "Reply | Lost") -> None:
            if not future.done():  # who asked has given up
                future.set_result(reply)

        self.send(settle, *words)
        reply = await future
        if isinstance(reply, Lost):
            raise LinkError(self.lost.result())
        return reply

    def close(self, reason: str = "closed") -> None:
        """At once; whoever waits hears LOST."""
        if self.lost.done():
            return
        self.lost.set_result(reason)
        if self._transport is not None:
            self._transport.abort()
        while self._waiting:
            self._waiting.popleft()(LOST)

    # -- asyncio's

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for mypy
        self._transport = transport
        if self._tls is not None:
            self._decipher(b"")

    def connection_lost(self, exc: Exception | None) -> None:
        self.close("the server has ended the connection" if exc is None else dial.reason_of(exc))

    def data_received(self, data: bytes) -> None:
        if self._tls is not None:
            data = self._decipher(data)
        try:
            self._reader.feed(data)
            while not self.lost.done():
                reply = self._reader.next()
                if reply is MORE:
                    break
                self._hand_on(reply)  # type: ignore[arg-type]  # there is one MORE
        except RespError as error:
            self.close(str(error))

    def _hand_on(self, reply: Reply) -> None:
        if isinstance(reply, Push):
            self._on_push(reply)
        elif self._waiting:
            self._waiting.popleft()(reply)
        elif isinstance(reply, Failure):  # of who hangs up at once: protected mode, too many clients
            self.close(f"it refuses us: {reply.text}")
        else:
            self.close("it answers what nobody has asked")

    def _write(self, words: bytes) -> None:
        if self._transport is None:
            return
        if self._tls is None:
            self._transport.write(words)
            return
        self._tls.say(words)
        self._transport.write(self._tls.to_send())

    def _decipher(self, data: bytes) -> bytes:
        if self._tls is None or self._transport is None:
            return b""
        try:
            said = self._tls.received(data)
        except OSError as error:
            self.close(dial.reason_of(error))
            return b""
        finally:
            if not self.lost.done():
                self._transport.write(self._tls.to_send())
        return said
