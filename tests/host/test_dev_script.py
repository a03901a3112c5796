"""./dev on machines that lack things: every failure is one line with the next step, and the second time is quick.

The script runs in a directory of its own with a PATH of its own: real coreutils, and stand-ins for what a machine may
lack or refuse (python3, apt-get, sudo, id). What they are asked is written down and checked.
"""

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.not_emulated(reason="about a developer's machine, with C headers, which a device lacks")

ROOT = Path(__file__).resolve().parents[2]
TOOLS = [
    "sh",
    "env",
    "dirname",
    "mkdir",
    "nproc",
    "cat",
    "find",
    "sha256sum",
    "sort",
    "cut",
    "date",
    "grep",
    "tail",
    "sed",
    "rm",
    "ln",
]
HTTP2 = ["pkg-config", "h2load"]
SLOW = "--durations=10 --durations-min=1"

# Answers the script's probes from variables; makes a virtual environment whose python is itself.
PYTHON3 = r"""#!/bin/sh
printf 'python3 %s\n' "$*" >>"$CALLS"
case "$*" in
    *'sys.version_info < (3, 11)'*) exit ${OLD:-0} ;;
    *platform.python_version*) echo 3.9.2 ;;
    *'import ensurepip'*) exit ${NO_VENV:-0} ;;
    *Python.h*) exit ${NO_HEADER:-0} ;;
    *'sys.maxsize'*) exit 1 ;;
    *'import sys; print'*) echo 3.11 ;;
    '-m venv'*)
        for last; do :; done
        mkdir -p "$last/bin"
        ln -sf "$0" "$last/bin/python"
        ln -sf "$0" "$last/bin/headgate"
        ;;
    '-m pip install'*)
        [ -n "${PIP_FAILS:-}" ] || exit 0
        echo "ERROR: No matching distribution found for aiomqtt"
        exit 1
        ;;
    '-m pip download'*) exit ${DOWNLOAD_FAILS:-0} ;;
    '-m pytest'*) exit ${PYTEST:-0} ;;
esac
"""
RECORDER = """#!/bin/sh
printf '%s %s\\n' "${0##*/}" "$*" >>"$CALLS"
"""
APT = RECORDER + 'case "$*" in *" update") ;; *) exit ${APT_FAILS:-0} ;; esac\n'


