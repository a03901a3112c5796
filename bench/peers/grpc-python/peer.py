"""grpcio's asyncio server with pydantic and PyJWT: headgate.v1's Validator and Ingest, unary calls: token, rate,
message.

`PYTHONPATH` has the code that grpc_tools has made of the .proto files."""

import asyncio
import itertools
import os
import sys
from pathlib import Path
from typing import Any

import jwt
from headgate.v1 import ingest_pb2, ingest_pb2_grpc, validator_pb2, validator_pb2_grpc

import grpc

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "checks-python"))
from checks import Message, streams, verified

numbers = itertools.count(1)


async def judge(context: Any, stream: str) -> None:
    metadata = dict(context.invocation_metadata())
    try:
        claims = verified(metadata.get("authorization", ""))
    except jwt.InvalidTokenError as error:
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, str(error))
    if stream not in streams:
        await context.abort(grpc.StatusCode.NOT_FOUND)
    if f"publish:{stream}" not in claims.get("scope", "").split():
        await context.abort(grpc.StatusCode.PERMISSION_DENIED)
    if not streams[stream].take(claims["sub"]):
        await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED)


class Validator(validator_pb2_grpc.ValidatorServicer):
    async def ValidateOne(self, request: Any, context: Any) -> Any:
        await judge(context, request.stream)
        try:
            Message.model_validate_json(request.body)
        except ValueError as error:
            return validator_pb2.ValidateResponse(code="schema_violation", detail=str(error))
        return validator_pb2.ValidateResponse(valid=True)


class Ingest(ingest_pb2_grpc.IngestServicer):
    async def Publish(self, request: Any, context: Any) -> Any:
        await judge(context, request.stream)
        try:
            Message.model_validate_json(request.body)
        except ValueError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        return ingest_pb2.PublishResponse(seq=f"1.{next(numbers)}", durability=ingest_pb2.DURABILITY_MEMORY)


async def serve() -> None:
    server = grpc.aio.server()
    validator_pb2_grpc.add_ValidatorServicer_to_server(Validator(), server)
    ingest_pb2_grpc.add_IngestServicer_to_server(Ingest(), server)
    server.add_insecure_port(f"127.0.0.1:{os.environ['PORT']}")
    await server.start()
    await server.wait_for_termination()


asyncio.run(serve())
