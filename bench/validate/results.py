"""The results file, and what is printed of it."""

import contextlib
import importlib.metadata
import json
import os
import platform
import re
import sys
from pathlib import Path
from typing import Any

from . import blaze, clock, environment, native, peers, target, targets

WIDTH = 34
KINDS = {
    "verdict": "JSON -> verdict",
    "to_cbor": "JSON -> verdict and CBOR",
    "cbor": "CBOR -> verdict",
    "to_json": "CBOR -> verdict and JSON",
    "parse": "JSON read without a schema, or only rewritten as CBOR",
    "skim": "CBOR read without a schema, or only rewritten as JSON",
}
# whose figure the ratios are to
OURS_OF = {
    "verdict": peers.OURS,
    "to_cbor": peers.OURS + " to CBOR",
    "cbor": peers.OURS + " on CBOR",
    "to_json": peers.OURS + " to JSON",
    "parse": peers.OURS,
    "skim": peers.OURS + " on CBOR",
}


def machine() -> "dict[str, object]":
    """What the figures were taken on; nothing that names the machine itself."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    model = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", text, re.MULTILINE)
    return {
        "architecture": platform.machine(),
        "processor": model.group(1).strip() if model else "",
        "cores": os.cpu_count(),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def command() -> str:
    """What was typed, without where this checkout is."""
    script, *words = (word.replace(f"{environment.ROOT}/", "") for word in sys.argv)
    return " ".join(["python", f"bench/{Path(script).name}", *words])


def packages() -> "dict[str, str]":
    """The versions of what was measured. Blaze, a program, is not there for every machine."""
    versions = {name: importlib.metadata.version(name) for peer in peers.PEERS for name in peer.packages}
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        versions[blaze.PACKAGE] = importlib.metadata.version(blaze.PACKAGE)
    return dict(sorted(versions.items()))


def load(path: Path) -> "dict[str, Any]":
    return json.loads(path.read_bytes()) if path.exists() else {}  # type: ignore[no-any-return]


def save(path: Path, results: "dict[str, Any]") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def shown(ns: float) -> str:
    for limit, unit in ((1e3, "ns"), (1e6, "us"), (1e9, "ms")):
        if ns < limit:
            return f"{ns * 1e3 / limit:.3g} {unit}"
    return f"{ns / 1e9:.3g} s"


def print_times(title: str, figures: "dict[str, float]", base: "float | None") -> None:
    """Fastest first, with the ratio to `base`."""
    if figures:
        print(f"\n{title}")
    for name, ns in sorted(figures.items(), key=lambda item: item[1]):
        ratio = f"{ns / base:8.2f}x" if base else ""
        print(f"  {name:{WIDTH}} {shown(ns):>10} {ratio}")


def print_counts(title: str, figures: "dict[str, dict[str, float]]", ours: str) -> None:
    """{peer: {workload: instructions}}, with the ratios to ours."""
    names = list(dict.fromkeys(workload for row in figures.values() for workload in row))
    print(f"\n{title}\n  {'':{WIDTH}} " + " ".join(f"{name:>20}" for name in names))
    for peer, row in figures.items():
        cells = []
        for name in names:
            base = figures.get(ours, {}).get(name)
            ratio = f" {row[name] / base:6.2f}x" if base and name in row else " " * 8
            cells.append(f"{row[name]:12,.0f}{ratio}" if name in row else " " * 20)
        print(f"  {peer:{WIDTH}} " + " ".join(cells))


def _show_times(found: "dict[str, Any]") -> None:
    for name, row in found.get("time", {}).get("workloads", {}).items():
        for kind, title in KINDS.items():
            figures = {peer: ns for peer, ns in row["valid"].items() if peers.BY_NAME[peer].kind == kind}
            print_times(f"{name}, {row['bytes']} bytes: {title}", figures, row["valid"].get(OURS_OF[kind]))
        for which in clock.REFUSALS:
            figures = {peer: ns for peer, ns in row.get(which, {}).items() if peers.BY_NAME[peer].kind == "verdict"}
            print_times(f"{name}, {which}: JSON -> verdict", figures, figures.get(peers.OURS))
    for name, row in found.get("native", {}).get("workloads", {}).items():
        print_times(f"{name}, natively", row, row.get(native.OURS))


def _show_counts(found: "dict[str, Any]") -> None:
    if "count" in found:
        print_counts("Instructions for one document, through Python", found["count"]["python"], peers.OURS)
        print_counts("Instructions for one document, natively", found["count"]["native"], native.OURS)
    for machine_, row in found.get("arm", {}).items():
        if machine_ != "skipped":
            print_counts(f"Instructions for one document, {machine_}", row, native.OURS)


def _show_real(found: "dict[str, Any]") -> None:
    for name, row in found.get("real", {}).get("sets", {}).items():
        title = f"{name}: {row['documents']} documents of {row['mean_bytes']} bytes"
        print_times(title, row["ns"], row["ns"].get(peers.OURS))
        for peer, reason in row["skipped"].items():
            print(f"  left out: {peer}: {reason}")


def show(found: "dict[str, Any]") -> None:
    _show_times(found)
    _show_counts(found)
    _show_real(found)
    for part, key in (*((part, "skipped") for part in ("time", "native", "count", "arm")), ("real", "missing")):
        for name, reason in found.get(part, {}).get(key, {}).items():
            print(f"left out: {name}: {reason}")


def print_targets(results: "dict[str, Any]") -> None:
    print("\nTargets")
    rows = targets.table(results)
    target.show(rows, 16)
    for name, what, distance in targets.floors(results):
        print(f"  floor {what:72} {name:16} {'':>10}  {distance}")
    target.show_sum(rows)
