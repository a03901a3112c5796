"""Whether a text is a regular expression of ECMA-262 in Unicode mode (`format: regex`), run by our engine or not.

Lookaround, named groups and backreferences are syntax, so they are taken here; core/pattern.py refuses to run them.
Left out: escapes in group names, and the modifiers of ES2025. Any character beyond ASCII may be in a name. Portable.
"""

from headgate.core.pattern import PatternError
from headgate.core.pattern_parse import Parser

_DECIMAL = "0123456789"
_NAME = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_$"


def is_regex(text: str) -> bool:
    """True if the text is a pattern. The limits are those of core/pattern.py, except for states and repetitions."""
    try:
        _Syntax(text).parse()
    except PatternError:
        return False
    return True


class _Syntax(Parser):
    def __init__(self, source: str) -> None:
        super().__init__(source)
        self._groups: list[tuple[int, str]] | None = None  # where the name begins, and the name; ("" without)

    def _looks(self) -> bool:
        if self._take(":"):
            return False
        behind = self._take("<")
        if self._take("=") or self._take("!"):
            return True
        name = self._name(self._at) if behind else ""
        if name == "":
            raise self._error("unknown kind of group")
        for start, other in self._all_groups():
            if other == name and start != self._at:
                raise self._error("a group name given twice")
        self._at += len(name) + 1
        return False

    def _reference(self, in_class: bool) -> "tuple[int, ...]":
        if in_class:
            return super()._reference(in_class)
        groups = self._all_groups()
        if self._take("k"):
            name = self._name(self._at + 1) if self._peek() == "<" else ""
            if name == "" or name not in [other for _, other in groups]:
                raise self._error("a reference to no group")
            self._at += len(name) + 2
            return (0,)
        number = 0
        while self._peek() != "" and self._peek() in _DECIMAL:
            number = number * 10 + ord(self._peek()) - ord("0")
            if number > len(groups):
                raise self._error("a reference to no group")
            self._at += 1
        return (0,)

    def _count(self) -> int:
        """However many, as nothing is made of them; a billion stands for more."""
        value = 0
        start = self._at
        while self._peek() != "" and self._peek() in _DECIMAL:
            value = 1000000000 if value >= 100000000 else value * 10 + ord(self._peek()) - ord("0")  # noqa: PLR2004
            self._at += 1
        if self._at == start:
            raise self._error("malformed repetition")
        return value

    def _name(self, start: int) -> str:
        """The name that begins at `start` and ends before a '>'; "" if there is none."""
        at = start
        source = self._source
        while at < len(source) and (source[at] in _NAME or ord(source[at]) >= 0x80):  # noqa: PLR2004 (not ASCII)
            at += 1
        if at == start or source[start] in _DECIMAL or source[at : at + 1] != [">"]:
            return ""
        return "".join(source[start:at])

    def _all_groups(self) -> "list[tuple[int, str]]":
        """Every group that captures, also those still to come: a reference may stand before its group."""
        if self._groups is None:
            self._groups = []
            source = self._source
            in_class = False
            at = 0
            while at < len(source):
                char = source[at]
                at += 1
                if char == "\\":
                    at += 1
                elif in_class:
                    in_class = char != "]"
                elif char == "[":
                    in_class = True
                elif char == "(":
                    if source[at : at + 1] != ["?"]:
                        self._groups.append((at, ""))
                    elif source[at + 1 : at + 2] == ["<"] and source[at + 2 : at + 3] not in ([], ["="], ["!"]):
                        self._groups.append((at + 2, self._name(at + 2)))
        return self._groups
