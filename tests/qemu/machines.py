"""The machines the tests run on under emulation, by what platform.machine() says there."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    architecture: str  # Debian's word
    c_tests: str  # target of native_ext/Makefile
    python: bool = True  # Debian has a Python for it
    from_debian: tuple[str, ...] = ()  # Python packages with C that have no wheel for this machine on PyPI


MACHINES = {
    "aarch64": Machine("arm64", "test-arm64"),
    "armv7l": Machine("armhf", "test-arm", from_debian=("nacl", "zstandard", "cffi")),
    # Debian's armhf is ARMv7. The make target itself says which processor it is.
    "armv6l": Machine("armhf", "test-armv6", python=False),
}
