"""`headgate load` over HTTP/2 and gRPC against servers that nobody here wrote: nghttpd and grpcio."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import certificates
import pytest
from harness import Appliance, free_port, headgate, running, wait_for
from test_load import JUDGED, run, stored, tokens
from test_load_run import BATCH, CACHE, OPERATIONS, RECORDED, SCENARIO, STREAM, operation

from headgate import _accel
from headgate_host.load import scenario
from headgate_host.load.operation import GRPC
from headgate_host.load.result import OK, Result

pytest.importorskip("headgate_native._load_http2", reason="not built: no nghttp2")
pytestmark = pytest.mark.skipif(_accel.BACKEND != "native", reason="HTTP/2 is native only")

NGHTTPD = shutil.which("nghttpd")
SLOW = ("--rate", "50", "--for", "1 s")
PROTO = """
syntax = "proto3";
package toy.v1;
import "toy/v1/words.proto";
service Echo {
  rpc Say(Words) returns (Words);
  rpc Listen(Words) returns (stream Words);
}
"""
WORDS = 'syntax = "proto3"; package toy.v1; message Words { string text = 1; uint32 number = 2; }'


def listens(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def nghttpd(folder: Path, *words: str) -> Iterator[int]:
    port, served = free_port(), folder / "served"
    served.mkdir()
    (served / "page").write_text("hello\n" * 20_000)  # more than a window of 64 KiB
    command = [str(NGHTTPD), "--address=127.0.0.1", f"--htdocs={served}", *words[:1], str(port), *words[1:]]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as child:
        try:
            wait_for(lambda: listens(port), "nghttpd listens")
            yield port
        finally:
            child.kill()


@pytest.mark.skipif(NGHTTPD is None, reason="no nghttpd (apt-get install nghttp2-server)")
def test_nghttpd_with_prior_knowledge(tmp_path: Path) -> None:
    with nghttpd(tmp_path, "--no-tls") as port:
        url = f"http://127.0.0.1:{port}"
        code, end = run(f"{url}/page", "--http2", *SLOW, "--connections", "4")
        assert (code in JUDGED, end["outcomes"]) == (True, {"ok": 50}), end
        code, end = run(f"{url}/none", "--http2", *SLOW, "--expect", "404", "--connections", "4")
        assert (code in JUDGED, end["outcomes"]) == (True, {"ok": 50}), end
        code, end = run(f"{url}/page", "--http2", "--closed", "4", "--streams", "25", "--for", "1 s")
        assert (code in JUDGED, end["errors"], end["due"]) == (True, 0, end["done"]), end
        assert end["done"] > 100


@pytest.mark.skipif(NGHTTPD is None, reason="no nghttpd (apt-get install nghttp2-server)")
def test_nghttpd_over_tls(tmp_path: Path) -> None:
    certs = certificates.make(tmp_path)
    with nghttpd(tmp_path, "--push=/page=/page", str(certs / "server.key"), str(certs / "server.pem")) as port:
        url = f"https://127.0.0.1:{port}/page"
        code, end = run(url, "--http2", *SLOW, "--ca-file", str(certs / "ca.pem"), "--connections", "4")
        assert (code in JUDGED, end["outcomes"]) == (True, {"ok": 50}), end
        code, end = run(url, "--http2", *SLOW, "--insecure", "--connections", "4")
        assert (code in JUDGED, end["outcomes"]) == (True, {"ok": 50}), end
        done = headgate("load", url, "--http2", *SLOW)  # nobody vouches for it
        assert done.returncode == 3
        assert "certificate" in done.stderr
        done = headgate("load", url, "--http2", *SLOW, "--ca-file", str(tmp_path / "nothing.pem"))
        assert done.returncode == 2, done.stderr


def test_a_server_without_http2(tmp_path: Path) -> None:
    from headgate_host.load import toy_server

    with toy_server.running() as toy:
        done = headgate("load", f"http://127.0.0.1:{toy.port}/", "--http2", *SLOW)
    assert done.returncode == 3
    assert "does not speak HTTP/2" in done.stderr


@contextmanager
def echo() -> Iterator[tuple[int, list[tuple[bytes, dict[str, str]]]]]:
    """A server by grpcio that answers with what it got; "text" 13 bytes long is refused."""
    grpc = pytest.importorskip("grpc")
    got: list[tuple[bytes, dict[str, str]]] = []

    def say(request: bytes, context: Any) -> bytes:
        got.append((request, dict(context.invocation_metadata())))
        if request == b"nothing of it":
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "not this")
        return request

    server = grpc.server(ThreadPoolExecutor(2))
    handler = grpc.unary_unary_rpc_method_handler(say)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("toy.v1.Echo", {"Say": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port, got
    finally:
        server.stop(None).wait()


def test_a_server_of_grpcio(tmp_path: Path) -> None:
    with echo() as (port, got):
        url = f"http://127.0.0.1:{port}"
        words = (*SLOW, "--connections", "2")
        code, end = run(url, "--grpc", "toy.v1.Echo/Say", *words, "--body", "\n\5hello", "--header", "X-Who: {n}")
        assert (code in JUDGED, end["outcomes"]) == (True, {"ok": 50}), end
        assert {message for message, _ in got} == {b"\n\5hello"}
        assert {metadata["x-who"] for _, metadata in got} == {"{n}"}

        code, end = run(url, "--grpc", "toy.v1.Echo/Say", *words, "--body", "nothing of it", "--expect", "3")
        assert (code in JUDGED, end["outcomes"]) == (True, {"ok": 50}), end
        code, end = run(url, "--grpc", "toy.v1.Echo/Nothing", *words)
        assert (code in (4, 7), end["outcomes"]) == (True, {"gRPC UNIMPLEMENTED": 50}), end


def test_json_and_a_proto_file(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools")
    (tmp_path / "toy/v1").mkdir(parents=True)
    (tmp_path / "toy/v1/words.proto").write_text(WORDS)
    proto = tmp_path / "toy/v1/echo.proto"
    proto.write_text(PROTO)
    file, out = tmp_path / "day.toml", tmp_path / "day.json"
    with echo() as (port, got):
        words = (f"http://127.0.0.1:{port}", *SLOW, "--proto", str(proto))
        code, end = run(*words, "--grpc", "toy.v1.Echo/Say", "--body", '{"text": "{device}", "number": {n}}')
        assert (code in JUDGED, end["outcomes"]) == (True, {"ok": 50}), end
        assert {message for message, _ in got} == {
            b"\n\tdev-00000" + (b"\x10" + bytes([n]) if n else b"") for n in range(50)
        }
        for call, body, why in (
            ("toy.v1.Echo/Nothing", "{}", "has no"),
            ("toy.v1.Echo/Listen", "{}", "is a stream"),
            ("toy.v1.Echo/Say", '{"txt": 1}', "not a message"),
        ):
            done = headgate("load", *words, "--grpc", call, "--body", body)
            assert (done.returncode, why in done.stderr) == (2, True), done.stderr

        file.write_text(
            '[[phase]]\nkind = "hold"\nrate = 50\nfor = "1 s"\n'
            '[[operation]]\ndo = "grpc"\ncall = "toy.v1.Echo/Say"\nproto = "toy/v1/echo.proto"\nexpect = [0]\n'
            "body = '{\"number\": {n}}'\n"
        )
        page = tmp_path / "day.html"
        done = headgate("load", "run", str(file), "--target", words[0], "--out", str(out), "--html", str(page))
        assert done.returncode in JUDGED, done.stdout + done.stderr
    result = json.loads(out.read_bytes())
    assert result["operations"]["grpc"]["outcomes"] == {"ok": 50}
    assert result["target"] == {"grpc": words[0] + "/"}
    assert "grpc" in page.read_text()


def appliance_with_http2(folder: Path) -> Appliance:
    appliance = Appliance(folder, uplink_port=None, config=STREAM + CACHE)
    text = appliance.config.read_text()
    appliance.config.write_text(text.replace("[listen]\n", "[listen]\nhttp2 = true\n"))
    return appliance


BY_GRPC = ("publish", "packed", "replayed", "validate", "cache-put", "cache-get", "cache-delete")


def over_all(words: str) -> str:
    """Over HTTP/2 as it is, and where there is a call of it the same over gRPC under another name."""
    found = operation(f'over = "http/2"\n{words}')
    name = re.search(r'(?:name|do) = "(.*)"', words)[1]
    if name in BY_GRPC:
        plain = words.replace(f'name = "{name}"\n', "")
        found += operation(f'over = "grpc"\nname = "{name}.grpc"\n{plain}')
    return found


def test_our_own_appliance_over_both(tmp_path: Path) -> None:
    """Every answer is the one that is owed, and the ledger has counted the same."""
    schema = Path(__file__).resolve().parents[2] / "firmware_py/headgate/data/weather.schema.json"
    file, out, page = tmp_path / "day.toml", tmp_path / "day.json", tmp_path / "day.html"
    (tmp_path / "recorded.ndjson").write_text("".join(RECORDED % n for n in range(9)))
    file.write_text(SCENARIO.format(schema=schema) + "".join(map(over_all, OPERATIONS)))
    with running(appliance_with_http2(tmp_path)) as appliance:
        url = f"http://127.0.0.1:{appliance.port}"
        words = ("--target", url, "--out", str(out), "--html", str(page))
        done = headgate("load", "run", str(file), *words)
        assert done.returncode in JUDGED, done.stdout + done.stderr
        result = Result.read(out)
        assert result.total.outcomes == {OK: 675}
        assert set(result.target) == {"http2", "grpc"}
        names = {"publish", "publish.invalid", "sequence", "http", *(f"{name}.grpc" for name in BY_GRPC)}
        assert set(result.operations) >= names
        assert all(name in page.read_text() for name in names)
        sent = [one for one, _ in zip(scenario.load(file).requests(), range(675), strict=False)]
        accepted = sum(
            one.operation.name.startswith(("publish", "packed", "replayed"))
            and not one.operation.name.endswith(".invalid")
            for one in sent
        ) + sum(one.expect.lines.count(202) for one in sent)
        assert sum(one.operation.protocol == GRPC for one in sent) > 200
        assert stored(appliance) == accepted > BATCH

        slow = ("--connections", "4", *SLOW, *tokens(appliance))
        body = '{"station":"{device}","ts":"2026-01-01T00:00:00Z","kind":"hourly","temp_f":50}'
        code, end = run(f"{url}/v1/streams/weather", "--http2", "--body", body, *slow)
        assert (code in JUDGED, end["outcomes"]) == (True, {"ok": 50}), end
        code, end = run(f"{url}/v1/streams/weather", "--http2", "--batch", "7", "--body", body, *slow)
        assert (code in JUDGED, end["outcomes"]) == (True, {"ok": 50}), end
        assert stored(appliance) == accepted + 50 + 50 * 7


@pytest.mark.parametrize(
    "words",
    [
        ("http://127.0.0.1:1/path", "--grpc", "a.B/C"),
        ("http://127.0.0.1:1", "--grpc", "a.B"),
        ("http://127.0.0.1:1", "--grpc", "a.B/C", "--batch", "2"),
        ("http://127.0.0.1:1", "--proto", "x.proto"),
        ("http://127.0.0.1:1", "--http2", "--streams", "0"),
        ("mqtt://127.0.0.1:1/t", "--http2"),
        ("http://127.0.0.1:1", "--grpc", "a.B/C", "--proto", "/nowhere.proto"),
    ],
)
def test_command_lines_that_are_wrong(words: tuple[str, ...]) -> None:
    done = headgate("load", *words, "--rate", "5")
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("headgate: ")
