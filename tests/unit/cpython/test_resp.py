"""linux/resp.py: replies of both versions, whole and byte by byte; whatever is hostile ends with a RespError."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate import limits
from headgate.linux.resp import MORE, Failure, Push, Reader, RespError, command


def replies(data: bytes, step: int = 0) -> list[object]:
    """All of them; fed in pieces of `step` bytes, or at once."""
    reader, found = Reader(), []
    for at in range(0, len(data), step or len(data) or 1):
        reader.feed(data[at : at + (step or len(data))])
        while (reply := reader.next()) is not MORE:
            found.append(reply)
    return found


def plain(reply: object) -> object:
    """Comparable: errors as their text."""
    if isinstance(reply, Failure):
        return ("error", reply.text)
    if isinstance(reply, list):
        return (type(reply).__name__, [plain(item) for item in reply])
    return reply


@pytest.mark.parametrize(
    ("data", "reply"),
    [
        (b"+OK\r\n", b"OK"),
        (b"+\r\n", b""),
        (b":7\r\n", 7),
        (b":-2\r\n", -2),
        (b"$5\r\na\r\nb\0\r\n", b"a\r\nb\0"),
        (b"$0\r\n\r\n", b""),
        (b"$-1\r\n", None),
        (b"*-1\r\n", None),
        (b"_\r\n", None),
        (b"#t\r\n", True),
        (b"#f\r\n", False),
        (b",1.5\r\n", b"1.5"),
        (b"(12345678901234567890\r\n", b"12345678901234567890"),
        (b"=7\r\ntxt:abc\r\n", b"abc"),
        (b"*0\r\n", []),
        (b"*2\r\n:1\r\n*1\r\n$1\r\nx\r\n", [1, [b"x"]]),
        (b"~1\r\n:1\r\n", [1]),
        (b"%1\r\n+proto\r\n:3\r\n", [b"proto", 3]),
        (b"%0\r\n", []),
        (b"|1\r\n+ttl\r\n:3\r\n:7\r\n", 7),
        (b"|0\r\n:7\r\n", 7),
        (b"*2\r\n|1\r\n+a\r\n*0\r\n:7\r\n:8\r\n", [7, 8]),
    ],
)
def test_replies(data: bytes, reply: object) -> None:
    assert replies(data) == [reply]
    assert replies(data * 3, 1) == [reply] * 3
    assert replies(data[:-1]) == []


def test_errors_and_messages() -> None:
    assert plain(replies(b"-ERR unknown\r\n!7\r\nERR x\r\n\r\n")[0]) == ("error", "ERR unknown")
    found = replies(b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n:1\r\n>2\r\n+invalidate\r\n_\r\n", 1)
    assert [type(reply) for reply in found] == [Push, int, Push]
    assert found == [[b"invalidate", [b"k"]], 1, [b"invalidate", None]]


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"\r\n",
        b"#x\r\n",
        b"_x\r\n",
        b":1.5\r\n",
        b":\r\n",
        b": 1\r\n",
        b":1234567890123456789\r\n",  # more digits than are needed for any answer of ours
        b"$-2\r\n",
        b"$?\r\n",
        b"$1\r\nxyz",
        b"!-1\r\n",
        b"*-2\r\n",
        b"*1\r\n>1\r\n:1\r\n",
        b"*%d\r\n" % (limits.RESP_ITEMS + 1),
        b"%%%d\r\n" % (limits.RESP_ITEMS // 2 + 1),
        b"*1\r\n" * (limits.RESP_DEPTH + 1),
        b"$%d\r\n" % (limits.RESP_BYTES + 1),
        b"+" + b"x" * limits.RESP_LINE,
        b"*2\r\n$%d\r\n" % limits.RESP_BYTES + b"x" * limits.RESP_BYTES + b"\r\n$1\r\n",
        b"*65000\r\n" * 2 + b"*0\r\n" * limits.RESP_ITEMS,
    ],
)
def test_what_is_refused(data: bytes) -> None:
    with pytest.raises(RespError):
        replies(data)


@pytest.mark.parametrize("error", [b"-ERR \x1b[2J\nline\r\n", b"!13\r\nERR \x1b[2J\nline\r\n"])
def test_an_error_is_one_line(error: bytes) -> None:
    assert [plain(reply) for reply in replies(error)] == [("error", "ERR ?[2J?line")]


def test_an_error_is_no_longer_than_a_line_of_a_log_may_be() -> None:
    (reply,) = replies(b"!100000\r\nERR" + b"x" * 99_997 + b"\r\n")
    assert plain(reply) == ("error", "ERR" + "x" * 253)


def test_a_length_is_not_believed_before_the_text_is_there() -> None:
    reader = Reader()
    reader.feed(b"$%d\r\nx" % limits.RESP_BYTES)
    assert reader.next() is MORE
    assert len(reader._data) < 100


def test_commands_are_read_as_they_were_written() -> None:
    words = [b"SET", b"k\r\n", b"", bytes(range(256))]
    assert replies(command(*words), 1) == [words]


def written(reply: object) -> bytes:
    if reply is None:
        return b"_\r\n"
    if isinstance(reply, bool):
        return b"#t\r\n" if reply else b"#f\r\n"
    if isinstance(reply, int):
        return b":%d\r\n" % reply
    if isinstance(reply, bytes):
        return b"$%d\r\n%b\r\n" % (len(reply), reply)
    assert isinstance(reply, list)
    return b"*%d\r\n" % len(reply) + b"".join(map(written, reply))


REPLIES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=20,
)


def depth(reply: object) -> int:
    return 1 + max(map(depth, reply), default=0) if isinstance(reply, list) else 0


@given(st.lists(REPLIES, max_size=4), st.integers(1, 50))
def test_any_replies_in_any_pieces(wanted: list[object], step: int) -> None:
    shallow = [reply for reply in wanted if depth(reply) <= limits.RESP_DEPTH]
    assert replies(b"".join(map(written, shallow)), step) == shallow


@given(st.binary(max_size=200) | st.lists(st.sampled_from([b"*2\r\n", b"$3\r\nabc\r\n", b">1\r\n", b":1\r\n", b"|1\r\n",
       b"%1\r\n", b"-E\r\n", b"$9\r\n", b"\r\n", b"_\r\n"]), max_size=30).map(b"".join), st.integers(1, 9))  # fmt: skip
def test_any_bytes_give_the_same_whole_and_in_pieces(data: bytes, step: int) -> None:
    def outcome(pieces: int) -> object:
        try:
            return plain(replies(data, pieces))
        except RespError as error:
            return str(error)

    whole = outcome(0)
    assert isinstance(whole, str) == isinstance(outcome(step), str)
    if not isinstance(whole, str):
        assert outcome(step) == whole
