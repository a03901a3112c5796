"""linux/lean.py and linux/later.py: what they keep out stays out, works again when asked for, and MQTT does without."""

from __future__ import annotations

import inspect
import os
import platform
import subprocess
import sys
from functools import partial, wraps
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from headgate import _accel
from headgate.linux import later

# -S: what the environment of whoever runs the tests loads at its start is not there; nor, so, are packages that are
# installed as links to their sources.
PACKAGES = map(find_spec, ("headgate", "headgate_native"))
PATHS = os.pathsep.join(
    [str(Path(one.origin).parents[1]) for one in PACKAGES if one and one.origin]
    + [entry for entry in sys.path if entry]
)


def run(program: str, *options: str, arguments: tuple[str, ...] = (), **variables: str) -> str:
    # Not under coverage: measuring a child process imports asyncio's and hashlib's world before the program begins.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")} | variables
    command = [sys.executable, *options, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_asyncio_and_mqtt_without_openssl() -> None:
    program = """
import sys
from headgate.linux import lean
lean.without_openssl_hashes()
assert lean.import_asyncio()
lean.import_mqtt(tls=False)
import asyncio, hashlib, aiomqtt, paho.mqtt.client
assert asyncio.sslproto.ssl is None and paho.mqtt.client.ssl is None
unwanted = {"_ssl", "_hashlib", "ssl", "urllib.request", "http.client"}
print(sorted(name for name in unwanted if sys.modules.get(name)))
assert hashlib.sha256(b"abc").hexdigest().startswith("ba7816bf")
"""
    assert run(program) == "[]"


def test_mqtt_with_tls_has_ssl_and_no_http_client() -> None:
    program = """
import sys
from headgate.linux import lean
lean.import_asyncio()
lean.import_mqtt(tls=True)
import aiomqtt, paho.mqtt.client, ssl
assert paho.mqtt.client.ssl is ssl and aiomqtt.client.ssl is ssl
print([name for name in ("urllib.request", "http.client") if sys.modules.get(name)])
"""
    assert run(program) == "[]"


def test_what_was_kept_out_can_be_imported_afterwards() -> None:
    program = """
from headgate.linux import lean
lean.without_openssl_hashes()
lean.import_asyncio()
lean.import_mqtt(tls=False)
lean.give_memory_back()
import ssl, urllib.request
print(ssl.create_default_context().verify_mode.name, urllib.request.Request("http://h/").host)
"""
    assert run(program) == "CERT_REQUIRED h"


def test_too_late_is_said_and_does_nothing() -> None:
    program = """
import asyncio, hashlib, sys
from headgate.linux import lean
lean.without_openssl_hashes()
print(lean.import_asyncio(), asyncio.sslproto.ssl is not None, bool(sys.modules["_hashlib"]))
"""
    assert run(program) == "False True True"


# Modules that cost an appliance without TLS, MQTT or HTTP/2 memory and time at each start, and do nothing for it. Of
# those of linux/later.py a start leaves all alone.
UNWANTED = """
    _bz2 _ctypes _decimal _hashlib _lzma _multiprocessing _pickle _ssl ast bz2 cffi compression
    concurrent.futures.process concurrent.futures.thread csv ctypes decimal difflib dis doctest email fractions
    getpass gettext hmac html http importlib.metadata importlib.resources inspect ipaddress locale lzma mimetypes
    multiprocessing nacl opcode optparse paho pickle pkgutil platform pprint pydoc quopri random secrets shlex
    shutil smtplib ssl statistics subprocess tarfile tempfile textwrap tokenize unittest urllib.error urllib.request
    uuid xml zipfile zstandard aiomqtt headgate_host headgate_native._http2 headgate_native._load
    headgate.data.metaschemas headgate.linux.mqtt headgate.linux.mqtt_gateway headgate.linux.uplink
    headgate.linux.second_level headgate.linux.dial headgate.linux.client_tls headgate.linux.grpc_call
    headgate.linux.grpc_routes headgate.linux.protobuf headgate.linux.seal headgate.linux.signing
    headgate.linux.image_format headgate.linux.update_relay headgate.linux.verb_check headgate.linux.verb_doctor
    headgate.linux.verb_keys headgate.linux.verb_token headgate.tasks.batches headgate.tasks.metrics
    headgate.tasks.update headgate.tasks.cache_many"""
# asyncio.graph makes some, which there takes `annotationlib` and `inspect`, and what these take.
ASYNCIO_HAS_DATACLASSES = sys.version_info >= (3, 14)
STARTED = """
import os, signal, sys
from headgate.linux import lean
give_memory_back = lean.give_memory_back
def started():
    give_memory_back()
    print("loaded", *(name for name, module in sys.modules.items() if module and type(module).__name__ != "Later"))
    os.kill(os.getpid(), signal.SIGTERM)
lean.give_memory_back = started
before = set(sys.modules)
from headgate.cli import main
sys.exit(main(["run", "--listen", "127.0.0.1:0", "--state", sys.argv[1]]))
"""


def test_what_an_appliance_does_not_use_it_does_not_load(tmp_path: Path) -> None:
    output = run(STARTED, "-S", arguments=(str(tmp_path),), PYTHONPATH=PATHS)
    (line,) = [line for line in output.splitlines() if line.startswith("loaded ")]
    loaded = set(line.split()[1:])
    assert {"asyncio", "sqlite3", "headgate.linux.app"} <= loaded  # it was a start
    unwanted = set(UNWANTED.split())
    if _accel.BACKEND == "pure":
        unwanted -= {"_ctypes", "ctypes"}
    if ASYNCIO_HAS_DATACLASSES:
        unwanted -= {"ast", "dis", "inspect", "opcode"}
    assert loaded & unwanted == set()


def test_later_modules_are_complete_as_soon_as_more_is_asked_of_them() -> None:
    program = """
from headgate.linux import later
later.put_off()
import gettext, inspect, ipaddress, subprocess, sys
assert all(type(sys.modules[name]) is later.Later for name in ("gettext", "inspect", "ipaddress", "subprocess"))
assert not hasattr(inspect, "__path__") and not hasattr(inspect, "__file__")
assert type(sys.modules["inspect"]) is later.Later
from inspect import signature
print(signature(lambda a, b=1: None), ipaddress.ip_address("::1").version, gettext.gettext("usage"))
print(subprocess.run([sys.executable, "-c", "print(7)"], stdout=subprocess.PIPE).stdout)
print(sorted(name for name in later.KNOWN if type(sys.modules[name]) is later.Later))
"""
    assert run(program, "-S", PYTHONPATH=PATHS).splitlines() == [
        "(a, b=1) 6 usage",
        "b'7\\n'",
        "['gettext', 'platform', 'textwrap', 'tokenize']",
    ]


@pytest.mark.skipif(ASYNCIO_HAS_DATACLASSES, reason="asyncio itself loads inspect")
def test_mqtt_without_inspect() -> None:
    program = """
import sys
from headgate.linux import later
later.put_off()
from headgate.linux import lean
lean.import_asyncio()
lean.import_mqtt(tls=False)
import aiomqtt, inspect, platform
print(sorted(name for name in ("inspect", "platform") if type(sys.modules[name]) is not later.Later))
print(aiomqtt.TLSParameters().ca_certs, inspect.signature(lambda a: None), platform.system())
"""
    assert run(program, "-S", PYTHONPATH=PATHS).splitlines() == [
        "[]",
        f"None (a) {platform.system()}",
    ]


async def coroutine() -> None:
    """A coroutine function."""


class Annotated:
    a: int
    b: str = ""


@wraps(coroutine)
def wrapped() -> None:
    """A function around another one."""


SAMPLES = [coroutine, partial(coroutine), run, print, Annotated, Annotated().__init__, int, wrapped, 7]


@pytest.mark.parametrize("name", ["iscoroutinefunction", "isfunction", "unwrap"])
@pytest.mark.parametrize("sample", SAMPLES)
def test_what_is_known_of_inspect_is_what_it_says(name: str, sample: object) -> None:
    known = later.KNOWN["inspect"][name]
    assert known(sample) == getattr(inspect, name)(sample)  # type: ignore[operator]


@pytest.mark.parametrize("sample", [Annotated, int, run, SimpleNamespace])
def test_annotations_are_those_of_inspect(sample: object) -> None:
    known = later.KNOWN["inspect"]["get_annotations"]
    assert known(sample) == inspect.get_annotations(sample)  # type: ignore[operator, arg-type]


def test_what_is_known_of_others_is_what_they_say() -> None:
    known = later.KNOWN["subprocess"]
    assert known == {name: getattr(subprocess, name) for name in known}
    assert later.KNOWN["gettext"]["ngettext"]("one", "more", 2) == "more"  # type: ignore[operator]
