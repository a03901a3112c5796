/* Commits of what a native server accepted. Here the test is linux/outbox.py. */
#ifndef HEADGATE_CHECK_COMMIT_H
#define HEADGATE_CHECK_COMMIT_H

#include "check_server.h"

static const struct hg_problem failed = {503, HG_P_STORAGE_FAILED, false, "the disk is full or failing"};

/* outcomes[i] of row i. */
static inline const char *outcome_of(void *context, uint32_t index) { return ((const char *const *)context)[index]; }

static inline void commit_with(struct world *world, struct hg_batch *batch, const char *const *outcomes) {
    hg_server_release(world->server, batch, outcome_of, (void *)(uintptr_t)outcomes);
    CHECK(batch->head == NULL && batch->rows == 0);
    serve(world);
}

static const char *const stored[64] = {NULL};

static inline struct hg_batch take(struct world *world, uint32_t rows) {
    struct hg_batch batch;
    hg_intake_take(&world->intake, 64, UINT64_MAX, &batch);
    CHECK(batch.rows == rows);
    return batch;
}

#endif
