/* pattern.h: the table of the pure twin's tests for every form a pattern can take, whole and in pieces; bounds and
 * failing memory. */
#include "check.h"
#include "core/pattern.h"

#include "../../native_ext/core/pattern_form.c"

struct text {
    const char *bytes;
    uint32_t size;
};
#define S(literal) {literal, sizeof(literal) - 1}
#define END {NULL, 0}

struct pattern_case {
    struct text source;
    struct text yes[13], no[13]; /* each ends with END */
};
struct refused_case {
    struct text source;
    const char *reason;
    uint32_t offset;
};
#include "pattern_table.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Memory that counts: what is in use, and the most that ever was. */
struct counted {
    size_t now, peak;
    long live, fail_at; /* as in check.h */
};

static void *counted_alloc(void *context, size_t size) {
    struct counted *c = context;
    if (c->fail_at >= 0 && c->fail_at-- == 1) {
        return NULL;
    }
    size_t *block = malloc(size + 16);
    CHECK(size > 0 && block != NULL);
    *block = size;
    memset(block + 16 / sizeof *block, 0xa5, size);
    c->now += size;
    c->peak = c->now > c->peak ? c->now : c->peak;
    c->live++;
    return block + 16 / sizeof *block;
}

static void counted_release(void *context, void *memory) {
    struct counted *c = context;
    size_t *block = (size_t *)memory - 16 / sizeof(size_t);
    CHECK(memory != NULL);
    c->now -= *block;
    c->live--;
    free(block);
}

static enum hg_status compile_text(struct counted *c, const char *source, size_t length, void **compiled,
                                   uint32_t *size, const char **reason, uint32_t *offset) {
    const struct hg_alloc memory = {counted_alloc, counted_release, c};
    uint8_t *copy = malloc(length + 1); /* of the exact size: a sanitizer sees a step too far */
    memcpy(copy, source, length);
    uint8_t *exact = realloc(copy, length > 0 ? length : 1);
    const enum hg_status status =
        hg_pattern_compile(&memory, exact, (uint32_t)length, compiled, size, reason, offset);
    free(exact);
    return status;
}

static bool search(const void *pattern, const char *text, uint32_t length) {
    uint8_t *exact = malloc(length > 0 ? length : 1);
    memcpy(exact, text, length);
    const bool whole = hg_pattern_search(pattern, exact, length);
    struct hg_match match;
    for (uint32_t step = 1; step <= 3; step += 2) { /* so many characters a piece, with empty ones in between */
        hg_match_begin(&match, pattern);
        uint32_t at = 0, characters = 0;
        for (uint32_t i = 1; i <= length; i++) {
            if (i == length || (exact[i] & 0xC0) != 0x80) {
                if (++characters % step == 0 || i == length) {
                    hg_match_feed(&match, exact + at, i - at);
                    hg_match_feed(&match, exact + i, 0);
                    at = i;
                }
            }
        }
        CHECK(hg_match_end(&match) == whole);
    }
    free(exact);
    return whole;
}

/* The NFA of the source, whatever form hg_pattern_compile would choose. */
static void *as_nfa(const char *source, uint32_t length, struct counted *c) {
    const struct hg_alloc memory = {counted_alloc, counted_release, c};
    struct hg_tree tree;
    struct hg_pattern_error error;
    static struct hg_program_code program;
    CHECK(hg_pattern_parse(&memory, (const uint8_t *)source, length, &tree, &error) == HG_OK);
    CHECK(hg_pattern_emit(&tree, &program, &error));
    void *nfa = nfa_form(&memory, &tree, &program);
    hg_tree_free(&memory, &tree);
    return nfa;
}

static uint32_t form_of(const void *pattern) {
    return ((const struct hg_pattern_form *)pattern)->form;
}

