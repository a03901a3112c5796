#include "number.h"

#include <string.h>

#include "limits.h"
#include "number_inner.h"
#include "siphash.h"

#define FIFTH UINT64_C(0xCCCCCCCCCCCCCCCD) /* the inverse of 5 modulo 2^64 */

/* Digits and '.', 'e' 'E' '+' '-': the bytes json.py takes together before it judges a number. */
const uint8_t hg_number_class[256] = {
    ['.'] = HG_NUMBER_POINT, ['0'] = HG_NUMBER_DIGIT, ['1'] = HG_NUMBER_DIGIT, ['2'] = HG_NUMBER_DIGIT,
    ['3'] = HG_NUMBER_DIGIT, ['4'] = HG_NUMBER_DIGIT, ['5'] = HG_NUMBER_DIGIT, ['6'] = HG_NUMBER_DIGIT,
    ['7'] = HG_NUMBER_DIGIT, ['8'] = HG_NUMBER_DIGIT, ['9'] = HG_NUMBER_DIGIT, ['e'] = HG_NUMBER_OTHER,
    ['E'] = HG_NUMBER_OTHER, ['+'] = HG_NUMBER_OTHER, ['-'] = HG_NUMBER_OTHER,
};

const uint64_t hg_powers_of_ten[HG_UINT64_DIGITS] = {
    UINT64_C(1),
    UINT64_C(10),
    UINT64_C(100),
    UINT64_C(1000),
    UINT64_C(10000),
    UINT64_C(100000),
    UINT64_C(1000000),
    UINT64_C(10000000),
    UINT64_C(100000000),
    UINT64_C(1000000000),
    UINT64_C(10000000000),
    UINT64_C(100000000000),
    UINT64_C(1000000000000),
    UINT64_C(10000000000000),
    UINT64_C(100000000000000),
    UINT64_C(1000000000000000),
    UINT64_C(10000000000000000),
    UINT64_C(100000000000000000),
    UINT64_C(1000000000000000000),
    UINT64_C(10000000000000000000),
};

static bool is_digit(uint8_t c) { return (unsigned)c - '0' <= 9; }

static bool all_digits(const uint8_t *p, const uint8_t *end) {
    if (p >= end) {
        return false;
    }
    while (p < end && is_digit(*p)) {
        p++;
    }
    return p == end;
}

/* The normal form of the digits in [p, end), among which may be one '.', times 10^exponent. */
static void take_digits(const uint8_t *p, const uint8_t *end, int32_t exponent, bool negative,
                        struct hg_number *number) {
    *number = (struct hg_number){.digits = p, .count = (uint32_t)(end - p), .exponent = exponent, .negative = negative};
    hg_number_reduce(number);
}

/* One token, judged in the order of `_number` in json.py, so that the same faults win. */
static enum hg_reason judge(const uint8_t *start, const uint8_t *end, struct hg_number *number) {
    const bool negative = *start == '-';
    const uint8_t *const whole = start + negative;
    const uint8_t *body_end = end;
    int32_t exponent = 0;
    const uint8_t *mark = memchr(start, 'e', (size_t)(end - start));
    if (mark == NULL) {
        mark = memchr(start, 'E', (size_t)(end - start));
    }
    if (mark != NULL) {
        const uint8_t *power = mark + 1;
        const bool down = power < end && *power == '-';
        power += power < end && (*power == '-' || *power == '+');
        if (!all_digits(power, end)) {
            return HG_INVALID_NUMBER;
        }
        while (power < end && *power == '0') {
            power++;
        }
        if (end - power > 9) { /* more digits than HG_JSON_EXPONENT has */
            return HG_EXPONENT_RANGE;
        }
        for (; power < end; power++) {
            exponent = exponent * 10 + (*power - '0');
        }
        exponent = down ? -exponent : exponent;
        body_end = mark;
    }
    const uint8_t *const point = memchr(start, '.', (size_t)(body_end - start));
    const uint8_t *const whole_end = point == NULL ? body_end : point;
    uint32_t fraction = 0;
    if (point != NULL) {
        if (!all_digits(point + 1, body_end)) {
            return HG_INVALID_NUMBER;
        }
        fraction = (uint32_t)(body_end - point - 1);
    }
    if (!all_digits(whole, whole_end)) {
        return HG_INVALID_NUMBER;
    }
    const bool too_long = (uint32_t)(whole_end - whole) + fraction > HG_JSON_NUMBER;
    const bool plain = mark == NULL && point == NULL;
    if (plain && too_long) { /* of an integer the length comes first */
        return HG_NUMBER_TOO_LONG;
    }
    if (*whole == '0' && whole_end - whole > 1) {
        return HG_LEADING_ZERO;
    }
    if (too_long) {
        return HG_NUMBER_TOO_LONG;
    }
    take_digits(whole, body_end, exponent - (int32_t)fraction, negative, number);
    /* An integer of moderate size has no exponent in the normal form that is judged. */
    if (number->exponent < -HG_JSON_EXPONENT || number->exponent > HG_JSON_EXPONENT) {
        return HG_EXPONENT_RANGE;
    }
    return HG_NO_FAULT;
}

