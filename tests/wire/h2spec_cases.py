"""The cases of h2spec (github.com/summerwind/h2spec), as a table on raw frames: number, what is said, what must come.

h2spec lets a server answer an error by closing alone, or by a wider error (a connection's for a stream's); here a
connection error has to be a GOAWAY with the code. Where RFC 9113 has changed what RFC 7540 asked, the case says so.
"""

from __future__ import annotations

from h2spec_steps import (
    BEGUN,
    FINISH,
    PADDING,
    REST,
    UNKNOWN,
    Case,
    Step,
    acknowledged,
    answered,
    answered_or,
    connection_error,
    data,
    http1_refusal,
    ignored,
    many_streams,
    one_stream_too_many,
    sizes,
    stream_error,
    stream_is_closed,
    table_size_update,
    until_answered,
    window_then,
    with_fields,
    without,
)
from raw_frames import (
    ACK,
    COMPRESSION_ERROR,
    CONTINUATION,
    END_HEADERS,
    END_STREAM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    GOAWAY,
    NO_ERROR,
    PADDED,
    PING,
    PRIORITY,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    STREAM_CLOSED,
    WINDOW_UPDATE,
    WITH_PRIORITY,
    block,
    frame,
    get,
    headers,
    literal,
    ping,
    post,
    priority,
    request,
    reset,
    settings,
    window_update,
)

GENERIC = [
    Case("generic/1/1", "sends a client connection preface", [], acknowledged(SETTINGS)),
    Case("generic/2/1", "idle: PRIORITY", [frame(PRIORITY, 0, 1, priority(0)), get()], answered()),
    Case("generic/2/2", "half closed (remote): WINDOW_UPDATE", [get(), window_update(1, 100)], answered()),
    Case("generic/2/3", "half closed (remote): PRIORITY", [get(), frame(PRIORITY, 0, 1, priority(0))], answered()),
    Case("generic/2/4", "half closed (remote): RST_STREAM", [get(), reset(1)], ignored),
    Case("generic/2/5", "closed: PRIORITY", [get(), until_answered(), frame(PRIORITY, 0, 1, priority(0))], ignored),
    Case("generic/3.1/1", "a DATA frame", [post(), data()], answered()),
    Case("generic/3.1/2", "several DATA frames", [post(), data(b"[1", 0), data(b"]")], answered()),
    Case("generic/3.1/3", "a DATA frame with padding", [post(), data(PADDING, END_STREAM | PADDED)], answered()),
    Case("generic/3.2/1", "a HEADERS frame", [get()], answered()),
    Case(
        "generic/3.2/2",
        "a HEADERS frame with padding",
        [headers(1, b"\x05" + block(request()) + b"\0" * 5, END_STREAM | END_HEADERS | PADDED)],
        answered(),
    ),
    Case(
        "generic/3.2/3",
        "a HEADERS frame with priority",
        [headers(1, priority(0) + block(request()), END_STREAM | END_HEADERS | WITH_PRIORITY)],
        answered(),
    ),
    Case("generic/3.3/1", "PRIORITY with weight 1", [frame(PRIORITY, 0, 1, priority(0, 0)), get()], answered()),
    Case("generic/3.3/2", "PRIORITY with weight 256", [frame(PRIORITY, 0, 1, priority(0, 255)), get()], answered()),
    Case("generic/3.3/3", "PRIORITY with a dependency", [frame(PRIORITY, 0, 1, priority(3)), get()], answered()),
    Case(
        "generic/3.3/4",
        "PRIORITY that is exclusive",
        [frame(PRIORITY, 0, 1, priority(0x80000003)), get()],
        answered(),
    ),
    Case(
        "generic/3.3/5",
        "PRIORITY of an idle stream, then a lower one",
        [frame(PRIORITY, 0, 7, priority(0)), get(1)],
        answered(),
    ),
    Case("generic/3.4/1", "a RST_STREAM frame", [post(), reset(1)], ignored),
    Case("generic/3.5/1", "a SETTINGS frame", [settings((0x3, 100))], acknowledged(SETTINGS)),
    Case("generic/3.7/1", "a PING frame", [ping()], acknowledged(PING)),
    Case(
        "generic/3.8/1",
        "a GOAWAY frame",
        [get(), until_answered(), frame(GOAWAY, 0, 0, b"\0" * 8)],
        connection_error(NO_ERROR, None),  # type: ignore[arg-type]  # nothing need be said
    ),
    Case("generic/3.9/1", "WINDOW_UPDATE of the connection", [window_update(0, 1), get()], answered()),
    Case("generic/3.9/2", "WINDOW_UPDATE of a stream", [get(), window_update(1, 1)], answered()),
    Case("generic/3.10/1", "a CONTINUATION frame", [BEGUN, FINISH], answered()),
    Case(
        "generic/3.10/2",
        "several CONTINUATION frames",
        [BEGUN, frame(CONTINUATION, 0, 1, REST[:5]), frame(CONTINUATION, END_HEADERS, 1, REST[5:])],
        answered(),
    ),
    Case("generic/4/1", "GET", [get()], answered()),
    Case("generic/4/2", "HEAD", [headers(1, request("HEAD"))], answered()),
    Case("generic/4/3", "POST", [post(), data()], answered()),
    Case("generic/4/4", "POST with trailers", [post(), data(b"1", 0), headers(1, [("x-test", "ok")])], answered()),
]

