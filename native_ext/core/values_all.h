/* values.h for one reader: a template, included after the reader and the engine that only decides. */
#ifndef HEADGATE_VALUES_ALL_H
#define HEADGATE_VALUES_ALL_H

#include "engine_run.h"
#include "format.h"
#include "pattern.h"
#include "siphash.h"
#include "values.h"

/* The reader's functions for what is rare: called here, not spread over the code. */
static HG_NOINLINE const uint8_t *v_open(struct hg_run *run, const uint8_t *p, struct hg_iter *iter) {
    return r_open(run, p, iter);
}

static HG_NOINLINE int v_first(struct hg_run *run, const uint8_t **p, struct hg_iter *iter, bool object) {
    return r_first(run, p, iter, object);
}

static HG_NOINLINE int v_next(struct hg_run *run, const uint8_t **p, struct hg_iter *iter, bool object) {
    return r_next(run, p, iter, object);
}

static HG_NOINLINE const uint8_t *v_name(struct hg_run *run, const uint8_t *p, struct hg_text *text) {
    return r_name(run, p, text);
}

static HG_NOINLINE const uint8_t *v_string(struct hg_run *run, const uint8_t *p, struct hg_text *text) {
    return r_string(run, p, text, 0);
}

static HG_NOINLINE const uint8_t *v_number(struct hg_run *run, const uint8_t *p, struct hg_number *number,
                                           uint8_t *room) {
    return r_number(run, p, number, room);
}

#include "values_text.h"

bool HG_R(holds)(struct hg_run *run, hg_ref ref, const uint8_t *p) {
    if (ref == 0) {
        return true;
    }
    const bool again = run->again;
    const uint8_t *only = run->only;
    run->again = true;
    run->only = p;
    const bool good = attempt(run, ref, p) != NULL;
    run->again = again;
    run->only = only;
    return good;
}

const uint8_t *HG_R(skip)(struct hg_run *run, const uint8_t *p) { return value(run, 0, p); }

const uint8_t *HG_R(same)(struct hg_run *run, const struct hg_node *node, const uint8_t *p, const uint8_t *after) {
    return same(run, node, p, after);
}

const uint8_t *HG_R(dependents)(struct hg_run *run, const struct hg_node *node, const struct hg_object_rules *rules,
                                const uint64_t *seen, const uint8_t *start, const uint8_t *after) {
    return dependents(run, node, rules, seen, start, after);
}

const uint8_t *HG_R(unevaluated)(struct hg_run *run, const struct hg_node *node, bool object, const uint8_t *p,
                                 const uint8_t *after) {
    return unevaluated(run, node, object, p, after);
}

/* Over a value that was read before. */
static HG_NOINLINE const uint8_t *v_skip(struct hg_run *run, const uint8_t *p) {
    const bool again = run->again;
    run->again = true;
    p = value(run, 0, p);
    run->again = again;
    return p;
}

#include "values_equal.h"

HG_RARE bool HG_R(is_choice)(struct hg_run *run, const struct hg_choice *choice, const uint8_t *p,
                             const struct hg_number *number) {
    if (number != NULL) {
        return hg_is_number_of(run->program, choice, number);
    }
    const struct hg_container *container = hg_at(run->program, choice->containers);
    for (uint32_t i = 0; i < choice->container_count; i++) {
        struct hg_run constant;
        uint32_t length;
        const uint8_t *start = r_container(run->program, container + i, &length);
        constant.program = run->program;
        constant.data = start;
        constant.end = constant.stop = start + length;
        constant.judged = start;
        constant.scope = NULL;
        constant.depth = HG_DOCUMENT_DEPTH;
        constant.frames = HG_FRAMES;
        constant.steps = UINT32_MAX;
        constant.again = true;
        constant.only = NULL;
        constant.passing = false;
        if (HG_R(equal)(run, p, &constant, start)) {
            return true;
        }
        if (run->verdict == HG_MALFORMED) {
            return false;
        }
    }
    return false;
}

