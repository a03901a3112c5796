"""What the demo's stations saw: counts by outcome, latencies, and how they read in one line."""

import math
from collections import Counter

STEPS = 16  # latency buckets for each doubling: quantiles are right to about 4 %
STATUS_ACCEPTED = 202
STATUS_MEANING = {
    400: "malformed",
    401: "not authentic",
    403: "not allowed",
    413: "too large",
    415: "wrong media type",
    422: "not valid",
    429: "over rate",
    503: "not now",
}


class Latencies:
    """A histogram with logarithmic buckets: bounded memory however long it runs. Values are seconds."""

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        self._buckets[math.ceil(math.log2(max(seconds, 1e-6)) * STEPS)] += 1

    def quantile_ms(self, share: float) -> float:
        """The latency in milliseconds that `share` (0 to 1) of the answers did not exceed; 0 without answers."""
        left = share * self._buckets.total()
        for bucket in sorted(self._buckets):
            left -= self._buckets[bucket]
            if left <= 0:
                return float(2 ** (bucket / STEPS)) * 1000
        return 0.0


class Tally:
    """Counts of one run. A message is counted once, by its final answer; retries are counted apart."""

    def __init__(self) -> None:
        self.sent = 0
        self.accepted = 0
        self.replayed = 0  # accepted, and the appliance said that it had it already
        self.rejected: Counter[int] = Counter()  # by status
        self.spoiled: Counter[str] = Counter()  # by what was done to the message
        self.unanswered = 0  # the run ended before an answer came: accepted or not, nobody knows
        self.retries: Counter[str] = Counter()  # by reason: "429", "503", "connection"
        self.wrong: list[str] = []  # answers that are not what the appliance owes (the first ones)
        self.wrong_count = 0
        self.latencies = Latencies()

    def note_wrong(self, text: str) -> None:
        self.wrong_count += 1
        if len(self.wrong) < 10:  # noqa: PLR2004 - enough to see what is wrong
            self.wrong.append(text)

    def reasons(self) -> dict[str, int]:
        """Rejected messages by reason, the most frequent first."""
        return {STATUS_MEANING.get(status, str(status)): n for status, n in self.rejected.most_common()}

    def document(self) -> dict[str, object]:
        return {
            "sent": self.sent,
            "accepted": self.accepted,
            "replayed": self.replayed,
            "rejected": {str(status): n for status, n in sorted(self.rejected.items())},
            "spoiled": dict(sorted(self.spoiled.items())),
            "unanswered": self.unanswered,
            "retries": dict(sorted(self.retries.items())),
            "wrong": self.wrong_count,
            "latency_ms": {
                "p50": round(self.latencies.quantile_ms(0.5), 2),
                "p99": round(self.latencies.quantile_ms(0.99), 2),
            },
        }
