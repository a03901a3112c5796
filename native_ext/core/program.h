/* A compiled schema: one block of memory without pointers, which the engine (engine.h) interprets while it scans.
 *
 * Everything refers to everything by its offset in bytes from the start of the block; 0 is "nothing" (the block starts with its
 * header, so nothing else can be there). A reference to a node of 0 is the schema that accepts everything. Records are aligned to
 * 8 bytes. The block may be copied or shared between threads; nothing in it changes after compilation.
 *
 *   hg_program -> root: hg_node --object--> hg_object_rules -> hg_property[] -> hg_node ...
 *                            |  --array---> hg_array_rules
 *                            |  --string--> hg_string_rules -> pattern, format
 *                            |  --number--> hg_number_rules -> hg_constant
 *                            |  --choice--> hg_choice (const, enum)
 *                            `  --same----> hg_same[]: allOf anyOf oneOf not if $ref $dynamicRef, for the same value
 */
#ifndef HEADGATE_PROGRAM_H
#define HEADGATE_PROGRAM_H

#include <stdint.h>

#include "alloc.h"
#include "number.h"

/* Types of a value, bits: those of firmware_py/headgate/core/schema_check.py. An integer is a number without a fraction, however it
 * is written. HG_FOREIGN: what CBOR has and JSON has not (undefined, simple values, NaN, unknown tags, byte strings unless
 * contentEncoding allows them); only a schema without `type` takes it. */
enum {
    HG_NULL = 1,
    HG_BOOLEAN = 2,
    HG_INTEGER = 4,
    HG_FRACTION = 8,
    HG_STRING = 16,
    HG_ARRAY = 32,
    HG_OBJECT = 64,
    HG_FOREIGN = 128,
    HG_ANY = 255
};

typedef uint32_t hg_ref; /* offset in the program, 0: nothing */

/* The short way to what a value must be, where one kind of value is all that its node is about: `engine_road.h`. */
enum hg_road_to {
    HG_ROAD_NUMBER,  /* rules: hg_number_rules, exact and scaled */
    HG_ROAD_INTEGER, /* rules: hg_number_rules, exact */
    HG_ROAD_TEXT,    /* rules: hg_string_rules */
    HG_ROAD_CHOICE,  /* rules: hg_choice, of at most HG_ROAD_CHOICES strings */
    HG_ROAD_BOOLEAN,
    HG_ROAD_OBJECT, /* rules: the hg_node */
    HG_ROAD_ARRAY,  /* rules: the hg_node */
    HG_ROAD_NONE    /* the node must be asked */
};
#define HG_ROAD_CHOICES 8 /* strings compared one after the other; more are looked up */
struct hg_road {
    uint32_t to; /* enum hg_road_to */
    hg_ref rules;
};

struct hg_program {
    uint32_t size;  /* bytes of the block */
    uint32_t flags; /* HG_PROGRAM_* */
    hg_ref root;    /* hg_node */
    uint32_t node_count;
    hg_ref dynamic; /* hg_dynamic[dynamic_count], sorted by (anchor, resource) */
    uint32_t dynamic_count;
    hg_ref resources; /* hg_resource[resource_count] */
    uint32_t resource_count;
    /* limits of one document */
    uint32_t max_depth;  /* open containers */
    uint32_t max_steps;  /* subschemas applied to values */
    uint32_t max_bytes;  /* of the document */
    uint32_t max_errors; /* violations reported */
    uint8_t seed[16];    /* of the hashes of names and values that strangers choose */
    struct hg_road road; /* to the root */
};

enum {
    HG_PROGRAM_DYNAMIC = 1,        /* has a $dynamicRef: the engine keeps the dynamic scope */
    HG_PROGRAM_LAST_DUPLICATE = 2, /* a name given twice: the last one counts; otherwise it is a fault */
    HG_PROGRAM_AGAIN = 4           /* a value may be read several times */
};

