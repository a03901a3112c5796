/* Tokens verified before. The least recently used goes first: whoever sends is used often, and a flood of distinct valid
 * tokens needs distinct signatures. */
#include <string.h>

#include "inline.h"
#include "limits.h"
#include "ring.h"
#include "secret.h"
#include "sha256.h"
#include "table.h"
#include "token.h"

#define HASHED 16 /* bytes: 96 bits of the signature, in base64url */

/* One block: this, the token, the claims' text, and what of them was decoded. */
struct entry {
    struct hg_table_node node;
    struct hg_link link;
    uint32_t size;
    struct hg_scope_place last;
    struct hg_claims claims;
    uint8_t token[];
};

struct hg_tokens {
    struct hg_table table;
    struct hg_link root; /* ordered by last use */
    const struct hg_verifier *verifier;
    uint32_t max_entries, max_bytes;
    struct hg_tokens_stats stats;
    struct hg_claims claims; /* of a token that is not kept */
    struct hg_token_header before;
    uint8_t scratch[HG_TOKEN_SCRATCH];
};

struct hg_tokens *hg_tokens_new(const struct hg_alloc *alloc, const struct hg_verifier *verifier,
                                const uint8_t seed[HG_SEED], uint32_t max_entries, uint32_t max_bytes) {
    struct hg_tokens *tokens = alloc->alloc(alloc->context, sizeof *tokens);
    if (tokens == NULL) {
        return NULL;
    }
    memset(tokens, 0, sizeof *tokens);
    hg_table_init(&tokens->table, alloc, seed, offsetof(struct entry, token));
    hg_ring_init(&tokens->root);
    tokens->verifier = verifier;
    tokens->max_entries = max_entries;
    tokens->max_bytes = max_bytes;
    return tokens;
}

static void drop(struct hg_tokens *tokens, struct entry *entry) {
    hg_table_remove(&tokens->table, &entry->node);
    hg_ring_remove(&entry->link);
    tokens->stats.bytes -= entry->size;
    tokens->stats.entries -= 1;
    hg_wipe(entry, entry->size); /* a token is a secret while it is valid */
    tokens->table.alloc.release(tokens->table.alloc.context, entry);
}

void hg_tokens_free(struct hg_tokens *tokens) {
    const struct hg_alloc alloc = tokens->table.alloc;
    while (tokens->root.newer != &tokens->root) {
        drop(tokens, HG_OF(tokens->root.newer, struct entry, link));
    }
    hg_table_clear(&tokens->table);
    hg_wipe(tokens, sizeof *tokens);
    alloc.release(alloc.context, tokens);
}

void hg_tokens_stats(const struct hg_tokens *tokens, struct hg_tokens_stats *stats) { *stats = tokens->stats; }

static struct hg_view copied(uint8_t **at, struct hg_view text) {
    const struct hg_view copy = {*at, text.length};
    memcpy(*at, text.at, text.length);
    *at += text.length;
    return copy;
}

/* Remembers an accepted token, if there is room and memory for it. */
HG_RARE static void keep(struct hg_tokens *tokens, const uint8_t *token, uint32_t length, uint32_t hash) {
    const struct hg_claims *claims = &tokens->claims;
    const uint32_t size = (uint32_t)sizeof(struct entry) + length + claims->sub.length + claims->scopes.length +
                          claims->raw.length;
    const struct hg_alloc *alloc = &tokens->table.alloc;
    struct entry *entry;
    uint8_t *at;
    if (tokens->max_entries == 0 || size > tokens->max_bytes || !hg_table_reserve(&tokens->table)) {
        return;
    }
    while (tokens->stats.entries >= tokens->max_entries || tokens->stats.bytes > tokens->max_bytes - size) {
        drop(tokens, HG_OF(tokens->root.newer, struct entry, link));
        tokens->stats.evictions += 1;
    }
    entry = alloc->alloc(alloc->context, size);
    if (entry == NULL) {
        return;
    }
    entry->node.hash = hash;
    entry->node.key_length = length;
    entry->size = size;
    memcpy(entry->token, token, length);
    at = entry->token + length;
    entry->claims = *claims;
    entry->claims.sub = copied(&at, claims->sub);
    entry->claims.scopes = copied(&at, claims->scopes);
    entry->claims.raw = copied(&at, claims->raw);
    entry->last = (struct hg_scope_place){0, 0};
    entry->claims.last = &entry->last;
    hg_table_insert(&tokens->table, &entry->node);
    hg_ring_add(&tokens->root, &entry->link);
    tokens->stats.bytes += size;
    tokens->stats.entries += 1;
}

/* The end of a token, where its signature is. */
struct end {
    uint64_t word[2];
};

static struct end end_of(const uint8_t *token, uint32_t length) {
    struct end end;
    memcpy(&end, token + (length - HASHED), HASHED);
    return end;
}

/* Tokens that are kept differ in their ends, which are as good as random: a product with a secret spreads them enough. Who could
 * make others has the key anyway. */
static uint32_t hash_of(const struct hg_tokens *tokens, const uint8_t *token, uint32_t length) {
    struct end end, seed;
    if (length < HASHED) {
        return 0; /* none is that short */
    }
    end = end_of(token, length);
    memcpy(&seed, tokens->table.seed, sizeof seed);
    return (uint32_t)((end.word[0] ^ seed.word[0]) * ((end.word[1] ^ seed.word[1]) | 1) >> 32);
}

/* The one used last, if it is this one, as with several requests on a connection. Its end is compared first, and in one step: how
 * long the answer takes tells nothing about less than 96 bits of a signature. */
static struct entry *used_last(const struct hg_tokens *tokens, const uint8_t *token, uint32_t length) {
    struct hg_link *link = tokens->root.older;
    struct entry *entry = HG_OF(link, struct entry, link);
    struct end mine, its;
    if (link == &tokens->root || entry->node.key_length != length || length < HASHED) {
        return NULL;
    }
    mine = end_of(token, length);
    its = end_of(entry->token, length);
    return ((mine.word[0] ^ its.word[0]) | (mine.word[1] ^ its.word[1])) == 0 && memcmp(entry->token, token, length) == 0
               ? entry
               : NULL;
}

static struct entry *find(struct hg_tokens *tokens, const uint8_t *token, uint32_t length, uint32_t hash) {
    struct hg_table_node *node = hg_table_find(&tokens->table, token, length, hash);
    struct entry *entry = node == NULL ? NULL : HG_OF(node, struct entry, node);
    if (entry != NULL) {
        hg_ring_remove(&entry->link);
        hg_ring_add(&tokens->root, &entry->link);
    }
    return entry;
}

bool hg_tokens_verify(struct hg_tokens *tokens, const uint8_t *token, uint32_t length, const struct hg_clock *clock,
                      const struct hg_claims **claims, struct hg_token_error *error) {
    struct entry *entry = used_last(tokens, token, length);
    uint32_t hash = 0;
    if (entry == NULL) {
        hash = hash_of(tokens, token, length);
        entry = find(tokens, token, length, hash);
    }
    if (entry != NULL) {
        tokens->stats.hits += 1;
        *claims = &entry->claims;
        return hg_token_times(tokens->verifier, &entry->claims, clock, error);
    }
    tokens->stats.misses += 1;
    if (!hg_token_verify(tokens->verifier, token, length, clock, tokens->scratch, &tokens->before, &tokens->claims,
                         error)) {
        return false;
    }
    keep(tokens, token, length, hash);
    *claims = &tokens->claims;
    return true;
}
