/* The interpreter of compiled schemas: decides while it scans. A template, see engine_run.h; this file has single values, the parts it
 * includes have objects, arrays, and what applies to the same value in place.
 *
 * Every function takes p at the start of something and gives the byte after it, or NULL if the document is refused; why is in `run`.
 * An engine that explains goes on after a violation (VIOLATED), any other stops at once: that is the only difference between them. */
#ifndef HEADGATE_ENGINE_H
#define HEADGATE_ENGINE_H

#include "engine_run.h"
#include "format.h"
#include "pattern.h"
#include "values.h"

/* What was read before may be passed over: nobody wants to hear of it again. */
#if defined(HG_CAN_PASS) && !HG_EXPLAINS && !HG_EMITS
#define HG_PASSES 1
#else
#define HG_PASSES 0
#endif

/* Functions for what applies in place, and for names that are not as they mostly are: schemas that ask much of that are asked about JSON. */
#if HG_PASSES
#define IN_PLACE HG_NOINLINE
#define ANY_NAME HG_RARE
#else
#define IN_PLACE HG_RARE
#define ANY_NAME HG_NOINLINE
#endif

/* Use as a statement where `node` was violated by the value at `at`; AS_A_WHOLE: by all of it, which ends before `after` and was read
 * to see that (it counts in `steps`). */
#if HG_EXPLAINS
#define VIOLATED(keyword, at, detail, name) x_violation(run, node, keyword, at, detail, name)
#define VIOLATED_AS_A_WHOLE(keyword, at, after, detail) VIOLATED(keyword, at, detail, NULL)
#else
#define VIOLATED(keyword, at, detail, name)                                       \
    do {                                                                           \
        (void)(node), (void)(keyword), (void)(detail), (void)(name);               \
        return hg_invalid(run, at);                                                \
    } while (false)
#define VIOLATED_AS_A_WHOLE(keyword, at, after, detail)                            \
    do {                                                                           \
        (void)(at);                                                                \
        VIOLATED(keyword, after, detail, NULL);                                    \
    } while (false)
#endif

static const struct hg_node ANYTHING = {.types = HG_ANY};

/* Bits: the types that a value may have. */
static const uint8_t TYPES[] = {
    [HG_T_FAULT] = HG_ANY,    [HG_T_NULL] = HG_NULL,      [HG_T_FALSE] = HG_BOOLEAN,
    [HG_T_TRUE] = HG_BOOLEAN, [HG_T_STRING] = HG_STRING,  [HG_T_NUMBER] = HG_INTEGER | HG_FRACTION,
    [HG_T_BYTES] = HG_STRING, [HG_T_ARRAY] = HG_ARRAY,    [HG_T_OBJECT] = HG_OBJECT,
    [HG_T_FOREIGN] = HG_FOREIGN,
};

static const uint8_t *object(struct hg_run *run, const struct hg_node *node, const uint8_t *p);
static const uint8_t *array(struct hg_run *run, const struct hg_node *node, const uint8_t *p);
#if HG_EMITS /* what reads a value again writes nothing: it is there once, in the engine that only decides (values.h) */
HG_INLINE const uint8_t *same(struct hg_run *run, const struct hg_node *node, const uint8_t *p, const uint8_t *after) {
    return HG_R(same)(run, node, p, after);
}
HG_INLINE const uint8_t *unevaluated(struct hg_run *run, const struct hg_node *node, bool members, const uint8_t *start,
                                     const uint8_t *after) {
    return HG_R(unevaluated)(run, node, members, start, after);
}
#else
static const uint8_t *same(struct hg_run *run, const struct hg_node *node, const uint8_t *p, const uint8_t *after);
/* unevaluatedProperties (object) or unevaluatedItems of the node: what neither it nor anything it applied in place has evaluated. */
static const uint8_t *unevaluated(struct hg_run *run, const struct hg_node *node, bool members, const uint8_t *start,
                                  const uint8_t *after);
#endif
#if !HG_EMITS && !HG_EXPLAINS
static const uint8_t *bare(struct hg_run *run, const struct hg_node *node, const uint8_t *p);
#endif
#if HG_EMITS
static const uint8_t *one(struct hg_run *run, const struct hg_node *node, const uint8_t *p);
#endif
static const uint8_t *in_place(struct hg_run *run, const struct hg_node *node, const uint8_t *p);
#if HG_PASSES
static const uint8_t *anything(struct hg_run *run, const uint8_t *p);
#endif
#if HG_EXPLAINS
static unsigned type_of(struct hg_run *run, const uint8_t *p);
#endif

