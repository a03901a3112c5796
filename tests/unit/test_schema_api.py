"""Schema as a library: the same for the native class and for its pure twin, on every interpreter."""

import unittest

from headgate._accel import Schema, SchemaError
from headgate.core import json

TELEMETRY = '{"type":"object","required":["t"],"properties":{"t":{"type":"number","maximum":50},"n":{"type":"string"}}}'

# JSON text, message of the fault
MALFORMED = [
    ("", "empty document at byte 0"),
    (" \n", "empty document at byte 2"),
    ("{", "unexpected end at byte 1"),
    ('{"t":1', "unexpected end at byte 6"),
    ('{"t":1}}', "data after the document at byte 7"),
    ("\ufeff{}", "byte order mark at byte 0"),
    ("{t:1}", "expected a name in quotes at byte 1"),
    ('{"t" 1}', "expected ':' at byte 5"),
    ('{"t":1 "n":2}', "expected ',' or '}' at byte 7"),
    ("[1 2]", "expected ',' or ']' at byte 3"),
    ('{"t":}', "expected a value at byte 5"),
    ('{"t":01}', "leading zero at byte 5"),
    ('{"t":1,"t":1}', "duplicate name at byte 7"),
    ('{"t":1,"\\u0074":1}', "duplicate name at byte 7"),
    ('"\\ud800"', "lone surrogate at byte 1"),
    ('"\\x"', "invalid escape at byte 1"),
    ('"a\nb"', "control character in a string at byte 2"),
]

# CBOR, message of the fault
MALFORMED_CBOR = [
    ("", "unexpected end at byte 0"),
    ("a1", "declared length is larger than the input at byte 0"),
    ("a16174", "unexpected end at byte 3"),
    ("a10101", "name is not text at byte 1"),
    ("a2617401617402", "duplicate name at byte 4"),
    ("1c", "reserved additional information at byte 0"),
    ("ff", "unexpected break at byte 0"),
    ("61ff", "invalid UTF-8 at byte 1"),
    ("f801", "simple value below 32 in two bytes at byte 0"),
    ("0101", "bytes after the item at byte 1"),
    ("c001", "tag does not suit its value at byte 0"),
    ("c16161", "tag does not suit its value at byte 0"),
    ("c201", "bignum is not a byte string at byte 0"),
    ("c401", "decimal fraction is not an array of two integers at byte 0"),
    ("4200", "declared length is larger than the input at byte 0"),
]


class WithoutEndTest(unittest.TestCase):
    def test_a_dict_that_contains_itself_is_refused(self) -> None:
        """As no JSON text can; by either twin, whatever else is asked for."""
        inside: dict[str, object] = {}
        inside["properties"] = {"a": inside}
        many: list[object] = []
        many.append(many)
        for schema in (inside, {"enum": many}, {"$id": "http://x/y", "not": inside}):
            for draft, unknown in (("2020-12", "ignore"), ("7", "ignore"), ("2020-12", "refuse")):
                with self.assertRaises(SchemaError) as caught:
                    Schema(schema, draft=draft, unknown=unknown)
                self.assertEqual(caught.exception.reason, "nested too deeply")

    def test_a_dict_whose_parts_are_shared_is_as_large_as_its_text(self) -> None:
        inside: dict[str, object] = {}
        for _ in range(40):
            inside = {"allOf": [inside, inside]}
        with self.assertRaises(SchemaError) as caught:
            Schema(inside)
        self.assertIn("1048576", caught.exception.reason)

    def test_a_document_of_the_registry_that_contains_itself(self) -> None:
        inside: dict[str, object] = {}
        inside["properties"] = {"a": inside}
        with self.assertRaises(SchemaError) as caught:
            Schema({"$ref": "http://x/y"}, registry={"http://x/y": inside})
        self.assertEqual(caught.exception.reason, "nested too deeply")


class AnchorTest(unittest.TestCase):
    def test_what_an_anchor_may_be_called(self) -> None:
        for keyword in ("$anchor", "$dynamicAnchor"):
            for name in ("", "1", "-a", ".a", "a b", "a/b", "a#", "\u00e9"):
                with self.assertRaises(SchemaError) as caught:
                    Schema({"properties": {"p": {keyword: name}}})
                self.assertEqual(caught.exception.pointer, f"/properties/p/{keyword}")
            for name in ("a", "_", "a-1._b"):
                Schema({"properties": {"p": {keyword: name}}})
            for nothing in (None, "1"):  # draft-07 does not know them
                Schema({"properties": {"p": {keyword: nothing}}}, draft="7")


