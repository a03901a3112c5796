"""JSON Schema: verdicts, violations with their pointers, and what is refused at load."""

import unittest

from headgate import limits
from headgate.core.number import Dec
from headgate.core.schema import Schema, SchemaError
from headgate.core.schema_annotations import nearest
from headgate.core.schema_explain import show

# schema, valid instances, invalid instances: all JSON text
CASES = [
    ("true", ["1", "null", "{}"], []),
    ("{}", ["1", "null", "[]"], []),
    ("false", [], ["1", "null", "{}"]),
    # types
    ('{"type":"integer"}', ["0", "-5", "1.0", "1e2", "1e400", "-0.0"], ["1.5", '"1"', "true", "null", "[]", "1e-400"]),
    ('{"type":"number"}', ["0", "1.5", "1e-400"], ['"1"', "true", "{}"]),
    ('{"type":"string"}', ['""', '"a"'], ["1", "null"]),
    ('{"type":"boolean"}', ["true", "false"], ["0", "1", '"true"']),
    ('{"type":"null"}', ["null"], ["false", "0", '""', "[]"]),
    ('{"type":"array"}', ["[]", "[1]"], ["{}", '"[]"']),
    ('{"type":"object"}', ["{}", '{"a":1}'], ["[]", "null"]),
    ('{"type":["string","null"]}', ['"a"', "null"], ["1", "false"]),
    ('{"type":["integer","boolean"]}', ["3", "true"], ["3.5", "null"]),
    # members that only some of the schemas ask about; "ad" and "ba" are of one kind (program.h: hg_name_kind)
    (
        '{"allOf":[{"properties":{"ad":{"type":"integer"}}},'
        '{"properties":{"x":{"type":"string"}},"required":["x"],"minProperties":2}]}',
        ['{"ba":[{"ad":"}"},"]"],"x":"","ad":1}', '{"y":{"x":[{}]} , "x":"x"}', '{"x":"","\\u0061d":1}'],
        ['{"ba":1,"x":"","ad":"s"}', '{"ba":1,"x":"","\\u0061d":"s"}', '{"x":""}', '{"ba":{"x":""},"y":"x"}'],
    ),
    # enum and const
    ('{"enum":["a",1,null]}', ['"a"', "1", "1.0", "null"], ['"b"', "true", "false", '"1"', "[]"]),
    ('{"enum":[true]}', ["true"], ["1", "1.0", '"true"']),
    ('{"enum":[0]}', ["0", "-0", "0.0", "0e5"], ["false", "null", '""']),
    ('{"enum":[[1,{"a":true}]]}', ['[1.0,{"a":true}]'], ['[1,{"a":1}]', "[1]", '[{"a":true},1]']),
    ('{"enum":[]}', [], ["1", "null"]),
    ('{"const":{"a":[],"b":1.50}}', ['{"b":1.5,"a":[]}'], ['{"a":{},"b":1.5}', '{"a":[]}', "[]"]),
    ('{"const":"a"}', ['"a"'], ['["a"]', '"A"']),
    ('{"const":1e200}', ["1e200", "10e199"], ["480", "1e201", '"1e200"']),
    ('{"const":false}', ["false"], ["0", "[]", "[false]"]),
    ('{"const":[false]}', ["[false]"], ["[0]", "false"]),
    ('{"const":null}', ["null"], ["0", "false", '"null"', '"None"']),
    ('{"const":["["]}', ['["["]'], ["[]", "[[]]"]),
    ('{"const":-9007199254740993}', ["-9007199254740993.0"], ["-9007199254740992"]),
    # numbers, exactly
    ('{"minimum":1.1}', ["1.1", "1.10", "2", "1e400", '"x"'], ["1.09999999999999999999", "0", "-1e400"]),
    ('{"maximum":3}', ["3", "3.0", "-1e999999999"], ["3.0000000000000000001", "4", "1e999999999"]),
    ('{"exclusiveMinimum":0}', ["1e-999999999", "1"], ["0", "-0.0", "-1"]),
    ('{"exclusiveMaximum":3}', ["2.9999999999999999999"], ["3", "3.0", "30e-1", "4"]),
    ('{"minimum":0,"maximum":100}', ["0", "50.5", "100"], ["-1", "100.1"]),
    ('{"multipleOf":0.01}', ["600.03", "0", "-0.07", "19.99"], ["0.001", "600.035"]),
    ('{"multipleOf":0.0001}', ["0.0075"], ["0.00751"]),
    ('{"multipleOf":1e-8}', ["12391239123"], ["1e-9"]),
    ('{"multipleOf":3}', ["9", "-3", "0", "3e999999998"], ["1e999999998", "7", "4.5"]),
    ('{"multipleOf":2.5}', ["5", "7.5"], ["6"]),
    # strings count code points
    ('{"minLength":2}', ['"ab"', '"\u00e9\u20ac"', "1"], ['"a"', '"\U0001f600"', '"\\ud83d\\ude00"', '""']),
    ('{"maxLength":2}', ['"ab"', '"\U0001f600\U0001f601"', "[1,2,3]"], ['"abc"']),
    ('{"pattern":"^[a-z]+-[0-9]+$"}', ['"seattle-3"', "5", "null"], ['"Seattle-3"', '"seattle-"']),
    ('{"pattern":"b"}', ['"abc"'], ['"ac"']),
    ('{"format":"date-time"}', ['"2026-02-28T00:00:00Z"', "5", "null"], ['"2026-02-29T00:00:00Z"', '""']),
    ('{"format":"uuid"}', ['"2eb8aa08-aa98-11ea-b4aa-73b441d16380"', "{}"], ['"2eb8aa08"']),
    ('{"format":"ipv4"}', ['"10.0.0.1"'], ['"10.0.0.256"']),
    ('{"format":"ipv6"}', ['"::1"'], ['"10.0.0.1"']),
    ('{"format":"date"}', ['"2024-02-29"'], ['"2023-02-29"']),
    ('{"format":"time"}', ['"23:59:59Z"'], ['"23:59:59"']),
    # arrays
    ('{"items":{"type":"integer"}}', ["[]", "[1,2]", '"x"', '{"0":"a"}'], ['[1,"x"]']),
    ('{"prefixItems":[{"type":"integer"},{"type":"string"}]}', ["[]", "[1]", '[1,"a",null]'], ["[1,2]", '["a"]']),
    ('{"prefixItems":[{"type":"integer"}],"items":false}', ["[]", "[1]"], ["[1,2]", '["a"]']),
    ('{"prefixItems":[true],"items":{"type":"string"}}', ['[1,"a"]'], ["[1,2]"]),
    ('{"items":false}', ["[]"], ["[1]"]),
    ('{"minItems":1,"maxItems":2}', ["[1]", "[1,2]", '""'], ["[]", "[1,2,3]"]),
    (
        '{"uniqueItems":true}',
        ["[]", "[1,true,0,false,null]", '["1",1]', '[[1],["1"]]', '[{"a":1},{"a":true}]', '["a","A"]', "[[],{}]"],
        [
            "[1,1.0]",
            "[1e2,100]",
            '[{"a":1,"b":2},{"b":2,"a":1.0}]',
            "[[1,[2]],[1,[2]]]",
            "[1e400,10e399]",
            "[null,null]",
        ],
    ),
    ('{"uniqueItems":true}', ['["[",[]]', "[480,1e200]", "[[1],[[1]]]", '["{",{}]'], ['["a","b","a"]']),
    ('{"uniqueItems":false}', ["[1,1]"], []),
    ('{"contains":{"minimum":5}}', ["[1,5]", "[7]", "{}"], ["[]", "[1,2]"]),
    ('{"contains":{"minimum":5},"minContains":2}', ["[5,6]", "[5,1,6,7]"], ["[5]", "[5,1]", "[]"]),
    ('{"contains":{"minimum":5},"maxContains":1}', ["[5]", "[5,1]"], ["[5,6]", "[]", "[1]"]),
    ('{"contains":{"minimum":5},"minContains":0}', ["[]", "[1]", "[5,5]"], []),
    ('{"contains":{"minimum":5},"minContains":0,"maxContains":1}', ["[]", "[1]", "[5]"], ["[5,5]"]),
    ('{"contains":{"minimum":5},"minContains":2,"maxContains":3}', ["[5,5]", "[5,1,5,5]"], ["[5]", "[5,5,5,5]"]),
    ('{"minContains":2,"maxContains":0}', ["[]", "[1]"], []),
    ('{"contains":false}', ["1"], ["[]", "[1]"]),
    # objects
    ('{"required":["a","b"]}', ['{"a":1,"b":null}', "[]"], ['{"a":1}', "{}"]),
    ('{"required":[]}', ["{}"], []),
    ('{"properties":{"a":{"type":"integer"}}}', ["{}", '{"a":1}', '{"b":"x"}', "[]"], ['{"a":"x"}']),
    ('{"properties":{"a":false}}', ['{"b":1}'], ['{"a":1}']),
    ('{"patternProperties":{"^t":{"type":"integer"}}}', ['{"t1":1,"x":"y"}', "5"], ['{"t1":"x"}', '{"a":1,"t":null}']),
    (
        '{"patternProperties":{"a":{"type":"integer"},"b$":{"minimum":3}}}',
        ['{"ab":3,"a":1}'],
        ['{"ab":1}', '{"ab":3.5}'],
    ),
    ('{"additionalProperties":false}', ["{}", "[1]"], ['{"a":1}']),
    (
        '{"properties":{"a":{}},"patternProperties":{"^x-":{"type":"string"}},"additionalProperties":{"type":"integer"}}',
        ['{"a":null,"x-b":"c","d":1}'],
        ['{"d":"1"}', '{"x-b":1}'],
    ),
    ('{"properties":{"a":{}},"additionalProperties":false}', ['{"a":1}', "{}"], ['{"b":1}', '{"a":1,"b":1}']),
    ('{"propertyNames":{"maxLength":2}}', ['{"ab":1}', "{}", "1"], ['{"abc":1}', '{"a":1,"bcd":2}']),
    ('{"propertyNames":false}', ["{}"], ['{"a":1}']),
    ('{"minProperties":1,"maxProperties":2}', ['{"a":1}', '{"a":1,"b":2}'], ["{}", '{"a":1,"b":2,"c":3}']),
    (
        '{"dependentRequired":{"a":["b","c"]}}',
        ["{}", '{"b":1}', '{"a":1,"b":2,"c":3}', "7"],
        ['{"a":1}', '{"a":1,"b":1}'],
    ),
    ('{"properties":{"a~b/c%d\\u00e9":{"type":"null"}}}', ['{"a~b/c%d\u00e9":null}'], ['{"a~b/c%d\u00e9":1}']),
    # combinations
    ('{"allOf":[{"minimum":2},{"maximum":4}]}', ["2", "4", '"x"'], ["1", "5"]),
    ('{"anyOf":[{"type":"string"},{"minimum":2}]}', ['"x"', "2", "null"], ["1"]),
    ('{"oneOf":[{"type":"integer"},{"minimum":2}]}', ["1", "2.5"], ["3", "1.5"]),
    ('{"oneOf":[true,true]}', [], ["1"]),
    ('{"not":{"type":"integer"}}', ['"x"', "1.5"], ["1"]),
    ('{"not":true}', [], ["1", "null"]),
    ('{"not":{"not":{"type":"null"}}}', ["null"], ["1"]),
    ('{"if":{"minimum":10},"then":{"multipleOf":10},"else":{"multipleOf":2}}', ["20", "4", '"x"'], ["15", "3"]),
    ('{"if":{"minimum":10},"then":{"multipleOf":10}}', ["20", "3"], ["15"]),
    ('{"if":{"minimum":10},"else":{"multipleOf":2}}', ["15", "4"], ["3"]),
    ('{"then":false,"else":false}', ["1"], []),
    # references
    ('{"$defs":{"t":{"type":"integer"}},"properties":{"a":{"$ref":"#/$defs/t"}}}', ['{"a":1}'], ['{"a":"x"}']),
    ('{"$defs":{"t":{"minimum":1}},"$ref":"#/$defs/t","maximum":3}', ["1", "3"], ["0", "4"]),
    (
        '{"properties":{"next":{"$ref":"#"}},"additionalProperties":false}',
        ['{"next":{"next":{}}}'],
        ['{"next":{"x":1}}'],
    ),
    ('{"$defs":{"a/b~c%":{"type":"null"}},"$ref":"#/$defs/a~1b~0c%25"}', ["null"], ["1"]),
    ('{"$defs":{"\u00e9":false},"$ref":"#/$defs/%C3%A9"}', [], ["1"]),
    ('{"allOf":[{"type":"integer"}],"items":{"$ref":"#/allOf/0"}}', ["5"], ["[1]", '"x"']),
    (
        '{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/c"},"c":{"minimum":1}}}',
        ["1"],
        ["0"],
    ),
    (
        '{"$defs":{"tree":{"type":"object","properties":{"v":{"type":"number"},"c":{"items":{"$ref":"#/$defs/tree"}}},'
        '"required":["v"]}},"$ref":"#/$defs/tree"}',
        ['{"v":1,"c":[{"v":2,"c":[]},{"v":3,"c":[{"v":4}]}]}'],
        ['{"v":1,"c":[{"v":2},{"v":3,"c":[{"w":4}]}]}'],
    ),
    ('{"default":{"$ref":"#"},"examples":[{"type":"null"}],"items":{"$ref":"#/examples/0"}}', ["[null]"], ["[1]"]),
    # annotations
    (
        '{"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://example.org/x","title":"t",'
        '"description":"d","$comment":"c","default":7,"examples":[1],"deprecated":true,"readOnly":false,"writeOnly":false}',
        ["1", "null"],
        [],
    ),
]

