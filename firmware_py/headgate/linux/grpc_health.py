"""grpc.health.v1: what GET /readyz says, for gRPC's load balancers."""

import asyncio
from typing import TYPE_CHECKING

from headgate import limits
from headgate.linux import grpc_status as status
from headgate.linux.grpc_status import Failure
from headgate.linux.protobuf import BYTES, put_number, read, text

if TYPE_CHECKING:
    from headgate.linux.grpc_call import Call
    from headgate.tasks.gateway import Gateway

SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3
SERVICES = ("", "headgate.v1.Ingest", "headgate.v1.Validator", "headgate.v1.Cache")
_NEEDS_OUTBOX = ("", "headgate.v1.Ingest")  # the others serve as long as the process does
_LOOK_MS = 1000  # between two looks at what /readyz would say, for all who ask


async def _service(call: "Call") -> str:
    return text(read(await call.message(limits.GRPC_QUESTION), {1: ("service", BYTES)}).get("service", b""))


class Health:
    """What is known of one gateway, and how many watch it. Nobody needs a token, so it must cost next to nothing."""

    def __init__(self) -> None:
        self._looked_ms = -_LOOK_MS
        self._unready = False
        self._watching = 0

    def _serving(self, gateway: "Gateway", service: str) -> int:
        if service not in SERVICES:
            return SERVICE_UNKNOWN
        now_ms = gateway.now_ms()
        if now_ms - self._looked_ms >= _LOOK_MS:
            self._looked_ms, self._unready = now_ms, bool(gateway.info().get("unready"))
        if gateway.draining or (service in _NEEDS_OUTBOX and self._unready):
            return NOT_SERVING
        return SERVING

    async def check(self, call: "Call") -> None:
        answer = self._serving(call.x.gateway, await _service(call))
        if answer == SERVICE_UNKNOWN:
            raise Failure(status.NOT_FOUND, "no such service")
        await call.send(put_number(1, answer))

    async def watch(self, call: "Call") -> None:
        """Ends when the client does, or the appliance."""
        service = await _service(call)
        if self._watching >= limits.GRPC_WATCHES:
            raise Failure(status.RESOURCE_EXHAUSTED, "too many watch already")
        self._watching += 1
        told = 0
        try:
            while not call.x.gone():
                answer = self._serving(call.x.gateway, service)
                if answer != told:
                    told = answer
                    await call.send(put_number(1, answer))
                if call.x.gateway.draining:
                    raise Failure(status.UNAVAILABLE, "shutting down")
                await asyncio.sleep(_LOOK_MS / 1000)
        finally:
            self._watching -= 1