INDEXED = b"\x82\x86"  # :method GET, :scheme http
PLAIN = literal(b":path", b"/healthz") + literal(b":authority", b"wire")


def hpack_case(number: int, title: str, more: bytes) -> Case:
    return Case(f"generic/5/{number}", title, [headers(1, INDEXED + PLAIN + more)], answered())


GENERIC += [
    hpack_case(1, "an indexed field", b"\x90"),  # accept-encoding: gzip, deflate
    hpack_case(2, "a literal with incremental indexing, indexed name", b"\x7a\x04test"),  # user-agent
    hpack_case(3, "... with Huffman code", b"\x7a\x85" + b"\xf2\xb2\x4a\x84\xff"),
    hpack_case(4, "a literal with incremental indexing, new name", b"\x40\x06x-test\x04test"),
    hpack_case(5, "... with Huffman code", b"\x40\x85\xf2\xb4\xa7\x42\xff" + b"\x83\x49\x50\x9f"),
    hpack_case(6, "a literal without indexing, indexed name", b"\x0f\x2b\x04test"),
    hpack_case(7, "... with Huffman code", b"\x0f\x2b\x83\x49\x50\x9f"),
    hpack_case(8, "a literal without indexing, new name", b"\x00\x06x-test\x04test"),
    hpack_case(9, "... with Huffman code", b"\x00\x85\xf2\xb4\xa7\x42\xff" + b"\x83\x49\x50\x9f"),
    hpack_case(10, "a literal never indexed, indexed name", b"\x1f\x2b\x04test"),
    hpack_case(11, "... with Huffman code", b"\x1f\x2b\x83\x49\x50\x9f"),
    hpack_case(12, "a literal never indexed, new name", b"\x10\x06x-test\x04test"),
    hpack_case(13, "... with Huffman code", b"\x10\x85\xf2\xb4\xa7\x42\xff" + b"\x83\x49\x50\x9f"),
    Case("generic/5/14", "a table size update", [headers(1, b"\x20" + INDEXED + PLAIN)], answered()),
    Case(
        "generic/5/15",
        "several table size updates",
        [headers(1, b"\x20" + table_size_update(4096) + INDEXED + PLAIN)],
        answered(),
    ),
]

FRAMES = [
    Case("http2/3.5/1", "a client connection preface", [], acknowledged(SETTINGS)),
    Case(
        "http2/3.5/2",
        "an invalid preface is answered as what it is, HTTP/1.1",
        [b"INVALID CONNECTION PREFACE\r\n\r\n"],
        http1_refusal,
        greet=False,
    ),
    Case("http2/4.1/1", "a frame of unknown type", [UNKNOWN], ignored),
    Case("http2/4.1/2", "an undefined flag", [ping(flags=0x16)], acknowledged(PING)),
    Case("http2/4.1/3", "the reserved bit", [frame(PING, 0, 0x80000000, b"headgate")], acknowledged(PING)),
    Case(
        "http2/4.2/1",
        "DATA of 2^14 bytes",
        [post(), data(b" " * 16384, 0)],
        answered(status="413"),  # it is read, and is over the limit of the stream
    ),
    Case(
        "http2/4.2/2",
        "DATA over SETTINGS_MAX_FRAME_SIZE",
        [post(), data(b" " * 16385, 0)],
        stream_error(FRAME_SIZE_ERROR),
    ),
    Case(
        "http2/4.2/3",
        "HEADERS over SETTINGS_MAX_FRAME_SIZE",
        [headers(1, block(request()) + b"\0" * 16385)],
        connection_error(FRAME_SIZE_ERROR),
    ),
    Case(
        "http2/4.3/1",
        "an invalid block of fields",
        [headers(1, block(request()) + b"\xff\xff\xff\xff\xff")],
        connection_error(COMPRESSION_ERROR),
    ),
    Case(
        "http2/4.3/2",
        "PRIORITY within a block of fields",
        [BEGUN, frame(PRIORITY, 0, 1, priority(0)), FINISH],
        connection_error(PROTOCOL_ERROR),
    ),
    Case(
        "http2/4.3/3",
        "HEADERS of another stream within a block of fields",
        [BEGUN, get(3), FINISH],
        connection_error(PROTOCOL_ERROR),
    ),
]

