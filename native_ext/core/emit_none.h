/* The writer of an engine that writes nothing. */
#ifndef HEADGATE_EMIT_NONE_H
#define HEADGATE_EMIT_NONE_H

#include "engine_run.h"

#define HG_EMITS 0

HG_INLINE void e_literal(struct hg_run *run, enum hg_token token) { (void)run, (void)token; }
HG_INLINE void e_number(struct hg_run *run, const struct hg_number *number) { (void)run, (void)number; }
HG_INLINE void e_integer(struct hg_run *run, int64_t value) { (void)run, (void)value; }
HG_INLINE void e_fraction(struct hg_run *run, const struct hg_number *number) { (void)run, (void)number; }
HG_INLINE void e_text(struct hg_run *run, const struct hg_text *text, uint32_t encoding) {
    (void)run, (void)text, (void)encoding;
}
HG_INLINE void e_name(struct hg_run *run, uint32_t index, const struct hg_text *name) {
    (void)run, (void)index, (void)name;
}
HG_INLINE void e_known_name(struct hg_run *run, uint32_t index, const struct hg_name *name) {
    (void)run, (void)index, (void)name;
}
HG_INLINE void e_known_text(struct hg_run *run, const struct hg_name *name) { (void)run, (void)name; }
HG_INLINE uint8_t *e_open(struct hg_run *run, bool object) {
    (void)run, (void)object;
    return NULL;
}
HG_INLINE void e_item(struct hg_run *run, uint32_t index) { (void)run, (void)index; }
HG_INLINE void e_close(struct hg_run *run, uint8_t *mark, bool object, uint32_t count) {
    (void)run, (void)mark, (void)object, (void)count;
}
HG_INLINE void e_foreign(struct hg_run *run, const uint8_t *at) { (void)run, (void)at; }

#endif
