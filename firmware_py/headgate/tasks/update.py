"""An update over the wire: what runs, and a bundle that is passed on, while it arrives, to whoever may write it."""

from headgate.core import json
from headgate.core.jwt import scope_allows
from headgate.core.problem import Problem
from headgate.tasks.access import authenticate, media_type, require, whole
from headgate.tasks.exchange import JSON, Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from headgate.tasks.exchange import Exchange

TYPE = b"application/zstd"  # RFC 8878 section 7.1: what a bundle is


def _updates(x: "Exchange") -> "Any":
    if x.gateway.updates is None:
        raise Problem(404, "not_found", "this appliance is not updated over the network")
    return x.gateway.updates


async def get(x: "Exchange") -> Response:
    require(authenticate(x), "update", "read")
    # Just after the start nobody has looked yet which slot it is.
    status = _updates(x).status() or {"slot": "", "confirmed": False}
    return Response(200, json.dumps(status), JSON)


async def put(x: "Exchange") -> Response:
    """202: written and checked, the machine restarts into it. Raises Problem."""
    claims = authenticate(x)
    require(claims, "update", "install")
    updates = _updates(x)
    media_type(x, (TYPE,))
    whole(x)
    if x.request.length < 0:
        raise Problem(411, "length_required", "an update has a Content-Length")
    downgrade = scope_allows(claims.scopes, "update", "downgrade")

    async def read() -> "bytes | None":  # for as long as the token lets it
        part = await x.read()
        if part is not None:
            require(authenticate(x, claims), "update", "install")
        return part

    answer = await updates.install(read, x.request.length, downgrade)
    if "refused" in answer:
        raise Problem(422, "update_refused", answer["detail"], extra={"reason": answer["refused"]})
    if "failed" in answer:
        raise Problem(500, "update_failed", answer["failed"])
    return Response(202, json.dumps(answer), JSON)
