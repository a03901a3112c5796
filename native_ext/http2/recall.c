/* Values that come again and again. A bearer token must not enter HPACK's table (RFC 7541 section 7.1.3), a path does not with most
 * clients: so each request spells them out in Huffman code, bit by bit, which costs as much as all the rest of its fields. A connection
 * therefore remembers the last of each, as it came and decoded; in a frame that says the same again, the decoded value stands in its
 * place when libnghttp2 gets it: another spelling of the same block (RFC 7541 section 5.2), still never indexed, and still judged there.
 *
 * Only whole frames of whole blocks are respelled. What is cut, padded or not understood goes on as it came.
 *
 *     input:   [length][HEADERS][stream][ ... 1f 08 (authorization) | 80+n, n bytes of Huffman code | ... ]
 *     goes on: [length][HEADERS][stream][ ... 1f 08                 | m, m bytes                    | ... ]
 */
#include <string.h>

#include "session.h"

enum {
    SHORTEST = 12,      /* bytes of a value that is worth it */
    LONGEST = 2048,     /* ... that is remembered */
    HUFFMAN = 0x80,     /* of a string's first byte: RFC 7541 section 5.2 */
    PRIORITY_BYTES = 5, /* RFC 9113 section 6.2 */
    PATH = 0, TOKEN = 1 /* in session->recalled */
};

/* Which fields: by their index in HPACK's static table (RFC 7541 appendix A). -> of session->recalled; -1: none of them. */
static int place_of(uint32_t index) { return index == 23 ? TOKEN : index == 4 || index == 5 ? PATH : -1; }

/* The shortest code has 5 bits. */
static uint32_t most_decoded(uint32_t coded) { return coded * 8 / 5; }

static void forget(struct hg_session *session, struct hg_recalled *value) {
    if (value->coded != 0) {
        hg_session_give_secret(session, value->bytes, value->coded + most_decoded(value->coded));
    }
    *value = (struct hg_recalled){NULL, 0, 0};
}

void hg_recall_end(struct hg_session *session) {
    hg_blocks_forget(session);
    for (uint32_t i = 0; i < HG_RECALLED; i++) {
        forget(session, &session->recalled[i]);
    }
}

/* --- a block of fields, read without its tables ------------------------------------------------------------------------ */

struct block {
    const uint8_t *at, *end;
    bool failed;  /* cut, or a number beyond any frame */
    bool changes; /* the table */
};

/* RFC 7541 section 5.1, with a prefix of so many bits. */
static uint32_t read_number(struct block *block, uint32_t bits) {
    const uint32_t most = (1u << bits) - 1;
    uint32_t number;
    if (block->failed || block->at == block->end) {
        block->failed = true;
        return 0;
    }
    number = *block->at++ & most;
    if (number < most) {
        return number;
    }
    for (uint32_t shift = 0; shift <= 14 && block->at != block->end; shift += 7) {
        const uint8_t byte = *block->at++;
        number += (uint32_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return number;
        }
    }
    block->failed = true;
    return 0;
}

struct string {
    const uint8_t *start; /* of its length, which is before it */
    struct hg_view bytes;
    bool coded;
};

static struct string read_string(struct block *block) {
    struct string string = {block->at, {block->at, 0}, block->at != block->end && (*block->at & HUFFMAN) != 0};
    const uint32_t length = read_number(block, 7);
    if (block->failed || length > (uint32_t)(block->end - block->at)) {
        block->failed = true;
    } else {
        string.bytes = (struct hg_view){block->at, length};
        block->at += length;
    }
    return string;
}

/* RFC 7541 section 6. -> where the value belongs, if it is one of ours in Huffman code, and not to be indexed; else -1 */
static int read_field(struct block *block, struct string *value) {
    const uint8_t first = *block->at;
    uint32_t index;
    if ((first & 0x80) != 0) {
        (void)read_number(block, 7);
        return -1;
    }
    if ((first & 0xe0) == 0x20) { /* the table's size */
        (void)read_number(block, 5);
        block->changes = true;
        return -1;
    }
    block->changes = block->changes || (first & 0x40) != 0;
    index = read_number(block, (first & 0x40) != 0 ? 6 : 4);
    if (index == 0) {
        (void)read_string(block);
    }
    *value = read_string(block);
    return !value->coded || block->failed || (first & 0x40) != 0 ? -1 : place_of(index);
}

/* --- what is remembered ------------------------------------------------------------------------------------------------ */

