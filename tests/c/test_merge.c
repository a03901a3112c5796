/* What applies to the same value is merged into one node where that can be: the verdicts stay those of the parts. */
#include "check_verdicts.h"

static const struct hg_node *stand_in(const struct run *run, const struct hg_node *node) {
    CHECK((node->flags & HG_NODE_MERGED) != 0);
    return hg_at(run->program, hg_stand_in(run->program, node));
}

struct row {
    const char *schema;
    bool whole;           /* nothing is left for the same value */
    const char *valid[6]; /* documents */
    const char *invalid[6];
};

#define PARTS "\"$defs\":{\"a\":{\"properties\":{\"x\":{\"type\":\"string\"}},\"required\":[\"x\"]}}"

static const struct row ROWS[] = {
    {"{\"allOf\":[{\"type\":\"object\"},{\"properties\":{\"x\":{\"minimum\":1}}},{\"properties\":{\"x\":{\"maximum\":3}},"
     "\"required\":[\"y\"]}]}",
     true, {"{\"y\":0}", "{\"x\":2,\"y\":1}", "{\"y\":0,\"x\":1}"}, {"1", "{}", "{\"x\":0,\"y\":1}", "{\"y\":0,\"x\":4}"}},
    {"{\"$ref\":\"#/$defs/a\",\"type\":[\"object\",\"array\"],\"required\":[\"y\"],\"minItems\":1," PARTS "}", true,
     {"{\"x\":\"\",\"y\":0}", "[1]"}, {"{\"x\":\"\"}", "{\"y\":0}", "{\"x\":0,\"y\":0}", "[]", "null"}},
    /* names that one part closes, and one that another has */
    {"{\"allOf\":[{\"properties\":{\"x\":true},\"additionalProperties\":{\"type\":\"null\"}},{\"properties\":{\"y\":{},\"x\":{}}}]}",
     true, {"{\"x\":1,\"y\":null,\"z\":null}", "3"}, {"{\"y\":1}", "{\"x\":1,\"z\":2}"}},
    {"{\"allOf\":[{\"properties\":{\"x\":{}},\"additionalProperties\":false},{\"properties\":{\"y\":{}},\"additionalProperties\":false}]}",
     true, {"{}"}, {"{\"x\":1}", "{\"y\":1}", "{\"z\":1}"}},
    /* two that say different things of all other names have no room in one */
    {"{\"allOf\":[{\"additionalProperties\":{\"minimum\":1}},{\"additionalProperties\":{\"maximum\":2}}]}", false,
     {"{\"a\":1,\"b\":2}"}, {"{\"a\":0}", "{\"a\":3}"}},
    {"{\"allOf\":[{\"patternProperties\":{\"^a\":{\"minimum\":1}}},{\"additionalProperties\":{\"maximum\":2}}]}", false,
     {"{\"a\":1,\"b\":2}"}, {"{\"a\":0}", "{\"a\":3}", "{\"b\":3}"}},
    {"{\"patternProperties\":{\"^a\":{\"minimum\":1}},\"allOf\":[{\"patternProperties\":{\"b$\":{\"maximum\":2}},\"properties\":"
     "{\"abb\":{\"multipleOf\":2}}}]}",
     true, {"{\"a\":1,\"b\":2,\"c\":9,\"abb\":2}", "{\"a\":3}"},
     {"{\"a\":0}", "{\"b\":3}", "{\"abb\":1}", "{\"ab\":3}", "{\"ab\":0}", "{\"abb\":4}"}},
    {"{\"patternProperties\":{\"^a\":{\"minimum\":1}},\"additionalProperties\":false,\"allOf\":[{\"properties\":{\"ab\":{\"maximum\":2},"
     "\"c\":{}}}]}",
     true, {"{\"ab\":1,\"a\":9}", "{}"}, {"{\"ab\":0}", "{\"ab\":3}", "{\"c\":1}"}},
    {"{\"propertyNames\":{\"maxLength\":2},\"minProperties\":1,\"allOf\":[{\"maxProperties\":2,\"minProperties\":0},{\"properties\":"
     "{\"xyz\":{}}}]}",
     true, {"{\"a\":1}", "{\"a\":1,\"b\":2}"}, {"{}", "{\"a\":1,\"b\":2,\"c\":3}", "{\"xyz\":1}"}},
    {"{\"properties\":{\"q\":{}},\"allOf\":[{\"dependentRequired\":{\"a\":[\"b\",\"q\"]}},{\"dependentSchemas\":{\"c\":{\"required\":"
     "[\"d\"]}}}]}",
     true, {"{}", "{\"b\":1}", "{\"a\":1,\"q\":2,\"b\":1}", "{\"c\":1,\"d\":1}"}, {"{\"a\":1,\"b\":1}", "{\"q\":1,\"a\":1}", "{\"c\":1}"}},
    /* rules of one kind twice */
    {"{\"minimum\":1,\"allOf\":[{\"maximum\":3}]}", false, {"1", "3", "null"}, {"0", "4"}},
    {"{\"minimum\":1,\"allOf\":[{\"minimum\":1,\"minLength\":1}]}", true, {"1", "\"a\""}, {"0", "\"\""}},
    /* what is within the part of a part stays */
    {"{\"allOf\":[{\"type\":\"string\",\"not\":{\"const\":\"a\"}},{\"minLength\":1}]}", false, {"\"b\""}, {"\"a\"", "\"\"", "1"}},
    /* alternatives of different types */
    {"{\"anyOf\":[{\"type\":\"string\",\"minLength\":2},{\"type\":\"array\",\"items\":{\"type\":\"null\"}},{\"type\":\"boolean\"}]}",
     true, {"\"ab\"", "[null]", "[]", "true"}, {"\"a\"", "[1]", "1", "{}", "null"}},
    {"{\"oneOf\":[{\"enum\":[\"a\",\"b\"]},{\"type\":\"object\",\"required\":[\"x\"]},{\"type\":[\"number\",\"null\"],\"minimum\":1}]}",
     true, {"\"a\"", "{\"x\":0}", "1", "null", "1.5"}, {"\"c\"", "{}", "0", "0.5", "true", "[]"}},
    {"{\"oneOf\":[{\"type\":\"boolean\"},{\"const\":\"a\"},{\"type\":\"array\"}]}", true, {"true", "false", "\"a\"", "[1]"},
     {"\"b\"", "null", "1", "{}"}},
    {"{\"oneOf\":[{\"enum\":[null,\"x\",[1]]},{\"type\":\"integer\"},{\"type\":\"object\"}]}", true, {"null", "\"x\"", "[1]", "7", "{}"},
     {"\"y\"", "[2]", "7.5", "true"}},
    {"{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"number\",\"minimum\":3}]}", false, {"1", "3.5", "-2"}, {"2.5", "\"\""}},
    {"{\"anyOf\":[{\"enum\":[1.5]},{\"type\":\"integer\"}]}", false, {"1.5", "2"}, {"2.5", "null"}},
    {"{\"anyOf\":[{\"enum\":[1]},{\"type\":\"integer\"},{\"type\":\"string\"},{\"type\":\"string\",\"minLength\":2}]}", true,
     {"1", "2", "\"\""}, {"2.5", "null"}},
    {"{\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"number\"}]}", false, {"1.5"}, {"1", "null"}},
    {"{\"oneOf\":[{\"type\":\"string\"},{\"minLength\":2}]}", false, {"\"a\"", "1"}, {"\"ab\""}},
    {"{\"type\":[\"string\",\"null\"],\"anyOf\":[{\"minLength\":2},{\"type\":\"integer\"}]}", true, {"\"ab\"", "null"}, {"\"a\"", "1"}},
    {"{\"minLength\":1,\"anyOf\":[true,{\"type\":\"null\"}]}", true, {"\"a\"", "1"}, {"\"\""}},
    {"{\"enum\":[1,2,\"x\"],\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"string\",\"minLength\":2}]}", true, {"1"}, {"\"x\"", "3"}},
    {"{\"enum\":[1,\"x\"],\"oneOf\":[{\"type\":\"integer\"},{\"const\":\"x\"}]}", false, {"1", "\"x\""}, {"2", "\"y\""}},
};