AFTER_RESET: list[Step] = [post(), reset(1)]
AFTER_END: list[Step] = [get(), until_answered()]
STATES = [
    Case("http2/5.1/1", "idle: DATA", [data()], connection_error(PROTOCOL_ERROR)),
    Case("http2/5.1/2", "idle: RST_STREAM", [reset(1)], connection_error(PROTOCOL_ERROR)),
    Case("http2/5.1/3", "idle: WINDOW_UPDATE", [window_update(1, 100)], connection_error(PROTOCOL_ERROR)),
    Case(
        "http2/5.1/4",
        "idle: CONTINUATION",
        [frame(CONTINUATION, END_HEADERS, 1, block(request()))],
        connection_error(PROTOCOL_ERROR),
    ),
    Case("http2/5.1/5", "half closed (remote): DATA", [get() + data()], connection_error(STREAM_CLOSED)),
    Case("http2/5.1/6", "half closed (remote): HEADERS", [get() + get()], connection_error(STREAM_CLOSED)),
    Case(
        "http2/5.1/7",
        "half closed (remote): CONTINUATION",
        [get() + FINISH],
        connection_error(STREAM_CLOSED, PROTOCOL_ERROR),
    ),
    Case("http2/5.1/8", "closed by RST_STREAM: DATA", [*AFTER_RESET, data()], stream_is_closed),
    Case("http2/5.1/9", "closed by RST_STREAM: HEADERS", [*AFTER_RESET, get()], stream_is_closed),
    Case(
        "http2/5.1/10",
        "closed by RST_STREAM: CONTINUATION",
        [*AFTER_RESET, FINISH],
        connection_error(STREAM_CLOSED, PROTOCOL_ERROR),
    ),
    Case("http2/5.1/11", "closed: DATA", [*AFTER_END, data()], stream_is_closed),
    Case("http2/5.1/12", "closed: HEADERS", [*AFTER_END, get()], stream_is_closed),
    Case(
        "http2/5.1/13",
        "closed: CONTINUATION",
        [*AFTER_END, FINISH],
        connection_error(STREAM_CLOSED, PROTOCOL_ERROR),
    ),
    Case("http2/5.1.1/1", "an even stream number", [get(2)], connection_error(PROTOCOL_ERROR)),
    Case("http2/5.1.1/2", "a lower stream number (it is over, as above)", [get(5), get(3)], stream_is_closed),
    Case("http2/5.1.2/1", "one stream more than may be open", [many_streams], one_stream_too_many),
    Case(
        "http2/5.3.1/1",
        "HEADERS that depends on itself (RFC 9113 section 5.3.2: priorities mean nothing)",
        [headers(1, priority(1) + block(request()), END_STREAM | END_HEADERS | WITH_PRIORITY)],
        lambda client: answered_or(client, PROTOCOL_ERROR),
    ),
    Case(
        "http2/5.3.1/2",
        "PRIORITY that depends on itself (as above)",
        [frame(PRIORITY, 0, 1, priority(1)), get()],
        lambda client: answered_or(client, PROTOCOL_ERROR),
    ),
    Case(
        "http2/5.4.1/1", "a connection error closes", [frame(PING, 0, 3, b"headgate")], connection_error(PROTOCOL_ERROR)
    ),
    Case("http2/5.4.1/2", "... after a GOAWAY", [frame(PING, 0, 3, b"headgate")], connection_error(PROTOCOL_ERROR)),
    Case("http2/5.5/1", "an unknown extension frame", [UNKNOWN], ignored),
    Case("http2/5.5/2", "... within a block of fields", [BEGUN, UNKNOWN, FINISH], connection_error(PROTOCOL_ERROR)),
]

