/* core/compile.c and its parts: dialects, what is refused and where, lints, bounds, and no memory at any moment. */
#include "check_compile.h"

static void test_dialects(void) {
    static const struct document DOCUMENTS[] = {
        {"http://x/meta", "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"$vocabulary\":"
                          "{\"https://json-schema.org/draft/2020-12/vocab/core\":true,"
                          "\"https://json-schema.org/draft/2020-12/vocab/applicator\":true,\"http://x/mine\":false}}"},
        {"http://x/own", "{\"$schema\":\"http://x/own\"}"},
        {"http://x/needs",
         "{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"$vocabulary\":{\"http://x/mine\":true}}"},
        {"http://x/old", "{\"$schema\":\"http://json-schema.org/draft-07/"
                         "schema#\",\"dependentRequired\":{\"a\":[\"b\"]},\"not\":false}"},
        {NULL, NULL},
    };
    static const struct {
        const char *schema;
        const char *findings;
        bool object;
    } ROWS[] = {
        {"{\"$schema\":\"http://x/meta\",\"minProperties\":3,\"properties\":{\"a\":false},\"not\":false}", "", true},
        {"{\"$schema\":\"http://x/meta#\",\"minProperties\":3,\"not\":false}", "", false},
        {"{\"$schema\":\"http://x/own\",\"minProperties\":3}", "", true},
        {"{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"prefixItems\":[],\"minProperties\":1}",
         "L /prefixItems: unknown keyword \"prefixItems\", did you mean \"items\"?\n", true},
        {"{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"$ref\":\"http://x/old\"}",
         "L http://x/old /dependentRequired: unknown keyword \"dependentRequired\", did you mean \"dependencies\"?\n",
         false},
        {"{\"$schema\":\"http://x/needs\"}", "E /$schema: the vocabulary http://x/mine is not supported\n", false},
        {"{\"$schema\":\"http://x/none\"}", "E /$schema: the dialect http://x/none is not supported\n", false},
        {"{\"$schema\":\"http://json-schema.org/draft-04/schema#\"}",
         "E /$schema: the dialect http://json-schema.org/draft-04/schema# is not supported\n", false},
        {"{\"$schema\":7}", "E /$schema: must be a string\n", false},
        {"{\"not\":{\"$schema\":\"http://x/own\"}}", "E /not/$schema: $schema is for the top of a schema resource\n",
         false},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct run run;
        begin(&run, HG_DRAFT_2020);
        run.documents = DOCUMENTS;
        const enum hg_status status = compile_bytes(&run, ROWS[i].schema, strlen(ROWS[i].schema));
        CHECK(strcmp(run.findings, ROWS[i].findings) == 0);
        CHECK((status == HG_OK) == (run.findings[0] != 'E'));
        if (status == HG_OK) {
            CHECK((root_of(&run)->object != 0) == ROWS[i].object);
        }
        end(&run);
    }
}

