/* Arrays: a part of engine.h. */

static HG_NOINLINE const uint8_t *unique_items(struct hg_run *run, const struct hg_node *node, uint32_t count,
                                               const uint8_t *start, const uint8_t *after) {
    const uint8_t *twice;
    if (!HG_R(unique)(run, start, false, count, &twice)) {
        if (twice == NULL) {
            return NULL;
        }
        VIOLATED_AS_A_WHOLE(HG_K_UNIQUE_ITEMS, start, after, 0);
    }
    return after;
}

#if HG_PASSES
static const uint8_t *v_string(struct hg_run *run, const uint8_t *p, struct hg_text *text);

HG_INLINE bool is_any_string(const struct hg_string_rules *rules) {
    return (rules->min_length | rules->pattern | rules->format) == 0 && rules->max_length == UINT32_MAX;
}
#endif

static const uint8_t *array(struct hg_run *run, const struct hg_node *node, const uint8_t *p) {
    static const struct hg_array_rules NONE = {.max = UINT32_MAX, .max_contains = UINT32_MAX};
    const struct hg_array_rules *rules = node->array == 0 ? &NONE : hg_at(run->program, node->array);
    const hg_ref *prefix = hg_at(run->program, rules->prefix);
    const uint8_t *start = p;
    uint32_t count = 0, contained = 0;
    struct hg_iter iter;
    int more;
    if (!HG_EMITS && !HG_EXPLAINS && run->only == p && rules->rest == 0 && rules->prefix_count == 0 &&
        rules->has_contains == 0 && rules->unique == 0 && rules->min == 0 && rules->max == UINT32_MAX) {
        return p + 1; /* nothing to ask of the items, and where it ends is of no interest */
    }
    if (!deeper(run, p) || (p = r_open(run, p, &iter)) == NULL) {
        return NULL;
    }
    uint8_t *mark = e_open(run, false);
    more = r_first(run, &p, &iter, false);
#if !HG_EXPLAINS
    if (rules->road.to <= HG_ROAD_INTEGER && rules->prefix_count == 0 && rules->has_contains == 0) {
        const struct hg_number_rules *numbers = hg_at(run->program, rules->road.rules);
        for (; more > 0; more = r_next(run, &p, &iter, false)) {
            e_item(run, count);
            const uint8_t *after = plain_number(run, numbers, rules->road.to != HG_ROAD_NUMBER, p);
            p = HG_LIKELY(after != NULL) ? after : value(run, rules->rest, p);
            if (HG_UNLIKELY(p == NULL)) {
                return NULL;
            }
            count++;
        }
    }
#endif
#if HG_PASSES
    if (rules->road.to == HG_ROAD_TEXT && rules->prefix_count == 0 && rules->has_contains == 0 &&
        is_any_string(hg_at(run->program, rules->road.rules))) {
        for (; more > 0; more = r_next(run, &p, &iter, false)) {
            struct hg_text text;
            p = HG_LIKELY(r_is_string(run, p)) ? v_string(run, p, &text) : value(run, rules->rest, p);
            if (HG_UNLIKELY(p == NULL)) {
                return NULL;
            }
            count++;
        }
    }
#endif
    for (; more > 0; more = r_next(run, &p, &iter, false)) {
        const uint8_t *item = p;
        uint32_t outer = 0;
        e_item(run, count);
        if (HG_EXPLAINS) {
            outer = x_index(run, count);
        }
        if (HG_LIKELY(count >= rules->prefix_count)) {
#if HG_EXPLAINS
            p = child(run, node, (enum hg_keyword)rules->rest_keyword, rules->rest, p);
#else
            p = by_road(run, &rules->road, &rules->rest, p);
#endif
        } else {
            p = child(run, node, (enum hg_keyword)rules->prefix_keyword, prefix[count], p);
        }
        if (HG_EXPLAINS) {
            x_leave(run, outer);
        }
        if (HG_UNLIKELY(p == NULL)) {
            return NULL;
        }
        if (HG_UNLIKELY(rules->has_contains != 0)) {
            if (HG_R(holds)(run, rules->contains, item)) {
                contained++;
            } else if (run->verdict == HG_MALFORMED) {
                return NULL;
            }
        }
        count++;
    }
    if (HG_UNLIKELY(more < 0)) {
        return NULL;
    }
    e_close(run, mark, false, count);
    run->depth++;
    run->frames++;
    if (HG_UNLIKELY(count < rules->min)) {
        VIOLATED_AS_A_WHOLE(HG_K_MIN_ITEMS, start, p, count);
    }
    if (HG_UNLIKELY(count > rules->max)) {
        VIOLATED_AS_A_WHOLE(HG_K_MAX_ITEMS, start, p, count);
    }
    if (HG_UNLIKELY(rules->has_contains != 0)) {
        if (contained < rules->min_contains) {
            VIOLATED_AS_A_WHOLE(HG_K_CONTAINS, start, p, contained);
        }
        if (contained > rules->max_contains) {
            VIOLATED_AS_A_WHOLE(HG_K_MAX_CONTAINS, start, p, contained);
        }
    }
    if (HG_UNLIKELY(rules->unique != 0) && count > 1) {
        return unique_items(run, node, count, start, p);
    }
    return p;
}
