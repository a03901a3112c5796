"""The gRPC methods that Python serves, as routes: what native_ext/grpc/grpc.c calls lent."""

from collections.abc import Awaitable, Callable

from headgate.core.router import Router
from headgate.linux.grpc_call import Call, route
from headgate.linux.grpc_health import Health
from headgate.linux.grpc_ingest import publish_stream
from headgate.linux.grpc_reflection import reflect


def lent() -> dict[str, Callable[[Call], Awaitable[None]]]:
    """By path. For one gateway."""
    health = Health()
    return {
        "/headgate.v1.Ingest/PublishStream": publish_stream,
        "/grpc.health.v1.Health/Check": health.check,
        "/grpc.health.v1.Health/Watch": health.watch,
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo": reflect,
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": reflect,
    }


def add_routes(router: Router) -> None:
    for path, handler in lent().items():
        router.add("POST", path, route(handler))
