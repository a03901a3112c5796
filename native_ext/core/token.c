#include "token.h"

#include <string.h>

#include "base64url.h"
#include "block.h"
#include "compile.h"
#include "find.h"
#include "limits.h"
#include "number.h"
#include "scopes.h"
#include "secret.h"
#include "sha256.h"
#include "validate.h"

#define SIGNATURE 64 /* bytes, of Ed25519 */
#define REASON_ABSENT (-1)

struct key {
    struct hg_view kid;
    enum hg_alg alg;
    struct hg_hmac hmac;    /* HS256 */
    uint8_t public_key[32]; /* EdDSA */
};

struct issuer {
    struct hg_view name, audience;
    enum hg_clock_policy policy;
    int64_t leeway_s, max_ttl_s;
    struct key *keys;
    uint32_t key_count, revoked_count;
    struct hg_view *revoked;
};

/* One block: this, then issuers, keys, lists and texts. */
struct hg_verifier {
    struct hg_alloc alloc;
    size_t size;
    struct hg_program *strict; /* a schema that takes every JSON text: only the syntax is judged */
    hg_ed25519_verify verify;
    void *context;
    uint32_t count;
    struct issuer *issuers;
};

/* --- making one */

static void put_key(const struct hg_key_spec *spec, hg_sha256_blocks blocks, struct hg_view kid, struct key *key) {
    *key = (struct key){.kid = kid, .alg = spec->alg};
    if (spec->alg == HG_HS256) {
        hg_hmac_init(&key->hmac, blocks, spec->secret.at, spec->secret.length);
    } else {
        memcpy(key->public_key, spec->secret.at, sizeof key->public_key);
    }
}

/* The same walk for the size and for the contents. */
static struct hg_verifier *lay_out(struct hg_block *block, const struct hg_issuer_spec *specs, uint32_t count,
                                   hg_sha256_blocks blocks) {
    struct hg_verifier *verifier = hg_block_part(block, sizeof *verifier);
    struct issuer *issuers = hg_block_part(block, count * sizeof *issuers);
    for (uint32_t i = 0; i < count; i++) {
        const struct hg_issuer_spec *spec = &specs[i];
        struct key *keys = hg_block_part(block, spec->key_count * sizeof *keys);
        struct hg_view *revoked = hg_block_part(block, spec->revoked_count * sizeof *revoked);
        const struct hg_view name = hg_block_text(block, spec->name), audience = hg_block_text(block, spec->audience);
        for (uint32_t j = 0; j < spec->key_count; j++) {
            const struct hg_view kid = hg_block_text(block, spec->keys[j].kid);
            if (verifier != NULL) {
                put_key(&spec->keys[j], blocks, kid, &keys[j]);
            }
        }
        for (uint32_t j = 0; j < spec->revoked_count; j++) {
            const struct hg_view jti = hg_block_text(block, spec->revoked[j]);
            if (verifier != NULL) {
                revoked[j] = jti;
            }
        }
        if (verifier != NULL) {
            issuers[i] = (struct issuer){name,   audience, spec->policy,    spec->leeway_s,      spec->max_ttl_s,
                                         keys,   spec->key_count, spec->revoked_count, revoked};
        }
    }
    if (verifier != NULL) {
        *verifier = (struct hg_verifier){.count = count, .issuers = issuers};
    }
    return verifier;
}

struct hg_verifier *hg_verifier_new(const struct hg_alloc *alloc, const struct hg_issuer_spec *issuers, uint32_t count,
                                    hg_ed25519_verify verify, void *context, const uint8_t seed[HG_SEED]) {
    struct hg_compile_options options = {.draft = HG_DRAFT_2020, .unknown_keywords = true};
    struct hg_program *strict;
    struct hg_verifier *verifier;
    struct hg_block block = {NULL, 0};
    memcpy(options.seed, seed, HG_SEED);
    if (hg_compile(alloc, (const uint8_t *)"true", 4, &options, &strict) != HG_OK) {
        return NULL;
    }
    (void)lay_out(&block, issuers, count, NULL);
    block.at = alloc->alloc(alloc->context, block.used);
    if (block.at == NULL) {
        alloc->release(alloc->context, strict);
        return NULL;
    }
    block.used = 0;
    verifier = lay_out(&block, issuers, count, hg_sha256_best());
    verifier->alloc = *alloc;
    verifier->size = block.used;
    verifier->strict = strict;
    verifier->verify = verify;
    verifier->context = context;
    return verifier;
}

