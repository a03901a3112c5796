"""Builds the C core and the clients of `headgate load` as abi3 extensions; the rest is in pyproject.toml.

Knobs for developers, by environment: HEADGATE_WERROR=1 (warnings are errors), HEADGATE_SANITIZE=address,undefined,
HEADGATE_COVERAGE=1 (gcov).
"""

import os
import shlex
import subprocess
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ABI = "0x030B0000"  # CPython 3.11 and everything after it

compile_args = ["-std=c11", "-O2", "-fvisibility=hidden", "-Wall", "-Wextra"]
compile_args += ["-Wconversion", "-Wshadow", "-Wstrict-prototypes", "-fstack-protector-strong"]
compile_args += ["-fno-wrapv"]  # Python has -fwrapv; nothing here counts on it (UBSan), and it costs 4 %
compile_args += ["-fno-asynchronous-unwind-tables"]  # nothing here throws; debuggers read .debug_frame
link_args = ["-Wl,-z,relro,-z,now"]
if os.environ.get("HEADGATE_WERROR") == "1":
    compile_args.append("-Werror")
sanitize = os.environ.get("HEADGATE_SANITIZE")
if sanitize:
    compile_args += [f"-fsanitize={sanitize}", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-O1"]
    link_args.append(f"-fsanitize={sanitize}")
else:  # the sanitizers' checks and glibc's get in each other's way
    compile_args += ["-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"]
if os.environ.get("HEADGATE_COVERAGE") == "1":
    compile_args += ["--coverage", "-O0", "-U_FORTIFY_SOURCE"]
    link_args.append("--coverage")

# Files of the core every message passes through; the others need not be fast, but small.
HOT = """
    answer base64url commits connection decimal find format format_host format_time format_uri http1 http1_head
    http1_target intake limiter net_linux number output pattern request router scan serve serve_cache
    serve_message server session sha256 siphash store table to_cbor to_json token tokens validate_cbor
    validate_json wheel work"""


class BuildExt(build_ext):
    def build_extensions(self) -> None:
        compile_one = self.compiler._compile

        def compile_sized(obj: str, src: str, ext: str, cc_args: list[str], *flags: list[str]) -> None:
            cold = Path(src).parent.name == "core" and Path(src).stem not in HOT.split() and not sanitize
            compile_one(obj, src, ext, cc_args, flags[0] + ["-Os"] * cold, *flags[1:])

        self.compiler._compile = compile_sized
        super().build_extensions()


native = Path("native_ext")


def has_headers(*names: str) -> bool:
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    lines = "".join(f"#include <{name}>\n" for name in names).encode()
    try:
        command = [*compiler, "-E", "-xc", "-"]
        return subprocess.run(command, input=lines, capture_output=True, check=False).returncode == 0  # noqa: S603
    except OSError:
        return False


def extension(name: str, *folders: str, libraries: tuple[str, ...] = ()) -> Extension:
    return Extension(
        f"headgate_native.{name}",
        sources=sorted(str(file) for folder in folders for file in native.glob(f"{folder}/*.c")),
        depends=sorted(map(str, native.glob("*/*.h"))),
        include_dirs=[str(native)],
        define_macros=[("Py_LIMITED_API", ABI)],
        extra_compile_args=compile_args,
        extra_link_args=link_args,
        libraries=list(libraries),
        py_limited_api=True,
    )


extensions = [extension("_native", "core", "cpython"), extension("_load", "load", "load_http1")]  # _load: hosts only
if has_headers("nghttp2/nghttp2.h", "openssl/ssl.h"):  # a wheel needs nothing but libc, and goes without
    extensions.append(extension("_load_http2", "load", "load_http2", libraries=("nghttp2", "ssl", "crypto")))

setup(
    cmdclass={"build_ext": BuildExt},
    ext_modules=extensions,
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
