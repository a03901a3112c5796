"""The devices of a load over MQTT, where the broker is no help."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from headgate_host.load import mqtt_fleet
from headgate_host.load.devices import name_of
from headgate_host.load.mqtt_fleet import Fleet, Login
from headgate_host.load.operation import ACKNOWLEDGED, MQTT, Operation, Request
from headgate_host.load.record import UNSENT, Recorder
from headgate_host.load.result import combined
from headgate_host.load.target import Target
from headgate_host.load.transport import Unreachable


def fleet(port: int, devices: int) -> Fleet:
    target = Target.parse(f"mqtt://127.0.0.1:{port}/t")
    return Fleet(target, Recorder(), devices=devices, login=Login(name_of), timeout_s=5.0)


def test_a_broker_that_is_not_there_is_not_asked_for_by_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that drops what it is sent costs 15 s for each, and there may be a million devices."""
    tries: list[int] = []

    async def nobody(self: Fleet, device: int) -> None:
        tries.append(device)
        raise TimeoutError

    async def scenario() -> None:
        many = fleet(1, 1000)
        try:
            await many.open()
        finally:
            await many.close()

    monkeypatch.setattr(Fleet, "_connect", nobody)
    with pytest.raises(Unreachable, match="1000 of 1000 devices: no answer in time"):
        asyncio.run(scenario())
    assert len(tries) == mqtt_fleet.OPENING


def test_what_waits_for_a_broker_has_its_time_and_no_more() -> None:
    """It lets one message at a time be under way, and never acknowledges that."""

    async def scenario() -> None:
        gone = asyncio.Event()

        async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"\x20\x06\x00\x00\x03\x21\x00\x01")
            with contextlib.suppress(ConnectionError):
                await reader.read()
            writer.close()
            gone.set()

        async with await asyncio.start_server(slow, "127.0.0.1", 0) as server:
            one = fleet(server.sockets[0].getsockname()[1], 1)
            await one.open()
            now = time.monotonic_ns()
            recorder = one.recorder
            recorder.begin(now - 10**12)
            request = Request(Operation("publish", MQTT), 0, "t", b"x", ACKNOWLEDGED)
            for ago_s in (9, 6, 4):
                one.push(now - ago_s * 10**9, request)
            one._ring()
            one._sweep(now)
            assert recorder.pending == 2  # the first is under way since just now, the last has not waited for 5 s
            measured = combined(recorder.take().values())
            assert measured.outcomes == {UNSENT: 1}
            await one.close()
            await gone.wait()

    asyncio.run(scenario())


def test_a_connection_that_nobody_waits_for_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker takes it, and never says a word."""
    monkeypatch.setattr(mqtt_fleet, "CONNECT_S", 0.1)

    async def scenario() -> None:
        closed = asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while await reader.read(1024):
                    pass
            except ConnectionError:
                pass
            closed.set()
            writer.close()

        async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
            one = fleet(server.sockets[0].getsockname()[1], 1)
            with pytest.raises(Unreachable):
                await one.open()
            async with asyncio.timeout(60):
                await closed.wait()
            await one.close()

    asyncio.run(scenario())
