/* The native server: requests in, answers out, whatever the bytes look like and however they are cut. What is answered to which
 * request is the gate's business (serve.h); here it is about connections. The rules are those of tasks/connection.py. */
#include "check_server.h"

static void test_keep_alive(void) {
    struct world world;
    world_open(&world, NULL);
    const int fd = connect_client(&world);
    for (int i = 0; i < 3; i++) {
        say(&world, fd, HEALTH);
        const struct answer answer = expect(&world, fd, 200);
        CHECK(!answer.close && mentions(&answer, "\"ok\""));
        CHECK(has_field(&answer, "Date", "Fri, 15 Jan 2027 08:00:00 GMT"));
    }
    say(&world, fd, HEALTH_CLOSE);
    CHECK(expect(&world, fd, 200).close && is_closed(&world, fd));
    CHECK(hg_server_connections(world.server) == 0 && world.gate.counters.requests[200] == 4);
    world_close(&world);
}

static void test_http10(void) {
    struct world world;
    world_open(&world, NULL);
    int fd = connect_client(&world);
    say(&world, fd, "GET /healthz HTTP/1.0\r\n\r\n");
    CHECK(expect(&world, fd, 200).close && is_closed(&world, fd));
    fd = connect_client(&world);
    for (int i = 0; i < 2; i++) {
        say(&world, fd, "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        const struct answer answer = expect(&world, fd, 200);
        CHECK(has_field(&answer, "Connection", "keep-alive"));
    }
    CHECK(!is_closed(&world, fd));
    world_close(&world);
}

static void test_head(void) {
    struct world world;
    struct answer answer;
    world_open(&world, NULL);
    const int fd = connect_client(&world);
    say(&world, fd, "HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\nHEAD /nothing HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(hears(&world, fd, true, &answer) && answer.status == 200);
    CHECK(hears(&world, fd, true, &answer) && answer.status == 404 && is_silent(&world, fd));
    world_close(&world);
}

/* A conversation of everything whose answers do not depend on how it is cut. */
static size_t conversation(char *text, size_t room) {
    int length = 0;
    for (int i = 0; i < 3; i++) {
        length += snprintf(text + length, room - (size_t)length,
                           HEALTH "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"
                                  "PUT /v1/cache/key%d HTTP/1.1\r\nHost: a\r\n%sContent-Length: 5\r\n\r\nvalue"
                                  "GET /v1/cache/key%d HTTP/1.1\r\nHost: a\r\n%s\r\n"
                                  "POST /v1/streams/weather HTTP/1.1\r\nHost: a\r\n%s" JSON_FIELD
                                  "Transfer-Encoding: chunked\r\n\r\n4;x=y\r\n{\"t\"\r\n3\r\n:1}\r\n0\r\nX: y\r\n\r\n"
                                  "POST /v1/streams/weather HTTP/1.1\r\nHost: a\r\n%s" JSON_FIELD
                                  "Content-Length: 2\r\n\r\n{}"
                                  "POST /v1/streams/weather HTTP/1.1\r\nHost: a\r\n" JSON_FIELD
                                  "Content-Length: 7\r\n\r\n{\"t\":1}",
                           i, bearer, i, bearer, bearer, bearer);
        CHECK((size_t)length < room);
    }
    length += snprintf(text + length, room - (size_t)length, "%s", "GET / HTTP/1.1\r\nno colon\r\n\r\n");
    return (size_t)length;
}

static const int statuses[] = {200, 404, 201, 200, 202, 422, 401};

static void check_conversation(struct world *world, int fd) {
    for (int i = 0; i < 3; i++) {
        for (size_t j = 0; j < sizeof statuses / sizeof statuses[0]; j++) {
            CHECK(!expect(world, fd, statuses[j]).close);
        }
    }
    CHECK(expect_problem(world, fd, 400, "malformed_request").close && is_silent(world, fd));
}

static void test_pipelining_and_cuts(void) {
    static const uint32_t sizes[][3] = {/* sent, read, written at a time */
                                        {1, 1, 1}, {1, NET_ENDLESS, NET_ENDLESS}, {NET_ENDLESS, 7, 3}, {100, 13, 1}};
    static char text[16384];
    struct world whole;
    world_open(&whole, NULL);
    const size_t length = conversation(text, sizeof text);
    const int first = connect_client(&whole);
    net_send(&whole.net, first, text, length);
    serve(&whole);
    check_conversation(&whole, first);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct world world;
        world_open(&world, NULL);
        const int fd = connect_client(&world);
        struct net_socket *socket = net_of(&world.net, fd);
        socket->piece = sizes[i][1];
        socket->stroke = sizes[i][2];
        for (size_t at = 0; at < length;) {
            const size_t now = length - at < sizes[i][0] ? length - at : sizes[i][0];
            net_send(&world.net, fd, text + at, now);
            serve(&world);
            at += now;
        }
        check_conversation(&world, fd);
        const struct net_bytes *one = &net_of(&whole.net, first)->out, *other = &net_of(&world.net, fd)->out;
        CHECK(one->length == other->length && memcmp(one->data, other->data, one->length) == 0);
        CHECK(whole.gate.counters.accepted == world.gate.counters.accepted);
        world_close(&world);
    }
    world_close(&whole);
}

/* RFC 9110 section 10.1.1: asked for only while the body is not there yet. */
static void test_expect(void) {
    struct world world;
    world_open(&world, NULL);
    int fd = connect_client(&world);
    say_post(&world, fd, "weather", "Content-Length: 7\r\nExpect: 100-continue\r\n");
    (void)expect(&world, fd, 100);
    CHECK(is_silent(&world, fd));
    say(&world, fd, "{\"t\"");
    CHECK(is_silent(&world, fd)); /* once */
    say(&world, fd, ":1}");
    CHECK(!expect(&world, fd, 202).close);
    sayf(&world, fd,
         "POST /v1/streams/weather HTTP/1.1\r\nHost: a\r\n%s" JSON_FIELD
         "Content-Length: 7\r\nExpect: 100-continue\r\n\r\n{\"t\":1}",
         bearer);
    CHECK(!expect(&world, fd, 202).close && is_silent(&world, fd));
    /* Who sends some of it did not wait, and need not be asked for the rest. */
    sayf(&world, fd,
         "POST /v1/streams/weather HTTP/1.1\r\nHost: a\r\n%s" JSON_FIELD
         "Content-Length: 7\r\nExpect: 100-continue\r\n\r\n{\"t\"",
         bearer);
    CHECK(is_silent(&world, fd));
    say(&world, fd, ":1}");
    CHECK(!expect(&world, fd, 202).close && is_silent(&world, fd));
    /* Refused without its body: whether that comes nobody knows. */
    say(&world, fd, "POST /v1/streams/weather HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\n");
    CHECK(expect_problem(&world, fd, 401, "missing_token").close && is_silent(&world, fd));
    CHECK(net_of(&world.net, fd)->finished && !is_closed(&world, fd));
    net_end(&world.net, fd);
    serve(&world);
    CHECK(is_closed(&world, fd));
    fd = connect_client(&world);
    say_post(&world, fd, "weather", "Content-Length: 3000\r\nExpect: 100-continue\r\n");
    CHECK(expect_problem(&world, fd, 413, "body_too_large").close && is_silent(&world, fd));
    fd = connect_client(&world);
    say(&world, fd, "GET /healthz HTTP/1.1\r\nHost: a\r\nExpect: a miracle\r\n\r\n");
    CHECK(expect_problem(&world, fd, 417, "expectation_failed").close);
    world_close(&world);
}

/* Answered at once; the body is read over and the connection goes on. */
static void test_refused_before_the_body(void) {
    struct world world;
    world_open(&world, NULL);
    const int fd = connect_client(&world);
    say(&world, fd, "POST /v1/streams/weather HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
    CHECK(!expect_problem(&world, fd, 401, "missing_token").close);
    say(&world, fd, "01234");
    CHECK(is_silent(&world, fd));
    say(&world, fd, "56789" HEALTH);
    (void)expect(&world, fd, 200);
    say(&world, fd, "POST /v1/streams/weather HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n");
    CHECK(!expect(&world, fd, 401).close);
    say(&world, fd, "0\r\n\r\n" HEALTH);
    (void)expect(&world, fd, 200);
    /* What cannot be a body ends it, silently: the answer was given. */
    say(&world, fd, "POST /v1/streams/weather HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" HEALTH);
    CHECK(!expect(&world, fd, 401).close && is_silent(&world, fd));
    CHECK(net_of(&world.net, fd)->finished);
    world_close(&world);
}

static void test_body_too_large(void) {
    struct world world;
    world_open(&world, NULL);
    int fd = connect_client(&world);
    /* Announced, and short enough to be read over. */
    say_post(&world, fd, "weather", "Content-Length: 3000\r\n");
    const struct answer answer = expect_problem(&world, fd, 413, "body_too_large");
    CHECK(!answer.close && mentions(&answer, "this resource takes 2048 bytes"));
    say_bytes(&world, fd, 'x', 3000);
    CHECK(is_silent(&world, fd));
    say(&world, fd, HEALTH);
    (void)expect(&world, fd, 200);
    /* In chunks: found out while it comes. */
    say_post(&world, fd, "weather", "Transfer-Encoding: chunked\r\n");
    say(&world, fd, "1000\r\n");
    say_bytes(&world, fd, 'x', 2048);
    CHECK(is_silent(&world, fd));
    say(&world, fd, "x");
    CHECK(!expect_problem(&world, fd, 413, "body_too_large").close);
    say_bytes(&world, fd, 'x', 4096 - 2049);
    say(&world, fd, "\r\n0\r\n\r\n" HEALTH);
    (void)expect(&world, fd, 200);
    /* Too long to be read over: the end, after so much of it that the answer arrives. */
    say_post(&world, fd, "weather", "Content-Length: 100000\r\n");
    CHECK(expect_problem(&world, fd, 413, "body_too_large").close);
    CHECK(net_of(&world.net, fd)->finished && !is_closed(&world, fd));
    say_bytes(&world, fd, 'x', HG_LINGER_BYTES - 8192);
    CHECK(!is_closed(&world, fd));
    say_bytes(&world, fd, 'x', 16384);
    CHECK(is_closed(&world, fd) && is_silent(&world, fd));
    /* Endless, in chunks. */
    fd = connect_client(&world);
    say_post(&world, fd, "weather", "Transfer-Encoding: chunked\r\n");
    say(&world, fd, "fffff\r\n");
    say_bytes(&world, fd, 'x', 3000);
    CHECK(!expect_problem(&world, fd, 413, "body_too_large").close);
    say_bytes(&world, fd, 'x', HG_LINGER_BYTES + 8192);
    CHECK(net_of(&world.net, fd)->finished);
    say_bytes(&world, fd, 'x', HG_LINGER_BYTES + 8192);
    CHECK(is_closed(&world, fd) && is_silent(&world, fd));
    world_close(&world);
}

/* The longest body there is, in small steps, and its bytes arrive. */
static void test_large_body(void) {
    struct world world;
    struct hg_batch batch;
    world_open(&world, NULL);
    const int fd = connect_client(&world);
    for (int chunked = 0; chunked < 2; chunked++) {
        say_post(&world, fd, "large", chunked ? "Transfer-Encoding: chunked\r\n" : "Content-Length: 262144\r\n");
        say(&world, fd, chunked ? "40000\r\n\"" : "\"");
        say_bytes(&world, fd, 'y', HG_HTTP_BODY - 2);
        CHECK(is_silent(&world, fd));
        say(&world, fd, chunked ? "\"\r\n0\r\n\r\n" : "\"");
        CHECK(!expect(&world, fd, 202).close);
        hg_intake_take(&world.intake, 10, UINT64_MAX, &batch);
        CHECK(batch.rows == 1 && batch.head->body.length == HG_HTTP_BODY && batch.head->body.at[1000] == 'y');
        hg_batch_release(&world.intake, &batch);
    }
    world_close(&world);
}

static void test_malformed(void) {
    static const struct {
        const char *text;
        int status;
        const char *code;
    } rows[] = {
        {"\x16\x03\x01\n", 400, "malformed_request"},
        {"GET / HTTP/1.1\nHost: a\n\n", 400, "malformed_request"},
        {"GET / HTTP/1.1\r\n\r\n", 400, "malformed_request"},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "version_not_supported"},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "malformed_request"},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "not_implemented"},
    };
    struct world world;
    world_open(&world, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const int fd = connect_client(&world);
        say(&world, fd, HEALTH);
        (void)expect(&world, fd, 200);
        say(&world, fd, rows[i].text);
        CHECK(expect_problem(&world, fd, rows[i].status, rows[i].code).close);
        /* It is told, and what it still says is read over: it is no request any more. */
        CHECK(net_of(&world.net, fd)->finished && !is_closed(&world, fd));
        say(&world, fd, HEALTH);
        CHECK(is_silent(&world, fd));
        net_end(&world.net, fd);
        serve(&world);
        CHECK(is_closed(&world, fd) && net_of(&world.net, fd)->unread == 0);
    }
    const int fd = connect_client(&world);
    say_bytes(&world, fd, 'A', 20000);
    CHECK(expect_problem(&world, fd, 414, "uri_too_long").close);
    world_close(&world);
}

