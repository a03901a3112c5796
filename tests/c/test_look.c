/* What a first look tells of alternatives (compile_look.c): fewer are tried, and the verdicts stay those of trying all. */
#include "check_verdicts.h"

/* The schema's first rule for the value itself. */
static const struct hg_same *rule_of(struct run *run, const char *schema) {
    const struct hg_node *node = compiled(run, schema);
    CHECK(node->same != 0);
    return hg_at(run->program, node->same);
}

struct row {
    const char *schema;
    uint32_t likely, names; /* what the rule comes to, and the names that are looked for (bits) */
    const char *valid[8], *invalid[8];
};

#define A "{\"required\":[\"a\"]}"
#define B "{\"required\":[\"b\"]}"
#define C "{\"required\":[\"c\"]}"
#define KIND(k) "{\"properties\":{\"kind\":{\"const\":\"" k "\"}},\"required\":[\"kind\"]}"

static const struct row ROWS[] = {
    /* Alternatives of alternatives: with oneOf, two that hold are one that does not. */
    {"{\"oneOf\":[{\"oneOf\":[" A "," B "]}," C "]}", 3, 0xE,
     {"{\"a\":1}", "{\"b\":1}", "{\"c\":1}", "{\"a\":1,\"b\":1,\"c\":1}"},
     {"{\"a\":1,\"b\":1}", "{\"a\":1,\"c\":1}", "{\"c\":1,\"b\":1}", "{}", "{\"d\":{\"a\":1}}"}},
    {"{\"anyOf\":[{\"oneOf\":[" A "," B "]}," C "]}", 3, 0,
     {"{\"a\":1}", "{\"c\":1}", "{\"a\":1,\"c\":1}", "{\"a\":1,\"b\":1,\"c\":1}"}, {"{\"a\":1,\"b\":1}", "{}", "{\"d\":[\"a\"]}"}},
    {"{\"oneOf\":[{\"anyOf\":[" A "," B "]}," C "]}", 3, 0xE, {"{\"a\":1,\"b\":1}", "{\"c\":1}", "{\"b\":[]}"},
     {"{\"a\":1,\"c\":1}", "{\"a\":1,\"b\":1,\"c\":1}", "{}"}},
    {"{\"oneOf\":[{\"$ref\":\"#/$defs/x\"},{\"type\":\"string\"}],\"$defs\":{\"x\":{\"oneOf\":[{\"type\":\"null\"},"
     "{\"anyOf\":[{\"type\":\"boolean\"},{\"type\":\"array\",\"items\":{\"type\":\"null\"}}]}]}}}",
     4, 0, {"null", "true", "[null]", "\"\""}, {"1", "[1]", "{}"}},
    /* one member has a value by which they differ, those without it demand others */
    {"{\"oneOf\":[{\"oneOf\":[" KIND("x") "," KIND("y") "]}," KIND("z") "," A "]}", 4, 3,
     {"{\"kind\":\"x\"}", "{\"kind\":\"z\"}", "{\"a\":1}", "{\"a\":1,\"kind\":\"w\"}", "{\"kind\" : \"y\"}", "{\"k\\u0069nd\":\"x\"}",
      "{\"kind\":\"\\u0078\"}"},
     {"{\"kind\":\"w\"}", "{\"kind\":\"x\",\"a\":1}", "{\"a\":1,\"kind\":\"z\"}", "{}", "{\"kind\":1}", "{\"b\":1}"}},
    /* what it must not be tells them apart as well */
    {"{\"oneOf\":[{\"properties\":{\"op\":{\"enum\":[\"and\",\"or\"]}},\"required\":[\"op\"]},{\"properties\":{\"op\":{\"type\":\"string\","
     "\"not\":{\"enum\":[\"and\",\"or\"]}}},\"required\":[\"op\",\"f\"]}]}",
     2, 1, {"{\"op\":\"and\"}", "{\"f\":1,\"op\":\"sum\"}", "{\"op\":\"or\",\"f\":1}"},
     {"{\"op\":\"sum\"}", "{\"f\":1,\"op\":1}", "{\"f\":1}", "{\"op\":null}"}},
    /* ... but not where `not` is about less than the choice */
    {"{\"anyOf\":[{\"properties\":{\"op\":{\"const\":\"a\"}},\"required\":[\"op\",\"x\"]},{\"properties\":{\"op\":{\"not\":{\"enum\":"
     "[\"a\",\"bc\"],\"minLength\":2}}}}]}",
     2, 1, {"{\"op\":\"a\"}", "{\"op\":\"b\"}", "{}", "{\"op\":1}"}, {"{\"op\":\"bc\"}", "{\"x\":1,\"op\":\"bc\"}"}},
    /* numbers and literals */
    {"{\"oneOf\":[{\"properties\":{\"v\":{\"const\":1}},\"required\":[\"a\"]},{\"properties\":{\"v\":{\"const\":2}}},"
     "{\"properties\":{\"v\":{\"enum\":[null,true,\"s\"]}}}]}",
     3, 1, {"{\"v\":2.0}", "{\"v\":10e-1,\"a\":1}", "{\"v\":null}", "{\"v\":true}", "{\"v\":\"s\"}"},
     {"{}", "{\"v\":1}", "{\"v\":3}", "{\"v\":false}", "{\"v\":\"t\"}", "{\"v\":[1]}"}},
    /* the member that tells them apart is demanded where its value is not */
    {"{\"oneOf\":[{\"properties\":{\"k\":{\"const\":\"a\"}}},{\"required\":[\"k\"]}]}", 2, 1, {"{\"k\":\"z\"}", "{}"}, {"{\"k\":\"a\"}"}},
    {"{\"oneOf\":[{\"properties\":{\"k\":{\"const\":\"a\"}}},{\"properties\":{\"k\":{\"const\":\"b\"}},\"required\":[\"k\"]},"
     "{\"properties\":{\"k\":{\"pattern\":\"^x-\"}},\"required\":[\"k\"]}]}",
     3, 1, {"{\"k\":\"x-1\"}", "{\"k\":\"a\"}", "{\"k\":\"b\"}", "{}"}, {"{\"k\":\"x\"}"}},
    /* all demand the same: nothing to look for */
    {"{\"oneOf\":[{\"required\":[\"a\"]},{\"required\":[\"a\"],\"maxProperties\":2}]}", 2, 0, {"{\"a\":1,\"b\":1,\"c\":1}"}, {"{}", "{\"a\":1}"}},
    /* the demand of a reference */
    {"{\"oneOf\":[{\"allOf\":[{\"$ref\":\"#/$defs/a\"}]}," B ",{\"type\":\"null\"}],\"$defs\":{\"a\":" A "}}", 3, 6,
     {"{\"a\":1}", "{\"b\":1}"}, {"{}", "[]", "{\"c\":1}", "null", "{\"a\":1,\"b\":1}"}},
};

