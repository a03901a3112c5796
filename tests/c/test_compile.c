/* core/compile.c and its parts: what a schema becomes. What programs mean is tested with the official suite through the
 * engine; what is refused, in test_compile_refusals.c. */
#include "check_compile.h"
#include "core/format.h"

static void test_schemas_that_accept_everything(void) {
    static const char *const SCHEMAS[] = {
        "true",
        "{}",
        " { } ",
        "{\"title\":\"t\",\"default\":{\"minimum\":3},\"examples\":[1]}",
        "{\"$id\":\"http://x/y\",\"$defs\":{\"a\":{\"type\":\"string\"}}}",
        "{\"then\":false,\"minContains\":3}",
        "{\"definitions\":{\"a\":false},\"format\":\"nobody-knows\",\"contentEncoding\":\"7bit\",\"zzz\":[1]}",
    };
    for (size_t i = 0; i < sizeof SCHEMAS / sizeof *SCHEMAS; i++) {
        struct run run;
        begin(&run, HG_DRAFT_2020);
        CHECK(compile_bytes(&run, SCHEMAS[i], strlen(SCHEMAS[i])) == HG_OK);
        CHECK(run.program->root == 0 && run.program->node_count == 0 && run.program->size <= 128);
        end(&run);
    }
}

static void test_types_and_limits_of_a_document(void) {
    struct run run;
    CHECK(compiled(&run, "{\"type\":[\"integer\",\"null\"]}")->types == (HG_INTEGER | HG_NULL));
    CHECK(run.program->max_depth == HG_JSON_DEPTH && run.program->max_steps == HG_SCHEMA_STEPS);
    CHECK(run.program->max_bytes == HG_DOCUMENT_BYTES && run.program->max_errors == HG_SCHEMA_ERRORS);
    CHECK(memcmp(run.program->seed, SEED, 16) == 0 && run.program->flags == 0);
    end(&run);
    CHECK(compiled(&run, "{\"type\":\"number\"}")->types == (HG_INTEGER | HG_FRACTION));
    end(&run);
    CHECK(compiled(&run, "false")->types == 0);
    end(&run);
    begin(&run, HG_DRAFT_2020);
    run.options.max_depth = 5;
    run.options.last_duplicate = true;
    CHECK(compile_bytes(&run, "false", 5) == HG_OK);
    CHECK(run.program->max_depth == 5 && run.program->flags == HG_PROGRAM_LAST_DUPLICATE);
    end(&run);
}

static void check_numbers(const char *schema, int64_t least, int64_t most, int64_t step, uint32_t exact) {
    struct run run;
    const struct hg_node *node = compiled(&run, schema);
    const struct hg_number_rules *rules = hg_at(run.program, node->number);
    CHECK(rules->least == least && rules->most == most && rules->step == step && rules->exact == exact);
    end(&run);
}

static void test_numbers(void) {
    check_numbers("{\"minimum\":3,\"maximum\":10}", 3, 10, 0, 1);
    check_numbers("{\"exclusiveMinimum\":3,\"exclusiveMaximum\":10}", 4, 9, 0, 1);
    check_numbers("{\"minimum\":3.5,\"maximum\":10.5}", 4, 10, 0, 1);
    check_numbers("{\"minimum\":-3.5,\"maximum\":-0.5}", -3, -1, 0, 1);
    check_numbers("{\"exclusiveMinimum\":-3.5,\"exclusiveMaximum\":0.5}", -3, 0, 0, 1);
    check_numbers("{\"minimum\":1e2,\"maximum\":1e-400}", 100, 0, 0, 1);
    check_numbers("{\"minimum\":-1e-400}", 0, INT64_MAX, 0, 1);
    check_numbers("{\"minimum\":1e400}", 1, 0, 0, 1);
    check_numbers("{\"maximum\":1e400}", INT64_MIN, INT64_MAX, 0, 1);
    check_numbers("{\"maximum\":9223372036854775807}", INT64_MIN, INT64_MAX, 0, 1);
    check_numbers("{\"exclusiveMinimum\":9223372036854775807}", 1, 0, 0, 1);
    check_numbers("{\"minimum\":9223372036854775807.5}", 1, 0, 0, 1);
    check_numbers("{\"maximum\":-9223372036854775807.5}", INT64_MIN, INT64_MIN, 0, 1);
    check_numbers("{\"minimum\":-9223372036854775808}", INT64_MIN, INT64_MAX, 0, 0);
    check_numbers("{\"maximum\":-1e400}", INT64_MIN, INT64_MIN, 0, 0);
    check_numbers("{\"maximum\":123456789012345678.1234567890}", INT64_MIN, 123456789012345678, 0, 1);
    check_numbers("{\"multipleOf\":12}", INT64_MIN, INT64_MAX, 12, 1);
    check_numbers("{\"multipleOf\":0.01}", INT64_MIN, INT64_MAX, 1, 1);
    check_numbers("{\"multipleOf\":0.3}", INT64_MIN, INT64_MAX, 3, 1);
    check_numbers("{\"multipleOf\":2.5}", INT64_MIN, INT64_MAX, 5, 1);
    check_numbers("{\"multipleOf\":1.25e-300}", INT64_MIN, INT64_MAX, 1, 1);
    check_numbers("{\"multipleOf\":1e3}", INT64_MIN, INT64_MAX, 1000, 1);
    check_numbers("{\"multipleOf\":1e30}", INT64_MIN, INT64_MAX, 0, 0);
}

