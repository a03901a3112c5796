/* core/number.c, number_text.c, number_double.c: against rows of the pure twin, and against slow and simple ways to
 * the same. */
#include "check.h"

#include <float.h>
#include <locale.h>

#include "core/fault.h"
#include "core/number.h"

struct number_row {
    const char *text;
    enum hg_reason reason;
    const char *str; /* of the pure twin's value */
};
struct order_row {
    const char *a, *b;
    int order;
};
struct multiple_row {
    const char *value, *of;
    bool multiple;
};
struct nearest_row {
    const char *text;
    uint64_t bits;
};
struct shortest_row {
    uint64_t bits;
    const char *str;
};
#include "number_rows.h"

#define COUNT(rows) (sizeof(rows) / sizeof *(rows))

static uint64_t state = 88172645463325252u;

/* xorshift64: the same numbers on every run. */
static uint32_t random_below(uint32_t limit) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % limit;
}

static struct hg_number number_of(const char *text) {
    struct hg_number number;
    enum hg_reason reason = HG_NO_FAULT;
    const uint8_t *at = NULL;
    const uint8_t *end = hg_number_scan((const uint8_t *)text, &number, &reason, &at);
    CHECK(end == (const uint8_t *)text + strlen(text));
    return number;
}

static bool prints(const struct hg_number *number, const char *text) {
    uint8_t out[HG_NUMBER_TEXT + 1];
    out[HG_NUMBER_TEXT] = 0xee;
    const uint32_t size = hg_number_format(number, out);
    CHECK(size <= HG_NUMBER_TEXT && out[HG_NUMBER_TEXT] == 0xee);
    return size == strlen(text) && memcmp(out, text, size) == 0;
}

