"""The targets, and whether the figures meet them. A figure that was not taken is "not measured", never a pass."""

from collections.abc import Iterator
from typing import Any

from . import blaze, native, peers, real
from .target import Row, at_least, at_most, get, ratio

SMALL = ("telemetry", "report1k", "batch10k")
KIB = 1024
SIMDJSON = "simdjson DOM"

OURS, TO_CBOR, ON_CBOR, TO_JSON = (peers.OURS + suffix for suffix in ("", " to CBOR", " on CBOR", " to JSON"))
RS, RS_TO_CBOR, RS_ON_CBOR = "orjson + jsonschema-rs", "orjson + jsonschema-rs + cbor2", "cbor2 + jsonschema-rs"

# (who, times as much CPU time as ours, times as many instructions as ours; 0: no target)
SLOWER = (
    (RS, 12.0, 8.0),
    ("orjson + corvus-rs", 8.0, 6.0),
    ("msgspec typed", 5.0, 4.0),
    ("pydantic", 12.0, 9.0),
    ("json + jsonschema", 500.0, 0.0),
)


class Figures:
    """The results, asked for by name."""

    def __init__(self, results: "dict[str, Any]") -> None:
        self.results = results

    def time(self, workload: str, peer: str, which: str = "valid") -> "float | None":
        return get(self.results, "time", "workloads", workload, which, peer)  # type: ignore[no-any-return]

    def count(self, workload: str, peer: str) -> "float | None":
        return get(self.results, "count", "python", peer, workload)  # type: ignore[no-any-return]

    def native_time(self, workload: str, program: str) -> "float | None":
        return get(self.results, "native", "workloads", workload, program)  # type: ignore[no-any-return]

    def native_count(self, workload: str, program: str) -> "float | None":
        return get(self.results, "count", "native", program, workload)  # type: ignore[no-any-return]

    def arm(self, target: str, workload: str) -> "float | None":
        return get(self.results, "arm", target, native.OURS, workload)  # type: ignore[no-any-return]


def _from_python(figures: Figures, name: str) -> "Iterator[Row]":
    for peer, times, counts in SLOWER:
        yield at_least(f"verdict, CPU time: {peer} / ours", name, times,
                        ratio(figures.time(name, peer), figures.time(name, OURS)))  # fmt: skip
        if counts:
            yield at_least(f"verdict, instructions: {peer} / ours", name, counts,
                            ratio(figures.count(name, peer), figures.count(name, OURS)))  # fmt: skip
    for what, ask in (("CPU time", figures.time), ("instructions", figures.count)):
        yield at_most(f"verdict + CBOR, {what}: / verdict alone", name, 1.35,
                       ratio(ask(name, TO_CBOR), ask(name, OURS)))  # fmt: skip
    yield at_least(f"verdict + CBOR, CPU time: {RS_TO_CBOR} / ours", name, 20,
                    ratio(figures.time(name, RS_TO_CBOR), figures.time(name, TO_CBOR)))  # fmt: skip
    yield at_least(f"CBOR -> verdict, CPU time: {RS_ON_CBOR} / ours", name, 15,
                    ratio(figures.time(name, RS_ON_CBOR), figures.time(name, ON_CBOR)))  # fmt: skip
    yield at_least("JSON -> CBOR, CPU time: orjson + cbor2 (no schema) / ours", name, 8,
                    ratio(figures.time(name, "orjson + cbor2.dumps"), figures.time(name, TO_CBOR)))  # fmt: skip
    yield at_least("CBOR -> JSON, CPU time: cbor2 + orjson (no schema) / ours", name, 8,
                    ratio(figures.time(name, "cbor2 + orjson.dumps"), figures.time(name, TO_JSON)))  # fmt: skip


def _natively(figures: Figures, name: str) -> "Iterator[Row]":
    ours = figures.native_count(name, native.OURS)
    yield at_most("native, instructions: ours / yyjson DOM read", name, 1.3,
                   ratio(ours, figures.native_count(name, native.YYJSON)))  # fmt: skip
    yield at_most("native, CPU time: ours / simdjson DOM", name, 1.1,
                   ratio(figures.native_time(name, native.OURS),
                          figures.native_time(name, SIMDJSON)))  # fmt: skip
    for program, least in (("RapidJSON SchemaValidator", 5.0), (f"serde typed {name}", 4.0)):
        yield at_least(f"native, CPU time: {program.removesuffix(' ' + name)} / ours", name, least,
                        ratio(figures.native_time(name, program), figures.native_time(name, native.OURS)))  # fmt: skip
    yield at_most("native, CPU time: ours on CBOR / minimal skip", name, 4,
                   ratio(figures.native_time(name, native.OURS_CBOR),
                          figures.native_time(name, "floor: CBOR skip")))  # fmt: skip


