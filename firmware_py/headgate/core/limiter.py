"""Token buckets, one for each client, in a bounded table. Twin of native_ext/core/limiter.c.

A bucket holds at most `burst` tokens and gains `rate_milli` tokens per 1000 s. One token is 1,000,000 micro-tokens,
so one millisecond adds exactly `rate_milli` micro-tokens: whole numbers, nothing is ever rounded and no credit gets
lost however often a client asks. A client nobody has seen has a full bucket, so forgetting one (the table is full)
can only be generous.
"""

from headgate import limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MICRO = 1000000  # micro-tokens in a token

# A bucket is a list, not an object: on MicroPython an instance with five attributes takes a third more heap.
_LEVEL = 0  # micro-tokens at _STAMP
_STAMP = 1  # ms; never goes back
_KEY = 2
_OLDER = 3  # neighbours in a ring ordered by last use; the root stands between the newest and the oldest
_NEWER = 4


def _out_of_range(name: str, low: int, high: int) -> ValueError:
    return ValueError(f"{name} must be {low} to {high}")


class Limiter:
    """`capacity` buckets; the least recently used one goes when another client comes (`evicted` counts them).

    `seed` (empty or 16 bytes) keys the hash table of the native twin; here the interpreter's own dict is used.
    ValueError: `capacity` or the length of `seed` is out of range.
    """

    __slots__ = ("_buckets", "_capacity", "_root", "evicted")

    def __init__(self, capacity: int = limits.LIMITER_CLIENTS, seed: bytes = b"") -> None:
        if not 1 <= capacity <= limits.LIMITER_CLIENTS_MAX:
            raise _out_of_range("capacity", 1, limits.LIMITER_CLIENTS_MAX)
        if len(seed) not in (0, 16):
            raise ValueError("seed must be empty or 16 bytes")
        self._capacity = capacity
        self._buckets: dict[bytes, list[Any]] = {}
        root: list[Any] = [0, 0, b"", None, None]
        root[_OLDER] = root[_NEWER] = root
        self._root = root
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: bytes, rate_milli: int, burst: int, now_ms: int, cost: int = 1) -> "tuple[int, int]":
        """Take `cost` tokens from the bucket of `key`: (wait_ms, whole tokens left).

        wait_ms 0 means allowed; otherwise nothing was taken and the same call would be allowed after wait_ms, if
        nobody else takes from that bucket meanwhile. `cost` 0 only looks. `rate_milli` is tokens per 1000 s; rate and
        burst may differ from call to call (a reload). A `now_ms` before the bucket's last one counts as the last one.
        TypeError, ValueError: an argument is out of its range (see limits.py); nothing has changed.
        """
        if not isinstance(key, bytes):
            raise TypeError("key must be bytes")
        if len(key) > limits.LIMITER_KEY:
            raise ValueError(f"key must be at most {limits.LIMITER_KEY} bytes")
        if not 1 <= rate_milli <= limits.LIMITER_RATE:
            raise _out_of_range("rate_milli", 1, limits.LIMITER_RATE)
        if not 1 <= burst <= limits.LIMITER_BURST:
            raise _out_of_range("burst", 1, limits.LIMITER_BURST)
        if not 0 <= now_ms <= limits.TIME_MS:
            raise _out_of_range("now_ms", 0, limits.TIME_MS)
        if not 0 <= cost <= burst:
            raise ValueError("cost must be 0 to burst")
        full = burst * _MICRO
        root = self._root
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= self._capacity:
                bucket = root[_NEWER]
                self._unlink(bucket)
                del self._buckets[bucket[_KEY]]
                self.evicted += 1
            bucket = [full, now_ms, key, None, None]
            self._buckets[key] = bucket
        else:
            elapsed = now_ms - bucket[_STAMP]
            if elapsed > 0:
                bucket[_LEVEL] += elapsed * rate_milli
                bucket[_STAMP] = now_ms
            bucket[_LEVEL] = min(bucket[_LEVEL], full)
            self._unlink(bucket)
        newest = root[_OLDER]
        bucket[_OLDER] = newest
        bucket[_NEWER] = root
        newest[_NEWER] = root[_OLDER] = bucket

        level = bucket[_LEVEL]
        price = cost * _MICRO
        if price > level:
            return (price - level + rate_milli - 1) // rate_milli, level // _MICRO
        level -= price
        bucket[_LEVEL] = level
        return 0, level // _MICRO

    @staticmethod
    def _unlink(bucket: "list[Any]") -> None:
        bucket[_OLDER][_NEWER] = bucket[_NEWER]
        bucket[_NEWER][_OLDER] = bucket[_OLDER]
