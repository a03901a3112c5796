"""A client of HTTP/2 (by python-h2, which nobody here wrote) that is spoken to in HTTP/1.1 text: so the tests of the
wire interface are the same for both. Each request is a stream; the answers come in the order of the requests.
"""

from __future__ import annotations

import contextlib
import ssl

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
from wire import Answer, Client, Server

HOP_BY_HOP = ("host", "transfer-encoding", "connection")


class Exchange:
    """One stream's answer, as HTTP/1.1 text."""

    def __init__(self, stream: int, method: str) -> None:
        self.stream = stream
        self.method = method
        self.text = b""
        self.chunked = False
        self.ended = False


class Http2Client(Client):
    """`reset`: error codes of streams that the server has reset; `gone`: the code of its GOAWAY."""

    def __init__(self, port: int, secure: ssl.SSLContext | None = None) -> None:
        super().__init__(port)
        if secure is not None:
            self.socket = secure.wrap_socket(self.socket, server_hostname="127.0.0.1")
            assert self.socket.selected_alpn_protocol() == "h2"
        configuration = h2.config.H2Configuration(client_side=True, header_encoding="ascii")
        self.frames = h2.connection.H2Connection(configuration)
        self.frames.initiate_connection()
        self.exchanges: list[Exchange] = []
        self.reset: list[int] = []
        self.gone: int | None = None
        self._typed = b""  # a head that is not complete, or of the body what is not
        self._left = 0  # bytes of a body; -1: chunked; 0: a head comes next
        self._stream = 0  # whose body it is
        self._flush()

    def _flush(self) -> None:
        super().send(self.frames.data_to_send())

    # -- what the test says

    def send(self, data: bytes) -> None:
        self._typed += data
        while self._typed and self._take():
            pass

    def _take(self) -> bool:
        """The next part of what was typed; False: it is not complete."""
        if self._left == 0:
            head, mark, rest = self._typed.partition(b"\r\n\r\n")
            if not mark:
                return False
            self._typed = rest
            self._open(head.decode())
        elif self._left > 0:
            part, self._typed = self._typed[: self._left], self._typed[self._left :]
            self._left -= len(part)
            self._data(part, end=self._left == 0)
        else:
            size, mark, rest = self._typed.partition(b"\r\n")
            length = int(size, 16) if mark else 0
            if not mark or len(rest) < length + 2:
                return False
            self._typed = rest[length + 2 :]
            self._left = -1 if length else 0
            self._data(rest[:length], end=length == 0)
        return True

    def _open(self, head: str) -> None:
        first, *lines = head.split("\r\n")
        method, path, _ = first.split(" ")
        fields = [(name.lower(), value) for name, _, value in (line.partition(": ") for line in lines)]
        named = dict(fields)
        chunked = named.get("transfer-encoding") == "chunked"
        self._left = -1 if chunked else int(named.get("content-length", 0))
        pseudo = [(":method", method), (":scheme", "http"), (":authority", named["host"]), (":path", path)]
        self._stream = self.frames.get_next_available_stream_id()
        self.exchanges.append(Exchange(self._stream, method))
        kept = [(name, value) for name, value in fields if name not in HOP_BY_HOP]
        self.frames.send_headers(self._stream, pseudo + kept, end_stream=self._left == 0)
        self._flush()

    def _data(self, data: bytes, *, end: bool) -> None:
        """Within the windows, which are waited for. A server that has answered may want no more."""
        while data or end:
            try:
                room = min(self.frames.local_flow_control_window(self._stream), self.frames.max_outbound_frame_size)
                piece, rest = data[:room], data[room:]
                if room > 0 or not data:
                    self.frames.send_data(self._stream, piece, end_stream=end and not rest)
                    self._flush()
                    if not rest:
                        return
                    data = rest
                elif not self._receive():
                    return
            except (h2.exceptions.StreamClosedError, h2.exceptions.ProtocolError):
                return

    # -- what the server says

    def _receive(self) -> bool:
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            return False
        for event in self.frames.receive_data(data):
            self._note(event)
        self._flush()
        return True

    def _note(self, event: h2.events.Event) -> None:
        by_stream = {exchange.stream: exchange for exchange in self.exchanges}
        if isinstance(event, h2.events.ConnectionTerminated):
            self.gone = int(event.error_code or 0)
            return
        exchange = by_stream.get(getattr(event, "stream_id", None) or 0)
        if exchange is None:
            return
        if isinstance(event, h2.events.InformationalResponseReceived):
            exchange.text += f"HTTP/1.1 {dict(event.headers)[':status']} \r\n\r\n".encode()
        elif isinstance(event, h2.events.ResponseReceived):
            fields = dict(event.headers)
            exchange.chunked = "content-length" not in fields and exchange.method != "HEAD"
            exchange.chunked = exchange.chunked and fields[":status"] not in ("204", "304")
            lines = [f"{name}: {value}" for name, value in fields.items() if name != ":status"]
            lines += ["transfer-encoding: chunked"] * exchange.chunked
            exchange.text += "\r\n".join([f"HTTP/1.1 {fields[':status']} ", *lines, "", ""]).encode()
        elif isinstance(event, h2.events.DataReceived):
            with contextlib.suppress(h2.exceptions.ProtocolError):
                self.frames.acknowledge_received_data(event.flow_controlled_length, exchange.stream)
            if event.data:
                exchange.text += b"%x\r\n%s\r\n" % (len(event.data), event.data) if exchange.chunked else event.data
        elif isinstance(event, h2.events.StreamEnded):
            exchange.text += b"0\r\n\r\n" if exchange.chunked else b""
            exchange.ended = True
        elif isinstance(event, h2.events.StreamReset):
            if event.error_code:  # else it is answered, and the rest of the request not wanted
                self.reset.append(int(event.error_code))
            exchange.ended = True

    def fill(self) -> bool:
        """More text in the buffer. False: all is answered, which is when HTTP/1.1 would close after an error."""
        while True:
            while self.exchanges:
                first = self.exchanges[0]
                text, first.text = first.text, b""
                if first.ended:
                    del self.exchanges[0]
                if text:
                    self.buffer += text
                    return True
                if not first.ended:
                    break
            if not self.exchanges or not self._receive():
                return False

    def answer(self, method: str = "GET") -> Answer | None:
        return super().answer(self.exchanges[0].method if self.exchanges else method)


class Http2Server:
    """The same server, spoken to in HTTP/2; `secure`: over TLS."""

    def __init__(self, server: Server, secure: ssl.SSLContext | None = None) -> None:
        self._server = server
        self._secure = secure
        self.port = server.port

    def client(self) -> Http2Client:
        return Http2Client(self.port, self._secure)

    request = Server.request
    metrics = Server.metrics
