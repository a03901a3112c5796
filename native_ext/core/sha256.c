#include "sha256.h"

#include <string.h>

#include "secret.h"

#define BLOCK 64 /* bytes */

/* FIPS 180-4 section 4.2.2 */
static const uint32_t k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};
/* section 5.3.3 */
static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static uint32_t turned(uint32_t x, int n) { return x >> n | x << (32 - n); }

static uint32_t big_endian(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* section 6.2.2 */
void hg_sha256_plain(uint32_t state[8], const uint8_t *data, size_t blocks) {
    uint32_t w[64];
    for (; blocks > 0; blocks--, data += BLOCK) {
        uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
        uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
        for (int i = 0; i < 16; i++) {
            w[i] = big_endian(data + 4 * i);
        }
        for (int i = 16; i < 64; i++) {
            const uint32_t x = w[i - 15], y = w[i - 2];
            w[i] = w[i - 16] + w[i - 7] + (turned(x, 7) ^ turned(x, 18) ^ x >> 3) +
                   (turned(y, 17) ^ turned(y, 19) ^ y >> 10);
        }
        for (int i = 0; i < 64; i++) {
            const uint32_t t1 =
                h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + ((e & f) ^ (~e & g)) + k[i] + w[i];
            const uint32_t t2 = (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
            h = g;
            g = f;
            f = e;
            e = d + t1;
            d = c;
            c = b;
            b = a;
            a = t1 + t2;
        }
        state[0] += a;
        state[1] += b;
        state[2] += c;
        state[3] += d;
        state[4] += e;
        state[5] += f;
        state[6] += g;
        state[7] += h;
    }
}

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#include <immintrin.h>

/* The instructions work on the state as (A, B, E, F) and (C, D, G, H), high to low. */
__attribute__((target("sha,sse4.1,ssse3"))) static void blocks_x86(uint32_t state[8], const uint8_t *data,
                                                                    size_t blocks) {
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i low = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)state), 0xB1);
    __m128i high = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)(state + 4)), 0x1B);
    __m128i abef = _mm_alignr_epi8(low, high, 8);
    __m128i cdgh = _mm_blend_epi16(high, low, 0xF0);
    for (; blocks > 0; blocks--, data += BLOCK) {
        const __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i w[4];
        for (int i = 0; i < 4; i++) {
            w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)(data + 16 * i)), swap);
        }
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) { /* four rounds each */
            __m128i sum =
                _mm_add_epi32(w[i & 3], _mm_loadu_si128((const __m128i *)(const void *)(k + 4 * i)));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0E));
            if (i < 12) {
                const __m128i part = _mm_add_epi32(_mm_sha256msg1_epu32(w[i & 3], w[(i + 1) & 3]),
                                                   _mm_alignr_epi8(w[(i + 3) & 3], w[(i + 2) & 3], 4));
                w[i & 3] = _mm_sha256msg2_epu32(part, w[(i + 3) & 3]);
            }
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    low = _mm_shuffle_epi32(abef, 0x1B);
    high = _mm_shuffle_epi32(cdgh, 0xB1);
    _mm_storeu_si128((__m128i *)(void *)state, _mm_blend_epi16(low, high, 0xF0));
    _mm_storeu_si128((__m128i *)(void *)(state + 4), _mm_alignr_epi8(high, low, 8));
}

hg_sha256_blocks hg_sha256_best(void) {
    unsigned a, b, c, d;
    if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & bit_SSSE3) == 0 || (c & bit_SSE4_1) == 0) {
        return hg_sha256_plain;
    }
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (b & (UINT32_C(1) << 29)) == 0) { /* SHA */
        return hg_sha256_plain;
    }
    return blocks_x86;
}

#elif defined(__aarch64__) && defined(__linux__)
#include <arm_neon.h>
#include <sys/auxv.h>

#define HAS_SHA2 (UINT64_C(1) << 6) /* HWCAP_SHA2 */

