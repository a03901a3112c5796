"""h2spec's cases against the server; h2spec_cases.py has the table."""

from __future__ import annotations

import pytest
from h2spec_cases import CASES
from h2spec_steps import Case, stream_is_closed
from raw_frames import RawClient
from wire import Server


@pytest.mark.parametrize("case", [pytest.param(case, id=case.number) for case in CASES])
def test_case(http2_server: Server, case: Case) -> None:
    with RawClient(http2_server.port, greet=case.greet, first=case.first) as client:
        for step in case.steps:
            if isinstance(step, bytes):
                client.send(step)
            else:
                step(client)
        case.expect(client)
    with RawClient(http2_server.port) as other:
        assert other.alive()


def test_all_of_them_are_here() -> None:
    """None is lost by mistake; and how many are answered as RFC 9113 allows, not as RFC 7540 asked."""
    assert len({case.number for case in CASES}) == len(CASES) == 147
    assert sum(case.expect is stream_is_closed for case in CASES) == 5
