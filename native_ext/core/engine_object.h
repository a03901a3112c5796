/* Objects: a part of engine.h.
 *
 * Most members come in the order of the schema, so the name after the last one found is tried first, quote and colon and all in one
 * comparison; the table of names is asked only if it is another one. Which of the schema's names were seen is one bit each, which also
 * finds a name given twice; of other names a mark is kept until they are too many for that (then `unique` looks at the end). */

#define HG_OTHERS 48  /* names the schema does not know that are told apart by marks */
#define HG_MARKED 64  /* places for them; a power of two */
#define HG_DOUBTS 16  /* of them that are looked for */
#define HG_MISSED 2   /* names in a row that were not the likely one: the table is asked at once */

HG_INLINE struct hg_text name_text(const struct hg_program *program, const struct hg_name *name) {
    return (struct hg_text){.start = hg_at(program, name->text), .size = name->length, .characters = name->length};
}

/* Names of `missing` bits: each a violation of its own. */
static const uint8_t *missing_names(struct hg_run *run, const struct hg_node *node, enum hg_keyword keyword,
                                    uint32_t detail, const uint64_t *required, const uint64_t *seen, uint32_t words,
                                    const uint8_t *start, const uint8_t *after) {
    for (uint32_t w = 0; w < words; w++) {
        const uint64_t missing = required[w] & ~seen[w];
        for (uint32_t bit = 0; missing >> bit != 0; bit++) {
            if ((missing >> bit & 1) != 0) {
                VIOLATED(keyword, start, detail | (w * 64 + bit), NULL);
            }
            if (bit == 63) {
                break;
            }
        }
    }
    return after;
}

HG_INLINE bool has_all(const uint64_t *required, const uint64_t *seen, uint32_t words) {
    for (uint32_t w = 0; w < words; w++) {
        if ((required[w] & ~seen[w]) != 0) {
            return false;
        }
    }
    return true;
}

#if HG_EMITS
HG_INLINE const uint8_t *dependents(struct hg_run *run, const struct hg_node *node, const struct hg_object_rules *rules,
                                    const uint64_t *seen, const uint8_t *start, const uint8_t *after) {
    return HG_R(dependents)(run, node, rules, seen, start, after);
}
#else
/* dependentRequired, dependentSchemas, and the dependencies of draft-07. */
static HG_NOINLINE const uint8_t *dependents(struct hg_run *run, const struct hg_node *node,
                                             const struct hg_object_rules *rules, const uint64_t *seen,
                                             const uint8_t *start, const uint8_t *after) {
    const struct hg_dependent *dependent = hg_at(run->program, rules->dependents);
    for (uint32_t i = 0; i < rules->dependent_count; i++, dependent++) {
        if ((seen[dependent->property / 64] >> dependent->property % 64 & 1) == 0) {
            continue;
        }
        if (dependent->required != 0) {
            const uint64_t *required = hg_at(run->program, dependent->required);
            if (!has_all(required, seen, rules->words) &&
                missing_names(run, node, (enum hg_keyword)dependent->keyword, i << 16, required, seen, rules->words,
                              start, after) == NULL) {
                return NULL;
            }
        } else if (HG_EXPLAINS) {
            if (child_again(run, node, (enum hg_keyword)dependent->keyword, dependent->node, start) == NULL) {
                return NULL;
            }
        } else if (!HG_R(holds)(run, dependent->node, start)) {
            return NULL;
        }
    }
    return after;
}
#endif

/* Further schemas of a member's value, which was read already. */
static HG_NOINLINE bool more_schemas(struct hg_run *run, const struct hg_node *node, hg_ref more, const uint8_t *p) {
    const uint32_t *refs = hg_at(run->program, more);
    for (uint32_t i = 1; i <= refs[0]; i++) {
        if (HG_EXPLAINS ? child_again(run, node, HG_K_PATTERN_PROPERTIES, refs[i], p) == NULL
                        : !HG_R(holds)(run, refs[i], p)) {
            return false;
        }
    }
    return true;
}

