/* core/wheel.c against a list of deadlines: no entry comes early (its owner would not let it), none later than one tick,
 * whatever time does; the links hold after every step. */
#include "check.h"
#include "core/wheel.h"

enum { ENTRIES = 200, LATE_MS = HG_TICK_MS };

struct owner {
    struct hg_wheel_link links[ENTRIES + 1];
    int64_t deadline_ms[ENTRIES + 1]; /* -1: none */
    int64_t late_from_ms[ENTRIES + 1]; /* when it has to have come */
};

static struct hg_wheel_link *link_of(void *context, uint32_t entry) {
    CHECK(entry >= 1 && entry <= ENTRIES);
    return &((struct owner *)context)->links[entry];
}

static uint32_t random_below(uint32_t *state, uint32_t bound) { /* Lehmer's generator */
    *state = (uint32_t)((uint64_t)*state * 48271 % 2147483647);
    return *state % bound;
}

static void check_wheel(const struct hg_wheel *wheel, const struct owner *owner) {
    uint32_t count = 0, in_use = 0;
    for (uint32_t slot = 0; slot < HG_WHEEL; slot++) {
        uint32_t older = 0;
        CHECK(((wheel->used[slot / 64] >> slot % 64 & 1) != 0) == (wheel->first[slot] != 0));
        for (uint32_t entry = wheel->first[slot]; entry != 0; entry = owner->links[entry].newer) {
            CHECK(owner->links[entry].slot == slot + 1 && owner->links[entry].older == older);
            CHECK(owner->deadline_ms[entry] >= 0);
            older = entry;
            count += 1;
            CHECK(count <= wheel->count);
        }
    }
    for (uint32_t entry = 1; entry <= ENTRIES; entry++) {
        CHECK((owner->links[entry].slot != 0) == (owner->deadline_ms[entry] >= 0));
        in_use += owner->deadline_ms[entry] >= 0;
    }
    CHECK(count == wheel->count && count == in_use);
    for (uint64_t tick = wheel->tick; tick < wheel->next && tick < wheel->tick + HG_WHEEL; tick++) {
        CHECK(wheel->first[tick % HG_WHEEL] == 0);
    }
}

static void set(struct hg_wheel *wheel, struct owner *owner, uint32_t entry, int64_t deadline_ms, int64_t now_ms) {
    owner->deadline_ms[entry] = deadline_ms;
    owner->late_from_ms[entry] = (deadline_ms > now_ms ? deadline_ms : now_ms) + LATE_MS;
    hg_wheel_set(wheel, entry, hg_tick_of(deadline_ms));
}

/* All that comes now: those whose deadline has moved are set again, as their owner does. -> how many had expired. */
static uint32_t drain(struct hg_wheel *wheel, struct owner *owner, int64_t now_ms) {
    uint32_t entry, expired = 0, turns = 0;
    while ((entry = hg_wheel_due(wheel, now_ms)) != 0) {
        CHECK(owner->links[entry].slot == 0 && owner->deadline_ms[entry] >= 0);
        CHECK(++turns < 100 * ENTRIES);
        if (owner->deadline_ms[entry] > now_ms) {
            hg_wheel_set(wheel, entry, hg_tick_of(owner->deadline_ms[entry]));
        } else {
            owner->deadline_ms[entry] = -1;
            expired += 1;
        }
    }
    for (entry = 1; entry <= ENTRIES; entry++) {
        CHECK(owner->deadline_ms[entry] < 0 || now_ms < owner->late_from_ms[entry]);
    }
    check_wheel(wheel, owner);
    return expired;
}

/* Before the time it names nothing comes, then something does. On copies: the wheel itself is not moved. */
static void check_wait(struct hg_wheel *wheel, const struct owner *owner, int64_t now_ms) {
    static struct hg_wheel copy;
    static struct owner other;
    const int32_t wait_ms = hg_wheel_wait(wheel, now_ms);
    CHECK((wait_ms < 0) == (wheel->count == 0) && wait_ms <= HG_WHEEL * HG_TICK_MS);
    for (int32_t less = 0; less < 2 && wait_ms >= less; less++) {
        copy = *wheel;
        other = *owner;
        copy.context = &other;
        CHECK((hg_wheel_due(&copy, now_ms + wait_ms - less) != 0) == (less == 0));
    }
}

