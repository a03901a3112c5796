"""The uplink and `headgate receive` against a real mosquitto: restarted, frozen, refusing, limiting, over TLS."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import certificates
import pytest
from harness import START_S
from mosquitto import Mosquitto, available
from scripted_broker import ScriptedBroker, scripted

from headgate import limits
from headgate.core import mqtt_packets
from headgate.linux import keys
from headgate.linux.mqtt import Broker, Link
from headgate.linux.outbox import Outbox, OutboxConfig
from headgate.linux.uplink import Uplink, UplinkConfig
from headgate.tasks.sink import Record

pytestmark = [
    pytest.mark.skipif(not available(), reason="mosquitto is not installed"),
    pytest.mark.slow_emulated,
]
BOUND_S = START_S  # `headgate receive` starts within it


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path / "broker") as running:
        yield running


class Receiver:
    """`headgate receive` in a child process, with its session made before anything is sent."""

    def __init__(self, port: int, folder: Path, *extra: str) -> None:
        self.file = folder / "received.db"
        self.log = folder / "receive.log"
        self._command = [sys.executable, "-m", "headgate", "receive", "--url", f"mqtt://127.0.0.1:{port}"]
        self._command += ["--client-id", "keeper", "--sqlite", str(self.file), "--json", *extra]
        self.start()

    def start(self) -> None:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(self._command, stderr=log)

    async def ready(self) -> None:
        await until(lambda: b"subscribed" in self.log.read_bytes(), "the receiver subscribes")

    def rows(self) -> dict[str, str]:
        with contextlib.closing(sqlite3.connect(f"file:{self.file}?mode=ro", uri=True)) as database:
            found = database.execute("SELECT id, body FROM messages").fetchall()
        assert len(dict(found)) == len(found)
        return dict(found)

    def stop(self) -> dict[str, int]:
        """-> the summary."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(BOUND_S) == 0, self.log.read_text()
        summary: dict[str, int] = json.loads(self.log.read_text().splitlines()[-1])
        return summary

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


async def until(condition: Any, what: str) -> None:
    try:
        async with asyncio.timeout(BOUND_S):
            while not condition():  # noqa: ASYNC110  # of another process: there is no event
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"still not: {what}")


@contextlib.asynccontextmanager
async def receiving(port: int, folder: Path, *extra: str) -> AsyncIterator[Receiver]:
    receiver = Receiver(port, folder, *extra)
    try:
        await receiver.ready()
        yield receiver
    finally:
        receiver.kill()


