/* Invariant: for any tokens, clocks and failing allocations, the table answers as a verification from scratch does; only what is signed
 * with a key of the issuer is accepted, what is accepted is within its limits, the table in its budget; all memory comes back. */
#include "../../tests/c/check_token.h"
#include "input.h"

enum { ENTRIES = 4, BYTES = 4096 };
enum kind { AS_IT_IS, SIGNED, SIGNED_BY_A_STRANGER, HAS_NO_HEADER, KINDS };
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

static struct hg_view take_bytes(struct input *input) {
    const int64_t wanted = take_number(input);
    const struct hg_view piece = {input->data, wanted < 0 || (uint64_t)wanted > input->left ? (uint32_t)input->left : (uint32_t)wanted};
    input->data += piece.length;
    input->left -= piece.length;
    return piece;
}

/* About now, or as far from it as a clock may be. */
static int64_t take_moment(struct input *input) { return NOW - 120 + take_number(input) % HG_CLOCK_MOST; }

static void take_token(struct input *input, enum kind kind, struct token *token) {
    const struct hg_view header = kind == HAS_NO_HEADER ? text(HEADER) : take_bytes(input);
    const struct hg_view payload = kind == AS_IT_IS ? text("") : take_bytes(input);
    if (header.length + payload.length > HG_TOKEN) {
        token->length = 0;
    } else if (kind == AS_IT_IS) {
        token->length = header.length;
        memcpy(token->at, header.at, header.length);
    } else {
        make_token(token, header, payload, kind == SIGNED_BY_A_STRANGER ? OTHER_SECRET : SECRET);
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
        const unsigned which = what & 1; /* of two tokens one is new, the other comes again */
        const struct hg_clock clock = {take_moment(&input), take_moment(&input), (enum hg_clock_state)((what >> 1 & 3) % 3)};
        const struct hg_claims *kept;
        struct hg_claims claims;
        struct hg_token_error error = {NULL, NULL, NULL}, kept_error = {NULL, NULL, NULL};
        struct hg_tokens_stats stats;
        bool ok;
        if ((what >> 3 & 1) != 0) {
            kinds[which] = take_byte(&input) % KINDS;
            take_token(&input, kinds[which], &last[which]);
        }
        ed25519_said_yes = 0;
        ok = hg_token_verify(verifier, last[which].at, last[which].length, &clock, scratch, &claims, &error);
        heap.fail_at = what >= 240 ? what - 239 : -1;
        CHECK(hg_tokens_verify(tokens, last[which].at, last[which].length, &clock, &kept, &kept_error) == ok);
        heap.fail_at = -1;
        CHECK(ok ? same_claims(&claims, kept) : same_error(&error, &kept_error) && error.detail[0] != '\0');
        if (ok) {
            CHECK(ed25519_said_yes || kinds[which] == SIGNED || kinds[which] == HAS_NO_HEADER);
            check_claims(kept);
        }
        hg_tokens_stats(tokens, &stats);
        CHECK(stats.entries <= ENTRIES && stats.bytes <= BYTES && (stats.entries == 0) == (stats.bytes == 0));
    }
    hg_tokens_free(tokens);
    CHECK(heap.live == 0);
    return 0;
}
