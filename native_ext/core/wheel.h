/* Deadlines by the thousand: a hashed timer wheel (Varghese and Lauck, 1987). An entry stands in the slot of the tick it was set
 * for; a later deadline is only noted by its owner, who sets it again when the wheel comes by. So moving a deadline forth costs
 * nothing. Entries are numbers from 1 on, linked by arrays of the owner's. */
#ifndef HEADGATE_WHEEL_H
#define HEADGATE_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#define HG_TICK_MS 64
#define HG_WHEEL 1024 /* slots: 65 s; what is further away comes by more than once */

struct hg_wheel_link {
    uint32_t older, newer; /* 0: none */
    uint32_t slot;         /* 1 + index; 0: in none */
};

struct hg_wheel {
    uint32_t first[HG_WHEEL];
    uint64_t used[HG_WHEEL / 64]; /* bit: the slot is not empty */
    uint64_t tick;                /* slots before it have been looked at */
    uint64_t next;                /* ... and those before this one are empty */
    uint32_t count;
    struct hg_wheel_link *(*link_of)(void *context, uint32_t entry);
    void *context;
};

void hg_wheel_init(struct hg_wheel *wheel, int64_t now_ms, struct hg_wheel_link *(*link_of)(void *, uint32_t), void *context);
static inline uint64_t hg_tick_of(int64_t at_ms) { return ((uint64_t)at_ms + HG_TICK_MS - 1) / HG_TICK_MS; }
/* The tick that a slot (hg_wheel_link.slot) with an entry stands for. */
static inline uint64_t hg_wheel_slot_tick(const struct hg_wheel *wheel, uint32_t slot) {
    return wheel->tick + (slot - 1 + HG_WHEEL - wheel->tick % HG_WHEEL) % HG_WHEEL;
}
/* Moves the entry to the slot of this tick (at the earliest the next one). */
void hg_wheel_set(struct hg_wheel *wheel, uint32_t entry, uint64_t tick);
void hg_wheel_remove(struct hg_wheel *wheel, uint32_t entry);
/* The next entry that stands in a slot up to now, taken out of it; 0: none is left. */
uint32_t hg_wheel_due(struct hg_wheel *wheel, int64_t now_ms);
/* ms until there may be one; -1: never. */
int32_t hg_wheel_wait(struct hg_wheel *wheel, int64_t now_ms);

#endif
