"""micro/arena.py behaves as core/store.py, operation by operation, and keeps within its block of memory."""

from __future__ import annotations

import random

import pytest

from headgate import limits
from headgate.core.store import Store
from headgate.micro.arena import Arena


def pair(max_bytes: int, max_value: int, max_entries: int) -> tuple[Store, Arena]:
    entries = min(max_entries, max_bytes // limits.ENTRY_OVERHEAD)
    return Store(max_bytes, max_value, entries), Arena(max_bytes, max_value, max_entries)


@pytest.mark.parametrize("seed", range(12))
def test_same_as_store(seed: int) -> None:
    """A random life, short and long values, all sizes of budget: every answer and every counter is the same."""
    chance = random.Random(seed)  # noqa: S311 - reproducible
    max_bytes = chance.choice([1024, 4096, 20000])
    store, arena = pair(max_bytes, 1000, chance.choice([3, 40, 1000]))
    now_ms = 1
    keys = [b"k%d" % number for number in range(chance.choice([4, 30, 200]))] + [b"", b"x" * 256]
    for _ in range(1500):
        now_ms += chance.randrange(50)
        key = chance.choice(keys)
        action = chance.randrange(10)
        if action < 5:
            value = chance.randbytes(chance.randrange(1100) if chance.random() < 0.3 else chance.randrange(60))
            arguments = (key, value, b"m" * chance.randrange(30), chance.choice([0, 0, 100, 5000]), now_ms)
            assert arena.put(*arguments) == store.put(*arguments)
        elif action < 9:
            assert arena.get(key, now_ms) == store.get(key, now_ms)
        else:
            assert arena.delete(key, now_ms) == store.delete(key, now_ms)
        assert arena.stats() == store.stats()
    assert store.stats()["evictions"] or store.stats()["expirations"]
    for key in keys:
        assert arena.get(key, now_ms) == store.get(key, now_ms)


def test_same_hash_is_not_same_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgate.micro.arena._hash", lambda key: b"\0\0")
    store, arena = pair(4096, 100, 20)
    for number in range(60):
        arguments = (b"key-%d" % (number % 25), b"v%d" % number, b"", 0, 1)
        assert arena.put(*arguments) == store.put(*arguments)
    for number in range(25):
        assert arena.get(b"key-%d" % number, 1) == store.get(b"key-%d" % number, 1)


def test_what_does_not_fit() -> None:
    arena = Arena(1024, 500, 10)
    assert arena.put(b"k", b"v" * 501, b"", 0, 1) == 0
    assert arena.put(b"k" * (limits.CACHE_KEY + 1), b"", b"", 0, 1) == 0
    assert arena.put(b"k", b"", b"m" * (limits.CACHE_META + 1), 0, 1) == 0
    assert arena.stats()["entries"] == 0


@pytest.mark.parametrize("size", [0, 1023, 65537])
def test_refused_sizes(size: int) -> None:
    with pytest.raises(ValueError, match="max_bytes must be"):
        Arena(size, 100, 10)


def test_values_of_any_bytes() -> None:
    arena = Arena(8192, 4096, 10)
    value = bytes(range(256)) * 4
    version = arena.put(b"\0", value, b"\xff", 0, 5)
    assert arena.get(b"\0", 6) == (value, b"\xff", version, 0)
    assert arena.delete(b"\0", 6)
    assert arena.get(b"\0", 6) is None
