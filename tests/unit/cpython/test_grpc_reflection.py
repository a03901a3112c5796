"""linux/grpc_reflection.py and data/proto: the descriptors are those of the .proto files, and what is asked about them
is answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.linux import grpc_reflection
from headgate.linux.grpc_health import SERVICES
from headgate.linux.grpc_routes import lent

descriptor_pb2 = pytest.importorskip("google.protobuf.descriptor_pb2")
reflection_pb2 = pytest.importorskip("grpc_reflection.v1alpha.reflection_pb2")
PROTO = Path(grpc_reflection.__file__).resolve().parents[1] / "data" / "proto"
OURS = ["headgate.v1.Cache", "headgate.v1.Ingest", "headgate.v1.Validator"]
ALL = sorted(
    [*OURS, "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"]
)


def ask(**question: object) -> reflection_pb2.ServerReflectionResponse:
    request = reflection_pb2.ServerReflectionRequest(host="h", **question)
    answer = reflection_pb2.ServerReflectionResponse.FromString(grpc_reflection.answer(request.SerializeToString()))
    assert answer.original_request == request
    assert answer.valid_host == "h"
    return answer


def file_of(**question: object) -> str:
    (data,) = ask(**question).file_descriptor_response.file_descriptor_proto
    name: str = descriptor_pb2.FileDescriptorProto.FromString(data).name
    return name


def test_the_descriptors_are_current(tmp_path: Path) -> None:
    """Otherwise: python -m grpc_tools.protoc, as below, with services.binpb of data/proto as its output."""
    protoc = pytest.importorskip("grpc_tools.protoc")
    out = tmp_path / "services.binpb"
    files = sorted(str(file.relative_to(PROTO)) for file in PROTO.rglob("*.proto"))
    assert protoc.main(["protoc", f"-I{PROTO}", f"--descriptor_set_out={out}", *files]) == 0
    fresh = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    assert fresh == descriptor_pb2.FileDescriptorSet.FromString((PROTO / "services.binpb").read_bytes())


def test_services() -> None:
    assert [service.name for service in ask(list_services="").list_services_response.service] == ALL
    assert sorted(SERVICES) == ["", *OURS]


def test_files_by_name_and_by_everything_that_is_in_them() -> None:
    everything = descriptor_pb2.FileDescriptorSet.FromString((PROTO / "services.binpb").read_bytes())
    asked = 0
    for file in everything.file:
        assert file_of(file_by_filename=file.name) == file.name
        for service in file.service:
            names = [service.name, *[f"{service.name}.{method.name}" for method in service.method]]
            for name in names:
                assert file_of(file_containing_symbol=f"{file.package}.{name}") == file.name
                asked += 1
        for message in file.message_type:
            names = [message.name, *[f"{message.name}.{inner.name}" for inner in [*message.field, *message.enum_type]]]
            for name in names:
                assert file_of(file_containing_symbol=f"{file.package}.{name}") == file.name
                asked += 1
        for enum in file.enum_type:
            assert file_of(file_containing_symbol=f"{file.package}.{enum.name}") == file.name
    assert asked > 60


def test_what_is_not_there() -> None:
    extension = reflection_pb2.ExtensionRequest(containing_type="headgate.v1.Entry", extension_number=1)
    for question in (
        {"file_by_filename": "x.proto"},
        {"file_containing_symbol": "headgate.v1.No"},
        {"file_containing_extension": extension},
        {"all_extension_numbers_of_type": "headgate.v1.No"},
    ):
        assert ask(**question).error_response.error_code == 5
    assert ask().error_response.error_code == 3
    answer = ask(all_extension_numbers_of_type="headgate.v1.Entry").all_extension_numbers_response
    assert (answer.base_type_name, list(answer.extension_number)) == ("headgate.v1.Entry", [])


def test_every_method_is_served_by_somebody() -> None:
    """Each method of the .proto files is in the table of grpc/grpc.c, those that are lent also here; and no other."""
    everything = descriptor_pb2.FileDescriptorSet.FromString((PROTO / "services.binpb").read_bytes())
    methods = {
        f"/{file.package}.{service.name}/{method.name}"
        for file in everything.file
        for service in file.service
        for method in service.method
    }
    core = Path(__file__).resolve().parents[3] / "native_ext" / "grpc" / "grpc.c"
    table = {}
    for line in core.read_text().splitlines():
        if line.startswith('    {"/'):
            path, method = line.strip(" {},").split(", ")
            table[path.strip('"')] = method
    assert set(table) == methods
    assert {path for path, method in table.items() if method == "HG_GRPC_LENT"} == set(lent())
