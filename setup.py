"""Builds the C core, HTTP/2 and gRPC for it and the clients of `headgate load` as abi3 extensions; the rest is in
pyproject.toml.

Knobs for developers, by environment: HEADGATE_WERROR=1 (warnings are errors), HEADGATE_SANITIZE=address,undefined,
HEADGATE_COVERAGE=1 (gcov).

HTTP/2 is on libnghttp2. HEADGATE_NGHTTP2=/prefix: the static library lib/libnghttp2.a and the headers there; otherwise
what pkg-config finds. Without it the extension is left out, and `[listen] http2 = true` is refused. `headgate load
--http2` needs OpenSSL beside it, which no wheel brings.
"""

import os
import shlex
import shutil
import subprocess
import sys
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
    answer base64url commits connection decimal events find format format_host format_time format_uri http1
    http1_head http1_target intake limiter lookup net_linux number output pattern request router rows scan secret serve
    serve_cache serve_message server session sha256 siphash store table to_cbor to_json token tokens validate_cbor
    validate_json wheel work"""

# What importing the extension and compiling a schema goes through. It is linked first, so that it lies together: the
# kernel maps 64 KiB around each page that is touched, and then that is little of the rest. What is hot lies together
# behind it: after a pause each page of code costs a walk through the tables of pages. LTO undoes both.
EARLY = """
    binding compile compile_array compile_choice compile_join compile_look compile_loops compile_merge compile_node
    compile_number compile_object compile_road compile_same compile_scopes constants fault find findings format keywords
    lint lookup module number number_text pattern pattern_class pattern_dfa pattern_escape pattern_form pattern_nfa
    pattern_parse pattern_property pattern_regex pattern_set pattern_unicode pattern_utf8 pool program resources scan
    schema schema_document siphash tree uri"""


# Of no use to anybody's speed (validator, message path), and 12 KiB of the validator's 310. clang has not all of them.
SMALLER_BY_GCC = """
    -fno-align-jumps -fno-align-labels -fno-align-loops -fno-partial-inlining -fno-tree-vectorize"""


def is_gcc(compiler: list[str]) -> bool:
    command = [*compiler, "-E", "-dM", "-x", "c", os.devnull]
    defined = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return "__GNUC__ " in defined and "__clang__ " not in defined


class BuildExt(build_ext):
    def build_extensions(self) -> None:
        compile_one = self.compiler._compile
        smaller = SMALLER_BY_GCC.split() if is_gcc(self.compiler.compiler_so) else []

        def compile_sized(obj: str, src: str, ext: str, cc_args: list[str], *flags: list[str]) -> None:
            cold = Path(src).parent.name == "core" and Path(src).stem not in HOT.split() and not sanitize
            compile_one(obj, src, ext, cc_args, flags[0] + smaller + ["-Os"] * cold, *flags[1:])

        link = self.compiler.link_shared_object

        def place(path: str) -> int:
            name = Path(path).stem
            hot = name in HOT.split()
            return int(hot) if name in EARLY.split() else 2 + (not hot)

        def link_in_order(objects: list[str], *more: object, **options: object) -> None:
            link(sorted(objects, key=place), *more, **options)

        self.compiler._compile = compile_sized
        self.compiler.link_shared_object = link_in_order
        super().build_extensions()


native = Path("native_ext")


Library = dict[str, list[str]]


def nghttp2() -> Library | None:
    """How to compile and link with it; None: it is not there."""
    prefix = os.environ.get("HEADGATE_NGHTTP2")
    if prefix:
        return {
            "include_dirs": [f"{prefix}/include"],
            "extra_objects": [f"{prefix}/lib/libnghttp2.a"],
            "extra_compile_args": ["-DNGHTTP2_STATICLIB"],
            "extra_link_args": [],
        }
    found = by_pkg_config("libnghttp2 >= 1.43")
    if found is None:
        print(
            "setup.py: HTTP/2 is left out: no libnghttp2 (Debian: apt-get install libnghttp2-dev pkgconf)",
            file=sys.stderr,
        )
    return found


def by_pkg_config(*packages: str) -> Library | None:
    program = shutil.which(os.environ.get("PKG_CONFIG", "pkg-config"))
    if program is None or subprocess.run([program, "--exists", *packages], check=False).returncode != 0:
        return None
    found = {
        flag: shlex.split(subprocess.run([program, flag, *packages], capture_output=True, text=True, check=True).stdout)
        for flag in ("--cflags", "--libs")
    }
    return {
        "include_dirs": [],
        "extra_objects": [],
        "extra_compile_args": found["--cflags"],
        "extra_link_args": found["--libs"],
    }


def extension(name: str, *folders: str, core: str = "", library: Library | None = None) -> Extension:
    """Of all sources in these folders, and some of the core."""
    more = library or {"include_dirs": [], "extra_objects": [], "extra_compile_args": [], "extra_link_args": []}
    return Extension(
        f"headgate_native.{name}",
        sources=sorted(str(file) for folder in folders for file in native.glob(f"{folder}/*.c"))
        + [str(native / "core" / f"{name}.c") for name in core.split()],
        depends=sorted(map(str, native.glob("*/*.h"))),
        include_dirs=[str(native), *more["include_dirs"]],
        extra_objects=more["extra_objects"],
        define_macros=[("Py_LIMITED_API", ABI)],
        extra_compile_args=compile_args + more["extra_compile_args"],
        extra_link_args=link_args + more["extra_link_args"],
        py_limited_api=True,
    )


extensions = [extension("_native", "core", "cpython"), extension("_load", "load", "load_http1")]  # _load: hosts only
library = nghttp2()
if library is not None:
    extensions.append(
        extension("_http2", "http2", "grpc", core="decimal find output scan secret siphash", library=library)
    )
library = None if os.environ.get("HEADGATE_NGHTTP2") else by_pkg_config("libnghttp2 >= 1.43", "openssl >= 3")
if library is not None:
    extensions.append(extension("_load_http2", "load", "load_http2", library=library))

setup(
    cmdclass={"build_ext": BuildExt},
    ext_modules=extensions,
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