/* The value at p under the schema `ref`. */
static const uint8_t *value(struct hg_run *run, hg_ref ref, const uint8_t *p) {
    const struct hg_node *node = ref == 0 ? &ANYTHING : hg_at(run->program, ref);
#if HG_PASSES
    if (ref == 0) {
        return run->again ? r_pass(run, p) : anything(run, p);
    }
#endif
#if HG_EXPLAINS
    if (run->explain->full) {
        return HG_R(skip)(run, p); /* only faults are of interest now */
    }
#else
    while (HG_UNLIKELY((node->flags & (HG_NODE_REF | HG_NODE_MERGED)) != 0)) {
        const hg_ref other = hg_stand_in(run->program, node);
        node = other == 0 ? &ANYTHING : hg_at(run->program, other);
    }
#endif
    if (HG_UNLIKELY(run->scope != NULL) && node != &ANYTHING && run->scope->resource != node->resource) {
        const struct hg_scope *outer = run->scope;
        const struct hg_scope scope = {outer, node->resource};
        run->scope = &scope;
        p = in_place(run, node, p);
        run->scope = outer;
        return p;
    }
    return in_place(run, node, p);
}

/* Work that a schema can ask for again and again, in units of one subschema applied to up to 16 bytes. */
HG_INLINE bool charge(struct hg_run *run, uint32_t cost, const uint8_t *at) {
    if (HG_UNLIKELY(run->steps < cost)) {
        run->steps = 0;
        (void)hg_malformed(run, HG_OUT_OF_STEPS, at);
        return false;
    }
    run->steps -= cost;
    return true;
}

/* One call more on the stack. */
HG_INLINE bool deeper(struct hg_run *run, const uint8_t *p) {
    if (HG_UNLIKELY(run->frames == 0)) {
        (void)hg_malformed(run, HG_OUT_OF_STEPS, p);
        return false;
    }
    run->frames--;
    return true;
}

/* The rules of a number but its type and choice. */
static const uint8_t *number_rules(struct hg_run *run, const struct hg_node *node, const struct hg_number *number,
                                   const uint8_t *start, const uint8_t *after) {
    const struct hg_number_rules *rules = hg_at(run->program, node->number);
    const struct hg_number_rule *rule = hg_at(run->program, rules->rules);
    for (const struct hg_number_rule *end = rule + rules->count; rule < end; rule++) {
        const struct hg_number bound = hg_constant_number(run->program, hg_at(run->program, rule->constant));
        bool good;
        if (rule->keyword == HG_K_MULTIPLE_OF) {
            good = hg_number_is_multiple(number, &bound);
        } else {
            const int order = hg_number_compare_fast(number, &bound);
            good = rule->keyword == HG_K_MINIMUM             ? order >= 0
                   : rule->keyword == HG_K_MAXIMUM           ? order <= 0
                   : rule->keyword == HG_K_EXCLUSIVE_MINIMUM ? order > 0
                                                             : order < 0;
        }
        if (!good) {
            VIOLATED((enum hg_keyword)rule->keyword, start, 0, NULL);
        }
    }
    return after;
}

/* Any number, the rare ones included. */
static HG_RARE const uint8_t *any_number(struct hg_run *run, const struct hg_node *node, const uint8_t *start) {
    struct hg_number number;
    const uint8_t *after = r_number(run, start, &number, run->digits[0]);
    if (HG_UNLIKELY(after == NULL)) {
        return NULL;
    }
    e_number(run, &number);
    if ((node->types & (HG_INTEGER | HG_FRACTION)) != (HG_INTEGER | HG_FRACTION)) {
        const int type = hg_number_is_integer(&number) ? HG_INTEGER : HG_FRACTION;
        if ((node->types & type) == 0) {
            VIOLATED(node->types == 0 ? HG_K_NONE : HG_K_TYPE, start, 0, NULL);
            return after;
        }
    }
    if (node->number != 0 && number_rules(run, node, &number, start, after) == NULL) {
        return NULL;
    }
    if (node->choice != 0) {
        const struct hg_choice *choice = hg_at(run->program, node->choice);
        if (!HG_R(is_choice)(run, choice, start, &number) && (choice->free & (HG_INTEGER | HG_FRACTION)) == 0) {
            VIOLATED((enum hg_keyword)choice->keyword, start, 0, NULL);
        }
    }
    return after;
}

#if !HG_EXPLAINS
HG_INLINE const uint8_t *plain_number(struct hg_run *run, const struct hg_number_rules *rules, bool whole,
                                      const uint8_t *p);
#endif

/* A number, of which the plain ones are decided by two comparisons. */
static const uint8_t *number(struct hg_run *run, const struct hg_node *node, const uint8_t *start) {
#if !HG_EXPLAINS
    static const struct hg_number_rules NONE = {
        .least = INT64_MIN, .most = INT64_MAX, .exact = 1, .scaled = 1, .least6 = INT64_MIN, .most6 = INT64_MAX};
    const struct hg_number_rules *rules = node->number != 0 ? hg_at(run->program, node->number) : &NONE;
    if (HG_LIKELY(node->choice == 0 && rules->exact != 0 && rules->scaled != 0 && (node->types & HG_INTEGER) != 0)) {
        const uint8_t *after = plain_number(run, rules, (node->types & HG_FRACTION) == 0, start);
        if (HG_LIKELY(after != NULL)) {
            return after;
        }
    }
#endif
    return any_number(run, node, start);
}

