"""The machines the tests run on under emulation, by what platform.machine() says there."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    architecture: str  # Debian's word
    c_tests: str  # target of native_ext/Makefile
    python: bool = True  # Debian has a Python for it
    compiler: str = ""  # Debian's cross compiler
    packages: str = ""  # that have the compiler
    triplet: str = ""  # where Debian keeps headers and libraries of this machine
    from_debian: tuple[str, ...] = ()  # Python packages with C that have no wheel for this machine on PyPI


MACHINES = {
    "aarch64": Machine(
        "arm64",
        "test-arm64",
        compiler="aarch64-linux-gnu-gcc",
        packages="gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
        triplet="aarch64-linux-gnu",
    ),
    "armv7l": Machine(
        "armhf",
        "test-arm",
        compiler="arm-linux-gnueabihf-gcc",
        packages="gcc-arm-linux-gnueabihf libc6-dev-armhf-cross",
        triplet="arm-linux-gnueabihf",
        from_debian=("nacl", "zstandard", "cffi"),
    ),
    # Debian's armhf is ARMv7. The make target itself says which processor it is.
    "armv6l": Machine("armhf", "test-armv6", python=False),
}
