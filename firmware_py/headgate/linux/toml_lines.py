"""Where in a TOML document does a key stand?

`tomllib` gives values without positions, so a finding could name a key but not its line. This scanner walks a document
that `tomllib` has already accepted and notes the line of every key, table header and array element. Because validity is
settled, it needs no grammar checks of its own: it only has to skip strings, comments and brackets correctly.

A path is a tuple: `("streams", "weather", "rate")`; members of arrays (of tables too) are numbers:
`("issuer", 0, "name")`.
"""

import tomllib
from bisect import bisect_right

Path = tuple[str | int, ...]

_BARE_END = frozenset(" \t\r\n=.]#,{}[\"'")
_SCALAR_END = frozenset(",]}#\n")


def locate(text: str) -> dict[Path, int]:
    """Lines (from 1) of everything in `text`, a document that `tomllib.loads` accepts."""
    return _Scanner(text).scan()


def line_of(lines: dict[Path, int], path: Path) -> int:
    """The line of `path`, or of its nearest ancestor that stands in the document, else 1."""
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return 1


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.pos = 0
        self.lines: dict[Path, int] = {}
        self.arrays: dict[Path, int] = {}  # array of tables -> number of its members so far
        self.breaks = [i for i, c in enumerate(text) if c == "\n"]

    def scan(self) -> dict[Path, int]:
        table: Path = ()
        while self.skip_blank():
            if self.text.startswith("[", self.pos):
                table = self.header()
            else:
                self.pair(table)
        return self.lines

    def line(self) -> int:
        return bisect_right(self.breaks, self.pos - 1) + 1

    def skip_blank(self) -> bool:
        """Skip white space, line ends and comments; False at the end of the document."""
        text, end = self.text, len(self.text)
        while self.pos < end:
            char = text[self.pos]
            if char == "#":
                newline = text.find("\n", self.pos)
                self.pos = end if newline < 0 else newline
            elif char in " \t\r\n":
                self.pos += 1
            else:
                return True
        return False

    def header(self) -> Path:
        """`[a.b]` or `[[a.b]]`; returns the path of the table that the following pairs belong to."""
        line = self.line()
        is_array = self.text.startswith("[[", self.pos)
        self.pos += 2 if is_array else 1
        names = self.key()
        self.pos = self.text.index("]", self.pos) + (2 if is_array else 1)
        path: Path = ()
        for name in names[:-1]:
            path = self.newest((*path, name))
            self.lines.setdefault(path, line)
        path = (*path, names[-1])
        if not is_array:
            # `[a]` may come after `[a.b]`: the header itself is the better place to point at.
            self.lines[path] = line
            return path
        index = self.arrays.get(path, 0)
        self.arrays[path] = index + 1
        self.lines.setdefault(path, line)
        self.lines[(*path, index)] = line
        return (*path, index)

    def newest(self, path: Path) -> Path:
        """In a header, the name of an array of tables means its last member (TOML 1.0, "Array of Tables")."""
        count = self.arrays.get(path, 0)
        return (*path, count - 1) if count else path

    def pair(self, table: Path) -> None:
        """`key = value`, the key possibly dotted."""
        line = self.line()
        path = table
        for name in self.key():
            path = (*path, name)
            self.lines.setdefault(path, line)
        self.pos = self.text.index("=", self.pos) + 1
        self.value(path)

    def key(self) -> list[str]:
        """A dotted key; ends before `=` or `]`."""
        names = []
        while True:
            self.skip_space()
            if self.text[self.pos] in "\"'":
                start = self.pos
                self.string()
                # Escapes in quoted keys: let tomllib read the string.
                names.append(tomllib.loads("k=" + self.text[start : self.pos])["k"])
            else:
                start = self.pos
                while self.text[self.pos] not in _BARE_END:
                    self.pos += 1
                names.append(self.text[start : self.pos])
            self.skip_space()
            if not self.text.startswith(".", self.pos):
                return names
            self.pos += 1

    def skip_space(self) -> None:
        while self.text[self.pos] in " \t":
            self.pos += 1

    def value(self, path: Path) -> None:
        self.skip_space()
        char = self.text[self.pos]
        if char in "\"'":
            self.string()
        elif char == "[":
            self.array(path)
        elif char == "{":
            self.inline_table(path)
        else:
            # Numbers, dates, booleans; a date may hold a space, so the end is a delimiter, not white space.
            while self.pos < len(self.text) and self.text[self.pos] not in _SCALAR_END:
                self.pos += 1

    def array(self, path: Path) -> None:
        self.pos += 1
        index = 0
        while self.skip_blank() and self.text[self.pos] != "]":
            self.lines[(*path, index)] = self.line()
            self.value((*path, index))
            index += 1
            self.skip_blank()
            if self.text[self.pos] == ",":
                self.pos += 1
        self.pos += 1

    def inline_table(self, path: Path) -> None:
        self.pos += 1
        while self.skip_blank() and self.text[self.pos] != "}":
            self.pair(path)
            self.skip_blank()
            if self.text[self.pos] == ",":
                self.pos += 1
        self.pos += 1

    def string(self) -> None:
        """Skip a string of any of the four kinds."""
        text, quote = self.text, self.text[self.pos]
        fence = quote * 3 if text.startswith(quote * 3, self.pos) else quote
        self.pos += len(fence)
        while not text.startswith(fence, self.pos):
            self.pos += 2 if quote == '"' and text[self.pos] == "\\" else 1
        self.pos += len(fence)
        if fence != quote:  # multi-line: up to two quotes may stand directly before the closing fence
            for _ in range(2):
                if text.startswith(quote, self.pos):
                    self.pos += 1
