"""Who is measured: ours, the floors, the peers. How each is started, and what it can be asked."""

import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import build, messages
from .messages import Material
from .process import Command, Tree, free_port

OURS, FLOOR, FLOOR_CORE = "headgate", "floor: fixed answer", "floor: the same core"
ARTICLE, GIN, HYPER, ACTIX = "article's stack", "Gin", "hyper", "actix-web"
UVICORN, NGINX, REDIS, ARTICLE_CACHE = (
    "FastAPI + uvicorn",
    "nginx, fixed answer",
    "redis-server",
    "article's cache, HTTP/2",
)
TONIC, GRPC_GO, GRPCIO = "tonic", "grpc-go", "grpcio"
HYPER_HTTP2 = "hyper, with HTTP/2"
# Suffix: every token is verified each time. Ours has a table of verified tokens, which is not switched off.
NO_TOKEN_CACHE = ", no token cache"  # noqa: S105
CONNECTIONS = 16384


@dataclass
class Site:
    """Where one server lives while it runs."""

    folder: Path
    material: Material
    port: int
    tls_port: int
    launcher: "list[str]"  # ours: what runs the verb `run`
    storage: str  # ours: [outbox] and [uplink]

    def settings(self, *, token_cache: bool = True, port: int = 0) -> "dict[str, str]":
        """Every peer's environment."""
        return {
            "PORT": str(port or self.port),
            "SECRET_FILE": str(self.material.secret),
            "SCHEMA": str(messages.SCHEMA),
            "RATE": str(messages.RATE),
            "BURST": str(messages.BURST),
            "TOKEN_CACHE": "1" if token_cache else "0",
        }


@dataclass(frozen=True)
class Server:
    name: str
    commands: "Callable[[Site], list[Command]]"
    judges: bool = True  # checks tokens, rates and messages: proves it before it is measured
    keeps: str = "http"  # how it is given a value to keep: "http", "http2", "redis"; "": it cannot
    durable: bool = False  # has the stream `durable`
    grpc: bool = False  # speaks it


CONFIGURATION = """
[appliance]
id = "bench"
state_dir = "{folder}/state"

[listen]
http = "127.0.0.1:{port}"
https = "127.0.0.1:{tls_port}"
http2 = true
tls_cert = "{certificate}"
tls_key = "{key}"
connections = {connections}

[[issuer]]
name = "headgate"
secret_file = "{secret}"

[streams.telemetry]
schema = "{schema}"
rate = "{rate}/s"
burst = {burst}
durability = "memory"

[streams.limited]
schema = "{schema}"
rate = "1/s"
burst = {limited}
durability = "memory"

[streams.durable]
schema = "{schema}"
rate = "{rate}/s"
burst = {burst}
durability = "fsync"

[cache]
rate = "{rate}/s"
burst = {burst}

{storage}
"""
# Room for whatever the core lets in.
STORAGE = """[outbox]
bytes = "64 GiB"
"""


def _ours(site: Site) -> "list[Command]":
    certificate, key = build.certificate(site.material.folder)
    text = CONFIGURATION.format(
        folder=site.folder,
        port=site.port,
        tls_port=site.tls_port,
        certificate=certificate,
        key=key,
        rate=messages.RATE,
        burst=messages.BURST,
        limited=messages.LIMITED_BURST,
        connections=CONNECTIONS,
        schema=messages.SCHEMA,
        secret=site.material.file("secret.key"),
        storage=site.storage,
    )
    configuration = site.folder / "headgate.toml"
    configuration.write_text(text)
    path = os.pathsep.join(map(str, (build.ROOT / "firmware_py", build.ours(), build.ROOT / "host_tools")))
    return [Command([*site.launcher, "run", "--config", configuration], site.port, {"PYTHONPATH": path})]


def _program(
    find: "Callable[[], Path]", *, token_cache: bool = True, **settings: str
) -> "Callable[[Site], list[Command]]":
    def commands(site: Site) -> "list[Command]":
        return [Command([find()], site.port, {**site.settings(token_cache=token_cache), **settings})]

    return commands


