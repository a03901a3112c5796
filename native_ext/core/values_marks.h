/* What a node has evaluated, for unevaluatedProperties and unevaluatedItems (core section 11): a part of values for one reader
 * (values_all.h). The value is valid under the node; which branches took it is asked again: annotations cost only those who need them. */

static bool mark_in_place(struct hg_run *run, hg_ref ref, const uint8_t *p, bool object, uint32_t first, uint8_t *bits);

static void mark(uint8_t *bits, uint32_t first, uint32_t index) {
    if (index - first < HG_MARKS) {
        bits[(index - first) / 8] |= (uint8_t)(1u << (index - first) % 8);
    }
}

/* What the name's own keywords evaluate. */
static bool mark_name(const struct hg_program *program, const struct hg_object_rules *rules,
                      const struct hg_text *name) {
    const uint32_t index = HG_R(text_find)(program, &rules->names, name, 0);
    if (rules->has_rest != 0) {
        return true;
    }
    if (index != UINT32_MAX) {
        return ((const struct hg_property *)hg_at(program, rules->names.entries))[index].keyword != HG_K_NONE;
    }
    const struct hg_pattern_rule *pattern = hg_at(program, rules->patterns);
    for (uint32_t i = 0; i < rules->pattern_count; i++) {
        if (HG_R(text_matches)(name, 0, hg_at(program, pattern[i].pattern))) {
            return true;
        }
    }
    return false;
}

/* The node's own keywords: for an object `object` rules, else `array` rules. */
static bool mark_own(struct hg_run *run, const struct hg_node *node, const uint8_t *p, bool object, uint32_t first,
                     uint8_t *bits) {
    const struct hg_object_rules *members = object && node->object != 0 ? hg_at(run->program, node->object) : NULL;
    const struct hg_array_rules *items = !object && node->array != 0 ? hg_at(run->program, node->array) : NULL;
    const uint32_t depth = run->depth;
    const uint8_t *start = p;
    struct hg_iter iter;
    uint32_t index = 0;
    int more;
    if (members == NULL && items == NULL) {
        return true;
    }
    if (items != NULL && items->has_rest == 0 && items->has_contains == 0 && items->prefix_count == 0) {
        return true;
    }
    if ((p = v_open(run, p, &iter)) == NULL) {
        return false;
    }
    for (more = v_first(run, &p, &iter, object); more > 0; more = v_next(run, &p, &iter, object), index++) {
        const uint8_t *item;
        if (members != NULL) {
            struct hg_text name;
            if ((p = v_name(run, p, &name)) == NULL) {
                return false;
            }
            item = p;
            if (mark_name(run->program, members, &name)) {
                mark(bits, first, index);
            }
        } else {
            item = p;
            if (index < items->prefix_count || items->has_rest != 0) {
                mark(bits, first, index);
            } else if (items->has_contains != 0) {
                if (HG_R(holds)(run, items->contains, item)) {
                    mark(bits, first, index);
                } else if (run->verdict == HG_MALFORMED) {
                    return false;
                }
            }
        }
        if ((p = v_skip(run, item)) == NULL) {
            return false;
        }
    }
    run->depth = depth;
    return more == 0 && charge(run, (uint32_t)(p - start) / 16, start);
}

/* Which of the schema's names the object at p has. */
static HG_NOINLINE bool names_there(struct hg_run *run, const struct hg_object_rules *rules, const uint8_t *p,
                                    uint64_t *seen) {
    const uint32_t depth = run->depth;
    const uint8_t *const start = p;
    struct hg_iter iter;
    int more;
    memset(seen, 0, rules->words * sizeof *seen);
    if ((p = v_open(run, p, &iter)) == NULL) {
        return false;
    }
    for (more = v_first(run, &p, &iter, true); more > 0; more = v_next(run, &p, &iter, true)) {
        struct hg_text name;
        if ((p = v_name(run, p, &name)) == NULL || (p = v_skip(run, p)) == NULL) {
            return false;
        }
        const uint32_t index = HG_R(text_find)(run->program, &rules->names, &name, 0);
        if (index != UINT32_MAX) {
            seen[index / 64] |= (uint64_t)1 << index % 64;
        }
    }
    run->depth = depth;
    return more == 0 && charge(run, (uint32_t)(p - start) / 16, start);
}

