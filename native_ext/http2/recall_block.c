/* Requests that come again and again. Once HPACK's table has what it takes, a client spells the same fields in the same bytes. Such a
 * block means what it meant before, if the table has not changed since; so it is not decoded, checked and taken apart each time. A
 * connection remembers the last ones, as they came and what their fields were. In a frame that says one of them again, a block that
 * costs libnghttp2 little stands in its place, and says no more than what its own bookkeeping needs: that it is a request, and how much
 * DATA there will be. The stream gets the fields that are remembered.
 *
 *     seen     remembered as it came
 *     again    decoded as ever; if libnghttp2 finds nothing wrong with it, the fields are remembered too
 *     again    recalled
 *
 * All of them are forgotten when something comes that may change the table: a field to be indexed, a table's size, SETTINGS, a frame
 * that was not looked into. Where libnghttp2 goes by the fields itself, a block is never recalled: CONNECT, OPTIONS, HEAD, Host
 * (trailers must not have it again), and the priority of RFC 9218. */
#include <string.h>

#include "session.h"

enum {
    LONGEST = 2048,     /* bytes of a block that is remembered */
    MOST_TEXT = 4096,   /* ... and of what its fields are */
    LENGTH_DIGITS = 20, /* of a content-length */
};

/* :method POST, :scheme http, :path / by their index in HPACK's static table, :authority "a": RFC 7541 appendix A */
static const uint8_t stand_in[] = {0x83, 0x86, 0x84, 0x01, 0x01, 'a'};
static const uint8_t content_length[] = {0x0f, 0x0d}; /* a literal, not indexed, whose name is 28 there */

static void forget(struct hg_session *session, struct hg_recalled_block *one) {
    if (one->bytes != NULL) {
        hg_session_give_secret(session, one->bytes, one->coded + one->text);
    }
    *one = (struct hg_recalled_block){.bytes = NULL};
}

void hg_blocks_forget(struct hg_session *session) {
    for (uint32_t i = 0; i < HG_RECALLED_BLOCKS; i++) {
        forget(session, &session->blocks[i]);
    }
}

/* It may have a token in it. */
static struct hg_recalled_block *find(struct hg_session *session, const uint8_t *block, uint32_t length) {
    for (uint32_t i = 0; i < HG_RECALLED_BLOCKS; i++) {
        struct hg_recalled_block *one = &session->blocks[i];
        if (one->coded == length && one->bytes != NULL && hg_same(one->bytes, block, length)) {
            return one;
        }
    }
    return NULL;
}

void hg_blocks_remember(struct hg_session *session, const uint8_t *frame) {
    const uint32_t length = hg_frame_length(frame);
    struct hg_recalled_block *one = &session->blocks[session->next_block];
    if (length == 0 || length > LONGEST || (frame[4] & NGHTTP2_FLAG_PRIORITY) != 0) {
        return;
    }
    session->next_block = (session->next_block + 1) % HG_RECALLED_BLOCKS;
    forget(session, one);
    one->bytes = hg_session_take(session, length);
    if (one->bytes != NULL) {
        memcpy(one->bytes, frame + HG_FRAME_HEAD, length);
        one->coded = length;
    }
}

struct hg_view hg_blocks_recall(struct hg_session *session, const uint8_t *frame, uint8_t *text) {
    const struct hg_view nothing = {frame, 0}, length = {frame + HG_FRAME_HEAD, hg_frame_length(frame)};
    struct hg_recalled_block *one;
    uint8_t *at = text + HG_FRAME_HEAD;
    if ((frame[4] & NGHTTP2_FLAG_PRIORITY) != 0) {
        return nothing;
    }
    one = find(session, length.at, length.length);
    session->block = one;
    if (one == NULL || one->text == 0) {
        return nothing;
    }
    memcpy(text, frame, HG_FRAME_HEAD);
    memcpy(at, stand_in, sizeof stand_in);
    at += sizeof stand_in;
    if (one->fields.has_length) {
        const struct hg_view digits = one->fields.content_length;
        memcpy(at, content_length, sizeof content_length);
        at += sizeof content_length;
        *at++ = (uint8_t)digits.length;
        memcpy(at, digits.at, digits.length);
        at += digits.length;
    }
    text[0] = text[1] = 0;
    text[2] = (uint8_t)(at - text - HG_FRAME_HEAD);
    return (struct hg_view){text, (uint32_t)(at - text)};
}

static bool is_method(struct hg_view method, const char *name) {
    return method.length == strlen(name) && memcmp(method.at, name, method.length) == 0;
}

static struct hg_view copy(uint8_t **to, struct hg_view view) {
    const struct hg_view copied = {*to, view.length};
    if (view.length != 0) {
        memcpy(*to, view.at, view.length);
        *to += view.length;
    }
    return copied;
}

/* A part of the one view, as a part of its copy. */
static struct hg_view moved(struct hg_view part, struct hg_view whole, struct hg_view copied) {
    return part.length == 0 ? part : (struct hg_view){copied.at + (part.at - whole.at), part.length};
}

void hg_blocks_learn(struct hg_session *session, const struct hg_block *block) {
    struct hg_recalled_block *const one = session->block;
    const uint32_t text = block->method.length + block->path.length + block->authority.length + block->lines.length;
    uint8_t *bytes, *at;
    if (block->cut || block->has_special || text > MOST_TEXT || block->content_length.length > LENGTH_DIGITS ||
        is_method(block->method, "CONNECT") || is_method(block->method, "OPTIONS") || is_method(block->method, "HEAD")) {
        return;
    }
    bytes = hg_session_take(session, one->coded + text);
    if (bytes == NULL) {
        return;
    }
    memcpy(bytes, one->bytes, one->coded);
    hg_session_give_secret(session, one->bytes, one->coded);
    one->bytes = bytes;
    one->text = text;
    at = bytes + one->coded;
    one->fields = *block;
    one->fields.method = copy(&at, block->method);
    one->fields.path = copy(&at, block->path);
    one->fields.authority = copy(&at, block->authority);
    one->fields.lines = copy(&at, block->lines);
    one->fields.content_type = moved(block->content_type, block->lines, one->fields.lines);
    one->fields.content_length = moved(block->content_length, block->lines, one->fields.lines);
}
