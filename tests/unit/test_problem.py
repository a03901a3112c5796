"""core/problem: RFC 9457 documents."""

import unittest

from headgate.core import json
from headgate.core.problem import STATUS_TEXT, TITLES, Problem


class ProblemTest(unittest.TestCase):
    def test_body(self):
        problem = Problem(422, "schema_violation", errors=[{"instance": "/a", "schema": "/type", "message": "no"}])
        self.assertEqual(
            json.loads(problem.body("/v1/streams/w")),
            {
                "type": "urn:headgate:problem:schema_violation",
                "title": TITLES["schema_violation"],
                "status": 422,
                "instance": "/v1/streams/w",
                "errors": [{"instance": "/a", "schema": "/type", "message": "no"}],
            },
        )

    def test_empty_parts_are_left_out(self):
        document = json.loads(Problem(404, "not_found").body())
        self.assertEqual(sorted(document), ["status", "title", "type"])
        self.assertEqual(document["title"], "Not Found")

    def test_extension_members(self):
        document = json.loads(Problem(401, "invalid_token", extra={"reason": "token_expired", "claim": "exp"}).body())
        self.assertEqual(sorted(document), ["claim", "reason", "status", "title", "type"])
        self.assertEqual((document["reason"], document["claim"]), ("token_expired", "exp"))

    def test_detail_is_escaped(self):
        detail = 'a "quoted"\n\u20ac'
        self.assertEqual(json.loads(Problem(400, "x", detail).body())["detail"], detail)

    def test_is_an_exception_that_says_what(self):
        problem = Problem(413, "body_too_large", "16 bytes", headers=[(b"A", b"b")], close=True)
        self.assertEqual(str(problem), "413 body_too_large: 16 bytes")
        self.assertEqual(problem.headers, [(b"A", b"b")])
        self.assertTrue(problem.close)
        self.assertEqual(Problem(400, "x").headers, [])

    def test_titles_are_texts_of_their_own(self):
        for code in TITLES:
            self.assertTrue(TITLES[code] and code == code.lower() and " " not in code)
            self.assertFalse(TITLES[code].encode() in STATUS_TEXT.values())


if __name__ == "__main__":
    unittest.main()
