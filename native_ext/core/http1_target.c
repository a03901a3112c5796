#include "http1_head.h"
#include "inline.h"

#define IN(c, low, high) ((c) >= (low) && (c) <= (high))

/* RFC 3629, as a walk: how many bytes have to follow, and within which bounds the next one is. */
struct utf8 {
    uint8_t left, low, high;
};

static bool utf8_takes(struct utf8 *walk, uint8_t c) {
    if (walk->left != 0) {
        const bool fits = c >= walk->low && c <= walk->high;
        walk->left -= 1;
        walk->low = 0x80;
        walk->high = 0xBF;
        return fits;
    }
    walk->low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
    walk->high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
    walk->left = c < 0x80 ? 0 : c < 0xE0 ? 1 : c < 0xF0 ? 2 : 3;
    return c < 0x80 || IN(c, 0xC2, 0xF4);
}

/* RFC 3986 section 2.1, strictly. `text` has bytes of a target, which are ASCII. *plain: nothing is encoded. */
static bool is_encoded_well(struct hg_view text, bool *plain) {
    struct utf8 walk = {0, 0x80, 0xBF};
    *plain = memchr(text.at, '%', text.length) == NULL;
    if (*plain) {
        return true;
    }
    for (uint32_t i = 0; i < text.length; i++) {
        uint8_t c = text.at[i];
        if (c == '%') {
            const int first = text.length - i > 2 ? hg_hex_digit(text.at[i + 1]) : -1;
            const int second = text.length - i > 2 ? hg_hex_digit(text.at[i + 2]) : -1;
            if (first < 0 || second < 0) {
                return false;
            }
            c = (uint8_t)(first * 16 + second);
            i += 2;
            if (c < 0x20 || c == 0x7F) {
                return false;
            }
        }
        if (!utf8_takes(&walk, c)) {
            return false;
        }
    }
    return walk.left == 0;
}

uint32_t hg_percent_decode(struct hg_view raw, uint8_t *out) {
    uint32_t length = 0;
    for (uint32_t i = 0; i < raw.length; i++) {
        uint8_t c = raw.at[i];
        if (c == '%' && raw.length - i > 2) {
            c = (uint8_t)(hg_hex_digit(raw.at[i + 1]) * 16 + hg_hex_digit(raw.at[i + 2]));
            i += 2;
        }
        out[length++] = c;
    }
    return length;
}

/* origin-form or absolute-form. RFC 9112 section 3.2. */
static bool read_target(struct hg_http1 *parser, const uint8_t *head, struct hg_view target) {
    struct hg_request *request = &parser->request;
    struct hg_view path = target, query;
    const uint8_t *mark;
    bool plain_query;
    if (!hg_all_in(target, HG_IN_TARGET)) {
        return hg_http1_bad(parser, "character not allowed in the request target");
    }
    if (target.length == 0 || target.at[0] != '/') {
        const bool http = target.length >= 7 && HG_SAME_ANY_CASE(((struct hg_view){target.at, 7}), "http://");
        const bool https = target.length >= 8 && HG_SAME_ANY_CASE(((struct hg_view){target.at, 8}), "https://");
        const uint32_t authority = http ? 7 : 8;
        uint32_t end = authority;
        if (!http && !https) {
            return hg_http1_bad(parser, "the request target is neither a path nor an http URI");
        }
        while (end < target.length && target.at[end] != '/' && target.at[end] != '?') {
            end += 1;
        }
        if (end == authority || memchr(target.at + authority, '@', end - authority) != NULL) {
            return hg_http1_bad(parser, "the request target has no proper authority");
        }
        path = (struct hg_view){target.at + end, target.length - end};
    }
    mark = memchr(path.at, '?', path.length);
    query = (struct hg_view){path.at + path.length, 0};
    if (mark != NULL) {
        query = (struct hg_view){mark + 1, path.length - (uint32_t)(mark - path.at) - 1};
        path.length = (uint32_t)(mark - path.at);
    }
    if (!is_encoded_well(query, &plain_query) || !is_encoded_well(path, &request->path_plain)) {
        return hg_http1_bad(parser, "the request target is not strictly percent-encoded UTF-8");
    }
    request->target = hg_span_of(head, target);
    request->path = hg_span_of(head, path);
    request->path_empty = path.length == 0;
    request->query = hg_span_of(head, query);
    return true;
}

