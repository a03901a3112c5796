"""The native server as the outbox and its thread see it (server_port.CommitServer): post, order, take and recall."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from outbox_kit import BOUND_S

from headgate._accel import BACKEND
from headgate.linux import intake
from headgate.tasks.plan import build

_native = pytest.importorskip("headgate_native._native")
pytestmark = pytest.mark.skipif(BACKEND != "native", reason="a native server takes native blocks only")

NOW_S = 1_800_000_000


def now_ms() -> int:
    return time.monotonic_ns() // 1_000_000


class Scene:
    """A server with an intake and no connection, and at most one thread that waits for a batch."""

    def __init__(self) -> None:
        document = {"v": 1, "appliance": "t", "streams": {"s": {"durability": "fsync"}}}
        document["limits"] = {"idle_ms": 60000, "head_ms": 5000, "body_ms": 5000, "connections": 3}
        self.intake = _native.Intake(1, 100, 1 << 20)
        plan = _native.Plan(build(document, None, True))
        self.server = _native.Server(plan, _native.Store(4096), _native.Limiter(8), self.intake)
        self.server.set_clock(NOW_S, "trusted", 0)
        self.taken: list[Any] = []
        self._thread: threading.Thread | None = None

    def add(self, rows: int) -> None:
        for _ in range(rows):
            assert self.intake.add("s", "c", b"1", None, now_ms(), intake.DURABLE) > 0

    def batch(self, rows: int) -> Any:
        self.add(rows)
        return self.intake.take(rows, 1 << 20)

    def take(self, order: int, batch: Any = None) -> None:
        """In a thread of its own."""
        self._thread = threading.Thread(target=lambda: self.taken.append(self.server.take(order, batch, False)))
        self._thread.start()

    def serve(self) -> Any:
        """Until the thread has its answer. -> it"""
        assert self._thread is not None
        ends = time.monotonic() + BOUND_S
        while self._thread.is_alive() and time.monotonic() < ends:
            self.server.wait(0.02)
        return self.taken.pop()


def test_what_is_posted_is_released_by_the_server() -> None:
    scene = Scene()
    batch = scene.batch(2)
    scene.server.post(batch, False)
    assert scene.intake.bytes > 0
    scene.server.wait(0)
    assert (len(batch), scene.intake.bytes) == (0, 0)


def test_what_is_released_already_is_not_posted() -> None:
    """The event loop may hear of a commit, and begin the next, before the thread comes to post the first one."""
    scene = Scene()
    for post in (scene.server.post, lambda batch, tell: scene.server.take(scene.server.recall(), batch, tell)):
        first, second = scene.batch(2), scene.batch(3)
        scene.server.release(first, None)
        post(first, False)
        scene.server.post(second, False)
        scene.server.wait(0)
        assert (len(first), len(second), scene.intake.bytes) == (0, 0, 0)


def test_two_cannot_be_posted() -> None:
    scene = Scene()
    first, second = scene.batch(1), scene.batch(1)
    scene.server.post(first, False)
    with pytest.raises(RuntimeError, match="not released yet"):
        scene.server.post(second, False)


def test_what_is_due_goes_to_who_takes() -> None:
    scene = Scene()
    before = scene.batch(1)
    handed = scene.server.recall()
    scene.take(scene.server.order(), before)
    scene.add(3)
    batch, now_s, trusted = scene.serve()
    assert (len(batch), len(before)) == (3, 0)  # what was posted with it is released
    assert NOW_S <= now_s < NOW_S + BOUND_S
    assert trusted is True
    assert scene.intake.rows == 0
    assert scene.server.recall() == handed + 1
    assert ("rows", 0) not in scene.server.events()


def test_whoever_waits_is_recalled() -> None:
    scene = Scene()
    order = scene.server.order()
    scene.take(order)
    handed = scene.server.recall()
    assert scene.serve() is None
    scene.take(order)  # it is of the past
    scene.add(1)
    assert scene.serve() is None
    assert scene.intake.rows == 1
    assert scene.server.recall() == handed


def test_without_an_order_python_is_told() -> None:
    scene = Scene()
    scene.add(1)
    ends = time.monotonic() + BOUND_S
    events: list[tuple[str, int]] = []
    while not events and time.monotonic() < ends:
        scene.server.wait(0.02)
        events = scene.server.events()
    assert events == [("rows", 0)]
