"""The strict JSON parser and writer: every class of case of the well-known parser test suite, in our own words."""

import unittest

from headgate import limits
from headgate.core.json import JSONError, dumps, loads, quoted
from headgate.core.number import Dec

ACCEPTED = [
    # scalars at the top, and white space
    (b"null", None),
    (b"true", True),
    (b"false", False),
    (b'""', ""),
    (b'"asd"', "asd"),
    (b"0", 0),
    (b"42", 42),
    (b"-1", -1),
    (b" \t\r\n1 \t\r\n", 1),
    (b'" "', " "),
    (b" [] ", []),
    (b"[ ]", []),
    (b"{ }", {}),
    (b"\n{\t}\r", {}),
    (b"[1]\n", [1]),
    # arrays
    (b"[]", []),
    (b"[[]]", [[]]),
    (b"[[]   ]", [[]]),
    (b"[[],[]]", [[], []]),
    (b'[""]', [""]),
    (b'["a"]', ["a"]),
    (b"[false]", [False]),
    (b'[null, 1, "1", {}]', [None, 1, "1", {}]),
    (b"[null]", [None]),
    (b"[1\n]", [1]),
    (b" [1]", [1]),
    (b"[1,null,null,null,2]", [1, None, None, None, 2]),
    (b"[2] ", [2]),
    (b"[[[1],2],3]", [[[1], 2], 3]),
    # numbers
    (b"[0]", [0]),
    (b"[-0]", [0]),
    (b"[0e+1]", [0]),
    (b"[0e1]", [0]),
    (b"[ 4]", [4]),
    (b"[-0.000000001]", [Dec(-1, -9)]),
    (b"[20e1]", [200]),
    (b"[-123]", [-123]),
    (b"[-1]", [-1]),
    (b"[-0.0]", [0]),
    (b"[1E22]", [10**22]),
    (b"[1E-2]", [Dec(1, -2)]),
    (b"[1E+2]", [100]),
    (b"[123e45]", [123 * 10**45]),
    (b"[123.456e78]", [123456 * 10**75]),
    (b"[1e-2]", [Dec(1, -2)]),
    (b"[1e+2]", [100]),
    (b"[123]", [123]),
    (b"[123.456789]", [Dec(123456789, -6)]),
    (b"[1.0]", [1]),
    (b"[10.500]", [Dec(105, -1)]),
    (b"[1e400]", [Dec(1, 400)]),
    (b"[1e999999999]", [Dec(1, 999999999)]),
    (b"[1e-999999999]", [Dec(1, -999999999)]),
    (b"[0.4e0000000000000000001]", [4]),
    (b"[123123123123123123123123123123]", [123123123123123123123123123123]),
    (b"[-237462374673276894279832749832423479823246327846]", [-237462374673276894279832749832423479823246327846]),
    (b"[9007199254740993.0]", [9007199254740993]),
    # objects
    (b"{}", {}),
    (b'{"":0}', {"": 0}),
    (b'{"asd":"sdf"}', {"asd": "sdf"}),
    (b'{"asd":"sdf", "dfg":"fgh"}', {"asd": "sdf", "dfg": "fgh"}),
    (b'{"foo\\u0000bar": 42}', {"foo\0bar": 42}),
    (b'{ "min": -1.0e+28, "max": 1.0e+28 }', {"min": -(10**28), "max": 10**28}),
    (b'{"x":[{"id": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}], "id": "x"}', {"x": [{"id": "x" * 40}], "id": "x"}),
    (b'{"a":[]}', {"a": []}),
    (b'{"a":{}}', {"a": {}}),
    (b'{"a":{"b":{}},"c":[]}', {"a": {"b": {}}, "c": []}),
    (b'{\n"a": "b"\n}', {"a": "b"}),
    (b'{"a" : 1 , "b" : 2 }', {"a": 1, "b": 2}),
    (b'{"a":1,"A":2}', {"a": 1, "A": 2}),
    # strings
    (b'["\\u0060\\u012a\\u12AB"]', ["`\u012a\u12ab"]),
    (b'["\\uD801\\udc37"]', ["\U00010437"]),
    (b'["\\ud83d\\ude39\\ud83d\\udc8d"]', ["\U0001f639\U0001f48d"]),
    (b'["\\"\\\\\\/\\b\\f\\n\\r\\t"]', ['"\\/\b\f\n\r\t']),
    (b'["\\\\u0000"]', ["\\u0000"]),
    (b'["\\""]', ['"']),
    (b'["a/*b*/c/*d//e"]', ["a/*b*/c/*d//e"]),
    (b'["\\\\a"]', ["\\a"]),
    (b'["\\\\n"]', ["\\n"]),
    (b'["\\u0012"]', ["\x12"]),
    (b'["\\uFFFF"]', ["\uffff"]),
    (b'["\\uDBFF\\uDFFF"]', ["\U0010ffff"]),
    (b'["new\\u00A0line"]', ["new\u00a0line"]),
    (b'["\xf4\x8f\xbf\xbf"]', ["\U0010ffff"]),
    (b'["\xef\xbf\xbf"]', ["\uffff"]),
    (b'["\\u0000"]', ["\0"]),
    (b'["\\u002c"]', [","]),
    (b'["\xcf\x80"]', ["\u03c0"]),
    (b'["\xf0\x9b\xbf\xbf"]', ["\U0001bfff"]),
    (b'["asd "]', ["asd "]),
    (b'["\\u0821"]', ["\u0821"]),
    (b'["\xe2\x80\xa8\xe2\x80\xa9"]', ["\u2028\u2029"]),
    (b'["\\uA66D"]', ["\ua66d"]),
    (b'["\x7f"]', ["\x7f"]),
    (b'["\xe2\x8d\x82\xe3\x88\xb4\xe2\x8d\x82"]', ["\u2342\u3234\u2342"]),
    (b'["\\uD834\\uDd1e"]', ["\U0001d11e"]),
    (b'["\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80"]', ["\u0800\ud7ff\ue000\U00010000"]),
    (b'["\xef\xbb\xbf"]', ["\ufeff"]),
    (b'{"\xc3\xa9":"\xc3\xa8"}', {"\u00e9": "\u00e8"}),
    (b'["x\\ny","plain"]', ["x\ny", "plain"]),
    (b'{"k\\t":"v\\"w"}', {"k\t": 'v"w'}),
]

