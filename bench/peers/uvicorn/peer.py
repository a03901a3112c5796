"""FastAPI with pydantic and PyJWT: token, scope, rate, message; a cache of values. For `uvicorn peer:app`."""

import itertools
import sys
from pathlib import Path
from typing import Annotated

import jwt
from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from fastapi.responses import JSONResponse

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "checks-python"))
from checks import BURST, RATE, Limiter, Message, streams, verified

cache_rate = Limiter(RATE, BURST)
values: dict[str, bytes] = {}
numbers = itertools.count(1)
app = FastAPI()


def claims(authorization: Annotated[str, Header()] = "") -> "dict[str, str]":
    try:
        return verified(authorization)
    except jwt.InvalidTokenError as error:
        raise HTTPException(401, str(error)) from None


Claims = Annotated["dict[str, str]", Depends(claims)]


def allowed(claims: "dict[str, str]", scope: str, limiter: Limiter) -> None:
    if scope not in claims.get("scope", "").split():
        raise HTTPException(403)
    if not limiter.take(claims["sub"]):
        raise HTTPException(429)


@app.post("/v1/streams/{stream}", status_code=202)
async def publish(stream: str, claims: Claims, request: Request) -> Response:
    if stream not in streams:
        raise HTTPException(404)
    allowed(claims, f"publish:{stream}", streams[stream])
    try:
        Message.model_validate_json(await request.body())
    except ValueError as error:
        raise HTTPException(422, str(error)) from None
    return JSONResponse({"seq": f"1.{next(numbers)}", "durability": "memory"}, 202)


@app.get("/v1/cache/{key}")
async def get(key: str, claims: Claims) -> Response:
    allowed(claims, "cache:read", cache_rate)
    if key not in values:
        raise HTTPException(404)
    return Response(values[key], media_type="application/json")


@app.put("/v1/cache/{key}", status_code=204)
async def put(key: str, claims: Claims, request: Request) -> None:
    allowed(claims, "cache:read", cache_rate)
    values[key] = await request.body()
