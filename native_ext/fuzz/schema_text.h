/* Schemas and documents out of a fuzzer's bytes: always JSON, seldom nonsense, from few names, so that they meet. */
#ifndef HEADGATE_FUZZ_SCHEMA_TEXT_H
#define HEADGATE_FUZZ_SCHEMA_TEXT_H

#include <stdbool.h>
#include <string.h>

#include "input.h"

struct writer {
    char *text;
    size_t used, room;
};

static inline void put(struct writer *to, const char *text) {
    const size_t length = strlen(text);
    if (to->room - to->used > length) {
        memcpy(to->text + to->used, text, length + 1);
        to->used += length;
    }
}

#define PICK(input, list) ((list)[take_byte(input) % (sizeof(list) / sizeof *(list))])

static const char *const NAMES[] = {"\"a\"", "\"b\"", "\"ab\"", "\"\\u0061\"", "\"\"", "\"x/~y\"", "\"caf\xc3\xa9\""};
static const char *const NUMBERS[] = {"0",   "1",   "2",    "-1",   "1.0",  "10e-1", "1.5", "0.01", "600.03",
                                      "1e3", "100", "1e30", "-0.0", "4.5e0", "9223372036854775808",
                                      "123456789012345678901234567890.5"};
static const char *const TEXTS[] = {"\"\"",        "\"a\"",     "\"ab\"",         "\"abcabc\"", "\"\\ud83d\\ude00\"",
                                    "\"\\u0000\"", "\"2024-02-29\"", "\"127.0.0.1\"", "\"YWJj\"",   "\"caf\xc3\xa9\""};
static const char *const PATTERNS[] = {"\"^a\"", "\"b$\"", "\"^(ab|c)*$\"", "\"\\\\d\"", "\"^.{2,4}$\"", "\"[^a]\"",
                                       "\"\\\\bb\"", "\"^a$\"", "\"\\\\p{L}\""};
static const char *const TYPES[] = {"null", "boolean", "integer", "number", "string", "array", "object"};
static const char *const FORMATS[] = {"date-time", "date", "time", "duration", "uuid", "email", "hostname", "ipv4",
                                      "ipv6", "uri", "uri-reference", "json-pointer", "relative-json-pointer", "regex"};
static const char *const REFERENCES[] = {"\"#\"", "\"#/$defs/a\"", "\"#/$defs/b\"", "\"#n\"", "\"urn:x:r\"",
                                         "\"#/properties/a\"", "\"urn:x:r#n\"", "\"urn:nowhere\""};
static const char *const ENCODINGS[] = {"\"base16\"", "\"base32\"", "\"base64\"", "\"base64url\""};

static inline void put_value(struct writer *to, struct input *input, unsigned depth) {
    const unsigned kind = take_byte(input) % (depth > 0 ? 8u : 5u);
    const unsigned count = kind < 5 ? 0u : take_byte(input) % 4u;
    switch (kind) {
    case 0:
    case 1:
        put(to, PICK(input, NUMBERS));
        break;
    case 2:
    case 3:
        put(to, PICK(input, TEXTS));
        break;
    case 4:
        put(to, (const char *const[]){"null", "true", "false"}[take_byte(input) % 3]);
        break;
    case 5:
        put(to, "[");
        for (unsigned i = 0; i < count; i++) {
            put(to, i > 0 ? ", " : "");
            put_value(to, input, depth - 1);
        }
        put(to, "]");
        break;
    default:
        put(to, "{");
        for (unsigned i = 0; i < count; i++) {
            put(to, i > 0 ? "," : "");
            put(to, NAMES[(take_byte(input) % 2 + 2 * i) % 7]); /* seldom the same twice */
            put(to, ": ");
            put_value(to, input, depth - 1);
        }
        put(to, "}");
    }
}

static inline void put_schema(struct writer *to, struct input *input, unsigned depth);

static inline void put_list(struct writer *to, struct input *input, unsigned depth) {
    const unsigned count = 1 + take_byte(input) % 3;
    for (unsigned i = 0; i < count; i++) {
        put(to, i > 0 ? "," : "[");
        put_schema(to, input, depth);
    }
    put(to, "]");
}

/* An object of subschemas, or of lists of names. */
static inline void put_map(struct writer *to, struct input *input, unsigned depth, const char *const *names,
                           size_t name_count, unsigned lists) {
    const unsigned count = 1 + take_byte(input) % 3, first = take_byte(input);
    for (unsigned i = 0; i < count && i < name_count; i++) {
        put(to, i > 0 ? "," : "{");
        put(to, names[(first + i) % name_count]);
        put(to, ":");
        if (lists == 1 || (lists == 2 && take_byte(input) % 2)) {
            put(to, take_byte(input) % 2 ? "[\"a\",\"b\"]" : "[\"ab\"]");
        } else {
            put_schema(to, input, depth);
        }
    }
    put(to, "}");
}

