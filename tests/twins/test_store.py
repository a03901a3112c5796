"""The rules of tests/unit/test_store.py hold for both twins; and what only a C type can get wrong."""

import gc
import inspect
import runpy
import sys
from pathlib import Path

import pytest

from headgate.core import store as pure
from headgate_native import _native

UNIT = Path(__file__).resolve().parent.parent / "unit"

TestPureStore = runpy.run_path(str(UNIT / "test_store.py"))["TestStore"]


class TestNativeStore(TestPureStore):
    Store = _native.Store


@pytest.mark.parametrize("name", ["put", "get", "delete", "scan", "stats"])
def test_the_signatures_are_the_same(name) -> None:
    mine, other = (list(inspect.signature(getattr(t, name)).parameters) for t in (pure.Store, _native.Store))
    assert mine == other


def test_the_constructors_are_the_same() -> None:
    mine, other = (
        [(p.name, p.default) for p in inspect.signature(t).parameters.values()] for t in (pure.Store, _native.Store)
    )
    assert mine == other


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.put(b"k", b"v", b"", 0), "put() missing required argument 'now_ms'"),
        (lambda s: s.put(b"k", b"v", b"", 0, 0, 0), "put() takes at most 5 arguments (6 given)"),
        (lambda s: s.get(b"k"), "get() missing required argument 'now_ms'"),
        (lambda s: s.get(b"k", 0, key=b"k"), "get() got multiple values for argument 'key'"),
        (lambda s: s.delete(b"k", at=0), "delete() got an unexpected keyword argument 'at'"),
        (lambda s: s.put(b"k", b"v", b"", 0, 0.5), "'float' object cannot be interpreted as an integer"),
    ],
)
def test_wrong_calls(call, message) -> None:
    store = _native.Store(1000)
    with pytest.raises(TypeError) as caught:
        call(store)
    assert str(caught.value) == message
    assert store.stats()["entries"] == 0


def test_the_type_is_closed() -> None:
    with pytest.raises(TypeError):
        type("Mine", (_native.Store,), {})
    with pytest.raises(AttributeError):
        _native.Store(1).extra = 1  # type: ignore[attr-defined]


def test_a_value_outlives_its_entry() -> None:
    store = _native.Store(100000)
    store.put(b"k", b"v" * 5000, b"meta", 0, 0)
    found = store.get(b"k", 0)
    assert found is not None
    store.put(b"k", b"w" * 5000, b"atem", 0, 0)
    store.delete(b"k", 0)
    del store
    assert found == (b"v" * 5000, b"meta", 1, 0)


def test_a_finaliser_may_use_the_store_it_interrupts() -> None:
    """Garbage collection inside get() runs other people's code, which here frees the very entry being returned."""
    store = _native.Store(1 << 20)
    runs = []

    class Cycle:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            runs.append(store.delete(b"k", 0))
            store.put(b"k", b"x" * 3000, b"", 0, 0)

    threshold = gc.get_threshold()
    gc.set_threshold(1)
    try:
        store.put(b"k", b"y" * 3000, b"", 0, 0)
        for _ in range(200):
            Cycle()
            found = store.get(b"k", 0)
            assert found is not None
            assert found[0] in (b"x" * 3000, b"y" * 3000)
    finally:
        gc.set_threshold(*threshold)
    gc.collect()
    assert runs


def test_results_are_not_leaked() -> None:
    store = _native.Store(1 << 20)
    store.put(b"k", b"v" * 100, b"meta", 0, 0)
    key = b"another key"
    count = sys.getrefcount(key)
    for _ in range(1000):
        store.get(b"k", 0)
        store.get(key, 0)
        store.put(key, key, key, 0, 0)
        store.delete(key, 0)
        store.stats()
    assert sys.getrefcount(key) == count
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(1000):
        store.get(b"k", 0)
        store.get(key, 0)
        store.scan(True, 100, 0)
        store.stats()
        with pytest.raises(ValueError, match="now_ms"):
            store.get(key, -1)
    gc.collect()
    assert sys.getallocatedblocks() - before < 500
