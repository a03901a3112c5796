"""The targets, and whether the figures meet them. A figure that was not taken is "not measured", never a pass."""

from collections.abc import Iterator
from typing import Any

from validate.target import Row, at_least, at_most, get, ratio

from . import servers
from .servers import ACTIX, ARTICLE, FLOOR, FLOOR_CORE, GIN, HYPER, HYPER_HTTP2, NGINX, OURS, REDIS

MIB = 1024 * 1024
# (row, who, times our CPU time for one request)
DEARER = (
    ("ingest", ARTICLE, 7.0),
    ("ingest-1000", ARTICLE, 9.0),
    ("ingest", GIN, 4.5),
    ("ingest", HYPER, 1.0),
    ("ingest", ACTIX, 1.0),
    ("get", REDIS, 1.15),
    ("get-x16", REDIS, 1.0),
    ("tls", NGINX, 1.0),
    ("get-http2", HYPER_HTTP2, 1.0),
    ("get-http2", GIN, 8.0),
    ("ingest-http2", HYPER_HTTP2, 1.0),
    ("ingest-http2", GIN, 8.0),
)
# (row, the floor, at most so many times its CPU time)
NEAR = (("ingest", FLOOR_CORE, 1.10), ("ingest", FLOOR, 1.2), ("fsync", FLOOR_CORE, 1.6))
USER_CPU = 3.0  # times our user CPU time
PSS_MIB, IDLE_BYTES, IDLE_TLS_BYTES = 24, 128, 20_000
LATE_MS = 5.0


def figure(results: "dict[str, Any]", row: str, server: str, what: str = "us") -> "float | None":
    return get(results, "rows", row, "servers", server, what)  # type: ignore[no-any-return]


def _scaled(value: "float | None", by: float) -> "float | None":
    return None if value is None else value / by


def _held(results: "dict[str, Any]") -> Row:
    found = get(results, "rows", "held") or {}
    row = Row("10,000 connections, 1,000 of them slow: all are served, nobody else fails", "held", "all")
    if "alive" in found:
        suffer = found["held"] - found["alive"] + found["slow"] - found["slow_accepted"] + found["beside_failed"]
        row.measured, row.met = f"{found['held'] + found['slow']:,}, {suffer} not served", suffer == 0
    return row


def table(results: "dict[str, Any]") -> "list[Row]":
    return list(_rows(results))


def _rows(results: "dict[str, Any]") -> "Iterator[Row]":
    for row, floor, most in NEAR:
        yield at_most(f"CPU: ours / {floor}", row, most, ratio(figure(results, row, OURS), figure(results, row, floor)))
    for row, peer, least in DEARER:
        yield at_least(f"CPU: {peer} / ours", row, least, ratio(figure(results, row, peer), figure(results, row, OURS)))
    for peer in (HYPER, ACTIX):
        theirs, own = figure(results, "ingest", peer, "user_us"), figure(results, "ingest", OURS, "user_us")
        yield at_least(f"user CPU: {peer} / ours", "ingest", USER_CPU, ratio(theirs, own))
    pss = get(results, "rows", "pss", "servers", servers.OURS, "pss")
    yield at_most("PSS under a load of 64 connections", "pss", PSS_MIB, _scaled(pss, MIB), " MiB")
    for row, most in (("idle", IDLE_BYTES), ("idle-tls", IDLE_TLS_BYTES)):
        each = get(results, "rows", row, "servers", servers.OURS)
        yield at_most("user memory for each of 5,000 idle connections", row, most, each, " bytes")
    yield _held(results)
    late_us = get(results, "rows", "lateness", "memory durability", "p99_us")
    yield at_most("lateness of a 10 ms task under full load, p99", "lateness", LATE_MS, _scaled(late_us, 1000), " ms")
