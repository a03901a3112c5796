"""What a request over HTTP/2 or gRPC costs the server, in instructions: the same on a busy machine as on a quiet one.

    python bench/http2count.py                          with the libnghttp2 that pkg-config finds
    HEADGATE_NGHTTP2=/prefix python bench/http2count.py ... with a static one, as in the wheels

`http2count/request.c` on a scripted network, ten requests in one read as h2load sends them, by valgrind's cachegrind;
no kernel, no Python. A figure is the difference of two runs that differ in their rounds only. A minute."""

import os
import shlex
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from validate.count import CannotCount, instructions

ROOT = Path(__file__).resolve().parent.parent
NATIVE = ROOT / "native_ext"
PROGRAM = ROOT / "bench" / "http2count" / "request.c"
KINDS = {
    "get": "GET 106 bytes from the cache",
    "ingest": "POST a message, answered from memory",
    "grpc-validate": "gRPC ValidateOne",
    "grpc-publish": "gRPC Publish, answered from memory",
}
ROUNDS, TOGETHER = (4, 44), 10
FLAGS = ("-std=gnu11", "-O2", f"-I{NATIVE}")
CANNOT = 2


def library() -> "tuple[list[str], list[str]]":
    """How to compile and to link with libnghttp2."""
    prefix = os.environ.get("HEADGATE_NGHTTP2")
    if prefix:
        return [f"-I{prefix}/include", "-DNGHTTP2_STATICLIB"], [f"{prefix}/lib/libnghttp2.a"]

    def found(flag: str) -> "list[str]":
        argv = ["pkg-config", flag, "libnghttp2"]
        return shlex.split(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)  # noqa: S603

    return found("--cflags"), found("--libs")


def build(folder: Path) -> Path:
    """Optimized as setup.py does it for what requests pass through."""
    compiling, linking = library()
    sources = [file for part in ("core", "grpc", "http2") for file in sorted((NATIVE / part).glob("*.c"))]
    sources = [*(file for file in sources if file.name != "module.c"), PROGRAM]
    objects = [folder / f"{file.parent.name}-{file.stem}.o" for file in sources]

    def compile_one(pair: "tuple[Path, Path]") -> None:
        source, compiled = pair
        subprocess.run(["gcc", *FLAGS, *compiling, "-c", source, "-o", compiled], check=True)  # noqa: S603, S607

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(compile_one, zip(sources, objects, strict=True)))
    program = folder / "request"
    subprocess.run(["gcc", *objects, *linking, "-lpthread", "-o", program], check=True)  # noqa: S603, S607
    return program


def main() -> int:
    few, many = ROUNDS
    try:
        with tempfile.TemporaryDirectory(prefix="headgate-bench-") as folder:
            program = str(build(Path(folder)))
            for kind, what in KINDS.items():
                low, high = (instructions([program, kind, str(rounds)]) for rounds in ROUNDS)
                print(f"{what:40} {(high - low) / ((many - few) * TOGETHER):9,.0f}")
    except (CannotCount, OSError, subprocess.CalledProcessError) as error:
        print(f"http2count: cannot count: {error}", file=sys.stderr)
        return CANNOT
    return 0


if __name__ == "__main__":
    sys.exit(main())
