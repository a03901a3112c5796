"""Messages of any gRPC service: its .proto file and JSON -> bytes, by protobuf's own compiler and library."""

import tempfile
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

from headgate.errors import USAGE, CommandError

Encode = Callable[[bytes], bytes]  # JSON -> message


def encoder(proto: Path, call: str) -> Encode:
    """For the request of `call` ("package.Service/Method"). Imports start at the file's folder, or above it. Raises
    CommandError(USAGE)."""
    try:
        from google.protobuf import descriptor_pool, json_format, message_factory
    except ImportError:
        raise _missing() from None
    pool = descriptor_pool.DescriptorPool()
    for file in _compiled(proto).file:
        pool.Add(file)
    service, _, name = call.partition("/")
    try:
        method = pool.FindServiceByName(service).FindMethodByName(name)
    except KeyError:
        method = None
    if method is None:
        raise CommandError(USAGE, f"{proto} has no {call}", "Write package.Service/Method")
    if method.client_streaming or method.server_streaming:
        raise CommandError(USAGE, f"{call} is a stream", "Only unary calls can be loaded")
    make = message_factory.GetMessageClass(method.input_type)

    def encode(text: bytes) -> bytes:
        try:
            return bytes(json_format.Parse(text, make()).SerializeToString())
        except (json_format.ParseError, UnicodeDecodeError) as error:
            raise CommandError(USAGE, f"not a message of {call}: {error}", "JSON as protobuf maps it") from None

    return encode


def _compiled(proto: Path) -> Any:
    """-> FileDescriptorSet, with all that it imports."""
    try:
        from google.protobuf.descriptor_pb2 import FileDescriptorSet
        from grpc_tools import protoc
    except ImportError:
        raise _missing() from None
    if not proto.is_file():
        raise CommandError(USAGE, f"cannot read {proto}", "A .proto file")
    file = proto.resolve()
    known = str(resources.files("grpc_tools") / "_proto")  # google/protobuf/*.proto
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "set"
        for root in [file.parent, *file.parents[1:]]:  # package a.b mostly lies in a/b
            words = ["protoc", f"-I{root}", f"-I{known}", "--include_imports", f"--descriptor_set_out={out}", str(file)]
            if _resolves(root, file) and protoc.main(words) == 0:
                return FileDescriptorSet.FromString(out.read_bytes())
    raise CommandError(USAGE, f"{proto} is not understood", "What is wrong stands above; imports start at its folder")


def _resolves(root: Path, file: Path) -> bool:
    """Are the files that it imports below `root`, as far as they are not protobuf's own?"""
    imports = [line.split('"')[1] for line in file.read_text("utf-8", "replace").splitlines() if _is_import(line)]
    return all((root / one).is_file() for one in imports if not one.startswith("google/protobuf/"))


def _is_import(line: str) -> bool:
    return line.lstrip().startswith("import ") and line.count('"') == 2  # noqa: PLR2004


def _missing() -> CommandError:
    return CommandError(USAGE, ".proto files need packages that are not installed", "pip install 'headgate[grpc]'")