const uint8_t *hg_number_scan_rare(const uint8_t *p, struct hg_number *number, enum hg_reason *reason,
                                   const uint8_t **at) {
    const uint8_t *end = p;
    while (hg_number_class[*end] != HG_NUMBER_END) {
        end++;
    }
    *number = (struct hg_number){0};
    const enum hg_reason fault = judge(p, end, number);
    if (fault != HG_NO_FAULT) {
        *reason = fault;
        *at = p;
        return NULL;
    }
    return end;
}

/* ---- the normal form ---- */

uint32_t hg_mantissa_digits(uint64_t mantissa) {
    const uint64_t odd = mantissa | 1; /* so that 0 has a digit; powers of ten above 1 are even: nothing else changes */
    const uint32_t bits = 64 - (uint32_t)__builtin_clzll(odd);
    const uint32_t least = bits * 1233 >> 12; /* log10(2) = 1233 / 4096: 10^(least - 1) <= odd < 10^(least + 1) */
    return least + (odd >= hg_powers_of_ten[least]);
}

uint32_t hg_mantissa_write(uint64_t mantissa, uint8_t text[HG_UINT64_DIGITS]) {
    const uint32_t digits = hg_mantissa_digits(mantissa);
    uint8_t *p = text + digits;
    while (mantissa > UINT32_MAX) { /* at most twice; 32-bit division is the cheaper one */
        const uint64_t high = mantissa / 1000000000;
        uint32_t low = (uint32_t)(mantissa - high * 1000000000);
        for (int i = 0; i < 9; i++, low /= 10) {
            *--p = (uint8_t)('0' + low % 10);
        }
        mantissa = high;
    }
    for (uint32_t low = (uint32_t)mantissa; p > text; low /= 10) {
        *--p = (uint8_t)('0' + low % 10);
    }
    return digits;
}

/* Trailing zeros go by multiplication, where there is no instruction to divide 64 bits: times FIFTH is divided by
 * five if five divides m, and otherwise the result is above UINT64_MAX / 5 (modulo 2^64 multiplication by it is one
 * to one). */
static uint32_t strip_zeros(uint64_t *mantissa) {
    uint32_t zeros = 0;
    uint64_t m = *mantissa;
    while ((m & 1) == 0) {
        const uint64_t fifth = m * FIFTH;
        if (fifth > UINT64_MAX / 5) {
            break;
        }
        m = fifth >> 1;
        zeros++;
    }
    *mantissa = m;
    return zeros;
}

uint32_t hg_number_normalize(struct hg_number *number) {
    if (number->digits == NULL) {
        if (number->mantissa == 0) {
            number->exponent = 0;
            number->negative = false;
            return 1;
        }
        number->exponent += (int32_t)strip_zeros(&number->mantissa);
        return hg_mantissa_digits(number->mantissa);
    }
    const uint8_t *first = number->digits, *last = first + number->count;
    while (first < last && (*first == '0' || *first == '.')) {
        first++;
    }
    if (first == last) {
        *number = (struct hg_number){0};
        return 1;
    }
    for (; last[-1] == '0' || last[-1] == '.'; last--) {
        number->exponent += last[-1] == '0';
    }
    number->digits = first;
    number->count = (uint32_t)(last - first);
    return number->count - (memchr(first, '.', number->count) != NULL);
}

uint32_t hg_number_reduce(struct hg_number *number) {
    const uint32_t digits = hg_number_normalize(number);
    if (number->digits != NULL && digits <= HG_MANTISSA_DIGITS) {
        uint64_t mantissa = 0;
        for (uint32_t i = 0; i < number->count; i++) {
            if (number->digits[i] != '.') {
                mantissa = mantissa * 10 + (unsigned)(number->digits[i] - '0');
            }
        }
        number->mantissa = mantissa;
        number->digits = NULL;
        number->count = 0;
    }
    return digits;
}

