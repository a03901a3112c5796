"""The demo's parts against servers that behave and misbehave: the client, the pace, the judgement, the account."""

import argparse
import asyncio
import contextlib
import io
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from headgate import errors
from headgate_host import children, demo, play, stations
from headgate_host.http_client import AnswerError, Connection
from headgate_host.tally import Latencies

Handler = Callable[[bytes, bytes], Awaitable[bytes]]  # request head, body -> the bytes to send; b"" hangs up
EXPECTED = {m.body: m for m in stations.messages(400, 4, spoil=0.1)}


@contextlib.asynccontextmanager
async def server(handler: Handler) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError), contextlib.closing(writer):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
                answer = await handler(head, await reader.readexactly(length))
                writer.write(answer)
                if not answer or b"Connection: close" in answer:
                    break

    tasks: list[asyncio.Task[None] | None] = []
    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        try:
            yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        finally:  # before the end of `listener`, which from CPython 3.12 on waits for them
            for task in filter(None, tasks):
                task.cancel()
            await asyncio.gather(*filter(None, tasks), return_exceptions=True)


def answer(status: int, body: bytes = b"{}", extra: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d X\r\n%sContent-Length: %d\r\n\r\n%s" % (status, extra, len(body), body)


def owed(body: bytes) -> bytes:
    """What the appliance owes for one of our messages."""
    message = EXPECTED[body]
    document = {"errors": [{"instance": message.expected_pointer}]} if message.expected_pointer is not None else {}
    return answer(message.expected_status, json.dumps(document).encode())


async def good(head: bytes, body: bytes) -> bytes:
    return owed(body)


def mint(station: str) -> str:
    return f"token-of-{station}"


# --- the client ---------------------------------------------------------------------------------------------------


def test_client_keeps_the_connection_and_reads_both_framings() -> None:
    heads = []
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n"
    answers = [answer(202, b"one"), chunked, answer(404, b"", b"Connection: close\r\n"), answer(202, b"again")]

    async def handler(head: bytes, body: bytes) -> bytes:
        heads.append((head, body))
        return answers[len(heads) - 1]

    async def main() -> None:
        async with server(handler) as url:
            connection = Connection(url)
            got = [await connection.request("POST", "/a", {"X-Y": "z"}, b"body") for _ in answers]
            assert [(a.status, a.body) for a in got] == [
                (202, b"one"), (200, b"abc0123456789"), (404, b""), (202, b"again"),
            ]  # fmt: skip
            connection.close()
        assert heads[0][1] == b"body"
        assert b"\r\nX-Y: z\r\n" in heads[0][0]
        assert b"\r\nHost: 127.0.0.1:" in heads[0][0]

    asyncio.run(main())


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nabc",
        b"SSH-2.0 Connection: close\r\n\r\n",
        b"HTTP/1.1 abc\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 20000 + b"\r\nConnection: close\r\n\r\n",
    ],
)
def test_client_refuses_what_is_not_an_answer(reply: bytes) -> None:
    async def handler(head: bytes, body: bytes) -> bytes:
        return reply

    async def main() -> None:
        async with server(handler) as url:
            with pytest.raises(AnswerError):
                await Connection(url).request("GET", "/", {})

    asyncio.run(main())


def test_client_wants_http() -> None:
    with pytest.raises(ValueError, match="not an http"):
        Connection("ftp://127.0.0.1")


# --- playing ------------------------------------------------------------------------------------------------------


def test_every_message_is_sent_with_its_own_token_and_judged() -> None:
    heads: list[bytes] = []

    async def handler(head: bytes, body: bytes) -> bytes:
        heads.append(head)
        return owed(body)

    async def main() -> None:
        async with server(handler) as url:
            tally = await play.play(url, mint, rate=0, count=400, spoil=0.1, stations=4)
        assert (tally.sent, tally.accepted, tally.rejected.total()) == (400, 360, 40)
        assert tally.wrong == []
        assert sum(tally.spoiled.values()) == 40
        assert set(tally.reasons()) >= {"not valid", "malformed"}
        for station in stations.names(4):
            mine = [head for head in heads if b"Bearer token-of-" + station.encode() + b"\r\n" in head]
            assert len(mine) == 100
            assert all(b"Idempotency-Key: " in head and b"." + station.encode() + b"." in head for head in mine)
        assert 0 < tally.latencies.quantile_ms(0.5) <= tally.latencies.quantile_ms(0.99)

    asyncio.run(main())