/* The value of a member whose name is not in the schema: patternProperties, else additionalProperties. */
static const uint8_t *other_member(struct hg_run *run, const struct hg_node *node, const struct hg_object_rules *rules,
                                   const struct hg_text *name, const uint8_t *p) {
    const struct hg_pattern_rule *pattern = hg_at(run->program, rules->patterns);
    const uint8_t *after = NULL;
    for (uint32_t i = 0; i < rules->pattern_count; i++, pattern++) {
        if (!HG_R(text_matches)(name, 0, hg_at(run->program, pattern->pattern))) {
            continue;
        }
        if (after == NULL) {
#if HG_EXPLAINS
            after = child(run, node, HG_K_PATTERN_PROPERTIES, pattern->node, p);
#else
            after = by_road(run, &pattern->road, &pattern->node, p);
#endif
            if (after == NULL) {
                return NULL;
            }
        } else if (HG_EXPLAINS ? child_again(run, node, HG_K_PATTERN_PROPERTIES, pattern->node, p) == NULL
                               : !HG_R(holds)(run, pattern->node, p)) {
            return NULL;
        }
    }
    if (after != NULL) {
        return after;
    }
    if (rules->rest != 0 && ((const struct hg_node *)hg_at(run->program, rules->rest))->types == 0) {
        VIOLATED(HG_K_ADDITIONAL_PROPERTIES, p, 0, name);
        return HG_R(skip)(run, p);
    }
#if HG_EXPLAINS
    return child(run, node, HG_K_ADDITIONAL_PROPERTIES, rules->rest, p);
#else
    return by_road(run, &rules->road, &rules->rest, p);
#endif
}

/* The value of a member whose name the schema mentions. */
HG_INLINE const uint8_t *known_member(struct hg_run *run, const struct hg_node *node,
                                      const struct hg_property *property, const uint8_t *p) {
    const uint8_t *after;
    if (HG_EXPLAINS && property->keyword == HG_K_ADDITIONAL_PROPERTIES && property->node != 0 &&
        ((const struct hg_node *)hg_at(run->program, property->node))->types == 0) {
        const struct hg_text name = name_text(run->program, &property->name);
        x_violation(run, node, HG_K_ADDITIONAL_PROPERTIES, p, 0, &name);
        after = HG_R(skip)(run, p);
    } else {
#if HG_EXPLAINS
        after = child(run, node, (enum hg_keyword)property->keyword, property->node, p);
#else
        after = by_road(run, &property->road, &property->node, p);
#endif
    }
    if (HG_UNLIKELY(property->more != 0) && after != NULL && !more_schemas(run, node, property->more, p)) {
        return NULL;
    }
    return after;
}

/* The names of an object so far that are none of the schema's. All else is set with the first one. */
struct others {
    uint32_t count;
    uint32_t doubts; /* names that looked like one before */
    bool escaped;    /* one of them is not as it stands */
    uint16_t marks[HG_MARKED]; /* each at the place that the name's hash says or after it; 0: free */
};

/* What is known of an object's members so far. */
struct members {
    uint64_t seen[HG_SCHEMA_NAMES / 64]; /* bits: names of the schema */
    struct others others;
    uint32_t hint;    /* index of the name that is likely next */
    uint32_t missed;  /* names in a row that were not the likely one */
    uint32_t awaited; /* names of the schema that were not seen; counted if nothing else matters (`only`) */
    bool only;
};

/* The name at name_at, which is none of the schema's, was given before in the object at `start`. What looks like another name is compared;
 * where many names do, and where there are many, it is asked of the whole object when it ends. */