void hg_verifier_free(struct hg_verifier *verifier) {
    const struct hg_alloc alloc = verifier->alloc;
    alloc.release(alloc.context, verifier->strict);
    hg_wipe(verifier, verifier->size);
    alloc.release(alloc.context, verifier);
}

struct hg_view hg_verifier_issuer(const struct hg_verifier *verifier, uint32_t issuer) {
    return verifier->issuers[issuer].name;
}

/* --- refusing */

static bool refuse(struct hg_token_error *error, const char *code, const char *claim, const char *detail) {
    *error = (struct hg_token_error){code, claim, detail};
    return false;
}

/* --- parts and values */

/* One part of a token: the JSON object in it, in `out` with a NUL after it. */
static bool read_object(const struct hg_verifier *verifier, struct hg_view part_, uint8_t *out, struct hg_view *text,
                        struct hg_token_error *error) {
    struct hg_fault fault;
    uint32_t length;
    if (!hg_base64url_decode(part_.at, part_.length, out, &length)) {
        return refuse(error, "token_malformed", "", "a part is not canonical base64url");
    }
    out[length] = 0;
    if (hg_validate_json(verifier->strict, out, length, &fault) != HG_VALID) {
        return refuse(error, "token_malformed", "", "a part is not strict JSON");
    }
    *text = (struct hg_view){out, length};
    return *hg_find_root(*text).start == '{' || refuse(error, "token_malformed", "", "a part is not a JSON object");
}

static bool is_null(struct hg_value value) { return value.start == NULL || *value.start == 'n'; }

static struct hg_view plain(const char *text) { return (struct hg_view){(const uint8_t *)text, (uint32_t)strlen(text)}; }

/* A claim or header that has to be a text. */
static bool need_text(struct hg_value value, const char *name, const char *missing, const char *wrong,
                      struct hg_token_error *error) {
    if (is_null(value)) {
        return refuse(error, "claim_missing", name, missing);
    }
    return hg_value_is_text(value) || refuse(error, "claim_invalid", name, wrong);
}

/* A NumericDate as whole Unix seconds; REASON_ABSENT when it is not there. 1.7e9 is whole, 1.5 is not. */
static bool read_time(struct hg_value value, const char *name, const char *wrong, int64_t *time,
                      struct hg_token_error *error) {
    struct hg_number number;
    enum hg_reason reason;
    const uint8_t *at;
    *time = REASON_ABSENT;
    if (value.start == NULL) {
        return true;
    }
    if ((*value.start != '-' && (*value.start < '0' || *value.start > '9')) ||
        hg_number_scan(value.start, &number, &reason, &at) == NULL || !hg_number_int64(&number, time) || *time < 0 ||
        *time > HG_TOKEN_TIME) {
        return refuse(error, "claim_invalid", name, wrong);
    }
    return true;
}

/* --- the header */

enum { CRIT, B64, JWK, JKU, X5U, X5C, TYP, ALG, KID, HEADERS };
static const char *const header_names[HEADERS + 1] = {"crit", "b64", "jwk", "jku", "x5u", "x5c", "typ", "alg", "kid", NULL};

