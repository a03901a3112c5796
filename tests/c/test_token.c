/* core/token.c and core/tokens.c: what the Python tests cannot reach. Their rules are in tests/unit/test_jwt.py. */
#include "check_token.h"
#include "core/base64url.h"

static const uint8_t PUBLIC[32] = "thirty-two bytes: a public key.";
static const struct hg_clock TRUSTED = {NOW, NOW, HG_CLOCK_TRUSTED};
static struct token token;
static struct hg_token_error error;

/* Stands for libsodium: a "signature" is 64 times the first byte of the message. */
static bool fake_ed25519(void *context, const uint8_t public_key[32], const uint8_t *message, uint32_t length,
                         const uint8_t signature[64]) {
    *(int *)context += 1;
    CHECK(memcmp(public_key, PUBLIC, sizeof PUBLIC) == 0 && length > 0);
    for (int i = 0; i < 64; i++) {
        if (signature[i] != message[0]) {
            return false;
        }
    }
    return true;
}

static int ed25519_calls;

static struct hg_verifier *make_verifier(const struct hg_alloc *alloc, const char *secret) {
    const struct hg_view revoked[] = {text("gone"), text("caf\xc3\xa9")};
    const struct hg_key_spec hs256[] = {{text("k1"), HG_HS256, text(secret)}};
    const struct hg_key_spec both[] = {
        {text("e1"), HG_EDDSA, {PUBLIC, sizeof PUBLIC}}, {text("k1"), HG_HS256, text(secret)}, {text(""), HG_HS256, text(OTHER_SECRET)}};
    const struct hg_issuer_spec issuers[] = {
        {text("plant"), text("headgate"), HG_POLICY_ESTIMATE, 30, 0, hs256, 1, revoked, 2},
        {text("both"), text("headgate"), HG_POLICY_ACCEPT, 0, 3600, both, 3, NULL, 0},
    };
    return hg_verifier_new(alloc, issuers, 2, fake_ed25519, &ed25519_calls, SEED);
}

static bool verify(const struct hg_verifier *verifier, struct hg_claims *claims) {
    static uint8_t scratch[HG_TOKEN_SCRATCH];
    memset(scratch, 0xa5, sizeof scratch);
    return hg_token_verify(verifier, token.at, token.length, &TRUSTED, scratch, NULL, claims, &error);
}

static bool refused(const char *code, const char *claim) {
    return strcmp(error.code, code) == 0 && strcmp(error.claim, claim) == 0;
}

static void test_claims(void) {
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    struct hg_verifier *verifier = make_verifier(&alloc, SECRET);
    struct hg_claims claims;
    const char *payload = " { \"scope\":\"read:\\u0061 b:*\", \"sub\" : \"stat\\u0069on-1\",\"iat\":18e8,\"nbf\":0,\"exp\":"
                          "1800000600.0,\"aud\":[\"x\",\"head\\u0067ate\"],\"iss\":\"pl\\u0061nt\"}";
    make_token(&token, text(HEADER), text(payload), SECRET);
    CHECK(verify(verifier, &claims));
    CHECK(same_view(claims.sub, text("station-1")) && same_view(claims.scopes, text("read:a b:*")));
    CHECK(same_view(claims.raw, text(payload)) && claims.issuer == 0);
    CHECK(claims.exp == NOW + 600 && claims.nbf == 0 && claims.iat == NOW);
    CHECK(same_view(hg_verifier_issuer(verifier, 0), text("plant")) && same_view(hg_verifier_issuer(verifier, 1), text("both")));
    CHECK(hg_scope_allows(&claims, "read", text("a")) && !hg_scope_allows(&claims, "read", text("")) );
    CHECK(!hg_scope_allows(&claims, "read", text("aa")) && !hg_scope_allows(&claims, "rea", text("a")));
    CHECK(!hg_scope_allows(&claims, "read", text("*")) && hg_scope_allows(&claims, "b", text("anything")));
    CHECK(!hg_scope_allows(&claims, "read:", text("a")) && !hg_scope_allows(&claims, "", text("a")));

    make_token(&token, text(HEADER), text(CLAIMS("")), SECRET);
    CHECK(verify(verifier, &claims) && claims.scopes.length == 0 && claims.nbf == -1 && claims.iat == -1);
    CHECK(!hg_scope_allows(&claims, "read", text("a")));
    hg_verifier_free(verifier);
    CHECK(heap.live == 0);
}

