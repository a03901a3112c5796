"""What the gateway counts."""

BUCKETS_MS = (1, 2, 5, 10, 25, 50, 100, 250, 1000)  # upper bounds of the latency histogram; one more for the rest


class Counters:
    """Plain integers, for /metrics and the live line of the demo.

    `accepted`, `replayed`: messages answered 202, replays apart; `rejected`: messages by problem code (records of a
    batch one by one); `requests`: by HTTP status; `problems`: requests by problem code; `validated`: messages judged
    by /v1/validate; `connections`: open now; `opened`, `refused`: since the start; `latency`: requests per bucket,
    `latency_ms`: their sum, from the end of the head to the end of the answer.
    """

    __slots__ = (
        "accepted",
        "connections",
        "latency",
        "latency_ms",
        "opened",
        "problems",
        "refused",
        "rejected",
        "replayed",
        "requests",
        "validated",
    )

    def __init__(self) -> None:
        self.accepted = 0
        self.replayed = 0
        self.validated = 0
        self.rejected: dict[str, int] = {}
        self.requests: dict[int, int] = {}
        self.problems: dict[str, int] = {}
        self.connections = 0
        self.opened = 0
        self.refused = 0
        self.latency = [0] * (len(BUCKETS_MS) + 1)
        self.latency_ms = 0

    def reject(self, code: str) -> None:
        self.rejected[code] = self.rejected.get(code, 0) + 1

    def finish(self, status: int, code: str, elapsed_ms: int) -> None:
        """One request answered with `status`; `code` is the problem's, or ""."""
        self.requests[status] = self.requests.get(status, 0) + 1
        if code:
            self.problems[code] = self.problems.get(code, 0) + 1
        self.latency_ms += elapsed_ms
        index = 0
        while index < len(BUCKETS_MS) and elapsed_ms > BUCKETS_MS[index]:
            index += 1
        self.latency[index] += 1
