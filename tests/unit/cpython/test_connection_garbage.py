"""A connection that has ended is gone without the garbage collector: whoever else is served would wait for it."""

from __future__ import annotations

import asyncio
import gc
import socket
import struct

import pytest
from mqtt_scene import V5, Scene, until

from headgate.linux.listener import Listener, _Protocol
from headgate.tasks.connection import Connection
from headgate_host.load import mqtt_wire as wire

RESET = struct.pack("ii", 1, 0)
REFUSED = wire.connect("dev", version=V5)
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


async def left_behind(scene: Scene, protocol: str, said: bytes, *, reset: bool) -> list[str]:
    """What is still there of eight connections that have said something, and ended."""
    gateway = scene.mqtt if protocol == "mqtt" else scene.gateway
    table: set[_Protocol] = set()
    listener = Listener(gateway, table, 100)
    listener.open("127.0.0.1", 0)
    address = listener.sockets[0].getsockname()
    loop = asyncio.get_running_loop()
    gc.collect()
    gc.disable()
    try:
        for _ in range(8):
            with socket.socket() as client:
                client.setblocking(False)
                await loop.sock_connect(client, address)
                await loop.sock_sendall(client, said)
                await until(gateway.count)
                if reset:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            await until(lambda: not gateway.count() and not table)
        for _ in range(4):  # callbacks of what has ended
            await asyncio.sleep(0)
        found = [type(what).__name__ for what in gc.get_objects() if isinstance(what, (Connection, _Protocol))]
    finally:
        gc.enable()
        listener.close()
        await listener.wait_closed()
        await gateway.drain(2000)
    return found


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize(
    ("protocol", "said"),
    [
        ("mqtt", b""),
        ("mqtt", REFUSED),
        ("mqtt", b"\x00junk"),
        ("http", GET),
        ("http", GET[:9]),
        ("http", b"\x00\r\n\r\n"),
    ],
)
def test_nothing_waits_for_the_collector(protocol: str, said: bytes, reset: bool) -> None:
    async def story() -> list[str]:
        scene = Scene()
        return await asyncio.wait_for(left_behind(scene, protocol, said, reset=reset), 60)

    found = asyncio.run(story())
    assert len(found) <= 2, found  # the one that the reaper looked at last, and its protocol