async def ended(uplink: Uplink) -> None:
    """The one of `forwarding`."""
    (task,) = [task for task in asyncio.all_tasks() if task.get_name() == f"uplink {id(uplink)}"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def forwarding(folder: Path, port: int, **options: Any) -> AsyncIterator[tuple[Outbox, Uplink]]:
    """An outbox and its uplink, quick to notice trouble. `options`: of UplinkConfig, and `broker`: fields of Broker."""
    outbox = await Outbox.open(folder / "state", OutboxConfig(batch_records=50), appliance="mill-7")
    broker = Broker(host="127.0.0.1", port=port, **options.pop("broker", {}))
    quick = {"ack_ms": 700, "backoff_ms": 50, "backoff_max_ms": 200, "refused_ms": 150, "refused_max_ms": 300}
    uplink = Uplink(outbox, UplinkConfig(broker=broker, client_id="mill-7", **(quick | options)))
    task = asyncio.create_task(uplink.run(), name=f"uplink {id(uplink)}")
    try:
        yield outbox, uplink
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.wait_for(outbox.close(), BOUND_S)


async def store(
    outbox: Outbox, count: int, *, stream: str = "weather", kind: str = "application/json"
) -> dict[str, str]:
    """-> id -> body of what was acknowledged."""
    bodies = [f'{{"stream":"{stream}","n":{n}}}' for n in range(count)]
    tickets = [
        outbox.submit(Record(stream, f"c{n % 7}", body.encode(), kind, 1000 + n), True) for n, body in enumerate(bodies)
    ]
    receipts = [await asyncio.wait_for(ticket.wait(), BOUND_S) for ticket in tickets]
    return {f"{outbox.appliance}/{receipt.seq}": body for receipt, body in zip(receipts, bodies, strict=True)}


async def all_delivered(outbox: Outbox, count: int) -> None:
    await until(lambda: outbox.stats()["delivered"] == count, f"{count} are delivered: {outbox.stats()}")
    assert outbox.stats()["stored"] == 0


@pytest.mark.parametrize("mode", ["json", "batch", "sealed"])
def test_everything_arrives_once(broker: Mosquitto, tmp_path: Path, mode: str) -> None:
    keys.create_pair(tmp_path / "seal.key", seal=True)
    options = {"mode": mode, "status_topic": "headgate/{appliance}/status"}
    if mode == "sealed":
        options["seal_to"] = keys.load_public(tmp_path / "seal.pub")

    async def scenario() -> None:
        async with receiving(broker.port, tmp_path, "--seal-key", str(tmp_path / "seal.key")) as receiver:
            async with forwarding(tmp_path, broker.port, **options) as (outbox, uplink):
                sent = await store(outbox, 500)
                await all_delivered(outbox, 500)
                assert uplink.stats()["connected"] is True
            await until(lambda: len(receiver.rows()) >= 500, "500 are received")
            assert receiver.rows() == sent
            summary = receiver.stop()
            assert (summary["messages"], summary["replays"], summary["undecodable"]) == (500, 0, 0)

    asyncio.run(scenario())


def test_broker_restarted(broker: Mosquitto, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with receiving(broker.port, tmp_path) as receiver, forwarding(tmp_path, broker.port) as (outbox, uplink):
            sent = await store(outbox, 200)
            await all_delivered(outbox, 200)
            broker.stop()
            await until(lambda: not uplink.stats()["connected"], "the loss is noticed")
            sent |= await store(outbox, 200)  # accepting goes on
            assert outbox.stats()["stored"] == 200
            broker.start()
            await all_delivered(outbox, 400)
            await until(lambda: len(receiver.rows()) >= 400, "400 are received")
            assert receiver.rows() == sent
            assert uplink.stats()["connections"] == 2

    asyncio.run(scenario())


def test_broker_frozen(broker: Mosquitto, tmp_path: Path) -> None:
    """It takes bytes and answers nothing: the connection is given up, and what was on its way comes again, marked."""

    async def scenario() -> None:
        async with receiving(broker.port, tmp_path) as receiver, forwarding(tmp_path, broker.port) as (outbox, uplink):
            await until(lambda: uplink.stats()["connected"], "connected")
            broker.freeze()
            sent = await store(outbox, 300)
            await until(lambda: "acknowledgement" in str(uplink.stats()["last_error"]), "no answer is noticed")
            assert outbox.stats()["stored"] == 300
            broker.thaw()
            await all_delivered(outbox, 300)
            await until(lambda: len(receiver.rows()) >= 300, "300 are received")
            assert receiver.rows() == sent
            assert receiver.stop()["replays"] > 0  # both copies came; one is stored

    asyncio.run(scenario())


def acl_broker(folder: Path, rules: str, extra: str = "") -> Mosquitto:
    (folder / "acl").write_text(rules)
    return Mosquitto(folder / "broker", f"acl_file {folder / 'acl'}\n{extra}")


def test_a_refused_message_is_kept_and_the_others_are_delivered(tmp_path: Path) -> None:
    """PUBACK 0x87 (not authorized) for one stream of two. aiomqtt alone would count that as delivered."""

    async def scenario() -> None:
        with acl_broker(tmp_path, "topic read #\ntopic write headgate/+/weather/#\n") as broker:
            async with (
                receiving(broker.port, tmp_path) as receiver,
                forwarding(tmp_path, broker.port, mode="json") as (outbox, uplink),
            ):
                tickets = asyncio.gather(store(outbox, 30), store(outbox, 20, stream="secret"))
                good, bad = await tickets
                await until(lambda: outbox.stats()["delivered"] == 30, "the allowed ones are delivered")
                await until(lambda: int(uplink.stats()["refused"]) >= 40, "the others are tried again")
                assert "not authorized (0x87)" in str(uplink.stats()["last_refusal"])
                assert outbox.stats()["stored"] == 20
                assert uplink.stats()["connections"] == 1
                (tmp_path / "acl").write_text("topic readwrite #\n")
                broker.reload()
                await all_delivered(outbox, 50)
                await until(lambda: len(receiver.rows()) >= 50, "50 are received")
                assert receiver.rows() == good | bad
                assert receiver.stop()["replays"] == 0  # what was delivered was not sent again

    asyncio.run(scenario())


def test_what_was_refused_goes_out_under_new_settings(tmp_path: Path) -> None:
    """As a reload makes another uplink, in the same outbox: it knows nothing of what the first one has put off."""

    async def scenario() -> None:
        rules = "topic read #\ntopic write right/#\n"
        with acl_broker(tmp_path, rules) as broker:
            options = {"mode": "batch", "topic": "wrong/batch", "refused_ms": 60_000}
            async with forwarding(tmp_path, broker.port, **options) as (outbox, uplink):
                await store(outbox, 30)
                await until(lambda: int(uplink.stats()["refused"]) >= 1, "it is refused")
                await ended(uplink)
                there = Broker(host="127.0.0.1", port=broker.port)
                other = Uplink(outbox, UplinkConfig(broker=there, client_id="mill-7", topic="right/batch"))
                task = asyncio.create_task(other.run())
                await all_delivered(outbox, 30)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())


def test_a_broker_that_disconnects_instead_of_answering_does_not_stop_the_others(tmp_path: Path) -> None:
    """mosquitto 2.0.11 does with `max_queued_messages 0` when it denies a publish."""

    async def scenario() -> None:
        rules = "topic read #\ntopic write headgate/+/weather/#\n"
        with acl_broker(tmp_path, rules, "max_queued_messages 0") as broker:
            async with receiving(broker.port, tmp_path) as receiver:
                quick = {"backoff_ms": 20, "backoff_max_ms": 20, "refused_ms": 60_000}
                async with forwarding(tmp_path, broker.port, mode="json", **quick) as (outbox, uplink):
                    await store(outbox, 3, stream="secret")
                    good = await store(outbox, 30)
                    await until(lambda: len(receiver.rows()) >= 30, "the allowed ones are delivered")
                    assert receiver.rows() == good
                    await until(lambda: outbox.stats()["delivered"] == 30, "the ledger says so")
                    assert outbox.stats()["stored"] == 3
                    assert int(uplink.stats()["refused"]) >= 3

    asyncio.run(scenario())


def test_batches_are_split_to_what_the_broker_takes(tmp_path: Path) -> None:
    """Maximum Packet Size in the CONNACK; one message is too large on its own and is kept."""

    async def scenario() -> None:
        with Mosquitto(tmp_path / "broker", "max_packet_size 700") as broker:
            async with (
                receiving(broker.port, tmp_path) as receiver,
                forwarding(tmp_path, broker.port) as (outbox, uplink),
            ):
                sent = await store(outbox, 200)
                big = Record("weather", "c1", os.urandom(2000), "application/json", None)
                await outbox.submit(big, True).wait()
                await until(lambda: outbox.stats()["delivered"] == 200, "what fits is delivered")
                await until(lambda: "packet too large" in str(uplink.stats()["last_refusal"]), "refused")
                assert outbox.stats()["stored"] == 1
                assert uplink.stats()["connections"] == 1
                await until(lambda: len(receiver.rows()) >= 200, "200 are received")
                assert receiver.rows() == sent

    asyncio.run(scenario())


@pytest.mark.parametrize("mode", ["json", "batch"])
def test_what_was_too_large_once_is_tried_again_when_the_broker_was_changed(
    tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that names no Maximum Packet Size and disconnects at a message, until its limit is raised."""
    monkeypatch.setattr("headgate.linux.uplink._LEARNED_S", 0)

    def answer(broker: ScriptedBroker, packet_id: int) -> None:
        if broker.connections > 1:
            broker.acknowledge(packet_id)
            return
        broker.writer.write(mqtt_packets.disconnect(mqtt_packets.TOO_LARGE))
        broker.writer.close()

    async def scenario() -> None:
        async with scripted(answer) as (broker, port), forwarding(tmp_path, port, mode=mode, stable_ms=0) as running:
            outbox, uplink = running
            body = json.dumps(os.urandom(500).hex()).encode()
            await outbox.submit(Record("weather", "c1", body, "application/json", 1000), True).wait()
            await until(lambda: "packet too large" in str(uplink.stats()["last_refusal"]), "refused here")
            assert (broker.connections, outbox.stats()["stored"]) == (2, 1)
            broker.writer.close()  # it starts anew
            await all_delivered(outbox, 1)

    asyncio.run(scenario())


def test_what_was_too_large_is_not_tried_again_at_each_connection(tmp_path: Path) -> None:
    """A line that is lost now and then: to learn the size anew takes a disconnection for each size above it."""
    large = 500
    disconnections = 0

    def answer(broker: ScriptedBroker, packet_id: int) -> None:
        nonlocal disconnections
        if broker.size < large:
            broker.acknowledge(packet_id)
            return
        disconnections += 1
        broker.writer.write(mqtt_packets.disconnect(mqtt_packets.TOO_LARGE))
        broker.writer.close()

    async def scenario() -> None:
        async with scripted(answer) as (broker, port), forwarding(tmp_path, port, stable_ms=0) as (outbox, sender):
            body = json.dumps(os.urandom(large).hex()).encode()
            await outbox.submit(Record("weather", "c1", body, "application/json", 1000), True).wait()
            for n in range(3):
                await until(lambda: sender.stats()["refused"] > n, "refused here")  # noqa: B023 - at once
                await store(outbox, 1)
                await until(lambda: sender.stats()["published"] == n + 1, "others get through")  # noqa: B023
                assert disconnections == 1
                broker.writer.close()

    asyncio.run(scenario())


def test_a_connect_that_is_too_large_says_nothing_of_messages(tmp_path: Path) -> None:
    def answer(broker: ScriptedBroker, packet_id: int) -> None:
        if broker.taken > 1:
            broker.acknowledge(packet_id)
            return
        broker.refusals.append(mqtt_packets.TOO_LARGE)
        broker.writer.close()

    async def scenario() -> None:
        async with scripted(answer) as (_, port), forwarding(tmp_path, port, mode="json") as (outbox, uplink):
            body = json.dumps(os.urandom(500).hex()).encode()
            await outbox.submit(Record("weather", "c1", body, "application/json", 1000), True).wait()
            await all_delivered(outbox, 1)
            assert uplink.stats()["refused"] == 0

    asyncio.run(scenario())


def test_no_more_is_on_its_way_than_the_broker_takes_its_status_included(tmp_path: Path) -> None:
    """Receive Maximum in the CONNACK: a strict broker ends the connection at one more (0x93)."""

    def late(broker: ScriptedBroker, packet_id: int) -> None:
        asyncio.get_running_loop().call_later(0.1, broker.acknowledge, packet_id)

    async def scenario() -> None:
        async with scripted(late, mqtt_packets.encode(mqtt_packets.RECEIVE_MAXIMUM, 2)) as (broker, port):
            options = {"mode": "json", "status_topic": "headgate/{appliance}/status"}
            async with forwarding(tmp_path, port, **options) as (outbox, _):
                await store(outbox, 10)
                await all_delivered(outbox, 10)
                assert (broker.most, broker.taken, broker.connections) == (2, 11, 1)

    asyncio.run(scenario())


@pytest.mark.parametrize("mode", ["json", "batch"])
@pytest.mark.parametrize(("size", "most"), [(10, 16), (60_000, limits.UPLINK_BATCHES)])
def test_small_batches_fill_the_window_and_large_ones_not_the_memory(
    tmp_path: Path, mode: str, size: int, most: int
) -> None:
    """Messages that come one by one are a batch each: four on their way would be twenty a second at 200 ms."""

    def together(broker: ScriptedBroker, packet_id: int) -> None:
        taken.append(packet_id)
        if len(taken) == most:
            asyncio.get_running_loop().call_later(0.05, acknowledge, broker)  # one more would be there by then

    def acknowledge(broker: ScriptedBroker) -> None:
        while taken:
            broker.acknowledge(taken.pop(0))

    taken: list[int] = []

    async def scenario() -> None:
        async with (
            scripted(together) as (broker, port),
            forwarding(tmp_path, port, mode=mode, inflight=16, ack_ms=BOUND_S * 1000) as (outbox, _),
        ):
            for _ in range(32):
                body = json.dumps(os.urandom(size // 2).hex()).encode()
                await outbox.submit(Record("weather", "c1", body, "application/json", 1000), True).wait()
            await all_delivered(outbox, 32)
            assert (broker.most, broker.connections) == (most, 1)

    asyncio.run(scenario())


def test_a_slow_line_is_not_a_broker_that_does_not_answer(tmp_path: Path) -> None:
    """Nor, as its answer to a PING has to wait, is it dead: a batch that takes longer than `ack_ms`, or twice the keep
    alive, to be sent was sent again and again, for ever."""
    broker = ScriptedBroker(b"", ScriptedBroker.acknowledge)
    served = asyncio.Event()

    class Line:
        def __init__(self, reader: asyncio.StreamReader) -> None:
            self._reader = reader

        async def read(self, _: int) -> bytes:
            await asyncio.sleep(0.05)
            return await self._reader.read(4096)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await broker.serve(Line(reader), writer)  # type: ignore[arg-type]
        await writer.wait_closed()
        served.set()

    async def scenario() -> None:
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # else the kernel takes all at once
            listener.bind(("127.0.0.1", 0))
            server = await asyncio.start_server(serve, sock=listener, limit=4096)
            patient = {"ack_ms": 3000, "broker": {"keepalive_s": 3}}
            async with forwarding(tmp_path, listener.getsockname()[1], **patient) as (outbox, _):
                body = json.dumps(os.urandom(650_000).hex()).encode()
                await outbox.submit(Record("weather", "c1", body, "application/json", 1000), True).wait()
                await all_delivered(outbox, 1)
                assert broker.connections == 1
            await served.wait()
            server.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("status_topic", ["", "status"])
def test_a_lost_acknowledgement_is_noticed_while_others_come(tmp_path: Path, status_topic: str) -> None:
    """That of the first message, or of the status: it will never come, however many follow."""

    def all_but_the_first(broker: ScriptedBroker, packet_id: int) -> None:
        if broker.taken > 1:
            broker.acknowledge(packet_id)

    async def scenario() -> None:
        async with (
            scripted(all_but_the_first) as (broker, port),
            forwarding(tmp_path, port, mode="json", status_topic=status_topic) as (outbox, _),
        ):
            count = 0
            while broker.connections < 2 or count < 10:
                assert count < 200, "the connection is still the first"
                await store(outbox, 1)
                count += 1
                await asyncio.sleep(0.05)  # each acknowledged within `ack_ms`, but the first
            await all_delivered(outbox, count)

    asyncio.run(scenario())


def test_a_broker_that_takes_no_status_is_one_that_does_not_answer(tmp_path: Path) -> None:
    def second_time(broker: ScriptedBroker, packet_id: int) -> None:
        if broker.connections > 1:
            broker.acknowledge(packet_id)

    async def scenario() -> None:
        one = mqtt_packets.encode(mqtt_packets.RECEIVE_MAXIMUM, 1)
        async with (
            scripted(second_time, one) as (_, port),
            forwarding(tmp_path, port, status_topic="status") as (outbox, _),
        ):
            await store(outbox, 30)
            await all_delivered(outbox, 30)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("packet", "says"),
    [
        (b"\x34\x06\0\x01a\0\x01\0", "messages at a time"),  # QoS 2, never released
        (b"\x32\x06\0\x01a\0\x01\0", "without reading"),
        (b"\xc0\0", "without reading"),  # PINGREQ
    ],
)
def test_a_broker_cannot_fill_the_memory_with_small_packets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packet: bytes, says: str
) -> None:
    def unread(link: Link, data: bytes) -> int:
        if data[0] == mqtt_packets.CONNECT << 4:
            return send(link, data)
        raise BlockingIOError

    send = Link._sock_send
    if says == "without reading":  # the system's buffers have room for hundreds of thousands
        monkeypatch.setattr(Link, "_sock_send", unread)

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(mqtt_packets.connack(mqtt_packets.V5, mqtt_packets.SUCCESS, b""))
        for number in range(1, 10_000):
            writer.write(packet.replace(b"\0\x01\0", number.to_bytes(2, "big") + b"\0"))
        await reader.read()
        writer.close()

    async def scenario() -> None:
        server = await asyncio.start_server(flood, "127.0.0.1", 0)
        async with server, forwarding(tmp_path, server.sockets[0].getsockname()[1]) as (_, uplink):
            await until(lambda: says in str(uplink.stats()["last_error"]), f"it is given up: {uplink.stats()}")

    asyncio.run(scenario())


def test_a_broker_that_sends_many_packets_leaves_others_their_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SERVER_TURN_US", 0)

    def flood(broker: ScriptedBroker, packet_id: int) -> None:
        broker.writer.write(mqtt_packets.PINGRESP_PACKET * 5_000)
        broker.acknowledge(packet_id)

    async def scenario() -> None:
        async with scripted(flood) as (broker, port), forwarding(tmp_path, port, ack_ms=30_000) as (outbox, uplink):
            await store(outbox, 1)
            while not broker.taken:  # noqa: ASYNC110  # at once: the flood is over soon
                await asyncio.sleep(0)
            turns = 0
            while not uplink.stats()["published"]:
                turns += 1
                await asyncio.sleep(0)
            assert turns > 2_000  # of a packet each
            assert broker.connections == 1

    asyncio.run(scenario())


def test_the_keep_alive_is_what_the_broker_says(tmp_path: Path) -> None:
    """MQTT 5 section 3.2.2.3.14; a broker ends the connection otherwise."""

    async def scenario() -> None:
        one = mqtt_packets.encode(mqtt_packets.SERVER_KEEP_ALIVE, 1)
        async with scripted(ScriptedBroker.acknowledge, one) as (broker, port), forwarding(tmp_path, port):
            await until(lambda: broker.pings >= 2, "it pings")

    asyncio.run(scenario())


def test_a_broker_cannot_fill_the_memory(tmp_path: Path) -> None:
    """It has nothing to send but answers; a packet of MQTT can have 256 MiB."""

    def flood(broker: ScriptedBroker, packet_id: int) -> None:
        if broker.connections == 1:
            broker.writer.write(b"\x30\xff\xff\xff\x7f" + bytes(1 << 20))
        else:
            broker.acknowledge(packet_id)

    async def scenario() -> None:
        async with scripted(flood) as (broker, port), forwarding(tmp_path, port) as (outbox, uplink):
            await store(outbox, 30)
            await all_delivered(outbox, 30)
            assert "more than 65536 bytes" in str(uplink.stats()["last_error"])
            assert broker.connections == 2

    asyncio.run(scenario())


def test_wrong_password_is_said_and_nothing_is_lost(tmp_path: Path) -> None:
    users = tmp_path / "users"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(users), "mill", "right"], check=True, capture_output=True)
    users.chmod(0o644)

    async def scenario() -> None:
        password = tmp_path / "password"
        password.write_text("wrong\n")
        login = {"username": "mill", "password_file": password}
        with Mosquitto(tmp_path / "broker", f"password_file {users}", anonymous=False) as broker:
            async with forwarding(tmp_path, broker.port, broker=login) as (outbox, uplink):
                await store(outbox, 10)
                await until(lambda: "Not authorized" in str(uplink.stats()["last_error"]), "the refusal is said")
                assert uplink.stats()["connected"] is False
                password.write_text("right\n")
                await all_delivered(outbox, 10)

    asyncio.run(scenario())


def test_a_broker_that_does_not_retain_is_told_apart(tmp_path: Path) -> None:
    async def scenario() -> None:
        with Mosquitto(tmp_path / "broker", "retain_available false") as broker:
            async with forwarding(tmp_path, broker.port, status_topic="status") as (_, uplink):
                await until(lambda: "leave out uplink.status_topic" in str(uplink.stats()["last_error"]), "it is said")
            async with forwarding(tmp_path, broker.port) as (outbox, _):
                await store(outbox, 10)
                await all_delivered(outbox, 10)

    asyncio.run(scenario())


def test_over_tls_with_client_certificate(tmp_path: Path) -> None:
    certificates.make(tmp_path)
    extra = "\n".join(
        [
            f"cafile {tmp_path / 'ca.pem'}",
            f"certfile {tmp_path / 'server.pem'}",
            f"keyfile {tmp_path / 'server.key'}",
            "require_certificate true",
        ]
    )

    async def scenario() -> None:
        with Mosquitto(tmp_path / "broker", extra) as broker:
            tls: dict[str, Any] = {"tls": True, "ca_file": tmp_path / "ca.pem"}
            async with forwarding(tmp_path, broker.port, broker=tls) as (outbox, uplink):
                sent = await store(outbox, 300)
                await until(lambda: uplink.stats()["last_error"], "a missing certificate is refused")
                assert outbox.stats()["delivered"] == 0
            tls |= {"cert_file": tmp_path / "client.pem", "key_file": tmp_path / "client.key"}
            command = [sys.executable, "-m", "headgate", "receive", "--url", f"mqtts://127.0.0.1:{broker.port}"]
            command += ["--ca-file", str(tmp_path / "ca.pem"), "--cert-file", str(tmp_path / "client.pem")]
            command += ["--key-file", str(tmp_path / "client.key"), "--count", "300"]
            receiver = await asyncio.create_subprocess_exec(
                *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
            )
            assert receiver.stderr is not None
            assert b"subscribed" in await asyncio.wait_for(receiver.stderr.readline(), BOUND_S)
            async with forwarding(tmp_path, broker.port, broker=tls, mode="json") as (outbox, _):
                await until(lambda: outbox.stats()["stored"] == 0, "all is delivered")
                out, _ = await asyncio.wait_for(receiver.communicate(), BOUND_S)
                got = {document["id"]: document["body"] for document in map(json.loads, out.splitlines())}
                assert got == {identity: json.loads(body) for identity, body in sent.items()}
                assert receiver.returncode == 0
            wrong = tls | {"ca_file": tmp_path / "client.pem"}
            async with forwarding(tmp_path, broker.port, broker=wrong) as (outbox, uplink):
                await until(lambda: "certificate" in str(uplink.stats()["last_error"]), "a foreign CA is refused")

    asyncio.run(scenario())


def test_receive_misses_nothing_over_its_own_restart(broker: Mosquitto, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with receiving(broker.port, tmp_path) as receiver, forwarding(tmp_path, broker.port) as (outbox, _):
            sent = await store(outbox, 100)
            await until(receiver.rows, "the first are received")
            receiver.kill()
            sent |= await store(outbox, 100)
            await all_delivered(outbox, 200)
            receiver.start()
            await until(lambda: len(receiver.rows()) >= 200, "200 are received")
            assert receiver.rows() == sent

    asyncio.run(scenario())


def test_receive_share_divides_the_work(broker: Mosquitto, tmp_path: Path) -> None:
    async def scenario() -> None:
        first, second = tmp_path / "one", tmp_path / "two"
        first.mkdir()
        second.mkdir()
        share = ["--share", "loaders"]
        async with (
            receiving(broker.port, first, *share, "--client-id", "one") as one,
            receiving(broker.port, second, *share, "--client-id", "two") as two,
            forwarding(tmp_path, broker.port, mode="json") as (outbox, _),
        ):
            sent = await store(outbox, 200)
            await until(lambda: len(one.rows()) + len(two.rows()) >= 200, "200 are received")
            assert one.rows() | two.rows() == sent
            assert one.rows()
            assert two.rows()

    asyncio.run(scenario())


def receive(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "headgate", "receive", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=BOUND_S)


def test_receive_says_when_there_is_no_broker() -> None:
    done = receive("--url", "mqtt://127.0.0.1:1")
    assert done.returncode == 5
    assert "no connection to 127.0.0.1:1" in done.stderr


def test_receive_idle_without_the_count_is_a_finding(broker: Mosquitto) -> None:
    url = f"mqtt://127.0.0.1:{broker.port}"
    assert receive("--url", url, "--idle", "0.2").returncode == 0
    assert receive("--url", url, "--idle", "0.2", "--count", "1").returncode == 7


def test_receive_keeps_what_it_cannot_read(broker: Mosquitto, tmp_path: Path) -> None:
    url = f"mqtt://127.0.0.1:{broker.port}"
    base = ["--url", url, "--client-id", "keeper", "--idle", "0.5"]
    receive(*base)
    publish = ["mosquitto_pub", "-V", "5", "-q", "1", "-p", str(broker.port), "-t", "headgate/x", "-m", "hello"]
    subprocess.run(publish, check=True)
    done = receive(*base)
    assert done.returncode == 0
    assert json.loads(done.stdout) == {
        "undecodable": "neither a batch nor a message with a msg-id",
        "topic": "headgate/x",
        "payload_b64": "aGVsbG8=",
    }


def test_receive_count_is_exact_and_the_rest_comes_later(broker: Mosquitto, tmp_path: Path) -> None:
    async def scenario() -> None:
        url = f"mqtt://127.0.0.1:{broker.port}"
        base = ["--url", url, "--client-id", "keeper"]
        await asyncio.to_thread(receive, *base, "--idle", "0.1")
        async with forwarding(tmp_path, broker.port) as (outbox, _):
            await store(outbox, 50)
            await all_delivered(outbox, 50)
        first = await asyncio.to_thread(receive, *base, "--count", "7")
        assert first.returncode == 0
        assert len(first.stdout.splitlines()) == 7
        rest = await asyncio.to_thread(receive, *base, "--count", "50")  # the packet was not acknowledged
        assert len(rest.stdout.splitlines()) == 50

    asyncio.run(scenario())
