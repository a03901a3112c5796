/* What exists once for each reader: questions about values that were read before, answered by reading them again. */
#ifndef HEADGATE_VALUES_H
#define HEADGATE_VALUES_H

#include "engine_run.h"

#define HG_MARKS 2048 /* members or items looked at in one pass; more take more passes */

/* What a first look at a value says (struct hg_alternative). */
struct hg_look {
    unsigned types; /* bits: those that it may have */
    bool known;     /* the value is an object, and it is known which of the names in question it has: */
    uint32_t there; /* bits; and under the first one */
    enum hg_token token;
    uint32_t hash;           /* of `text`, if it is known; 0: it is not */
    struct hg_text text;     /* if that is a string */
    struct hg_number number; /* if that is a number */
};

/* The names of an object so far that the schema does not mention. All but `count` is set with the first one. */
#define HG_OTHERS 40  /* of them that are remembered */
#define HG_DOUBTS 120 /* comparisons of two of them in one object: as many as sixteen names need that all look the same */
#define HG_ESCAPED_DOUBT 4 /* of them is one with escapes, for these are decoded */
struct hg_others {
    uint32_t count;           /* HG_OTHERS + 1: `unique` has to look */
    uint32_t doubts;          /* comparisons so far */
    uint64_t kinds;           /* bits: of their hashes */
    uint64_t escaped;         /* bits: names that are not as they stand; one of them may be equal to any */
    uint32_t at[HG_OTHERS];   /* of the text in the document */
    uint32_t look[HG_OTHERS]; /* hg_look_of */
};

/* A document has at most 2^28 bytes: room for four bits of the hash. */
HG_INLINE uint32_t hg_look_of(uint32_t hash, uint32_t size) { return size | (hash & 0xF0000000); }

/* For each reader R (json, cbor); p, q: at a value. Faults in it are noted in run. */
#define HG_VALUES(R)                                                                                                    \
    /* The value satisfies `ref`. false: it does not, or the run has failed (run->verdict == HG_MALFORMED). */          \
    bool hg_##R##_holds(struct hg_run *run, hg_ref ref, const uint8_t *p);                                              \
    /* Over the value, which is checked for syntax. */                                                                  \
    const uint8_t *hg_##R##_skip(struct hg_run *run, const uint8_t *p);                                                 \
    /* The texts stand for the same; `encoding` is that of both if they are byte strings. */                            \
    bool hg_##R##_text_equal(const struct hg_text *a, const struct hg_text *b, uint32_t encoding);                      \
    bool hg_##R##_text_matches(const struct hg_text *text, uint32_t encoding, const void *pattern);                     \
    bool hg_##R##_text_has_format(const struct hg_text *text, uint32_t encoding, uint32_t format);                      \
    /* The index of the text in names, or UINT32_MAX. */                                                                \
    uint32_t hg_##R##_text_find(const struct hg_program *program, const struct hg_names *names,                         \
                                const struct hg_text *text, uint32_t encoding);                                         \
    /* The values are equal as JSON Schema has it. Each is read with its own run: q may be in a constant of the schema. */    \
    bool hg_##R##_equal(struct hg_run *run, const uint8_t *p, struct hg_run *other, const uint8_t *q);                  \
    /* The number, or (NULL) the array or object at p, is one of the choice. */                                         \
    bool hg_##R##_is_choice(struct hg_run *run, const struct hg_choice *choice, const uint8_t *p,                       \
                            const struct hg_number *number);                                                            \
    /* No two names of the object (items of the array) at p are the same: any number of them in bounded memory. false: *twice is the      \
     * second of two, or NULL if the run has failed. */                                                                 \
    bool hg_##R##_unique(struct hg_run *run, const uint8_t *p, bool object, uint32_t count, const uint8_t **twice);     \
    /* unevaluatedProperties (object) and unevaluatedItems: sets bit i of `bits` if member or item first + i of the valid value at p is evaluated \
     * by `node` or what it applies in place; HG_MARKS of them. false: the run has failed. */                           \
    bool hg_##R##_marks(struct hg_run *run, const struct hg_node *node, const uint8_t *p, bool object, uint32_t first,  \
                        uint8_t bits[HG_MARKS / 8]);                                                                    \
    /* What applies in place to the value at p, which ends before `after`: -> after, or NULL. The same for what depends on names \
     * of an object, of which `seen` has a bit for each that is there, and for unevaluatedProperties (object) or unevaluatedItems. */ \
    const uint8_t *hg_##R##_same(struct hg_run *run, const struct hg_node *node, const uint8_t *p, const uint8_t *after); \
    const uint8_t *hg_##R##_dependents(struct hg_run *run, const struct hg_node *node, const struct hg_object_rules *rules, \
                                       const uint64_t *seen, const uint8_t *p, const uint8_t *after);                   \
    const uint8_t *hg_##R##_unevaluated(struct hg_run *run, const struct hg_node *node, bool object, const uint8_t *p,  \
                                        const uint8_t *after);                                                          \
    /* The name, which the schema does not mention, was given before in the object. It is compared with those that look like it, \
     * where there are escapes with all; of more names than are remembered, and after so many comparisons, `unique` is asked when the object \
     * ends. hash: hg_name_hash, if it has no escapes. */                                                               \
    bool hg_##R##_given_before(const struct hg_run *run, struct hg_others *others, uint32_t hash, const struct hg_text *name); \
    /* What the object at p has under the names: look->known, and then the rest of it. Nothing of the object need have been read before. */ \
    void hg_##R##_look(struct hg_run *run, const struct hg_tell *tell, const uint8_t *p, struct hg_look *look);         \
    /* false: it does not fit the choice of the alternative, which is of scalars only. */                               \
    bool hg_##R##_may_be(const struct hg_program *program, const struct hg_alternative *alternative,                    \
                         const struct hg_look *look);                                                                   \
    /* Where a $dynamicRef leads now. */                                                                                \
    hg_ref hg_##R##_dynamic(const struct hg_run *run, const struct hg_same *same);

HG_VALUES(json)
HG_VALUES(cbor)

#endif