# schema, pointer, a part of the reason
REFUSED = [
    ("5", "", "object or a boolean"),
    ("null", "", "object or a boolean"),
    ('"true"', "", "object or a boolean"),
    ("[", "", "not JSON: unexpected end at byte 1"),
    ('{"a":1,"a":2}', "", "not JSON: duplicate name"),
    ('{"multipleOf":1234567890123456789}', "/multipleOf", "more than 18 significant digits"),
    ("[]", "", "object or a boolean"),
    ('{"properties":{"a":1}}', "/properties/a", "object or a boolean"),
    ('{"items":[{}]}', "/items", "object or a boolean"),
    ('{"not":"x"}', "/not", "object or a boolean"),
    ('{"minimum":"3"}', "/minimum", "must be a number"),
    ('{"maximum":null}', "/maximum", "must be a number"),
    ('{"exclusiveMinimum":true}', "/exclusiveMinimum", "must be a number"),
    ('{"exclusiveMaximum":[]}', "/exclusiveMaximum", "must be a number"),
    ('{"multipleOf":0}', "/multipleOf", "above zero"),
    ('{"multipleOf":-0.5}', "/multipleOf", "above zero"),
    ('{"multipleOf":"1"}', "/multipleOf", "must be a number"),
    ('{"minLength":-1}', "/minLength", "not negative"),
    ('{"maxLength":1.5}', "/maxLength", "not negative"),
    ('{"minItems":true}', "/minItems", "not negative"),
    ('{"maxItems":"1"}', "/maxItems", "not negative"),
    ('{"minProperties":null}', "/minProperties", "not negative"),
    ('{"maxProperties":-2}', "/maxProperties", "not negative"),
    ('{"minContains":-2}', "/minContains", "not negative"),
    ('{"uniqueItems":1}', "/uniqueItems", "true or false"),
    ('{"pattern":5}', "/pattern", "must be a string"),
    ('{"pattern":"("}', "/pattern", "unmatched '('"),
    ('{"pattern":"(?=a)"}', "/pattern", "lookaround"),
    ('{"patternProperties":{"[":{}}}', "/patternProperties/[", "unmatched '['"),
    ('{"patternProperties":{"a/~":5}}', "/patternProperties/a~1~0", "object or a boolean"),
    ('{"format":"iri"}', "/format", 'unknown format "iri"'),
    ('{"format":"date-tiem"}', "/format", 'did you mean "date-time"'),
    ('{"format":1}', "/format", "must be a string"),
    ('{"required":"a"}', "/required", "list of names"),
    ('{"required":["a",1]}', "/required/1", "must be a string"),
    ('{"required":["a","b","a"]}', "/required/2", "twice"),
    ('{"dependentRequired":[]}', "/dependentRequired", "must be an object"),
    ('{"dependentRequired":{"a":"b"}}', "/dependentRequired/a", "list of names"),
    ('{"dependentRequired":{"a":["b","b"]}}', "/dependentRequired/a/1", "twice"),
    ('{"enum":"a"}', "/enum", "list of values"),
    ('{"type":"int"}', "/type", 'unknown type "int"'),
    ('{"type":"interger"}', "/type", 'did you mean "integer"'),
    ('{"type":[]}', "/type", "at least one type"),
    ('{"type":["string","string"]}', "/type/1", "twice"),
    ('{"type":5}', "/type", "must be a list of names"),
    ('{"allOf":{}}', "/allOf", "at least one schema"),
    ('{"anyOf":[]}', "/anyOf", "at least one schema"),
    ('{"oneOf":[{},5]}', "/oneOf/1", "object or a boolean"),
    ('{"prefixItems":true}', "/prefixItems", "at least one schema"),
    ('{"properties":[]}', "/properties", "object of schemas"),
    ('{"$defs":{"x":{"minimun":1}}}', "/$defs/x/minimun", 'did you mean "minimum"'),
    ('{"requried":[]}', "/requried", 'did you mean "required"'),
    ('{"additionalproperties":false}', "/additionalproperties", 'did you mean "additionalProperties"'),
    ('{"dependencies":{}}', "/dependencies", 'did you mean "dependentRequired"'),
    ('{"x-unit":"C"}', "/x-unit", 'unknown keyword "x-unit"'),
    ('{"items":{"unit/s":"C"}}', "/items/unit~1s", "unknown keyword"),
    ('{"unevaluatedProperties":1}', "/unevaluatedProperties", "object or a boolean"),
    ('{"unevaluatedItems":[]}', "/unevaluatedItems", "object or a boolean"),
    ('{"dependentSchemas":[]}', "/dependentSchemas", "object of schemas"),
    ('{"$anchor":1}', "/$anchor", "must be a string"),
    ('{"$dynamicRef":"#a"}', "/$dynamicRef", "nothing at #a"),
    ('{"contentEncoding":64}', "/contentEncoding", "must be a string"),
    ('{"$schema":"http://json-schema.org/draft-04/schema#"}', "/$schema", "draft-04/schema is not supported"),
    ('{"$vocabulary":[]}', "/$vocabulary", "must be an object"),
    ('{"$recursiveRef":"#"}', "/$recursiveRef", "unknown keyword"),
    ('{"$defs":{"a":{"$anchor":"x"},"b":{"$anchor":"x"}}}', "/$defs/", "is there twice"),
    ('{"items":{"$id":"x#y"}}', "/items/$id", "must not have a fragment"),
    ('{"items":{"$schema":"https://json-schema.org/draft/2020-12/schema"}}', "/items/$schema", "for the top"),
    ('{"$schema":1}', "/$schema", "must be a string"),
    ('{"title":1}', "/title", "must be a string"),
    ('{"deprecated":"no"}', "/deprecated", "true or false"),
    ('{"examples":{}}', "/examples", "must be a list"),
    ('{"$ref":1}', "/$ref", "must be a string"),
    ('{"$ref":"other.json"}', "/$ref", "there is no document other.json"),
    ('{"$ref":""}', "", "never ends"),
    ('{"$ref":"#thing"}', "/$ref", "nothing at #thing"),
    ('{"$ref":"#/$defs/a"}', "/$ref", "nothing at #/$defs/a"),
    ('{"allOf":[{"$ref":"#/allOf/1"}]}', "/allOf/0/$ref", "nothing at"),
    ('{"allOf":[true,{"$ref":"#/allOf/00"}]}', "/allOf/1/$ref", "nothing at"),
    ('{"allOf":[true,{"$ref":"#/allOf/-1"}]}', "/allOf/1/$ref", "nothing at"),
    ('{"title":"t","$ref":"#/title"}', "/title", "object or a boolean"),
    ('{"$ref":"#/%"}', "/$ref", "percent"),
    ('{"$ref":"#/%zz"}', "/$ref", "percent"),
    ('{"$ref":"#/%+1"}', "/$ref", "percent"),
    # references that never end
    ('{"$ref":"#"}', "", "never ends"),
    ('{"allOf":[{"$ref":"#"}]}', "/allOf/0", "never ends"),
    ('{"not":{"$ref":"#"}}', "/not", "never ends"),
    ('{"if":{"$ref":"#"}}', "/if", "never ends"),
    (
        '{"$defs":{"a":{"anyOf":[true,{"$ref":"#/$defs/b"}]},"b":{"oneOf":[{"$ref":"#/$defs/a"}]}}}',
        "/$defs/b/oneOf/0",
        "never ends",
    ),
]


