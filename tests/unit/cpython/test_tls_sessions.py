"""linux/tls.py: contexts, reloads, resumption, client certificates; and cpython/tls.c, which drives their sessions."""

from __future__ import annotations

import shutil
import ssl
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import certificates
import pytest
from tls_kit import BROKEN, ENDED, GREETING, OPEN, Client, Server

from headgate import limits
from headgate.errors import CommandError
from headgate.linux.config_rules import Listen
from headgate.linux.tls import RENEW_S, RETRY_S, ServerTls, certificate_names, native_tls

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificates.make(tmp_path_factory.mktemp("tls") / "certs")


@pytest.fixture
def certs(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return shutil.copytree(made, tmp_path / "certs")


def listen(certs: Path, **more: Any) -> Listen:
    return Listen(tls_cert=certs / "server.pem", tls_key=certs / "server.key", **more)


def mutual(certs: Path, **more: Any) -> Listen:
    return listen(certs, tls_client_ca=certs / "ca.pem", tls_client_scopes=("publish:*",), **more)


def client_context(
    certs: Path, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3, certificate: str = ""
) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(certs / "ca.pem"))
    context.minimum_version = context.maximum_version = version
    if certificate:
        context.load_cert_chain(certs / f"{certificate}.pem", certs / f"{certificate}.key")
    return context


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture(params=[True, False], ids=["openssl", "objects"])
def serve(request: pytest.FixtureRequest) -> Iterator[Callable[[ServerTls], Server]]:
    """Connections, closed at the end. Their records go through OpenSSL itself, or through Python's objects."""
    opened: list[Server] = []

    def begin(tls: ServerTls) -> Server:
        opened.append(Server(native_tls(tls, direct=request.param)))
        return opened[-1]

    yield begin
    for server in opened:
        server.close()


Serve = Callable[[ServerTls], Server]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_conversation(certs: Path, serve: Serve, version: ssl.TLSVersion) -> None:
    tls = ServerTls(listen(certs))
    server, client = serve(tls), Client(client_context(certs, version))
    assert client.greet(server) == b""
    assert server.state == OPEN
    assert server.identity() == b""
    for size in (1, limits.TLS_PIECE, limits.TLS_PIECE + 1, 16384, 16385, 100_000):
        text = bytes(i * 7 & 0xFF for i in range(size))
        client.object.write(text)
        assert server.receive(client.outgoing.read()) == text
        assert server.write(text)
        assert client.read(server) == text
    assert server.read() == b""
    assert server.state == OPEN
    assert tls.stats() == {"handshakes": 1, "resumed": 0, "refused": 0}


def test_byte_by_byte(certs: Path, serve: Serve) -> None:
    tls = ServerTls(mutual(certs))
    server, client = serve(tls), Client(client_context(certs, certificate="client"))
    for _ in range(4):
        client.turn(server)
        for byte in client.outgoing.read():
            assert server.receive(bytes((byte,))) == b""
    assert server.state == OPEN
    assert server.identity() == b"client"
    client.object.write(b"abc")
    plain = b"".join(server.receive(bytes((byte,))) for byte in client.outgoing.read())
    assert plain == b"abc"


def test_plain_text_is_taken_in_any_room(certs: Path, serve: Serve) -> None:
    server, client = serve(ServerTls(listen(certs))), Client(client_context(certs))
    client.greet(server)
    client.object.write(b"0123456789")
    server.feed(client.outgoing.read())
    assert [server.read(room) for room in (3, 1, 6, 3)] == [b"012", b"3", b"456789", b""]


def test_a_request_with_the_end_of_the_handshake(certs: Path, serve: Serve) -> None:
    server, client = serve(ServerTls(listen(certs))), Client(client_context(certs))
    client.turn(server)
    server.receive(client.outgoing.read())
    client.turn(server)
    client.object.write(b"early")
    assert server.receive(client.outgoing.read()) == b"early"


