/* core/limiter.c: what the Python tests cannot reach. Its rules are in tests/unit/test_limiter.py. */
#include "check.h"

static int64_t wait_ms, left;

static enum hg_status take(struct hg_limiter *limiter, unsigned client, int64_t rate, int64_t burst, int64_t now,
                           int64_t cost) {
    uint8_t key[4] = {(uint8_t)client, (uint8_t)(client >> 8), 0, 1};
    const enum hg_status status = hg_limiter_take(limiter, key, sizeof key, rate, burst, now, cost, &wait_ms, &left);
    check_limiter(limiter);
    return status;
}

static void test_nothing_is_allocated_before_it_is_needed(void) {
    struct heap heap = {0, -1};
    struct hg_alloc alloc = heap_of(&heap);
    struct hg_limiter limiter;
    CHECK(hg_limiter_init(&limiter, &alloc, SEED, HG_LIMITER_CLIENTS_MAX) == HG_OK);
    CHECK(heap.live == 0);
    CHECK(take(&limiter, 1, 1, 1, -1, 1) == HG_BAD_TIME && heap.live == 0);
    hg_limiter_clear(&limiter);
    CHECK(heap.live == 0);
}

static void test_a_cleared_limiter_is_usable(void) {
    struct heap heap = {0, -1};
    struct hg_alloc alloc = heap_of(&heap);
    struct hg_limiter limiter;
    CHECK(hg_limiter_init(&limiter, &alloc, SEED, 100) == HG_OK);
    for (int round = 0; round < 3; round++) {
        for (unsigned client = 0; client < 50; client++) {
            CHECK(take(&limiter, client, 1, 1, 0, 1) == HG_OK && wait_ms == 0);
        }
        CHECK(limiter.table.count == 50 && heap.live == 51);
        hg_limiter_clear(&limiter);
        CHECK(limiter.table.count == 0 && heap.live == 0);
        check_limiter(&limiter);
    }
}

/* Fails each allocation in turn, and every one from there on, while the table grows and evicts. */
static void test_every_failing_allocation_leaves_it_consistent(void) {
    for (long fail_at = 1; fail_at < 200; fail_at++) {
        struct heap heap = {0, fail_at};
        struct hg_alloc alloc = heap_of(&heap);
        struct hg_limiter limiter;
        unsigned refused = 0;
        CHECK(hg_limiter_init(&limiter, &alloc, SEED, 70) == HG_OK);
        for (unsigned client = 0; client < 100; client++) {
            const uint32_t before = limiter.table.count;
            const uint64_t evicted = limiter.evicted;
            const enum hg_status status = take(&limiter, client, 1000, 5, client, 1);
            if (status == HG_NO_MEMORY) {
                refused++;
                CHECK(limiter.table.count == before && limiter.evicted == evicted);
                CHECK(take(&limiter, client, 1000, 5, client, 1) == HG_OK);
            } else {
                CHECK(status == HG_OK);
            }
            CHECK(wait_ms == 0 && left == 4);
        }
        CHECK(refused <= 1 && limiter.table.count == 70);
        hg_limiter_clear(&limiter);
        CHECK(heap.live == 0);
    }
}

/* When the table cannot grow it goes on with longer chains, and grows later. */
static void test_growing_may_fail(void) {
    struct heap heap = {0, -1};
    struct hg_alloc alloc = heap_of(&heap);
    struct hg_limiter limiter;
    CHECK(hg_limiter_init(&limiter, &alloc, SEED, 1000) == HG_OK);
    for (unsigned client = 0; client < 16; client++) {
        CHECK(take(&limiter, client, 1, 1, 0, 1) == HG_OK);
    }
    CHECK(limiter.table.size == 16);
    heap.fail_at = 2; /* the bucket comes first, then the larger table */
    CHECK(take(&limiter, 16, 1, 1, 0, 1) == HG_OK);
    CHECK(limiter.table.size == 16 && limiter.table.count == 17);
    CHECK(take(&limiter, 17, 1, 1, 0, 1) == HG_OK);
    CHECK(limiter.table.size == 32 && limiter.table.count == 18);
    hg_limiter_clear(&limiter);
    CHECK(heap.live == 0);
}

static void test_extreme_arguments(void) {
    static const int64_t extremes[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1, 2, INT32_MAX, HG_LIMITER_RATE,
                                       HG_LIMITER_BURST, HG_TIME_MS, HG_TIME_MS + 1, INT64_MAX - 1, INT64_MAX};
    enum { COUNT = sizeof extremes / sizeof extremes[0] };
    struct heap heap = {0, -1};
    struct hg_alloc alloc = heap_of(&heap);
    struct hg_limiter limiter;
    CHECK(hg_limiter_init(&limiter, &alloc, SEED, 2) == HG_OK);
    for (unsigned i = 0; i < COUNT * COUNT * COUNT * COUNT; i++) {
        const int64_t rate = extremes[i % COUNT], burst = extremes[i / COUNT % COUNT],
                      now = extremes[i / COUNT / COUNT % COUNT], cost = extremes[i / COUNT / COUNT / COUNT];
        const bool valid = rate >= 1 && rate <= HG_LIMITER_RATE && burst >= 1 && burst <= HG_LIMITER_BURST &&
                           now >= 0 && now <= HG_TIME_MS && cost >= 0 && cost <= burst;
        CHECK((take(&limiter, i % 3, rate, burst, now, cost) == HG_OK) == valid);
        CHECK(!valid || (wait_ms >= 0 && left >= 0 && left <= burst));
    }
    static const uint8_t longest[HG_LIMITER_KEY + 1] = {0};
    CHECK(hg_limiter_take(&limiter, longest, HG_LIMITER_KEY, 1, 1, 0, 1, &wait_ms, &left) == HG_OK);
    CHECK(hg_limiter_take(&limiter, longest, HG_LIMITER_KEY + 1, 1, 1, 0, 1, &wait_ms, &left) == HG_BAD_KEY);
    CHECK(hg_limiter_take(&limiter, longest, SIZE_MAX, 1, 1, 0, 1, &wait_ms, &left) == HG_BAD_KEY);
    CHECK(hg_limiter_init(&limiter, &alloc, SEED, 0) == HG_BAD_CAPACITY);
    CHECK(hg_limiter_init(&limiter, &alloc, SEED, HG_LIMITER_CLIENTS_MAX + 1) == HG_BAD_CAPACITY);
    hg_limiter_clear(&limiter);
    CHECK(heap.live == 0);
}

static void test_every_status_has_words(void) {
    CHECK(strcmp(hg_status_text(HG_OK), "") == 0);
    for (int status = HG_NO_MEMORY; status <= HG_BAD_TTL; status++) {
        CHECK(strlen(hg_status_text((enum hg_status)status)) > 10);
        CHECK(strcmp(hg_status_text((enum hg_status)status), "unknown status") != 0);
    }
    CHECK(strcmp(hg_status_text((enum hg_status)99), "unknown status") == 0);
}

int main(void) {
    test_nothing_is_allocated_before_it_is_needed();
    test_a_cleared_limiter_is_usable();
    test_every_failing_allocation_leaves_it_consistent();
    test_growing_may_fail();
    test_extreme_arguments();
    test_every_status_has_words();
    return 0;
}
