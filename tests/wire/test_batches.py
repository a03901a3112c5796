"""Batches: results stream back in order, while the body is still arriving."""

from __future__ import annotations

import json

import wire
from wire import NDJSON, Client, Server, chunked, head, token

PATH = "/v1/streams/weather"
TYPE = {"Content-Type": NDJSON}
CBOR_SEQ = {"Content-Type": "application/cbor-seq"}


def record(number: int) -> bytes:
    return b'{"station":"st-%d","temp_c":%d}' % (number % 1000, number % 50)


def begin(client: Client, path: str = PATH, content_type: str = NDJSON, **headers: str) -> None:
    fields = {"Content-Type": content_type, "Transfer-Encoding": "chunked"}
    fields.update({name.replace("_", "-"): value for name, value in headers.items()})
    client.send(head("POST", path, None, fields))


def test_results_come_before_the_body_ends(server: Server) -> None:
    with server.client() as client:
        begin(client)
        for index in range(5):
            client.send(chunked(record(index) + b"\n"))
            if index == 0:
                answer = client.head()
                assert answer is not None
                assert (answer.status, answer.headers["content-type"]) == (200, NDJSON)
            line = json.loads(client.chunk())
            assert (line["index"], line["status"]) == (index, 202)
        client.send(b"0\r\n\r\n")
        assert client.chunk() == b""
        assert client.request("GET", "/healthz").status == 200, "the connection goes on"


def test_a_record_in_many_pieces(server: Server) -> None:
    with server.client() as client:
        begin(client)
        for byte in record(1) + b"\r\n" + record(2):  # the last one without its line end
            client.send(chunked(bytes([byte])))
        client.send(b"0\r\n\r\n")
        answer = client.answer()
        assert answer is not None
        assert [line["status"] for line in answer.lines()] == [202, 202]


def test_mixed_verdicts(server: Server) -> None:
    records = [
        record(0),
        b'{"station":1,"temp_c":1}',
        b"{",
        b'"' + b"x" * 1000 + b'"',
        record(4),
        b'{"station":"st-1","temp_c":1,"temp_c":2}',
    ]
    answer = server.request("POST", PATH, b"\n\n".join(records), TYPE)
    assert answer.status == 200
    lines = answer.lines()
    assert [line["index"] for line in lines] == list(range(6))
    assert [line["status"] for line in lines] == [202, 422, 400, 422, 202, 400]
    assert lines[1]["code"] == "schema_violation"
    assert lines[1]["errors"][0]["instance"] == "/station"
    assert lines[1]["errors"][0]["schema"] == "/properties/station/type"
    assert lines[2]["code"] == "malformed_json"
    assert "at byte" in lines[2]["detail"]
    seqs = [int(line["seq"].split(".")[1]) for line in lines if line["status"] == 202]
    assert seqs == [seqs[0], seqs[0] + 1]


def test_many_records(server: Server) -> None:
    """More than may be in flight, in one write."""
    count = 2000
    body = b"".join(record(index) + b"\n" for index in range(count))
    answer = server.request("POST", PATH, body, TYPE)
    lines = answer.lines()
    assert [line["index"] for line in lines] == list(range(count))
    assert {line["status"] for line in lines} == {202}
    assert len({line["seq"] for line in lines}) == count


def test_cbor_sequence(server: Server) -> None:
    good = b"\xa2\x67station\x64st-3\x66temp_c\x15"
    with server.client() as client:
        answer = client.request("POST", PATH, good + b"\xa0" + b"\x61\xff" + good, CBOR_SEQ)
        assert [line["status"] for line in answer.lines()] == [202, 422, 400, 202]
        begin(client, content_type="application/cbor-seq")
        for byte in good + good:
            client.send(chunked(bytes([byte])))
        client.send(b"0\r\n\r\n")
        answer = client.answer()
        assert answer is not None
        assert [line["status"] for line in answer.lines()] == [202, 202]
        last = client.request("GET", "/v1/streams/weather/last/st-3")
        assert (last.headers["content-type"], last.body) == ("application/cbor", good)


def test_cbor_sequence_that_ends_early(server: Server) -> None:
    answer = server.request("POST", "/v1/streams/any", b"\x01\x02\x82\x01", CBOR_SEQ)
    assert answer.status == 200
    assert [line["status"] for line in answer.lines()] == [202, 202, 400]
    assert answer.lines()[2]["code"] == "malformed_cbor"


