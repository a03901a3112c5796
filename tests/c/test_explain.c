/* core/explain*: the words of violations, the pointers to them, and the walk that finds them. The twin's words are compared over whole suites
 * elsewhere; here is what the suites do not reach: limits, odd characters, malformed documents, CBOR. */
#include "check.h"

#include "core/compile.h"
#include "core/explain_text.h"
#include "core/validate.h"

static char buffer[HG_POINTER + 8];

static bool is(const struct hg_words *words, const char *text) {
    return words->length == strlen(text) && strcmp(words->text, text) == 0;
}

static void test_words_are_cut_between_characters(void) {
    char text[16];
    struct hg_words words;
    for (uint32_t room = 0; room < 12; room++) {
        memset(text, 'X', sizeof text);
        hg_words_begin(&words, text, room);
        hg_words_say(&words, "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
        static const uint32_t whole[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
        CHECK(words.length == whole[room] && text[words.length] == 0);
        CHECK(text[room + 1] == 'X');
        const uint32_t length = words.length;
        hg_words_say(&words, "b"); /* nothing comes after what was left out */
        CHECK(words.length == (room == 11 ? 11 : length));
    }
}

static void test_counts_and_numbers(void) {
    char text[128];
    struct hg_words words;
    hg_words_begin(&words, text, sizeof text - 1);
    hg_words_count(&words, 0);
    hg_words_say(&words, " ");
    hg_words_count(&words, UINT32_MAX);
    CHECK(is(&words, "0 4294967295"));
    uint8_t digits[101];
    memset(digits, '7', sizeof digits);
    hg_words_begin(&words, text, sizeof text - 1);
    hg_words_number(&words, &(struct hg_number){.digits = digits, .count = 64});
    CHECK(words.length == 64);
    hg_words_begin(&words, text, sizeof text - 1);
    hg_words_number(&words, &(struct hg_number){.digits = digits, .count = 65});
    CHECK(words.length == 67 && strcmp(text + 63, "7...") == 0);
    hg_words_begin(&words, text, sizeof text - 1);
    hg_words_number(&words, &(struct hg_number){.mantissa = 25, .exponent = -1, .negative = true});
    CHECK(is(&words, "-2.5"));
}

static void test_quoted(void) {
    char text[600], expected[600];
    struct hg_words words;
    hg_words_begin(&words, text, sizeof text - 1);
    hg_words_quoted(&words, "a\"\\/\b\f\n\r\t\0\x1f\x7f~\xc3\xa9", 15);
    CHECK(is(&words, "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\x7f~\xc3\xa9\""));
    /* 64 characters are shown, of 65 the first 64, however many bytes they have */
    for (int width = 1; width <= 4; width++) {
        static const char *const CHARACTERS[] = {"x", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
        char long_text[65 * 4 + 1] = "";
        for (int i = 0; i < 65; i++) {
            strcat(long_text, CHARACTERS[width - 1]);
        }
        hg_words_begin(&words, text, sizeof text - 1);
        hg_words_quoted(&words, long_text, (uint32_t)(64 * width));
        snprintf(expected, sizeof expected, "\"%.*s\"", 64 * width, long_text);
        CHECK(is(&words, expected));
        hg_words_begin(&words, text, sizeof text - 1);
        hg_words_quoted(&words, long_text, (uint32_t)(65 * width));
        snprintf(expected, sizeof expected, "\"%.*s...\"", 64 * width, long_text);
        CHECK(is(&words, expected));
    }
}

static void test_pieces_share_the_count(void) {
    char text[300];
    struct hg_words words;
    uint32_t left = 5;
    hg_words_begin(&words, text, sizeof text - 1);
    CHECK(hg_words_piece(&words, (const uint8_t *)"~/\xc3\xa9", 4, &left, true) && left == 2);
    CHECK(hg_words_piece(&words, (const uint8_t *)"a/", 2, &left, true) && left == 0);
    CHECK(is(&words, "~0~1\xc3\xa9" "a~1"));
    CHECK(hg_words_piece(&words, (const uint8_t *)"", 0, &left, true));
    CHECK(!hg_words_piece(&words, (const uint8_t *)"b", 1, &left, true));
    CHECK(is(&words, "~0~1\xc3\xa9" "a~1..."));
}

static void test_pointers_are_cut_at_a_token(void) {
    char token[101] = "/";
    memset(token + 1, 'n', 99);
    uint32_t lengths[40], length = 0;
    memset(buffer, 'X', sizeof buffer);
    buffer[0] = 0;
    for (int i = 0; i < 40; i++) {
        lengths[i] = length;
        length = hg_pointer_push(buffer, length, token, 100);
        CHECK(hg_pointer_bytes(length) == strlen(buffer) && hg_pointer_bytes(length) <= HG_POINTER + 4);
        CHECK((length & HG_POINTER_CUT) == (i < 20 ? 0 : HG_POINTER_CUT));
    }
    CHECK(hg_pointer_bytes(length) == 2004 && strcmp(buffer + 1998, "nn/...") == 0);
    for (int i = 40; i-- > 0;) {
        hg_pointer_shorten(buffer, lengths[i]);
        CHECK(strlen(buffer) == hg_pointer_bytes(lengths[i]));
    }
    /* exactly full, then one byte more, at every place of the slash */
    for (uint32_t first = HG_POINTER - 30; first <= HG_POINTER; first++) {
        static const char tokens[] = "/properties/abc";
        char start[HG_POINTER + 8];
        memset(buffer, 'X', sizeof buffer);
        memset(start, 's', sizeof start);
        start[0] = '/';
        length = hg_pointer_push(buffer, 0, start, first);
        CHECK(length == first);
        length = hg_pointer_push(buffer, length, tokens, 15);
        if (first + 15 <= HG_POINTER) {
            CHECK(length == first + 15 && strcmp(buffer + first, tokens) == 0);
        } else if (first + 11 <= HG_POINTER) {
            CHECK(hg_pointer_bytes(length) == first + 15 && strcmp(buffer + first, "/properties/...") == 0);
        } else {
            CHECK(hg_pointer_bytes(length) == first + 4 && strcmp(buffer + first, "/...") == 0);
        }
        CHECK(buffer[HG_POINTER + 5] == 'X' && buffer[HG_POINTER + 7] == 'X');
        CHECK(hg_pointer_keyword(buffer, first, HG_K_NONE) == first);
    }
}

/* A chain of locations: root, "/a", "/bb/ccc", "/" + 3000 times 'l'. */
static void test_locations(void) {
    struct {
        struct hg_program program;
        struct hg_location locations[5];
        char texts[16 + 3008];
    } block;
    memset(&block, 0, sizeof block);
    memcpy(block.texts, "/a/bb/ccc/", 10);
    memset(block.texts + 10, 'l', 3000);
    const hg_ref texts = (hg_ref)((const char *)block.texts - (const char *)&block);
    const hg_ref first = (hg_ref)((const char *)block.locations - (const char *)&block), one = sizeof block.locations[0];
    block.locations[0] = (struct hg_location){.resource = 7};
    block.locations[1] = (struct hg_location){.parent = first, .text = texts, .length = 2};
    block.locations[2] = (struct hg_location){.parent = first + one, .text = texts + 2, .length = 7};
    block.locations[3] = (struct hg_location){.parent = first + 2 * one, .text = texts + 9, .length = 3001};
    block.locations[4] = (struct hg_location){.parent = first + 3 * one, .text = texts, .length = 2};
    const struct hg_program *program = &block.program;
    buffer[0] = 0;
    CHECK(hg_pointer_down(program, 0, first, buffer, 0) == 0 && buffer[0] == 0);
    CHECK(hg_pointer_down(program, 0, first + 2 * one, buffer, 0) == 9 && strcmp(buffer, "/a/bb/ccc") == 0);
    CHECK(hg_pointer_down(program, first, first + 2 * one, buffer, 2) == 11 && strcmp(buffer, "/a/a/bb/ccc") == 0);
    CHECK(hg_pointer_down(program, first + 2 * one, first + one, buffer, 3) == UINT32_MAX);
    CHECK(strcmp(buffer, "/a/a/bb/ccc") == 0);
    /* a subschema that was met before the one it is in: its location starts at the top */
    block.locations[4] = (struct hg_location){.parent = first, .text = texts, .length = 5};
    CHECK(hg_pointer_down(program, first + one, first + 4 * one, buffer, 0) == 3 && strcmp(buffer, "/bb") == 0);
    CHECK(hg_pointer_down(program, first + 4 * one, first + 2 * one, buffer, 0) == 4 && strcmp(buffer, "/ccc") == 0);
    block.locations[4] = (struct hg_location){.text = texts, .length = 5};
    CHECK(hg_pointer_down(program, first + one, first + 4 * one, buffer, 0) == UINT32_MAX); /* another document */
    block.locations[4] = (struct hg_location){.parent = first + 3 * one, .text = texts, .length = 2};
    for (uint32_t i = 3; i < 5; i++) {
        memset(buffer, 'X', sizeof buffer);
        buffer[0] = 0;
        const uint32_t length = hg_pointer_down(program, 0, first + i * one, buffer, 0);
        CHECK(length == (13 | HG_POINTER_CUT) && strcmp(buffer, "/a/bb/ccc/...") == 0);
        CHECK(hg_pointer_down(program, first, first + one, buffer, length) == length);
        CHECK(buffer[HG_POINTER + 5] == 'X');
    }
    CHECK(hg_location_document(program, first + 4 * one) == 7);
}

static void test_lines(void) {
    static const uint8_t text[] = "\n{\r\n\n}";
    static const uint32_t lines[] = {1, 2, 2, 2, 3, 4, 4};
    for (uint32_t i = 0; i < sizeof text; i++) {
        CHECK(hg_line(text, i) == lines[i]);
    }
}

/* What was reported: a line "instance schema message @offset" for each. */
static char reported[65536];
static uint32_t wanted, reports;

static bool utf8_holds(const char *text, uint32_t length) {
    const uint8_t *p = (const uint8_t *)text;
    for (uint32_t i = 0; i < length;) {
        const uint32_t more = p[i] < 0x80 ? 0 : p[i] >= 0xF0 ? 3 : p[i] >= 0xE0 ? 2 : 1;
        CHECK((p[i] & 0xC0) != 0x80 && i + more < length);
        for (uint32_t k = 1; k <= more; k++) {
            CHECK((p[i + k] & 0xC0) == 0x80);
        }
        i += more + 1;
    }
    return text[length] == 0;
}

static bool report(void *context, const struct hg_violation *violation) {
    const size_t used = strlen(reported);
    CHECK(context == &wanted);
    CHECK(utf8_holds(violation->instance, violation->instance_length));
    CHECK(utf8_holds(violation->schema, violation->schema_length));
    CHECK(utf8_holds(violation->keyword_location, violation->keyword_location_length));
    CHECK(utf8_holds(violation->message, violation->message_length));
    snprintf(reported + used, sizeof reported - used, "%s %s %s @%u\n", violation->instance, violation->schema,
             violation->message, (unsigned)violation->offset);
    return ++reports < wanted;
}

static struct hg_program *compiled(struct heap *heap, const char *schema) {
    const struct hg_alloc alloc = heap_of(heap);
    struct hg_program *program = NULL;
    struct hg_compile_options options = {.draft = HG_DRAFT_2020, .formats = UINT32_MAX, .unknown_keywords = true};
    CHECK(hg_compile(&alloc, (const uint8_t *)schema, (uint32_t)strlen(schema), &options, &program) == HG_OK);
    return program;
}

static struct hg_fault fault;

static enum hg_verdict explain(const char *schema, const void *data, uint32_t length, bool cbor, uint32_t most) {
    struct heap heap = {0, -1};
    struct hg_program *program = compiled(&heap, schema);
    /* a block of its own, so that a sanitizer sees every byte read beyond it */
    uint8_t *copy = malloc((size_t)length + 1);
    CHECK(copy != NULL);
    memcpy(copy, data, length);
    copy[length] = 0;
    reported[0] = 0;
    reports = 0;
    wanted = most;
    memset(&fault, 0, sizeof fault);
    const enum hg_verdict verdict = (cbor ? hg_explain_cbor : hg_explain_json)(program, copy, length, report, &wanted, &fault);
    struct hg_fault other;
    const enum hg_verdict fast = (cbor ? hg_validate_cbor : hg_validate_json)(program, copy, length, &other);
    CHECK((fast == HG_VALID) == (verdict == HG_VALID));
    free(copy);
    heap_release(&heap, program);
    CHECK(heap.live == 0);
    return verdict;
}

static void json_says(const char *schema, const char *document, const char *expected) {
    CHECK(explain(schema, document, (uint32_t)strlen(document), false, 100) ==
          (expected[0] == 0 ? HG_VALID : HG_INVALID));
    if (strcmp(reported, expected) != 0) {
        fprintf(stderr, "%s\n%s\n-- expected\n%s-- found\n%s", schema, document, expected, reported);
        CHECK(false);
    }
}

static void cbor_says(const char *schema, const void *document, uint32_t length, const char *expected) {
    CHECK(explain(schema, document, length, true, 100) == (expected[0] == 0 ? HG_VALID : HG_INVALID));
    if (strcmp(reported, expected) != 0) {
        fprintf(stderr, "%s\n-- expected\n%s-- found\n%s", schema, expected, reported);
        CHECK(false);
    }
}

static void test_every_keyword(void) {
    json_says("false", " 1", "  nothing is allowed here, found 1 @1\n");
    json_says("{\"type\":\"integer\"}", "1.5", " /type expected integer, found 1.5 @0\n");
    json_says("{\"type\":[\"object\",\"number\",\"null\",\"boolean\"]}", "\"x\"",
              " /type expected null or boolean or number or object, found \"x\" @0\n");
    json_says("{\"type\":\"string\"}", "{\"a\":[1,2],\"b\":{}}", " /type expected string, found an object with 2 members @0\n");
    json_says("{\"type\":\"string\"}", "[[],{},3]", " /type expected string, found an array with 3 items @0\n");
    json_says("{\"type\":\"string\"}", "true", " /type expected string, found true @0\n");
    json_says("{\"minimum\":1.0,\"multipleOf\":2}", "-3",
              " /minimum -3 is less than 1 @0\n /multipleOf -3 is not a multiple of 2 @0\n");
    json_says("{\"maximum\":1e300}", "1e301", " /maximum 1e301 is more than 1e300 @0\n");
    json_says("{\"exclusiveMinimum\":1}", "1", " /exclusiveMinimum 1 is not more than 1 @0\n");
    json_says("{\"exclusiveMaximum\":-0.5}", "-0.5", " /exclusiveMaximum -0.5 is not less than -0.5 @0\n");
    json_says("{\"minLength\":3}", "\"\\u00e9\\n\"", " /minLength \"\xc3\xa9\\n\" is shorter than 3 characters @0\n");
    json_says("{\"maxLength\":1}", "\"ab\"", " /maxLength \"ab\" is longer than 1 characters @0\n");
    json_says("{\"pattern\":\"^\\\"a\"}", "\"b\"", " /pattern \"b\" does not match \"^\\\"a\" @0\n");
    json_says("{\"format\":\"date\"}", "\"b\"", " /format \"b\" is not of the format date @0\n");
    json_says("{\"const\":{\"a\":1}}", "null", " /const null is not an object with 1 members @0\n");
    json_says("{\"enum\":[1,\"b\",null,true,[],6]}", "2", " /enum 2 is none of 1, \"b\", null, true, an array with 0 items, ... @0\n");
    json_says("{\"enum\":[{\"a\":1}]}", "{\"a\":2}", " /enum an object with 1 members is none of an object with 1 members @0\n");
    json_says("{\"minItems\":2}", "[1]", " /minItems an array with 1 items, there must be at least 2 @0\n");
    json_says("{\"maxItems\":0}", "[1]", " /maxItems an array with 1 items, there may be at most 0 @0\n");
    json_says("{\"minProperties\":1}", "{}", " /minProperties an object with 0 members, there must be at least 1 @0\n");
    json_says("{\"maxProperties\":0}", "{\"a\":1}", " /maxProperties an object with 1 members, there may be at most 0 @0\n");
    json_says("{\"uniqueItems\":true}", "[1,1.0]", " /uniqueItems an array with 2 items has equal items @0\n");
    json_says("{\"contains\":{\"type\":\"string\"}}", "[1]", " /contains 0 items match, there must be 1 @0\n");
    json_says("{\"contains\":{\"type\":\"string\"},\"minContains\":2}", "[\"\"]",
              " /contains 1 items match, there must be 2 @0\n");
    json_says("{\"contains\":true,\"maxContains\":1}", "[1,2]", " /maxContains 2 items match, there may be 1 @0\n");
    json_says("{\"required\":[\"b\",\"a\\\"\"]}", "{\"b\":1}", " /required the property \"a\\\"\" is missing @0\n");
    json_says("{\"dependentRequired\":{\"a\":[\"b\",\"c\"]}}", "{\"a\":1}",
              " /dependentRequired with \"a\" there must be \"b\" @0\n /dependentRequired with \"a\" there must be \"c\" @0\n");
    json_says("{\"dependentSchemas\":{\"a\":{\"minProperties\":2}}}", "{\"a\":1}",
              " /dependentSchemas/a/minProperties an object with 1 members, there must be at least 2 @0\n");
    json_says("{\"propertyNames\":{\"maxLength\":1}}", "{\"a\":1,\"bc\":2}", " /propertyNames \"bc\" is not allowed as a name @0\n");
    json_says("{\"properties\":{\"a\":false},\"additionalProperties\":false}", "{\"a\":1,\"b/\":2}",
              "/a /properties/a nothing is allowed here, found 1 @5\n"
              "/b~1 /additionalProperties the property \"b/\" is not allowed @12\n");
    json_says("{\"additionalProperties\":{\"type\":\"null\"}}", "{\"a\":1}",
              "/a /additionalProperties/type expected null, found 1 @5\n");
    json_says("{\"required\":[\"a\"],\"additionalProperties\":false}", "{\"a\":1}",
              "/a /additionalProperties the property \"a\" is not allowed @5\n");
    json_says("{\"patternProperties\":{\"^a/\":{\"type\":\"null\"}}}", "{\"a/\":1}",
              "/a~1 /patternProperties/^a~1/type expected null, found 1 @6\n");
    json_says("{\"prefixItems\":[{\"type\":\"null\"}],\"items\":false}", "[1,2]",
              "/0 /prefixItems/0/type expected null, found 1 @1\n/1 /items nothing is allowed here, found 2 @3\n");
    json_says("{\"properties\":{\"a\":true},\"unevaluatedProperties\":false}", "{\"a\":1,\"b\":[]}",
              "/b /unevaluatedProperties the property \"b\" is not allowed @11\n");
    json_says("{\"unevaluatedProperties\":{\"type\":\"null\"}}", "{\"b\":1}",
              "/b /unevaluatedProperties/type expected null, found 1 @5\n");
    json_says("{\"prefixItems\":[true],\"unevaluatedItems\":false}", "[1,{}]",
              "/1 /unevaluatedItems nothing is allowed here, found an object with 0 members @3\n");
    json_says("{\"not\":{}}", "\"x\"", " /not \"x\" is what is excluded here @0\n");
    json_says("{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"boolean\"},{\"enum\":[]}]}", "1", " /anyOf/2/enum 1 is none of  @0\n");
    json_says("{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"boolean\"}]}", "1", " /anyOf 1 matches none of the 2 alternatives @0\n");
    json_says("{\"oneOf\":[{\"type\":\"null\"},{\"type\":\"boolean\"}]}", "1", " /oneOf 1 matches none of the 2 alternatives @0\n");
    json_says("{\"oneOf\":[{\"type\":\"number\"},{\"type\":\"integer\"},true]}", "1",
              " /oneOf 1 matches 3 alternatives, there must be one @0\n");
    json_says("{\"oneOf\":[{\"type\":\"null\"},{\"minimum\":2}]}", "1", " /oneOf/1/minimum 1 is less than 2 @0\n");
    json_says("{\"allOf\":[{\"minimum\":2},{\"minimum\":3}]}", "1",
              " /allOf/0/minimum 1 is less than 2 @0\n /allOf/1/minimum 1 is less than 3 @0\n");
    json_says("{\"if\":{\"type\":\"integer\"},\"then\":{\"minimum\":2},\"else\":false}", "1", " /then/minimum 1 is less than 2 @0\n");
    json_says("{\"if\":{\"type\":\"integer\"},\"then\":{\"minimum\":2},\"else\":false}", "null",
              " /else nothing is allowed here, found null @0\n");
    json_says("{\"$ref\":\"#/$defs/a~1b\",\"$defs\":{\"a/b\":{\"type\":\"null\"}}}", "1",
              " /$defs/a~1b/type expected null, found 1 @0\n");
}

static char location[256];

static bool keep_location(void *context, const struct hg_violation *violation) {
    (void)context;
    snprintf(location, sizeof location, "%s", violation->keyword_location);
    CHECK(violation->schema_uri_length == 0);
    return true;
}

static void test_keyword_location_goes_through_references(void) {
    static const char schema[] = "{\"$defs\":{\"n\":{\"properties\":{\"a\":{\"$ref\":\"#/$defs/n\"}},\"required\":[\"b\"],"
                                 "\"allOf\":[{\"properties\":{\"b\":{\"type\":\"null\"}}}]}},\"$ref\":\"#/$defs/n\"}";
    static const struct {
        const char *document, *location;
    } cases[] = {
        {"{}", "/$ref/required"},
        {"{\"b\":1}", "/$ref/allOf/0/properties/b/type"},
        {"{\"b\":null,\"a\":{\"b\":null,\"a\":{}}}", "/$ref/properties/a/$ref/properties/a/$ref/required"},
    };
    struct heap heap = {0, -1};
    struct hg_program *program = compiled(&heap, schema);
    for (uint32_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const uint8_t *data = (const uint8_t *)cases[i].document;
        CHECK(hg_explain_json(program, data, (uint32_t)strlen(cases[i].document), keep_location, NULL, &fault) == HG_INVALID);
        CHECK(strcmp(location, cases[i].location) == 0);
    }
    heap_release(&heap, program);
}

static void test_strings_as_the_document_has_them(void) {
    /* escapes are decoded before they are counted and shown; a pair of surrogates is one character */
    char document[1000] = "\"", expected[1000] = " /type expected null, found \"";
    for (int i = 0; i < 65; i++) {
        strcat(document, i % 2 ? "\\u0007" : "\\ud83d\\ude00");
        strcat(expected, i == 64 ? "...\"" : i % 2 ? "\\u0007" : "\xf0\x9f\x98\x80");
    }
    strcat(document, "\"");
    strcat(expected, " @0\n");
    json_says("{\"type\":\"null\"}", document, expected);
    /* names: cut in the pointer and in the words */
    char name[400] = "", head[300];
    for (int i = 0; i < 65; i++) {
        strcat(name, i < 64 ? "\\u002f" : "z");
    }
    snprintf(document, sizeof document, "{\"%s\":1}", name);
    head[0] = 0;
    for (int i = 0; i < 64; i++) {
        strcat(head, "~1");
    }
    snprintf(expected, sizeof expected, "/%s... /additionalProperties the property \"%.64s...\" is not allowed @%u\n", head,
             "////////////////////////////////////////////////////////////////", (unsigned)strlen(name) + 4);
    json_says("{\"additionalProperties\":false}", document, expected);
}

static bool nul_in_name(void *context, const struct hg_violation *violation) {
    (void)context;
    CHECK(violation->instance_length == 4 && memcmp(violation->instance, "/a\0b", 5) == 0);
    CHECK(strcmp(violation->message, "the property \"a\\u0000b\" is not allowed") == 0);
    return true;
}

static void test_nul_in_a_name(void) {
    struct heap heap = {0, -1};
    struct hg_program *program = compiled(&heap, "{\"additionalProperties\":false}");
    static const char document[] = "{\"a\\u0000b\":1}";
    CHECK(hg_explain_json(program, (const uint8_t *)document, sizeof document - 1, nul_in_name, NULL, &fault) == HG_INVALID);
    CHECK(fault.reason == HG_NO_FAULT && fault.offset == 12);
    heap_release(&heap, program);
}

static void test_longest_message(void) {
    /* six strings of 64 and more control characters: nothing of the sentence is lost */
    char schema[4000] = "{\"enum\":[", value[400] = "\"";
    for (int i = 0; i < 65; i++) {
        strcat(value, "\\u0001");
    }
    for (int i = 0; i < 6; i++) {
        size_t used = strlen(schema);
        snprintf(schema + used, sizeof schema - used, "%s%s%d\"", i == 0 ? "" : ",", value, i);
    }
    strcat(schema, "]}");
    strcat(value, "x\"");
    CHECK(explain(schema, value, (uint32_t)strlen(value), false, 9) == HG_INVALID);
    static const char end[] = "\\u0001...\", ... @0\n";
    const size_t length = strlen(reported);
    CHECK(length > 2300 && strcmp(reported + length - (sizeof end - 1), end) == 0);
}

static void test_long_pointer(void) {
    /* 31 levels of names of 64 characters, each two bytes long in a pointer: 15 of them fit */
    static char document[31 * 68 + 1 + 31 + 1], expected[HG_POINTER + 100];
    char name[65];
    memset(name, '~', 64);
    name[64] = 0;
    for (int i = 0; i < 31; i++) {
        const size_t used = strlen(document), length = strlen(expected);
        snprintf(document + used, sizeof document - used, "{\"%s\":", name);
        if (i < 15) {
            strcat(expected, "/");
            for (size_t k = 0; k < 64; k++) {
                strcat(expected + length, "~0");
            }
        }
    }
    strcat(document, "1");
    memset(document + strlen(document), '}', 31);
    strcat(expected, "/... /type expected object, found 1 @2108\n");
    json_says("{\"type\":\"object\",\"additionalProperties\":{\"$ref\":\"#\"}}", document, expected);
}

static void test_bounds_and_faults(void) {
    static const char schema[] = "{\"items\":{\"type\":\"null\"}}";
    CHECK(explain(schema, "[1,2,3]", 7, false, 2) == HG_INVALID && reports == 2); /* the report said stop */
    CHECK(explain(schema, "[null,2,3]", 10, false, 1) == HG_INVALID && reports == 1 && fault.offset == 6);
    CHECK(explain(schema, "[1,2,3", 6, false, 1) == HG_MALFORMED && fault.reason == HG_UNEXPECTED_END && fault.offset == 6);
    CHECK(explain(schema, "[1,\"\x80\"]", 6, false, 1) == HG_MALFORMED && fault.reason == HG_INVALID_UTF8 && fault.offset == 4);
    CHECK(explain(schema, "[[1,2,{\"a\":]]", 13, false, 9) == HG_MALFORMED && fault.reason == HG_EXPECTED_VALUE);
    CHECK(explain(schema, "[1,2] 3", 7, false, 9) == HG_MALFORMED && fault.reason == HG_DATA_AFTER);
    CHECK(explain(schema, "[{\"a\":1,\"a\":2}]", 15, false, 9) == HG_MALFORMED && fault.reason == HG_DUPLICATE_NAME);
    char many[201] = "[";
    for (int i = 0; i < 99; i++) {
        strcat(many, i == 0 ? "1" : ",1");
    }
    strcat(many, "]");
    CHECK(explain(schema, many, (uint32_t)strlen(many), false, 1000) == HG_INVALID && reports == HG_SCHEMA_ERRORS);
}

/* Every prefix of a document, and every byte of it replaced: no crash, and the two passes agree (`explain` checks that). */
static void test_mutilated_documents(void) {
    static const char schema[] = "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\",\"minimum\":3},\"b\":{\"items\":{\"enum\":[\"x\",[1]]},"
                                 "\"uniqueItems\":true}},\"additionalProperties\":{\"anyOf\":[{\"type\":\"null\"},{\"maxLength\":1}]},\"required\":[\"a\",\"c\"]}";
    static const char document[] = "{\"a\": 2, \"b\": [\"x\", [1], \"\\u00e9\", \"x\"], \"\\ud83d\\ude00\": \"\xe2\x82\xac\xe2\x82\xac\", \"d\": {\"e\": 1.5e3}}";
    const uint32_t length = sizeof document - 1;
    static const uint8_t replacements[] = {0, '"', '\\', '[', '}', ',', '0', 'e', 0x80, 0xff, ' '};
    CHECK(explain(schema, document, length, false, 100) == HG_INVALID && reports == 5);
    for (uint32_t i = 0; i < length; i++) {
        CHECK(explain(schema, document, i, false, 100) == HG_MALFORMED);
        char copy[sizeof document];
        for (uint32_t k = 0; k < sizeof replacements; k++) {
            memcpy(copy, document, sizeof document);
            copy[i] = (char)replacements[k];
            (void)explain(schema, copy, length, false, 100);
        }
    }
}

static void test_cbor(void) {
    static const char schema[] = "{\"type\":\"null\"}";
    cbor_says(schema, "\x01", 1, " /type expected null, found 1 @0\n");
    cbor_says(schema, "\x3b\xff\xff\xff\xff\xff\xff\xff\xff", 9, " /type expected null, found -18446744073709551616 @0\n");
    cbor_says(schema, "\xf9\x3e\x00", 3, " /type expected null, found 1.5 @0\n");
    cbor_says(schema, "\xf9\x7e\x00", 3, " /type expected null, found a value that JSON does not have @0\n");
    cbor_says(schema, "\x42\x01\x02", 3, " /type expected null, found a value that JSON does not have @0\n");
    cbor_says(schema, "\x7f\x61\x61\x62\x22\x62\xff", 7, " /type expected null, found \"a\\\"b\" @0\n");
    cbor_says(schema, "\x9f\x01\x80\xff", 4, " /type expected null, found an array with 2 items @0\n");
    cbor_says(schema, "\xa1\x61\x61\xa0", 4, " /type expected null, found an object with 1 members @0\n");
    cbor_says(schema, "\xc4\x82\x20\x0f", 4, " /type expected null, found 1.5 @0\n");
    cbor_says("{\"items\":{\"type\":\"string\",\"contentEncoding\":\"base16\",\"maxLength\":2}}", "\x81\x42\xab\xcd", 4,
              "/0 /items/maxLength \"ABCD\" is longer than 2 characters @1\n");
    cbor_says("{\"additionalProperties\":false}", "\xa1\x61\x7e\x01", 4, "/~0 /additionalProperties the property \"~\" is not allowed @3\n");
    CHECK(explain(schema, "\x82\x01", 2, true, 9) == HG_MALFORMED);
    /* the offset is that of the value behind its tags */
    cbor_says(schema, "\xd9\xd9\xf7\xc1\x01", 5, " /type expected null, found 1 @4\n");
    cbor_says("{\"additionalProperties\":false}", "\xa1\x61\x61\xc1\x01", 5,
              "/a /additionalProperties the property \"a\" is not allowed @4\n");
    /* to show the array is to read the map in the unknown tag, which must not count as read: its name given twice is found after that */
    CHECK(explain(schema, "\x81\xd9\x03\xe8\xa2\x61\x61\x01\x61\x61\x02", 11, true, 9) == HG_MALFORMED);
    CHECK(fault.reason == HG_DUPLICATE_NAME && reports == 1);
}

/* A schema that doubles the work with each level: the walk ends at the limit of steps, or once nobody wants more reports. */
static void test_work_is_bounded(void) {
    static const char schema[] = "{\"$ref\":\"#/$defs/n\",\"$defs\":{\"n\":{\"properties\":{\"a\":{\"if\":{\"$ref\":\"#/$defs/n\"},"
                                 "\"then\":{\"$ref\":\"#/$defs/n\"},\"else\":false},\"b\":{\"type\":\"null\"}}}}}";
    for (int valid = 0; valid <= 1; valid++) {
        char document[31 * 5 + 12 + 31 + 1] = "";
        for (int i = 0; i < 31; i++) {
            strcat(document, "{\"a\":");
        }
        strcat(document, valid ? "{\"b\":null}" : "{\"b\":1}");
        memset(document + strlen(document), '}', 31);
        const enum hg_verdict verdict = explain(schema, document, (uint32_t)strlen(document), false, 1);
        if (valid) {
            CHECK(verdict == HG_MALFORMED && fault.reason == HG_OUT_OF_STEPS);
        } else {
            CHECK(verdict == HG_INVALID && reports == 1);
        }
    }
}

int main(void) {
    test_words_are_cut_between_characters();
    test_counts_and_numbers();
    test_quoted();
    test_pieces_share_the_count();
    test_pointers_are_cut_at_a_token();
    test_locations();
    test_lines();
    test_every_keyword();
    test_keyword_location_goes_through_references();
    test_strings_as_the_document_has_them();
    test_nul_in_a_name();
    test_longest_message();
    test_long_pointer();
    test_bounds_and_faults();
    test_mutilated_documents();
    test_cbor();
    test_work_is_bounded();
    return 0;
}
