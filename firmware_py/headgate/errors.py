"""What a command says when it fails: one line with cause and next step, and a documented exit code.

Portable. Errors that go over the wire are `core.problem.Problem`; these are for the terminal.
"""

OK = 0
BUG = 1
USAGE = 2
CONFIG = 3
MISSING = 4
NETWORK = 5
STATE = 6
FINDING = 7
REFUSED = 8
DEVICE = 9
INTERRUPTED = 130

EXIT_CODES = {
    OK: "success",
    BUG: "unexpected error: a bug, please report it",
    USAGE: "wrong command line",
    CONFIG: "configuration refused",
    MISSING: "a needed file, key or program is missing or unreadable",
    NETWORK: "cannot listen or connect",
    STATE: "state directory or outbox unusable",
    FINDING: "a check found something wrong",
    REFUSED: "refused: this image or this disk is not to be used; nothing was written",
    DEVICE: "writing a disk or board failed; what is on it is not usable",
    INTERRUPTED: "interrupted",
}


class CommandError(Exception):
    """A failure the user can do something about.

    `code` is one of EXIT_CODES; `cause` says what happened; `next_step` says what to do about it.
    """

    def __init__(self, code: int, cause: str, next_step: str = "") -> None:
        super().__init__(cause)
        self.code = code
        self.cause = cause
        self.next_step = next_step

    def line(self) -> str:
        return f"{self.cause}. {self.next_step}" if self.next_step else self.cause
