"""The container: what pack writes, zstd and our reader give back; what was altered, cut or never signed is refused."""

from __future__ import annotations

import binascii
import copy
import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import zstandard

from headgate import errors
from headgate.errors import CommandError
from headgate.linux import image_format
from headgate.linux.image_format import FIRST, FRAME, RANGE_MAX, BadImage, Extent
from headgate_host.flash import image_pack, partition_table, verb_image
from headgate_host.flash.image_open import Image, trust_folders, trusted_keys

from . import kit
from .kit import MIB

SCHEMA = Path(image_format.__file__).parents[1] / "data" / "image.json"


def opened(path: Path, trusted: dict[str, bytes] | None = None) -> Image:
    return Image(path, trusted if trusted is not None else trusted_keys([path.parent]))


def nothing(done: int, total: int) -> None:
    assert done <= total


def raw_of(image: Path) -> Path:
    return image.with_name("image.raw")


# --- what is in it ---------------------------------------------------------------------------------------------------


def test_zstd_gives_the_raw_disk(image: Path) -> None:
    """With the reference program where there is one: the manifest's frame is skipped."""
    raw = raw_of(image).read_bytes()
    with image.open("rb") as file:
        assert zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read() == raw
    if shutil.which("zstd"):
        assert subprocess.run(["zstd", "-dc", str(image)], capture_output=True, check=True).stdout == raw


