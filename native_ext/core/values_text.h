/* Texts of a document compared, hashed and matched, escaped or not: a part of values for one reader (values_all.h). */

#define HASH_BLOCK 256 /* bytes hashed at a time, so that the pieces of a text may come in any size */

bool HG_R(text_equal)(const struct hg_text *a, const struct hg_text *b, uint32_t encoding) {
    uint8_t room_a[HG_PIECE], room_b[HG_PIECE];
    const uint8_t *p = a->start, *q = b->start;
    uint32_t p_left = a->escaped ? 0 : a->size, q_left = b->escaped ? 0 : b->size;
    struct hg_pieces a_pieces, b_pieces;
    if (!a->escaped && !b->escaped) {
        return a->size == b->size && memcmp(a->start, b->start, a->size) == 0;
    }
    if (a->characters != b->characters) {
        return false;
    }
    if (a->escaped) {
        r_pieces(&a_pieces, a, encoding);
    }
    if (b->escaped) {
        r_pieces(&b_pieces, b, encoding);
    }
    for (;;) {
        if (p_left == 0 && a->escaped) {
            p_left = r_piece(&a_pieces, room_a);
            p = room_a;
        }
        if (q_left == 0 && b->escaped) {
            q_left = r_piece(&b_pieces, room_b);
            q = room_b;
        }
        if (p_left == 0 || q_left == 0) {
            return p_left == q_left;
        }
        const uint32_t length = p_left < q_left ? p_left : q_left;
        if (memcmp(p, q, length) != 0) {
            return false;
        }
        p += length;
        q += length;
        p_left -= length;
        q_left -= length;
    }
}

static uint64_t chain(const uint8_t *seed, uint64_t state, uint64_t more) {
    uint8_t words[16];
    memcpy(words, &state, 8);
    memcpy(words + 8, &more, 8);
    return hg_siphash13(seed, words, sizeof words);
}

/* Equal for equal texts; keyed, so that nobody can prepare collisions. */
static uint64_t text_hash(const struct hg_text *text, uint32_t encoding, const uint8_t *seed) {
    uint8_t block[HASH_BLOCK], piece[HG_PIECE];
    struct hg_pieces pieces;
    uint64_t hash = 0;
    uint32_t filled = 0, size;
    bool one = true; /* block, as of most texts */
    if (!text->escaped) {
        const uint8_t *p = text->start;
        uint32_t left = text->size;
        if (HG_LIKELY(left < HASH_BLOCK)) {
            return hg_siphash13(seed, p, left);
        }
        for (; left >= HASH_BLOCK; left -= HASH_BLOCK, p += HASH_BLOCK) {
            hash = chain(seed, hash, hg_siphash13(seed, p, HASH_BLOCK));
        }
        return chain(seed, hash, hg_siphash13(seed, p, left));
    }
    r_pieces(&pieces, text, encoding);
    while ((size = r_piece(&pieces, piece)) != 0) {
        for (uint32_t used = 0; used < size;) {
            const uint32_t part = size - used < HASH_BLOCK - filled ? size - used : HASH_BLOCK - filled;
            memcpy(block + filled, piece + used, part);
            used += part;
            filled += part;
            if (filled == HASH_BLOCK) {
                hash = chain(seed, hash, hg_siphash13(seed, block, HASH_BLOCK));
                filled = 0;
                one = false;
            }
        }
    }
    return one ? hg_siphash13(seed, block, filled) : chain(seed, hash, hg_siphash13(seed, block, filled));
}

bool HG_R(text_matches)(const struct hg_text *text, uint32_t encoding, const void *pattern) {
    uint8_t piece[HG_PIECE];
    struct hg_pieces pieces;
    struct hg_match match;
    uint32_t size;
    if (HG_LIKELY(!text->escaped)) {
        return hg_pattern_search(pattern, text->start, text->size);
    }
    r_pieces(&pieces, text, encoding);
    hg_match_begin(&match, pattern);
    while ((size = r_piece(&pieces, piece)) != 0) {
        hg_match_feed(&match, piece, size);
    }
    return hg_match_end(&match);
}

/* The whole text in `room`, if it is not longer: -> its bytes, or UINT32_MAX. */
static uint32_t gather(const struct hg_text *text, uint32_t encoding, uint8_t *room, uint32_t size) {
    uint8_t piece[HG_PIECE];
    struct hg_pieces pieces;
    uint32_t length = 0, part;
    r_pieces(&pieces, text, encoding);
    while ((part = r_piece(&pieces, piece)) != 0) {
        if (part > size - length) {
            return UINT32_MAX;
        }
        memcpy(room + length, piece, part);
        length += part;
    }
    return length;
}

static HG_NOINLINE bool gathered_has_format(const struct hg_text *text, uint32_t encoding, uint32_t format) {
    uint8_t room[HG_FORMAT_TEXT];
    const uint32_t length = gather(text, encoding, room, sizeof room);
    return length != UINT32_MAX && hg_format_holds((enum hg_format)format, room, length);
}

bool HG_R(text_has_format)(const struct hg_text *text, uint32_t encoding, uint32_t format) {
    if (HG_UNLIKELY(text->escaped)) {
        return gathered_has_format(text, encoding, format);
    }
    return text->size <= HG_FORMAT_TEXT && hg_format_holds((enum hg_format)format, text->start, text->size);
}

static HG_NOINLINE uint32_t gathered_find(const struct hg_program *program, const struct hg_names *names,
                                          const struct hg_text *text, uint32_t encoding) {
    uint8_t room[512];
    const uint8_t *entries = hg_at(program, names->entries);
    const uint32_t length = gather(text, encoding, room, sizeof room);
    if (length != UINT32_MAX) {
        return hg_find_name(program, names, room, length);
    }
    if (names->longest > sizeof room) {
        for (uint32_t i = 0; i < names->count; i++) {
            const struct hg_name *name = (const void *)(entries + (size_t)i * names->stride);
            uint32_t characters;
            (void)hg_utf8_fault(hg_at(program, name->text), (const uint8_t *)hg_at(program, name->text) + name->length,
                                &characters);
            const struct hg_text other = {hg_at(program, name->text), name->length, characters, false};
            if (HG_R(text_equal)(&other, text, encoding)) {
                return i;
            }
        }
    }
    return UINT32_MAX;
}

uint32_t HG_R(text_find)(const struct hg_program *program, const struct hg_names *names, const struct hg_text *text,
                         uint32_t encoding) {
    return HG_LIKELY(!text->escaped) ? hg_find_name(program, names, text->start, text->size)
                                     : gathered_find(program, names, text, encoding);
}
