#include "plan.h"

#include <stdlib.h>

struct block {
    uint8_t *at; /* NULL: only the size is asked for */
    size_t used;
};

static void *part(struct block *block, size_t size) {
    void *memory = block->at == NULL ? NULL : block->at + block->used;
    block->used += (size + 15) & ~(size_t)15;
    return memory;
}

static struct hg_view text_part(struct block *block, struct hg_view text) {
    uint8_t *copy = part(block, text.length + 1);
    if (copy != NULL && text.length != 0) {
        memcpy(copy, text.at, text.length);
    }
    return (struct hg_view){copy, text.length};
}

static int compare(const struct hg_view *a, const struct hg_view *b) {
    return a->length != b->length ? (a->length < b->length ? -1 : 1) : memcmp(a->at, b->at, a->length);
}

static int by_name(const void *a, const void *b) {
    return compare(&((const struct hg_stream *)a)->name, &((const struct hg_stream *)b)->name);
}

/* The same walk for the size and for the contents. */
static struct hg_plan *lay_out(struct block *block, const struct hg_plan_spec *spec) {
    struct hg_plan *plan = part(block, sizeof *plan);
    struct hg_stream *streams = part(block, spec->stream_count * sizeof *streams);
    const struct hg_view scopes = text_part(block, spec->certificate_scopes);
    for (uint32_t i = 0; i < spec->stream_count; i++) {
        const struct hg_stream *from = &spec->streams[i];
        const struct hg_view name = text_part(block, from->name);
        struct hg_view *tokens = part(block, from->token_count * sizeof *tokens);
        for (uint32_t j = 0; j < from->token_count; j++) {
            const struct hg_view token = text_part(block, from->tokens[j]);
            if (plan != NULL) {
                tokens[j] = token;
            }
        }
        if (plan != NULL) {
            streams[i] = *from;
            streams[i].name = name;
            streams[i].tokens = tokens;
        }
    }
    if (plan != NULL) {
        *plan = (struct hg_plan){.spec = *spec};
        plan->spec.streams = streams;
        plan->spec.certificate_scopes = scopes;
        qsort(streams, spec->stream_count, sizeof *streams, by_name);
    }
    return plan;
}

struct hg_plan *hg_plan_new(const struct hg_alloc *alloc, const struct hg_plan_spec *spec) {
    struct block block = {NULL, 0};
    struct hg_plan *plan;
    (void)lay_out(&block, spec);
    block.at = alloc->alloc(alloc->context, block.used);
    if (block.at == NULL) {
        return NULL;
    }
    block.used = 0;
    plan = lay_out(&block, spec);
    plan->alloc = *alloc;
    return plan;
}

void hg_plan_free(struct hg_plan *plan) {
    const struct hg_alloc alloc = plan->alloc;
    alloc.release(alloc.context, plan);
}

const struct hg_stream *hg_plan_stream(const struct hg_plan *plan, struct hg_view name) {
    uint32_t low = 0, high = plan->spec.stream_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const int order = compare(&name, &plan->spec.streams[middle].name);
        if (order == 0) {
            return &plan->spec.streams[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}
