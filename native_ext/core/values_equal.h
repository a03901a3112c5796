/* Values compared and hashed as JSON Schema has it (core section 4.2.2): 1 and 1.0 are equal, 1 and true are not, the order of
 * members says nothing. A part of values for one reader (values_all.h). Recursion is bounded by the depth of the document. */

/* Both are read by the readers' functions, as if for the first time: a fault is a difference, noted in `run`. */
static IN_PLACE const uint8_t *equal_value(struct hg_run *run, const uint8_t *p, struct hg_run *other, const uint8_t **q);

/* The value of the member `name` of the object at q (r_first has been there), the search beginning at *from. -> it, or NULL. */
static const uint8_t *member(struct hg_run *run, struct hg_run *other, const uint8_t *q, const struct hg_text *name,
                             const uint8_t **from, struct hg_iter *iter_from) {
    /* first the member after the one found last: in equal objects it mostly is the one */
    for (int round = 0; round < 2; round++) {
        struct hg_iter iter = *iter_from;
        const uint8_t *at = round == 0 ? *from : q;
        int more;
        if (round == 0 && at == NULL) {
            continue;
        }
        if (round == 1) {
            const uint32_t depth = other->depth;
            at = v_open(other, q, &iter);
            if (at == NULL) {
                return NULL;
            }
            other->depth = depth;
            more = v_first(other, &at, &iter, true);
        } else {
            more = v_next(other, &at, &iter, true);
        }
        for (; more > 0; more = v_next(other, &at, &iter, true)) {
            struct hg_text found;
            const uint8_t *value_at = v_name(other, at, &found);
            if (value_at == NULL || !charge(run, 1, at)) {
                return NULL;
            }
            if (HG_R(text_equal)(name, &found, 0)) {
                *from = v_skip(other, value_at);
                *iter_from = iter;
                return value_at;
            }
            const uint8_t *const after = v_skip(other, value_at);
            if (after == NULL || round == 0) {
                break;
            }
            if (!charge(run, (uint32_t)(after - at) / 16, at)) {
                return NULL;
            }
            at = after;
        }
    }
    return NULL;
}

static const uint8_t *equal_object(struct hg_run *run, const uint8_t *p, struct hg_run *other, const uint8_t **q) {
    struct hg_iter iter, from_iter = {0};
    const uint8_t *start = *q, *from = NULL, *end;
    uint32_t count = 0, others = 0;
    int more;
    if ((p = v_open(run, p, &iter)) == NULL) {
        return NULL;
    }
    for (more = v_first(run, &p, &iter, true); more > 0; more = v_next(run, &p, &iter, true), count++) {
        struct hg_text name;
        const uint8_t *theirs;
        p = v_name(run, p, &name);
        if (p == NULL || (theirs = member(run, other, start, &name, &from, &from_iter)) == NULL ||
            (p = equal_value(run, p, other, &theirs)) == NULL) {
            return NULL;
        }
    }
    run->depth++;
    if ((end = v_open(other, start, &iter)) == NULL || more < 0) {
        return NULL;
    }
    for (more = v_first(other, &end, &iter, true); more > 0; more = v_next(other, &end, &iter, true), others++) {
        struct hg_text name;
        if ((end = v_name(other, end, &name)) == NULL || (end = v_skip(other, end)) == NULL) {
            return NULL;
        }
    }
    other->depth++;
    *q = end;
    return more == 0 && count == others ? p : NULL;
}

static const uint8_t *equal_array(struct hg_run *run, const uint8_t *p, struct hg_run *other, const uint8_t **q) {
    struct hg_iter iter, other_iter;
    const uint8_t *theirs = *q;
    if ((p = v_open(run, p, &iter)) == NULL || (theirs = v_open(other, theirs, &other_iter)) == NULL) {
        return NULL;
    }
    int more = v_first(run, &p, &iter, false), other_more = v_first(other, &theirs, &other_iter, false);
    while (more > 0 && other_more > 0) {
        if ((p = equal_value(run, p, other, &theirs)) == NULL) {
            return NULL;
        }
        more = v_next(run, &p, &iter, false);
        other_more = v_next(other, &theirs, &other_iter, false);
    }
    run->depth++;
    other->depth++;
    *q = theirs;
    return more == 0 && other_more == 0 ? p : NULL;
}