static void check_case(const struct pattern_case *test, const void *pattern) {
    for (const struct text *text = test->yes; text->bytes != NULL; text++) {
        if (!search(pattern, text->bytes, text->size)) {
            fprintf(stderr, "%s does not match %s\n", test->source.bytes, text->bytes);
            abort();
        }
    }
    for (const struct text *text = test->no; text->bytes != NULL; text++) {
        if (search(pattern, text->bytes, text->size)) {
            fprintf(stderr, "%s matches %s\n", test->source.bytes, text->bytes);
            abort();
        }
    }
}

static void test_cases(void) {
    struct counted c = {.fail_at = -1};
    bool seen[4] = {false, false, false, false};
    for (size_t i = 0; i < COUNT(CASES); i++) {
        const struct text *source = &CASES[i].source;
        void *pattern;
        const char *reason;
        uint32_t size, offset;
        CHECK(compile_text(&c, source->bytes, source->size, &pattern, &size, &reason, &offset) == HG_OK);
        CHECK(c.live == 1 && size <= c.now && size % HG_PATTERN_ALIGN == 0);
        seen[form_of(pattern)] = true;
        check_case(&CASES[i], pattern);
        /* It may be anywhere aligned to HG_PATTERN_ALIGN, and is not written to. */
        uint8_t *room = malloc(size + 4u);
        uint8_t *before = malloc(size);
        memcpy(before, pattern, size);
        memcpy(room + 4, pattern, size);
        counted_release(&c, pattern);
        check_case(&CASES[i], room + 4);
        CHECK(memcmp(room + 4, before, size) == 0);
        free(before);
        free(room);
        void *nfa = as_nfa(source->bytes, source->size, &c);
        CHECK(form_of(nfa) == HG_FORM_NFA);
        check_case(&CASES[i], nfa);
        counted_release(&c, nfa);
        CHECK(c.live == 0 && c.now == 0);
    }
    CHECK(seen[0] && seen[1] && seen[2] && seen[3]);
}

static void refused(const char *source, size_t length, const char *reason, uint32_t offset) {
    struct counted c = {.fail_at = -1};
    void *pattern;
    const char *got;
    uint32_t size, at;
    CHECK(compile_text(&c, source, length, &pattern, &size, &got, &at) == HG_BAD_PATTERN);
    CHECK(pattern == NULL && size == 0 && c.live == 0);
    if (strstr(got, reason) == NULL || at != offset) {
        fprintf(stderr, "%.200s: %s at %u, not %s at %u\n", source, got, at, reason, offset);
        abort();
    }
}

/* `part`, `times` over, between `start` and `end`; to be freed. */
static char *repeated(const char *start, const char *part, size_t times, const char *end) {
    const size_t size = strlen(part);
    char *text = malloc(strlen(start) + size * times + strlen(end) + 1);
    char *p = text + strlen(start);
    strcpy(text, start);
    for (size_t i = 0; i < times; i++, p += size) {
        memcpy(p, part, size);
    }
    strcpy(p, end);
    return text;
}

static void test_refused(void) {
    for (size_t i = 0; i < COUNT(REFUSED); i++) {
        refused(REFUSED[i].source.bytes, REFUSED[i].source.size, REFUSED[i].reason, REFUSED[i].offset);
    }
    static const struct {
        const char *start, *part;
        size_t times;
        const char *end, *reason;
        uint32_t offset;
    } LONG[] = {
        {"", "(", 16384, "", "16 nested groups", 17},
        {"", "(", 16385, "", "longer than 16384 characters", 16384},
        {"", "\303\251", 16385, "", "longer than 16384 characters", 16384},
        {"[^", "\\w", 5000, "]", "more than 16384 ranges", 8196},
        {"", "\\p{L}|", 30, "", "more than 16384 ranges", 155},
        {"", "a", 1000, "", "more than 1000 states", 1000},
        {"", "|", 5000, "", "more than 1000 states", 5000},
        {"", "(){1}", 3000, "", "repeats too much", 15000},
    };
    for (size_t i = 0; i < COUNT(LONG); i++) {
        char *source = repeated(LONG[i].start, LONG[i].part, LONG[i].times, LONG[i].end);
        refused(source, strlen(source), LONG[i].reason, LONG[i].offset);
        free(source);
    }
}