static void test_verdicts(void) {
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct run run;
        const struct row *row = &ROWS[i];
        const struct hg_node *node = compiled(&run, row->schema);
        const bool whole = (node->flags & HG_NODE_MERGED) != 0 && stand_in(&run, node)->same == 0;
        if (whole != row->whole) {
            fprintf(stderr, "%s\n", row->schema);
            CHECK(false);
        }
        check_documents(&run, row->schema, row->valid, 6, true);
        check_documents(&run, row->schema, row->invalid, 6, false);
        end(&run);
    }
}

/* What must be asked part by part. */
static void test_what_is_not_merged(void) {
    static const char *const SCHEMAS[] = {
        "{\"unevaluatedProperties\":false,\"allOf\":[{\"properties\":{\"a\":{}}}]}",
        "{\"type\":\"object\",\"properties\":{\"b\":{\"contentEncoding\":\"base64\"}},\"allOf\":[{\"properties\":{\"a\":{}}}]}",
        ("{\"type\":\"object\",\"allOf\":[{\"properties\":{\"a\":{}}}],\"properties\":{\"d\":{\"$dynamicRef\":\"#n\"}},\"$defs\":{\"n\":{\"$dynamicAnchor\":\"n\"},"
         "\"o\":{\"$id\":\"x:o\",\"$dynamicAnchor\":\"n\",\"minItems\":1}},\"items\":{\"$ref\":\"x:o\"}}"),
        "{\"type\":\"string\",\"not\":{\"const\":\"\"}}",
    };
    for (size_t i = 0; i < sizeof SCHEMAS / sizeof *SCHEMAS; i++) {
        struct run run;
        CHECK((compiled(&run, SCHEMAS[i])->flags & HG_NODE_MERGED) == 0);
        end(&run);
    }
    struct run run;
    const struct hg_node *node = compiled(&run, "{\"minLength\":1,\"allOf\":[{\"unevaluatedProperties\":false},{\"type\":\"object\"}]}");
    CHECK(stand_in(&run, node)->types == HG_OBJECT && stand_in(&run, node)->same != 0);
    end(&run);
}