@pytest.mark.parametrize("version", VERSIONS)
def test_the_client_ends_it(certs: Path, serve: Serve, version: ssl.TLSVersion) -> None:
    server, client = serve(ServerTls(listen(certs))), Client(client_context(certs, version))
    client.greet(server)
    client.object.write(b"last words")
    client.turn(server, client.object.unwrap)
    assert server.receive(client.outgoing.read()) == b"last words"
    assert server.state == ENDED
    assert server.write(b"answer") or version == ssl.TLSVersion.TLSv1_2  # half-closed: TLS 1.3 only


def test_the_server_ends_it(certs: Path, serve: Serve) -> None:
    server, client = serve(ServerTls(listen(certs))), Client(client_context(certs))
    client.greet(server)
    server.write(b"bye")
    server.finish()
    assert client.read(server) == b"bye"
    assert client.object.read(1) == b""  # close_notify: not cut by somebody on the way


@pytest.mark.parametrize("at", [0, 3, 8, -1])
def test_an_altered_record_ends_it(certs: Path, serve: Serve, at: int) -> None:
    server, client = serve(ServerTls(listen(certs))), Client(client_context(certs))
    client.greet(server)
    server.sent = b""
    client.object.write(b"message")
    record = bytearray(client.outgoing.read())
    record[at] ^= 0x40
    assert server.receive(bytes(record) + b"\0" * 70000) == b""
    assert server.state == BROKEN
    assert server.sent  # the alert
    assert server.read() == b""
    assert server.state == BROKEN


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00",  # a ServerHello
        b"\x16\x03\x01\x00\x08\x01\x00\x00\x04\x03\x03\x00\x00",  # cut short
        b"\0" * 100,
    ],
)
def test_what_is_no_handshake(certs: Path, serve: Serve, caplog: pytest.LogCaptureFixture, data: bytes) -> None:
    tls = ServerTls(listen(certs))
    server = serve(tls)
    assert server.feed(data) == BROKEN
    assert server.read() == b""
    assert not server.write(b"x")
    server.finish()
    assert tls.refused == 1
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("TLS connection refused: ")  # OpenSSL's word for it


def hello_head(length: int, fragment: int) -> bytes:
    body = b"\x01" + length.to_bytes(3, "big") + b"\x03\x03" + b"r" * fragment
    return b"\x16\x03\x01" + struct.pack("!H", len(body)) + body


@pytest.mark.parametrize("step", [1, 4096])
def test_an_oversize_hello_is_refused_by_its_head(
    certs: Path, serve: Serve, caplog: pytest.LogCaptureFixture, step: int
) -> None:
    """OpenSSL would take the announced memory at once."""
    tls = ServerTls(listen(certs))
    server = serve(tls)
    assert server.feed(hello_head(limits.TLS_HELLO, 100)) == GREETING
    for head in (hello_head(limits.TLS_HELLO + 1, 100), b"\x16\x03\x01\x00\x03\x01\x00\x01" + hello_head(5, 5)):
        server = serve(tls)
        states = [server.feed(head[at : at + step]) for at in range(0, len(head), step)]
        assert states[min(8, len(states) - 1)] == BROKEN
        assert server.sent.startswith(b"\x15\x03\x01\x00\x02\x02")  # a fatal alert
    assert caplog.messages == ["TLS connection refused: ClientHello too long"]


def retried_hello() -> bytes:
    """A ClientHello of TLS 1.3 without a key share: the server asks for another one (RFC 8446 section 4.1.4)."""
    extensions = b"".join(
        struct.pack("!HH", number, len(value)) + value
        for number, value in (
            (43, b"\x02\x03\x04"),  # supported_versions
            (10, b"\0\x02\0\x17"),  # supported_groups: P-256
            (13, b"\0\x04\x04\x03\x08\x04"),  # signature_algorithms
            (51, b"\0\0"),  # key_share
        )
    )
    hello = b"\x03\x03" + b"r" * 32 + b"\x20" + b"s" * 32 + b"\0\x02\x13\x01\x01\0"
    hello += struct.pack("!H", len(extensions)) + extensions
    message = b"\x01" + len(hello).to_bytes(3, "big") + hello
    return b"\x16\x03\x01" + struct.pack("!H", len(message)) + message