static IN_PLACE const uint8_t *equal_value(struct hg_run *run, const uint8_t *p, struct hg_run *other, const uint8_t **q) {
    const uint8_t *theirs = *q;
    const enum hg_token token = r_token(run, &p);
    struct hg_text text, other_text;
    struct hg_number number, other_number;
    if (r_token(other, &theirs) != token || !charge(run, 1, p)) {
        return NULL;
    }
    switch (token) {
    case HG_T_NULL:
    case HG_T_FALSE:
    case HG_T_TRUE:
        *q = r_literal(other, theirs, token);
        return *q == NULL ? NULL : r_literal(run, p, token);
    case HG_T_NUMBER:
        p = v_number(run, p, &number, run->digits[0]);
        *q = v_number(other, theirs, &other_number, run->digits[1]);
        return p != NULL && *q != NULL && hg_number_compare(&number, &other_number) == 0 ? p : NULL;
    case HG_T_STRING:
        p = v_string(run, p, &text);
        *q = v_string(other, theirs, &other_text);
        return p != NULL && *q != NULL && HG_R(text_equal)(&text, &other_text, 0) ? p : NULL;
    case HG_T_OBJECT:
        *q = theirs;
        return equal_object(run, p, other, q);
    case HG_T_ARRAY:
        *q = theirs;
        return equal_array(run, p, other, q);
    default:
        return NULL; /* what JSON does not have is equal to nothing */
    }
}

bool HG_R(equal)(struct hg_run *run, const uint8_t *p, struct hg_run *other, const uint8_t *q) {
    const uint32_t depth = run->depth;
    if (run == other) {
        run->depth *= 2; /* both are open at once, and each was found to be no deeper than a document may be */
    }
    const bool equal = equal_value(run, p, other, &q) != NULL;
    run->depth = depth;
    if (!equal && run->reason != HG_OUT_OF_STEPS) {
        run->verdict = HG_INVALID;
    }
    return equal;
}

/* Of the value at p: equal for equal values. *after: the byte after it, NULL if there is a fault. */
static uint64_t hash_value(struct hg_run *run, const uint8_t *p, const uint8_t **after) {
    const uint8_t *seed = run->program->seed;
    const enum hg_token token = r_token(run, &p);
    struct hg_iter iter;
    struct hg_text text = {0};
    struct hg_number number;
    uint64_t hash = 0;
    int more;
    switch (token) {
    case HG_T_NUMBER:
        *after = v_number(run, p, &number, run->digits[0]);
        return *after == NULL ? 0 : chain(seed, token, hg_number_hash(&number, seed));
    case HG_T_STRING:
        *after = v_string(run, p, &text);
        return *after == NULL ? 0 : chain(seed, token, text_hash(&text, 0, seed));
    case HG_T_OBJECT:
    case HG_T_ARRAY:
        if ((p = v_open(run, p, &iter)) == NULL) {
            break;
        }
        for (more = v_first(run, &p, &iter, token == HG_T_OBJECT); more > 0;
             more = v_next(run, &p, &iter, token == HG_T_OBJECT)) {
            uint64_t name_hash = 0;
            if (token == HG_T_OBJECT) {
                if ((p = v_name(run, p, &text)) == NULL) {
                    break;
                }
                name_hash = text_hash(&text, 0, seed);
            }
            const uint64_t item = hash_value(run, p, &p);
            if (p == NULL) {
                break;
            }
            hash = token == HG_T_OBJECT ? hash + chain(seed, name_hash, item) : chain(seed, hash, item);
        }
        if (p == NULL || more < 0) {
            break;
        }
        run->depth++;
        *after = p;
        return chain(seed, token, hash);
    default:
        *after = v_skip(run, p);
        return token;
    }
    *after = NULL;
    return 0;
}
