"""A client's TLS (RFC 8446) around bytes that somebody else moves: asyncio has none (lean.py)."""

import ssl

_PIECE = 65536  # bytes deciphered at a time


class ClientTls:
    """Errors are ssl.SSLError, an OSError."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._session = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._greeting = True
        self._waiting: list[bytes] = []  # to be said after the handshake

    def received(self, data: bytes) -> bytes:
        """What came -> what it says. Call it with b"" to begin; afterwards there may be something `to_send`."""
        self._incoming.write(data)
        said = []
        try:
            if self._greeting:
                self._session.do_handshake()
                self._greeting = False
                for words in self._waiting:
                    self._session.write(words)
                self._waiting = []
            while part := self._session.read(_PIECE):
                said.append(part)
        except ssl.SSLWantReadError:
            pass
        return b"".join(said)

    def say(self, words: bytes) -> None:
        """After the handshake, if it is not over yet; then there is something `to_send`."""
        if self._greeting:
            self._waiting.append(words)
        else:
            self._session.write(words)

    def to_send(self) -> bytes:
        return self._outgoing.read()
