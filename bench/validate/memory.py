"""Memory: allocations for one document, growth while a body of 10 MB is decided, and what importing and compiling cost.

Run in processes of their own, and printing one JSON object:
    python -m validate.memory peak CORPUS PEER WORKLOAD FILE
    python -m validate.memory stream CORPUS FILE
    python -m validate.memory start PEER CORPUS WORKLOAD"""

import gc
import itertools
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from . import clock, corpus, environment, native, peers, workloads

BODY_BYTES = 10_000_000
CHUNK_BYTES = 65536  # of a body that is streamed
WARM_CHUNKS = 8  # of 153: before the peak begins anew
STREAM = "messages-10mb"  # the name of that body's workload
BODY_PEERS = (peers.OURS, "orjson + jsonschema-rs", "msgspec typed", "pydantic", "orjson.loads")
START_PEERS = (
    peers.OURS,
    "orjson + jsonschema-rs",
    "orjson + corvus-rs",
    "msgspec typed",
    "pydantic",
    "json + jsonschema",
)
STARTS = 5
VALIDATOR_TYPES = ("schema", "schema_document", "schema_stream", "binding")  # of native_ext/cpython


def _peak_begins_anew() -> int:
    """What is resident now, KiB: what the peak will be compared with. What reading that needs is in memory already."""
    _status("VmHWM")
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _status(field: str) -> int:
    """A field of /proc/self/status, KiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise LookupError(field)


def _peak(folder: Path, peer: peers.Peer, workload: str, file: Path) -> "dict[str, object]":
    """KiB by which the peak of the resident set grows over what it is with the body in memory."""
    task = corpus.task(folder, workload)
    if peer.name == peers.OURS:  # its limit of steps is there for bodies of a request, not for 10 MB
        from headgate_native import Schema  # noqa: PLC0415 - may not be built

        judge: peers.Judge = Schema(task.schema, limits={"steps": 100_000_000}).is_valid
    else:
        judge = peer.make(task)
    judge(b"[" + workloads.messages_of(1, 1)[1:-1] + b"]")  # its code is in memory now
    body = file.read_bytes()
    before = _peak_begins_anew()
    verdict = judge(body)
    return {"kib": max(0, _status("VmHWM") - before), "valid": verdict, "bytes": len(body)}


def _stream(folder: Path, file: Path) -> "dict[str, object]":
    """The same for a stream of records (a line each) that is fed in pieces and never in memory as a whole."""
    from headgate_native import Schema  # noqa: PLC0415 - may not be built

    schema = Schema(corpus.schema(folder, "telemetry"))
    records = valid = before = 0
    chunk = bytearray(CHUNK_BYTES)  # one for all: the reader's own memory is not in question
    with file.open("rb", buffering=0) as body:
        stream = schema.stream("ndjson")
        for number in itertools.count():
            if number == WARM_CHUNKS:  # buffers, results and the code that looks at them are in memory now
                before = _peak_begins_anew()
            if not (size := body.readinto(chunk)):
                break
            for result in stream.feed(memoryview(chunk)[:size]):
                records += 1
                valid += bool(result)
    return {"kib": max(0, _status("VmHWM") - before), "valid": records == valid and records > 0, "records": records}


def _start(peer: peers.Peer, folder: Path, workload: str) -> "dict[str, object]":
    """What importing the peer and compiling a schema adds to a running interpreter."""
    task = corpus.task(folder, workload)
    gc.collect()
    before, begin = _status("VmRSS"), time.process_time_ns()
    judge = peer.make(task)
    spent, after = time.process_time_ns() - begin, _status("VmRSS")
    del judge
    return {"kib": after - before, "ms": spent / 1e6}


def _child(*arguments: "str | Path") -> "dict[str, float]":
    done = subprocess.run(  # noqa: S603
        [environment.python(), "-m", "validate.memory", *arguments],
        env=environment.variables(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        return {}
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def _allocations(folder: Path, names: "list[str]") -> "dict[str, dict[str, float]]":
    """-> {workload: {peer: heap allocations for one valid document}}.

    PYTHONMALLOC=malloc: Python's small objects count too."""
    library = environment.BUILD / "allocations.so"
    library.parent.mkdir(parents=True, exist_ok=True)
    source = native.PROGRAMS / "allocations.c"
    native.run("gcc", "-O2", "-shared", "-fPIC", "-fno-builtin", source, "-o", library)
    results: dict[str, dict[str, float]] = {name: {} for name in names}
    for peer in peers.PEERS:
        if peer.slow or peer.kind in ("to_json", "floor"):
            continue
        worker = clock.Worker(folder, peer, {"LD_PRELOAD": str(library), "PYTHONMALLOC": "malloc"})
        for name in names:
            _, error = worker.ask("load", name)
            answer, error = worker.ask("allocations", name) if not error else (None, error)
            if not error:
                results[name][peer.name] = round(float(answer), 2)  # type: ignore[arg-type]
        worker.close()
    return results