/* What a hostile author of patterns may try: taken or refused, never more than these bytes. */
static void test_bounds(void) {
    char *classes = repeated("[", "\\u{1F600}\\u{1F602}\\u{1F604}\\u{1F606}", 400, "]");
    char *many = repeated("^", "[^\\p{L}\\d\\u0000-\\u0020]", 20, "$");
    char *different = repeated("", "[ab]|[bc]|[cd]|[de]|\\w|\\d|\\s|\\p{Nd}|.", 40, "");
    char *dense = malloc(16000);
    size_t length = 0;
    dense[length++] = '[';
    for (unsigned code = 0x1000; code < 0x1000 + 2600; code++) { /* every second character: nothing merges */
        length += (size_t)sprintf(dense + length, "%c%c%c", 0xE0 | (code * 2) >> 12, 0x80 | ((code * 2) >> 6 & 0x3F),
                                  0x80 | (code * 2 & 0x3F));
    }
    strcpy(dense + length, "]{0,99}");
    const char *const sources[] = {
        "(a{0,999}){0,1}",
        "(a{0,499}b)?",
        "((((a{0,4}){0,4}){0,4}){0,4}){0,1}",
        "(a|b|c|d|e|f|g|h){0,50}i",
        "[^\\u0000-\\u0020]{1,999}x",
        "(.*a){1,200}",
        "(a?){300}a{300}",
        "(\\w*\\d){0,99}$",
        "(a|b)*a(a|b){15}c",
        "((){999}){3}",
        "(\\b\\B){300}a",
        "^(\\p{L}|\\p{M}|\\p{N}|\\p{P}|\\p{S}){1,64}$",
        "\\P{Cn}{0,300}\\p{Lu}",
        classes,
        many,
        different,
        dense,
    };
    for (size_t i = 0; i < COUNT(sources); i++) {
        struct counted c = {.fail_at = -1};
        void *pattern;
        const char *reason;
        uint32_t size, offset;
        const enum hg_status status =
            compile_text(&c, sources[i], strlen(sources[i]), &pattern, &size, &reason, &offset);
        CHECK(c.peak < 1024u * 1024u);
        if (status == HG_OK) {
            CHECK(size <= 160u * 1024u);
            CHECK(form_of(pattern) != HG_FORM_DFA || size <= HG_DFA_TABLE + 4 * HG_PATTERN_INTERVALS + 1024);
            for (unsigned n = 0; n < 40; n++) {
                char *text = repeated("", n % 2 ? "aZ9 " : "ab\303\251", n, "x");
                search(pattern, text, (uint32_t)strlen(text));
                free(text);
            }
            counted_release(&c, pattern);
        } else {
            CHECK(status == HG_BAD_PATTERN);
        }
        CHECK(c.live == 0);
    }
    free(classes);
    free(many);
    free(different);
    free(dense);
}

static void test_sizes(void) {
    static const struct {
        const char *source;
        uint32_t form, most;
    } SIZES[] = {
        {"^[a-z0-9-]{1,32}$", HG_FORM_RUN, 56},
        {"^[^/]+$", HG_FORM_RUN, 64},
        {"^sensor/", HG_FORM_LITERAL, 32},
        {"^online$", HG_FORM_LITERAL, 32},
        {".*", HG_FORM_LITERAL, 32},
        {"", HG_FORM_LITERAL, 32},
        {"^[a-z]", HG_FORM_DFA, 320},
        {"^v\\d+(\\.\\d+){2}$", HG_FORM_DFA, 384},
        {"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", HG_FORM_DFA, 1024},
        {"^\\p{L}{1,64}$", HG_FORM_RUN, 6000},
    };
    for (size_t i = 0; i < COUNT(SIZES); i++) {
        struct counted c = {.fail_at = -1};
        void *pattern;
        const char *reason;
        uint32_t size, offset;
        CHECK(compile_text(&c, SIZES[i].source, strlen(SIZES[i].source), &pattern, &size, &reason, &offset) == HG_OK);
        if (form_of(pattern) != SIZES[i].form || size > SIZES[i].most) {
            fprintf(stderr, "%s: form %u, %u bytes\n", SIZES[i].source, form_of(pattern), size);
            abort();
        }
        counted_release(&c, pattern);
    }
    CHECK(sizeof(struct hg_match) <= 256);
}