__attribute__((target("+crypto"))) static void blocks_arm(uint32_t state[8], const uint8_t *data, size_t blocks) {
    uint32x4_t abcd = vld1q_u32(state), efgh = vld1q_u32(state + 4);
    for (; blocks > 0; blocks--, data += BLOCK) {
        const uint32x4_t abcd_before = abcd, efgh_before = efgh;
        uint32x4_t w[4];
        for (int i = 0; i < 4; i++) {
            w[i] = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(data + 16 * i)));
        }
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) { /* four rounds each */
            const uint32x4_t sum = vaddq_u32(w[i & 3], vld1q_u32(k + 4 * i)), was = abcd;
            abcd = vsha256hq_u32(abcd, efgh, sum);
            efgh = vsha256h2q_u32(efgh, was, sum);
            if (i < 12) {
                w[i & 3] = vsha256su1q_u32(vsha256su0q_u32(w[i & 3], w[(i + 1) & 3]), w[(i + 2) & 3], w[(i + 3) & 3]);
            }
        }
        abcd = vaddq_u32(abcd, abcd_before);
        efgh = vaddq_u32(efgh, efgh_before);
    }
    vst1q_u32(state, abcd);
    vst1q_u32(state + 4, efgh);
}

hg_sha256_blocks hg_sha256_best(void) {
    return (getauxval(AT_HWCAP) & HAS_SHA2) != 0 ? blocks_arm : hg_sha256_plain;
}

#else
hg_sha256_blocks hg_sha256_best(void) { return hg_sha256_plain; }
#endif

/* The rest of a message of which `before` bytes are in the state already; section 5.1.1 pads it. */
static void finish(hg_sha256_blocks blocks, uint32_t state[8], size_t before, const uint8_t *data, size_t length,
                   uint8_t digest[HG_SHA256]) {
    const size_t whole = length / BLOCK, rest = length % BLOCK, padded = rest < BLOCK - 8 ? BLOCK : 2 * BLOCK;
    const uint64_t bits = ((uint64_t)before + length) * 8;
    uint8_t tail[2 * BLOCK] = {0};
    if (whole != 0) {
        blocks(state, data, whole);
    }
    if (rest != 0) {
        memcpy(tail, data + whole * BLOCK, rest);
    }
    tail[rest] = 0x80;
    for (int i = 0; i < 8; i++) {
        tail[padded - 1 - (size_t)i] = (uint8_t)(bits >> 8 * i);
    }
    blocks(state, tail, padded / BLOCK);
    for (int i = 0; i < HG_SHA256; i++) {
        digest[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
    }
}

void hg_sha256(hg_sha256_blocks blocks, const uint8_t *data, size_t length, uint8_t digest[HG_SHA256]) {
    uint32_t state[8];
    memcpy(state, initial, sizeof state);
    finish(blocks, state, 0, data, length, digest);
}

void hg_hmac_init(struct hg_hmac *hmac, hg_sha256_blocks blocks, const uint8_t *key, size_t length) {
    uint8_t padded[BLOCK] = {0};
    hmac->blocks = blocks;
    if (length > BLOCK) {
        hg_sha256(blocks, key, length, padded);
    } else if (length != 0) {
        memcpy(padded, key, length);
    }
    for (int i = 0; i < BLOCK; i++) {
        padded[i] ^= 0x36;
    }
    memcpy(hmac->inner, initial, sizeof hmac->inner);
    blocks(hmac->inner, padded, 1);
    for (int i = 0; i < BLOCK; i++) {
        padded[i] ^= 0x36 ^ 0x5C;
    }
    memcpy(hmac->outer, initial, sizeof hmac->outer);
    blocks(hmac->outer, padded, 1);
    hg_wipe(padded, sizeof padded);
}

void hg_hmac(const struct hg_hmac *hmac, const uint8_t *data, size_t length, uint8_t digest[HG_SHA256]) {
    uint32_t state[8];
    memcpy(state, hmac->inner, sizeof state);
    finish(hmac->blocks, state, BLOCK, data, length, digest);
    memcpy(state, hmac->outer, sizeof state);
    finish(hmac->blocks, state, BLOCK, digest, HG_SHA256, digest);
}
