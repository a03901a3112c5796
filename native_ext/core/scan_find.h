/* The inner loops of the scanner, once for each kind of processor: the first byte of [p, end] that is
 *   special    a quote, a backslash, below 0x20 or above 0x7f
 *   escape     a quote, a backslash or below 0x20: what JSON cannot say without a backslash
 *   high       above 0x7f
 *   not white  anything but space, tab, line feed, carriage return
 * `special` and `not white` need no bound: they stop at the NUL at *end. All read up to *end itself and never
 * beyond.
 *
 * Of `escape` (and of `high`) there are single steps, for bytes that are copied or counted in the same turn.
 *
 * hg_find_<what>_<variant> exist side by side, so that one test compares all that this processor has; hg_find_<what>
 * is the one that is used: -DHG_SCAN_SWAR, _SSE2 or _NEON says which, or else the compiler's target does. */
#ifndef HEADGATE_SCAN_FIND_H
#define HEADGATE_SCAN_FIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#define HG_HAVE_SSE2 1
#include <emmintrin.h>
#endif
#if defined(__ARM_NEON) && defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define HG_HAVE_NEON 1
#include <arm_neon.h>
#endif
#if !defined(HG_SCAN_SWAR) && !defined(HG_SCAN_SSE2) && !defined(HG_SCAN_NEON)
#if defined(HG_HAVE_SSE2)
#define HG_SCAN_SSE2 1
#if defined(__x86_64__) && defined(__GNUC__)
#define HG_SCAN_AVX2 1 /* for long texts, if it is there: scan_avx2.h */
#endif
#elif defined(HG_HAVE_NEON)
#define HG_SCAN_NEON 1
#else
#define HG_SCAN_SWAR 1
#endif
#endif

static inline bool hg_is_special(uint8_t c) { return c == '"' || c == '\\' || (uint8_t)(c - 0x20) >= 0x60; }
static inline bool hg_is_white(uint8_t c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

/* ---- plain C: a machine word at a time ("SIMD within a register") ---- */

typedef size_t hg_lanes; /* bytes of memory side by side, in either byte order */
#define HG_LANES(byte) ((hg_lanes)~(hg_lanes)0 / 0xff * (byte))

static inline hg_lanes hg_lanes_load(const uint8_t *p) {
    hg_lanes lanes;
    memcpy(&lanes, p, sizeof lanes);
    return lanes;
}

/* 0x80 in each lane that is not zero; lanes must be below 0x80, so that no carry leaves one. */
static inline hg_lanes hg_lanes_used(hg_lanes lanes) { return (lanes + HG_LANES(0x7f)) & HG_LANES(0x80); }

/* The first lane, in memory, with its highest bit set; hits != 0. */
static inline size_t hg_lanes_first(hg_lanes hits) {
#if defined(__GNUC__) && defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return (size_t)(sizeof hits == 8 ? __builtin_ctzll(hits) : __builtin_ctz((unsigned)hits)) / 8;
#else
    uint8_t bytes[sizeof hits];
    size_t first = 0;
    memcpy(bytes, &hits, sizeof hits);
    while (bytes[first] < 0x80) {
        first++;
    }
    return first;
#endif
}

static inline hg_lanes hg_lanes_special(hg_lanes lanes) {
    const hg_lanes low = lanes & HG_LANES(0x7f);
    const hg_lanes not_quote = hg_lanes_used(low ^ HG_LANES('"')), not_backslash = hg_lanes_used(low ^ HG_LANES('\\'));
    const hg_lanes fine = (low + HG_LANES(0x60)) & not_quote & not_backslash;
    return (lanes | ~fine) & HG_LANES(0x80);
}

static inline hg_lanes hg_lanes_escape(hg_lanes lanes) { return hg_lanes_special(lanes) & ~lanes; }

static inline hg_lanes hg_lanes_not_white(hg_lanes lanes) {
    const hg_lanes low = lanes & HG_LANES(0x7f);
    return (lanes | (hg_lanes_used(low ^ HG_LANES(' ')) & hg_lanes_used(low ^ HG_LANES('\n')) &
                     hg_lanes_used(low ^ HG_LANES('\r')) & hg_lanes_used(low ^ HG_LANES('\t')))) &
           HG_LANES(0x80);
}

static inline const uint8_t *hg_find_special_swar(const uint8_t *p, const uint8_t *end) {
    for (; (size_t)(end - p) >= sizeof(hg_lanes) - 1; p += sizeof(hg_lanes)) {
        const hg_lanes hits = hg_lanes_special(hg_lanes_load(p));
        if (hits != 0) {
            return p + hg_lanes_first(hits);
        }
    }
    while (!hg_is_special(*p)) {
        p++;
    }
    return p;
}

static inline const uint8_t *hg_find_high_swar(const uint8_t *p, const uint8_t *end) {
    for (; (size_t)(end - p) >= sizeof(hg_lanes); p += sizeof(hg_lanes)) {
        const hg_lanes hits = hg_lanes_load(p) & HG_LANES(0x80);
        if (hits != 0) {
            return p + hg_lanes_first(hits);
        }
    }
    while (p < end && *p < 0x80) {
        p++;
    }
    return p;
}

static inline const uint8_t *hg_find_not_white_swar(const uint8_t *p, const uint8_t *end) {
    for (; (size_t)(end - p) >= sizeof(hg_lanes) - 1; p += sizeof(hg_lanes)) {
        const hg_lanes hits = hg_lanes_not_white(hg_lanes_load(p));
        if (hits != 0) {
            return p + hg_lanes_first(hits);
        }
    }
    while (hg_is_white(*p)) {
        p++;
    }
    return p;
}

/* ---- SSE2: every x86-64 has it ---- */
#if defined(HG_HAVE_SSE2)

/* Bit i: byte i is what is looked for. Compared as signed, bytes above 0x7f are below everything. */
static inline unsigned hg_special_sse2(const uint8_t *p) {
    const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    const __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    const __m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    const __m128i outside = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), outside));
}

