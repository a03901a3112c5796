"""linux/missing_keys.py"""

from __future__ import annotations

from headgate.linux.missing_keys import MissingKeys


def test_for_so_long() -> None:
    keys = MissingKeys(10, 100)
    keys.add(b"k", 1000)
    assert keys.holds(b"k", 1099)
    assert not keys.holds(b"other", 1099)
    assert not keys.holds(b"k", 1100)
    assert len(keys) == 0
    keys.add(b"k", 1100)
    keys.add(b"k", 1150)
    assert keys.holds(b"k", 1249)
    keys.forget(b"k")
    keys.forget(b"k")
    assert not keys.holds(b"k", 1150)


def test_the_oldest_is_forgotten_for_want_of_room() -> None:
    keys = MissingKeys(3, 100)
    for name in (b"a", b"b", b"c", b"a", b"d"):
        keys.add(name, 0)
    assert [keys.holds(name, 1) for name in (b"a", b"b", b"c", b"d")] == [True, False, True, True]
    assert len(keys) == 3
    keys.clear()
    assert len(keys) == 0


def test_none_when_nothing_is_to_be_believed() -> None:
    keys = MissingKeys(3, 0)
    keys.add(b"a", 0)
    assert not keys.holds(b"a", 0)