/* RFC 7519 section 5.1, RFC 9068 section 2.1, without regard to case. */
static bool is_known_type(struct hg_value value) {
    uint8_t text[128]; /* "application/at+jwt" has 18 characters, which an escape each makes 108 bytes */
    struct hg_view type = {text, 0};
    if (!hg_value_is_text(value) || (size_t)(value.end - value.start) + 2 > sizeof text) {
        return false;
    }
    type.length = hg_value_decode(value, text);
    for (uint32_t i = 0; i < type.length; i++) {
        text[i] = (uint8_t)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] | 0x20 : text[i]);
    }
    if (type.length > 12 && memcmp(type.at, "application/", 12) == 0) {
        type = (struct hg_view){type.at + 12, type.length - 12};
    }
    return (type.length == 3 && memcmp(type.at, "jwt", 3) == 0) || (type.length == 6 && memcmp(type.at, "at+jwt", 6) == 0);
}

static bool check_header(struct hg_view text, enum hg_alg *alg, struct hg_value *kid, struct hg_token_error *error) {
    struct hg_value value[HEADERS];
    hg_find_members(hg_find_root(text), header_names, value);
    if (value[CRIT].start != NULL) { /* RFC 7515 section 4.1.11: all of it must be understood, and we know no extension */
        return refuse(error, "header_refused", "crit", "no critical header is supported");
    }
    if (value[B64].start != NULL) { /* RFC 7797; without crit it would be ignored by some and honoured by others */
        return refuse(error, "header_refused", "b64", "b64 is not supported");
    }
    for (int i = JWK; i <= X5C; i++) {
        if (value[i].start != NULL) {
            return refuse(error, "header_refused", header_names[i],
                          "keys come from the configuration, never with the token");
        }
    }
    if (!is_null(value[TYP]) && !is_known_type(value[TYP])) { /* RFC 8725 section 3.11 */
        return refuse(error, "header_refused", "typ", "typ must be JWT or at+jwt");
    }
    if (!hg_value_is_text(value[ALG])) {
        return refuse(error, "alg_refused", "alg", "alg must be one text");
    }
    if (hg_value_equals(value[ALG], plain("HS256"))) {
        *alg = HG_HS256;
    } else if (hg_value_equals(value[ALG], plain("EdDSA"))) {
        *alg = HG_EDDSA;
    } else {
        return refuse(error, "alg_refused", "alg", "only HS256 and EdDSA are supported");
    }
    if (!is_null(value[KID]) && !hg_value_is_text(value[KID])) {
        return refuse(error, "token_malformed", "kid", "kid must be a text");
    }
    *kid = is_null(value[KID]) ? (struct hg_value){NULL, NULL} : value[KID];
    return true;
}

static bool is_header_of(const struct hg_token_header *before, struct hg_view part_) {
    return before != NULL && part_.length != 0 && part_.length == before->length &&
           memcmp(part_.at, before->part, part_.length) == 0;
}

static void remember_header(struct hg_token_header *before, struct hg_view part_, enum hg_alg alg, struct hg_value kid) {
    if (before == NULL || part_.length > HG_TOKEN_HEADER || is_header_of(before, part_)) {
        return;
    }
    before->length = part_.length;
    before->alg = alg;
    before->kid_length = kid.start == NULL ? 0 : (uint32_t)(kid.end - kid.start); /* shorter than the part it is in */
    memcpy(before->part, part_.at, part_.length);
    if (kid.start != NULL) {
        memcpy(before->kid, kid.start, before->kid_length);
    }
}

/* The one key that a token with this header can be signed by. */
static const struct key *key_for(const struct issuer *issuer, enum hg_alg alg, struct hg_value kid,
                                 struct hg_token_error *error) {
    const struct key *named = NULL, *any = NULL;
    uint32_t bound = 0, names = 0, anys = 0;
    for (uint32_t i = 0; i < issuer->key_count; i++) {
        const struct key *key = &issuer->keys[i];
        if (key->alg != alg) {
            continue;
        }
        bound += 1;
        if (kid.start == NULL || key->kid.length == 0) {
            any = key;
            anys += 1;
        }
        if (kid.start != NULL && hg_value_equals(kid, key->kid)) {
            named = key;
            names += 1;
        }
    }
    if (bound == 0) {
        (void)refuse(error, "alg_refused", "alg", "no key of this issuer is bound to this alg");
        return NULL;
    }
    if (names == 1 || (names == 0 && anys == 1)) {
        return names == 1 ? named : any;
    }
    (void)refuse(error, "key_unknown", "kid",
                 names + anys > 0 ? "several keys of this issuer fit; a kid must say which"
                                  : "no key of this issuer has this kid");
    return NULL;
}

