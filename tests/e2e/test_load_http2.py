"""`headgate load` over HTTP/2 and gRPC against servers that nobody here wrote: nghttpd and grpcio."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import certificates
import pytest
from harness import free_port, headgate, wait_for
from test_load import JUDGED, run

from headgate import _accel

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
