/* What a function of the core can refuse, and the words for it: those of the pure twins' ValueError. */
#ifndef HEADGATE_STATUS_H
#define HEADGATE_STATUS_H

enum hg_status {
    HG_OK = 0,
    HG_NO_MEMORY, /* nothing has changed, except that expired entries may be gone */
    HG_BAD_CAPACITY,
    HG_BAD_KEY,
    HG_BAD_RATE,
    HG_BAD_BURST,
    HG_BAD_TIME,
    HG_BAD_COST,
    HG_BAD_MAX_BYTES,
    HG_BAD_MAX_VALUE,
    HG_BAD_MAX_ENTRIES,
    HG_BAD_TTL,
    HG_BAD_PATTERN, /* pattern.h says why */
    HG_BAD_SCHEMA   /* compile.h says why */
};

/* A static string; "" for HG_OK. */
const char *hg_status_text(enum hg_status status);

#endif