class VerdictTest(unittest.TestCase):
    def test_what_data_may_be(self) -> None:
        schema = Schema(TELEMETRY)
        for data in (b'{"t":1}', bytearray(b'{"t":1}'), memoryview(b'x{"t":1}x')[1:8]):
            self.assertTrue(schema.is_valid(data))
            self.assertTrue(bool(schema.validate(data)))
        with self.assertRaises(TypeError):
            schema.is_valid('{"t":1}')  # type: ignore[arg-type]
        with self.assertRaises(ValueError):
            schema.is_valid(b"{}", "xml")
        with self.assertRaises(ValueError):
            schema.validate(b"{}", "xml")

    def test_what_a_schema_may_be(self) -> None:
        for given in (TELEMETRY, TELEMETRY.encode(), json.loads(TELEMETRY.encode())):
            schema = Schema(given)  # type: ignore[arg-type]
            self.assertTrue(schema.is_valid(b'{"t":50.0}'))
            self.assertFalse(schema.is_valid(b'{"t":50.1}'))
        self.assertTrue(Schema(True).is_valid(b"1"))
        self.assertFalse(Schema(False).is_valid(b"1"))

    def test_malformed(self) -> None:
        schema = Schema(True)
        for text, message in MALFORMED:
            self.malformed(schema, text.encode(), "json", message)
        self.malformed(schema, b'"\xff"', "json", "invalid UTF-8 at byte 1")
        for data, message in MALFORMED_CBOR:
            self.malformed(schema, bytes.fromhex(data), "cbor", message)

    def malformed(self, schema: Schema, data: bytes, encoding: str, message: str) -> None:
        self.assertFalse(schema.is_valid(data, encoding))
        result = schema.validate(data, encoding)
        self.assertTrue(result.malformed)
        self.assertFalse(result.valid)
        found = [(e.instance, e.schema, e.message) for e in result.errors]
        self.assertEqual((data, found), (data, [("", "", message)]))

    def test_result(self) -> None:
        schema = Schema(TELEMETRY)
        result = schema.validate(b'{"t":7}')
        self.assertEqual((result.valid, bool(result), result.malformed, result.errors), (True, True, False, []))
        result = schema.validate(b'{"n":5}')
        self.assertEqual((result.valid, bool(result), result.malformed), (False, False, False))
        found = sorted([(e.instance, e.schema, e.message) for e in schema.iter_errors(b'{"n":5}')])
        self.assertEqual(
            found,
            [
                ("", "/required", 'the property "t" is missing'),
                ("/n", "/properties/n/type", "expected string, found 5"),
            ],
        )

    def test_cbor(self) -> None:
        schema = Schema(TELEMETRY)
        self.assertTrue(schema.is_valid(bytes.fromhex("a161741832"), "cbor"))
        self.assertFalse(schema.is_valid(bytes.fromhex("a161741833"), "cbor"))
        self.assertTrue(schema.is_valid(bytes.fromhex("d9d9f7bf6174c101ff"), "cbor"))

    def test_duplicates(self) -> None:
        schema = Schema(TELEMETRY, duplicates="last")
        self.assertTrue(schema.is_valid(b'{"t":99,"t":1}'))
        self.assertFalse(schema.is_valid(b'{"t":1,"t":99}'))
        self.assertEqual(schema.validate(b'{"t":1,"t":99}').errors[0].offset, 11)
        self.assertFalse(schema.is_valid(bytes.fromhex("a261741863617401"), "cbor"))  # RFC 8949 section 5.6
        counted = Schema('{"maxProperties":1,"minProperties":1}', duplicates="last")
        self.assertTrue(counted.is_valid(b'{"a":1,"\\u0061":2}'))

    def test_violations_come_in_the_order_of_the_document(self) -> None:
        schema = Schema(
            '{"required":["q"],"properties":{"a":{"type":"null"},"b":{"items":{"type":"null"},"minItems":3}}}'
        )
        document = b'{"b":[1,2],"a":3}'
        found = [error.instance for error in schema.validate(document).errors]
        # MicroPython's dict keeps no order: there the members come in the order it gives them
        kept = list(json.loads(document)) == ["b", "a"]
        self.assertEqual(found, ["", "/b", "/b/0", "/b/1", "/a"] if kept else ["", "/a", "/b", "/b/0", "/b/1"])

    def test_limits(self) -> None:
        shallow = Schema(True, limits={"depth": 2})
        self.assertTrue(shallow.is_valid(b"[[]]"))
        self.assertEqual(shallow.validate(b"[[[]]]").errors[0].message, "nested too deeply at byte 2")
        short = Schema(True, limits={"bytes": 4})
        self.assertTrue(short.is_valid(b"1234"))
        result = short.validate(b"12345")
        self.assertTrue(result.malformed)
        self.assertIn("document too large", result.errors[0].message)
        few = Schema('{"items":false}', limits={"errors": 2})
        self.assertEqual(len(few.validate(b"[1,2,3]").errors), 2)
        # each level is tried twice, the first time in vain
        again = '{"items":{"$ref":"#/$defs/n"}'
        twice = '{"$ref":"#/$defs/n","$defs":{"n":{"anyOf":[' + again + ',"minItems":9},' + again + "}]}}}"
        nested = b"[" * 9 + b"]" * 9
        self.assertTrue(Schema(twice).is_valid(nested))
        self.assertFalse(Schema(twice, limits={"steps": 3}).is_valid(nested))
        for wrong in ({"depth": 0}, {"depth": 129}, {"errors": -1}, {"width": 1}):
            with self.assertRaises(ValueError):
                Schema(True, limits=wrong)

    def test_arguments(self) -> None:
        with self.assertRaises(ValueError):
            Schema(True, draft="5")
        with self.assertRaises(ValueError):
            Schema(True, duplicates="first")
        with self.assertRaises(ValueError):
            Schema(True, unknown="warn")

    def test_drafts(self) -> None:
        items = '{"items":[{"type":"null"}],"additionalItems":false}'
        self.assertTrue(Schema(items, draft="7").is_valid(b"[null]"))
        self.assertFalse(Schema(items, draft="7").is_valid(b"[null,1]"))
        with self.assertRaises(SchemaError):
            Schema(items)
        own = Schema('{"$schema":"http://json-schema.org/draft-07/schema#",' + items[1:])
        self.assertFalse(own.is_valid(b"[null,1]"))

    def test_what_stands_beside_a_reference_of_draft_7(self) -> None:
        """Core section 8.3: it is ignored, what is in it as well; the definitions are kept."""
        ends = '"definitions":{"a":{"type":"null"}}}'
        for ignored in (
            '"allOf":[{"$ref":"#/nowhere"}]',
            '"properties":{"x":{"minimum":"x"}}',
            '"items":{"definitions":{"x":{"pattern":"("}}}',
        ):
            schema = Schema('{"$ref":"#/definitions/a",' + ignored + "," + ends, draft="7")
            self.assertEqual((ignored, schema.is_valid(b"null"), schema.is_valid(b"1")), (ignored, True, False))
        beside = '{"$ref":"#/definitions/a","properties":{"x":{"$id":"x:y"}},' + ends
        with self.assertRaises(SchemaError):
            Schema('{"definitions":{"b":' + beside + '},"items":{"$ref":"x:y"}}', draft="7")
        with self.assertRaises(SchemaError):
            Schema('{"$ref":"#/definitions/a","definitions":{"a":{},"b":{"$ref":"#/nowhere"}}}', draft="7")

    def test_formats(self) -> None:
        schema = '{"items":[{"format":"ipv4"},{"format":"date"}]}'
        for formats, verdicts in (
            (True, (False, False)),
            (False, (True, True)),
            (["ipv4"], (False, True)),
            (("date",), (True, False)),
            ([], (True, True)),
        ):
            compiled = Schema(schema, draft="7", formats=formats)
            found = (compiled.is_valid(b'["x","2026-01-01"]'), compiled.is_valid(b'["1.2.3.4","x"]'))
            self.assertEqual((formats, found), (formats, verdicts))

    def test_registry(self) -> None:
        registry = {
            "https://example.org/number": {"type": "number"},
            "https://example.org/list.json": '{"$id":"https://example.org/list.json","items":{"$ref":"number"}}',
        }
        schema = Schema({"$ref": "https://example.org/list.json"}, registry=registry)  # type: ignore[arg-type]
        self.assertTrue(schema.is_valid(b"[1,2.5]"))
        result = schema.validate(b'[1,"x"]')
        self.assertEqual([(e.instance, e.schema) for e in result.errors], [("/1", "/type")])
        self.assertEqual(result.errors[0].keyword_location, "/$ref/items/$ref/type")
        with self.assertRaises(SchemaError) as caught:
            Schema({"$ref": "https://example.org/other"}, registry=registry)  # type: ignore[arg-type]
        self.assertEqual((caught.exception.pointer, caught.exception.uri), ("/$ref", ""))
        registry["https://example.org/list.json"] = '{"items":{"type":"nothing"}}'
        with self.assertRaises(SchemaError) as caught:
            Schema({"$ref": "https://example.org/list.json"}, registry=registry)  # type: ignore[arg-type]
        found = (caught.exception.pointer, caught.exception.uri)
        self.assertEqual(found, ("/items/type", "https://example.org/list.json"))

    def test_unknown_keywords(self) -> None:
        source = '{"properties":{"a":{"minimun":5}},"x-unit":"C"}'
        schema = Schema(source)
        self.assertTrue(schema.is_valid(b'{"a":1}'))
        self.assertEqual(sorted([pointer for pointer, _ in schema.lints]), ["/properties/a/minimun", "/x-unit"])
        self.assertEqual(Schema(TELEMETRY).lints, ())
        with self.assertRaises(SchemaError):
            Schema(source, unknown="refuse")


