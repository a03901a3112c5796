"""The documents and schemas: made here from a seed, the same on every machine.

Each workload has several valid documents that differ (a validator that remembered the last one, or a branch predictor
that learnt one by heart, must not win) and invalid ones, each wrong in one place. The schemas stay with what every peer
understands (no `const`, no `exclusiveMinimum`: RapidJSON knows draft 4), because only then do all decide the same.
"""

import copy
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field

COPIES = 8  # of each small document; timing and counting loops take them in turn
BATCH_ITEMS = 48
FILE_COPIES = 2


@dataclass
class Workload:
    name: str
    schema: "dict[str, object]"
    valid: "list[bytes]"
    invalid: "dict[str, bytes]" = field(default_factory=dict)  # what is wrong -> document
    formats: bool = True  # `format` is asserted
    beyond: "frozenset[str]" = frozenset()  # names of `invalid` that need an assertion of `format`

    def documents(self) -> "list[tuple[str, bytes, bool]]":
        """(name, document, verdict) of all of them."""
        rows = [(f"valid {i}", text, True) for i, text in enumerate(self.valid)]
        return rows + [(name, text, False) for name, text in self.invalid.items()]


def dumps(value: object, **options: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, **options).encode()


def closed(properties: "dict[str, object]", optional: "tuple[str, ...]" = ()) -> "dict[str, object]":
    """The schema of an object with these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def integer(low: int, high: int) -> "dict[str, object]":
    return {"type": "integer", "minimum": low, "maximum": high}


def number(low: float, high: float) -> "dict[str, object]":
    return {"type": "number", "minimum": low, "maximum": high}


def text(high: int, low: int = 0, **more: object) -> "dict[str, object]":
    return {"type": "string", "minLength": low, "maxLength": high, **more}


def choice(*values: str) -> "dict[str, object]":
    return {"type": "string", "enum": list(values)}


BOOLEAN: "dict[str, object]" = {"type": "boolean"}
DIALECT = {"$schema": "https://json-schema.org/draft/2020-12/schema"}

# ── telemetry: one message of a small device, about 182 bytes ──

TELEMETRY = closed(
    {
        "device": {"type": "string", "pattern": "^[a-z]{3,10}-[0-9]{4}$"},
        "ts": integer(1600000000, 4102444800),
        "seq": integer(0, 4294967295),
        "temperature": number(-60, 85),
        "humidity": number(0, 100),
        "pressure": number(300, 1100),
        "battery": number(0, 5),
        "rssi": integer(-130, 0),
        "charging": BOOLEAN,
        "status": choice("ok", "warning", "alarm", "service"),
        "site": text(24, 1),
    },
    ("site",),
)


def _message(rng: random.Random) -> "dict[str, object]":
    return {
        "device": f"station-{rng.randrange(10000):04d}",
        "ts": 1764000000 + rng.randrange(1000000),
        "seq": rng.randrange(10000, 100000),
        "temperature": round(rng.uniform(10, 35), 2),
        "humidity": round(rng.uniform(20, 90), 1),
        "pressure": round(rng.uniform(960, 1040), 1),
        "battery": round(rng.uniform(3, 4.2), 2),
        "rssi": -rng.randrange(40, 100),
        "charging": rng.random() < 0.25,  # noqa: PLR2004 - an odd share keeps branch predictors honest
        "status": rng.choice(["ok", "ok", "ok", "warning", "alarm"]),
        "site": rng.choice(["roof-north", "roof-south", "gate-yard", "well-house"]),
    }


def telemetry() -> Workload:
    rng = random.Random(182)  # noqa: S311 - the same documents everywhere
    messages = [_message(rng) for _ in range(COPIES)]
    first = messages[0]
    missing = {name: value for name, value in first.items() if name != "status"}
    return Workload(
        "telemetry",
        {**DIALECT, **TELEMETRY},
        [dumps(message) for message in messages],
        {
            "first value wrong": dumps({**first, "device": "Station 1"}),
            "last value wrong": dumps({**first, "site": ""}),
            "wrong type": dumps({**first, "temperature": "21.5"}),
            "out of range": dumps({**first, "humidity": 100.5}),
            "not in the enum": dumps({**first, "status": "okay"}),
            "missing": dumps(missing),
            "unknown property": dumps({**first, "colour": 1}),
            "cut short": dumps(first)[:-1],
        },
    )


# ── report1k: a nested report of about 1 KB, about 35 properties ──

REPORT = closed(
    {
        "id": {"type": "string", "format": "uuid"},
        "version": integer(1, 9),
        "created": {"type": "string", "format": "date-time"},
        "device": closed(
            {
                "id": {"type": "string", "pattern": "^[a-z]{3,10}-[0-9]{4}$"},
                "model": text(32, 1),
                "firmware": {"type": "string", "pattern": "^[0-9]+\\.[0-9]+\\.[0-9]+$"},
                "address": {"type": "string", "format": "ipv4"},
                "mac": {"type": "string", "pattern": "^([0-9a-f]{2}:){5}[0-9a-f]{2}$"},
                "uptime": integer(0, 4294967295),
                "tags": {"type": "array", "items": text(16, 1), "maxItems": 8},
            }
        ),
        "location": closed(
            {
                "latitude": number(-90, 90),
                "longitude": number(-180, 180),
                "altitude": number(-500, 9000),
                "site": text(40, 1),
                "indoor": BOOLEAN,
            }
        ),
        "power": closed(
            {
                "source": choice("mains", "battery", "solar", "usb"),
                "voltage": number(0, 60),
                "current": number(-20, 20),
                "charge": integer(0, 100),
                "charging": BOOLEAN,
            }
        ),
        "readings": closed(
            {
                "temperature": {"type": "array", "items": number(-60, 85), "minItems": 1, "maxItems": 24},
                "humidity": {"type": "array", "items": number(0, 100), "minItems": 1, "maxItems": 24},
                "counts": {"type": "array", "items": integer(0, 65535), "minItems": 1, "maxItems": 24},
                "unit": choice("metric", "imperial"),
                "interval": integer(1, 86400),
            }
        ),
        "network": closed(
            {
                "kind": choice("wifi", "lora", "ethernet", "nb-iot"),
                "rssi": integer(-130, 0),
                "snr": number(-40, 60),
                "retries": integer(0, 255),
                "gateway": {"type": "string", "format": "ipv4"},
            }
        ),
        "status": choice("ok", "warning", "alarm", "service"),
        "errors": {"type": "array", "items": integer(0, 999), "maxItems": 16},
        "note": text(120),
    },
    ("note",),
)


def _report(rng: random.Random) -> "dict[str, object]":
    def hexa(digits: int) -> str:
        return f"{rng.getrandbits(4 * digits):0{digits}x}"

    return {
        "id": f"{hexa(8)}-{hexa(4)}-4{hexa(3)}-a{hexa(3)}-{hexa(12)}",
        "version": 3,
        "created": f"2025-11-{rng.randrange(1, 29):02d}T{rng.randrange(24):02d}:{rng.randrange(60):02d}:07.25Z",
        "device": {
            "id": f"station-{rng.randrange(10000):04d}",
            "model": "HG-" + str(rng.randrange(100, 999)) + " outdoor",
            "firmware": f"2.{rng.randrange(20)}.{rng.randrange(100)}",
            "address": f"10.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}",
            "mac": ":".join(hexa(2) for _ in range(6)),
            "uptime": rng.randrange(10000000),
            "tags": ["north", "roof", "calibrated"],
        },
        "location": {
            "latitude": round(rng.uniform(45, 55), 6),
            "longitude": round(rng.uniform(5, 15), 6),
            "altitude": round(rng.uniform(0, 900), 1),
            "site": "Dachgeschoß Süd, Brunnenhaus",
            "indoor": False,
        },
        "power": {
            "source": rng.choice(["battery", "solar"]),
            "voltage": round(rng.uniform(11, 14), 2),
            "current": round(rng.uniform(-2, 2), 3),
            "charge": rng.randrange(101),
            "charging": True,
        },
        "readings": {
            "temperature": [round(rng.uniform(10, 30), 2) for _ in range(16)],
            "humidity": [round(rng.uniform(30, 80), 1) for _ in range(16)],
            "counts": [rng.randrange(1000) for _ in range(16)],
            "unit": "metric",
            "interval": 300,
        },
        "network": {
            "kind": rng.choice(["wifi", "lora", "nb-iot"]),
            "rssi": -rng.randrange(40, 100),
            "snr": round(rng.uniform(-5, 20), 1),
            "retries": rng.randrange(5),
            "gateway": "10.0.0.1",
        },
        "status": rng.choice(["ok", "warning"]),
        "errors": [],
        "note": 'filter changed, seal "B" replaced',
    }


def report1k() -> Workload:
    rng = random.Random(1024)  # noqa: S311 - the same documents everywhere
    reports = [_report(rng) for _ in range(COPIES)]

    def changed(path: str, value: object) -> bytes:
        report = copy.deepcopy(reports[0])
        *parents, name = path.split(".")
        inner: dict[str, object] = report
        for parent in parents:
            inner = inner[parent]  # type: ignore[assignment]
        inner[name] = value
        return dumps(report)

    missing = copy.deepcopy(reports[0])
    del missing["network"]["rssi"]  # type: ignore[attr-defined]
    return Workload(
        "report1k",
        {**DIALECT, **REPORT},
        [dumps(report) for report in reports],
        {
            "first value wrong": changed("id", 7),
            "last value wrong": changed("note", "x" * 121),
            "wrong type": changed("power.charging", "yes"),
            "number in an array": changed("readings.humidity", [50] * 15 + [100.5]),
            "pattern": changed("device.mac", "00:11:22:33:44:5g"),
            "date-time": changed("created", "2025-11-31T00:00:00Z"),
            "ipv4": changed("network.gateway", "10.0.0.256"),
            "missing": dumps(missing),
            "unknown property": changed("device.colour", "red"),
        },
        beyond=frozenset({"date-time", "ipv4"}),
    )


# ── batch10k: an array of such messages, about 8.8 KB ──


def batch_schema(most: "int | None") -> "dict[str, object]":
    """An array of messages; at most so many."""
    schema: dict[str, object] = {**DIALECT, "type": "array", "items": TELEMETRY, "minItems": 1}
    return schema if most is None else {**schema, "maxItems": most}


def messages_of(count: int, seed: int) -> bytes:
    """A JSON array of so many messages."""
    rng = random.Random(seed)  # noqa: S311 - the same documents everywhere
    return dumps([_message(rng) for _ in range(count)])


def batch10k() -> Workload:
    rng = random.Random(8800)  # noqa: S311 - the same documents everywhere
    batches = [[_message(rng) for _ in range(BATCH_ITEMS)] for _ in range(COPIES)]

    def changed(index: int, name: str, value: object) -> bytes:
        batch: list[dict[str, object]] = copy.deepcopy(batches[0])
        batch[index][name] = value
        return dumps(batch)

    missing = copy.deepcopy(batches[0])
    del missing[BATCH_ITEMS // 2]["ts"]
    return Workload(
        "batch10k",
        batch_schema(64),
        [dumps(batch) for batch in batches],
        {
            "first item bad": changed(0, "device", "STATION"),
            "last item bad": changed(-1, "site", ""),
            "wrong type": changed(BATCH_ITEMS // 2, "rssi", "-70"),
            "missing": dumps(missing),
        },
    )


def small() -> "list[Workload]":
    return [telemetry(), report1k(), batch10k()]


def all_workloads(quick: bool) -> "list[Workload]":
    from . import files  # noqa: PLC0415 - a megabyte of documents, not made for --quick

    return small() if quick else [*small(), files.twitter(), files.citm(), files.citm_compact()]


BY_NAME: "dict[str, Callable[[], Workload]]" = {"telemetry": telemetry, "report1k": report1k, "batch10k": batch10k}


def named(name: str) -> Workload:
    """The workload of that name."""
    from . import files  # noqa: PLC0415 - see all_workloads

    return {**BY_NAME, "twitter": files.twitter, "citm": files.citm, "citm-compact": files.citm_compact}[name]()