static bool is_authentic(const struct hg_verifier *verifier, const struct key *key, struct hg_view input,
                         const uint8_t *signature, uint32_t length) {
    uint8_t digest[HG_SHA256];
    if (key->alg == HG_HS256) {
        hg_hmac(&key->hmac, input.at, input.length, digest);
        return length == HG_SHA256 && hg_same(digest, signature, HG_SHA256);
    }
    return verifier->verify != NULL && length == SIGNATURE &&
           verifier->verify(verifier->context, key->public_key, input.at, input.length, signature);
}

/* --- the claims */

enum { ISS, SUB, AUD, EXP, NBF, IAT, SCOPE, JTI, CLAIMS };
static const char *const claim_names[CLAIMS + 1] = {"iss", "sub", "aud", "exp", "nbf", "iat", "scope", "jti", NULL};

static bool check_audience(struct hg_value value, struct hg_view audience, struct hg_token_error *error) {
    const bool list = value.start != NULL && *value.start == '[';
    bool found = false;
    if (is_null(value)) {
        return refuse(error, "claim_missing", "aud", "aud is required");
    }
    for (struct hg_value one = list ? hg_find_first(value) : value; one.start != NULL;
         one = list ? hg_find_next(value, one) : (struct hg_value){NULL, NULL}) {
        if (!hg_value_is_text(one)) {
            return refuse(error, "claim_invalid", "aud", "aud must be a text or an array of texts");
        }
        found = found || hg_value_equals(one, audience);
    }
    return found || refuse(error, "audience_wrong", "aud", "the token is made for another audience");
}

bool hg_token_times(const struct hg_verifier *verifier, const struct hg_claims *claims, const struct hg_clock *clock,
                    struct hg_token_error *error) {
    const struct issuer *issuer = &verifier->issuers[claims->issuer];
    const bool trusted = clock->state == HG_CLOCK_TRUSTED;
    const bool judged = trusted || (clock->state == HG_CLOCK_ESTIMATED && issuer->policy == HG_POLICY_ESTIMATE);
    const int64_t later = clock->now_s > clock->floor_s ? clock->now_s : clock->floor_s;
    if (claims->exp + issuer->leeway_s <= (judged ? later : clock->floor_s)) {
        return refuse(error, "token_expired", "exp", "the token has expired");
    }
    if (claims->nbf >= 0 && claims->nbf >= claims->exp) {
        return refuse(error, "claim_invalid", "nbf", "the token is never valid: nbf is not before exp");
    }
    if (issuer->max_ttl_s != 0) {
        if (claims->iat < 0) {
            return refuse(error, "claim_missing", "iat",
                          "iat is required, because this issuer's tokens have a longest life");
        }
        if (claims->exp - claims->iat > issuer->max_ttl_s) {
            return refuse(error, "ttl_too_long", "exp", "exp - iat is longer than allowed");
        }
    }
    if (trusted) { /* a clock that runs behind is no reason to refuse what was issued by a right one */
        const int64_t latest = clock->now_s + issuer->leeway_s;
        if (claims->nbf >= 0 && claims->nbf > latest) {
            return refuse(error, "token_not_yet_valid", "nbf", "the token is not valid yet");
        }
        if (claims->iat >= 0 && claims->iat > latest) {
            return refuse(error, "token_not_yet_valid", "iat", "the token was issued in the future");
        }
    } else if (!judged && issuer->policy != HG_POLICY_ACCEPT) {
        return refuse(error, "clock_untrusted", "exp", "the appliance does not know the time yet and cannot judge exp");
    }
    return true;
}

