"""What the bench needs and does not bring: tools of Debian, the peers' programs. Everything built is under .cache; what
cannot be had makes its peers fall out of the tables, with the reason."""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

from validate import environment

from .process import Failed

ROOT = environment.ROOT
NATIVE = ROOT / "native_ext"
PEERS = ROOT / "bench" / "peers"
BUILD = environment.BUILD
CARGO, GO, C = BUILD / "peers-cargo", BUILD / "peers-go", BUILD / "c"
UVICORN, GRPCIO = environment.CACHE / "bench-uvicorn", environment.CACHE / "bench-grpc"
PROTO = ROOT / "firmware_py" / "headgate" / "data" / "proto"  # ours, for peers that serve the same
PROTO_FILES = tuple(f"headgate/v1/{name}.proto" for name in ("types", "validator", "ingest"))
PACKAGES = {  # of Debian, for a program that is not there
    "gcc": "gcc",
    "h2load": "nghttp2-client",
    "make": "make",
    "nghttpd": "nghttp2-server",
    "mosquitto": "mosquitto",
    "nginx": "nginx-light",
    "openssl": "openssl",
    "protoc": "protobuf-compiler",
    "redis-server": "redis-server",
    "wrk": "wrk",
}
SYSTEM_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
CODE_GENERATORS = ("google.golang.org/protobuf/cmd/protoc-gen-go", "google.golang.org/grpc/cmd/protoc-gen-go-grpc")


def say(text: str) -> None:
    """Progress; the results alone are on standard output."""
    print(text, file=sys.stderr, flush=True)


@functools.cache
def tool(name: str) -> str:
    """A program of the system, installed if need be and possible. Raises Failed."""
    path = shutil.which(name, path=SYSTEM_PATH)
    if path is None and name in PACKAGES:
        _install(PACKAGES[name])
        path = shutil.which(name, path=SYSTEM_PATH)
    if path is None:
        raise Failed(f"{name} is not there" + (f" (apt-get install {PACKAGES[name]})" if name in PACKAGES else ""))
    return path


def _install(package: str) -> None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    say(f"installing {package} with apt-get ...")
    # RUNLEVEL=1: a service that comes with it is not started
    settings = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    command = ["apt-get", "install", "-y", "--no-install-recommends", package]
    if subprocess.run(command, env=settings, capture_output=True, check=False).returncode:  # noqa: S603
        subprocess.run(["apt-get", "update"], env=settings, capture_output=True, check=False)  # noqa: S607
        subprocess.run(command, env=settings, capture_output=True, check=False)  # noqa: S603


def _run(what: str, *argv: "str | Path", cwd: "Path | None" = None, **variables: str) -> None:
    done = subprocess.run(  # noqa: S603
        [tool("nice"), *argv], capture_output=True, text=True, cwd=cwd, env={**os.environ, **variables}, check=False
    )  # fmt: skip
    if done.returncode:
        reason = next(
            (line for line in done.stderr.splitlines() if "error" in line.lower()), done.stderr.strip()[-200:]
        )
        raise Failed(f"{what} cannot be built: {reason[:200]}")


@functools.cache
def _cargo() -> None:
    if shutil.which("cargo") is None:
        raise Failed("cargo is not there")
    tool("protoc")
    if not CARGO.exists():
        say("building the Rust peers (some minutes, the first time) ...")
    _run("a Rust peer", "cargo", "build", "--release", "--target-dir", CARGO, cwd=PEERS)


@functools.cache
def _go() -> None:
    """Built from a copy, since the code generated from the .proto goes among the sources."""
    if shutil.which("go") is None:
        raise Failed("go is not there")
    sources, programs = GO / "src", GO / "bin"
    if not programs.exists():
        say("building the Go peers (a minute or two, the first time) ...")
    shutil.rmtree(sources, ignore_errors=True)
    programs.mkdir(parents=True, exist_ok=True)
    for part in ("go.mod", "go.sum", "checks-go", "gin", "grpc-go", "article"):
        origin, copy = PEERS / part, sources / part
        if origin.is_dir():
            shutil.copytree(origin, copy)
        else:
            sources.mkdir(exist_ok=True)
            shutil.copy2(origin, copy)
    _run("protoc's Go plugins", "go", "build", "-o", f"{programs}/", *CODE_GENERATORS, cwd=sources)
    plugins = [f"--plugin={programs / Path(generator).name}" for generator in CODE_GENERATORS]
    out = ["--go_out=.", "--go_opt=module=headgate-bench", "--go-grpc_out=.", "--go-grpc_opt=module=headgate-bench"]
    _run("the article's .proto", tool("protoc"), *plugins, *out, "article/proto/validator.proto", cwd=sources)
    renamed = [f"--go{kind}_opt=M{file}=headgate-bench/headgatev1" for kind in ("", "-grpc") for file in PROTO_FILES]
    _run("our .proto files", tool("protoc"), *plugins, *out, *renamed, f"-I{PROTO}", *PROTO_FILES, cwd=sources)
    _run("grpc-go", "go", "build", "-o", programs / "peer-grpc-go", "./grpc-go", cwd=sources)
    _run("Gin alone", "go", "build", "-o", programs / "peer-gin", "./gin", cwd=sources)
    _run("the article's gateway", "go", "build", "-o", programs / "peer-article", "./article/gateway", cwd=sources)