@pytest.mark.parametrize("step", [1, 4096])
@pytest.mark.parametrize("between", [b"", b"\x14\x03\x03\x00\x01\x01"], ids=["", "change_cipher_spec"])
def test_an_oversize_second_hello_is_refused_as_well(certs: Path, serve: Serve, step: int, between: bytes) -> None:
    tls = ServerTls(listen(certs))
    for length, state in ((limits.TLS_HELLO, GREETING), (limits.TLS_HELLO + 1, BROKEN)):
        server = serve(tls)
        data = retried_hello() + between + hello_head(length, 5)
        for at in range(0, len(data), step):
            if server.state != BROKEN:
                server.feed(data[at : at + step])
        assert server.sent.startswith(b"\x16\x03\x03")  # it has asked for it
        assert server.state == state
        assert server.sent.endswith(b"\x15\x03\x01\x00\x02\x02\x2f") == (state == BROKEN)


@pytest.mark.parametrize("fragment", [b"", b"\x01", b"\x01\x00\x01"])
def test_a_second_hello_whose_length_is_not_in_its_first_record(certs: Path, serve: Serve, fragment: bytes) -> None:
    server = serve(ServerTls(listen(certs)))
    cut = b"\x16\x03\x03" + struct.pack("!H", len(fragment)) + fragment
    assert server.feed(retried_hello() + cut + hello_head(limits.TLS_HELLO + 1, 5)) == BROKEN


@pytest.mark.parametrize("step", [1, 4096])
def test_a_handshake_with_a_second_hello(certs: Path, serve: Serve, step: int) -> None:
    """The server does not know the curve that the client begins with."""
    tls = ServerTls(listen(certs))
    tls._made.context.set_ecdh_curve("secp384r1")
    server, client = serve(tls), Client(client_context(certs))
    for _ in range(4):
        client.turn(server)
        data = client.outgoing.read()
        for at in range(0, len(data), step):
            server.receive(data[at : at + step])
    assert server.state == OPEN
    client.object.write(b"text")
    assert server.receive(client.outgoing.read()) == b"text"


def test_old_versions_are_refused(certs: Path, serve: Serve) -> None:
    tls = ServerTls(listen(certs))
    context = client_context(certs)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    server, client = serve(tls), Client(context)
    client.turn(server)
    assert server.receive(client.outgoing.read()) == b""
    assert server.state == BROKEN
    with pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"):
        client.turn(server)


# -- client certificates


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("auth", ["optional", "required"])
def test_a_client_certificate_gives_the_name(certs: Path, serve: Serve, version: ssl.TLSVersion, auth: str) -> None:
    tls = ServerTls(mutual(certs, tls_client_auth=auth))
    server = serve(tls)
    Client(client_context(certs, version, "client")).greet(server)
    assert (server.state, server.identity()) == (OPEN, b"client")
    if auth == "optional":
        server = serve(tls)
        Client(client_context(certs, version)).greet(server)
        assert (server.state, server.identity()) == (OPEN, b"")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "refused",
    [
        ("", "peer did not return a certificate"),
        ("expired", "client certificate: certificate has expired"),
        ("stranger", "client certificate: unable to get local issuer certificate"),
        ("revoked", "client certificate: certificate revoked"),
        ("server", "client certificate: unsuitable certificate purpose"),
        ("nameless", "client certificate: its commonName is no client's name: 'mill 7/\\xe9\\u2028\\n' is not 1 to 64"),
        ("twonames", "client certificate: not one commonName: there are 2"),
    ],
)
def test_who_is_not_let_in(
    certs: Path, serve: Serve, caplog: pytest.LogCaptureFixture, refused: tuple[str, str], version: ssl.TLSVersion
) -> None:
    certificate, reason = refused
    tls = ServerTls(mutual(certs, tls_client_auth="required"))
    server, client = serve(tls), Client(client_context(certs, version, certificate))
    for _ in range(3):
        try:
            client.turn(server)
        except ssl.SSLError:
            break
        server.receive(client.outgoing.read())
    assert server.state == BROKEN
    assert server.identity() == b""
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith(f"TLS connection refused: {reason}")
    assert tls.stats() == {"handshakes": 0, "resumed": 0, "refused": 1}