/* Through other merged nodes, and the roads lead there. */
static void test_chains(void) {
    static const char SCHEMA[] =
        "{\"items\":{\"$ref\":\"#/$defs/c\"},\"$defs\":{\"a\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"null\"}}},"
        "\"b\":{\"required\":[\"b\"],\"allOf\":[{\"$ref\":\"#/$defs/a\"}]},\"c\":{\"maxProperties\":2,\"$ref\":\"#/$defs/b\"}}}";
    struct run run;
    const struct hg_node *node = compiled(&run, SCHEMA);
    const struct hg_array_rules *rules = hg_at(run.program, node->array);
    CHECK(rules->road.to == HG_ROAD_OBJECT);
    const struct hg_node *item = hg_at(run.program, rules->road.rules);
    const struct hg_object_rules *members = hg_at(run.program, item->object);
    CHECK(item->same == 0 && item->types == HG_OBJECT && members->names.count == 2 && members->max == 2);
    check_document(&run, SCHEMA, "[{\"a\":null,\"b\":1}]", true);
    check_document(&run, SCHEMA, "[{\"a\":1,\"b\":1}]", false);
    check_document(&run, SCHEMA, "[{\"a\":null}]", false);
    check_document(&run, SCHEMA, "[{\"b\":null,\"c\":1,\"d\":1}]", false);
    end(&run);
}

/* Adds so many names to a schema, `name` and a number, which take anything. -> its length */
static size_t put_names(char *schema, size_t size, size_t length, const char *name, int count) {
    for (int i = 0; i < count; i++) {
        length += (size_t)snprintf(schema + length, size - length, "%s\"%s%d\":{}", i ? "," : "", name, i);
    }
    return length;
}