uint32_t hg_number_digits_write(const struct hg_number *number, uint8_t *text, uint32_t room) {
    uint8_t small[HG_UINT64_DIGITS];
    const uint8_t *from = number->digits;
    uint32_t count = number->count, written = 0;
    if (from == NULL) {
        count = hg_mantissa_write(number->mantissa, small);
        from = small;
    }
    for (uint32_t i = 0; i < count && written < room; i++) {
        if (from[i] != '.') {
            text[written++] = from[i];
        }
    }
    return written;
}

/* ---- questions ---- */

/* Digits one after the other; zeros for ever after the last. */
struct reader {
    const uint8_t *p, *end;
    uint8_t small[HG_UINT64_DIGITS];
};

static void reader_open(struct reader *reader, const struct hg_number *number) {
    reader->p = number->digits;
    reader->end = number->digits == NULL ? NULL : number->digits + number->count;
    if (number->digits == NULL) {
        reader->p = reader->small;
        reader->end = reader->small + hg_mantissa_write(number->mantissa, reader->small);
    }
}

static uint8_t reader_next(struct reader *reader) {
    if (reader->p < reader->end && *reader->p == '.') {
        reader->p++;
    }
    return reader->p < reader->end ? *reader->p++ : '0';
}

/* Of two positive numbers in the normal form. */
static int compare_digits(const struct hg_number *a, const struct hg_number *b) {
    struct reader x, y;
    reader_open(&x, a);
    reader_open(&y, b);
    do {
        const uint8_t left = reader_next(&x), right = reader_next(&y);
        if (left != right) {
            return left > right ? 1 : -1;
        }
    } while (x.p < x.end || y.p < y.end);
    return 0;
}

/* The magnitudes of two numbers that are not zero: by the position of the leading digit, then by the digits. */
static int compare_magnitudes(struct hg_number *a, struct hg_number *b) {
    uint32_t a_digits, b_digits;
    if (a->digits == NULL && b->digits == NULL) {
        a_digits = hg_mantissa_digits(a->mantissa);
        b_digits = hg_mantissa_digits(b->mantissa);
    } else {
        a_digits = hg_number_normalize(a);
        b_digits = hg_number_normalize(b);
    }
    const int64_t a_top = (int64_t)a->exponent + a_digits, b_top = (int64_t)b->exponent + b_digits;
    if (a_top != b_top) {
        return a_top > b_top ? 1 : -1;
    }
    if (a->digits == NULL && b->digits == NULL && a_digits <= HG_MANTISSA_DIGITS && b_digits <= HG_MANTISSA_DIGITS) {
        uint64_t x = a->mantissa, y = b->mantissa; /* brought to the same number of digits */
        if (a_digits < b_digits) {
            x *= hg_powers_of_ten[b_digits - a_digits];
        } else {
            y *= hg_powers_of_ten[a_digits - b_digits];
        }
        return (x > y) - (x < y);
    }
    return compare_digits(a, b);
}

static bool is_zero(const struct hg_number *number) {
    if (number->digits == NULL) {
        return number->mantissa == 0;
    }
    for (uint32_t i = 0; i < number->count; i++) {
        if (number->digits[i] != '0' && number->digits[i] != '.') {
            return false;
        }
    }
    return true;
}

int hg_number_compare(const struct hg_number *a, const struct hg_number *b) {
    const bool a_zero = is_zero(a), b_zero = is_zero(b);
    if (a_zero || b_zero) {
        return a_zero && b_zero ? 0 : a_zero ? (b->negative ? 1 : -1) : (a->negative ? -1 : 1);
    }
    if (a->negative != b->negative) {
        return a->negative ? -1 : 1;
    }
    struct hg_number x = *a, y = *b;
    const int order = compare_magnitudes(&x, &y);
    return a->negative ? -order : order;
}

bool hg_number_is_whole(const struct hg_number *number) {
    if (number->digits == NULL && number->exponent > -HG_UINT64_DIGITS) {
        uint64_t m = number->mantissa; /* 2^k divides it (hg_number_is_integer has looked), and now 5^k? */
        for (int32_t k = number->exponent; k < 0; k++) {
            m *= FIFTH;
            if (m > UINT64_MAX / 5) {
                return false;
            }
        }
        return true;
    }
    struct hg_number copy = *number;
    hg_number_normalize(&copy);
    return copy.exponent >= 0;
}

/* The digits of the number modulo `by` > 0, at most 10^18; its exponent does not count. */
static uint64_t digits_modulo(const struct hg_number *number, uint64_t by) {
    if (number->digits == NULL) {
        if (((number->mantissa | by) >> 32) == 0) {
            return (uint32_t)number->mantissa % (uint32_t)by;
        }
        return number->mantissa % by;
    }
    uint64_t rest = 0; /* < by, so times ten plus nine stays below 2^64 */
    for (uint32_t i = 0; i < number->count; i++) {
        if (number->digits[i] != '.') {
            rest = (rest * 10 + (unsigned)(number->digits[i] - '0')) % by;
        }
    }
    return rest;
}