def test_validate(server: Server) -> None:
    answer = server.request("POST", "/v1/validate/weather", record(0) + b"\n{}\n", TYPE)
    assert [line["status"] for line in answer.lines()] == [200, 422]
    assert "seq" not in answer.lines()[0]


def test_empty(server: Server) -> None:
    with server.client() as client:
        answer = client.request("POST", PATH, b"\n\n", TYPE)
        assert (answer.status, answer.body) == (200, b"")
        assert client.request("POST", PATH, b"", TYPE).status == 200


def test_each_record_counts_for_the_rate(server: Server) -> None:
    answer = server.request("POST", "/v1/streams/slow", b"1\n2\n3\n4\n5\n", TYPE, token("batch-rate"))
    lines = answer.lines()
    assert [line["status"] for line in lines] == [202, 202, 202, 429, 429]
    assert lines[3]["code"] == "rate_limited"
    assert lines[3]["detail"].startswith("wait ")


def test_idempotency_per_record(server: Server) -> None:
    fields = {**TYPE, "Idempotency-Key": "batch-1"}
    with server.client() as client:
        first = client.request("POST", PATH, record(1) + b"\n" + record(2), fields).lines()
        again = client.request("POST", PATH, record(1) + b"\n" + record(3), fields).lines()
    assert again[0] == {**first[0], "replayed": True}
    assert (again[1]["status"], again[1]["code"]) == (422, "idempotency_key_reused")


def test_record_too_large_after_others(server: Server) -> None:
    """What came before it is answered; the last line says why it ends there, and the connection closes."""
    with server.client() as client:
        body = record(0) + b"\n" + b"x" * 3000 + b"\n" + record(2)
        client.send(head("POST", PATH, len(body), TYPE) + body)
        answer = client.answer()
        assert answer is not None
        assert [(line["index"], line["status"]) for line in answer.lines()] == [(0, 202), (1, 413)]
        assert client.answer() is None


def test_malformed_chunk_after_records(server: Server) -> None:
    with server.client() as client:
        begin(client)
        client.send(chunked(record(0) + b"\n"))
        assert client.head() is not None
        assert json.loads(client.chunk())["status"] == 202
        client.send(b"rubbish\r\n")
        assert json.loads(client.chunk())["code"] == "malformed_request"
        assert client.chunk() == b""
        assert client.answer() is None


def test_body_that_stops(server: Server) -> None:
    with server.client() as client:
        begin(client)
        client.send(chunked(record(0) + b"\n"))
        assert client.head() is not None
        assert json.loads(client.chunk())["status"] == 202
        assert json.loads(client.chunk()) == {"index": 1, "status": 408, "code": "timeout"}
        assert client.chunk() == b""
        assert client.answer() is None


def test_client_that_goes_away(server: Server) -> None:
    for _ in range(5):
        with server.client() as client:
            begin(client)
            client.send(chunked(b"".join(record(index) + b"\n" for index in range(100))))
    assert server.request("POST", PATH, record(0), TYPE).lines()[0]["status"] == 202


def test_client_that_does_not_read(server: Server) -> None:
    """Results pile up only so far: then the body is not read any more, then the connection is cut."""
    records = b"".join(record(index) + b"\n" for index in range(500))
    with server.client() as client:
        client.socket.settimeout(1)
        begin(client)
        try:
            for _ in range(2000):
                client.socket.sendall(chunked(records))
        except (TimeoutError, ConnectionResetError, BrokenPipeError):
            pass
        else:
            raise AssertionError("the server took everything")
    assert server.request("GET", "/healthz").status == 200


def test_http10_gets_its_results_until_the_end(server: Server) -> None:
    body = record(0) + b"\n" + record(1)
    with server.client() as client:
        sent = head("POST", PATH, len(body), TYPE).replace(b"HTTP/1.1", b"HTTP/1.0")
        client.send(sent + body)
        answer = client.answer()
        assert answer is not None
        assert answer.headers["connection"] == "close"
        assert "transfer-encoding" not in answer.headers
        assert [line["status"] for line in answer.lines()] == [202, 202]


def test_pipelined_after_a_batch(server: Server) -> None:
    body = record(0)
    with server.client() as client:
        client.send(head("POST", PATH, len(body), TYPE) + body + head("GET", "/healthz"))
        first = client.answer()
        second = client.answer()
        assert first is not None
        assert second is not None
        assert (first.status, second.status) == (200, 200)
        assert wire.json.loads(second.body) == {"status": "ok"}
