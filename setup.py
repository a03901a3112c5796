"""Builds the C core as one abi3 extension; everything else about the distribution is in pyproject.toml.

Knobs for developers, by environment: HEADGATE_WERROR=1 (warnings are errors), HEADGATE_SANITIZE=address,undefined,
HEADGATE_COVERAGE=1 (gcov).
"""

import os
from pathlib import Path

from setuptools import Extension, setup

ABI = "0x030B0000"  # CPython 3.11 and everything after it

compile_args = ["-std=c11", "-O2", "-fvisibility=hidden", "-Wall", "-Wextra"]
compile_args += ["-Wconversion", "-Wshadow", "-Wstrict-prototypes", "-fstack-protector-strong"]
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

native = Path("native_ext")
setup(
    ext_modules=[
        Extension(
            "headgate_native._native",
            sources=sorted(map(str, [*native.glob("core/*.c"), *native.glob("cpython/*.c")])),
            depends=sorted(map(str, native.glob("*/*.h"))),
            include_dirs=[str(native)],
            define_macros=[("Py_LIMITED_API", ABI)],
            extra_compile_args=compile_args,
            extra_link_args=link_args,
            py_limited_api=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
