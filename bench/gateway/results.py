"""What is printed of the results, for the terminal and as the tables of docs/gateway-bench.md."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from validate import target
from validate.environment import ROOT

from . import targets
from .servers import OURS

MIB = 1024 * 1024
PAGE = ROOT / "docs" / "gateway-bench.md"
BEGIN, END = "<!-- tables: written by `python bench/gateway.py --report --docs` -->", "<!-- end of tables -->"
Cells = Sequence[str]


class Table:
    def __init__(self, title: str, head: Cells, rows: "Iterable[Cells]", note: str = "") -> None:
        self.title, self.head, self.rows, self.note = title, head, list(rows), note

    def plain(self) -> str:
        widths = [max(len(row[i]) for row in [self.head, *self.rows]) for i in range(len(self.head))]

        def line(cells: Cells) -> str:
            first, *others = (
                cell.ljust(widths[0]) if i == 0 else cell.rjust(widths[i]) for i, cell in enumerate(cells)
            )
            return "  " + "  ".join([first, *others]).rstrip()

        return "\n".join([self.title, line(self.head), *map(line, self.rows), *[f"  {self.note}"] * bool(self.note)])

    def markdown(self) -> str:
        def line(cells: Cells) -> str:
            bold = "**" if cells[0] == OURS else ""
            return "| " + " | ".join(f"{bold}{cell}{bold}" if cell else "" for cell in cells) + " |"

        lines = [f"### {self.title}", "", line(self.head), "|---" * len(self.head) + "|", *map(line, self.rows)]
        return "\n".join([*lines, *["", self.note] * bool(self.note)])


def _cpu(row: "dict[str, Any]") -> Table:
    """Cheapest first."""
    base = row["servers"].get(OURS, {}).get("us")
    lines = []
    for name, found in sorted(row["servers"].items(), key=lambda item: float(item[1]["us"])):
        times = f"{found['us'] / base:.2f}" if base else ""
        lines.append(
            (
                name,
                f"{found['us']:.1f}",
                f"{found['user_us']:.1f}",
                f"{found['system_us']:.1f}",
                times,
                f"{found['busy']:.0%}",
                f"{found['requests_per_s']:,}",
                f"{found['p99_us'] / 1000:.1f}",
            )
        )
    head = ("", "CPU us/request", "user", "system", "times ours", "busy", "requests/s", "p99 ms")
    refused = {name: found["refused"] for name, found in row["servers"].items() if found["refused"]}
    note = "; ".join(f"{name} refused {count:,} of all its requests" for name, count in refused.items())
    return Table(row["title"], head, lines, note)


def _pss(row: "dict[str, Any]") -> Table:
    lines = [
        (name, *(f"{found[kind] / MIB:.1f}" for kind in ("pss", "rss", "uss")))
        for name, found in row["servers"].items()
    ]
    return Table("Memory in the middle of a load of 64 connections, MiB", ("", "PSS", "RSS", "USS"), lines)


def _idle(row: "dict[str, Any]", kind: str) -> Table:
    lines = [(name, f"{each:,.0f}") for name, each in row["servers"].items()]
    return Table(f"User memory for each of {row['connections']:,} idle {kind}connections, bytes", ("", "bytes"), lines)


def _held(row: "dict[str, Any]") -> Table:
    lines = [
        ("idle connections held", f"{row['held']:,}"),
        ("of these still served afterwards", f"{row['alive']:,}"),
        ("slow connections", f"{row['slow']:,}"),
        ("of these accepted", f"{row['slow_accepted']:,}"),
        ("requests of 64 more meanwhile (2,000/s), failed", f"{row['beside_requests']:,}, {row['beside_failed']:,}"),
        ("CPU us for one of these", f"{row['beside_us']:.1f}"),
        ("PSS, MiB", f"{row['pss'] / MIB:.1f}"),
    ]
    return Table("10,000 connections, 1,000 of them slow, and a load beside them", ("", OURS), lines)


def _lateness(row: "dict[str, Any]") -> Table:
    kinds = [kind for kind in row if kind not in {"skipped", "load_average"}]
    lines = [(name, *(f"{row[kind][key] / 1000:.2f}" for kind in kinds))
             for name, key in (("p50, ms", "p50_us"), ("p99, ms", "p99_us"), ("latest, ms", "max_us"))]  # fmt: skip
    steps = row[kinds[0]]["histogram"] if kinds else {}
    lines += [(step, *(f"{row[kind]['histogram'][step]:,}" for kind in kinds)) for step in steps]
    return Table("Lateness of an asyncio task that is due every 10 ms, idle and under full load", ("", *kinds), lines)


def tables(found: "dict[str, Any]") -> "Iterator[Table]":
    others = {
        "pss": _pss,
        "idle": lambda row: _idle(row, ""),
        "idle-tls": lambda row: _idle(row, "TLS "),
        "held": _held,
        "lateness": _lateness,
    }
    for name, row in found.get("rows", {}).items():
        if name not in others:
            yield _cpu(row)
        elif not set(row) <= {"skipped", "load_average"}:
            yield others[name](row)


def noise(found: "dict[str, Any]") -> str:
    """How busy the machine was with other things when each row began: a row's own servers and loads are two at most."""
    busy = [row["load_average"] for row in found.get("rows", {}).values() if "load_average" in row]
    cores = found.get("machine", {}).get("cores")
    return f"Load average of the {cores} cores as the rows began: {min(busy)} to {max(busy)}." if busy else ""


def left_out(found: "dict[str, Any]") -> "list[str]":
    return [f"{name}: {server}: {reason}" for name, row in found.get("rows", {}).items()
            for server, reason in row.get("skipped", {}).items()]  # fmt: skip


def show(found: "dict[str, Any]") -> None:
    for table in tables(found):
        print(table.plain(), end="\n\n")
    for line in left_out(found):
        print(f"left out: {line}")
    print(noise(found), end="\n\n")
    print("Targets")
    rows = targets.table(found)
    target.show(rows, 12)
    target.show_sum(rows)


def write_docs(found: "dict[str, Any]", page: Path = PAGE) -> None:
    """Puts the tables between the two marks of the page."""
    words = {True: "yes", False: "**no**", None: "not measured"}
    lines = [(row.target, row.where, row.wanted, row.measured, words[row.met]) for row in targets.table(found)]
    judged = Table("Targets", ("", "row", "wanted", "measured", "met"), lines)
    text = "\n\n".join(table.markdown() for table in (judged, *tables(found)))
    text = "\n\n".join(filter(None, (noise(found), text)))
    if missing := left_out(found):
        text += "\n\nLeft out:\n\n" + "\n".join(f"- {line}" for line in missing)
    old = page.read_text(encoding="utf-8")
    pattern = re.compile(re.escape(BEGIN) + ".*" + re.escape(END), re.DOTALL)
    if pattern.search(old) is None:
        raise SystemExit(f"{page.name} has no place for the tables: {BEGIN} ... {END}")
    page.write_text(pattern.sub(lambda _: f"{BEGIN}\n\n{text}\n\n{END}", old), encoding="utf-8")
