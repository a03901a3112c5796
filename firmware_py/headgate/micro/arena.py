"""The cache of a small board: the same behaviour as core/store.py, kept in one block of memory taken at the start.

MicroPython's collector does not move objects, so values that come and go leave a heap full of holes: with 16 KB free in
pieces, a request of 1 KB failed. Here all entries stand one behind the other in a bytearray, oldest first, and taking
one out moves the rest down. That order is SIEVE's queue as well, so there are no links; per entry there are 19 bytes of
head and 4 of index, less than limits.ENTRY_OVERHEAD, so the budget is never exceeded.

    entry   key length, meta length, value length, visited, version, expires (ms; 0 = never), key, meta, value
    index   for each entry, in the same order: hash of the key, offset of the entry

Memory may end at any object that is made, and half a change would stay. So what a change needs is made before its first
byte is written: from there on, nothing takes memory.
"""

import struct

from headgate import limits

_HEAD = "<HHHBIq"
_HEAD_SIZE = 19
_VISITED = 6  # offsets in the head
_EXPIRES = 11
_SLOT = 4  # bytes of one index entry
_HASH = 2  # bytes of it that are the hash


def _hash(key: bytes) -> bytes:
    value = 5381  # DJB: short keys, small numbers
    for byte in key:
        value = (value * 33 ^ byte) & 0xFFFF
    return struct.pack("<H", value)


