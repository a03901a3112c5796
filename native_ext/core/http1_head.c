#include "http1_head.h"

#include "inline.h"
#include "scan_find.h"

/* The table of classes, made by the compiler from the rules below; bytes above 0x7f are in none. */
#define IN(c, low, high) ((c) >= (low) && (c) <= (high))
#define ALNUM(c) (IN(c, 'A', 'Z') || IN(c, 'a', 'z') || IN(c, '0', '9'))
#define COMMON(c) ((c) == '!' || (c) == '$' || (c) == '&' || (c) == '\'' || (c) == '*' || (c) == '+' || (c) == '-' || \
                   (c) == '.' || (c) == '_' || (c) == '~' || (c) == '%')
#define IS_TOKEN(c) (ALNUM(c) || COMMON(c) || (c) == '#' || (c) == '^' || (c) == '`' || (c) == '|')
#define IS_TARGET(c) (ALNUM(c) || COMMON(c) || (c) == '(' || (c) == ')' || (c) == ',' || (c) == ';' || (c) == '=' || \
                      (c) == ':' || (c) == '@' || (c) == '/' || (c) == '?')
#define IS_HOST(c) (ALNUM(c) || COMMON(c) || (c) == '(' || (c) == ')' || (c) == ';' || (c) == '=' || (c) == ':' || \
                    (c) == '[' || (c) == ']')
#define IS_PATH(c) (IS_TARGET(c) && (c) != '%' && (c) != '?')
#define CLASS(c) ((IS_TOKEN(c) ? HG_IN_TOKEN : 0) | (IS_TARGET(c) ? HG_IN_TARGET : 0) | \
                  (IS_HOST(c) ? HG_IN_HOST : 0) | (IS_PATH(c) ? HG_IN_PATH : 0) | ((c) == '?' ? HG_IS_MARK : 0))
#define CLASS4(c) CLASS(c), CLASS((c) + 1), CLASS((c) + 2), CLASS((c) + 3)
#define CLASS16(c) CLASS4(c), CLASS4((c) + 4), CLASS4((c) + 8), CLASS4((c) + 12)
const uint8_t hg_http1_class[256] = {CLASS16(0x00), CLASS16(0x10), CLASS16(0x20), CLASS16(0x30),
                                     CLASS16(0x40), CLASS16(0x50), CLASS16(0x60), CLASS16(0x70)};

/* Options of Connection, all its lines together. */
enum { OPTION_CLOSE = 1, OPTION_KEEP_ALIVE = 2 };

bool hg_http1_refuse(struct hg_http1 *parser, uint16_t status, enum hg_code code, const char *detail) {
    parser->state = HG_HTTP1_REFUSED;
    parser->problem = (struct hg_problem){status, (uint8_t)code, true, detail};
    return false;
}

bool hg_http1_bad(struct hg_http1 *parser, const char *detail) {
    return hg_http1_refuse(parser, 400, HG_P_MALFORMED_REQUEST, detail);
}

bool hg_same_any_case(struct hg_view text, const char *name, uint32_t length) {
    if (text.length != length) {
        return false;
    }
    for (uint32_t i = 0; i < length; i++) {
        const uint8_t c = text.at[i];
        if ((IN(c, 'A', 'Z') ? c | 0x20 : c) != (uint8_t)name[i]) {
            return false;
        }
    }
    return true;
}

static bool is_control(uint8_t c) { return c < 0x20 || c == 0x7F; }

/* ---- inner loops; scan_find.h has their like, and chooses between the three ---- */

/* What is looked for among the HG_SCAN_STEP bytes at p, in the form that hg_scan_first takes. */
#if defined(HG_SCAN_SSE2)
HG_INLINE hg_scan_hits step_control(const uint8_t *p) {
    const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1F)), bytes);
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(low, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7F))));
}

HG_INLINE hg_scan_hits step_colon(const uint8_t *p) {
    const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(':')));
}
#elif defined(HG_SCAN_NEON)
HG_INLINE hg_scan_hits step_control(const uint8_t *p) {
    const uint8x16_t bytes = vld1q_u8(p);
    return hg_nibbles_neon(vorrq_u8(vcltq_u8(bytes, vdupq_n_u8(0x20)), vceqq_u8(bytes, vdupq_n_u8(0x7F))));
}