class Machine:
    """A checkout with nothing but what ./dev looks at, and a PATH with nothing but what is put there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "checkout with blank"
        self.bin = folder / "bin"
        self.calls_file = folder / "calls"
        self.bin.mkdir()
        for name in ("native_ext/core", "native_ext/cpython", "native_ext/http2"):
            (self.folder / name).mkdir(parents=True)
            (self.folder / name / "x.c").write_text("int x;\n")
        for name in ("pyproject.toml", "setup.py"):
            (self.folder / name).write_text("# test\n")
        shutil.copy(ROOT / "dev", self.folder / "dev")
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool) or pytest.fail(f"no {tool} on this machine"))
        self.put("python3", PYTHON3)
        for name in ("gcc", "make", "mosquitto", "curl", "gpgv", "mount", "mosquitto_pub", "qemu-arm-static", *HTTP2):
            self.put(name, RECORDER)
        self.put("id", "#!/bin/sh\necho 0\n")
        self.put("apt-get", APT)

    def put(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        self.calls_file.write_text("")
        return subprocess.run(
            ["/bin/sh", str(self.folder / "dev"), *arguments],
            env={"PATH": str(self.bin), "CALLS": str(self.calls_file), "HOME": str(self.folder), **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def calls(self, start: str) -> list[str]:
        return [line for line in self.calls_file.read_text().splitlines() if line.startswith(start)]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def one_line(done: subprocess.CompletedProcess[str], *fragments: str) -> None:
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("dev: ")
    for fragment in fragments:
        assert fragment in lines[0]


def test_is_executable_posix_shell() -> None:
    assert (ROOT / "dev").stat().st_mode & stat.S_IXUSR
    assert (ROOT / "dev").read_text().startswith("#!/bin/sh\n")


def test_help_and_wrong_command(machine: Machine) -> None:
    done = machine.run("help")
    assert done.returncode == 0
    for command in ("./dev run", "./dev test", "./dev setup", "./dev lint", "./dev clean"):
        assert command in done.stdout
    assert machine.run().stdout == done.stdout
    one_line(machine.run("tset"), "there is no command 'tset'", "./dev help")
    one_line(machine.run("setup", "tests"), "there is no set-up 'tests'", "./dev help")


def test_nothing_missing_installs_no_package_and_is_quick_the_second_time(machine: Machine) -> None:
    done = machine.run("setup", "run")
    assert done.returncode == 0, done.stderr
    assert machine.calls("apt-get") == []
    installs = machine.calls("python3 -m pip install")
    assert installs[0].endswith("[host]")
    assert installs[1].endswith("--no-deps vega_datasets==0.9.0")
    assert machine.calls("python3 -m pip download") == []
    done = machine.run("setup", "run")
    assert done.returncode == 0
    assert machine.calls("python3 -m") == []
    assert "installing" not in done.stdout


@pytest.mark.parametrize(
    "changed", ["pyproject.toml", "setup.py", "native_ext/core/x.c", "native_ext/cpython/x.c", "dev"]
)
def test_a_changed_source_is_set_up_again(machine: Machine, changed: str) -> None:
    assert machine.run("setup", "run").returncode == 0
    with (machine.folder / changed).open("a") as file:
        file.write("# changed\n")
    assert machine.run("setup", "run").returncode == 0
    assert machine.calls("python3 -m pip install") != []


def test_the_larger_set_up_serves_the_smaller_command_but_not_the_other_way(machine: Machine) -> None:
    assert machine.run("setup", "test").returncode == 0
    assert machine.calls("python3 -m pip install")[0].endswith("[dev]")
    assert machine.run("setup", "run").returncode == 0
    assert machine.calls("python3 -m pip") == []
    shutil.rmtree(machine.folder / ".cache")
    assert machine.run("setup", "run").returncode == 0
    assert machine.run("setup", "test").returncode == 0
    assert machine.calls("python3 -m pip install") != []


def test_says_what_it_installs_and_why(machine: Machine) -> None:
    (machine.bin / "mosquitto").unlink()
    if Path("/usr/sbin/mosquitto").exists():
        expected = "python3-venv python3-dev"
    else:
        expected = "python3-venv python3-dev mosquitto"
    done = machine.run("setup", "run", NO_VENV="1", NO_HEADER="1")
    assert done.returncode == 0, done.stderr
    assert "needs python3-dev: Python.h, to build the C core" in done.stdout
    assert f"installing with apt-get: {expected}" in done.stdout
    (install,) = machine.calls("apt-get")
    assert install.endswith("install --no-install-recommends " + expected)


def test_package_lists_are_fetched_when_a_package_is_not_found(machine: Machine) -> None:
    done = machine.run("setup", "run", NO_VENV="1", APT_FAILS="100")
    one_line(done, "apt-get install failed", "dev.log", "run ./dev again")
    assert [call.split()[-1] for call in machine.calls("apt-get")] == ["python3-venv", "update", "python3-venv"]


def test_no_root_and_no_sudo_says_what_to_type(machine: Machine) -> None:
    machine.put("id", "#!/bin/sh\necho 1000\n")
    done = machine.run("setup", "run", NO_VENV="1")
    one_line(done, "not root, and there is no sudo", "apt-get install --no-install-recommends python3-venv;")
    assert machine.calls("apt-get") == []


def test_sudo_is_used_and_its_refusal_is_one_line(machine: Machine) -> None:
    machine.put("id", "#!/bin/sh\necho 1000\n")
    machine.put("sudo", RECORDER + '[ -z "${SUDO_FAILS:-}" ] || exit 1\n[ "$1" = -v ] || exec "$@"\n')
    assert machine.run("setup", "run", NO_VENV="1").returncode == 0
    assert len(machine.calls("apt-get")) == 1
    (machine.folder / ".cache/dev.run").unlink()
    one_line(machine.run("setup", "run", NO_VENV="1", SUDO_FAILS="1"), "sudo was refused", "apt-get install")


def test_no_apt_get(machine: Machine) -> None:
    (machine.bin / "apt-get").unlink()
    one_line(machine.run("setup", "run", NO_VENV="1"), "no apt-get", "python3-venv", "run ./dev again")


def test_python_too_old_or_absent(machine: Machine) -> None:
    one_line(machine.run("setup", "run", OLD="1"), "Python 3.11 or newer is needed", "3.9.2", "PYTHON=")
    (machine.bin / "python3").unlink()
    one_line(machine.run("setup", "run"), "there is no python3", "apt-get install python3")


def test_pip_failure_is_one_line_and_the_next_try_starts_again(machine: Machine) -> None:
    one_line(machine.run("setup", "run", PIP_FAILS="1"), "ERROR: No matching distribution found for aiomqtt", "dev.log")
    assert "No matching distribution" in (machine.folder / ".cache/dev.log").read_text()
    assert machine.run("setup", "run").returncode == 0


def test_tests_bring_the_conformance_suites_if_they_can_be_had(machine: Machine) -> None:
    done = machine.run("setup", "test", DOWNLOAD_FAILS="1")
    assert done.returncode == 0
    assert "the tests that need them will be skipped" in done.stdout
    shutil.rmtree(machine.folder / ".cache")
    assert machine.run("setup", "test").returncode == 0
    (download,) = machine.calls("python3 -m pip download")
    assert "jsonschema==" in download
    assert "pyjson5==" in download


def test_another_machine_needs_more_and_gets_the_options(machine: Machine) -> None:
    done = machine.run("test", "--target", "armv7l", "--full", "-k", "jwt")
    assert done.returncode == 0, done.stderr
    assert "needs mmdebstrap: " in done.stdout
    (install,) = machine.calls("apt-get -y")[-1:]
    assert "gcc-arm-linux-gnueabihf" in install
    assert "aarch64" not in install
    last = machine.calls("python3")[-1]
    assert last.endswith("/tests/qemu/run_target.py armv7l --full -k jwt"), last


def test_set_up_for_other_machines_is_for_all_of_them(machine: Machine) -> None:
    assert machine.run("setup", "target").returncode == 0
    (install,) = machine.calls("apt-get -y")[-1:]
    assert "gcc-arm-linux-gnueabihf" in install
    assert "gcc-aarch64-linux-gnu" in install


def test_run_hands_its_options_to_the_demo(machine: Machine) -> None:
    done = machine.run("run", "--demo-seconds", "1")
    assert done.returncode == 0, done.stderr
    assert machine.calls("python3 run") == ["python3 run --demo --demo-seconds 1"]


def test_test_runs_every_stage_and_says_where_time_went(machine: Machine) -> None:
    done = machine.run("test")
    assert done.returncode == 0, done.stderr
    (made,) = machine.calls("make")
    assert re.fullmatch(r"make --no-print-directory -C native_ext -j[1-9]\d* test", made)
    assert machine.calls("python3 -m pytest") == [
        f"python3 -m pytest {SLOW}",
        f"python3 -m pytest {SLOW} tests/unit tests/wire",
    ]
    for name in ("set-up", "C unit tests", "pytest, native C blocks", "pytest, pure twins"):
        (line,) = (line for line in done.stdout.splitlines() if name in line and " s  " in line)
        assert line.endswith("passed")
    assert done.stdout.splitlines()[-1] == "dev: all tests passed"


def test_a_failing_test_fails_after_all_stages_ran(machine: Machine) -> None:
    done = machine.run("test", PYTEST="1")
    assert done.returncode == 1
    assert len(machine.calls("python3 -m pytest")) == 2
    assert done.stdout.count("FAILED (1)") == 2
    assert done.stderr == "dev: tests FAILED\n"


def test_nothing_selected_is_a_failure_only_without_a_selection(machine: Machine) -> None:
    assert machine.run("test", PYTEST="5").returncode == 1
    done = machine.run("test", "-k", "no_such_test", PYTEST="5")
    assert done.returncode == 0
    assert "nothing selected" in done.stdout
    assert machine.calls("make") == []
    assert machine.calls("python3 -m pytest")[0] == f"python3 -m pytest {SLOW} -k no_such_test"


def test_a_named_file_replaces_the_default_places(machine: Machine) -> None:
    (machine.folder / "tests").mkdir()
    (machine.folder / "tests/test_x.py").write_text("")
    assert machine.run("test", "tests/test_x.py::test_y").returncode == 0
    assert machine.calls("python3 -m pytest") == [f"python3 -m pytest {SLOW} tests/test_x.py::test_y"] * 2


def test_clean_removes_what_was_made_and_nothing_else(machine: Machine) -> None:
    assert machine.run("setup", "run").returncode == 0
    (machine.folder / "native_ext/x.so").write_text("")
    (machine.folder / "tests/__pycache__").mkdir(parents=True)
    for name in ("firmware_py", "host_tools", "boards", "mine"):
        (machine.folder / name).mkdir()
    assert machine.run("clean").returncode == 0
    left = sorted(str(path.relative_to(machine.folder)) for path in machine.folder.rglob("*") if path.is_file())
    sources = [f"native_ext/{folder}/x.c" for folder in ("core", "cpython", "http2")]
    assert left == ["dev", *sources, "pyproject.toml", "setup.py"]
    assert (machine.folder / "mine").is_dir()


def test_ci_reads_no_input_and_ends_with_a_plain_line(tmp_path: Path) -> None:
    """`.ci/run` around a ./dev and a make that are stand-ins: order of the stages, exit code, last line."""
    folder = tmp_path / "checkout"
    (folder / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci/run", folder / ".ci/run")
    (folder / ".venv/bin").mkdir(parents=True)
    calls = tmp_path / "calls"
    programs = [folder / "dev", folder / ".venv/bin/coverage", folder / ".venv/bin/python"]
    for path in (*programs, tmp_path / "make", tmp_path / "apt-get"):
        path.write_text(RECORDER + 'case "$*" in *"${FAILING:-none}"*) exit 3 ;; esac\n')
        path.chmod(0o755)

    def run(**extra: str) -> subprocess.CompletedProcess[str]:
        calls.write_text("")
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "CALLS": str(calls), **extra}
        return subprocess.run(
            [str(folder / ".ci/run")],
            env=environment,
            stdin=subprocess.PIPE,
            capture_output=True,
            text=True,
            check=False,
        )

    done = run()
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "CI: passed"
    words = [" ".join(line.split()[:2]) for line in calls.read_text().splitlines()]
    assert words[:2] == ["dev setup", "dev setup"]
    before, together, after = words.index("dev wheels"), words.index("dev test"), words.index("coverage combine")
    assert before < together < after == len(words) - 2
    side_by_side = calls.read_text().splitlines()[before + 1 : after]
    assert {"dev test", "dev lint", "dev test --target aarch64", "dev test --target armv7l"} <= {
        line.strip() for line in side_by_side
    }
    assert any("test-asan" in line for line in side_by_side)
    for name in ("wheels", "tests on aarch64", "tests (./dev test)", "coverage"):
        assert f"\n=== {name}\n" in done.stdout
    done = run(FAILING="test-asan")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "CI: FAILED (1 stages)"
    assert "FAILED (3)" in done.stdout
