"""Key-value cache with a byte budget, time to live and SIEVE eviction. Twin of native_ext/core/store.c.

SIEVE (Zhang and others, NSDI 2024): entries stay in the order they came in. A use only sets the entry's `visited`
mark. To make room a hand walks from the oldest to the newest entry and round again: a marked entry loses its mark and
stays, an unmarked one goes, and the hand rests beside it until the next time. New entries come in at the newest end,
unmarked, so what is asked for once only does not push out what is asked for often. An entry whose time is over goes
when the hand or a caller meets it, marked or not; nothing runs in the background.
"""

from headgate import limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# An entry is a list, not an object: on MicroPython an instance with eight attributes takes 160 bytes, this takes 96
# (half of that on 32-bit boards, where a full store takes 1.13 times its budget).
_KEY = 0
_VALUE = 1
_META = 2
_VERSION = 3
_EXPIRES = 4  # ms; 0 = never
_VISITED = 5
_OLDER = 6  # neighbours in a ring ordered by arrival; the root stands between the newest and the oldest
_NEWER = 7


def _out_of_range(name: str, low: int, high: int) -> ValueError:
    return ValueError(f"{name} must be {low} to {high}")


def _check(key: bytes, now_ms: int) -> None:
    if not isinstance(key, bytes):
        raise TypeError("key must be bytes")
    if not 0 <= now_ms <= limits.TIME_MS:
        raise _out_of_range("now_ms", 0, limits.TIME_MS)