class PlaceTest(unittest.TestCase):
    def test_offsets_and_lines(self) -> None:
        schema = Schema('{"additionalProperties":{"items":{"type":"integer"}}}')
        text = b'{\n "a\\u0062": [1,\n  "x"],\n "c" :[ ] , "d":[[{}, "}]"], 2.5]\n}'
        found = sorted([(e.instance, e.offset, e.line) for e in schema.validate(text).errors])
        self.assertEqual(
            found, [("/ab/1", text.find(b'"x"'), 3), ("/d/0", text.find(b"[[{") + 1, 4), ("/d/1", text.find(b"2.5"), 4)]
        )

    def test_cbor_offsets(self) -> None:
        schema = Schema('{"additionalProperties":{"items":{"type":"integer"}}}')
        # {"ab": [1, "x"], "d": [[], 2.5]}, the second array of indefinite length, its name in chunks
        data = bytes.fromhex("a2626162820161787f6164ff9f80f94100ff")
        found = sorted([(e.instance, e.offset, e.line) for e in schema.validate(data, "cbor").errors])
        self.assertEqual(found, [("/ab/1", 6, 0), ("/d/0", 13, 0), ("/d/1", 14, 0)])

    def test_malformed(self) -> None:
        error = Schema(True).validate(b'{\n"a":\n}').errors[0]
        self.assertEqual((error.offset, error.line), (7, 3))

    def test_output(self) -> None:
        schema = Schema('{"$id":"https://example.org/s","items":{"$ref":"#/$defs/%25"},"$defs":{"%":{"maximum":1}}}')
        self.assertTrue(schema.validate(b"[1]").output()["valid"])
        output = schema.validate(b"[1,2]").output()
        self.assertFalse(output["valid"])
        unit = output["errors"][0]  # type: ignore[index]
        self.assertEqual(unit["valid"], False)
        self.assertEqual(unit["keywordLocation"], "/items/$ref/maximum")
        self.assertEqual(unit["absoluteKeywordLocation"], "https://example.org/s#/$defs/%25/maximum")
        self.assertEqual(unit["instanceLocation"], "/1")
        self.assertEqual(unit["error"], "2 is more than 1")


