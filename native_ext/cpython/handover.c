#include "handover.h"

#include <pthread.h>
#include <stdlib.h>

struct hg_handover {
    pthread_mutex_t lock;
    pthread_cond_t woken;     /* the thread that waits has a batch, or the order was recalled */
    struct hg_batch *wanted;  /* the batch of the thread that waits, empty as yet; NULL: none does */
    struct hg_clock clock;    /* when it was filled */
    uint64_t handed;
    uint64_t order; /* the number of the one that holds, or of the next */
};

struct hg_handover *hg_handover_new(void) {
    struct hg_handover *handover = calloc(1, sizeof *handover);
    if (handover == NULL) {
        return NULL;
    }
    if (pthread_mutex_init(&handover->lock, NULL) != 0) {
        free(handover);
        return NULL;
    }
    if (pthread_cond_init(&handover->woken, NULL) != 0) {
        (void)pthread_mutex_destroy(&handover->lock);
        free(handover);
        return NULL;
    }
    return handover;
}

void hg_handover_free(struct hg_handover *handover) {
    if (handover != NULL) {
        (void)pthread_cond_destroy(&handover->woken);
        (void)pthread_mutex_destroy(&handover->lock);
        free(handover);
    }
}

uint64_t hg_handover_order(struct hg_handover *handover) {
    uint64_t order;
    (void)pthread_mutex_lock(&handover->lock);
    order = handover->order;
    (void)pthread_mutex_unlock(&handover->lock);
    return order;
}

uint64_t hg_handover_recall(struct hg_handover *handover) {
    uint64_t handed;
    bool waits;
    (void)pthread_mutex_lock(&handover->lock);
    waits = handover->wanted != NULL;
    handover->order += 1;
    handover->wanted = NULL;
    handed = handover->handed;
    (void)pthread_mutex_unlock(&handover->lock);
    if (waits) {
        (void)pthread_cond_signal(&handover->woken);
    }
    return handed;
}

void hg_handover_hand(struct hg_handover *handover, struct hg_intake *intake, const struct hg_server_limits *limits,
                      const struct hg_clock *clock) {
    struct hg_batch *wanted;
    (void)pthread_mutex_lock(&handover->lock);
    wanted = handover->wanted;
    if (wanted != NULL) {
        hg_intake_take(intake, limits->batch_rows, limits->batch_bytes, wanted);
        handover->clock = *clock;
        handover->wanted = NULL;
        handover->handed += wanted->rows != 0;
    }
    (void)pthread_mutex_unlock(&handover->lock);
    if (wanted != NULL) {
        (void)pthread_cond_signal(&handover->woken);
    }
}

void hg_handover_want(struct hg_handover *handover, uint64_t order, struct hg_batch *batch) {
    (void)pthread_mutex_lock(&handover->lock);
    handover->wanted = handover->order == order ? batch : NULL;
    (void)pthread_mutex_unlock(&handover->lock);
}

bool hg_handover_wait(struct hg_handover *handover, const struct hg_batch *batch, struct hg_clock *clock) {
    (void)pthread_mutex_lock(&handover->lock);
    while (handover->wanted != NULL) {
        (void)pthread_cond_wait(&handover->woken, &handover->lock);
    }
    *clock = handover->clock;
    (void)pthread_mutex_unlock(&handover->lock);
    return batch->rows != 0;
}