/* RFC 7515 appendix A.1: signed as it says, and not for us. */
static void test_rfc_7515(void) {
    static const char words[] = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogI"
                                "mh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    static const char key[] = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    uint8_t secret[64];
    uint32_t size;
    struct hg_claims claims;
    CHECK(hg_base64url_decode((const uint8_t *)key, sizeof key - 1, secret, &size) && size == 64);
    for (int changed = 0; changed < 2; changed++) {
        const struct hg_key_spec keys[] = {{text(""), HG_HS256, {secret, size}}};
        const struct hg_issuer_spec issuer = {text("joe"), text("headgate"), HG_POLICY_ACCEPT, 0, 0, keys, 1, NULL, 0};
        struct hg_verifier *verifier = hg_verifier_new(&alloc, &issuer, 1, NULL, NULL, SEED);
        token.length = sizeof words - 1;
        memcpy(token.at, words, token.length);
        CHECK(!verify(verifier, &claims));
        CHECK(changed ? refused("signature_invalid", "") : refused("claim_missing", "aud"));
        hg_verifier_free(verifier);
        secret[63] ^= 1;
    }
    CHECK(heap.live == 0);
}

static void test_ed25519_gets_exactly_what_is_signed(void) {
    static const struct {
        uint32_t size;
        uint8_t byte;
        bool good, asked;
    } signatures[] = {{64, 'e', true, true}, {64, 'f', false, true}, {63, 'e', false, false}, {65, 'e', false, false}, {0, 0, false, false}};
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    struct hg_verifier *verifier = make_verifier(&alloc, SECRET);
    struct hg_claims claims;
    uint8_t signature[65];
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
        const int before = ed25519_calls;
        const struct hg_view payload = text("{\"iss\":\"both\",\"aud\":\"headgate\",\"sub\":\"a\",\"exp\":1800000600,\"iat\":1800000000}");
        token.length = 0;
        add_base64url(&token, (const uint8_t *)"{\"alg\":\"EdDSA\"}", 15);
        token.at[token.length++] = '.';
        add_base64url(&token, payload.at, payload.length);
        token.at[token.length++] = '.';
        memset(signature, signatures[i].byte, sizeof signature);
        add_base64url(&token, signature, signatures[i].size);
        CHECK(verify(verifier, &claims) == signatures[i].good && (ed25519_calls == before + 1) == signatures[i].asked);
        CHECK(signatures[i].good || refused("signature_invalid", ""));
    }
    hg_verifier_free(verifier);
}

static void test_kinds_of_tokens_and_revocation(void) {
    static const struct {
        const char *header, *payload, *code, *claim;
    } rows[] = {
        /* the longest spelling of a type that is accepted */
        {"{\"alg\":\"HS256\",\"typ\":\"\\u0061\\u0050\\u0070\\u006c\\u0069\\u0063\\u0061\\u0074\\u0069\\u006f\\u006e\\u002f\\u0061"
         "\\u0074\\u002b\\u004a\\u0077\\u0074\"}", CLAIMS(""), NULL, NULL},
        {"{\"alg\":\"HS256\",\"typ\":\"application/\"}", CLAIMS(""), "header_refused", "typ"},
        {"{\"alg\":\"HS256\",\"typ\":\"\"}", CLAIMS(""), "header_refused", "typ"},
        {"{\"alg\":\"HS256\",\"typ\":null}", CLAIMS(""), NULL, NULL},
        {HEADER, CLAIMS(",\"jti\":\"gone\""), "token_revoked", "jti"},
        {HEADER, CLAIMS(",\"jti\":\"g\\u006fne\""), "token_revoked", "jti"},
        {HEADER, CLAIMS(",\"jti\":\"caf\\u00e9\""), "token_revoked", "jti"},
        {HEADER, CLAIMS(",\"jti\":\"gon\""), NULL, NULL},
        {HEADER, CLAIMS(",\"jti\":5"), "claim_invalid", "jti"},
    };
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    struct hg_verifier *verifier = make_verifier(&alloc, SECRET);
    struct hg_claims claims;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        make_token(&token, text(rows[i].header), text(rows[i].payload), SECRET);
        if (rows[i].code == NULL) {
            CHECK(verify(verifier, &claims));
        } else {
            CHECK(!verify(verifier, &claims) && refused(rows[i].code, rows[i].claim));
        }
    }
    hg_verifier_free(verifier);
}

