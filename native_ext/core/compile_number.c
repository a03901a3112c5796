#include <string.h>

#include "compiler.h"

/* minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf: each exactly as written, and together for the
 * integers of 64 bits, which are most of what comes. */

bool hg_put_constant(struct hg_compiler *compiler, const struct hg_number *number, struct hg_constant *constant) {
    memset(constant, 0, sizeof *constant);
    constant->mantissa = number->mantissa;
    constant->count = number->count;
    constant->exponent = number->exponent;
    constant->negative = number->negative;
    if (number->digits != NULL) {
        constant->digits = hg_put(compiler, number->digits, number->count, 1);
        return constant->digits != 0;
    }
    return true;
}

/* The greatest integer not above |number|, if it is less than 2^63; *whole: it is |number| itself. */
static bool whole_part(const struct hg_number *number, uint64_t *value, bool *whole) {
    struct hg_number absolute = *number;
    absolute.negative = false;
    if (hg_number_uint64(&absolute, value)) {
        *whole = true;
        return *value <= INT64_MAX;
    }
    *whole = false;
    if (hg_number_is_integer(&absolute)) {
        return false;
    }
    /* Digit by digit: what stands left of the point. */
    uint32_t count = 0;
    const struct hg_number most = {.mantissa = 1, .exponent = 19};
    if (hg_number_compare(&absolute, &most) >= 0) {
        return false;
    }
    *value = 0;
    if (absolute.digits == NULL) {
        uint64_t mantissa = absolute.mantissa;
        int32_t exponent = absolute.exponent;
        for (; exponent < 0 && mantissa != 0; exponent++) {
            mantissa /= 10;
        }
        *value = mantissa;
        return *value <= INT64_MAX;
    }
    uint32_t all = 0;
    for (uint32_t i = 0; i < absolute.count; i++) {
        all += absolute.digits[i] != '.';
    }
    const int64_t left = (int64_t)all + absolute.exponent; /* digits left of the point, leading zeros included */
    for (uint32_t i = 0; i < absolute.count && (int64_t)count < left; i++) {
        if (absolute.digits[i] != '.') {
            if (*value > (uint64_t)INT64_MAX / 10) {
                return false;
            }
            *value = *value * 10 + (uint64_t)(absolute.digits[i] - '0');
            count++;
        }
    }
    return *value <= INT64_MAX;
}

/* The bound as one of integers: the least (or most) integer that satisfies it. */
static void bound(const struct hg_number *number, bool lower, bool exclusive, struct hg_number_rules *rules) {
    uint64_t value;
    bool whole;
    int64_t limit;
    if (!whole_part(number, &value, &whole)) { /* outside of 64 bits: everything passes, or nothing does */
        if (number->negative) {                /* -2^63 may be the bound itself: the rule decides */
            rules->most = lower ? rules->most : INT64_MIN;
            rules->exact = 0;
        } else if (lower) {
            rules->least = 1;
            rules->most = 0;
        }
        return;
    }
    limit = number->negative ? -(int64_t)value : (int64_t)value;
    if (lower) { /* the ceiling, one more if the bound itself is excluded */
        if (whole ? exclusive : !number->negative) {
            if (limit == INT64_MAX) {
                rules->least = 1;
                rules->most = 0;
                return;
            }
            limit++;
        }
        rules->least = limit > rules->least ? limit : rules->least;
    } else {
        if (whole ? exclusive : number->negative) {
            limit--; /* above INT64_MIN, for |value| <= INT64_MAX */
        }
        rules->most = limit < rules->most ? limit : rules->most;
    }
}

/* multipleOf for integers: v is a multiple of m * 10^-k exactly if v is one of m / gcd(m, 10^k). */
static void step(const struct hg_number *number, struct hg_number_rules *rules) {
    uint64_t mantissa = number->mantissa;
    int32_t exponent = number->exponent;
    for (; exponent > 0; exponent--) {
        if (mantissa >
            (uint64_t)INT64_MAX / 10) { /* of all integers of 64 bits, zero alone (or nearly) is a multiple */
            rules->exact = 0;
            return;
        }
        mantissa *= 10;
    }
    for (int32_t k = exponent; k < 0 && mantissa % 2 == 0; k++) {
        mantissa /= 2;
    }
    for (int32_t k = exponent; k < 0 && mantissa % 5 == 0; k++) {
        mantissa /= 5;
    }
    rules->step = (int64_t)mantissa;
}