def errors(schema: Schema, text: str, encoding: str = "json") -> "list[tuple[str, str, str]]":
    found = []
    for violation in schema.validate(text.encode(), encoding).errors:
        found.append((violation.instance, violation.schema, violation.message))
    return found


class VerdictTest(unittest.TestCase):
    def test_cases(self) -> None:
        for source, yes, no in CASES:
            schema = Schema(source)
            for text in yes:
                self.assertEqual((source, text, errors(schema, text)), (source, text, []))
                self.assertTrue(schema.is_valid(text.encode()))
            for text in no:
                self.assertEqual((source, text, schema.is_valid(text.encode())), (source, text, False))
                self.assertGreater(len(errors(schema, text)), 0)

    def test_wrapped(self) -> None:
        # The same verdicts one level down, through a reference, and turned round by `not`.
        for source, yes, no in CASES:
            if "#" in source or "$id" in source:
                continue
            schema = Schema('{"items":{"$ref":"#/$defs/x"},"$defs":{"x":' + source + "}}")
            opposite = Schema('{"not":' + source + "}")
            for text in yes:
                self.assertTrue(schema.is_valid(f"[{text}]".encode()))
                self.assertFalse(opposite.is_valid(text.encode()))
            for text in no:
                self.assertFalse(schema.is_valid(f"[{text}]".encode()))
                self.assertTrue(opposite.is_valid(text.encode()))
                for instance, _, _ in errors(schema, f"[{text}]"):
                    self.assertEqual(instance[:2], "/0")


