from typing import Literal, TypeAlias, final

_Histogram: TypeAlias = tuple[dict[int, int], int, int, int]  # counts by bucket, least, most, total

@final
class Client:
    def __new__(
        cls,
        family: int,
        host: str,
        port: int,
        connections: int,
        streams: int,
        queue: int,
        timeout_ns: int,
        tls_name: str | None = None,
        ca_file: str | None = None,
        insecure: bool = False,
        /,
    ) -> Client: ...
    def open(self) -> None: ...
    def begin(self, measure_from_ns: int, interval_ns: int, /) -> None: ...
    def push(self, due_ns: int, operation: int, flags: int, ticket: int, data: bytes, /) -> None: ...
    def drop(self) -> None: ...
    def serve(self) -> None: ...
    def stop(self) -> None: ...
    def take(
        self,
    ) -> list[
        tuple[int, int, int, int, dict[int, int], tuple[int, int, int, int, int, int], _Histogram, _Histogram]
    ]: ...
    def judged(self) -> list[tuple[int, int, int, bytes]]: ...
    def state(self) -> tuple[int, int, int]: ...
    def late(self) -> _Histogram: ...

TO_HEAD: int
GRPC: int
JUDGED: int
GRPC_OK: int

def read_reply(
    pieces: list[bytes], to_head: bool, ended: bool, /
) -> tuple[Literal["more", "done", "wrong"], int, bool, bytes]: ...