static void test_memory_fails(void) {
    static const char *const SOURCES[] = {
        "^abc$", ".*", "^[a-z]{1,9}$", "a(b|c)*", "^([a-z]{0,200}-){2}$", "[\\p{L}x](\\p{Nd}{1,300}|[^y])", "(a",
        "a{1000}b",
    };
    for (size_t i = 0; i < COUNT(SOURCES); i++) {
        enum hg_status status = HG_NO_MEMORY;
        for (long fail_at = 1; status == HG_NO_MEMORY; fail_at++) {
            struct counted c = {.fail_at = fail_at};
            void *pattern;
            const char *reason;
            uint32_t size, offset;
            status = compile_text(&c, SOURCES[i], strlen(SOURCES[i]), &pattern, &size, &reason, &offset);
            CHECK((status == HG_OK) == (pattern != NULL));
            if (pattern != NULL) {
                counted_release(&c, pattern);
            }
            CHECK(c.live == 0);
            CHECK(fail_at < 20);
        }
    }
}

static uint32_t next_random(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Bytes that are not UTF-8 do not come here from a checked document; if they do, nothing is read that is not there. */
static void test_any_bytes(void) {
    static const char *const SOURCES[] = {"^[^/]{3,9}$", "\\p{L}\\P{L}$", "^\\S+\\b", ".\303\251",
                                          "[\\u0800-\\uFFFF]{2}"};
    uint32_t random = 1;
    for (size_t i = 0; i < COUNT(SOURCES); i++) {
        struct counted c = {.fail_at = -1};
        void *pattern;
        const char *reason;
        uint32_t size, offset;
        CHECK(compile_text(&c, SOURCES[i], strlen(SOURCES[i]), &pattern, &size, &reason, &offset) == HG_OK);
        void *nfa = as_nfa(SOURCES[i], (uint32_t)strlen(SOURCES[i]), &c);
        for (unsigned n = 0; n < 2000; n++) {
            const uint32_t length = next_random(&random) % 9;
            uint8_t *text = malloc(length > 0 ? length : 1);
            for (uint32_t at = 0; at < length; at++) {
                text[at] = (uint8_t)(next_random(&random) % 3 == 0 ? 'a' : next_random(&random));
            }
            hg_pattern_search(pattern, text, length);
            hg_pattern_search(nfa, text, length);
            hg_pattern_is_regex(text, length);
            free(text);
        }
        counted_release(&c, pattern);
        counted_release(&c, nfa);
    }
}

static void test_properties(void) {
    struct hg_property_walk walk;
    struct hg_range range;
    uint32_t total = 0, last = 0;
    for (unsigned category = 0; category < 30; category++) {
        hg_property_begin(&walk, 1u << category);
        for (uint32_t end = 0; hg_property_next(&walk, &range); end = range.high) {
            CHECK(range.low <= range.high && (end == 0 || range.low > end + 1));
            CHECK(hg_property_of(range.low) == 1u << category && hg_property_of(range.high) == 1u << category);
            total += range.high - range.low + 1;
        }
        CHECK(walk.p == hg_unicode_runs + hg_unicode_runs_size);
    }
    CHECK(total == 0x110000);
    hg_property_begin(&walk, hg_property_named((const uint8_t *)"Any", 3));
    while (hg_property_next(&walk, &range)) {
        CHECK(range.low == 0 && last == 0);
        last = range.high;
    }
    CHECK(last == 0x10FFFF);
}

int main(void) {
    test_cases();
    test_refused();
    test_bounds();
    test_sizes();
    test_memory_fails();
    test_any_bytes();
    test_properties();
    return 0;
}
