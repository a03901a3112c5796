/* Tokens for the tests: HS256 (RFC 7515), signed here. */
#ifndef HEADGATE_TESTS_SIGN_TOKEN_H
#define HEADGATE_TESTS_SIGN_TOKEN_H

#include "check.h"
#include "core/sha256.h"

static const uint8_t SECRET[32] = "31 characters and the zero last";

/* base64url without padding; -> characters written, and a NUL. */
static inline size_t base64url_text(const uint8_t *data, size_t length, char *out) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t written = 0;
    uint32_t bits = 0, count = 0;
    for (size_t i = 0; i < length; i++) {
        bits = (bits << 8 | data[i]) & 0xFFFF;
        for (count += 8; count >= 6; count -= 6) {
            out[written++] = digits[bits >> (count - 6) & 63];
        }
    }
    if (count != 0) {
        out[written++] = digits[bits << (6 - count) & 63];
    }
    out[written] = '\0';
    return written;
}

/* The token of these two JSON texts under SECRET; `out` has room for it. */
static inline void sign_token(const char *header, const char *claims, char *out) {
    struct hg_hmac hmac;
    uint8_t digest[HG_SHA256];
    size_t length = base64url_text((const uint8_t *)header, strlen(header), out);
    out[length++] = '.';
    length += base64url_text((const uint8_t *)claims, strlen(claims), out + length);
    hg_hmac_init(&hmac, hg_sha256_plain, SECRET, sizeof SECRET);
    hg_hmac(&hmac, (const uint8_t *)out, length, digest);
    out[length++] = '.';
    (void)base64url_text(digest, sizeof digest, out + length);
}

#endif