static void test_verdicts(void) {
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct run run;
        const struct row *row = &ROWS[i];
        const struct hg_same *rule = rule_of(&run, row->schema);
        const struct hg_tell *tell = hg_at(run.program, rule->c);
        if (rule->flags != row->likely || (rule->c == 0 ? 0 : tell->want) != row->names) {
            fprintf(stderr, "%s\n%u %x\n", row->schema, (unsigned)rule->flags, rule->c == 0 ? 0u : (unsigned)tell->want);
            CHECK(false);
        }
        check_documents(&run, row->schema, row->valid, 8, true);
        check_documents(&run, row->schema, row->invalid, 8, false);
        end(&run);
    }
}

/* Alternatives within alternatives are gone into as far as there is room for them; more than that are tried as they are. */
static void test_many(void) {
    static char schema[65536];
    static const unsigned WIDTHS[] = {2, 9, 65};
    for (size_t w = 0; w < sizeof WIDTHS / sizeof *WIDTHS; w++) {
        const unsigned width = WIDTHS[w];
        char text[64];
        struct run run;
        size_t length = (size_t)snprintf(schema, sizeof schema, "{\"oneOf\":[");
        for (unsigned i = 0; i < width * width && length < sizeof schema - 200; i++) {
            length += (size_t)snprintf(schema + length, sizeof schema - length, "%s%s{\"properties\":{\"k\":{\"const\":%u}},\"required\":[\"k\"]}%s",
                                       i == 0 ? "" : ",", i % width == 0 ? "{\"oneOf\":[" : "", i, i % width == width - 1 ? "]}" : "");
            if (i == width * 8 - 1) {
                break;
            }
        }
        (void)snprintf(schema + length, sizeof schema - length, "]}");
        const struct hg_same *rule = rule_of(&run, schema);
        CHECK(rule->flags <= rule->b + 64 && (width > 2 || rule->flags == 4));
        for (unsigned i = 0; i < width * (width < 8 ? width : 8); i++) {
            (void)snprintf(text, sizeof text, "{\"x\":{\"k\":1},\"k\":%u}", i);
            check_document(&run, "many", text, true);
        }
        check_document(&run, "many", "{\"k\":5000}", false);
        end(&run);
    }
}

