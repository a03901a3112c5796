/* What the files of the HTTP parser share: http1.c (states, lines, bodies), http1_head.c (fields), http1_target.c
 * (request lines). */
#ifndef HEADGATE_HTTP1_HEAD_H
#define HEADGATE_HTTP1_HEAD_H

#include "http1.h"
#include "inline.h"

enum hg_http1_state {
    HG_HTTP1_START,    /* [one empty line] request line */
    HG_HTTP1_FIELDS,   /* field lines, an empty line */
    HG_HTTP1_BODY,     /* Content-Length bytes */
    HG_HTTP1_SIZE,     /* chunk-size line */
    HG_HTTP1_DATA,     /* chunk bytes */
    HG_HTTP1_DATA_END, /* CR LF */
    HG_HTTP1_TRAILER,  /* field lines, an empty line */
    HG_HTTP1_DONE,     /* the end is to be told */
    HG_HTTP1_CLOSED,   /* the input is ignored */
    HG_HTTP1_REFUSED
};

/* Classes of bytes: a token's (RFC 9110 section 5.6.2), a target's (RFC 3986 sections 3.3 and 3.4), a host's (section
 * 3.2.2, without the comma of a joined list); a target's but "%" and "?"; and the latter. */
enum { HG_IN_TOKEN = 1, HG_IN_TARGET = 2, HG_IN_HOST = 4, HG_IN_PATH = 8, HG_IS_MARK = 16 };
extern const uint8_t hg_http1_class[256];

/* The first byte at p or after it that is not of the class. p is inside a line, whose CR is in none. */
static inline const uint8_t *hg_skip_class(const uint8_t *p, uint8_t class) {
    while ((hg_http1_class[*p] & class) != 0) {
        p++;
    }
    return p;
}
static inline bool hg_all_in(struct hg_view text, uint8_t class) {
    return hg_skip_class(text.at, class) >= text.at + text.length;
}

/* `name` in lower case; letters, digits, and signs without an upper-case form. */
bool hg_same_any_case(struct hg_view text, const char *name, uint32_t length);
#define HG_SAME_ANY_CASE(text, name) hg_same_any_case(text, name, (uint32_t)sizeof(name) - 1)

static inline struct hg_span hg_span_of(const uint8_t *head, struct hg_view text) {
    return (struct hg_span){(uint16_t)(text.at - head), (uint16_t)text.length};
}

/* The value of a hexadecimal digit, -1: it is none. */
static inline int hg_hex_digit(uint8_t c) {
    const uint8_t letter = c | 0x20;
    return c >= '0' && c <= '9' ? c - '0' : letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

/* RFC 9110 section 5.5: visible bytes, obs-text, space and tab. */
bool hg_is_clean(struct hg_view value);

/* All below: false, the message is refused. `line`: without its CR LF. */
HG_RARE bool hg_http1_refuse(struct hg_http1 *parser, uint16_t status, enum hg_code code, const char *detail);
HG_RARE bool hg_http1_bad(struct hg_http1 *parser, const char *detail); /* 400 malformed_request */
bool hg_http1_request_line(struct hg_http1 *parser, const uint8_t *head, struct hg_view line);
bool hg_http1_field(struct hg_http1 *parser, const uint8_t *head, struct hg_view line);
bool hg_http1_trailer(struct hg_http1 *parser, struct hg_view line);
bool hg_http1_finish(struct hg_http1 *parser, const uint8_t *head);

/* Takes field lines from head + at on, for as long as they are all there and as usual (within all limits, nothing to
 * refuse, no tabs): what hg_http1_field makes of them, in one pass. -> bytes taken; the first line left is for it. */
uint32_t hg_http1_usual_fields(struct hg_http1 *parser, const uint8_t *head, uint32_t at, uint32_t length);

#endif
