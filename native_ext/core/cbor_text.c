/* CBOR strings that are not one run of text: chunks, and bytes that stand for their encoded text (contentEncoding). */
#include "cbor_item.h"

/* Characters of the text that `size` bytes stand for. A document is far shorter than 2^31 bytes. */
static uint32_t encoded_size(uint32_t size, uint32_t encoding) {
    switch (encoding) {
    case HG_BASE16:
        return size * 2;
    case HG_BASE32:
        return (size + 4) / 5 * 8;
    case HG_BASE64:
        return (size + 2) / 3 * 4;
    default:
        return size / 3 * 4 + (size % 3 == 0 ? 0 : size % 3 + 1);
    }
}

const uint8_t *hg_cbor_string(struct hg_run *run, const uint8_t *p, struct hg_text *text, uint32_t encoding) {
    struct hg_cbor_head head;
    const uint8_t *start = p;
    if (hg_cbor_head(p, run->end, &head) == HG_NO_FAULT && head.major == HG_CBOR_TEXT && !head.indefinite) {
        if (head.argument <= (size_t)(run->end - head.after)) {
            const uint8_t *after = head.after + head.argument;
            *text = (struct hg_text){.start = head.after, .size = (uint32_t)head.argument};
            return hg_utf8_fault(head.after, after, &text->characters) == NULL
                       ? after
                       : hg_malformed(run, HG_INVALID_UTF8, head.after);
        }
    }
    *text = (struct hg_text){.start = start, .escaped = true};
    const uint8_t *after = hg_cbor_judge(run, p);
    if (after == NULL) {
        return NULL;
    }
    text->size = (uint32_t)(after - start);
    /* The pieces of it, which are its chunks. */
    uint32_t bytes = 0;
    const bool chunked = head.indefinite;
    p = head.after;
    do {
        if (chunked) {
            if (*p == HG_CBOR_STOP) {
                break;
            }
            (void)hg_cbor_head(p, run->end, &head);
            p = head.after;
        }
        const uint32_t size = (uint32_t)head.argument;
        if (head.major == HG_CBOR_TEXT) {
            uint32_t characters;
            (void)hg_utf8_fault(p, p + size, &characters);
            text->characters += characters;
        }
        bytes += size;
        p += size;
    } while (chunked);
    if (*start >> 5 == HG_CBOR_BYTES) {
        text->characters = encoded_size(bytes, encoding);
    }
    return after;
}

void hg_cbor_pieces(struct hg_pieces *pieces, const struct hg_text *text, uint32_t encoding) {
    struct hg_cbor_head head;
    pieces->end = text->start + text->size;
    (void)hg_cbor_head(text->start, pieces->end, &head);
    pieces->p = head.after;
    pieces->encoding = head.major == HG_CBOR_BYTES ? encoding : 0;
    pieces->chunk = (uint32_t)head.argument;
    pieces->chunked = head.indefinite;
    if (head.indefinite) {
        pieces->end--; /* the break */
    }
}

/* Up to `room` bytes of the string -> how many; fewer only at its end or (whole: characters are not to be torn) at
 * the end of a chunk. */
static uint32_t take(struct hg_pieces *pieces, uint8_t *bytes, uint32_t room, bool whole) {
    uint32_t filled = 0;
    while (filled < room) {
        while (pieces->chunk == 0) {
            struct hg_cbor_head head;
            if (!pieces->chunked || hg_cbor_head(pieces->p, pieces->end, &head) != HG_NO_FAULT) {
                return filled;
            }
            if (whole && filled > 0) {
                return filled;
            }
            pieces->p = head.after;
            pieces->chunk = (uint32_t)head.argument;
        }
        uint32_t size = pieces->chunk < room - filled ? pieces->chunk : room - filled;
        if (whole && size < pieces->chunk) {
            while ((pieces->p[size] & 0xC0) == 0x80) {
                size--;
            }
        }
        memcpy(bytes + filled, pieces->p, size);
        filled += size;
        pieces->p += size;
        pieces->chunk -= size;
        if (whole) {
            break;
        }
    }
    return filled;
}

static const uint8_t BASE16[] = "0123456789ABCDEF";
static const uint8_t BASE32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
static const uint8_t BASE64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const uint8_t BASE64URL[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* RFC 4648: groups of `bytes` bytes become groups of characters of `bits` bits each. */
struct encoding {
    const uint8_t *alphabet;
    uint8_t bytes, bits;
    bool padded;
};
static const struct encoding ENCODINGS[] = {
    [HG_BASE16] = {BASE16, 1, 4, false},
    [HG_BASE32] = {BASE32, 5, 5, true},
    [HG_BASE64] = {BASE64, 3, 6, true},
    [HG_BASE64URL] = {BASE64URL, 3, 6, false},
};

uint32_t hg_cbor_piece(struct hg_pieces *pieces, uint8_t piece[HG_PIECE]) {
    uint8_t bytes[HG_PIECE * 6 / 8];
    if (pieces->encoding == 0) {
        return take(pieces, piece, HG_PIECE, true);
    }
    const struct encoding *encoding = &ENCODINGS[pieces->encoding];
    const uint32_t characters = encoding->bytes * 8u / encoding->bits; /* of a full group */
    const uint32_t size = take(pieces, bytes, HG_PIECE / characters * encoding->bytes, false);
    uint32_t written = 0;
    for (uint32_t at = 0; at < size; at += encoding->bytes) {
        const uint32_t there = size - at < encoding->bytes ? size - at : encoding->bytes;
        const uint32_t used = (there * 8 + encoding->bits - 1) / encoding->bits;
        uint64_t group = 0;
        for (uint32_t i = 0; i < encoding->bytes; i++) {
            group = group << 8 | (i < there ? bytes[at + i] : 0);
        }
        for (uint32_t i = 0; i < characters; i++) {
            const unsigned shift = (characters - 1 - i) * encoding->bits;
            if (i < used) {
                piece[written++] = encoding->alphabet[group >> shift & ((1u << encoding->bits) - 1)];
            } else if (encoding->padded) {
                piece[written++] = '=';
            }
        }
    }
    return written;
}
