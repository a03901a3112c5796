"""Regular expressions that cannot be made slow: the ECMA-262 subset of JSON Schema, run as a set of states.

A backtracking matcher takes exponential time for `^(a+)+$` and a hostile string. This one (Thompson's construction,
simulated) visits each state at most once for each character, so a search costs O(states * characters), always.

Taken: literals, `.`, classes, `\\d \\w \\s \\D \\W \\S`, escapes (`\\n \\xHH \\uHHHH \\u{H} \\cX \\0`), `^ $ \\b \\B`,
`\\p{...}` and `\\P{...}` with a general category (core/unicode.py), groups `( )` and `(?: )`, `|`, and `* + ? {n} {n,}
{n,m}`, greedy or lazy (a yes/no search cannot tell them apart).
The syntax is that of Unicode mode (ECMA-262 section 22.2.1), characters are code points. Everything else, such as
lookaround and backreferences, is refused when the pattern is compiled. Portable.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Node = tuple[Any, ...]

WORD = (0x30, 0x39, 0x41, 0x5A, 0x5F, 0x5F, 0x61, 0x7A)  # pairs of bounds: digits, letters and the low line
_FEW = 16  # bounds of ranges that are looked at one after the other
_TURNS = 0xFFFFFFF  # fits the small integers of a 32-bit MicroPython, which need no heap

# The syntax tree: tuples that begin with one of these, and the instructions of the automaton.
CHAR = 0  # (CHAR, code point)
CLASS = 1  # (CLASS, ranges): sorted bounds (low, high, low, high, ...)
BEGIN = 2  # (BEGIN,) the start of the text; the three below likewise
END = 3
EDGE = 4  # \b
NO_EDGE = 5  # \B
SEQUENCE = 6  # tree: (SEQUENCE, nodes)
EITHER = 7  # tree: (EITHER, nodes); instruction: (EITHER, target, target)
REPEAT = 8  # tree: (REPEAT, node, least, most or -1); as the one instruction: (REPEAT, ranges, least, most or -1)
JUMP = 9  # instruction: (JUMP, target)
MATCH = 10  # instruction: (MATCH,)


class PatternError(ValueError):
    """The pattern is malformed, beyond a limit or outside the subset; `offset` counts characters of its source."""

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(f"{reason} at character {offset}")
        self.reason = reason
        self.offset = offset


class Pattern:
    """A compiled pattern. `steps` is the work of the last search that ran the automaton: states entered."""

    __slots__ = ("_code", "_literal", "_marks", "_turn", "_where", "source", "steps")

    def __init__(self, source: str) -> None:
        self.source = source
        self.steps = 0
        # Here, for only compiling needs it: a board may forget that module once its plan stands.
        from headgate.core.pattern_parse import compile_pattern  # noqa: PLC0415

        self._literal, self._where, self._code = compile_pattern(source)
        self._marks = [-1] * len(self._code)  # for each state the turn in which it was last entered
        self._turn = 0

    def search(self, text: str) -> bool:  # noqa: PLR0911 (each answer where it is known)
        """True if the pattern matches anywhere in `text` (anchors are the pattern's own business)."""
        if self._literal is not None:
            if self._where == 0:
                return self._literal in text
            if self._where == BEGIN:
                return text.startswith(self._literal)
            if self._where == END:
                return text.endswith(self._literal)
            return text == self._literal
        code = self._code
        if code[0][0] == REPEAT:
            return _is_run(text, code[0])
        self.steps = 0
        anchored = code[0][0] == BEGIN
        previous = -1
        entered = [0]
        for char in text:
            c = ord(char)
            live = self._enter(entered, previous, c)
            if live is None:
                return True
            entered = []
            for at in live:
                op = code[at]
                if op[1] == c if op[0] == CHAR else _within(op[1], c):
                    entered.append(at + 1)
            if not anchored:
                entered.append(0)
            elif not entered:
                return False
            previous = c
        return self._enter(entered, previous, -1) is None

    def _enter(self, todo: "list[int]", previous: int, following: int) -> "list[int] | None":
        """The states that wait for a character, once those in `todo` are entered; None if the pattern has matched.

        `previous` and `following` are the characters around the position, -1 at the ends of the text.
        """
        code = self._code
        marks = self._marks
        turn = self._turn = (self._turn + 1) & _TURNS
        if turn == 0:  # the counter came round: old marks could be taken for new ones
            for i in range(len(marks)):
                marks[i] = -1
        live = []
        while todo:
            at = todo.pop()
            if marks[at] == turn:
                continue
            marks[at] = turn
            self.steps += 1
            op = code[at]
            kind = op[0]
            if kind <= CLASS:
                live.append(at)
            elif kind == EITHER:
                todo.append(op[1])
                todo.append(op[2])
            elif kind == JUMP:
                todo.append(op[1])
            elif kind == MATCH:
                return None
            elif _holds(kind, previous, following):
                todo.append(at + 1)
        return live


def _is_run(text: str, op: "Node") -> bool:
    """Whether the text is nothing but characters of one class, and as many as it may be: `^[a-z0-9-]{1,32}$`."""
    _, ranges, least, most = op
    if len(text) < least or len(text) > most >= 0:
        return False
    for char in text:  # noqa: SIM110 (a generator would cost more than the loop)
        if not _within(ranges, ord(char)):
            return False
    return True


def _holds(kind: int, previous: int, following: int) -> bool:
    """Whether an assertion is true between two characters."""
    if kind == BEGIN:
        return previous < 0
    if kind == END:
        return following < 0
    return (_within(WORD, previous) != _within(WORD, following)) == (kind == EDGE)


def _within(ranges: "tuple[int, ...]", c: int) -> bool:
    start = 0
    end = len(ranges)
    while end - start > _FEW:
        middle = (start + end) >> 2 << 1  # a low bound: even
        if c < ranges[middle]:
            end = middle
        else:
            start = middle
    for i in range(start, end, 2):
        if c <= ranges[i + 1]:
            return c >= ranges[i]
    return False