static bool read_times(const struct hg_value *value, struct hg_claims *claims, struct hg_token_error *error) {
    if (!read_time(value[EXP], "exp", "exp must be whole Unix seconds before the year 10000", &claims->exp, error)) {
        return false;
    }
    if (claims->exp == REASON_ABSENT) {
        return refuse(error, "claim_missing", "exp", "exp is required");
    }
    return read_time(value[NBF], "nbf", "nbf must be whole Unix seconds before the year 10000", &claims->nbf, error) &&
           read_time(value[IAT], "iat", "iat must be whole Unix seconds before the year 10000", &claims->iat, error);
}

static bool check_revoked(const struct issuer *issuer, struct hg_value jti, struct hg_token_error *error) {
    if (issuer->revoked_count == 0 || is_null(jti)) {
        return true;
    }
    if (!hg_value_is_text(jti)) {
        return refuse(error, "claim_invalid", "jti", "jti must be a text");
    }
    for (uint32_t i = 0; i < issuer->revoked_count; i++) {
        if (hg_value_equals(jti, issuer->revoked[i])) {
            return refuse(error, "token_revoked", "jti", "the token has been revoked");
        }
    }
    return true;
}

/* What a client may be called (core/jwt.py, is_subject). */
static bool is_subject(struct hg_view text) {
    if (text.length == 0 || text.length > HG_TOKEN_SUBJECT || (text.length == 1 && text.at[0] == '.') ||
        (text.length == 2 && text.at[0] == '.' && text.at[1] == '.')) {
        return false;
    }
    for (uint32_t i = 0; i < text.length; i++) {
        const uint8_t c = text.at[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
              c == '~' || c == '-')) {
            return false;
        }
    }
    return true;
}

/* RFC 9068 section 2.2.3, RFC 6749 section 3.3. */
static bool check_scopes(struct hg_view scopes, struct hg_token_error *error) {
    uint32_t entries = 1;
    for (uint32_t i = 0; i < scopes.length; i++) {
        entries += scopes.at[i] == ' ';
    }
    if (scopes.length == 0) {
        return true;
    }
    if (entries > HG_TOKEN_SCOPES) {
        return refuse(error, "claim_invalid", "scope", "scope has too many entries");
    }
    for (uint32_t from = 0; from <= scopes.length;) {
        uint32_t to = from, characters = 0;
        while (to < scopes.length && scopes.at[to] != ' ') {
            characters += (scopes.at[to] & 0xC0) != 0x80; /* of UTF-8 */
            to += 1;
        }
        if (characters == 0 || characters > HG_TOKEN_SCOPE) {
            return refuse(error, "claim_invalid", "scope", "an entry of scope is empty or too long");
        }
        for (uint32_t i = from; i < to; i++) {
            const uint8_t c = scopes.at[i];
            if (c < '!' || c > '~' || c == '"' || c == '\\') {
                return refuse(error, "claim_invalid", "scope", "scope has a character that is not allowed");
            }
        }
        from = to + 1;
    }
    return true;
}

/* The value of a text: in place, or decoded at *free, which moves on. */
static struct hg_view text_value(struct hg_value value, uint8_t **free) {
    struct hg_view view = hg_value_plain(value);
    if (view.at == NULL) {
        view = (struct hg_view){*free, hg_value_decode(value, *free)};
        *free += view.length;
    }
    return view;
}

/* Three parts, with a dot between two. */
static bool split(const uint8_t *token, uint32_t length, struct hg_view parts[3]) {
    for (int i = 0; i < 3; i++) {
        const uint8_t *const dot = memchr(token, '.', length);
        const uint32_t size = dot == NULL ? length : (uint32_t)(dot - token);
        if ((dot == NULL) != (i == 2)) {
            return false;
        }
        parts[i] = (struct hg_view){token, size};
        if (i < 2) {
            token += size + 1;
            length -= size + 1;
        }
    }
    return true;
}

