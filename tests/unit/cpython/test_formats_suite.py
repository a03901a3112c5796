"""The formats of the pure twin against the official suite's optional/format files of both drafts: all of them agree."""

from pathlib import PurePosixPath

import pytest
from suite_files import DOWNLOAD, suite

from headgate.core import formats
from headgate.core.json import JSONError, loads

# Formats of the suite that we do not have: tables or grammars that devices do not need.
NOT_TAKEN = {"idn-email", "idn-hostname", "iri", "iri-reference", "uri-template", "unknown"}


@pytest.mark.parametrize("draft", ["draft2020-12", "draft7"])
def test_suite(draft: str) -> None:
    files = suite("HEADGATE_JSON_SCHEMA_SUITE", "JSON-Schema-Test-Suite", "jsonschema-*.tar.gz", "json")
    if not files:
        pytest.skip(f"no JSON-Schema-Test-Suite: {DOWNLOAD}, or name its directory in HEADGATE_JSON_SCHEMA_SUITE")
    seen: dict[str, int] = {}
    wrong = []
    for path, data in files.items():
        if not PurePosixPath(path).is_relative_to(f"tests/{draft}/optional/format"):
            continue
        groups = loads(data, max_depth=64)
        assert isinstance(groups, list)
        for group in groups:
            name = group["schema"].get("format")
            check = formats.find(name)
            for case in group["tests"]:
                if isinstance(case["data"], str):
                    seen[name] = seen.get(name, 0) + 1
                    if check is not None and check(case["data"]) != case["valid"]:
                        wrong.append((name, case["data"], case["description"]))
    assert wrong == []
    assert {name for name in seen if formats.find(name) is None} == NOT_TAKEN
    # draft-07 has no uuid and no duration.
    assert {*formats.FORMATS, *formats.MORE} - set(seen) == (set() if draft == "draft2020-12" else {"uuid", "duration"})
    # When this was written: 480 and 425 of ours (fewer in older copies of the suite).
    assert sum(count for name, count in seen.items() if name not in NOT_TAKEN) > 240


def test_lone_surrogates_never_come_here() -> None:
    # `find(name)(text)` may encode the text: the parser refuses what cannot be encoded.
    with pytest.raises(JSONError):
        loads(b'"\\ud800"')
