/* RFC 9112 sections 4, 6 and 7, read by a client. */
#define _GNU_SOURCE
#include "load_http1/reply.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { STATUS_LINE = 12, LENGTH_DIGITS = 18, HEX_DIGITS = 15 };
enum { SIZE_DIGITS, SIZE_REST, SIZE_LF }; /* `matched` while the size of a chunk is read */
enum { TRAILER_EMPTY, TRAILER_CR, TRAILER_TEXT };

void hg_reply_clear(struct hg_reply *reply) {
    free(reply->held);
    reply->held = NULL;
    reply->held_length = 0;
}

void hg_reply_begin(struct hg_reply *reply, bool to_head, struct hg_shot *into) {
    hg_reply_clear(reply);
    *reply = (struct hg_reply){.into = into, .state = HG_REPLY_AT_HEAD, .to_head = to_head, .keep_alive = true};
}

struct span {
    const char *data;
    size_t length;
};

static bool is_space(char c) { return c == ' ' || c == '\t'; }

/* The value of the first field of that name; length SIZE_MAX where there is none. */
static struct span field(struct span head, const char *name) {
    const size_t name_length = strlen(name);
    const char *line = memmem(head.data, head.length, "\r\n", 2), *const end = head.data + head.length;
    while (line != NULL) {
        const char *start = line + 2, *stop = memmem(start, (size_t)(end - start), "\r\n", 2);
        const size_t length = (size_t)((stop == NULL ? end : stop) - start);
        if (length > name_length && start[name_length] == ':' && strncasecmp(start, name, name_length) == 0) {
            struct span value = {start + name_length + 1, length - name_length - 1};
            while (value.length != 0 && is_space(value.data[0])) {
                value.data += 1;
                value.length -= 1;
            }
            while (value.length != 0 && is_space(value.data[value.length - 1])) {
                value.length -= 1;
            }
            return value;
        }
        line = stop;
    }
    return (struct span){NULL, SIZE_MAX};
}

