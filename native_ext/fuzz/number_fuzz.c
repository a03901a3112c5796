/* Invariant: a text is taken as a number if and only if the grammar of JSON and the limits have it so; what is written
 * for it reads back as the same number; comparing, hashing, multiples and doubles agree with each other. */
#include <math.h>

#include "../../tests/c/check.h"
#include "core/number.h"
#include "input.h"

enum { LONGEST = 200 };

/* RFC 8259 section 6, over the whole text. */
static bool is_number(const uint8_t *p, const uint8_t *end) {
    const uint8_t *digits;
    p += p < end && *p == '-';
    for (digits = p; p < end && *p >= '0' && *p <= '9'; p++) {
    }
    if (p == digits || (*digits == '0' && p - digits > 1)) {
        return false;
    }
    if (p < end && *p == '.') {
        for (digits = ++p; p < end && *p >= '0' && *p <= '9'; p++) {
        }
        if (p == digits) {
            return false;
        }
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        p += p < end && (*p == '+' || *p == '-');
        for (digits = p; p < end && *p >= '0' && *p <= '9'; p++) {
        }
        if (p == digits) {
            return false;
        }
    }
    return p == end;
}

static int order_of(const struct hg_number *a, const struct hg_number *b) {
    const int order = hg_number_compare(a, b);
    CHECK(hg_number_compare(b, a) == -order && hg_number_compare_fast(a, b) == order);
    CHECK((hg_number_hash(a, SEED) == hg_number_hash(b, SEED)) == (order == 0));
    CHECK(order != 0 || hg_number_is_integer(a) == hg_number_is_integer(b));
    return order;
}

/* The number that `text` (a NUL behind it) is, or false. */
static bool read(const uint8_t *text, size_t length, struct hg_number *number) {
    enum hg_reason reason = HG_NO_FAULT;
    const uint8_t *at = NULL;
    const uint8_t *after = hg_number_scan(text, number, &reason, &at);
    const bool good = is_number(text, text + length);
    if (after == NULL) {
        CHECK(reason != HG_NO_FAULT && at >= text && at <= text + length);
        CHECK(!good || reason == HG_NUMBER_TOO_LONG || reason == HG_EXPONENT_RANGE);
    } else {
        unsigned digits = 0;
        for (const uint8_t *p = text; p < after && *p != 'e' && *p != 'E'; p++) {
            digits += *p >= '0' && *p <= '9';
        }
        CHECK(good && after == text + length && digits <= HG_JSON_NUMBER);
    }
    return after != NULL;
}

static void check_one(const struct hg_number *number) {
    uint8_t text[HG_NUMBER_TEXT + 1], room[HG_NUMBER_TEXT];
    struct hg_number again, normal = *number;
    int64_t integer = 0;
    uint64_t whole = 0;
    CHECK(hg_number_normalize(&normal) >= 1 && order_of(number, &normal) == 0);
    uint32_t length = hg_number_format(number, text);
    CHECK(length <= HG_NUMBER_TEXT && is_number(text, text + length));
    length = hg_number_format_json(number, text);
    CHECK(length <= HG_NUMBER_TEXT && is_number(text, text + length));
    text[length] = 0;
    if (read(text, length, &again)) {
        CHECK(order_of(number, &again) == 0);
    }
    if (hg_number_int64(number, &integer)) {
        CHECK(hg_number_is_integer(number));
        again = (struct hg_number){.mantissa = integer < 0 ? 0 - (uint64_t)integer : (uint64_t)integer,
                                   .negative = integer < 0};
        CHECK(order_of(number, &again) == 0);
    }
    if (hg_number_uint64(number, &whole)) {
        again = (struct hg_number){.mantissa = whole};
        CHECK(hg_number_is_integer(number) && order_of(number, &again) == 0);
    }
    const double value = hg_number_to_double(number);
    CHECK(!isnan(value) && (value == 0 || (value < 0) == number->negative));
    if (isfinite(value)) {
        hg_number_from_double(value, &again);
        CHECK(hg_number_to_double(&again) == value);
    }
    if (hg_number_fits_double(number)) {
        CHECK(isfinite(value) && order_of(number, &again) == 0);
    }
    if (normal.exponent == 0 && hg_number_is_integer(&normal)) {
        uint8_t bytes[HG_CBOR_BIGNUM];
        const unsigned less = number->negative;
        if (normal.digits != NULL) {
            const uint32_t size = hg_number_to_bytes(&normal, less, bytes);
            CHECK(size <= HG_CBOR_BIGNUM && (size == 0 || bytes[0] != 0));
            hg_number_from_bytes(bytes, size, less, number->negative, room, &again);
            CHECK(order_of(number, &again) == 0);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Input: up to three texts, a space between them. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct hg_number numbers[3];
    uint8_t *texts[3];
    unsigned count = 0, made = 0;
    while (size > 0 && made < 3) {
        const uint8_t *const space = memchr(data, ' ', size);
        const size_t length = space != NULL ? (size_t)(space - data) : size;
        if (length > 0 && length < LONGEST && (data[0] == '-' || (data[0] >= '0' && data[0] <= '9')) &&
            memchr(data, 0, length) == NULL) {
            uint8_t *text = texts[made++] = malloc(length + 1);
            CHECK(text != NULL);
            memcpy(text, data, length);
            text[length] = 0;
            const size_t used = strspn((const char *)text, "+-.eE0123456789");
            text[used] = 0; /* what follows is not of the number */
            if (read(text, used, &numbers[count])) {
                check_one(&numbers[count++]);
            }
        }
        data += length + (space != NULL);
        size -= length + (space != NULL);
    }
    for (unsigned i = 0; i < count; i++) {
        for (unsigned k = 0; k < count; k++) {
            const int order = order_of(&numbers[i], &numbers[k]);
            CHECK(i != k || order == 0);
            for (unsigned m = 0; m < count; m++) { /* it is an order */
                CHECK(order > 0 || order_of(&numbers[k], &numbers[m]) > 0 || order_of(&numbers[i], &numbers[m]) <= 0);
            }
            struct hg_number of = numbers[k];
            const struct hg_number zero = {0};
            if (hg_number_normalize(&of) <= HG_MULTIPLE_DIGITS && !of.negative && hg_number_compare(&of, &zero) > 0) {
                const bool multiple = hg_number_is_multiple(&numbers[i], &of);
                struct hg_number scaled = numbers[i], unit = of;
                scaled.exponent += 3;
                unit.exponent += 3;
                CHECK(hg_number_is_multiple(&scaled, &unit) == multiple);
                unit = of;
                unit.exponent -= 3; /* a multiple of a whole is one of its thousandth */
                CHECK(!multiple || hg_number_is_multiple(&numbers[i], &unit));
                unit = (struct hg_number){.mantissa = 1};
                CHECK(hg_number_is_multiple(&numbers[i], &unit) == hg_number_is_integer(&numbers[i]));
                CHECK(hg_number_is_multiple(&of, &of));
                int64_t a, b;
                if (hg_number_int64(&numbers[i], &a) && hg_number_int64(&of, &b)) {
                    CHECK((a % b == 0) == multiple);
                }
            }
        }
    }
    for (unsigned i = 0; i < made; i++) {
        free(texts[i]);
    }
    return 0;
}
