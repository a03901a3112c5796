"""A bundle on its way into a slot: what is right gets there, whatever is not leaves the running slot the next one."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import socket
import struct
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zstandard

from headgate import errors
from headgate.errors import CommandError
from headgate.linux import boot_state, image_format, update_helper, update_install
from headgate.linux.image_format import FRAME, BadImage
from headgate_host.flash.image_open import Image

from . import kit
from .kit import MIB, Disk


def install(data: bytes, board: Disk, **more: Any) -> dict[str, Any]:
    machine = more.pop("machine", None) or board.machine()
    return update_helper.install(kit.reader(data), machine, downgrade=more.get("downgrade", False))


def refused(data: bytes, board: Disk, **more: Any) -> str:
    """-> the reason. Whatever it was, the slot that runs is the one that starts next."""
    with pytest.raises(CommandError) as caught:
        install(data, board, **more)
    assert "\n" not in caught.value.line()
    assert board.next() == "a"
    assert boot_state.read(board.state).trial == ""
    return caught.value.reason if isinstance(caught.value, BadImage) else str(caught.value.code)


def rewritten(image: Path, change: Any, seed: bytes | None = kit.SEED) -> bytes:
    """A bundle whose manifest says something else, signed again."""
    with Image(image, kit.trusted()) as opened:
        document = json.loads(opened.manifest.encode())
    whole = kit.bundle(image)
    header = FRAME.size + FRAME.unpack(whole[: FRAME.size])[1]
    change(document)
    return image_format.header(json.dumps(document).encode(), seed) + whole[header:]


def test_into_the_other_slot(image: Path, board: Disk) -> None:
    assert install(kit.bundle(image), board) == {"slot": "b", "version": "1.3.0"}
    assert boot_state.read(board.state) == boot_state.on_trial("a")
    assert board.changed() == {"boot_b", "root_b"}
    for part in ("boot", "root"):
        assert (board.folder / f"{part}_b").read_bytes() == kit.content(image, f"{part}_a")


def test_the_boot_state_is_written_when_nobody_else_decides(
    image: Path, board: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = kit.locks_seen(monkeypatch)
    install(kit.bundle(image), board)
    assert seen == [False, True, True]  # first it is only read


def test_and_back_again(image: Path, board: Disk) -> None:
    machine = board.machine(replace(kit.HERE, slot="b"))
    boot_state.write(board.state, boot_state.BootState(("b", "a"), (9, 9)))
    assert install(kit.bundle(image), board, machine=machine)["slot"] == "a"
    assert board.changed() == {"boot_a", "root_a"}


def test_a_bundle_is_an_ordinary_zstd_file_without_what_the_board_keeps(image: Path) -> None:
    data = kit.bundle(image)
    assert len(data) < image.stat().st_size
    unpacked = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True).read()
    assert kit.content(image, "root_a")[: 4 * MIB] in unpacked


@pytest.mark.parametrize("cut", [0, 1, 7, 8, 100, 5000, -1])
def test_cut_short(image: Path, board: Disk, cut: int) -> None:
    data = kit.bundle(image)
    assert refused(data[:cut] if cut >= 0 else data[:-1], board) in ("truncated", "not-an-image")


def test_a_power_cut_between_any_two_writes(image: Path, board: Disk) -> None:
    """As far as the board had come it is left alone: it starts what ran, and the next attempt works."""
    data = kit.bundle(image)
    for share in range(1, 8):
        refused(data[: len(data) * share // 8], board)
        assert boot_state.read(board.state) == boot_state.installing("a")
    assert install(data, board)["slot"] == "b"
    assert (board.folder / "root_b").read_bytes() == kit.content(image, "root_a")


def test_each_byte_of_the_first_frame_counts(image: Path, board: Disk) -> None:
    data = kit.bundle(image)
    header = FRAME.size + FRAME.unpack(data[: FRAME.size])[1]
    for offset in [*range(130), *range(130, header, 41)]:
        damaged = bytearray(data)
        damaged[offset] ^= 1
        assert refused(bytes(damaged), board) in (
            "altered", "not-an-image", "malformed", "unknown-signer", "newer-format", "truncated",
        )  # fmt: skip
    assert board.changed() == set()


def test_each_frame_counts(image: Path, board: Disk) -> None:
    data = kit.bundle(image)
    header = FRAME.size + FRAME.unpack(data[: FRAME.size])[1]
    for offset in range(header, len(data), max(1, (len(data) - header) // 25)):
        damaged = bytearray(data)
        damaged[offset] ^= 1
        assert refused(bytes(damaged), board) == "altered"
    assert board.changed() <= {"boot_b", "root_b"}


def test_signed_by_nobody_or_a_stranger(tmp_path: Path, board: Disk) -> None:
    stranger = kit.make_image(tmp_path, seed=kit.STRANGER, name="stranger")
    assert refused(kit.bundle(stranger, kit.STRANGER), board) == "unknown-signer"
    assert refused(rewritten(stranger_safe(tmp_path), lambda _: None, None), board) == "unsigned"
    assert board.changed() == set()


def stranger_safe(folder: Path) -> Path:
    return kit.make_image(folder, name="ours")


def test_for_another_board(image: Path, board: Disk) -> None:
    machine = board.machine(replace(kit.HERE, board="rpi-5"))
    assert refused(kit.bundle(image), board, machine=machine) == "wrong-board"
    assert board.changed() == set()


def test_older_than_what_runs(image: Path, board: Disk) -> None:
    data = kit.bundle(image)
    machine = board.machine(kit.older())
    assert refused(data, board, machine=machine) == "older"
    assert board.changed() == set()
    assert install(data, board, machine=machine, downgrade=True)["slot"] == "b"


def test_the_same_again(image: Path, board: Disk) -> None:
    """Installing what runs already repairs the other slot."""
    same = board.machine(replace(kit.HERE, version="1.3.0", created=kit.FACTS.created))
    assert install(kit.bundle(image), board, machine=same)["slot"] == "b"


def test_while_what_runs_is_on_trial(image: Path, board: Disk) -> None:
    """The other slot is what it would go back to."""
    boot_state.write(board.state, boot_state.on_trial("b"))
    with pytest.raises(BadImage) as caught:
        install(kit.bundle(image), board)
    assert caught.value.reason == "unconfirmed"
    assert board.changed() == set()
    assert boot_state.read(board.state) == boot_state.on_trial("b")


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("no-slots", lambda d: d["partitions"].pop(2)),
        ("no-room", lambda d: d["partitions"][4].update(size=7 * MIB)),
        ("malformed", lambda d: d["ranges"][0].__setitem__(1, 1 << 40)),
        ("malformed", lambda d: d.update(v=2)),
        ("altered", lambda d: d["ranges"][1].__setitem__(2, "0" * 64)),
    ],
)
def test_a_signed_manifest_that_makes_no_sense(image: Path, board: Disk, reason: str, change: Any) -> None:
    assert refused(rewritten(image, change), board) == reason
    assert board.changed() == set()


def test_a_frame_that_unpacks_to_more_than_it_says(image: Path, board: Disk) -> None:
    """A bomb: its size is asked before it is unpacked."""
    bomb = zstandard.ZstdCompressor().compress(bytes(64 * MIB))

    def change(document: Any) -> None:
        row = next(row for row in document["ranges"] if row[0] >= 3 * MIB)
        row[2], row[4] = hashlib.sha256(bytes(64 * MIB)).hexdigest(), len(bomb)
        document["ranges"] = [row]

    data = rewritten(image, change)
    header = FRAME.size + FRAME.unpack(data[: FRAME.size])[1]
    assert refused(data[:header] + bomb, board) == "altered"


def test_a_manifest_as_large_as_memory(board: Disk) -> None:
    assert refused(FRAME.pack(image_format.FRAME_MAGIC, (1 << 32) - 1), board) == "malformed"
    assert refused(struct.pack("<II", 0x184D2A50, 10), board) == "not-an-image"


def test_a_slot_that_keeps_something_else(image: Path, board: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A card that lies: what is read back is not what was written."""
    monkeypatch.setattr(update_install.os, "pread", lambda fd, size, offset: bytes(size))
    slot = update_install.Slot("b", board.folder)
    with contextlib.closing(slot), pytest.raises(CommandError) as caught:
        slot.write("root", 0, b"x" * 4096)
    assert caught.value.code == errors.DEVICE