/* The longest token there is, its texts decoded beside each other in the scratch. */
static void test_the_longest_token(void) {
    static char payload[HG_TOKEN];
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    struct hg_verifier *verifier = make_verifier(&alloc, SECRET);
    struct hg_claims claims;
    char *end = payload + sprintf(payload, "{\"iss\":\"plant\",\"aud\":\"headgate\",\"exp\":1800000600,\"sub\":\"");
    for (int i = 0; i < HG_TOKEN_SUBJECT; i++) {
        end += sprintf(end, "\\u0061");
    }
    end += sprintf(end, "\",\"scope\":\"");
    for (int i = 0; i < 400; i++) {
        end += sprintf(end, i % 100 == 99 ? " " : "\\u0062");
    }
    end -= 1; /* no space at the end */
    for (int pad = 0;; pad++) {
        sprintf(end, "\"%*s}", pad, "");
        make_token(&token, text(HEADER), text(payload), SECRET);
        if (token.length > HG_TOKEN) {
            CHECK(pad > 0 && !verify(verifier, &claims) && refused("token_too_large", ""));
            break;
        }
        CHECK(verify(verifier, &claims) && claims.sub.length == HG_TOKEN_SUBJECT);
        CHECK(claims.scopes.length == 399 && claims.scopes.at[0] == 'b' && claims.scopes.at[398] == 'b');
    }
    hg_verifier_free(verifier);
}

/* --- the table */

static void named(unsigned number, const char *more) {
    char payload[512];
    sprintf(payload, "{\"iss\":\"plant\",\"aud\":\"headgate\",\"sub\":\"s%u\",\"exp\":1800000600,\"scope\":\"read:a\"%s}", number, more);
    make_token(&token, text(HEADER), text(payload), SECRET);
}

static bool look(struct hg_tokens *tokens, const struct hg_clock *clock, const struct hg_claims **claims) {
    return hg_tokens_verify(tokens, token.at, token.length, clock, claims, &error);
}

static struct hg_tokens_stats stats_of(const struct hg_tokens *tokens) {
    struct hg_tokens_stats stats;
    hg_tokens_stats(tokens, &stats);
    return stats;
}

static void test_a_hit_says_the_same_and_judges_the_times_anew(void) {
    static const struct {
        struct hg_clock clock;
        const char *code; /* NULL: accepted */
    } rows[] = {
        {{NOW, NOW, HG_CLOCK_TRUSTED}, NULL},
        {{NOW + 629, NOW, HG_CLOCK_TRUSTED}, NULL},
        {{NOW + 630, NOW, HG_CLOCK_TRUSTED}, "token_expired"},
        {{NOW, NOW + 630, HG_CLOCK_ESTIMATED}, "token_expired"},
        {{NOW + 700, NOW, HG_CLOCK_ESTIMATED}, "token_expired"},
        {{NOW + 700, NOW, HG_CLOCK_UNSET}, "clock_untrusted"},
        {{NOW - 40, NOW - 50, HG_CLOCK_TRUSTED}, "token_not_yet_valid"},
        {{NOW, NOW, HG_CLOCK_TRUSTED}, NULL},
    };
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    struct hg_verifier *verifier = make_verifier(&alloc, SECRET);
    struct hg_tokens *tokens = hg_tokens_new(&alloc, verifier, SEED, 10, 10000);
    const struct hg_claims *claims;
    named(1, ",\"nbf\":1800000000,\"iat\":1800000000,\"jti\":\"x\"");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        static uint8_t scratch[HG_TOKEN_SCRATCH];
        struct hg_claims fresh;
        struct hg_token_error fresh_error;
        const bool ok = hg_token_verify(verifier, token.at, token.length, &rows[i].clock, scratch, NULL, &fresh, &fresh_error);
        CHECK(look(tokens, &rows[i].clock, &claims) == ok && ok == (rows[i].code == NULL));
        CHECK(ok ? same_claims(claims, &fresh) : same_error(&error, &fresh_error) && refused(rows[i].code, error.claim));
        CHECK(stats_of(tokens).misses == 1 && stats_of(tokens).hits == i && stats_of(tokens).entries == 1);
    }
    hg_tokens_free(tokens);
    hg_verifier_free(verifier);
    CHECK(heap.live == 0);
}