static void remember(struct hg_session *session, struct hg_recalled *value, struct hg_view coded) {
    uint8_t *bytes;
    forget(session, value);
    bytes = hg_session_take(session, coded.length + most_decoded(coded.length));
    if (bytes != NULL) {
        memcpy(bytes, coded.at, coded.length);
        *value = (struct hg_recalled){bytes, coded.length, 0};
    }
}

/* By libnghttp2's own decoder: the value of a field that is a block by itself. false: it is none. */
static bool decode(struct hg_session *session, struct hg_recalled *value) {
    uint8_t before[6] = {0, 1, 'v', HUFFMAN | 0x7f, 0, 0}; /* a literal field called "v" */
    const uint32_t rest = value->coded - 0x7f;
    const bool is_long = value->coded >= 0x7f;
    size_t length = 4;
    nghttp2_mem memory = hg_memory_of(session);
    nghttp2_hd_inflater *inflater;
    nghttp2_nv field;
    int flags = 0;
    if (!is_long) {
        before[3] = (uint8_t)(HUFFMAN | value->coded);
    } else {
        before[length++] = (uint8_t)(rest % 128 | (rest >= 128 ? 0x80 : 0));
        before[length] = (uint8_t)(rest / 128);
        length += rest >= 128;
    }
    if (nghttp2_hd_inflate_new2(&inflater, &memory) != 0) {
        return false;
    }
    if (nghttp2_hd_inflate_hd2(inflater, &field, &flags, before, length, 0) == (ssize_t)length &&
        nghttp2_hd_inflate_hd2(inflater, &field, &flags, value->bytes, value->coded, 1) == (ssize_t)value->coded &&
        (flags & NGHTTP2_HD_INFLATE_EMIT) != 0 && field.valuelen <= most_decoded(value->coded)) {
        memcpy(value->bytes + value->coded, field.value, field.valuelen);
        value->decoded = (uint32_t)field.valuelen;
    }
    nghttp2_hd_inflate_del(inflater);
    return value->decoded != 0;
}

/* -> the decoded value; length 0: it was not said before, and may be the next time. */
static struct hg_view recall(struct hg_session *session, struct hg_recalled *value, struct hg_view coded) {
    struct hg_view decoded = {coded.at, 0};
    if (coded.length < SHORTEST || coded.length > LONGEST) {
        return decoded; /* not worth it, and a decoder for each would be: what is remembered stays */
    }
    if (value->coded != coded.length || !hg_same(value->bytes, coded.at, coded.length)) {
        remember(session, value, coded);
    } else if (value->decoded != 0 || decode(session, value)) {
        decoded = (struct hg_view){value->bytes + value->coded, value->decoded};
    }
    return decoded;
}

/* --- frames ------------------------------------------------------------------------------------------------------------ */

/* What goes on instead of a frame, in library->respelled. */
struct pen {
    uint8_t *at, *end;
    bool full;
};

static void put(struct pen *pen, const uint8_t *bytes, size_t length) {
    if (length > (size_t)(pen->end - pen->at)) {
        pen->full = true;
    } else {
        memcpy(pen->at, bytes, length);
        pen->at += length;
    }
}

static void put_string(struct pen *pen, struct hg_view string) {
    const uint32_t rest = string.length - 0x7f;
    const uint8_t number[3] = {string.length < 0x7f ? (uint8_t)string.length : 0x7f,
                               (uint8_t)(rest % 128 | (rest >= 128 ? 0x80 : 0)), (uint8_t)(rest / 128)};
    put(pen, number, string.length < 0x7f ? 1 : rest < 128 ? 2 : 3);
    put(pen, string.at, string.length);
}

/* The frame, whole. -> the same with decoded values; length 0: as it is. *changes: HPACK's table, or who knows */
static struct hg_view respell(struct hg_session *session, const uint8_t *frame, bool *changes) {
    static const struct hg_view nothing = {(const uint8_t *)"", 0};
    uint8_t *const text = session->library->respelled;
    const uint32_t length = hg_frame_length(frame), skipped = (frame[4] & NGHTTP2_FLAG_PRIORITY) != 0 ? PRIORITY_BYTES : 0;
    struct block block = {frame + HG_FRAME_HEAD + (length < skipped ? length : skipped), frame + HG_FRAME_HEAD + length, false, false};
    struct pen pen = {text, text + HG_FRAME_HEAD + HG_FRAME, false};
    const uint8_t *from = frame;
    while (block.at != block.end && !block.failed) {
        struct string value;
        const int place = read_field(&block, &value);
        const struct hg_view decoded = place < 0 ? nothing : recall(session, &session->recalled[place], value.bytes);
        if (decoded.length != 0) {
            put(&pen, from, (size_t)(value.start - from));
            put_string(&pen, decoded);
            from = block.at;
        }
    }
    *changes = block.changes || block.failed;
    if (from == frame || block.failed) {
        return nothing;
    }
    put(&pen, from, (size_t)(block.end - from));
    if (pen.full) {
        return nothing;
    }
    const uint32_t payload = (uint32_t)(pen.at - text) - HG_FRAME_HEAD;
    text[0] = (uint8_t)(payload >> 16);
    text[1] = (uint8_t)(payload >> 8);
    text[2] = (uint8_t)payload;
    return (struct hg_view){text, (uint32_t)(pen.at - text)};
}

