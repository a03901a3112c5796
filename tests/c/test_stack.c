/* The deepest that the core goes down the C stack, measured: documents and schemas as deep as the limits let them be, each
 * in a thread whose stack is painted before. `test_stack report` prints what each needs; `make -C native_ext stack`. */
#define _POSIX_C_SOURCE 200809L /* threads on a stack of our own */
#include <pthread.h>

#include "check_compile.h"

#include "core/cbor_sort.h"
#include "core/duplicates.h"
#include "core/pattern.h"
#include "core/validate.h"

/* Measured in November 2026 (gcc 12, x86-64): 323 KiB, for CBOR explained under `allOf` in `allOf` ..., with limits["depth"] = 128 and
 * HG_FRAMES used up. More than a thread has by default with musl (128 KiB); less than CPython asks for there (1 MiB). */
#if defined(__SANITIZE_ADDRESS__) || !defined(__OPTIMIZE__)
enum { ROOM = 8192 * 1024, MOST = ROOM }; /* frames are larger: only that it works is of interest */
#else
enum { ROOM = 1024 * 1024, MOST = 768 * 1024 };
#endif
enum { PAINT = 0xC5, DEEPEST = HG_DOCUMENT_DEPTH };

/* What is applied again and again to a value, or to what is in it. `#` is the schema itself. */
static const char *const SCHEMAS[] = {
    "true",
    "{\"items\":{\"$ref\":\"#\"},\"additionalProperties\":{\"$ref\":\"#\"}}",
    "{\"allOf\":[{\"items\":{\"$ref\":\"#\"},\"additionalProperties\":{\"$ref\":\"#\"}}]}",
    "{\"anyOf\":[{\"items\":{\"$ref\":\"#\"},\"additionalProperties\":{\"$ref\":\"#\"}},{\"type\":\"null\"}]}",
    "{\"oneOf\":[{\"items\":{\"$ref\":\"#\"},\"additionalProperties\":{\"$ref\":\"#\"}},{\"const\":7}]}",
    "{\"not\":{\"not\":{\"items\":{\"$ref\":\"#\"},\"additionalProperties\":{\"$ref\":\"#\"}}}}",
    "{\"if\":{\"items\":{\"$ref\":\"#\"},\"additionalProperties\":{\"$ref\":\"#\"}},\"then\":true,\"else\":false}",
    "{\"if\":true,\"then\":{\"items\":{\"$ref\":\"#\"},\"additionalProperties\":{\"$ref\":\"#\"}}}",
    "{\"contains\":{\"$ref\":\"#\"},\"properties\":{\"a\":{\"$ref\":\"#\"}}}",
    "{\"uniqueItems\":true,\"items\":{\"$ref\":\"#\"},\"additionalProperties\":{\"$ref\":\"#\"}}",
    "{\"dependentSchemas\":{\"a\":{\"additionalProperties\":{\"$ref\":\"#\"}}},\"prefixItems\":[{\"$ref\":\"#\"}]}",
    "{\"anyOf\":[{\"prefixItems\":[{\"$ref\":\"#\"}]},{\"properties\":{\"a\":{\"$ref\":\"#\"}}}],"
    "\"unevaluatedItems\":{\"$ref\":\"#\"},\"unevaluatedProperties\":{\"$ref\":\"#\"}}",
    "{\"unevaluatedItems\":{\"$ref\":\"#\"},\"unevaluatedProperties\":{\"$ref\":\"#\"}}",
    "{\"$dynamicAnchor\":\"n\",\"items\":{\"$dynamicRef\":\"#n\"},\"additionalProperties\":{\"$dynamicRef\":\"#n\"}}",
    "{\"$id\":\"x:a\",\"$dynamicAnchor\":\"n\",\"items\":{\"$ref\":\"x:b\"},\"additionalProperties\":{\"$ref\":\"x:b\"},"
    "\"$defs\":{\"b\":{\"$id\":\"x:b\",\"$dynamicAnchor\":\"n\",\"items\":{\"$dynamicRef\":\"#n\"},"
    "\"additionalProperties\":{\"$dynamicRef\":\"#n\"}}}}",
    "{\"propertyNames\":{\"pattern\":\"^\\\\w*\\\\b.{0,50}$\"},\"patternProperties\":{\"a\":{\"$ref\":\"#\"}},"
    "\"items\":{\"$ref\":\"#\"}}",
    "{\"items\":{\"$ref\":\"#\"},\"additionalProperties\":{\"$ref\":\"#\"},\"format\":\"regex\",\"pattern\":"
    "\"(\\\\w*\\\\d){0,99}$\"}",
};
/* Around the schema NESTED, so often that nothing more in place is allowed. */
static const char *const AROUND[][2] = {
    {"{\"allOf\":[", "]}"},
    {"{\"anyOf\":[", "]}"},
    {"{\"not\":", "}"},
    {"{\"if\":", "}"},
};
enum { NESTED = 1, SCHEMA_COUNT = sizeof SCHEMAS / sizeof *SCHEMAS, AROUND_COUNT = sizeof AROUND / sizeof *AROUND };

