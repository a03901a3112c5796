"""Specifications of `headgate flash` on real block devices (loop): numbered, each one thing that must hold.

F01 … F19 good disks and refusals by the kernel; F20 … faults: a bad disk is found out, and does not boot.
"""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from headgate import errors
from headgate.core import base64url
from headgate.linux import ed25519, keys, provisioning
from headgate.linux.image_format import FIRST
from headgate_host.flash import image_pack
from headgate_host.flash.image_open import Image, trusted_keys

from . import kit
from .command import Done, Loop, headgate, loop
from .kit import MIB

BOARD = "qemu-virt-arm64"
SIZE = 32 * MIB  # of the loop devices
HEAD_END = 34 * 512  # of the partition table, the only data in the first MiB


@pytest.fixture(scope="module")
def qemu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("qemu")
    kit.trust(folder)
    return kit.make_image(folder, replace(kit.FACTS, board=BOARD))


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shim of faults.c."""
    compiler = shutil.which("cc") or shutil.which("gcc") or pytest.skip("no C compiler")
    library = tmp_path_factory.mktemp("faults") / "faults.so"
    source = Path(__file__).with_name("faults.c")
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, "-o", str(library), str(source), "-ldl"], check=True)
    return library


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Loop]:
    """A disk on which something bootable was, everywhere."""
    backing = tmp_path / "backing"
    with backing.open("wb") as file:
        for _ in range(SIZE // MIB):
            file.write(b"\xaa" * MIB)
    with loop(backing, SIZE) as made:
        yield made


def flash(disk: Loop, image: Path, *words: str, fault: dict[str, object] | None = None) -> Done:
    trusted = ("--trust", str(image.parent))
    all_words = ("flash", BOARD, "--image", str(image), *trusted, "--disk", disk.device, "--json", *words)
    return headgate(*all_words, fault=fault, answer=disk.name)


def check_written(disk: Loop, image: Path) -> None:
    """Every mapped range is on the disk, nothing in the holes was touched, the provisioning area is whole."""
    with Image(image, trusted_keys([image.parent])) as opened:
        manifest = opened.manifest
    for start, data in kit.expected(image.with_name("image.raw"), manifest):
        assert disk.read(start, len(data)) == data, start
    assert disk.read(17 * MIB, 4 * MIB) == b"\xaa" * (4 * MIB)  # data, sparse; no marks are there
    area = manifest.provisioning
    assert area is not None
    record = disk.read(area.start, area.size)
    document = provisioning.decode(record)
    assert document is not None
    assert not record[len(provisioning.encode(document)) :].strip(b"\0")


def check_does_not_boot(disk: Loop) -> None:
    assert disk.read(0, FIRST) == bytes(FIRST)


def error_of(done: Done) -> dict[str, str]:
    """The one line of a failure, behind the question if there was one."""
    assert done.err.count("\n") == 1, done.err
    error: dict[str, str] = json.loads(done.err[done.err.index('{"error"') :])["error"]
    return error


# --- good disks ------------------------------------------------------------------------------------------------------


def test_f01_written_verified_provisioned_certified(disk: Loop, qemu: Path, tmp_path: Path) -> None:
    began = int(time.time())
    done = flash(disk, qemu, "--hostname", "gate-017")
    assert (done.code, done.err.count("\n")) == (errors.OK, 0), done.err
    check_written(disk, qemu)
    (end,) = done.events("done")
    (file,) = (tmp_path / "birth-certificates").iterdir()
    certificate = json.loads(file.read_text())
    assert certificate == end["certificate"]
    assert file.name == f"gate-017-{certificate['serial']}.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with Image(qemu, trusted_keys([qemu.parent])) as image:
        assert certificate["verify_hash"] == image.manifest.verify_hash()
        assert certificate["image"]["sha256"] == image.manifest.sha256
        assert certificate["image"]["signed_by"] == image.signer
        assert image.manifest.provisioning is not None
        document = provisioning.decode(disk.read(image.manifest.provisioning.start, MIB))
    assert document is not None
    assert document["hostname"] == "gate-017"
    assert began <= document["time"] <= time.time()
    seed = base64url.decode(document["device"]["private_key"].encode())
    public = base64url.encode(ed25519.public_key(seed)).decode()
    assert public == document["device"]["public_key"] == certificate["device_public_key"]
    assert [event["name"] for event in done.events("phase")] == [
        *("checking", "erasing", "probing", "writing", "verifying", "finishing")
    ]
    last = done.events("progress")[-1]
    assert (last["done"], last["phase"]) == (last["total"], "finishing")


def test_f02_verify_agrees_and_finds_a_changed_bit(disk: Loop, qemu: Path) -> None:
    assert flash(disk, qemu).code == errors.OK
    verify = ("verify", disk.device, "--image", qemu, "--trust", qemu.parent)
    done = headgate(*verify)
    assert done.code == errors.OK, done.err
    assert "provisioned as headgate-" in done.out
    with open(disk.device, "r+b", buffering=0) as device:  # noqa: PTH123
        block = os.pread(device.fileno(), 4096, 5 * MIB)
        os.pwrite(device.fileno(), block[:77] + bytes([block[77] ^ 4]) + block[78:], 5 * MIB)
        os.fsync(device.fileno())
    done = headgate(*verify, "--json")
    assert done.code == errors.FINDING
    assert f"at byte {5 * MIB + 77}" in error_of(done)["cause"]


def test_f03_a_file_instead_of_a_disk(qemu: Path, tmp_path: Path) -> None:
    target = tmp_path / "disk.img"
    words = ("flash", BOARD, "--image", qemu, "--trust", qemu.parent, "--out", target, "--no-provision")
    assert headgate(*words).code == errors.OK
    assert target.read_bytes() == qemu.with_name("image.raw").read_bytes()
    assert target.stat().st_blocks * 512 < 16 * MIB  # holes are holes
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk.img"]
    assert headgate("verify", target, "--image", qemu, "--trust", qemu.parent).code == errors.OK


def test_f04_a_dry_run_writes_nothing(disk: Loop, qemu: Path, tmp_path: Path) -> None:
    done = flash(disk, qemu, "--dry-run")
    assert done.code == errors.OK
    assert done.events("done") == [{"event": "done", "dry_run": True}]
    assert disk.backing.read_bytes() == b"\xaa" * SIZE
    assert not (tmp_path / "birth-certificates").exists()


def test_f05_sectors_of_4096_bytes(qemu: Path, tmp_path: Path) -> None:
    with loop(tmp_path / "big", SIZE, "--sector-size", "4096") as disk:
        assert flash(disk, qemu).code == errors.OK
        for start, data in ((FIRST, 2 * MIB), (4 * MIB, MIB)):
            assert disk.read(start, data) == qemu.with_name("image.raw").read_bytes()[start : start + data]


def test_f06_secrets_are_on_the_disk_only(disk: Loop, qemu: Path, tmp_path: Path) -> None:
    settings = tmp_path / "fleet.toml"
    settings.write_text(
        'ssh_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA me"]\n'
        '[wifi]\nssid = "works"\npassword_file = "wifi.txt"\ncountry = "CH"\n'
        '[uplink]\nurl = "mqtts://broker.example:8883"\nusername = "gate"\npassword = "Uplink-Secret"\n'
        '[issuer]\nname = "fleet"\npublic_key_file = "issuer.pub"\n'
    )
    (tmp_path / "wifi.txt").write_text("Wifi-Secret\n")
    keys.write_key(tmp_path / "issuer.pub", ed25519.public_key(kit.SEED), private=False)
    for name in ("fleet.toml", "wifi.txt"):
        (tmp_path / name).chmod(0o600)
    done = flash(disk, qemu, "--provision", str(settings))
    assert done.code == errors.OK
    document = provisioning.decode(disk.read(12 * MIB, MIB))
    assert document is not None
    assert (document["wifi"]["password"], document["uplink"]["password"]) == ("Wifi-Secret", "Uplink-Secret")
    assert document["issuer"]["public_key"] == base64url.encode(ed25519.public_key(kit.SEED)).decode()
    (file,) = (tmp_path / "birth-certificates").iterdir()
    for text in (done.out, done.err, file.read_text()):
        for secret in ("Wifi-Secret", "Uplink-Secret", document["device"]["private_key"]):
            assert secret not in text


def test_f07_an_odd_number_of_sectors_is_erased_to_the_last(qemu: Path, faults: Path, tmp_path: Path) -> None:
    """Where a GPT has the header of its second table."""
    (tmp_path / "odd").write_bytes(b"\xaa" * (SIZE + 512))
    with loop(tmp_path / "odd", SIZE + 512) as disk:
        done = flash(disk, qemu, fault=fault(faults, disk.device, "kill", 9 * MIB))
        assert done.code == -9
        check_does_not_boot(disk)
        assert disk.read(SIZE + 512 - FIRST, FIRST) == bytes(FIRST)
        assert flash(disk, qemu).code == errors.OK
        check_written(disk, qemu)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_f08_nobody_reads_what_it_says(stream: str, disk: Loop, qemu: Path) -> None:
    """`headgate flash … --json | head -1`: no reason to spoil a disk, and 0 is what 0 means."""
    command = [sys.executable, "-m", "headgate", "flash", BOARD, "--image", str(qemu), "--trust", str(qemu.parent)]
    command += ["--disk", disk.device, *(["--json"] if stream == "stdout" else [])]
    ours, theirs = pty.openpty()
    os.write(ours, f"{disk.name}\n".encode())
    reading, writing = os.pipe()
    os.close(reading)
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: writing}
    process = subprocess.run(command, stdin=theirs, timeout=60, check=False, **streams)  # type: ignore[call-overload]
    for one in (ours, theirs, writing):
        os.close(one)
    if stream == "stdout":
        assert process.returncode == errors.OK
        check_written(disk, qemu)
    else:  # the question could not be shown
        assert process.returncode == errors.USAGE
        assert disk.backing.read_bytes() == b"\xaa" * SIZE


def test_f09_nobody_reads_the_progress_to_a_file(qemu: Path, tmp_path: Path) -> None:
    """Nothing is asked then: it is written to its end."""
    command = f"{sys.executable} -m headgate flash {BOARD} --image {qemu} --trust {qemu.parent} --out x.img"
    for target in ("2>&1", "2>/dev/full >/dev/full", ">&- 2>&-"):
        script = f"{{ {command} {target}; echo $? >&3; }} 3>code | true"
        subprocess.run(["sh", "-c", script], timeout=60, check=True)
        assert (tmp_path / "code").read_text() == "0\n"
        assert headgate("verify", "x.img", "--image", qemu, "--trust", qemu.parent).code == errors.OK
        (tmp_path / "x.img").unlink()


# --- what the kernel says --------------------------------------------------------------------------------------------


def reason_of(done: Done) -> tuple[int, str]:
    return done.code, error_of(done)["cause"]


def test_f10_a_disk_that_somebody_holds(disk: Loop, qemu: Path) -> None:
    holder = os.open(disk.device, os.O_RDONLY | os.O_EXCL)
    try:
        assert reason_of(flash(disk, qemu)) == (errors.REFUSED, f"{disk.device} is in use by another program")
    finally:
        os.close(holder)
    assert disk.backing.read_bytes() == b"\xaa" * SIZE


def test_f11_a_mounted_disk(tmp_path: Path, qemu: Path) -> None:
    with loop(tmp_path / "fs", SIZE) as disk:
        subprocess.run(["mke2fs", "-q", disk.device], check=True)
        (tmp_path / "at").mkdir()
        if subprocess.run(["mount", disk.device, str(tmp_path / "at")], check=False).returncode:
            pytest.skip("nothing can be mounted here")
        try:
            assert reason_of(flash(disk, qemu)) == (
                errors.REFUSED,
                f"{disk.device} is in use: {disk.name} is mounted at {tmp_path / 'at'}",
            )
        finally:
            subprocess.run(["umount", str(tmp_path / "at")], check=True)


def test_f12_another_disk_under_the_same_name(disk: Loop, qemu: Path, tmp_path: Path) -> None:
    """While the question stands, the disk is unplugged and another one gets its name."""
    other = tmp_path / "other"
    other.write_bytes(b"\xbb" * SIZE)

    def swap() -> str:
        disk.detach()
        subprocess.run(["losetup", disk.device, str(other)], check=True)
        return disk.name

    words = ("flash", BOARD, "--image", qemu, "--trust", qemu.parent, "--disk", disk.device)
    done = headgate(*words, answer=swap)
    assert done.code == errors.REFUSED
    assert "is another disk now" in done.err
    assert other.read_bytes() == b"\xbb" * SIZE


def test_f13_a_read_only_disk(qemu: Path, tmp_path: Path) -> None:
    with loop(tmp_path / "ro", SIZE, "--read-only") as disk:
        assert reason_of(flash(disk, qemu)) == (errors.REFUSED, f"{disk.device} is read-only")


def test_f14_a_disk_that_is_too_small(qemu: Path, tmp_path: Path) -> None:
    with loop(tmp_path / "small", 20 * MIB) as disk:
        assert reason_of(flash(disk, qemu))[0] == errors.REFUSED


def test_f15_a_real_partition(disk: Loop, qemu: Path) -> None:
    assert flash(disk, qemu).code == errors.OK
    subprocess.run(["partx", "--add", disk.device], capture_output=True, check=False)
    part = f"{disk.device}p1"
    if not Path(f"/sys/block/{disk.name}/{disk.name}p1").exists():
        pytest.skip("loop devices have no partitions here")
    try:
        words = ("flash", BOARD, "--image", qemu, "--trust", qemu.parent, "--disk", part, "--json")
        code, cause = reason_of(headgate(*words))
        assert code == errors.USAGE
        assert cause.startswith(f"{part} is a partition of {disk.device}")
    finally:
        subprocess.run(["partx", "--delete", disk.device], check=True)


def test_f16_no_room_for_a_file(qemu: Path, tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "headgate-test", str(tmp_path / "small")]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        words = ("flash", BOARD, "--image", qemu, "--trust", qemu.parent, "--out", tmp_path / "small/x.img", "--json")
        code, cause = reason_of(headgate(*words))
        assert code == errors.REFUSED
        assert "has room for 4.2 MB" in cause
        assert not list((tmp_path / "small").iterdir())
    finally:
        subprocess.run(["umount", str(tmp_path / "small")], check=True)


def test_f17_a_disk_is_no_file(disk: Loop, qemu: Path) -> None:
    words = ("flash", BOARD, "--image", qemu, "--trust", qemu.parent, "--out", disk.device, "--json")
    assert reason_of(headgate(*words)) == (errors.USAGE, f"{disk.device} is a disk, not a file")
    assert disk.backing.read_bytes() == b"\xaa" * SIZE


def test_f18_no_place_for_what_is_the_boards_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An image without the area is fine until somebody wants something in it."""
    from headgate import cli

    raw = tmp_path / "x.raw"
    raw.write_bytes(b"x" * MIB)
    image_pack.pack(raw, tmp_path / "x.zst", replace(kit.FACTS, board=BOARD, sparse=()), kit.SEED, level=1)
    kit.trust(tmp_path)
    words = ["flash", BOARD, "--image", "x.zst", "--trust", "image.pub", "--out", "x.img"]
    assert cli.main([*words, "--hostname", "gate"]) == errors.REFUSED
    assert "has no provisioning area" in capsys.readouterr().err
    assert cli.main(words) == errors.OK
    assert (tmp_path / "x.img").read_bytes() == raw.read_bytes()
    assert not (tmp_path / "birth-certificates").exists()


