#include "wheel.h"

#include <stddef.h>
#include <string.h>

void hg_wheel_init(struct hg_wheel *wheel, int64_t now_ms, struct hg_wheel_link *(*link_of)(void *, uint32_t), void *context) {
    memset(wheel, 0, sizeof *wheel);
    wheel->tick = (uint64_t)now_ms / HG_TICK_MS;
    wheel->link_of = link_of;
    wheel->context = context;
}

void hg_wheel_remove(struct hg_wheel *wheel, uint32_t entry) {
    struct hg_wheel_link *link = wheel->link_of(wheel->context, entry);
    if (link->slot == 0) {
        return;
    }
    if (link->older != 0) {
        wheel->link_of(wheel->context, link->older)->newer = link->newer;
    } else {
        wheel->first[link->slot - 1] = link->newer;
        if (link->newer == 0) {
            wheel->used[(link->slot - 1) / 64] &= ~(UINT64_C(1) << (link->slot - 1) % 64);
        }
    }
    if (link->newer != 0) {
        wheel->link_of(wheel->context, link->newer)->older = link->older;
    }
    *link = (struct hg_wheel_link){0, 0, 0};
    wheel->count -= 1;
}

void hg_wheel_set(struct hg_wheel *wheel, uint32_t entry, uint64_t tick) {
    struct hg_wheel_link *link = wheel->link_of(wheel->context, entry);
    uint32_t slot;
    hg_wheel_remove(wheel, entry);
    if (tick <= wheel->tick) {
        tick = wheel->tick + 1;
    } else if (tick - wheel->tick >= HG_WHEEL) { /* as far as it goes: it will be set again there */
        tick = wheel->tick + HG_WHEEL - 1;
    }
    slot = (uint32_t)(tick % HG_WHEEL);
    *link = (struct hg_wheel_link){0, wheel->first[slot], slot + 1};
    if (link->newer != 0) {
        wheel->link_of(wheel->context, link->newer)->older = entry;
    }
    wheel->first[slot] = entry;
    wheel->next = tick < wheel->next ? tick : wheel->next;
    wheel->used[slot / 64] |= UINT64_C(1) << slot % 64;
    wheel->count += 1;
}

/* Ticks from wheel->tick to the next slot that is not empty, itself included; HG_WHEEL: there is none. */
static uint32_t next_used(const struct hg_wheel *wheel) {
    uint32_t away = 0;
    while (away < HG_WHEEL) {
        const uint32_t slot = (uint32_t)((wheel->tick + away) % HG_WHEEL), bit = slot % 64;
        const uint64_t rest = wheel->used[slot / 64] >> bit;
        if (rest != 0) {
            const uint32_t found = away + (uint32_t)__builtin_ctzll(rest);
            return found < HG_WHEEL ? found : HG_WHEEL;
        }
        away += 64 - bit;
    }
    return HG_WHEEL;
}

/* Looks for wheel->next again if it has become empty. */
static void see_next(struct hg_wheel *wheel) {
    if (wheel->next < wheel->tick || wheel->first[wheel->next % HG_WHEEL] == 0) {
        wheel->next = wheel->tick + (wheel->count == 0 ? HG_WHEEL : next_used(wheel));
    }
}

uint32_t hg_wheel_due(struct hg_wheel *wheel, int64_t now_ms) {
    const uint64_t now = (uint64_t)now_ms / HG_TICK_MS;
    uint32_t entry;
    if (now < wheel->tick) {
        return 0;
    }
    if (now >= wheel->next) {
        see_next(wheel);
    }
    if (now < wheel->next || wheel->count == 0) {
        wheel->tick = now; /* nothing up to now */
        return 0;
    }
    wheel->tick = wheel->next;
    entry = wheel->first[wheel->tick % HG_WHEEL];
    hg_wheel_remove(wheel, entry);
    return entry;
}

int32_t hg_wheel_wait(struct hg_wheel *wheel, int64_t now_ms) {
    int64_t due_ms;
    if (wheel->count == 0) {
        return -1;
    }
    see_next(wheel);
    due_ms = (int64_t)(wheel->next * HG_TICK_MS);
    return due_ms <= now_ms ? 0 : (int32_t)(due_ms - now_ms);
}