def test_the_name_may_be_the_dns_name(certs: Path, serve: Serve) -> None:
    server = serve(ServerTls(mutual(certs, tls_client_identity="san-dns")))
    Client(client_context(certs, certificate="client")).greet(server)
    assert server.identity() == b"mill-7.example"


def test_names_of_a_certificate() -> None:
    found = {
        "subject": ((("organizationName", "o"),), (("commonName", "A"), ("commonName", "b"))),
        "subjectAltName": (("DNS", "Mill.Example"), ("IP Address", "127.0.0.1"), ("URI", "urn:x"), ("DNS", "n")),
    }
    assert certificate_names(found, "cn") == ["A", "b"]
    assert certificate_names(found, "san-dns") == ["mill.example", "n"]
    assert certificate_names({"subjectAltName": (("DNS", "\u212a-1"),)}, "san-dns") == ["\u212a-1"]  # not k-1
    assert certificate_names({}, "cn") == certificate_names({}, "san-dns") == []


class _Unreadable:
    session_reused = False

    def getpeercert(self) -> Any:
        return b"\xff".decode()


def test_a_certificate_whose_names_cannot_be_read(certs: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Python decodes all of them, also those that are of no interest."""
    tls = ServerTls(mutual(certs))
    assert tls.identify(_Unreadable()) is None  # type: ignore[arg-type]
    assert tls.refused == 1
    assert caplog.messages == ["TLS connection refused: client certificate: its names are not UTF-8"]


def test_a_session_that_ends_early_is_counted(certs: Path, caplog: pytest.LogCaptureFixture) -> None:
    tls = ServerTls(listen(certs))
    server = Server(native_tls(tls))
    server.feed(hello_head(500, 10))
    server.close()
    assert tls.refused == 1
    assert caplog.messages == ["TLS connection refused: the handshake was not completed"]


def test_a_reason_is_logged_once_a_minute(certs: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    tls = ServerTls(listen(certs), clock)
    for _ in range(5):
        tls.failed(None)
    tls.failed(ValueError("another"))
    clock.now_s += 61
    tls.failed(None)
    assert tls.refused == 7
    first = "TLS connection refused: the handshake was not completed"
    assert caplog.messages == [first, "TLS connection refused: another", f"{first} (4 more since this was said)"]


# -- records without Python


class _HandshakeOnly:
    """An SSLObject that takes part in no more than the handshake."""

    def __init__(self, inner: ssl.SSLObject) -> None:
        self.inner = inner
        self.do_handshake = inner.do_handshake


def test_records_pass_python_by(certs: Path) -> None:
    from headgate_native._native import Tls

    context = ServerTls(listen(certs)).context()
    others: list[ssl.SSLObject] = []

    def opened() -> Any:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        return incoming, outgoing, _HandshakeOnly(context.wrap_bio(incoming, outgoing, server_side=True))

    def several() -> Any:
        """Which of two SSLs is the object's cannot be known."""
        made = opened()
        others.append(context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True))
        return made

    def another() -> Any:
        """The only one that is made here is not the object's."""
        others.append(context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True))
        return before

    before = opened()
    rows = ((opened, True, True), (opened, False, False), (several, True, False), (another, True, False))
    for make, direct, passes in rows:
        tls = Tls(make, lambda _: b"", lambda _: None, direct)
        if direct and not tls.direct:
            pytest.skip("this Python does not show its OpenSSL")
        server, client = Server(tls), Client(client_context(certs))
        client.greet(server)
        assert server.state == OPEN
        client.object.write(b"text")
        assert server.receive(client.outgoing.read()) == (b"text" if passes else b"")
        assert server.state == (OPEN if passes else BROKEN)
        server.close()