REFUSED = [
    # documents
    (b"", "empty document", 0),
    (b" ", "empty document", 1),
    (b"\n\t", "empty document", 2),
    (b"\xef\xbb\xbf", "byte order mark", 0),
    (b"\xef\xbb\xbf{}", "byte order mark", 0),
    (b"\xef\xbb{}", "expected a value", 0),
    (b"\xff\xfe[\0]\0", "expected a value", 0),
    (b"\xe5", "expected a value", 0),
    (b"\xc3\xa9", "expected a value", 0),
    (b"a\xc3\xa5", "expected a value", 0),
    (b"*", "expected a value", 0),
    (b"<.>", "expected a value", 0),
    (b"[<null>]", "expected a value", 1),
    (b"[\xe2\x81\xa0]", "expected a value", 1),
    (b"\x0c[]", "expected a value", 0),
    (b"[\x0c]", "expected a value", 1),
    (b"[\0]", "expected a value", 1),
    (b"\0", "expected a value", 0),
    (b"1]", "data after the document", 1),
    (b"2@", "data after the document", 1),
    (b"[][]", "data after the document", 2),
    (b"{}}", "data after the document", 2),
    (b"[1]x", "data after the document", 3),
    (b"[1]]", "data after the document", 3),
    (b"[1],", "data after the document", 3),
    (b'""x', "data after the document", 2),
    (b"1 2", "data after the document", 2),
    (b"null\0", "data after the document", 4),
    (b'{"a":true} "x"', "data after the document", 11),
    (b'{"a":"b"}/**/', "data after the document", 9),
    (b'{"a":"b"}//', "data after the document", 9),
    (b'{"a":"b"}#', "data after the document", 9),
    # literals
    (b"[True]", "expected a value", 1),
    (b"[NULL]", "expected a value", 1),
    (b"[tru]", "expected a value", 1),
    (b"[fals]", "expected a value", 1),
    (b"[nul]", "expected a value", 1),
    (b"nul", "expected a value", 0),
    (b"truex", "data after the document", 4),
    (b"[truefalse]", "expected ',' or ']'", 5),
    (b"undefined", "expected a value", 0),
    # arrays
    (b"[", "unexpected end", 1),
    (b"[1", "unexpected end", 2),
    (b"[1,", "unexpected end", 3),
    (b'["a",\n4\n,1,', "unexpected end", 11),
    (b"[{}", "unexpected end", 3),
    (b'["', "unexpected end", 2),
    (b'["a', "unexpected end", 3),
    (b'["a"', "unexpected end", 4),
    (b"]", "expected a value", 0),
    (b"[,]", "expected a value", 1),
    (b"[,1]", "expected a value", 1),
    (b"[1,]", "expected a value", 3),
    (b"[1,,]", "expected a value", 3),
    (b"[1,,2]", "expected a value", 3),
    (b'["x",,]', "expected a value", 5),
    (b"[1 true]", "expected ',' or ']'", 3),
    (b'["": 1]', "expected ',' or ']'", 3),
    (b"[3[4]]", "expected ',' or ']'", 2),
    (b"[1:2]", "expected ',' or ']'", 2),
    (b"[1;2]", "expected ',' or ']'", 2),
    (b"[1}", "expected ',' or ']'", 2),
    (b"[x", "expected a value", 1),
    (b"[*]", "expected a value", 1),
    (b"[\xff]", "expected a value", 1),
    (b"[a\xe5]", "expected a value", 1),
    # numbers
    (b"[-]", "malformed number", 1),
    (b"-", "malformed number", 0),
    (b"[- 1]", "malformed number", 1),
    (b"[+1]", "expected a value", 1),
    (b"[++1234]", "expected a value", 1),
    (b"[+Inf]", "expected a value", 1),
    (b"[-01]", "leading zero", 1),
    (b"[01]", "leading zero", 1),
    (b"[00]", "leading zero", 1),
    (b"[-012]", "leading zero", 1),
    (b"[012.5]", "leading zero", 1),
    (b"[00e1]", "leading zero", 1),
    (b"[1.]", "malformed number", 1),
    (b"[-2.]", "malformed number", 1),
    (b"[-.123]", "malformed number", 1),
    (b"[.5]", "expected a value", 1),
    (b"[.-1]", "expected a value", 1),
    (b"[0.1.2]", "malformed number", 1),
    (b"[0.3e]", "malformed number", 1),
    (b"[0.3e+]", "malformed number", 1),
    (b"[0E]", "malformed number", 1),
    (b"[0E+]", "malformed number", 1),
    (b"[0.e1]", "malformed number", 1),
    (b"[2.e-3]", "malformed number", 1),
    (b"[1.0e-]", "malformed number", 1),
    (b"[1eE2]", "malformed number", 1),
    (b"[1e2.5]", "malformed number", 1),
    (b"[1e++2]", "malformed number", 1),
    (b"[1+2]", "malformed number", 1),
    (b"[1-2]", "malformed number", 1),
    (b"[--1]", "malformed number", 1),
    (b"[e1]", "expected a value", 1),
    (b"[1_000]", "expected ',' or ']'", 2),
    (b"[1 000]", "expected ',' or ']'", 3),
    (b"[0x1]", "expected ',' or ']'", 2),
    (b"[0x42]", "expected ',' or ']'", 2),
    (b"[1.2a]", "expected ',' or ']'", 4),
    (b"[1ea]", "malformed number", 1),
    (b"[1\xe5]", "expected ',' or ']'", 2),
    (b"[1e1\xe5]", "expected ',' or ']'", 4),
    (b"[\xef\xbc\x91]", "expected a value", 1),
    (b"[NaN]", "expected a value", 1),
    (b"[-NaN]", "malformed number", 1),
    (b"[Infinity]", "expected a value", 1),
    (b"[-Infinity]", "malformed number", 1),
    (b"[inf]", "expected a value", 1),
    (b"[1e1000000000]", "exponent too large", 1),
    (b"[1e-99999999999999999999]", "exponent too large", 1),
    (b"[10e999999999]", "exponent too large", 1),
    (b"[0.1e-999999999]", "exponent too large", 1),
    (b"[" + b"9" * 129 + b"]", "number too long", 1),
    # objects
    (b"{", "unexpected end", 1),
    (b'{"', "unexpected end", 2),
    (b'{"a', "unexpected end", 3),
    (b'{"a"', "unexpected end", 4),
    (b'{"a":', "unexpected end", 5),
    (b'{"a":1', "unexpected end", 6),
    (b'{"a":1,', "unexpected end", 7),
    (b'{"a":"a', "unexpected end", 7),
    (b"}", "expected a value", 0),
    (b"{]", "expected a name in quotes", 1),
    (b"{,", "expected a name in quotes", 1),
    (b"{[", "expected a name in quotes", 1),
    (b"{a: 1}", "expected a name in quotes", 1),
    (b"{'a':0}", "expected a name in quotes", 1),
    (b"{1:1}", "expected a name in quotes", 1),
    (b"{null:null}", "expected a name in quotes", 1),
    (b"{:1}", "expected a name in quotes", 1),
    (b'{"a":1,}', "expected a name in quotes", 7),
    (b'{"a":1,,"b":2}', "expected a name in quotes", 7),
    (b'{"a" "b"}', "expected ':'", 5),
    (b'{"a","b"}', "expected ':'", 4),
    (b'{"a"}', "expected ':'", 4),
    (b'{"a"::1}', "expected a value", 5),
    (b'{"a":}', "expected a value", 5),
    (b'{"a":1 "b":2}', "expected ',' or '}'", 7),
    (b'{"a":1]', "expected ',' or '}'", 6),
    (b'{"a":"a" 123}', "expected ',' or '}'", 9),
    (b'{"a":/*x*/1}', "expected a value", 5),
    (b'{"a":1,"a":1}', "duplicate name", 7),
    (b'{"a":1,"\\u0061":2}', "duplicate name", 7),
    (b'[{"x":{"k":1, "k":2}}]', "duplicate name", 14),
    (b'{"a":b}', "expected a value", 5),
    # strings
    (b'"', "unexpected end", 1),
    (b'"a', "unexpected end", 2),
    (b'["\\"]', "unexpected end", 5),
    (b'["\\', "unexpected end", 3),
    (b'"\\', "unexpected end", 2),
    (b'["\\\\\\"]', "unexpected end", 7),
    (b"['a']", "expected a value", 1),
    (b"abc", "expected a value", 0),
    (b"[\\n]", "expected a value", 1),
    (b'["\\x00"]', "invalid escape", 2),
    (b'["\\a"]', "invalid escape", 2),
    (b'["\\0"]', "invalid escape", 2),
    (b'["\\\'"]', "invalid escape", 2),
    (b'["\\\t"]', "invalid escape", 2),
    (b'["\\\0"]', "invalid escape", 2),
    (b'["\\U0041"]', "invalid escape", 2),
    (b'["\\\xf0\x9f\x8c\x80"]', "invalid escape", 2),
    (b'["\\u"]', "invalid escape", 2),
    (b'["\\u00A"]', "invalid escape", 2),
    (b'["\\uqqqq"]', "invalid escape", 2),
    (b'["\\u+041"]', "invalid escape", 2),
    (b'["\\u00_1"]', "invalid escape", 2),
    (b'["\\u 041"]', "invalid escape", 2),
    (b'["\\u\xe5"]', "invalid escape", 2),
    (b'["\\u00', "unexpected end", 6),
    (b'["\\uD800"]', "lone surrogate", 2),
    (b'["\\uDADA"]', "lone surrogate", 2),
    (b'["\\uDC00"]', "lone surrogate", 2),
    (b'["\\uD800a"]', "lone surrogate", 2),
    (b'["\\uD800\\n"]', "lone surrogate", 2),
    (b'["\\uD800\\uD800"]', "lone surrogate", 2),
    (b'["\\uDd1e\\uD834"]', "lone surrogate", 2),
    (b'["\\ud800\\u0041"]', "lone surrogate", 2),
    (b'["\\uD800\\u"]', "invalid escape", 8),
    (b'["\\uD800\\u1x"]', "invalid escape", 8),
    (b'{"\\uDFAA":0}', "lone surrogate", 2),
    (b'["a\0a"]', "control character in a string", 3),
    (b'["a\nb"]', "control character in a string", 3),
    (b'["\t"]', "control character in a string", 2),
    (b'["\x1f"]', "control character in a string", 2),
    (b'{"a\tb":1}', "control character in a string", 3),
    (b'["\\n\r"]', "control character in a string", 4),
    (b'["\xff"]', "invalid UTF-8", 2),
    (b'["\xe5"]', "invalid UTF-8", 2),
    (b'["\x81"]', "invalid UTF-8", 2),
    (b'["a\xe0\x80"]', "invalid UTF-8", 3),
    (b'["\xc0\xaf"]', "invalid UTF-8", 2),
    (b'["\xc1\xbf"]', "invalid UTF-8", 2),
    (b'["\xe0\x80\xaf"]', "invalid UTF-8", 2),
    (b'["\xf0\x80\x80\xaf"]', "invalid UTF-8", 2),
    (b'["\xfc\x80\x80\x80\x80\x80"]', "invalid UTF-8", 2),
    (b'["\xed\xa0\x80"]', "invalid UTF-8", 2),
    (b'["\xed\xbf\xbf"]', "invalid UTF-8", 2),
    (b'["\xf4\x90\x80\x80"]', "invalid UTF-8", 2),
    (b'["\xf5\x80\x80\x80"]', "invalid UTF-8", 2),
    (b'["\xf8\x88\x80\x80\x80"]', "invalid UTF-8", 2),
    (b'["\xe2\x82"]', "invalid UTF-8", 2),
    (b'["\\n\xc3\xa9\xe9"]', "invalid UTF-8", 6),
    (b'{"\xb9":"0",}', "invalid UTF-8", 2),
    (b'{"a":"\xc3(\xa9"}', "invalid UTF-8", 6),
]


