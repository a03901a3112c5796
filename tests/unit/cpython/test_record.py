"""linux/record.py: what the configuration's records have in common with frozen dataclasses."""

from __future__ import annotations

import copy

import pytest

from headgate.linux.record import Record


class Place(Record):
    host: str
    port: int = 80

    @property
    def text(self) -> str:
        return f"{self.host}:{self.port}"


class Other(Record):
    host: str
    port: int = 80


def test_values_and_defaults() -> None:
    place = Place(host="h")
    assert (place.host, place.port, place.text) == ("h", 80, "h:80")
    assert repr(place) == "Place(host='h', port=80)"
    assert list(Place.DEFAULTS) == ["host", "port"]


@pytest.mark.parametrize("values", [{}, {"port": 1}, {"host": "h", "text": "t"}, {"host": "h", "prot": 1}])
def test_missing_and_unknown_values_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(TypeError, match=r"Place: missing or unknown: (host|text|prot)"):
        Place(**values)


def test_equal_by_class_and_values() -> None:
    place = Place(host="h")
    assert place == Place(host="h", port=80)
    assert hash(place) == hash(Place(host="h"))
    assert place != Place(host="h", port=81)
    assert place != Other(host="h")
    assert copy.copy(place) == place


def test_a_copy_with_other_values() -> None:
    place = Place(host="h")
    assert place.replace(port=81) == Place(host="h", port=81)
    assert place.port == 80
    with pytest.raises(TypeError):
        place.replace(prot=1)


def test_nothing_can_be_changed() -> None:
    place = Place(host="h")
    with pytest.raises(AttributeError, match=r"Place\.port cannot be changed"):
        place.port = 1  # type: ignore[misc]
    with pytest.raises(AttributeError, match=r"Place\.host cannot be deleted"):
        del place.host
    assert place == Place(host="h")
