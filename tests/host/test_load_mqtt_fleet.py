"""The devices of a load over MQTT, where the broker is no help."""

from __future__ import annotations

import asyncio

import pytest

from headgate_host.load import mqtt_fleet
from headgate_host.load.devices import name_of
from headgate_host.load.mqtt_fleet import Fleet, Login
from headgate_host.load.record import Recorder
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