HG_INLINE bool given_before(struct hg_run *run, struct others *others, const uint8_t *start, const uint8_t *name_at,
                            const struct hg_text *name) {
    if (HG_UNLIKELY(others->count >= HG_OTHERS)) {
        others->count = HG_OTHERS + 1;
        return false;
    }
    if (others->count++ == 0) {
        memset(others->marks, 0, sizeof others->marks);
        others->doubts = 0;
        others->escaped = false;
    }
    if (HG_LIKELY(!name->escaped)) {
        const uint32_t hash = hg_name_hash(name->start, name->size);
        const uint16_t mark = (uint16_t)(hash >> 16 | 1);
        uint32_t at = hash % HG_MARKED;
        while (others->marks[at] != 0 && others->marks[at] != mark) {
            at = (at + 1) % HG_MARKED;
        }
        const bool fresh = others->marks[at] == 0;
        others->marks[at] = mark;
        if (HG_LIKELY(fresh && !others->escaped)) {
            return false;
        }
    } else {
        others->escaped = true; /* it may be equal to any name from now on */
    }
    if (others->doubts++ == HG_DOUBTS) {
        others->count = HG_OTHERS + 1;
        return false;
    }
    return HG_R(given)(run, start, name_at, name);
}

#if HG_PASSES
/* The name, found in an object that was read before, is none of the schema's, and nothing is asked of others. false: it may be. */
HG_INLINE bool is_of_no_interest(const struct hg_run *run, const struct hg_object_rules *rules,
                                 const struct hg_text *name) {
    return run->again && (rules->rest | rules->pattern_count | rules->names_node) == 0 && !name->escaped &&
           (rules->names.kinds >> hg_name_kind(name->start, name->size) & 1) == 0;
}
#endif

/* None was given twice of all names of the object at `start`, if there were too many to be sure of each. */
HG_INLINE bool all_differ(struct hg_run *run, const struct others *others, uint32_t count, const uint8_t *start) {
    const uint8_t *twice;
    if (HG_LIKELY(others->count <= HG_OTHERS) || r_last_counts(run) || HG_R(unique)(run, start, true, count, &twice)) {
        return true;
    }
    if (twice != NULL) {
        (void)hg_malformed(run, HG_DUPLICATE_NAME, twice);
    }
    return false;
}

#if HG_PASSES
static const uint8_t *any_object(struct hg_run *run, const uint8_t *p);

/* Any value at all, read for the first time: its syntax matters, and that no name is there twice. */
static const uint8_t *anything(struct hg_run *run, const uint8_t *p) {
    struct hg_number number;
    struct hg_text text;
    struct hg_iter iter;
    const enum hg_token token = r_token(run, &p);
    switch (token) {
    case HG_T_STRING:
        return r_string(run, p, &text, 0);
    case HG_T_NUMBER: {
        const uint8_t *after = r_quick_number(run, p, &number.mantissa, &number.exponent, &number.negative);
        return HG_LIKELY(after != NULL) ? after : r_number(run, p, &number, run->digits[0]);
    }
    case HG_T_OBJECT:
        return any_object(run, p);
    case HG_T_ARRAY:
        if (!deeper(run, p) || (p = r_open(run, p, &iter)) == NULL) {
            return NULL;
        }
        int more = r_first(run, &p, &iter, false);
        for (; more > 0; more = r_next(run, &p, &iter, false)) {
            if (HG_UNLIKELY((p = anything(run, p)) == NULL)) {
                return NULL;
            }
        }
        run->depth++;
        run->frames++;
        return more < 0 ? NULL : p;
    case HG_T_FAULT:
        return r_no_token(run, p);
    default:
        return r_literal(run, p, token);
    }
}