class BinaryValuesTest(unittest.TestCase):
    """What CBOR may bring: floats that stand for decimals, and things that are of no JSON type."""

    def verdict(self, schema: object, data: str) -> bool:
        compiled = Schema(schema)  # type: ignore[arg-type]
        found = compiled.is_valid(bytes.fromhex(data), "cbor")
        self.assertEqual(bool(compiled.validate(bytes.fromhex(data), "cbor")), found)
        return found

    def test_floats(self) -> None:
        integer = {"type": "integer"}
        self.assertTrue(self.verdict(integer, "f94000"))  # 2.0
        self.assertFalse(self.verdict(integer, "f94100"))  # 2.5
        self.assertTrue(self.verdict({"minimum": 2, "maximum": Dec(25, -1)}, "fa40200000"))
        self.assertFalse(self.verdict({"exclusiveMaximum": Dec(25, -1)}, "f94100"))
        self.assertTrue(self.verdict({"multipleOf": Dec(1, -2)}, "fb4082c03d70a3d70a"))  # 600.03
        self.assertFalse(self.verdict({"multipleOf": Dec(1, -2)}, "fb4082c03d70a3d70b"))  # the next double
        self.assertTrue(self.verdict({"const": 2}, "fb4000000000000000"))
        self.assertTrue(self.verdict({"enum": [[Dec(25, -1)]]}, "81f94100"))
        self.assertFalse(self.verdict({"uniqueItems": True}, "8202f94000"))
        self.assertFalse(self.verdict({"const": True}, "f93c00"))

    def test_foreign(self) -> None:
        every = {"type": ["null", "boolean", "number", "string", "array", "object"]}
        asserted = {"minLength": 5, "minProperties": 5, "minItems": 5, "minimum": 5, "pattern": "x", "required": ["a"]}
        # NaN, infinity, undefined, a simple value, bytes, an unknown tag
        for data in ("f97e00", "f97c00", "f7", "e5", "4178", "d8636161"):
            self.assertFalse(self.verdict(every, data))
            self.assertFalse(self.verdict({"const": "x"}, data))
            self.assertTrue(self.verdict(asserted, data))
            self.assertTrue(self.verdict(True, data))
            self.assertFalse(self.verdict(False, data))
        self.assertTrue(self.verdict({"uniqueItems": True}, "834178617841 79"))

    def test_bytes_as_text(self) -> None:
        base64 = {"type": "string", "contentEncoding": "base64", "maxLength": 4, "pattern": "^[A-Za-z0-9+/=]*$"}
        self.assertTrue(self.verdict(base64, "43010203"))
        self.assertFalse(self.verdict(base64, "4401020304"))
        self.assertTrue(self.verdict(base64, "6161"))
        for encoding, text in (("base16", "FF00"), ("base32", "74AA===="), ("base64", "/wA="), ("base64url", "_wA")):
            self.assertTrue(self.verdict({"contentEncoding": encoding, "enum": [text]}, "42ff00"))
            self.assertTrue(self.verdict({"contentEncoding": encoding, "enum": [text]}, "5f41ff4100ff"))
        self.assertFalse(self.verdict({"contentEncoding": "rot13", "type": "string"}, "42ff00"))
        self.assertFalse(self.verdict({"allOf": [{"contentEncoding": "base64"}], "type": "string"}, "42ff00"))

    def test_large_integers(self) -> None:
        # Beyond what the JSON parser makes an int of, equal numbers come in two forms.
        schema = Schema({"const": Dec(1, 200)})
        self.assertTrue(schema.is_valid(b"\xc2\x58\x54" + (10**200).to_bytes(84, "big"), "cbor"))
        self.assertFalse(schema.is_valid(b"\xc2\x58\x54" + (10**200 + 1).to_bytes(84, "big"), "cbor"))


