"""HTTP/2 and unary gRPC by the native client (headgate_native._load_http2): with prior knowledge, or over TLS. There is
no twin: without the extension they are refused."""

from collections.abc import Callable
from importlib.util import find_spec

from headgate import _accel
from headgate.errors import USAGE, CommandError
from headgate_host.load.http_wire import Writer
from headgate_host.load.native import NativeTransport, resolved
from headgate_host.load.operation import GRPC, Operation, Request
from headgate_host.load.target import Target
from headgate_host.load.transport import QUEUE_MAX

STREAMS = 10  # requests at a time on a connection, unless the server allows fewer
STREAMS_MAX = 1000
FIELDS_MAX = 90  # of an operation; the client has room for 100
# Of a connection, which HTTP/2 has none of (RFC 9113 section 8.2.2); Host is :authority.
_NOT_IN_HTTP2 = {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "host"}


def check() -> None:
    """Raises CommandError(USAGE) where HTTP/2 cannot be spoken."""
    if _accel.BACKEND != "native" or find_spec("headgate_native._load_http2") is None:
        raise CommandError(
            USAGE,
            "load over HTTP/2 and gRPC is native, and not in this build",
            "apt-get install libnghttp2-dev libssl-dev, and install Headgate from its sources",
        )


class FieldWriter(Writer):
    """As http_wire.Writer, for HPACK: names and values ended by NUL, an empty name after the last, then the body."""

    BEARER = "authorization\0Bearer %s\0"

    def __init__(self, target: Target, token: Callable[[int], str] | None) -> None:
        super().__init__(target.authority, token)
        self._scheme = "https" if target.tls else "http"

    def _head(self, operation: Operation) -> tuple[bytes, bytes]:
        given = {name.lower(): value for name, value in operation.headers.items()}
        authority = given.get("host", self._authority)
        fields = {name: value for name, value in given.items() if name not in _NOT_IN_HTTP2}
        if operation.protocol == GRPC:
            fields = {"content-type": "application/grpc", "te": "trailers", **fields}
        if len(fields) > FIELDS_MAX:
            raise CommandError(USAGE, f"{operation.name}: more than {FIELDS_MAX} headers", "Leave some out")
        begin = (":method", operation.method, ":scheme", self._scheme, ":authority", authority, ":path", "")
        tail = "".join(f"{name}\0{value}\0" for name, value in fields.items())
        return "\0".join(begin).encode(), f"\0{tail}".encode()

    def write(self, request: Request) -> bytes:
        operation, body = request.operation, request.body
        begin, tail = self._known(operation)
        head = b"%s%s%s%s" % (begin, request.target.encode(), tail, self._bearer(request))
        if operation.protocol == GRPC:  # not compressed, and its length
            return b"%s\0\0%s%s" % (head, len(body).to_bytes(4, "big"), body)
        if not body and operation.method in self.WITHOUT_BODY:
            return head + b"\0"
        return b"%scontent-length\0%d\0\0%s" % (head, len(body), body)


class Http2(NativeTransport):
    def __init__(
        self,
        target: Target,
        *,
        connections: int,
        streams: int = STREAMS,
        token: Callable[[int], str] | None = None,
        timeout_s: float,
    ) -> None:
        check()
        from headgate_native._load_http2 import Client

        tls = (target.host, None if target.ca_file is None else str(target.ca_file), target.insecure)
        try:
            client = Client(
                *resolved(target), target.port, connections, streams, QUEUE_MAX, int(timeout_s * 1e9),
                *(tls if target.tls else ()),
            )  # fmt: skip
        except OSError as error:
            raise CommandError(USAGE, f"cannot use {target.ca_file}: {error.strerror}", "--ca-file: PEM") from None
        super().__init__(target, client, FieldWriter(target, token).write, connections * streams)