def test_a_slot_that_is_not_there(image: Path, board: Disk) -> None:
    (board.folder / "root_b").unlink()
    assert refused(kit.bundle(image), board) == str(errors.DEVICE)


def test_who_runs_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    identity, cmdline = tmp_path / "image.json", tmp_path / "cmdline"
    monkeypatch.setattr(update_install, "IDENTITY", identity)
    monkeypatch.setattr(update_install, "CMDLINE", cmdline)
    with pytest.raises(CommandError, match="no slots"):
        update_install.running()
    identity.write_text('{"board": "rpi-4", "version": "1.2.0", "created": 5}')
    cmdline.write_text("console=ttyAMA0 headgate.slot=b root=PARTLABEL=root_b ro\n")
    assert update_install.running() == update_install.Running("b", "rpi-4", "1.2.0", 5)
    cmdline.write_text("console=ttyAMA0\n")
    with pytest.raises(CommandError, match="no slots"):
        update_install.running()


@pytest.mark.parametrize("length", ["-1", "Infinity", "1e999", "1.5", "true", '"1"'])
def test_a_first_line_without_a_length(board: Disk, length: str) -> None:
    """Whoever connects to the helper gets an answer, and nothing is read without a bound."""
    ours, theirs = socket.socketpair()
    with ours:
        ours.sendall(b'{"length": %s, "downgrade": false}\n' % length.encode() + bytes(1000))
        ours.shutdown(socket.SHUT_WR)
        assert not update_helper.serve(theirs, board.machine())
        assert json.loads(ours.makefile("rb").readline())["failed"]


@pytest.mark.parametrize("waits", [True, False])
def test_an_update_that_nobody_waits_for_is_not_tried(image: Path, board: Disk, waits: bool) -> None:
    """The appliance gives up a helper that stands still, and says that what runs goes on running."""
    data = kit.bundle(image)
    ours, theirs = socket.socketpair()

    def send() -> None:
        ours.sendall(b'{"length": %d, "downgrade": false}\n' % len(data) + data)
        if not waits:
            ours.close()

    sender = threading.Thread(target=send)
    sender.start()
    with ours:
        assert update_helper.serve(theirs, board.machine()) == waits
        sender.join()
    assert board.next() == ("b" if waits else "a")
    assert boot_state.read(board.state).trial == ("b" if waits else "")
