"""micro/arena.py behaves as core/store.py, operation by operation, and keeps within its block of memory."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest
import real
from appliance import FIRMWARE

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


SCARCE = """
import gc
from headgate.micro.arena import Arena

OLD, NEW, LARGE = b"o" * 50, b"n" * 70, b"l" * 900
full = spare = None

def leave(ones, twos, threes):
    # Of the heap nothing but so many pieces of one, two and three blocks.
    global full, spare
    try:
        while True:
            if ones:
                ones -= 1
                spare = (spare,)
            elif twos:
                twos -= 1
                spare = (spare, 0, 0)
            elif threes:
                threes -= 1
                spare = (spare, 0, 0, 0, 0, 0, 0)
            full = (full,)
    except MemoryError:
        spare = None

def filled():
    arena = Arena(2048, 1000, 40)
    for number in range(8):
        arena.put(b"%d" % number, OLD, b"m", 0 if number else 5, 1)
    arena.get(b"1", 1)
    return arena

def check(arena, key, value):
    # What is there is what was put, it takes what it takes, and it goes on.
    for number in range(10):
        name = b"%d" % number
        found = arena.get(name, 9)
        assert found is None or found[:2] == (OLD, b"m") or (name == key and found[:2] == (value, b"mm")), found
    for number in range(100):
        name, value = b"x%d" % (number % 30), bytes([number]) * (number * 7 % 90)
        assert arena.put(name, value, b"", 0, 9)
        assert arena.get(name, 9)[0] == value
    for number in range(30):
        arena.delete(b"%d" % number, 9)
        arena.delete(b"x%d" % number, 9)
    assert (arena.stats()["entries"], arena.stats()["bytes"]) == (0, 0), arena.stats()

CHANGES = (
    (b"9", NEW, 2), (b"9", LARGE, 2), (b"9", NEW, 9), (b"3", NEW, 2), (b"3", b"s", 2), (b"7", NEW, 2), (b"3", LARGE, 2),
    (b"3", None, 2), (b"0", None, 9),
)
failed = 0
for key, value, now_ms in CHANGES:
    for pattern in range(7 * 5 * 4):
        arena = filled()
        gc.collect()
        try:
            leave(pattern % 7, pattern // 7 % 5, pattern // 35)
            if value is None:
                arena.delete(key, now_ms)
            else:
                arena.put(key, value, b"mm", 0, now_ms)
        except MemoryError:
            failed += 1
        full = None
        gc.collect()
        check(arena, key, value)
print(failed > 0)
"""


@pytest.mark.parametrize("arch", [real.NATIVE, "armhf"])
def test_no_memory_for_a_change_leaves_no_half_of_it(arch: str, tmp_path: Path) -> None:
    """However little is left, and in however small pieces."""
    script = tmp_path / "script.py"
    script.write_text(SCARCE)
    environment = {"MICROPYPATH": f"{FIRMWARE}:.frozen", "PATH": "/usr/bin:/bin"}
    command = [*real.micropython(arch), "-X", "heapsize=120K", str(script)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")
