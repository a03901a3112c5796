"""gRPC's blocks in C (native_ext/grpc: protobuf, gzip, grpc_status) against their twins in linux/, against zlib and
against google.protobuf. They are C without Python: compiled as a library of their own here, and called by ctypes."""

from __future__ import annotations

import base64
import ctypes
import gzip
import os
import shutil
import subprocess
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate import limits
from headgate.core.problem import Problem
from headgate.linux import grpc_status, protobuf
from headgate.linux.grpc_call import gunzip
from headgate.linux.grpc_status import Failure

NATIVE = Path(__file__).resolve().parents[2] / "native_ext"
SOURCES = ["grpc/protobuf.c", "grpc/gzip.c", "grpc/grpc_status.c", "core/output.c", "core/decimal.c"]
pytestmark = pytest.mark.not_emulated(reason="there is no compiler")


class View(ctypes.Structure):
    _fields_ = (("at", ctypes.c_char_p), ("length", ctypes.c_uint32))


class Field(ctypes.Structure):
    _fields_ = (("number", ctypes.c_uint32), ("wire", ctypes.c_uint8), ("value", ctypes.c_uint64), ("bytes", View))


class Output(ctypes.Structure):
    """With room of its own, so it never asks for memory."""

    _fields_ = (
        ("alloc", ctypes.c_void_p * 3),
        ("data", ctypes.c_void_p),
        ("length", ctypes.c_uint32),
        ("capacity", ctypes.c_uint32),
        ("most", ctypes.c_uint32),
        ("failed", ctypes.c_bool),
    )


class Violation(ctypes.Structure):
    _fields_ = (("field", View), ("description", View))


class CFailure(ctypes.Structure):
    _fields_ = (
        ("status", ctypes.c_int),
        ("message", View),
        ("code", View),
        ("violations", ctypes.POINTER(Violation)),
        ("violation_count", ctypes.c_uint32),
        ("retry_s", ctypes.c_uint32),
    )


def output(room: int) -> tuple[Output, Any]:
    memory = ctypes.create_string_buffer(room + 1)
    return Output(data=ctypes.addressof(memory), capacity=room, most=room), memory


def view(data: bytes) -> View:
    return View(data, len(data))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("there is no C compiler")
    file = tmp_path_factory.mktemp("grpc") / "grpc.so"
    sources = [str(NATIVE / source) for source in SOURCES]
    subprocess.run(
        [compiler, "-std=c11", "-O1", f"-I{NATIVE}", "-shared", "-fPIC", "-o", str(file), *sources], check=True
    )
    found = ctypes.CDLL(str(file))
    found.hg_pb_next.argtypes = [View, ctypes.POINTER(ctypes.c_uint32), ctypes.POINTER(Field)]
    found.hg_gunzip.argtypes = [View, ctypes.POINTER(Output)]
    found.hg_gunzip.restype = ctypes.c_bool
    found.hg_grpc_trailers.argtypes = [ctypes.POINTER(CFailure), ctypes.POINTER(Output), ctypes.POINTER(Output)]
    found.hg_grpc_trailers.restype = None
    found.hg_grpc_status_of.argtypes = [ctypes.c_uint16, View]
    return found


def fields_in_c(library: ctypes.CDLL, data: bytes) -> list[tuple[int, int, int | bytes]] | None:
    at, field, found = ctypes.c_uint32(0), Field(), []
    while (event := library.hg_pb_next(view(data), ctypes.byref(at), ctypes.byref(field))) == 0:
        value: int | bytes = field.value
        if field.wire != protobuf.VARINT:
            value = data[at.value - field.bytes.length : at.value]
        found.append((field.number, field.wire, value))
    return found if event == 1 else None


def fields_in_python(data: bytes) -> list[tuple[int, int, int | bytes]] | None:
    try:
        return list(protobuf.fields(data))
    except protobuf.ProtobufError:
        return None


PIECES = st.lists(
    st.one_of(
        st.binary(max_size=12),
        st.builds(protobuf.put_number, st.integers(1, 2**29 - 1), st.integers(0, 2**64 - 1)),
        st.builds(protobuf.put_message, st.integers(1, 40), st.binary(max_size=20)),
        st.builds(lambda n, data: bytes([n << 3 | 1]) + data, st.integers(1, 15), st.binary(min_size=8, max_size=8)),
    ),
    max_size=5,
).map(b"".join)


@given(data=PIECES)
@settings(max_examples=400)
def test_the_same_fields(library: ctypes.CDLL, data: bytes) -> None:
    assert fields_in_c(library, data) == fields_in_python(data)


@given(data=PIECES)
@settings(max_examples=400)
def test_what_google_reads_is_read(data: bytes) -> None:
    """Into a message that knows no field; it skips groups as well, which proto3 does not have."""
    empty_pb2 = pytest.importorskip("google.protobuf.empty_pb2")
    message_error = pytest.importorskip("google.protobuf.message").DecodeError
    try:
        empty_pb2.Empty.FromString(data)
        read = True
    except message_error:
        read = False
    ours = fields_in_python(data)
    assert read or ours is None
    if read and ours is None:
        assert any(byte & 7 in (3, 4) or byte < 8 for byte in data), data  # it lets field number 0 be


