"""Server reflection (grpc.reflection.v1 and v1alpha, which are the same on the wire): what the services are.

The descriptors are those of data/proto, compiled by protoc into data/proto/services.binpb (a
google.protobuf.FileDescriptorSet).
"""

import asyncio
from functools import cache
from typing import TYPE_CHECKING

from headgate import limits
from headgate.linux import grpc_status as status
from headgate.linux.config_values import data_directory
from headgate.linux.protobuf import BYTES, fields, put_bytes, put_message, put_number, text

if TYPE_CHECKING:
    from headgate.linux.grpc_call import Call

# google/protobuf/descriptor.proto: numbers of the fields that name something
_NAME, _PACKAGE = 1, 2
_MESSAGES, _ENUMS, _SERVICES = 4, 5, 6  # of a file
_FIELDS, _NESTED, _NESTED_ENUMS = 2, 3, 4  # of a message; 2: also the methods of a service, the values of an enum
# ServerReflectionRequest
_BY_FILENAME, _BY_SYMBOL, _BY_EXTENSION, _EXTENSIONS_OF, _LIST = 3, 4, 5, 6, 7


def _parts(data: bytes, wanted: int) -> list[bytes]:
    return [
        value for number, wire, value in fields(data) if number == wanted and wire == BYTES and isinstance(value, bytes)
    ]


def _name(data: bytes, scope: str) -> str:
    name = text(_parts(data, _NAME)[0])
    return f"{scope}.{name}" if scope else name


def _enum_symbols(data: bytes, scope: str) -> list[str]:
    """An enum's values are named beside it, not in it."""
    return [_name(part, scope) for part in (data, *_parts(data, _FIELDS))]


def _message_symbols(data: bytes, scope: str) -> list[str]:
    name = _name(data, scope)
    symbols = [name, *[_name(inner, name) for inner in _parts(data, _FIELDS)]]
    for inner in _parts(data, _NESTED_ENUMS):
        symbols += _enum_symbols(inner, name)
    for inner in _parts(data, _NESTED):
        symbols += _message_symbols(inner, name)
    return symbols


@cache
def index() -> "tuple[dict[str, bytes], dict[str, bytes], list[str], set[str]]":
    """Files by name, files by symbol, services, messages."""
    data = (data_directory() / "proto" / "services.binpb").read_bytes()
    files: dict[str, bytes] = {}
    symbols: dict[str, bytes] = {}
    services: list[str] = []
    messages: set[str] = set()
    for file in _parts(data, 1):
        files[_name(file, "")] = file
        package = text(_parts(file, _PACKAGE)[0])
        for message in _parts(file, _MESSAGES):
            messages.add(_name(message, package))
            symbols.update(dict.fromkeys(_message_symbols(message, package), file))
        for enum in _parts(file, _ENUMS):
            symbols.update(dict.fromkeys(_enum_symbols(enum, package), file))
        for service in _parts(file, _SERVICES):
            name = _name(service, package)
            services.append(name)
            symbols[name] = file
            symbols.update(dict.fromkeys([_name(method, name) for method in _parts(service, _FIELDS)], file))
    return files, symbols, sorted(services), messages


def _file(file: "bytes | None") -> bytes:
    return _missing() if file is None else put_message(4, put_message(1, file))


def _missing() -> bytes:
    return put_message(7, put_number(1, status.NOT_FOUND) + put_bytes(2, "not found"))


def answer(request: bytes) -> bytes:
    """A ServerReflectionResponse. Raises ProtobufError."""
    host, wanted, asked = b"", 0, b""
    for number, wire, value in fields(request):
        if wire == BYTES and not isinstance(value, int):
            if number == 1:
                host = value
            elif _BY_FILENAME <= number <= _LIST:  # a oneof: the last one counts
                wanted, asked = number, value
    return put_bytes(1, host) + put_message(2, request) + _answered(wanted, asked)


def _answered(wanted: int, asked: bytes) -> bytes:
    files, symbols, services, messages = index()
    if wanted == _BY_FILENAME:
        body = _file(files.get(text(asked)))
    elif wanted == _BY_SYMBOL:
        body = _file(symbols.get(text(asked)))
    elif wanted == _BY_EXTENSION:  # proto3: there are none
        body = _missing()
    elif wanted == _EXTENSIONS_OF:
        body = put_message(5, put_bytes(1, asked)) if text(asked) in messages else _missing()
    elif wanted == _LIST:
        body = put_message(6, b"".join(put_message(1, put_bytes(1, name)) for name in services))
    else:
        body = put_message(7, put_number(1, status.INVALID_ARGUMENT) + put_bytes(2, "nothing was asked for"))
    return body


async def reflect(call: "Call") -> None:
    async for request in call.messages(limits.GRPC_QUESTION):
        await call.send(answer(request))
        await asyncio.sleep(0)  # others' turn: questions that are already here would not make us wait
