"""An MQTT 5 broker that does what a test says, for what mosquitto does not do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from headgate.core import mqtt_packets as mqtt

_ANY = 1 << 28  # bytes of a packet


class ScriptedBroker:
    """`properties`: of its CONNACK; `answer(broker, packet identifier)`: called for each PUBLISH. `waiting`: without
    their PUBACK, of this connection; `most`: that was at a time. `refusals`: reasons for the next CONNECTs;
    `size`: bytes of the last PUBLISH."""

    def __init__(self, properties: bytes, answer: Callable[[ScriptedBroker, int], None]) -> None:
        self.waiting = self.most = self.taken = self.connections = self.pings = self.size = 0
        self._properties = properties
        self._answer = answer
        self.refusals: list[int] = []
        self.writer: asyncio.StreamWriter

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        packets = mqtt.PacketReader(_ANY)
        self.writer, self.waiting = writer, 0
        self.connections += 1
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                packets.feed(data)
                while (packet := packets.next()) is not mqtt.NEED_DATA:
                    self._take(*packet)
        writer.close()

    def _take(self, first: int, body: bytes) -> None:
        if first >> 4 == mqtt.CONNECT:
            reason = self.refusals.pop(0) if self.refusals else mqtt.SUCCESS
            self.writer.write(mqtt.connack(mqtt.V5, reason, self._properties))
        elif first >> 4 == mqtt.PUBLISH:
            self.waiting += 1
            self.taken += 1
            self.size = len(body)
            self.most = max(self.most, self.waiting)
            self._answer(self, mqtt.parse_publish(first, body, mqtt.V5).packet_id)
        elif first >> 4 == mqtt.PINGREQ:
            self.pings += 1
            self.writer.write(mqtt.PINGRESP_PACKET)

    def acknowledge(self, packet_id: int) -> None:
        self.waiting -= 1
        self.writer.write(mqtt.puback(packet_id))


@contextlib.asynccontextmanager
async def scripted(
    answer: Callable[[ScriptedBroker, int], None], properties: bytes = b""
) -> AsyncIterator[tuple[ScriptedBroker, int]]:
    """-> it, its port"""
    broker = ScriptedBroker(properties, answer)
    server = await asyncio.start_server(broker.serve, "127.0.0.1", 0)
    try:
        yield broker, server.sockets[0].getsockname()[1]
    finally:
        server.close()