DEFINITIONS = [
    Case("http2/6.1/1", "DATA on stream 0", [data(stream=0)], connection_error(PROTOCOL_ERROR)),
    Case("http2/6.1/2", "DATA on a stream that is not open", [get() + data()], connection_error(STREAM_CLOSED)),
    Case(
        "http2/6.1/3",
        "DATA with more padding than bytes",
        [post(), data(b"\x06test", END_STREAM | PADDED)],
        connection_error(PROTOCOL_ERROR),
    ),
    Case(
        "http2/6.2/1",
        "HEADERS without END_HEADERS, then PRIORITY",
        [BEGUN, frame(PRIORITY, 0, 1, priority(0))],
        connection_error(PROTOCOL_ERROR),
    ),
    Case("http2/6.2/2", "HEADERS to another stream meanwhile", [BEGUN, get(3)], connection_error(PROTOCOL_ERROR)),
    Case("http2/6.2/3", "HEADERS on stream 0", [get(0)], connection_error(PROTOCOL_ERROR)),
    Case(
        "http2/6.2/4",
        "HEADERS with more padding than bytes",
        [headers(1, b"\xff" + block(request())[:20], END_STREAM | END_HEADERS | PADDED)],
        connection_error(PROTOCOL_ERROR),
    ),
    Case("http2/6.3/1", "PRIORITY on stream 0", [frame(PRIORITY, 0, 0, priority(0))], connection_error(PROTOCOL_ERROR)),
    Case(
        "http2/6.3/2",
        "PRIORITY of another length than 5",
        [post(), frame(PRIORITY, 0, 1, b"\x80\0\0\1")],
        stream_error(FRAME_SIZE_ERROR),
    ),
    Case("http2/6.4/1", "RST_STREAM on stream 0", [reset(0)], connection_error(PROTOCOL_ERROR)),
    Case("http2/6.4/2", "RST_STREAM on an idle stream", [reset(1)], connection_error(PROTOCOL_ERROR)),
    Case(
        "http2/6.4/3",
        "RST_STREAM of another length than 4",
        [post(), frame(RST_STREAM, 0, 1, b"\0\0\0")],
        connection_error(FRAME_SIZE_ERROR),
    ),
    Case(
        "http2/6.5/1",
        "an acknowledgement of SETTINGS with content",
        [frame(SETTINGS, ACK, 0, b"\0")],
        connection_error(FRAME_SIZE_ERROR),
    ),
    Case(
        "http2/6.5/2",
        "SETTINGS on a stream",
        [frame(SETTINGS, 0, 1, b"\0\3\0\0\0\x64")],
        connection_error(PROTOCOL_ERROR),
    ),
    Case(
        "http2/6.5/3", "SETTINGS of 5 bytes", [frame(SETTINGS, 0, 0, b"\0\3\0\0\0")], connection_error(FRAME_SIZE_ERROR)
    ),
    Case("http2/6.5.2/1", "ENABLE_PUSH of 2", [settings((0x2, 2))], connection_error(PROTOCOL_ERROR)),
    Case(
        "http2/6.5.2/2", "INITIAL_WINDOW_SIZE of 2^31", [settings((0x4, 2**31))], connection_error(FLOW_CONTROL_ERROR)
    ),
    Case("http2/6.5.2/3", "MAX_FRAME_SIZE of 2^14 - 1", [settings((0x5, 16383))], connection_error(PROTOCOL_ERROR)),
    Case("http2/6.5.2/4", "MAX_FRAME_SIZE of 2^24", [settings((0x5, 2**24))], connection_error(PROTOCOL_ERROR)),
    Case("http2/6.5.2/5", "an unknown setting", [settings((0xFF, 1))], ignored),
    Case(
        "http2/6.5.3/1",
        "INITIAL_WINDOW_SIZE twice: the last one counts",
        [settings((0x4, 100), (0x4, 1)), get()],
        sizes(1),
    ),
    Case("http2/6.5.3/2", "SETTINGS are acknowledged", [settings()], acknowledged(SETTINGS)),
    Case("http2/6.7/1", "a PING is answered", [ping()], acknowledged(PING)),
    Case("http2/6.7/2", "an answer to a PING is not", [ping(b"invalid\0", ACK)], ignored),
    Case("http2/6.7/3", "PING on a stream", [frame(PING, 0, 1, b"headgate")], connection_error(PROTOCOL_ERROR)),
    Case("http2/6.7/4", "PING of 6 bytes", [frame(PING, 0, 0, b"\0" * 6)], connection_error(FRAME_SIZE_ERROR)),
    Case("http2/6.8/1", "GOAWAY on a stream", [frame(GOAWAY, 0, 1, b"\0" * 8)], connection_error(PROTOCOL_ERROR)),
    Case("http2/6.9/1", "WINDOW_UPDATE of 0", [window_update(0, 0)], connection_error(PROTOCOL_ERROR)),
    Case("http2/6.9/2", "... of a stream", [post(), window_update(1, 0)], stream_error(PROTOCOL_ERROR)),
    Case(
        "http2/6.9/3",
        "WINDOW_UPDATE of another length than 4",
        [frame(WINDOW_UPDATE, 0, 0, b"\0\0\1")],
        connection_error(FRAME_SIZE_ERROR),
    ),
    Case("http2/6.9.1/1", "a window of 1", [get()], sizes(1), first=settings((0x4, 1))),
    Case(
        "http2/6.9.1/2",
        "the connection's window over 2^31 - 1",
        [window_update(0, 2**31 - 1), window_update(0, 2**31 - 1)],
        connection_error(FLOW_CONTROL_ERROR),
    ),
    Case(
        "http2/6.9.1/3",
        "a stream's window over 2^31 - 1",
        [post(), window_update(1, 2**31 - 1), window_update(1, 2**31 - 1)],
        stream_error(FLOW_CONTROL_ERROR),
    ),
    Case(
        "http2/6.9.2/1",
        "INITIAL_WINDOW_SIZE grows after the request",
        [get()],
        window_then(settings((0x4, 1))),
        first=settings((0x4, 0)),
    ),
    Case(
        "http2/6.9.2/2",
        "a negative window",
        [get()],
        sizes(3, 1, grow=settings((0x4, 2)) + window_update(1, 2)),
        first=settings((0x4, 3)),
    ),
    Case(
        "http2/6.9.2/3",
        "INITIAL_WINDOW_SIZE over 2^31 - 1",
        [settings((0x4, 2**31))],
        connection_error(FLOW_CONTROL_ERROR),
    ),
    Case(
        "http2/6.10/1",
        "several CONTINUATION frames",
        [BEGUN, frame(CONTINUATION, 0, 1, REST[:9]), frame(CONTINUATION, END_HEADERS, 1, REST[9:])],
        answered(),
    ),
    Case(
        "http2/6.10/2",
        "CONTINUATION, then another frame",
        [BEGUN, frame(CONTINUATION, 0, 1, REST), data()],
        connection_error(PROTOCOL_ERROR),
    ),
    Case(
        "http2/6.10/3",
        "CONTINUATION on stream 0",
        [BEGUN, frame(CONTINUATION, END_HEADERS, 0, REST)],
        connection_error(PROTOCOL_ERROR),
    ),
    Case("http2/6.10/4", "CONTINUATION after END_HEADERS", [post(), FINISH], connection_error(PROTOCOL_ERROR)),
    Case("http2/6.10/5", "... of a CONTINUATION", [BEGUN, FINISH, FINISH], connection_error(PROTOCOL_ERROR)),
    Case("http2/6.10/6", "CONTINUATION after DATA", [post(), data(b"1", 0), FINISH], connection_error(PROTOCOL_ERROR)),
    Case(
        "http2/7/1",
        "GOAWAY with an unknown code",
        [frame(GOAWAY, 0, 0, b"\0\0\0\0\0\0\0\xff")],
        connection_error(NO_ERROR, None),  # type: ignore[arg-type]  # nothing need be said
    ),
    Case("http2/7/2", "RST_STREAM with an unknown code", [post(), reset(1, 0xFF)], ignored),
]

