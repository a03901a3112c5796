"""docs/wire.md says what the code does: every route, every problem code, every reason of a refused token."""

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from headgate.core.problem import TITLES, Problem
from headgate.linux import uplink_messages
from headgate.tasks import api

ROOT = Path(__file__).parents[3]
FIRMWARE = ROOT / "firmware_py/headgate"
PAGE = (ROOT / "docs/wire.md").read_text()


def calls(tree: ast.AST, name: str) -> "Iterator[ast.Call]":
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if called == name:
                yield node


def texts(node: ast.expr) -> set[str] | None:
    """The texts an expression can be; None when that cannot be read off it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}
    if isinstance(node, ast.IfExp):
        one, other = texts(node.body), texts(node.orelse)
        return None if one is None or other is None else one | other
    return None


def plain(call: ast.Call) -> bool:
    return not any(isinstance(argument, ast.Starred) for argument in call.args)


def refusals() -> list[ast.expr]:
    """The codes with which an Intake refuses: `return "code", "detail", seconds`. They are handed on as they come."""
    tree = ast.parse((FIRMWARE / "linux/intake.py").read_text())
    returned = [node.value for node in ast.walk(tree) if isinstance(node, ast.Return)]
    return [value.elts[0] for value in returned if isinstance(value, ast.Tuple) and len(value.elts) == 3]


def raised_in(path: Path) -> "Iterator[tuple[str, int | None]]":
    """(code, status if it is written there) of each Problem(...). A code that is a parameter is sought at callers."""
    tree = ast.parse(path.read_text())
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
        names = [argument.arg for argument in function.args.args if argument.arg != "self"]
        for call in calls(function, "Problem"):
            status, code = call.args[:2]
            if ast.unparse(code) == "problem.code":  # a copy of one that was found elsewhere
                continue
            number = status.value if isinstance(status, ast.Constant) and isinstance(status.value, int) else None
            if isinstance(code, ast.Name):
                assert code.id in names, f"{path}:{call.lineno}: the problem's code cannot be found out"
                given = [
                    argument
                    for caller in calls(tree, function.name)
                    for argument in ([caller.args[names.index(code.id)]] if plain(caller) else refusals())
                ]
            else:
                given = [code]
            for expression in given:
                found = texts(expression)
                assert found, f"{path}:{expression.lineno}: the problem's code cannot be found out"
                yield from ((text, number) for text in found)


@functools.cache
def raised() -> set[tuple[str, int | None]]:
    return {pair for path in FIRMWARE.rglob("*.py") for pair in raised_in(path)}


def table(heading: str, after: str) -> list[list[str]]:
    """The cells of the first table under `after` whose head begins with `heading`."""
    section = PAGE[PAGE.index(after) :]
    rows = section[section.index(f"| {heading} |") :].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def problems() -> dict[str, tuple[int, str]]:
    return {row[0].strip("`"): (int(row[1]), row[2]) for row in table("code", "### Problems")}


def test_the_codes_are_found() -> None:
    codes = {code for code, _ in raised()}
    # One of each way they are written: plain, through a helper, chosen by a condition, handed over by a splitter.
    assert {"missing_token", "idempotency_key_reused", "uri_too_long", "head_too_large", "record_too_large"} <= codes
    assert {"draining", "storage_failed", "outbox_full"} <= codes  # of the intake


def test_every_problem_has_its_row() -> None:
    assert {code for code, _ in raised()} == set(problems())


def test_every_title_is_used() -> None:
    assert set(TITLES) <= set(problems())


@pytest.mark.parametrize("code", sorted(problems()))
def test_a_row_says_status_and_title(code: str) -> None:
    status, title = problems()[code]
    assert {number for name, number in raised() if name == code} <= {status, None}
    assert title == Problem(status, code).title()
    assert title != "Error"


def test_rows_are_sorted() -> None:
    assert list(problems()) == sorted(problems())


def test_every_reason_of_a_refused_token() -> None:
    tree = ast.parse((FIRMWARE / "core/jwt.py").read_text())
    given = [texts(call.args[0]) for call in calls(tree, "TokenError")]
    assert all(given)
    documented = {row[0].strip("`") for row in table("`reason`", "### Tokens and scopes")}
    assert set().union(*(found for found in given if found)) == documented


def test_every_route() -> None:
    source = Path(api.__file__).read_text()
    routes = re.findall(r'router\.add\("(\w+)", "([^"]+)"', source)
    assert len(routes) == source.count("router.add(")
    wanted = [f"{method} {path.replace('*}', '}')}" for method, path in routes]
    assert sorted(re.findall(r"^#### `(.+)`$", PAGE, re.MULTILINE)) == sorted(wanted)


def test_what_mqtt_messages_carry() -> None:
    messages = uplink_messages
    for text in (
        messages.BATCH,
        messages.SEALED,
        messages.STATUS,
        messages.DEFAULT_TOPIC,
        messages.JSON,
        messages.CBOR,
    ):
        assert f"`{text}`" in PAGE
    pairs = [node for node in ast.walk(ast.parse(Path(messages.__file__).read_text())) if isinstance(node, ast.Tuple)]
    names = {name for node in pairs if len(node.elts) == 2 for name in texts(node.elts[0]) or ()}
    properties = {name for name in names if re.fullmatch(r"[a-z-]+", name)}
    assert {"msg-id", "count"} <= properties
    documented = {name for row in table("user property", "## MQTT") for name in re.findall(r"`([a-z-]+)`", row[0])}
    assert properties == documented


def test_links_lead_somewhere() -> None:
    anchors = {
        re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in re.findall(r"^#+ .+", PAGE, re.M)
    }
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        if target.startswith("#"):
            assert target[1:] in anchors
        else:
            assert (ROOT / "docs" / target.partition("#")[0]).exists(), target
