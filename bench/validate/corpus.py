"""Workloads as files, which the worker processes and the native programs read.

<folder>/<workload>/schema.json
<folder>/<workload>/options.json    {"formats": `format` is asserted}
<folder>/<workload>/index.json      [[name, file name, verdict, needs format], ...]
<folder>/<workload>/0.json, 0.cbor  the documents; no .cbor for what is not JSON"""

import json
from dataclasses import dataclass
from pathlib import Path

from .peers import Task
from .workloads import Workload


@dataclass
class Document:
    name: str
    path: Path  # of the JSON text
    valid: bool
    needs_format: bool

    @property
    def cbor(self) -> Path:
        return self.path.with_suffix(".cbor")


def write(folder: Path, workload: Workload) -> None:
    import cbor2  # noqa: PLC0415 - lives in the peers' environment

    folder = folder / workload.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "schema.json").write_text(json.dumps(workload.schema, separators=(",", ":")), encoding="utf-8")
    (folder / "options.json").write_text(json.dumps({"formats": workload.formats}), encoding="utf-8")
    index = []
    for number, (name, text, valid) in enumerate(workload.documents()):
        path = folder / f"{number}.json"
        path.write_bytes(text)
        try:
            value = json.loads(text)
        except ValueError:
            pass
        else:
            path.with_suffix(".cbor").write_bytes(cbor2.dumps(value))
        index.append([name, path.name, valid, name in workload.beyond])
    (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")


def schema(folder: Path, workload: str) -> "dict[str, object]":
    return json.loads((folder / workload / "schema.json").read_bytes())  # type: ignore[no-any-return]


def task(folder: Path, workload: str) -> Task:
    options = json.loads((folder / workload / "options.json").read_bytes())
    return Task(schema(folder, workload), options["formats"])


def documents(folder: Path, workload: str) -> "list[Document]":
    rows = json.loads((folder / workload / "index.json").read_bytes())
    return [Document(name, folder / workload / file, valid, beyond) for name, file, valid, beyond in rows]


def valid_files(folder: Path, workload: str, suffix: str = ".json") -> "list[str]":
    return [str(row.path.with_suffix(suffix)) for row in documents(folder, workload) if row.valid]
