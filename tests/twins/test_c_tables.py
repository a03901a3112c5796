"""What native_ext/core has as tables is what its Python twins have: problems, status texts, latency buckets, routes."""

import re
from pathlib import Path

from headgate.core.problem import STATUS_TEXT, TITLES, Problem
from headgate.core.router import Router
from headgate.tasks import api, counters

ROOT = Path(__file__).resolve().parents[2]


def core(name: str) -> str:
    return (ROOT / "native_ext" / "core" / name).read_text(encoding="ascii")


def codes() -> list[str]:
    """The codes of enum hg_code, in its order."""
    body = re.search(r"enum hg_code \{(.*?)\};", core("problem.h"), re.DOTALL)
    assert body is not None
    names = re.findall(r"\bHG_P_(\w+)", body[1])
    assert (names[0], names[-1]) == ("NONE", "COUNT")
    return [name.lower() for name in names[1:-1]]


def wire_codes() -> dict[str, tuple[int, str]]:
    """Code -> status, title: the table of docs/wire.md."""
    text = (ROOT / "docs" / "wire.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\d{3}) \| ([^|]+) \| ", text, re.MULTILINE)
    return {code: (int(status), title) for code, status, title in rows}


def test_problem_codes_are_those_of_the_wire() -> None:
    assert codes() == list(wire_codes())
    assert set(TITLES) <= set(codes())


def test_problem_words() -> None:
    rows = re.findall(r'^    \[HG_P_(\w+)\] = \{"(\w*)", "([^"]*)"\},$', core("problem.c"), re.MULTILINE)
    assert [name.lower() for name, _, _ in rows] == ["none", *codes()]
    for name, slug, title in rows[1:]:
        assert slug == name.lower()
        assert title == TITLES.get(slug, "")
        status, wire_title = wire_codes()[slug]
        assert Problem(status, slug).title() == wire_title


def test_status_texts() -> None:
    rows = re.findall(r'^    case (\d+): return "([^"]+)";$', core("problem.c"), re.MULTILINE)
    assert {int(status): text.encode() for status, text in rows} == STATUS_TEXT


def test_latency_buckets() -> None:
    row = re.search(r"hg_latency_ms\[HG_LATENCY_BUCKETS\] = \{([^}]*)\}", core("counters.c"))
    assert row is not None
    assert tuple(map(int, row[1].split(","))) == counters.BUCKETS_MS
    assert f"#define HG_LATENCY_BUCKETS {len(counters.BUCKETS_MS)} " in core("counters.h")


def c_routes() -> list[tuple[list[str], set[str], str]]:
    """Segments, methods and Allow of each route."""
    text = core("router.c")
    reads = {"GET", "HEAD"}
    ends = {"NOTHING": [], "SEGMENT": ["{}"], "SEGMENT_LAST": ["{}", "last", "{}"], "REST": ["{*}"]}
    out = []
    row = r"^    \[HG_ROUTE_\w+\] = \{PREFIX\(\"(.*?)\"\), (\w+), (.*?), \"(.*?)\"\},$"
    for prefix, shape, verbs, allow in re.findall(row, text, re.MULTILINE):
        segments = (prefix.removesuffix("/") if ends[shape] else prefix).split("/") + ends[shape]
        methods = set(re.findall(r"TAKES\(HG_(\w+)\)", verbs)) | (reads if "READS" in verbs else set())
        out.append((segments, methods, allow))
    return out


def python_routes(router: Router) -> list[tuple[list[str], set[str], str]]:
    out = []
    for segments, rest, handlers in router._routes:
        plain = ["{}" if part[:1] == "{" else part for part in segments]
        if rest:
            plain[-1] = "{*}"
        methods = {*handlers, *(["HEAD"] if "GET" in handlers else [])}
        out.append((plain, methods, ", ".join(sorted(methods))))
    return out


def test_routes() -> None:
    """In any order: no path fits two of them."""
    mine, other = (sorted(routes, key=lambda route: route[0]) for routes in (c_routes(), python_routes(api.routes())))
    assert len(mine) > 5
    assert mine == other
