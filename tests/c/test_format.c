/* format.h: the tables of the pure twin's tests, the limit of a text's length, and any bytes at all. */
#include "check.h"
#include "core/format.h"

struct text {
    const char *bytes;
    uint32_t size;
};
#define S(literal) {literal, sizeof(literal) - 1}
#define END {NULL, 0}

struct format_case {
    const char *name;
    struct text yes[48], no[48]; /* each ends with END */
};
#include "format_table.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static enum hg_format named(const char *name) {
    return hg_format_named((const uint8_t *)name, (uint32_t)strlen(name));
}

static bool holds(enum hg_format format, const char *text, size_t length) {
    uint8_t *exact = malloc(length > 0 ? length : 1); /* a sanitizer sees a step too far */
    memcpy(exact, text, length);
    const bool yes = hg_format_holds(format, exact, (uint32_t)length);
    free(exact);
    return yes;
}

static void test_names(void) {
    for (int format = HG_FORMAT_NONE + 1; format < HG_FORMAT_COUNT; format++) {
        CHECK(named(hg_format_name((enum hg_format)format)) == (enum hg_format)format);
    }
    static const char *const OTHERS[] = {"", "Date", "date ", "dat", "iri", "unknown"};
    for (size_t i = 0; i < COUNT(OTHERS); i++) {
        CHECK(named(OTHERS[i]) == HG_FORMAT_NONE);
    }
    CHECK(hg_format_named((const uint8_t *)"date\0", 5) == HG_FORMAT_NONE);
    CHECK(holds(HG_FORMAT_NONE, "anything", 8));
}

static void test_cases(void) {
    uint32_t seen = 0;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        const enum hg_format format = named(CASES[i].name);
        CHECK(format != HG_FORMAT_NONE);
        seen |= 1u << format;
        for (int wanted = 0; wanted < 2; wanted++) {
            for (const struct text *text = wanted ? CASES[i].yes : CASES[i].no; text->bytes != NULL; text++) {
                if (holds(format, text->bytes, text->size) != wanted) {
                    fprintf(stderr, "%s: %s: not %d\n", CASES[i].name, text->bytes, wanted);
                    abort();
                }
            }
        }
    }
    CHECK(seen == (1u << HG_FORMAT_COUNT) - 2);
}

static void test_long(void) {
    static const struct {
        enum hg_format format;
        const char *start;
        char part;
        const char *end;
    } LONG[] = {
        {HG_FORMAT_TIME, "00:00:00.", '0', "Z"},
        {HG_FORMAT_DATE_TIME, "2026-01-01T00:00:00.", '0', "Z"},
        {HG_FORMAT_DURATION, "P", '1', "D"},
        {HG_FORMAT_URI, "a:", 'b', ""},
        {HG_FORMAT_URI_REFERENCE, "", 'b', ""},
        {HG_FORMAT_JSON_POINTER, "/", 'b', ""},
        {HG_FORMAT_RELATIVE_JSON_POINTER, "0/", 'b', ""},
        {HG_FORMAT_REGEX, "", 'a', ""},
    };
    static char text[HG_FORMAT_TEXT + 2];
    for (size_t i = 0; i < COUNT(LONG); i++) {
        for (size_t length = HG_FORMAT_TEXT; length <= HG_FORMAT_TEXT + 1; length++) {
            const size_t end = strlen(LONG[i].end);
            memset(text, LONG[i].part, length);
            memcpy(text, LONG[i].start, strlen(LONG[i].start));
            memcpy(text + length - end, LONG[i].end, end);
            CHECK(holds(LONG[i].format, text, length) == (length == HG_FORMAT_TEXT));
        }
    }
}

/* The days of four years: 365 + 366 + 365 + 366. */
static void test_every_day(void) {
    static const char *const YEARS[] = {"2023", "2024", "2100", "2400"};
    unsigned days = 0;
    for (size_t year = 0; year < COUNT(YEARS); year++) {
        for (unsigned month = 0; month < 14; month++) {
            for (unsigned day = 0; day < 33; day++) {
                char text[16];
                snprintf(text, sizeof text, "%s-%02u-%02u", YEARS[year], month % 100, day % 100);
                days += holds(HG_FORMAT_DATE, text, 10);
            }
        }
    }
    CHECK(days == 1462);
}

/* Near misses of texts that are of a format, and of none: nothing is read beyond the end. */
static void test_any_bytes(void) {
    static const char BYTES[] = "0123abPTWDxn--..::/[]@%~#\"\\(?<)vZz+-\303\251";
    uint32_t random = 1;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        const enum hg_format format = named(CASES[i].name);
        for (const struct text *text = CASES[i].yes; text->bytes != NULL; text++) {
            for (unsigned n = 0; n < 200; n++) {
                char changed[300];
                CHECK(text->size < sizeof changed);
                memcpy(changed, text->bytes, text->size);
                for (unsigned turn = 0; turn <= n % 3 && text->size > 0; turn++) {
                    random = random * 1664525u + 1013904223u;
                    changed[(random >> 8) % text->size] = BYTES[(random >> 16) % (sizeof BYTES - 1)];
                }
                random = random * 1664525u + 1013904223u;
                holds(format, changed, n % 4 == 0 && text->size > 0 ? (random >> 8) % text->size : text->size);
            }
        }
    }
}

int main(void) {
    test_names();
    test_cases();
    test_long();
    test_every_day();
    test_any_bytes();
    return 0;
}
