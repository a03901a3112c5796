"""Connecting to a server of somebody else's: addresses, sockets, TLS contexts, passwords, pauses. asyncio's own ways
cost a pool of threads, or need `ssl` inside asyncio (linux/lean.py)."""

import asyncio
import ipaddress
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headgate.linux.worker import Worker

if TYPE_CHECKING:
    import ssl

_IPV6 = 6


class UnreadableError(Exception):
    """A file that cannot be read; says which and why."""


def read_password(path: Path | None) -> str | None:
    """The file's text without the newline at its end. Raises UnreadableError."""
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableError(f"cannot read {path}: {error}") from None


def reason_of(error: BaseException) -> str:
    """In the system's words, without a number."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror
        if error.errno and text.startswith("Connect call failed"):  # asyncio's words, which leave out why
            text = os.strerror(error.errno)
    return text or type(error).__name__


def jitter() -> float:
    """From 0 to 1, so that not all who lost a server come back at once; the module `random` is half a megabyte."""
    return int.from_bytes(os.urandom(2)) / 65535


async def connect(
    host: str, port: int, then: "Callable[[socket.socket], Awaitable[socket.socket]] | None" = None
) -> socket.socket:
    """A connected, non-blocking socket: of the first address that takes us and for which `then` works, if there is one.
    Raises OSError, and what `then` raises."""
    loop = asyncio.get_running_loop()
    failure: OSError = OSError("no address")
    for family, address in await _addresses(host, port):
        plain = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        try:
            await loop.sock_connect(plain, address)
            return plain if then is None else await then(plain)
        except OSError as error:
            plain.close()
            failure = error
        except BaseException:
            plain.close()
            raise
    raise failure


async def _addresses(host: str, port: int) -> "list[tuple[int, Any]]":
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        # Looked up once per connection: the thread and its memory go when that is done, unlike an executor's.
        resolver = Worker("resolve")
        answer = resolver.call(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        resolver.stop(wait=False)
        found = await answer
        return [(family, address) for family, _, _, _, address in found]
    return [(socket.AF_INET6 if literal.version == _IPV6 else socket.AF_INET, (host, port))]


def client_context(ca_file: Path | None, cert_file: Path | None, key_file: Path | None) -> "ssl.SSLContext":
    """That believes the system's CAs, or those of `ca_file`. Raises OSError (ssl.SSLError is one)."""
    import ssl

    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    if cert_file is not None:
        context.load_cert_chain(cert_file, key_file)
    return context
