/* Tokens for the tests and the fuzz target of core/token.c: made with the HMAC that verifies them. */
#ifndef HEADGATE_TESTS_CHECK_TOKEN_H
#define HEADGATE_TESTS_CHECK_TOKEN_H

#include "check.h"
#include "core/sha256.h"
#include "core/token.h"

enum { NOW = 1800000000, TOKEN_ROOM = 3 * HG_TOKEN };
#define SECRET "a secret of 32 bytes at the least"
#define OTHER_SECRET "another secret, also long enough!"
#define HEADER "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define CLAIMS(more) "{\"iss\":\"plant\",\"aud\":\"headgate\",\"sub\":\"station-1\",\"exp\":1800000600" more "}"

struct token {
    uint32_t length;
    uint8_t at[TOKEN_ROOM];
};

static inline struct hg_view text(const char *words) {
    return (struct hg_view){(const uint8_t *)words, (uint32_t)strlen(words)};
}

static inline void add_base64url(struct token *token, const uint8_t *data, uint32_t length) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (uint32_t i = 0; i < length; i += 3) {
        const uint32_t left = length - i, group = (uint32_t)data[i] << 16 | (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
                                                  (left > 2 ? data[i + 2] : 0);
        for (uint32_t k = 0; k < (left > 2 ? 4 : left + 1); k++) {
            CHECK(token->length < TOKEN_ROOM);
            token->at[token->length++] = (uint8_t)letters[group >> (18 - 6 * k) & 63];
        }
    }
}

static inline void make_token(struct token *token, struct hg_view header, struct hg_view payload, const char *secret) {
    struct hg_hmac hmac;
    uint8_t digest[HG_SHA256];
    token->length = 0;
    add_base64url(token, header.at, header.length);
    token->at[token->length++] = '.';
    add_base64url(token, payload.at, payload.length);
    hg_hmac_init(&hmac, hg_sha256_plain, (const uint8_t *)secret, strlen(secret));
    hg_hmac(&hmac, token->at, token->length, digest);
    token->at[token->length++] = '.';
    add_base64url(token, digest, sizeof digest);
}

static inline bool same_view(struct hg_view a, struct hg_view b) {
    return a.length == b.length && memcmp(a.at, b.at, a.length) == 0;
}

static inline bool same_claims(const struct hg_claims *a, const struct hg_claims *b) {
    return same_view(a->sub, b->sub) && same_view(a->scopes, b->scopes) && same_view(a->raw, b->raw) &&
           a->issuer == b->issuer && a->exp == b->exp && a->nbf == b->nbf && a->iat == b->iat;
}

static inline bool same_error(const struct hg_token_error *a, const struct hg_token_error *b) {
    return strcmp(a->code, b->code) == 0 && strcmp(a->claim, b->claim) == 0 && strcmp(a->detail, b->detail) == 0;
}

#endif
