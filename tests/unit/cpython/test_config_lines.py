"""toml_lines: the line of every key, in documents as tricky as TOML allows."""

import tomllib

import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.linux.toml_lines import line_of, locate

TRICKY = r"""# comment with [not.a.table] and key = 1
title = "a # is not a comment" # but this is
"quoted key" = 1
'literal "key"' = 2
"esc\u0061ped\"k" = 3
dotted . "sp aced" . key = 4
url = "http://[::1]:8080/?a=b"

[a.b]          # implicit table a
c = ~~~
[x]
y = 1 \~~~ still inside
~~~~~
d = 5
e = '''
fake = 1
''''
f = [
  1, # one, ]
  "]",
  [ 2,
    { g = 3, "h.i".j = 4 } ],
]
inline = { k = "}", l = [ { m = 1 } ] }
when = 1979-05-27 07:32:00   # a date with a space

[[issuer]]
name = "one"
[issuer.sub]
x = 1
[[issuer.keys]]
kid = "k0"
[[issuer.keys]]
kid = "k1"
[[issuer]]
name = "two"
[[issuer.keys]]
kid = "k2"
[a]
z = 6
[ "tab.le" . 'x y' ]
last = true""".replace("~~~~~", '"' * 5).replace("~~~", '"' * 3)


def find(text: str, needle: str, nth: int = 0) -> int:
    lines = [n for n, line in enumerate(text.split("\n"), 1) if needle in line]
    return lines[nth]


def test_tricky_document() -> None:
    tomllib.loads(TRICKY)
    lines = locate(TRICKY)
    expected = {
        ("title",): "title =",
        ("quoted key",): '"quoted key"',
        ('literal "key"',): "'literal",
        ('escaped"k',): '"esc',
        ("dotted", "sp aced", "key"): "dotted .",
        ("a", "b"): "[a.b]",
        ("a",): "[a]",
        ("a", "b", "c"): "c = ",
        ("a", "b", "d"): "d = 5",
        ("a", "b", "e"): "e = '''",
        ("a", "b", "f"): "f = [",
        ("a", "b", "f", 0): "1, # one",
        ("a", "b", "f", 1): '"]",',
        ("a", "b", "f", 2): "[ 2,",
        ("a", "b", "f", 2, 1): "{ g = 3",
        ("a", "b", "f", 2, 1, "h.i", "j"): "{ g = 3",
        ("a", "b", "inline", "l", 0, "m"): "inline =",
        ("a", "b", "when"): "when =",
        ("issuer", 0, "name"): '"one"',
        ("issuer", 0, "sub", "x"): "x = 1",
        ("issuer", 0, "keys", 0, "kid"): '"k0"',
        ("issuer", 0, "keys", 1, "kid"): '"k1"',
        ("issuer", 1, "name"): '"two"',
        ("issuer", 1, "keys", 0, "kid"): '"k2"',
        ("a", "z"): "z = 6",
        ("tab.le", "x y"): '"tab.le"',
        ("tab.le", "x y", "last"): "last =",
    }
    for path, needle in expected.items():
        assert lines[path] == find(TRICKY, needle), path
    assert ("fake",) not in lines
    assert ("a", "b", "fake") not in lines
    assert ("x",) not in lines


def test_crlf_counts_the_same() -> None:
    text = 'a = """\nx\n"""\nb = [1,\n 2]\n[t]\nc = 1\n'
    assert locate(text) == locate(text.replace("\n", "\r\n"))


def test_nearest_ancestor() -> None:
    lines = locate("[a]\nb = 1\n\n[[c]]\nd = 1\n")
    assert line_of(lines, ("a", "missing")) == 1
    assert line_of(lines, ("c", 0, "e", "f")) == 4
    assert line_of(lines, ("nowhere",)) == 1
    assert line_of(lines, ()) == 1


@pytest.mark.parametrize("text", ["", "\n", "# only a comment", "a=1", "a=1#x", "a={}", "a=[]", "a=''", '"" = 1'])
def test_small_documents(text: str) -> None:
    assert {p[0] for p in locate(text) if len(p) == 1} == set(tomllib.loads(text))


def paths(value: object, path: tuple[str | int, ...] = ()) -> "dict[tuple[str | int, ...], object]":
    found: dict[tuple[str | int, ...], object] = {}
    if isinstance(value, dict):
        for name, item in value.items():
            found.update(paths(item, (*path, name)))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found.update(paths(item, (*path, index)))
    else:
        found[path] = value
    return found


# Documents are written by a small generator that puts a unique number in every leaf; the line found must hold it.
KEYS = st.sampled_from(["a", "b", "c-d", '"q.q"', "'l l'", '"\\u0065"', '"#"', '"]"', '"="'])
NOISE = st.sampled_from(["", " ", "# x = 1 [y]\n", "\n", "\t"])
PADS = st.sampled_from(
    ["'s'", '"#"', "'''\n#'\n'''", '"""\n\\"""\n[x]\n"""', "[]", "{}", "[\n]", "true", "1979-05-27 07:32:00"]
)


class Numbers:
    def __init__(self) -> None:
        self.last = 1000

    def take(self) -> str:
        self.last += 1
        return str(self.last)


@st.composite
def documents(draw: st.DrawFn) -> str:
    numbers = Numbers()

    def value(depth: int) -> str:
        kind = draw(st.integers(0, 3 if depth else 0))
        if kind == 1:
            items = [value(depth - 1) for _ in range(draw(st.integers(0, 3)))]
            return "[" + ",".join(draw(NOISE) + "\n" + item for item in items) + "\n]"
        if kind == 2:
            names = draw(st.lists(KEYS, unique=True, max_size=3))
            return "{" + ", ".join(name + " = " + value(0) for name in names) + "}"
        if kind == 3:
            return "[" + draw(PADS) + ", " + numbers.take() + "]"
        return numbers.take()

    out = []
    for _ in range(draw(st.integers(1, 6))):
        kind = draw(st.integers(0, 2))
        header = ".".join(draw(st.lists(KEYS, min_size=1, max_size=3)))
        if kind:
            out.append(f"[[{header}]]" if kind == 2 else f"[ {header} ]")
        for name in draw(st.lists(KEYS, unique=True, max_size=3)):
            out.append(draw(NOISE))
            dotted = name + (" . " + draw(KEYS) if draw(st.booleans()) else "")
            out.append(f"{dotted} = {value(2)} # {draw(KEYS)} = 5")
    return "\n".join(out)


@settings(max_examples=examples(150))
@given(documents())
def test_random_documents(text: str) -> None:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return  # a table defined twice and the like
    lines = locate(text)
    rows = text.split("\n")
    for path, leaf in paths(data).items():
        assert path in lines, path
        if type(leaf) is int:
            assert str(leaf) in rows[lines[path] - 1], (path, leaf)
    for path in lines:
        node: object = data
        for part in path:
            assert isinstance(node, dict | list)
            node = node[part]  # type: ignore[index]