class ErrorsTest(unittest.TestCase):
    def found(self, schema: str, instance: str) -> "list[tuple[str, str, str]]":
        return errors(Schema(schema), instance)

    def test_messages(self) -> None:
        for schema, instance, message in (
            ('{"type":"integer"}', "21.5", "expected integer, found 21.5"),
            ('{"type":["number","null"]}', '"x"', 'expected null or number, found "x"'),
            ('{"type":"string"}', "[1,2]", "expected string, found an array with 2 items"),
            ('{"minimum":5}', "-3", "-3 is less than 5"),
            ('{"maximum":1.5}', "1.6", "1.6 is more than 1.5"),
            ('{"exclusiveMinimum":5}', "5", "5 is not more than 5"),
            ('{"exclusiveMaximum":5}', "5", "5 is not less than 5"),
            ('{"multipleOf":0.1}', "0.25", "0.25 is not a multiple of 0.1"),
            ('{"minLength":3}', '"ab"', '"ab" is shorter than 3 characters'),
            ('{"maxLength":1}', '"ab"', '"ab" is longer than 1 characters'),
            ('{"pattern":"^a"}', '"b\\n"', '"b\\n" does not match "^a"'),
            ('{"format":"ipv4"}', '"x"', '"x" is not of the format ipv4'),
            ('{"minItems":2}', "[1]", "an array with 1 items, there must be at least 2"),
            ('{"maxItems":0}', "[1]", "an array with 1 items, there may be at most 0"),
            ('{"minProperties":1}', "{}", "an object with 0 members, there must be at least 1"),
            ('{"maxProperties":0}', '{"a":1}', "an object with 1 members, there may be at most 0"),
            ('{"uniqueItems":true}', "[1,1]", "an array with 2 items has equal items"),
            ('{"const":"a"}', "null", 'null is not "a"'),
            ('{"enum":["a",1]}', "true", 'true is none of "a", 1'),
            ('{"enum":[1,2,3,4,5,6]}', "0", "0 is none of 1, 2, 3, 4, 5, ..."),
            ('{"required":["t"]}', "{}", 'the property "t" is missing'),
            ('{"dependentRequired":{"a":["b","c"]}}', '{"a":1,"c":1}', 'with "a" there must be "b"'),
            ('{"propertyNames":{"maxLength":1}}', '{"ab":1}', '"ab" is not allowed as a name'),
            ('{"contains":{"type":"null"}}', "[1]", "0 items match, there must be 1"),
            ('{"contains":{"type":"null"},"maxContains":1}', "[null,null]", "2 items match, there may be 1"),
            ('{"not":{"type":"null"}}', "null", "null is what is excluded here"),
            ('{"anyOf":[{"minimum":5},{"type":"null"},{"multipleOf":2}]}', "3", "3 matches none of the 3 alternatives"),
            ('{"oneOf":[true,true,false]}', "3", "3 matches 2 alternatives, there must be one"),
            ("false", "3", "nothing is allowed here, found 3"),
        ):
            self.assertEqual([error[2] for error in self.found(schema, instance)], [message])

    def test_pointers(self) -> None:
        for schema, instance, expected in (
            ("false", "1", [("", "")]),
            ('{"type":"null"}', "1", [("", "/type")]),
            (
                '{"properties":{"a/b":{"items":{"maximum":1}}}}',
                '{"a/b":[1,2]}',
                [("/a~1b/1", "/properties/a~1b/items/maximum")],
            ),
            ('{"prefixItems":[true,{"const":1}]}', "[0,0]", [("/1", "/prefixItems/1/const")]),
            ('{"prefixItems":[true],"items":false}', "[0,0]", [("/1", "/items")]),
            ('{"additionalProperties":false}', '{"~x":1}', [("/~0x", "/additionalProperties")]),
            ('{"additionalProperties":{"type":"null"}}', '{"x":1}', [("/x", "/additionalProperties/type")]),
            ('{"patternProperties":{"^x/":{"type":"null"}}}', '{"x/":1}', [("/x~1", "/patternProperties/^x~1/type")]),
            ('{"$defs":{"t":{"minimum":3}},"items":{"$ref":"#/$defs/t"}}', "[4,1]", [("/1", "/$defs/t/minimum")]),
            ('{"allOf":[true,{"required":["a"]}]}', "{}", [("", "/allOf/1/required")]),
            ('{"if":true,"then":{"minimum":3}}', "1", [("", "/then/minimum")]),
            ('{"if":false,"else":{"minimum":3}}', "1", [("", "/else/minimum")]),
            ('{"anyOf":[{"type":"null"},{"type":"integer","minimum":5}]}', "3", [("", "/anyOf/1/minimum")]),
            ('{"oneOf":[{"type":"null"},{"type":"string"}]}', "3", [("", "/oneOf")]),
            ('{"contains":{"type":"null"}}', "[1]", [("", "/contains")]),
            ('{"propertyNames":{"maxLength":1}}', '{"ab":1}', [("", "/propertyNames")]),
            (
                '{"properties":{"a":{"type":"integer"},"b":{"maxLength":1}},"required":["c","d"]}',
                '{"b":"xy","a":"z"}',
                [("", "/required"), ("", "/required"), ("/a", "/properties/a/type"), ("/b", "/properties/b/maxLength")],
            ),
        ):
            found = self.found(schema, instance)
            # dicts of small boards are not in order
            self.assertEqual(sorted([(error[0], error[1]) for error in found]), sorted(expected))

    def test_limit(self) -> None:
        text = "[" + "1," * 99 + "1]"
        self.assertEqual(len(errors(Schema({"items": {"type": "null"}}), text)), limits.SCHEMA_ERRORS)
        few = Schema({"items": {"type": "null"}}, limits={"errors": 3})
        self.assertEqual(len(errors(few, text)), 3)
        self.assertEqual(errors(few, "[null,1]")[0][0], "/1")

    def test_answers_stay_small(self) -> None:
        long = "x" * 10000
        for schema, value in (
            ('{"maxLength":5}', f'"{long}"'),
            ('{"additionalProperties":false}', f'{{"{long}":1}}'),
            ('{"items":{"type":"null"}}', "[[" + "1," * 4999 + "1]]"),
            ('{"type":"null"}', "1" * 128),
            ('{"const":1e300}', "1" * 128),
            ('{"type":"null"}', f'{{"{long}":"{long}"}}'),
            ('{"propertyNames":false}', f'{{"{long}":1}}'),
            ('{"enum":[' + f'"{long}",' * 8 + "1]}", "2"),
        ):
            found = errors(Schema(schema), value)
            self.assertEqual(len(found), 1)
            for instance, pointer, message in found:
                self.assertLess(len(instance) + len(pointer) + len(message), 600)

    def test_show(self) -> None:
        self.assertEqual(show("\u00e9\n"), '"\u00e9\\n"')
        self.assertEqual(show(b"x"), "a value that JSON does not have")
        self.assertEqual(show(float("inf")), "a value that JSON does not have")
        self.assertEqual(show([]), "an array with 0 items")


