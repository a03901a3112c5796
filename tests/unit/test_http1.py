"""core/http1: every vector in one piece and byte by byte; both must say the same.

tests/twins runs the classes that have a RequestParser again on the native twin.
"""

import unittest

from headgate.core import http1
from headgate.core.http1 import END, LAST_CHUNK, NEED_DATA, chunk, http_date, percent_decode, response_head
from headgate.core.problem import Problem

H = b"Host: a\r\n"


def events(parser, data, size=0, eof=False):
    """What the parser says to `data`, fed in pieces of `size` bytes (0: in one): body parts joined, errors last."""
    seen = []
    body = b""
    size = size or len(data) or 1
    pieces = [data[i : i + size] for i in range(0, len(data), size)]
    if eof:
        pieces.append(None)
    for piece in pieces:
        if piece is None:
            parser.eof()
        else:
            parser.feed(piece)
        while True:
            try:
                event = parser.next()
            except Problem as problem:
                seen.append((problem.status, problem.code, problem.close))
                return seen
            if event is NEED_DATA:
                break
            if event is END:
                seen.append(body)
                body = b""
            elif isinstance(event, bytes):
                body += event
            else:
                seen.append((event.method, event.path, event.query, event.length, event.keep_alive))
    if body:
        seen.append(("part", body))
    return seen