def rust(name: str) -> Path:
    _cargo()
    return CARGO / "release" / name


def golang(name: str) -> Path:
    _go()
    return GO / "bin" / name


@functools.cache
def _core() -> Path:
    archive = C / "plain" / "core.a"
    _run("our core", tool("make"), "-s", "-C", ROOT / "native_ext", f"BUILD={C}", archive)
    return archive


@functools.cache
def floor(kind: str) -> Path:
    """`fixed` or `core`. -O2, as the wheel is."""
    folder, program = PEERS / "floor", C / f"floor-{kind}"
    _run(f"floor-{kind}", tool("gcc"), "-std=c11", "-O2", f"-I{ROOT / 'native_ext'}", "-o", program, folder / "floor.c",
         folder / f"{kind}.c", _core())  # fmt: skip
    return program


@functools.cache
def loader() -> Path:
    program = C / "loader"
    C.mkdir(parents=True, exist_ok=True)
    _run("the loader", tool("gcc"), "-std=c11", "-O2", "-o", program, PEERS / "loader" / "loader.c")
    return program


@functools.cache
def uvicorn() -> Path:
    try:
        environment.make(UVICORN, PEERS / "uvicorn" / "requirements.txt")
    except subprocess.CalledProcessError:
        raise Failed("FastAPI and uvicorn cannot be installed with pip") from None
    return UVICORN / "bin" / "uvicorn"


@functools.cache
def grpcio() -> "tuple[Path, Path]":
    """-> the interpreter that has it, and where the code made of our .proto files is."""
    python, stubs = GRPCIO / "bin" / "python", GRPCIO / "stubs"
    try:
        environment.make(GRPCIO, PEERS / "grpc-python" / "requirements.txt")
    except subprocess.CalledProcessError:
        raise Failed("grpcio cannot be installed with pip") from None
    stubs.mkdir(exist_ok=True)
    out = [f"--python_out={stubs}", f"--grpc_python_out={stubs}"]
    _run("our .proto files", python, "-m", "grpc_tools.protoc", f"-I{PROTO}", *out, *PROTO_FILES)
    return python, stubs


@functools.cache
def ours() -> Path:
    """The folder of a headgate_native as in the wheels: with the libnghttp2 that is pinned for them, linked in."""
    sys.path.insert(0, str(NATIVE / "wheels"))
    import nghttp2  # noqa: PLC0415 - of the wheels

    prefix = BUILD / f"nghttp2-{nghttp2.VERSION}"
    folder = BUILD / f"ours-{nghttp2.VERSION}"  # each its own: setuptools does not look at what it links
    try:
        nghttp2.build(nghttp2.source(environment.CACHE), prefix, [tool("gcc"), "-g0"], ["ar"])
    except nghttp2.Failed as error:
        raise Failed(str(error)) from None
    _run("our extensions", sys.executable, "setup.py", "-q", "build_ext", "--build-lib", folder, "--build-temp",
         BUILD / f"{folder.name}-objects", cwd=ROOT, HEADGATE_NGHTTP2=str(prefix), CFLAGS="-g0")  # fmt: skip
    for file in (NATIVE / "headgate_native").glob("*.py"):
        shutil.copy(file, folder / "headgate_native")
    return folder


def certificate(folder: Path) -> "tuple[Path, Path]":
    """A self-signed certificate of this run (ECDSA P-256), and its key."""
    certificate, key = folder / "cert.pem", folder / "cert.key"
    if not certificate.exists():
        _run("a certificate", tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", certificate, "-days", "2",
             "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")  # fmt: skip
        key.chmod(0o600)
    return certificate, key


@functools.cache
def versions() -> "dict[str, str]":
    """Of what was measured and of what measured it."""
    found = {}
    for name, argv in {"go": ["version"], "rustc": ["--version"], "nginx": ["-v"], "redis-server": ["--version"],
                       "wrk": ["-v"], "h2load": ["--version"], "gcc": ["--version"]}.items():  # fmt: skip
        path = shutil.which(name, path=SYSTEM_PATH)
        if path:
            done = subprocess.run([path, *argv], capture_output=True, text=True, check=False)  # noqa: S603
            found[name] = (done.stdout or done.stderr).strip().splitlines()[0][:80]
    return found
