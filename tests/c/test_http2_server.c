/* HTTP/2 on the native server: streams beside each other, commits, Python, deadlines, windows, the end. */
#include "check_http2.h"

static void test_requests(void) {
    struct world world;
    struct hg_library *library = h2_world(&world, NULL);
    struct h2_client client = h2_connect(&world);
    h2_ask(&world, &client, 1, "GET", "/healthz", NULL, true);
    h2_expect(&world, &client, 1, 200, "\"ok\"");
    h2_ask(&world, &client, 3, "HEAD", "/healthz", NULL, true);
    h2_expect(&world, &client, 3, 200, "");
    h2_post(&world, &client, 5, "any", "[1]");
    h2_expect(&world, &client, 5, 202, "\"memory\"");
    h2_post(&world, &client, 7, "weather", "{}");
    h2_expect(&world, &client, 7, 422, "\"errors\"");
    h2_ask(&world, &client, 9, "POST", "/v1/streams/any", "application/json", true); /* a body that is known to be empty */
    h2_expect(&world, &client, 9, 400, "malformed_json");
    h2_ask(&world, &client, 11, "PUT", "/v1/cache/k", NULL, false);
    h2_say(&world, &client, NGHTTP2_DATA, 0, 11, "va", 2);
    serve(&world);
    h2_say(&world, &client, NGHTTP2_DATA, FIN, 11, "lue", 3);
    h2_expect(&world, &client, 11, 201, "");
    h2_ask(&world, &client, 13, "GET", "/v1/cache/k", NULL, true);
    h2_expect(&world, &client, 13, 200, "value");
    h2_ask(&world, &client, 15, "GET", "/nowhere", NULL, true);
    h2_expect(&world, &client, 15, 404, "not_found");
    CHECK(hg_server_connections(world.server) == 1 && world.gate.counters.connections == 1);
    CHECK(world.plan->users == 0);
    net_leave(&world.net, client.fd);
    serve(&world);
    CHECK(is_closed(&world, client.fd) && hg_server_connections(world.server) == 0);
    h2_forget(&client);
    h2_world_close(&world, library);
}

/* However the input is cut, and however little of the output the socket takes at a time. */
static void test_cut_anyhow(void) {
    for (uint32_t piece = 1; piece < 40; piece += 6) {
        struct world world;
        struct hg_library *library = h2_world(&world, NULL);
        struct h2_client client = {.fd = net_connect(&world.net, world.listener)};
        static struct h2_answer answers[3];
        CHECK(nghttp2_hd_inflate_new(&client.table) == 0);
        net_of(&world.net, client.fd)->piece = piece;
        net_of(&world.net, client.fd)->stroke = piece;
        h2_greet(&world, &client);
        h2_ask(&world, &client, 1, "GET", "/healthz", NULL, true);
        h2_post(&world, &client, 3, "any", "[1,2,3]");
        h2_ask(&world, &client, 5, "GET", "/healthz", NULL, true);
        for (int i = 0; i < 4000; i++) {
            serve(&world);
        }
        memset(answers, 0, sizeof answers);
        for (uint32_t i = 0; i < 3; i++) {
            answers[i].stream = 2 * i + 1;
        }
        CHECK(h2_listen(&world, &client, answers, 3) == -1);
        CHECK(answers[0].status == 200 && answers[1].status == 202 && answers[2].status == 200);
        CHECK(answers[0].ended && answers[1].ended && answers[2].ended);
        h2_forget(&client);
        h2_world_close(&world, library);
    }
}

/* HTTP/1.1 beside it, and what only begins like the preface. */
static void test_first_bytes(void) {
    static const char *const first[] = {HEALTH, "P", "PR", "PRI * HTTP/2.0\r\n\r\nSM\r\n", "PRI * HTTP/2.0\r\n\r\nXM\r\n\r\n"};
    struct world world;
    struct hg_library *library = h2_world(&world, NULL);
    int fd = connect_client(&world);
    say(&world, fd, first[0]);
    (void)expect(&world, fd, 200);
    say(&world, fd, HG_HTTP2_PREFACE); /* not the first bytes any more */
    (void)expect_problem(&world, fd, 505, "version_not_supported");
    for (size_t i = 1; i < sizeof first / sizeof *first; i++) {
        fd = connect_client(&world);
        say(&world, fd, first[i]);
        if (i < 4) {
            CHECK(is_silent(&world, fd) && !is_closed(&world, fd));
            pass(&world, HEAD_MS + TICKS_MS);
            (void)expect_problem(&world, fd, 408, "timeout");
        } else {
            (void)expect_problem(&world, fd, 505, "version_not_supported");
        }
    }
    fd = connect_client(&world);
    sayf(&world, fd, "P");
    sayf(&world, fd, "OST /v1/streams/any HTTP/1.1\r\nHost: a\r\n%s" JSON_FIELD "Content-Length: 1\r\n\r\n1", bearer);
    (void)expect(&world, fd, 202);
    h2_world_close(&world, library);
}

