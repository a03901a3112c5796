"""A time server for the guest: SNTP (RFC 5905, section 7.3), with this machine's own time.

On the port that clients ask, 123, of the loopback address: the guest sees it as qemu's gateway.
"""

import contextlib
import socket
import struct
import threading
import time
from types import TracebackType

PORT = 123
_PACKET = struct.Struct(">BBbb11I")  # leap, version and mode; stratum; poll; precision; 32-bit words
_CLIENT, _SERVER, _MODE = 3, 4, 0x07
_VERSION = 0x38
_STRATUM, _PRECISION = 2, -20  # 2: below a reference clock; 2^-20 s
_1900 = 2_208_988_800  # seconds from NTP's era to Unix'
_STOP_S = 0.2


class TimeServer:
    """Answers while the context lasts; `asked` counts. Raises OSError when the port is somebody else's."""

    def __init__(self) -> None:
        self.asked = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind(("127.0.0.1", PORT))
        except OSError:
            self._socket.close()
            raise
        self._socket.settimeout(_STOP_S)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> "TimeServer":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(TimeoutError):
                request, peer = self._socket.recvfrom(1024)
                reply = answer(request, time.time())
                if reply:
                    self.asked += 1
                    self._socket.sendto(reply, peer)


def answer(request: bytes, now_s: float) -> bytes:
    """To one datagram; empty when it is no client's question."""
    if len(request) < _PACKET.size or request[0] & _MODE != _CLIENT:
        return b""
    first, _, poll, _, *words = _PACKET.unpack_from(request)
    stamp = (int(now_s) + _1900 & 0xFFFFFFFF, int(now_s % 1 * 2**32))
    delay_dispersion_id = (0, 0, 0x7F000001)
    times = (*stamp, *words[9:11], *stamp, *stamp)  # reference, the client's own, received, sent
    return _PACKET.pack(first & _VERSION | _SERVER, _STRATUM, poll, _PRECISION, *delay_dispersion_id, *times)