def _memory(results: "dict[str, Any]") -> "Iterator[Row]":
    for name in SMALL:
        yield at_most("heap allocations for a valid document, from Python", name, 0,
                       get(results, "memory", "allocations", name, OURS), "")  # fmt: skip
    bodies = (("a 10 MB body is decided", ("body", OURS)), ("10 MB of lines are streamed", ("streamed_body",)))
    for what, path in bodies:
        right = get(results, "memory", *path, "valid")  # growth while it was refused would say nothing
        yield at_most(f"growth of the peak while {what}", "10 MB", 16,
                       get(results, "memory", *path, "kib") if right else None, " KiB")  # fmt: skip
    size = get(results, "memory", "program_bytes", "report1k")
    yield at_most("compiled schema", "report1k", 12, None if size is None else size / KIB, " KiB")
    size = get(results, "memory", "validator_alone", "stripped")
    yield at_most(
        "shared object of the validator alone, stripped", "", 300, None if size is None else size / KIB, " KiB"
    )
    yield at_most("import + compile, resident", "report1k", 300, get(results, "memory", "start", OURS, "kib"), " KiB")
    yield at_most("import + compile, CPU time", "report1k", 3, get(results, "memory", "start", OURS, "ms"), " ms")


def _real(results: "dict[str, Any]") -> "Iterator[Row]":
    rows = get(results, "real", "sets") or {}
    mean, sets, slower = real.summary(rows, OURS, "orjson + corvus-rs")
    where = f"{sets} real schemas"
    yield at_least("CPU time: orjson + corvus-rs / ours, geometric mean", where, 6, mean if sets else None)
    mean, sets, _ = real.summary(rows, OURS, blaze.NAME)
    yield at_least(f"time: {blaze.NAME} / ours with the parsing, geometric mean", f"{sets} real schemas", 1,
                   mean if sets else None)  # fmt: skip
    row = Row("real schemas on which orjson + corvus-rs is faster", where, "none")
    if sets:
        row.measured, row.met = ", ".join(slower) or "none", not slower
    yield row


def table(results: "dict[str, Any]") -> "list[Row]":
    """Every target, in the order of the list of targets."""
    figures = Figures(results)
    rows: list[Row] = []
    for name in SMALL:
        rows += _from_python(figures, name)
    for name in SMALL:
        rows += _natively(figures, name)
    rows.append(
        at_least("refused at the failing byte: orjson + jsonschema-rs / ours, first item bad", "batch10k", 30,
                  ratio(figures.time("batch10k", RS, "first item bad"),
                         figures.time("batch10k", OURS, "first item bad")))
    )  # fmt: skip
    rows += _real(results)
    rows += _memory(results)
    rows.append(at_most("instructions on AArch64", "telemetry", 3000, figures.arm("aarch64", "telemetry"), ""))
    rows.append(
        at_most("instructions: ARMv7 / AArch64", "telemetry", 1.4,
                 ratio(figures.arm("armv7", "telemetry"), figures.arm("aarch64", "telemetry")))
    )  # fmt: skip
    return rows


def floors(results: "dict[str, Any]") -> "list[tuple[str, str, str]]":
    """(workload, figure, distance): how far the native verdict is from what nobody can beat."""
    figures = Figures(results)
    rows = []
    for name in SMALL:
        for floor in ("floor: memcpy", "floor: scan"):
            distance = ratio(figures.native_time(name, native.OURS), figures.native_time(name, floor))
            if distance is not None:
                rows.append((name, f"CPU time, ours / {floor.removeprefix('floor: ')}", f"{distance:.1f}x"))
        distance = ratio(figures.native_count(name, native.OURS), figures.native_count(name, "floor: scan"))
        if distance is not None:
            rows.append((name, "instructions, ours / scan", f"{distance:.1f}x"))
    sets = {name: row for name, row in (get(results, "real", "sets") or {}).items() if row["ns"].get(OURS)}
    for reference in ("orjson + corvus-rs", blaze.NAME):
        for floor in (peers.BARE, real.SIMDJSON):
            mean, count, _ = real.summary(sets, floor, reference)
            if count:
                rows.append((f"{count} real schemas", f"CPU time, {reference} / {floor}", f"{mean:.2f}x"))
    return rows