/* One commit answers many streams, and they make a group: see commits.c. */
static void test_commits(void) {
    struct world world;
    struct hg_library *library = h2_world(&world, NULL);
    struct h2_client client = h2_connect(&world);
    static struct h2_answer answers[20];
    for (uint32_t turn = 0; turn < 2; turn++) {
        memset(answers, 0, sizeof answers);
        for (uint32_t i = 0; i < 20; i++) {
            answers[i].stream = 1 + 2 * (20 * turn + i);
            h2_post(&world, &client, answers[i].stream, "safe", "[1]");
            CHECK(turn == 0 || !hg_intake_gathered(&world.intake));
        }
        serve(&world);
        CHECK(h2_listen(&world, &client, answers, 20) == -1 && answers[0].status == 0);
        CHECK(world.intake.rows == 20);
        CHECK(turn == 0 || hg_intake_gathered(&world.intake)); /* all whom the last commit answered wait again */
        h2_commit(&world);
        CHECK(h2_listen(&world, &client, answers, 20) == -1);
        for (uint32_t i = 0; i < 20; i++) {
            CHECK(answers[i].status == 202 && answers[i].ended);
        }
    }
    /* One whose stream is reset meanwhile is stored all the same. */
    h2_post(&world, &client, 101, "safe", "[1]");
    h2_say(&world, &client, NGHTTP2_RST_STREAM, 0, 101, "\0\0\0\10", 4);
    serve(&world);
    CHECK(world.intake.rows == 1);
    h2_commit(&world);
    h2_ask(&world, &client, 103, "GET", "/healthz", NULL, true);
    h2_expect(&world, &client, 103, 200, "ok");
    h2_forget(&client);
    h2_world_close(&world, library);
}

