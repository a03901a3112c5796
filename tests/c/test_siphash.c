/* Published numbers, and numbers that CPython's own hash gives. Includes the source to reach the 2-4 variant. */
#include "../../native_ext/core/siphash.c"

#include "check.h"

int main(void) {
    uint8_t seed[HG_SEED], zero[HG_SEED] = {0}, data[64];
    for (unsigned i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)i;
    }
    memcpy(seed, data, HG_SEED);

    /* Appendix A of the paper: SipHash-2-4, key 00..0f, message 00..0e. */
    CHECK(siphash(seed, data, 15, 2, 4) == UINT64_C(0xa129ca6149be45e5));

    /* PYTHONHASHSEED=0 python3.11: hash(bytes(range(1, n + 1))) is SipHash-1-3 with a zero key (n > 0). */
    CHECK(hg_siphash13(zero, data, 0) == UINT64_C(0xd1fba762150c532c));
    CHECK(hg_siphash13(zero, data + 1, 1) == UINT64_C(0x44bc103b1f8540ed));
    CHECK(hg_siphash13(zero, data + 1, 7) == UINT64_C(0xb1cd85cc334196fa));
    CHECK(hg_siphash13(zero, data + 1, 8) == UINT64_C(0x884ccc87cb0e5fb0));
    CHECK(hg_siphash13(zero, data + 1, 9) == UINT64_C(0x27ed508fe95acb3));
    CHECK(hg_siphash13(zero, data + 1, 15) == UINT64_C(0x75e46d4257851550));
    CHECK(hg_siphash13(zero, data + 1, 63) == UINT64_C(0x6bafe9f92616651b));

    /* Every byte of the seed counts. */
    for (unsigned i = 0; i < HG_SEED; i++) {
        uint8_t other[HG_SEED];
        memcpy(other, seed, HG_SEED);
        other[i] ^= 1;
        CHECK(hg_siphash13(other, data, 20) != hg_siphash13(seed, data, 20));
    }
    return 0;
}
