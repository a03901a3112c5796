"""linux/listener.py: on what it listens when a name has several addresses."""

from __future__ import annotations

import errno
import socket
from contextlib import ExitStack
from typing import Any

import pytest

from headgate.linux import doctor_network, listener
from headgate.linux.config_values import Address
from headgate.linux.doctor_machine import FAIL, OK

OURS, OURS_6, NOT_OURS = ("127.0.0.1", 0), ("::1", 0, 0, 0), ("203.0.113.1", 0)


@pytest.fixture
def name(monkeypatch: pytest.MonkeyPatch) -> Any:
    """-> makes a name with these addresses"""

    def with_addresses(*addresses: tuple[Any, ...]) -> None:
        def found(_host: object, port: int, **_: object) -> list[tuple[Any, ...]]:
            return [
                (socket.AF_INET if len(one) == len(OURS) else socket.AF_INET6, 1, 6, "", (one[0], port, *one[2:]))
                for one in addresses
            ]

        monkeypatch.setattr(socket, "getaddrinfo", found)

    return with_addresses


def places(host: str, port: int = 0) -> list[tuple[Any, ...]]:
    with ExitStack() as stack:
        return [stack.enter_context(one).getsockname() for one in listener.listening_sockets(host, port)]


def test_an_address_that_this_machine_lacks_does_not_keep_it_from_the_others(name: Any) -> None:
    for addresses in ((NOT_OURS, OURS), (OURS, NOT_OURS)):
        name(*addresses)
        ((host, port),) = places("gate")
        assert (host, port > 0) == ("127.0.0.1", True)
        assert doctor_network.listening(Address("gate", port), tls=False).status == OK


def test_none_of_the_addresses_is_here(name: Any) -> None:
    name(NOT_OURS)
    with pytest.raises(OSError, match="assign") as caught:
        places("gate")
    assert caught.value.errno == errno.EADDRNOTAVAIL
    assert doctor_network.listening(Address("gate", 8080), tls=False).status == FAIL


def test_a_family_that_the_machine_lacks(name: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    make = socket.create_server

    def create(address: Any, *, family: int, **options: Any) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return make(address, family=family, **options)

    monkeypatch.setattr(socket, "create_server", create)
    name(OURS_6, OURS)
    assert len(places("localhost")) == 1


@pytest.fixture
def ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6")


@pytest.mark.usefixtures("ipv6")
def test_every_address_of_both_families_on_one_port() -> None:
    with ExitStack() as stack:
        (first,) = listener.listening_sockets("0.0.0.0", 0)  # noqa: S104
        stack.enter_context(first)
        (second,) = listener.listening_sockets("::", first.getsockname()[1])
        stack.enter_context(second)


@pytest.mark.usefixtures("ipv6")
def test_any_free_port_is_one_for_all_addresses(name: Any) -> None:
    name(OURS_6, OURS)
    one, other = places("localhost")
    assert one[1] == other[1]


def test_a_taken_port_is_said_whichever_address_it_is_of(name: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        name(NOT_OURS, OURS)
        with pytest.raises(OSError, match="in use") as caught:
            places("gate", taken.getsockname()[1])
    assert caught.value.errno == errno.EADDRINUSE


def test_a_link_local_address_keeps_its_interface(name: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def create(address: Any, **_: object) -> socket.socket:
        asked.append(address)
        return socket.socket()

    monkeypatch.setattr(socket, "create_server", create)
    name(("fe80::1", 0, 0, 7))
    places("fe80::1%eth0", 8080)
    assert asked == [("fe80::1", 8080, 0, 7)]