/* The header before is remembered; each of these follows each, itself included. */
/* The one used last is tried before any other: by all of its bytes. */
static void test_every_byte_of_the_token_before_counts(void) {
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    const struct hg_clock clock = {NOW, NOW, HG_CLOCK_TRUSTED};
    struct hg_verifier *verifier = make_verifier(&alloc, SECRET);
    struct hg_tokens *tokens = hg_tokens_new(&alloc, verifier, SEED, 10, 10000);
    const struct hg_claims *claims;
    named(1, "");
    CHECK(look(tokens, &clock, &claims));
    for (uint32_t i = 0; i < token.length; i++) {
        uint8_t *const byte = (uint8_t *)(uintptr_t)&token.at[i];
        *byte ^= 1;
        CHECK(!look(tokens, &clock, &claims) && stats_of(tokens).entries == 1);
        *byte ^= 1;
    }
    for (uint32_t less = 1; less <= token.length; less++) {
        CHECK(!hg_tokens_verify(tokens, token.at + less, token.length - less, &clock, &claims, &error));
        CHECK(!hg_tokens_verify(tokens, token.at, token.length - less, &clock, &claims, &error));
    }
    CHECK(look(tokens, &clock, &claims) && stats_of(tokens).hits == 1);
    for (unsigned turn = 0; turn < 6; turn++) { /* the one before, and another */
        named(1 + turn / 2 % 2, "");
        CHECK(look(tokens, &clock, &claims) && claims->sub.at[1] == '1' + turn / 2 % 2);
    }
    CHECK(stats_of(tokens).entries == 2 && stats_of(tokens).hits == 6);
    hg_tokens_free(tokens);
    hg_verifier_free(verifier);
    CHECK(heap.live == 0);
}

static void test_every_header_after_every_other(void) {
    static const struct {
        const char *header, *secret, *code; /* code NULL: accepted */
    } rows[] = {
        {"{\"alg\":\"HS256\",\"kid\":\"k1\"}", SECRET, NULL},
        {"{\"alg\":\"HS256\",\"kid\":\"k1\"}", OTHER_SECRET, "signature_invalid"},
        {"{\"alg\":\"HS256\",\"kid\":\"k2\"}", OTHER_SECRET, NULL},
        {"{\"alg\":\"HS256\",\"kid\":\"\\u006b1\"}", SECRET, NULL},
        {"{\"alg\":\"HS256\"}", SECRET, "key_unknown"},
        {"{\"alg\":\"HS256\",\"kid\":\"k1\",\"jku\":\"\"}", SECRET, "header_refused"},
        {"{\"alg\":\"HS256\",\"kid\":\"k1\",\"a-name-so-long-that-it-is-not-remembered-by-anybody\":\"and a value that is long as well\"}",
         SECRET, NULL},
        {"", SECRET, "token_malformed"},
    };
    enum { COUNT = sizeof rows / sizeof *rows };
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    struct hg_verifier *verifier = make_verifier(&alloc, SECRET);
    struct hg_tokens *tokens = hg_tokens_new(&alloc, verifier, SEED, 0, 0); /* every token is verified from scratch */
    const struct hg_claims *claims;
    for (unsigned i = 0; i < COUNT * COUNT; i++) {
        const unsigned both[2] = {i / COUNT, i % COUNT};
        for (unsigned k = 0; k < 2; k++) {
            const char *const code = rows[both[k]].code;
            make_token(&token, text(rows[both[k]].header),
                       text("{\"iss\":\"both\",\"aud\":\"headgate\",\"sub\":\"a\",\"exp\":1800000600,\"iat\":1800000000}"), rows[both[k]].secret);
            CHECK(look(tokens, &TRUSTED, &claims) == (code == NULL));
            CHECK(code == NULL || strcmp(error.code, code) == 0);
        }
    }
    hg_tokens_free(tokens);
    hg_verifier_free(verifier);
    CHECK(heap.live == 0);
}

static void test_refused_tokens_are_not_kept(void) {
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    struct hg_verifier *verifier = make_verifier(&alloc, SECRET);
    struct hg_tokens *tokens = hg_tokens_new(&alloc, verifier, SEED, 10, 10000);
    const struct hg_claims *claims;
    const long before = heap.live;
    for (int round = 0; round < 3; round++) {
        named(1, "");
        for (uint32_t i = token.length - 43; i < token.length; i++) { /* every character of the signature */
            token.at[i] = token.at[i] == 'A' ? 'E' : 'A';
            CHECK(!look(tokens, &TRUSTED, &claims));
            named(1, "");
        }
        named(1, ",\"jti\":\"gone\"");
        CHECK(!look(tokens, &TRUSTED, &claims) && refused("token_revoked", "jti"));
        make_token(&token, text(HEADER), text("{\"iss\":\"plant\",\"aud\":\"headgate\",\"sub\":\"a\",\"exp\":1}"), SECRET);
        CHECK(!look(tokens, &TRUSTED, &claims) && refused("token_expired", "exp"));
    }
    CHECK(stats_of(tokens).entries == 0 && stats_of(tokens).bytes == 0 && stats_of(tokens).hits == 0 && heap.live == before);
    hg_tokens_free(tokens);
    hg_verifier_free(verifier);
}

