"""Simulated weather stations that send real records: the rows of vega_datasets' CSV files as device messages.

Seattle and San Francisco hourly temperatures of 2010 (8759 rows each) and Seattle's daily weather of 2012-2015
(1461 rows). A share of the messages is spoiled on purpose, each in a known way, with the answer the appliance owes
for it; so a test, or a user watching the demo, can hold every single answer against what it should have been.

The same arguments give the same messages: the only randomness is a seeded generator.
"""

import csv
import importlib.util
import json
import random
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from headgate import errors

SCHEMA_NAME = "weather.schema.json"  # in headgate/data: what the messages conform to
BODY_LIMIT = 65536  # bytes; a stream's default `body_limit`, which the "too large" spoiler exceeds
DAILY_EACH = 10  # every tenth station reports once a day, the others once an hour
BLOCK = 100  # messages over which the share of spoiled ones is exact

Row = dict[str, Any]


class Message(NamedTuple):
    """One POST of one station and the answer it must get.

    `expected_pointer` is the JSON pointer of the first violation for a 422 ("" is the whole document), None for
    other statuses. `msg_id` is unique within one run and serves as Idempotency-Key. `spoiler` names what was done
    to the message, "" for an honest one.
    """

    client: str
    body: bytes
    expected_status: int
    expected_pointer: str | None
    msg_id: str
    spoiler: str


class Spoiled(NamedTuple):
    body: bytes
    status: int
    pointer: str | None


def data_folder() -> Path:
    """Where the CSV files are, found without importing the package (that would import pandas)."""
    spec = importlib.util.find_spec("vega_datasets")
    for location in (spec.submodule_search_locations if spec else None) or ():
        folder = Path(location) / "_data"
        if (folder / "seattle-weather.csv").is_file():
            return folder
    raise errors.CommandError(
        errors.MISSING,
        "the demo's weather records (Python package vega_datasets) are not installed",
        "Type: pip install --no-deps vega_datasets==0.9.0",
    )


def schema() -> bytes:
    """The JSON Schema that the honest messages conform to and the spoiled ones do not."""
    return resources.files("headgate").joinpath("data", SCHEMA_NAME).read_bytes()


def names(stations: int) -> list[str]:
    """The stations' ids: sea- and sfo- in turn, every tenth one daily (Seattle)."""
    return [_name(index) for index in range(stations)]


def messages(count: int | None, clients: int = 20, spoil: float = 0.03, seed: int = 1) -> Iterator[Message]:
    """Yield `count` messages (None: without end) of `clients` stations, taking turns; a share `spoil` is spoiled.

    Each station sends its own rows in the order of time. When the files are used up, stations swap rows, so that a
    (station, ts) pair does not come back before every station of its kind has sent every row.
    """
    if clients < 1 or not 0 <= spoil <= 1:
        raise ValueError("clients must be at least 1 and spoil between 0 and 1")
    random_source = random.Random(seed)  # noqa: S311 - reproducible choice of what to spoil; nothing secret
    sources = _sources(data_folder(), clients)
    spoilers = _spoiler_turns(random_source)
    marks: set[int] = set()
    number = 0
    while count is None or number < count:
        if number % BLOCK == 0:
            block = number // BLOCK
            quota = round((block + 1) * BLOCK * spoil) - round(block * BLOCK * spoil)
            marks = set(random_source.sample(range(BLOCK), quota))
        client = _name(number % clients)
        row = next(sources[number % clients])
        msg_id = f"{client}.{seed}.{number:07d}"
        if number % BLOCK in marks:
            name, spoiler = next(spoilers)
            done = spoiler(row, random_source)
            yield Message(client, done.body, done.status, done.pointer, msg_id, name)
        else:
            yield Message(client, _dumps(row), 202, None, msg_id, "")
        number += 1


# --- rows ---------------------------------------------------------------------------------------------------------


def _name(index: int) -> str:
    place = "sea" if _is_daily(index) or index % 2 == 0 else "sfo"
    return f"{place}-{index + 1:02d}"


def _is_daily(index: int) -> bool:
    return index % DAILY_EACH == DAILY_EACH - 1


def _sources(folder: Path, clients: int) -> list[Iterator[Row]]:
    """One endless row source for each station; stations of one kind share a file's rows among them."""
    groups: dict[str, list[int]] = {"daily": [], "sea": [], "sfo": []}
    for index in range(clients):
        groups["daily" if _is_daily(index) else _name(index)[:3]].append(index)
    readers: dict[str, Callable[[Path], list[Row]]] = {
        "daily": lambda path: _daily_rows(path / "seattle-weather.csv"),
        "sea": lambda path: _hourly_rows(path / "seattle-temps.csv"),
        "sfo": lambda path: _hourly_rows(path / "sf-temps.csv"),
    }
    sources: list[Iterator[Row]] = [iter(())] * clients
    for kind, members in groups.items():
        rows = readers[kind](folder) if members else []
        for place, index in enumerate(members):
            sources[index] = _turns(rows, _name(index), place, len(members))
    return sources


def _turns(rows: list[Row], station: str, place: int, of: int) -> Iterator[Row]:
    lap = 0
    while True:
        for number in range((place + lap) % of, len(rows), of):
            yield {"station": station, **rows[number]}
        lap += 1