def test_another_threads_sessions_are_not_mistaken(certs: Path) -> None:
    from headgate_native._native import Tls

    context = ServerTls(listen(certs)).context()

    def opened() -> Any:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        made = incoming, outgoing, context.wrap_bio(incoming, outgoing, server_side=True)
        thread = threading.Thread(target=lambda: context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True))
        thread.start()
        thread.join()
        return made

    server = Server(Tls(opened, lambda _: b"", lambda _: None))
    client = Client(client_context(certs))
    client.greet(server)
    assert server.write(b"text")
    assert client.read(server) == b"text"
    server.close()


# -- resumption and reload


def conversation(server: Server, client: Client) -> ssl.SSLSession:
    client.greet(server)
    assert server.write(b"x")
    assert client.read(server) == b"x"  # TLS 1.3: the ticket comes with it
    assert client.object.session is not None
    return client.object.session


@pytest.mark.parametrize(
    ("version", "options"),
    [(VERSIONS[0], 0), (VERSIONS[0], ssl.OP_NO_TICKET), (VERSIONS[1], 0)],
    ids=["1.2", "1.2 by id", "1.3"],
)
def test_sessions_are_resumed_with_their_certificate(
    certs: Path, serve: Serve, version: ssl.TLSVersion, options: int
) -> None:
    tls = ServerTls(mutual(certs))
    context = client_context(certs, version, "client")
    context.options |= options
    first = serve(tls)
    session = conversation(first, Client(context))
    first.finish()  # or OpenSSL forgets the session
    tls.adopt(tls.prepare(mutual(certs)))  # a reload, and nothing has changed
    server, again = serve(tls), Client(context, session)
    conversation(server, again)
    assert again.object.session_reused
    assert server.identity() == b"client"
    assert tls.stats() == {"handshakes": 2, "resumed": 1, "refused": 0}


