"""The page and its picture: floors first, then ours, then the others from the cheapest."""

import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway import results as gateway_results
from gateway.results import Table
from gateway.servers import FLOOR, FLOOR_CORE, OURS
from validate import peers as validators
from validate.target import get

from .bars import Bar, Panel, svg
from .claims import claims

FLOORS = (FLOOR, FLOOR_CORE)
PICTURED = ("ingest", "validate", "get", "put", "tls", "ingest-1000")
MIB = 1024 * 1024
INTRODUCTION = """\
Written by `./dev bench`. Servers take turns on one core, the load has another, everything on one machine's loopback:
**quote ratios**. CPU time is that of the server's process tree by the scheduler's account; CPU seconds for a million
messages (microseconds for one) are the proxy for energy as well. How each is measured, and who checks what:
[docs/gateway-bench.md](../../docs/gateway-bench.md), [bench/README.md](../README.md). The article's cache is asked over
HTTP/2, the only thing it speaks."""
Found = dict[str, Any]


def in_order(servers: Found) -> "list[tuple[str, Found]]":
    """Floors, ours, the others by CPU time."""

    def place(item: "tuple[str, Found]") -> "tuple[int, float]":
        name, figures = item
        return (0 if name in FLOORS else 1 if name == OURS else 2, figures["us"])

    return sorted(servers.items(), key=place)


def _kind(name: str) -> str:
    return "floor" if name in FLOORS else "ours" if name == OURS else ""


def picture(found: Found) -> str:
    panels = []
    for name in PICTURED:
        row = get(found, "rows", name)
        if row and row["servers"]:
            bars = [Bar(server, (figures["user_us"], figures["system_us"]), f"{figures['us']:.1f} us", _kind(server))
                    for server, figures in in_order(row["servers"])]  # fmt: skip
            panels.append(Panel(f"{row['title']}: CPU us a request, user and system", bars))
    return svg(panels)


def _ms(us: float) -> str:
    """h2load does not say."""
    return "" if not us else f"{us / 1000:.2f}" if us < 10_000 else f"{us / 1000:.0f}"  # noqa: PLR2004


def _row(row: Found) -> Table:
    """CPU time, which is the energy proxy as well: microseconds a message are CPU seconds a million messages."""
    base = get(row, "servers", OURS, "us")
    lines = []
    for name, figures in in_order(row["servers"]):
        times = f"{figures['us'] / base:.2f}" if base else ""
        late = [_ms(figures[key]) for key in ("p50_us", "p99_us")]
        lines.append(
            (name, f"{figures['us']:.1f}", times, f"{figures['busy']:.0%}", f"{figures['requests_per_s']:,}", *late)
        )
    head = ("", "CPU s / million", "times ours", "core busy", "requests/s", "p50 ms", "p99 ms")
    return Table(row["title"], head, lines)


def _memory(row: Found) -> Table:
    lines = [
        (name, f"{figures['rss'] / MIB:.1f}", f"{figures['pss'] / MIB:.1f}") for name, figures in row["servers"].items()
    ]
    return Table("Memory under the load of 64 connections, MiB", ("", "RSS", "PSS"), lines)


def _validator(found: Found) -> "Iterator[Table]":
    """Through Python: what a message costs whoever judges it there."""
    for name, row in get(found, "time", "workloads").items() if get(found, "time", "workloads") else ():
        verdicts = {peer: ns for peer, ns in row["valid"].items() if validators.BY_NAME[peer].kind == "verdict"}
        base = verdicts.get(validators.OURS)
        lines = [(peer, f"{ns / 1000:.3g}", f"{ns / base:.2f}" if base else "")
                 for peer, ns in sorted(verdicts.items(), key=lambda item: item[1])]  # fmt: skip
        yield Table(f"Validator, {name} ({row['bytes']} bytes), through Python", ("", "CPU us", "times ours"), lines)


GENERATORS = {
    "throughput": "64 connections, closed loop",
    "http2": "HTTP/2, 16 connections with 10 streams each, closed loop, nghttpd",
}


def _generators(found: Found) -> "Iterator[Table]":
    for part, how in GENERATORS.items():
        cheapest = sorted(found.get(part, {}).items(), key=lambda item: float(item[1]["cpu_us"]))
        lines = [(name, f"{figures['cpu_us']:.1f}", f"{figures['rate']:,.0f}") for name, figures in cheapest]
        if lines:
            title = f"What a request costs the generator, {how} (bench/load.py)"
            yield Table(title, ("", "CPU us a request", "requests/s"), lines)


def _machine(*parts: Found) -> Table:
    machine: Found = {}
    versions: Found = {}
    for part in parts:
        machine |= part.get("machine", {})
        versions |= part.get("versions", {})
    commands = [part["command"] for part in parts if "command" in part]
    rows = [*machine.items(), *versions.items(), *(("command", f"`{one}`") for one in commands)]
    return Table("Machine, versions, commands", ("", ""), [(str(name), str(value)) for name, value in rows])


def page(gateway: Found, validate: Found, load: Found, image: str) -> str:
    """`image`: the name of the picture, beside the page."""
    rows = gateway.get("rows", {})
    architecture = get(gateway, "machine", "architecture") or platform.machine()
    judged = Table(
        "The article's claims",
        ("claim", "how measured", "measured", "outcome"),
        [tuple(one) for one in claims(gateway)],
    )
    tables: list[Table] = [judged]
    tables += [_row(row) for row in rows.values() if "rounds" in row and row["servers"]]
    tables += [_memory(rows["pss"])] if "pss" in rows else []
    tables += [*_validator(validate), *_generators(load), _machine(gateway, validate)]
    lines = [
        f"# The bench on {architecture}",
        "",
        INTRODUCTION,
        "",
        gateway_results.noise(gateway),
        "",
        f"![CPU time for a request]({image})",
        "",
        *(f"{table.markdown()}\n" for table in tables),
    ]
    left_out = [*gateway_results.left_out(gateway), *_left_out(validate)]
    if left_out:
        lines += ["### Left out, and why", "", *(f"- {line}" for line in left_out), ""]
    return "\n".join(lines)


def _left_out(validate: Found) -> "list[str]":
    skipped = get(validate, "time", "skipped") or {}
    return [f"validate: {name}: {reason}" for name, reason in skipped.items()]


def write(folder: Path, gateway: Found, validate: Found, load: Found) -> Path:
    """The page and its picture, named after the machine's architecture."""
    name = f"bench-{get(gateway, 'machine', 'architecture') or platform.machine()}"
    (folder / f"{name}.svg").write_text(picture(gateway), encoding="utf-8")
    path = folder / f"{name}.md"
    path.write_text(page(gateway, validate, load, f"{name}.svg"), encoding="utf-8")
    return path
