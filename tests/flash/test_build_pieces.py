"""The steps of an image by themselves, without Debian: modules, root, bill of materials, wheel."""

import json
import lzma
import os
import struct
import time
from pathlib import Path

import pytest

from headgate.errors import BUG, MISSING, USAGE, CommandError
from headgate_host.image import device_tree, kernel, sbom, system, wheel

DEPENDENCIES = """\
kernel/fs/ext4/ext4.ko.xz: kernel/fs/jbd2/jbd2.ko.xz kernel/lib/crc16.ko.xz
kernel/fs/jbd2/jbd2.ko.xz:
kernel/lib/crc16.ko.xz:
kernel/drivers/net/lan78xx.ko.xz: kernel/drivers/net/phy/libphy.ko.xz kernel/drivers/net/phy/mdio-bus.ko.xz
kernel/drivers/net/phy/libphy.ko.xz: kernel/drivers/net/phy/mdio-bus.ko.xz
kernel/drivers/net/phy/mdio-bus.ko.xz:
"""


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    folder = tmp_path / "usr/lib/modules/6.12.0"
    folder.mkdir(parents=True)
    (folder / "modules.dep").write_text(DEPENDENCIES)
    (folder / "modules.builtin").write_text("kernel/drivers/virtio/virtio_pci.ko\n")
    return folder


def test_modules_come_after_what_they_need(modules: Path) -> None:
    chosen = [Path(path).name for path in kernel.closure(modules, ["lan78xx", "ext4"])]
    assert chosen[:3] == ["mdio-bus.ko.xz", "libphy.ko.xz", "lan78xx.ko.xz"]
    assert set(chosen[3:]) == {"crc16.ko.xz", "jbd2.ko.xz", "ext4.ko.xz"}
    assert chosen[-1] == "ext4.ko.xz"


def test_built_in_modules_need_no_file_and_unknown_ones_are_a_mistake(modules: Path) -> None:
    assert kernel.closure(modules, ["virtio-pci"]) == []  # - and _ are the same
    with pytest.raises(CommandError, match="has no module ext5") as caught:
        kernel.closure(modules, ["ext5"])
    assert caught.value.code == BUG


def tree(*parts: "bytes | tuple[str, bytes]") -> bytes:
    """A flattened device tree: b"name" begins a node, b"" ends one, a pair is a property."""
    body, names = b"", b""
    for part in parts:
        if isinstance(part, tuple):
            body += struct.pack(">III", 3, len(part[1]), len(names)) + part[1] + bytes(-len(part[1]) % 4)
            names += part[0].encode() + b"\0"
        else:
            body += struct.pack(">I", 1) + part + bytes(4 - len(part) % 4) if part else struct.pack(">I", 2)
    body += struct.pack(">I", 9)
    sizes = (40 + len(body) + len(names), 40, 40 + len(body), 40, 17, 16, 0, len(names), len(body))
    return struct.pack(">10I", device_tree.MAGIC, *sizes) + body + names


def test_what_a_card_needs() -> None:
    off = ("status", b"disabled\0")
    supply = (b"regulator", ("compatible", b"regulator-fixed\0"), ("phandle", b"\0\0\0\7"), b"")
    card = (b"mmc@7e340000", ("compatible", b"brcm,bcm2711-emmc2\0b\0"), ("vmmc-supply", b"\0\0\0\7"), b"")
    other = (b"mmc@7e300000", ("compatible", b"brcm,bcm2835-sdhci\0"), off, b"")
    data = tree(b"root", *supply, b"soc", *card, *other, b"", b"")
    assert device_tree.storage(data) == {"mmc@7e340000": ["brcm,bcm2711-emmc2", "b"], "regulator": ["regulator-fixed"]}
    with pytest.raises(ValueError, match="not a whole device tree"):
        device_tree.nodes(data[:-1])


def test_drivers_of_a_device(modules: Path) -> None:
    lines = ["alias of:N*T*Cregulator-fixed fixed", "alias of:N*T*Cregulator-fixedC* fixed", "alias pci:v1 other", "#"]
    (modules / "modules.alias").write_text("\n".join(lines))
    assert kernel.drivers(modules, ["none", "regulator-fixed"]) == {"fixed"}
    assert kernel.drivers(modules, ["regulator"]) == set()


class NoTools:
    """depmod's place: these tests need no index."""

    def run(self, *_: object, **__: object) -> str:
        return ""


