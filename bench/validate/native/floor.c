/* What nobody can beat. -DFLOOR: 0 memcpy of the document; 1 looks at every byte once, 16 at a time where the processor
 * has that, for quotes, backslashes and control characters; 2 walks the heads of a CBOR item (definite lengths). */
#include "driver.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

static char *copy;

static int prepare(const struct document *schema, size_t largest) {
    (void)schema;
    copy = malloc(largest + PADDING);
    return copy == NULL ? -1 : 0;
}

#if FLOOR == 0
static int judge(const struct document *document) {
    memcpy(copy, document->data, document->size);
    __asm__ volatile("" : : "r"(copy) : "memory"); /* not optimised away */
    return 1;
}
#elif FLOOR == 1
static int judge(const struct document *document) {
    const char *p = document->data, *end = p + document->size;
    unsigned found = 0;
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), control = _mm_set1_epi8(0x1f);
    for (; p < end; p += 16) { /* the padding is readable */
        __m128i block = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, slash)),
                                   _mm_cmpeq_epi8(_mm_min_epu8(block, control), block));
        found |= (unsigned)_mm_movemask_epi8(hit);
    }
#elif defined(__ARM_NEON)
    uint8x16_t all = vdupq_n_u8(0);
    for (; p < end; p += 16) {
        uint8x16_t block = vld1q_u8((const uint8_t *)p);
        all = vorrq_u8(all, vorrq_u8(vorrq_u8(vceqq_u8(block, vdupq_n_u8('"')), vceqq_u8(block, vdupq_n_u8('\\'))),
                                     vcleq_u8(block, vdupq_n_u8(0x1f))));
    }
    found = vgetq_lane_u8(all, 0);
#else
    for (; p < end; p++) {
        found |= (unsigned)(*p == '"') | (unsigned)(*p == '\\') | (unsigned)((unsigned char)*p < 0x20);
    }
#endif
    __asm__ volatile("" : : "r"(found)); /* not optimised away */
    return 1;
}
#else
/* The items that are still to be read, flat: a map of n pairs adds 2n. */
static int judge(const struct document *document) {
    const uint8_t *p = (const uint8_t *)document->data, *end = p + document->size;
    uint64_t left = 1;
    while (left != 0) {
        if (p >= end) {
            return 0;
        }
        unsigned major = *p >> 5, info = *p & 31;
        uint64_t value = info;
        p++;
        if (info >= 24) {
            if (info > 27) {
                return 0;
            }
            unsigned bytes = 1u << (info - 24);
            for (value = 0; bytes != 0; bytes--) {
                value = value << 8 | *p++;
            }
        }
        left--;
        if (major == 2 || major == 3) {
            if (value > (uint64_t)(end - p)) {
                return 0;
            }
            p += value;
        } else if (major == 4) {
            left += value;
        } else if (major == 5) {
            left += 2 * value;
        } else if (major == 6) {
            left++;
        }
    }
    return p == end;
}
#endif

static void report(void) {}
