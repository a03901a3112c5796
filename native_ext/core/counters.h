/* What happened, for /metrics: the same counters as firmware_py/headgate/tasks/counters.py, which explains them. */
#ifndef HEADGATE_COUNTERS_H
#define HEADGATE_COUNTERS_H

#include <stdint.h>

#include "problem.h"

#define HG_LATENCY_BUCKETS 9 /* of counters.py's BUCKETS_MS (a test compares the two) */
extern const uint16_t hg_latency_ms[HG_LATENCY_BUCKETS];

struct hg_counters {
    uint64_t requests[600]; /* answered, by HTTP status */
    uint64_t problems[HG_P_COUNT], rejected[HG_P_COUNT];
    uint64_t accepted, replayed, validated;
    uint64_t opened, refused; /* connections */
    uint32_t connections;     /* now */
    uint64_t latency[HG_LATENCY_BUCKETS + 1], latency_ms;
};

/* One request answered. */
void hg_counters_finish(struct hg_counters *counters, uint16_t status, enum hg_code code, int64_t elapsed_ms);

#endif