static void test_constants_are_exact(void) {
    struct run run;
    const struct hg_node *node = compiled(&run, "{\"minimum\":-12345678901234567890.12345,\"exclusiveMaximum\":0.10}");
    const struct hg_number_rules *rules = hg_at(run.program, node->number);
    const struct hg_number_rule *rule = hg_at(run.program, rules->rules);
    CHECK(rules->count == 2 && rule[0].keyword == HG_K_MINIMUM && rule[1].keyword == HG_K_EXCLUSIVE_MAXIMUM);
    struct hg_number number = hg_constant_number(run.program, hg_at(run.program, rule[0].constant));
    uint8_t text[HG_NUMBER_TEXT];
    CHECK(hg_number_format(&number, text) == 27 && memcmp(text, "-12345678901234567890.12345", 27) == 0);
    number = hg_constant_number(run.program, hg_at(run.program, rule[1].constant));
    CHECK(number.mantissa == 1 && number.exponent == -1 && number.digits == NULL);
    end(&run);
}

static void test_objects(void) {
    struct run run;
    const struct hg_node *node = compiled(
        &run,
        "{\"required\":[\"c\",\"a\"],\"properties\":{\"a\":{\"type\":\"string\"},\"xb\":true,\"q\\\"\\n\":false},"
        "\"patternProperties\":{\"^x\":{\"type\":\"null\"},\"b$\":false},\"additionalProperties\":{\"type\":\"array\"},"
        "\"dependentRequired\":{\"d\":[\"a\"],\"e\":[]},\"maxProperties\":7}");
    const struct hg_object_rules *rules = hg_at(run.program, node->object);
    const struct hg_property *p = property_of(&run, node, 0);
    CHECK(rules->names.count == 6 && rules->words == 1 && rules->has_rest && rules->min == 0 && rules->max == 7);
    CHECK(p->keyword == HG_K_PROPERTIES && p->more == 0 && (p->name.head & HG_NAME_ESCAPED) == 0);
    p = property_of(&run, node, 1); /* xb: declared, and two patterns */
    CHECK(p->keyword == HG_K_PROPERTIES && p->node == 0 && *(const uint32_t *)hg_at(run.program, p->more) == 2);
    p = property_of(&run, node, 2);
    CHECK((p->name.head & HG_NAME_ESCAPED) != 0 && p->name.length == 3 &&
          ((const struct hg_node *)hg_at(run.program, p->node))->types == 0);
    p = property_of(&run, node, 3); /* c: only required */
    CHECK(p->keyword == HG_K_ADDITIONAL_PROPERTIES && p->node == rules->rest && p->node != 0);
    CHECK(*(const uint64_t *)hg_at(run.program, rules->required) == ((1 << 3) | 1));
    CHECK(rules->dependent_count == 1 && rules->pattern_count == 2);
    const struct hg_dependent *dependent = hg_at(run.program, rules->dependents);
    CHECK(dependent->property == 4 && dependent->keyword == HG_K_DEPENDENT_REQUIRED);
    CHECK(*(const uint64_t *)hg_at(run.program, dependent->required) == 1);
    end(&run);
    node = compiled(&run, "{\"required\":[\"xa\",\"z\"],\"patternProperties\":{\"^x\":{\"type\":\"null\"}}}");
    CHECK(property_of(&run, node, 0)->keyword == HG_K_PATTERN_PROPERTIES && property_of(&run, node, 0)->more == 0);
    CHECK(property_of(&run, node, 1)->keyword == HG_K_NONE && property_of(&run, node, 1)->node == 0);
    end(&run);
}

