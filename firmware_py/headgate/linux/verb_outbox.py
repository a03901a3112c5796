"""`headgate outbox`: what is on the disk, also while the appliance runs."""

import argparse
import base64
import contextlib
import json
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from headgate.errors import FINDING, OK, STATE, CommandError
from headgate.linux import outbox_rescue
from headgate.linux import outbox_schema as schema
from headgate.linux.batch import BatchError, checksum, decode

HELP = "Show the ledger and what waits in the outbox."
EPILOG = """\
the ledger
  accepted = delivered + stored + expired + dropped, in messages, at every instant on disk. Delivered: the broker has
  acknowledged them. Expired: older than outbox.hours. Dropped: deleted for the budget, or lost with a damaged file.

examples
  headgate outbox                  ledger, what waits by stream, age, wear
  headgate outbox --list 5         the five oldest messages as well
  headgate outbox --verify         read everything: ledger, checksums, structure of the file
  watch headgate outbox            it only reads; the appliance goes on

exit codes
  0 ok   3 configuration refused   6 no outbox there, or it cannot be read   7 --verify found something wrong
"""
_LEDGER = (
    "accepted",
    "delivered",
    "expired",
    "dropped",
    "stored_bytes",
    "payload_bytes",
    "written_bytes",
    "quarantined",
)
_PREVIEW = 200  # characters of a body in --list


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--state", metavar="DIR", type=Path, help="state directory (default: as the configuration says)")
    add("--config", metavar="FILE", type=Path, help="configuration file (default: as headgate run finds it)")
    add("--list", metavar="N", type=int, default=0, help="show the N oldest messages")
    add("--verify", action="store_true", help="check everything; exit 7 when something is wrong")
    add("--json", action="store_true", help="for machines")


def main(args: argparse.Namespace) -> int:
    directory = args.state or _configured(args.config)
    path = directory / schema.FILE
    try:
        path.open("rb").close()
    except PermissionError:
        hint = "Run it as the user that the appliance runs as, for instance with sudo"
        raise CommandError(STATE, f"cannot read {path}: Permission denied", hint) from None
    except OSError:
        raise CommandError(STATE, f"there is no outbox in {directory}", "Name its directory with --state") from None
    try:
        with contextlib.closing(schema.connect_read_only(path)) as database:
            report = _report(database, directory)
            if args.list > 0:
                report["oldest"] = _oldest(database, args.list)
            if args.verify:
                report["findings"] = _findings(database)
    except sqlite3.Error as error:
        hint = "'headgate run' puts a damaged file aside and goes on"
        if schema.primary_code(error) in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            # Reading a write-ahead log takes an index of it, which has to be written.
            hint = "Copy outbox.db* to a directory that can be written, and name that with --state"
        raise CommandError(STATE, f"cannot read {path}: {error}", hint) from None
    print(json.dumps(report) if args.json else _text(report, directory))
    return FINDING if report.get("findings") else OK


def _configured(file: Path | None) -> Path:
    from headgate.linux.config import load

    return load(file).state_dir


def _report(database: sqlite3.Connection, directory: Path) -> dict[str, Any]:
    database.execute("BEGIN")  # one snapshot for all that follows
    row = database.execute(f"SELECT appliance, boot, {', '.join(_LEDGER)} FROM ledger").fetchone()  # noqa: S608
    if row is None:
        raise CommandError(STATE, f"the outbox in {directory} has no ledger", "'headgate run' puts it aside")
    report: dict[str, Any] = dict(zip(("appliance", "boot", *_LEDGER), row, strict=True))
    stored, batches, unstamped, oldest = database.execute(
        "SELECT coalesce(sum(records), 0), count(*), coalesce(sum(stored_s IS NULL), 0), min(stored_s) FROM batch"
    ).fetchone()
    streams: dict[str, int] = {}
    for (text,) in database.execute("SELECT streams FROM batch"):
        with contextlib.suppress(ValueError, AttributeError, TypeError):
            for name, count in json.loads(text).items():
                streams[name] = streams.get(name, 0) + count
    written, payload = report["written_bytes"], report["payload_bytes"]
    report.update(
        stored=stored,
        batches=batches,
        streams=streams,
        oldest_s=None if oldest is None else max(int(time.time()) - oldest, 0),
        without_time=unstamped,
        idempotency_keys=database.execute("SELECT count(*) FROM idempotency").fetchone()[0],
        file_bytes=sum(
            file.stat().st_size for file in directory.glob(schema.FILE + "*") if ".corrupt-" not in file.name
        ),
        wear=round(written / payload, 2) if written and payload else None,
        quarantine=[file.name for file in outbox_rescue.quarantined(directory)],
        balanced=report["accepted"] == report["delivered"] + stored + report["expired"] + report["dropped"],
    )
    return report