bool hg_token_verify(const struct hg_verifier *verifier, const uint8_t *token, uint32_t length,
                     const struct hg_clock *clock, uint8_t *scratch, struct hg_token_header *before,
                     struct hg_claims *claims, struct hg_token_error *error) {
    struct hg_view parts[3], header, text;
    uint8_t *free = scratch + HG_TOKEN + 1;
    struct hg_value value[CLAIMS], kid;
    const struct issuer *issuer = NULL;
    const struct key *key;
    uint8_t signature[HG_TOKEN];
    uint32_t size;
    enum hg_alg alg;
    if (length > HG_TOKEN) {
        return refuse(error, "token_too_large", "", "the token is too long");
    }
    if (!split(token, length, parts)) {
        return refuse(error, "token_malformed", "", "a token has three parts");
    }
    if (is_header_of(before, parts[0])) {
        alg = before->alg;
        kid = (struct hg_value){before->kid_length == 0 ? NULL : before->kid, before->kid + before->kid_length};
    } else if (!read_object(verifier, parts[0], free, &header, error) || !check_header(header, &alg, &kid, error)) {
        return false;
    }
    if (!read_object(verifier, parts[1], scratch, &text, error)) {
        return false;
    }
    hg_find_members(hg_find_root(text), claim_names, value);
    if (!need_text(value[ISS], "iss", "iss is required", "iss must be a text", error)) {
        return false;
    }
    *claims = (struct hg_claims){.raw = text, .exp = REASON_ABSENT, .nbf = REASON_ABSENT, .iat = REASON_ABSENT};
    for (uint32_t i = 0; i < verifier->count && issuer == NULL; i++) {
        if (hg_value_equals(value[ISS], verifier->issuers[i].name)) {
            issuer = &verifier->issuers[i];
            claims->issuer = i;
        }
    }
    if (issuer == NULL) {
        return refuse(error, "issuer_unknown", "iss", "tokens of this issuer are not accepted");
    }
    key = key_for(issuer, alg, kid, error);
    if (key == NULL) {
        return false;
    }
    if (!hg_base64url_decode(parts[2].at, parts[2].length, signature, &size)) {
        return refuse(error, "token_malformed", "", "a part is not canonical base64url");
    }
    if (!is_authentic(verifier, key, (struct hg_view){token, parts[0].length + 1 + parts[1].length}, signature, size)) {
        return refuse(error, "signature_invalid", "", "the signature does not fit");
    }
    remember_header(before, parts[0], alg, kid);
    if (!check_audience(value[AUD], issuer->audience, error) || !read_times(value, claims, error) ||
        !hg_token_times(verifier, claims, clock, error) || !check_revoked(issuer, value[JTI], error) ||
        !need_text(value[SUB], "sub", "sub is required", "sub must be a text", error)) {
        return false;
    }
    claims->sub = text_value(value[SUB], &free); /* the header is not needed any more */
    if (!is_subject(claims->sub)) {
        return refuse(error, "claim_invalid", "sub", "sub must be 1 to 64 letters, digits or . _ ~ -");
    }
    claims->scopes = (struct hg_view){scratch, 0};
    if (value[SCOPE].start != NULL) {
        if (!hg_value_is_text(value[SCOPE])) {
            return refuse(error, "claim_invalid", "scope", "scope must be one text");
        }
        claims->scopes = text_value(value[SCOPE], &free);
    }
    return check_scopes(claims->scopes, error);
}

struct wanted {
    const char *action;
    struct hg_view name;
};

static bool allows(struct hg_view scope, const void *wanted) {
    const struct hg_view name = ((const struct wanted *)wanted)->name;
    const char *action = ((const struct wanted *)wanted)->action;
    const uint32_t action_length = (uint32_t)strlen(action);
    const uint8_t *rest;
    uint32_t length;
    if (scope.length <= action_length + 1 || memcmp(scope.at, action, action_length) != 0 || scope.at[action_length] != ':') {
        return false;
    }
    rest = scope.at + action_length + 1;
    length = scope.length - action_length - 1;
    return (length == 1 && *rest == '*') || (length == name.length && memcmp(rest, name.at, length) == 0);
}

bool hg_scope_allows(const struct hg_claims *claims, const char *action, struct hg_view name) {
    const struct wanted wanted = {action, name};
    return hg_any_scope(claims, allows, &wanted);
}
