"""The device on the load's time axis: what is read of it, and what counters and gaps become."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from headgate.errors import CommandError
from headgate.linux import machine
from headgate_host.load import device, device_sources, kernel_files
from headgate_host.load.device import Sampler
from headgate_host.load.device_sources import Board, Endpoint, Process, Wanted
from headgate_host.load.target import Target

METRICS = b"""\
# HELP headgate_process_cpu_ms process: cpu_ms.
# TYPE headgate_process_cpu_ms gauge
headgate_process_cpu_ms 1500
headgate_process_resident_bytes 26517504
headgate_board_temperature_mc 48312
node_thermal_zone_temp{zone="0",type="cpu"} 51.5
node_thermal_zone_temp{zone="1",type="gpu"} 60
process_cpu_seconds_total 1.25e+01 1700000000000
strange{a="}"} x
headgate_outbox_accepted_total 7
headgate_outbox_stored 3
"""


class Script:
    """Says one thing after the other; None: nothing."""

    name = "script"

    def __init__(self, *said: Mapping[str, float] | None) -> None:
        self._said = list(said)

    async def read(self) -> Mapping[str, float]:
        found = self._said.pop(0)
        if found is None:
            raise ConnectionError
        return found

    async def close(self) -> None: ...


async def sampled(*said: Mapping[str, float] | None, intervals: int) -> device.Device:
    """A second passes between two looks."""
    seconds = itertools.count()
    sampler = Sampler(Script(*said), lambda: float(next(seconds)))
    await sampler.begin()
    for interval in range(intervals):
        sampler.ask(interval)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    return await sampler.end(intervals)


def test_counters_become_rates_and_gaps_stay() -> None:
    def at(cpu: int, stored: int) -> Mapping[str, float]:
        return {"headgate_process_cpu_ms": cpu, "headgate_outbox_stored": stored, "headgate_outbox_accepted_total": 9}

    said = (at(0, 1), at(250, 2), None, at(1250, 4), at(10, 5), at(20, 6))  # restarted before the last but one
    found = asyncio.run(sampled(*said, intervals=4))
    assert found.source == "script"
    assert found.series["outbox"].values == [2, None, 4, 5]
    assert found.series["cpu"].values == [0.25, None, 1.0, None]
    assert found.series["cpu"].unit == "cores"
    assert found.ledger == {"accepted": 9, "stored": 6}


def test_a_slow_source_is_asked_once_at_a_time() -> None:
    class Slow(Script):
        asked = 0

        async def read(self) -> Mapping[str, float]:
            self.asked += 1
            if self.asked == 2:
                await asyncio.sleep(3600)
            return {"headgate_outbox_stored": self.asked}

    async def run() -> tuple[int, device.Device]:
        slow = Slow()
        sampler = Sampler(slow)
        await sampler.begin()
        for interval in range(3):
            sampler.ask(interval)
            await asyncio.sleep(0)
        return slow.asked, await sampler.end(3)

    asked, found = asyncio.run(run())
    assert asked == 2
    assert found.series["outbox"].values == [None, None, None]


async def served(body: bytes, status: bytes = b"200 OK") -> Mapping[str, float]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        target = Target.parse(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        endpoint = Endpoint(target, "/metrics")
        try:
            return await endpoint.read()
        finally:
            await endpoint.close()


def test_the_text_format() -> None:
    found = asyncio.run(served(METRICS))
    assert found["headgate_process_cpu_ms"] == 1500
    assert found["node_thermal_zone_temp"] == 51.5  # the first
    assert found["process_cpu_seconds_total"] == 12.5
    assert "strange" not in found


def test_an_endpoint_that_refuses() -> None:
    with pytest.raises(OSError, match="status 404"):
        asyncio.run(served(b"", b"404 Not Found"))


@pytest.mark.not_emulated(reason="the emulator makes up what /proc says of the process that asks")
def test_a_process_here() -> None:
    found = asyncio.run(Process(os.getpid()).read())
    assert found["process_resident_memory_bytes"] > 1e6
    assert found["process_cpu_seconds_total"] > 0
    assert 0 < found["headgate_process_proportional_bytes"] <= found["process_resident_memory_bytes"] * 1.5


@pytest.mark.not_emulated(reason="the emulator makes up what /proc says of the process that asks")
def test_a_board_through_a_shell() -> None:
    """As by ssh; it is asked again and again, by one shell, and by another one when that is lost."""

    async def looks() -> list[Mapping[str, float]]:
        board = Board("board", os.getpid(), "sh -c")
        found = [await board.read(), await board.read()]
        assert board._shell is not None
        board._shell.kill()
        await board._shell.wait()
        with pytest.raises(OSError, match="sh"):
            await board.read()
        found.append(await board.read())
        everything = Board("board", None, "sh -c")
        found.append(await everything.read())
        await board.close()
        await everything.close()
        return found

    for one in asyncio.run(looks()):
        assert one["process_resident_memory_bytes"] > 1e6
        assert one["process_cpu_seconds_total"] > 0


@pytest.mark.parametrize(
    ("by", "said"), [("sh -c 'echo no such host >&2' --", "no such host"), ("/nowhere/ssh", "/nowhere/ssh")]
)
def test_a_board_that_is_not_reached(by: str, said: str) -> None:
    target = Target.parse("http://127.0.0.1:1/")
    with pytest.raises(CommandError, match=f"no figures of the device from board: .*{said}"):
        asyncio.run(device_sources.sampler_for(target, Wanted(host="board", by=by)))


def test_what_the_kernel_says() -> None:
    files = {
        kernel_files.STAT: "cpu  100 0 50 9000 800 1 2 3 0 0\ncpu0 1 2\n",
        kernel_files.MEMORY: "MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 400 kB\n",
        kernel_files.DISKS: (
            " 179 0 mmcblk0 9 0 9 9 9 0 16 9 0 0 0\n"
            " 179 1 mmcblk0p1 9 0 9 9 9 0 12 9 0 0 0\n"
            " 7 0 loop0 9 0 9 9 9 0 99 9 0 0 0\n"
        ),
        kernel_files.TEMPERATURE: "48312\n",
        kernel_files.THROTTLED: "50005\n",
    }
    assert kernel_files.figures(files) == {
        "process_cpu_seconds_total": 1.56,
        "process_resident_memory_bytes": 600 * 1024,
        "node_disk_written_bytes_total": 16 * 512,
        "headgate_board_temperature_mc": 48312,
        "headgate_board_throttled": 0x50005,
    }
    stat = "7 (a ) b) S " + " ".join(str(number) for number in range(2, 40))
    assert kernel_files.figures({"/proc/7/stat": stat}, 7) == {"process_cpu_seconds_total": 0.25}
    with pytest.raises(FileNotFoundError, match="no process 8"):
        kernel_files.figures(files, 8)
    with pytest.raises(FileNotFoundError, match="is it Linux"):
        kernel_files.figures({})


def test_what_was_asked_for_must_be_there() -> None:
    target = Target.parse("http://127.0.0.1:1/")
    assert asyncio.run(device_sources.sampler_for(target, Wanted())) is None
    assert asyncio.run(device_sources.sampler_for(target, device_sources.NOTHING)) is None
    for wanted in (Wanted(url="http://127.0.0.1:1/metrics"), Wanted(pid=2**22 + 1)):
        with pytest.raises(CommandError, match="no figures of the device"):
            asyncio.run(device_sources.sampler_for(target, wanted))


def test_the_appliance_on_itself(tmp_path: Path) -> None:
    found = machine.process()
    assert found["cpu_ms"] > 0
    assert found["proportional_bytes"] > 0
    assert machine.process(tmp_path).keys() == {"cpu_ms"}
    (tmp_path / "temp").write_text("48312\n")
    (tmp_path / "throttled").write_text("50005\n")
    (tmp_path / "memory").write_text("MemTotal:  92804 kB\nMemFree:  9000 kB\nMemAvailable:  36072 kB\n")
    assert machine.board(tmp_path / "temp", tmp_path / "throttled", tmp_path / "memory") == {
        "temperature_mc": 48312,
        "throttled": 0x50005,
        "memory_bytes": 92804 * 1024,
        "memory_available_bytes": 36072 * 1024,
    }
    (tmp_path / "temp").write_text("hot")
    assert machine.board(tmp_path / "temp", tmp_path / "none", tmp_path / "none") == {}
