"""What `headgate update` makes of a board that restarts: it hears the old slot, nobody, then the slot that runs."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headgate.errors import FINDING, MISSING, NETWORK, OK, STATE, USAGE, CommandError
from headgate_host.flash.progress import Progress
from headgate_host.update import board, verb_update

GONE = CommandError(NETWORK, "no connection")
UNKNOWN = CommandError(STATE, "no slots yet")


def status(slot: str, *, confirmed: bool = True, reason: str = "") -> dict[str, Any]:
    rollback = {"slot": "b", "reason": reason} if reason else None
    what = {"slot": slot, "board": "rpi-4", "version": "1.3.0", "created": 1}
    return {**what, "confirmed": confirmed, "problem": "", "last_rollback": rollback}


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
    monkeypatch.setattr(board, "POLL_S", 0)


def outcome(*says: Any) -> tuple[int, dict[str, Any]]:
    out = io.StringIO()
    after = verb_update._wait(Board(*says), "b", status("a"))
    code = verb_update._report(after, {"slot": "b"}, Progress(as_json=True, out=out))
    return code, json.loads(out.getvalue())


def test_it_works() -> None:
    old, new = status("a"), status("b", confirmed=False)
    code, event = outcome(old, old, GONE, UNKNOWN, new, new, status("b"))
    assert (code, event["updated"], event["slot"]) == (OK, True, "b")


NO_CLOCK = {"status": 401, "code": "invalid_token", "reason": "clock_untrusted", "detail": "exp: the time is not known"}
OTHER_KEY = {"status": 401, "code": "invalid_token", "reason": "key_unknown", "detail": "kid"}


class Answers(board.Board):
    """What comes over the wire, one after the other."""

    def __init__(self, *says: tuple[int, dict[str, Any]]) -> None:
        super().__init__("gate-1", "token")
        self._says = iter(says)

    def _exchange(self, *_: object) -> Any:
        status, document = next(self._says)
        return board._understood(self.name, status, json.dumps(document).encode())


def test_a_board_without_a_clock_is_waited_for() -> None:
    """After a restart no Raspberry Pi knows the time: it judges no token before it was told, which is no refusal."""
    says = Answers((200, status("a")), (401, NO_CLOCK), (401, NO_CLOCK), (200, {}), (200, status("b")))
    assert verb_update._wait(says, "b", {})["slot"] == "b"
    assert Answers((401, NO_CLOCK), (200, {}), (200, status("a"))).status(patience_s=60)["slot"] == "a"
    with pytest.raises(CommandError, match="cannot judge the token") as caught:
        Answers((401, NO_CLOCK)).status()
    assert caught.value.code == STATE
    with pytest.raises(CommandError, match="does not take this token") as caught:
        Answers((401, OTHER_KEY)).status(patience_s=60)
    assert caught.value.code == MISSING


@pytest.mark.parametrize(
    "change",
    [{"board": None}, {"created": "1"}, {"confirmed": 1}, {"slot": {"a": 1}}, {"last_rollback": []},
     {"last_rollback": {"slot": "b"}}],
)  # fmt: skip
def test_something_else_that_answers(change: dict[str, Any]) -> None:
    with pytest.raises(CommandError, match="as an appliance does") as caught:
        Answers((200, {**status("a"), **change})).status()
    assert caught.value.code == NETWORK


def test_what_a_terminal_would_obey() -> None:
    status_ = Answers((200, status("a\x1b[2J", reason="one\ntwo"))).status()
    assert (status_["slot"], status_["last_rollback"]["reason"]) == ("a?[2J", "one two")
    with pytest.raises(CommandError) as caught:
        Answers((422, {"detail": "\x1b]0;x\x07"})).status()
    assert "\x1b" not in caught.value.line()


def test_it_goes_back() -> None:
    code, event = outcome(status("a"), GONE, status("b", confirmed=False), GONE, status("a", reason="not ready"))
    assert (code, event["updated"], event["last_rollback"]["reason"]) == (FINDING, False, "not ready")


def test_the_old_slot_before_the_restart_is_no_rollback() -> None:
    assert outcome(*[status("a", reason="of last year")] * 5, GONE, status("b"))[0] == OK


def test_a_lost_answer_before_the_restart_is_no_rollback() -> None:
    assert outcome(status("a"), GONE, status("a"), status("a"), GONE, status("b"))[0] == OK


def test_what_waiting_does_not_help_against() -> None:
    with pytest.raises(CommandError) as caught:
        outcome(GONE, CommandError(MISSING, "token"))
    assert caught.value.code == MISSING


def test_a_board_that_stays_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verb_update, "BACK_S", -1)
    with pytest.raises(CommandError, match="did not confirm"):
        verb_update._wait(Board(), "b", {})


@pytest.mark.parametrize(("host", "code"), [("http://[::1", USAGE), ("gate:99999", USAGE), ("https://gate", MISSING)])
def test_an_address_or_a_ca_that_is_none(tmp_path: Path, host: str, code: int) -> None:
    (tmp_path / "ca").write_text("")
    for ca in (tmp_path / "ca", tmp_path / "none"):
        with pytest.raises(CommandError) as refused:
            board.Board(host, "token", ca)
        assert refused.value.code == code