HG_RARE bool HG_R(given_before)(const struct hg_run *run, struct hg_others *others, uint32_t hash, const struct hg_text *name) {
    const uint32_t look = hg_look_of(hash, name->size), count = others->count;
    if (count == 0) {
        others->doubts = 0;
        others->kinds = others->escaped = 0;
    }
    if (count >= HG_OTHERS) {
        others->count = HG_OTHERS + 1;
        return false;
    }
    const bool escaped = name->escaped || others->escaped != 0;
    for (uint32_t i = 0; i < count; i++) {
        if (others->look[i] != look && !escaped) {
            continue;
        }
        const uint8_t *const start = run->data + others->at[i];
        const uint32_t size = others->look[i] & 0x0FFFFFFF;
        others->doubts += escaped ? HG_ESCAPED_DOUBT : 1;
        if (others->doubts > HG_DOUBTS) {
            others->count = HG_OTHERS + 1;
            return false;
        }
        if (!escaped) {
            if (hg_equal_bytes(start, name->start, size)) {
                return true;
            }
            continue;
        }
        const struct hg_text other = {.start = start,
                                      .size = size,
                                      .characters = name->characters, /* nobody has counted: the text tells */
                                      .escaped = (others->escaped >> i & 1) != 0};
        if (HG_R(text_equal)(&other, name, 0)) {
            return true;
        }
    }
    others->kinds |= (uint64_t)1 << hash % 64;
    others->escaped |= (uint64_t)name->escaped << count;
    others->at[count] = (uint32_t)(name->start - run->data);
    others->look[count] = look;
    others->count = count + 1;
    return false;
}

/* Names or items are put into a table by their hash, as many at a time as the table holds: those whose hash falls into the part of this
 * pass. So memory does not grow with the object; the time of further passes is charged. */
#define UNIQUE_SLOTS 1024 /* of the largest table; a power of two, as is every other size */

struct unique_slot {
    uint32_t offset; /* of the name or item from the container's start; 0: free (there stands the container's own head) */
    uint32_t hash;
};

/* The two at p and q, read before, are the same. */
static bool twins(struct hg_run *run, const uint8_t *p, const uint8_t *q, bool object) {
    struct hg_text a, b;
    if (!object) {
        return HG_R(equal)(run, p, run, q);
    }
    return v_name(run, p, &a) != NULL && v_name(run, q, &b) != NULL && HG_R(text_equal)(&a, &b, 0);
}

/* One pass: 1 all differ, 0 *twice is the second of two, -1 the run has failed, 2 the table is full. */
static int unique_pass(struct hg_run *run, const uint8_t *start, bool object, uint32_t part, uint32_t parts,
                       struct unique_slot *slots, uint32_t size, const uint8_t **twice) {
    const uint32_t depth = run->depth;
    const uint8_t *p = start;
    struct hg_iter iter;
    uint32_t used = 0;
    int more, result = 1;
    memset(slots, 0, size * sizeof *slots);
    if ((p = v_open(run, p, &iter)) == NULL) {
        return -1;
    }
    for (more = v_first(run, &p, &iter, object); more > 0 && result == 1; more = v_next(run, &p, &iter, object)) {
        const uint8_t *at = p;
        uint64_t hash;
        if (object) {
            struct hg_text name = {0};
            if ((p = v_name(run, p, &name)) == NULL) {
                return -1;
            }
            hash = text_hash(&name, 0, run->program->seed);
            p = v_skip(run, p);
        } else {
            hash = hash_value(run, p, &p);
        }
        if (p == NULL) {
            return -1;
        }
        if ((uint32_t)(hash >> 32) % parts != part) {
            continue;
        }
        uint32_t slot = (uint32_t)hash & (size - 1);
        for (; slots[slot].offset != 0; slot = (slot + 1) & (size - 1)) {
            if (slots[slot].hash == (uint32_t)hash && twins(run, start + slots[slot].offset, at, object)) {
                *twice = at;
                result = 0;
                break;
            }
            if (run->verdict == HG_MALFORMED) {
                return -1;
            }
        }
        if (result == 1 && ++used > size / 4 * 3) {
            result = 2;
        }
        slots[slot].offset = (uint32_t)(at - start);
        slots[slot].hash = (uint32_t)hash;
    }
    run->depth = depth;
    return more < 0 ? -1 : charge(run, 1 + (uint32_t)(p - start) / 16, start) ? result : -1;
}

