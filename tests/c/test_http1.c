/* core/http1.c: what a request's parts are, where they are, and that neither the cuts nor the quick ways matter. What
 * is refused with which words: tests/unit/test_http1.py and tests/twins/test_http1.py. */
#include "check_http1.h"

#define H "Host: a\r\n"
#define CHUNKED "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"

static const struct hg_http1_limits usual = {HG_HTTP_HEAD, HG_HTTP_LINE, HG_HTTP_HEADERS};

/* What was said to an input, which is the same for each way to cut it in two, and byte by byte. */
static void run_all(struct told *told, const struct hg_http1_limits *limits, const char *text, bool ends) {
    const uint8_t *data = (const uint8_t *)text, one = 1;
    const uint32_t length = (uint32_t)strlen(text);
    struct told other;
    run_http1(told, limits, data, length, NULL, 0, ends);
    run_http1(&other, limits, data, length, &one, 1, ends);
    check_same_told(told, &other);
    free(other.body);
    for (uint32_t cut = 1; cut < length && cut < 256; cut++) {
        const uint8_t sizes[2] = {(uint8_t)cut, 255};
        run_http1(&other, limits, data, length, sizes, 2, ends);
        check_same_told(told, &other);
        free(other.body);
    }
}

static bool is_at(struct hg_span span, const char *head, const char *text) {
    return span.length == strlen(text) && memcmp(head + span.at, text, span.length) == 0;
}

static struct hg_request request_of(const char *text) {
    struct told told;
    run_all(&told, &usual, text, false);
    CHECK(told.count >= 1 && told.all[0].event == HG_HTTP_REQUEST);
    free(told.body);
    return told.last;
}

static void check_refused(const struct hg_http1_limits *limits, const char *text, bool ends, uint16_t status,
                          enum hg_code code, const char *detail) {
    struct told told;
    run_all(&told, limits, text, ends);
    CHECK(told.count > 0 && told.all[told.count - 1].event == HG_HTTP_REFUSED);
    CHECK(told.problem.status == status && told.problem.code == code && strcmp(told.problem.detail, detail) == 0);
    free(told.body);
}