@given(
    data=st.binary(max_size=3000),
    level=st.integers(0, 9),
    strategy=st.sampled_from([0, 1, 2, 3, 4]),
    repeat=st.integers(1, 9),
)
@settings(max_examples=200)
def test_what_zlib_writes_is_read(library: ctypes.CDLL, data: bytes, level: int, strategy: int, repeat: int) -> None:
    stream = zlib.compressobj(level, zlib.DEFLATED, 31, 9, strategy)
    file = stream.compress(data * repeat) + stream.flush()
    out, memory = output(len(data) * repeat)
    assert library.hg_gunzip(view(file), ctypes.byref(out))
    assert memory.raw[: out.length] == data * repeat
    assert gunzip(file) == data * repeat


def test_blocks_of_every_kind_behind_each_other(library: ctypes.CDLL) -> None:
    stream = zlib.compressobj(9, zlib.DEFLATED, 31)
    own = b"".join(b"%d" % 3**n for n in range(100))  # digits only: worth codes of its own
    words = [b"ab", bytes(range(256)) * 8, own, b"c"]
    data, file = b"", b""
    for word in words * 3:
        data += word
        file += stream.compress(word) + stream.flush(zlib.Z_PARTIAL_FLUSH)  # which ends with an empty block
    file += stream.flush()
    out, memory = output(len(data))
    assert library.hg_gunzip(view(file), ctypes.byref(out))
    assert memory.raw[: out.length] == data == gunzip(file)


def test_many_small_blocks_cost_little(library: ctypes.CDLL) -> None:
    """Ten bits each, unpacked before any token was judged: codes that are the same are not made for each."""
    bits = "010" + "0" * 7
    last = "110" + "0" * 7
    text = bits * 200_000 + last
    text += "0" * (-len(text) % 8)
    blocks = bytes(int(text[at : at + 8][::-1], 2) for at in range(0, len(text), 8))
    file = gzip.compress(b"")[:10] + blocks + bytes(8)
    assert gzip.decompress(file) == b""
    out, _ = output(1)
    began_s = time.process_time()
    assert library.hg_gunzip(view(file), ctypes.byref(out))
    assert time.process_time() - began_s < 0.1


@given(data=st.binary(max_size=300), at=st.integers(0, 400), bits=st.integers(1, 255), cut=st.integers(0, 3))
@settings(max_examples=400)
def test_a_file_that_was_changed_has_the_verdict_of_zlib(
    library: ctypes.CDLL, data: bytes, at: int, bits: int, cut: int
) -> None:
    file = bytearray(gzip.compress(data * 3))
    file[at % len(file)] ^= bits
    changed = bytes(file[: len(file) - cut])
    out, memory = output(limits.GRPC_MESSAGE)
    read = library.hg_gunzip(view(changed), ctypes.byref(out))
    try:
        expected: bytes | None = gunzip(changed)
    except Failure:
        expected = None
    if (
        changed[3:4] and changed[3] & 0xE2
    ):  # header flags: zlib checks the header's own checksum, and lets reserved bits be
        return
    assert (memory.raw[: out.length] if read else None) == expected


TEXTS = st.text(max_size=700)


@given(
    status=st.integers(1, 16),
    message=TEXTS,
    code=st.sampled_from(["", "rate_limited", "schema_violation"]),
    violations=st.lists(st.tuples(TEXTS, TEXTS), max_size=16),
    retry_s=st.integers(0, 2**31),
)
@settings(max_examples=150)
def test_the_same_trailers(  # noqa: PLR0913, PLR0917 - what a failure is made of
    library: ctypes.CDLL, status: int, message: str, code: str, violations: list[tuple[str, str]], retry_s: int
) -> None:
    array = (Violation * max(1, len(violations)))(
        *[Violation(view(f.encode()), view(d.encode())) for f, d in violations]
    )
    failure = CFailure(status, view(message.encode()), view(code.encode()), array, len(violations), retry_s)
    scratch, _scratch = output(limits.GRPC_DETAILS + limits.GRPC_STATUS_TEXT)
    lines, memory = output(4 * limits.GRPC_DETAILS)
    library.hg_grpc_trailers(ctypes.byref(failure), ctypes.byref(scratch), ctypes.byref(lines))
    ours = grpc_status.trailers(Failure(status, message, code=code, violations=violations, retry_s=retry_s))
    assert memory.raw[: lines.length] == b"".join(name + b": " + value + b"\r\n" for name, value in ours)
    details = dict(ours).get(b"grpc-status-details-bin")
    status_pb2 = pytest.importorskip("google.rpc.status_pb2")
    if details is not None:
        read = status_pb2.Status.FromString(base64.b64decode(details + b"=" * (-len(details) % 4)))
        assert read.code == status
        assert message.startswith(read.message)
        assert len(read.details) == bool(code) + bool(retry_s) + bool(violations)


def test_the_same_status_for_every_problem(library: ctypes.CDLL) -> None:
    for http in range(100, 600):
        for code in ("", "idempotency_key_reused", "draining"):
            assert library.hg_grpc_status_of(http, view(code.encode())) == grpc_status.status_of(http, code)
    assert grpc_status.of_problem(Problem(503, "draining", headers=[(b"Retry-After", b"7")])).retry_s == 7