/* What each keyword takes. */
static const struct {
    const char *name;
    char takes; /* s(chema) l(ist of them) m(ap) p(attern map) n(umber) c(ount) v(alue) others: see put_keyword */
} KEYWORDS[] = {
    {"properties", 'm'},       {"additionalProperties", 's'}, {"patternProperties", 'p'}, {"propertyNames", 's'},
    {"required", 'r'},         {"items", 's'},                {"prefixItems", 'l'},       {"contains", 's'},
    {"minContains", 'c'},      {"maxContains", 'c'},          {"allOf", 'l'},             {"anyOf", 'l'},
    {"oneOf", 'l'},            {"not", 's'},                  {"if", 's'},                {"then", 's'},
    {"else", 's'},             {"$ref", 'R'},                 {"$dynamicRef", 'R'},       {"unevaluatedProperties", 's'},
    {"unevaluatedItems", 's'}, {"dependentSchemas", 'm'},     {"dependentRequired", 'd'}, {"dependencies", 'D'},
    {"additionalItems", 's'},  {"type", 't'},                 {"type", 'T'},              {"enum", 'e'},
    {"const", 'v'},            {"minimum", 'n'},              {"maximum", 'n'},           {"exclusiveMinimum", 'n'},
    {"exclusiveMaximum", 'n'}, {"multipleOf", 'n'},           {"minLength", 'c'},         {"maxLength", 'c'},
    {"pattern", 'P'},          {"format", 'f'},               {"contentEncoding", 'E'},   {"minItems", 'c'},
    {"maxItems", 'c'},         {"uniqueItems", 'u'},          {"minProperties", 'c'},     {"maxProperties", 'c'},
    {"$defs", 'm'},            {"$anchor", 'a'},              {"$dynamicAnchor", 'a'},    {"$id", 'i'},
    {"items", 'l'},
};
enum { NESTED = 25, KEYWORD_COUNT = sizeof KEYWORDS / sizeof *KEYWORDS };

static inline void put_keyword(struct writer *to, struct input *input, unsigned which, unsigned depth) {
    const size_t names = sizeof NAMES / sizeof *NAMES - 4;
    put(to, "\"");
    put(to, KEYWORDS[which].name);
    put(to, "\":");
    switch (KEYWORDS[which].takes) {
    case 's':
        put_schema(to, input, depth);
        break;
    case 'l':
        put_list(to, input, depth);
        break;
    case 'm':
        put_map(to, input, depth, NAMES, names, 0);
        break;
    case 'p':
        put_map(to, input, depth, PATTERNS, sizeof PATTERNS / sizeof *PATTERNS, 0);
        break;
    case 'd':
        put_map(to, input, depth, NAMES, names, 1);
        break;
    case 'D':
        put_map(to, input, depth, NAMES, names, 2);
        break;
    case 'r':
        put(to, (const char *const[]){"[]", "[\"a\"]", "[\"b\",\"a\"]", "[\"zz\"]"}[take_byte(input) % 4]);
        break;
    case 'n':
        put(to, PICK(input, NUMBERS));
        break;
    case 'c':
        put(to, (const char *const[]){"0", "1", "2", "3", "4.0"}[take_byte(input) % 5]);
        break;
    case 'v':
        put_value(to, input, 2);
        break;
    case 'e':
        put(to, "[");
        put_value(to, input, 2);
        put(to, ",");
        put_value(to, input, 1);
        put(to, "]");
        break;
    case 'R':
        put(to, PICK(input, REFERENCES));
        break;
    case 't':
        put(to, "\"");
        put(to, PICK(input, TYPES));
        put(to, "\"");
        break;
    case 'T': {
        const unsigned first = take_byte(input) % 6;
        put(to, "[\"");
        put(to, TYPES[first]);
        put(to, "\",\"");
        put(to, TYPES[first + 1]);
        put(to, "\"]");
        break;
    }
    case 'P':
        put(to, PICK(input, PATTERNS));
        break;
    case 'f':
        put(to, "\"");
        put(to, PICK(input, FORMATS));
        put(to, "\"");
        break;
    case 'E':
        put(to, PICK(input, ENCODINGS));
        break;
    case 'u':
        put(to, "true");
        break;
    case 'a':
        put(to, "\"n\"");
        break;
    default:
        put(to, "\"urn:x:r\"");
    }
}

static inline void put_schema(struct writer *to, struct input *input, unsigned depth) {
    const unsigned first = take_byte(input), count = 1 + first % 4;
    if (input->left == 0 || first >= 240) {
        put(to, first % 2 ? "true" : input->left == 0 ? "{}" : "false");
        return;
    }
    bool seen[KEYWORD_COUNT] = {false};
    const char *between = "{";
    for (unsigned i = 0; i < count; i++) {
        const unsigned which = depth > 0 ? take_byte(input) % KEYWORD_COUNT
                                         : NESTED + take_byte(input) % (KEYWORD_COUNT - NESTED - 5);
        bool twice = false;
        for (unsigned k = 0; k < KEYWORD_COUNT; k++) {
            twice = twice || (seen[k] && strcmp(KEYWORDS[k].name, KEYWORDS[which].name) == 0);
        }
        if (!twice) {
            seen[which] = true;
            put(to, between);
            put_keyword(to, input, which, depth - (depth > 0));
            between = ",";
        }
    }
    put(to, "}");
}

#endif
