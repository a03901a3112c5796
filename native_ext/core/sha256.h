/* SHA-256 (FIPS 180-4) and HMAC-SHA-256 (RFC 2104) with the states after both pads kept, so that a short message costs its own
 * blocks and one more. In plain C, with the SHA extensions of x86, and with those of AArch64; all give the same. */
#ifndef HEADGATE_SHA256_H
#define HEADGATE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define HG_SHA256 32 /* bytes of a digest */

/* Takes `blocks` times 64 bytes into the state. */
typedef void (*hg_sha256_blocks)(uint32_t state[8], const uint8_t *data, size_t blocks);

/* The fastest this machine has. Asking costs thousands of cycles: ask once. */
hg_sha256_blocks hg_sha256_best(void);
void hg_sha256_plain(uint32_t state[8], const uint8_t *data, size_t blocks);

void hg_sha256(hg_sha256_blocks blocks, const uint8_t *data, size_t length, uint8_t digest[HG_SHA256]);

/* A key, ready for use; as secret as the key itself. */
struct hg_hmac {
    hg_sha256_blocks blocks;
    uint32_t inner[8], outer[8]; /* states after the padded key */
};
void hg_hmac_init(struct hg_hmac *hmac, hg_sha256_blocks blocks, const uint8_t *key, size_t length);
void hg_hmac(const struct hg_hmac *hmac, const uint8_t *data, size_t length, uint8_t digest[HG_SHA256]);

#endif
