#include "http1.h"

#include "http1_head.h"
#include "limits.h"

void hg_http1_init(struct hg_http1 *parser, const struct hg_http1_limits *limits) {
    *parser = (struct hg_http1){.limits = limits, .state = HG_HTTP1_START};
}

bool hg_http1_idle(const struct hg_http1 *parser) { return parser->state == HG_HTTP1_START; }

bool hg_http1_closed(const struct hg_http1 *parser) { return parser->state == HG_HTTP1_CLOSED; }

enum found { NO_LINE, LINE, REFUSED };

/* The next line of data[0..length), which without its CR LF is *line; *taken: bytes with it. A line of more than
 * `limit` bytes is refused as soon as that is sure. */
static enum found find_line(struct hg_http1 *parser, const uint8_t *data, uint32_t length, uint32_t limit,
                            uint16_t status, enum hg_code code, struct hg_view *line, uint32_t *taken) {
    const uint32_t room = length < limit ? length : limit;
    const uint8_t *end = data + 1;
    if (room < 2 || end[0] != '\n') {
        end = room == 0 ? NULL : memchr(data, '\n', room);
    }
    if (end == NULL) {
        if (length < limit) {
            return NO_LINE;
        }
        (void)hg_http1_refuse(parser, status, code, "");
        return REFUSED;
    }
    if (end == data || end[-1] != '\r') {
        (void)hg_http1_bad(parser, "a line ends with CR LF");
        return REFUSED;
    }
    *line = (struct hg_view){data, (uint32_t)(end - data) - 1};
    *taken = line->length + 2;
    parser->used += *taken;
    return LINE;
}

/* A line of a head or of trailers. `status`: of a line that is too long, 431 when it is the head that is. */
static enum found head_line(struct hg_http1 *parser, const uint8_t *data, uint32_t length, uint16_t status,
                            struct hg_view *line, uint32_t *taken) {
    const uint32_t rest = parser->limits->head - parser->used;
    uint32_t limit = parser->limits->line;
    if (limit > rest) {
        limit = rest;
        status = 431;
    }
    return find_line(parser, data, length, limit, status, status == 414 ? HG_P_URI_TOO_LONG : HG_P_HEAD_TOO_LARGE,
                     line, taken);
}

static void end_head(struct hg_http1 *parser, uint32_t *consumed) {
    struct hg_request *request = &parser->request;
    request->head = parser->seen;
    *consumed += parser->seen;
    parser->seen = 0;
    parser->used = 0;
    parser->left = request->length > 0 ? (uint64_t)request->length : 0;
    parser->state = request->length < 0 ? HG_HTTP1_SIZE : request->length > 0 ? HG_HTTP1_BODY : HG_HTTP1_DONE;
}

/* The empty line after the fields comes next, within the limits. */
static bool ends_here(const struct hg_http1 *parser, const uint8_t *data, uint32_t length) {
    return length - parser->seen >= 2 && memcmp(data + parser->seen, "\r\n", 2) == 0 &&
           parser->limits->head - parser->used >= 2 && parser->limits->line >= 2;
}

/* `line` is not empty. false: refused. */
static bool read_field(struct hg_http1 *parser, const uint8_t *data, struct hg_view line) {
    parser->fields += 1;
    if (parser->fields > parser->limits->fields) {
        return hg_http1_refuse(parser, 431, HG_P_HEAD_TOO_LARGE, "too many fields");
    }
    return hg_http1_field(parser, data, line);
}

/* -> true: there is a request, or a refusal; false: more bytes are needed. */
static bool read_head(struct hg_http1 *parser, const uint8_t *data, uint32_t length, uint32_t *consumed) {
    struct hg_view line = {data, 0};
    for (;;) {
        const bool start = parser->state == HG_HTTP1_START;
        uint32_t taken = 0;
        enum found found;
        bool fine;
        if (!start) {
            parser->seen += hg_http1_usual_fields(parser, data, parser->seen, length);
            if (ends_here(parser, data, length)) {
                parser->seen += 2;
                break;
            }
        }
        found = head_line(parser, data + parser->seen, length - parser->seen, start ? 414 : 431, &line, &taken);
        if (found != LINE) {
            return found == REFUSED;
        }
        if (start && line.length == 0 && !parser->blank) { /* RFC 9112 section 2.2: at least one is tolerated */
            parser->blank = true;
            *consumed += taken;
            data += taken;
            length -= taken;
            continue;
        }
        parser->seen += taken;
        if (start) {
            fine = line.length != 0 ? hg_http1_request_line(parser, data, line)
                                    : hg_http1_bad(parser, "empty lines before the request");
            if (fine) {
                parser->state = HG_HTTP1_FIELDS;
            }
        } else {
            fine = read_field(parser, data, line);
        }
        if (!fine) {
            return true;
        }
    }
    if (hg_http1_finish(parser, data)) {
        end_head(parser, consumed);
    }
    return true;
}

