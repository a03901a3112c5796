"""What a server holds: under 64 connections, for each idle one, and with 10,000 of them of which 1,000 are slow."""

import json
import resource
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from . import load, process, rows, servers
from .messages import Material
from .process import Failed
from .servers import Running

HOLDER = Path(__file__).resolve().parent / "holder.py"
ANSWER_S = 120.0
LOAD_S, SETTLE_S = 2.0, 1.0
IDLE = 5000
# Connections that are there already, so that what is free in the heap after the start is used up.
BEFORE, BEFORE_TLS = 8000, 500
HELD, SLOW, SLOW_S = 9000, 1000, 8.0
BESIDE_RATE = 2000  # requests per second of 64 connections more
HELD_QUICK, SLOW_QUICK, SLOW_QUICK_S = 900, 100, 4.0
MIB = 1024 * 1024
RESERVED_FILES = 512

AT_64 = (servers.OURS, servers.FLOOR_CORE, servers.NGINX, servers.HYPER, servers.ACTIX, servers.GIN, servers.ARTICLE,
         servers.UVICORN)  # fmt: skip
IDLE_SERVERS = (servers.OURS, servers.NGINX, servers.HYPER)
IDLE_TLS_SERVERS = (servers.OURS, servers.NGINX)


class Holder:
    """holder.py in a process of its own, on the loader's core."""

    def __init__(self, port: int, *, tls: bool = False) -> None:
        with process.on_core(process.LOAD_CORE):
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, HOLDER, str(port), *["--tls"] * tls],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip

    def ask(self, command: str) -> "dict[str, int]":
        """Raises Failed."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None  # noqa: S101 - both are pipes
        assert stdout is not None  # noqa: S101
        try:
            stdin.write(command + "\n")
            stdin.flush()
            with selectors.DefaultSelector() as waiting:
                waiting.register(stdout, selectors.EVENT_READ)
                line = stdout.readline() if waiting.select(ANSWER_S) else ""
        except OSError:
            line = ""
        if not line:
            raise Failed(f"connections cannot be held: no answer to {command.split(maxsplit=1)[0]!r}")
        return json.loads(line)  # type: ignore[no-any-return]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


@contextmanager
def alone(name: str, material: Material, skipped: "dict[str, str]") -> "Iterator[Running | None]":
    """One server and nobody else: shared pages are counted in proportion to who shares them."""
    with ExitStack() as stack:
        found = rows.start(stack, (name,), material, skipped)
        yield found[0] if found else None


def _warm(running: Running, seconds: float, rate: int = 0) -> load.Outcome:
    return load.ours(running.port, seconds, running.site.material.stream_file("telemetry"), rows.ACCEPTED, rate=rate)


def at_64(material: Material, names: "tuple[str, ...]") -> "dict[str, Any]":
    """In the middle of a load of 64 connections."""
    skipped: dict[str, str] = {}
    figures = {}
    for name in names:
        with alone(name, material, skipped) as running:
            if running is None:
                continue
            busy = threading.Thread(target=_warm, args=(running, LOAD_S))
            busy.start()
            time.sleep(LOAD_S * 0.75)
            held = process.memory(running.tree.pids())
            busy.join()
            figures[name] = {"pss": held.pss, "rss": held.rss, "uss": held.uss}
    return {"servers": figures, "skipped": skipped}


def idle(material: Material, names: "tuple[str, ...]", *, tls: bool, count: int) -> "dict[str, Any]":
    """User memory of each of `count` idle connections that have had a request answered."""
    skipped: dict[str, str] = {}
    figures = {}
    for name in names:
        with alone(name, material, skipped) as running:
            if running is None:
                continue
            holder = Holder(running.tls_port if tls else running.port, tls=tls)
            try:
                # no load before: what it leaves free in the heap would hide what connections take
                holder.ask(f"open {min(BEFORE_TLS if tls else BEFORE, count)}")
                time.sleep(SETTLE_S)
                before = process.memory(running.tree.pids())
                holder.ask(f"open {count}")
                time.sleep(SETTLE_S)
                after = process.memory(running.tree.pids())
            except Failed as error:
                skipped[name] = str(error)
            else:
                figures[name] = round((after.pss - before.pss) / count, 1)
            finally:
                holder.close()
    return {"connections": count, "servers": figures, "skipped": skipped}


def held(material: Material, *, quick: bool) -> "dict[str, Any]":
    """Ours with many idle connections, some slow ones, and a load beside them, none of which may suffer."""
    idle_count, slow_count, seconds = (HELD_QUICK, SLOW_QUICK, SLOW_QUICK_S) if quick else (HELD, SLOW, SLOW_S)
    skipped: dict[str, str] = {}
    with alone(servers.OURS, material, skipped) as running:
        if running is None:
            return {"skipped": skipped}
        holder, slow = Holder(running.port), Holder(running.port)
        answers: dict[str, int] = {}
        slowly = threading.Thread(
            target=lambda: answers.update(
                slow.ask(f"slow {slow_count} {material.stream_file('telemetry')} {seconds}")
            )
        )  # fmt: skip
        try:
            holder.ask(f"open {idle_count}")
            before = process.cpu(running.tree.pids())
            slowly.start()
            outcome = _warm(running, seconds * 0.75, BESIDE_RATE)
            spent = process.cpu(running.tree.pids()).since(before)
            memory = process.memory(running.tree.pids())
            slowly.join()
            alive = holder.ask("check")["alive"]
        except Failed as error:
            return {"skipped": {servers.OURS: str(error)}}
        finally:
            slow.close()
            holder.close()
    if not answers:
        return {"skipped": {servers.OURS: "the slow connections were not served"}}
    return {
        "held": idle_count,
        "alive": alive,
        "slow": slow_count,
        "slow_accepted": answers["accepted"],
        "slow_refused": answers["refused"],
        "slow_lost": answers["lost"],
        "beside_requests": outcome.requests,
        "beside_failed": outcome.refused + outcome.broken,
        "beside_statuses": outcome.statuses,
        "beside_us": round(spent.total_s * 1e6 / max(outcome.requests, 1), 2),
        "beside_p99_us": outcome.p99_us,
        "pss": memory.pss,
        "skipped": skipped,
    }


def enough_files() -> "str | None":
    """Why so many connections cannot be held here; raises our limit of open files as far as need be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(HELD + SLOW, BEFORE + IDLE) + RESERVED_FILES
    if hard != resource.RLIM_INFINITY and hard < wanted:
        return f"only {hard} files may be open (ulimit -Hn), {wanted} are needed"
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return None