class TranscodeTest(unittest.TestCase):
    def test_to_cbor(self) -> None:
        schema = Schema(True)
        for text, data in (
            ("0", "00"),
            ("-0.0", "00"),
            ("1e3", "1903e8"),
            ("18446744073709551615", "1bffffffffffffffff"),
            ("-18446744073709551616", "3bffffffffffffffff"),
            ("18446744073709551617", "c249010000000000000001"),
            ("-18446744073709551617", "c349010000000000000000"),
            ("1.5", "f93e00"),
            ("-0.25", "f9b400"),
            ("100000.5", "fa47c35040"),
            ("0.1", "fb3fb999999999999a"),
            ("600.03", "fb4082c03d70a3d70a"),
            ("1e25", "fb45208b2a2c280291"),
            ("1e291", "c48219012301"),
            ("0.1234567890123456", "c4822f1b000462d53c8abac0"),
            ('"a\\u00e9"', "6361c3a9"),
            ("[null,true,false,[],{}]", "85f6f5f480a0"),
            ('{"b":1}', "a1616201"),
        ):
            self.assertEqual((text, schema.to_cbor(text.encode())), (text, bytes.fromhex(data)))
        for text, size in (("1e290", 9), ("-1e290", 9), ("1e291", 6), ("1e-290", 9), ("1e-291", 6), ("2e290", 6)):
            self.assertEqual((text, len(schema.to_cbor(text.encode()))), (text, size))
        data = schema.to_cbor(b'{"bb":1,"a":{"d":2,"c":3},"":0}', deterministic=True)
        self.assertEqual(data, bytes.fromhex("a360006161a261630361640262626201"))

    def test_to_json(self) -> None:
        schema = Schema('{"properties":{"b":{"contentEncoding":"base64"}}}')
        for data, text in (
            ("00", "0"),
            ("f94000", "2"),
            ("fb4082c03d70a3d70a", "600.03"),
            ("c482201905dc", "150"),
            ("c249010000000000000000", "18446744073709551616"),
            ("83f5f6617b", '[true,null,"{"]'),
            ("a1616243010203", '{"b":"AQID"}'),
            ("c11a5b8d8000", "1536000000"),
            ("6122", '"\\""'),
        ):
            self.assertEqual((data, schema.to_json(bytes.fromhex(data))), (data, text.encode()))

    def test_refused(self) -> None:
        schema = Schema(TELEMETRY)
        for data, malformed in ((b"{}", False), (b"{", True)):
            with self.assertRaises(ValueError) as caught:
                schema.to_cbor(data)
            self.assertEqual(caught.exception.result.malformed, malformed)
        for text in ("f7", "f97e00", "4100", "d86300"):
            with self.assertRaises(ValueError) as caught:
                Schema(True).to_json(bytes.fromhex("82f6" + text))
            self.assertEqual(caught.exception.result.errors[0].message, "value has no JSON form at byte 2")


