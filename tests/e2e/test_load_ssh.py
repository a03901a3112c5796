"""`headgate load --agents` over a real sshd of its own, with keys that are thrown away: a load and a scenario are
divided without loss."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Appliance, free_port, headgate, running, wait_for
from test_load import JUDGED, STREAM, run, tokens

from headgate.errors import USAGE
from headgate_host.load.distribution import Distribution, merge
from headgate_host.load.result import OK, Result

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/bin:/usr/local/sbin")
HOSTS = ("gen1", "gen2")

pytestmark = [
    pytest.mark.skipif(SSHD is None or shutil.which("ssh") is None, reason="no sshd (apt-get install openssh-server)"),
    pytest.mark.not_emulated(reason="sshd sandboxes itself with system calls that qemu-user lacks"),
]

SERVER = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/client.pub
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
"""
CLIENT = """\
Host gen1 gen2
  HostName 127.0.0.1
  Port {port}
  User {user}
  IdentityFile {folder}/client
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known
  BatchMode yes
"""
# What runs on the "other machine": headgate as it is here, and what it said is kept for the test.
AGENT = """\
#!/bin/sh
host=$1
shift
cd {cwd} && PYTHONPATH={path} {python} -m headgate "$@" | tee {folder}/$host.json
"""


@pytest.fixture
def by_ssh(tmp_path: Path) -> Iterator[str]:
    """-> --agents-by"""
    folder, port = tmp_path / "ssh", free_port()
    folder.mkdir(mode=0o700)
    for name in ("host", "client"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    public = (folder / "host.pub").read_text().split()[:2]
    (folder / "known").write_text(f"[127.0.0.1]:{port} {' '.join(public)}\n")
    (folder / "sshd_config").write_text(SERVER.format(port=port, folder=folder))
    (folder / "config").write_text(CLIENT.format(port=port, folder=folder, user=getpass.getuser()))
    agent = folder / "agent"
    path = os.pathsep.join(part for part in sys.path if part)
    words = {"cwd": Path.cwd(), "path": path, "python": sys.executable, "folder": folder}
    agent.write_text(AGENT.format(**{name: shlex.quote(str(value)) for name, value in words.items()}))
    agent.chmod(0o700)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # the daemon insists, where privileges are separated
    command = [str(SSHD), "-D", "-e", "-f", str(folder / "sshd_config")]
    log = (folder / "log").open("w")
    with log, subprocess.Popen(command, stderr=log) as daemon:
        try:
            wait_for(lambda: "listening" in (folder / "log").read_text(), "sshd listens")
            yield f"ssh -F {folder}/config {{host}} {agent} {{host}}"
        finally:
            daemon.terminate()


def alone(folder: Path) -> list[Result]:
    return [Result.read(folder / "ssh" / f"{host}.json") for host in HOSTS]


def check_merged(whole: Result, parts: list[Result]) -> None:
    """Every count and every bucket is the sum of the agents'."""
    assert len(parts) == len(HOSTS)
    for name in whole.operations:
        own = [one.operations[name] for one in parts if name in one.operations]
        for figure in ("latency", "service"):
            found: Distribution = getattr(whole.operations[name], figure)
            assert found == merge(getattr(one, figure) for one in own)
        assert whole.operations[name].due == sum(one.due for one in own)
    assert whole.total.latency.counts == sum((Counter(one.total.latency.counts) for one in parts), Counter())
    assert whole.total.latency.most == max(one.total.latency.most for one in parts)
    assert all(one.total.due for one in parts)


def test_a_device_without_metrics(tmp_path: Path, by_ssh: str) -> None:
    """Its figures come by ssh: of a process there, or of the whole machine."""
    shell = by_ssh.partition(" {host} ")[0] + " {host}"
    with running(Appliance(tmp_path, uplink_port=None, config=STREAM)) as appliance:
        assert appliance.process is not None
        url, file = f"http://127.0.0.1:{appliance.port}/healthz", tmp_path / "result.json"
        for words, least in ((("--pid", str(appliance.process.pid)), 1e6), ((), 1e7)):
            load = ("--rate", "20", "--for", "2 s", "--ssh", HOSTS[0], "--ssh-by", shell, "--out", str(file))
            code, end = run(url, *load, *words)
            assert code in JUDGED, end
            device = Result.read(file).device
            assert device is not None
            assert HOSTS[0] in device.source
            assert all(value is None or value > least for value in device.series["rss"].values)
            assert any(device.series["rss"].values)
        done = headgate("load", url, "--rate", "20", "--for", "1 s", "--ssh", "gen3", "--ssh-by", shell)
        assert done.returncode == USAGE
        assert "no figures of the device from gen3: ssh: " in done.stderr


def test_a_load_is_divided(tmp_path: Path, by_ssh: str) -> None:
    file = tmp_path / "result.json"
    with running(Appliance(tmp_path, uplink_port=None, config=STREAM)) as appliance:
        url = f"http://127.0.0.1:{appliance.port}/v1/cache/k{{n}}"
        code, end = run(
            url, "--rate", "101", "--for", "1 s", "--method", "PUT", "--body", "it's {device}", "--devices", "20",
            "--agents", ",".join(HOSTS), "--agents-by", by_ssh, "--out", str(file), *tokens(appliance),
        )  # fmt: skip
        assert code in JUDGED, end
        token = appliance.token("reader", "cache:read")
        for number in range(101):
            assert appliance.get(f"/v1/cache/k{number}", token) == (200, f"it's dev-{number % 20:05}".encode())
    whole = Result.read(file)
    assert whole.total.outcomes == {OK: 101}
    check_merged(whole, alone(tmp_path))


def test_a_scenario_is_divided(tmp_path: Path, by_ssh: str) -> None:
    """All requests of the scenario are sent, each by one of them."""
    scenario, file = tmp_path / "day.toml", tmp_path / "day.json"
    scenario.write_text(
        'budgets = ["errors < 0.1 %", "rate > 1 /s"]\n'
        '[devices]\ncount = 30\nconfig = "headgate.toml"\nstate = "state"\n'
        '[[phase]]\nkind = "step"\nfrom = 50\nto = 151\nsteps = 2\nfor = "2 s"\n'
        '[[operation]]\ndo = "cache-put"\nkeys = 1000\nkey = "k{n}"\nweight = 2\n'
        '[[operation]]\ndo = "http"\npath = "/healthz"\n'
    )
    with running(Appliance(tmp_path, uplink_port=None, config=STREAM)) as appliance:
        words = ("--target", f"http://127.0.0.1:{appliance.port}", "--agents", ",".join(HOSTS), "--agents-by", by_ssh)
        done = headgate("load", "run", str(scenario), *words, "--out", str(file), "--json")
        assert done.returncode in JUDGED, done.stdout + done.stderr
    whole = Result.read(file)
    assert whole.total.outcomes == {OK: 201}
    assert [one.outcome for one in whole.budgets] == ["kept", "kept"]
    assert whole.operations["cache-put"].due == pytest.approx(134, abs=15)
    check_merged(whole, alone(tmp_path))
