/* The short ways of the engine (struct hg_road): a part of engine.h, for verdicts that stop at the first violation.
 *
 * Where a node is about one kind of value and nothing else is asked in place, the compiler has noted what that kind is and where its
 * rules are, beside the reference to the node. Such a value is decided here without a look at the node. What is not as plain as that
 * (another type, an exponent, white space, the end of the document close by) goes to `value`, from the start of the value. */
#ifndef HEADGATE_ENGINE_ROAD_H
#define HEADGATE_ENGINE_ROAD_H

/* 10^(6 + exponent): what makes millionths of the mantissa. */
static const uint32_t MILLIONTHS[6] = {1, 10, 100, 1000, 10000, 100000};

HG_INLINE bool in_bounds(int64_t value, int64_t least, int64_t most, int64_t step) {
    return HG_LIKELY(value >= least && value <= most && (step == 0 || value % step == 0));
}

/* A number of few digits that keeps the rules, which are exact (`whole`: an integer is wanted) or also scaled. NULL: it is another
 * one; nothing is noted. */
HG_INLINE const uint8_t *plain_number(struct hg_run *run, const struct hg_number_rules *rules, bool whole,
                                      const uint8_t *p) {
    struct hg_number number = {0};
    const uint8_t *after = r_quick_number(run, p, &number.mantissa, &number.exponent, &number.negative);
    int64_t value = (int64_t)number.mantissa;
    if (HG_UNLIKELY(after == NULL)) {
        return NULL;
    }
    if (number.exponent == 0) {
        value = HG_UNLIKELY(number.negative) ? -value : value;
        if (!in_bounds(value, rules->least, rules->most, rules->step)) {
            return NULL;
        }
        e_integer(run, value);
        return after;
    }
    value *= MILLIONTHS[number.exponent + 6];
    value = HG_UNLIKELY(number.negative) ? -value : value;
    if (whole || !in_bounds(value, rules->least6, rules->most6, rules->step6)) {
        return NULL;
    }
    e_fraction(run, &number);
    return after;
}

/* One of the few strings of a choice, as it stands in the schema. NULL as above. */
HG_INLINE const uint8_t *plain_choice(struct hg_run *run, const struct hg_choice *choice, const uint8_t *p) {
    const struct hg_name *name = hg_at(run->program, choice->strings.entries);
    for (const struct hg_name *end = name + choice->strings.count; name < end; name++) {
        const uint8_t *after = r_known_text(run, p, name);
        if (after != NULL) {
            e_known_text(run, name);
            return after;
        }
    }
    return NULL;
}

HG_INLINE const uint8_t *plain_boolean(struct hg_run *run, const uint8_t *p) {
    enum hg_token token;
    const uint8_t *after = r_quick_boolean(run, p, &token);
    if (HG_LIKELY(after != NULL)) {
        e_literal(run, token);
    }
    return after;
}

/* The value at p, to which the road leads, under the schema `*ref`. */
HG_INLINE const uint8_t *take_road(struct hg_run *run, const struct hg_road *road, const hg_ref *ref,
                                   const uint8_t *p) {
    const void *rules = hg_at(run->program, road->rules);
    const uint32_t to = road->to;
    const uint8_t *after = NULL;
    if (to <= HG_ROAD_INTEGER) { /* in the order of how often they are met */
        after = plain_number(run, rules, to != HG_ROAD_NUMBER, p);
    } else if (to == HG_ROAD_TEXT) {
        if (HG_LIKELY(r_is_string(run, p))) {
            struct hg_text text;
            return string_rules(run, NULL, rules, p, false, &text);
        }
    } else if (to == HG_ROAD_CHOICE) {
        after = plain_choice(run, rules, p);
    } else if (to == HG_ROAD_BOOLEAN) {
        after = plain_boolean(run, p);
    } else if (to == HG_ROAD_OBJECT) {
        if (HG_LIKELY(r_is_object(run, p))) {
            return object(run, rules, p);
        }
    } else if (to == HG_ROAD_ARRAY && HG_LIKELY(r_is_array(run, p))) {
        return array(run, rules, p);
    }
    return HG_LIKELY(after != NULL) ? after : value(run, *ref, p);
}

/* The same where a call does not matter. */
static const uint8_t *by_road(struct hg_run *run, const struct hg_road *road, const hg_ref *ref, const uint8_t *p) {
    return take_road(run, road, ref, p);
}

#endif