class StreamTest(unittest.TestCase):
    """Each input in one chunk and byte by byte."""

    def fed(self, framing: str, data: bytes, encoding: str = "json", **more: int) -> "list[str]":
        schema = Schema(TELEMETRY)
        found = []
        for size in (max(1, len(data)), 1, 3):
            stream = schema.stream(framing, **more)
            results = []
            for start in range(0, len(data), size):
                results += stream.feed(data[start : start + size])
            results += stream.close()
            verdicts = []
            for result in results:
                verdicts.append("valid" if result else "malformed" if result.malformed else result.errors[0].instance)
            found.append(verdicts)
        self.assertEqual(found[0], found[1])
        self.assertEqual(found[0], found[2])
        return found[0]

    def test_ndjson(self) -> None:
        data = b'{"t":1}\r\n\n  \n{"t":51}\n{"t":\n{"t":2}'
        self.assertEqual(self.fed("ndjson", data), ["valid", "/t", "malformed", "valid"])
        self.assertEqual(self.fed("ndjson", b""), [])
        data = b'{"t":1}\r\n{"t":  1}\n{"t":1}'
        self.assertEqual(self.fed("ndjson", data, max_record=7), ["valid", "malformed", "valid"])

    def test_json_seq(self) -> None:
        data = b'\x1e{"t":1}\n\x1e\x1e{"t":\n51}\n\x1e{"t":2}\x1e{"t"\x1e{"t":3}'
        self.assertEqual(self.fed("json-seq", data), ["valid", "/t", "valid", "malformed", "valid"])
        # A number that may go on (RFC 7464 section 2.4), and one that does not.
        self.assertEqual(self.fed("json-seq", b"\x1e12\x1e12\n"), ["malformed", ""])
        self.assertEqual(self.fed("json-seq", b'{"t":1}\n\x1e{"t":1}\n'), ["malformed", "valid"])
        data = b'\x1e{"t":  1}\n\x1e{"t":1}\n'
        self.assertEqual(self.fed("json-seq", data, max_record=7), ["malformed", "valid"])

    def test_cbor_seq(self) -> None:
        data = bytes.fromhex("a1617401a161741833bf6174f93c00ff")
        self.assertEqual(self.fed("cbor-seq", data), ["valid", "/t", "valid"])
        self.assertEqual(self.fed("cbor-seq", data + b"\xa1"), ["valid", "/t", "valid", "malformed"])
        self.assertEqual(self.fed("cbor-seq", data[:4] + b"\xff" + data[:4]), ["valid", "malformed"])
        self.assertEqual(self.fed("cbor-seq", data, max_record=4), ["valid", "malformed"])

    def test_verdict_as_soon_as_it_is_complete(self) -> None:
        stream = Schema(TELEMETRY).stream()
        self.assertEqual(len(stream.feed(b'{"t":1}')), 0)
        self.assertEqual(len(stream.feed(b'\n{"t"')), 1)
        self.assertEqual(len(stream.close()), 1)

    def test_arguments(self) -> None:
        with self.assertRaises(ValueError):
            Schema(True).stream("csv")
        with self.assertRaises(ValueError):
            Schema(True).stream("ndjson", max_record=0)


if __name__ == "__main__":
    unittest.main()