struct work {
    void (*function)(struct work *work);
    const struct hg_program *program;
    const uint8_t *data;
    uint32_t length;
    const char *text; /* of a schema or pattern */
    size_t text_length;
};

static bool reporting;
static size_t worst;
static struct heap heap = {0, -1};

static void *thread(void *argument) {
    struct work *work = argument;
    work->function(work);
    return NULL;
}

/* Bytes of stack that the work needs, with what a thread needs by itself. */
static size_t stack_of(struct work *work) {
    void *stack;
    pthread_attr_t attributes;
    pthread_t id;
    CHECK(posix_memalign(&stack, 65536, ROOM) == 0);
    memset(stack, PAINT, ROOM);
    CHECK(pthread_attr_init(&attributes) == 0 && pthread_attr_setstack(&attributes, stack, ROOM) == 0);
    CHECK(pthread_create(&id, &attributes, thread, work) == 0 && pthread_join(id, NULL) == 0);
    pthread_attr_destroy(&attributes);
    size_t free_bytes = 0;
    while (free_bytes < ROOM && ((const uint8_t *)stack)[free_bytes] == PAINT) {
        free_bytes++;
    }
    free(stack);
    CHECK(free_bytes > 0); /* it did not end where the room ends */
    return ROOM - free_bytes;
}

static void measure(const char *what, const char *of, struct work *work) {
    const size_t used = stack_of(work);
    worst = used > worst ? used : worst;
    if (reporting) {
        printf("%7zu bytes  %-12s %.100s\n", used, what, of);
    }
    CHECK(used <= MOST);
}

static bool ignore(void *context, const struct hg_violation *violation) {
    (void)context, (void)violation;
    return true;
}

static void nothing(struct work *work) { (void)work; }

static void json(struct work *work) {
    struct hg_fault fault;
    (void)hg_validate_json(work->program, work->data, work->length, &fault);
}

static void json_explained(struct work *work) {
    struct hg_fault fault;
    (void)hg_explain_json(work->program, work->data, work->length, ignore, NULL, &fault);
}

static void json_to_cbor(struct work *work) {
    struct hg_fault fault;
    uint32_t written;
    uint8_t *out = malloc((size_t)hg_cbor_bound(work->length));
    CHECK(out != NULL);
    if (hg_json_to_cbor(work->program, work->data, work->length, out, &written, &fault) == HG_VALID) {
        const struct hg_alloc memory = heap_of(&heap);
        CHECK(hg_cbor_sort(&memory, out, written) == HG_OK);
    }
    free(out);
}

static void cbor(struct work *work) {
    struct hg_fault fault;
    (void)hg_validate_cbor(work->program, work->data, work->length, &fault);
}

static void cbor_explained(struct work *work) {
    struct hg_fault fault;
    (void)hg_explain_cbor(work->program, work->data, work->length, ignore, NULL, &fault);
}

static void cbor_to_json(struct work *work) {
    struct hg_fault fault;
    uint32_t written;
    static uint8_t out[1 << 16];
    (void)hg_cbor_to_json(work->program, work->data, work->length, out, sizeof out, &written, &fault);
}

static void drop_duplicates(struct work *work) {
    const struct hg_alloc memory = heap_of(&heap);
    uint8_t *copy;
    CHECK(hg_drop_duplicates(&memory, work->program, work->data, work->length, &copy) == HG_OK);
    if (copy != NULL) {
        heap_release(&heap, copy);
    }
}

static void compile(struct work *work) {
    static struct run run;
    begin(&run, HG_DRAFT_2020);
    (void)compile_bytes(&run, work->text, work->text_length);
    end(&run);
}

static void compile_pattern(struct work *work) {
    const struct hg_alloc memory = heap_of(&heap);
    void *pattern;
    uint32_t size, offset;
    const char *reason;
    if (hg_pattern_compile(&memory, (const uint8_t *)work->text, (uint32_t)work->text_length, &pattern, &size, &reason,
                           &offset) == HG_OK) {
        heap_release(&heap, pattern);
    }
    (void)hg_pattern_is_regex((const uint8_t *)work->text, (uint32_t)work->text_length);
}

/* `text` to which `part` is added `times` over. */
static void add(char *text, const char *part, unsigned times) {
    size_t at = strlen(text);
    for (unsigned i = 0; i < times; i++, at += strlen(part)) {
        strcpy(text + at, part);
    }
}