# request(s) -> events
GOOD = (
    (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", [(b"GET", "/", "", 0, True), b""]),
    (b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", [(b"GET", "/", "", 0, True), b""]),
    (b"GET /a%20b?x=%31 HTTP/1.1\r\nhost: a:1\r\n\r\n", [(b"GET", "/a b", "x=%31", 0, True), b""]),
    (b"GET /%c3%A9 HTTP/1.1\r\nHOST:a\r\n\r\n", [(b"GET", "/é", "", 0, True), b""]),
    (b"GET http://other/p?q HTTP/1.1\r\n" + H + b"\r\n", [(b"GET", "/p", "q", 0, True), b""]),
    (b"GET HTTPS://other HTTP/1.1\r\n" + H + b"\r\n", [(b"GET", "/", "", 0, True), b""]),
    (b"GET http://other?q HTTP/1.1\r\n" + H + b"\r\n", [(b"GET", "/", "q", 0, True), b""]),
    (b"GET / HTTP/1.0\r\n\r\n", [(b"GET", "/", "", 0, False), b""]),
    (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", [(b"GET", "/", "", 0, True), b""]),
    (b"GET / HTTP/1.0\r\nConnection: close, keep-alive\r\n\r\n", [(b"GET", "/", "", 0, False), b""]),
    (b"GET / HTTP/1.7\r\n" + H + b"\r\n", [(b"GET", "/", "", 0, True), b""]),
    (b"GET / HTTP/1.1\r\n" + H + b"Connection: x, Close\r\n\r\n", [(b"GET", "/", "", 0, False), b""]),
    (b"GET / HTTP/1.1\r\n" + H + b"Connection: x\r\nConnection: close\r\n\r\n", [(b"GET", "/", "", 0, False), b""]),
    (b"BREW /pot HTTP/1.1\r\nHost:\r\n\r\n", [(b"BREW", "/pot", "", 0, True), b""]),
    (b"GET / HTTP/1.1\r\n" + H + b"X: a\tb \x80\xff \t\r\n\r\n", [(b"GET", "/", "", 0, True), b""]),
    (
        b"POST /x HTTP/1.1\r\n" + H + b"Content-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\n" + H + b"\r\n",
        [(b"POST", "/x", "", 5, True), b"hello", (b"GET", "/", "", 0, True), b""],
    ),
    (b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 00\r\n\r\n", [(b"POST", "/", "", 0, True), b""]),
    (
        b"POST / HTTP/1.1\r\n"
        + H
        + b'Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\nA;x="y"\r\n0123456789\r\n0\r\n\r\n',
        [(b"POST", "/", "", -1, True), b"hello0123456789"],
    ),
    (
        b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked\r\n\r\n000\r\nSum: 1\r\nX:\r\n\r\n"
        b"GET /next HTTP/1.1\r\n" + H + b"\r\n",
        [(b"POST", "/", "", -1, True), b"", (b"GET", "/next", "", 0, True), b""],
    ),
    (b"GET / HTTP/1.1\r\n" + H + b"Connection: close\r\n\r\nrubbish\n\n", [(b"GET", "/", "", 0, False), b""]),
    (b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 5\r\n\r\nhel", [(b"POST", "/", "", 5, True), ("part", b"hel")]),
    (b"", []),
    (b"\r\n", []),
    (b"GET / HT", []),
)

BAD_400 = (
    # request line
    b"\r\n\r\nGET / HTTP/1.1\r\n",
    b"\nGET / HTTP/1.1\r\n",
    b"GET / HTTP/1.1\n",
    b"GET / HTTP/1.1\rHost: a\r\n",
    b"GET /\r\n",
    b"GET  / HTTP/1.1\r\n",
    b"GET / HTTP/1.1 \r\n",
    b" GET / HTTP/1.1\r\n",
    b"GET\t/ HTTP/1.1\r\n",
    b"GET /a b HTTP/1.1\r\n",
    b"G@T / HTTP/1.1\r\n",
    b"G\x00T / HTTP/1.1\r\n",
    b"\xc7ET / HTTP/1.1\r\n",
    b"GET / http/1.1\r\n",
    b"GET / HTTP/11\r\n",
    b"GET / HTTP/1.11\r\n",
    b"GET / HTTP/1,1\r\n",
    b"GET / HTTP/x.1\r\n",
    b"GET / HTTP/1.x\r\n",
    b"GET / HTTPS/1.1\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\n",
    # target
    b"GET * HTTP/1.1\r\n",
    b"OPTIONS * HTTP/1.1\r\n",
    b"CONNECT a:443 HTTP/1.1\r\n",
    b"GET index.html HTTP/1.1\r\n",
    b"GET ftp://a/ HTTP/1.1\r\n",
    b"GET http:///x HTTP/1.1\r\n",
    b"GET http://u@a/ HTTP/1.1\r\n",
    b"GET http:/a HTTP/1.1\r\n",
    b"GET /#top HTTP/1.1\r\n",
    b"GET /a\\b HTTP/1.1\r\n",
    b"GET /\x7f HTTP/1.1\r\n",
    b"GET /\xc3\xa9 HTTP/1.1\r\n",
    b"GET /% HTTP/1.1\r\n",
    b"GET /%4 HTTP/1.1\r\n",
    b"GET /%+1 HTTP/1.1\r\n",
    b"GET /%zz HTTP/1.1\r\n",
    b"GET /%00 HTTP/1.1\r\n",
    b"GET /%0d%0a HTTP/1.1\r\n",
    b"GET /%ff HTTP/1.1\r\n",
    b"GET /%c0%af HTTP/1.1\r\n",
    b"GET /%ed%a0%80 HTTP/1.1\r\n",
    b"GET /%f4%90%80%80 HTTP/1.1\r\n",
    b"GET /?%f HTTP/1.1\r\n",
    # fields
    b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n",
    b"GET / HTTP/1.1\r\n Host: a\r\n",
    b"GET / HTTP/1.1\r\nHost : a\r\n",
    b"GET / HTTP/1.1\r\nHost\r\n",
    b"GET / HTTP/1.1\r\nX-Nothing\r\n",
    b"GET / HTTP/1.1\r\n: a\r\n",
    b"GET / HTTP/1.1\r\nX(y): a\r\n",
    b"GET / HTTP/1.1\r\nX\xff: a\r\n",
    b"GET / HTTP/1.1\r\nX: a\x00b\r\n",
    b"GET / HTTP/1.1\r\nX: a\x1bb\r\n",
    b"GET / HTTP/1.1\r\nX: a\x7fb\r\n",
    b"GET / HTTP/1.1\r\nX: a\rb\r\n",
    b"GET / HTTP/1.1\r\nX: a\r\r\n",
    # Host
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    # framing
    b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 5, 5\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"Content-Length:\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"Content-Length: +5\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"Content-Length: -5\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 5 5\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 0x5\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 1_0\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"Content-Length: \xb2\r\n\r\n",
    b"POST / HTTP/1.0\r\n" + H + b"Transfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked, chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked, identity\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: xchunked\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: \x0bchunked\r\n\r\n",
)

T = b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked\r\n\r\n"
BAD_CHUNKS = (
    b"\r\n",
    b"g\r\n",
    b"0x5\r\n",
    b"+5\r\n",
    b" 5\r\n",
    b"5 \r\n",
    b"5 ;x\r\n",
    b"1_0\r\n",
    b"123456789\r\n",
    b"5\nhello\r\n",
    b"5\r\nhello0\r\n",
    b"5\r\nhello\n",
    b"5\r\nhello\r\r",
    b"5;\x00\r\n",
    b"5;" + b"x" * 300,
    b"0\r\nX : y\r\n",
    b"0\r\n folded\r\n",
    b"0\r\nX\r\n",
    b"0\r\nX: y\n",
)

OTHER = (
    (b"GET / HTTP/2.0\r\n", 505, "version_not_supported"),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "version_not_supported"),
    (b"GET / HTTP/0.9\r\n", 505, "version_not_supported"),
    (b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: gzip\r\n\r\n", 501, "not_implemented"),
    (b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: identity\r\n\r\n", 501, "not_implemented"),
    (b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501, "not_implemented"),
    (b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 9999999999999999999\r\n\r\n", 413, "body_too_large"),
    (b"POST / HTTP/1.1\r\n" + H + b"Expect: 200-ok\r\nContent-Length: 1\r\n\r\n", 417, "expectation_failed"),
    (b"GET /" + b"a" * 5000, 414, "uri_too_long"),
    (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n", 414, "uri_too_long"),
    (b"GET / HTTP/1.1\r\nX: " + b"a" * 5000, 431, "head_too_large"),
    (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 65, 431, "head_too_large"),
    (b"GET / HTTP/1.1\r\n" + (b"X: " + b"y" * 1000 + b"\r\n") * 9, 431, "head_too_large"),
)


class Vectors(unittest.TestCase):
    RequestParser = http1.RequestParser

    def events(self, data, size=0, eof=False, **limits):
        return events(self.RequestParser(**limits), data, size, eof)

    def check(self, data, expected, **options):
        for size in (0, 1, 3):
            seen = self.events(data, size, **options)
            self.assertEqual(seen, expected, f"{data[:80]!r} in pieces of {size}")

    def test_good(self):
        for data, expected in GOOD:
            self.check(data, expected)

    def test_malformed(self):
        for data in BAD_400:
            self.check(data, [(400, "malformed_request", True)])

    def test_malformed_chunks(self):
        for data in BAD_CHUNKS:
            for size in (0, 1):
                seen = self.events(T + data, size)
                self.assertEqual(seen[-1], (400, "malformed_request", True), data)

    def test_other_errors(self):
        for data, status, code in OTHER:
            self.check(data, [(status, code, True)])

    def test_second_of_two_is_bad(self):
        first = b"GET /1 HTTP/1.1\r\n" + H + b"\r\n"
        self.check(first + b"GET\r\n", [(b"GET", "/1", "", 0, True), b"", (400, "malformed_request", True)])

    def test_limits_at_the_edge(self):
        line = b"GET /" + b"a" * (100 - 16) + b" HTTP/1.1\r\n"  # 100 bytes
        self.assertEqual(len(line), 100)
        self.check(line + b"\r\n", [(414, "uri_too_long", True)], max_line=99)
        self.assertEqual(self.events(line, max_line=100), [])
        head = b"GET / HTTP/1.1\r\n" + H + b"\r\n"
        self.check(head, [(b"GET", "/", "", 0, True), b""], max_head=len(head))
        self.check(head, [(431, "head_too_large", True)], max_head=len(head) - 1)
        two = b"GET / HTTP/1.1\r\n" + H + b"X: y\r\n\r\n"
        self.check(two, [(b"GET", "/", "", 0, True), b""], max_headers=2)
        self.check(two, [(431, "head_too_large", True)], max_headers=1)

    def test_trailers_and_extensions_are_bounded(self):
        self.assertEqual(self.events(T + b"0\r\n" + b"X: y\r\n" * 65)[-1], (431, "head_too_large", True))
        self.assertEqual(self.events(T + b"0\r\n" + b"X: " + b"y" * 9000)[-1], (431, "head_too_large", True))
        self.assertEqual(self.events(T + b"1;" + b"e" * 200 + b"\r\nx\r\n")[-1], ("part", b"x"))
        many = (b"1;" + b"e" * 200 + b"\r\nx\r\n") * 50
        self.check(T + many, self.events(T + many))
        self.assertEqual(self.events(T + many)[-1], (400, "malformed_request", True))

    def test_end_of_input(self):
        self.check(b"", [], eof=True)
        self.check(b"GET / HTTP/1.1\r\n" + H + b"\r\n", [(b"GET", "/", "", 0, True), b""], eof=True)
        self.check(b"GET / HT", [(400, "incomplete", True)], eof=True)
        self.check(b"GET / HTTP/1.1\r\n" + H, [(400, "incomplete", True)], eof=True)
        seen = self.events(b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 5\r\n\r\nhel", 1, True)
        self.assertEqual(seen[-1], (400, "incomplete", True))
        self.assertEqual(self.events(T + b"5\r\nhel", 1, True)[-1], (400, "incomplete", True))
        self.assertEqual(self.events(T + b"5\r\nhello\r\n0\r\n", 1, True)[-1], (400, "incomplete", True))


class Behaviour(unittest.TestCase):
    RequestParser = http1.RequestParser

    def request(self, data):
        parser = self.RequestParser()
        parser.feed(data)
        return parser.next()

    def test_headers(self):
        request = self.request(b"GET / HTTP/1.1\r\n" + H + b"x-A: 1\r\nAuthorization:  Bearer t \r\nX-a: 2\r\n\r\n")
        self.assertEqual(
            request.headers, [(b"host", b"a"), (b"x-a", b"1"), (b"authorization", b"Bearer t"), (b"x-a", b"2")]
        )
        self.assertEqual(request.header(b"x-a"), b"1, 2")
        self.assertIsNone(request.header(b"x-b"))

    def test_expect(self):
        head = b"POST / HTTP/1.%d\r\n" + H + b"Expect: 100-Continue\r\nContent-Length: %d\r\n\r\n"
        self.assertTrue(self.request(head % (1, 5)).expect_continue)
        self.assertFalse(self.request(head % (1, 0)).expect_continue)
        self.assertFalse(self.request(head % (0, 5)).expect_continue)

    def test_idle(self):
        parser = self.RequestParser()
        self.assertTrue(parser.idle)
        parser.feed(b"GET / HTTP/1.1\r\n" + H)
        parser.next()
        self.assertFalse(parser.idle)
        parser.feed(b"\r\n")
        parser.next()
        self.assertFalse(parser.idle)
        self.assertIs(parser.next(), END)
        self.assertTrue(parser.idle)
        parser.feed(b"G")
        self.assertFalse(parser.idle)

    def test_an_error_stays(self):
        parser = self.RequestParser()
        parser.feed(b"\n")
        for _ in range(2):
            with self.assertRaises(Problem) as caught:
                parser.next()
            self.assertEqual(caught.exception.status, 400)
            parser.feed(b"GET / HTTP/1.1\r\n" + H + b"\r\n")

    def test_rest(self):
        """What came after a message is taken out; the parser goes on with what is fed next."""
        parser = self.RequestParser()
        self.assertEqual(parser.rest(), b"")
        parser.feed(b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 2\r\n\r\nokGET /a HT")
        while parser.next() is not END:
            self.assertEqual(parser.rest(), b"")
        self.assertFalse(parser.idle)
        self.assertEqual(parser.rest(), b"GET /a HT")
        self.assertTrue(parser.idle)
        self.assertEqual(parser.rest(), b"")
        self.assertIs(parser.next(), NEED_DATA)
        parser.feed(b"GET /b HTTP/1.1\r\n")
        self.assertIs(parser.next(), NEED_DATA)
        self.assertEqual(parser.rest(), b"")
        parser.feed(H + b"\r\n")
        self.assertEqual(parser.next().path, "/b")

    def test_rest_is_nothing_after_the_last_message_or_an_error(self):
        for data in (b"GET / HTTP/1.0\r\n\r\nrubbish", b"\nrubbish"):
            parser = self.RequestParser()
            parser.feed(data)
            try:
                while parser.next() is not END:
                    pass
            except Problem:
                pass
            self.assertEqual(parser.rest(), b"")
            self.assertFalse(parser.idle)

    def test_large_body_passes_through(self):
        parser = self.RequestParser()
        parser.feed(b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 100000\r\n\r\n")
        parser.next()
        piece = b"x" * 1000
        for _ in range(100):
            parser.feed(piece)
            self.assertEqual(parser.next(), piece)
        self.assertIs(parser.next(), END)


class Writing(unittest.TestCase):
    def test_head(self):
        self.assertEqual(
            response_head(200, [(b"A", b"b")], 3, True), b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 3\r\n\r\n"
        )
        self.assertEqual(
            response_head(200, [], None, False),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        )
        self.assertEqual(response_head(200, [], None, True, True), b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        self.assertEqual(
            response_head(200, [], 0, True, True),
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n",
        )
        for status in (100, 204, 304):
            self.assertFalse(b"Content-Length" in response_head(status, [], 0, True))

    def test_head_refuses_injection(self):
        for name, value in ((b"A", b"b\r\nC: d"), (b"A", b"b\n"), (b"A\r\n", b"b"), (b"A", b"\0")):
            with self.assertRaises(ValueError):
                response_head(200, [(name, value)], 0, True)

    def test_chunks(self):
        self.assertEqual(chunk(b"x" * 26), b"1a\r\n" + b"x" * 26 + b"\r\n")
        self.assertEqual(chunk(b""), b"")
        parser = http1.RequestParser()
        self.assertEqual(events(parser, T + chunk(b"abc") + chunk(b"") + chunk(b"d") + LAST_CHUNK)[-1], b"abcd")

    def test_trailers(self):
        self.assertEqual(http1.last_chunk([]), LAST_CHUNK)
        end = http1.last_chunk([(b"grpc-status", b"0"), (b"x", b"")])
        self.assertEqual(end, b"0\r\ngrpc-status: 0\r\nx: \r\n\r\n")
        parser = http1.RequestParser()
        self.assertEqual(events(parser, T + chunk(b"abc") + end)[-1], b"abc")

    def test_date(self):
        self.assertEqual(http_date(0), b"Thu, 01 Jan 1970 00:00:00 GMT")
        self.assertEqual(http_date(784111777), b"Sun, 06 Nov 1994 08:49:37 GMT")  # RFC 9110 section 5.6.7
        self.assertEqual(http_date(951868799), b"Tue, 29 Feb 2000 23:59:59 GMT")
        self.assertEqual(http_date(4107542400), b"Mon, 01 Mar 2100 00:00:00 GMT")

    def test_percent_decode(self):
        self.assertEqual(percent_decode(b"a%2Fb%E2%82%AC"), "a/b€")
        for raw in (b"%", b"%a", b"%0a", b"%7F", b"\xff", b"%e2%82"):
            with self.assertRaises(ValueError):
                percent_decode(raw)


if __name__ == "__main__":
    unittest.main()