static void test_arrays_of_both_drafts(void) {
    static const char SCHEMA[] =
        "{\"items\":[{\"type\":\"null\"},true],\"additionalItems\":false,\"uniqueItems\":true}";
    struct run run;
    begin(&run, HG_DRAFT_7);
    CHECK(compile_bytes(&run, SCHEMA, sizeof SCHEMA - 1) == HG_OK);
    const struct hg_array_rules *rules = hg_at(run.program, root_of(&run)->array);
    CHECK(rules->prefix_count == 2 && ((const hg_ref *)hg_at(run.program, rules->prefix))[1] == 0 && rules->has_rest);
    CHECK(rules->prefix_keyword == HG_K_ITEMS && rules->rest_keyword == HG_K_ADDITIONAL_ITEMS && rules->unique);
    CHECK(((const struct hg_node *)hg_at(run.program, rules->rest))->types == 0 && rules->max == UINT32_MAX);
    end(&run);
    const struct hg_node *node = compiled(
        &run, "{\"prefixItems\":[false],\"items\":true,\"contains\":false,\"minContains\":0,"
              "\"maxContains\":4,\"unevaluatedItems\":true,\"minItems\":2.0}");
    rules = hg_at(run.program, node->array);
    CHECK(rules->prefix_count == 1 && rules->has_rest && rules->rest == 0 && rules->has_contains && rules->min == 2);
    CHECK(rules->min_contains == 0 && rules->max_contains == 4 && rules->has_unevaluated && rules->unevaluated == 0);
    CHECK(rules->prefix_keyword == HG_K_PREFIX_ITEMS && rules->rest_keyword == HG_K_ITEMS);
    CHECK((node->flags & HG_NODE_LIST) != 0);
    end(&run);
}

static void test_strings(void) {
    struct run run;
    const struct hg_node *node = compiled(
        &run, "{\"minLength\":1,\"pattern\":\"^a\",\"format\":\"ipv4\",\"contentEncoding\":\"base64\"}");
    const struct hg_string_rules *rules = hg_at(run.program, node->string);
    CHECK(rules->min_length == 1 && rules->max_length == UINT32_MAX && rules->format == HG_FORMAT_IPV4);
    CHECK(rules->encoding == HG_BASE64 && (node->flags & HG_NODE_BYTES) != 0);
    CHECK(rules->source_length == 2 && memcmp(hg_at(run.program, rules->source), "^a", 2) == 0);
    end(&run);
    begin(&run, HG_DRAFT_2020);
    run.options.formats = 1u << HG_FORMAT_DATE;
    CHECK(compile_bytes(&run, "{\"format\":\"ipv4\"}", 17) == HG_OK && run.program->root == 0);
    CHECK(strcmp(run.findings, "L /format: the format \"ipv4\" is not asserted\n") == 0);
    end(&run);
}

static void test_choices(void) {
    struct run run;
    const struct hg_node *node = compiled(&run, "{\"enum\":[null,true,\"a\",2,1.0,1,\"a\",\"\\\"\",{\"b\":[1e2,-0,1.50,"
                                                "18446744073709551616,-1],\"a\":\"\\u00e9\\n\"},\"a\"]}");
    const struct hg_choice *choice = hg_at(run.program, node->choice);
    CHECK(choice->literals == (HG_NULL | HG_TRUE_LITERAL) && choice->keyword == HG_K_ENUM && choice->number_count == 2);
    CHECK(choice->strings.count == 2 && choice->container_count == 1);
    CHECK(choice->types == (HG_NULL | HG_BOOLEAN | HG_STRING | HG_INTEGER | HG_OBJECT));
    const struct hg_constant *numbers = hg_at(run.program, choice->numbers);
    CHECK(numbers[0].mantissa == 1 && numbers[1].mantissa == 2);
    static const char JSON[] = "{\"b\":[100,0,1.5,18446744073709551616,-1],\"a\":\"\xc3\xa9\\n\"}";
    static const uint8_t CBOR[] = {0xa2, 0x61, 'b', 0x85, 0x18, 100, 0x00, 0xc4, 0x82, 0x20, 0x0f, 0xc2, 0x49, 1,   0,
                                   0,    0,    0,   0,    0,    0,   0,    0x20, 0x61, 'a',  0x63, 0xc3, 0xa9, '\n'};
    const struct hg_container *container = hg_at(run.program, choice->containers);
    CHECK(container->json_length == sizeof JSON - 1 &&
          memcmp(hg_at(run.program, container->json), JSON, sizeof JSON) == 0);
    CHECK(container->cbor_length == sizeof CBOR && memcmp(hg_at(run.program, container->cbor), CBOR, sizeof CBOR) == 0);
    static const char TEXT[] = "null, true, \"a\", 2, 1, ...";
    CHECK(choice->text_length == sizeof TEXT - 1 &&
          memcmp(hg_at(run.program, choice->text), TEXT, sizeof TEXT - 1) == 0);
    end(&run);
    node = compiled(&run, "{\"const\":{\"a\":[1,{}]},\"enum\":[3,{\"a\":[1.0,{}]}]}");
    choice = hg_at(run.program, node->choice);
    CHECK(choice->keyword == HG_K_CONST && choice->container_count == 1 && choice->number_count == 0);
    CHECK(choice->text_length == 24 && memcmp(hg_at(run.program, choice->text), "an object with 1 members", 24) == 0);
    end(&run);
    node = compiled(&run, "{\"const\":1,\"enum\":[2]}");
    choice = hg_at(run.program, node->choice);
    CHECK(choice->keyword == HG_K_CONST && choice->number_count == 0 && choice->types == 0);
    CHECK(strcmp(run.findings, "L /enum: unsatisfiable: const is not among the values\n") == 0);
    end(&run);
}

