"""grpc.health.v1: what GET /readyz says, for gRPC's load balancers."""

import asyncio
from typing import TYPE_CHECKING

from headgate.linux import grpc_status as status
from headgate.linux.grpc_status import Failure
from headgate.linux.protobuf import BYTES, put_number, read, text

if TYPE_CHECKING:
    from headgate.linux.grpc_call import Call
    from headgate.tasks.exchange import Exchange

SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3
SERVICES = ("", "headgate.v1.Ingest", "headgate.v1.Validator", "headgate.v1.Cache")
_NEEDS_OUTBOX = ("", "headgate.v1.Ingest")  # the others serve as long as the process does
_LOOK_S = 1.0  # between two looks of a Watch


def serving(x: "Exchange", service: str) -> int:
    if service not in SERVICES:
        return SERVICE_UNKNOWN
    if x.gateway.draining or (service in _NEEDS_OUTBOX and x.gateway.info().get("unready")):
        return NOT_SERVING
    return SERVING


async def _service(call: "Call") -> str:
    return text(read(await call.message(), {1: ("service", BYTES)}).get("service", b""))


async def check(call: "Call") -> None:
    answer = serving(call.x, await _service(call))
    if answer == SERVICE_UNKNOWN:
        raise Failure(status.NOT_FOUND, "no such service")
    await call.send(put_number(1, answer))


async def watch(call: "Call") -> None:
    """Ends when the client does, or the appliance."""
    service = await _service(call)
    told = 0
    while not call.x.gone():
        answer = serving(call.x, service)
        if answer != told:
            told = answer
            await call.send(put_number(1, answer))
        if call.x.gateway.draining:
            raise Failure(status.UNAVAILABLE, "shutting down")
        await asyncio.sleep(_LOOK_S)