/* What the handler is already reading turns out to be no HTTP. */
static void test_malformed_body(void) {
    struct world world;
    world_open(&world, NULL);
    const int fd = connect_client(&world);
    say_post(&world, fd, "weather", "Transfer-Encoding: chunked\r\n");
    say(&world, fd, "4\r\n{\"t\"X");
    CHECK(expect_problem(&world, fd, 400, "malformed_request").close && net_of(&world.net, fd)->finished);
    CHECK(world.plan->users == 0);
    world_close(&world);
}

static void test_half_closed(void) {
    struct world world;
    world_open(&world, NULL);
    /* After whole requests: all are answered. */
    int fd = net_connect(&world.net, world.listener);
    net_send(&world.net, fd, HEALTH HEALTH HEALTH, 3 * strlen(HEALTH));
    net_end(&world.net, fd);
    serve(&world);
    for (int i = 0; i < 3; i++) {
        (void)expect(&world, fd, 200);
    }
    CHECK(is_closed(&world, fd) && is_silent(&world, fd));
    /* Between two: nothing is said. */
    static const char *const nothing[] = {"", "\r\n"};
    for (int i = 0; i < 2; i++) {
        fd = connect_client(&world);
        say(&world, fd, nothing[i]);
        net_end(&world.net, fd);
        serve(&world);
        CHECK(is_closed(&world, fd) && is_silent(&world, fd));
    }
    /* Inside one. */
    static const char *const heads[] = {"G", "GET / HTTP/1.1\r\n", "\r\nGET / HTTP/1.1\r\nHost: a\r\n"};
    for (int i = 0; i < 3; i++) {
        fd = connect_client(&world);
        say(&world, fd, heads[i]);
        net_end(&world.net, fd);
        serve(&world);
        CHECK(expect_problem(&world, fd, 400, "incomplete").close && is_closed(&world, fd));
    }
    fd = connect_client(&world);
    say_post(&world, fd, "weather", "Content-Length: 7\r\n");
    say(&world, fd, "{\"t\"");
    net_end(&world.net, fd);
    serve(&world);
    CHECK(expect_problem(&world, fd, 400, "incomplete").close && is_closed(&world, fd));
    /* While its body is read over: it was answered. */
    fd = connect_client(&world);
    say(&world, fd, "POST /v1/streams/weather HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n123");
    (void)expect(&world, fd, 401);
    net_end(&world.net, fd);
    serve(&world);
    CHECK(is_closed(&world, fd) && is_silent(&world, fd) && hg_server_connections(world.server) == 0);
    world_close(&world);
}

