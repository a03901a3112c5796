"""Schemas that people use, with documents of theirs: those of check-jsonschema's source package (vendored schemas of CI
services and the positive examples of its tests), and, if the user has a clone of it, the sets of the public
`jsonschema-benchmark` (a folder `<set>/schema.json` + `<set>/instances.jsonl`), which no package index carries.

`format` is an annotation here, as the standard has it by default: the peers know different formats."""

import json
import math
import subprocess
from pathlib import Path

from . import blaze, clock, corpus, environment, peers
from .workloads import Workload

PACKAGE = "check-jsonschema==0.39.0"
MOST_DOCUMENTS = 100
MOST_BYTES = 1_000_000
SIMDJSON = "pysimdjson"  # parsing only
NAMES = (peers.OURS, "orjson + jsonschema-rs", "orjson + corvus-rs", "corvus-rs on text", peers.BARE, SIMDJSON)
ROUNDS = 5
SAMPLE_MS = 10.0


def _parsed(path: Path) -> "list[object]":
    """The documents of a file; [] for what is neither JSON nor YAML that JSON can say."""
    from ruamel.yaml import YAML, YAMLError  # noqa: PLC0415 - lives in the peers' environment

    try:
        text = path.read_text(encoding="utf-8")
        values = [json.loads(text)] if path.suffix == ".json" else YAML(typ="safe", pure=True).load_all(text)
        return [json.loads(json.dumps(value)) for value in values]
    except (ValueError, TypeError, YAMLError):
        return []


def usable(workload: Workload) -> str:
    """Why the set cannot be measured; "" if it can. Documents that are examples for something else are taken out of it.

    Asked is the peer that never goes to the network for a `$ref`; others would, so such a set is left out for all."""
    import corvus_json_schema_rs  # noqa: PLC0415 - lives in the peers' environment

    try:
        accepts = corvus_json_schema_rs.compile(workload.schema, assert_format=False).is_valid
        workload.valid = [text for text in workload.valid if accepts(json.loads(text))]
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:160]
    return "" if workload.valid else "none of its documents is valid"


def packaged() -> "list[Workload]":
    """The sets of check-jsonschema. Raises CalledProcessError if the package cannot be had."""
    folder = environment.source_package(PACKAGE)
    sets = []
    for path in sorted((folder / "src" / "check_jsonschema" / "builtin_schemas" / "vendor").glob("*.json")):
        examples = folder / "tests" / "example-files" / "hooks" / "positive" / path.stem
        values = [value for file in sorted(examples.glob("*")) for value in _parsed(file)]
        if values:
            schema = json.loads(path.read_bytes())
            texts = [json.dumps(value, separators=(",", ":")).encode() for value in values]
            sets.append(Workload(path.stem, schema, texts, formats=False))
    return sets


def cloned(folder: Path) -> "tuple[list[Workload], dict[str, str]]":
    """The sets below a folder of the user's; and those that are damaged."""
    sets, damaged = [], {}
    for path in sorted(folder.glob("*/schema.json")):
        name = path.parent.name
        texts: list[bytes] = []
        try:
            schema = json.loads(path.read_bytes())
            for line in path.with_name("instances.jsonl").read_bytes().splitlines():
                if len(texts) < MOST_DOCUMENTS and sum(map(len, texts)) < MOST_BYTES and line.strip():
                    json.loads(line)
                    texts.append(line.strip())
        except (OSError, ValueError) as error:
            damaged[name] = f"{type(error).__name__}: {error}"[:160]
        else:
            sets.append(Workload(name, schema, texts, formats=False))
    return sets, damaged


def measure(sets: "list[Workload]", folder: Path) -> "dict[str, dict[str, object]]":
    """-> set: bytes and number of documents, nanoseconds for one document of each peer, and why peers are left out.

    A peer that refuses the schema, or a document that the reference takes, is left out of that set, visibly."""
    results: dict[str, dict[str, object]] = {}
    for workload in sets:
        corpus.write(folder, workload)
        workers = [clock.Worker(folder, peers.BY_NAME[name]) for name in NAMES]
        try:
            ready: list[clock.Worker] = []
            skipped: dict[str, str] = {}
            for worker in workers:
                try:
                    now_ready, now_skipped = clock.agree([worker], workload.name)
                except clock.Disagreement as error:
                    skipped[worker.peer.name] = str(error).partition("wrong verdicts: ")[2][:120]
                else:
                    ready += now_ready
                    skipped.update(now_skipped)
            try:
                figures = clock.measure(ready, workload.name, "valid", ROUNDS, SAMPLE_MS)
            except clock.Disagreement as error:
                figures = {}
                skipped["all"] = str(error)
            try:
                figures[blaze.NAME] = blaze.measure(workload, folder)
            except blaze.CannotMeasure as error:
                skipped[blaze.NAME] = str(error)
        finally:
            for worker in workers:
                worker.close()
        size = sum(map(len, workload.valid)) / len(workload.valid)
        results[workload.name] = {
            "documents": len(workload.valid),
            "mean_bytes": round(size),
            "ns": figures,
            "skipped": skipped,
        }
    return results


def summary(results: "dict[str, dict[str, object]]", ours: str, reference: str) -> "tuple[float, int, list[str]]":
    """-> (geometric mean of reference / ours, sets in it, names of sets where ours is the slower one)."""
    ratios = {}
    for name, row in results.items():
        figures: dict[str, float] = row["ns"]  # type: ignore[assignment]
        if figures.get(ours) and figures.get(reference):
            ratios[name] = figures[reference] / figures[ours]
    if not ratios:
        return 0.0, 0, []
    mean = math.exp(sum(map(math.log, ratios.values())) / len(ratios))
    return mean, len(ratios), [name for name, ratio in ratios.items() if ratio < 1]


def gather(clone: "Path | None") -> "tuple[list[Workload], dict[str, str]]":
    """All sets that can be had, and why others cannot."""
    sets, missing = [], {}
    try:
        sets += packaged()
    except (subprocess.CalledProcessError, OSError, ValueError) as error:
        missing["check-jsonschema"] = f"the source package cannot be had: {type(error).__name__}"
    if clone is None:
        missing["jsonschema-benchmark"] = "no package index has it: clone it and give --sets its folder `schemas`"
    else:
        more, damaged = cloned(clone)
        sets += more
        missing.update(damaged)
    for workload in list(sets):
        reason = usable(workload)
        if reason:
            sets.remove(workload)
            missing[workload.name] = reason
    return sets, missing
