#include "plan.h"

#include <stdlib.h>

#include "block.h"

static int compare(const struct hg_view *a, const struct hg_view *b) {
    return a->length != b->length ? (a->length < b->length ? -1 : 1) : memcmp(a->at, b->at, a->length);
}

static int by_name(const void *a, const void *b) {
    return compare(&((const struct hg_stream *)a)->name, &((const struct hg_stream *)b)->name);
}

/* The same walk for the size and for the contents. */
static struct hg_plan *lay_out(struct hg_block *block, const struct hg_plan_spec *spec) {
    struct hg_plan *plan = hg_block_part(block, sizeof *plan);
    struct hg_stream *streams = hg_block_part(block, spec->stream_count * sizeof *streams);
    const struct hg_view scopes = hg_block_text(block, spec->certificate_scopes);
    for (uint32_t i = 0; i < spec->stream_count; i++) {
        const struct hg_stream *from = &spec->streams[i];
        const struct hg_view name = hg_block_text(block, from->name);
        struct hg_view *tokens = hg_block_part(block, from->token_count * sizeof *tokens);
        for (uint32_t j = 0; j < from->token_count; j++) {
            const struct hg_view token = hg_block_text(block, from->tokens[j]);
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
    struct hg_block block = {NULL, 0};
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