/* Where a dynamic scope is kept, nothing is gone into that is of another resource: entering it may matter. */
static void test_scopes(void) {
    static const char SCHEMA[] =
        "{\"$id\":\"x:a\",\"oneOf\":[{\"$ref\":\"x:b\"},{\"type\":\"null\"}],\"$defs\":{\"n\":{\"$dynamicAnchor\":\"n\",\"type\":\"string\"},"
        "\"b\":{\"$id\":\"x:b\",\"oneOf\":[{\"type\":\"object\",\"properties\":{\"p\":{\"$ref\":\"x:c\"}}},{\"type\":\"boolean\"}],\"$defs\":{"
        "\"n\":{\"$dynamicAnchor\":\"m\",\"type\":\"array\"}}},\"c\":{\"$id\":\"x:c\",\"items\":{\"$dynamicRef\":\"#m\"},\"$defs\":{\"m\":{"
        "\"$dynamicAnchor\":\"m\",\"type\":\"number\"}}}}}";
    struct run run;
    const struct hg_same *rule = rule_of(&run, SCHEMA);
    CHECK((run.program->flags & HG_PROGRAM_DYNAMIC) != 0 && rule->flags == 2);
    check_document(&run, SCHEMA, "{\"p\":[[]]}", true);
    check_document(&run, SCHEMA, "{\"p\":[1]}", false);
    check_document(&run, SCHEMA, "true", true);
    check_document(&run, SCHEMA, "null", true);
    check_document(&run, SCHEMA, "\"\"", false);
    end(&run);
}

/* A $dynamicRef that can lead to one place only is a reference like others. */
static void test_one_place(void) {
    static const char *const SCHEMAS[] = {
        "{\"$dynamicAnchor\":\"n\",\"oneOf\":[{\"type\":\"null\"},{\"type\":\"array\",\"items\":{\"$dynamicRef\":\"#n\"}}]}",
        "{\"items\":{\"$dynamicRef\":\"#n\"},\"$defs\":{\"n\":{\"$dynamicAnchor\":\"n\",\"type\":\"null\"}}}",
        /* it accepts everything */
        "{\"items\":{\"$dynamicRef\":\"#n\"},\"$defs\":{\"n\":{\"$dynamicAnchor\":\"n\"}}}",
        "{\"items\":{\"$dynamicRef\":\"#n\",\"minimum\":1},\"$defs\":{\"n\":{\"$dynamicAnchor\":\"n\"}}}",
        "{\"$dynamicRef\":\"#n\",\"$defs\":{\"n\":{\"$dynamicAnchor\":\"n\",\"$defs\":{\"o\":{}}}}}",
    };
    for (size_t i = 0; i < sizeof SCHEMAS / sizeof *SCHEMAS; i++) {
        struct run run;
        (void)compiled(&run, SCHEMAS[i]);
        CHECK((run.program->flags & HG_PROGRAM_DYNAMIC) == 0);
        check_document(&run, SCHEMAS[i], "[null]", true);
        check_document(&run, SCHEMAS[i], "[0]", i == 2 || i == 4);
        check_document(&run, SCHEMAS[i], "[]", true);
        end(&run);
    }
}

int main(void) {
    test_verdicts();
    test_many();
    test_scopes();
    test_one_place();
    return 0;
}
