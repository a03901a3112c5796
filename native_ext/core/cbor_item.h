/* CBOR (RFC 8949), what is rare in documents: tags, bignums, indefinite lengths, byte strings, and every fault.
 * cbor_reader.h has the rest in line.
 *
 * The reader notes no faults itself: where something is not plain it has `hg_cbor_judge` read the item from its head
 * again. So the order and the offsets of faults are decided in one loop, which is that of
 * firmware_py/headgate/core/cbor.py with `plain`. */
#ifndef HEADGATE_CBOR_ITEM_H
#define HEADGATE_CBOR_ITEM_H

#include "engine_run.h"

/* Major types (section 3.1); 0 and 1 are integers. */
enum { HG_CBOR_BYTES = 2, HG_CBOR_TEXT, HG_CBOR_ARRAY, HG_CBOR_MAP, HG_CBOR_TAG, HG_CBOR_OTHER };
#define HG_CBOR_STOP 0xFF /* "break" */

/* The first byte of an item (RFC 8949 section 3). */
struct hg_cbor_head {
    const uint8_t *after; /* the head */
    uint64_t argument;    /* 0 if indefinite */
    uint8_t major, info;
    bool indefinite; /* a string or container of indefinite length, or "break" */
};

HG_INLINE uint32_t hg_big16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }
HG_INLINE uint32_t hg_big32(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
HG_INLINE uint64_t hg_big64(const uint8_t *p) { return (uint64_t)hg_big32(p) << 32 | hg_big32(p + 4); }

/* HG_NO_FAULT, HG_UNEXPECTED_END or HG_CBOR_RESERVED; who reads an item that has been judged need not ask. */
HG_INLINE enum hg_reason hg_cbor_head(const uint8_t *p, const uint8_t *end, struct hg_cbor_head *head) {
    *head = (struct hg_cbor_head){.after = p};
    if (HG_UNLIKELY(p >= end)) {
        return HG_UNEXPECTED_END;
    }
    head->major = *p >> 5;
    head->info = *p & 31;
    head->argument = head->info;
    head->after = p + 1;
    if (HG_LIKELY(head->info < 24)) {
        return HG_NO_FAULT;
    }
    if (head->info < 28) {
        const size_t width = (size_t)1 << (head->info - 24);
        if ((size_t)(end - head->after) < width) {
            return HG_UNEXPECTED_END;
        }
        head->argument = width == 1   ? p[1]
                         : width == 2 ? hg_big16(p + 1)
                         : width == 4 ? hg_big32(p + 1)
                                      : hg_big64(p + 1);
        head->after += width;
        return HG_NO_FAULT;
    }
    if (head->info != 31 || head->major < HG_CBOR_BYTES || head->major == HG_CBOR_TAG) {
        return HG_CBOR_RESERVED;
    }
    head->argument = 0;
    head->indefinite = true;
    return HG_NO_FAULT;
}

/* To be called once before a document is read: sets run->stop to the first head that is one too many
 * (HG_CBOR_ITEMS). Reading a value again then counts nothing twice. */
void hg_cbor_start(struct hg_run *run);

/* The item at p, whatever it is -> after it, or NULL with the first fault noted. Well-formed, within the limits,
 * texts in UTF-8, names text and (unless the last of equal ones counts) all different, tags 0 to 4 on what they are
 * for. */
const uint8_t *hg_cbor_judge(struct hg_run *run, const uint8_t *p);

/* The token at *p, which is none of those the table below knows: a tag or a float. Moves *p over tags that say
 * nothing here. */
enum hg_token hg_cbor_token(struct hg_run *run, const uint8_t **p);
#define HG_CBOR_ASK 0xFF
/* enum hg_token of a first byte, or HG_CBOR_ASK. */
extern const uint8_t hg_cbor_tokens[256];

/* r_number for all but small integers; r_string for all but short definite texts; r_name where there is no text. */
const uint8_t *hg_cbor_number(struct hg_run *run, const uint8_t *p, struct hg_number *number, uint8_t *room);
const uint8_t *hg_cbor_string(struct hg_run *run, const uint8_t *p, struct hg_text *text, uint32_t encoding);
const uint8_t *hg_cbor_no_name(struct hg_run *run, const uint8_t *p);

/* r_pieces and r_piece. */
void hg_cbor_pieces(struct hg_pieces *pieces, const struct hg_text *text, uint32_t encoding);
uint32_t hg_cbor_piece(struct hg_pieces *pieces, uint8_t piece[HG_PIECE]);

#endif
