#include "counters.h"

const uint16_t hg_latency_ms[HG_LATENCY_BUCKETS] = {1, 2, 5, 10, 25, 50, 100, 250, 1000};

void hg_counters_finish(struct hg_counters *counters, uint16_t status, enum hg_code code, int64_t elapsed_ms) {
    uint32_t bucket = 0;
    counters->requests[status < 600 ? status : 0] += 1;
    if (code != HG_P_NONE) {
        counters->problems[code] += 1;
    }
    counters->latency_ms += (uint64_t)elapsed_ms;
    while (bucket < HG_LATENCY_BUCKETS && elapsed_ms > hg_latency_ms[bucket]) {
        bucket += 1;
    }
    counters->latency[bucket] += 1;
}