def refusal(data: "bytes | bytearray | memoryview", depth: int = limits.JSON_DEPTH) -> JSONError:
    """The error that `data` raises."""
    try:
        value = loads(data, depth)
    except JSONError as error:
        return error
    raise AssertionError(f"{bytes(data)!r} was accepted as {value!r}")


class LoadsTest(unittest.TestCase):
    def test_accepted(self) -> None:
        for text, value in ACCEPTED:
            for data in (text, bytearray(text), memoryview(text)):
                found = loads(data)
                self.assertEqual(found, value)
                self.assertTrue(type(found) is type(value))

    def test_types_inside(self) -> None:
        found = loads(b"[true,1,false,0,1.0,1.5,null]")
        self.assertEqual(repr(found), "[True, 1, False, 0, 1, Dec(15, -1), None]")

    def test_refused(self) -> None:
        for text, reason, offset in REFUSED:
            for data in (text, bytearray(text), memoryview(text)):
                error = refusal(data)
                self.assertEqual((text, error.reason, error.offset), (text, reason, offset))
                self.assertEqual(str(error), f"{reason} at byte {offset}")

    def test_there_are_enough_cases(self) -> None:
        self.assertGreater(len(ACCEPTED), 94)
        self.assertGreater(len(REFUSED), 187)

    def test_refused_inside_a_longer_document(self) -> None:
        # The same faults after a healthy start, where the parser is in another state.
        for text, reason, offset in REFUSED:
            if reason in ("byte order mark", "empty document", "data after the document") or text[:1] in (b"]", b"}"):
                continue  # these are about where a document begins and ends
            error = refusal(b'{"ok":[1,"x"],"v":' + text)
            self.assertEqual((text, error.reason, error.offset), (text, reason, offset + 18))

    def test_every_prefix_is_refused(self) -> None:
        text = b'{"st\\u00e9":[1,-2.5e3,"a\\"b\xc3\xa9",true,null,{}],"x":{"y":[false]}}'
        self.assertEqual(loads(text), {"st\u00e9": [1, -2500, 'a"b\u00e9', True, None, {}], "x": {"y": [False]}})
        for n in range(len(text)):
            error = refusal(text[:n])
            self.assertTrue(0 <= error.offset <= n)

    def test_depth(self) -> None:
        deepest = b"[" * limits.JSON_DEPTH + b"]" * limits.JSON_DEPTH
        loads(deepest)
        error = refusal(b"[" + deepest + b"]")
        self.assertEqual((error.reason, error.offset), ("nested too deeply", limits.JSON_DEPTH))
        self.assertEqual(refusal(b"[" * 100000).reason, "nested too deeply")
        self.assertEqual(refusal(b'[{"":' * 50000).reason, "nested too deeply")
        loads(b'{"a":[]}', 2)
        self.assertEqual(refusal(b'{"a":[]}', 1).offset, 5)
        self.assertEqual(refusal(b"[]", 0).reason, "nested too deeply")
        loads(b"1", 0)
        # Containers side by side do not add up.
        loads(b"[" + b"[]," * 100 + b"{}]", 2)

    def test_duplicates_on_request(self) -> None:
        self.assertEqual(loads(b'{"a":"b","a":"c"}', duplicates=True), {"a": "c"})
        self.assertEqual(loads(b'{"a":[1],"b":0,"a":{}}', duplicates=True), {"a": {}, "b": 0})

    def test_number_limits(self) -> None:
        self.assertEqual(loads(b"9" * limits.JSON_NUMBER), 10**limits.JSON_NUMBER - 1)
        self.assertEqual(loads(b"-" + b"9" * limits.JSON_NUMBER), 1 - 10**limits.JSON_NUMBER)
        self.assertEqual(refusal(b"9" * (limits.JSON_NUMBER + 1)).reason, "number too long")
        self.assertEqual(refusal(b"0." + b"9" * limits.JSON_NUMBER).reason, "number too long")
        self.assertEqual(refusal(b"0." + b"0" * limits.JSON_NUMBER + b"e5").reason, "number too long")
        # The same number has the same form however it is written.
        self.assertEqual(loads(b"1" + b"0" * 127), loads(b"1e127"))
        self.assertEqual(loads(b"10e128"), loads(b"1e129"))
        self.assertEqual(loads(b"1" + b"0" * 100 + b"e29"), loads(b"1e129"))

    def test_long_strings(self) -> None:
        self.assertEqual(loads(b'"' + b"\\n" * 5000 + b'"'), "\n" * 5000)
        self.assertEqual(loads(b'"' + b'\\"' * 5000 + b'"'), '"' * 5000)
        self.assertEqual(loads(b'"' + b"x" * 5000 + b'"'), "x" * 5000)


