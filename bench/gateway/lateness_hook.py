"""`headgate` with one asyncio task more, which is due every 10 ms and notes how late it is:

    python lateness_hook.py FILE run ...

SIGUSR1: what it has noted so far goes to FILE as JSON, and it begins anew. Nothing else about the appliance differs."""

import asyncio
import json
import signal
import sys
from pathlib import Path

from headgate import cli
from headgate.linux import app

PERIOD_S = 0.010


class Lateness:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._late_us: list[int] = []

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, self._write)
        due = loop.time() + PERIOD_S
        while True:
            await asyncio.sleep(due - loop.time())
            now = loop.time()
            self._late_us.append(max(0, round((now - due) * 1e6)))
            while due <= now:  # what was missed altogether is not made up for: it is in this one's lateness
                due += PERIOD_S

    def _write(self) -> None:
        scratch = self._file.with_suffix(".new")
        scratch.write_text(json.dumps(self._late_us))
        scratch.rename(self._file)  # whole, or not there yet
        self._late_us = []


def main() -> int:
    lateness = Lateness(Path(sys.argv[1]))
    start = app.App.start
    tasks = []  # the loop holds tasks weakly

    async def start_with_task(self: app.App) -> None:
        await start(self)
        tasks.append(asyncio.create_task(lateness.run()))

    app.App.start = start_with_task  # type: ignore[method-assign]
    return cli.main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
