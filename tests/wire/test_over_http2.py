"""The tests of the wire interface once more, over HTTP/2: every route, batches streamed both ways, refusals. By prior
knowledge (h2c), and over TLS by ALPN (h2)."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import test_batches
import test_routes
import wire
from wire import Server

h2_client = pytest.importorskip("h2_client", reason="needs the Python package h2")

ONLY_HTTP1 = {
    "test_http10",
    "test_http10_gets_its_results_until_the_end",
    "test_connection_close",
    "test_malformed_chunk_after_records",
    "test_sigterm_drains",  # tests/e2e/test_http2.py: test_drain
    "test_curl",  # test_http2_clients.py
    "test_client_that_does_not_read",  # test_http2_slow.py: test_a_batch_whose_results_are_not_taken
}


def take(module: object) -> None:
    for name, function in vars(module).items():
        if name.startswith("test_") and callable(function) and name not in ONLY_HTTP1:
            globals().setdefault(name, function)


take(test_routes)
take(test_batches)


@pytest.fixture(scope="module", params=["h2c", "h2"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, http2_server: Server
) -> Iterator[object]:
    if request.param == "h2c":
        yield h2_client.Http2Server(http2_server)
        return
    pytest.importorskip("cryptography")
    sys.path.append(str(Path(__file__).resolve().parents[1] / "e2e"))
    import certificates

    folder = tmp_path_factory.mktemp("wire")
    certs = certificates.make(folder / "certs")
    secure = ssl.create_default_context(cafile=str(certs / "ca.pem"))
    secure.set_alpn_protocols(["h2"])
    for running in wire.living(folder, wire.plan(), "http2", "tls"):
        yield h2_client.Http2Server(running, secure)
