"""What the gRPC tests share: stubs made from the .proto files that are shipped, and an appliance that serves gRPC."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from harness import Appliance

import headgate

grpc = pytest.importorskip("grpc", reason="pip install grpcio")
protoc = pytest.importorskip("grpc_tools.protoc", reason="pip install grpcio-tools")

PROTO = Path(headgate.__file__).parent / "data" / "proto"
WAIT_S = 20  # a call that takes longer has failed
SCHEMA = {
    "type": "object",
    "required": ["station", "temp_c"],
    "properties": {"station": {"type": "string"}, "temp_c": {"type": "number", "maximum": 60}},
}
STREAMS = """
[streams.weather]
schema = "{schema}"
rate = "100000/s"
burst = 100000

[streams.memory]
schema = "{schema}"
rate = "100000/s"
burst = 100000
durability = "memory"

[streams.slow]
schema = "{schema}"
rate = "1/min"
burst = 1
durability = "memory"

[streams.stations]
schema = "builtin:weather"

[cache]
rate = "100000/s"
burst = 100000
"""
GOOD, BAD = b'{"station":"st-1","temp_c":21}', b'{"station":"st-1","temp_c":99}'


def program(name: str, how: str) -> str:
    """Where it is: in PATH, beside this Python, or where Debian has servers. Skips if nowhere; `how`: to have it."""
    places = [os.environ.get("PATH", ""), str(Path(sys.executable).parent), "/usr/sbin", "/usr/local/sbin"]
    found = os.environ.get(f"HEADGATE_{name.upper()}") or shutil.which(name, path=os.pathsep.join(places))
    if found is None:
        pytest.skip(f"there is no {name} ({how})")
    return found


def stubs(folder: Path) -> SimpleNamespace:
    """Generated once for a run: a descriptor pool takes each file once."""
    if "headgate_stubs" not in sys.modules:
        files = sorted(str(file.relative_to(PROTO)) for file in (PROTO / "headgate" / "v1").glob("*.proto"))
        flattened = folder / "proto"
        for file in files:  # a package named headgate is there already: the stubs are headgate_stubs.*
            target = flattened / file.replace("headgate/v1/", "headgate_stubs/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text((PROTO / file).read_text().replace("headgate/v1/", "headgate_stubs/"))
        out = folder / "python"
        out.mkdir()
        names = [file.replace("headgate/v1/", "headgate_stubs/") for file in files]
        assert protoc.main(["protoc", f"-I{flattened}", f"--python_out={out}", f"--grpc_python_out={out}", *names]) == 0
        (out / "headgate_stubs" / "__init__.py").touch()
        sys.path.insert(0, str(out))
    import headgate_stubs  # noqa: F401 - made above
    from headgate_stubs import (
        cache_pb2,
        cache_pb2_grpc,
        ingest_pb2,
        ingest_pb2_grpc,
        types_pb2,
        validator_pb2,
        validator_pb2_grpc,
    )

    return SimpleNamespace(
        **{
            name: getattr(module, name)
            for module in (types_pb2, ingest_pb2, validator_pb2, cache_pb2)
            for name in dir(module)
            if name[:1].isupper()
        },
        types=types_pb2,
        IngestStub=ingest_pb2_grpc.IngestStub,
        ValidatorStub=validator_pb2_grpc.ValidatorStub,
        CacheStub=cache_pb2_grpc.CacheStub,
    )


class Served:
    """An appliance, and what a client of it needs."""

    def __init__(self, appliance: Appliance) -> None:
        self.appliance = appliance
        self.address = f"127.0.0.1:{appliance.port}"
        streams = [f"publish:{name}" for name in ("weather", "memory", "slow", "stations")]
        self.token = appliance.token("dev-1", *streams, "cache:*")
        self.metadata = (("authorization", f"Bearer {self.token}"),)

    def counted(self, name: str) -> int:
        """A counter of /metrics, all of its labels together."""
        text = self.appliance.get("/metrics")[1].decode()
        return sum(
            int(line.rpartition(" ")[2])
            for line in text.splitlines()
            if line.startswith((f"headgate_{name} ", f"headgate_{name}{{"))
        )


def start(folder: Path, listen: str = "") -> Served:
    schema = folder / "schema.json"
    schema.write_text(json.dumps(SCHEMA))
    appliance = Appliance(folder, uplink_port=None, config=STREAMS.format(schema=schema))
    appliance.config.write_text(appliance.config.read_text().replace("[listen]\n", f"[listen]\nhttp2 = true\n{listen}"))
    appliance.start()
    return Served(appliance)


def started(folder: Path, listen: str = "") -> Iterator[Served]:
    served = start(folder, listen)
    try:
        yield served
    finally:
        served.appliance.stop()


def details(error: Any) -> dict[str, Any]:
    """The google.rpc details of an error, by name."""
    rpc_status = pytest.importorskip("grpc_status.rpc_status")
    from google.rpc import error_details_pb2

    status = rpc_status.from_call(error)
    found = {}
    for detail in status.details if status is not None else ():
        name = detail.TypeName().rpartition(".")[2]
        found[name] = getattr(error_details_pb2, name)()
        assert detail.Unpack(found[name])
    return found
