#include "status.h"

#include "limits.h"

#define TEXT(x) #x
#define NUMBER(x) TEXT(x)

const char *hg_status_text(enum hg_status status) {
    switch (status) {
    case HG_OK:
        return "";
    case HG_NO_MEMORY:
        return "out of memory";
    case HG_BAD_CAPACITY:
        return "capacity must be 1 to " NUMBER(HG_LIMITER_CLIENTS_MAX);
    case HG_BAD_KEY:
        return "key must be at most " NUMBER(HG_LIMITER_KEY) " bytes";
    case HG_BAD_RATE:
        return "rate_milli must be 1 to " NUMBER(HG_LIMITER_RATE);
    case HG_BAD_BURST:
        return "burst must be 1 to " NUMBER(HG_LIMITER_BURST);
    case HG_BAD_TIME:
        return "now_ms must be 0 to " NUMBER(HG_TIME_MS);
    case HG_BAD_COST:
        return "cost must be 0 to burst";
    case HG_BAD_MAX_BYTES:
        return "max_bytes must be 0 to " NUMBER(HG_CACHE_BYTES_MAX);
    case HG_BAD_MAX_VALUE:
        return "max_value must be 1 to " NUMBER(HG_CACHE_VALUE_MAX);
    case HG_BAD_MAX_ENTRIES:
        return "max_entries must be 1 to " NUMBER(HG_CACHE_ENTRIES_MAX);
    case HG_BAD_TTL:
        return "ttl_ms must be 0 to " NUMBER(HG_CACHE_TTL_MS);
    case HG_BAD_PATTERN:
        return "not a pattern";
    case HG_BAD_SCHEMA:
        return "not a schema";
    }
    return "unknown status";
}