/* The method that `line` begins with, which is longer than any; -> its bytes with the space after it; 0: not known. */
static uint32_t find_verb(const uint8_t *line, uint8_t *verb) {
    uint32_t length = 0;
    if (memcmp(line, "POST ", 5) == 0) {
        *verb = HG_POST;
        length = 5;
    } else if (memcmp(line, "GET ", 4) == 0) {
        *verb = HG_GET;
        length = 4;
    } else if (memcmp(line, "PUT ", 4) == 0) {
        *verb = HG_PUT;
        length = 4;
    } else if (memcmp(line, "HEAD ", 5) == 0) {
        *verb = HG_HEAD;
        length = 5;
    } else if (memcmp(line, "DELETE ", 7) == 0) {
        *verb = HG_DELETE;
        length = 7;
    }
    return length;
}

enum { SHORTEST = 14 }; /* "GET / HTTP/1.1", which is longer than any method that find_verb knows */

/* A known method, a path where nothing is encoded, perhaps such a query, HTTP/1.1; false: to be looked at closely. */
static bool usual_request_line(struct hg_http1 *parser, const uint8_t *head, struct hg_view line) {
    struct hg_request *request = &parser->request;
    const uint8_t *version, *path, *p;
    uint32_t method;
    if (line.length < SHORTEST) {
        return false;
    }
    version = line.at + line.length - 9;
    method = find_verb(line.at, &request->verb);
    if (method == 0 || memcmp(version, " HTTP/1.1", 9) != 0) {
        return false;
    }
    path = line.at + method;
    if (*path != '/') {
        return false;
    }
    p = hg_skip_class(path, HG_IN_PATH); /* at most to the space before the version */
    request->path = hg_span_of(head, (struct hg_view){path, (uint32_t)(p - path)});
    request->query = hg_span_of(head, (struct hg_view){p, 0});
    if (*p == '?') {
        const uint8_t *const query = p + 1;
        p = hg_skip_class(query, HG_IN_PATH | HG_IS_MARK);
        request->query = hg_span_of(head, (struct hg_view){query, (uint32_t)(p - query)});
    }
    request->method = hg_span_of(head, (struct hg_view){line.at, method - 1});
    request->target = hg_span_of(head, (struct hg_view){path, (uint32_t)(p - path)});
    request->path_plain = true;
    return p == version;
}

/* RFC 9112 section 3: three parts, one space between them. */
bool hg_http1_request_line(struct hg_http1 *parser, const uint8_t *head, struct hg_view line) {
    struct hg_request *request = &parser->request;
    struct hg_view part[3];
    uint32_t parts = 0, from = 0;
    parser->fields = 0;
    parser->options = 0;
    *request = (struct hg_request){0};
    if (HG_LIKELY(usual_request_line(parser, head, line))) {
        return true;
    }
    for (uint32_t i = 0; i <= line.length; i++) {
        if (i == line.length || line.at[i] == ' ') {
            if (parts == 3) {
                parts = 4;
                break;
            }
            part[parts++] = (struct hg_view){line.at + from, i - from};
            from = i + 1;
        }
    }
    if (parts != 3) {
        return hg_http1_bad(parser, "the request line is: method, one space, target, one space, version");
    }
    request->method = hg_span_of(head, part[0]);
    request->verb = HG_METHOD_OTHER;
    if (line.length >= SHORTEST) {
        (void)find_verb(line.at, &request->verb);
    }
    if (part[0].length == 0 || !hg_all_in(part[0], HG_IN_TOKEN)) {
        return hg_http1_bad(parser, "the method is not a token");
    }
    if (part[2].length != 8 || memcmp(part[2].at, "HTTP/", 5) != 0 || part[2].at[6] != '.' ||
        !IN(part[2].at[5], '0', '9') || !IN(part[2].at[7], '0', '9')) {
        return hg_http1_bad(parser, "no HTTP version");
    }
    if (part[2].at[5] != '1') {
        return hg_http1_refuse(parser, 505, HG_P_VERSION_NOT_SUPPORTED, "this is an HTTP/1.1 server");
    }
    request->http10 = part[2].at[7] == '0';
    return read_target(parser, head, part[1]);
}