def _shared_object() -> "dict[str, int]":
    """Bytes of the extension as it is, and without symbols."""
    found = sorted((environment.ROOT / "native_ext" / "headgate_native").glob("_native*.so"))
    if not found:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "stripped.so"
        shutil.copyfile(found[0], copy)
        native.run("strip", copy)
        return {"bytes": found[0].stat().st_size, "stripped": copy.stat().st_size}


def _validator_alone() -> "dict[str, int]":
    """The extension has more than the validator in it: what of it the types over the validator need, as setup.py has
    compiled it, linked as it links. The table of the module is not in it (2 KB)."""
    compiled = sorted((environment.ROOT / "build").glob("temp.*/native_ext"))
    if not compiled:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        core, linked = Path(folder) / "core.a", Path(folder) / "validator.so"
        native.run("ar", "rcs", core, *sorted((compiled[-1] / "core").glob("*.o")))  # the linker takes what is needed
        types = [compiled[-1] / "cpython" / f"{name}.o" for name in VALIDATOR_TYPES]
        native.run("gcc", "-shared", "-s", "-Wl,-z,relro,-z,now", "-o", linked, *types, core)
        return {"stripped": linked.stat().st_size}


def measure(folder: Path, built: "list[native.Built]") -> "dict[str, object]":
    names = [workload.name for workload in workloads.small()]
    results: dict[str, object] = {}
    try:
        results["allocations"] = _allocations(folder, names)
    except native.CannotBuild as error:
        results["allocations_skipped"] = str(error)

    one = len(workloads.messages_of(1, 1))
    body = workloads.messages_of(BODY_BYTES // one, 10)
    corpus.write(folder, workloads.Workload(STREAM, workloads.batch_schema(None), [body]))
    (document,) = corpus.documents(folder, STREAM)
    results["body"] = {name: _child("peak", folder, name, STREAM, document.path) for name in BODY_PEERS}

    lines = document.path.with_suffix(".ndjson")
    lines.write_bytes(b"".join(workloads.dumps(message) + b"\n" for message in json.loads(body)))
    results["streamed_body"] = _child("stream", folder, lines)

    starts: dict[str, dict[str, float]] = {}
    for name in START_PEERS:
        samples = [_child("start", name, folder, "report1k") for _ in range(STARTS)]
        samples = [sample for sample in samples if sample]
        if samples:
            starts[name] = {
                key: round(statistics.median(sample[key] for sample in samples), 2) for key in ("kib", "ms")
            }
    results["start"] = starts

    for program in built:
        if program.program.name == native.OURS:
            answers = {name: program.run(folder, name, 1) for name in names}
            results["program_bytes"] = {name: answer["program_bytes"] for name, answer in answers.items()}
            results["native_allocations"] = {name: answer["allocations"] for name, answer in answers.items()}
    results["shared_object"] = _shared_object()
    results["validator_alone"] = _validator_alone()
    return results


def main(arguments: "list[str]") -> int:
    if arguments[0] == "peak":
        folder, name, workload, file = arguments[1:]
        print(json.dumps(_peak(Path(folder), peers.BY_NAME[name], workload, Path(file))))
    elif arguments[0] == "stream":
        folder, file = arguments[1:]
        print(json.dumps(_stream(Path(folder), Path(file))))
    else:
        name, folder, workload = arguments[1:]
        print(json.dumps(_start(peers.BY_NAME[name], Path(folder), workload)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