struct hg_resource {
    hg_ref uri; /* text of the absolute URI, without fragment */
    uint32_t length;
};

/* Where a dynamic anchor leads when `resource` is the outermost of the dynamic scope that has it. */
struct hg_dynamic {
    uint32_t anchor; /* number of the anchor's name */
    uint32_t resource;
    hg_ref node;
};

struct hg_node {
    uint8_t types; /* allowed; 0: the schema `false`; HG_ANY: no `type` */
    uint8_t flags; /* HG_NODE_* */
    uint16_t resource;
    hg_ref number; /* hg_number_rules */
    hg_ref string; /* hg_string_rules */
    hg_ref array;  /* hg_array_rules */
    hg_ref object; /* hg_object_rules */
    hg_ref choice; /* hg_choice */
    hg_ref same;   /* hg_same[], ends with HG_SAME_END */
    hg_ref location; /* hg_location */
};

enum {
    HG_NODE_BARE = 1, /* has nothing but `same`: types == HG_ANY and no rules */
    HG_NODE_REF = 2,  /* bare, and `same` is one HG_SAME_ALL, in the same resource or without dynamic scope: jump */
    HG_NODE_LIST = 4, /* unevaluatedProperties or -Items in this node: no short way to it */
    HG_NODE_BYTES = 8, /* contentEncoding: a CBOR byte string is a string here */
    HG_NODE_ONE = 16,  /* bare, and `same` is one HG_SAME_ALL or HG_SAME_DYNAMIC */
    HG_NODE_TYPED = 32, /* has nothing but types, which have both kinds of numbers or none, and `same` */
    HG_NODE_MERGED = 64 /* a hg_merged stands before `same` */
};

/* A node that says the same as one and what applies in place beside it, in fewer rules: for who only wants to know whether a value is valid. */
struct hg_merged {
    uint32_t reserved;
    hg_ref node;
};

/* Where a node is in its document: the location of the parent, then `text`, the rest of a JSON pointer as it stands
 * ("/properties/a~1b", percent-encoding is added when written as URI). */
struct hg_location {
    hg_ref parent; /* hg_location; 0: the root of the document, whose number is in `resource` */
    hg_ref text;
    uint32_t length;
    uint32_t resource; /* of the document root */
};

enum hg_keyword {
    HG_K_NONE = 0,
    HG_K_TYPE, HG_K_ENUM, HG_K_CONST,
    HG_K_MINIMUM, HG_K_MAXIMUM, HG_K_EXCLUSIVE_MINIMUM, HG_K_EXCLUSIVE_MAXIMUM, HG_K_MULTIPLE_OF,
    HG_K_MIN_LENGTH, HG_K_MAX_LENGTH, HG_K_PATTERN, HG_K_FORMAT, HG_K_CONTENT_ENCODING,
    HG_K_REQUIRED, HG_K_PROPERTIES, HG_K_PATTERN_PROPERTIES, HG_K_ADDITIONAL_PROPERTIES, HG_K_PROPERTY_NAMES,
    HG_K_MIN_PROPERTIES, HG_K_MAX_PROPERTIES, HG_K_DEPENDENT_REQUIRED, HG_K_DEPENDENT_SCHEMAS, HG_K_DEPENDENCIES,
    HG_K_UNEVALUATED_PROPERTIES,
    HG_K_PREFIX_ITEMS, HG_K_ITEMS, HG_K_ADDITIONAL_ITEMS, HG_K_MIN_ITEMS, HG_K_MAX_ITEMS, HG_K_UNIQUE_ITEMS,
    HG_K_CONTAINS, HG_K_MIN_CONTAINS, HG_K_MAX_CONTAINS, HG_K_UNEVALUATED_ITEMS,
    HG_K_ALL_OF, HG_K_ANY_OF, HG_K_ONE_OF, HG_K_NOT, HG_K_IF, HG_K_THEN, HG_K_ELSE, HG_K_REF, HG_K_DYNAMIC_REF,
    HG_K_COUNT
};
/* "minimum", ... */
const char *hg_keyword_name(enum hg_keyword keyword);