/* A schema whose merged nodes would be many times as large as itself is compiled all the same, with fewer of them. */
static void test_much_to_merge(void) {
    enum { PARTS_ = 300, NAMES_ = 60 };
    static char schema[65536];
    struct run run;
    size_t length = (size_t)snprintf(schema, sizeof schema, "{\"$defs\":{\"all\":{\"properties\":{");
    length = put_names(schema, sizeof schema, length, "name", NAMES_);
    length += (size_t)snprintf(schema + length, sizeof schema - length, "}}},\"properties\":{");
    for (int i = 0; i < PARTS_; i++) {
        length += (size_t)snprintf(schema + length, sizeof schema - length,
                                   "%s\"p%d\":{\"required\":[\"own%d\"],\"allOf\":[{\"$ref\":\"#/$defs/all\"}]}", i ? "," : "", i, i);
    }
    (void)snprintf(schema + length, sizeof schema - length, "}}");
    const struct hg_node *node = compiled(&run, schema);
    unsigned merged = 0;
    for (uint32_t i = 0; i < PARTS_; i++) {
        const struct hg_node *part = hg_at(run.program, property_of(&run, node, i)->node);
        merged += (part->flags & HG_NODE_MERGED) != 0;
    }
    CHECK(merged > 0 && merged < PARTS_);
    check_document(&run, "much", "{\"p0\":{\"own0\":1},\"p299\":{\"own299\":1}}", true);
    check_document(&run, "much", "{\"p0\":{\"own0\":1},\"p299\":{\"own298\":1}}", false);
    check_document(&run, "much", "{\"p0\":{\"own1\":1}}", false);
    end(&run);
}

/* Where there is no room for the node's own rules beside those of a part, they stay what they are. */
static void test_no_room(void) {
    enum { NAMES_ = 150 };
    static char schema[8192];
    struct run run;
    size_t length = (size_t)snprintf(schema, sizeof schema, "{\"required\":[\"0\"],\"additionalProperties\":false,\"properties\":{");
    length = put_names(schema, sizeof schema, length, "", NAMES_);
    (void)snprintf(schema + length, sizeof schema - length, "},\"allOf\":[{\"properties\":{\"0\":{\"type\":\"string\"}}}]}");
    (void)compiled(&run, schema);
    check_document(&run, "no room", "{\"0\":\"a\",\"149\":1}", true);
    check_document(&run, "no room", "{}", false);
    check_document(&run, "no room", "{\"0\":\"a\",\"zzz\":1}", false);
    check_document(&run, "no room", "{\"0\":1}", false);
    end(&run);
}

/* Every name has a node by every pattern: joining them would take names times patterns squared. */
static void test_too_much_work(void) {
    enum { NAMES_ = 300, PATTERNS_ = 100, PARTS_ = 3 };
    static char schema[65536];
    struct run run;
    size_t length = (size_t)snprintf(schema, sizeof schema, "{\"properties\":{");
    length = put_names(schema, sizeof schema, length, "n", NAMES_);
    length += (size_t)snprintf(schema + length, sizeof schema - length, "},\"allOf\":[");
    for (int part = 0; part < PARTS_; part++) {
        length += (size_t)snprintf(schema + length, sizeof schema - length, "%s{\"patternProperties\":{", part ? "," : "");
        for (int i = 0; i < PATTERNS_; i++) {
            length += (size_t)snprintf(schema + length, sizeof schema - length, "%s\"^n{1,%d}\":{\"maximum\":%d}", i ? "," : "",
                                       1 + part * PATTERNS_ + i, 1000 + part * PATTERNS_ + i);
        }
        length += (size_t)snprintf(schema + length, sizeof schema - length, "}}");
    }
    (void)snprintf(schema + length, sizeof schema - length, "]}");
    CHECK((compiled(&run, schema)->flags & HG_NODE_MERGED) == 0);
    check_document(&run, "too much", "{\"n1\":1000}", true);
    check_document(&run, "too much", "{\"n1\":1001}", false);
    end(&run);
}

int main(void) {
    test_no_room();
    test_too_much_work();
    test_verdicts();
    test_what_is_not_merged();
    test_chains();
    test_much_to_merge();
    return 0;
}
