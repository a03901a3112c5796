/* Invariant: for any tokens, clocks and failing allocations, the table answers as a verification from scratch does; only what is signed
 * with a key of the issuer is accepted, what is accepted is within its limits, the table in its budget; all memory comes back. */
#include "../../tests/c/check_token.h"
#include "input.h"

enum { ENTRIES = 4, BYTES = 4096 };
enum kind { SIGNED, SIGNED_BY_ED25519, SIGNED_BY_A_STRANGER, CHANGED, AS_IT_IS, KINDS };
static const uint8_t PUBLIC[32] = {1};
static int ed25519_said_yes;

static bool fake_ed25519(void *context, const uint8_t public_key[32], const uint8_t *message, uint32_t length,
                         const uint8_t signature[64]) {
    (void)context;
    CHECK(public_key[0] == 1 && length > 0 && length < HG_TOKEN);
    for (int i = 0; i < 64; i++) {
        if (signature[i] != message[length / 2]) {
            return false;
        }
    }
    ed25519_said_yes = 1;
    return true;
}

/* It stays for good. */
static const struct hg_verifier *the_verifier(void) {
    static struct hg_verifier *verifier;
    static struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    const struct hg_view revoked[] = {text("gone")};
    const struct hg_key_spec keys[] = {
        {text("k1"), HG_HS256, text(SECRET)}, {text("e1"), HG_EDDSA, {PUBLIC, sizeof PUBLIC}}, {text(""), HG_HS256, text(SECRET "2")}};
    const struct hg_issuer_spec issuers[] = {
        {text("plant"), text("headgate"), HG_POLICY_ESTIMATE, 30, 0, keys, 1, revoked, 1},
        {text("fleet"), text("headgate"), HG_POLICY_REFUSE, 0, 3600, keys + 1, 1, NULL, 0},
        {text("all"), text("a"), HG_POLICY_ACCEPT, 0, 0, keys, 3, revoked, 1},
    };
    if (verifier == NULL) {
        verifier = hg_verifier_new(&alloc, issuers, 3, fake_ed25519, NULL, SEED);
    }
    return verifier;
}

static void check_claims(const struct hg_claims *claims) {
    uint32_t entries = claims->scopes.length != 0, run = 0;
    CHECK(claims->sub.length >= 1 && claims->sub.length <= HG_TOKEN_SUBJECT && claims->issuer < 3);
    CHECK(claims->exp >= 0 && claims->exp <= HG_TOKEN_TIME && claims->nbf < claims->exp && claims->iat <= HG_TOKEN_TIME);
    for (uint32_t i = 0; i < claims->sub.length; i++) {
        CHECK(claims->sub.at[i] > ' ' && claims->sub.at[i] < 0x7f && strchr("/#+*?%", claims->sub.at[i]) == NULL);
    }
    for (uint32_t i = 0; i < claims->scopes.length; i++) {
        const uint8_t c = claims->scopes.at[i];
        CHECK(c >= ' ' && c < 0x7f && c != '"' && c != '\\' && (c != ' ' || run > 0));
        entries += c == ' ';
        run = c == ' ' ? 0 : run + 1;
        CHECK(run <= HG_TOKEN_SCOPE);
    }
    CHECK(entries <= HG_TOKEN_SCOPES && (claims->scopes.length == 0 || run > 0));
    CHECK(claims->raw.length > 1 && memchr(claims->raw.at, '{', claims->raw.length) != NULL);
}

/* Members of an object that would do, those that the mask names, and after them whatever the fuzzer makes up. */
static struct hg_view take_object(struct input *input, const char *const (*members)[4], unsigned count, char *out) {
    unsigned mask = take_byte(input), which = take_byte(input), length = 1;
    const unsigned most = take_byte(input);
    out[0] = '{';
    for (unsigned i = 0; i < count; i++, mask >>= 1, which >>= 2) {
        if ((mask & 1) == 0 && members[i][which & 3] != NULL) {
            length += (unsigned)sprintf(out + length, "%s%s", length > 1 ? "," : "", members[i][which & 3]);
        }
    }
    for (unsigned i = 0; i < most && input->left > 0; i++) {
        out[length++] = (char)take_byte(input);
    }
    out[length++] = '}';
    return (struct hg_view){(const uint8_t *)out, length};
}