/* RFC 9112 section 7.1: chunk-size [ ";" extensions ] CRLF. Extensions are skipped, limits->head bytes in all. */
static bool read_size(struct hg_http1 *parser, const uint8_t *data, uint32_t length, uint32_t *consumed) {
    const uint32_t used = parser->used;
    struct hg_view line = {data, 0}, extension = {data, 0};
    const uint8_t *mark;
    uint32_t taken = 0, digits;
    const enum found found =
        find_line(parser, data, length, HG_HTTP_CHUNK_LINE, 400, HG_P_MALFORMED_REQUEST, &line, &taken);
    if (found != LINE) {
        return found == REFUSED;
    }
    mark = line.length == 0 ? NULL : memchr(line.at, ';', line.length);
    digits = mark == NULL ? line.length : (uint32_t)(mark - line.at);
    if (mark != NULL) {
        extension = (struct hg_view){mark + 1, line.length - digits - 1};
    }
    parser->used = used + extension.length;
    if (digits == 0 || digits > 8) { /* 32 bits */
        return hg_http1_bad(parser, "no chunk size"), true;
    }
    parser->left = 0;
    for (uint32_t i = 0; i < digits; i++) {
        const int digit = hg_hex_digit(line.at[i]);
        if (digit < 0) {
            return hg_http1_bad(parser, "the chunk size is not hexadecimal"), true;
        }
        parser->left = parser->left * 16 + (uint64_t)digit;
    }
    if (mark != NULL && (!hg_is_clean(extension) || parser->used > parser->limits->head)) {
        return hg_http1_bad(parser, "chunk extensions not understood"), true;
    }
    *consumed += taken;
    parser->state = HG_HTTP1_DATA;
    if (parser->left == 0) {
        parser->state = HG_HTTP1_TRAILER;
        parser->used = 0;
        parser->fields = 0;
    }
    return true;
}

/* RFC 9112 section 7.1.2: checked like fields, bounded like a head, dropped. */
static bool read_trailer(struct hg_http1 *parser, const uint8_t *data, uint32_t length, uint32_t *consumed) {
    struct hg_view line = {data, 0};
    uint32_t taken = 0;
    const enum found found = head_line(parser, data, length, 431, &line, &taken);
    if (found != LINE) {
        return found == REFUSED;
    }
    *consumed += taken;
    if (line.length == 0) {
        parser->state = HG_HTTP1_DONE;
        return true;
    }
    parser->fields += 1;
    if (parser->fields > parser->limits->fields) {
        return hg_http1_refuse(parser, 431, HG_P_HEAD_TOO_LARGE, "too many trailer fields"), true;
    }
    (void)hg_http1_trailer(parser, line); /* a refusal is seen by the state */
    return true;
}

static bool read_data_end(struct hg_http1 *parser, const uint8_t *data, uint32_t length, uint32_t *consumed) {
    if ((length > 0 && data[0] != '\r') || (length > 1 && data[1] != '\n')) {
        return hg_http1_bad(parser, "a chunk ends with CR LF"), true;
    }
    if (length < 2) {
        return false;
    }
    *consumed += 2;
    parser->state = HG_HTTP1_SIZE;
    return true;
}

enum hg_http1_event hg_http1_next(struct hg_http1 *parser, const uint8_t *data, uint32_t length, uint32_t *consumed,
                                  struct hg_view *part) {
    *consumed = 0;
    for (;;) {
        const uint8_t *from = data + *consumed;
        const uint32_t rest = length - *consumed;
        bool moved = false;
        switch ((enum hg_http1_state)parser->state) {
        case HG_HTTP1_START:
        case HG_HTTP1_FIELDS:
            moved = read_head(parser, from, rest, consumed);
            if (moved && parser->state != HG_HTTP1_REFUSED) {
                return HG_HTTP_REQUEST;
            }
            break;
        case HG_HTTP1_BODY:
        case HG_HTTP1_DATA:
            if (rest == 0) {
                return HG_HTTP_MORE;
            }
            *part = (struct hg_view){from, rest < parser->left ? rest : (uint32_t)parser->left};
            *consumed += part->length;
            parser->left -= part->length;
            if (parser->left == 0) {
                parser->state = parser->state == HG_HTTP1_BODY ? HG_HTTP1_DONE : HG_HTTP1_DATA_END;
            }
            return HG_HTTP_PART;
        case HG_HTTP1_SIZE: moved = read_size(parser, from, rest, consumed); break;
        case HG_HTTP1_DATA_END: moved = read_data_end(parser, from, rest, consumed); break;
        case HG_HTTP1_TRAILER: moved = read_trailer(parser, from, rest, consumed); break;
        case HG_HTTP1_DONE:
            parser->used = 0;
            parser->blank = false;
            parser->state = parser->request.keep_alive ? HG_HTTP1_START : HG_HTTP1_CLOSED;
            return HG_HTTP_END;
        case HG_HTTP1_CLOSED: *consumed = length; return HG_HTTP_MORE;
        case HG_HTTP1_REFUSED: *consumed = length; return HG_HTTP_REFUSED;
        }
        if (!moved) {
            return HG_HTTP_MORE;
        }
    }
}

bool hg_http1_ended(struct hg_http1 *parser, uint32_t length) {
    if (parser->state == HG_HTTP1_CLOSED || (parser->state == HG_HTTP1_START && length == 0)) {
        return true;
    }
    if (parser->state != HG_HTTP1_REFUSED) {
        (void)hg_http1_refuse(parser, 400, HG_P_INCOMPLETE, "the connection ended inside a message");
    }
    return false;
}
