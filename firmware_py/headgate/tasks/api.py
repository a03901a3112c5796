"""The routes of the wire interface, and the resources that are about the appliance itself."""

from headgate import __version__, limits
from headgate.core import json
from headgate.core.router import Router
from headgate.tasks import cache, streams
from headgate.tasks.access import authenticate, require
from headgate.tasks.exchange import JSON, Response

_ROOMY = 4096  # bytes of limits.READ_CHUNK: where it is less, long texts go out in pieces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from headgate.tasks.exchange import Exchange


def routes() -> Router:
    router = Router()
    router.add("POST", "/v1/streams/{stream}", streams.publish)
    router.add("POST", "/v1/validate/{stream}", streams.validate)
    router.add("GET", "/v1/streams/{stream}/last/{client}", cache.get_last)
    router.add("GET", "/v1/cache", cache.get_many)
    router.add("GET", "/v1/cache/{key*}", cache.get)
    router.add("PUT", "/v1/cache/{key*}", cache.put)
    router.add("DELETE", "/v1/cache/{key*}", cache.delete)
    router.add("GET", "/v1/update", get_update)
    router.add("PUT", "/v1/update", put_update)
    router.add("GET", "/healthz", healthz)
    router.add("GET", "/readyz", readyz)
    router.add("GET", "/metrics", get_metrics)
    router.add("GET", "/", index)
    return router


async def handle(router: Router, x: "Exchange") -> "Response | None":
    """The answer, or None when the handler has streamed it. Raises Problem."""
    handler, params = router.match(x.request.method, x.request.path)
    response: Response | None = await handler(x, params)
    return response


async def healthz(x: "Exchange", params: "dict[str, str]") -> Response:
    """Liveness: this process answers."""
    return Response(200, b'{"status":"ok"}', JSON)


async def readyz(x: "Exchange", params: "dict[str, str]") -> Response:
    """Readiness: messages would be accepted and kept."""
    info = x.gateway.info()
    unready = info.get("unready")
    reasons = list(unready) if isinstance(unready, list) else []
    if x.gateway.draining:
        reasons.append("shutting down")
    body = json.dumps({"ready": not reasons, "reasons": reasons})
    response = Response(503 if reasons else 200, body, JSON, [(b"Retry-After", b"1")] if reasons else None)
    response.code = "not_ready" if reasons else ""
    return response


async def get_metrics(x: "Exchange", params: "dict[str, str]") -> "Response | None":
    from headgate.tasks import metrics  # noqa: PLC0415 - a board pays for it only when somebody asks

    if not x.plan.metrics_open:
        require(authenticate(x), "metrics", "read")
    gateway = x.gateway
    limiter = (len(gateway.limiter), gateway.limiter.evicted)
    stats = gateway.store.stats()
    pieces = metrics.pieces(gateway.totals(), stats, limiter, gateway.info(), __version__)
    if limits.READ_CHUNK >= _ROOMY:
        return Response(200, b"".join(pieces), metrics.CONTENT_TYPE)
    for piece in pieces:
        if not x.started:
            x.begin(200, metrics.CONTENT_TYPE)
        await x.send(piece)
    return None


async def get_update(x: "Exchange", params: "dict[str, str]") -> Response:
    from headgate.tasks import update  # noqa: PLC0415 - a board pays for it only when somebody asks

    return await update.get(x)


async def put_update(x: "Exchange", params: "dict[str, str]") -> Response:
    from headgate.tasks import update  # noqa: PLC0415 - as above

    return await update.put(x)


async def index(x: "Exchange", params: "dict[str, str]") -> Response:
    resources = [
        "POST /v1/streams/{stream}",
        "POST /v1/validate/{stream}",
        "GET /v1/streams/{stream}/last/{client}",
        "GET /v1/cache?key={key}&key={key}",
        "GET|HEAD|PUT|DELETE /v1/cache/{key}",
        "GET|PUT /v1/update",
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
    ]
    document = {"name": "headgate", "version": __version__, "appliance": x.plan.appliance, "resources": resources}
    return Response(200, json.dumps(document), JSON)