static uint64_t bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double double_of(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static int compare(const struct hg_number *a, const struct hg_number *b) {
    const int order = hg_number_compare(a, b);
    CHECK(hg_number_compare(b, a) == -order);
    CHECK(hg_number_compare_fast(a, b) == order && hg_number_compare_fast(b, a) == -order);
    CHECK((hg_number_hash(a, SEED) == hg_number_hash(b, SEED)) == (order == 0));
    return order;
}

/* ---- reading and writing ---- */

static void scan_row(const struct number_row *row, const char *after) {
    const size_t size = strlen(row->text);
    uint8_t *text = malloc(size + strlen(after) + 1); /* exactly: a sanitizer sees a byte too many being read */
    CHECK(text != NULL);
    memcpy(text, row->text, size);
    memcpy(text + size, after, strlen(after) + 1);
    for (int rare = 0; rare <= 1; rare++) {
        struct hg_number number;
        enum hg_reason reason = HG_NO_FAULT;
        const uint8_t *at = NULL;
        const uint8_t *end = rare ? hg_number_scan_rare(text, &number, &reason, &at)
                                  : hg_number_scan(text, &number, &reason, &at);
        if (row->reason != HG_NO_FAULT) {
            CHECK(end == NULL && reason == row->reason && at == text);
            continue;
        }
        CHECK(end == text + size && reason == HG_NO_FAULT && at == NULL);
        CHECK(number.digits == NULL || number.count > 19);
        CHECK(prints(&number, row->str));
    }
    free(text);
}

static void test_rows_of_the_twin(void) {
    static const char *const AFTER[] = {"", ",", "}", "]", " ", "\n", ":", "/", "x", "\x80"};
    for (size_t i = 0; i < COUNT(NUMBERS); i++) {
        for (size_t k = 0; k < COUNT(AFTER); k++) {
            scan_row(&NUMBERS[i], AFTER[k]);
        }
    }
}

/* Every text of up to five of these bytes: the path in line and the judge must not differ. */
static void test_every_short_text(void) {
    static const char BYTES[] = "-0159.e+E,";
    const unsigned base = sizeof BYTES - 1;
    unsigned accepted = 0;
    for (unsigned code = 0; code < base * base * base * base * base; code++) {
        uint8_t text[6] = {0};
        unsigned rest = code;
        for (int i = 0; i < 5; i++, rest /= base) {
            text[i] = (uint8_t)BYTES[rest % base];
        }
        if (text[0] != '-' && (text[0] < '0' || text[0] > '9')) {
            continue;
        }
        struct hg_number a, b;
        enum hg_reason why_a = HG_NO_FAULT, why_b = HG_NO_FAULT;
        const uint8_t *at_a = NULL, *at_b = NULL;
        const uint8_t *end = hg_number_scan(text, &a, &why_a, &at_a);
        CHECK(hg_number_scan_rare(text, &b, &why_b, &at_b) == end && why_a == why_b && at_a == at_b);
        if (end != NULL) {
            CHECK(compare(&a, &b) == 0);
            accepted++;
        }
    }
    CHECK(accepted > 10000);
}

/* Digits of every count, a point at every place: the value has to be put together rightly on either side of what a
 * machine word holds. */
/* Each of 1 to 18 digits with any number of them behind the point; the mantissa is what strtoull says, or it is not plain. */
static void test_plain_numbers(void) {
    static const char *const OTHERS[] = {"",      "x",    "-1",  "00",     "01",     "1.",        ".5",
                                         "1e1",   "1.5e1", "1.x", "1.5.1", "1.2345678", "1000000000000000000"};
    uint64_t mantissa, random = 1;
    int32_t exponent;
    for (size_t i = 0; i < COUNT(OTHERS); i++) {
        CHECK(hg_number_plain((const uint8_t *)OTHERS[i], &mantissa, &exponent) == NULL);
    }
    for (uint32_t turn = 0; turn < 20000; turn++) {
        const uint32_t digits = turn % 18 + 1, behind = turn / 18 % digits;
        char plain[32], text[32];
        for (uint32_t i = 0; i < digits; i++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
            plain[i] = (char)('0' + (turn % 7 == 0 ? 9 : random >> 33) % 10);
        }
        plain[0] = (char)(plain[0] == '0' && digits - behind > 1 ? '5' : plain[0]);
        plain[digits] = 0;
        snprintf(text, sizeof text, "%.*s%s%s%s", (int)(digits - behind), plain, behind == 0 ? "" : ".",
                 plain + (digits - behind), turn % 3 == 0 ? "," : turn % 3 == 1 ? "}" : "");
        const uint8_t *after = hg_number_plain((const uint8_t *)text, &mantissa, &exponent);
        if (behind == 0) {
            CHECK(after == (const uint8_t *)text + digits);
        } else if (behind > 6 || digits > 12) {
            CHECK(after == NULL);
        }
        if (after != NULL) {
            CHECK(mantissa == strtoull(plain, NULL, 10) && exponent == -(int32_t)behind);
            CHECK(after == (const uint8_t *)text + digits + (behind != 0));
        } else {
            CHECK(behind > 6 || digits > 9); /* fractions: as many as fit in a machine word */
        }
    }
}

static void test_every_count_of_digits(void) {
    for (unsigned digits = 1; digits <= 130; digits++) {
        for (unsigned point = 1; point <= digits; point++) {
            char text[140], plain[140];
            for (unsigned i = 0; i < digits; i++) {
                plain[i] = (char)('1' + (i * 7 + digits) % 9);
            }
            snprintf(text, sizeof text, "%.*s%s%.*s", (int)point, plain, point < digits ? "." : "",
                     (int)(digits - point), plain + point);
            const struct number_row row = {text, digits <= HG_JSON_NUMBER ? HG_NO_FAULT : HG_NUMBER_TOO_LONG,
                                           text[0] == '0' ? "0" : text};
            const size_t size = strlen(text);
            if (point < digits && text[size - 1] == '0') {
                continue;
            }
            scan_row(&row, ",");
        }
    }
}

static void test_format_stays_in_its_room(void) {
    uint8_t digits[HG_NUMBER_DIGITS];
    memset(digits, '7', sizeof digits);
    static const int32_t EXPONENTS[] = {0, 1, 128, 129, 999999999, -1, -5, -308, -309, -400, -999999999};
    for (size_t i = 0; i < COUNT(EXPONENTS); i++) {
        const struct hg_number number = {
            .digits = digits, .count = sizeof digits, .exponent = EXPONENTS[i], .negative = true};
        uint8_t out[HG_NUMBER_TEXT];
        CHECK(hg_number_format(&number, out) <= sizeof out);
        CHECK(hg_number_format_json(&number, out) <= sizeof out);
        CHECK(EXPONENTS[i] < 0 || (out[309] == '7' && (EXPONENTS[i] == 0 || out[310] == 'e')));
    }
    const struct hg_number small = {.mantissa = 12, .exponent = 126}, large = {.mantissa = 12, .exponent = 127};
    uint8_t out[HG_NUMBER_TEXT];
    CHECK(hg_number_format_json(&small, out) == 128 && hg_number_format(&large, out) == 129);
    CHECK(hg_number_format_json(&large, out) == 6 && memcmp(out, "12e127", 6) == 0);
}

/* ---- questions ---- */

static void test_order_by_rows(void) {
    for (size_t i = 0; i < COUNT(ORDERS); i++) {
        const struct hg_number a = number_of(ORDERS[i].a), b = number_of(ORDERS[i].b);
        CHECK(compare(&a, &b) == ORDERS[i].order);
        CHECK(compare(&a, &a) == 0);
    }
}

/* Two small numbers as integers of 10^-9. */
static void test_order_of_small_numbers(void) {
    for (int round = 0; round < 200000; round++) {
        struct hg_number n[2];
        int64_t scaled[2];
        for (int i = 0; i < 2; i++) {
            const int places = (int)random_below(10);
            const uint32_t mantissa = random_below(round % 3 == 0 ? 20 : 2000000000);
            n[i] = (struct hg_number){.mantissa = mantissa, .exponent = -places, .negative = random_below(2) != 0};
            scaled[i] = (int64_t)mantissa * (n[i].negative ? -1 : 1);
            for (int k = places; k < 9; k++) {
                scaled[i] *= 10;
            }
        }
        const int order = (scaled[0] > scaled[1]) - (scaled[0] < scaled[1]);
        CHECK(hg_number_compare(&n[0], &n[1]) == order && hg_number_compare_fast(&n[0], &n[1]) == order);
        CHECK(hg_number_is_integer(&n[0]) == (scaled[0] % 1000000000 == 0));
    }
}

/* The same value as text and as mantissa, shifted against each other: all ways of holding it are one number. */
static void test_forms_of_one_number(void) {
    static const char *const TEXTS[] = {"0", "0.0", "7", "-12", "12300", "9999999999999999999", "18446744073709551615"};
    for (size_t i = 0; i < COUNT(TEXTS); i++) {
        const struct hg_number a = number_of(TEXTS[i]);
        for (int zeros = 0; zeros < 40; zeros++) {
            uint8_t text[120];
            const bool negative = TEXTS[i][0] == '-';
            const size_t size = strlen(TEXTS[i] + negative);
            memset(text, '0', sizeof text);
            memcpy(text + zeros, TEXTS[i] + negative, size);
            const bool fraction = memchr(text, '.', sizeof text) != NULL;
            struct hg_number b = {.digits = text,
                                  .count = (uint32_t)(zeros + (int)size + zeros),
                                  .exponent = -zeros - fraction,
                                  .negative = negative};
            int64_t x = 0, y = 0;
            CHECK(compare(&a, &b) == 0 && hg_number_is_integer(&b));
            CHECK(hg_number_int64(&a, &x) == hg_number_int64(&b, &y) && x == y);
            CHECK(bits_of(hg_number_to_double(&a)) << 1 == bits_of(hg_number_to_double(&b)) << 1);
            CHECK(hg_number_fits_double(&a) == hg_number_fits_double(&b));
            b.exponent--;
            CHECK(hg_number_compare(&a, &b) == (a.mantissa == 0 && a.digits == NULL ? 0 : negative ? -1 : 1));
        }
    }
}

static void test_multiples_by_rows(void) {
    for (size_t i = 0; i < COUNT(MULTIPLES); i++) {
        struct hg_number value = number_of(MULTIPLES[i].value), of = number_of(MULTIPLES[i].of);
        CHECK(hg_number_is_multiple(&value, &of) == MULTIPLES[i].multiple);
        value.negative = !value.negative;
        CHECK(hg_number_is_multiple(&value, &of) == MULTIPLES[i].multiple);
    }
}

static void test_multiples_of_small_numbers(void) {
    for (int round = 0; round < 100000; round++) {
        const uint32_t value = random_below(10000000), of = 1 + random_below(round % 2 == 0 ? 30 : 100000);
        const int32_t shift = (int32_t)random_below(7) - 3;
        const struct hg_number v = {.mantissa = value, .exponent = shift}, d = {.mantissa = of};
        static const uint32_t POWERS[] = {1, 10, 100, 1000};
        const bool multiple = shift >= 0 ? (uint64_t)value * POWERS[shift] % of == 0
                                         : value % ((uint64_t)of * POWERS[-shift]) == 0;
        CHECK(hg_number_is_multiple(&v, &d) == multiple);
    }
}

static void test_integers_of_64_bits(void) {
    static const struct {
        const char *text;
        bool is_signed, is_unsigned;
        uint64_t value; /* two's complement */
    } ROWS[] = {
        {"0", true, true, 0},
        {"-0", true, true, 0},
        {"-0.0e5", true, true, 0},
        {"1", true, true, 1},
        {"-1", true, false, UINT64_MAX},
        {"10.00e-1", true, true, 1},
        {"1.5", false, false, 0},
        {"21.4", false, false, 0},
        {"2e18", true, true, UINT64_C(2000000000000000000)},
        {"2e19", false, false, 0},
        {"1e999999999", false, false, 0},
        {"1e-999999999", false, false, 0},
        {"9223372036854775807", true, true, INT64_MAX},
        {"9223372036854775808", false, true, UINT64_C(1) << 63},
        {"-9223372036854775808", true, false, UINT64_C(1) << 63},
        {"-9223372036854775809", false, false, 0},
        {"18446744073709551615", false, true, UINT64_MAX},
        {"18446744073709551616", false, false, 0},
        {"18446744073709551620", false, false, 0},
        {"1844674407370955161.5e1", false, true, UINT64_MAX},
        {"99999999999999999999", false, false, 0},
    };
    for (size_t i = 0; i < COUNT(ROWS); i++) {
        const struct hg_number number = number_of(ROWS[i].text);
        int64_t s = -77;
        uint64_t u = 77;
        CHECK(hg_number_int64(&number, &s) == ROWS[i].is_signed);
        CHECK(!ROWS[i].is_signed || (uint64_t)s == ROWS[i].value);
        CHECK(hg_number_uint64(&number, &u) == ROWS[i].is_unsigned);
        CHECK(!ROWS[i].is_unsigned || u == ROWS[i].value);
    }
    const struct hg_number zeros = {.digits = (const uint8_t *)"00000000000000000001.0", .count = 22, .exponent = -1};
    uint64_t one = 0;
    CHECK(hg_number_uint64(&zeros, &one) && one == 1);
}

/* ---- doubles ---- */

static void test_nearest_doubles(void) {
    for (size_t i = 0; i < COUNT(NEAREST); i++) {
        const struct hg_number number = number_of(NEAREST[i].text);
        CHECK(bits_of(hg_number_to_double(&number)) == NEAREST[i].bits ||
              (NEAREST[i].bits << 1 == 0 && hg_number_to_double(&number) == 0));
    }
}

static void test_shortest_decimals(void) {
    for (size_t i = 0; i < COUNT(SHORTEST); i++) {
        struct hg_number number;
        hg_number_from_double(double_of(SHORTEST[i].bits), &number);
        CHECK(number.digits == NULL && prints(&number, SHORTEST[i].str));
    }
}

/* Against printf and strtod, which the fast ways here go around. */
static void test_random_doubles(void) {
    for (int round = 0; round < 60000; round++) {
        double value;
        if (round % 3 == 0) {
            value = double_of((uint64_t)random_below(UINT32_MAX) << 32 | random_below(UINT32_MAX));
        } else {
            char text[40];
            snprintf(text, sizeof text, "%u%06ue%d", random_below(2000000), random_below(1000000),
                     (int)random_below(round % 3 == 1 ? 44 : 580) - (round % 3 == 1 ? 22 : 290));
            const struct hg_number number = number_of(text);
            value = strtod(text, NULL);
            CHECK(hg_number_to_double(&number) == value);
            struct hg_number back;
            hg_number_from_double(value, &back);
            CHECK(!hg_number_fits_double(&number) || compare(&number, &back) == 0);
        }
        if (!(value - value == 0)) {
            continue;
        }
        char text[40];
        for (int digits = 15; digits <= 17; digits++) {
            snprintf(text, sizeof text, "%.*e", digits - 1, value);
            if (strtod(text, NULL) == value) {
                break;
            }
        }
        struct hg_number number;
        hg_number_from_double(value, &number);
        const struct hg_number want = number_of(text);
        CHECK(compare(&number, &want) == 0 && hg_number_to_double(&number) == value);
    }
}

static void test_what_fits_a_double(void) {
    static const struct {
        const char *text;
        bool fits;
    } ROWS[] = {
        {"0", true},           {"-0.00", true},          {"999999999999999", true}, {"9999999999999990", true},
        {"9999999999999991", false}, {"0.1234567890123456", false}, {"0.123456789012345", true},
        {"1e290", true},       {"1.00000000000001e290", false}, {"-1e290", true},   {"1e291", false},
        {"9.99e289", true},    {"1e-290", true},         {"9.99e-291", false},      {"10e-291", true},
        {"1e999999999", false}, {"1e-999999999", false}, {"100000000000000000000000000000", true},
    };
    for (size_t i = 0; i < COUNT(ROWS); i++) {
        const struct hg_number number = number_of(ROWS[i].text);
        CHECK(hg_number_fits_double(&number) == ROWS[i].fits);
    }
}

/* ---- big integers ---- */

static void test_bytes_and_digits(void) {
    for (uint32_t length = 0; length <= HG_CBOR_BIGNUM; length++) {
        for (unsigned fill = 0; fill < 4; fill++) {
            uint8_t *bytes = malloc(length == 0 ? 1 : length), text[HG_NUMBER_TEXT], out[HG_CBOR_BIGNUM];
            CHECK(bytes != NULL);
            for (uint32_t i = 0; i < length; i++) {
                bytes[i] = fill == 0 ? 0 : fill == 1 ? 0xff : fill == 2 ? (i == 0) : (uint8_t)random_below(256);
            }
            uint32_t zeros = 0;
            while (zeros < length && bytes[zeros] == 0) {
                zeros++;
            }
            for (unsigned add = 0; add <= 1; add++) {
                struct hg_number number;
                hg_number_from_bytes(bytes, length, add, add != 0, text, &number);
                CHECK(number.exponent == 0 && number.negative == (add != 0));
                CHECK((number.digits == NULL) == (length - zeros <= 8 && (add == 0 || number.mantissa != 0)));
                CHECK(number.digits == NULL || (number.count <= HG_NUMBER_DIGITS && number.digits[0] != '0'));
                CHECK(hg_number_to_bytes(&number, add, out) == length - zeros);
                CHECK(memcmp(out, bytes + zeros, length - zeros) == 0);
                /* value mod 997, by bytes and by digits */
                uint32_t expected = add, power = 1, got = 0;
                for (uint32_t i = length; i-- > 0; power = power * 256 % 997) {
                    expected = (expected + bytes[i] * power) % 997;
                }
                uint8_t decimal[HG_NUMBER_TEXT];
                const uint32_t size = hg_number_format(&number, decimal);
                for (uint32_t i = add != 0 ? 1 : 0; i < size; i++) {
                    CHECK(decimal[i] >= '0' && decimal[i] <= '9'); /* without 128 trailing zeros there is no exponent */
                    got = (got * 10 + (uint32_t)(decimal[i] - '0')) % 997;
                }
                CHECK(got == expected);
            }
            free(bytes);
        }
    }
}

static void test_words_of_faults(void) {
    CHECK(strcmp(hg_fault_text(HG_NO_FAULT), "") == 0);
    for (int reason = HG_NO_FAULT + 1; reason <= HG_OUT_OF_STEPS; reason++) {
        const char *text = hg_fault_text((enum hg_reason)reason);
        CHECK(strlen(text) > 5);
        for (int other = HG_NO_FAULT; other < reason; other++) {
            CHECK(strcmp(text, hg_fault_text((enum hg_reason)other)) != 0);
        }
    }
    CHECK(strcmp(hg_fault_text((enum hg_reason)(HG_OUT_OF_STEPS + 1)), "") == 0);
}

int main(void) {
    test_words_of_faults();
    test_rows_of_the_twin();
    test_every_short_text();
    test_plain_numbers();
    test_every_count_of_digits();
    test_format_stays_in_its_room();
    test_order_by_rows();
    test_order_of_small_numbers();
    test_forms_of_one_number();
    test_multiples_by_rows();
    test_multiples_of_small_numbers();
    test_integers_of_64_bits();
    test_bytes_and_digits();
    test_what_fits_a_double();
    /* "C" is in force until now. A locale with a comma, where there is one, must change nothing. */
    static const char *const LOCALES[] = {"C", "de_DE.UTF-8", "fr_FR.UTF-8", "fa_IR"};
    for (size_t i = 0; i < COUNT(LOCALES); i++) {
        if (setlocale(LC_ALL, LOCALES[i]) != NULL) {
            test_nearest_doubles();
            test_shortest_decimals();
        }
    }
    setlocale(LC_ALL, "C");
    test_random_doubles();
    return 0;
}
