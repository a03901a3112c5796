/* The bounds the C core enforces: the same numbers as firmware_py/headgate/limits.py, which explains each of them
 * (tests/twins/test_limits_header.py compares the two). Plain decimal literals: messages quote them. */
#ifndef HEADGATE_LIMITS_H
#define HEADGATE_LIMITS_H

#define HG_TIME_MS 9007199254740992

#define HG_LIMITER_CLIENTS 4096
#define HG_LIMITER_CLIENTS_MAX 1048576
#define HG_LIMITER_KEY 512
#define HG_LIMITER_RATE 1000000000
#define HG_LIMITER_BURST 1000000

#define HG_CACHE_VALUE 65536
#define HG_CACHE_KEY 256
#define HG_CACHE_META 4096
#define HG_CACHE_ENTRIES 65536
#define HG_CACHE_TTL_MS 2147483648000
#define HG_ENTRY_OVERHEAD 64
#define HG_CACHE_BYTES_MAX 1099511627776
#define HG_CACHE_VALUE_MAX 1073741824
#define HG_CACHE_ENTRIES_MAX 16777216

#endif
