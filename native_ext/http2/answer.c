/* Our own answers in HTTP/1.1, read piece by piece. They are trusted: what is wrong with one is a bug here. */
#include <stdlib.h>
#include <string.h>

#include "stream.h"

enum step { SIZE, DATA, DATA_END, TRAILERS };

/* -> bytes of the first line without its CR LF; UINT32_MAX: it is not whole. */
static uint32_t line_of(struct hg_view text) {
    const uint8_t *end = text.length == 0 ? NULL : memchr(text.at, '\n', text.length);
    return end == NULL || end == text.at ? UINT32_MAX : (uint32_t)(end - text.at) - 1;
}

static struct hg_view after(struct hg_view text, uint32_t length) {
    return (struct hg_view){text.at + length, text.length - length};
}

static bool is(struct hg_view name, const char *lower) {
    uint32_t same = 0;
    while (same < name.length && lower[same] != '\0' &&
           (uint8_t)(name.at[same] | (lower[same] == '-' ? 0 : 0x20)) == (uint8_t)lower[same]) {
        same++;
    }
    return same == name.length && lower[same] == '\0';
}

static uint64_t number_of(struct hg_view digits) {
    uint64_t number = 0;
    for (uint32_t i = 0; i < digits.length && number < UINT64_MAX / 100; i++) {
        number = number * 10 + (uint64_t)(digits.at[i] - '0');
    }
    return number;
}

enum meaning { MEANS_OTHER, MEANS_LENGTH, MEANS_CODING, MEANS_CONNECTION };

/* Names as the gateway writes them, and as HTTP/2 does: who is here need not be copied and put into lower case. By length. */
static const struct known {
    const char *name, *lower;
    uint32_t length;
    enum meaning meaning;
} known[] = {
#define NAME(name, lower, meaning) {name, lower, sizeof(name) - 1, meaning}
    NAME("Age", "age", MEANS_OTHER),
    NAME("Date", "date", MEANS_OTHER),
    NAME("ETag", "etag", MEANS_OTHER),
    NAME("Connection", "connection", MEANS_CONNECTION),
    NAME("Content-Type", "content-type", MEANS_OTHER),
    NAME("Cache-Control", "cache-control", MEANS_OTHER),
    NAME("Content-Length", "content-length", MEANS_LENGTH),
    NAME("Transfer-Encoding", "transfer-encoding", MEANS_CODING),
    NAME("X-Content-Type-Options", "x-content-type-options", MEANS_OTHER),
};

static enum meaning meaning_of(struct hg_view name) {
    return is(name, "content-length")                            ? MEANS_LENGTH
           : is(name, "transfer-encoding")                       ? MEANS_CODING
           : is(name, "connection") || is(name, "keep-alive")    ? MEANS_CONNECTION
                                                                 : MEANS_OTHER;
}

/* "Name: value" */
static nghttp2_nv field_of(struct hg_view line, enum meaning *meaning) {
    const uint8_t *colon = memchr(line.at, ':', line.length);
    const uint32_t name = colon == NULL ? line.length : (uint32_t)(colon - line.at);
    const uint32_t value = line.length - name < 2 ? line.length : name + 2;
    for (const struct known *one = known; one < known + sizeof known / sizeof *known && one->length <= name; one++) {
        if (one->length == name && memcmp(one->name, line.at, name) == 0) {
            nghttp2_nv field = hg_nv((struct hg_view){(const uint8_t *)one->lower, name}, after(line, value));
            field.flags = NGHTTP2_NV_FLAG_NO_COPY_NAME;
            *meaning = one->meaning;
            return field;
        }
    }
    *meaning = meaning_of((struct hg_view){line.at, name});
    return hg_nv((struct hg_view){line.at, name}, after(line, value));
}

