"""TLS for the `https` listeners: contexts, made anew when their files have changed; client certificates; what became of
handshakes. `ssl` is imported inside: a process without TLS does without it (see lean.py)."""

import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headgate import errors, limits
from headgate.core.jwt import is_subject
from headgate.linux.config_rules import Listen

if TYPE_CHECKING:
    import ssl

log = logging.getLogger("headgate.tls")

READ_MAX = 16384  # bytes
# A context has one key for all its session tickets, and old traffic lies open to whoever gets it: RFC 9325 section 3.4.
RENEW_S = 24 * 3600.0
RETRY_S = 3600.0  # after files could not be used for it
QUIET_S = 60.0  # a reason for which handshakes fail is logged once in so long
REASONS = 64  # of which that is remembered
NAME_SHOWN = 80  # characters
FIELDS = {"cn": "commonName", "san-dns": "DNS"}  # tls_client_identity -> as getpeercert() calls it


@dataclass(frozen=True, slots=True)
class Made:
    """A context and what it was made of. `digest`: of settings and files; `asks`: whether clients are asked for a
    certificate."""

    listen: Listen
    digest: bytes
    context: "ssl.SSLContext"
    asks: bool


class ServerTls:
    """Makes the contexts, so that sessions can be resumed for as long as nothing has changed: a context made anew has
    new ticket keys, and whoever was let in by the old CA, or before a revocation, has to prove it again.

    Counts: `handshakes` completed, `resumed` ones among them, `refused` ones."""

    def __init__(self, listen: Listen, now_s: Callable[[], float] = time.monotonic) -> None:
        """Raises CommandError(MISSING) when the files cannot be used."""
        self.handshakes = self.resumed = self.refused = 0
        self._now_s = now_s
        self._said: dict[str, tuple[float, int]] = {}  # reason -> when it was logged, and how often not since
        self._made = _make(listen)
        self._renew_at = now_s() + RENEW_S

    def prepare(self, listen: Listen) -> Made:
        """For `adopt`; the context in use if nothing has changed. Raises CommandError(MISSING)."""
        if listen_digest(listen) == self._made.digest:
            return Made(listen, self._made.digest, self._made.context, self._made.asks)
        return _make(listen)

    def adopt(self, made: Made) -> None:
        """For new connections; others go on with what they began with."""
        if made.context is not self._made.context:
            self._renew_at = self._now_s() + RENEW_S
        self._made = made

    def context(self) -> "ssl.SSLContext":
        """For a connection that begins now."""
        if self._now_s() >= self._renew_at:
            try:
                self.adopt(_make(self._made.listen))
            except errors.CommandError as problem:
                log.error("TLS goes on with the old certificate and ticket keys: %s", problem.line())
                self._renew_at = self._now_s() + RETRY_S
        return self._made.context

    def identify(self, session: "ssl.SSLObject") -> str | None:
        """After a handshake -> the client's name by its certificate, "" if it has shown none. None: the certificate is
        good and names nobody who could be let in, the connection must end."""
        name = self._name(session) if self._made.asks else ""
        if name is None:
            return None
        self.handshakes += 1
        self.resumed += bool(session.session_reused)
        return name

    def _name(self, session: "ssl.SSLObject") -> str | None:
        import ssl

        try:
            found = session.getpeercert()
        except UnicodeError as error:
            self._refuse(reason_of(error))
            return None
        if not found:
            return ""
        if session.session_reused and ssl.cert_time_to_seconds(str(found["notAfter"])) < time.time():
            self._refuse("client certificate: has expired since the session began")
            return None
        names = certificate_names(found, self._made.listen.tls_client_identity)
        if len(names) == 1 and is_subject(names[0]):
            return names[0]
        field = FIELDS[self._made.listen.tls_client_identity]
        if len(names) == 1:
            shown = ascii(names[0])[:NAME_SHOWN]
            self._refuse(
                f"client certificate: its {field} is no client's name", f"{shown} is not 1 to 64 A-Z a-z 0-9 . _ ~ -"
            )
        else:
            self._refuse(f"client certificate: not one {field}", f"there are {len(names)}")
        return None

    def failed(self, error: BaseException | None) -> None:
        """A handshake was refused, or not completed. `error`: as ssl or asyncio raise it, if they do."""
        self._refuse(reason_of(error))

    def _refuse(self, reason: str, detail: str = "") -> None:
        self.refused += 1
        now_s = self._now_s()
        said_s, left_out = self._said.get(reason, (now_s - QUIET_S, 0))
        if now_s - said_s < QUIET_S:
            self._said[reason] = (said_s, left_out + 1)
            return
        if reason not in self._said and len(self._said) >= REASONS:
            self._said.clear()
        self._said[reason] = (now_s, 0)
        more = f" ({left_out} more since this was said)" if left_out else ""
        log.warning("TLS connection refused: %s%s%s", reason, f": {detail}" if detail else "", more)

    def stats(self) -> dict[str, int]:
        """For /metrics."""
        return {"handshakes": self.handshakes, "resumed": self.resumed, "refused": self.refused}


