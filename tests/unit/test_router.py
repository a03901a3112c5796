"""core/router."""

import unittest

from headgate.core.problem import Problem
from headgate.core.router import Router


def example():
    router = Router()
    router.add("POST", "/v1/streams/{stream}", "publish")
    router.add("GET", "/v1/streams/{stream}/last/{client}", "last")
    router.add("GET", "/v1/cache/{key*}", "get")
    router.add("PUT", "/v1/cache/{key*}", "put")
    router.add("GET", "/", "index")
    return router


class RouterTest(unittest.TestCase):
    def test_match(self):
        router = example()
        for method, path, expected in (
            (b"GET", "/", ("index", {})),
            (b"HEAD", "/", ("index", {})),
            (b"POST", "/v1/streams/w", ("publish", {"stream": "w"})),
            (b"GET", "/v1/streams/w/last/a b", ("last", {"stream": "w", "client": "a b"})),
            (b"GET", "/v1/cache/k", ("get", {"key": "k"})),
            (b"PUT", "/v1/cache/a/b//c/", ("put", {"key": "a/b//c/"})),
        ):
            self.assertEqual(router.match(method, path), expected)

    def test_not_found(self):
        router = example()
        for path in (
            "/v1",
            "/v1/",
            "/v1/streams",
            "/v1/streams/",
            "/v1/streams/w/",
            "/v1/streams/w/last/",
            "/v1/cache/",
            "//",
            "/V1/streams/w",
        ):
            with self.assertRaises(Problem) as caught:
                router.match(b"GET", path)
            self.assertEqual(caught.exception.status, 404, path)

    def test_method_not_allowed(self):
        router = example()
        for method, path, allow in (
            (b"GET", "/v1/streams/w", b"POST"),
            (b"DELETE", "/v1/cache/k", b"GET, HEAD, PUT"),
            (b"BREW", "/", b"GET, HEAD"),
            (b"HEAD", "/v1/streams/w", b"POST"),
        ):
            with self.assertRaises(Problem) as caught:
                router.match(method, path)
            self.assertEqual(caught.exception.status, 405)
            self.assertEqual(caught.exception.headers, [(b"Allow", allow)])


if __name__ == "__main__":
    unittest.main()