def test_a_wrong_verdict_is_noticed() -> None:
    async def accepts_everything(head: bytes, body: bytes) -> bytes:
        return answer(202)

    async def points_elsewhere(head: bytes, body: bytes) -> bytes:
        status = EXPECTED[body].expected_status
        return answer(status, b'{"errors":[{"instance":"/elsewhere"}]}')

    async def main() -> None:
        async with server(accepts_everything) as url:
            tally = await play.play(url, mint, rate=0, count=400, spoil=0.1, stations=4)
        assert tally.wrong_count == 40
        assert len(tally.wrong) == 10  # bounded
        assert "202, not 4" in tally.wrong[0]
        async with server(points_elsewhere) as url:
            tally = await play.play(url, mint, rate=0, count=400, spoil=0.1, stations=4)
        pointed = [m for m in EXPECTED.values() if m.expected_pointer is not None]
        assert tally.wrong_count == len(pointed) > 0
        assert "does not point to" in tally.wrong[0]

    asyncio.run(main())


def test_not_now_and_lost_connections_are_tried_again_under_the_same_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(play, "RETRY_S", 0.001)
    monkeypatch.setattr(play, "RETRY_MAX_S", 0.001)
    keys: list[bytes] = []

    async def handler(head: bytes, body: bytes) -> bytes:
        keys.append(head.partition(b"Idempotency-Key: ")[2].partition(b"\r\n")[0])
        if len(keys) == 1:
            return answer(429, extra=b"Retry-After: 3600\r\n")
        if len(keys) == 2:
            return answer(503, extra=b"Retry-After: soon\r\n")
        if len(keys) == 3:
            return b""
        return answer(202, extra=b"Idempotent-Replayed: true\r\n" if len(keys) == 4 else b"")

    async def main() -> None:
        async with server(handler) as url:
            tally = await play.play(url, mint, rate=0, count=2, spoil=0, stations=1)
        assert tally.retries == {"429": 1, "503": 1, "connection": 1}
        assert len(set(keys[:4])) == 1
        assert keys[4] != keys[0]
        assert (tally.sent, tally.accepted, tally.replayed) == (2, 2, 1)

    asyncio.run(main())


def test_stop_and_seconds_end_an_endless_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(play, "GRACE_S", 0.05)

    async def silent(head: bytes, body: bytes) -> bytes:
        await asyncio.Event().wait()
        return b""

    async def accepts(head: bytes, body: bytes) -> bytes:
        return answer(202)

    async def main() -> None:
        stop = asyncio.Event()

        async def stops(head: bytes, body: bytes) -> bytes:
            stop.set()
            return answer(202)

        async with server(stops) as url:
            tally = await play.play(url, mint, rate=1000, spoil=0, stations=2, stop=stop)
        assert tally.accepted >= 1
        assert tally.unanswered == 0
        async with server(accepts) as url:
            tally = await play.play(url, mint, rate=1000, spoil=0, stations=4, seconds=0.05)
        assert tally.sent == tally.accepted
        async with server(silent) as url:
            tally = await play.play(url, mint, rate=1000, spoil=0, stations=2, seconds=0.1)
        assert (tally.accepted, tally.unanswered) == (0, 2)

    asyncio.run(main())


def test_a_failure_in_a_station_is_not_swallowed() -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="not an http"):
            await play.play("ftp://127.0.0.1", mint, count=5)

    asyncio.run(main())


# --- the account --------------------------------------------------------------------------------------------------


def options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    demo.add_options(parser.add_argument_group("demo"))
    return parser.parse_args(arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--demo-rate", "0"),
        ("--demo-rate", "nan"),
        ("--demo-count", "-1"),
        ("--demo-spoil", "1.1"),
        ("--demo-stations", "0"),
    ],
)
def test_options_out_of_range_are_refused(arguments: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        options(*arguments)
    assert stop.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def run_demo(ledger: dict[str, int], *arguments: str, as_json: bool = False, receiver: Any = None) -> tuple[int, str]:
    async def main() -> int:
        async with server(good) as url:
            runner = demo.Demo(
                options("--demo-stations", "4", "--demo-spoil", "0.1", *arguments), as_json=as_json, out=out
            )
            assert await runner.open(Path("unused")) is None
            runner.receiver = receiver
            return await runner.run(base_url=url, mint=mint, ledger=lambda: ledger, stop=asyncio.Event())

    out = io.StringIO()
    return asyncio.run(main()), out.getvalue()


BOUNDED = ("--demo-no-broker", "--demo-count", "100", "--demo-rate", "5000")


def test_summary_when_everything_adds_up() -> None:
    ledger = {"accepted": 90, "delivered": 60, "stored": 30, "expired": 0, "dropped": 0}
    code, text = run_demo(ledger, *BOUNDED)
    assert code == errors.OK
    assert "curl -i http://127.0.0.1:" in text
    assert "token-of-visitor" in text
    assert "accepted 90 | rejected 10 (" in text
    assert "ledger   accepted 90, delivered 60, stored 30, expired 0, dropped 0" in text
    assert "Everything adds up" in text


def test_what_does_not_add_up_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "QUIET_S", 0.01)
    receiver = children.Receiver()
    receiver.count = 89
    receiver.unreadable = 1
    ledger = {"accepted": 90, "delivered": 60, "stored": 29, "expired": 0, "dropped": 0}
    code, text = run_demo(ledger, *BOUNDED, receiver=receiver)
    assert code == errors.FINDING
    assert "does not balance: accepted 90, sum of the others 89" in text
    assert "accepted 90, but only 89 arrived" in text
    assert "Everything adds up" not in text