/* Documents as deep as can be: arrays, objects, both; broken at the bottom, so that explaining goes down as well. */
static unsigned documents(unsigned which, bool of_json, uint8_t *out, unsigned depth) {
    static const char *const opens[][2] = {{"[", "\x81"}, {"{\"a\":", "\xa1\x61\x61"}, {"[{\"a\":", "\x81\xa1\x61\x61"},
                                           {"[[],", "\x82\x80"}};
    static const char *const closes[] = {"]", "}", "}]", "]"};
    char *text = (char *)out;
    const unsigned levels = which == 2 ? depth / 2 : depth;
    *text = 0;
    add(text, opens[which][!of_json], levels);
    size_t length = strlen(text);
    if (of_json) {
        add(text, "\"a1\"", 1);
        add(text, closes[which], levels);
        length = strlen(text);
    } else {
        memcpy(text + length, "\x62\x61\x31", 4);
        length += 3;
    }
    return (unsigned)length;
}

static void test_documents(void) {
    static uint8_t document[4096];
    static char schema[1 << 16];
    for (unsigned s = 0; s < SCHEMA_COUNT; s++) {
        for (unsigned a = s == NESTED ? 0 : AROUND_COUNT; a <= AROUND_COUNT; a++) {
            struct run run;
            begin(&run, HG_DRAFT_2020);
            run.options.max_depth = DEEPEST;
            for (unsigned times = a < AROUND_COUNT ? HG_SCHEMA_CHAIN : 0;; times--) { /* as often as it is taken */
                *schema = 0;
                add(schema, a < AROUND_COUNT ? AROUND[a][0] : "", times);
                add(schema, SCHEMAS[s], 1);
                add(schema, a < AROUND_COUNT ? AROUND[a][1] : "", times);
                if (compile_bytes(&run, schema, strlen(schema)) == HG_OK) {
                    break;
                }
                CHECK(times > 0);
            }
            for (unsigned d = 0; d < 4; d++) {
                struct work work = {.program = run.program, .data = document};
                work.length = documents(d, true, document, DEEPEST);
                work.function = json;
                measure("JSON", schema, &work);
                work.function = json_explained;
                measure("explain", schema, &work);
                work.function = json_to_cbor;
                measure("to CBOR", schema, &work);
                work.function = drop_duplicates;
                measure("duplicates", schema, &work);
                work.length = documents(d, false, document, DEEPEST);
                work.function = cbor;
                measure("CBOR", schema, &work);
                work.function = cbor_explained;
                measure("explain CBOR", schema, &work);
                work.function = cbor_to_json;
                measure("to JSON", schema, &work);
            }
            end(&run);
        }
    }
}

static void test_compiler(void) {
    static const char *const nests[][3] = {
        {"{\"not\":", "true", "}"},         {"{\"items\":", "true", "}"}, {"{\"properties\":{\"a\":", "true", "}}"},
        {"{\"allOf\":[", "true", "]}"},     {"[", "1", "]"},              {"{\"const\":[", "1", "]}"},
        {"{\"$defs\":{\"a\":", "{}", "}}"}, {"{\"if\":", "true", "}"},    {"{\"enum\":[{\"a\":", "1", "}]}"},
    };
    static char text[1 << 16];
    for (size_t i = 0; i < sizeof nests / sizeof *nests; i++) {
        for (unsigned times = 1; times < 3000; times = times * 2 + 1) {
            *text = 0;
            add(text, nests[i][0], times);
            add(text, nests[i][1], 1);
            add(text, nests[i][2], times);
            struct work work = {.function = compile, .text = text, .text_length = strlen(text)};
            measure("compile", nests[i][0], &work);
        }
    }
    static const char *const patterns[] = {"(\\w*\\d){0,99}$", "[^\\p{L}\\d]{1,99}", "(a|b)*a(a|b){9}c", "^abc$"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        struct work work = {.function = compile_pattern, .text = patterns[i], .text_length = strlen(patterns[i])};
        measure("pattern", patterns[i], &work);
    }
    for (unsigned times = 1; times < 40; times++) {
        *text = 0;
        add(text, "(?:a|(", times);
        add(text, "b*", 1);
        add(text, "))", times);
        struct work work = {.function = compile_pattern, .text = text, .text_length = strlen(text)};
        measure("pattern", "(?:a|( ... nested", &work);
    }
}

int main(int argc, char **argv) {
    reporting = argc > 1 && strcmp(argv[1], "report") == 0;
    struct work none = {.function = nothing};
    measure("nothing", "the thread itself", &none);
    test_documents();
    test_compiler();
    CHECK(heap.live == 0);
    if (reporting) {
        printf("%7zu bytes  at most\n", worst);
    }
    return 0;
}