def _oldest(database: sqlite3.Connection, count: int) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    for (blob,) in database.execute("SELECT blob FROM batch ORDER BY id"):
        try:
            batch = decode(blob)
        except BatchError as error:
            messages.append({"unreadable": str(error)})
            continue
        for row in batch.rows:
            if len(messages) >= count:
                return messages
            body: dict[str, Any] = {"body_b64": base64.b64encode(row.body).decode()}
            with contextlib.suppress(UnicodeDecodeError):
                body = {"body": row.body.decode("utf-8")}
            messages.append(
                {"id": batch.message_id(row), "stream": row.stream, "client": row.client, "ts_ms": row.ts_ms}
                | {"content_type": row.content_type}
                | body
            )
    return messages


def _findings(database: sqlite3.Connection) -> list[str]:
    findings = [
        f"structure: {line}" for (line,) in database.execute("PRAGMA integrity_check(10)").fetchall() if line != "ok"
    ]
    messages, size = database.execute("SELECT messages, bytes FROM conservation").fetchone()
    if messages or size:
        findings.append(f"the ledger is off by {messages} messages and {size} bytes")
    for identity, records, crc, blob in database.execute("SELECT id, records, crc, blob FROM batch ORDER BY id"):
        if not isinstance(blob, bytes) or checksum(blob) != crc:
            findings.append(f"batch {identity}: the checksum does not match")
            continue
        try:
            found = len(decode(blob).rows)
        except BatchError as error:
            findings.append(f"batch {identity}: {error}")
            continue
        if found != records:
            findings.append(f"batch {identity}: holds {found} messages, not {records}")
    return findings


def _text(report: dict[str, Any], directory: Path) -> str:
    lines = [
        f"outbox of {report['appliance']} in {directory}, start {report['boot']}",
        "",
        *(f"  {name:<10} {report[name]:>12,}" for name in ("accepted", "delivered", "stored", "expired", "dropped")),
        f"  {'':<10} {'balanced' if report['balanced'] else 'NOT BALANCED':>12}",
        "",
        f"  waiting    {_size(report['stored_bytes'])} in {report['batches']:,} batches{_age(report)}",
    ]
    lines += [f"    {name:<20} {count:>10,}" for name, count in sorted(report["streams"].items())]
    lines.append(f"  file       {_size(report['file_bytes'])}, {report['idempotency_keys']:,} idempotency keys")
    if report["wear"] is not None:
        lines.append(f"  wear       {report['wear']} bytes written per byte accepted")
    if report["quarantined"]:
        kept = ", ".join(report["quarantine"]) or "none kept"
        lines.append(f"  damaged    {report['quarantined']} put aside so far: {kept}")
    if "oldest" in report:
        lines += ["", *map(_message, report["oldest"])]
    if "findings" in report:
        lines += ["", *(f"  WRONG  {finding}" for finding in report["findings"])]
        lines += [] if report["findings"] else ["  verified: ledger, checksums and structure are right"]
    return "\n".join(lines)


def _age(report: dict[str, Any]) -> str:
    if report["oldest_s"] is None:
        return "" if not report["stored"] else ", stored before the clock was right"
    minutes, seconds = divmod(report["oldest_s"], 60)
    hours, minutes = divmod(minutes, 60)
    return f", the oldest {hours} h {minutes} min {seconds} s old"


def _message(message: dict[str, Any]) -> str:
    if "unreadable" in message:
        return f"  unreadable: {message['unreadable']}"
    body = str(message.get("body", message.get("body_b64")))
    if len(body) > _PREVIEW:
        body = body[:_PREVIEW] + "…"
    printable: Callable[[str], str] = lambda text: text if text.isprintable() else repr(text)  # noqa: E731
    return f"  {message['id']}  {printable(message['stream'])}  {printable(message['client'])}  {printable(body)}"


def _size(count: int) -> str:
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":  # noqa: PLR2004
            break
        value /= 1024
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
