/* What applies to the value a node is about, in place: a part of engine.h. The value is read again for each: remembering where it
 * starts is all the memory that takes. Nothing is written meanwhile: an engine that writes leaves it to the one that only decides. */

#if HG_EMITS
/* A node that is nothing but a reference stands for what it refers to. */
static HG_NOINLINE const uint8_t *one(struct hg_run *run, const struct hg_node *node, const uint8_t *p) {
    const struct hg_same *rule = hg_at(run->program, node->same);
    if (!deeper(run, p)) {
        return NULL;
    }
    p = value(run, rule->op == HG_SAME_ALL ? rule->a : HG_R(dynamic)(run, rule), p);
    run->frames++;
    return p;
}
#else

/* The types an alternative takes, for the choice of the one to explain. */
HG_INLINE unsigned alternative_types(const struct hg_program *program, hg_ref ref) {
    return ref == 0 ? HG_ANY : ((const struct hg_node *)hg_at(program, ref))->types;
}

/* What can be told of the value at p before the alternatives of the rule are tried. */
HG_INLINE void first_look(struct hg_run *run, const struct hg_same *rule, const uint8_t *p, struct hg_look *look) {
    const uint32_t depth = run->depth; /* CBOR: a tag may take some of it */
    const enum hg_token token = r_token(run, &p);
    look->types = TYPES[token] | (token == HG_T_BYTES ? HG_FOREIGN : 0u);
    look->known = false;
    if (token == HG_T_OBJECT && rule->c != 0) {
        HG_R(look)(run, hg_at(run->program, rule->c), p, look);
    }
    run->depth = depth;
}

/* The first one from `list` on, before `end`, that may hold and is not `of` that alternative. */
static const struct hg_alternative *next_likely(const struct hg_run *run, const struct hg_alternative *list,
                                                const struct hg_alternative *end, const struct hg_look *look,
                                                uint32_t of) {
    for (; list < end; list++) {
        if ((list->takes & look->types) == 0 || list->of == of) {
            continue;
        }
        if (!look->known) {
            break;
        }
        if ((list->needs & ~HG_TELL_NOT & ~look->there) != 0) {
            continue;
        }
        if (list->choice == 0 || (look->there & 1) == 0 ||
            (list->hash != 0 && look->hash != 0 ? list->hash == look->hash
                                                : HG_R(may_be)(run->program, list, look))) {
            break;
        }
    }
    return list;
}

/* What a rule comes to, and its end. */
HG_INLINE const struct hg_alternative *likely_ones(const struct hg_run *run, const struct hg_same *rule,
                                                   const struct hg_alternative **end) {
    const struct hg_alternative *list = hg_at(run->program, rule->index);
    *end = list + rule->flags;
    return list;
}

/* How many alternatives of the rule hold, from `list` on; stops at `enough`. UINT32_MAX: the run has failed. */
static uint32_t alternatives(struct hg_run *run, const struct hg_same *rule, const struct hg_alternative *list,
                             const struct hg_look *look, uint32_t enough, const uint8_t *p) {
    const struct hg_alternative *const all = hg_at(run->program, rule->a), *end;
    uint32_t found = 0, of = list->of;
    (void)likely_ones(run, rule, &end);
    for (; list < end && found < enough; list = next_likely(run, list, end, look, of)) {
        of = list->of;
        if (HG_R(holds)(run, all[of].node, p)) {
            found++;
        } else if (run->verdict == HG_MALFORMED) {
            return UINT32_MAX;
        }
    }
    return found;
}

#if HG_EXPLAINS
/* The type of the value at p, one bit. */
static unsigned type_of(struct hg_run *run, const uint8_t *p) {
    struct hg_number number;
    switch (r_token(run, &p)) {
    case HG_T_NULL:
        return HG_NULL;
    case HG_T_FALSE:
    case HG_T_TRUE:
        return HG_BOOLEAN;
    case HG_T_NUMBER:
        return r_number(run, p, &number, run->digits[0]) != NULL && hg_number_is_integer(&number) ? HG_INTEGER
                                                                                                  : HG_FRACTION;
    case HG_T_STRING:
        return HG_STRING;
    case HG_T_ARRAY:
        return HG_ARRAY;
    case HG_T_OBJECT:
        return HG_OBJECT;
    default:
        return HG_FOREIGN;
    }
}

