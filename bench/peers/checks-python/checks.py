"""What every Python peer checks: token, rate, message. Settings come from the environment."""

import os
import time
from pathlib import Path
from typing import Annotated, Literal

import jwt
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


def verified(authorization: str) -> "dict[str, str]":
    """The claims. Raises jwt.InvalidTokenError."""
    scheme, _, token = authorization.partition(" ")
    if scheme != "Bearer":
        raise jwt.InvalidTokenError("no bearer token")
    return jwt.decode(  # type: ignore[no-any-return]
        token, SECRET, algorithms=["HS256"], audience="headgate", issuer="headgate", leeway=30,
        options={"require": ["exp", "aud", "iss", "sub"]},
    )  # fmt: skip
