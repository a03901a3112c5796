"""Runs on the device, here an emulated one, after the commands of docs/raspberry-pi.md: do they leave what works?

/opt/headgate/bin/python device_check.py WHEEL
"""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

UNIT = Path("/etc/systemd/system/headgate.service")
CONFIG = Path("/etc/headgate/headgate.toml")
STATE = Path("/var/lib/headgate")
USER = 64923  # of the range that DynamicUser= takes from
HEADGATE = "/opt/headgate/bin/headgate"
START_S = 120  # an emulated machine may be busy
MESSAGE = {"station": "sea-03", "ts": "2010-01-01T00:00:00Z", "kind": "hourly", "temp_f": 39.4}
# A 32-bit system may have a 64-bit kernel: then the requirements of aarch64 hold, and no wheel of them fits. Nothing
# may be left to fetch, still less to compile.
ON_A_64_BIT_KERNEL = """
import platform, sys
platform.machine = lambda: "aarch64"
from pip._internal.cli.main import main
sys.exit(main(["install", "--dry-run", "--no-index", "--only-binary=:all:", sys.argv[1]]))
"""


def unit_settings() -> "tuple[list[str], dict[str, str]]":
    """The unit's command and environment."""
    text = UNIT.read_text(encoding="utf-8")
    (command,) = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
    assert "DynamicUser=yes" in text
    return command.split(), dict(re.findall(r"^Environment=(\w+)=(.*)$", text, re.MULTILINE))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(port: int, method: str, path: str, body: "bytes | None" = None, **headers: str) -> "tuple[int, bytes]":
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def answers(port: int, service: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_S
    while True:
        assert service.poll() is None, f"the service ended with {service.returncode}"
        try:
            assert ask(port, "GET", "/healthz") == (200, b'{"status":"ok"}')
            return
        except OSError:
            assert time.monotonic() < deadline, "the service does not answer"
            time.sleep(0.1)


def main() -> None:
    emulator = {name: value for name, value in os.environ.items() if name.startswith("QEMU_")}
    command, variables = unit_settings()
    if sys.maxsize < 2**32:
        subprocess.run([sys.executable, "-c", ON_A_64_BIT_KERNEL, sys.argv[1]], check=True)
    # As the unit's StateDirectory= and DynamicUser= do.
    STATE.mkdir(mode=0o700, exist_ok=True)
    for path in (STATE, *STATE.rglob("*")):
        os.chown(path, USER, USER)
    port = free_port()
    CONFIG.write_text(CONFIG.read_text().replace('"0.0.0.0:8080"', f'"127.0.0.1:{port}"'))
    CONFIG.chmod(0o644)
    service = subprocess.Popen(
        command, env={**variables, **emulator}, user=USER, group=USER, extra_groups=[], umask=0o077, cwd="/"
    )
    try:
        answers(port, service)
        said = subprocess.run(["bash", sys.argv[2]], check=True, stdout=subprocess.PIPE, text=True).stdout
        (token,) = re.findall(r"^[\w-]+\.[\w-]+\.[\w-]+$", said, re.MULTILINE)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        post = ("POST", "/v1/streams/weather")
        status, body = ask(port, *post, json.dumps(MESSAGE).encode(), **headers)
        assert (status, json.loads(body)["durability"]) == (202, "fsync"), (status, body)
        status, body = ask(port, *post, json.dumps({**MESSAGE, "temp_f": 6553.5}).encode(), **headers)
        assert status == 422, (status, body)
        status, body = ask(port, *post, json.dumps(MESSAGE).encode(), **{**headers, "Authorization": "Bearer x.y.z"})
        assert status == 401, (status, body)
        doctor = subprocess.run([HEADGATE, "doctor", "--state", str(STATE), "--json"], check=False, capture_output=True)
        checks = {row["check"]: row["status"] for row in json.loads(doctor.stdout)["checks"]}
        assert checks["native core"] == checks["PyNaCl"] == checks["zstandard"] == checks["aiomqtt"] == "ok", checks
    finally:
        service.send_signal(signal.SIGTERM)
        code = service.wait(timeout=START_S)
    assert code == 0, f"after SIGTERM: {code}"
    print("device: a message was accepted, a bad one refused, SIGTERM ended it with 0; doctor:", checks)


if __name__ == "__main__":
    main()