static bool contains(struct span value, const char *word) {
    const size_t length = strlen(word);
    for (size_t i = 0; value.data != NULL && i + length <= value.length; i++) {
        if (strncasecmp(value.data + i, word, length) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* What the head says of the body; `head` is without its empty line. */
static enum hg_reply_result read_head(struct hg_reply *reply, struct span head) {
    enum hg_reply_result result = HG_REPLY_WRONG;
    struct span length, coding, connection;
    if (head.length < STATUS_LINE || memcmp(head.data, "HTTP/1.", 7) != 0 || head.data[7] == '\r' ||
        head.data[7] == '\n' || head.data[8] != ' ' || !is_digit(head.data[9]) || !is_digit(head.data[10]) ||
        !is_digit(head.data[11]) ||
        (head.length > STATUS_LINE && head.data[STATUS_LINE] != ' ' && head.data[STATUS_LINE] != '\r')) {
        goto finally;
    }
    reply->status =
        (uint16_t)((head.data[9] - '0') * 100 + (head.data[10] - '0') * 10 + (head.data[11] - '0'));
    result = HG_REPLY_MORE;
    if (reply->status >= 100 && reply->status < 200) {
        goto finally; /* another head follows */
    }
    length = field(head, "content-length");
    coding = field(head, "transfer-encoding");
    connection = field(head, "connection");
    reply->keep_alive = !contains(connection, "close") && (head.data[7] != '0' || contains(connection, "keep-alive"));
    if (reply->to_head || reply->status == 204 || reply->status == 304) {
        result = HG_REPLY_DONE;
    } else if (coding.data != NULL) {
        reply->state = HG_REPLY_AT_SIZE;
        result = coding.length == 7 && contains(coding, "chunked") ? HG_REPLY_MORE : HG_REPLY_WRONG;
    } else if (length.data == NULL) {
        reply->keep_alive = false;
        reply->state = HG_REPLY_AT_CLOSE;
    } else {
        result = length.length == 0 || length.length > LENGTH_DIGITS ? HG_REPLY_WRONG : HG_REPLY_MORE;
        for (size_t i = 0; i < length.length && result == HG_REPLY_MORE; i++) {
            result = is_digit(length.data[i]) ? HG_REPLY_MORE : HG_REPLY_WRONG;
            reply->left = reply->left * 10 + (uint64_t)(length.data[i] - '0');
        }
        reply->state = HG_REPLY_AT_COUNTED;
        if (result == HG_REPLY_MORE && reply->left == 0) {
            result = HG_REPLY_DONE;
        }
    }
finally:
    return result;
}

/* Keeps what came of a head. */
static bool hold(struct hg_reply *reply, const char *data, size_t length) {
    char *grown = NULL;
    if (length <= HG_REPLY_HEAD_MAX && reply->held_length + length <= 2 * HG_REPLY_HEAD_MAX) {
        grown = realloc(reply->held, reply->held_length + length + 1);
    }
    if (grown != NULL) {
        memcpy(grown + reply->held_length, data, length);
        reply->held = grown;
        reply->held_length += (uint32_t)length;
    }
    return grown != NULL;
}

static int hex_of(char c) {
    return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One byte of the line with the size of a chunk. `line` counts all of them, so a line without digits is wrong. */
static enum hg_reply_result size_byte(struct hg_reply *reply, char c) {
    enum hg_reply_result result = HG_REPLY_MORE;
    reply->line += 1;
    if (reply->matched == SIZE_LF) {
        result = c == '\n' ? HG_REPLY_MORE : HG_REPLY_WRONG;
        reply->state = reply->left == 0 ? HG_REPLY_AT_TRAILER : HG_REPLY_AT_CHUNK;
        reply->matched = 0;
        reply->line = 0;
    } else if (c == '\r' && reply->line > 1) {
        reply->matched = SIZE_LF;
    } else if (reply->matched == SIZE_DIGITS && hex_of(c) >= 0 && reply->line <= HEX_DIGITS) {
        reply->left = reply->left * 16 + (uint64_t)hex_of(c);
    } else if ((reply->matched == SIZE_REST || (c == ';' && reply->line > 1)) && reply->line <= HG_REPLY_HEAD_MAX) {
        reply->matched = SIZE_REST;
    } else {
        result = HG_REPLY_WRONG;
    }
    return result;
}

static enum hg_reply_result chunk_end_byte(struct hg_reply *reply, char c) {
    const bool fits = c == "\r\n"[reply->matched];
    reply->matched += 1;
    if (reply->matched == 2) {
        reply->state = HG_REPLY_AT_SIZE;
        reply->matched = SIZE_DIGITS;
        reply->left = 0;
        reply->line = 0;
    }
    return fits ? HG_REPLY_MORE : HG_REPLY_WRONG;
}

/* Fields after the last chunk, until an empty line. */
static enum hg_reply_result trailer_byte(struct hg_reply *reply, char c) {
    enum hg_reply_result result = HG_REPLY_MORE;
    reply->line += 1;
    if (reply->line > HG_REPLY_HEAD_MAX) {
        result = HG_REPLY_WRONG;
    } else if (reply->matched == TRAILER_CR && c == '\n') {
        result = HG_REPLY_DONE;
    } else if (c == '\n') {
        reply->matched = TRAILER_EMPTY;
    } else {
        reply->matched = reply->matched == TRAILER_EMPTY && c == '\r' ? TRAILER_CR : TRAILER_TEXT;
    }
    return result;
}

/* A head that has come whole, at once or with what was held -> how much of `data` it took, 0 for none. */
static size_t take_head(struct hg_reply *reply, const char *data, size_t length, enum hg_reply_result *result) {
    struct span all = {data, length};
    const uint32_t before = reply->held_length;
    const char *end;
    size_t taken = length;
    if (before != 0) {
        if (!hold(reply, data, length)) {
            *result = HG_REPLY_WRONG;
            return length;
        }
        all = (struct span){reply->held, reply->held_length};
    }
    end = memmem(all.data, all.length, "\r\n\r\n", 4);
    if (end != NULL) {
        const size_t head_length = (size_t)(end - all.data);
        *result = read_head(reply, (struct span){all.data, head_length});
        taken = head_length + 4 - before;
        hg_reply_clear(reply);
    } else if (all.length > HG_REPLY_HEAD_MAX ||
               memcmp(all.data, "HTTP/1.", all.length < 7 ? all.length : 7) != 0 ||
               (before == 0 && !hold(reply, data, length))) {
        *result = HG_REPLY_WRONG;
    }
    return taken;
}

static void keep(const struct hg_reply *reply, const char *data, size_t length) {
    if (reply->into != NULL) {
        hg_shot_keep(reply->into, data, length);
    }
}

enum hg_reply_result hg_reply_feed(struct hg_reply *reply, const char *data, size_t length) {
    enum hg_reply_result result = HG_REPLY_MORE;
    size_t at = 0;
    while (at < length && result == HG_REPLY_MORE) {
        const size_t rest = length - at, part = reply->left < rest ? (size_t)reply->left : rest;
        switch ((enum hg_reply_state)reply->state) {
        case HG_REPLY_AT_HEAD: at += take_head(reply, data + at, rest, &result); break;
        case HG_REPLY_AT_COUNTED:
            keep(reply, data + at, part);
            at += part;
            reply->left -= part;
            result = reply->left == 0 ? HG_REPLY_DONE : HG_REPLY_MORE;
            break;
        case HG_REPLY_AT_CHUNK:
            keep(reply, data + at, part);
            at += part;
            reply->left -= part;
            reply->state = reply->left == 0 ? HG_REPLY_AT_CHUNK_END : HG_REPLY_AT_CHUNK;
            break;
        case HG_REPLY_AT_SIZE: result = size_byte(reply, data[at++]); break;
        case HG_REPLY_AT_CHUNK_END: result = chunk_end_byte(reply, data[at++]); break;
        case HG_REPLY_AT_TRAILER: result = trailer_byte(reply, data[at++]); break;
        case HG_REPLY_AT_CLOSE:
            keep(reply, data + at, rest);
            at = length;
            break;
        }
    }
    return result == HG_REPLY_DONE && at < length ? HG_REPLY_WRONG : result;
}

enum hg_reply_result hg_reply_eof(const struct hg_reply *reply) {
    return reply->state == HG_REPLY_AT_CLOSE ? HG_REPLY_DONE : HG_REPLY_WRONG;
}
