"""HTTP/1.1 by the native client (headgate_native._load), without TLS. Its twin is http_pool.py."""

from collections.abc import Callable

from headgate import _accel
from headgate_host.load.http_wire import Writer
from headgate_host.load.native import NativeTransport, resolved
from headgate_host.load.target import Target
from headgate_host.load.transport import QUEUE_MAX


def usable(target: Target) -> bool:
    return _accel.BACKEND == "native" and not target.tls


class NativeHttp(NativeTransport):
    def __init__(
        self, target: Target, *, connections: int, token: Callable[[int], str] | None = None, timeout_s: float
    ) -> None:
        from headgate_native._load import Client

        client = Client(*resolved(target), target.port, connections, 1, QUEUE_MAX, int(timeout_s * 1e9))
        super().__init__(target, client, Writer(target.authority, token).write, connections)
