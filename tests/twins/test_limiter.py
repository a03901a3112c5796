"""The rules of tests/unit/test_limiter.py hold for both twins; and what only a C type can get wrong."""

import gc
import inspect
import runpy
from pathlib import Path

import pytest

from headgate.core import limiter as pure
from headgate_native import _native

UNIT = Path(__file__).resolve().parent.parent / "unit"

TestPureLimiter = runpy.run_path(str(UNIT / "test_limiter.py"))["TestLimiter"]


class TestNativeLimiter(TestPureLimiter):
    Limiter = _native.Limiter


@pytest.mark.parametrize(
    ("mine", "other"), [(pure.Limiter, _native.Limiter), (pure.Limiter.take, _native.Limiter.take)]
)
def test_the_signatures_are_the_same(mine, other) -> None:
    mine, other = ([(p.name, p.default) for p in inspect.signature(f).parameters.values()] for f in (mine, other))
    assert mine == other


@pytest.mark.parametrize(
    ("arguments", "keywords", "message"),
    [
        ((), {}, "take() missing required argument 'key'"),
        ((b"k", 1, 1), {}, "take() missing required argument 'now_ms'"),
        ((b"k", 1, 1, 0, 0, 0), {}, "take() takes at most 5 arguments (6 given)"),
        ((b"k", 1, 1, 0), {"key": b"k"}, "take() got multiple values for argument 'key'"),
        ((b"k", 1, 1, 0), {"price": 1}, "take() got an unexpected keyword argument 'price'"),
        ((b"k", 1.0, 1, 0), {}, "'float' object cannot be interpreted as an integer"),
        ((b"k", 1, None, 0), {}, "'NoneType' object cannot be interpreted as an integer"),
    ],
)
def test_wrong_calls(arguments, keywords, message) -> None:
    table = _native.Limiter(4)
    with pytest.raises(TypeError) as caught:
        table.take(*arguments, **keywords)
    assert str(caught.value) == message
    assert len(table) == 0


def test_keywords_in_any_order() -> None:
    table = _native.Limiter(4)
    assert table.take(cost=2, now_ms=0, burst=5, rate_milli=1000, key=b"k") == (0, 3)
    assert table.take(b"k", 1000, now_ms=0, burst=5) == (0, 2)


def test_an_exception_in_an_argument_comes_through() -> None:
    class Bad:
        def __index__(self) -> int:
            raise KeyError("mine")

    with pytest.raises(KeyError):
        _native.Limiter(4).take(b"k", Bad(), 1, 0)  # type: ignore[arg-type]
    with pytest.raises(KeyError):
        _native.Limiter(Bad())  # type: ignore[arg-type]


def test_the_type_is_closed() -> None:
    with pytest.raises(TypeError):
        type("Mine", (_native.Limiter,), {})
    with pytest.raises(TypeError):
        _native.Limiter.take = None  # type: ignore[assignment,method-assign]
    with pytest.raises(AttributeError):
        _native.Limiter().evicted = 1  # type: ignore[misc]


def test_instances_are_collected_with_what_holds_them() -> None:
    gc.collect()
    before = sum(isinstance(o, _native.Limiter) for o in gc.get_objects())
    cycle: list[object] = [_native.Limiter(4)]
    cycle.append(cycle)
    del cycle
    gc.collect()
    assert sum(isinstance(o, _native.Limiter) for o in gc.get_objects()) == before


def test_calling_init_again_changes_nothing() -> None:
    table = _native.Limiter(1)
    table.take(b"k", 1, 1, 0)
    table.__init__()  # type: ignore[misc]
    assert table.take(b"k", 1, 1, 0)[0] > 0
