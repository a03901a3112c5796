/* JSON Web Tokens (RFC 7515, 7519, 8037, 8725): the verifier and the table of tokens verified before. Twin of
 * firmware_py/headgate/core/jwt.py, which explains every refusal; code, claim and detail are the same words. */
#ifndef HEADGATE_TOKEN_H
#define HEADGATE_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "alloc.h"
#include "output.h"
#include "siphash.h"
#include "status.h"

enum hg_clock_state { HG_CLOCK_UNSET, HG_CLOCK_ESTIMATED, HG_CLOCK_TRUSTED };
enum hg_clock_policy { HG_POLICY_ESTIMATE, HG_POLICY_REFUSE, HG_POLICY_ACCEPT };
enum hg_alg { HG_HS256, HG_EDDSA };

/* What time it is, as far as is known; Unix seconds, within HG_CLOCK_MOST of 1970. floor_s: a moment that has passed for
 * certain. */
#define HG_CLOCK_MOST (INT64_C(1) << 60) /* sums of two such stay within 64 bits; leeway_s and max_ttl_s are within it too */
struct hg_clock {
    int64_t now_s, floor_s;
    enum hg_clock_state state;
};

/* libsodium's, from outside: -> true if the signature is one of `message`. */
typedef bool (*hg_ed25519_verify)(void *context, const uint8_t public_key[32], const uint8_t *message, uint32_t length,
                                  const uint8_t signature[64]);

/* What a verifier is made of. Everything is copied. */
struct hg_key_spec {
    struct hg_view kid; /* "" fits tokens with any kid */
    enum hg_alg alg;
    struct hg_view secret; /* HS256: at least 32 bytes; EdDSA: the public key */
};
struct hg_issuer_spec {
    struct hg_view name, audience;
    enum hg_clock_policy policy;
    int64_t leeway_s, max_ttl_s; /* max_ttl_s 0: any */
    const struct hg_key_spec *keys;
    uint32_t key_count;
    const struct hg_view *revoked; /* values of `jti` that are refused whatever else they say */
    uint32_t revoked_count;
};

struct hg_verifier; /* immutable; secrets are wiped when it is freed */
/* NULL: no memory. */
struct hg_verifier *hg_verifier_new(const struct hg_alloc *alloc, const struct hg_issuer_spec *issuers, uint32_t count,
                                    hg_ed25519_verify verify, void *context, const uint8_t seed[HG_SEED]);
void hg_verifier_free(struct hg_verifier *verifier);

/* Bytes [from, to) of a token's scopes; to 0: none. */
struct hg_scope_place {
    uint32_t from, to;
};
/* What an accepted token says. The views are into a block that hg_claims_copy makes, or the table of tokens holds. */
struct hg_claims {
    struct hg_view sub;    /* 1 to HG_TOKEN_SUBJECT bytes */
    struct hg_view scopes; /* as in the token: texts with one space between two; may be empty */
    struct hg_view raw;    /* the claims' JSON text */
    uint32_t issuer;       /* index of its hg_issuer_spec */
    int64_t exp, nbf, iat; /* -1: absent */
    struct hg_scope_place *last; /* of the scope that allowed something last (scopes.h); NULL: nobody remembers it */
};

/* Why a token is refused: static texts, never anything of the token. */
struct hg_token_error {
    const char *code, *claim, *detail;
};

/* The header of the authentic token before, which most others have as well: it need not be read again. */
#define HG_TOKEN_HEADER 128 /* bytes; a longer one is always read */
struct hg_token_header {
    uint32_t length, kid_length; /* length 0: none; kid_length 0: it has none */
    enum hg_alg alg;
    uint8_t part[HG_TOKEN_HEADER]; /* base64url, as in the token */
    uint8_t kid[HG_TOKEN_HEADER];  /* JSON, with its quotes */
};

#define HG_TOKEN_SCRATCH 8448 /* bytes: two tokens and what ends them */
/* Verifies from scratch. `scratch`: HG_TOKEN_SCRATCH bytes, where the claims' texts go; `before`: NULL, or what to remember
 * headers in, zeros at first. -> false: *error. */
bool hg_token_verify(const struct hg_verifier *verifier, const uint8_t *token, uint32_t length,
                     const struct hg_clock *clock, uint8_t *scratch, struct hg_token_header *before,
                     struct hg_claims *claims, struct hg_token_error *error);
/* Only what changes with time: exp, nbf, iat against the issuer's policy. */
bool hg_token_times(const struct hg_verifier *verifier, const struct hg_claims *claims, const struct hg_clock *clock,
                    struct hg_token_error *error);
struct hg_view hg_verifier_issuer(const struct hg_verifier *verifier, uint32_t issuer); /* its name */

/* True if one of the claims' scopes is "action:name" or "action:*". */
bool hg_scope_allows(const struct hg_claims *claims, const char *action, struct hg_view name);

/* Tokens verified before, by a keyed hash and a comparison of every byte; the times are judged anew at each use. Bounded in
 * entries and bytes, the least recently used goes first; tokens that are refused are never kept. Belongs to one verifier, so
 * that other keys or revocations begin with none. */
struct hg_tokens;
/* NULL: no memory. The verifier must outlive it. */
struct hg_tokens *hg_tokens_new(const struct hg_alloc *alloc, const struct hg_verifier *verifier,
                                const uint8_t seed[HG_SEED], uint32_t max_entries, uint32_t max_bytes);
void hg_tokens_free(struct hg_tokens *tokens);
/* Verified, from the table or from scratch. *claims: valid until the next call on `tokens`. */
bool hg_tokens_verify(struct hg_tokens *tokens, const uint8_t *token, uint32_t length, const struct hg_clock *clock,
                      const struct hg_claims **claims, struct hg_token_error *error);
struct hg_tokens_stats {
    uint64_t hits, misses, evictions;
    uint32_t entries;
    uint64_t bytes;
};
void hg_tokens_stats(const struct hg_tokens *tokens, struct hg_tokens_stats *stats);

#endif
