"""What the article says of its gateway, read as something that can be measured, and what was measured here."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from gateway.servers import ARTICLE, OURS, UVICORN
from gateway.targets import figure
from validate.target import ratio

TENFOLD, MILLISECOND_US = 10.0, 1000.0
HOLDS, FAILS, UNKNOWN = "holds", "does not hold", "not measured"
LOWER_CPU, LATENCY = "10-fold lower CPU", "millisecond latency"


class Claim(NamedTuple):
    claim: str
    how: str
    measured: str
    outcome: str


def claims(found: "dict[str, Any]") -> "Iterator[Claim]":
    """Each claim for the article's own stack, for ours in its place, and for ours against it."""
    cpu = (
        ("the article's stack against an interpreter (FastAPI + uvicorn)", "ingest", UVICORN, ARTICLE),
        ("ours against the same interpreter", "ingest", UVICORN, OURS),
        ("ours against the article's stack, as fast as they can", "ingest", ARTICLE, OURS),
        ("ours against the article's stack, 1,000 requests/s", "ingest-1000", ARTICLE, OURS),
    )
    for how, row, dearer, cheaper in cpu:
        yield _lower(
            f"{how}: CPU time for a request, row `{row}`", figure(found, row, dearer), figure(found, row, cheaper)
        )
    latency = (("the article's stack", ARTICLE), ("ours, memory durability", OURS))
    for row, load in (("ingest-1000", "1,000 requests/s"), ("ingest", "64 connections without a pause")):
        for name, server in latency:
            yield _fast(f"{name}, {load}: p99, row `{row}`", figure(found, row, server, "p99_us"))
    yield _fast(
        "ours, fsync durability, 64 connections without a pause: p99, row `fsync`",
        figure(found, "fsync", OURS, "p99_us"),
    )


def _lower(how: str, dearer: "float | None", cheaper: "float | None") -> Claim:
    times = ratio(dearer, cheaper)
    if times is None:
        return Claim(LOWER_CPU, how, "", UNKNOWN)
    return Claim(LOWER_CPU, how, f"{times:.3g}x", HOLDS if times >= TENFOLD else FAILS)


def _fast(how: str, us: "float | None") -> Claim:
    if us is None:
        return Claim(LATENCY, how, "", UNKNOWN)
    return Claim(LATENCY, how, f"{us / 1000:.3g} ms", HOLDS if us <= MILLISECOND_US else FAILS)
