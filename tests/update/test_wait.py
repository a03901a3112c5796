"""What `headgate update` makes of a board that restarts: it hears the old slot, nobody, then the slot that runs."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from headgate.errors import FINDING, MISSING, NETWORK, OK, STATE, CommandError
from headgate_host.flash.progress import Progress
from headgate_host.update import verb_update

GONE = CommandError(NETWORK, "no connection")
UNKNOWN = CommandError(STATE, "no slots yet")


def status(slot: str, *, confirmed: bool = True, reason: str = "") -> dict[str, Any]:
    rollback = {"slot": "b", "reason": reason} if reason else None
    return {"slot": slot, "version": "1.3.0", "confirmed": confirmed, "problem": "", "last_rollback": rollback}


class Board:
    """Says one thing after the other."""

    name = "gate-1"

    def __init__(self, *says: Any) -> None:
        self._says: Iterator[Any] = iter(says)

    def status(self) -> dict[str, Any]:
        answer = next(self._says)
        if isinstance(answer, CommandError):
            raise answer
        return dict(answer)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verb_update, "POLL_S", 0)


def outcome(*says: Any) -> tuple[int, dict[str, Any]]:
    out = io.StringIO()
    after = verb_update._wait(Board(*says), "b")
    code = verb_update._report(after, {"slot": "b"}, Progress(as_json=True, out=out))
    return code, json.loads(out.getvalue())


def test_it_works() -> None:
    old, new = status("a"), status("b", confirmed=False)
    code, event = outcome(old, old, GONE, UNKNOWN, new, new, status("b"))
    assert (code, event["updated"], event["slot"]) == (OK, True, "b")


def test_it_goes_back() -> None:
    code, event = outcome(status("a"), GONE, status("b", confirmed=False), GONE, status("a", reason="not ready"))
    assert (code, event["updated"], event["last_rollback"]["reason"]) == (FINDING, False, "not ready")


def test_the_old_slot_before_the_restart_is_no_rollback() -> None:
    assert outcome(*[status("a", reason="of last year")] * 5, GONE, status("b"))[0] == OK


def test_what_waiting_does_not_help_against() -> None:
    with pytest.raises(CommandError) as caught:
        outcome(GONE, CommandError(MISSING, "token"))
    assert caught.value.code == MISSING


def test_a_board_that_stays_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verb_update, "BACK_S", -1)
    with pytest.raises(CommandError, match="did not confirm"):
        verb_update._wait(Board(), "b")