bool hg_answer_head(struct hg_view text, bool head_only, struct hg_answer_head *head, struct hg_answer_reader *reader) {
    static const struct hg_view status = {(const uint8_t *)":status", 7};
    struct hg_view rest = text;
    uint32_t line = line_of(rest);
    bool chunked = false;
    if (line == UINT32_MAX || line < 12) {
        return false;
    }
    *reader = (struct hg_answer_reader){0};
    head->status = (uint16_t)number_of((struct hg_view){text.at + 9, 3});
    head->fields[0] = hg_nv(status, (struct hg_view){text.at + 9, 3});
    head->fields[0].flags = NGHTTP2_NV_FLAG_NO_COPY_NAME;
    head->count = 1;
    for (;;) {
        rest = after(rest, line + 2);
        line = line_of(rest);
        if (line == UINT32_MAX) {
            return false;
        }
        if (line == 0) {
            break;
        }
        enum meaning meaning;
        const nghttp2_nv field = field_of((struct hg_view){rest.at, line}, &meaning);
        if (meaning == MEANS_LENGTH) {
            reader->left = number_of((struct hg_view){field.value, (uint32_t)field.valuelen});
        }
        chunked = chunked || meaning == MEANS_CODING;
        if (meaning != MEANS_CODING && meaning != MEANS_CONNECTION && head->count < HG_ANSWER_FIELDS) { /* RFC 9113 section 8.2.2 */
            head->fields[head->count++] = field;
        }
    }
    head->length = (uint32_t)(rest.at - text.at) + 2;
    if (head_only || head->status < 200 || head->status == 204 || head->status == 304) {
        reader->framing = HG_FRAMED_NONE;
    } else if (chunked) {
        reader->framing = HG_FRAMED_CHUNKED;
        reader->left = 0;
    } else {
        reader->framing = reader->left == 0 ? HG_FRAMED_NONE : HG_FRAMED_LENGTH;
    }
    return true;
}

static uint64_t chunk_size(struct hg_view line) {
    uint64_t size = 0;
    for (uint32_t i = 0; i < line.length && size < UINT64_MAX / 32; i++) {
        const uint8_t c = line.at[i];
        size = size * 16 + (uint64_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return size;
}

struct hg_view hg_answer_body(struct hg_answer_reader *reader, struct hg_view text, uint32_t room, uint32_t *used,
                              bool *end) {
    struct hg_view part = {text.at, 0};
    *used = 0;
    *end = false;
    while (part.length == 0 && !*end) {
        const struct hg_view rest = after(text, *used);
        uint32_t line;
        if (reader->framing == HG_FRAMED_CHUNKED && reader->step != DATA) {
            switch ((enum step)reader->step) {
            case SIZE:
                line = line_of(rest);
                if (line == UINT32_MAX) {
                    return part;
                }
                reader->left = chunk_size((struct hg_view){rest.at, line});
                reader->step = reader->left == 0 ? TRAILERS : DATA;
                *used += line + 2;
                break;
            case DATA_END:
                if (rest.length < 2) {
                    return part;
                }
                reader->step = SIZE;
                *used += 2;
                break;
            case TRAILERS: *end = true; break;
            case DATA: break;
            }
            continue;
        }
        part.at = rest.at;
        part.length = rest.length < room ? rest.length : room;
        part.length = part.length < reader->left ? part.length : (uint32_t)reader->left;
        *used += part.length;
        reader->left -= part.length;
        if (reader->left == 0) {
            reader->step = DATA_END;
            *end = reader->framing != HG_FRAMED_CHUNKED;
        } else if (part.length == 0) {
            return part;
        }
    }
    return part;
}

uint32_t hg_answer_trailers(struct hg_view text, nghttp2_nv fields[HG_ANSWER_FIELDS], uint32_t *count) {
    uint32_t used = 0, line;
    *count = 0;
    while ((line = line_of(after(text, used))) != UINT32_MAX) {
        if (line == 0) {
            return used + 2;
        }
        if (*count < HG_ANSWER_FIELDS) {
            enum meaning meaning;
            fields[(*count)++] = field_of((struct hg_view){text.at + used, line}, &meaning);
        }
        used += line + 2;
    }
    return 0;
}