/* The test is Python: bytes of the body come while answers go, on one stream, and others are served between. */
static void test_python(void) {
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n";
    struct world world;
    struct hg_library *library = h2_world(&world, NULL);
    struct h2_client client = h2_connect(&world);
    char text[4096];
    uint64_t id = 0;
    static struct h2_answer answers[2];
    memset(answers, 0, sizeof answers);
    answers[0].stream = 1;
    answers[1].stream = 3;
    forget_events(&world);
    h2_ask(&world, &client, 1, "POST", "/v1/streams/any", "application/x-ndjson", false);
    serve(&world);
    CHECK(told(&world, HG_EVENT_LENT, &id) == 1);
    int32_t length = hg_server_lent_read(world.server, id, (uint8_t *)text, sizeof text - 1);
    CHECK(length > 0);
    text[length] = '\0';
    CHECK(strstr(text, "POST /v1/streams/any HTTP/1.1\r\nHost: a\r\n") == text);
    CHECK(strstr(text, "transfer-encoding: chunked\r\nconnection: close\r\n\r\n") != NULL);
    CHECK(hg_server_lent_write(world.server, id, (const uint8_t *)head, sizeof head - 1) == 0);
    for (int i = 0; i < 3; i++) {
        forget_events(&world);
        h2_say(&world, &client, NGHTTP2_DATA, 0, 1, "1\n", 2);
        serve(&world);
        CHECK(told(&world, HG_EVENT_INPUT, &id) >= 1);
        CHECK(hg_server_lent_read(world.server, id, (uint8_t *)text, sizeof text) == 7 && memcmp(text, "2\r\n1\n\r\n", 7) == 0);
        CHECK(hg_server_lent_write(world.server, id, (const uint8_t *)"3\r\nyes\r\n", 8) == 0);
        CHECK(h2_listen(&world, &client, answers, 2) == -1);
        CHECK(answers[0].status == 200 && answers[0].length == 3u * (unsigned)(i + 1) && !answers[0].ended);
    }
    h2_ask(&world, &client, 3, "GET", "/healthz", NULL, true);
    h2_say(&world, &client, NGHTTP2_DATA, FIN, 1, NULL, 0);
    serve(&world);
    CHECK(h2_listen(&world, &client, answers, 2) == -1 && answers[1].ended);
    CHECK(hg_server_lent_read(world.server, id, (uint8_t *)text, sizeof text) == 5 && memcmp(text, "0\r\n\r\n", 5) == 0);
    CHECK(hg_server_lent_write(world.server, id, (const uint8_t *)"0\r\nX-Sum: 1\r\n\r\n", 15) == 0); /* trailers */
    CHECK(hg_server_lent_close(world.server, id, false) == 0);
    serve(&world);
    CHECK(h2_listen(&world, &client, answers, 2) == -1 && answers[0].ended && !answers[0].reset);
    /* Cut: no last chunk. */
    forget_events(&world);
    memset(answers, 0, sizeof answers);
    answers[0].stream = 5;
    h2_ask(&world, &client, 5, "GET", "/metrics", NULL, true);
    serve(&world);
    CHECK(told(&world, HG_EVENT_LENT, &id) == 1);
    CHECK(hg_server_lent_write(world.server, id, (const uint8_t *)head, sizeof head - 1) == 0);
    CHECK(hg_server_lent_close(world.server, id, false) == 0);
    serve(&world);
    CHECK(h2_listen(&world, &client, answers, 1) == -1);
    CHECK(answers[0].status == 200 && !answers[0].ended && answers[0].reset && answers[0].code == NGHTTP2_INTERNAL_ERROR);
    /* The whole answer is there before the request: nobody waits for the rest of that. */
    forget_events(&world);
    memset(answers, 0, sizeof answers);
    answers[0].stream = 7;
    h2_ask(&world, &client, 7, "POST", "/v1/streams/any", "application/x-ndjson", false);
    serve(&world);
    CHECK(told(&world, HG_EVENT_LENT, &id) == 1);
    CHECK(hg_server_lent_write(world.server, id, (const uint8_t *)"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno", 40) == 0);
    serve(&world);
    CHECK(h2_listen(&world, &client, answers, 1) == -1 && answers[0].ended && !answers[0].reset);
    CHECK(hg_server_lent_close(world.server, id, false) == 0);
    serve(&world);
    CHECK(h2_listen(&world, &client, answers, 1) == -1 && answers[0].reset && answers[0].code == NGHTTP2_NO_ERROR);
    /* ... but for the end of one that is here: many clients say that in a frame of its own, which is on its way. */
    forget_events(&world);
    memset(answers, 0, sizeof answers);
    answers[0].stream = 9;
    uint32_t size = h2_head((uint8_t *)text, "POST", "/v1/streams/any", "application/x-ndjson");
    size += h2_field((uint8_t *)text + size, "content-length", "2");
    h2_say(&world, &client, NGHTTP2_HEADERS, WHOLE, 9, text, size);
    h2_say(&world, &client, NGHTTP2_DATA, 0, 9, "1\n", 2);
    serve(&world);
    CHECK(told(&world, HG_EVENT_LENT, &id) == 1);
    CHECK(hg_server_lent_write(world.server, id, (const uint8_t *)"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 40) == 0);
    CHECK(hg_server_lent_close(world.server, id, false) == 0);
    serve(&world);
    CHECK(h2_listen(&world, &client, answers, 1) == -1 && answers[0].ended && !answers[0].reset);
    h2_say(&world, &client, NGHTTP2_DATA, FIN, 9, NULL, 0);
    serve(&world);
    CHECK(h2_listen(&world, &client, answers, 1) == -1 && !answers[0].reset);
    CHECK(hg_server_lent_close(world.server, id, false) == -EBADF);
    /* The client resets it while Python serves. */
    forget_events(&world);
    h2_ask(&world, &client, 11, "GET", "/metrics", NULL, true);
    serve(&world);
    CHECK(told(&world, HG_EVENT_LENT, &id) == 1);
    h2_say(&world, &client, NGHTTP2_RST_STREAM, 0, 11, "\0\0\0\10", 4);
    serve(&world);
    CHECK(told(&world, HG_EVENT_GONE, NULL) == 1);
    CHECK(hg_server_lent_write(world.server, id, (const uint8_t *)head, sizeof head - 1) == -EPIPE);
    CHECK(hg_server_lent_close(world.server, id, true) == 0 && hg_server_lent_read(world.server, id, (uint8_t *)text, 1) == -EBADF);
    h2_forget(&client);
    h2_world_close(&world, library);
}

/* An answer larger than the peer's window comes as that opens; one that is not taken ends. */
static void test_windows(void) {
    enum { VALUE = 60000 };
    static const uint8_t none[6] = {0, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0, 0, 0, 0};
    struct world world;
    struct hg_library *library = h2_world(&world, NULL);
    struct h2_client client = h2_connect(&world);
    static struct h2_answer answer;
    static char value[16384];
    memset(value, 'v', sizeof value);
    h2_ask(&world, &client, 1, "PUT", "/v1/cache/k", NULL, false);
    for (uint32_t at = 0; at < VALUE; at += 15000) {
        h2_say(&world, &client, NGHTTP2_DATA, at + 15000 >= VALUE ? FIN : 0, 1, value, 15000);
        serve(&world);
    }
    h2_expect(&world, &client, 1, 201, "");
    h2_say(&world, &client, NGHTTP2_SETTINGS, 0, 0, none, sizeof none);
    h2_ask(&world, &client, 3, "GET", "/v1/cache/k", NULL, true);
    serve(&world);
    memset(&answer, 0, sizeof answer);
    answer.stream = 3;
    CHECK(h2_listen(&world, &client, &answer, 1) == -1 && answer.status == 200 && answer.length == 0);
    while (!answer.ended) {
        const uint32_t before = answer.length;
        h2_say(&world, &client, NGHTTP2_WINDOW_UPDATE, 0, 3, "\0\0\7\0", 4);
        serve(&world);
        CHECK(h2_listen(&world, &client, &answer, 1) == -1);
        CHECK(answer.length == (before + 1792 < VALUE ? before + 1792 : VALUE));
    }
    CHECK(answer.length == VALUE);
    h2_ask(&world, &client, 5, "GET", "/v1/cache/k", NULL, true);
    serve(&world);
    memset(&answer, 0, sizeof answer);
    answer.stream = 5;
    pass(&world, BODY_MS - TICKS_MS);
    CHECK(h2_listen(&world, &client, &answer, 1) == -1 && answer.status == 200 && !answer.reset);
    pass(&world, 2 * TICKS_MS);
    CHECK(h2_listen(&world, &client, &answer, 1) == -1 && answer.reset && answer.code == NGHTTP2_CANCEL);
    CHECK(!is_closed(&world, client.fd));
    h2_ask(&world, &client, 7, "GET", "/v1/cache/k", NULL, true); /* a byte now and then does not give it more time */
    serve(&world);
    memset(&answer, 0, sizeof answer);
    answer.stream = 7;
    for (uint32_t byte = 1; byte < 10; byte++) {
        pass(&world, BODY_MS / 10);
        h2_say(&world, &client, NGHTTP2_WINDOW_UPDATE, 0, 7, "\0\0\0\1", 4);
        serve(&world);
        CHECK(h2_listen(&world, &client, &answer, 1) == -1 && answer.length == byte && !answer.reset);
    }
    pass(&world, BODY_MS / 10 + TICKS_MS);
    CHECK(h2_listen(&world, &client, &answer, 1) == -1 && answer.reset && answer.code == NGHTTP2_CANCEL);
    /* An answer of Python's before its request has ended: all of it can be taken, or there is an end. */
    for (uint32_t taken = 0; taken < 2; taken++) {
        static const char text[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n0\r\n\r\n";
        uint64_t id = 0;
        answer = (struct h2_answer){.stream = 9 + 2 * taken};
        forget_events(&world);
        h2_ask(&world, &client, answer.stream, "POST", "/v1/streams/any", "application/x-ndjson", false);
        serve(&world);
        CHECK(told(&world, HG_EVENT_LENT, &id) == 1);
        CHECK(hg_server_lent_write(world.server, id, (const uint8_t *)text, sizeof text - 1) == 0);
        CHECK(hg_server_lent_finish(world.server, id) == 0 && hg_server_lent_close(world.server, id, false) == 0);
        pass(&world, BODY_MS - TICKS_MS);
        CHECK(h2_listen(&world, &client, &answer, 1) == -1 && answer.status == 200 && answer.length == 0 && !answer.reset);
        if (taken != 0) {
            h2_say(&world, &client, NGHTTP2_WINDOW_UPDATE, 0, answer.stream, "\0\0\0\7", 4);
            serve(&world);
            CHECK(h2_listen(&world, &client, &answer, 1) == -1 && answer.length == 4 && answer.ended && !answer.reset);
        }
        pass(&world, 2 * TICKS_MS);
        CHECK(h2_listen(&world, &client, &answer, 1) == -1 && answer.reset);
        CHECK(answer.code == (taken != 0 ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL));
    }
    CHECK(!is_closed(&world, client.fd));
    h2_forget(&client);
    h2_world_close(&world, library);
}

static void test_deadlines(void) {
    struct world world;
    struct hg_library *library = h2_world(&world, NULL);
    struct h2_client client = h2_connect(&world);
    static struct h2_answer answer;
    uint8_t block[4096];
    /* A body that does not come: 408 for its stream. */
    h2_ask(&world, &client, 1, "POST", "/v1/streams/any", "application/json", false);
    serve(&world);
    pass(&world, BODY_MS + TICKS_MS);
    h2_expect(&world, &client, 1, 408, "timeout");
    /* A block of fields that does not go on. */
    const uint32_t length = h2_head(block, "GET", "/healthz", NULL);
    h2_say(&world, &client, NGHTTP2_HEADERS, FIN, 3, block, length - 5);
    serve(&world);
    pass(&world, HEAD_MS - TICKS_MS);
    CHECK(h2_listen(&world, &client, &answer, 0) == -1);
    pass(&world, 2 * TICKS_MS);
    CHECK(h2_listen(&world, &client, &answer, 0) == NGHTTP2_NO_ERROR && net_of(&world.net, client.fd)->finished);
    h2_forget(&client);
    /* Blocks that each come in time, though what is read always ends in the midst of the next one. */
    client = h2_connect(&world);
    uint32_t begun = 0;
    for (uint32_t stream = 1; stream < 8; stream += 2) {
        const uint8_t part = (uint8_t)(length / 2);
        if (begun != 0) {
            h2_say(&world, &client, NGHTTP2_CONTINUATION, WHOLE, begun, block + part, length - part);
        }
        h2_say(&world, &client, NGHTTP2_HEADERS, FIN, stream, block, part);
        begun = stream;
        serve(&world);
        CHECK(h2_listen(&world, &client, &answer, 0) == -1 && !is_closed(&world, client.fd));
        pass(&world, HEAD_MS / 2);
    }
    pass(&world, HEAD_MS / 2 + TICKS_MS);
    CHECK(h2_listen(&world, &client, &answer, 0) == NGHTTP2_NO_ERROR);
    h2_forget(&client);
    /* Idle, whatever PINGs say. */
    client = h2_connect(&world);
    for (int64_t gone = 0; gone < IDLE_MS - 1000; gone += 1000) {
        CHECK(!is_closed(&world, client.fd));
        h2_say(&world, &client, NGHTTP2_PING, 0, 0, "headgate", 8);
        pass(&world, 1000);
    }
    pass(&world, 1000 + TICKS_MS);
    CHECK(h2_listen(&world, &client, &answer, 0) == NGHTTP2_NO_ERROR);
    h2_forget(&client);
    /* Output that is not taken: nothing is read meanwhile, and then it ends. */
    client = h2_connect(&world);
    (void)h2_listen(&world, &client, &answer, 0);
    net_of(&world.net, client.fd)->window = 0;
    h2_ask(&world, &client, 1, "GET", "/healthz", NULL, true);
    serve(&world);
    for (int i = 0; i < 100; i++) {
        h2_say(&world, &client, NGHTTP2_PING, 0, 0, "headgate", 8);
    }
    const uint64_t memory = hg_server_memory(world.server);
    serve(&world);
    CHECK(hg_server_memory(world.server) == memory);
    pass(&world, BODY_MS + TICKS_MS);
    CHECK(is_closed(&world, client.fd));
    h2_forget(&client);
    h2_world_close(&world, library);
}

/* The server has said all, and reads over what the client still says, as its windows: closing would take away what is on its way. */
static bool has_ended(struct world *world, struct h2_client *client) {
    static struct h2_answer none[1];
    if (!net_of(&world->net, client->fd)->finished || is_closed(world, client->fd)) {
        return false;
    }
    h2_say(world, client, NGHTTP2_PING, 0, 0, "headgate", 8);
    serve(world);
    if (is_closed(world, client->fd) || h2_listen(world, client, none, 0) > 0) {
        return false;
    }
    net_end(&world->net, client->fd);
    serve(world);
    return is_closed(world, client->fd);
}

static void test_drain(void) {
    struct world world;
    struct hg_library *library = h2_world(&world, NULL);
    struct h2_client idle = h2_connect(&world), busy = h2_connect(&world);
    static struct h2_answer answers[2];
    memset(answers, 0, sizeof answers);
    answers[0].stream = 1;
    answers[1].stream = 3;
    h2_post(&world, &busy, 1, "safe", "[1]");
    serve(&world);
    (void)h2_listen(&world, &idle, answers, 0);
    (void)h2_listen(&world, &busy, answers, 2);
    hg_server_drain(world.server);
    serve(&world);
    CHECK(h2_listen(&world, &idle, answers, 0) == NGHTTP2_NO_ERROR && has_ended(&world, &idle));
    CHECK(h2_listen(&world, &busy, answers, 2) == NGHTTP2_NO_ERROR && !is_closed(&world, busy.fd));
    h2_ask(&world, &busy, 3, "GET", "/healthz", NULL, true); /* for another connection, as GOAWAY has said */
    serve(&world);
    CHECK(told(&world, HG_EVENT_EMPTY, NULL) == 0);
    h2_commit(&world);
    CHECK(h2_listen(&world, &busy, answers, 2) == -1);
    CHECK(answers[0].status == 202 && answers[0].ended && answers[1].status == 0);
    CHECK(has_ended(&world, &busy) && told(&world, HG_EVENT_EMPTY, NULL) == 1);
    h2_forget(&idle);
    h2_forget(&busy);
    h2_world_close(&world, library);
}

static void say_secret(struct world *world, int fd, const uint8_t *text, size_t length) {
    uint8_t record[4096];
    CHECK(length <= sizeof record);
    for (size_t i = 0; i < length; i++) {
        record[i] = text[i] ^ TOY_MASK;
    }
    net_send(&world->net, fd, record, length);
    serve(world);
}

/* A client has TLS answer it (a key update) and takes no answer: it is read no further, and ends, also with a stream that
 * waits for a body. */
static void test_answers_of_tls_that_are_not_read(void) {
    static const struct world_options secure = {.tls = true};
    static const uint8_t hello = 'H', asks = TOY_ASKS;
    for (int with_stream = 0; with_stream < 2; with_stream++) {
        struct world world;
        struct hg_library *library = h2_world(&world, &secure);
        uint8_t frame[9 + 4096], block[4096];
        const int fd = connect_client(&world);
        net_send(&world.net, fd, &hello, 1);
        serve(&world);
        say_secret(&world, fd, (const uint8_t *)HG_HTTP2_PREFACE, strlen(HG_HTTP2_PREFACE));
        say_secret(&world, fd, frame, h2_put(frame, NGHTTP2_SETTINGS, 0, 0, NULL, 0));
        if (with_stream) {
            const uint32_t length = h2_head(block, "POST", "/v1/streams/any", "application/json");
            say_secret(&world, fd, frame, h2_put(frame, NGHTTP2_HEADERS, WHOLE, 1, block, length));
        }
        net_of(&world.net, fd)->window = 0;
        net_send(&world.net, fd, &asks, 1);
        serve(&world);
        net_send(&world.net, fd, &asks, 1); /* stays where it is, and nobody looks again and again */
        for (int i = 0; i < 5; i++) {
            pass(&world, 1000);
        }
        CHECK(!is_closed(&world, fd));
        pass(&world, 2 * BODY_MS + IDLE_MS);
        CHECK(is_closed(&world, fd));
        h2_world_close(&world, library);
    }
}

/* What is kept of a connection that says nothing. */
static void test_idle_memory(void) {
    struct world world;
    struct hg_library *library = h2_world(&world, NULL);
    const uint64_t before = hg_server_memory(world.server);
    struct h2_client first = h2_connect(&world), client;
    const uint64_t page = hg_server_memory(world.server);
    client = h2_connect(&world);
    const uint64_t each = hg_server_memory(world.server) - page;
    h2_ask(&world, &client, 1, "GET", "/healthz", NULL, true);
    h2_expect(&world, &client, 1, 200, "ok");
    printf("test_http2_server: %llu bytes for an idle connection, %llu after a request\n", (unsigned long long)each,
           (unsigned long long)(hg_server_memory(world.server) - page));
    CHECK(each < 32768 && hg_server_memory(world.server) - page < 40960);
    net_leave(&world.net, first.fd);
    net_leave(&world.net, client.fd);
    serve(&world);
    CHECK(hg_server_memory(world.server) - before <= HG_PAGE * sizeof(struct hg_connection));
    h2_forget(&first);
    h2_forget(&client);
    h2_world_close(&world, library);
}

int main(void) {
    test_requests();
    test_cut_anyhow();
    test_first_bytes();
    test_commits();
    test_python();
    test_windows();
    test_deadlines();
    test_drain();
    test_answers_of_tls_that_are_not_read();
    test_idle_memory();
    return 0;
}
