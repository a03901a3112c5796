/* Invariant: for any calls, with any allocation failing, a hit returns exactly what was last put and is still alive,
 * bytes and entries stay in their budget, versions only grow, the structure stays consistent, all memory comes back; a scan
 * finds what a hit would. */
#include "../../tests/c/check.h"
#include "input.h"

enum { KEYS = 16, LONGEST = 512 };

/* What was last stored under each key; an evicted entry may be missing from the store, never from here. */
struct last {
    uint64_t version; /* 0 = deleted, or never there */
    int64_t expires_ms;
    size_t value_length, meta_length;
    uint8_t fill;
};

static void check_hit(const struct last *last, const struct hg_found *found, int64_t now) {
    CHECK(last->version != 0 && found->version == last->version);
    CHECK(found->value_length == last->value_length && found->meta_length == last->meta_length);
    CHECK(last->expires_ms == 0 || now < last->expires_ms);
    CHECK(found->ttl_ms == (last->expires_ms == 0 ? 0 : last->expires_ms - now));
    for (size_t i = 0; i < found->value_length; i++) {
        CHECK(found->value[i] == last->fill);
    }
    for (size_t i = 0; i < found->meta_length; i++) {
        CHECK((found->meta[i] ^ last->fill) == 0xff);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, size};
    struct heap heap = {0, -1};
    struct hg_alloc alloc = heap_of(&heap);
    struct hg_store store;
    struct last lasts[KEYS] = {{0}};
    uint64_t newest = 0;
    const int64_t max_bytes = 1 + take_byte(&input) * 16, max_value = 1 + take_byte(&input) * 2,
                  max_entries = 1 + take_byte(&input) % KEYS;
    CHECK(hg_store_init(&store, &alloc, SEED, max_bytes, max_value, max_entries) == HG_OK);
    while (input.left > 0) {
        const uint8_t what = take_byte(&input), which = take_byte(&input);
        const uint8_t key[KEYS] = {0}; /* the number of the key is its length: prefixes of each other */
        const size_t key_length = which % KEYS;
        struct last *last = &lasts[key_length];
        const int64_t now = take_number(&input);
        const bool valid = now >= 0 && now <= HG_TIME_MS;
        const uint32_t before = store.table.count;
        heap.fail_at = what >= 240 ? what - 239 : -1;
        if (what % 16 == 15) {
            struct hg_found found;
            bool more = false;
            CHECK((hg_store_scan(&store, which % 4 == 0, now, &more, &found) == HG_OK) == valid);
            if (more) {
                check_hit(&lasts[found.key_length], &found, now);
            }
        } else if (what % 8 < 3) {
            struct hg_found found;
            bool hit = false;
            const uint64_t hits = store.hits;
            enum hg_status status = hg_store_peek(&store, key, key_length, now, &hit, &found);
            CHECK((status == HG_OK) == valid && store.hits == hits);
            if (hit) {
                check_hit(last, &found, now);
            }
            status = hg_store_get(&store, key, key_length, now, &hit, &found);
            CHECK((status == HG_OK) == valid && store.hits == hits + hit);
            if (hit) {
                check_hit(last, &found, now);
            }
        } else if (what % 8 < 7) {
            uint8_t value[LONGEST], meta[LONGEST];
            struct last next = {0, 0, (size_t)take_byte(&input) * 2, which / KEYS, take_byte(&input)};
            const int64_t ttl_ms = take_number(&input);
            uint64_t version = 0;
            memset(value, next.fill, next.value_length);
            memset(meta, ~next.fill, next.meta_length);
            const enum hg_status status = hg_store_put(&store, key, key_length, value, next.value_length, meta,
                                                       next.meta_length, ttl_ms, now, &version);
            CHECK((status == HG_OK || status == HG_NO_MEMORY) == (valid && ttl_ms >= 0 && ttl_ms <= HG_CACHE_TTL_MS));
            CHECK(status != HG_NO_MEMORY || (what >= 240 && version == 0 && store.table.count + 1 >= before));
            if (version != 0) {
                struct hg_found found;
                bool hit;
                CHECK(version > newest);
                next.version = newest = version;
                next.expires_ms = ttl_ms != 0 ? now + ttl_ms : 0;
                *last = next;
                CHECK(hg_store_get(&store, key, key_length, now, &hit, &found) == HG_OK && hit);
                check_hit(last, &found, now);
            } else if (status == HG_OK) {
                CHECK(next.value_length > (size_t)max_value || key_length + next.value_length + next.meta_length +
                                                                       HG_ENTRY_OVERHEAD > (uint64_t)max_bytes);
            }
        } else if (which / KEYS % 4 == 0) {
            const uint64_t version = take_byte(&input);
            const uint64_t dropped = hg_store_drop(&store, key, key_length, version);
            CHECK(dropped <= before && store.table.count == before - dropped);
            for (size_t i = key_length; i < KEYS; i++) { /* the longer ones begin so */
                lasts[i].version = lasts[i].version <= version ? 0 : lasts[i].version;
            }
        } else {
            bool deleted = false;
            CHECK((hg_store_delete(&store, key, key_length, now, &deleted) == HG_OK) == valid);
            CHECK(!deleted || last->version != 0);
            if (valid) {
                last->version = 0;
            }
        }
        check_store(&store);
    }
    hg_store_clear(&store);
    CHECK(heap.live == 0);
    return 0;
}
