"""The tests of the wire interface once more, over HTTP/2: every route, batches streamed both ways, refusals."""

from __future__ import annotations

import pytest
import test_batches
import test_routes
from wire import Server

h2_client = pytest.importorskip("h2_client", reason="needs the Python package h2")

ONLY_HTTP1 = {
    "test_http10",
    "test_http10_gets_its_results_until_the_end",
    "test_connection_close",
    "test_malformed_chunk_after_records",
    "test_sigterm_drains",  # test_http2_end.py
}


def take(module: object) -> None:
    for name, function in vars(module).items():
        if name.startswith("test_") and callable(function) and name not in ONLY_HTTP1:
            globals().setdefault(name, function)


take(test_routes)
take(test_batches)


@pytest.fixture(scope="module")
def server(http2_server: Server) -> object:
    return h2_client.Http2Server(http2_server)