static uint16_t op_at(const struct run *run, const struct hg_node *node, uint32_t i) {
    return ((const struct hg_same *)hg_at(run->program, node->same))[i].op;
}

static void test_what_applies_to_the_same_value(void) {
    struct run run;
    const struct hg_node *node = compiled(
        &run, "{\"allOf\":[true,{\"type\":\"null\"}],\"anyOf\":[true,false],\"oneOf\":[false],"
              "\"not\":{},\"if\":{\"minimum\":1},\"else\":false}");
    const struct hg_same *same = hg_at(run.program, node->same);
    CHECK(same[0].op == HG_SAME_ALL && same[0].index == 1 && same[1].op == HG_SAME_ANY && same[1].b == 2);
    CHECK(same[2].op == HG_SAME_ONE && same[3].op == HG_SAME_NOT && same[3].a == 0 && same[4].op == HG_SAME_IF);
    CHECK(same[4].flags == 2 && same[4].b == 0 && same[4].c != 0 && same[5].op == HG_SAME_END);
    CHECK((node->flags & HG_NODE_BARE) != 0 && (node->flags & HG_NODE_REF) == 0);
    end(&run);
    node = compiled(&run, "{\"$ref\":\"#/$defs/"
                          "a\",\"$defs\":{\"a\":{\"unevaluatedProperties\":false,\"allOf\":[{\"$ref\":\"#/$defs/b\"}]},"
                          "\"b\":{\"items\":{\"$ref\":\"#\"}}}}");
    CHECK((node->flags & HG_NODE_REF) != 0 && op_at(&run, node, 0) == HG_SAME_ALL);
    end(&run);
    node = compiled(&run, "{\"$ref\":\"#/$defs/a\",\"minimum\":3,\"$defs\":{\"a\":{\"type\":\"null\"}}}");
    CHECK(node->number != 0 && node->same != 0 && (node->flags & HG_NODE_BARE) == 0);
    end(&run);
    static const char OLD[] =
        "{\"$ref\":\"#/definitions/a\",\"minimum\":3,\"definitions\":{\"a\":{\"type\":\"null\"}}}";
    begin(&run, HG_DRAFT_7);
    CHECK(compile_bytes(&run, OLD, sizeof OLD - 1) == HG_OK);
    CHECK(root_of(&run)->number == 0 && (root_of(&run)->flags & HG_NODE_REF) != 0);
    CHECK(strcmp(run.findings, "L /minimum: ignored beside $ref\n") == 0);
    end(&run);
}

/* The JSON pointer of a node, put together from its locations. */
static void pointer_of(const struct run *run, const struct hg_node *node, char out[256]) {
    size_t length = 0;
    for (hg_ref at = node->location; at != 0;) {
        const struct hg_location *location = hg_at(run->program, at);
        CHECK(length + location->length < 256);
        memmove(out + location->length, out, length);
        memcpy(out, hg_at(run->program, location->text), location->length);
        length += location->length;
        at = location->parent;
    }
    out[length] = 0;
}

