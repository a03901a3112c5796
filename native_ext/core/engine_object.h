/* Objects: a part of engine.h.
 *
 * Most members come in the order of the schema, so the name after the last one found is tried first, quote and colon and all in one
 * comparison; the table of names is asked only if it is another one. Which of the schema's names were seen is one bit each, which also
 * finds a name given twice; the few other names are remembered until they are too many for that (then `unique` looks at the end). */

#define HG_OTHERS 16 /* names the schema does not know that are compared with each other one by one */

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

/* The name is one of `others`. `kinds` has a bit for each kind of name among them: most names are the only one of their kind. */
HG_INLINE bool among(const struct hg_text *others, uint32_t count, uint64_t *kinds, const struct hg_text *name) {
    const unsigned kind = name->size == 0 ? 0u : name->size * 5u + name->start[0] * 3u + name->start[name->size - 1];
    const uint64_t bit = (uint64_t)1 << kind % 64;
    if (HG_LIKELY((*kinds & bit) == 0 && !name->escaped)) {
        *kinds |= bit;
        return false;
    }
    if (name->escaped) {
        *kinds = UINT64_MAX; /* it may be equal to a name of any kind */
    }
    for (uint32_t i = 0; i < count; i++) {
        if (HG_LIKELY(!(others[i].escaped | name->escaped))) {
            if (others[i].size == name->size && hg_equal_bytes(others[i].start, name->start, name->size)) {
                return true;
            }
        } else if (HG_R(text_equal)(&others[i], name, 0)) {
            return true;
        }
    }
    return false;
}

/* What is known of an object's members so far. */
struct members {
    uint64_t seen[HG_SCHEMA_NAMES / 64]; /* bits: names of the schema */
    struct hg_text others[HG_OTHERS];    /* other names */
    uint64_t other_kinds;
    uint32_t other_count;
    uint32_t hint;    /* index of the name that is likely next */
    uint32_t awaited; /* names of the schema that were not seen; counted if nothing else matters (`only`) */
    bool only;
};

#if HG_PASSES
/* The name, found in an object that was read before, is none of the schema's, and nothing is asked of others. false: it may be. */
HG_INLINE bool is_of_no_interest(const struct hg_run *run, const struct hg_object_rules *rules,
                                 const struct hg_text *name) {
    return run->again && (rules->rest | rules->pattern_count | rules->names_node) == 0 && !name->escaped &&
           (rules->names.kinds >> hg_name_kind(name->start, name->size) & 1) == 0;
}
#endif

/* A member whose name begins at p, with so many before it -> after its value. */
static HG_NOINLINE const uint8_t *any_member(struct hg_run *run, const struct hg_node *node,
                                             const struct hg_object_rules *rules, struct members *members,
                                             uint32_t count, const uint8_t *start, const uint8_t *p) {
    const struct hg_property *property = (const struct hg_property *)hg_at(run->program, rules->names.entries) +
                                         members->hint;
    const uint8_t *name_at = p, *after = NULL;
    struct hg_text name;
    uint32_t index = members->hint, outer = 0;
    if (index < rules->names.count) {
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
        members->hint = index + 1;
    } else if (run->again) {
        members->other_count = 0; /* names given twice were found the first time */
    } else if (members->other_count < HG_OTHERS) {
        if (HG_UNLIKELY(among(members->others, members->other_count, &members->other_kinds, &name)) &&
            !r_last_counts(run)) {
            return hg_malformed(run, HG_DUPLICATE_NAME, name_at);
        }
        members->others[members->other_count++] = name;
    } else {
        members->other_count = HG_OTHERS + 1;
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
    if (HG_UNLIKELY(members->other_count > HG_OTHERS) && !r_last_counts(run)) {
        const uint8_t *twice;
        if (!HG_R(unique)(run, start, true, count, &twice)) {
            return twice == NULL ? NULL : hg_malformed(run, HG_DUPLICATE_NAME, twice);
        }
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
    members.other_count = members.hint = 0;
    members.other_kinds = 0;
    members.seen[0] = 0;
    for (uint32_t w = 1; w < rules->words; w++) {
        members.seen[w] = 0;
    }
    uint8_t *mark = e_open(run, true);
    for (more = r_first(run, &p, &iter, true); more > 0; more = r_next(run, &p, &iter, true)) {
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
#endif
        p = any_member(run, node, rules, &members, count++, start, p);
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
