"""The machines the tests run on under emulation."""

from typing import NamedTuple


class Machine(NamedTuple):
    architecture: str  # Debian's word
    compiler: str  # Debian's cross compiler
    packages: str  # that have the compiler
    triplet: str  # where Debian keeps headers and libraries of this machine
    c_tests: str  # target of native_ext/Makefile
    from_debian: tuple[str, ...]  # Python packages with C that have no wheel for this machine on PyPI


MACHINES = {
    "aarch64": Machine(
        "arm64",
        "aarch64-linux-gnu-gcc",
        "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
        "aarch64-linux-gnu",
        "test-arm64",
        (),
    ),
    "armv7l": Machine(
        "armhf",
        "arm-linux-gnueabihf-gcc",
        "gcc-arm-linux-gnueabihf libc6-dev-armhf-cross",
        "arm-linux-gnueabihf",
        "test-arm",
        ("nacl", "zstandard", "cbor2", "cffi"),
    ),
}
