/* Objects: a part of engine.h.
 *
 * Most members come in the order of the schema, so the name after the last one found is tried first, quote and colon and all in one
 * comparison; the table of names is asked only if it is another one. Which of the schema's names were seen is one bit each, which also
 * finds a name given twice; the few other names are remembered until they are too many for that (then `unique` looks at the end). */

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
                VIOLATED_AS_A_WHOLE(keyword, start, after, detail | (w * 64 + bit));
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
static HG_RARE const uint8_t *dependents(struct hg_run *run, const struct hg_node *node,
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

#if HG_PASSES
/* HG_R(given_before), in line for the name that is the first one of its kind. */
HG_INLINE bool given_before(const struct hg_run *run, struct hg_others *others, uint32_t hash, const struct hg_text *name) {
    const uint32_t count = others->count;
    const uint64_t bit = (uint64_t)1 << hash % 64;
    if (count == 0) {
        others->doubts = 0;
        others->kinds = others->escaped = 0;
    }
    if (count < HG_OTHERS && ((others->kinds & bit) | others->escaped) == 0 && !name->escaped) {
        others->kinds |= bit;
        others->at[count] = (uint32_t)(name->start - run->data);
        others->look[count] = hg_look_of(hash, name->size);
        others->count = count + 1;
        return false;
    }
    const struct hg_text copy = *name;
    return HG_R(given_before)(run, others, hash, &copy);
}
#endif

/* No name was given twice of all those of the object at `start`, where they were too many to be sure of each. */
HG_INLINE bool all_differ(struct hg_run *run, const struct hg_others *others, uint32_t count, const uint8_t *start) {
    const uint8_t *twice;
    if (HG_LIKELY(others->count <= HG_OTHERS) || HG_R(unique)(run, start, true, count, &twice)) {
        return true;
    }
    if (twice != NULL) {
        (void)hg_malformed(run, HG_DUPLICATE_NAME, twice);
    }
    return false;
}

/* What is known of an object's members so far. */
struct members {
    uint64_t seen[HG_SCHEMA_NAMES / 64]; /* bits: names of the schema */
    struct hg_others others;
    uint32_t hint;    /* index of the name that is likely next */
    uint32_t awaited; /* names of the schema that were not seen; counted if nothing else matters (`only`) */
    bool only;
#if HG_PASSES
    const uint8_t *after; /* of the name that quick_find has read: where its value starts; NULL: it has read none */
    uint32_t size, characters, hash;
#endif
};

#if HG_PASSES
/* The name, found in an object that was read before, is none of the schema's, and nothing is asked of others. false: it may be. */
HG_INLINE bool is_of_no_interest(const struct hg_run *run, const struct hg_object_rules *rules,
                                 const struct hg_text *name) {
    return run->again && (rules->rest | rules->pattern_count | rules->names_node) == 0 && !name->escaped &&
           (rules->names.kinds >> hg_name_kind(name->start, name->size) & 1) == 0;
}
#endif

#if HG_PASSES
static const uint8_t *v_name(struct hg_run *run, const uint8_t *p, struct hg_text *text);
static const uint8_t *v_number(struct hg_run *run, const uint8_t *p, struct hg_number *number, uint8_t *room);
static const uint8_t *any_object(struct hg_run *run, const uint8_t *p);

/* Any value at all, read for the first time: its syntax matters, and that no name is there twice. */
static const uint8_t *anything(struct hg_run *run, const uint8_t *p) {
    struct hg_number number;
    struct hg_text text;
    struct hg_iter iter;
    const enum hg_token token = r_token(run, &p);
    switch (token) {
    case HG_T_STRING:
        return v_string(run, p, &text);
    case HG_T_NUMBER:
        return v_number(run, p, &number, run->digits[0]);
    case HG_T_OBJECT:
        return any_object(run, p);
    case HG_T_ARRAY: {
        const uint8_t *const start = p;
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
        if (more < 0) {
            return NULL;
        }
        if (HG_UNLIKELY((run->program->flags & HG_PROGRAM_AGAIN) != 0)) {
            r_remember(run, start, p);
        }
        return p;
    }
    case HG_T_FAULT:
        return r_no_token(run, p);
    default:
        return r_literal(run, p, token);
    }
}

static const uint8_t *any_object(struct hg_run *run, const uint8_t *p) {
    const uint8_t *const start = p;
    struct hg_others others;
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
        const uint32_t hash = name.escaped ? 0 : hg_name_hash(name.start, name.size);
        if (!r_last_counts(run) && HG_UNLIKELY(given_before(run, &others, hash, &name))) {
            return hg_malformed(run, HG_DUPLICATE_NAME, name_at);
        }
        if (HG_LIKELY(*p == '"')) {
            struct hg_text text;
            p = r_string(run, p, &text, 0);
        } else {
            p = anything(run, p);
        }
        if (HG_UNLIKELY(p == NULL)) {
            return NULL;
        }
    }
    run->depth++;
    run->frames++;
    if (more < 0 || !all_differ(run, &others, count, start)) {
        return NULL;
    }
    if (HG_UNLIKELY((run->program->flags & HG_PROGRAM_AGAIN) != 0)) {
        r_remember(run, start, p);
    }
    return p;
}
#endif

