/* core/store.c: what the Python tests cannot reach. Its rules are in tests/unit/test_store.py. */
#include "check.h"

static uint64_t version;
static struct hg_found found;

static enum hg_status put(struct hg_store *store, unsigned key, char fill, size_t length, int64_t ttl_ms, int64_t now) {
    uint8_t name[2] = {(uint8_t)key, (uint8_t)(key >> 8)}, value[1000];
    CHECK(length <= sizeof value);
    memset(value, fill, length);
    const enum hg_status status =
        hg_store_put(store, name, sizeof name, value, length, (const uint8_t *)"meta", 4, ttl_ms, now, &version);
    check_store(store);
    return status;
}

static bool get(struct hg_store *store, unsigned key, int64_t now) {
    uint8_t name[2] = {(uint8_t)key, (uint8_t)(key >> 8)};
    bool hit;
    CHECK(hg_store_get(store, name, sizeof name, now, &hit, &found) == HG_OK);
    check_store(store);
    return hit;
}

static bool holds(struct hg_store *store, unsigned key, char fill, size_t length) {
    if (!get(store, key, 0) || found.value_length != length || found.meta_length != 4 ||
        memcmp(found.meta, "meta", 4) != 0) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (found.value[i] != (uint8_t)fill) {
            return false;
        }
    }
    return true;
}

static void test_clearing_frees_everything(void) {
    struct heap heap = {0, -1};
    struct hg_alloc alloc = heap_of(&heap);
    struct hg_store store;
    CHECK(hg_store_init(&store, &alloc, SEED, 100000, 1000, 1000) == HG_OK && heap.live == 0);
    for (int round = 0; round < 3; round++) {
        for (unsigned key = 0; key < 100; key++) {
            CHECK(put(&store, key, 'x', key, 0, 0) == HG_OK && version == (unsigned)round * 100 + key + 1);
        }
        CHECK(heap.live == 101);
        hg_store_clear(&store);
        CHECK(heap.live == 0 && store.bytes == 0);
        check_store(&store);
    }
}

static void test_equal_size_needs_no_memory(void) {
    struct heap heap = {0, -1};
    struct hg_alloc alloc = heap_of(&heap);
    struct hg_store store;
    CHECK(hg_store_init(&store, &alloc, SEED, 1000, 1000, 10) == HG_OK);
    CHECK(put(&store, 1, 'a', 20, 0, 0) == HG_OK);
    heap.fail_at = 1;
    CHECK(put(&store, 1, 'b', 20, 0, 0) == HG_OK && holds(&store, 1, 'b', 20));
    CHECK(put(&store, 1, 'c', 21, 0, 0) == HG_NO_MEMORY && holds(&store, 1, 'b', 20));
    hg_store_clear(&store);
    CHECK(heap.live == 0);
}

/* Fails each allocation in turn while entries come in, grow, shrink and are evicted. */
static void test_every_failing_allocation_leaves_it_consistent(void) {
    for (long fail_at = 1; fail_at < 400; fail_at++) {
        struct heap heap = {0, fail_at};
        struct hg_alloc alloc = heap_of(&heap);
        struct hg_store store;
        unsigned refused = 0;
        CHECK(hg_store_init(&store, &alloc, SEED, 6000, 500, 40) == HG_OK);
        for (unsigned step = 0; step < 300; step++) {
            const unsigned key = step * 7 % 60;
            const size_t length = step * 13 % 300;
            const uint64_t bytes = store.bytes, evictions = store.evictions, before = store.version;
            const uint32_t count = store.table.count;
            if (put(&store, key, 'v', length, 0, 0) == HG_NO_MEMORY) {
                refused++;
                CHECK(version == 0 && store.version == before && store.bytes == bytes);
                CHECK(store.evictions == evictions && store.table.count == count);
                CHECK(put(&store, key, 'v', length, 0, 0) == HG_OK);
            }
            CHECK(version == before + 1 && holds(&store, key, 'v', length));
        }
        CHECK(refused <= 1 && store.evictions > 0);
        hg_store_clear(&store);
        CHECK(heap.live == 0);
    }
}

static void test_no_memory_may_still_drop_what_expired(void) {
    struct heap heap = {0, -1};
    struct hg_alloc alloc = heap_of(&heap);
    struct hg_store store;
    CHECK(hg_store_init(&store, &alloc, SEED, 1000, 1000, 10) == HG_OK);
    CHECK(put(&store, 1, 'a', 20, 5, 0) == HG_OK);
    heap.fail_at = 1;
    CHECK(put(&store, 1, 'b', 20, 5, 5) == HG_NO_MEMORY);
    CHECK(store.table.count == 0 && store.expirations == 1 && store.bytes == 0);
    hg_store_clear(&store);
    CHECK(heap.live == 0);
}