/* A number of the schema. */
struct hg_constant {
    uint64_t mantissa;
    hg_ref digits; /* 0, or the text of the digits (hg_number) */
    uint32_t count;
    int32_t exponent;
    uint32_t negative;
};

struct hg_number_rule {
    uint32_t keyword; /* HG_K_MINIMUM .. HG_K_MULTIPLE_OF */
    hg_ref constant;
};

struct hg_number_rules {
    int64_t least, most; /* integers that fit in 64 bits must lie in here (INT64_MIN, INT64_MAX: no bound on that side)... */
    int64_t step;        /* ... and be multiples of this (0: no multipleOf, or not an integer of 64 bits) */
    uint32_t exact;      /* 1: for an integer of 64 bits, least, most and step say everything; 0: check `rules` too */
    uint32_t scaled;     /* 1: for a number of millionths that fits in 64 bits, least6, most6 and step6 say everything */
    int64_t least6, most6, step6; /* in millionths, as the three above: 21.75 is 21750000 */
    hg_ref rules;        /* hg_number_rule[count]: every keyword as it was written */
    uint32_t count;
};

struct hg_string_rules {
    uint32_t min_length, max_length; /* code points; UINT32_MAX: no maximum */
    hg_ref pattern;                  /* compiled (pattern.h), or 0 */
    hg_ref source;                   /* of the pattern: text */
    uint32_t source_length;
    uint16_t format; /* enum hg_format; 0: none, or not asserted */
    uint16_t encoding; /* contentEncoding: 0 none, else enum hg_encoding (asserts nothing of JSON strings) */
};
enum hg_encoding { HG_BASE16 = 1, HG_BASE32, HG_BASE64, HG_BASE64URL };

/* A name or a string constant, decoded. `text` is aligned to 8 bytes, follows a quote, and is followed by `":` and zeros up to the next
 * multiple of 8, so that it can be compared with a document by words: `"name":` are the length + 3 bytes from text - 1 on. */
struct hg_name {
    hg_ref text;
    uint32_t length;  /* bytes, without quote and colon */
    uint32_t head;    /* as many ones as `"name":` has bytes, 16 at most; HG_NAME_... */
    uint32_t hash;    /* hg_name_hash of the name */
};

enum {
    HG_NAME_LONG = 1 << 17,   /* `"name":` has more than 16 bytes */
    HG_NAME_ESCAPED = 1 << 18 /* as JSON it has a character that must be escaped (quote, backslash, control): a 0 is in place of the quote before it */
};

/* A set of names: `hash & mask`, then the next slot (linear probing), 0xFFFF ends. No table for fewer than 5 names. */
struct hg_names {
    uint32_t count;
    uint32_t stride;  /* bytes from one entry to the next; each begins with its hg_name */
    hg_ref entries;
    hg_ref table;     /* uint16_t[mask + 1] */
    uint32_t mask;
    uint32_t longest; /* bytes */
    uint32_t kinds;   /* bit hg_name_kind of each: most other names are told by it */
};

struct hg_property {
    struct hg_name name;
    hg_ref node;     /* for its value: of `properties`; for a name only mentioned elsewhere, of what applies to it (a pattern, additionalProperties) */
    hg_ref more;     /* uint32_t count, then hg_ref[count]: further nodes, of the patternProperties that match the name */
    uint32_t keyword; /* HG_K_PROPERTIES if declared there; else HG_K_PATTERN_PROPERTIES, HG_K_ADDITIONAL_PROPERTIES, or HG_K_NONE: `node` is of
                         that keyword (HG_K_NONE: nothing applies to it) */
    struct hg_road road; /* to `node` */
};