/* The text at `start` and its rules, if there are any. `text` may stay in registers: what takes its address gets a copy. */
HG_INLINE const uint8_t *string_rules(struct hg_run *run, const struct hg_node *node,
                                      const struct hg_string_rules *rules, const uint8_t *start, bool bytes,
                                      struct hg_text *text) {
    const uint32_t encoding = bytes ? rules->encoding : 0;
    const uint8_t *after = r_string(run, start, text, encoding);
    if (HG_UNLIKELY(after == NULL)) {
        return NULL;
    }
    e_text(run, text, encoding);
    if (rules == NULL) {
        return after;
    }
    if (HG_UNLIKELY(text->characters < rules->min_length)) {
        VIOLATED_AS_A_WHOLE(HG_K_MIN_LENGTH, start, after, 0);
    }
    if (HG_UNLIKELY(text->characters > rules->max_length)) {
        VIOLATED_AS_A_WHOLE(HG_K_MAX_LENGTH, start, after, 0);
    }
    if (rules->pattern != 0) {
        const void *pattern = hg_at(run->program, rules->pattern);
        const struct hg_text copy = *text;
        if (HG_LIKELY(!text->escaped) ? !hg_pattern_search(pattern, text->start, text->size)
                                      : !HG_R(text_matches)(&copy, encoding, pattern)) {
            VIOLATED_AS_A_WHOLE(HG_K_PATTERN, start, after, 0);
        }
    }
    if (rules->format != 0) {
        const struct hg_text copy = *text;
        if (HG_LIKELY(!text->escaped) ? !hg_format_holds((enum hg_format)rules->format, text->start, text->size)
                                      : !HG_R(text_has_format)(&copy, encoding, rules->format)) {
            VIOLATED_AS_A_WHOLE(HG_K_FORMAT, start, after, 0);
        }
    }
    return after;
}

static const uint8_t *string(struct hg_run *run, const struct hg_node *node, const uint8_t *start, bool bytes) {
    struct hg_text text;
    const struct hg_string_rules *rules = node->string == 0 ? NULL : hg_at(run->program, node->string);
    const uint8_t *after = string_rules(run, node, rules, start, bytes, &text);
    if (HG_UNLIKELY(after == NULL)) {
        return NULL;
    }
    if (node->choice != 0) {
        const struct hg_choice *choice = hg_at(run->program, node->choice);
        const struct hg_text copy = text;
        if (HG_R(text_find)(run->program, &choice->strings, &copy, bytes ? rules->encoding : 0) == UINT32_MAX &&
            (choice->free & HG_STRING) == 0) {
            VIOLATED_AS_A_WHOLE((enum hg_keyword)choice->keyword, start, after, 0);
        }
    }
    return after;
}

HG_INLINE const uint8_t *literal(struct hg_run *run, const struct hg_node *node, const uint8_t *start,
                                 enum hg_token token) {
    const uint8_t *after = r_literal(run, start, token);
    if (HG_UNLIKELY(after == NULL)) {
        return NULL;
    }
    e_literal(run, token);
    if (node->choice != 0) {
        const struct hg_choice *choice = hg_at(run->program, node->choice);
        const int bit = token == HG_T_TRUE ? HG_TRUE_LITERAL : token == HG_T_FALSE ? HG_FALSE_LITERAL : HG_NULL;
        if ((choice->literals & bit) == 0 && (choice->free & TYPES[token]) == 0) {
            VIOLATED((enum hg_keyword)choice->keyword, start, 0, NULL);
        }
    }
    return after;
}

#if !HG_EXPLAINS
#include "engine_road.h"
#endif

/* `value`, and the subschema it goes into is told: the child `ref` of `node` by `keyword`. */
HG_INLINE const uint8_t *child(struct hg_run *run, const struct hg_node *node, enum hg_keyword keyword, hg_ref ref,
                               const uint8_t *p) {
    const uint32_t outer = x_into(run, node, keyword, ref);
    p = value(run, ref, p);
    x_out(run, outer);
    return p;
}

/* `child` for a value that was read before. */
HG_INLINE const uint8_t *child_again(struct hg_run *run, const struct hg_node *node, enum hg_keyword keyword,
                                     hg_ref ref, const uint8_t *p) {
    const uint8_t *after = charge(run, 1, p) ? child(run, node, keyword, ref, p) : NULL;
    return after != NULL && charge(run, (uint32_t)(after - p) / 16, p) ? after : NULL;
}

