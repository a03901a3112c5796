/* What the tests of the schema compiler share: one run of it, with its registry, findings and heap. */
#ifndef HEADGATE_TESTS_CHECK_COMPILE_H
#define HEADGATE_TESTS_CHECK_COMPILE_H

#include "check_program.h"
#include "core/compile.h"

struct document {
    const char *uri, *text;
};

struct run {
    struct heap heap;
    struct hg_compile_options options;
    const struct document *documents;
    unsigned asked;      /* of resolve */
    char findings[4096]; /* "E pointer: reason\n" or "L ...", with the URI before the pointer if there is one */
    struct hg_program *program;
};

static inline bool resolve(void *context, const char *uri, uint32_t length, const uint8_t **text, uint32_t *size) {
    struct run *run = context;
    run->asked++;
    for (const struct document *document = run->documents; document != NULL && document->uri != NULL; document++) {
        if (strlen(document->uri) == length && memcmp(document->uri, uri, length) == 0) {
            *text = (const uint8_t *)document->text;
            *size = (uint32_t)strlen(document->text);
            return true;
        }
    }
    return false;
}

static inline void found(void *context, enum hg_severity severity, const char *uri, const char *pointer,
                         const char *reason) {
    struct run *run = context;
    const size_t at = strlen(run->findings);
    snprintf(run->findings + at, sizeof run->findings - at, "%c %s%s%s: %s\n", severity == HG_ERROR ? 'E' : 'L', uri,
             *uri ? " " : "", pointer, reason);
}

static inline void begin(struct run *run, enum hg_draft draft) {
    memset(run, 0, sizeof *run);
    run->heap.fail_at = -1;
    run->options.draft = draft;
    run->options.formats = UINT32_MAX;
    run->options.unknown_keywords = true;
    run->options.resolve = resolve;
    run->options.finding = found;
    run->options.context = run;
    memcpy(run->options.seed, SEED, sizeof run->options.seed);
}

static inline enum hg_status compile_bytes(struct run *run, const char *schema, size_t length) {
    struct hg_alloc memory = heap_of(&run->heap);
    run->findings[0] = 0;
    run->asked = 0;
    const enum hg_status status = hg_compile(&memory, (const uint8_t *)schema, (uint32_t)length, &run->options,
                                             &run->program);
    CHECK((status == HG_OK) == (run->program != NULL));
    CHECK(run->heap.live == (status == HG_OK));
    if (status == HG_OK) {
        check_program(run->program);
    }
    return status;
}

static inline void end(struct run *run) {
    if (run->program != NULL) {
        heap_release(&run->heap, run->program);
        run->program = NULL;
    }
    CHECK(run->heap.live == 0);
}

static inline const struct hg_node *root_of(const struct run *run) {
    CHECK(run->program->root != 0);
    return hg_at(run->program, run->program->root);
}

static inline const struct hg_node *compiled(struct run *run, const char *schema) {
    begin(run, HG_DRAFT_2020);
    CHECK(compile_bytes(run, schema, strlen(schema)) == HG_OK);
    return root_of(run);
}

static inline const struct hg_property *property_of(const struct run *run, const struct hg_node *node, uint32_t i) {
    const struct hg_object_rules *rules = hg_at(run->program, node->object);
    CHECK(i < rules->names.count);
    return (const void *)((const uint8_t *)hg_at(run->program, rules->names.entries) + i * rules->names.stride);
}

#endif
