"""Clients of HTTP/2 that nobody here wrote, each doing what it is for."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import wire
from wire import Server

POST = "/v1/streams/any"
# Clients of a busy machine take their time between a head and its body.
PLAN = wire.plan() | {"limits": {"connections": 12, "idle_ms": 60000, "head_ms": 20000, "body_ms": 20000}}


def program(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name} (Debian and Ubuntu: apt-get install {package})")
    return found


def run(*command: str, text: bytes = b"") -> str:
    done = subprocess.run(command, input=text, capture_output=True, timeout=wire.PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_curl(http2_server: Server) -> None:
    curl = program("curl", "curl")
    if "HTTP2" not in run(curl, "--version"):
        pytest.skip("this curl does not speak HTTP/2")
    url = f"http://127.0.0.1:{http2_server.port}"
    words = [curl, "-sS", "--http2-prior-knowledge", "-w", "\n%{http_version} %{http_code}"]
    assert run(*words, f"{url}/healthz") == '{"status":"ok"}\n2 200'
    fields = ["-H", f"Authorization: Bearer {wire.token()}", "-H", f"Content-Type: {wire.JSON_TYPE}"]
    answer, _, status = run(*words, *fields, "-d", "[1]", url + POST).rpartition("\n")
    assert status == "2 202"
    assert json.loads(answer)["durability"] == "memory"
    batch = run(
        *words,
        *fields[:2],
        "-H",
        f"Content-Type: {wire.NDJSON}",
        "-T",
        "-",
        "-X",
        "POST",
        url + POST,
        text=b"1\n2\n{\n",
    )
    assert [json.loads(line)["status"] for line in batch.splitlines()[:-2]] == [202, 202, 400]
    assert batch.splitlines()[-1] == "2 200"


def test_nghttp(http2_server: Server) -> None:
    """Many requests at once on one connection."""
    nghttp = program("nghttp", "nghttp2-client")
    urls = [f"http://127.0.0.1:{http2_server.port}/{path}" for path in ("healthz", "readyz", "metrics", "")]
    said = run(nghttp, "-v", "-n", *urls)
    assert len(re.findall(r":status: 200", said)) == len(urls)
    assert "ENHANCE_YOUR_CALM" not in said


def test_nghttp_trailers(http2_server: Server, tmp_path: Path) -> None:
    nghttp = program("nghttp", "nghttp2-client")
    body = tmp_path / "body"
    body.write_bytes(b"[1,2]")
    said = run(
        nghttp,
        "-v",
        "-d",
        str(body),
        "--trailer",
        "x-checksum: 1",
        "-H",
        f"authorization: Bearer {wire.token()}",
        "-H",
        f"content-type: {wire.JSON_TYPE}",
        f"http://127.0.0.1:{http2_server.port}{POST}",
    )
    assert re.findall(r":status: (\d+)", said) == ["202"]


def test_h2load(http2_server: Server, tmp_path: Path) -> None:
    h2load = program("h2load", "nghttp2-client")
    url = f"http://127.0.0.1:{http2_server.port}"
    said = run(h2load, "-n", "2000", "-c", "4", "-m", "10", f"{url}/healthz")
    assert "2000 succeeded, 0 failed, 0 errored, 0 timeout" in said
    body = tmp_path / "body"
    body.write_bytes(b'{"t":1}')
    fields = ["-H", f"authorization: Bearer {wire.token()}", "-H", f"content-type: {wire.JSON_TYPE}", "-d", str(body)]
    said = run(h2load, "-n", "1000", "-c", "2", "-m", "10", *fields, url + POST)
    assert "status codes: 1000 2xx" in said


async def many_posts(url: str, fields: dict[str, str]) -> None:
    httpx = pytest.importorskip("httpx", reason="needs the Python package httpx")
    async with httpx.AsyncClient(http1=False, http2=True, base_url=url) as client:
        answer = await client.get("/healthz")
        assert (answer.http_version, answer.json()) == ("HTTP/2", {"status": "ok"})
        answers = await asyncio.gather(
            *(client.post(POST, content=b"%d" % number, headers=fields) for number in range(100))
        )
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.json()["seq"] for answer in answers}) == 100
        put = await client.put(
            "/v1/cache/http2", content=b"v" * 4096, headers={"Authorization": fields["Authorization"]}
        )
        assert put.status_code == 201
        assert (await client.get("/v1/cache/http2", headers=fields)).content == b"v" * 4096


def test_httpx(http2_server: Server) -> None:
    pytest.importorskip("h2", reason="needs the Python package h2")
    fields = {"Authorization": f"Bearer {wire.token()}", "Content-Type": wire.JSON_TYPE}
    asyncio.run(many_posts(f"http://127.0.0.1:{http2_server.port}", fields))
