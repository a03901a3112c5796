/* Counts and times of requests, by operation and interval; the twin of headgate_host/load/record.py and histogram.py. */
#ifndef HEADGATE_LOAD_TALLY_H
#define HEADGATE_LOAD_TALLY_H

#include <stdbool.h>
#include <stdint.h>

enum {
    HG_STEP_BITS = 7,  /* 128 steps for each power of two */
    HG_BUCKETS = 4608, /* index of an hour, and a little more */
    HG_STATUSES = 600,
    HG_GRPC_OK = 1, /* of gRPC, status N stands at HG_GRPC_OK + N: HTTP's are 100 and more */
    HG_GRPC_STATUSES = 17,
};
#define HG_LARGEST_NS INT64_C(3600000000000) /* an hour; what takes longer counts as this */

enum hg_failure { HG_REFUSED, HG_LOST, HG_MALFORMED, HG_TIMEOUT, HG_UNSENT, HG_RESET, HG_FAILURES };

struct hg_histogram {
    uint32_t counts[HG_BUCKETS];
    int64_t least, most, total; /* least: HG_LARGEST_NS while there is nothing */
};

struct hg_tally {
    struct hg_tally *next;
    int64_t interval;
    uint32_t operation;
    uint32_t due, sent;
    uint32_t statuses[HG_STATUSES]; /* of answers; 0: others */
    uint32_t failures[HG_FAILURES];
    struct hg_histogram latency, service;
};

void hg_histogram_begin(struct hg_histogram *histogram);
void hg_histogram_add(struct hg_histogram *histogram, int64_t value);
struct hg_tally *hg_tally_new(uint32_t operation, int64_t interval); /* NULL: no memory */

#endif
