/* A request's fields as they come out of HPACK. libnghttp2 has judged them by RFC 9113 section 8: order and number of pseudo fields, names,
 * values, fields of the connection, te, content-length. What is left: Host beside :authority, and nothing that could end a line. */
#include <string.h>

#include "session.h"

static struct hg_view view_of(nghttp2_rcbuf *buffer) {
    nghttp2_vec bytes = {(uint8_t *)(uintptr_t) "", 0};
    if (buffer != NULL) {
        bytes = nghttp2_rcbuf_get_buf(buffer);
    }
    return (struct hg_view){bytes.base, (uint32_t)bytes.len};
}

#define IS(view, text) ((view).length == sizeof(text) - 1 && memcmp((view).at, (text), sizeof(text) - 1) == 0)

static void set(nghttp2_rcbuf **place, nghttp2_rcbuf *value) {
    if (*place != NULL) {
        nghttp2_rcbuf_decref(*place);
    }
    if (value != NULL) {
        nghttp2_rcbuf_incref(value);
    }
    *place = value;
}

void hg_fields_end(struct hg_session *session) {
    set(&session->method, NULL);
    set(&session->path, NULL);
    set(&session->authority, NULL);
    if (session->kept != NULL) {
        hg_session_give(session, session->kept, session->kept_length);
        session->kept = NULL;
    }
    session->reading = NULL;
}

void hg_fields_begin(struct hg_session *session, struct hg_stream *stream) {
    hg_fields_end(session);
    session->reading = stream;
    session->reading_ms = session->host->now_ms(session->owner);
    session->lines = 0;
    session->type = session->length = (struct hg_part){0, 0};
    session->cut = session->has_length = session->has_special = false;
}

#define EACH UINT64_C(0x0101010101010101) /* of eight bytes */

/* One of them is below `least`, at most 128. */
static bool has_below(uint64_t bytes, uint8_t least) { return ((bytes - EACH * least) & ~bytes & EACH * 0x80) != 0; }

static uint64_t eight_at(const uint8_t *at) {
    uint64_t bytes;
    memcpy(&bytes, at, sizeof bytes);
    return bytes;
}

/* What becomes part of a request line or of Host: visible. */
static bool is_visible(struct hg_view value) {
    uint32_t i = 0;
    for (; i + 8 <= value.length; i += 8) {
        const uint64_t bytes = eight_at(value.at + i);
        if (has_below(bytes, ' ' + 1) || has_below(bytes ^ EACH * 0x7f, 1)) {
            return false;
        }
    }
    for (; i < value.length; i++) {
        if (value.at[i] <= ' ' || value.at[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

static bool ends_line(uint8_t byte) { return byte == '\n' || byte == '\r' || byte == '\0'; }

/* What becomes a line: RFC 9110 section 5.5. Others that may not be in it http1.h refuses as HTTP/1.1's. */
static bool is_one_line(struct hg_view value) {
    for (uint32_t i = 0; i < value.length;) {
        if (i + 8 <= value.length && !has_below(eight_at(value.at + i), '\r' + 1)) {
            i += 8;
        } else if (ends_line(value.at[i])) {
            return false;
        } else {
            i += 1;
        }
    }
    return true;
}

static int refuse(const struct hg_session *session) {
    (void)nghttp2_submit_rst_stream(session->frames, NGHTTP2_FLAG_NONE, session->reading->id, NGHTTP2_PROTOCOL_ERROR);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static void add_bytes(struct hg_session *session, struct hg_view bytes) {
    const uint32_t room = HG_TEXT_LINES - session->lines;
    const uint32_t length = bytes.length < room ? bytes.length : room;
    session->cut = session->cut || length < bytes.length;
    memcpy(session->library->text + HG_TEXT_START + session->lines, bytes.at, length);
    session->lines += length;
}

static void add_line(struct hg_session *session, struct hg_view name, struct hg_view value) {
    struct hg_part *const part = IS(name, "content-type")     ? &session->type
                                 : IS(name, "content-length") ? &session->length
                                                              : NULL;
    add_bytes(session, name);
    add_bytes(session, (struct hg_view){(const uint8_t *)": ", 2});
    if (part != NULL && part->length == 0 && value.length <= HG_TEXT_LINES - session->lines) {
        *part = (struct hg_part){session->lines, value.length};
    }
    add_bytes(session, value);
    add_bytes(session, (struct hg_view){(const uint8_t *)"\r\n", 2});
}

int hg_fields_add(struct hg_session *session, nghttp2_rcbuf *name_buffer, nghttp2_rcbuf *value_buffer) {
    const struct hg_view name = view_of(name_buffer), value = view_of(value_buffer);
    nghttp2_rcbuf **place = NULL;
    session->has_special = session->has_special || IS(name, "host") || IS(name, "priority");
    if (name.length != 0 && name.at[0] == ':') {
        place = IS(name, ":method")      ? &session->method
                : IS(name, ":path")      ? &session->path
                : IS(name, ":authority") ? &session->authority
                                         : NULL; /* :scheme means nothing here */
    } else if (IS(name, "host") && session->authority != NULL) { /* section 8.3.1: not another than :authority */
        const struct hg_view authority = view_of(session->authority);
        return authority.length == value.length && memcmp(authority.at, value.at, value.length) == 0 ? 0 : refuse(session);
    } else if (IS(name, "host")) {
        place = &session->authority;
    } else if (!IS(name, "te")) {
        if (!is_one_line(value)) {
            return refuse(session);
        }
        session->has_length = session->has_length || IS(name, "content-length");
        add_line(session, name, value);
    }
    if (place != NULL) {
        if (!is_visible(value)) {
            return refuse(session);
        }
        set(place, value_buffer);
    }
    return 0;
}

void hg_fields_block(const struct hg_session *session, struct hg_block *block) {
    const uint8_t *lines = session->library->text + HG_TEXT_START;
    *block = (struct hg_block){.method = view_of(session->method),
                               .path = view_of(session->path),
                               .authority = view_of(session->authority),
                               .content_type = {lines + session->type.at, session->type.length},
                               .content_length = {lines + session->length.at, session->length.length},
                               .lines = {lines, session->lines},
                               .cut = session->cut,
                               .has_length = session->has_length,
                               .has_special = session->has_special};
}

bool hg_fields_keep(struct hg_session *session) {
    if (session->reading == NULL || session->lines == 0) {
        return true;
    }
    session->kept = hg_session_take(session, session->lines);
    if (session->kept == NULL) {
        return false;
    }
    session->kept_length = session->lines;
    memcpy(session->kept, session->library->text + HG_TEXT_START, session->lines);
    return true;
}

void hg_fields_restore(struct hg_session *session) {
    if (session->kept != NULL) {
        memcpy(session->library->text + HG_TEXT_START, session->kept, session->kept_length);
        hg_session_give(session, session->kept, session->kept_length);
        session->kept = NULL;
    }
}
