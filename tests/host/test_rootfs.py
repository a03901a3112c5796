"""Root file systems for other machines: kept by what they are made of, finished without scripts, clear when they fail.

mmdebstrap and unshare are shell scripts here; the real ones are used by `./dev test --target`.
"""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from headgate.errors import CommandError
from headgate_host import emulation, rootfs

USERS = "root:*:0:0:root:/root:/bin/bash\n"
# Unpacks what a root of base-passwd, mawk, ca-certificates and python3 would have; of the Python that runs this, which
# can compile its library.
UNPACK = f"""#!/bin/sh
echo "$@" >>"$MMDEBSTRAP_CALLS"
for root; do case $root in /*/root) break ;; esac; done
mkdir -p "$root/etc" "$root/usr/bin" "$root/usr/share/base-passwd" "$root/usr/share/ca-certificates/mozilla"
mkdir -p "$root/usr/lib/python3.{sys.version_info[1]}" "$root/usr/lib/python3/dist-packages"
printf '{USERS}' >"$root/usr/share/base-passwd/passwd.master"
printf 'root:*:0:\\n' >"$root/usr/share/base-passwd/group.master"
: >"$root/usr/bin/mawk"
echo one >"$root/usr/share/ca-certificates/mozilla/1.crt"
echo two >"$root/usr/share/ca-certificates/mozilla/2.crt"
echo 'nameserver 192.0.2.1' >"$root/etc/resolv.conf"
"""
FAIL = """#!/bin/sh
mkdir -p "$9"
echo 'E: Unable to locate package nonsense' >&2
echo 'E: apt-get --yes install failed' >&2
exit 100
"""
# As apt says it of an archive whose index is older than its Release, the first time or each time.
OUT_OF_STEP = """#!/bin/sh
echo call >>"$MMDEBSTRAP_CALLS"
[ "$(wc -l <"$MMDEBSTRAP_CALLS")" -gt {times} ] && exec sh "$(dirname "$0")/unpack" "$@"
mkdir -p "$9"
echo 'E: Failed to fetch http://m/debian-security/dists/x/Packages.xz  File has unexpected size (2 != 3)' >&2
exit 100
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that has an mmdebstrap and a mirror; returns the file that lists the calls."""
    calls = tmp_path / "calls"
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("MMDEBSTRAP_CALLS", str(calls))
    monkeypatch.setenv("HEADGATE_DEBIAN_MIRROR", "http://mirror.example/debian")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    program(tmp_path, UNPACK)
    program(tmp_path, '#!/bin/sh\nshift\nexec "$@"\n', "unshare")  # the real one needs rights, and mounts nothing here
    return calls