struct hg_pattern_rule {
    hg_ref pattern;
    hg_ref node;
    hg_ref source; /* text */
    uint32_t source_length;
    struct hg_road road; /* to `node` */
};

struct hg_dependent {
    uint32_t property; /* index in names */
    uint32_t keyword;  /* HG_K_DEPENDENT_REQUIRED, HG_K_DEPENDENT_SCHEMAS or HG_K_DEPENDENCIES */
    hg_ref required;   /* uint64_t[words], or 0 */
    hg_ref node;       /* with `required` == 0; 0 accepts everything */
};

/* Bit i of the sets below is entry i of `names`, in words of 64 bits. */
struct hg_object_rules {
    uint32_t min, max; /* members; UINT32_MAX: no maximum */
    uint32_t words;    /* of each set of names: (names.count + 63) / 64, at most HG_SCHEMA_NAMES / 64 */
    uint32_t has_rest; /* 1: additionalProperties is there */
    hg_ref required;   /* uint64_t[words], or 0 */
    hg_ref rest;       /* additionalProperties */
    hg_ref names_node; /* propertyNames */
    hg_ref patterns;   /* hg_pattern_rule[pattern_count] */
    uint32_t pattern_count;
    hg_ref dependents; /* hg_dependent[dependent_count] */
    uint32_t dependent_count;
    hg_ref unevaluated; /* unevaluatedProperties, if has_unevaluated */
    uint32_t has_unevaluated;
    uint32_t in_order; /* so many names from the first one on have nothing in `more` and their bit in the first word; 0 with propertyNames */
    struct hg_names names; /* of hg_property */
    struct hg_road road;   /* to `rest` */
};

struct hg_array_rules {
    uint32_t min, max; /* items; UINT32_MAX: no maximum */
    hg_ref prefix;     /* hg_ref[prefix_count] */
    uint32_t prefix_count;
    hg_ref rest; /* items after the prefix, if has_rest */
    uint32_t has_rest;
    uint32_t unique;
    hg_ref contains; /* if has_contains */
    uint32_t has_contains;
    uint32_t min_contains, max_contains; /* UINT32_MAX: no maximum */
    hg_ref unevaluated; /* if has_unevaluated */
    uint32_t has_unevaluated;
    uint16_t prefix_keyword; /* HG_K_PREFIX_ITEMS, or HG_K_ITEMS in draft-07 */
    uint16_t rest_keyword;   /* HG_K_ITEMS, or HG_K_ADDITIONAL_ITEMS in draft-07 */
    struct hg_road road;     /* to `rest` */
};

/* const (a single one) and enum. */
struct hg_choice {
    uint8_t literals; /* HG_NULL, HG_TRUE, HG_FALSE */
    uint8_t keyword;  /* HG_K_CONST or HG_K_ENUM */
    uint16_t free;    /* types of values that it says nothing of: 0, but where alternatives were merged */
    uint32_t number_count;
    hg_ref numbers; /* hg_constant[] */
    uint32_t container_count;
    hg_ref containers;     /* hg_container[] */
    hg_ref text;           /* JSON text of the values for a message: up to five, shortened; `a, b, ...` */
    uint32_t text_length;
    uint32_t types;        /* HG_STRING ...: of the values in it */
    struct hg_names strings; /* of hg_name */
};
enum { HG_TRUE_LITERAL = 2, HG_FALSE_LITERAL = 4 }; /* beside HG_NULL */

/* An array or object of a const or enum, in both encodings: each NUL-terminated, strict, without duplicate names. */
struct hg_container {
    hg_ref json;
    uint32_t json_length;
    hg_ref cbor;
    uint32_t cbor_length;
};