static inline unsigned hg_escape_sse2(const uint8_t *p) {
    const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    const __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    const __m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    const __m128i below = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), below));
}

static inline unsigned hg_high_sse2(const uint8_t *p) {
    return (unsigned)_mm_movemask_epi8(_mm_loadu_si128((const __m128i *)(const void *)p));
}

static inline unsigned hg_not_white_sse2(const uint8_t *p) {
    const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    const __m128i space = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(' '));
    const __m128i feed = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\n'));
    const __m128i back = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\r')), tab = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t'));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(space, feed), _mm_or_si128(back, tab))) ^ 0xffffu;
}

/* Bit i: the bytes i differ; the bits from 16 on are ones. */
static inline unsigned hg_differ_sse2(const uint8_t *p, const uint8_t *q) {
    const __m128i left = _mm_loadu_si128((const __m128i *)(const void *)p);
    const __m128i right = _mm_loadu_si128((const __m128i *)(const void *)q);
    return ~(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(left, right));
}

static inline const uint8_t *hg_find_special_sse2(const uint8_t *p, const uint8_t *end) {
    for (; end - p >= 15; p += 16) {
        const unsigned hits = hg_special_sse2(p);
        if (hits != 0) {
            return p + __builtin_ctz(hits);
        }
    }
    return hg_find_special_swar(p, end);
}

static inline const uint8_t *hg_find_high_sse2(const uint8_t *p, const uint8_t *end) {
    for (; end - p >= 16; p += 16) {
        const unsigned hits = hg_high_sse2(p);
        if (hits != 0) {
            return p + __builtin_ctz(hits);
        }
    }
    return hg_find_high_swar(p, end);
}

static inline const uint8_t *hg_find_not_white_sse2(const uint8_t *p, const uint8_t *end) {
    for (; end - p >= 15; p += 16) {
        const unsigned hits = hg_not_white_sse2(p);
        if (hits != 0) {
            return p + __builtin_ctz(hits);
        }
    }
    return hg_find_not_white_swar(p, end);
}
#endif

/* ---- NEON: AArch64, and ARMv7 where the target has it ---- */
#if defined(HG_HAVE_NEON)

/* Four bits for each lane of 0xff; both architectures have this narrowing, only one can reduce a vector to a number. */
static inline uint64_t hg_nibbles_neon(uint8x16_t lanes) {
    return vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(lanes), 4)), 0);
}

static inline uint64_t hg_special_neon(const uint8_t *p) {
    const uint8x16_t bytes = vld1q_u8(p);
    const uint8x16_t quote = vceqq_u8(bytes, vdupq_n_u8('"'));
    const uint8x16_t backslash = vceqq_u8(bytes, vdupq_n_u8('\\'));
    const uint8x16_t outside = vcltq_s8(vreinterpretq_s8_u8(bytes), vdupq_n_s8(0x20)); /* above 0x7f is negative */
    return hg_nibbles_neon(vorrq_u8(vorrq_u8(quote, backslash), outside));
}

static inline uint64_t hg_escape_neon(const uint8_t *p) {
    const uint8x16_t bytes = vld1q_u8(p);
    const uint8x16_t quote = vceqq_u8(bytes, vdupq_n_u8('"'));
    const uint8x16_t backslash = vceqq_u8(bytes, vdupq_n_u8('\\'));
    return hg_nibbles_neon(vorrq_u8(vorrq_u8(quote, backslash), vcltq_u8(bytes, vdupq_n_u8(0x20))));
}

static inline uint64_t hg_high_neon(const uint8_t *p) {
    return hg_nibbles_neon(vcltq_s8(vreinterpretq_s8_u8(vld1q_u8(p)), vdupq_n_s8(0)));
}

