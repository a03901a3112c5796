"""The machines that wheels are made for: their tags, and what a compiler must be told to make code for them."""

from dataclasses import dataclass

LIBCS = ("glibc", "musl")


@dataclass(frozen=True)
class Target:
    machine: str  # Python's word, as in a wheel's tag
    libc: str
    zig: str  # zig's words: target and processor
    processor: str
    platform: str  # the tag that cibuildwheel and auditwheel give; what they find may be older
    debian: str = ""  # Debian's word; empty: Debian has no such machine

    @property
    def name(self) -> str:
        return f"{self.machine}-{self.libc}"

    @property
    def compiler(self) -> list[str]:
        return ["-target", self.zig, f"-mcpu={self.processor}"]


# As Debian's armhf: no NEON, and 16 registers of the VFP; some ARMv7 boards have no more.
ARMV7 = "generic+v7a-neon-d32+vfp3d16"
# Unaligned words, which this processor reads itself only with a bit set by the kernel and never two at a time, are read
# as bytes.
ARMV6 = "arm1176jzf_s+strict_align"

# glibc 2.28: Debian 10 and everything after it. No tag but linux_armv6l exists for ARMv6; pip takes it there.
TARGETS = (
    Target("x86_64", "glibc", "x86_64-linux-gnu.2.28", "x86_64", "manylinux_2_28_x86_64", "amd64"),
    Target("aarch64", "glibc", "aarch64-linux-gnu.2.28", "generic", "manylinux_2_28_aarch64", "arm64"),
    Target("armv7l", "glibc", "arm-linux-gnueabihf.2.28", ARMV7, "manylinux_2_31_armv7l", "armhf"),
    Target("armv6l", "glibc", "arm-linux-gnueabihf.2.28", ARMV6, "linux_armv6l"),
    Target("x86_64", "musl", "x86_64-linux-musl", "x86_64", "musllinux_1_2_x86_64"),
    Target("aarch64", "musl", "aarch64-linux-musl", "generic", "musllinux_1_2_aarch64"),
    Target("armv7l", "musl", "arm-linux-musleabihf", ARMV7, "musllinux_1_2_armv7l"),
)
MACHINES = tuple(dict.fromkeys(target.machine for target in TARGETS))