def _hourly_rows(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return [{"ts": _ts(r["date"]), "kind": "hourly", "temp_f": float(r["temp"])} for r in csv.DictReader(file)]


def _daily_rows(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return [
            {
                "ts": _ts(r["date"]),
                "kind": "daily",
                "precipitation_mm": float(r["precipitation"]),
                "temp_max_c": float(r["temp_max"]),
                "temp_min_c": float(r["temp_min"]),
                "wind_mps": float(r["wind"]),
                "weather": r["weather"],
            }
            for r in csv.DictReader(file)
        ]


def _ts(date: str) -> str:
    """`2010/01/01 05:00[:00]` or `2012/01/01` as RFC 3339. The files name no time zone; they are taken as UTC."""
    day, _, time = date.partition(" ")
    return f"{day.replace('/', '-')}T{(time + ':00:00')[:8] if time else '00:00:00'}Z"


def _dumps(row: object) -> bytes:
    return json.dumps(row, separators=(",", ":")).encode()


# --- spoilers: each returns the bytes to send and the answer owed for them ------------------------------------------


def _first_number(row: Row) -> str:
    return "temp_f" if row["kind"] == "hourly" else "wind_mps"


def _wrong_type(row: Row, random_source: random.Random) -> Spoiled:
    field = _first_number(row)
    value = random_source.choice([str(row[field]), None, True, [row[field]]])
    return Spoiled(_dumps({**row, field: value}), 422, "/" + field)


def _missing_field(row: Row, random_source: random.Random) -> Spoiled:
    absent = random_source.choice(["station", "ts", _first_number(row)])
    return Spoiled(_dumps({name: value for name, value in row.items() if name != absent}), 422, "")


def _out_of_range(row: Row, random_source: random.Random) -> Spoiled:
    field = _first_number(row)
    return Spoiled(_dumps({**row, field: random_source.choice([-459.7, 6553.5])}), 422, "/" + field)


def _too_precise(row: Row, _: random.Random) -> Spoiled:
    """One digit more than the instrument has; for a daily report, a wind against the clock."""
    if row["kind"] == "hourly":
        return Spoiled(_dumps({**row, "temp_f": round(row["temp_f"] + 0.05, 2)}), 422, "/temp_f")
    return Spoiled(_dumps({**row, "wind_mps": -0.1}), 422, "/wind_mps")


def _unknown_property(row: Row, random_source: random.Random) -> Spoiled:
    name, pointer = random_source.choice([("humidity", "/humidity"), ("a/b~c", "/a~1b~0c")])
    return Spoiled(_dumps({**row, name: 1}), 422, pointer)


def _bad_date_time(row: Row, random_source: random.Random) -> Spoiled:
    year = row["ts"][:4]
    bad = [f"{year}-02-30T00:00:00Z", f"{year}-13-01T00:00:00Z", f"{year}/01/01 00:00", f"{year}-01-01T24:00:00Z", ""]
    return Spoiled(_dumps({**row, "ts": random_source.choice(bad)}), 422, "/ts")


def _bad_enum(row: Row, random_source: random.Random) -> Spoiled:
    if row["kind"] == "daily":
        return Spoiled(_dumps({**row, "weather": random_source.choice(["sunny", "Rain", 7])}), 422, "/weather")
    return Spoiled(_dumps({**row, "kind": random_source.choice(["weekly", "HOURLY", None])}), 422, "/kind")


def _bad_pattern(row: Row, random_source: random.Random) -> Spoiled:
    return Spoiled(
        _dumps({**row, "station": random_source.choice(["", "SEA-03", "sea-3", "sea-03\n"])}), 422, "/station"
    )


def _wrong_kind(row: Row, _: random.Random) -> Spoiled:
    """The fields of one kind under the name of the other: only if/then sees it."""
    return Spoiled(_dumps({**row, "kind": "daily" if row["kind"] == "hourly" else "hourly"}), 422, "")


def _not_an_object(row: Row, random_source: random.Random) -> Spoiled:
    return Spoiled(_dumps(random_source.choice([[row], "sun", 39.4, None])), 422, "")


def _malformed(row: Row, random_source: random.Random) -> Spoiled:
    body = _dumps(row)
    broken = [body[:-1], body[:-1] + b",}", body + b"}", body.replace(b'"', b"'"), body.replace(b":", b":0", 3), b""]
    return Spoiled(random_source.choice(broken), 400, None)


def _not_unicode(row: Row, random_source: random.Random) -> Spoiled:
    """Bytes that are no UTF-8, or an escape that is no character (RFC 7493 section 2.1)."""
    kind = b'"kind":"'
    return Spoiled(
        _dumps(row).replace(kind, kind + random_source.choice([b"\xff", b"\xc0\x80", b"\\ud800"])), 400, None
    )


def _duplicate_name(row: Row, _: random.Random) -> Spoiled:
    """Two readings under one name: which one counts is anyone's guess, so none does (RFC 7493 section 2.3)."""
    return Spoiled(_dumps(row)[:-1] + b',"ts":"2010-01-01T00:00:00Z"}', 400, None)


def _too_large(row: Row, _: random.Random) -> Spoiled:
    return Spoiled(_dumps(row) + b" " * BODY_LIMIT, 413, None)


SPOILERS: dict[str, Callable[[Row, random.Random], Spoiled]] = {
    "wrong type": _wrong_type,
    "missing field": _missing_field,
    "out of range": _out_of_range,
    "too precise": _too_precise,
    "unknown property": _unknown_property,
    "bad date-time": _bad_date_time,
    "bad enum": _bad_enum,
    "bad pattern": _bad_pattern,
    "wrong kind": _wrong_kind,
    "not an object": _not_an_object,
    "malformed JSON": _malformed,
    "not Unicode": _not_unicode,
    "duplicate name": _duplicate_name,
    "too large": _too_large,
}


def _spoiler_turns(random_source: random.Random) -> Iterator[tuple[str, Callable[[Row, random.Random], Spoiled]]]:
    """Every spoiler in turn, in a new order each time round: none is left out of a run that is long enough."""
    while True:
        turn = list(SPOILERS.items())
        random_source.shuffle(turn)
        yield from turn