/* dependentSchemas whose name is there. The names are looked for once, however many depend on them. */
static bool mark_dependents(struct hg_run *run, const struct hg_node *node, const uint8_t *start, uint32_t first,
                            uint8_t *bits) {
    const struct hg_object_rules *rules = hg_at(run->program, node->object);
    const struct hg_dependent *dependent = hg_at(run->program, rules->dependents);
    uint64_t seen[HG_SCHEMA_NAMES / 64];
    bool looked = false;
    for (uint32_t i = 0; i < rules->dependent_count; i++) {
        const uint32_t index = dependent[i].property;
        if (dependent[i].required != 0) {
            continue;
        }
        if (!looked && !names_there(run, rules, start, seen)) {
            return false;
        }
        looked = true;
        if ((seen[index / 64] >> index % 64 & 1) != 0 &&
            !mark_in_place(run, dependent[i].node, start, true, first, bits)) {
            return false;
        }
    }
    return true;
}

/* What applies in place, as far as it took the value. */
static bool mark_same(struct hg_run *run, const struct hg_node *node, const uint8_t *p, bool object, uint32_t first,
                      uint8_t *bits) {
    if (node->same == 0) {
        return true;
    }
    for (const struct hg_same *rule = hg_at(run->program, node->same); rule->op != HG_SAME_END; rule++) {
        const struct hg_alternative *list = hg_at(run->program, rule->a);
        switch ((enum hg_same_op)rule->op) {
        case HG_SAME_END:
        case HG_SAME_NOT:
            break;
        case HG_SAME_ALL:
            if (!mark_in_place(run, rule->a, p, object, first, bits)) {
                return false;
            }
            break;
        case HG_SAME_DYNAMIC:
            if (!mark_in_place(run, HG_R(dynamic)(run, rule), p, object, first, bits)) {
                return false;
            }
            break;
        case HG_SAME_ANY:
        case HG_SAME_ONE:
            for (uint32_t i = 0; i < rule->b; i++) {
                if (HG_R(holds)(run, list[i].node, p)) {
                    if (!mark_in_place(run, list[i].node, p, object, first, bits)) {
                        return false;
                    }
                } else if (run->verdict == HG_MALFORMED) {
                    return false;
                }
            }
            break;
        case HG_SAME_IF: {
            const bool condition = HG_R(holds)(run, rule->a, p);
            if ((!condition && run->verdict == HG_MALFORMED) ||
                (condition && !mark_in_place(run, rule->a, p, object, first, bits)) ||
                !mark_in_place(run, condition ? rule->b : rule->c, p, object, first, bits)) {
                return false;
            }
            break;
        }
        }
    }
    return true;
}

HG_RARE bool HG_R(marks)(struct hg_run *run, const struct hg_node *node, const uint8_t *p, bool object, uint32_t first,
                 uint8_t bits[HG_MARKS / 8]) {
    (void)r_token(run, &p);
    return mark_own(run, node, p, object, first, bits) &&
           (!object || node->object == 0 || mark_dependents(run, node, p, first, bits)) &&
           mark_same(run, node, p, object, first, bits);
}

/* The same for a node reached in place: its own unevaluated... has evaluated all that was left. */
static bool mark_in_place(struct hg_run *run, hg_ref ref, const uint8_t *p, bool object, uint32_t first,
                          uint8_t *bits) {
    if (ref == 0) {
        return true;
    }
    const struct hg_node *node = hg_at(run->program, ref);
    if (has_unevaluated(run, node, object)) {
        memset(bits, 0xFF, HG_MARKS / 8);
        return true;
    }
    if (!deeper(run, p)) {
        return false;
    }
    const struct hg_scope *outer = run->scope;
    const struct hg_scope scope = {outer, node->resource};
    if (outer != NULL && outer->resource != node->resource) {
        run->scope = &scope;
    }
    const bool good = HG_R(marks)(run, node, p, object, first, bits);
    run->scope = outer;
    run->frames++;
    return good && charge(run, 1, p);
}