class Arena:
    """See core/store.py for the interface: put, get, delete, stats. `max_bytes`: 1 KB to 64 KB."""

    __slots__ = (
        "_arena",
        "_charged",
        "_count",
        "_evictions",
        "_expirations",
        "_hand",
        "_hits",
        "_index",
        "_max_bytes",
        "_max_entries",
        "_max_value",
        "_misses",
        "_used",
        "_version",
    )

    def __init__(self, max_bytes: int, max_value: int, max_entries: int, memory: "bytearray | None" = None) -> None:
        """`memory`: max_bytes bytes to use, taken when there was still room for them in one piece."""
        if not 1024 <= max_bytes <= 65536:  # noqa: PLR2004 - offsets and lengths have 16 bits
            raise ValueError("max_bytes must be 1024 to 65536")
        max_entries = min(max_entries, max_bytes // limits.ENTRY_OVERHEAD)
        self._max_bytes = max_bytes
        self._max_value = max_value
        self._max_entries = max_entries
        # What the index needs is paid from the overhead that each entry is charged, so together they fit the budget
        # for entries of any size: the arena itself never holds more than max_bytes - 4 per entry.
        self._arena = memoryview(bytearray(max_bytes) if memory is None else memory)
        self._index = bytearray(max_entries * _SLOT)
        self._used = 0  # bytes of the arena
        self._count = 0  # entries
        self._hand = 0  # position where the next sweep starts
        self._charged = 0
        self._version = 0
        self._hits = 0
        self._misses = 0
        self._evictions = 0
        self._expirations = 0

    def put(self, key: bytes, value: bytes, meta: bytes, ttl_ms: int, now_ms: int) -> int:
        """The new version, 0 when it does not fit (nothing has changed then)."""
        charge = len(key) + len(value) + len(meta) + limits.ENTRY_OVERHEAD
        if (
            len(key) > limits.CACHE_KEY
            or len(value) > self._max_value
            or len(meta) > limits.CACHE_META
            or charge > self._max_bytes
        ):
            return 0
        form = f"{_HEAD}{len(key)}s{len(meta)}s{len(value)}s"
        expires = now_ms + ttl_ms if ttl_ms else 0
        slot = _hash(key)
        at = self._live(key, now_ms)
        visited = 0
        if at < 0:
            self._make_room(self._max_bytes - charge, self._max_entries - 1, -1, now_ms)
            at = self._count
            if self._hand == at:
                self._hand = 0  # at the end: it does not rest on the entry that comes now
            start = self._used
            self._count += 1
            self._index[at * _SLOT] = slot[0]
            self._index[at * _SLOT + 1] = slot[1]
            self._index[at * _SLOT + _HASH] = start & 0xFF
            self._index[at * _SLOT + _HASH + 1] = start >> 8
            self._used += _HEAD_SIZE + charge - limits.ENTRY_OVERHEAD
        else:
            visited = 1
            charge -= self._charge(at)  # what is more, or less
            at = self._make_room(self._max_bytes - charge, self._max_entries, at, now_ms)
            start = self._offset(at)
            size = self._size(start)
            self._resize(at, start, size, size + charge)
        self._version += 1
        version = self._version
        struct.pack_into(
            form, self._arena, start, len(key), len(meta), len(value), visited, version, expires, key, meta, value
        )
        self._charged += charge
        return version

    def get(self, key: bytes, now_ms: int) -> "tuple[bytes, bytes, int, int] | None":
        """(value, meta, version, ms left to live or 0 = for ever), or None. A hit marks the entry as visited."""
        at = self._live(key, now_ms)
        if at < 0:
            self._misses += 1
            return None
        self._hits += 1
        arena = self._arena
        start = self._offset(at)
        arena[start + _VISITED] = 1
        key_size, meta_size, value_size, _, version, expires = struct.unpack_from(_HEAD, arena, start)
        start += _HEAD_SIZE + key_size
        meta = bytes(arena[start : start + meta_size])
        start += meta_size
        return bytes(arena[start : start + value_size]), meta, version, expires - now_ms if expires else 0

    def delete(self, key: bytes, now_ms: int) -> bool:
        """Remove the entry; False when there was no live one."""
        at = self._live(key, now_ms)
        if at < 0:
            return False
        self._remove(at)
        return True

    def stats(self) -> "dict[str, int]":
        return {
            "entries": self._count,
            "bytes": self._charged,
            "hits": self._hits,
            "misses": self._misses,
            "writes": self._version,
            "evictions": self._evictions,
            "expirations": self._expirations,
        }

    def _offset(self, at: int) -> int:
        offset: int = struct.unpack_from("<H", self._index, at * _SLOT + _HASH)[0]
        return offset

    def _size(self, start: int) -> int:
        """Bytes in the arena of the entry at the offset `start`."""
        sizes = struct.unpack_from("<HHH", self._arena, start)
        return _HEAD_SIZE + int(sizes[0]) + int(sizes[1]) + int(sizes[2])

    def _charge(self, at: int) -> int:
        return self._size(self._offset(at)) - _HEAD_SIZE + limits.ENTRY_OVERHEAD

    def _expired(self, start: int, now_ms: int) -> bool:
        expires: int = struct.unpack_from("<q", self._arena, start + _EXPIRES)[0]
        return expires != 0 and now_ms >= expires

    def _live(self, key: bytes, now_ms: int) -> int:
        """Position of the entry, -1 for none. One whose time is over is taken out."""
        wanted = _hash(key)
        end = self._count * _SLOT
        found = self._index.find(wanted, 0, end)
        while found >= 0:
            if found % _SLOT == 0:
                start = self._offset(found // _SLOT)
                size = struct.unpack_from("<H", self._arena, start)[0]
                if size == len(key) and self._arena[start + _HEAD_SIZE : start + _HEAD_SIZE + size] == key:
                    if not self._expired(start, now_ms):
                        return found // _SLOT
                    self._remove(found // _SLOT)
                    self._expirations += 1
                    return -1
            found = self._index.find(wanted, found + 1, end)
        return -1

    def _make_room(self, max_bytes: int, max_entries: int, keep: int, now_ms: int) -> int:
        """Move the hand until at most `max_bytes` and `max_entries` are left. The entry at `keep` stays; returns its
        position afterwards."""
        while self._charged > max_bytes or self._count > max_entries:
            at = self._hand
            if at >= self._count:
                self._hand = 0
                continue
            start = self._offset(at)
            if at == keep:
                self._hand += 1
            elif self._expired(start, now_ms):
                self._expirations += 1
                keep = self._sweep(at, keep)
            elif self._arena[start + _VISITED]:
                self._arena[start + _VISITED] = 0
                self._hand += 1
            else:
                self._evictions += 1
                keep = self._sweep(at, keep)
        return keep

    def _sweep(self, at: int, keep: int) -> int:
        self._remove(at)
        return keep - 1 if at < keep else keep

    def _remove(self, at: int) -> None:
        start = self._offset(at)
        size = self._size(start)
        self._resize(at, start, size, 0)
        self._charged -= size - _HEAD_SIZE + limits.ENTRY_OVERHEAD
        self._count -= 1
        if at < self._hand:
            self._hand -= 1

    def _resize(self, at: int, start: int, old: int, new: int) -> None:
        """Make the `old` bytes at `start` (entry `at`) `new` ones: what follows moves, and its offsets change; with 0
        its slots move as well, over that of this entry."""
        by = new - old
        if not by:
            return
        arena = self._arena
        index = self._index
        arena[start + new : self._used + by] = arena[start + old : self._used]
        place = (at + 1) * _SLOT
        end = self._count * _SLOT
        down = 0 if new else _SLOT
        while place < end:  # byte by byte, and no range: those are objects
            offset = (index[place + _HASH] | index[place + _HASH + 1] << 8) + by
            index[place - down] = index[place]
            index[place - down + 1] = index[place + 1]
            index[place - down + _HASH] = offset & 0xFF
            index[place - down + _HASH + 1] = offset >> 8
            place += _SLOT
        self._used += by
