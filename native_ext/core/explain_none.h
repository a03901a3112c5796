/* The teller of an engine that stops at the first violation: says nothing. */
#ifndef HEADGATE_EXPLAIN_NONE_H
#define HEADGATE_EXPLAIN_NONE_H

#include "engine_run.h"

#define HG_EXPLAINS 0

HG_INLINE uint32_t x_name(struct hg_run *run, const struct hg_text *name) {
    (void)run, (void)name;
    return 0;
}
HG_INLINE uint32_t x_index(struct hg_run *run, uint32_t index) {
    (void)run, (void)index;
    return 0;
}
HG_INLINE void x_leave(struct hg_run *run, uint32_t length) { (void)run, (void)length; }
HG_INLINE uint32_t x_into(struct hg_run *run, const struct hg_node *node, enum hg_keyword keyword, hg_ref ref) {
    (void)run, (void)node, (void)keyword, (void)ref;
    return 0;
}
HG_INLINE void x_out(struct hg_run *run, uint32_t length) { (void)run, (void)length; }
HG_INLINE void x_violation(struct hg_run *run, const struct hg_node *node, enum hg_keyword keyword, const uint8_t *at,
                           uint32_t detail, const struct hg_text *name) {
    (void)run, (void)node, (void)keyword, (void)at, (void)detail, (void)name;
}

#endif