/* An array or object, of that type, that const or enum is about. */
static const uint8_t *container_choice(struct hg_run *run, const struct hg_node *node, unsigned type,
                                       const uint8_t *start, const uint8_t *after) {
    const struct hg_choice *choice = hg_at(run->program, node->choice);
    if ((choice->free & type) == 0 && !HG_R(is_choice)(run, choice, start, NULL)) {
        if (HG_UNLIKELY(run->verdict == HG_MALFORMED)) {
            return NULL; /* nobody knows: too many steps */
        }
        VIOLATED_AS_A_WHOLE((enum hg_keyword)choice->keyword, start, after, 0);
    }
    return after;
}

HG_INLINE bool has_unevaluated(const struct hg_run *run, const struct hg_node *node, bool members) {
    return members ? node->object != 0 &&
                         ((const struct hg_object_rules *)hg_at(run->program, node->object))->has_unevaluated != 0
                   : node->array != 0 &&
                         ((const struct hg_array_rules *)hg_at(run->program, node->array))->has_unevaluated != 0;
}

static const uint8_t *in_place(struct hg_run *run, const struct hg_node *node, const uint8_t *p) {
#if !HG_EMITS && !HG_EXPLAINS
    if (HG_UNLIKELY((node->flags & HG_NODE_BARE) != 0) && node->same != 0) {
        return bare(run, node, p);
    }
#endif
#if HG_EMITS
    if (HG_UNLIKELY((node->flags & HG_NODE_ONE) != 0)) { /* it says how a byte string is written as well */
        return one(run, node, p);
    }
#endif
    enum hg_token token = r_token(run, &p);
    const uint8_t *after = NULL;
    if (token == HG_T_BYTES && (node->flags & HG_NODE_BYTES) == 0) {
        token = HG_T_FOREIGN;
    }
    if (HG_UNLIKELY((node->types & TYPES[token]) == 0)) {
        VIOLATED(node->types == 0 ? HG_K_NONE : HG_K_TYPE, p, 0, NULL);
        return HG_R(skip)(run, p); /* the other keywords would only say it again */
    }
#if !HG_EMITS && !HG_EXPLAINS
    if (HG_UNLIKELY((node->flags & HG_NODE_TYPED) != 0)) {
        return bare(run, node, p);
    }
#endif
    switch (token) {
    case HG_T_STRING:
        after = string(run, node, p, false);
        break;
    case HG_T_NUMBER:
        after = number(run, node, p);
#if HG_EXPLAINS
        if (after != NULL && (node->types & type_of(run, p)) == 0) {
            return after; /* as above */
        }
#endif
        break;
    case HG_T_OBJECT:
        after = object(run, node, p);
        if (HG_UNLIKELY(node->choice != 0) && after != NULL) {
            after = container_choice(run, node, HG_OBJECT, p, after);
        }
        break;
    case HG_T_ARRAY:
        after = array(run, node, p);
        if (HG_UNLIKELY(node->choice != 0) && after != NULL) {
            after = container_choice(run, node, HG_ARRAY, p, after);
        }
        break;
    case HG_T_TRUE:
    case HG_T_FALSE:
    case HG_T_NULL:
        after = literal(run, node, p, token);
        break;
    case HG_T_BYTES:
        after = string(run, node, p, true);
        break;
    case HG_T_FOREIGN:
        after = r_foreign(run, p);
        e_foreign(run, p);
        if (after != NULL && node->choice != 0) {
            const struct hg_choice *choice = hg_at(run->program, node->choice);
            if ((choice->free & HG_FOREIGN) == 0) {
                VIOLATED((enum hg_keyword)choice->keyword, p, 0, NULL);
            }
        }
        break;
    case HG_T_FAULT:
        return r_no_token(run, p);
    }
    if (HG_UNLIKELY(node->same != 0) && after != NULL) {
        after = same(run, node, p, after);
    }
    if (HG_UNLIKELY(token == HG_T_OBJECT || token == HG_T_ARRAY) && after != NULL &&
        has_unevaluated(run, node, token == HG_T_OBJECT)) {
        after = unevaluated(run, node, token == HG_T_OBJECT, p, after);
    }
    return after;
}

#include "engine_array.h"
#include "engine_object.h"
#include "engine_same.h"

/* The whole document. p: what hg_run_start gave. */
HG_INLINE const uint8_t *document(struct hg_run *run, const uint8_t *p) {
    if (HG_LIKELY(p != NULL)) {
        p = r_start(run, p);
#if HG_EXPLAINS
        p = value(run, run->program->root, p);
#else
        p = by_road(run, &run->program->road, &run->program->root, p);
#endif
    }
    return HG_LIKELY(p != NULL) ? r_end(run, p) : NULL;
}

#endif