def test_json_is_one_document_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "PLAIN_S", 0.001)
    ledger = {"accepted": 90, "delivered": 90, "stored": 0, "expired": 0, "dropped": 0}
    code, text = run_demo(ledger, *BOUNDED, as_json=True)
    documents = [json.loads(line) for line in text.splitlines()]
    assert code == errors.OK
    assert documents[0]["event"] == "demo"
    assert documents[0]["token"] == mint("visitor")
    assert documents[1]["event"] == "progress"
    assert documents[-1]["event"] == "summary"
    assert documents[-1]["accepted"] == 90
    assert documents[-1]["ledger"] == ledger
    assert documents[-1]["findings"] == []


def test_live_line_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(demo, "LIVE_S", 0.001)
    out = Terminal()

    async def main() -> int:
        async with server(good) as url:
            runner = demo.Demo(options("--demo-stations", "4", "--demo-spoil", "0.1", *BOUNDED), out=out)
            ledger = {"accepted": 90, "delivered": 0, "stored": 90, "expired": 0, "dropped": 0}
            return await runner.run(base_url=url, mint=mint, ledger=lambda: ledger, stop=asyncio.Event())

    assert asyncio.run(main()) == errors.OK
    assert "\r\x1b[2Kaccepted " in out.getvalue()


def test_latencies_within_the_promised_error() -> None:
    latencies = Latencies()
    assert latencies.quantile_ms(0.5) == 0
    for number in range(1, 1001):
        latencies.add(number / 1000)
    assert latencies.quantile_ms(0.5) == pytest.approx(500, rel=0.05)
    assert latencies.quantile_ms(0.99) == pytest.approx(990, rel=0.05)
    latencies.add(0)  # a clock that did not move


# --- children -----------------------------------------------------------------------------------------------------


def test_a_child_that_dies_is_one_line(tmp_path: Path) -> None:
    async def main() -> None:
        child = await children.Child.start("helper", "/bin/sh", "-c", "echo no such thing >&2; exit 3")
        with pytest.raises(errors.CommandError) as caught:
            await child.wait_log("ready")
        assert caught.value.code == errors.NETWORK
        assert "helper did not start: no such thing" in caught.value.line()
        await child.stop()

    asyncio.run(main())


def test_a_child_that_ignores_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "STOP_S", 0.1)

    async def main() -> None:
        lines: list[str] = []
        script = "trap '' TERM; echo out; echo ready >&2; while :; do sleep 1; done"
        child = await children.Child.start("stubborn", "/bin/sh", "-c", script, on_line=lines.append)
        await child.wait_log("ready")
        os.killpg(child.process.pid, signal.SIGSTOP)  # deaf and frozen
        await child.stop()
        assert not child.alive
        assert lines == ["out"]

    asyncio.run(main())


def test_broker_runs_on_its_own_files_and_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if children.find_mosquitto() is None:
        pytest.skip("mosquitto is not installed")
    monkeypatch.setattr(children, "STOP_S", 60)  # a slow machine takes its time; killed, it saves nothing

    async def main() -> None:
        broker = await children.start_broker(tmp_path)
        assert broker is not None
        assert broker.alive
        _, writer = await asyncio.open_connection("127.0.0.1", broker.port)
        writer.close()
        await broker.stop()
        assert not broker.alive
        assert (tmp_path / "mosquitto" / "mosquitto.db").is_file()

    asyncio.run(main())


def test_without_mosquitto_there_is_no_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "find_mosquitto", lambda: None)
    assert asyncio.run(children.start_broker(tmp_path)) is None
    out = io.StringIO()
    assert asyncio.run(demo.Demo(options(), out=out).open(tmp_path)) is None
    assert "apt-get install mosquitto" in out.getvalue()


def test_receiver_counts_what_arrives() -> None:
    async def main() -> None:
        receiver = children.Receiver()
        receiver._on_line('{"id": "a/1.1"}')
        receiver._on_line("not json")
        assert (receiver.count, receiver.unreadable, receiver.last) == (1, 1, {"id": "a/1.1"})
        assert await receiver.wait_count(1, 0)
        waiting = asyncio.create_task(receiver.wait_count(2, 10))
        await asyncio.sleep(0)
        receiver._on_line('{"id": "a/1.2"}')
        assert await waiting
        assert not await receiver.wait_count(3, 0.01)

    asyncio.run(main())
