#include "load/tally.h"

#include <stdlib.h>

void hg_histogram_begin(struct hg_histogram *histogram) { *histogram = (struct hg_histogram){.least = HG_LARGEST_NS}; }

void hg_histogram_add(struct hg_histogram *histogram, int64_t value) {
    const uint64_t v = value < 0 ? 0 : value > HG_LARGEST_NS ? (uint64_t)HG_LARGEST_NS : (uint64_t)value;
    const int bits = v == 0 ? 0 : 64 - __builtin_clzll(v), shift = bits - HG_STEP_BITS - 1;
    const uint64_t index = shift <= 0 ? v : ((uint64_t)shift << HG_STEP_BITS) + (v >> shift);
    histogram->counts[index] += 1;
    histogram->total += (int64_t)v;
    if ((int64_t)v > histogram->most) {
        histogram->most = (int64_t)v;
    }
    if ((int64_t)v < histogram->least) {
        histogram->least = (int64_t)v;
    }
}

struct hg_tally *hg_tally_new(uint32_t operation, int64_t interval) {
    struct hg_tally *tally = calloc(1, sizeof *tally);
    if (tally != NULL) {
        tally->operation = operation;
        tally->interval = interval;
        hg_histogram_begin(&tally->latency);
        hg_histogram_begin(&tally->service);
    }
    return tally;
}
