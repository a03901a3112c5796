"""The rules of tests/unit/test_http1.py hold for both twins; they say the same to anything; what only C gets wrong."""

import gc
import inspect
import os
import random
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from headgate.core import http1 as pure
from headgate_native import _native, http1

from .http1_material import Connections, disagreement, joined, transcript

UNIT = Path(__file__).resolve().parent.parent / "unit"
SEEDS = [int(os.environ["HEADGATE_SEED"])] if "HEADGATE_SEED" in os.environ else [20241122, random.getrandbits(32)]
INPUTS = 1000

GET = b"GET /a HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nX-a: 2\r\n\r\n"
POST = b"POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"

_unit = runpy.run_path(str(UNIT / "test_http1.py"))
PureVectors, PureBehaviour = _unit["Vectors"], _unit["Behaviour"]


class TestNativeVectors(PureVectors):
    RequestParser = http1.RequestParser


class TestNativeBehaviour(PureBehaviour):
    RequestParser = http1.RequestParser


@pytest.mark.parametrize("seed", SEEDS)
def test_the_twins_say_the_same(seed) -> None:
    material = Connections(random.Random(seed))  # noqa: S311 (repeatable on purpose)
    kinds = set()
    for number in range(INPUTS):
        data = material.input()
        ends, limits, cuts = number % 2 == 0, material.limits(), material.cuts(len(data))
        assert disagreement(data, cuts, limits, ends) == "", (seed, number, data, cuts, limits, ends)
        for event in transcript(http1.RequestParser(**limits), [data], ends):
            kinds.add(event[:4] if event[0] == "problem" else event[0])
    assert {"request", "part", "end", "idle", "rest"} <= kinds
    assert len(kinds) > 25, "the material has become tame"


@pytest.mark.parametrize("limit", ["max_head", "max_line", "max_headers"])
def test_every_value_of_a_limit(limit) -> None:
    head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    data = b"\r\n" + GET + head + b"1;ext\r\na\r\n0\r\nSum: 1\r\nX:\r\nY:\r\nZ:\r\n\r\n"
    said = set()
    for value in range(90):
        assert disagreement(data, [3, 50], {limit: value}, True) == "", value
        said.add(str(joined(transcript(http1.RequestParser(**{limit: value}), [data], True))))
    assert len(said) > 2


@pytest.mark.parametrize("name", ["feed", "eof", "rest", "next"])
def test_the_signatures_are_the_same(name) -> None:
    mine, other = (
        list(inspect.signature(getattr(t, name)).parameters) for t in (pure.RequestParser, http1.RequestParser)
    )
    assert mine == other


def test_the_constructors_are_the_same() -> None:
    mine, other = (
        [(p.name, p.default) for p in inspect.signature(t).parameters.values()]
        for t in (pure.RequestParser, http1.RequestParser)
    )
    assert mine == other


def test_a_request_has_the_attributes_of_its_twin() -> None:
    public = {name for name in dir(http1.Request) if not name.startswith("_")}
    assert public == {name for name in dir(pure.Request) if not name.startswith("_")}


def test_wrong_calls() -> None:
    parser = http1.RequestParser()
    for data in ("text", bytearray(b"GET"), None):
        with pytest.raises(TypeError, match="data must be bytes"):
            parser.feed(data)  # type: ignore[arg-type]
    for value in (-1, 65536, 1 << 64):
        with pytest.raises(ValueError, match="max_line must be between 0 and 65535"):
            http1.RequestParser(max_line=value)
    with pytest.raises(TypeError):
        http1.RequestParser(max_line=1.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"set_http1\(\) takes 3 arguments \(1 given\)"):
        _native.set_http1(1)  # type: ignore[call-arg, arg-type]
    parser.feed(GET)
    request = parser.next()
    with pytest.raises(TypeError, match="name must be bytes"):
        request.header("x-a")  # type: ignore[attr-defined]


def test_the_types_are_closed() -> None:
    parser = http1.RequestParser()
    parser.feed(GET)
    request = parser.next()
    assert type(request) is http1.Request
    with pytest.raises(TypeError):
        http1.Request()
    for kind in (http1.Request, http1.RequestParser):
        with pytest.raises(TypeError):
            type("Mine", (kind,), {})
    with pytest.raises(AttributeError):
        request.path = "/other"  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        parser.extra = 1  # type: ignore[attr-defined]


def test_it_does_nothing_before_it_has_its_words() -> None:
    code = "from headgate_native import _native; p = _native.RequestParser(); p.feed(b'x'); p.next()"
    folder = str(Path(_native.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": folder},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.endswith("RuntimeError: set_http1() comes before RequestParser.next()\n")


def test_a_request_outlives_its_parser_and_input() -> None:
    parser = http1.RequestParser()
    parser.feed(bytes(bytearray(GET)))
    request = parser.next()
    del parser
    gc.collect()
    assert request.headers == [(b"host", b"h"), (b"x-a", b"1"), (b"x-a", b"2")]  # type: ignore[attr-defined]
    assert request.header(b"x-a") == b"1, 2"  # type: ignore[attr-defined]


def test_a_name_of_one_letter_changes_no_other_bytes() -> None:
    """CPython has one object for each single byte; it is lent to everybody."""
    parser = http1.RequestParser()
    data = b"GET / HTTP/1.0\r\nQ: 1\r\n\r\n"
    parser.feed(data)
    assert parser.next().headers == [(b"q", b"1")]  # type: ignore[attr-defined]
    at = data.index(b"Q:")
    assert list(data[at : at + 1]) == [ord("Q")]


def test_a_finaliser_may_use_the_parser_it_interrupts() -> None:
    """Garbage collection while a request is made runs other people's code, which here takes the input away."""
    parser = http1.RequestParser()
    taken = []

    class Cycle:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            taken.append(parser.rest())
            parser.feed(GET)

    threshold = gc.get_threshold()
    gc.set_threshold(1)
    try:
        parser.feed(GET)
        for _ in range(200):
            Cycle()
            event = parser.next()
            assert event in (pure.END, pure.NEED_DATA) or event.path == "/a"  # type: ignore[attr-defined]
            parser.feed(GET)
    finally:
        gc.set_threshold(*threshold)
    gc.collect()
    assert len(taken) > 10


def test_nothing_is_leaked() -> None:
    def once() -> None:
        parser = http1.RequestParser()
        for data in (GET + POST, POST[:20], POST[20:]):
            parser.feed(data)
            while (event := parser.next()) is not pure.NEED_DATA:
                if isinstance(event, http1.Request):
                    assert (event.method, event.headers, event.header(b"x-a")) != ()
        parser.feed(b"\n")
        with pytest.raises(pure.Problem):
            parser.next()
        assert parser.rest() == b""

    once()
    gc.collect()
    counts = [sys.getrefcount(thing) for thing in (GET, pure.END, pure.NEED_DATA, http1.Request)]
    before = sys.getallocatedblocks()
    for _ in range(300):
        once()
    gc.collect()
    assert sys.getallocatedblocks() - before < 100
    assert [sys.getrefcount(thing) for thing in (GET, pure.END, pure.NEED_DATA, http1.Request)] == counts