static void test_errors(void) {
    static const struct {
        enum hg_draft draft;
        const char *schema, *finding;
    } ROWS[] = {
        {HG_DRAFT_2020, "", "E : unexpected end"},
        {HG_DRAFT_2020, "{\"a\":1,\"a\":2}", "E : name given twice"},
        {HG_DRAFT_2020, "[]", "E : a schema must be an object or a boolean\n"},
        {HG_DRAFT_2020, "{\"properties\":{\"a/b\":3}}",
         "E /properties/a~1b: a schema must be an object or a boolean\n"},
        {HG_DRAFT_2020, "{\"$defs\":{\"a\":[]}}", "E /$defs/a: a schema must be an object or a boolean\n"},
        {HG_DRAFT_2020, "{\"$defs\":{\"a\":{\"minimum\":\"1\"}}}", "E /$defs/a/minimum: must be a number\n"},
        {HG_DRAFT_2020, "{\"type\":\"strin\"}", "E /type: unknown type \"strin\", did you mean \"string\"?\n"},
        {HG_DRAFT_2020, "{\"type\":[]}", "E /type: must name at least one type\n"},
        {HG_DRAFT_2020, "{\"type\":[\"null\",\"null\"]}", "E /type/1: the same name twice\n"},
        {HG_DRAFT_2020, "{\"multipleOf\":-0.0}", "E /multipleOf: must be above zero\n"},
        {HG_DRAFT_2020, "{\"multipleOf\":1234567890123456789}", "E /multipleOf: more than 18 significant digits\n"},
        {HG_DRAFT_2020, "{\"minLength\":-1}", "E /minLength: must be an integer that is not negative\n"},
        {HG_DRAFT_2020, "{\"maxItems\":1.5}", "E /maxItems: must be an integer that is not negative\n"},
        {HG_DRAFT_2020, "{\"uniqueItems\":1}", "E /uniqueItems: must be true or false\n"},
        {HG_DRAFT_2020, "{\"pattern\":\"(\"}", "E /pattern: pattern: "},
        {HG_DRAFT_2020, "{\"patternProperties\":{\"(\":{}}}", "E /patternProperties/(: pattern: "},
        {HG_DRAFT_2020, "{\"required\":\"a\"}", "E /required: must be a list of names\n"},
        {HG_DRAFT_2020, "{\"required\":[\"a\",1]}", "E /required/1: must be a string\n"},
        {HG_DRAFT_2020, "{\"required\":[\"a\",\"b\",\"\\u0061\"]}", "E /required/2: the same name twice\n"},
        {HG_DRAFT_2020, "{\"properties\":[]}", "E /properties: must be an object of schemas\n"},
        {HG_DRAFT_2020, "{\"dependentRequired\":\"xy\"}",
         "E /dependentRequired: must be an object of lists of names\n"},
        {HG_DRAFT_2020, "{\"dependentRequired\":{\"a\":[1]}}", "E /dependentRequired/a/0: must be a string\n"},
        {HG_DRAFT_7, "{\"dependencies\":5}", "E /dependencies: must be an object of schemas and of lists of names\n"},
        {HG_DRAFT_7, "{\"dependencies\":{\"a\":\"b\"}}",
         "E /dependencies/a: a schema must be an object or a boolean\n"},
        {HG_DRAFT_2020, "{\"allOf\":[]}", "E /allOf: must be a list of at least one schema\n"},
        {HG_DRAFT_2020, "{\"anyOf\":[1]}", "E /anyOf/0: a schema must be an object or a boolean\n"},
        {HG_DRAFT_2020, "{\"items\":[true]}", "E /items: a schema must be an object or a boolean\n"},
        {HG_DRAFT_2020, "{\"enum\":{}}", "E /enum: must be a list of values\n"},
        {HG_DRAFT_2020, "{\"title\":1}", "E /title: must be a string\n"},
        {HG_DRAFT_2020, "{\"$ref\":1}", "E /$ref: must be a string\n"},
        {HG_DRAFT_2020, "{\"$ref\":\"#/$defs/x\"}", "E /$ref: there is nothing at #/$defs/x\n"},
        {HG_DRAFT_2020, "{\"$ref\":\"#/a/01\",\"a\":[0,1]}", "E /$ref: there is nothing at #/a/01\n"},
        {HG_DRAFT_2020, "{\"$ref\":\"#x\"}", "E /$ref: there is nothing at #x\n"},
        {HG_DRAFT_2020, "{\"$ref\":\"#/%2\"}", "E /$ref: malformed percent-encoding\n"},
        {HG_DRAFT_2020, "{\"$ref\":\"#/%ff\"}", "E /$ref: percent-encoding that is not UTF-8\n"},
        {HG_DRAFT_2020, "{\"$ref\":\"http://x/y#z\"}", "E /$ref: there is no document http://x/y\n"},
        {HG_DRAFT_2020, "{\"$defs\":{\"unused\":{\"$ref\":\"gone\"}}}",
         "E /$defs/unused/$ref: there is no document gone\n"},
        {HG_DRAFT_2020, "{\"$ref\":\"#/unknown\",\"unknown\":[3]}",
         "E /unknown: a schema must be an object or a boolean\n"},
        {HG_DRAFT_2020, "{\"$id\":\"http://x/#y\"}", "E /$id: must not have a fragment\n"},
        {HG_DRAFT_2020, "{\"$anchor\":\"1\"}", "E /$anchor: must be a name of letters, digits, -, _ and .\n"},
        {HG_DRAFT_2020, "{\"allOf\":[{\"$anchor\":\"a\"},{\"$anchor\":\"a\"}]}",
         "E /allOf/1: the anchor \"a\" is there twice\n"},
        {HG_DRAFT_2020, "{\"$ref\":\"#\"}", "E : the reference to the top never ends\n"},
        {HG_DRAFT_2020, "{\"not\":{\"if\":{\"$ref\":\"#/not\"}}}", "E /not/if: the reference to /not never ends\n"},
        {HG_DRAFT_2020, "{\"dependentSchemas\":{\"a\":{\"$ref\":\"#\"}}}",
         "E /dependentSchemas/a: the reference to the top never ends\n"},
        {HG_DRAFT_2020, "{\"$dynamicAnchor\":\"a\",\"$dynamicRef\":\"#a\"}",
         "E : the reference to the top never ends\n"},
        /* where it leads at first is no circle; where it leads from there, is one */
        {HG_DRAFT_2020, "{\"$id\":\"http://x/a\",\"$dynamicAnchor\":\"n\",\"$ref\":\"b\",\"$defs\":{\"b\":{\"$id\":\"b\",\"not\":{"
                        "\"$dynamicRef\":\"#n\"},\"$defs\":{\"c\":{\"$dynamicAnchor\":\"n\"}}}}}",
         "E /$defs/b/not: the reference to the top never ends\n"},
        /* `properties` is a schema itself, by reference: its members are none of its keywords; or one is, in another scope only */
        {HG_DRAFT_2020, "{\"properties\":{\"p\":{\"$id\":\"b\",\"$dynamicAnchor\":\"m\",\"$dynamicRef\":\"#m\"}},\"not\":{\"$ref\":"
                        "\"#/properties\"}}",
         "E /properties/p: the reference to /properties/p never ends\n"},
        {HG_DRAFT_2020, "{\"$id\":\"http://x/a\",\"properties\":{\"not\":{\"$id\":\"b\",\"$dynamicAnchor\":\"m\",\"$dynamicRef\":\"#m\"}},"
                        "\"items\":{\"$id\":\"c\",\"$dynamicAnchor\":\"m\",\"not\":{\"$ref\":\"a#/properties\"}}}",
         "E /properties/not: the reference to /properties/not never ends\n"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct run run;
        begin(&run, ROWS[i].draft);
        CHECK(compile_bytes(&run, ROWS[i].schema, strlen(ROWS[i].schema)) == HG_BAD_SCHEMA);
        const size_t length = strlen(ROWS[i].finding);
        if (i > 1) {
            CHECK(strncmp(run.findings, ROWS[i].finding, length) == 0);
            CHECK(ROWS[i].finding[length - 1] != '\n' || strlen(run.findings) == length);
        }
        CHECK(strncmp(run.findings, "E ", 2) == 0 && strchr(run.findings, '\n')[1] == 0); /* exactly one */
        end(&run);
    }
}

static void test_lints(void) {
    static const struct {
        enum hg_draft draft;
        const char *schema, *findings;
    } ROWS[] = {
        {HG_DRAFT_2020, "{\"minimun\":1,\"zzz\":2,\"a\\nb\":0}",
         "L /minimun: unknown keyword \"minimun\", did you mean \"minimum\"?\nL /zzz: unknown keyword \"zzz\"\nL "
         "/a\nb: unknown keyword \"a\\nb\"\n"},
        {HG_DRAFT_2020, "{\"dependencies\":{}}",
         "L /dependencies: unknown keyword \"dependencies\", did you mean \"dependentRequired\"?\n"},
        {HG_DRAFT_2020, "{\"minimum\":3,\"maximum\":2}", "L /minimum: unsatisfiable: minimum is above maximum\n"},
        {HG_DRAFT_2020, "{\"exclusiveMinimum\":3,\"maximum\":3.0}",
         "L /exclusiveMinimum: unsatisfiable: exclusiveMinimum is not below maximum\n"},
        {HG_DRAFT_2020, "{\"minLength\":3,\"maxLength\":2}",
         "L /minLength: unsatisfiable: minLength is above maxLength\n"},
        {HG_DRAFT_2020, "{\"contains\":{},\"maxContains\":0}",
         "L /maxContains: unsatisfiable: minContains is above maxContains\n"},
        {HG_DRAFT_2020, "{\"type\":\"string\",\"enum\":[1,2]}",
         "L /enum: unsatisfiable: no value has an allowed type\n"},
        {HG_DRAFT_2020, "{\"type\":\"integer\",\"const\":1.0}", ""},
        {HG_DRAFT_2020, "{\"enum\":[]}", "L /enum: unsatisfiable: there is no value\n"},
        {HG_DRAFT_2020, "{\"required\":[\"a\",\"b\"],\"maxProperties\":1}",
         "L /required: unsatisfiable: more names are required than maxProperties allows\n"},
        {HG_DRAFT_2020,
         "{\"required\":[\"a\",\"b\",\"c\",\"xd\"],\"properties\":{\"a\":false,\"c\":{}},\"patternProperties\":{\"^x\":"
         "true},\"additionalProperties\":false}",
         "L /required/0: unsatisfiable: \"a\" is required and not allowed\nL /required/1: unsatisfiable: \"b\" is "
         "required and not allowed\n"},
        {HG_DRAFT_2020, "{\"type\":\"string\",\"minimum\":3,\"minLength\":2}",
         "L /minimum: keyword does nothing for these types\n"},
        {HG_DRAFT_2020, "{\"then\":{},\"else\":{}}",
         "L /then: does nothing without if\nL /else: does nothing without if\n"},
        {HG_DRAFT_2020, "{\"minContains\":1}", "L /minContains: does nothing without contains\n"},
        {HG_DRAFT_7, "{\"additionalItems\":false,\"items\":{\"not\":{}}}",
         "L /additionalItems: does nothing without a list in items\n"},
        {HG_DRAFT_2020, "{\"format\":\"date-tim\"}",
         "L /format: unknown format \"date-tim\", did you mean \"date-time\"?\n"},
        {HG_DRAFT_2020, "{\"$defs\":{\"a\":{\"$id\":\"http://x/a\"},\"b\":{\"$id\":\"http://x/a\"}}}",
         "L /$defs/b: the same $id twice: the first one has it\n"},
        /* in the order of the document, whatever was compiled first */
        {HG_DRAFT_2020, "{\"$defs\":{\"a\":{\"p\":1}},\"properties\":{\"x\":{\"q\":1}},\"r\":1}",
         "L /$defs/a/p: unknown keyword \"p\"\nL /properties/x/q: unknown keyword \"q\"\nL /r: unknown keyword "
         "\"r\"\n"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct run run;
        begin(&run, ROWS[i].draft);
        CHECK(compile_bytes(&run, ROWS[i].schema, strlen(ROWS[i].schema)) == HG_OK);
        CHECK(strcmp(run.findings, ROWS[i].findings) == 0);
        end(&run);
    }
    struct run run;
    begin(&run, HG_DRAFT_2020);
    run.options.unknown_keywords = false;
    CHECK(compile_bytes(&run, "{\"a\":1}", 7) == HG_BAD_SCHEMA &&
          strcmp(run.findings, "E /a: unknown keyword \"a\"\n") == 0);
    end(&run);
}

/* A text built from a head, `count` numbered pieces (%u) with commas between, and a tail. */
static char *build(const char *head, const char *piece, unsigned count, const char *tail) {
    const size_t room = strlen(head) + strlen(tail) + count * (strlen(piece) + 24) + 1;
    char *text = malloc(room);
    CHECK(text != NULL);
    size_t at = (size_t)sprintf(text, "%s", head);
    for (unsigned i = 0; i < count; i++) {
        at += (size_t)sprintf(text + at, "%s", i == 0 ? "" : ",");
        at += (size_t)snprintf(text + at, room - at, piece, i, i + 1);
    }
    sprintf(text + at, "%s", tail);
    return text;
}

#define TOO_MANY "more than 4096 subschemas (each counts once in every dynamic scope it is reached in)\n"

static void test_bounds(void) {
    static const struct {
        const char *head, *piece;
        unsigned count;
        const char *tail, *finding; /* "": it is taken */
    } ROWS[] = {
        {"{\"allOf\":[", "{\"const\":%u}", HG_SCHEMA_NODES - 1, "]}", ""},
        {"{\"allOf\":[", "{\"const\":%u}", HG_SCHEMA_NODES, "]}", "E /allOf/4095: " TOO_MANY},
        {"{\"required\":[", "\"%u\"", HG_SCHEMA_NAMES, "]}", ""},
        {"{\"required\":[", "\"%u\"", HG_SCHEMA_NAMES + 1, "]}", "E : more than 1024 property names\n"},
        {"{\"required\":[\"a\"],\"properties\":{", "\"%u\":true", HG_SCHEMA_NAMES, "}}",
         "E : more than 1024 property names\n"},
        {"{\"enum\":[", "\"%u\"", HG_SCHEMA_VALUES, "]}", ""},
        {"{\"enum\":[", "%u", HG_SCHEMA_VALUES + 1, "]}", "E /enum: more than 65535 values\n"},
        {"{\"enum\":[", "\"aaaa%05u0zzzzz\"", 20000, "]}", "E : more than 1024 names that look alike\n"},
        {"{\"$defs\":{", "\"%u\":{\"$ref\":\"#/$defs/%u\"}", HG_SCHEMA_CHAIN - 2,
         ",\"30\":{\"type\":\"null\"}},\"$ref\":\"#/$defs/0\"}", ""},
        {"{\"$defs\":{", "\"%u\":{\"$ref\":\"#/$defs/%u\"}", HG_SCHEMA_CHAIN - 1,
         ",\"31\":{\"type\":\"null\"}},\"$ref\":\"#/$defs/0\"}",
         "E /$defs/30: more than 32 schemas in a chain for one value\n"},
        {"{\"anyOf\":[", "{\"pattern\":\"%u\"}", HG_SCHEMA_PATTERNS + 1, "]}",
         "E /anyOf/512/pattern: more than 512 different patterns\n"},
        {"{\"allOf\":[", "{\"$dynamicAnchor\":\"n%u\",\"items\":{\"$dynamicRef\":\"#n%u\"}}", HG_SCHEMA_DYNAMIC,
         ",{\"$dynamicAnchor\":\"n64\"}]}", ""},
        {"{\"allOf\":[", "{\"$dynamicAnchor\":\"n%u\",\"items\":{\"$dynamicRef\":\"#n%u\"}}", HG_SCHEMA_DYNAMIC + 1,
         ",{\"$dynamicAnchor\":\"n65\"}]}", "E /allOf/64/items/$dynamicRef: more than 64 different names of dynamic anchors\n"},
        {"{\"anyOf\":[", "{\"$ref\":\"%u\"}", 3, "]}", "E /anyOf/0/$ref: there is no document 0\n"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct run run;
        char *text = build(ROWS[i].head, ROWS[i].piece, ROWS[i].count, ROWS[i].tail);
        begin(&run, HG_DRAFT_2020);
        const enum hg_status status = compile_bytes(&run, text, strlen(text));
        CHECK(strcmp(run.findings, ROWS[i].finding) == 0 && (status == HG_OK) == (ROWS[i].finding[0] == 0));
        end(&run);
        free(text);
    }
    char *deep = malloc(HG_SCHEMA_BYTES + 1);
    struct run run;
    CHECK(deep != NULL);
    memset(deep, '[', HG_SCHEMA_BYTES + 1);
    begin(&run, HG_DRAFT_2020);
    CHECK(compile_bytes(&run, deep, HG_SCHEMA_BYTES) == HG_BAD_SCHEMA);
    CHECK(compile_bytes(&run, deep, HG_SCHEMA_BYTES + 1) == HG_BAD_SCHEMA);
    end(&run);
    free(deep);
}

/* 256 subschemas: 48 of them, `t`, are reached in 81 scopes: each of 80 that refer to them binds the name they ask for. */
static void test_subschemas_in_each_scope(void) {
    for (unsigned more = 0; more < 2; more++) { /* with so many more than there may be */
        struct run run;
        char *users = build("{\"$defs\":{",
                            "\"%1$u\":{\"$id\":\"http://x/%1$u\",\"$dynamicAnchor\":\"n\",\"items\":{\"$ref\":\"t\"}}",
                            80, ",");
        char *used = build("\"t\":{\"$id\":\"http://x/t\",\"$dynamicAnchor\":\"n\",\"items\":{\"$dynamicRef\":\"#n\"},"
                           "\"prefixItems\":[",
                           "{\"const\":%u}", 46, "]}},");
        char *others = build("\"prefixItems\":[", "{\"const\":%u}", 47 + more, "]}");
        char *text = malloc(strlen(users) + strlen(used) + strlen(others) + 1);
        CHECK(text != NULL);
        sprintf(text, "%s%s%s", users, used, others);
        begin(&run, HG_DRAFT_2020);
        CHECK(compile_bytes(&run, text, strlen(text)) == (more == 0 ? HG_OK : HG_BAD_SCHEMA));
        CHECK(more == 0 ? run.findings[0] == 0 : strstr(run.findings, ": " TOO_MANY) != NULL);
        end(&run);
        free(users);
        free(used);
        free(others);
        free(text);
    }
}

/* Documents that refer to the next one, without end. */
static char endless_text[64];

static bool resolve_endless(void *context, const char *uri, uint32_t length, const uint8_t **text, uint32_t *size) {
    struct run *run = context;
    (void)uri;
    (void)length;
    run->asked++;
    *size = (uint32_t)snprintf(endless_text, sizeof endless_text, "{\"items\":{\"$ref\":\"http://x/%u\"}}", run->asked);
    *text = (const uint8_t *)endless_text;
    return true;
}

static void test_documents_are_counted(void) {
    struct run run;
    begin(&run, HG_DRAFT_2020);
    run.options.resolve = resolve_endless;
    CHECK(compile_bytes(&run, "{\"$ref\":\"http://x/0\"}", 21) == HG_BAD_SCHEMA && run.asked == HG_SCHEMA_DOCUMENTS);
    CHECK(strcmp(run.findings, "E http://x/62 /items/$ref: more than 64 documents\n") == 0);
    end(&run);
}

/* One schema with everything in it. */
static const char EVERYTHING[] =
    "{\"$schema\":\"http://x/meta\",\"$id\":\"http://x/"
    "main\",\"type\":[\"object\",\"array\"],\"required\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\"],"
    "\"properties\":{\"a\":{\"$ref\":\"other#/$defs/"
    "q\"},\"b\":{\"enum\":[1,2.5,\"x\",\"y\",\"z\",\"u\",\"v\",[1,{\"a\":null}]]},"
    "\"c\":{\"pattern\":\"^[a-z]+$\",\"format\":\"date\",\"minimum\":1.5,\"multipleOf\":0.1},\"l\":{\"$ref\":\"#"
    "anchor\"}},"
    "\"patternProperties\":{\"^c\":{\"minLength\":1},\"b|c\":{\"maxLength\":9}},\"additionalProperties\":{\"$anchor\":"
    "\"anchor\",\"const\":\"k\"},"
    "\"dependentRequired\":{\"a\":[\"b\"]},\"dependentSchemas\":{\"b\":{\"minProperties\":1}},\"propertyNames\":{"
    "\"maxLength\":99},"
    "\"prefixItems\":[{\"type\":\"null\"}],\"contains\":{\"type\":\"string\"},\"unevaluatedItems\":{\"$dynamicRef\":\"#"
    "node\"},"
    "\"$dynamicAnchor\":\"node\",\"anyOf\":[{\"not\":{\"type\":\"null\"}},{\"if\":{\"maxItems\":3},\"then\":{"
    "\"minItems\":1}}],"
    "\"unevaluatedProperties\":{\"type\":\"string\"},\"unknwon\":3}";
static const struct document EVERYTHING_ELSE[] = {
    {"http://x/meta", "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\"}"},
    {"http://x/other", "{\"$defs\":{\"q\":{\"oneOf\":[{\"const\":{\"long\":123456789012345678901234567890}},{\"$id\":"
                       "\"deep/er\",\"minimum\":1}]}}}"},
    {NULL, NULL},
};

static void test_every_failing_allocation(void) {
    static const char WRONG[] = "{\"minimun\":1,\"not\":{\"$ref\":\"#/%61\"},\"a\":[]}";
    long allocations = 1;
    for (;; allocations++) {
        struct run run;
        begin(&run, HG_DRAFT_2020);
        run.documents = EVERYTHING_ELSE;
        run.heap.fail_at = allocations;
        const enum hg_status status = compile_bytes(&run, EVERYTHING, sizeof EVERYTHING - 1);
        const bool failed = run.heap.fail_at <= 0;
        CHECK(status == (failed ? HG_NO_MEMORY : HG_OK));
        end(&run);
        if (!failed) {
            break;
        }
        begin(&run, HG_DRAFT_2020); /* the way to an error has allocations, too */
        run.heap.fail_at = allocations;
        CHECK(compile_bytes(&run, WRONG, sizeof WRONG - 1) != HG_OK);
        end(&run);
    }
    CHECK(allocations > 50);
}

static void test_the_same_schema_is_the_same_program(void) {
    struct run a, b;
    begin(&a, HG_DRAFT_2020);
    begin(&b, HG_DRAFT_2020);
    a.documents = b.documents = EVERYTHING_ELSE;
    CHECK(compile_bytes(&a, EVERYTHING, sizeof EVERYTHING - 1) == HG_OK);
    CHECK(compile_bytes(&b, EVERYTHING, sizeof EVERYTHING - 1) == HG_OK);
    CHECK(a.program->size == b.program->size && memcmp(a.program, b.program, a.program->size) == 0);
    CHECK(a.asked == 2 && strcmp(a.findings, "L /unknwon: unknown keyword \"unknwon\"\n") == 0);
    end(&a);
    end(&b);
}

/* Every prefix of a schema, and every schema with one byte changed: taken or refused, never more. */
static void test_broken_schemas(void) {
    struct run run;
    char text[sizeof EVERYTHING];
    for (size_t i = 0; i < sizeof EVERYTHING - 1; i++) {
        begin(&run, HG_DRAFT_2020);
        run.documents = EVERYTHING_ELSE;
        CHECK(compile_bytes(&run, EVERYTHING, i) == HG_BAD_SCHEMA);
        end(&run);
        static const char BYTES[] = "\"{[,0e\\#";
        for (size_t k = 0; k < sizeof BYTES; k++) {
            memcpy(text, EVERYTHING, sizeof text);
            text[i] = BYTES[k];
            begin(&run, i % 2 ? HG_DRAFT_2020 : HG_DRAFT_7);
            run.documents = EVERYTHING_ELSE;
            CHECK(compile_bytes(&run, text, sizeof text - 1) != HG_NO_MEMORY);
            end(&run);
        }
    }
}

int main(void) {
    test_dialects();
    test_errors();
    test_lints();
    test_bounds();
    test_subschemas_in_each_scope();
    test_documents_are_counted();
    test_every_failing_allocation();
    test_the_same_schema_is_the_same_program();
    test_broken_schemas();
    return 0;
}