class LoadTest(unittest.TestCase):
    def test_refused(self) -> None:
        for source, pointer, reason in REFUSED:
            with self.assertRaises(SchemaError) as caught:
                Schema(source, unknown="refuse")
            error = caught.exception
            if pointer[-1:] == "/":  # one of several
                self.assertEqual(error.pointer[: len(pointer)], pointer)
                continue
            self.assertEqual((source, error.pointer), (source, pointer))
            self.assertIn(reason, error.reason)
            self.assertEqual(str(error), f"{error.reason} at {pointer or 'the top'}")

    def test_python_values_that_are_no_json(self) -> None:
        infinite = float("inf")
        for document in (
            {"minimum": infinite},
            {"const": [infinite]},
            {"enum": [[{"a": b"x"}]]},
            {1: 2},
            {"type": b"null"},
        ):
            with self.assertRaises(SchemaError):
                Schema(document)

    def test_floats_of_another_parser(self) -> None:
        schema = Schema({"multipleOf": 0.25, "maximum": 2.0, "enum": [0.5, {"a": [1.5]}]})
        self.assertTrue(schema.is_valid(b"0.50"))
        self.assertTrue(schema.is_valid(b'{"a":[15e-1]}'))
        self.assertFalse(schema.is_valid(b"1"))

    def test_limits(self) -> None:
        chain: object = True
        for _ in range(limits.SCHEMA_CHAIN - 1):
            chain = {"allOf": [chain]}
        self.assertTrue(Schema(chain).is_valid(b"1"))
        with self.assertRaises(SchemaError):
            Schema({"allOf": [chain]})
        with self.assertRaises(SchemaError) as caught:
            Schema({"anyOf": [{}] * limits.SCHEMA_NODES})
        self.assertIn("subschemas", caught.exception.reason)

    def test_nearest(self) -> None:
        known = ["minimum", "maximum", "items", "if"]
        for word, meant in (("minimun", "minimum"), ("Items", "items"), ("item", "items"), ("banana", ""), ("of", "")):
            self.assertEqual(nearest(word, known), meant)