HG_INLINE hg_scan_hits step_colon(const uint8_t *p) {
    return hg_nibbles_neon(vceqq_u8(vld1q_u8(p), vdupq_n_u8(':')));
}
#else
HG_INLINE hg_scan_hits step_control(const uint8_t *p) {
    const hg_lanes lanes = hg_lanes_load(p), low = lanes & HG_LANES(0x7F);
    return ~(((low + HG_LANES(0x60)) & ~(low + HG_LANES(0x01))) | lanes) & HG_LANES(0x80);
}

HG_INLINE hg_scan_hits step_colon(const uint8_t *p) {
    const hg_lanes lanes = hg_lanes_load(p);
    return ~(hg_lanes_used((lanes & HG_LANES(0x7F)) ^ HG_LANES(':')) | lanes) & HG_LANES(0x80);
}
#endif

/* The first control character of [p, end), a tab among them; `end`: there is none. */
HG_INLINE const uint8_t *find_control(const uint8_t *p, const uint8_t *end) {
    for (ptrdiff_t left = end - p; left >= HG_SCAN_STEP; left -= HG_SCAN_STEP, p += HG_SCAN_STEP) {
        const hg_scan_hits hits = step_control(p);
        if (hits != 0) {
            return p + hg_scan_first(hits);
        }
    }
    while (p < end && !is_control(*p)) {
        p++;
    }
    return p;
}

/* The first ":" of [p, end); `end`: there is none. */
HG_INLINE const uint8_t *find_colon(const uint8_t *p, const uint8_t *end) {
    for (ptrdiff_t left = end - p; left >= HG_SCAN_STEP; left -= HG_SCAN_STEP, p += HG_SCAN_STEP) {
        const hg_scan_hits hits = step_colon(p);
        if (hits != 0) {
            return p + hg_scan_first(hits);
        }
    }
    while (p < end && *p != ':') {
        p++;
    }
    return p;
}

/* ---- */

bool hg_is_clean(struct hg_view value) {
    const uint8_t *const end = value.at + value.length;
    const uint8_t *p = find_control(value.at, end);
    while (p < end && *p == '\t') {
        p = find_control(p + 1, end);
    }
    return p == end;
}

static bool is_space(uint8_t c) { return c == ' ' || c == '\t'; }

static struct hg_view stripped(struct hg_view text) {
    while (text.length != 0 && is_space(text.at[text.length - 1])) {
        text.length -= 1;
    }
    while (text.length != 0 && is_space(text.at[0])) {
        text.at += 1;
        text.length -= 1;
    }
    return text;
}

/* ---- names ---- */

#define WORD(type, byte) ((type)~(type)0 / 0xFF * (byte))
#define SAME_WORD(type)                                                                                     \
    HG_INLINE bool same_##type(const uint8_t *text, const char *name) {                                     \
        type mine, other;                                                                                   \
        memcpy(&mine, text, sizeof mine);                                                                   \
        memcpy(&other, name, sizeof other);                                                                 \
        return (mine | (type)((other & WORD(type, 0x40)) >> 1)) == other; /* only letters have bit 0x40 */ \
    }
SAME_WORD(uint32_t)
SAME_WORD(uint64_t)

/* The `length` bytes at `text` are `name`, in any case. With constants the compiler leaves two or three comparisons of
 * words, which overlap; names of 4 to 24 bytes, of lower-case letters and "-". */
HG_INLINE bool is_named(const uint8_t *text, const char *name, uint32_t length) {
    if (length < 8) {
        return same_uint32_t(text, name) && same_uint32_t(text + length - 4, name + length - 4);
    }
    return same_uint64_t(text, name) && (length <= 16 || same_uint64_t(text + 8, name + 8)) &&
           same_uint64_t(text + length - 8, name + length - 8);
}

#define IS_NAMED(text, name) is_named(text, name, (uint32_t)sizeof(name) - 1)

