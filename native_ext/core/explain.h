/* Mode EXPLAIN of the engine: where in the document and in the schema it stands, and each violation in words.
 * A part of the engine's template: included after a reader, once for each. The words are those of firmware_py/headgate/core/schema_explain.py. */
#ifndef HEADGATE_EXPLAIN_H
#define HEADGATE_EXPLAIN_H

#include "engine_run.h"
#include "explain_text.h"
#include "validate.h"

struct hg_explain {
    hg_report report;
    void *context;
    uint32_t left;  /* violations that may still be reported */
    bool full;      /* no more are wanted: the walk only looks for faults */
    bool violated;  /* at least one was found */
    uint32_t first; /* offset of the first */
    uint32_t instance_length, keyword_length; /* bytes, perhaps with HG_POINTER_CUT (explain_text.h) */
    char instance[HG_POINTER + 8]; /* JSON pointer of the value the engine is at */
    char keyword[HG_POINTER + 8];  /* JSON pointer through every $ref of the node the engine is at */
};

/* Provided by explain_words.h (included by explain_json.c and explain_cbor.c after the reader, before engine.h): */

/* The member or item the engine goes into and comes back from: lengths to return to. */
static uint32_t x_name(struct hg_run *run, const struct hg_text *name);
static uint32_t x_index(struct hg_run *run, uint32_t index);
static void x_leave(struct hg_run *run, uint32_t length);

/* The subschema the engine goes into: `keyword` says how (HG_K_REF and HG_K_DYNAMIC_REF: "/$ref"; else by the location of `ref`, which then is
 * a child of `node`). ref may be 0. */
static uint32_t x_into(struct hg_run *run, const struct hg_node *node, enum hg_keyword keyword, hg_ref ref);
static void x_out(struct hg_run *run, uint32_t length);

/* A violation of `keyword` of `node` by the value at `at` (a place r_token may be asked about). detail:
 *   HG_K_NONE                     the schema is `false` ("nothing is allowed here, found ...")
 *   HG_K_REQUIRED                 index of the missing name in the object rules' names
 *   HG_K_DEPENDENT_REQUIRED, HG_K_DEPENDENCIES   index in dependents << 16 | index of the missing name: one call for each
 *   HG_K_PROPERTY_NAMES           `at` is the name; the instance is the object
 *   HG_K_ADDITIONAL_PROPERTIES, HG_K_UNEVALUATED_PROPERTIES   with a `false` schema: "the property ... is not allowed"; `name` is it; the instance
 *                                 pointer already leads to the member
 *   HG_K_UNEVALUATED_ITEMS, HG_K_ITEMS, HG_K_ADDITIONAL_ITEMS with a `false` schema: the instance pointer leads to the item
 *   HG_K_CONTAINS, HG_K_MIN_CONTAINS, HG_K_MAX_CONTAINS   items that match
 *   HG_K_MIN_ITEMS ... HG_K_MAX_PROPERTIES   how many there are
 *   HG_K_ANY_OF                   how many alternatives there are;  HG_K_ONE_OF: alternatives << 16 | how many match
 *   others                        0 */
static void x_violation(struct hg_run *run, const struct hg_node *node, enum hg_keyword keyword, const uint8_t *at,
                        uint32_t detail, const struct hg_text *name);

#endif