def certificate_names(found: dict[str, Any], field: str) -> list[str]:
    """Those of `field` ("cn" | "san-dns") in what getpeercert() gave. DNS names come in lower case."""
    key = FIELDS[field]
    if field == "cn":
        return [value for part in found.get("subject", ()) for name, value in part if name == key]
    # Of others than ASCII some become ASCII letters: whoever has such a name is nobody else.
    return [
        value.lower() if value.isascii() else value for name, value in found.get("subjectAltName", ()) if name == key
    ]


def reason_of(error: BaseException | None) -> str:
    """One of a bounded number of texts, nothing of which a client can choose."""
    import ssl

    if isinstance(error, ssl.SSLCertVerificationError):
        return f"client certificate: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    if isinstance(error, UnicodeError):  # as getpeercert() raises it
        return "client certificate: its names are not UTF-8"
    if isinstance(error, ValueError):  # of cpython/tls.c
        return str(error)
    return "the handshake was not completed"  # in time, or the client is gone


def listen_digest(listen: Listen) -> bytes:
    """Changes with whatever a context is made of. Raises CommandError(MISSING)."""
    digest = hashlib.sha256(listen.client_auth.encode())
    for file in (listen.tls_cert, listen.tls_key, listen.tls_client_ca):
        try:
            content = file.read_bytes() if file is not None else b""
        except OSError as error:
            raise errors.CommandError(
                errors.MISSING, f"cannot read {file}: {error.strerror}", "Check the tls_… keys of [listen]"
            ) from None
        digest.update(b"%d:" % len(content))
        digest.update(content)
    return digest.digest()


def _make(listen: Listen) -> Made:
    """TLS 1.2 and 1.3. Raises CommandError(MISSING)."""
    import ssl

    digest = listen_digest(listen)  # before they are used: if they change meanwhile, the next reload sees it
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["h2", "http/1.1"] if listen.http2 else ["http/1.1"])  # RFC 9113 section 3.2
    try:
        context.load_cert_chain(str(listen.tls_cert), str(listen.tls_key), password=_no_password)
    except (OSError, ValueError) as error:
        raise errors.CommandError(
            errors.MISSING,
            f"certificate {listen.tls_cert} or key {listen.tls_key} unusable: {error}",
            "Check [listen] tls_cert and tls_key",
        ) from None
    asks = listen.client_auth != "none"
    if asks:
        _ask_clients(context, listen)
    return Made(listen, digest, context, asks)


def _no_password() -> str:
    raise ValueError("the key is encrypted")  # OpenSSL would ask the terminal


def _ask_clients(context: "ssl.SSLContext", listen: Listen) -> None:
    import ssl

    try:
        context.load_verify_locations(str(listen.tls_client_ca))
    except (OSError, ValueError) as error:
        raise errors.CommandError(
            errors.MISSING, f"CA file {listen.tls_client_ca} unusable: {error}", "Check [listen] tls_client_ca"
        ) from None
    if context.cert_store_stats()["crl"]:
        context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
    context.verify_mode = ssl.CERT_REQUIRED if listen.client_auth == "required" else ssl.CERT_OPTIONAL


def bound_asyncio() -> None:
    """asyncio reserves 256 KiB for each TLS connection, 1024 of them would be all of a small board's memory. What it
    reads at a time need not be more than one TLS record (RFC 8446 section 5.1). And it counts as written what the
    socket has not taken yet, which is lost if the connection ends soon: who writes waits for that, too. And it reads on
    while a client does not take what TLS itself answers, which it can ask for without end (RFC 8446 section 4.6.3)."""
    from asyncio.sslproto import SSLProtocol

    protocol: Any = SSLProtocol
    if protocol.max_size == READ_MAX:
        return
    protocol.max_size = READ_MAX
    begin, unsent = protocol.connection_made, protocol._get_write_buffer_size

    def connection_made(self: Any, transport: Any) -> None:
        transport.set_write_buffer_limits(0)  # then it tells when nothing is left
        begin(self, transport)

    def get_write_buffer_size(self: Any) -> int:
        return int(unsent(self)) + (0 if self._transport is None else self._transport.get_write_buffer_size())

    updated, resume = protocol.buffer_updated, protocol.resume_writing

    def buffer_updated(self: Any, nbytes: int) -> None:
        updated(self, nbytes)
        if self._ssl_writing_paused and self._outgoing.pending > limits.LENT_OUTPUT and self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self: Any) -> None:
        resume(self)
        if not self._ssl_reading_paused and self._transport is not None:
            self._transport.resume_reading()

    protocol.connection_made, protocol._get_write_buffer_size = connection_made, get_write_buffer_size
    protocol.buffer_updated, protocol.resume_writing = buffer_updated, resume_writing


def native_tls(tls: ServerTls, *, direct: bool = True) -> Any:
    """-> headgate_native._native.Tls: the same for the native server. `direct`: records need no Python after a
    handshake, where OpenSSL can be found."""
    import ssl

    from headgate_native import _native

    def opened() -> "tuple[ssl.MemoryBIO, ssl.MemoryBIO, ssl.SSLObject]":
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        return incoming, outgoing, tls.context().wrap_bio(incoming, outgoing, server_side=True)

    def identify(session: "ssl.SSLObject") -> bytes | None:
        name = tls.identify(session)
        return None if name is None else name.encode()

    return _native.Tls(opened, identify, tls.failed, direct)
