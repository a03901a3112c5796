"""Which messages were seen, in little memory: numbers of one start of an appliance come nearly in order, so they are
kept as ranges. Beyond a bound the oldest ranges are forgotten: a repeat may then pass, a message is never swallowed."""

from bisect import bisect_right
from collections import OrderedDict

RANGES = 100_000


class Seen:
    """`add` says whether a message is new. `forgotten`: ranges given up for the bound."""

    def __init__(self, max_ranges: int = RANGES) -> None:
        self.forgotten = 0
        self._max_ranges = max(max_ranges, 1)
        self._count = 0
        # (appliance, boot) -> starts and ends (inclusive) of the ranges, ascending; most recently used source last
        self._sources: OrderedDict[tuple[str, int], tuple[list[int], list[int]]] = OrderedDict()

    def __len__(self) -> int:
        return self._count

    def add(self, appliance: str, boot: int, seq: int) -> bool:
        source = (appliance, boot)
        starts, ends = self._sources.setdefault(source, ([], []))
        self._sources.move_to_end(source)
        at = bisect_right(starts, seq)  # the range before `at` is the only one that may hold seq
        if at and seq <= ends[at - 1]:
            return False
        joins_before = at > 0 and ends[at - 1] == seq - 1
        joins_after = at < len(starts) and starts[at] == seq + 1
        if joins_before and joins_after:
            ends[at - 1] = ends[at]
            del starts[at], ends[at]
            self._count -= 1
        elif joins_before:
            ends[at - 1] = seq
        elif joins_after:
            starts[at] = seq
        else:
            starts.insert(at, seq)
            ends.insert(at, seq)
            self._count += 1
            self._forget()
        return True

    def _forget(self) -> None:
        while self._count > self._max_ranges:
            source, (starts, ends) = next(iter(self._sources.items()))
            del starts[0], ends[0]
            self._count -= 1
            self.forgotten += 1
            if not starts:
                del self._sources[source]