def _article(*, token_cache: bool = True) -> "Callable[[Site], list[Command]]":
    def commands(site: Site) -> "list[Command]":
        validator, cache = free_port(), free_port()
        gateway = {
            **site.settings(token_cache=token_cache),
            "VALIDATOR": f"127.0.0.1:{validator}",
            "CACHE": f"127.0.0.1:{cache}",
        }
        return [
            Command([build.rust("article-validator")], validator, site.settings(port=validator)),
            Command([build.rust("article-cache")], cache, site.settings(port=cache)),
            Command([build.golang("peer-article")], site.port, gateway),
        ]

    return commands


def _uvicorn(site: Site) -> "list[Command]":
    folder = build.PEERS / "uvicorn"
    argv = [build.uvicorn(), "peer:app", "--app-dir", folder, "--port", str(site.port), "--no-access-log"]
    return [Command(argv, site.port, site.settings())]


def _grpcio(site: Site) -> "list[Command]":
    python, stubs = build.grpcio()
    settings = {**site.settings(), "PYTHONPATH": str(stubs)}
    return [Command([python, build.PEERS / "grpc-python" / "peer.py"], site.port, settings)]


def _nginx(site: Site) -> "list[Command]":
    certificate, key = build.certificate(site.material.folder)
    text = (build.PEERS / "nginx" / "nginx.conf").read_text(encoding="utf-8")
    names = {
        "FOLDER": site.folder,
        "PORT": site.port,
        "TLS_PORT": site.tls_port,
        "CERTIFICATE": certificate,
        "KEY": key,
        "VALUE": messages.VALUE,
    }
    for name, value in names.items():
        text = text.replace(f"@{name}@", str(value))
    configuration = site.folder / "nginx.conf"
    configuration.write_text(text)
    return [Command([build.tool("nginx"), "-p", site.folder, "-c", configuration], site.port)]


def _redis(site: Site) -> "list[Command]":
    argv = [
        build.tool("redis-server"),
        "--port",
        str(site.port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
        "--dir",
        site.folder,
    ]
    return [Command(argv, site.port)]


SERVERS = (
    Server(OURS, _ours, durable=True, grpc=True),
    Server(FLOOR, _program(lambda: build.floor("fixed")), judges=False, keeps=""),
    Server(FLOOR_CORE, _program(lambda: build.floor("core"))),
    Server(HYPER, _program(lambda: build.rust("peer-hyper"))),
    Server(HYPER + NO_TOKEN_CACHE, _program(lambda: build.rust("peer-hyper"), token_cache=False)),
    Server(HYPER_HTTP2, _program(lambda: build.rust("peer-hyper"), HTTP2="1")),
    Server(ACTIX, _program(lambda: build.rust("peer-actix"))),
    Server(ACTIX + NO_TOKEN_CACHE, _program(lambda: build.rust("peer-actix"), token_cache=False)),
    Server(GIN, _program(lambda: build.golang("peer-gin"))),
    Server(GIN + NO_TOKEN_CACHE, _program(lambda: build.golang("peer-gin"), token_cache=False)),
    Server(ARTICLE, _article()),
    Server(ARTICLE + NO_TOKEN_CACHE, _article(token_cache=False)),
    Server(ARTICLE_CACHE, _program(lambda: build.rust("article-cache")), judges=False, keeps="http2"),
    Server(UVICORN, _uvicorn),
    Server(TONIC, _program(lambda: build.rust("peer-tonic")), judges=False, keeps="", grpc=True),
    Server(GRPC_GO, _program(lambda: build.golang("peer-grpc-go")), judges=False, keeps="", grpc=True),
    Server(GRPCIO, _grpcio, judges=False, keeps="", grpc=True),
    Server(NGINX, _nginx, judges=False, keeps=""),
    Server(REDIS, _redis, judges=False, keeps="redis"),
)
BY_NAME = {server.name: server for server in SERVERS}


class Running:
    """A started server."""

    def __init__(
        self, server: Server, material: Material, launcher: "list[str] | None" = None, storage: str = STORAGE
    ) -> None:
        self.server = server
        port, tls_port = free_port(), free_port()
        folder = Path(tempfile.mkdtemp(prefix=f"{port}-", dir=material.folder))  # a port may come twice
        self.site = Site(folder, material, port, tls_port, launcher or [sys.executable, "-m", "headgate"], storage)
        self.tree = Tree(server.name, server.commands(self.site), folder / "log")
        self.port, self.tls_port = port, tls_port

    def stop(self) -> "list[int]":
        return self.tree.stop()