def test_manifest(image: Path) -> None:
    raw = raw_of(image).read_bytes()
    with opened(image) as found:
        manifest = found.manifest
        assert (manifest.board, manifest.name, manifest.version) == ("rpi-4", "headgate", "1.2.3")
        assert manifest.size == manifest.required_size == kit.DISK_MIB * MIB
        assert manifest.sha256 == hashlib.sha256(raw).hexdigest()
        assert [(p.name, p.start // MIB, p.size // MIB) for p in manifest.partitions] == list(kit.LAYOUT)
        assert manifest.provisioning == Extent(12 * MIB, MIB)
        for piece in manifest.ranges:
            assert found.read(piece) == raw[piece.start : piece.end]
        found.check_payload(nothing)
        found.check_whole(nothing)


def test_what_is_mapped(image: Path) -> None:
    """Data; holes in partitions that are not said to be sparse; not the provisioning area; nothing across 1 MiB."""
    with opened(image) as found:
        ranges = found.manifest.ranges
    places = [(piece.start // MIB, -(-piece.end // MIB)) for piece in ranges]
    # root_a has data in 4 of its 6 MiB and is mapped whole, cut at the grid of 4 MiB; root_b is sparse and empty
    assert places == [(0, 1), (1, 3), (4, 8), (8, 10), (13, 14), (22, 23)]
    assert all(piece.size <= RANGE_MAX and not piece.start < FIRST < piece.end for piece in ranges)


def test_the_same_again(image: Path, tmp_path: Path) -> None:
    assert kit.make_image(tmp_path).read_bytes() == image.read_bytes()


def test_a_disk_without_a_table_is_its_data(tmp_path: Path) -> None:
    raw = tmp_path / "x.raw"
    with raw.open("wb") as file:
        file.truncate(8 * MIB)
        file.seek(5 * MIB)
        file.write(b"x" * 5000)
    manifest = image_pack.pack(raw, tmp_path / "x.img.zst", replace(kit.FACTS, sparse=()), None)
    assert [(r.start, r.size) for r in manifest.ranges] == [(5 * MIB, 8192)]
    assert manifest.partitions == ()
    assert manifest.provisioning is None


def test_small_holes_are_filled() -> None:
    merged = image_pack._merge([Extent(0, 100), Extent(60000, 10), Extent(MIB, 1), Extent(4096, 4096)])
    assert [(e.start, e.end) for e in merged] == [(0, 61440), (MIB, MIB + 4096)]


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda raw: os.truncate(raw, 10 * MIB + 5), "not a multiple"),
        (lambda raw: os.truncate(raw, 0), "has 0 bytes"),
        (lambda raw: poke(raw, 512 + 20, b"\xff"), "checksum of its header"),
        (lambda raw: poke(raw, 1024 + 40, b"\x01"), "checksum of its entries"),
        (lambda raw: os.truncate(raw, 20 * MIB), "reaches beyond the image"),
        (lambda raw: raw.unlink(), "No such file"),
    ],
)
def test_bad_raw_disks(change: Callable[[Path], object], cause: str, tmp_path: Path) -> None:
    raw = kit.raw_disk(tmp_path / "x.raw")
    change(raw)
    with pytest.raises(CommandError, match=cause):
        image_pack.pack(raw, tmp_path / "x.img.zst", kit.FACTS, kit.SEED, level=1)
    assert not list(tmp_path.glob("*.zst*"))


def test_a_device_is_no_raw_disk(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="is a device, not a file"):
        image_pack.pack(Path("/dev/zero"), tmp_path / "x.zst", kit.FACTS, kit.SEED, level=1)


def test_a_pipe_is_not_waited_for(tmp_path: Path, image: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    trust = ["--trust", str(image.parent)]
    for words, code in (
        (["verify", str(pipe)], errors.MISSING),
        (["verify", str(pipe), "--image", str(image), *trust], errors.MISSING),
        (["image", "show", str(pipe)], errors.MISSING),
        (["update", "bundle", str(pipe), "-o", str(tmp_path / "x.hgu"), *trust], errors.MISSING),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "headgate", *words], capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == code, (words, done.stderr)
        assert done.stderr.startswith(f"headgate: cannot read {pipe}: "), done.stderr
    with pytest.raises(CommandError, match="is a device, not a file"):
        image_pack.pack(pipe, tmp_path / "x.zst", kit.FACTS, kit.SEED, level=1)


@pytest.mark.parametrize(
    ("facts", "where"),
    [
        ({"version": ""}, "/version"),
        ({"version": "x" * 500}, "/version"),
        ({"name": "a\nb"}, "/name"),
        ({"required_size": 1 << 63}, "/required_size"),
    ],
)
def test_what_no_reader_takes_is_not_made(facts: dict[str, Any], where: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=f"nobody could use this image.*{where}") as refused:
        kit.make_image(tmp_path, replace(kit.FACTS, **facts))
    assert refused.value.code == errors.USAGE
    assert not (tmp_path / "image.img.zst").exists()


def test_a_partition_whose_name_no_reader_takes(tmp_path: Path) -> None:
    raw = tmp_path / "x.raw"
    raw.write_bytes(kit.gpt([("système", 1, 2)], 4 * MIB).ljust(4 * MIB, b"\1"))
    with pytest.raises(CommandError, match="/partitions/0/name"):
        image_pack.pack(raw, tmp_path / "x.zst", replace(kit.FACTS, sparse=()), kit.SEED, level=1)
    assert [path.name for path in tmp_path.iterdir()] == ["x.raw"]


@pytest.mark.parametrize("place", [1 << 40, 1 << 54, 1 << 63])
def test_a_table_beyond_the_image(place: int, tmp_path: Path) -> None:
    """Its checksums fit."""
    table = bytearray(kit.gpt([("boot", 1, 2)], 4 * MIB))
    struct.pack_into("<Q", table, 512 + 72, place)
    struct.pack_into("<I", table, 512 + 16, 0)
    struct.pack_into("<I", table, 512 + 16, binascii.crc32(table[512 : 512 + 92]))
    raw = tmp_path / "x.raw"
    raw.write_bytes(table.ljust(4 * MIB, b"\1"))
    with raw.open("rb") as file, pytest.raises(CommandError, match="its entries lie beyond") as refused:
        partition_table.read(file, 4 * MIB)
    assert refused.value.code == errors.FINDING


def test_an_unknown_sparse_partition(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no partition dat"):
        kit.make_image(tmp_path, replace(kit.FACTS, sparse=("dat",)))


def test_mbr(tmp_path: Path) -> None:
    entry = b"\0\0\0\0\x0c\0\0\0" + (2048).to_bytes(4, "little") + (4096).to_bytes(4, "little")
    with (tmp_path / "x").open("w+b") as file:
        file.write(bytes(446) + entry + bytes(48) + b"\x55\xaa" + bytes(512))
        assert partition_table.read(file, 4 * MIB) == (image_format.Partition("1", MIB, 2 * MIB),)


# --- what is refused -------------------------------------------------------------------------------------------------


def poke(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        byte = os.pread(file.fileno(), 1, offset)[0]
        os.pwrite(file.fileno(), bytes([byte ^ 1]), offset)


@pytest.fixture
def copy_of(image: Path, tmp_path: Path) -> Path:
    path = tmp_path / "image.img.zst"
    shutil.copy(image, path)
    shutil.copy(image.with_name("image.pub"), tmp_path)
    return path


def check_all(path: Path, trusted: dict[str, bytes] | None) -> None:
    with opened(path, trusted) as found:
        found.check_payload(nothing)
        found.check_whole(nothing)


def refused(path: Path, trusted: dict[str, bytes] | None = None) -> BadImage:
    with pytest.raises(BadImage) as caught:
        check_all(path, trusted)
    assert caught.value.code == errors.REFUSED
    assert caught.value.next_step
    return caught.value


@pytest.mark.parametrize("where", ["signature", "signer", "manifest", "first frame", "last frame"])
def test_one_bit_altered(where: str, copy_of: Path) -> None:
    start = kit.manifest_start(copy_of)
    offset = {
        "signature": start - 40,
        "signer": FRAME.size + len(image_format.FIRST_LINE),
        "manifest": start + 30,
        "first frame": start + 5000,
        "last frame": copy_of.stat().st_size - 100,
    }[where]
    flip(copy_of, offset)
    assert refused(copy_of).reason == ("unknown-signer" if where == "signer" else "altered")


def test_every_byte_of_the_first_frame_counts(copy_of: Path) -> None:
    """One in 7 of them, so that it takes a moment only."""
    data = copy_of.read_bytes()
    for offset in range(0, kit.manifest_start(copy_of) + 600, 7):
        flip(copy_of, offset)
        assert refused(copy_of).reason
        poke(copy_of, offset, data[offset : offset + 1])
    opened(copy_of).close()


@pytest.mark.parametrize("left", [0, 3, 8, 20, 100, 3000, -1])
def test_cut_short(left: int, copy_of: Path) -> None:
    os.truncate(copy_of, left if left >= 0 else copy_of.stat().st_size + left)
    assert refused(copy_of).reason == ("not-an-image" if left in range(8) else "truncated")


def test_bytes_behind_the_end(copy_of: Path) -> None:
    poke(copy_of, copy_of.stat().st_size, b"\0")
    assert refused(copy_of).reason == "altered"


def test_not_signed(tmp_path: Path) -> None:
    kit.trust(tmp_path)
    assert refused(kit.make_image(tmp_path, seed=None)).reason == "unsigned"


def test_signed_by_a_stranger(tmp_path: Path) -> None:
    kit.trust(tmp_path)
    bad = refused(kit.make_image(tmp_path, seed=kit.STRANGER))
    assert bad.reason == "unknown-signer"
    assert "--trust" in bad.next_step


def test_nobody_is_trusted(copy_of: Path) -> None:
    assert "no key is trusted yet" in refused(copy_of, {}).cause


def test_a_signature_under_another_name(copy_of: Path, tmp_path: Path) -> None:
    """A stranger's image that says a trusted key signed it."""
    other = kit.make_image(tmp_path, seed=kit.STRANGER, name="other").read_bytes()
    mine = copy_of.read_bytes()
    start = FRAME.size + len(image_format.FIRST_LINE)
    copy_of.write_bytes(other[:start] + mine[start : start + 43] + other[start + 43 :])
    assert refused(copy_of).reason == "altered"


def test_other_files(tmp_path: Path, image: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(zstandard.compress(b"raw" * 1000))
    assert "plain zstd" in refused(path, {}).cause
    path.write_bytes(raw_of(image).read_bytes()[:100000])
    assert refused(path, {}).reason == "not-an-image"
    path.write_bytes(FRAME.pack(image_format.FRAME_MAGIC, 1 << 30))
    assert refused(path, {}).reason == "malformed"
    path.write_bytes(FRAME.pack(image_format.FRAME_MAGIC, 30) + b"headgate-image 2\n" + bytes(30))
    assert refused(path, {}).reason == "newer-format"
    with pytest.raises(CommandError, match="No such file") as caught:
        opened(tmp_path / "none", {})
    assert caught.value.code == errors.MISSING


# --- manifests whose maker is trusted, and wrong ---------------------------------------------------------------------


def set_at(*path: Any) -> Callable[[dict[str, Any]], None]:
    *steps, last, value = path

    def change(document: dict[str, Any]) -> None:
        node: Any = document
        for step in steps:
            node = node[step]
        node[last] = value

    return change


WRONG: dict[str, Callable[[dict[str, Any]], None]] = {
    "another version": set_at("v", 2),
    "no board": lambda d: d.pop("board"),
    "a name that moves the cursor": set_at("name", "x\x1b[2J"),
    "two lines of a version": set_at("version", "1\n2"),
    "unknown member": set_at("colour", "green"),
    "board with a path": set_at("board", "../x"),
    "size not of blocks": set_at("size", 25165825),
    "negative": set_at("ranges", 0, 0, -4096),
    "a fraction": set_at("size", 25165824.5),
    "a fraction that is none": set_at("size", 25165824.0),
    "text for a number": set_at("ranges", 0, 1, "4096"),
    "no ranges": set_at("ranges", []),
    "a short row": set_at("ranges", 0, [0, 4096]),
    "a long row": lambda d: d["ranges"][0].append(1),
    "a range too large": set_at("ranges", 1, 1, 8 * MIB),
    "a frame too large": set_at("ranges", 1, 4, 1 << 30),
    "a hash in capitals": set_at("sha256", "A" * 64),
    "overlapping ranges": set_at("ranges", 1, 0, 0),
    "across the first MiB": set_at("ranges", 0, 1, 2 * MIB),
    "ranges beyond the disk": set_at("size", 4 * MIB),
    "frames beyond the payload": set_at("payload", "size", 4096),
    "overlapping frames": set_at("ranges", 1, 3, 0),
    "needs less than it has": set_at("required_size", 4096),
    "provisioning in the first MiB": set_at("provisioning", "start", 4096),
    "provisioning outside": set_at("provisioning", "start", 24 * MIB),
    "provisioning over data": set_at("provisioning", "start", 4 * MIB),
    "too many ranges": lambda d: d["ranges"].extend([d["ranges"][0]] * 20000),
}


@pytest.mark.parametrize("label", WRONG)
def test_malformed_manifests(label: str, image: Path, copy_of: Path) -> None:
    document = copy.deepcopy(kit.document_of(image))
    WRONG[label](document)
    kit.signed(document, image.read_bytes()[-1000:], copy_of)
    assert refused(copy_of).reason == "malformed"


def test_schema_and_jsonschema_agree(image: Path) -> None:
    schema = json.loads(SCHEMA.read_bytes())
    jsonschema.Draft202012Validator.check_schema(schema)
    oracle = jsonschema.Draft202012Validator(schema)
    for change in (lambda _: None, *WRONG.values()):
        document = copy.deepcopy(kit.document_of(image))
        change(document)
        ours = image_format._schema().is_valid(json.dumps(document).encode())
        assert ours == oracle.is_valid(document)


def test_not_json_at_all(image: Path, copy_of: Path) -> None:
    for text in (b"", b"{", b"[]", b'{"v":1,"v":1}', b"\xff"):
        copy_of.write_bytes(image_format.header(text, kit.SEED))
        assert refused(copy_of).reason == "malformed"


def rehashed(document: dict[str, Any], payload: bytes) -> dict[str, Any]:
    document["payload"] = {"size": len(payload), "sha256": hashlib.sha256(payload).hexdigest()}
    return document


@pytest.mark.parametrize(
    "frame",
    [
        zstandard.ZstdCompressor().compress(bytes(1 << 20)),  # not the size of the range
        zstandard.ZstdCompressor().compress(bytes(20480)),  # the size, not the content
        zstandard.ZstdCompressor(write_content_size=False).compress(bytes(20480)),  # says nothing of its size
        b"\x28\xb5\x2f\xfd\xe0" + b"\xff" * 7 + b"\x0f" + bytes(100),  # claims an exabyte
        b"no zstd at all",
    ],
)
def test_frames_that_are_not_what_the_manifest_says(frame: bytes, image: Path, copy_of: Path) -> None:
    """Everything is signed, and the maker was wrong; nothing more than a range is allocated."""
    document = copy.deepcopy(kit.document_of(image))
    document["ranges"] = [document["ranges"][0]]
    document["ranges"][0][3:] = [0, len(frame)]
    kit.signed(rehashed(document, frame), frame, copy_of)
    with opened(copy_of) as found:
        found.check_payload(nothing)
        with pytest.raises(BadImage) as caught:
            found.read(found.manifest.ranges[0])
        assert caught.value.reason == "altered"
        with pytest.raises(BadImage):
            found.check_whole(nothing)


def test_a_payload_that_is_another_disk(image: Path, copy_of: Path) -> None:
    """Each range is right and what zstd gives is not the signed disk: a frame of the holes differs."""
    data = image.read_bytes()
    payload = data[FRAME.size + FRAME.unpack_from(data)[1] :] + zstandard.compress(b"more")
    kit.signed(rehashed(kit.document_of(image), payload), payload, copy_of)
    with opened(copy_of) as found:
        found.check_payload(nothing)
        with pytest.raises(BadImage, match="does not hold"):
            found.check_whole(nothing)


# --- keys ------------------------------------------------------------------------------------------------------------


def test_trust_folders(tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADGATE_TRUST", str(tmp_path))
    assert trusted_keys([]) == {}
    kit.trust(tmp_path)
    assert trusted_keys([]) == trusted_keys([image.with_name("image.pub")])
    monkeypatch.delenv("HEADGATE_TRUST")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert trust_folders() == [tmp_path / "config/headgate/trust", Path("/etc/headgate/trust")]
    kit.trust(tmp_path / "config/headgate/trust")
    assert len(trusted_keys([])) >= 1
    (tmp_path / "bad.pub").write_text("no key\n")
    with pytest.raises(CommandError, match="not usable"):
        trusted_keys([tmp_path])


# --- the verb --------------------------------------------------------------------------------------------------------


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from headgate import cli

    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1764345600")
    kit.raw_disk(tmp_path / "disk.raw")
    assert cli.main(["keys", "init", "--image", "--dir", str(tmp_path / "keys")]) == errors.OK
    pack = ["image", "pack", "disk.raw", "--board", "rpi-4", "--version", "9", "--sign", "keys/image.key"]
    options = ["--sparse", "data", "--level", "1", "-o", "x.img.zst"]
    assert cli.main([*pack, *options]) == errors.OK
    assert cli.main(["image", "show", "x.img.zst", "--trust", "keys/image.pub"]) == errors.OK
    shown = capsys.readouterr().out
    assert "headgate 9 for rpi-4, made 2025-11-28 16:00 UTC" in shown
    assert "1.0 MB at byte 12582912" in shown
    assert cli.main(["image", "show", "x.img.zst", "--trust", "keys", "--json"]) == errors.OK
    assert json.loads(capsys.readouterr().out)["created"] == 1764345600
    assert cli.main(["image", "show", "x.img.zst"]) == errors.REFUSED
    assert cli.main(pack) == errors.USAGE
    assert cli.main([*pack[:4], "rpi-44", *pack[5:], *options]) == errors.USAGE
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    assert cli.main([*pack, *options]) == errors.USAGE
    assert verb_image.HELP


@pytest.mark.parametrize("place", ["", ".", "/", "folder", "pipe", "stdout"])
def test_what_is_no_file_is_not_replaced(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor taken for a bug of ours. /dev/null and /dev/stdout, root's, were replaced by the image."""
    from headgate import cli

    monkeypatch.chdir(tmp_path)
    kit.raw_disk(tmp_path / "disk.raw")
    (tmp_path / "folder").mkdir()
    (tmp_path / "stdout").symlink_to("/proc/self/fd/1")  # a file, here
    os.mkfifo(tmp_path / "pipe")
    pack = ["image", "pack", "disk.raw", "--board", "rpi-4", "--version", "9", "--level", "1", "-o", place]
    assert cli.main(pack) == errors.MISSING
    assert (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "stdout").is_symlink()


@pytest.mark.parametrize("verb", ["image build rpi-4", "flash rpi-4 --image x.img.zst", "verify x.img.zst"])
def test_a_python_without_zstandard(verb: str) -> None:
    """One line that says which Python and what to type; no bug of ours."""
    program = "import sys; sys.modules['zstandard'] = None; from headgate import cli; sys.exit(cli.main())"
    command = [sys.executable, "-c", program, *verb.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == errors.MISSING, done.stderr
    assert done.stderr.count("\n") == 1
    assert f"needs zstandard, which {sys.executable} does not have. Type: pip install zstandard" in done.stderr


def test_a_module_that_an_installed_library_does_not_have(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """That is a bug of ours, and no package would help. The traceback is shown on request, here and there."""
    from headgate import cli

    monkeypatch.setitem(cli.HOST_VERBS, "flash", ("zstandard.removed", ""))
    assert cli.main(["flash"]) == errors.BUG
    said = capsys.readouterr().err
    assert "unexpected ModuleNotFoundError: No module named 'zstandard.removed'" in said
    assert "pip install" not in said
    monkeypatch.setenv("HEADGATE_TRACEBACK", "1")
    assert cli.main(["flash"]) == errors.BUG
    assert "Traceback (most recent call last)" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "zstandard", None)
    assert cli.main(["flash"]) == errors.MISSING
    said = capsys.readouterr().err
    assert "Traceback (most recent call last)" in said
    assert "Type: pip install zstandard" in said
