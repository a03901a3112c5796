"""FastAPI with pydantic and PyJWT: token, scope, rate, message; a cache of values. For `uvicorn peer:app`."""

import itertools
import os
import time
from pathlib import Path
from typing import Annotated, Literal

import jwt
from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

SECRET = Path(os.environ["SECRET_FILE"]).read_bytes().strip()
RATE, BURST = float(os.environ["RATE"]), float(os.environ["BURST"])
Device = Annotated[str, StringConstraints(pattern=r"^[a-z]+-[0-9]{1,6}$")]
Firmware = Annotated[str, StringConstraints(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")]
Tag = Annotated[str, StringConstraints(min_length=1, max_length=16)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Location(Strict):
    lat: float = Field(ge=-90, le=90)
    lon: float = Field(ge=-180, le=180)


class Message(Strict):
    device: Device
    ts: int = Field(ge=0, le=4102444800)
    seq: int = Field(ge=0, le=4294967295)
    temperature_c: float = Field(ge=-60, le=85)
    humidity_pct: float = Field(ge=0, le=100)
    pressure_hpa: float = Field(ge=300, le=1100)
    battery_mv: int = Field(ge=0, le=5000)
    status: Literal["ok", "degraded", "failed"]
    location: Location
    firmware: Firmware
    tags: list[Tag] = Field(default=[], max_length=8)


class Limiter:
    """A token bucket for each client."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst = rate, burst
        self.buckets: dict[str, tuple[float, float]] = {}  # tokens, when

    def take(self, client: str) -> bool:
        now = time.monotonic()
        tokens, then = self.buckets.get(client, (self.burst, now))
        tokens = min(self.burst, tokens + (now - then) * self.rate)
        allowed = tokens >= 1
        self.buckets[client] = (tokens - allowed, now)
        return allowed


streams = {"telemetry": Limiter(RATE, BURST), "limited": Limiter(1, 5)}
cache_rate = Limiter(RATE, BURST)
values: dict[str, bytes] = {}
numbers = itertools.count(1)
app = FastAPI()


def claims(authorization: Annotated[str, Header()] = "") -> "dict[str, str]":
    scheme, _, token = authorization.partition(" ")
    try:
        if scheme != "Bearer":
            raise jwt.InvalidTokenError
        return jwt.decode(  # type: ignore[no-any-return]
            token, SECRET, algorithms=["HS256"], audience="headgate", issuer="headgate", leeway=30,
            options={"require": ["exp", "aud", "iss", "sub"]},
        )  # fmt: skip
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
