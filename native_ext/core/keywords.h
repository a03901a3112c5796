/* The keywords of the two drafts: what each takes, and in which vocabulary it is. */
#ifndef HEADGATE_KEYWORDS_H
#define HEADGATE_KEYWORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "program.h"

/* Behind the keywords that a program knows: those that only the compiler sees. */
enum hg_other_keyword {
    HG_K_SCHEMA = HG_K_COUNT,
    HG_K_ID,
    HG_K_ANCHOR,
    HG_K_DYNAMIC_ANCHOR,
    HG_K_VOCABULARY,
    HG_K_DEFS,
    HG_K_ANNOTATION
};

enum hg_shape {
    HG_SHAPE_ANY,
    HG_SHAPE_STRING,
    HG_SHAPE_FLAG,
    HG_SHAPE_NUMBER,
    HG_SHAPE_COUNT,
    HG_SHAPE_NAMES,
    HG_SHAPE_OBJECT,
    HG_SHAPE_SCHEMA,
    HG_SHAPE_SCHEMAS,     /* a list of at least one */
    HG_SHAPE_MAP,         /* an object of schemas */
    HG_SHAPE_ITEMS,       /* a schema, or in draft-07 a list */
    HG_SHAPE_DEPENDENCIES /* an object of schemas and lists of names */
};

/* Vocabularies of 2020-12 that can be left out of a metaschema. */
enum {
    HG_VOCABULARY_APPLICATOR = 1,
    HG_VOCABULARY_UNEVALUATED = 2,
    HG_VOCABULARY_VALIDATION = 4,
    HG_VOCABULARY_CONTENT = 8,
    HG_VOCABULARY_FORMAT = 16, /* either of the two: whether formats are asserted is up to the caller */
    HG_VOCABULARY_ALL = 31
};

enum { HG_IN_7 = 1, HG_IN_2020 = 2 };

struct hg_keyword_row {
    const char *name;
    uint8_t id;     /* enum hg_keyword or hg_other_keyword */
    uint8_t drafts; /* HG_IN_* */
    uint8_t shape;
    uint8_t vocabulary; /* 0: always there */
    uint8_t types;      /* of the values it says something about */
};

/* The row of that name in a draft (HG_IN_*), or NULL. */
const struct hg_keyword_row *hg_keyword_row(const uint8_t *name, uint32_t size, unsigned draft);
/* The keyword of the draft that was probably meant, or NULL. */
const char *hg_keyword_meant(const uint8_t *name, uint32_t size, unsigned draft);

/* The smallest number of insertions, deletions and replacements, upper case as lower; at most `more`. */
uint32_t hg_edit_distance(const uint8_t *word, uint32_t size, const char *known, uint32_t more);

#endif