/* Few items are compared with each other, those of the same kind: less work than to hash each. */
#define UNIQUE_FEW 12

struct few {
    const uint8_t *at;
    uint64_t kind; /* the same for equal items */
};

/* Of a text: its length, its first and its last bytes; escaped: nothing is known of it before it is read (0). Of an object: its hash,
 * since comparing two whose members are in another order looks for each of them. *after: NULL if there is a fault. */
static uint64_t kind_of(struct hg_run *run, const uint8_t *p, const uint8_t **after) {
    const uint8_t *const start = p;
    const enum hg_token token = r_token(run, &p);
    struct hg_text text = {0};
    uint64_t kind = (uint64_t)token << 56;
    if (token == HG_T_OBJECT) {
        return hash_value(run, start, after) | 1;
    }
    if (token != HG_T_STRING) {
        *after = v_skip(run, p);
        return kind;
    }
    if ((*after = v_string(run, p, &text)) == NULL || text.escaped) {
        return 0;
    }
    for (uint32_t i = 0; i < 3 && i < text.size; i++) {
        kind |= (uint64_t)text.start[i] << 8 * i | (uint64_t)text.start[text.size - 1 - i] << (24 + 8 * i);
    }
    return kind | (uint64_t)(text.size & 0xFF) << 48;
}

/* 1 all differ, 0 *twice is the second of two, -1 the run has failed. */
static IN_PLACE int unique_few(struct hg_run *run, const uint8_t *start, const uint8_t **twice) {
    struct few few[UNIQUE_FEW];
    struct hg_iter iter;
    uint32_t count = 0;
    const uint32_t depth = run->depth;
    const uint8_t *p = v_open(run, start, &iter);
    int more = p == NULL ? -1 : v_first(run, &p, &iter, false);
    for (; more > 0 && count < UNIQUE_FEW; more = v_next(run, &p, &iter, false), count++) {
        few[count].at = p;
        few[count].kind = kind_of(run, p, &p);
        if (p == NULL) {
            return -1;
        }
        for (uint32_t i = 0; i < count; i++) {
            const uint64_t a = few[i].kind, b = few[count].kind;
            if (a != b && a != 0 && b != 0) {
                continue;
            }
            if (HG_R(equal)(run, few[i].at, run, few[count].at)) {
                *twice = few[count].at;
                run->depth = depth;
                return 0;
            }
            if (run->verdict == HG_MALFORMED) {
                return -1;
            }
        }
    }
    run->depth = depth;
    return more < 0 || !charge(run, 1 + (uint32_t)(p - start) / 16, start) ? -1 : 1;
}

static HG_RARE int unique_many(struct hg_run *run, const uint8_t *p, bool object, uint32_t count,
                                   const uint8_t **twice) {
    struct unique_slot slots[UNIQUE_SLOTS];
    uint32_t size = 32, parts = 1;
    while (size < UNIQUE_SLOTS && size < count * 2) {
        size *= 2;
    }
    if (count > size / 2) {
        parts = count / (size / 2) + 1;
    }
    for (uint32_t part = 0; part < parts; part++) {
        const int result = unique_pass(run, p, object, part, parts, slots, size, twice);
        if (result <= 0) {
            return result;
        }
        if (result == 2) { /* as good as never: the hashes are keyed */
            parts *= 2;
            part = UINT32_MAX;
        }
    }
    return 1;
}

bool HG_R(unique)(struct hg_run *run, const uint8_t *p, bool object, uint32_t count, const uint8_t **twice) {
    *twice = NULL;
    run->verdict = HG_INVALID;
    return (!object && count <= UNIQUE_FEW ? unique_few(run, p, twice) : unique_many(run, p, object, count, twice)) > 0;
}

