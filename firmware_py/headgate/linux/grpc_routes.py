"""The gRPC methods that Python serves, as routes: what native_ext/grpc/grpc.c calls lent."""

from headgate.core.router import Router
from headgate.linux.grpc_call import route
from headgate.linux.grpc_health import check, watch
from headgate.linux.grpc_ingest import publish_stream
from headgate.linux.grpc_reflection import reflect

LENT = {
    "/headgate.v1.Ingest/PublishStream": publish_stream,
    "/grpc.health.v1.Health/Check": check,
    "/grpc.health.v1.Health/Watch": watch,
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo": reflect,
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": reflect,
}


def add_routes(router: Router) -> None:
    for path, handler in LENT.items():
        router.add("POST", path, route(handler))