def test_f19_an_altered_image_is_found_out_before_the_disk_is_touched(disk: Loop, qemu: Path, tmp_path: Path) -> None:
    """One bit, in the last frame."""
    data = bytearray(qemu.read_bytes())
    data[-50] ^= 1
    (tmp_path / "altered.img.zst").write_bytes(data)
    kit.trust(tmp_path)
    code, cause = reason_of(flash(disk, tmp_path / "altered.img.zst"))
    assert code == errors.REFUSED
    assert "was altered or damaged" in cause
    assert disk.backing.read_bytes() == b"\xaa" * SIZE


# --- faults ----------------------------------------------------------------------------------------------------------


def fault(library: Path, path: str, mode: str, at: int = 0, times: int = 0) -> dict[str, object]:
    return {"LD_PRELOAD": library, "FAULT_PATH": path, "FAULT_MODE": mode, "FAULT_AT": at, "FAULT_TIMES": times}


PLACE = 5 * MIB + 12345  # in root_a
FAKE = "failing or fake card"
# number: (mode, at, times, part of the cause, part of the next step)
BAD_DISKS = {
    "f20 a block that cannot be written": ("write-error", PLACE, 0, f"at byte {PLACE // 4096 * 4096}", FAKE),
    "f21 a block that keeps other bits": ("flip", PLACE, 0, f"something else at byte {PLACE}", FAKE),
    "f22 a block that keeps what it had": ("stuck", PLACE, 0, f"at byte {PLACE // 4096 * 4096}", FAKE),
    "f23 a block that cannot be read": ("read-error", PLACE, 0, "cannot read back", FAKE),
    "f24 a disk that does not flush": ("flush-error", 0, 0, "cannot flush", FAKE),
    "f25 addresses that wrap": ("wrap", 16 * MIB, 0, "claims 33.6 MB", FAKE),
    "f26 addresses that wrap at an odd place": ("wrap", 45 * MIB // 2, 0, "something else at byte 0", FAKE),
    "f26 addresses that wrap early": ("wrap", 4 * MIB, 0, "claims 33.6 MB", FAKE),
    "f27 a disk that forgets its end": ("drop", 30 * MIB, 0, "claims 33.6 MB", FAKE),
    "f28 a disk that is unplugged": ("unplug", 9 * MIB, 0, "was unplugged", "Plug it in"),
    "f29 a partition table that is not kept": ("flip", 600, 0, "at byte 600", FAKE),
    "f30 a provisioning area that is not kept": ("flip", 12 * MIB + 40, 0, f"at byte {12 * MIB + 40}", FAKE),
    "f31 a bit that flips in the last data": ("flip", 23 * MIB - 2000, 0, f"at byte {23 * MIB - 2000}", FAKE),
}


@pytest.mark.parametrize("spec", BAD_DISKS)
def test_bad_disk(spec: str, disk: Loop, qemu: Path, faults: Path, tmp_path: Path) -> None:
    """Found out with the offset; no certificate; and, but for the one that lost its start, it does not boot."""
    mode, at, times, cause, step = BAD_DISKS[spec]
    done = flash(disk, qemu, fault=fault(faults, disk.device, mode, at, times))
    assert done.code == errors.DEVICE, (done.err, done.out)
    error = error_of(done)
    assert cause in error["cause"]
    assert "will not boot" in error["cause"]
    assert step in error["next_step"]
    assert not list((tmp_path / "birth-certificates").iterdir())
    if mode == "flip" and at < FIRST:
        assert disk.read(512, 8) != b"EFI PART"
    else:
        check_does_not_boot(disk)


# number: (mode, at, times, ranges tried again)
WEAK_DISKS = {
    "f40 a write that works the second time": ("write-error", PLACE, 1, 1),
    "f41 a write that works the third time": ("write-error", PLACE, 2, 2),
    "f42 a bit that flips once": ("flip", PLACE, 1, 1),
    "f43 a bit that flips twice": ("flip", PLACE, 2, 2),
    "f44 a read that works the second time": ("read-error", PLACE, 1, 1),
    "f45 short writes, all the time": ("short", 0, 0, 0),
    "f46 a bit that flips while the start is erased": ("flip", 600, 2, 2),
}


@pytest.mark.parametrize("spec", WEAK_DISKS)
def test_weak_disk(spec: str, disk: Loop, qemu: Path, faults: Path) -> None:
    """What a second try repairs is written, and noted in the certificate."""
    mode, at, times, retries = WEAK_DISKS[spec]
    done = flash(disk, qemu, fault=fault(faults, disk.device, mode, at, times))
    assert done.code == errors.OK, done.err
    check_written(disk, qemu)
    assert done.events("done")[0]["certificate"]["retries"] == retries
    assert len(done.events("retry")) == retries


@pytest.mark.parametrize("at", [100, 3 * MIB, 9 * MIB])
def test_f50_the_power_goes_and_it_is_flashed_again(at: int, disk: Loop, qemu: Path, faults: Path) -> None:
    done = flash(disk, qemu, fault=fault(faults, disk.device, "kill", at))
    assert done.code == -9
    if at > MIB:
        check_does_not_boot(disk)
    assert flash(disk, qemu).code == errors.OK
    check_written(disk, qemu)


@pytest.mark.parametrize("mode", ["stop", "end", "hang-up"])
def test_f51_ctrl_c_leaves_a_disk_that_does_not_boot(mode: str, disk: Loop, qemu: Path, faults: Path) -> None:
    done = flash(disk, qemu, fault=fault(faults, disk.device, mode, 6 * MIB))
    assert done.code == errors.INTERRUPTED
    assert "it is half-written and will not boot" in error_of(done)["cause"]
    check_does_not_boot(disk)


def test_f52_ctrl_c_while_the_start_is_written(disk: Loop, qemu: Path, faults: Path) -> None:
    """Even then it is all or nothing."""
    with Image(qemu, trusted_keys([qemu.parent])) as image:
        body = sum(piece.size for piece in image.manifest.ranges if piece.start >= FIRST)
        head = sum(piece.size for piece in image.manifest.ranges if piece.start < FIRST)
    codes = []
    for more in range(0, 5 * head, head):  # beyond what probing writes
        done = flash(disk, qemu, fault=fault(faults, disk.device, "stop", 3 * MIB + body + more))
        codes.append(done.code)
        if done.code == errors.INTERRUPTED:
            check_does_not_boot(disk)
        else:
            check_written(disk, qemu)
    assert codes[0] == errors.INTERRUPTED
    assert codes[-1] == errors.OK


def test_f53_a_file_system_that_fills_up(qemu: Path, faults: Path, tmp_path: Path) -> None:
    """Somebody else was quicker: the room that was there is gone."""
    words = ("flash", BOARD, "--image", qemu, "--trust", qemu.parent, "--out", tmp_path / "x.img", "--json")
    done = headgate(*words, fault=fault(faults, ".x.img.partial", "full", 5 * MIB))
    assert done.code == errors.DEVICE
    assert "no room for" in error_of(done)["cause"]
    assert not list(tmp_path.glob("*x.img*"))
    assert headgate(*words, fault=fault(faults, ".x.img.partial", "kill", 5 * MIB)).code == -9
    assert [path.name for path in tmp_path.glob("*x.img*")] == [".x.img.partial"]
    assert headgate(*words).code == errors.OK  # what the killed one left is in nobody's way
    assert [path.name for path in tmp_path.glob("*x.img*")] == ["x.img"]


def test_f54_an_image_that_changes_after_the_question(disk: Loop, qemu: Path, tmp_path: Path) -> None:
    """It was checked, and is made again just now. Something was written, so it is no refusal."""
    folder = tmp_path / "changing"
    folder.mkdir()
    kit.trust(folder)
    image = folder / "image.img.zst"
    shutil.copy(qemu, image)

    def answer() -> str:
        with image.open("r+b") as file:
            file.seek(image.stat().st_size // 2)
            file.write(bytes(50))
        return disk.name

    words = ("flash", BOARD, "--image", image, "--trust", folder, "--disk", disk.device, "--json")
    done = headgate(*words, answer=answer)
    assert done.code == errors.DEVICE
    assert "does not hold what its manifest says" in error_of(done)["cause"]
    assert "it is half-written and will not boot" in error_of(done)["cause"]
    check_does_not_boot(disk)


def test_f55_ctrl_c_when_it_is_too_late(qemu: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What boots has an identity, which the books must know."""
    from headgate import cli
    from headgate_host.flash import birth

    write = birth.write

    def disturbed(folder: Path, document: dict[str, object]) -> Path:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(os.getpid(), number)
        return write(folder, document)

    monkeypatch.setattr(birth, "write", disturbed)
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    words = ["flash", BOARD, "--image", str(qemu), "--trust", str(qemu.parent), "--out", str(tmp_path / "x.img")]
    assert cli.main(words) == errors.OK
    assert len(list((tmp_path / "birth-certificates").iterdir())) == 1
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_f62_ctrl_c_just_after_it_was_verified(
    number: signal.Signals, disk: Loop, qemu: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last moment in which it counts: what has no certificate must not boot."""
    from headgate import cli
    from headgate_host.flash import verb_flash, writer

    def disturbed(_: list[str]) -> str:
        assert disk.read(512, 8) == b"EFI PART"
        os.kill(os.getpid(), number)
        return ""

    monkeypatch.setattr(verb_flash, "_ask", lambda *_: None)
    monkeypatch.setattr(writer, "verify_hash", disturbed)
    words = ["flash", BOARD, "--image", str(qemu), "--trust", str(qemu.parent), "--disk", disk.device]
    assert cli.main(words) == errors.INTERRUPTED
    assert "it is half-written and will not boot" in capsys.readouterr().err
    check_does_not_boot(disk)