static const uint8_t *any_object(struct hg_run *run, const uint8_t *p) {
    const uint8_t *const start = p;
    struct others others;
    struct hg_iter iter;
    uint32_t count = 0;
    if (!deeper(run, p) || (p = r_open(run, p, &iter)) == NULL) {
        return NULL;
    }
    others.count = 0;
    int more = r_first(run, &p, &iter, true);
    for (; more > 0; more = r_next(run, &p, &iter, true), count++) {
        const uint8_t *const name_at = p;
        struct hg_text name;
        if (HG_UNLIKELY((p = r_name(run, p, &name)) == NULL)) {
            return NULL;
        }
        if (HG_UNLIKELY(given_before(run, &others, start, name_at, &name)) && !r_last_counts(run)) {
            return hg_malformed(run, HG_DUPLICATE_NAME, name_at);
        }
        if (HG_UNLIKELY((p = anything(run, p)) == NULL)) {
            return NULL;
        }
    }
    run->depth++;
    run->frames++;
    return more < 0 || !all_differ(run, &others, count, start) ? NULL : p;
}
#endif

/* A member whose name begins at p, with so many before it -> after its value. known: that it is not the likely one. */
static HG_NOINLINE const uint8_t *any_member(struct hg_run *run, const struct hg_node *node,
                                             const struct hg_object_rules *rules, struct members *members,
                                             uint32_t count, bool known, const uint8_t *start, const uint8_t *p) {
    const struct hg_property *property = (const struct hg_property *)hg_at(run->program, rules->names.entries) +
                                         members->hint;
    const uint8_t *name_at = p, *after = NULL;
    struct hg_text name;
    uint32_t index = members->hint, outer = 0;
    if (index < rules->names.count && !known) {
        after = r_known(run, p, &property->name);
    }
    if (after != NULL) {
        e_known_name(run, count, &property->name);
        name = name_text(run->program, &property->name);
    } else {
        after = r_name(run, p, &name);
        if (HG_UNLIKELY(after == NULL)) {
            return NULL;
        }
        e_name(run, count, &name);
#if HG_PASSES
        if (is_of_no_interest(run, rules, &name)) {
            return r_pass(run, after);
        }
#endif
        index = rules->names.count == 0 ? UINT32_MAX : HG_R(text_find)(run->program, &rules->names, &name, 0);
        property = (const struct hg_property *)hg_at(run->program, rules->names.entries) + index;
    }
    if (HG_EXPLAINS) {
        outer = x_name(run, &name);
    }
    if (HG_LIKELY(index != UINT32_MAX)) {
        const uint64_t bit = (uint64_t)1 << index % 64;
        if (HG_UNLIKELY((members->seen[index / 64] & bit) != 0)) {
            if (!r_last_counts(run)) {
                return hg_malformed(run, HG_DUPLICATE_NAME, name_at);
            }
            members->awaited++;
        }
        members->seen[index / 64] |= bit;
        members->awaited--;
        members->missed = index == members->hint ? 0 : members->missed + 1;
        members->hint = index + 1;
    } else if (!run->again && HG_UNLIKELY(given_before(run, &members->others, start, name_at, &name)) &&
               !r_last_counts(run)) { /* those of what is read again were found the first time */
        return hg_malformed(run, HG_DUPLICATE_NAME, name_at);
    }
    p = index != UINT32_MAX ? known_member(run, node, property, after) : other_member(run, node, rules, &name, after);
    if (HG_EXPLAINS) {
        x_leave(run, outer);
    }
    if (HG_UNLIKELY(rules->names_node != 0) && p != NULL && !HG_R(holds)(run, rules->names_node, name_at)) {
        if (run->verdict == HG_MALFORMED) {
            return NULL;
        }
        VIOLATED(HG_K_PROPERTY_NAMES, start, 0, &name);
    }
    return p;
}