/* Takes the prime out of *value, at most `times` times. */
static void divide_out(uint64_t *value, uint32_t prime, int64_t times) {
    for (; times > 0 && *value % prime == 0; times--) {
        *value /= prime;
    }
}

bool hg_number_is_multiple(const struct hg_number *value, const struct hg_number *of) {
    if (is_zero(value)) {
        return true;
    }
    struct hg_number divisor = *of;
    if (divisor.mantissa >= hg_powers_of_ten[HG_MULTIPLE_DIGITS]) {
        hg_number_normalize(&divisor);
    }
    uint64_t by = divisor.mantissa;
    int64_t shift = (int64_t)value->exponent - divisor.exponent;
    struct hg_number copy;
    if (shift < 0) {
        /* by * 10^-shift has to divide the mantissa. If it is too large to be written down, the mantissa must give
         * up its trailing zeros first. */
        if (value->digits == NULL) {
            if (shift <= -HG_UINT64_DIGITS || by > UINT64_MAX / hg_powers_of_ten[-shift]) {
                return false; /* larger than any mantissa */
            }
            by *= hg_powers_of_ten[-shift];
            return by <= value->mantissa && digits_modulo(value, by) == 0;
        }
        copy = *value;
        hg_number_reduce(&copy);
        value = &copy;
        shift = (int64_t)copy.exponent - divisor.exponent;
        if (shift < 0) {
            return false; /* ten does not divide a mantissa without trailing zeros */
        }
    }
    /* by | m * 10^shift: what by has in common with 10^shift does not matter, and the rest has to divide m. */
    if (shift > 0) {
        divide_out(&by, 2, shift);
        divide_out(&by, 5, shift);
    }
    return by == 1 || digits_modulo(value, by) == 0;
}

uint64_t hg_number_hash(const struct hg_number *number, const uint8_t seed[HG_SEED]) {
    struct hg_number copy = *number;
    uint8_t text[HG_NUMBER_TEXT];
    hg_number_reduce(&copy);
    const uint32_t exponent = (uint32_t)copy.exponent;
    text[0] = copy.negative;
    for (unsigned i = 0; i < 4; i++) {
        text[1 + i] = (uint8_t)(exponent >> 8 * i);
    }
    const uint32_t digits = hg_number_digits_write(&copy, text + 5, sizeof text - 5);
    return hg_siphash13(seed, text, 5 + digits);
}

/* The magnitude of an integer that fits in 64 bits. */
static bool magnitude(const struct hg_number *number, uint64_t *value) {
    if (number->digits == NULL && number->exponent == 0) {
        *value = number->mantissa;
        return true;
    }
    struct hg_number copy = *number;
    const uint32_t digits = hg_number_reduce(&copy);
    if (copy.exponent < 0 || digits + (uint64_t)copy.exponent > HG_UINT64_DIGITS) {
        return false;
    }
    if (copy.digits != NULL) { /* twenty digits, so no exponent */
        uint8_t text[HG_UINT64_DIGITS];
        hg_number_digits_write(&copy, text, sizeof text);
        uint64_t head = 0;
        for (unsigned i = 0; i < HG_UINT64_DIGITS - 1; i++) {
            head = head * 10 + (unsigned)(text[i] - '0');
        }
        const unsigned last = (unsigned)(text[HG_UINT64_DIGITS - 1] - '0');
        if (head > (UINT64_MAX - last) / 10) {
            return false;
        }
        *value = head * 10 + last;
        return true;
    }
    if (copy.mantissa > UINT64_MAX / hg_powers_of_ten[copy.exponent]) {
        return false;
    }
    *value = copy.mantissa * hg_powers_of_ten[copy.exponent];
    return true;
}

bool hg_number_int64_rare(const struct hg_number *number, int64_t *value) {
    uint64_t size;
    *value = 0;
    if (!magnitude(number, &size) || size > (uint64_t)INT64_MAX + number->negative) {
        return false;
    }
    *value = !number->negative ? (int64_t)size : size == 0 ? 0 : -(int64_t)(size - 1) - 1;
    return true;
}

bool hg_number_uint64(const struct hg_number *number, uint64_t *value) {
    uint64_t size;
    if (!magnitude(number, &size) || (number->negative && size != 0)) {
        return false;
    }
    *value = size;
    return true;
}