static void test_the_least_recently_used_goes_first(void) {
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    struct hg_verifier *verifier = make_verifier(&alloc, SECRET);
    struct hg_tokens *tokens = hg_tokens_new(&alloc, verifier, SEED, 4, 100000);
    const struct hg_claims *claims;
    for (unsigned i = 0; i < 4; i++) {
        named(i, "");
        CHECK(look(tokens, &TRUSTED, &claims));
    }
    named(0, ""); /* used again: 1 is the oldest now */
    CHECK(look(tokens, &TRUSTED, &claims) && stats_of(tokens).hits == 1);
    named(4, "");
    CHECK(look(tokens, &TRUSTED, &claims) && stats_of(tokens).evictions == 1 && stats_of(tokens).entries == 4);
    for (unsigned i = 0; i < 5; i++) {
        static const unsigned order[] = {0, 2, 3, 4, 1}; /* 1, which is gone, last: it would drive out another */
        const uint64_t hits = stats_of(tokens).hits;
        named(order[i], "");
        CHECK(look(tokens, &TRUSTED, &claims) && (stats_of(tokens).hits == hits + 1) == (order[i] != 1));
        CHECK(claims->sub.at[1] == '0' + order[i]);
    }
    hg_tokens_free(tokens);
    hg_verifier_free(verifier);
    CHECK(heap.live == 0);
}

static void test_the_budget_of_bytes(void) {
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    struct hg_verifier *verifier = make_verifier(&alloc, SECRET);
    const struct hg_claims *claims;
    struct hg_tokens *tokens = hg_tokens_new(&alloc, verifier, SEED, 1000, 1 << 20);
    uint32_t one;
    named(1, "");
    CHECK(look(tokens, &TRUSTED, &claims));
    one = (uint32_t)stats_of(tokens).bytes;
    CHECK(one > token.length + claims->raw.length);
    hg_tokens_free(tokens);
    for (uint32_t budget = 0; budget < 4 * one; budget += one / 3) {
        tokens = hg_tokens_new(&alloc, verifier, SEED, 1000, budget);
        for (unsigned i = 0; i < 10; i++) {
            named(i, "");
            CHECK(look(tokens, &TRUSTED, &claims) && claims->sub.at[1] == '0' + i);
            CHECK(stats_of(tokens).bytes <= budget && stats_of(tokens).entries == (i < budget / one ? i + 1 : budget / one));
        }
        hg_tokens_free(tokens);
    }
    tokens = hg_tokens_new(&alloc, verifier, SEED, 0, 1 << 20); /* room for none */
    CHECK(look(tokens, &TRUSTED, &claims) && look(tokens, &TRUSTED, &claims) && stats_of(tokens).entries == 0);
    hg_tokens_free(tokens);
    hg_verifier_free(verifier);
    CHECK(heap.live == 0);
}

/* Other keys are another verifier with a table of its own: what the old one remembers is refused by the new. */
static void test_rotated_keys_begin_with_an_empty_table(void) {
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    struct hg_verifier *old = make_verifier(&alloc, SECRET), *new = make_verifier(&alloc, OTHER_SECRET);
    struct hg_tokens *of_old = hg_tokens_new(&alloc, old, SEED, 10, 10000), *of_new = hg_tokens_new(&alloc, new, SEED, 10, 10000);
    const struct hg_claims *claims;
    named(1, "");
    CHECK(look(of_old, &TRUSTED, &claims) && look(of_old, &TRUSTED, &claims) && stats_of(of_old).hits == 1);
    CHECK(!look(of_new, &TRUSTED, &claims) && refused("signature_invalid", ""));
    hg_tokens_free(of_old);
    hg_verifier_free(old);
    CHECK(!look(of_new, &TRUSTED, &claims) && stats_of(of_new).hits == 0);
    hg_tokens_free(of_new);
    hg_verifier_free(new);
    CHECK(heap.live == 0);
}

