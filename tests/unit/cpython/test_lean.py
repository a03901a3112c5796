"""linux/lean.py: what it keeps out stays out, works again when asked for, and MQTT does without."""

from __future__ import annotations

import os
import subprocess
import sys


def run(program: str) -> str:
    # Not under coverage: measuring a child process imports asyncio's and hashlib's world before the program begins.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    command = [sys.executable, "-c", program]
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