static const char *const HEADERS[][4] = {
    {"\"alg\":\"HS256\"", "\"alg\":\"EdDSA\"", "\"alg\":\"none\"", NULL},
    {NULL, "\"typ\":\"JWT\"", "\"typ\":\"at+jwt\"", "\"typ\":\"application/\\u006awt\""},
    {NULL, "\"kid\":\"k1\"", "\"kid\":\"\\u0065\\u0031\"", "\"kid\":\"x\""},
};
static const char *const MEMBERS[][4] = {
    {"\"iss\":\"plant\",\"aud\":\"headgate\"", "\"iss\":\"all\",\"aud\":[\"b\",\"a\"]", "\"iss\":\"fleet\",\"aud\":\"headgate\"",
     "\"iss\":\"all\""},
    {"\"sub\":\"a\"", "\"sub\":\"\\u0061-b\"", "\"sub\":\"0123456789012345678901234567890123456789012345678901234567890123\"", NULL},
    {"\"exp\":1800000000", "\"exp\":18e8", "\"exp\":253402300799,\"iat\":1800000000", "\"exp\":1800000100,\"nbf\":1800000000,\"iat\":1799999990"},
    {NULL, "\"scope\":\"a:b c:*\"", "\"scope\":\"\\u0061\",\"jti\":\"kept\"", "\"jti\":\"gone\""},
};
enum { HEADER_COUNT = sizeof HEADERS / sizeof *HEADERS, MEMBER_COUNT = sizeof MEMBERS / sizeof *MEMBERS, OBJECT = 1024 };

/* About now, or as far from it as a clock may be. */
static int64_t take_moment(struct input *input) { return NOW - 120 + take_number(input) % HG_CLOCK_MOST; }

static void take_token(struct input *input, enum kind kind, struct token *token) {
    char header[OBJECT], payload[OBJECT];
    unsigned most = take_byte(input);
    if (kind != AS_IT_IS) {
        const struct hg_view head = take_object(input, HEADERS, HEADER_COUNT, header);
        make_token(token, head, take_object(input, MEMBERS, MEMBER_COUNT, payload),
                   kind == SIGNED_BY_A_STRANGER ? OTHER_SECRET : SECRET);
        if (kind == SIGNED_BY_ED25519) { /* as fake_ed25519 wants it */
            uint8_t signature[64];
            token->length -= 43; /* of the HMAC */
            memset(signature, token->at[(token->length - 1) / 2], sizeof signature);
            add_base64url(token, signature, sizeof signature);
        } else if (kind == CHANGED) { /* now it is signed by nobody */
            const unsigned at = (most << 8 | take_byte(input)) % token->length;
            token->at[at] ^= (uint8_t)(1 + take_byte(input) % 255);
        }
        return;
    }
    for (token->length = 0; most > 0 && input->left > 0; most--) {
        token->at[token->length++] = take_byte(input);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t scratch[HG_TOKEN_SCRATCH];
    static struct token last[2];
    struct input input = {data, size};
    struct heap heap = {0, -1};
    const struct hg_alloc alloc = heap_of(&heap);
    const struct hg_verifier *verifier = the_verifier();
    struct hg_tokens *tokens = hg_tokens_new(&alloc, verifier, SEED, ENTRIES, BYTES);
    enum kind kinds[2] = {AS_IT_IS, AS_IT_IS};
    last[0].length = last[1].length = 0;
    while (input.left > 0) {
        const uint8_t what = take_byte(&input);
        const unsigned which = what & 1; /* one of two tokens comes again, or is a new one first */
        const struct hg_clock clock = {take_moment(&input), take_moment(&input), (enum hg_clock_state)((what >> 1 & 3) % 3)};
        const struct hg_claims *kept;
        struct hg_claims claims;
        struct hg_token_error error = {NULL, NULL, NULL}, kept_error = {NULL, NULL, NULL};
        struct hg_tokens_stats stats;
        bool ok;
        if (last[which].length == 0 || (what >> 3 & 1) != 0) {
            kinds[which] = (enum kind)(take_byte(&input) % KINDS);
            take_token(&input, kinds[which], &last[which]);
        }
        ed25519_said_yes = 0;
        ok = hg_token_verify(verifier, last[which].at, last[which].length, &clock, scratch, NULL, &claims, &error);
        heap.fail_at = what >= 240 ? what - 239 : -1;
        CHECK(hg_tokens_verify(tokens, last[which].at, last[which].length, &clock, &kept, &kept_error) == ok);
        heap.fail_at = -1;
        CHECK(ok ? same_claims(&claims, kept) : same_error(&error, &kept_error) && error.detail[0] != '\0');
        if (ok) {
            CHECK(ed25519_said_yes || kinds[which] == SIGNED);
            check_claims(kept);
        }
        hg_tokens_stats(tokens, &stats);
        CHECK(stats.entries <= ENTRIES && stats.bytes <= BYTES && (stats.entries == 0) == (stats.bytes == 0));
    }
    hg_tokens_free(tokens);
    CHECK(heap.live == 0);
    return 0;
}
