"""The twins do the same, step by step, for long random sequences; and both do what a naive model does.

Every run takes a fixed seed and a fresh one. A failure prints seed and step; HEADGATE_SEED=<seed> repeats it.
"""

import os
import random
from fractions import Fraction

import pytest

from headgate import limits
from headgate.core import limiter as pure_limiter
from headgate.core import store as pure_store
from headgate_native import _native

STEPS = 30000
MODEL_STEPS = 8000
SEEDS = [int(os.environ["HEADGATE_SEED"])] if "HEADGATE_SEED" in os.environ else [20241122, random.getrandbits(32)]

EDGES = [-1, 0, 1, 2, limits.LIMITER_RATE, limits.LIMITER_BURST, limits.TIME_MS, limits.CACHE_TTL_MS, 1 << 63, 1 << 64]


class ModelLimiter:
    """Whole tokens as fractions, clients in a list ordered by use."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.clients: list[bytes] = []
        self.state: dict[bytes, tuple[Fraction, int]] = {}
        self.evicted = 0

    def take(self, key: bytes, rate_milli: int, burst: int, now_ms: int, cost: int = 1) -> tuple[int, int]:
        tokens, then = self.state.get(key, (Fraction(burst), now_ms))
        rate = Fraction(rate_milli, 1000000)  # tokens per ms
        tokens = min(Fraction(burst), tokens + max(0, now_ms - then) * rate)
        wait = 0
        if tokens >= cost:
            tokens -= cost
        else:
            wait = -((tokens - cost) // rate)  # rounded up
        if key in self.clients:
            self.clients.remove(key)
        elif len(self.clients) == self.capacity:
            del self.state[self.clients.pop(0)]
            self.evicted += 1
        self.clients.append(key)
        self.state[key] = (tokens, max(then, now_ms))
        return wait, int(tokens)

    def __len__(self) -> int:
        return len(self.clients)


class ModelStore:
    """Entries in a list, oldest first: [key, value, meta, version, expires, visited]. The hand is an index."""

    def __init__(self, max_bytes: int, max_value: int, max_entries: int) -> None:
        self.max_bytes, self.max_value, self.max_entries = max_bytes, max_value, max_entries
        self.entries: list[list] = []
        self.hand = self.place = self.version = 0
        self.through = True
        self.counts = {"hits": 0, "misses": 0, "evictions": 0, "expirations": 0}

    def size(self, entries) -> int:
        return sum(len(e[0]) + len(e[1]) + len(e[2]) + limits.ENTRY_OVERHEAD for e in entries)

    def remove(self, entry) -> None:
        at = self.entries.index(entry)
        del self.entries[at]
        self.hand -= at < self.hand
        self.place -= at < self.place
        self.through = self.through or self.place >= len(self.entries)

    def find(self, key, now):
        for entry in self.entries:
            if entry[0] == key:
                if entry[4] and entry[4] <= now:
                    self.remove(entry)
                    self.counts["expirations"] += 1
                    return None
                return entry
        return None

    def put(self, key, value, meta, ttl_ms, now_ms) -> int:
        new = [key, value, meta, self.version + 1, ttl_ms and now_ms + ttl_ms, False]
        if len(value) > self.max_value or self.size([new]) > self.max_bytes:
            return 0
        old = self.find(key, now_ms)
        while True:
            others = [e for e in self.entries if e is not old]
            if self.size([*others, new]) <= self.max_bytes and len(others) + 1 <= self.max_entries:
                break
            self.hand %= len(self.entries)
            victim = self.entries[self.hand]
            if victim is old:
                self.hand += 1
            elif victim[4] and victim[4] <= now_ms:
                self.remove(victim)
                self.counts["expirations"] += 1
            elif victim[5]:
                victim[5] = False
                self.hand += 1
            else:
                self.remove(victim)
                self.counts["evictions"] += 1
        if old is None:
            # A hand at the end rests there only until the next entry comes in: that one is not the next candidate.
            if self.hand >= len(self.entries):
                self.hand = 0
            self.entries.append(new)
        else:
            new[5] = True
            self.entries[self.entries.index(old)] = new
        self.version += 1
        return self.version

    def get(self, key, now_ms):
        entry = self.find(key, now_ms)
        self.counts["hits" if entry else "misses"] += 1
        if entry is None:
            return None
        entry[5] = True
        return entry[1], entry[2], entry[3], entry[4] and entry[4] - now_ms

    def peek(self, key, now_ms):
        entry = self.find(key, now_ms)
        return entry and (entry[1], entry[2], entry[3], entry[4] and entry[4] - now_ms)

    def drop(self, prefix, version) -> int:
        gone = [entry for entry in self.entries if entry[0].startswith(prefix) and entry[3] <= version]
        for entry in gone:
            self.remove(entry)
        return len(gone)

    def delete(self, key, now_ms) -> bool:
        entry = self.find(key, now_ms)
        if entry is not None:
            self.remove(entry)
        return entry is not None

    def scan(self, restart, most, now_ms):
        if restart:
            self.place = 0
            self.through = not self.entries
        found = []
        while not self.through and len(found) < max(most, 1):
            entry = self.entries[self.place]
            if entry[4] and entry[4] <= now_ms:
                self.remove(entry)
                self.counts["expirations"] += 1
            else:
                self.place += 1
                found.append((*entry[:4], entry[4] and entry[4] - now_ms))
            self.through = self.place >= len(self.entries)
        return found

    def stats(self):
        counts = {**self.counts, "writes": self.version}
        return {"entries": len(self.entries), "bytes": self.size(self.entries), **counts}


def outcome(call, arguments):
    """What the call returns, or what it raises."""
    try:
        return call(*arguments)
    except (ValueError, TypeError) as error:
        return type(error), str(error)


def limiter_steps(rng: random.Random, edges: bool):
    """Arguments of take(), for ever: a clock that mostly goes on, few clients often and many clients seldom."""
    now = rng.randrange(1000)
    rates = [1, 7, 999, 1000, 60000, 999983, limits.LIMITER_RATE]
    while True:
        now = max(0, now + rng.choice((0, 0, 1, 3, 50, 1000, 1000, 100000, -1, -700)))
        burst = rng.choice((1, 2, 10, 1000, limits.LIMITER_BURST))
        step = [b"%d" % int(rng.paretovariate(0.7) % 40), rng.choice(rates), burst, now]
        if rng.random() < 0.5:
            step.append(rng.randrange(burst + 1))
        if edges and rng.random() < 0.05:
            step[rng.randrange(1, len(step))] = rng.choice(EDGES)
        yield tuple(step)


def store_steps(rng: random.Random, edges: bool):
    """(method, arguments), for ever."""
    now = rng.randrange(1000)
    alphabet = [b"%d" % i for i in range(60)]
    while True:
        now = max(0, now + rng.choice((0, 0, 0, 1, 5, 40, -3)))
        key = alphabet[int(rng.paretovariate(0.6) % 60)]
        at = rng.choice(EDGES) if edges and rng.random() < 0.02 else now
        draw = rng.random()
        if draw < 0.05:
            yield "scan", (rng.random() < 0.2, rng.choice((0, 1, 2, 5, 100)), at)
        elif draw < 0.06:
            yield "drop", (key, rng.choice((0, 100, rng.randrange(STEPS))))
        elif draw < 0.1:
            yield "peek", (key, at)
        elif draw < 0.45:
            yield "get", (key, at)
        elif draw < 0.9:
            size = rng.choice((0, 1, 8, 8, 8, 100, rng.randrange(400), rng.randrange(3000)))
            ttl = rng.choice(EDGES) if edges and rng.random() < 0.02 else rng.choice((0, 0, 1, 20, 300))
            yield "put", (key, bytes([rng.randrange(256)]) * size, b"m" * rng.choice((0, 0, 4)), ttl, at)
        else:
            yield "delete", (key, at)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_limiters_do_the_same(seed) -> None:
    rng = random.Random(seed)  # noqa: S311 (repeatable on purpose)
    capacity = rng.choice((1, 2, 7, 30, 100))
    twins = [pure_limiter.Limiter(capacity), _native.Limiter(capacity)]
    for step, arguments in zip(range(STEPS), limiter_steps(rng, edges=True), strict=False):
        results = [outcome(twin.take, arguments) for twin in twins]
        assert results[0] == results[1], (seed, step, arguments)
        assert len(twins[0]) == len(twins[1]), (seed, step, arguments)
    assert twins[0].evicted == twins[1].evicted, seed


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", [pure_limiter.Limiter, _native.Limiter])
def test_the_limiters_do_what_the_model_does(kind, seed) -> None:
    rng = random.Random(seed)  # noqa: S311
    twin, model = kind(20), ModelLimiter(20)
    for step, arguments in zip(range(MODEL_STEPS), limiter_steps(rng, edges=False), strict=False):
        assert twin.take(*arguments) == model.take(*arguments), (seed, step, arguments)
    assert (len(twin), twin.evicted) == (len(model), model.evicted), seed


@pytest.mark.parametrize("seed", SEEDS)
def test_the_stores_do_the_same(seed) -> None:
    rng = random.Random(seed)  # noqa: S311
    bounds = (rng.choice((500, 2000, 5000)), rng.choice((50, 1000, 4000)), rng.choice((1, 5, 40, 1000)))
    twins = [pure_store.Store(*bounds), _native.Store(*bounds)]
    for step, (method, arguments) in zip(range(STEPS), store_steps(rng, edges=True), strict=False):
        results = [outcome(getattr(twin, method), arguments) for twin in twins]
        assert results[0] == results[1], (seed, step, method, arguments)
        if step % 16 == 0:
            assert twins[0].stats() == twins[1].stats(), (seed, step, method, arguments)
            assert twins[0].stats()["bytes"] <= bounds[0], (seed, step)
    assert twins[0].stats() == twins[1].stats(), seed


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", [pure_store.Store, _native.Store])
def test_the_stores_do_what_the_model_does(kind, seed) -> None:
    rng = random.Random(seed)  # noqa: S311
    bounds = (rng.choice((500, 2000)), 1000, rng.choice((1, 8, 1000)))
    twin, model = kind(*bounds), ModelStore(*bounds)
    for step, (method, arguments) in zip(range(MODEL_STEPS), store_steps(rng, edges=False), strict=False):
        result = getattr(twin, method)(*arguments)
        assert result == getattr(model, method)(*arguments), (seed, step, method, arguments)
        if step % 16 == 0:
            assert twin.stats() == model.stats(), (seed, step, method, arguments)