BASE = request()
SEMANTICS = [
    Case(
        "http2/8.1/1",
        "a second HEADERS frame without END_STREAM",
        [post(), headers(1, [("x-test", "ok")], END_HEADERS)],
        stream_error(PROTOCOL_ERROR),
    ),
    Case("http2/8.1.2/1", "a name in upper case", [with_fields(*BASE, ("X-TEST", "ok"))], stream_error(PROTOCOL_ERROR)),
    Case(
        "http2/8.1.2.1/1",
        "an unknown pseudo field",
        [with_fields(*BASE, (":test", "ok"))],
        stream_error(PROTOCOL_ERROR),
    ),
    Case(
        "http2/8.1.2.1/2",
        "a pseudo field of responses",
        [with_fields(*BASE, (":status", "200"))],
        stream_error(PROTOCOL_ERROR),
    ),
    Case(
        "http2/8.1.2.1/3",
        "a pseudo field in trailers",
        [post(), data(b"1", 0), headers(1, [(":method", "200")])],
        stream_error(PROTOCOL_ERROR),
    ),
    Case(
        "http2/8.1.2.1/4",
        "a pseudo field after another",
        [with_fields(("x-test", "ok"), *BASE)],
        stream_error(PROTOCOL_ERROR),
    ),
    Case(
        "http2/8.1.2.2/1",
        "a field of the connection",
        [with_fields(*BASE, ("connection", "keep-alive"))],
        stream_error(PROTOCOL_ERROR),
    ),
    Case(
        "http2/8.1.2.2/2",
        "TE other than trailers",
        [with_fields(*BASE, ("trailers", "test"), ("te", "trailers, deflate"))],
        stream_error(PROTOCOL_ERROR),
    ),
    Case(
        "http2/8.1.2.3/1",
        "an empty :path",
        [with_fields(*[field if field[0] != ":path" else (":path", "") for field in BASE])],
        stream_error(PROTOCOL_ERROR),
    ),
    *[
        Case(f"http2/8.1.2.3/{number}", f"no {name}", [headers(1, without(name))], stream_error(PROTOCOL_ERROR))
        for number, name in ((2, ":method"), (3, ":scheme"), (4, ":path"))
    ],
    *[
        Case(
            f"http2/8.1.2.3/{number}",
            f"{name} twice",
            [with_fields((name, value), *BASE)],
            stream_error(PROTOCOL_ERROR),
        )
        for number, name, value in ((5, ":method", "GET"), (6, ":scheme", "http"), (7, ":path", "/"))
    ],
    Case(
        "http2/8.1.2.6/1",
        "another length than content-length",
        [post(1, ("content-length", "4")), data(b"1")],
        stream_error(PROTOCOL_ERROR),
    ),
    Case(
        "http2/8.1.2.6/2",
        "... in several DATA frames",
        # In one piece: the server may answer as soon as it has that many bytes.
        [post(1, ("content-length", "1")) + data(b"1", 0) + data(b"1")],
        stream_error(PROTOCOL_ERROR),
    ),
    Case(
        "http2/8.2/1",
        "PUSH_PROMISE from a client",
        [frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2" + block(request()))],
        connection_error(PROTOCOL_ERROR),
    ),
]


def broken_block(number: str, title: str, more: bytes) -> Case:
    return Case(number, title, [headers(1, INDEXED + PLAIN + more)], connection_error(COMPRESSION_ERROR))


HPACK = [
    broken_block("hpack/2.3.3/1", "an index that is in no table", b"\xc6"),
    broken_block("hpack/2.3.3/2", "a name's index that is in no table", b"\x0f\x7f\x04test"),
    broken_block("hpack/4.2/1", "a table size update at the end of a block", b"\x20"),
    broken_block(
        "hpack/5.2/1", "a Huffman code with more than 7 bits of padding", b"\x00\x06x-test\x84\x49\x50\x9f\xff"
    ),
    broken_block("hpack/5.2/2", "a Huffman code padded with zeroes", b"\x00\x06x-test\x83\x49\x50\x90"),
    broken_block("hpack/5.2/3", "a Huffman code with EOS", b"\x00\x06x-test\x87\x49\x51\xff\xff\xff\xfa\x7f"),
    broken_block("hpack/6.1/1", "index 0", b"\x80"),
    Case(
        "hpack/6.3/1",
        "a table size update over the setting",
        [headers(1, table_size_update(4097) + INDEXED + PLAIN)],
        connection_error(COMPRESSION_ERROR),
    ),
]


CASES = [*GENERIC, *FRAMES, *STATES, *DEFINITIONS, *SEMANTICS, *HPACK]
