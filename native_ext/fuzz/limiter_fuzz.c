/* Invariant: for any calls, with any allocation failing, every answer is that of 128-bit arithmetic over a plain array,
 * refused calls change nothing, the structure stays consistent, and all memory comes back. */
#include "../../tests/c/check.h"
#include "input.h"

enum { CLIENTS = 24 };

/* One slot for each possible client: `used` is the time of the last use, 0 = not in the table. */
struct model {
    struct {
        uint64_t used;
        int64_t level, stamp_ms;
    } slots[CLIENTS];
    uint64_t clock, evicted;
    uint32_t count;
};

static void model_take(struct model *model, uint32_t capacity, unsigned client, int64_t rate, int64_t burst,
                       int64_t now, int64_t cost, int64_t *wait_ms, int64_t *left) {
    const __int128 full = (__int128)burst * 1000000, price = (__int128)cost * 1000000;
    if (model->slots[client].used == 0) {
        if (model->count == capacity) {
            unsigned oldest = CLIENTS;
            for (unsigned i = 0; i < CLIENTS; i++) {
                const uint64_t used = model->slots[i].used;
                if (used != 0 && (oldest == CLIENTS || used < model->slots[oldest].used)) {
                    oldest = i;
                }
            }
            model->slots[oldest].used = 0;
            model->count--;
            model->evicted++;
        }
        model->count++;
        model->slots[client].level = (int64_t)full;
        model->slots[client].stamp_ms = now;
    }
    __int128 level = model->slots[client].level;
    if (now > model->slots[client].stamp_ms) {
        level += (__int128)rate * (now - model->slots[client].stamp_ms);
        model->slots[client].stamp_ms = now;
    }
    level = level > full ? full : level;
    *wait_ms = level >= price ? 0 : (int64_t)((price - level + rate - 1) / rate);
    level -= level >= price ? price : 0;
    *left = (int64_t)(level / 1000000);
    model->slots[client].level = (int64_t)level;
    model->slots[client].used = ++model->clock;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, size};
    struct heap heap = {0, -1};
    struct hg_alloc alloc = heap_of(&heap);
    struct hg_limiter limiter;
    struct model model = {0};
    const uint32_t capacity = take_byte(&input) % CLIENTS + 1;
    CHECK(hg_limiter_init(&limiter, &alloc, SEED, capacity) == HG_OK);
    while (input.left > 0) {
        const uint8_t what = take_byte(&input);
        const unsigned client = what % CLIENTS;
        uint8_t key[CLIENTS] = {0}; /* the client's number is the key's length: prefixes of each other */
        const int64_t rate = take_number(&input), burst = take_number(&input), now = take_number(&input),
                      cost = take_number(&input);
        int64_t wait_ms = -1, left = -1, model_wait, model_left;
        const uint32_t before = limiter.table.count;
        heap.fail_at = what >= 224 ? what - 223 : -1;
        const enum hg_status status =
            hg_limiter_take(&limiter, key, client, rate, burst, now, cost, &wait_ms, &left);
        if (status == HG_OK) {
            CHECK(rate >= 1 && rate <= HG_LIMITER_RATE && burst >= 1 && burst <= HG_LIMITER_BURST);
            CHECK(now >= 0 && now <= HG_TIME_MS && cost >= 0 && cost <= burst);
            model_take(&model, capacity, client, rate, burst, now, cost, &model_wait, &model_left);
            CHECK(wait_ms == model_wait && left == model_left);
        } else {
            CHECK(status != HG_NO_MEMORY || what >= 224);
            CHECK(wait_ms == -1 && left == -1 && limiter.table.count == before);
        }
        CHECK(limiter.evicted == model.evicted && limiter.table.count == model.count);
        check_limiter(&limiter);
    }
    hg_limiter_clear(&limiter);
    CHECK(heap.live == 0);
    return 0;
}
