"""Blaze, a C++ validator that compiles schemas, measured by its makers' program (`validate --benchmark`): wall time of
the validation alone, of a document that was parsed before. Ours includes the parsing."""

import json
import platform
import re
import statistics
import subprocess
from pathlib import Path

from . import environment, native
from .workloads import Workload

NAME = "Blaze, validation only"
PACKAGE = "sourcemeta-jsonschema"
LOOP = 1000  # validations of a document, of which the program tells the mean
ROUNDS = 5
DIALECT = "http://json-schema.org/draft-07/schema#"  # of a schema that names none, as ours is told
LINE = re.compile(r": PASS ([0-9.]+) \+- ")
PROGRAM = f"jsonschema-linux-{'arm64' if platform.machine() == 'aarch64' else 'x86_64'}"


class CannotMeasure(Exception):
    """Why there is no figure."""


def _program() -> Path:
    found = list(environment.VENV.glob(f"lib/python*/site-packages/sourcemeta_jsonschema/{PROGRAM}"))
    if not found:
        raise CannotMeasure(f"{PACKAGE} has no program for this machine")
    found[0].chmod(0o755)  # the wheel has it without this
    return found[0]


def _once(program: Path, schema: Path, documents: Path, expected: int) -> float:
    command = [program, "validate", "--fast", "--benchmark", "--loop", str(LOOP), "--default-dialect", DIALECT]
    with native.pinned(0):
        done = subprocess.run(  # noqa: S603
            [*command, schema, documents], capture_output=True, text=True, check=False
        )
    means = [float(mean) for mean in LINE.findall(done.stdout + done.stderr)]
    if len(means) != expected:
        last = (done.stderr or done.stdout).strip().splitlines()[:1] or ["no output"]
        raise CannotMeasure(f"{len(means)} of {expected} documents passed: {last[0]}"[:160])
    return statistics.fmean(means) * 1000


def measure(workload: Workload, folder: Path) -> float:
    """-> nanoseconds for one document: the median of the rounds, less what the program measures for the schema `true`.

    Raises CannotMeasure."""
    program = _program()
    schema, everything, documents = folder / "blaze.json", folder / "blaze-true.json", folder / "blaze.jsonl"
    schema.write_text(json.dumps(workload.schema))
    everything.write_text("true")
    documents.write_bytes(b"\n".join(workload.valid) + b"\n")
    taken = []
    for _ in range(ROUNDS):
        bare = _once(program, everything, documents, len(workload.valid))
        taken.append(_once(program, schema, documents, len(workload.valid)) - bare)
    return max(0.0, statistics.median(taken))