@pytest.mark.parametrize("version", VERSIONS)
def test_an_expired_certificate_is_not_resumed(
    certs: Path,
    serve: Serve,
    version: ssl.TLSVersion,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tls = ServerTls(mutual(certs))
    context = client_context(certs, version, "client")
    session = conversation(serve(tls), Client(context))
    monkeypatch.setattr("headgate.linux.tls.time.time", lambda: 1e11)
    server = serve(tls)
    Client(context, session).greet(server)
    assert server.state == BROKEN
    assert caplog.messages == ["TLS connection refused: client certificate: has expired since the session began"]


@pytest.mark.parametrize("version", VERSIONS)
def test_new_files_end_old_sessions_but_not_connections(certs: Path, serve: Serve, version: ssl.TLSVersion) -> None:
    tls = ServerTls(mutual(certs))
    context = client_context(certs, version, "client")
    old, old_client = serve(tls), Client(context)
    session = conversation(old, old_client)
    for end in ("pem", "key"):
        (certs / f"server.{end}").write_bytes((certs / f"renewed.{end}").read_bytes())
    tls.adopt(tls.prepare(mutual(certs)))
    again = Client(context, session)
    conversation(serve(tls), again)
    assert not again.object.session_reused  # a full handshake, without an error
    assert ("commonName", "renewed") in again.object.getpeercert()["subject"][0]  # type: ignore[index]
    old_client.object.write(b"still here")
    assert old.receive(old_client.outgoing.read()) == b"still here"


@pytest.mark.parametrize("name", ["server.pem", "server.key", "ca.pem"])
@pytest.mark.parametrize("content", [None, b"", b"nonsense", "other-ca.pem", "client.key"])
def test_bad_files_are_refused_and_the_old_ones_go_on(certs: Path, name: str, content: bytes | str | None) -> None:
    tls = ServerTls(mutual(certs))
    before = tls.context()
    file = certs / name
    if content is None:
        file.unlink()
    else:
        file.write_bytes((certs / content).read_bytes() if isinstance(content, str) else content)
    if (name, content) == ("ca.pem", "other-ca.pem"):
        assert tls.prepare(mutual(certs)).context is not before
        return
    with pytest.raises(CommandError) as refused:
        tls.prepare(mutual(certs))
    assert str(file) in refused.value.line()
    assert "\n" not in refused.value.line()
    assert tls.context() is before


def test_a_key_with_a_password_is_refused_without_asking(certs: Path) -> None:
    with pytest.raises(CommandError, match="encrypted"):
        ServerTls(Listen(tls_cert=certs / "server.pem", tls_key=certs / "encrypted.key"))


def test_ticket_keys_are_renewed(certs: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    tls = ServerTls(listen(certs), clock)
    first = tls.context()
    clock.now_s += RENEW_S - 1
    assert tls.context() is first
    clock.now_s += 1
    second = tls.context()
    assert second is not first
    key = (certs / "server.key").read_bytes()
    (certs / "server.key").unlink()
    clock.now_s += RENEW_S
    assert tls.context() is second
    assert "old certificate and ticket keys" in caplog.text
    caplog.clear()
    assert tls.context() is second
    assert caplog.messages == []  # not for each connection
    (certs / "server.key").write_bytes(key)
    clock.now_s += RETRY_S
    assert tls.context() is not second


# -- the object


def test_nothing_leaks(certs: Path) -> None:
    tls = ServerTls(mutual(certs))
    native = native_tls(tls)
    context = client_context(certs, certificate="client")

    def once() -> None:
        server, client = Server(native), Client(context)
        conversation(server, client)
        server.finish()
        server.close()
        server = Server(native)
        server.feed(b"GET / HTTP/1.1\r\n\r\n")
        server.close()

    once()
    counted = [sys.getrefcount(x) for x in (None, native, tls, tls.context(), ssl.SSLWantReadError, ssl.MemoryBIO)]
    for _ in range(100):
        once()
    after = [sys.getrefcount(x) for x in (None, native, tls, tls.context(), ssl.SSLWantReadError, ssl.MemoryBIO)]
    assert all(abs(a - b) < 50 for a, b in zip(counted, after, strict=True)), (counted, after)


@pytest.mark.parametrize("broken", [lambda: 1 / 0, lambda: (1, 2), lambda: None])
def test_a_session_that_cannot_be_opened(broken: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from headgate_native._native import Tls

    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    server = Server(Tls(broken, lambda _: b"", lambda _: None))
    assert server.session is None
    assert len(told) == 1
    server.close()


@pytest.mark.parametrize("name", [None, b"x" * (limits.TOKEN_SUBJECT + 1), "text", 1 / 3])
def test_an_identity_that_cannot_be_used(certs: Path, name: Any, monkeypatch: pytest.MonkeyPatch, serve: Serve) -> None:
    from headgate_native._native import Tls

    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    tls = ServerTls(listen(certs))

    def opened() -> Any:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        return incoming, outgoing, tls.context().wrap_bio(incoming, outgoing, server_side=True)

    server = Server(Tls(opened, lambda _: name, lambda _: None))
    client = Client(client_context(certs))
    client.greet(server)
    assert server.state == BROKEN
    assert server.identity() == b""
    client.incoming.write(server.sent)
    assert client.object.read(1) == b""  # close_notify
    assert len(told) == (isinstance(name, (str, float)))
    server.close()


def test_output_that_does_not_fit_breaks_the_session(certs: Path) -> None:
    server = Server(native_tls(ServerTls(listen(certs))), most=100)
    client = Client(client_context(certs))
    client.turn(server)
    assert server.feed(client.outgoing.read()) == BROKEN
    server.close()


def test_arguments() -> None:
    from headgate_native._native import Tls

    with pytest.raises(TypeError):
        Tls(print)  # type: ignore[call-arg]
