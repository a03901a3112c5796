"""./dev wheels: which wheels are chosen, and that the check of a wheel finds what must not be in one."""

import ctypes
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
WHEELS = ROOT / "native_ext/wheels"

pytestmark = pytest.mark.skipif(
    shutil.which("readelf") is None or shutil.which("gcc") is None, reason="needs gcc and readelf"
)


def load(name: str) -> ModuleType:
    """A module of the scripts, whose names are too common for the path of all tests."""
    spec = importlib.util.spec_from_file_location(f"wheels_{name}", WHEELS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


CHECK = load("check")
TARGETS = load("targets")
NGHTTP2 = load("nghttp2")
USES_NGHTTP2 = """
#include <nghttp2/nghttp2.h>
int http2_version(void) { return nghttp2_version(NGHTTP2_VERSION_NUM)->version_num; }
"""
HARDENED = ["-Wl,-z,relro,-z,now", "-Wl,-s", "-Wl,--disable-new-dtags"]


def problems(folder: Path, *options: str, armv6: bool = False) -> list[str]:
    """Of a library linked with these options."""
    (folder / "lib.c").write_text("int answer(void) { return 42; }\n")
    library = folder / "lib.so"
    subprocess.run(["gcc", "-shared", "-fPIC", *options, "-o", str(library), str(folder / "lib.c")], check=True)
    found: list[str] = []
    CHECK._library(library, armv6, found.append)
    return found


def test_a_good_library_has_no_problems(tmp_path: Path) -> None:
    assert problems(tmp_path, *HARDENED) == []


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["-Wl,-z,relro,-z,now"], "not stripped"),
        (["-Wl,-s"], "writable tables of the dynamic linker: no full RELRO"),
        ([*HARDENED, "-Wl,-rpath,/opt/lib"], "has a path to look for libraries"),
        ([*HARDENED, "-Wl,--no-as-needed", "-lm"], "needs libm.so.6"),
        ([*HARDENED, "-Wl,-z,execstack"], "memory that can be written and executed"),
    ],
)
def test_a_bad_library_is_found_out(tmp_path: Path, options: list[str], problem: str) -> None:
    assert problem in problems(tmp_path, *options)


def test_a_function_that_nobody_defines_is_found_out(tmp_path: Path) -> None:
    code = 'int PyThing(void), puts(const char *), far(void); int near(void) { return PyThing() + puts("") + far(); }'
    (tmp_path / "lib.c").write_text(code)
    library = tmp_path / "lib.so"
    subprocess.run(["gcc", "-shared", "-fPIC", *HARDENED, "-o", str(library), str(tmp_path / "lib.c")], check=True)
    found: list[str] = []
    CHECK._library(library, False, found.append)
    assert found == ["nobody defines far"]


def test_code_of_another_processor_is_not_for_armv6(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, *HARDENED, armv6=True)
    assert found.startswith("not code for ARMv6: ")


def test_the_targets_are_what_pyproject_builds() -> None:
    names = {target.platform for target in TARGETS.TARGETS}
    machines = ("x86_64", "aarch64", "armv7l")
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for machine in machines:
        for libc in ("manylinux", "musllinux"):
            image = text.split(f"{libc}-{machine}-image = ")[1].split('"')[1]
            assert f"{image}_{machine}" in names
    assert names - {name for name in names if name.endswith(machines)} == {"linux_armv6l"}
    assert all(target.name == f"{target.machine}-{target.libc}" for target in TARGETS.TARGETS)


def wheels(*words: str) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'firmware_py'}:{ROOT / 'host_tools'}"}
    command = [sys.executable, str(WHEELS / "build.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize("option", ["--archs", "--libc"])
def test_what_there_is_no_wheel_for_is_one_line(option: str) -> None:
    done = wheels("--zig", option, "pdp11")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("dev: there is no 'pdp11'. One of ")
    assert len(done.stderr.splitlines()) == 1


def test_a_wheel_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    done = wheels("--check", str(tmp_path / "absent.whl"))
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr == f"dev: no wheel {tmp_path / 'absent.whl'}. ./dev wheels makes some, in dist/\n"


def test_what_is_no_wheel_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.whl").write_bytes(b"no zip")
    done = wheels("--check", str(tmp_path / "x.whl"))
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith(f"dev: {tmp_path / 'x.whl'} is no wheel")
    assert len(done.stderr.splitlines()) == 1


def test_another_archive_is_not_taken_for_the_source_of_libnghttp2(tmp_path: Path) -> None:
    (tmp_path / NGHTTP2.ARCHIVE).write_bytes(b"something else")
    with pytest.raises(NGHTTP2.Failed, match="is not the source of libnghttp2"):
        NGHTTP2.source(tmp_path)


@pytest.mark.skipif(not (NGHTTP2.CACHE / NGHTTP2.ARCHIVE).exists(), reason="./dev wheels has not been run here")
def test_libnghttp2_is_linked_in_and_hidden(tmp_path: Path) -> None:
    prefix, code, library = tmp_path / "prefix", tmp_path / "code.c", tmp_path / "code.so"
    NGHTTP2.build(NGHTTP2.source(NGHTTP2.CACHE), prefix, ["gcc"], ["ar"])
    code.write_text(USES_NGHTTP2)
    archive = prefix / "lib/libnghttp2.a"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", f"-I{prefix}/include", code, archive, "-o", library, *HARDENED], check=True
    )
    numbers = [int(part) for part in NGHTTP2.VERSION.split(".")]
    assert ctypes.CDLL(str(library)).http2_version() == (numbers[0] << 16) + (numbers[1] << 8) + numbers[2]
    symbols = subprocess.run(
        ["readelf", "-W", "--dyn-syms", library], capture_output=True, text=True, check=True
    ).stdout
    assert "http2_version" in symbols
    assert "nghttp2" not in symbols
    found: list[str] = []
    CHECK._library(library, False, found.append)
    assert found == []


def test_what_is_packed_has_all_data_files(tmp_path: Path) -> None:
    """By what pyproject.toml says; a wheel is made of the same folder, with the libraries beside it."""
    pytest.importorskip("setuptools")
    command = [sys.executable, "setup.py", "-q", "egg_info", "--egg-base", str(tmp_path), "build_py", "--build-lib"]
    packed = tmp_path / "lib"
    subprocess.run([*command, str(packed)], cwd=ROOT, check=True, capture_output=True)
    names = {file.relative_to(packed).as_posix() for file in packed.rglob("*")}
    assert "headgate/data/proto/headgate/v1/validator.proto" in names
    assert CHECK.missing_data(names) == []
    assert CHECK.missing_data(names - {"headgate/data/default.toml"}) == ["headgate/data/default.toml"]
