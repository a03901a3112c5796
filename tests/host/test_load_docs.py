"""docs/load-scenarios.md says what there is: its example is valid, and no key, word or unit is left out."""

import json
import re
from pathlib import Path

import pytest

from headgate_host.load import budgets, mix_grpc, mix_http, scenario
from headgate_host.load.spoil import MALFORMED, SPOILERS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/load-scenarios.md").read_text(encoding="utf-8")
SCHEMA = json.loads((ROOT / "host_tools/headgate_host/load/scenario.schema.json").read_bytes())


def test_the_example_is_a_scenario(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert example is not None
    (tmp_path / "weather.schema.json").write_bytes(
        (ROOT / "firmware_py/headgate/data/weather.schema.json").read_bytes()
    )
    found = scenario.parse(example[1].encode(), tmp_path / "day.toml")
    names = {request.operation.name for request, _ in zip(found.requests(), range(300), strict=False)}
    assert names == {"publish", "publish.invalid", "cache-get"}


def test_the_budgets_are_budgets() -> None:
    block = PAGE.partition("## Budgets")[2].partition("Latencies run")[0]
    texts = [text.strip() for text in re.split(r" {4,}|\n", block) if text.strip()]
    assert len(texts) == 12
    for text in texts:
        budgets.parse(text, ["publish"])


@pytest.mark.parametrize("part", ["", "phase", "data", "operation", "devices"])
def test_every_key_is_described(part: str) -> None:
    table = SCHEMA["properties"]["devices"] if part == "devices" else SCHEMA["$defs"][part] if part else SCHEMA
    for key in table["properties"]:
        assert re.search(rf"`{key}\b|\[+{key}\b", PAGE), key


def test_every_word_is_described() -> None:
    kinds = SCHEMA["$defs"]["phase"]["properties"]["kind"]["enum"]
    for word in (*SPOILERS, MALFORMED, *mix_http.MAKERS, *mix_grpc.MAKERS, *kinds):
        assert f"`{word}`" in PAGE, word
    for unit in ("ns", "us", "ms", "s", "min", "kB", "KiB", "MB", "MiB", "%", "/s", "/min", "°C"):
        assert unit in PAGE
    for statistic in budgets.STATISTICS:
        assert statistic == "max" or f".{statistic}" in PAGE
