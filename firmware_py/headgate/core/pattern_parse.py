"""From the source of a pattern to the automaton that core/pattern.py runs (see there for the subset). Portable."""

from headgate import limits
from headgate.core.pattern import (
    BEGIN,
    CHAR,
    CLASS,
    EDGE,
    EITHER,
    END,
    JUMP,
    MATCH,
    NO_EDGE,
    REPEAT,
    SEQUENCE,
    WORD,
    PatternError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from headgate.core.pattern import Node

_LAST = 0x10FFFF
_DIGIT = (0x30, 0x39)
# WhiteSpace and LineTerminator of ECMA-262 sections 12.2 and 12.3
# fmt: off
_SPACE = (9, 13, 32, 32, 0xA0, 0xA0, 0x1680, 0x1680, 0x2000, 0x200A, 0x2028, 0x2029, 0x202F, 0x202F, 0x205F, 0x205F,
          0x3000, 0x3000, 0xFEFF, 0xFEFF)
# fmt: on
_LINE_END = (10, 10, 13, 13, 0x2028, 0x2029)
_SYNTAX = "^$\\.*+?()[]{}|/"
_CONTROL = "fnrtv"
_CONTROL_CODES = (12, 10, 13, 9, 11)
_HEX = "0123456789abcdefABCDEF"
_DECIMAL = "0123456789"


def compile_pattern(source: str) -> "tuple[str | None, int, list[Node]]":
    """(literal, where, code). A plain text, with or without anchors, needs no automaton: then `literal` is the text,
    `where` BEGIN, END, their sum or 0, and `code` empty; otherwise `literal` is None. Neither does a run of one class
    from end to end: then `code` is a single REPEAT. Raises PatternError."""
    tree = Parser(source).parse()
    code = _Emitter(len(source)).emit_all(tree)  # also where it is not needed: the limits are the same for all
    literal, where = _plain(tree)
    if literal is not None:
        return literal, where, []
    if tree[0] == SEQUENCE and [node[0] for node in tree[1]] == [BEGIN, REPEAT, END]:
        _, repeated, least, most = tree[1][1]
        if repeated[0] == CLASS:
            return None, 0, [(REPEAT, repeated[1], least, most)]
    return None, 0, code


def _complement(ranges: "tuple[int, ...]") -> "tuple[int, ...]":
    """The code points outside sorted, merged ranges."""
    out = []
    low = 0
    for i in range(0, len(ranges), 2):
        if low < ranges[i]:
            out += [low, ranges[i] - 1]
        low = ranges[i + 1] + 1
    if low <= _LAST:
        out += [low, _LAST]
    return tuple(out)


def _merge(bounds: "list[tuple[int, int]]") -> "tuple[int, ...]":
    """Sorted, disjoint ranges out of any."""
    out: list[int] = []
    for low, high in sorted(bounds):
        if out and low <= out[-1] + 1:
            out[-1] = max(out[-1], high)
        else:
            out += [low, high]
    return tuple(out)


def _plain(tree: "Node") -> "tuple[str | None, int]":
    """(text, where) of a tree that is nothing but a text: where is 0, BEGIN, END or their sum. Else (None, 0)."""
    nodes = tree[1] if tree[0] == SEQUENCE else [tree]
    where = 0
    if nodes and nodes[0][0] == BEGIN:
        where = BEGIN
        nodes = nodes[1:]
    if nodes and nodes[-1][0] == END:
        where += END
        nodes = nodes[:-1]
    for node in nodes:
        if node[0] != CHAR or 0xD800 <= node[1] <= 0xDFFF:  # noqa: PLR2004 (no str may hold a surrogate)
            return None, 0
    return "".join([chr(node[1]) for node in nodes]), where


class Parser:
    """Source text to syntax tree, by recursive descent: one call deep for each open group."""

    def __init__(self, source: str) -> None:
        if len(source) > limits.PATTERN_LENGTH:
            raise PatternError(f"the pattern is longer than {limits.PATTERN_LENGTH} characters", limits.PATTERN_LENGTH)
        # A list: indexing a str that is not ASCII walks it from the start on MicroPython.
        self._source = list(source)
        self._at = 0
        self._ranges = 0  # in all classes, as they were written
        self._properties: dict[str, tuple[int, ...]] = {}  # those found so far

    def parse(self) -> "Node":
        tree = self._disjunction(0)
        if self._at < len(self._source):
            raise self._error("unmatched ')'")
        return tree

    def _error(self, reason: str) -> PatternError:
        return PatternError(reason, self._at)

    def _peek(self) -> str:
        return self._source[self._at] if self._at < len(self._source) else ""

    def _take(self, expected: str) -> bool:
        if self._peek() != expected:
            return False
        self._at += 1
        return True

    def _disjunction(self, depth: int) -> "Node":
        if depth > limits.PATTERN_DEPTH:
            raise self._error(f"more than {limits.PATTERN_DEPTH} nested groups")
        branches = []
        nodes: list[Node] = []
        while True:
            char = self._peek()
            if char in ("", ")", "|"):
                branches.append(nodes[0] if len(nodes) == 1 else (SEQUENCE, nodes))
                nodes = []
                if char != "|":
                    return branches[0] if len(branches) == 1 else (EITHER, branches)
                self._at += 1
            else:
                nodes.append(self._term(char, depth))

    def _term(self, char: str, depth: int) -> "Node":  # noqa: PLR0912 (a grammar, in its order)
        if char in "*+?":
            raise self._error("nothing to repeat")
        if char in "{}]":
            raise self._error(f"'{char}' must be escaped")
        self._at += 1
        if char == "^":
            return self._assertion(BEGIN)
        if char == "$":
            return self._assertion(END)
        node: Node
        if char == "(":
            looks = self._take("?") and self._looks()
            node = self._disjunction(depth + 1)
            if not self._take(")"):
                raise self._error("unmatched '('")
            if looks:
                return self._assertion(BEGIN)
        elif char == "[":
            node = (CLASS, self._class())
        elif char == ".":
            node = (CLASS, self._counted(_complement(_LINE_END)))
        elif char == "\\":
            if self._take("b"):
                return self._assertion(EDGE)
            if self._take("B"):
                return self._assertion(NO_EDGE)
            ranges = self._escape(False)
            node = (CHAR, ranges[0]) if len(ranges) == 1 else (CLASS, self._counted(ranges))
        else:
            node = (CHAR, ord(char))
        return self._quantified(node)

    def _looks(self) -> bool:
        """Behind '(?': whether it is a lookaround, which only core/regex_syntax.py knows."""
        if not self._take(":"):
            raise self._error("of the groups with '?' only '(?:' is supported, no lookaround and no names")
        return False

    def _reference(self, in_class: bool) -> "tuple[int, ...]":
        """At the character that makes an escape a backreference."""
        raise self._error("backreferences are not supported")

    def _assertion(self, kind: int) -> "tuple[int]":
        if self._peek() in ("*", "+", "?", "{"):
            raise self._error("an assertion cannot be repeated")
        return (kind,)

    def _quantified(self, node: "Node") -> "Node":
        char = self._peek()
        if char == "" or char not in "*+?{":
            return node
        self._at += 1
        least = 1 if char == "+" else 0
        most = 1 if char == "?" else -1
        if char == "{":
            least = self._count()
            most = least
            if self._take(","):
                most = -1 if self._peek() == "}" else self._count()
            if not self._take("}"):
                raise self._error("malformed repetition")
            if 0 <= most < least:
                raise self._error("the bounds of a repetition are reversed")
        self._take("?")
        return (REPEAT, node, least, most)

    def _count(self) -> int:
        value = 0
        start = self._at
        while self._peek() != "" and self._peek() in _DECIMAL:
            value = value * 10 + ord(self._peek()) - ord("0")
            if value > limits.PATTERN_STATES:
                raise self._error("a repetition too large")
            self._at += 1
        if self._at == start:
            raise self._error("malformed repetition")
        return value

    def _class(self) -> "tuple[int, ...]":
        """The ranges of a class, from behind its '[' to behind its ']'."""
        negated = self._take("^")
        bounds = []
        while not self._take("]"):
            low = self._class_atom()
            if self._peek() == "-" and self._source[self._at + 1 : self._at + 2] != ["]"]:
                self._at += 1
                high = self._class_atom()
                if len(low) != 1 or len(high) != 1:
                    raise self._error("a range needs single characters at its ends")
                if low[0] > high[0]:
                    raise self._error("the ends of a range are reversed")
                low = (low[0], high[0])
            elif len(low) == 1:
                low = (low[0], low[0])
            self._counted(low)
            for i in range(0, len(low), 2):
                bounds.append((low[i], low[i + 1]))
        ranges = _merge(bounds)
        return _complement(ranges) if negated else ranges

    def _counted(self, ranges: "tuple[int, ...]") -> "tuple[int, ...]":
        self._ranges += len(ranges) // 2
        if self._ranges > limits.PATTERN_RANGES:
            raise self._error(f"the pattern has more than {limits.PATTERN_RANGES} ranges")
        return ranges

    def _class_atom(self) -> "tuple[int, ...]":
        char = self._peek()
        if char == "":
            raise self._error("unmatched '['")
        self._at += 1
        return self._escape(True) if char == "\\" else (ord(char),)

    def _escape(self, in_class: bool) -> "tuple[int, ...]":
        r"""What the escape behind a '\' stands for: (code point,) or the ranges of a class."""
        char = self._peek()
        if char == "":
            raise self._error("a lone '\\' at the end")
        if char in "dDwWsS":
            self._at += 1
            ranges: tuple[int, ...] = _DIGIT if char in "dD" else WORD if char in "wW" else _SPACE
            return ranges if char in "dws" else _complement(ranges)
        if char in "pP":
            self._at += 1
            ranges = self._property()
            return ranges if char == "p" else _complement(ranges)
        if char == "k" or char in "123456789":
            return self._reference(in_class)
        code = self._code_point(char, in_class)
        if code < 0:
            raise self._error("unknown escape")
        return (code,)

    def _property(self) -> "tuple[int, ...]":
        r"""Behind '\p' or '\P': the ranges of the property."""
        if not self._take("{"):
            raise self._error("expected '{' and the name of a property")
        start = self._at
        while self._peek() not in ("", "}"):
            self._at += 1
        if self._peek() == "":
            raise self._error("unmatched '{'")
        name = "".join(self._source[start : self._at])
        if name not in self._properties:
            try:
                from headgate.core import unicode  # noqa: PLC0415 (rare, and big for a board)
            except ImportError:
                raise self._error("unicode properties are not available here") from None
            ranges = unicode.ranges(name)
            if ranges is None:
                self._at = start
                raise self._error("unknown property")
            self._properties[name] = ranges
        self._at += 1
        return self._properties[name]

    def _code_point(self, char: str, in_class: bool) -> int:  # noqa: PLR0911 (a grammar, in its order)
        """The code point of an escape, -1 if there is no such escape."""
        self._at += 1
        if char in _SYNTAX or (in_class and char == "-"):
            return ord(char)
        if char in _CONTROL:
            return _CONTROL_CODES[_CONTROL.find(char)]
        if in_class and char == "b":
            return 8
        if char == "0" and (self._peek() == "" or self._peek() not in _DECIMAL):
            return 0
        if char == "x":
            return self._hex(2)
        if char == "u":
            return self._unicode()
        if char == "c":
            letter = self._peek()
            if "A" <= letter <= "Z" or "a" <= letter <= "z":
                self._at += 1
                return ord(letter) & 31
        self._at -= 1
        return -1

    def _unicode(self) -> int:
        if self._take("{"):
            code = 0
            start = self._at
            while self._peek() != "}" or self._at == start:
                code = code * 16 + self._hex(1)
                if code > _LAST:
                    raise self._error("a code point too large")
            self._at += 1
            return code
        code = self._hex(4)
        if 0xD800 <= code <= 0xDBFF and self._source[self._at : self._at + 2] == ["\\", "u"]:  # noqa: PLR2004
            start = self._at
            self._at += 2
            low = self._hex(4) if self._peek() != "{" else 0
            if 0xDC00 <= low <= 0xDFFF:  # noqa: PLR2004 (a surrogate pair is one character)
                return 0x10000 + ((code - 0xD800) << 10) + low - 0xDC00
            self._at = start
        return code

    def _hex(self, count: int) -> int:
        value = 0
        for _ in range(count):
            char = self._peek()
            if char == "" or char not in _HEX:
                raise self._error("expected a hexadecimal digit")
            value = value * 16 + int(char, 16)
            self._at += 1
        return value


class _Emitter:
    """Syntax tree to instructions (Thompson's construction)."""

    __slots__ = ("_code", "_length", "_visits")

    def __init__(self, length: int) -> None:
        self._code: list[Node] = []
        self._length = length  # of the source, where errors are reported
        self._visits = 0

    def emit_all(self, tree: "Node") -> "list[Node]":
        self._emit(tree)
        self._add((MATCH,))
        return self._code

    def _add(self, op: "Node") -> int:
        if len(self._code) >= limits.PATTERN_STATES:
            raise PatternError(f"the pattern needs more than {limits.PATTERN_STATES} states", self._length)
        self._code.append(op)
        return len(self._code) - 1

    def _emit(self, node: "Node") -> None:
        # Repetitions of nothing make no states; they count here, or ((){1000}){1000} would never end.
        self._visits += 1
        if self._visits > 4 * limits.PATTERN_STATES:
            raise PatternError("the pattern repeats too much", self._length)
        kind = node[0]
        if kind == SEQUENCE:
            for part in node[1]:
                self._emit(part)
        elif kind == EITHER:
            self._either(node[1])
        elif kind == REPEAT:
            self._repeat(node[1], node[2], node[3])
        else:
            self._add(node)

    def _either(self, branches: "list[Node]") -> None:
        jumps = []
        for branch in branches[:-1]:
            split = self._add((EITHER, 0, 0))
            self._emit(branch)
            jumps.append(self._add((JUMP, 0)))
            self._code[split] = (EITHER, split + 1, len(self._code))
        self._emit(branches[-1])
        for jump in jumps:
            self._code[jump] = (JUMP, len(self._code))

    def _repeat(self, node: "Node", least: int, most: int) -> None:
        start = len(self._code)
        for _ in range(least):
            start = len(self._code)
            self._emit(node)
        if most < 0:
            if least:  # the last copy is the loop
                self._add((EITHER, start, len(self._code) + 1))
            else:
                split = self._add((EITHER, 0, 0))
                self._emit(node)
                self._add((JUMP, split))
                self._code[split] = (EITHER, split + 1, len(self._code))
            return
        splits = []
        for _ in range(most - least):
            splits.append(self._add((EITHER, 0, 0)))
            self._emit(node)
        for split in splits:
            self._code[split] = (EITHER, split + 1, len(self._code))
