"""The exit codes of `headgate load`. They differ from those of the other verbs: a pipeline wants to know whether the
target failed, the budget, or the measurement."""

import contextlib
import os
import traceback
from collections.abc import Iterator

from headgate.errors import BUG, INTERRUPTED, USAGE, CommandError
from headgate_host.load.result import BROKEN, INVALID, UNKNOWN, Result

PASSED = 0
OVER_BUDGET = 1
UNREACHABLE = 3
TARGET_ERRORS = 4
SCENARIO_INVALID = 5
NOT_MEASURED = 7
UNEXPECTED = 70

MEANINGS = {
    PASSED: "passed",
    OVER_BUDGET: "a budget is broken",
    USAGE: "wrong command line, or a file it names cannot be used",
    UNREACHABLE: "no connection to the target",
    TARGET_ERRORS: "the target failed: wrong answers, or none",
    SCENARIO_INVALID: "the scenario is not valid",
    NOT_MEASURED: "the measurement is not valid: do not use its figures",
    UNEXPECTED: "unexpected error: a bug, please report it",
    INTERRUPTED: "interrupted; the report is written all the same",
}


class LoadError(CommandError):
    """A failure whose code is one of MEANINGS already."""


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """What the rest of Headgate fails with has other codes: here it is all about what the command line names."""
    try:
        yield
    except LoadError:
        raise
    except CommandError as error:
        raise LoadError(USAGE if error.code != BUG else UNEXPECTED, error.cause, error.next_step) from None
    except (BrokenPipeError, KeyboardInterrupt, SystemExit):
        raise
    except PermissionError as refused:
        if refused.filename is None:
            raise LoadError(UNEXPECTED, f"unexpected PermissionError: {refused}") from None
        raise LoadError(USAGE, f"cannot use {refused.filename}: {refused.strerror}", "Name what you may read") from None
    except Exception as bug:
        if os.environ.get("HEADGATE_TRACEBACK"):
            traceback.print_exc()
        cause = f"unexpected {type(bug).__name__}: {bug}"
        raise LoadError(UNEXPECTED, cause, "Run again with HEADGATE_TRACEBACK=1 and report it") from None


def code_of(result: Result, *, errors_have_budget: bool) -> int:
    """The first that applies: interrupted, not to be trusted, failures of the target (unless a budget says how many are
    allowed), a broken budget or one that could not be judged."""
    outcomes = {one.outcome for one in result.budgets}
    rules = (
        (result.interrupted, INTERRUPTED),
        (result.audit.verdict == INVALID, NOT_MEASURED),
        (result.total.errors > 0 and not errors_have_budget, TARGET_ERRORS),
        (BROKEN in outcomes or UNKNOWN in outcomes, OVER_BUDGET),
    )
    return next((code for applies, code in rules if applies), PASSED)
