"""serve.py on the native server, with a real outbox behind it."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from pathlib import Path
from types import SimpleNamespace

from headgate import _accel
from headgate.linux import boot
from headgate.linux.app import monotonic_ms, run_in_loop
from headgate.linux.native_gateway import open_gateway
from headgate.linux.outbox import Outbox
from headgate.linux.selector import NativeSelector
from headgate.linux.tls import ServerTls
from headgate.tasks.plan import Plan, build

BOOT = 7  # as serve.py's memory sink has it


def reading() -> tuple[int, str, int]:
    return int(time.time()), "trusted", 0


def secure(folder: Path) -> ServerTls:
    """With the certificates that tests/e2e/certificates.py has made there; no client needs one."""
    key, chain = folder / "server.key", folder / "server.pem"
    listen = SimpleNamespace(tls_cert=chain, tls_key=key, tls_client_ca=None, client_auth="none", http2=True)
    return ServerTls(listen)  # type: ignore[arg-type]  # has all that is used of a configuration


async def serve(plan: Plan, port: int, state: Path, selector: NativeSelector, words: list[str]) -> None:
    boot.write(state, plan.appliance, BOOT - 1)
    outbox = await Outbox.open(state, appliance=plan.appliance, clock=lambda: reading()[:2])
    gateway = open_gateway(
        selector,
        plan,
        outbox,
        reading=reading,
        http2="http2" in words,
        store=_accel.Store(plan.cache_bytes, plan.cache_value, plan.cache_entries),
        limiter=_accel.Limiter(64),
        clock=lambda: reading()[:2],
        now_ms=monotonic_ms,
        info=lambda: {"unready": [], "outbox": outbox.stats(), "interpreter": "cpython"},
    )
    tls = secure(state / "certs") if "tls" in words else None
    gateway.listener(tls).open("127.0.0.1", port)  # type: ignore[attr-defined]  # it is a NativeGateway
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print("listening", flush=True)
    await stop.wait()
    await gateway.drain(2000)
    await outbox.close()
    print("drained")


def run(path: str, port: int, state: str, words: list[str]) -> None:
    plan = build(json.loads(Path(path).read_bytes()))

    async def main(selector: NativeSelector | None) -> None:
        assert selector is not None
        await serve(plan, port, Path(state), selector, words)

    run_in_loop(main)
