/* Schemas that between them use every keyword of both drafts, compiled once: the documents are what the fuzzer makes up. */
#ifndef HEADGATE_FUZZ_TABLE_H
#define HEADGATE_FUZZ_TABLE_H

#include "../../tests/c/check.h"
#include "core/compile.h"

static const struct {
    enum hg_draft draft;
    const char *text;
} TABLE[] = {
    {HG_DRAFT_2020, "true"},
    {HG_DRAFT_2020, "{\"type\":[\"object\",\"array\",\"string\"],\"properties\":{\"a\":{\"type\":\"integer\",\"minimum\":-3,"
                    "\"exclusiveMaximum\":100.5},\"b\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":5,\"pattern\":"
                    "\"^(ab|c)*$\"},\"c\":{\"enum\":[1,1.5,\"a\",\"\\u00e9\",null,true,[1,{\"a\":2}],{\"b\":[]}]},\"d\":"
                    "{\"const\":{\"a\":[1.0,\"x\"],\"b\":null}},\"e\":{\"type\":\"number\",\"multipleOf\":0.01}},"
                    "\"required\":[\"a\"],\"additionalProperties\":false,\"items\":{\"$ref\":\"#\"},\"maxItems\":3}"},
    {HG_DRAFT_2020, "{\"patternProperties\":{\"^a\":{\"type\":\"integer\"},\"b$\":{\"minimum\":2}},\"propertyNames\":"
                    "{\"maxLength\":3},\"minProperties\":1,\"maxProperties\":4,\"additionalProperties\":{\"$ref\":\"#\"},"
                    "\"dependentRequired\":{\"a\":[\"b\",\"c\"]},\"dependentSchemas\":{\"b\":{\"required\":[\"ab\"]}}}"},
    {HG_DRAFT_2020, "{\"prefixItems\":[{\"type\":\"integer\"},{\"type\":\"string\"}],\"items\":{\"$ref\":\"#\"},"
                    "\"contains\":{\"const\":1},\"minContains\":1,\"maxContains\":2,\"uniqueItems\":true,\"minItems\":1}"},
    {HG_DRAFT_2020, "{\"anyOf\":[{\"type\":\"integer\"},{\"properties\":{\"t\":{\"const\":\"a\"}},\"required\":[\"t\"]},"
                    "{\"items\":{\"$ref\":\"#\"},\"type\":\"array\"}],\"oneOf\":[{\"type\":[\"number\",\"array\"]},{"
                    "\"properties\":{\"x\":{\"$ref\":\"#\"}},\"type\":\"object\"},{\"maxLength\":2,\"type\":\"string\"}],"
                    "\"not\":{\"const\":7}}"},
    {HG_DRAFT_2020, "{\"if\":{\"properties\":{\"k\":{\"const\":1}},\"required\":[\"k\"]},\"then\":{\"properties\":{\"v\":"
                    "{\"type\":\"string\"}}},\"else\":{\"properties\":{\"v\":{\"type\":\"number\"}},\"allOf\":[{"
                    "\"properties\":{\"w\":{\"$ref\":\"#\"}}}]},\"unevaluatedProperties\":false}"},
    {HG_DRAFT_2020, "{\"allOf\":[{\"prefixItems\":[{\"type\":\"integer\"}]},{\"contains\":{\"type\":\"string\"}}],"
                    "\"unevaluatedItems\":{\"$ref\":\"#\"}}"},
    {HG_DRAFT_2020, "{\"$id\":\"urn:t\",\"$dynamicAnchor\":\"node\",\"properties\":{\"a\":true,\"c\":{\"$dynamicRef\":"
                    "\"#node\"},\"l\":{\"type\":\"array\",\"items\":{\"$ref\":\"urn:u\"}}},\"unevaluatedProperties\":false,"
                    "\"$defs\":{\"u\":{\"$id\":\"urn:u\",\"$dynamicAnchor\":\"node\",\"anyOf\":[{\"properties\":{\"c\":{"
                    "\"$dynamicRef\":\"#node\"},\"z\":{\"type\":\"integer\"}}},{\"type\":\"null\"}]}}}"},
    {HG_DRAFT_2020, "{\"items\":{\"anyOf\":[{\"format\":\"date-time\"},{\"format\":\"date\"},{\"format\":\"time\"},"
                    "{\"format\":\"duration\"},{\"format\":\"uuid\"},{\"format\":\"email\"},{\"format\":\"hostname\"},"
                    "{\"format\":\"ipv4\"},{\"format\":\"ipv6\"},{\"format\":\"uri\"},{\"format\":\"json-pointer\"},"
                    "{\"format\":\"regex\"},{\"pattern\":\"\\\\p{Lu}.[^a]\\\\b\"}]},\"properties\":{\"h\":{"
                    "\"contentEncoding\":\"base16\",\"maxLength\":6},\"b\":{\"contentEncoding\":\"base64\",\"pattern\":"
                    "\"^[A-M]*=*$\"},\"u\":{\"contentEncoding\":\"base64url\",\"enum\":[\"YWJj\",\"_-8\"]},\"t\":{"
                    "\"contentEncoding\":\"base32\",\"minLength\":8}},\"maxLength\":20}"},
    {HG_DRAFT_2020, "{\"type\":[\"number\",\"array\",\"object\"],\"enum\":[1,2.5,1e30,-7,123456789012345678901234567890,"
                    "1e400,[1,2],{\"a\":1}],\"multipleOf\":0.5}"},
    {HG_DRAFT_2020, "{\"uniqueItems\":true,\"items\":{\"uniqueItems\":true},\"additionalProperties\":{\"$ref\":\"#\"},"
                    "\"minimum\":-9223372036854775809,\"maximum\":18446744073709551616,\"not\":{\"multipleOf\":3}}"},
    {HG_DRAFT_2020, "{\"$ref\":\"#/$defs/n\",\"$defs\":{\"n\":{\"type\":[\"object\",\"integer\"],\"properties\":{\"v\":{"
                    "\"type\":\"integer\"},\"next\":{\"oneOf\":[{\"$ref\":\"#/$defs/n\"},{\"type\":\"null\"}]},\"kids\":{"
                    "\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/n\"}}},\"patternProperties\":{\"^\\\\d+$\":{"
                    "\"type\":\"boolean\"}},\"unevaluatedProperties\":{\"type\":\"string\"}}}}"},
    {HG_DRAFT_7, "{\"items\":[{\"type\":\"integer\"},{\"$ref\":\"#\"}],\"additionalItems\":{\"type\":\"string\"},"
                 "\"contains\":{\"type\":\"integer\"},\"dependencies\":{\"a\":[\"b\"],\"b\":{\"required\":[\"c\"]}},"
                 "\"definitions\":{\"x\":{\"$id\":\"#x\",\"minimum\":3}},\"properties\":{\"c\":{\"$ref\":\"#x\"},\"d\":"
                 "{\"if\":{\"type\":\"integer\"},\"then\":{\"multipleOf\":2},\"else\":{\"$ref\":\"#\"}}}}"},
    {HG_DRAFT_7, "{\"type\":\"object\",\"properties\":{\"t\":{\"type\":\"integer\"},\"temp\":{\"type\":\"number\","
                 "\"minimum\":-40,\"maximum\":85},\"unit\":{\"enum\":[\"C\",\"F\"]},\"id\":{\"type\":\"string\",\"format\":"
                 "\"uuid\"},\"n\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"k\":{\"type\":"
                 "\"string\"},\"q\":{\"type\":\"integer\"}},\"required\":[\"k\",\"q\"],\"additionalProperties\":false}}},"
                 "\"required\":[\"t\",\"temp\"],\"additionalProperties\":false}"},
};
enum { TABLE_SIZE = sizeof TABLE / sizeof *TABLE };

/* The program of the table; they stay for good. */
static inline const struct hg_program *program_of(unsigned which) {
    static struct hg_program *programs[TABLE_SIZE];
    static struct heap heap = {0, -1};
    which %= TABLE_SIZE;
    if (programs[which] == NULL) {
        const struct hg_alloc memory = heap_of(&heap);
        struct hg_compile_options options = {.draft = TABLE[which].draft, .formats = UINT32_MAX};
        options.unknown_keywords = true;
        memcpy(options.seed, SEED, sizeof options.seed);
        CHECK(hg_compile(&memory, (const uint8_t *)TABLE[which].text, (uint32_t)strlen(TABLE[which].text), &options,
                         &programs[which]) == HG_OK);
    }
    return programs[which];
}

#endif