static inline uint64_t hg_not_white_neon(const uint8_t *p) {
    const uint8x16_t bytes = vld1q_u8(p);
    const uint8x16_t space = vceqq_u8(bytes, vdupq_n_u8(' '));
    const uint8x16_t feed = vceqq_u8(bytes, vdupq_n_u8('\n'));
    const uint8x16_t other = vorrq_u8(vceqq_u8(bytes, vdupq_n_u8('\r')), vceqq_u8(bytes, vdupq_n_u8('\t')));
    return hg_nibbles_neon(vmvnq_u8(vorrq_u8(vorrq_u8(space, feed), other)));
}

static inline const uint8_t *hg_find_special_neon(const uint8_t *p, const uint8_t *end) {
    for (; end - p >= 15; p += 16) {
        const uint64_t hits = hg_special_neon(p);
        if (hits != 0) {
            return p + __builtin_ctzll(hits) / 4;
        }
    }
    return hg_find_special_swar(p, end);
}

static inline const uint8_t *hg_find_high_neon(const uint8_t *p, const uint8_t *end) {
    for (; end - p >= 16; p += 16) {
        const uint64_t hits = hg_high_neon(p);
        if (hits != 0) {
            return p + __builtin_ctzll(hits) / 4;
        }
    }
    return hg_find_high_swar(p, end);
}

static inline const uint8_t *hg_find_not_white_neon(const uint8_t *p, const uint8_t *end) {
    for (; end - p >= 15; p += 16) {
        const uint64_t hits = hg_not_white_neon(p);
        if (hits != 0) {
            return p + __builtin_ctzll(hits) / 4;
        }
    }
    return hg_find_not_white_swar(p, end);
}
#endif

/* ---- the one in use: whole loops, and single steps for what is in line ---- */
#if defined(HG_SCAN_SSE2)
#define hg_find_special hg_find_special_sse2
#define hg_find_high hg_find_high_sse2
#define hg_find_not_white hg_find_not_white_sse2
#define HG_SCAN_STEP 16
typedef unsigned hg_scan_hits;
#define hg_scan_special hg_special_sse2
static inline size_t hg_scan_first(hg_scan_hits hits) { return (size_t)__builtin_ctz(hits); }
/* The hits from the n-th byte on, which is the first then. */
static inline hg_scan_hits hg_scan_from(hg_scan_hits hits, size_t n) { return hits >> n; }
/* The hits before the n-th byte; n < HG_SCAN_STEP. */
static inline hg_scan_hits hg_scan_before(hg_scan_hits hits, size_t n) { return hits & ((1u << n) - 1); }
#define hg_scan_escape hg_escape_sse2
#define hg_scan_high hg_high_sse2
#elif defined(HG_SCAN_NEON)
#define hg_find_special hg_find_special_neon
#define hg_find_high hg_find_high_neon
#define hg_find_not_white hg_find_not_white_neon
#define HG_SCAN_STEP 16
typedef uint64_t hg_scan_hits;
#define hg_scan_special hg_special_neon
static inline size_t hg_scan_first(hg_scan_hits hits) { return (size_t)__builtin_ctzll(hits) / 4; }
static inline hg_scan_hits hg_scan_from(hg_scan_hits hits, size_t n) { return hits >> 4 * n; }
static inline hg_scan_hits hg_scan_before(hg_scan_hits hits, size_t n) { return hits & (((uint64_t)1 << 4 * n) - 1); }
#define hg_scan_escape hg_escape_neon
#define hg_scan_high hg_high_neon
#else
#define hg_find_special hg_find_special_swar
#define hg_find_high hg_find_high_swar
#define hg_find_not_white hg_find_not_white_swar
#define HG_SCAN_STEP ((ptrdiff_t)sizeof(hg_lanes))
typedef hg_lanes hg_scan_hits;
static inline hg_scan_hits hg_scan_special(const uint8_t *p) { return hg_lanes_special(hg_lanes_load(p)); }
static inline hg_scan_hits hg_scan_escape(const uint8_t *p) { return hg_lanes_escape(hg_lanes_load(p)); }
static inline hg_scan_hits hg_scan_high(const uint8_t *p) { return hg_lanes_load(p) & HG_LANES(0x80); }
#define hg_scan_first hg_lanes_first
static inline hg_scan_hits hg_scan_from(hg_scan_hits hits, size_t n) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return hits << 8 * n;
#else
    return hits >> 8 * n;
#endif
}
static inline hg_scan_hits hg_scan_before(hg_scan_hits hits, size_t n) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return hits & ~((hg_scan_hits)~(hg_scan_hits)0 >> 8 * n);
#else
    return hits & (((hg_scan_hits)1 << 8 * n) - 1);
#endif
}
#endif
#define HG_SCAN_TURNS (64 / HG_SCAN_STEP) /* steps in line; a longer text can pay for a call */

#endif
