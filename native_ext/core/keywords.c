#include "keywords.h"

#include <stddef.h>
#include <string.h>

enum { BOTH = HG_IN_7 | HG_IN_2020, NUMERIC = HG_INTEGER | HG_FRACTION };
enum {
    APPLICATOR = HG_VOCABULARY_APPLICATOR,
    UNEVALUATED = HG_VOCABULARY_UNEVALUATED,
    VALIDATION = HG_VOCABULARY_VALIDATION,
    CONTENT = HG_VOCABULARY_CONTENT
};

/* In the order of memcmp. */
static const struct hg_keyword_row ROWS[] = {
    {"$anchor", HG_K_ANCHOR, HG_IN_2020, HG_SHAPE_STRING, 0, HG_ANY},
    {"$comment", HG_K_ANNOTATION, BOTH, HG_SHAPE_STRING, 0, HG_ANY},
    {"$defs", HG_K_DEFS, HG_IN_2020, HG_SHAPE_MAP, 0, HG_ANY},
    {"$dynamicAnchor", HG_K_DYNAMIC_ANCHOR, HG_IN_2020, HG_SHAPE_STRING, 0, HG_ANY},
    {"$dynamicRef", HG_K_DYNAMIC_REF, HG_IN_2020, HG_SHAPE_STRING, 0, HG_ANY},
    {"$id", HG_K_ID, BOTH, HG_SHAPE_STRING, 0, HG_ANY},
    {"$ref", HG_K_REF, BOTH, HG_SHAPE_STRING, 0, HG_ANY},
    {"$schema", HG_K_SCHEMA, BOTH, HG_SHAPE_STRING, 0, HG_ANY},
    {"$vocabulary", HG_K_VOCABULARY, HG_IN_2020, HG_SHAPE_OBJECT, 0, HG_ANY},
    {"additionalItems", HG_K_ADDITIONAL_ITEMS, HG_IN_7, HG_SHAPE_SCHEMA, APPLICATOR, HG_ARRAY},
    {"additionalProperties", HG_K_ADDITIONAL_PROPERTIES, BOTH, HG_SHAPE_SCHEMA, APPLICATOR, HG_OBJECT},
    {"allOf", HG_K_ALL_OF, BOTH, HG_SHAPE_SCHEMAS, APPLICATOR, HG_ANY},
    {"anyOf", HG_K_ANY_OF, BOTH, HG_SHAPE_SCHEMAS, APPLICATOR, HG_ANY},
    {"const", HG_K_CONST, BOTH, HG_SHAPE_ANY, VALIDATION, HG_ANY},
    {"contains", HG_K_CONTAINS, BOTH, HG_SHAPE_SCHEMA, APPLICATOR, HG_ARRAY},
    {"contentEncoding", HG_K_CONTENT_ENCODING, BOTH, HG_SHAPE_STRING, CONTENT, HG_STRING},
    {"contentMediaType", HG_K_ANNOTATION, BOTH, HG_SHAPE_STRING, CONTENT, HG_STRING},
    {"contentSchema", HG_K_ANNOTATION, HG_IN_2020, HG_SHAPE_SCHEMA, CONTENT, HG_STRING},
    {"default", HG_K_ANNOTATION, BOTH, HG_SHAPE_ANY, 0, HG_ANY},
    {"definitions", HG_K_DEFS, BOTH, HG_SHAPE_MAP, 0, HG_ANY}, /* in 2020-12 kept for compatibility */
    {"dependencies", HG_K_DEPENDENCIES, HG_IN_7, HG_SHAPE_DEPENDENCIES, APPLICATOR, HG_OBJECT},
    {"dependentRequired", HG_K_DEPENDENT_REQUIRED, HG_IN_2020, HG_SHAPE_ANY, VALIDATION, HG_OBJECT},
    {"dependentSchemas", HG_K_DEPENDENT_SCHEMAS, HG_IN_2020, HG_SHAPE_MAP, APPLICATOR, HG_OBJECT},
    {"deprecated", HG_K_ANNOTATION, HG_IN_2020, HG_SHAPE_FLAG, 0, HG_ANY},
    {"description", HG_K_ANNOTATION, BOTH, HG_SHAPE_STRING, 0, HG_ANY},
    {"else", HG_K_ELSE, BOTH, HG_SHAPE_SCHEMA, APPLICATOR, HG_ANY},
    {"enum", HG_K_ENUM, BOTH, HG_SHAPE_ANY, VALIDATION, HG_ANY},
    {"examples", HG_K_ANNOTATION, BOTH, HG_SHAPE_ANY, 0, HG_ANY},
    {"exclusiveMaximum", HG_K_EXCLUSIVE_MAXIMUM, BOTH, HG_SHAPE_NUMBER, VALIDATION, NUMERIC},
    {"exclusiveMinimum", HG_K_EXCLUSIVE_MINIMUM, BOTH, HG_SHAPE_NUMBER, VALIDATION, NUMERIC},
    {"format", HG_K_FORMAT, BOTH, HG_SHAPE_STRING, HG_VOCABULARY_FORMAT, HG_STRING},
    {"if", HG_K_IF, BOTH, HG_SHAPE_SCHEMA, APPLICATOR, HG_ANY},
    {"items", HG_K_ITEMS, BOTH, HG_SHAPE_ITEMS, APPLICATOR, HG_ARRAY},
    {"maxContains", HG_K_MAX_CONTAINS, HG_IN_2020, HG_SHAPE_COUNT, VALIDATION, HG_ARRAY},
    {"maxItems", HG_K_MAX_ITEMS, BOTH, HG_SHAPE_COUNT, VALIDATION, HG_ARRAY},
    {"maxLength", HG_K_MAX_LENGTH, BOTH, HG_SHAPE_COUNT, VALIDATION, HG_STRING},
    {"maxProperties", HG_K_MAX_PROPERTIES, BOTH, HG_SHAPE_COUNT, VALIDATION, HG_OBJECT},
    {"maximum", HG_K_MAXIMUM, BOTH, HG_SHAPE_NUMBER, VALIDATION, NUMERIC},
    {"minContains", HG_K_MIN_CONTAINS, HG_IN_2020, HG_SHAPE_COUNT, VALIDATION, HG_ARRAY},
    {"minItems", HG_K_MIN_ITEMS, BOTH, HG_SHAPE_COUNT, VALIDATION, HG_ARRAY},
    {"minLength", HG_K_MIN_LENGTH, BOTH, HG_SHAPE_COUNT, VALIDATION, HG_STRING},
    {"minProperties", HG_K_MIN_PROPERTIES, BOTH, HG_SHAPE_COUNT, VALIDATION, HG_OBJECT},
    {"minimum", HG_K_MINIMUM, BOTH, HG_SHAPE_NUMBER, VALIDATION, NUMERIC},
    {"multipleOf", HG_K_MULTIPLE_OF, BOTH, HG_SHAPE_NUMBER, VALIDATION, NUMERIC},
    {"not", HG_K_NOT, BOTH, HG_SHAPE_SCHEMA, APPLICATOR, HG_ANY},
    {"oneOf", HG_K_ONE_OF, BOTH, HG_SHAPE_SCHEMAS, APPLICATOR, HG_ANY},
    {"pattern", HG_K_PATTERN, BOTH, HG_SHAPE_STRING, VALIDATION, HG_STRING},
    {"patternProperties", HG_K_PATTERN_PROPERTIES, BOTH, HG_SHAPE_MAP, APPLICATOR, HG_OBJECT},
    {"prefixItems", HG_K_PREFIX_ITEMS, HG_IN_2020, HG_SHAPE_SCHEMAS, APPLICATOR, HG_ARRAY},
    {"properties", HG_K_PROPERTIES, BOTH, HG_SHAPE_MAP, APPLICATOR, HG_OBJECT},
    {"propertyNames", HG_K_PROPERTY_NAMES, BOTH, HG_SHAPE_SCHEMA, APPLICATOR, HG_OBJECT},
    {"readOnly", HG_K_ANNOTATION, BOTH, HG_SHAPE_FLAG, 0, HG_ANY},
    {"required", HG_K_REQUIRED, BOTH, HG_SHAPE_NAMES, VALIDATION, HG_OBJECT},
    {"then", HG_K_THEN, BOTH, HG_SHAPE_SCHEMA, APPLICATOR, HG_ANY},
    {"title", HG_K_ANNOTATION, BOTH, HG_SHAPE_STRING, 0, HG_ANY},
    {"type", HG_K_TYPE, BOTH, HG_SHAPE_ANY, VALIDATION, HG_ANY},
    {"unevaluatedItems", HG_K_UNEVALUATED_ITEMS, HG_IN_2020, HG_SHAPE_SCHEMA, UNEVALUATED, HG_ARRAY},
    {"unevaluatedProperties", HG_K_UNEVALUATED_PROPERTIES, HG_IN_2020, HG_SHAPE_SCHEMA, UNEVALUATED, HG_OBJECT},
    {"uniqueItems", HG_K_UNIQUE_ITEMS, BOTH, HG_SHAPE_FLAG, VALIDATION, HG_ARRAY},
    {"writeOnly", HG_K_ANNOTATION, BOTH, HG_SHAPE_FLAG, 0, HG_ANY},
};
enum { ROW_COUNT = sizeof ROWS / sizeof *ROWS };

