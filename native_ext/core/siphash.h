/* SipHash-1-3, a keyed hash for tables whose keys strangers choose (Aumasson and Bernstein, "SipHash: a fast
 * short-input PRF", 2012). Without the seed nobody can prepare keys that fall into one bucket. */
#ifndef HEADGATE_SIPHASH_H
#define HEADGATE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

#define HG_SEED 16 /* bytes */

uint64_t hg_siphash13(const uint8_t seed[HG_SEED], const uint8_t *data, size_t length);

#endif
