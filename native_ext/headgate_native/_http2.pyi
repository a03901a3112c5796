library: object  # for _native.Server.http2
version: str  # of libnghttp2

def counters() -> dict[str, int | dict[str, int]]: ...
