"""An appliance with an https listener, and clients for it."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from pathlib import Path

from harness import Appliance, free_port

STREAMS = '\n[streams.weather]\nrate = "100000/s"\nburst = 100000\n'


def https(folder: Path, certs: Path, *, key: str = "server.key", listen: str = "") -> tuple[Appliance, int]:
    """-> (an appliance that is not started, its https port)"""
    port = free_port()
    appliance = Appliance(folder, uplink_port=None, config=STREAMS)
    text = appliance.config.read_text()
    tls = f'[listen]\nhttps = "127.0.0.1:{port}"\ntls_cert = "{certs}/server.pem"\ntls_key = "{certs}/{key}"\n{listen}'
    appliance.config.write_text(text.replace("[listen]\n", tls, 1))
    return appliance, port


def client_context(
    certs: Path, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3, certificate: str = ""
) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(certs / "ca.pem"))
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # so that it is the server who refuses old versions
    context.minimum_version = context.maximum_version = version
    if certificate:
        context.load_cert_chain(certs / f"{certificate}.pem", certs / f"{certificate}.key")
    return context


def post_tls(port: int, context: ssl.SSLContext, token: str) -> tuple[int, str | None]:
    """-> (status, TLS version)"""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with contextlib.closing(http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=10)) as connection:
        connection.request("POST", "/v1/streams/weather", b'{"t":1}', headers | {"Content-Type": "application/json"})
        version = connection.sock.version()
        return connection.getresponse().status, version


class Connection:
    """A TLS connection that stays open. `session`: to be resumed."""

    def __init__(self, port: int, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> None:
        plain = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket = context.wrap_socket(plain, server_hostname="127.0.0.1", session=session)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
        """-> (status, body). A field's name is written with _ for -."""
        lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        response = http.client.HTTPResponse(self.socket, method=method)
        response.begin()
        return response.status, response.read()