/* The value of the member: its text, or its number. */
static HG_NOINLINE bool look_at(struct hg_run *run, const uint8_t *p, struct hg_look *look) {
    look->token = r_token(run, &p);
    switch (look->token) {
    case HG_T_STRING:
        if (v_string(run, p, &look->text) == NULL) {
            return false;
        }
        look->hash = look->text.escaped ? 0 : hg_hash_of(look->text.start, look->text.size);
        return true;
    case HG_T_NUMBER: /* the digits of a long one may be where others will be read */
        return v_number(run, p, &look->number, run->digits[0]) != NULL && look->number.digits == NULL;
    default:
        return look->token != HG_T_FAULT;
    }
}

IN_PLACE void HG_R(look)(struct hg_run *run, const struct hg_tell *tell, const uint8_t *p, struct hg_look *look) {
    const struct hg_noted before = hg_noted(run);
    const uint8_t *const start = p;
    struct hg_iter iter;
    look->there = look->hash = 0;
    int more = (p = v_open(run, p, &iter)) == NULL ? -1 : v_first(run, &p, &iter, true);
    while (more > 0) {
        struct hg_text other;
        const uint8_t *value_at = (tell->want & 1) == 0 ? NULL : r_known(run, p, hg_at(run->program, tell->names[0]));
        uint32_t index = 0;
        if (value_at == NULL) {
            if ((value_at = v_name(run, p, &other)) == NULL || other.escaped) {
                more = -1;
                break;
            }
            index = hg_tell_index(run->program, tell, other.start, other.size);
        }
        if (index < tell->count) {
            look->there |= 1u << index;
            if (index == 0 && !look_at(run, value_at, look)) {
                more = -1;
                break;
            }
            if (look->there == tell->want) {
                p = value_at;
                more = 0;
                break;
            }
        }
        more = (p = v_skip(run, value_at)) == NULL ? -1 : v_next(run, &p, &iter, true);
    }
    /* also where it was in vain: the same object may be looked at for each of many alternatives */
    look->known = charge(run, (uint32_t)((p != NULL ? p : run->at) - start) / 16, start) && more == 0;
    hg_forget_since(run, &before); /* a fault is for those to find who read all of it */
}

bool HG_R(may_be)(const struct hg_program *program, const struct hg_alternative *alternative, const struct hg_look *look) {
    const struct hg_choice *choice = hg_at(program, alternative->choice);
    const bool refuses = (alternative->needs & HG_TELL_NOT) != 0;
    if (refuses && look->token != HG_T_STRING) {
        return true;
    }
    switch (look->token) {
    case HG_T_STRING:
        return ((look->hash != 0 ? hg_find_hashed(program, &choice->strings, look->text.start, look->text.size, look->hash)
                                 : HG_R(text_find)(program, &choice->strings, &look->text, 0)) == UINT32_MAX) == refuses;
    case HG_T_NUMBER:
        return hg_is_number_of(program, choice, &look->number);
    case HG_T_NULL:
        return (choice->literals & HG_NULL) != 0;
    case HG_T_FALSE:
        return (choice->literals & HG_FALSE_LITERAL) != 0;
    case HG_T_TRUE:
        return (choice->literals & HG_TRUE_LITERAL) != 0;
    case HG_T_ARRAY:
    case HG_T_OBJECT:
        return false;
    default:
        return true; /* CBOR has more, and a byte string may stand for a text */
    }
}

hg_ref HG_R(dynamic)(const struct hg_run *run, const struct hg_same *same) {
    const struct hg_dynamic *entries = hg_at(run->program, run->program->dynamic);
    hg_ref found = same->a;
    for (const struct hg_scope *scope = run->scope; scope != NULL; scope = scope->outer) {
        for (uint32_t i = 0; i < run->program->dynamic_count; i++) {
            if (entries[i].anchor == same->b && entries[i].resource == scope->resource) {
                found = entries[i].node; /* the outermost counts, and it comes last */
            }
        }
    }
    return found;
}

#include "values_marks.h"

#endif