enum { UNKNOWN = -1, UNUSED = HG_FIELD_COUNT }; /* UNUSED: a name often seen, which nobody asks for */

static int field_named(const uint8_t *name, uint32_t length) {
    switch (length) {
    case 4: return IS_NAMED(name, "host") ? HG_FIELD_HOST : UNKNOWN;
    case 6: return IS_NAMED(name, "accept") ? UNUSED : IS_NAMED(name, "expect") ? HG_FIELD_EXPECT : UNKNOWN;
    case 8: return IS_NAMED(name, "if-match") ? HG_FIELD_IF_MATCH : UNKNOWN;
    case 10:
        return IS_NAMED(name, "connection") ? HG_FIELD_CONNECTION : IS_NAMED(name, "user-agent") ? UNUSED : UNKNOWN;
    case 11: return IS_NAMED(name, "traceparent") ? HG_FIELD_TRACEPARENT : UNKNOWN;
    case 12: return IS_NAMED(name, "content-type") ? HG_FIELD_CONTENT_TYPE : UNKNOWN;
    case 13:
        return IS_NAMED(name, "authorization")   ? HG_FIELD_AUTHORIZATION
               : IS_NAMED(name, "if-none-match") ? HG_FIELD_IF_NONE_MATCH
               : IS_NAMED(name, "cache-control") ? HG_FIELD_CACHE_CONTROL
               : IS_NAMED(name, "content-range") ? HG_FIELD_CONTENT_RANGE
                                                 : UNKNOWN;
    case 14: return IS_NAMED(name, "content-length") ? HG_FIELD_CONTENT_LENGTH : UNKNOWN;
    case 15:
        return IS_NAMED(name, "idempotency-key")   ? HG_FIELD_IDEMPOTENCY_KEY
               : IS_NAMED(name, "accept-encoding") ? UNUSED
                                                   : UNKNOWN;
    case 16: return IS_NAMED(name, "content-encoding") ? HG_FIELD_CONTENT_ENCODING : UNKNOWN;
    case 17: return IS_NAMED(name, "transfer-encoding") ? HG_FIELD_TRANSFER_ENCODING : UNKNOWN;
    default: return UNKNOWN;
    }
}

/* ---- field lines ---- */

/* RFC 9110 section 7.6.1 */
static uint8_t connection_options(struct hg_view value) {
    uint8_t options = 0;
    uint32_t from = 0;
    for (uint32_t i = 0; i <= value.length; i++) {
        if (i == value.length || value.at[i] == ',') {
            const struct hg_view option = stripped((struct hg_view){value.at + from, i - from});
            options |= HG_SAME_ANY_CASE(option, "close")        ? OPTION_CLOSE
                       : HG_SAME_ANY_CASE(option, "keep-alive") ? OPTION_KEEP_ALIVE
                                                                : 0;
            from = i + 1;
        }
    }
    return options;
}

HG_INLINE void keep(struct hg_http1 *parser, const uint8_t *head, int field, struct hg_view value) {
    struct hg_request *request = &parser->request;
    if (field == UNKNOWN || field == UNUSED) {
        return;
    }
    if (field == HG_FIELD_CONNECTION) {
        parser->options |= connection_options(value);
    }
    if (request->field[field].at != 0) {
        request->repeated |= UINT32_C(1) << field;
    } else {
        request->field[field] = hg_span_of(head, value);
    }
}

/* RFC 9112 section 5: name ":" OWS value OWS. -> *name and *value; false: refused. */
static bool split_field(struct hg_http1 *parser, struct hg_view line, struct hg_view *name, struct hg_view *value) {
    uint32_t colon = 0;
    if (is_space(line.at[0])) {
        return hg_http1_bad(parser, "folded field line");
    }
    while (colon < line.length && (hg_http1_class[line.at[colon]] & HG_IN_TOKEN) != 0) {
        colon += 1;
    }
    if (colon == 0 || colon == line.length || line.at[colon] != ':') {
        return hg_http1_bad(parser, "a field line is: a token, a colon, a value");
    }
    *name = (struct hg_view){line.at, colon};
    *value = stripped((struct hg_view){line.at + colon + 1, line.length - colon - 1});
    return hg_is_clean(*value) || hg_http1_bad(parser, "control character in a field value");
}