#if HG_PASSES
/* The name at p, if it has no escapes: its index, or UINT32_MAX; members->after... tell of it. */
HG_INLINE uint32_t quick_find(struct hg_run *run, const struct hg_names *names, struct members *members,
                              const uint8_t *p) {
    struct hg_text text = {0};
    members->after = r_name(run, p, &text);
    if (HG_UNLIKELY(members->after == NULL || text.escaped)) {
        members->after = NULL; /* a fault is found again */
        return UINT32_MAX;
    }
    const uint32_t size = text.size, hash = hg_name_hash(p + 1, size);
    members->size = size;
    members->characters = text.characters;
    members->hash = hash;
    if (HG_UNLIKELY(names->table == 0)) {
        return hg_find_hashed(run->program, names, p + 1, size, hash);
    }
    const uint8_t *const entries = hg_at(run->program, names->entries);
    const uint16_t *const table = hg_at(run->program, names->table);
    for (uint32_t slot = hash & names->mask; table[slot] != 0xFFFF; slot = (slot + 1) & names->mask) {
        const struct hg_name *const name = (const void *)(entries + (size_t)table[slot] * sizeof(struct hg_property));
        if (name->hash == hash && name->length == size &&
            HG_LIKELY(hg_equal_bytes(hg_at(run->program, name->text), p + 1, size))) {
            return table[slot];
        }
    }
    return UINT32_MAX;
}

/* The member whose name begins at p, if nothing more is asked of it than what it is by its name -> after it; *rare: there is. */
HG_INLINE const uint8_t *quick_member(struct hg_run *run, const struct hg_object_rules *rules, struct members *members,
                                      const uint8_t *p, bool *rare) {
    const uint32_t index = quick_find(run, &rules->names, members, p);
    const uint8_t *const after = members->after;
    const struct hg_road *road = &rules->road;
    const hg_ref *ref = &rules->rest;
    *rare = HG_UNLIKELY(after == NULL || rules->names_node != 0);
    if (HG_LIKELY(!*rare) && index != UINT32_MAX) {
        const struct hg_property *property = (const struct hg_property *)hg_at(run->program, rules->names.entries) + index;
        const uint64_t bit = (uint64_t)1 << index % 64;
        *rare = property->more != 0 || (members->seen[index / 64] & bit) != 0;
        if (HG_LIKELY(!*rare)) {
            members->seen[index / 64] |= bit;
            members->awaited--;
            members->hint = index + 1;
            road = &property->road;
            ref = &property->node;
        }
    } else if (HG_LIKELY(!*rare)) {
        const struct hg_text name = {.start = p + 1, .size = members->size, .characters = members->characters};
        *rare = rules->pattern_count != 0;
        if (HG_LIKELY(!*rare) && !run->again && !r_last_counts(run) &&
            HG_UNLIKELY(given_before(run, &members->others, members->hash, &name))) {
            return hg_malformed(run, HG_DUPLICATE_NAME, p);
        }
    }
    return *rare ? NULL : by_road(run, road, ref, after);
}
#endif

/* A member whose name begins at p, with so many before it -> after its value. */
static ANY_NAME const uint8_t *any_member(struct hg_run *run, const struct hg_node *node,
                                             const struct hg_object_rules *rules, struct members *members,
                                             uint32_t count, const uint8_t *start, const uint8_t *p) {
    const struct hg_property *property = (const struct hg_property *)hg_at(run->program, rules->names.entries) +
                                         members->hint;
    const uint8_t *name_at = p, *after = NULL;
    struct hg_text name;
    uint32_t index = members->hint, outer = 0, hash = 0;
#if !HG_PASSES
    if (index < rules->names.count) {
        after = r_known(run, p, &property->name);
    }
#endif
    if (after != NULL) {
        e_known_name(run, count, &property->name);
        name = name_text(run->program, &property->name);
    } else {
#if HG_PASSES
        after = v_name(run, p, &name); /* this is rare */
#else
        after = r_name(run, p, &name);
#endif
        if (HG_UNLIKELY(after == NULL)) {
            return NULL;
        }
        e_name(run, count, &name);
#if HG_PASSES
        if (is_of_no_interest(run, rules, &name)) {
            return r_pass(run, after);
        }
#endif
        if (HG_LIKELY(!name.escaped)) {
            hash = hg_name_hash(name.start, name.size);
            index = hg_find_hashed(run->program, &rules->names, name.start, name.size, hash);
        } else {
            index = HG_R(text_find)(run->program, &rules->names, &name, 0);
        }
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
        members->hint = index + 1;
    } else if (!run->again && !r_last_counts(run) && /* of what is read again it was found the first time */
               HG_UNLIKELY(HG_R(given_before)(run, &members->others, hash, &name))) {
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
        VIOLATED_AS_A_WHOLE(HG_K_MIN_PROPERTIES, start, p, count);
    }
    if (HG_UNLIKELY(count > rules->max)) {
        VIOLATED_AS_A_WHOLE(HG_K_MAX_PROPERTIES, start, p, count);
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
    members.others.count = members.hint = 0;
    members.seen[0] = 0;
    for (uint32_t w = 1; w < rules->words; w++) {
        members.seen[w] = 0;
    }
    uint8_t *mark = e_open(run, true);
    for (more = r_first(run, &p, &iter, true); more > 0; more = r_next(run, &p, &iter, true)) {
        bool rare = true;
#if !HG_EXPLAINS
        /* as long as the names come in the order of the schema */
        const struct hg_property *first = hg_at(run->program, rules->names.entries);
        const struct hg_property *const from = first + members.hint, *const end = first + rules->in_order;
        if (HG_LIKELY(from < end && !members.only)) {
            const struct hg_property *property = from;
            uint64_t seen = members.seen[0], bit = (uint64_t)1 << members.hint;
            do {
                const uint8_t *at = r_known(run, p, &property->name);
                if (HG_UNLIKELY(at == NULL || (seen & bit) != 0)) {
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
#if HG_PASSES
        const uint8_t *const after = quick_member(run, rules, &members, p, &rare);
        if (HG_LIKELY(!rare)) {
            p = after;
            count++;
        }
#endif
#endif
        if (HG_UNLIKELY(rare)) {
            p = any_member(run, node, rules, &members, count++, start, p);
        }
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