/* None of them holds: where the type leaves one alternative, that one tells more than "none of them". */
static bool explain_none(struct hg_run *run, const struct hg_node *node, enum hg_keyword keyword,
                         const struct hg_alternative *list, uint32_t count, const uint8_t *p) {
    const unsigned type = type_of(run, p) & ~(unsigned)HG_FOREIGN; /* that one says nothing of likelihood */
    uint32_t likely = UINT32_MAX, fitting = 0;
    for (uint32_t i = 0; i < count; i++) {
        if ((alternative_types(run->program, list[i].node) & type) != 0) {
            likely = i;
            fitting++;
        }
    }
    if (fitting == 1) {
        return child_again(run, node, keyword, list[likely].node, p) != NULL;
    }
    x_violation(run, node, keyword, p, keyword == HG_K_ONE_OF ? count << 16 : count, NULL);
    return true;
}
#endif

/* anyOf or oneOf of `same`, the value having been read: false: the run has ended. */
static IN_PLACE bool any_or_one(struct hg_run *run, const struct hg_node *node, const struct hg_same *rule,
                                const uint8_t *p) {
    const enum hg_keyword keyword = (enum hg_keyword)rule->keyword;
    const struct hg_alternative *end, *list = likely_ones(run, rule, &end);
    const bool one = rule->op == HG_SAME_ONE;
    struct hg_look look;
    first_look(run, rule, p, &look);
    list = next_likely(run, list, end, &look, UINT32_MAX);
    const uint32_t found =
        list == end ? 0 : alternatives(run, rule, list, &look, one ? (HG_EXPLAINS ? UINT32_MAX : 2) : 1, p);
    if (found == UINT32_MAX) {
        return false;
    }
#if HG_EXPLAINS
    if (found == 0) {
        return explain_none(run, node, keyword, hg_at(run->program, rule->a), rule->b, p);
    }
#endif
    if (found == 0 || (one && found > 1)) {
        VIOLATED(keyword, p, one ? rule->b << 16 | found : rule->b, NULL);
    }
    return true;
}

/* One rule of `same`, the value having been read: -> after, or NULL. */
static const uint8_t *same_rule(struct hg_run *run, const struct hg_node *node, const struct hg_same *rule,
                                const uint8_t *p, const uint8_t *after) {
    const enum hg_keyword keyword = (enum hg_keyword)rule->keyword;
    hg_ref ref = rule->a;
    switch ((enum hg_same_op)rule->op) {
    case HG_SAME_END:
        return after;
    case HG_SAME_ANY:
    case HG_SAME_ONE:
        return any_or_one(run, node, rule, p) ? after : NULL;
    case HG_SAME_NOT:
        if (HG_R(holds)(run, ref, p)) {
            VIOLATED(keyword, p, 0, NULL);
        } else if (run->verdict == HG_MALFORMED) {
            return NULL;
        }
        return after;
    case HG_SAME_IF: {
        const bool condition = HG_R(holds)(run, ref, p);
        if (!condition && run->verdict == HG_MALFORMED) {
            return NULL;
        }
        ref = condition ? rule->b : rule->c;
        if (HG_EXPLAINS) {
            return child_again(run, node, condition ? HG_K_THEN : HG_K_ELSE, ref, p) == NULL ? NULL : after;
        }
        return HG_R(holds)(run, ref, p) ? after : NULL;
    }
    case HG_SAME_DYNAMIC:
        ref = HG_R(dynamic)(run, rule);
        break;
    case HG_SAME_ALL:
        break;
    }
    if (HG_EXPLAINS) {
        return child_again(run, node, keyword, ref, p) == NULL ? NULL : after;
    }
    return HG_R(holds)(run, ref, p) ? after : NULL;
}

static HG_NOINLINE const uint8_t *same(struct hg_run *run, const struct hg_node *node, const uint8_t *p,
                                       const uint8_t *after) {
    if (!deeper(run, p)) {
        return NULL;
    }
    for (const struct hg_same *rule = hg_at(run->program, node->same); rule->op != HG_SAME_END; rule++) {
        if (same_rule(run, node, rule, p, after) == NULL) {
            return NULL;
        }
    }
    run->frames++;
    return after;
}

#if !HG_EXPLAINS
/* Try `ref`: as `value`, but if it fails everything in `run` is as before. Counts the work: this is what can be done again and again. */
static const uint8_t *attempt(struct hg_run *run, hg_ref ref, const uint8_t *p) {
    const struct hg_scope *scope = run->scope;
    const uint32_t depth = run->depth, frames = run->frames;
    if (HG_UNLIKELY(run->frames == 0)) {
        return hg_malformed(run, HG_OUT_OF_STEPS, p);
    }
    run->frames--;
    const uint8_t *after = value(run, ref, p);
    run->scope = scope;
    run->depth = depth;
    run->frames = frames;
    if (HG_UNLIKELY(after == NULL && run->verdict == HG_MALFORMED)) {
        return NULL;
    }
    return charge(run, 1 + (uint32_t)((after != NULL ? after : run->at) - p) / 16, p) ? after : NULL;
}