def test_modules_are_installed_unpacked(modules: Path, tmp_path: Path) -> None:
    for line in DEPENDENCIES.splitlines():
        path = modules / line.partition(":")[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(lzma.compress(path.name.encode()))
    for name in ("modules.builtin.modinfo", "modules.order"):
        (modules / name).touch()
    order = kernel.install(modules, ["ext4"], tmp_path / "root", NoTools())  # type: ignore[arg-type]
    assert order[-1] == "ext4"
    root = tmp_path / "root/usr/lib/modules/6.12.0"
    assert (root / "kernel/fs/ext4/ext4.ko").read_bytes() == b"ext4.ko.xz"
    assert sorted(path.name for path in root.rglob("*.ko")) == ["crc16.ko", "ext4.ko", "jbd2.ko"]


def test_pruning_keeps_licences(tmp_path: Path) -> None:
    for name in ("usr/share/doc/a/copyright", "usr/share/doc/a/NEWS.gz", "usr/share/man/man1/a.1", "usr/bin/a"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "usr/share/locale").symlink_to("man")
    system.prune(tmp_path, ["usr/share/man", "usr/share/locale", "usr/share/none*"], "usr/share/doc/*/copyright")
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if not path.is_dir())
    assert left == ["usr/bin/a", "usr/share/doc/a/copyright"]


def test_an_overlay_replaces_and_never_writes_to_shared_files(tmp_path: Path) -> None:
    shared, root, over = tmp_path / "shared", tmp_path / "root", tmp_path / "over"
    for folder in (shared, root / "etc", over / "etc"):
        folder.mkdir(parents=True)
    (shared / "fstab").write_text("Debian's\n")
    (root / "etc/fstab").hardlink_to(shared / "fstab")
    (over / "etc/fstab").write_text("ours\n")
    (over / "etc/run").write_text("#!/bin/sh\n")
    (over / "etc/run").chmod(0o700)
    (over / "etc/link").symlink_to("fstab")
    old = os.umask(0o077)
    try:
        for _ in range(2):  # a second overlay may hold the same names
            system.overlay(over, root)
    finally:
        os.umask(old)
    system.overlay(tmp_path / "none", root)
    assert (shared / "fstab").read_text() == "Debian's\n"
    assert (root / "etc/fstab").read_text() == "ours\n"
    assert (root / "etc/fstab").stat().st_mode & 0o777 == 0o644
    assert (root / "etc/run").stat().st_mode & 0o777 == 0o755
    assert (root / "etc/link").readlink() == Path("fstab")


STATUS = """\
Package: libssl3t64
Status: install ok unpacked
Architecture: arm64
Source: openssl
Version: 3.5.1-1
Maintainer: Debian OpenSSL Team <x@example>
Description: shared libraries
 More lines.

Package: perl-base
Status: install ok unpacked
Architecture: arm64
Version: 5.40.1-6
Maintainer: Niko <n@example>

"""
METADATA = """\
Metadata-Version: 2.3
Name: paho-mqtt
Version: 2.1.0
Author-email: Roger
License-Expression: EPL-2.0

Text
"""


def test_the_bill_names_what_was_taken(tmp_path: Path) -> None:
    info = tmp_path / sbom.DPKG / "info"
    info.mkdir(parents=True)
    (info.parent / "status").write_text(STATUS)
    (info / "libssl3t64.list").write_text("/\n/usr/\n/usr/lib/libssl.so.3\n")
    (info / "perl-base.list").write_text("/\n/usr/\n/usr/bin/perl\n")
    (tmp_path / "paho_mqtt-2.1.0.dist-info").mkdir()
    (tmp_path / "paho_mqtt-2.1.0.dist-info/METADATA").write_text(METADATA)
    names = sbom.owners(tmp_path, ["usr/lib/libssl.so.3", "usr/bin/headgate"])
    components = [*sbom.debian(tmp_path, names), *sbom.python(tmp_path)]
    assert [(one.name, one.version) for one in components] == [("libssl3t64", "3.5.1-1"), ("paho-mqtt", "2.1.0")]
    document = sbom.document("headgate-x.img.zst", "ab" * 32, components, 1764345600)
    again = sbom.document("headgate-x.img.zst", "ab" * 32, [*reversed(components), components[0]], 1764345600)
    assert sbom.encode(document) == sbom.encode(again)
    image, deb, pypi = json.loads(sbom.encode(document))["packages"]
    assert image["checksums"] == [{"algorithm": "SHA256", "checksumValue": "ab" * 32}]
    assert deb["externalRefs"][0]["referenceLocator"] == "pkg:deb/debian/libssl3t64@3.5.1-1?arch=arm64&upstream=openssl"
    assert pypi["externalRefs"][0]["referenceLocator"] == "pkg:pypi/paho-mqtt@2.1.0"
    assert pypi["licenseDeclared"] == "EPL-2.0"
    assert document["creationInfo"]["created"] == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1764345600))
    described = {row["relatedSpdxElement"] for row in document["relationships"]}
    assert described == {package["SPDXID"] for package in document["packages"]}


def test_a_wheel_must_be_for_the_machine(tmp_path: Path) -> None:
    good = tmp_path / "headgate-1.0-cp311-abi3-manylinux_2_17_aarch64.whl"
    with pytest.raises(CommandError, match="no wheel") as caught:
        wheel.named(good, "aarch64")
    assert caught.value.code == MISSING
    good.touch()
    assert wheel.named(good, "aarch64") == good
    with pytest.raises(CommandError, match="no wheel for armv7l") as caught:
        wheel.named(good, "armv7l")
    assert caught.value.code == USAGE
