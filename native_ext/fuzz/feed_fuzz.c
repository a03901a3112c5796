/* Invariant: a stream gives the same records however it is cut, each of them within the limit; with any allocation
 * failing it ends or has given a part of them; nothing leaks, and nothing is read beyond a piece. */
#include "../../tests/c/check.h"
#include "core/feed.h"
#include "core/siphash.h"
#include "input.h"

enum { STEPS = 1024 };

/* What came out: of each step its kind and a hash of its bytes and fault. */
struct transcript {
    uint32_t count;
    struct {
        enum hg_step step;
        uint64_t hash;
    } steps[STEPS];
};

static void note(struct transcript *out, const struct hg_feed *feed, enum hg_step step,
                 const struct hg_record *record) {
    uint64_t hash = 0;
    if (step == HG_STEP_RECORD || step == HG_STEP_CUT) {
        CHECK(record->length <= feed->max_record);
        CHECK(feed->framing == HG_CBOR_SEQ || record->data[record->length] == 0);
        hash = hg_siphash13(SEED, record->data, record->length) ^ record->length;
    } else if (step == HG_STEP_BROKEN) {
        CHECK(record->fault.reason != HG_NO_FAULT);
        hash = (uint64_t)record->fault.reason << 32 | record->fault.offset;
    }
    if (out->count < STEPS) {
        out->steps[out->count].step = step;
        out->steps[out->count++].hash = hash;
    }
}

/* `pieces`: the length of each piece in turn, or one piece if there are none. */
static void run(struct hg_feed *feed, const uint8_t *data, size_t length, struct input pieces, size_t least,
                struct transcript *out) {
    struct hg_record record;
    enum hg_step step = HG_STEP_MORE;
    const struct input all = pieces;
    bool ended = false, empty = false;
    out->count = 0;
    for (size_t at = 0; at < length && step == HG_STEP_MORE;) {
        if (pieces.left == 0) {
            pieces = all;
        }
        size_t size = pieces.left > 0 ? take_byte(&pieces) % 32 : length;
        size = size < least || (size == 0 && empty) ? 1 : size;
        empty = size == 0;
        size = length - at < size ? length - at : size;
        uint8_t *copy = malloc(size > 0 ? size : 1);
        CHECK(copy != NULL);
        memcpy(copy, data + at, size);
        const uint8_t *p = copy;
        while ((step = hg_feed_next(feed, &p, copy + size, &record)) != HG_STEP_MORE && step != HG_STEP_ENDED) {
            CHECK(!ended && p <= copy + size);
            note(out, feed, step, &record);
            ended = step == HG_STEP_BROKEN || step == HG_STEP_NO_MEMORY ||
                    (step == HG_STEP_TOO_LARGE && feed->framing == HG_CBOR_SEQ);
        }
        CHECK(ended == (step == HG_STEP_ENDED));
        CHECK(step == HG_STEP_ENDED || p == copy + size);
        free(copy);
        at += size;
    }
    step = hg_feed_finish(feed, &record);
    if (step != HG_STEP_MORE && step != HG_STEP_ENDED) {
        CHECK(!ended);
        note(out, feed, step, &record);
    }
    CHECK(hg_feed_finish(feed, &record) == HG_STEP_ENDED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Input: framing, limit, depth, which allocation fails, how many pieces, their lengths, the stream. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct transcript outs[3];
    struct input input = {data, size};
    const enum hg_framing framing = (enum hg_framing)(take_byte(&input) % 3);
    const uint32_t max_record = 1 + take_byte(&input), max_open = 1 + take_byte(&input) % 16;
    const uint8_t fail_at = take_byte(&input);
    const size_t wanted = take_byte(&input) % 8;
    const struct input pieces = {input.data, wanted < input.left ? wanted : input.left}, none = {NULL, 0};
    input.data += pieces.left;
    input.left -= pieces.left;
    for (unsigned i = 0; i < 4; i++) {
        struct transcript *out = &outs[i < 2 ? i : 2];
        struct heap heap = {0, i < 3 ? -1 : 1 + fail_at % 8};
        const struct hg_alloc memory = heap_of(&heap);
        struct hg_feed feed;
        const enum hg_status status = hg_feed_init(&feed, &memory, framing, max_record, max_open);
        if (status != HG_OK) {
            CHECK(status == HG_NO_MEMORY && i == 3 && heap.live == 0);
            break;
        }
        run(&feed, input.data, input.left, i == 0 ? none : pieces, i == 1 ? 1 : 0, out);
        hg_feed_clear(&feed);
        CHECK(heap.live == 0);
        for (uint32_t k = 0; k < out->count; k++) {
            if (out->steps[k].step == HG_STEP_NO_MEMORY) {
                CHECK(i == 3 && k + 1 == out->count);
                break;
            }
            CHECK(k < outs[0].count && out->steps[k].step == outs[0].steps[k].step &&
                  out->steps[k].hash == outs[0].steps[k].hash);
        }
        CHECK(i == 3 || out->count == outs[0].count);
    }
    return 0;
}
