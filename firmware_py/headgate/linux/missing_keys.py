"""Keys known not to be in the second level: who asks for one again soon is not kept waiting for the same answer."""


class MissingKeys:
    """At most `most` keys, each for `keep_ms`. All are kept equally long, so the oldest is the first to expire."""

    def __init__(self, most: int, keep_ms: int) -> None:
        self._most = most
        self._keep_ms = keep_ms
        self._until: dict[bytes, int] = {}  # ms; oldest first

    def __len__(self) -> int:
        return len(self._until)

    def add(self, key: bytes, now_ms: int) -> None:
        if not self._keep_ms:
            return
        self._until.pop(key, None)
        if len(self._until) >= self._most:
            del self._until[next(iter(self._until))]
        self._until[key] = now_ms + self._keep_ms

    def holds(self, key: bytes, now_ms: int) -> bool:
        until = self._until.get(key)
        if until is None:
            return False
        if now_ms >= until:
            del self._until[key]
            return False
        return True

    def forget(self, key: bytes) -> None:
        self._until.pop(key, None)

    def clear(self) -> None:
        self._until.clear()