class HostileTest(unittest.TestCase):
    def test_deep_values(self) -> None:
        schema = Schema({"properties": {"a": {"$ref": "#"}}, "items": {"$ref": "#"}, "additionalProperties": False})
        deep = limits.JSON_DEPTH // 2
        text = '[{"a":' * deep + "1" + "}]" * deep
        self.assertTrue(
            schema.is_valid(text.encode()) in (True, False)
        )  # small stacks may end first: then it is refused
        result = schema.validate(("[" + text + "]").encode())
        self.assertTrue(result.malformed)
        self.assertEqual(result.errors[0].message, f"nested too deeply at byte {1 + 6 * deep - 5}")

    def test_branches_do_not_multiply(self) -> None:
        # Two alternatives on each of thirty levels: four thousand million ways.
        schema = Schema(
            {
                "oneOf": [
                    {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a", "x"]},
                    {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a", "y"]},
                    {"const": 1},
                ]
            },
            limits={"steps": 2000},
        )
        text = '{"x":0,"y":0,"a":' * 30 + "2" + "}" * 30
        self.assertFalse(schema.is_valid(text.encode()))
        found = errors(schema, text)
        self.assertEqual(found[-1][2], "too many steps")
        self.assertTrue(schema.is_valid(b"1"))


if __name__ == "__main__":
    unittest.main()