/* The number in millionths, if it has no more than six digits after the point and is not too large for that. */
static bool millionths(struct hg_number number, int64_t *value) {
    (void)hg_number_normalize(&number);
    if (number.digits != NULL || number.exponent < -6 || number.exponent > 12) {
        return false;
    }
    for (int32_t exponent = number.exponent; exponent > -6; exponent--) {
        if (number.mantissa > (uint64_t)INT64_MAX / 100) {
            return false;
        }
        number.mantissa *= 10;
    }
    if (number.mantissa > (uint64_t)INT64_MAX / 10) {
        return false;
    }
    *value = number.negative ? -(int64_t)number.mantissa : (int64_t)number.mantissa;
    return true;
}

/* The rule in millionths; false: it cannot be said in them. */
static bool scaled(uint32_t keyword, const struct hg_number *number, struct hg_number_rules *rules) {
    int64_t value;
    if (!millionths(*number, &value)) {
        return false;
    }
    if (keyword == HG_K_MULTIPLE_OF) {
        rules->step6 = value;
    } else if (keyword == HG_K_MINIMUM || keyword == HG_K_EXCLUSIVE_MINIMUM) {
        value += keyword == HG_K_EXCLUSIVE_MINIMUM;
        rules->least6 = value > rules->least6 ? value : rules->least6;
    } else {
        value -= keyword == HG_K_EXCLUSIVE_MAXIMUM;
        rules->most6 = value < rules->most6 ? value : rules->most6;
    }
    return true;
}

bool hg_compile_numbers(struct hg_compiler *compiler, struct hg_subschema *sub) {
    struct hg_number_rules rules;
    struct hg_number_rule list[HG_K_MULTIPLE_OF - HG_K_MINIMUM + 1];
    memset(&rules, 0, sizeof rules);
    rules.least = INT64_MIN;
    rules.most = INT64_MAX;
    rules.exact = 1;
    rules.scaled = 1;
    rules.least6 = INT64_MIN;
    rules.most6 = INT64_MAX;
    for (uint32_t keyword = HG_K_MINIMUM; keyword <= HG_K_MULTIPLE_OF; keyword++) {
        const uint32_t item = sub->at[keyword];
        struct hg_number *number = &sub->numbers[keyword];
        struct hg_constant constant;
        if (item == 0) {
            continue;
        }
        hg_constant_number_of(sub->tree, item, number);
        if (keyword == HG_K_MULTIPLE_OF) {
            const struct hg_number zero = {.mantissa = 0};
            if (hg_number_compare(number, &zero) <= 0) {
                return hg_error(compiler, sub->document, item, "must be above zero");
            }
            if (hg_number_normalize(number) > HG_MULTIPLE_DIGITS) {
                return hg_error(compiler, sub->document, item, "more than %d significant digits", HG_MULTIPLE_DIGITS);
            }
            step(number, &rules);
        } else {
            bound(number, keyword == HG_K_MINIMUM || keyword == HG_K_EXCLUSIVE_MINIMUM,
                  keyword == HG_K_EXCLUSIVE_MINIMUM || keyword == HG_K_EXCLUSIVE_MAXIMUM, &rules);
        }
        rules.scaled &= scaled(keyword, number, &rules);
        list[rules.count].keyword = keyword;
        list[rules.count].constant = hg_put_constant(compiler, number, &constant)
                                         ? hg_put(compiler, &constant, sizeof constant, 8)
                                         : 0;
        if (list[rules.count++].constant == 0) {
            return false;
        }
    }
    if (rules.count == 0) {
        return true;
    }
    rules.rules = hg_put(compiler, list, rules.count * (uint32_t)sizeof *list, 8);
    sub->node.number = rules.rules == 0 ? 0 : hg_put(compiler, &rules, sizeof rules, 8);
    return sub->node.number != 0;
}