/* The hand rests on the entry that is replaced, deleted, or next to go; the walk in check_store looks at it each time. */
static void test_the_hand_is_never_left_behind(void) {
    struct heap heap = {0, -1};
    struct hg_alloc alloc = heap_of(&heap);
    struct hg_store store;
    bool deleted;
    CHECK(hg_store_init(&store, &alloc, SEED, 100000, 1000, 3) == HG_OK);
    for (unsigned key = 0; key < 3; key++) {
        CHECK(put(&store, key, 'a', 1, 0, 0) == HG_OK);
    }
    CHECK(get(&store, 0, 0) && get(&store, 1, 0) && !get(&store, 9, 0));
    CHECK(put(&store, 3, 'a', 1, 7, 0) == HG_OK); /* 0 and 1 lose their marks, 2 goes, the hand rests at 3 */
    CHECK(get(&store, 0, 0) && get(&store, 1, 0) && !get(&store, 2, 0) && store.evictions == 1);
    CHECK(put(&store, 3, 'b', 2, 7, 0) == HG_OK && holds(&store, 3, 'b', 2)); /* another block, under the hand */
    CHECK(put(&store, 4, 'a', 1, 0, 7) == HG_OK && store.expirations == 1 && store.evictions == 1);
    CHECK(hg_store_delete(&store, (const uint8_t *)"\4\0", 2, 7, &deleted) == HG_OK && deleted);
    check_store(&store);
    CHECK(hg_store_delete(&store, (const uint8_t *)"\4\0", 2, 7, &deleted) == HG_OK && !deleted);
    CHECK(store.table.count == 2 && store.hits == 5 && store.misses == 2);
    hg_store_clear(&store);
    CHECK(heap.live == 0);
}

/* The entry that comes next is replaced by another block, evicted, expires; new ones come meanwhile. */
static void test_a_scan_survives_what_happens(void) {
    struct heap heap = {0, -1};
    struct hg_alloc alloc = heap_of(&heap);
    struct hg_store store;
    bool more, deleted;
    CHECK(hg_store_init(&store, &alloc, SEED, 100000, 1000, 4) == HG_OK);
    CHECK(hg_store_scan(&store, true, 0, &more, &found) == HG_OK && !more);
    for (unsigned key = 0; key < 4; key++) {
        CHECK(put(&store, key, (char)('a' + key), key, key == 2 ? 5 : 0, 0) == HG_OK);
    }
    CHECK(hg_store_scan(&store, true, 0, &more, &found) == HG_OK && more);
    CHECK(found.key[0] == 0 && found.key_length == 2 && found.value_length == 0 && found.meta_length == 4);
    CHECK(put(&store, 1, 'x', 100, 0, 0) == HG_OK); /* another block */
    CHECK(hg_store_scan(&store, false, 0, &more, &found) == HG_OK && more);
    CHECK(found.key[0] == 1 && found.value_length == 100 && found.value[99] == 'x' && found.version == 5);
    CHECK(put(&store, 4, 'e', 1, 0, 0) == HG_OK); /* 0 is evicted */
    CHECK(hg_store_scan(&store, false, 5, &more, &found) == HG_OK && more && store.expirations == 1);
    CHECK(found.key[0] == 3 && found.ttl_ms == 0);
    CHECK(hg_store_delete(&store, (const uint8_t *)"\4\0", 2, 5, &deleted) == HG_OK && deleted);
    check_store(&store);
    CHECK(hg_store_scan(&store, false, 5, &more, &found) == HG_OK && !more);
    CHECK(put(&store, 5, 'f', 1, 0, 5) == HG_OK);
    CHECK(hg_store_scan(&store, false, 5, &more, &found) == HG_OK && !more); /* through is through */
    CHECK(hg_store_scan(&store, true, 5, &more, &found) == HG_OK && more && found.key[0] == 1);
    CHECK(hg_store_scan(&store, true, -1, &more, &found) == HG_BAD_TIME);
    CHECK(store.hits == 0 && store.misses == 0);
    hg_store_clear(&store);
    check_store(&store);
    CHECK(heap.live == 0);
}

