/* core/plan.c: a plan owns what it was made of, in one block; streams are found by their whole name and nothing else. */
#include <stdalign.h>

#include "check.h"
#include "core/plan.h"

enum { STREAMS = 60 };

static struct hg_view view(const char *text) { return (struct hg_view){(const uint8_t *)text, (uint32_t)strlen(text)}; }

/* Stream i: a name of its own length and, if i is odd, i % 7 tokens; all of it in memory that is overwritten after use. */
struct spec {
    struct hg_stream streams[STREAMS];
    char names[STREAMS][80];
    char texts[STREAMS][7][16];
    struct hg_view tokens[STREAMS][7];
    struct hg_plan_spec plan;
};

static void make_spec(struct spec *spec, uint32_t count) {
    memset(spec, 0, sizeof *spec);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t place = i * 37 % count; /* in no order; 37 shares no factor with the counts used */
        struct hg_stream *stream = &spec->streams[place];
        (void)snprintf(spec->names[i], sizeof spec->names[i], "%.*s%u", (int)(i % 23), "sssssssssssssssssssssss", (unsigned)i);
        for (uint32_t k = 0; k < 7; k++) {
            (void)snprintf(spec->texts[i][k], sizeof spec->texts[i][k], "%.*s", (int)k, "tokens");
            spec->tokens[i][k] = view(spec->texts[i][k]);
        }
        stream->name = view(spec->names[i]);
        stream->rate_milli = i;
        stream->burst = -(int64_t)i;
        stream->body_limit = i * 3;
        stream->durable = i % 2 == 0;
        stream->by_client = i % 3 == 0;
        stream->token_count = i % 2 == 0 ? 0 : i % 7;
        stream->tokens = stream->token_count == 0 ? NULL : spec->tokens[i];
        stream->last_ttl_ms = INT64_MAX - i;
    }
    spec->plan = (struct hg_plan_spec){.streams = spec->streams, .stream_count = count, .cache_value = 7, .idle_ms = 8};
}

static void check_stream(const struct hg_plan *plan, const char *name, uint32_t i) {
    const struct hg_stream *const found = hg_plan_stream(plan, view(name));
    CHECK(found != NULL && found->rate_milli == i && found->burst == -(int64_t)i && found->body_limit == i * 3);
    CHECK(found->durable == (i % 2 == 0) && found->by_client == (i % 3 == 0) && found->last_ttl_ms == INT64_MAX - i);
    CHECK(found->name.length == strlen(name) && memcmp(found->name.at, name, found->name.length) == 0);
    CHECK(found->token_count == (i % 2 == 0 ? 0 : i % 7));
    CHECK((uintptr_t)found % alignof(struct hg_stream) == 0 && (uintptr_t)found->tokens % alignof(struct hg_view) == 0);
    for (uint32_t k = 0; k < found->token_count; k++) {
        CHECK(found->tokens[k].length == k && memcmp(found->tokens[k].at, "tokens", k) == 0);
    }
}

static void check_unknown(const struct hg_plan *plan, const char *name) {
    CHECK(hg_plan_stream(plan, view(name)) == NULL);
}

static void test_streams_are_found(void) {
    static const uint32_t counts[] = {1, 2, 3, 7, STREAMS};
    static struct spec spec;
    for (uint32_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        struct heap heap = {0, -1};
        const struct hg_alloc alloc = heap_of(&heap);
        char names[STREAMS][80];
        struct hg_plan *plan;
        make_spec(&spec, counts[c]);
        memcpy(names, spec.names, sizeof names);
        plan = hg_plan_new(&alloc, &spec.plan);
        CHECK(plan != NULL && heap.live == 1 && plan->users == 0);
        memset(&spec, 'x', sizeof spec); /* nothing of it is needed any more */
        CHECK(plan->spec.cache_value == 7 && plan->spec.idle_ms == 8 && plan->spec.stream_count == counts[c]);
        for (uint32_t i = 0; i < counts[c]; i++) {
            char other[96];
            check_stream(plan, names[i], i);
            (void)snprintf(other, sizeof other, "%.79sx", names[i]);
            check_unknown(plan, other);
            other[strlen(names[i]) - 1] ^= 0x40;
            other[strlen(names[i])] = '\0';
            check_unknown(plan, other);
        }
        check_unknown(plan, "");
        check_unknown(plan, "zzz");
        check_unknown(plan, "\1");
        CHECK(hg_plan_stream(plan, (struct hg_view){(const uint8_t *)"0\0", 2}) == NULL);
        hg_plan_free(plan);
        CHECK(heap.live == 0);
    }
}

static void test_a_plan_without_streams(void) {
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    const struct hg_plan_spec spec = {.connections = 5};
    struct hg_plan *const plan = hg_plan_new(&alloc, &spec);
    CHECK(plan != NULL && plan->spec.connections == 5);
    check_unknown(plan, "");
    check_unknown(plan, "a");
    hg_plan_free(plan);
    CHECK(heap.live == 0);
}

static void test_no_memory(void) {
    static struct spec spec;
    struct heap heap = {0, 1};
    const struct hg_alloc alloc = heap_of(&heap);
    make_spec(&spec, 3);
    CHECK(hg_plan_new(&alloc, &spec.plan) == NULL && heap.live == 0);
}

int main(void) {
    test_streams_are_found();
    test_a_plan_without_streams();
    test_no_memory();
    return 0;
}
