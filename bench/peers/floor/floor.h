/* The least that any server can cost: one epoll loop, without timers, limits or fairness. What answers is fixed.c or core.c. */
#ifndef HEADGATE_BENCH_FLOOR_H
#define HEADGATE_BENCH_FLOOR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/output.h"

/* Read once, from the environment. */
void floor_prepare(void);
/* Before the events of one epoll_wait, and after them. */
void floor_turn(void);
void floor_turned(void);
/* The requests that are complete in data[0..length) -> the bytes they take; their answers go to *output. data[length] may be
 * written. *ends: the connection does. */
uint32_t floor_serve(uint8_t *data, uint32_t length, struct hg_output *output, bool *ends);

extern const struct hg_alloc floor_memory;
void floor_die(const char *what);

#endif