/* A node that has nothing but `same`: the first schema that takes the value finds its end. */
static IN_PLACE const uint8_t *bare(struct hg_run *run, const struct hg_node *node, const uint8_t *p) {
    const struct hg_same *rule = hg_at(run->program, node->same), *next = rule + 1;
    const uint8_t *after = NULL;
    if (!deeper(run, p)) {
        return NULL;
    }
    if (rule->op == HG_SAME_ALL || rule->op == HG_SAME_DYNAMIC) {
        after = value(run, rule->op == HG_SAME_ALL ? rule->a : HG_R(dynamic)(run, rule), p);
    } else if (rule->op == HG_SAME_ANY || rule->op == HG_SAME_ONE) {
        const struct hg_alternative *const all = hg_at(run->program, rule->a);
        const struct hg_alternative *end, *list = likely_ones(run, rule, &end);
        struct hg_look look;
        first_look(run, rule, p, &look);
        list = next_likely(run, list, end, &look, UINT32_MAX);
        const struct hg_alternative *second = list < end ? next_likely(run, list + 1, end, &look, UINT32_MAX) : end;
        if (list < end && (second == end || (second->of == list->of && next_likely(run, second + 1, end, &look, list->of) == end))) {
            after = value(run, second == end ? list->node : all[list->of].node, p); /* this one holds, or none does */
            list = end;
        }
        while (list < end && after == NULL) {
            const uint32_t of = list->of;
            after = attempt(run, all[of].node, p);
            if (after == NULL && run->verdict == HG_MALFORMED) {
                return NULL;
            }
            list = next_likely(run, list, end, &look, of);
        }
        if (after == NULL) {
            return run->verdict == HG_MALFORMED ? NULL : hg_invalid(run, p);
        }
        if (rule->op == HG_SAME_ONE && list < end) {
            const uint32_t found = alternatives(run, rule, list, &look, 1, p);
            if (found != 0) {
                return found == UINT32_MAX ? NULL : hg_invalid(run, p);
            }
        }
    } else {
        after = HG_R(skip)(run, p);
        next = rule;
    }
    if (after == NULL) {
        return NULL;
    }
    for (; next->op != HG_SAME_END; next++) {
        if (same_rule(run, node, next, p, after) == NULL) {
            return NULL;
        }
    }
    run->frames++;
    return after;
}
#endif

static HG_RARE const uint8_t *unevaluated(struct hg_run *run, const struct hg_node *node, bool members,
                                              const uint8_t *start, const uint8_t *after) {
    const hg_ref ref = members ? ((const struct hg_object_rules *)hg_at(run->program, node->object))->unevaluated
                               : ((const struct hg_array_rules *)hg_at(run->program, node->array))->unevaluated;
    const enum hg_keyword keyword = members ? HG_K_UNEVALUATED_PROPERTIES : HG_K_UNEVALUATED_ITEMS;
    const bool nothing = ref != 0 && ((const struct hg_node *)hg_at(run->program, ref))->types == 0;
    uint8_t bits[HG_MARKS / 8];
    bool again = ref != 0; /* the schema that accepts everything has no objection */
    for (uint32_t first = 0; again; first += HG_MARKS) {
        const uint8_t *p = start;
        struct hg_iter iter;
        uint32_t index = 0;
        int more;
        memset(bits, 0, sizeof bits);
        if (!HG_R(marks)(run, node, start, members, first, bits) || (p = r_open(run, p, &iter)) == NULL) {
            return NULL;
        }
        for (more = r_first(run, &p, &iter, members); more > 0; more = r_next(run, &p, &iter, members), index++) {
            struct hg_text name;
            if (members && (p = r_name(run, p, &name)) == NULL) {
                return NULL;
            }
            const uint8_t *item = p;
            p = HG_R(skip)(run, item);
            if (p == NULL) {
                return NULL;
            }
            if (index - first >= HG_MARKS || (bits[(index - first) / 8] >> (index - first) % 8 & 1) != 0) {
                continue;
            }
            if (!HG_EXPLAINS) {
                if (!HG_R(holds)(run, ref, item)) {
                    return NULL;
                }
                continue;
            }
            const uint32_t outer = members ? x_name(run, &name) : x_index(run, index);
            if (nothing) {
                x_violation(run, node, keyword, item, 0, members ? &name : NULL);
            } else if (child_again(run, node, keyword, ref, item) == NULL) {
                return NULL;
            }
            x_leave(run, outer);
        }
        if (more < 0) {
            return NULL;
        }
        run->depth++;
        if (!charge(run, 1 + (uint32_t)(p - start) / 16, start)) {
            return NULL;
        }
        again = index - first > HG_MARKS && index > first;
    }
    return after;
}
#endif