/* Fails each allocation in turn: of the verifier, of the table, and while tokens come in and go. */
static void test_every_failing_allocation(void) {
    bool done = false;
    for (long fail_at = 1; !done; fail_at++) {
        struct heap heap = {0, fail_at};
        const struct hg_alloc alloc = heap_of(&heap);
        struct hg_verifier *verifier = make_verifier(&alloc, SECRET);
        struct hg_tokens *tokens = verifier == NULL ? NULL : hg_tokens_new(&alloc, verifier, SEED, 20, 8000);
        const struct hg_claims *claims;
        CHECK(verifier != NULL || heap.live == 0);
        for (unsigned i = 0; tokens != NULL && i < 60; i++) {
            named(i * 7 % 40, "");
            CHECK(look(tokens, &TRUSTED, &claims) && same_view(claims->scopes, text("read:a"))); /* kept or not */
            CHECK(stats_of(tokens).bytes <= 8000 && stats_of(tokens).entries <= 20);
        }
        done = tokens != NULL && heap.fail_at > 0; /* none failed any more */
        if (tokens != NULL) {
            hg_tokens_free(tokens);
        }
        if (verifier != NULL) {
            hg_verifier_free(verifier);
        }
        CHECK(heap.live == 0 && fail_at < 1000);
    }
}

/* --- nothing secret stays behind */

enum { NEEDLE = 24 }; /* bytes that must not be in freed memory */
static uint8_t needles[3][NEEDLE];

static void *watched_alloc(void *context, size_t size) {
    size_t *memory = malloc(size + 16);
    (void)context;
    CHECK(memory != NULL);
    *memory = size;
    return (uint8_t *)memory + 16;
}

static bool holds(const uint8_t *block, size_t size, unsigned which) {
    for (size_t at = 0; at + NEEDLE <= size; at++) {
        if (memcmp(block + at, needles[which], NEEDLE) == 0) {
            return true;
        }
    }
    return false;
}

static void watched_release(void *context, void *memory) {
    const size_t size = *(size_t *)(void *)((uint8_t *)memory - 16);
    (void)context;
    for (unsigned i = 0; i < 3; i++) {
        CHECK(!holds(memory, size, i));
    }
    free((uint8_t *)memory - 16);
}

static void test_freed_memory_holds_no_key_and_no_token(void) {
    const struct hg_alloc alloc = {watched_alloc, watched_release, NULL};
    struct hg_verifier *verifier;
    struct hg_tokens *tokens;
    const struct hg_claims *claims;
    struct hg_hmac hmac;
    hg_hmac_init(&hmac, hg_sha256_plain, (const uint8_t *)SECRET, strlen(SECRET));
    memcpy(needles[0], hmac.inner, NEEDLE);
    memcpy(needles[1], SECRET, NEEDLE);
    named(0, "");
    memcpy(needles[2], token.at + token.length - NEEDLE, NEEDLE);
    verifier = make_verifier(&alloc, SECRET);
    tokens = hg_tokens_new(&alloc, verifier, SEED, 2, 10000);
    CHECK(look(tokens, &TRUSTED, &claims) && look(tokens, &TRUSTED, &claims));
    /* The test sees what it looks for: the state of the key in the verifier, the token before the claims of its entry. */
    CHECK(holds((const uint8_t *)verifier, *(size_t *)(void *)((uint8_t *)verifier - 16), 0));
    CHECK(holds(claims->sub.at - token.length, token.length, 2));
    for (unsigned i = 1; i < 5; i++) { /* drives it out */
        named(i, "");
        CHECK(look(tokens, &TRUSTED, &claims));
    }
    hg_tokens_free(tokens);
    hg_verifier_free(verifier);
}

int main(void) {
    test_claims();
    test_rfc_7515();
    test_ed25519_gets_exactly_what_is_signed();
    test_kinds_of_tokens_and_revocation();
    test_the_longest_token();
    test_a_hit_says_the_same_and_judges_the_times_anew();
    test_every_byte_of_the_token_before_counts();
    test_every_header_after_every_other();
    test_refused_tokens_are_not_kept();
    test_the_least_recently_used_goes_first();
    test_the_budget_of_bytes();
    test_rotated_keys_begin_with_an_empty_table();
    test_every_failing_allocation();
    test_freed_memory_holds_no_key_and_no_token();
    return 0;
}