class Store:
    """At most `max_bytes` bytes (0: nothing is kept) and `max_entries` entries; each is charged key + value + meta +
    ENTRY_OVERHEAD.

    `seed` (empty or 16 bytes) keys the hash table of the native twin; here the interpreter's own dict is used.
    ValueError: an argument is out of its range (limits.py: CACHE_*_MAX).
    """

    __slots__ = (
        "_bytes",
        "_entries",
        "_evictions",
        "_expirations",
        "_hand",
        "_hits",
        "_max_bytes",
        "_max_entries",
        "_max_value",
        "_misses",
        "_root",
        "_scan",
        "_version",
    )

    def __init__(
        self,
        max_bytes: int,
        max_value: int = limits.CACHE_VALUE,
        max_entries: int = limits.CACHE_ENTRIES,
        seed: bytes = b"",
    ) -> None:
        if not 0 <= max_bytes <= limits.CACHE_BYTES_MAX:
            raise _out_of_range("max_bytes", 0, limits.CACHE_BYTES_MAX)
        if not 1 <= max_value <= limits.CACHE_VALUE_MAX:
            raise _out_of_range("max_value", 1, limits.CACHE_VALUE_MAX)
        if not 1 <= max_entries <= limits.CACHE_ENTRIES_MAX:
            raise _out_of_range("max_entries", 1, limits.CACHE_ENTRIES_MAX)
        if len(seed) not in (0, 16):
            raise ValueError("seed must be empty or 16 bytes")
        self._max_bytes = max_bytes
        self._max_value = max_value
        self._max_entries = max_entries
        self._entries: dict[bytes, list[Any]] = {}
        root: list[Any] = [b"", b"", b"", 0, 0, False, None, None]
        root[_OLDER] = root[_NEWER] = root
        self._root = root
        self._hand = root  # the entry the next sweep starts at; the root: start at the oldest
        self._scan = root  # the entry `scan` goes on with; the root: it is through
        self._bytes = 0
        self._version = 0
        self._hits = 0
        self._misses = 0
        self._evictions = 0
        self._expirations = 0

    def put(self, key: bytes, value: bytes, meta: bytes, ttl_ms: int, now_ms: int) -> int:
        """Store `value` and return its version: positive, larger than every earlier one of this store.

        0: it does not fit (key, value or meta too long, or more than the whole budget); nothing has changed. `ttl_ms`
        0 = for ever. Replacing a live entry counts as a use of it. TypeError, ValueError: see limits.py; nothing has
        changed.
        """
        if not isinstance(value, bytes):
            raise TypeError("value must be bytes")
        if not isinstance(meta, bytes):
            raise TypeError("meta must be bytes")
        _check(key, now_ms)
        if not 0 <= ttl_ms <= limits.CACHE_TTL_MS:
            raise _out_of_range("ttl_ms", 0, limits.CACHE_TTL_MS)
        charge = len(key) + len(value) + len(meta) + limits.ENTRY_OVERHEAD
        if (
            len(key) > limits.CACHE_KEY
            or len(value) > self._max_value
            or len(meta) > limits.CACHE_META
            or charge > self._max_bytes
        ):
            return 0
        entry = self._live(key, now_ms)
        expires = now_ms + ttl_ms if ttl_ms else 0
        if entry is None:
            self._make_room(self._max_bytes - charge, self._max_entries - 1, None, now_ms)
            root = self._root
            newest = root[_OLDER]
            entry = [key, value, meta, 0, expires, False, newest, root]
            self._entries[key] = entry
            newest[_NEWER] = root[_OLDER] = entry
        else:
            self._bytes -= self._charge(entry)
            self._make_room(self._max_bytes - charge, self._max_entries, entry, now_ms)
            entry[_VALUE] = value
            entry[_META] = meta
            entry[_EXPIRES] = expires
            entry[_VISITED] = True
        self._bytes += charge
        self._version += 1
        entry[_VERSION] = self._version
        return self._version

    def get(self, key: bytes, now_ms: int) -> "tuple[bytes, bytes, int, int] | None":
        """(value, meta, version, ms left to live or 0 = for ever), or None. A hit marks the entry as visited."""
        _check(key, now_ms)
        entry = self._live(key, now_ms)
        if entry is None:
            self._misses += 1
            return None
        self._hits += 1
        entry[_VISITED] = True
        expires = entry[_EXPIRES]
        return entry[_VALUE], entry[_META], entry[_VERSION], expires - now_ms if expires else 0

    def peek(self, key: bytes, now_ms: int) -> "tuple[bytes, bytes, int, int] | None":
        """As `get`, but no hit, no miss and no mark."""
        _check(key, now_ms)
        entry = self._live(key, now_ms)
        if entry is None:
            return None
        expires = entry[_EXPIRES]
        return entry[_VALUE], entry[_META], entry[_VERSION], expires - now_ms if expires else 0

    def drop(self, prefix: bytes, version: int) -> int:
        """Remove the entries whose key begins with `prefix` and whose version is at most `version` -> how many."""
        if not isinstance(prefix, bytes):
            raise TypeError("prefix must be bytes")
        found = [
            entry for entry in self._entries.values() if entry[_VERSION] <= version and entry[_KEY].startswith(prefix)
        ]
        for entry in found:
            self._remove(entry)
        return len(found)

    def delete(self, key: bytes, now_ms: int) -> bool:
        """Remove the entry; False when there was no live one."""
        _check(key, now_ms)
        entry = self._live(key, now_ms)
        if entry is None:
            return False
        self._remove(entry)
        return True

    def scan(self, restart: bool, most: int, now_ms: int) -> "list[tuple[bytes, bytes, bytes, int, int]]":
        """The next entries, oldest first: (key, value, meta, version, ms left to live or 0 = for ever). [] at the end.

        `restart` begins at the oldest; otherwise it goes on where the last call stopped, whatever was put or removed
        meanwhile (new ones come at the end). There is one such place: one scan at a time. About `most` entries or
        CACHE_SCAN_BYTES bytes at a time, but at least one. No hit, no mark; expired ones met go.
        """
        _check(b"", now_ms)
        root = self._root
        if restart:
            self._scan = root[_NEWER]
        found: list[tuple[bytes, bytes, bytes, int, int]] = []
        left = limits.CACHE_SCAN_BYTES
        while self._scan is not root and left > 0 and (not found or len(found) < most):
            entry = self._scan
            expires = entry[_EXPIRES]
            if expires and now_ms >= expires:
                self._remove(entry)
                self._expirations += 1
                continue
            self._scan = entry[_NEWER]
            left -= self._charge(entry)
            ttl_ms = expires - now_ms if expires else 0
            found.append((entry[_KEY], entry[_VALUE], entry[_META], entry[_VERSION], ttl_ms))
        return found

    def stats(self) -> "dict[str, int]":
        """entries, bytes (charged; expired ones until met); hits, misses, writes, evictions, expirations since the
        start."""
        return {
            "entries": len(self._entries),
            "bytes": self._bytes,
            "hits": self._hits,
            "misses": self._misses,
            "writes": self._version,
            "evictions": self._evictions,
            "expirations": self._expirations,
        }

    def _live(self, key: bytes, now_ms: int) -> "list[Any] | None":
        entry = self._entries.get(key)
        if entry is not None and entry[_EXPIRES] and now_ms >= entry[_EXPIRES]:
            self._remove(entry)
            self._expirations += 1
            return None
        return entry

    def _make_room(self, max_bytes: int, max_entries: int, keep: "list[Any] | None", now_ms: int) -> None:
        """Move the hand until at most `max_bytes` and `max_entries` are left; `keep` (not charged) stays as it is."""
        while self._bytes > max_bytes or len(self._entries) > max_entries:
            entry = self._hand
            if entry is self._root or entry is keep:
                self._hand = entry[_NEWER]
            elif entry[_EXPIRES] and now_ms >= entry[_EXPIRES]:
                self._remove(entry)
                self._expirations += 1
            elif entry[_VISITED]:
                entry[_VISITED] = False
                self._hand = entry[_NEWER]
            else:
                self._remove(entry)
                self._evictions += 1

    def _remove(self, entry: "list[Any]") -> None:
        if self._hand is entry:
            self._hand = entry[_NEWER]
        if self._scan is entry:
            self._scan = entry[_NEWER]
        entry[_OLDER][_NEWER] = entry[_NEWER]
        entry[_NEWER][_OLDER] = entry[_OLDER]
        del self._entries[entry[_KEY]]
        self._bytes -= self._charge(entry)
        # MicroPython's collector is conservative: a stale word on the stack that looks like this entry must keep alive
        # one list, not its value and not, through the ring, every entry that was evicted after it.
        entry[_VALUE] = entry[_META] = b""
        entry[_OLDER] = entry[_NEWER] = None

    @staticmethod
    def _charge(entry: "list[Any]") -> int:
        return len(entry[_KEY]) + len(entry[_VALUE]) + len(entry[_META]) + limits.ENTRY_OVERHEAD