/* Words of other drafts and what they became. */
static const struct {
    const char *word, *meant;
    unsigned draft;
} RENAMED[] = {
    {"$defs", "definitions", HG_IN_7},
    {"dependencies", "dependentRequired", HG_IN_2020},
    {"dependentRequired", "dependencies", HG_IN_7},
    {"dependentSchemas", "dependencies", HG_IN_7},
    {"additionalItems", "items", HG_IN_2020},
    {"prefixItems", "items", HG_IN_7},
    {"id", "$id", BOTH},
    {"ref", "$ref", BOTH},
    {"schema", "$schema", BOTH},
    {"comment", "$comment", BOTH},
    {"divisibleBy", "multipleOf", BOTH},
};

const struct hg_keyword_row *hg_keyword_row(const uint8_t *name, uint32_t size, unsigned draft) {
    uint32_t low = 0, high = ROW_COUNT;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        const struct hg_keyword_row *row = &ROWS[middle];
        const uint32_t length = (uint32_t)strlen(row->name);
        const int order = memcmp(name, row->name, size < length ? size : length);
        if (order == 0 && size == length) {
            return row->drafts & draft ? row : NULL;
        }
        if (order < 0 || (order == 0 && size < length)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

static uint8_t lower(uint8_t c) {
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

enum { LONGEST_WORD = 40 };

uint32_t hg_edit_distance(const uint8_t *word, uint32_t size, const char *known, uint32_t more) {
    const uint32_t length = (uint32_t)strlen(known);
    uint8_t row[LONGEST_WORD + 1];
    if (length > LONGEST_WORD || size > length + more || length > size + more) {
        return more;
    }
    for (uint32_t i = 0; i <= length; i++) {
        row[i] = (uint8_t)i;
    }
    for (uint32_t i = 0; i < size; i++) {
        uint8_t corner = row[0];
        row[0] = (uint8_t)(i + 1);
        for (uint32_t k = 0; k < length; k++) {
            const uint8_t above = row[k + 1];
            uint8_t best = (uint8_t)(corner + (lower(word[i]) != lower((uint8_t)known[k])));
            best = above + 1 < best ? (uint8_t)(above + 1) : best;
            best = row[k] + 1 < best ? (uint8_t)(row[k] + 1) : best;
            row[k + 1] = best;
            corner = above;
        }
    }
    return row[length] < more ? row[length] : more;
}

const char *hg_keyword_meant(const uint8_t *name, uint32_t size, unsigned draft) {
    for (uint32_t i = 0; i < sizeof RENAMED / sizeof *RENAMED; i++) {
        if (RENAMED[i].draft & draft && strlen(RENAMED[i].word) == size && memcmp(name, RENAMED[i].word, size) == 0) {
            return RENAMED[i].meant;
        }
    }
    const char *best = NULL;
    uint32_t least = 3; /* two edits at most */
    for (uint32_t i = 0; i < ROW_COUNT; i++) {
        if (ROWS[i].drafts & draft) {
            const uint32_t distance = hg_edit_distance(name, size, ROWS[i].name, least);
            if (distance < least && distance * 2 < strlen(ROWS[i].name)) {
                best = ROWS[i].name;
                least = distance;
            }
        }
    }
    return best;
}