class DumpsTest(unittest.TestCase):
    def test_text(self) -> None:
        for value, text in (
            (None, b"null"),
            (True, b"true"),
            (False, b"false"),
            (0, b"0"),
            (-(10**30), b"-1000000000000000000000000000000"),
            (Dec(215, -1), b"21.5"),
            (Dec(1, 400), b"1e400"),
            (0.5, b"0.5"),
            (-2.0, b"-2.0"),
            ("", b'""'),
            ("a\u00e9\u20ac\U0001f600", b'"a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"'),
            ('"\\/\b\f\n\r\t', b'"\\"\\\\/\\b\\f\\n\\r\\t"'),
            ("\0\x1f\x7f", b'"\\u0000\\u001f\x7f"'),
            ("\u00e9\n\u20ac", b'"\xc3\xa9\\n\xe2\x82\xac"'),
            ([], b"[]"),
            ({}, b"{}"),
            ((1, 2), b"[1,2]"),
            ([[], {}, [1, [2]], "x"], b'[[],{},[1,[2]],"x"]'),
            ({"a": [{"b": None}]}, b'{"a":[{"b":null}]}'),
            ({'"': 1}, b'{"\\"":1}'),
        ):
            self.assertEqual(dumps(value), text)

    def test_members(self) -> None:
        text = dumps({"a": 1, "b": [True], "c": {}})
        self.assertEqual(len(text), len(b'{"a":1,"b":[true],"c":{}}'))
        self.assertEqual(loads(text), {"a": 1, "b": [True], "c": {}})

    def test_refused(self) -> None:
        around: list[object] = []
        around.append(around)
        for value in (
            b"x",
            bytearray(b"x"),
            float("nan"),
            float("inf"),
            -float("inf"),
            {1: 2},
            {b"a": 2},
            [object()],
            around,
        ):
            with self.assertRaises(ValueError):
                dumps(value)

    def test_depth(self) -> None:
        value: list[object] = []
        for _ in range(2 * limits.JSON_DEPTH - 1):
            value = [value]
        dumps(value)
        with self.assertRaises(ValueError):
            dumps([value])

    def test_there_and_back(self) -> None:
        for _, value in ACCEPTED:
            self.assertEqual(loads(dumps(value)), value)
        # What was accepted once must be accepted again, whatever form it had.
        for nines in (1, 30, 60, 127):
            for exponent in ("", "e128", "e-128", "e9", "e-9", "e-126", "e0000000000000000000000000000000000003"):
                for point in (1, nines // 2 + 1, nines):
                    text = "9" * nines + exponent
                    if point < nines:
                        text = text[:point] + "." + text[point:]
                    value = loads(text.encode())
                    self.assertEqual(loads(dumps(value)), value)
                    value = loads(b"-0.0" + text[:1].encode() + exponent.encode())
                    self.assertEqual(loads(dumps(value)), value)

    def test_quoted_long_and_short(self) -> None:
        """The two ways to find what must be escaped."""
        every = "".join([chr(c) for c in range(0x100)]) + "\u20ac\U0001f600"
        for text in (every, every * 9, "x" * 2000, "x" * 2000 + "\x1f", '\\"' * 1000):
            self.assertEqual(loads(quoted(text)), text)
        self.assertEqual(
            quoted('\0\b\t\n\x0b\f\r\x1f"\\/\x7f')[1:-1], b'\\u0000\\b\\t\\n\\u000b\\f\\r\\u001f\\"\\\\/\x7f'
        )
        self.assertEqual(quoted("\x1f" + "x" * 2000)[:8], b'"\\u001fx')

    def test_quoted(self) -> None:
        self.assertEqual(quoted("a"), b'"a"')
        self.assertEqual(quoted("\x01"), b'"\\u0001"')


if __name__ == "__main__":
    unittest.main()
