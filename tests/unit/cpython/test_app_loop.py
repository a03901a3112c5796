"""What the appliance's event loop asks of Python."""

import sys
from pathlib import Path

import pytest

from headgate import limits
from headgate.linux import config as configuration
from headgate.linux.app import App, run_in_loop
from headgate.linux.selector import NativeSelector


async def _switch_interval(_selector: object) -> float:
    return sys.getswitchinterval()


def test_another_thread_gives_the_interpreter_back_soon() -> None:
    before = sys.getswitchinterval()
    try:
        assert run_in_loop(_switch_interval) * 1e6 == limits.OTHER_THREAD_US
    finally:
        sys.setswitchinterval(before)


def test_a_reload_that_fails_as_nobody_foresaw_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "headgate.toml"
    file.write_text('[listen]\nhttp = "127.0.0.1:0"\n')
    config = configuration.load(file, state_dir=tmp_path / "state")

    def load() -> configuration.Config:
        raise ZeroDivisionError

    async def scenario(selector: NativeSelector | None) -> bool:
        one = App(config, load, selector)
        await one.start()
        plan = one.gateway.plan
        try:
            done = await one.reload()
            assert one.gateway.plan is plan
        finally:
            await one.stop()
        return done

    interval = sys.getswitchinterval()
    try:
        assert run_in_loop(scenario) is False
    finally:
        sys.setswitchinterval(interval)
    assert "reload refused" in caplog.text