/* Wherever it happens, the connection is gone and nothing of it stays. */
static void test_reset_anywhere(void) {
    static char text[16384];
    struct world world;
    world_open(&world, NULL);
    const int probe = connect_client(&world);
    say(&world, probe, HEALTH);
    const uint64_t memory = hg_server_memory(world.server);
    const size_t length = conversation(text, sizeof text) / 3;
    for (size_t cut = 0; cut < length; cut += 11) {
        for (int gone = 0; gone < 2; gone++) {
            const int fd = connect_client(&world);
            net_send(&world.net, fd, text, cut);
            if (gone) {
                net_leave(&world.net, fd); /* what it sent is still read, and the answers meet a reset */
            } else {
                serve(&world);
                net_reset(&world.net, fd);
            }
            serve(&world);
            CHECK(is_closed(&world, fd) || gone);
        }
    }
    pass(&world, HG_LINGER_MS + TICKS_MS);
    CHECK(hg_server_connections(world.server) == 1 && hg_server_memory(world.server) == memory);
    CHECK(world.plan->users == 0);
    still_serves(&world);
    world_close(&world);
}

static void test_refused_by_the_gate_closes_when_asked(void) {
    struct world world;
    world_open(&world, NULL);
    const int fd = connect_client(&world);
    say(&world, fd, "GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" HEALTH);
    CHECK(expect_problem(&world, fd, 404, "not_found").close && is_silent(&world, fd));
    net_end(&world.net, fd);
    serve(&world);
    CHECK(is_closed(&world, fd));
    world_close(&world);
}

/* RFC 9112 section 2.2 tolerates one, however it comes. */
static void test_empty_lines(void) {
    struct world world;
    world_open(&world, NULL);
    const int fd = connect_client(&world);
    for (int i = 0; i < 2; i++) {
        say(&world, fd, "\r");
        say(&world, fd, "\n");
        CHECK(is_silent(&world, fd));
        say(&world, fd, HEALTH "\r\n" HEALTH);
        (void)expect(&world, fd, 200);
        (void)expect(&world, fd, 200);
    }
    say(&world, fd, "\r\n");
    say(&world, fd, "\r\n");
    CHECK(expect_problem(&world, fd, 400, "malformed_request").close);
    world_close(&world);
}

int main(void) {
    test_keep_alive();
    test_http10();
    test_head();
    test_pipelining_and_cuts();
    test_expect();
    test_refused_before_the_body();
    test_body_too_large();
    test_large_body();
    test_malformed();
    test_malformed_body();
    test_half_closed();
    test_reset_anywhere();
    test_refused_by_the_gate_closes_when_asked();
    test_empty_lines();
    return 0;
}