def program(folder: Path, text: str, name: str = "mmdebstrap") -> None:
    path = folder / name
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_a_root_is_made_once_for_the_same_inputs(
    machine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = rootfs.make("armhf", ["python3", "mawk"], tmp_path / "roots")
    assert rootfs.make("armhf", ["mawk", "python3"], tmp_path / "roots") == root
    assert len(machine.read_text().splitlines()) == 1
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert rootfs.make("armhf", ["mawk"], tmp_path / "roots") != root
    assert rootfs.make("arm64", ["mawk"], tmp_path / "roots").name.startswith("bookworm-arm64-")
    first, second, third = machine.read_text().splitlines()
    assert "deb http://mirror.example/debian bookworm main" in first
    assert "--include=base-files,base-passwd,dash,libc-bin,mawk,python3 " in first
    assert ",python3" not in second
    assert f"--extract-hook=sh {rootfs.RECORD} " in first
    assert "--architectures=arm64 " in third
    assert sorted(path.name for path in (tmp_path / "roots").glob(".*")) == []


def test_what_the_scripts_would_have_done(machine: Path, tmp_path: Path) -> None:
    root = rootfs.make("arm64", [], tmp_path / "roots")
    assert (root / "etc/passwd").read_text() == USERS
    assert (root / "usr/bin/awk").readlink() == Path("mawk")
    assert not (root / "usr/bin/cc").exists()
    assert (root / rootfs.BUNDLE).read_text() == "one\ntwo\n"
    assert "localhost" in (root / "etc/hosts").read_text()
    assert not (root / "etc/resolv.conf").exists()


def test_python_is_compiled_and_needs_no_time_stamps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    library = tmp_path / "root/usr/lib" / f"python3.{rootfs.sys.version_info[1]}"
    library.mkdir(parents=True)
    (library / "module.py").write_text("x = 1\n")
    rootfs._compile_python(tmp_path / "root", library)
    (compiled,) = library.glob("__pycache__/*.pyc")
    assert compiled.read_bytes()[4:8] == b"\x01\0\0\0"  # PEP 552: by hash, not checked
    rootfs._compile_python(tmp_path / "root", tmp_path / "root/usr/lib/python3.1")
    assert "slow" in capsys.readouterr().err


def test_the_network_is_lent_apart(tmp_path: Path) -> None:
    rootfs.lend_network(tmp_path)
    assert (tmp_path / "etc/resolv.conf").read_bytes() == Path("/etc/resolv.conf").read_bytes()


def test_failures_are_one_line_and_leave_nothing(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "roots"
    program(tmp_path, FAIL)
    with pytest.raises(CommandError, match="bookworm for arm64: Unable to locate package nonsense"):
        rootfs.make("arm64", ["nonsense"], folder)
    assert list(folder.iterdir()) == []
    with pytest.raises(CommandError, match="no architecture 'sparc'"):
        rootfs.make("sparc", [], folder)
    with pytest.raises(CommandError, match="no mirror of debian-security"):
        rootfs.make("arm64", [], folder, rootfs.Archive(security=True))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(CommandError, match="needs root"):
        rootfs.make("arm64", [], folder)


def test_a_mirror_that_is_out_of_step_is_asked_once_more(machine: Path, tmp_path: Path) -> None:
    (tmp_path / "unpack").write_text(UNPACK)
    program(tmp_path, OUT_OF_STEP.format(times=1))
    assert rootfs.make("armhf", [], tmp_path / "roots").is_dir()
    program(tmp_path, OUT_OF_STEP.format(times=99))
    machine.unlink()
    with pytest.raises(CommandError, match=r"unexpected size \(2 != 3\)") as caught:
        rootfs.make("armhf", ["mawk"], tmp_path / "roots")
    assert "--set security=no" in caught.value.next_step
    assert machine.read_text().count("call") == rootfs.ATTEMPTS


def test_emulators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulation, "BINFMT", tmp_path)
    monkeypatch.setattr(emulation, "LINES", tmp_path / "lines")
    monkeypatch.setattr(emulation.platform, "machine", lambda: "x86_64")
    (tmp_path / "register").touch()
    with pytest.raises(CommandError, match="no qemu-arm on this machine"):
        emulation.prepare("armhf")
    (tmp_path / "lines").mkdir()
    (tmp_path / "lines/qemu-arm.conf").write_text(":qemu-arm:M::line\n")
    emulation.prepare("armhf")
    assert (tmp_path / "register").read_text() == ":qemu-arm:M::line"
    (tmp_path / "qemu-arm").touch()  # as the kernel does
    (tmp_path / "register").write_text("")
    emulation.prepare("armhf")
    assert (tmp_path / "register").read_text() == ""
    assert emulation.variables("armhf") == {"QEMU_CPU": "cortex-a7"}
    monkeypatch.setattr(emulation.platform, "machine", lambda: "armv7l")
    emulation.prepare("armhf")
    assert emulation.variables("armhf") == {}


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb")
def test_what_was_unpacked_is_written_down(tmp_path: Path) -> None:
    archives = tmp_path / "root/var/cache/apt/archives"
    archives.mkdir(parents=True)
    (tmp_path / "root/var/lib/dpkg").mkdir(parents=True)
    for name in ("one", "two"):
        tree = tmp_path / name
        (tree / "DEBIAN").mkdir(parents=True)
        control = f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: M <m@example>\nDescription: d\n"
        (tree / "DEBIAN/control").write_text(control)
        (tree / "usr/bin").mkdir(parents=True)
        (tree / "usr/bin" / name).touch()
        subprocess.run(["dpkg-deb", "--build", tree, archives], check=True, capture_output=True)
    subprocess.run(["sh", rootfs.RECORD, tmp_path / "root"], check=True)
    dpkg = tmp_path / "root/var/lib/dpkg"
    paragraphs = (dpkg / "status").read_text().strip().split("\n\n")
    assert [text.splitlines()[:2] for text in paragraphs] == [
        [f"Package: {name}", "Status: install ok unpacked"] for name in ("one", "two")
    ]
    assert "/usr/bin/two" in (dpkg / "info/two.list").read_text().splitlines()