static void test_request_lines(void) {
    static const struct {
        const char *line, *method, *target, *path, *query;
        uint8_t verb;
        bool plain, empty, http10;
    } rows[] = {
        {"GET / HTTP/1.1", "GET", "/", "/", "", HG_GET, true, false, false},
        {"HEAD /a HTTP/1.1", "HEAD", "/a", "/a", "", HG_HEAD, true, false, false},
        {"POST /a?b HTTP/1.1", "POST", "/a?b", "/a", "b", HG_POST, true, false, false},
        {"PUT /a?b?c/d HTTP/1.1", "PUT", "/a?b?c/d", "/a", "b?c/d", HG_PUT, true, false, false},
        {"DELETE /? HTTP/1.1", "DELETE", "/?", "/", "", HG_DELETE, true, false, false},
        {"GET /a HTTP/1.0", "GET", "/a", "/a", "", HG_GET, true, false, true},
        {"GET /a HTTP/1.9", "GET", "/a", "/a", "", HG_GET, true, false, false},
        {"GET /%61 HTTP/1.1", "GET", "/%61", "/%61", "", HG_GET, false, false, false},
        {"GET /a?%61 HTTP/1.1", "GET", "/a?%61", "/a", "%61", HG_GET, true, false, false},
        {"GETS / HTTP/1.1", "GETS", "/", "/", "", HG_METHOD_OTHER, true, false, false},
        {"get / HTTP/1.1", "get", "/", "/", "", HG_METHOD_OTHER, true, false, false},
        {"X / HTTP/1.1", "X", "/", "/", "", HG_METHOD_OTHER, true, false, false},
        {"GET http://x HTTP/1.1", "GET", "http://x", "", "", HG_GET, true, true, false},
        {"GET HTTP://x?y HTTP/1.1", "GET", "HTTP://x?y", "", "y", HG_GET, true, true, false},
        {"GET https://x:1/p?y HTTP/1.1", "GET", "https://x:1/p?y", "/p", "y", HG_GET, true, false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char head[128];
        (void)snprintf(head, sizeof head, "%s\r\nHost: a\r\n\r\n", rows[i].line);
        const struct hg_request request = request_of(head);
        CHECK(is_at(request.method, head, rows[i].method) && is_at(request.target, head, rows[i].target));
        CHECK(is_at(request.path, head, rows[i].path) && is_at(request.query, head, rows[i].query));
        CHECK(request.verb == rows[i].verb && request.path_plain == rows[i].plain);
        CHECK(request.path_empty == rows[i].empty && request.http10 == rows[i].http10);
        CHECK(request.head == strlen(head) && request.length == 0);
    }
}

/* Every name that is known, in three spellings, and names that differ from it in one byte. */
static void test_field_names(void) {
    static const char *const names[HG_FIELD_COUNT] = {
        "host", "content-type", "content-length", "transfer-encoding", "authorization", "connection", "expect",
        "idempotency-key", "traceparent", "content-encoding", "cache-control", "if-match", "if-none-match",
        "content-range"};
    for (int field = 0; field < HG_FIELD_COUNT; field++) {
        const size_t length = strlen(names[field]);
        const char *const value = field == HG_FIELD_CONTENT_LENGTH      ? "0"
                                  : field == HG_FIELD_TRANSFER_ENCODING ? "chunked"
                                  : field == HG_FIELD_EXPECT            ? "100-continue"
                                                                        : "v";
        for (int spelling = 0; spelling < 3; spelling++) {
            for (size_t wrong = 0; wrong <= length; wrong++) { /* `length`: none */
                char name[32] = "", head[160];
                for (size_t i = 0; i < length; i++) {
                    const char c = names[field][i];
                    const bool upper = c != '-' && (spelling == 1 || (spelling == 2 && i % 2 == 0));
                    name[i] = (char)(i == wrong ? (c == '-' ? '_' : c == 'z' ? 'y' : c + 1) : upper ? c - 32 : c);
                }
                (void)snprintf(head, sizeof head, "GET / HTTP/1.0\r\n%s:\t %s \t\r\nX: y\r\n\r\n", name, value);
                const bool known = wrong == length;
                if (known && field == HG_FIELD_TRANSFER_ENCODING) {
                    head[13] = '1'; /* not in HTTP/1.0, and that needs a Host */
                    (void)snprintf(head + strlen(head) - 2, 16, H "\r\n");
                }
                const struct hg_request request = request_of(head);
                for (int k = 0; k < HG_FIELD_COUNT; k++) {
                    const bool host = k == HG_FIELD_HOST && head[13] == '1';
                    CHECK((request.field[k].at != 0) == ((known && k == field) || host));
                }
                CHECK(!known || is_at(request.field[field], head, value));
            }
        }
    }
}

static void test_fields(void) {
    const char *head = "\r\nPUT /k HTTP/1.1\r\nhost:a\r\nX-Other: 1\r\nAuthorization: Bearer t\r\nIf-Match:\r\n"
                       "Content-Type: \t a/b ; c \t\r\nif-match: 2\r\nX:a\tb\x80\xff\r\nConnection: x , CLOSE\r\n"
                       "Accept: */*\r\nUser-Agent: x\r\nAccept-Encoding: y\r\nConnection: keep-alive\r\n"
                       "Content-Length: 000123456789012345\r\nExpect: 100-Continue\r\n\r\n";
    const struct hg_request request = request_of(head);
    head += 2; /* the empty line is not part of it */
    CHECK(is_at(request.field[HG_FIELD_HOST], head, "a") && is_at(request.field[HG_FIELD_IF_MATCH], head, ""));
    CHECK(is_at(request.field[HG_FIELD_AUTHORIZATION], head, "Bearer t"));
    CHECK(is_at(request.field[HG_FIELD_CONTENT_TYPE], head, "a/b ; c"));
    CHECK(request.repeated == (1u << HG_FIELD_IF_MATCH | 1u << HG_FIELD_CONNECTION));
    CHECK(request.field[HG_FIELD_TRACEPARENT].at == 0 && request.field[HG_FIELD_EXPECT].at != 0);
    CHECK(!request.keep_alive && request.expect_continue && request.length == 123456789012345);
    CHECK(request.head == strlen(head));
}

static void test_each_field(void) {
    const char *head = "GET / HTTP/1.1\r\nHost:a\r\nX-y: \t1:2 \r\nZ:\r\n\r\n";
    const char *const bare = "GET / HTTP/1.0\r\n\r\n";
    static const char *const expected[3][2] = {{"Host", "a"}, {"X-y", "1:2"}, {"Z", ""}};
    struct hg_request request = request_of(head);
    struct hg_view name, value;
    uint32_t at = 0;
    for (int i = 0; i < 3; i++) {
        CHECK(hg_http1_each_field(&request, (const uint8_t *)head, &at, &name, &value));
        CHECK(name.length == strlen(expected[i][0]) && memcmp(name.at, expected[i][0], name.length) == 0);
        CHECK(value.length == strlen(expected[i][1]) && memcmp(value.at, expected[i][1], value.length) == 0);
    }
    CHECK(!hg_http1_each_field(&request, (const uint8_t *)head, &at, &name, &value));
    request = request_of(bare);
    at = 0;
    CHECK(!hg_http1_each_field(&request, (const uint8_t *)bare, &at, &name, &value));
}

/* Each byte in each place of a line with and without a quick way: refused or not as the grammar says. */
static void test_every_byte(void) {
    for (int c = 0; c < 256; c++) {
        const bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        const bool token = alnum || (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
        const bool target = alnum || (c != 0 && strchr("-._~!$&'()*+,;=:@/?", c) != NULL); /* "%" needs two digits */
        const bool host = alnum || (c != 0 && strchr("-._~!$&'()*+;=:[]%", c) != NULL);
        const bool value = c == '\t' || (c >= 0x20 && c != 0x7F);
        static const struct {
            const char *before, *after;
            int what; /* 0 token, 1 target, 2 host, 3 value */
        } rows[] = {
            {"G", "T / HTTP/1.1\r\n" H "\r\n", 0},
            {"GET /a", "b HTTP/1.1\r\n" H "\r\n", 1},
            {"GET http://a/a", "b HTTP/1.1\r\n" H "\r\n", 1},
            {"GET /a?b", "c HTTP/1.1\r\n" H "\r\n", 1},
            {"GET /a HTTP/1.1\r\nHost: a", "b\r\n\r\n", 2},
            {"GET /a HTTP/1.1\r\n" H "x", "y: a\r\n\r\n", 0},
            {"GET /a HTTP/1.1\r\n" H "X: 1", "2345678901234567890\r\nY: z\r\n\r\n", 3},
            {"GET /a HTTP/1.1\r\n" H "X: 12345678901234567890", "1\r\n\r\n", 3},
            {"GET /a HTTP/1.1\r\n" H "X: \t 1", "1\r\n\r\n", 3},
        };
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            char text[160];
            const uint8_t one = 1;
            const bool good[4] = {token, target, host, value};
            const uint32_t length = (uint32_t)snprintf(text, sizeof text, "%s\n%s", rows[i].before, rows[i].after);
            struct told whole, bytes;
            text[strlen(rows[i].before)] = (char)c;
            run_http1(&whole, &usual, (const uint8_t *)text, length, NULL, 0, false);
            run_http1(&bytes, &usual, (const uint8_t *)text, length, &one, 1, false);
            check_same_told(&whole, &bytes);
            /* a colon is a name's end, whatever follows */
            CHECK((whole.all[0].event == HG_HTTP_REQUEST) == (good[rows[i].what] || (c == ':' && i == 5)));
            free(whole.body);
            free(bytes.body);
        }
    }
}

static void test_bodies(void) {
    static const struct {
        const char *text, *body;
        uint32_t ends; /* messages that ended */
    } rows[] = {
        {"POST / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\n" H "\r\n", "hello", 2},
        {"POST / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhel", "hel", 0},
        {CHUNKED "5\r\nhello\r\nA;x=\"y\"\r\n0123456789\r\n0\r\n\r\n", "hello0123456789", 1},
        {CHUNKED "00000005;\r\nhello\r\n000\r\nSum: 1\r\nX:\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n", "hello", 2},
        {"GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\nrubbish\n\n", "", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct told told;
        uint32_t ends = 0;
        run_all(&told, &usual, rows[i].text, false);
        for (uint32_t k = 0; k < told.count; k++) {
            CHECK(told.all[k].event != HG_HTTP_REFUSED);
            ends += told.all[k].event == HG_HTTP_END;
        }
        CHECK(ends == rows[i].ends);
        CHECK(told.body_length == strlen(rows[i].body) && memcmp(told.body, rows[i].body, told.body_length) == 0);
        free(told.body);
    }
}

static void test_limits(void) {
    const char *head = "GET /aaaaaaaa HTTP/1.1\r\nHost: aaaaaaaaaaaaaaaaaa\r\nX: yyyyyyyyyyyyyyyy\r\n\r\n";
    const uint32_t length = (uint32_t)strlen(head);
    struct told told;
    struct hg_http1_limits exact = {length, 26, 2};
    CHECK(request_of(head).head == length);
    for (uint32_t less = 0; less < length; less++) {
        const struct hg_http1_limits limits = {length - less, HG_HTTP_LINE, 2};
        run_all(&told, &limits, head, false);
        CHECK((told.all[0].event == HG_HTTP_REQUEST) == (less == 0));
        CHECK(less == 0 || (told.problem.status == 431 && told.problem.code == HG_P_HEAD_TOO_LARGE));
        free(told.body);
    }
    run_all(&told, &exact, head, false);
    CHECK(told.all[0].event == HG_HTTP_REQUEST);
    free(told.body);
    exact.line = 23;
    check_refused(&exact, head, false, 414, HG_P_URI_TOO_LONG, "");
    exact.line = 24;
    check_refused(&exact, head, false, 431, HG_P_HEAD_TOO_LARGE, "");
    exact.line = 26;
    exact.fields = 1;
    check_refused(&exact, head, false, 431, HG_P_HEAD_TOO_LARGE, "too many fields");
    exact.fields = 2;
    exact.line = 28; /* that of Transfer-Encoding */
    check_refused(&exact, CHUNKED "0\r\na:\r\nb:\r\nc:\r\n", false, 431, HG_P_HEAD_TOO_LARGE,
                  "too many trailer fields");
    const struct hg_http1_limits none = {0, 0, 0};
    check_refused(&none, "G", false, 414, HG_P_URI_TOO_LONG, "");
    check_refused(&usual, CHUNKED "123456789\r\n", false, 400, HG_P_MALFORMED_REQUEST, "no chunk size");
}

static void test_ends(void) {
    struct told told;
    check_refused(&usual, "GET / HT", true, 400, HG_P_INCOMPLETE, "the connection ended inside a message");
    check_refused(&usual, "G", true, 400, HG_P_INCOMPLETE, "the connection ended inside a message");
    check_refused(&usual, CHUNKED "5\r\nhel", true, 400, HG_P_INCOMPLETE, "the connection ended inside a message");
    check_refused(&usual, CHUNKED "0\r\n", true, 400, HG_P_INCOMPLETE, "the connection ended inside a message");
    run_all(&told, &usual, "\r\n", true);
    CHECK(told.count == 0);
    free(told.body);
    run_all(&told, &usual, "GET / HTTP/1.0\r\n\r\nrubbish", true);
    CHECK(told.count == 2 && told.all[1].event == HG_HTTP_END);
    free(told.body);
}

static void test_idle_and_closed(void) {
#define FIRST "\r\nGET / HTTP/1.1\r\n" H "\r\n"
    const char *const text = FIRST "GET / HTTP/1.0\r\n\r\n";
    const uint8_t *const head = (const uint8_t *)text;
    const uint32_t length = (uint32_t)strlen(text), first = (uint32_t)sizeof FIRST - 1;
    struct hg_http1 parser;
    struct hg_view part;
    uint32_t consumed;
    hg_http1_init(&parser, &usual);
    CHECK(hg_http1_next(&parser, head, 2, &consumed, &part) == HG_HTTP_MORE && consumed == 2);
    CHECK(hg_http1_idle(&parser) && hg_http1_ended(&parser, 0));
    CHECK(hg_http1_next(&parser, head + 2, 20, &consumed, &part) == HG_HTTP_MORE && consumed == 0);
    CHECK(!hg_http1_idle(&parser));
    CHECK(hg_http1_next(&parser, head + 2, length - 2, &consumed, &part) == HG_HTTP_REQUEST);
    CHECK(consumed == first - 2 && !hg_http1_idle(&parser));
    CHECK(hg_http1_next(&parser, head + first, 0, &consumed, &part) == HG_HTTP_END && consumed == 0);
    CHECK(hg_http1_idle(&parser) && !hg_http1_closed(&parser));
    CHECK(hg_http1_next(&parser, head + first, length - first, &consumed, &part) == HG_HTTP_REQUEST);
    CHECK(hg_http1_next(&parser, head + length, 0, &consumed, &part) == HG_HTTP_END);
    CHECK(hg_http1_closed(&parser) && !hg_http1_idle(&parser) && hg_http1_ended(&parser, 5));
    CHECK(hg_http1_next(&parser, head, length, &consumed, &part) == HG_HTTP_MORE && consumed == length);
}

static void test_percent_decode(void) {
    uint8_t out[32];
    const char *raw = "/a%2Fb%E2%82%ac+%25";
    const uint32_t length = hg_percent_decode((struct hg_view){(const uint8_t *)raw, (uint32_t)strlen(raw)}, out);
    CHECK(length == 9 && memcmp(out, "/a/b\xE2\x82\xAC+%", 9) == 0);
}

int main(void) {
    test_request_lines();
    test_field_names();
    test_fields();
    test_each_field();
    test_every_byte();
    test_bodies();
    test_limits();
    test_ends();
    test_idle_and_closed();
    test_percent_decode();
    return 0;
}