/* The frame, whole, or what goes on in its place. Length 0: as it is, and together with what is around it. */
static struct hg_view spell(struct hg_session *session, const uint8_t *frame) {
    struct hg_view other = hg_blocks_recall(session, frame, session->library->respelled);
    bool changes;
    if (other.length != 0) {
        return other;
    }
    other = respell(session, frame, &changes);
    if (changes) {
        hg_blocks_forget(session);
        session->block = NULL;
    } else if (session->block == NULL) {
        hg_blocks_remember(session, frame);
    } else if (other.length == 0) { /* by itself, so that it is known whose fields they are */
        other = (struct hg_view){frame, HG_FRAME_HEAD + hg_frame_length(frame)};
    }
    return other;
}

/* Of a frame that is not looked into: it may change HPACK's table. RFC 7541 section 4.2: so may SETTINGS. Whether libnghttp2 still reads
 * what comes behind a GOAWAY depends on how it is cut: from then on nothing is. */
static void pass_over(struct hg_session *session, const uint8_t *head) {
    if (head[3] == NGHTTP2_HEADERS || head[3] == NGHTTP2_CONTINUATION || head[3] == NGHTTP2_SETTINGS) {
        hg_blocks_forget(session);
    }
    session->parting = session->parting || head[3] == NGHTTP2_GOAWAY;
}

/* The frame is one that may be respelled. */
static bool is_block(const uint8_t *frame) {
    return frame[3] == NGHTTP2_HEADERS && (frame[4] & NGHTTP2_FLAG_END_HEADERS) != 0 && (frame[4] & NGHTTP2_FLAG_PADDED) == 0 &&
           hg_frame_length(frame) <= HG_FRAME;
}

static ssize_t hand_on(struct hg_session *session, const uint8_t *data, uint32_t length) {
    return length == 0 ? 0 : nghttp2_session_mem_recv(session->frames, data, length);
}

/* Everything is handed on; meanwhile it is counted where frames begin. */
ssize_t hg_recall_receive(struct hg_session *session, const uint8_t *data, uint32_t length) {
    struct hg_boundary *const boundary = &session->boundary;
    uint32_t at = 0, from = 0;
    ssize_t error = 0;
    while (at < length && error >= 0) {
        const uint32_t left = length - at;
        if (boundary->left != 0) {
            const uint32_t part = boundary->left < left ? boundary->left : left;
            boundary->left -= part;
            at += part;
        } else if (boundary->head_length != 0 || left < HG_FRAME_HEAD) {
            boundary->head[boundary->head_length++] = data[at++];
            if (boundary->head_length == HG_FRAME_HEAD) {
                boundary->left = hg_frame_length(boundary->head);
                boundary->head_length = 0;
                pass_over(session, boundary->head);
            }
        } else if (!session->parting && is_block(data + at) && hg_frame_length(data + at) <= left - HG_FRAME_HEAD) {
            const struct hg_view other = spell(session, data + at);
            const uint32_t next = at + HG_FRAME_HEAD + hg_frame_length(data + at);
            if (other.length != 0) {
                struct hg_recalled_block *const block = session->block;
                session->block = NULL; /* what came before is not of that block */
                error = hand_on(session, data + from, at - from);
                session->block = block;
                error = error < 0 ? error : hand_on(session, other.at, other.length);
                from = next;
            }
            session->block = NULL;
            at = next;
        } else {
            boundary->left = HG_FRAME_HEAD + hg_frame_length(data + at);
            pass_over(session, data + at);
        }
    }
    return error < 0 ? error : hand_on(session, data + from, length - from);
}

void hg_recall_begin(struct hg_session *session) { session->boundary.left = (uint32_t)strlen(HG_HTTP2_PREFACE); }