enum hg_same_op {
    HG_SAME_END = 0,
    HG_SAME_ALL,    /* a: the node (a member of allOf, or the target of $ref); b: its number in the compiler */
    HG_SAME_ANY,    /* a: hg_alternative[b]; index: hg_alternative[flags], what they come to; c: hg_tell, or 0 */
    HG_SAME_ONE,    /* the same */
    HG_SAME_NOT,    /* a: the node */
    HG_SAME_IF,     /* a: condition, b: then, c: else; flags: 1 there is a then, 2 there is an else */
    HG_SAME_DYNAMIC /* a: where it leads if no dynamic scope says otherwise, b: the number of the anchor's name */
};
struct hg_same {
    uint16_t op;
    uint16_t keyword; /* HG_K_ALL_OF, HG_K_REF, ... */
    uint32_t index; /* in allOf; or as above */
    uint32_t flags;
    hg_ref a;
    uint32_t b, c;
};

/* One of anyOf or oneOf, and what a first look at a value can tell of it. Where one is nothing but alternatives itself, the look is about
 * these, in its place. */
struct hg_alternative {
    hg_ref node;
    uint32_t takes; /* bits: types of values that it may accept; of any other type it accepts none */
    uint32_t of;    /* index of the alternative of the rule that it is, or is one of */
    uint32_t needs; /* bit i: name i of the hg_tell must be there; HG_TELL_NOT */
    hg_ref choice;  /* hg_choice: what it accepts for the first of these names; 0: anything */
    uint32_t hash;  /* hg_name_hash of the string that is all of `choice`; 0: it has to be asked */
};

/* The names of members that tell alternatives apart. */
#define HG_TELL_NAMES 8
#define HG_TELL_NOT 0x80000000u /* in `needs`: `choice` is what it does not accept */
struct hg_tell {
    uint32_t count;
    uint32_t want;              /* bits: the names; not the first one where it is not about a choice */
    hg_ref names[HG_TELL_NAMES]; /* hg_name; the first one: of the choices, or 0 */
};

static inline const void *hg_at(const struct hg_program *program, hg_ref ref) {
    return (const uint8_t *)program + ref;
}

/* HG_NODE_REF, HG_NODE_MERGED: what stands for the node. */
static inline hg_ref hg_stand_in(const struct hg_program *program, const struct hg_node *node) {
    if ((node->flags & HG_NODE_MERGED) != 0) {
        return ((const struct hg_merged *)hg_at(program, node->same) - 1)->node;
    }
    return ((const struct hg_same *)hg_at(program, node->same))->a;
}

/* Of a name: its length and its first and last bytes, so that most names of a schema differ. Not keyed: the table is the schema's. */
static inline uint32_t hg_name_hash(const uint8_t *name, uint32_t length) {
    uint32_t hash = length * 0x9E3779B1u;
    if (length >= 4) {
        hash ^= (uint32_t)name[0] | (uint32_t)name[1] << 8 | (uint32_t)name[2] << 16 | (uint32_t)name[3] << 24;
        hash *= 0x85EBCA6Bu;
        hash ^= (uint32_t)name[length - 4] | (uint32_t)name[length - 3] << 8 | (uint32_t)name[length - 2] << 16 |
                (uint32_t)name[length - 1] << 24;
        hash *= 0xC2B2AE35u;
        hash ^= (uint32_t)name[length / 2] << 7;
    } else {
        for (uint32_t i = 0; i < length; i++) {
            hash = (hash ^ name[i]) * 0x85EBCA6Bu;
        }
    }
    return hash ^ hash >> 15;
}

/* One of 32 kinds of names, from the length and both ends. */
static inline uint32_t hg_name_kind(const uint8_t *name, uint32_t length) {
    return length == 0 ? 0 : (length * 5u + name[0] * 3u + name[length - 1]) % 32;
}

static inline struct hg_number hg_constant_number(const struct hg_program *program, const struct hg_constant *constant) {
    return (struct hg_number){.mantissa = constant->mantissa,
                              .digits = constant->digits == 0 ? 0 : (const uint8_t *)hg_at(program, constant->digits),
                              .count = constant->count,
                              .exponent = constant->exponent,
                              .negative = constant->negative != 0};
}

#endif