bool hg_http1_each_field(const struct hg_request *request, const uint8_t *head, uint32_t *at, struct hg_view *name,
                         struct hg_view *value) {
    const uint8_t *line, *colon, *end;
    if (*at == 0) { /* the request line */
        *at = (uint32_t)((const uint8_t *)memchr(head, '\n', request->head) + 1 - head);
    }
    line = head + *at;
    if (request->head - *at <= 2) { /* the empty line */
        return false;
    }
    end = memchr(line, '\n', request->head - *at);
    colon = memchr(line, ':', request->head - *at);
    *at = (uint32_t)(end + 1 - head);
    *name = (struct hg_view){line, (uint32_t)(colon - line)};
    *value = stripped((struct hg_view){colon + 1, (uint32_t)(end - 1 - (colon + 1))});
    return true;
}

bool hg_http1_trailer(struct hg_http1 *parser, struct hg_view line) {
    struct hg_view name, value;
    return split_field(parser, line, &name, &value);
}

bool hg_http1_field(struct hg_http1 *parser, const uint8_t *head, struct hg_view line) {
    struct hg_view name, value;
    if (!split_field(parser, line, &name, &value)) {
        return false;
    }
    keep(parser, head, field_named(name.at, name.length), value);
    return true;
}

uint32_t hg_http1_usual_fields(struct hg_http1 *parser, const uint8_t *head, uint32_t at, uint32_t length) {
    const uint32_t most = parser->limits->head - parser->used, longest = parser->limits->line;
    const uint32_t rest = length - at < most ? length - at : most, room = parser->limits->fields - parser->fields;
    const uint8_t *p = head + at;
    const uint8_t *const start = p, *const end = p + rest;
    uint32_t fields;
    for (fields = 0; fields < room && end - p >= 4 && *p != '\r'; fields++) { /* 4: a name, a colon, CR LF */
        const uint8_t *const colon = find_colon(p, end - 2), *const stop = find_control(colon, end - 2);
        const uint8_t *value = colon + 1;
        struct hg_view found;
        int field;
        if (memcmp(stop, "\r\n", 2) != 0 || stop == colon || (size_t)(stop + 2 - p) > longest) {
            break;
        }
        field = field_named(p, (uint32_t)(colon - p));
        if (HG_UNLIKELY(field == UNKNOWN) && (colon == p || hg_skip_class(p, HG_IN_TOKEN) != colon)) {
            break;
        }
        value += *value == ' ';
        found = (struct hg_view){value, (uint32_t)(stop - value)};
        if (HG_UNLIKELY(*value == ' ' || stop[-1] == ' ')) {
            found = stripped(found);
        }
        keep(parser, head, field, found);
        p = stop + 2;
    }
    parser->fields = (uint16_t)(parser->fields + fields);
    parser->used += (uint32_t)(p - start);
    return (uint32_t)(p - start);
}

/* ---- what needs all fields ---- */

/* RFC 9112 section 6.1: chunked is the only coding here. */
static bool read_transfer_encoding(struct hg_http1 *parser, struct hg_view value) {
    uint32_t from = 0, chunked = 0;
    bool named = false, last = false;
    if (HG_SAME_ANY_CASE(value, "chunked")) {
        parser->request.length = -1;
        return true;
    }
    for (uint32_t i = 0; i <= value.length; i++) {
        if (i == value.length || value.at[i] == ',') {
            last = HG_SAME_ANY_CASE(stripped((struct hg_view){value.at + from, i - from}), "chunked");
            chunked += last;
            from = i + 1;
        }
        if (value.length - i >= 7 && HG_SAME_ANY_CASE(((struct hg_view){value.at + i, 7}), "chunked")) {
            named = true;
        }
    }
    if (named && (!last || chunked > 1)) {
        return hg_http1_bad(parser, "Transfer-Encoding does not end with one chunked");
    }
    return hg_http1_refuse(parser, 501, HG_P_NOT_IMPLEMENTED, "the only transfer coding here is chunked");
}

