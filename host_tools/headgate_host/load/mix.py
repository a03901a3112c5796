"""A scenario's operations -> an endless, reproducible sequence of requests.

Everything that can be is rendered before the load begins. What is left for each request: a turn of the mix, a turn of
the devices, a formatting of bytes.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle, islice

from headgate_host.load import mix_grpc, mix_http
from headgate_host.load.messages import Names
from headgate_host.load.mix_line import Line, Make, Maker, Source
from headgate_host.load.operation import GRPC, Request

# Turns of the mix, in which the weights are kept as exactly as whole numbers can. A prime: with a divisor in common
# with the number of devices, each device would always get the same few operations.
TURNS = 1009


def requests(
    lines: Sequence[Line], sources: Mapping[str, Source], names: Names, devices: int, seed: int
) -> Iterator[Request]:
    """`sources`: by the line's name, for those that have data."""
    chance = random.Random(seed)  # noqa: S311 - reproducible order, nothing secret
    makers: list[Make] = [_maker(line)(line, sources.get(line.name), names) for line in lines]
    turns = shares([line.weight for line in lines])
    mix = [maker for maker, turn in zip(makers, turns, strict=True) for _ in range(turn)]
    chance.shuffle(mix)
    order = list(range(devices))
    chance.shuffle(order)
    for make, device in zip(cycle(mix), cycle(order), strict=False):
        yield make(device)


def shares(weights: Sequence[float], turns: int = TURNS) -> list[int]:
    """How many of `turns` each gets: by largest remainders, and each at least one."""
    turns = max(turns, len(weights))
    exact = [weight / sum(weights) * turns for weight in weights]
    found = [max(1, int(one)) for one in exact]
    by_remainder = sorted(range(len(weights)), key=lambda n: exact[n] - found[n], reverse=True)
    for n in islice(cycle(by_remainder), max(0, turns - sum(found))):
        found[n] += 1
    return found


def _maker(line: Line) -> Maker:
    makers = mix_grpc.MAKERS if line.over == GRPC else mix_http.MAKERS
    return makers[line.do]