static void run(uint32_t seed, int64_t start_ms, uint32_t steps) {
    static struct hg_wheel wheel;
    static struct owner owner;
    static const uint32_t leaps_ms[] = {1, 5, 64, 1000, 30000, 66000, 200000, 4000000};
    static const uint32_t spans_ms[] = {1, 64, 200, 5000, 65000, 66000, 600000, 90000000};
    uint32_t state = seed, expired = 0;
    int64_t now_ms = start_ms;
    owner = (struct owner){0};
    for (uint32_t entry = 0; entry <= ENTRIES; entry++) {
        owner.deadline_ms[entry] = -1;
    }
    hg_wheel_init(&wheel, now_ms, link_of, &owner);
    CHECK(hg_wheel_due(&wheel, now_ms) == 0 && hg_wheel_wait(&wheel, now_ms) == -1);
    for (uint32_t step = 0; step < steps; step++) {
        const uint32_t entry = 1 + random_below(&state, ENTRIES), what = random_below(&state, 16);
        if (what < 9) { /* a new deadline, sometimes one that has passed */
            const int64_t at = now_ms + random_below(&state, spans_ms[random_below(&state, 8)]) - (what == 0 ? 500 : 0);
            set(&wheel, &owner, entry, at < 0 ? 0 : at, now_ms);
        } else if (what < 12) { /* moved forth, which is only noted */
            if (owner.deadline_ms[entry] >= 0) {
                owner.deadline_ms[entry] += random_below(&state, 100000);
                owner.late_from_ms[entry] = (owner.deadline_ms[entry] > now_ms ? owner.deadline_ms[entry] : now_ms) + LATE_MS;
            }
        } else if (what == 12) {
            owner.deadline_ms[entry] = -1;
            hg_wheel_remove(&wheel, entry);
            hg_wheel_remove(&wheel, entry); /* in none: nothing happens */
        } else {
            now_ms += random_below(&state, leaps_ms[random_below(&state, what == 15 ? 8 : 4)]);
            if (what != 13) { /* sometimes time goes on and nobody looks */
                expired += drain(&wheel, &owner, now_ms);
            }
        }
        check_wheel(&wheel, &owner);
        check_wait(&wheel, &owner, now_ms);
    }
    now_ms += 90000000 + 100000 * (int64_t)steps;
    CHECK(drain(&wheel, &owner, now_ms) + expired > 0 && wheel.count == 0);
}

/* Each distance from the wheel's own tick, from each place of the wheel. */
static void test_every_distance(void) {
    static struct hg_wheel wheel;
    static struct owner owner;
    for (uint32_t start = 0; start < 2 * HG_WHEEL; start += 61) {
        for (uint32_t away = 0; away < 2 * HG_WHEEL + 3; away += away < 130 ? 1 : 31) {
            int64_t now_ms = (int64_t)start * HG_TICK_MS;
            owner = (struct owner){0};
            hg_wheel_init(&wheel, now_ms, link_of, &owner);
            memset(owner.deadline_ms, 0xFF, sizeof owner.deadline_ms);
            set(&wheel, &owner, 1, now_ms + (int64_t)away * HG_TICK_MS, now_ms);
            while (owner.deadline_ms[1] >= 0) {
                const int32_t wait_ms = hg_wheel_wait(&wheel, now_ms);
                CHECK(wait_ms > 0);
                CHECK(drain(&wheel, &owner, now_ms + wait_ms - 1) == 0);
                now_ms += wait_ms;
                (void)drain(&wheel, &owner, now_ms);
            }
            CHECK(now_ms == (int64_t)(start + (away == 0 ? 1 : away)) * HG_TICK_MS);
        }
    }
}

static void test_time_that_goes_back(void) {
    static struct hg_wheel wheel;
    static struct owner owner;
    memset(owner.deadline_ms, 0xFF, sizeof owner.deadline_ms);
    hg_wheel_init(&wheel, 10000000, link_of, &owner);
    set(&wheel, &owner, 1, 10000100, 10000000);
    CHECK(drain(&wheel, &owner, 10000000) == 0 && drain(&wheel, &owner, 9990000) == 0 && drain(&wheel, &owner, 0) == 0);
    CHECK(hg_wheel_wait(&wheel, 9990000) > 10000 && drain(&wheel, &owner, 10000164) == 1);
}

static void test_ticks_are_rounded_up(void) {
    CHECK(hg_tick_of(0) == 0 && hg_tick_of(1) == 1 && hg_tick_of(HG_TICK_MS) == 1 && hg_tick_of(HG_TICK_MS + 1) == 2);
}

int main(void) {
    static const int64_t starts_ms[] = {0, 1, 63, 64, 65535, 65536, 123456789, INT64_C(4398046511104), HG_TIME_MS};
    for (uint32_t i = 0; i < sizeof starts_ms / sizeof starts_ms[0]; i++) {
        run(i + 1, starts_ms[i], 3000);
    }
    test_ticks_are_rounded_up();
    test_every_distance();
    test_time_that_goes_back();
    return 0;
}
