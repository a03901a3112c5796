/* The short way of a batch to the outbox's thread: from hg_server_wait, without the event loop. Only while the event loop has ordered
 * it so, and only to a thread that waits for one. All functions may be called without the interpreter's lock. */
#ifndef HEADGATE_HANDOVER_H
#define HEADGATE_HANDOVER_H

#include "core/server.h"

struct hg_handover;

struct hg_handover *hg_handover_new(void); /* NULL: no memory */
void hg_handover_free(struct hg_handover *handover); /* or NULL; nobody waits */

/* -> its number. */
uint64_t hg_handover_order(struct hg_handover *handover);
/* No order holds any more, and whoever waits gets nothing. -> batches handed over since the beginning */
uint64_t hg_handover_recall(struct hg_handover *handover);

/* By the intake's thread: a batch goes to who waits, if somebody does. */
void hg_handover_hand(struct hg_handover *handover, struct hg_intake *intake, const struct hg_server_limits *limits,
                      const struct hg_clock *clock);
/* By one other thread: it wants the empty *batch filled, if the order holds; ... */
void hg_handover_want(struct hg_handover *handover, uint64_t order, struct hg_batch *batch);
/* ... and waits for that, and what time it is then. false: the order was recalled. */
bool hg_handover_wait(struct hg_handover *handover, const struct hg_batch *batch, struct hg_clock *clock);

#endif
