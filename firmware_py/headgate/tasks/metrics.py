"""The text of /metrics for Prometheus (exposition format 0.0.4); loaded when somebody asks for it.

Labels are bounded: HTTP status codes, problem codes and names from `info()`; never anything a client sent.
"""

from headgate.tasks.counters import BUCKETS_MS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from headgate.tasks.counters import Counters

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_LEDGER = ("accepted", "delivered", "expired", "dropped")  # grow only; `stored` is the difference


class _Text:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def take(self) -> bytes:
        """The lines so far, which are forgotten."""
        data = ("\n".join(self.lines) + "\n").encode()
        self.lines = []
        return data

    def family(self, name: str, kind: str, text: str) -> None:
        self.lines.append(f"# HELP headgate_{name} {text}\n# TYPE headgate_{name} {kind}")

    def value(self, name: str, value: int, label: str = "", content: object = "") -> None:
        labels = f'{{{label}="{content}"}}' if label else ""
        self.lines.append(f"headgate_{name}{labels} {value}")

    def by(self, name: str, text: str, label: str, values: "Mapping[Any, int]") -> None:
        self.family(name, "counter", text)
        for key in values:
            self.value(name, values[key], label, key)

    def one(self, name: str, kind: str, text: str, value: int) -> None:
        self.family(name, kind, text)
        self.value(name, value)


def _requests(text: _Text, counters: "Counters") -> None:
    text.by("requests_total", "Requests answered, by HTTP status.", "status", counters.requests)
    text.by("problems_total", "Requests refused, by reason.", "code", counters.problems)


def _messages(text: _Text, counters: "Counters") -> None:
    text.one("messages_accepted_total", "counter", "Messages acknowledged, replays apart.", counters.accepted)
    text.one("messages_replayed_total", "counter", "Messages acknowledged again.", counters.replayed)
    text.one("messages_validated_total", "counter", "Messages judged and not stored.", counters.validated)
    text.by("messages_rejected_total", "Messages refused, by reason.", "code", counters.rejected)


def _latency(text: _Text, counters: "Counters") -> None:
    text.family("request_duration_seconds", "histogram", "End of the head to end of the answer.")
    total = 0
    for index, count in enumerate(counters.latency):
        total += count
        last = index == len(BUCKETS_MS)
        bound = "+Inf" if last else f"{BUCKETS_MS[index] // 1000}.{BUCKETS_MS[index] % 1000:03d}"
        text.value("request_duration_seconds_bucket", total, "le", bound)
    seconds = counters.latency_ms
    text.lines.append(f"headgate_request_duration_seconds_sum {seconds // 1000}.{seconds % 1000:03d}")
    text.value("request_duration_seconds_count", total)


def _connections(text: _Text, counters: "Counters") -> None:
    text.one("connections", "gauge", "Connections open now.", counters.connections)
    text.one("connections_opened_total", "counter", "Connections accepted.", counters.opened)
    text.one("connections_refused_total", "counter", "Connections over the limit.", counters.refused)


def _store(text: _Text, stats: "Mapping[str, int]") -> None:
    for key in ("entries", "bytes"):
        text.one("cache_" + key, "gauge", f"Cache {key} in use.", stats[key])
    for key in ("hits", "misses", "writes", "evictions", "expirations"):
        text.one(f"cache_{key}_total", "counter", f"Cache {key}.", stats[key])


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _section(text: _Text, name: str, values: "Mapping[str, object]") -> None:
    """A section of info(): integers become metrics, the ledger's and names in "_total" counters; so do counts by reason
    (a dict); texts are left to /readyz."""
    for key in values:
        value = values[key]
        if isinstance(value, (int, bool)):  # on MicroPython a bool is no int
            if name == "outbox" and key in _LEDGER:
                text.one(f"outbox_{key}_total", "counter", f"Messages {key} since the outbox exists.", int(value))
            else:
                kind = "counter" if key.endswith("_total") else "gauge"
                text.one(f"{name}_{key}", kind, f"{name}: {key}.", int(value))
        elif isinstance(value, dict):
            text.by(f"{name}_{key}_total", f"{name}: {key}, by reason.", "reason", value)


def pieces(
    counters: "Counters",
    store: "Mapping[str, int]",
    limiter: "tuple[int, int]",
    info: "Mapping[str, object]",
    version: str,
) -> "Iterator[bytes]":
    """The text in pieces of about 1 KB: a small board does not have room for the whole. `limiter`: (buckets in
    use, buckets evicted); `info`: what Gateway's `info` gave, see tasks/gateway.py."""
    text = _Text()
    text.family("info", "gauge", "Version and what info() says of itself.")
    labels = [f'version="{version}"']
    for key in info:
        value = info[key]
        if isinstance(value, str) and key != "version":
            labels.append(f'{key}="{_escape(value)}"')
    text.lines.append("headgate_info{" + ",".join(labels) + "} 1")
    for part in (_requests, _messages, _latency, _connections):
        part(text, counters)
        yield text.take()
    _store(text, store)
    yield text.take()
    text.one("limiter_clients", "gauge", "Token buckets in use.", limiter[0])
    text.one("limiter_evicted_total", "counter", "Token buckets evicted.", limiter[1])
    yield text.take()
    for key in info:
        section = info[key]
        if isinstance(section, dict):
            _section(text, key, section)
        elif isinstance(section, (int, bool)):
            text.one(key, "gauge", f"{key}.", int(section))
        if text.lines:
            yield text.take()