static void test_extreme_arguments(void) {
    struct heap heap = {0, -1};
    struct hg_alloc alloc = heap_of(&heap);
    struct hg_store store;
    const uint8_t byte[1] = {0};
    bool flag;
    CHECK(hg_store_init(&store, &alloc, SEED, -1, 1, 1) == HG_BAD_MAX_BYTES);
    CHECK(hg_store_init(&store, &alloc, SEED, INT64_MAX, 1, 1) == HG_BAD_MAX_BYTES);
    CHECK(hg_store_init(&store, &alloc, SEED, 1, 0, 1) == HG_BAD_MAX_VALUE);
    CHECK(hg_store_init(&store, &alloc, SEED, 1, INT64_MAX, 1) == HG_BAD_MAX_VALUE);
    CHECK(hg_store_init(&store, &alloc, SEED, 1, 1, INT64_MIN) == HG_BAD_MAX_ENTRIES);
    CHECK(hg_store_init(&store, &alloc, SEED, HG_CACHE_BYTES_MAX, HG_CACHE_VALUE_MAX, HG_CACHE_ENTRIES_MAX) == HG_OK);
    /* Lengths that would wrap if they were added up before they are checked; the data is never looked at. */
    const size_t most = SIZE_MAX;
    CHECK(hg_store_put(&store, byte, most, byte, most, byte, most, 0, 0, &version) == HG_OK && version == 0);
    CHECK(hg_store_put(&store, byte, 1, byte, SIZE_MAX - 64, byte, 1, 0, 0, &version) == HG_OK && version == 0);
    CHECK(hg_store_put(&store, byte, 1, byte, 1, byte, SIZE_MAX, 0, 0, &version) == HG_OK && version == 0);
    CHECK(hg_store_put(&store, byte, SIZE_MAX, byte, 1, byte, 1, 0, 0, &version) == HG_OK && version == 0);
    CHECK(hg_store_get(&store, byte, SIZE_MAX, 0, &flag, &found) == HG_OK && !flag);
    CHECK(hg_store_delete(&store, byte, SIZE_MAX, 0, &flag) == HG_OK && !flag);
    for (int64_t now = -2; now < 0; now++) {
        CHECK(hg_store_put(&store, byte, 1, byte, 1, byte, 1, 0, now, &version) == HG_BAD_TIME);
        CHECK(hg_store_get(&store, byte, 1, now, &flag, &found) == HG_BAD_TIME);
        CHECK(hg_store_delete(&store, byte, 1, now, &flag) == HG_BAD_TIME);
        CHECK(hg_store_put(&store, byte, 1, byte, 1, byte, 1, now, 0, &version) == HG_BAD_TTL);
    }
    CHECK(hg_store_get(&store, byte, 1, INT64_MAX, &flag, &found) == HG_BAD_TIME);
    CHECK(put(&store, 1, 'x', 3, HG_CACHE_TTL_MS, HG_TIME_MS) == HG_OK && version == 1);
    CHECK(get(&store, 1, HG_TIME_MS) && found.ttl_ms == HG_CACHE_TTL_MS);
    hg_store_clear(&store);
    CHECK(heap.live == 0);
}

static bool peek(struct hg_store *store, unsigned key, int64_t now) {
    uint8_t name[2] = {(uint8_t)key, (uint8_t)(key >> 8)};
    bool hit;
    CHECK(hg_store_peek(store, name, sizeof name, now, &hit, &found) == HG_OK);
    check_store(store);
    return hit;
}

static void test_dropping_keeps_what_is_newer_and_what_is_walked(void) {
    static const uint8_t prefix[2] = {3, 0};
    struct heap heap = {0, -1};
    struct hg_alloc alloc = heap_of(&heap);
    struct hg_store store;
    bool more;
    CHECK(hg_store_init(&store, &alloc, SEED, 100000, 1000, 1000) == HG_OK);
    for (unsigned key = 0; key < 8; key++) {
        CHECK(put(&store, key, 'x', key, 0, 0) == HG_OK);
    }
    CHECK(hg_store_scan(&store, true, 0, &more, &found) == HG_OK && more);
    CHECK(hg_store_drop(&store, prefix, 2, 3) == 0 && hg_store_drop(&store, prefix, 2, 4) == 1);
    check_store(&store);
    CHECK(!peek(&store, 3, 0) && peek(&store, 2, 0) && store.hits == 0 && store.misses == 0);
    CHECK(hg_store_drop(&store, prefix, 3, UINT64_MAX) == 0); /* no key is so long */
    CHECK(hg_store_drop(&store, prefix, 0, 5) == 4);
    check_store(&store);
    CHECK(hg_store_scan(&store, false, 0, &more, &found) == HG_OK && more && found.version == 6);
    CHECK(hg_store_drop(&store, prefix, 0, UINT64_MAX) == 3 && store.bytes == 0 && store.evictions == 0);
    check_store(&store);
    hg_store_clear(&store);
    CHECK(heap.live == 0);
}

int main(void) {
    test_clearing_frees_everything();
    test_equal_size_needs_no_memory();
    test_every_failing_allocation_leaves_it_consistent();
    test_no_memory_may_still_drop_what_expired();
    test_the_hand_is_never_left_behind();
    test_a_scan_survives_what_happens();
    test_dropping_keeps_what_is_newer_and_what_is_walked();
    test_extreme_arguments();
    return 0;
}