static struct hg_view value_of(const struct hg_http1 *parser, const uint8_t *head, enum hg_field field) {
    const struct hg_span span = parser->request.field[field];
    return (struct hg_view){head + span.at, span.length};
}

static bool given(const struct hg_http1 *parser, enum hg_field field) { return parser->request.field[field].at != 0; }

static bool repeated(const struct hg_http1 *parser, enum hg_field field) {
    return (parser->request.repeated & UINT32_C(1) << field) != 0;
}

/* RFC 9112 section 6.3, with nothing to choose. */
static bool read_length(struct hg_http1 *parser, const uint8_t *head) {
    struct hg_request *request = &parser->request;
    const struct hg_view length = value_of(parser, head, HG_FIELD_CONTENT_LENGTH);
    int64_t number = 0;
    if (repeated(parser, HG_FIELD_CONTENT_LENGTH)) {
        return hg_http1_bad(parser, "several content-length fields");
    }
    if (repeated(parser, HG_FIELD_TRANSFER_ENCODING)) {
        return hg_http1_bad(parser, "several transfer-encoding fields");
    }
    if (given(parser, HG_FIELD_TRANSFER_ENCODING)) {
        if (given(parser, HG_FIELD_CONTENT_LENGTH)) {
            return hg_http1_bad(parser, "both Content-Length and Transfer-Encoding");
        }
        if (request->http10) {
            return hg_http1_bad(parser, "Transfer-Encoding in HTTP/1.0");
        }
        return read_transfer_encoding(parser, value_of(parser, head, HG_FIELD_TRANSFER_ENCODING));
    }
    if (!given(parser, HG_FIELD_CONTENT_LENGTH)) {
        return true;
    }
    for (uint32_t i = 0; i < length.length; i++) {
        if (!IN(length.at[i], '0', '9')) {
            return hg_http1_bad(parser, "Content-Length is not a decimal number");
        }
        number = i < 18 ? number * 10 + (length.at[i] - '0') : number;
    }
    if (length.length == 0) {
        return hg_http1_bad(parser, "Content-Length is not a decimal number");
    }
    if (length.length > 18) { /* so it stays below 2**63 */
        return hg_http1_refuse(parser, 413, HG_P_BODY_TOO_LARGE, "");
    }
    request->length = number;
    return true;
}

/* Host (RFC 9112, 3.2), framing (6), persistence (9.3), Expect (RFC 9110, 10.1.1). */
bool hg_http1_finish(struct hg_http1 *parser, const uint8_t *head) {
    struct hg_request *request = &parser->request;
    if (repeated(parser, HG_FIELD_HOST)) {
        return hg_http1_bad(parser, "several host fields");
    }
    if (!given(parser, HG_FIELD_HOST) && !request->http10) {
        return hg_http1_bad(parser, "a Host field is needed");
    }
    if (given(parser, HG_FIELD_HOST) && !hg_all_in(value_of(parser, head, HG_FIELD_HOST), HG_IN_HOST)) {
        return hg_http1_bad(parser, "character not allowed in Host");
    }
    if (!read_length(parser, head)) {
        return false;
    }
    request->keep_alive = !request->http10;
    if (given(parser, HG_FIELD_CONNECTION)) {
        request->keep_alive = (parser->options & OPTION_CLOSE) == 0 &&
                              (!request->http10 || (parser->options & OPTION_KEEP_ALIVE) != 0);
    }
    if (given(parser, HG_FIELD_EXPECT) && !request->http10) {
        if (repeated(parser, HG_FIELD_EXPECT) ||
            !HG_SAME_ANY_CASE(value_of(parser, head, HG_FIELD_EXPECT), "100-continue")) {
            return hg_http1_refuse(parser, 417, HG_P_EXPECTATION_FAILED, "the only expectation here is 100-continue");
        }
        request->expect_continue = request->length != 0;
    }
    return true;
}
