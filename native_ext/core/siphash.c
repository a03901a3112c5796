#include "siphash.h"

#include "inline.h"

struct sip {
    uint64_t v0, v1, v2, v3;
};

/* Byte by byte: no alignment and no byte order is assumed; compilers turn it into one load where that is allowed. */
HG_INLINE uint64_t load_le64(const uint8_t *p) {
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 | (uint64_t)p[4] << 32 |
           (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
}

static inline uint64_t rotate(uint64_t x, unsigned bits) { return x << bits | x >> (64 - bits); }

/* SipRound, figure 2.1 of the paper: two add-rotate-xor columns, crossed over, and two again. */
static inline void rounds(struct sip *s, unsigned count) {
    uint64_t v0 = s->v0, v1 = s->v1, v2 = s->v2, v3 = s->v3;
    for (unsigned i = 0; i < count; i++) {
        v0 += v1;
        v2 += v3;
        v1 = rotate(v1, 13) ^ v0;
        v3 = rotate(v3, 16) ^ v2;
        v0 = rotate(v0, 32);
        v2 += v1;
        v0 += v3;
        v1 = rotate(v1, 17) ^ v2;
        v3 = rotate(v3, 21) ^ v0;
        v2 = rotate(v2, 32);
    }
    s->v0 = v0;
    s->v1 = v1;
    s->v2 = v2;
    s->v3 = v3;
}

static inline void compress(struct sip *s, uint64_t word, unsigned count) {
    s->v3 ^= word;
    rounds(s, count);
    s->v0 ^= word;
}

/* SipHash-c-d. The rounds are arguments so that the paper's test vector, which is for 2-4, checks this very code. */
static inline uint64_t siphash(const uint8_t seed[HG_SEED], const uint8_t *data, size_t length, unsigned c,
                               unsigned d) {
    const uint64_t k0 = load_le64(seed), k1 = load_le64(seed + 8);
    struct sip s = {
        k0 ^ UINT64_C(0x736f6d6570736575),
        k1 ^ UINT64_C(0x646f72616e646f6d),
        k0 ^ UINT64_C(0x6c7967656e657261),
        k1 ^ UINT64_C(0x7465646279746573),
    };
    uint64_t last = (uint64_t)(length & 0xff) << 56; /* the final word: length modulo 256 above up to seven bytes */
    size_t left = length;
    for (; left >= 8; left -= 8, data += 8) {
        compress(&s, load_le64(data), c);
    }
    if (length >= 8 && left != 0) {
        last |= load_le64(data + left - 8) >> (64 - 8 * left); /* with bytes that were taken already */
    } else {
        for (unsigned i = 0; i < left; i++) {
            last |= (uint64_t)data[i] << (8 * i);
        }
    }
    compress(&s, last, c);
    s.v2 ^= 0xff;
    rounds(&s, d);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t hg_siphash13(const uint8_t seed[HG_SEED], const uint8_t *data, size_t length) {
    return siphash(seed, data, length, 1, 3);
}