/* What is asked of the object as a whole, which ends before p. */
HG_INLINE const uint8_t *object_rules(struct hg_run *run, const struct hg_node *node,
                                      const struct hg_object_rules *rules, const struct members *members,
                                      uint32_t count, const uint8_t *start, const uint8_t *p) {
    if (HG_UNLIKELY(!all_differ(run, &members->others, count, start))) {
        return NULL;
    }
    if (rules->required != 0) {
        const uint64_t *required = hg_at(run->program, rules->required);
        if (HG_UNLIKELY(!has_all(required, members->seen, rules->words)) &&
            missing_names(run, node, HG_K_REQUIRED, 0, required, members->seen, rules->words, start, p) == NULL) {
            return NULL;
        }
    }
    if (HG_UNLIKELY(count < rules->min)) {
        VIOLATED(HG_K_MIN_PROPERTIES, start, count, NULL);
    }
    if (HG_UNLIKELY(count > rules->max)) {
        VIOLATED(HG_K_MAX_PROPERTIES, start, count, NULL);
    }
    if (HG_UNLIKELY(rules->dependent_count != 0)) {
        return dependents(run, node, rules, members->seen, start, p);
    }
    return p;
}

static const uint8_t *object(struct hg_run *run, const struct hg_node *node, const uint8_t *p) {
    static const struct hg_object_rules NONE = {.max = UINT32_MAX};
    const struct hg_object_rules *rules = node->object == 0 ? &NONE : hg_at(run->program, node->object);
    const uint8_t *start = p;
    struct members members;
    uint32_t count = 0;
    struct hg_iter iter;
    int more;
    /* when all that the schema names was seen, nothing else matters to the question whether the object is valid */
    members.only = !HG_EMITS && !HG_EXPLAINS && HG_UNLIKELY(run->only == p) && rules->rest == 0 &&
                   rules->pattern_count == 0 && rules->names_node == 0 && rules->min == 0 && rules->max == UINT32_MAX;
    members.awaited = rules->names.count;
    if (members.only && members.awaited == 0) {
        return p + 1;
    }
    if (!deeper(run, p) || (p = r_open(run, p, &iter)) == NULL) {
        return NULL;
    }
    members.others.count = members.hint = members.missed = 0;
    members.seen[0] = 0;
    for (uint32_t w = 1; w < rules->words; w++) {
        members.seen[w] = 0;
    }
    uint8_t *mark = e_open(run, true);
    for (more = r_first(run, &p, &iter, true); more > 0; more = r_next(run, &p, &iter, true)) {
        bool known = members.missed >= HG_MISSED; /* it is hardly the likely one */
#if !HG_EXPLAINS
        /* as long as the names come in the order of the schema */
        const struct hg_property *first = hg_at(run->program, rules->names.entries);
        const struct hg_property *const from = first + members.hint, *const end = first + rules->in_order;
        if (HG_LIKELY(from < end && !members.only && !known)) {
            const struct hg_property *property = from;
            uint64_t seen = members.seen[0], bit = (uint64_t)1 << members.hint;
            do {
                const uint8_t *at = r_known(run, p, &property->name);
                if (HG_UNLIKELY(at == NULL || (seen & bit) != 0)) {
                    known = at == NULL;
                    break;
                }
                /* whether it is the first one is all that matters */
                e_known_name(run, count | (uint32_t)(property != from), &property->name);
                seen |= bit;
                p = take_road(run, &property->road, &property->node, at);
                if (HG_UNLIKELY(p == NULL)) {
                    return NULL;
                }
                more = r_next(run, &p, &iter, true);
                property++;
                bit += bit;
            } while (HG_LIKELY(more > 0 && property < end));
            members.seen[0] = seen;
            members.hint += (uint32_t)(property - from);
            count += (uint32_t)(property - from);
            if (more <= 0) {
                break;
            }
        }
#endif
        p = any_member(run, node, rules, &members, count++, known, start, p);
        if (HG_UNLIKELY(p == NULL)) {
            return NULL;
        }
        if (HG_UNLIKELY(members.only && members.awaited == 0)) {
            break;
        }
    }
    if (HG_UNLIKELY(more < 0)) {
        return NULL;
    }
    e_close(run, mark, true, count);
    run->depth++;
    run->frames++;
    return object_rules(run, node, rules, &members, count, start, p);
}