static void test_locations_and_references(void) {
    static const struct document DOCUMENTS[] = {
        {"http://x/lib/other",
         "{\"$defs\":{\"a~/\":{\"not\":{\"type\":\"null\"}}},\"odd\":[{\"$anchor\":\"no\",\"minimum\":1}]}"},
        {NULL, NULL},
    };
    static const char SCHEMA[] =
        "{\"$id\":\"http://x/lib/main\",\"properties\":{\"a\":{\"$ref\":\"other#/$defs/"
        "a~0~1\"},\"b\":{\"$ref\":\"other#/odd/0\"},"
        "\"c\":{\"$ref\":\"./../lib/"
        "main#%61nchor\"},\"d\":{\"items\":{\"allOf\":[{\"not\":false},{\"type\":\"null\",\"$anchor\":\"anchor\"}]}},"
        "\"e\":{\"$ref\":\"sub/x\"},\"f\":{\"$id\":\"sub/x\",\"$ref\":\"#/$defs/"
        "q\",\"$defs\":{\"q\":{\"$id\":\"y\",\"type\":\"null\"}}},"
        "\"g\":{\"$ref\":\"sub/y\"}}}";
    static const char *const POINTERS[] = {"/$defs/a~0~1",  "/odd/0", "/properties/d/items/allOf/1", "",
                                           "/properties/f", "",       "/properties/f/$defs/q"};
    struct run run;
    char pointer[256];
    begin(&run, HG_DRAFT_2020);
    run.documents = DOCUMENTS;
    CHECK(compile_bytes(&run, SCHEMA, sizeof SCHEMA - 1) == HG_OK && run.asked == 1 &&
          run.program->resource_count == 4);
    for (uint32_t i = 0; i < 7; i++) {
        const struct hg_node *node = hg_at(run.program, property_of(&run, root_of(&run), i)->node);
        if (POINTERS[i][0] != 0) {
            const struct hg_same *same = hg_at(run.program, node->same);
            const struct hg_node *target = hg_at(run.program, same->a);
            pointer_of(&run, target, pointer);
            CHECK(strcmp(pointer, POINTERS[i]) == 0);
            const struct hg_location *location = hg_at(run.program, target->location);
            const struct hg_resource *resource =
                (const struct hg_resource *)hg_at(run.program, run.program->resources) + location->resource;
            const char *uri = i < 2 ? "http://x/lib/other" : "http://x/lib/main";
            CHECK(resource->length == strlen(uri) &&
                  memcmp(hg_at(run.program, resource->uri), uri, resource->length) == 0);
        }
    }
    end(&run);
}

static void test_dynamic_references(void) {
    static const struct document DOCUMENTS[] = {
        {"http://x/list", "{\"$id\":\"http://x/list\",\"$defs\":{\"d\":{\"$dynamicAnchor\":\"item\",\"not\":false}},"
                          "\"items\":{\"$dynamicRef\":\"#item\"}}"},
        {NULL, NULL},
    };
    static const char SCHEMA[] =
        "{\"$id\":\"http://x/"
        "main\",\"$ref\":\"list\",\"$defs\":{\"s\":{\"$dynamicAnchor\":\"item\",\"type\":\"string\"},"
        "\"t\":{\"$dynamicAnchor\":\"unused\",\"type\":\"string\"}}}";
    struct run run;
    begin(&run, HG_DRAFT_2020);
    run.documents = DOCUMENTS;
    CHECK(compile_bytes(&run, SCHEMA, sizeof SCHEMA - 1) == HG_OK);
    CHECK((run.program->flags & HG_PROGRAM_DYNAMIC) != 0 && run.program->dynamic_count == 2);
    CHECK((root_of(&run)->flags & HG_NODE_REF) == 0); /* it leads to another resource */
    end(&run);
    /* Without a dynamic anchor where it leads at first it is a plain reference (core section 8.2.3.2). */
    const struct hg_node *node = compiled(
        &run, "{\"$dynamicRef\":\"#a\",\"$defs\":{\"a\":{\"$anchor\":\"a\",\"type\":\"null\"},"
              "\"b\":{\"$id\":\"b\",\"$dynamicAnchor\":\"a\"}}}");
    CHECK(run.program->flags == 0 && op_at(&run, node, 0) == HG_SAME_ALL && run.program->dynamic_count == 0);
    end(&run);
    /* A circle that the dynamic scope leads out of, wherever one comes from. */
    (void)compiled(&run, "{\"$id\":\"http://x/a\",\"$ref\":\"b\",\"$defs\":{\"n\":{\"$dynamicAnchor\":\"n\",\"type\":\"string\"},"
                         "\"b\":{\"$id\":\"b\",\"$dynamicAnchor\":\"n\",\"$dynamicRef\":\"#n\"}}}");
    CHECK((run.program->flags & HG_PROGRAM_DYNAMIC) != 0);
    end(&run);
}

int main(void) {
    test_schemas_that_accept_everything();
    test_types_and_limits_of_a_document();
    test_numbers();
    test_constants_are_exact();
    test_objects();
    test_arrays_of_both_drafts();
    test_strings();
    test_choices();
    test_what_applies_to_the_same_value();
    test_locations_and_references();
    test_dynamic_references();
    return 0;
}
