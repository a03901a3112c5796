/* The native server lends connections to Python for what it does not serve itself. Here the test is Python (linux/lent.py). */
#include "check_server.h"

#define PYTHON_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npython"

/* All that is there of a lent connection's input, as text; ends the test when it does not fit. */
static uint32_t read_lent(struct world *world, uint64_t id, char *text, uint32_t room) {
    uint32_t length = 0;
    for (;;) {
        const int32_t count = hg_server_lent_read(world->server, id, (uint8_t *)text + length, room - 1 - length);
        CHECK(count >= 0 && (uint32_t)count <= room - 1 - length);
        if (count == 0) {
            break;
        }
        length += (uint32_t)count;
        CHECK(length < room - 1);
    }
    text[length] = '\0';
    return length;
}

static int write_lent(struct world *world, uint64_t id, const char *text) {
    return hg_server_lent_write(world->server, id, (const uint8_t *)text, (uint32_t)strlen(text));
}

/* A client that has said this, and was lent; -> its connection's id. */
static uint64_t lent_with(struct world *world, int fd, const char *text) {
    uint64_t id = 0;
    forget_events(world);
    say(world, fd, text);
    CHECK(told(world, HG_EVENT_LENT, &id) == 1);
    return id;
}

static void test_served_and_given_back(void) {
    struct world world;
    char text[1024];
    world_open(&world, NULL);
    const int fd = connect_client(&world);
    const uint64_t memory = hg_server_memory(world.server);
    for (int i = 0; i < 3; i++) {
        const uint64_t id = lent_with(&world, fd, METRICS);
        CHECK(read_lent(&world, id, text, sizeof text) == strlen(METRICS) && strcmp(text, METRICS) == 0);
        CHECK(!hg_server_lent_ended(world.server, id));
        CHECK(write_lent(&world, id, PYTHON_ANSWER) == 0);
        serve(&world);
        CHECK(mentions(&(struct answer){.body = net_of(&world.net, fd)->out.data, .length = net_of(&world.net, fd)->out.length},
                       "python"));
        CHECK(hg_server_lent_return(world.server, id, (const uint8_t *)"", 0) == 0);
        serve(&world);
        (void)expect(&world, fd, 200);
        CHECK(hg_server_lent_read(world.server, id, (uint8_t *)text, 1) == -EBADF); /* its time is over */
        CHECK(hg_server_memory(world.server) == memory && world.plan->users == 0);
        say(&world, fd, HEALTH); /* served here again */
        const struct answer answer = expect(&world, fd, 200);
        CHECK(mentions(&answer, "\"ok\""));
    }
    pass(&world, IDLE_MS + TICKS_MS); /* deadlines are the server's again */
    CHECK(is_closed(&world, fd));
    world_close(&world);
}

/* Requests before it are answered before, those behind it after; what Python has read of them comes back. */
static void test_between_others(void) {
    struct world world;
    char text[4096];
    world_open(&world, NULL);
    for (uint32_t kept = 0; kept < 3; kept++) { /* Python takes all, part or none of what follows */
        const int fd = connect_client(&world);
        const uint64_t id = lent_with(&world, fd, HEALTH METRICS HEALTH HEALTH_CLOSE);
        const struct answer first = expect(&world, fd, 200);
        CHECK(mentions(&first, "\"ok\"") && is_silent(&world, fd));
        uint32_t length = (uint32_t)strlen(METRICS);
        if (kept == 0) {
            length = read_lent(&world, id, text, sizeof text);
            CHECK(length >= strlen(METRICS));
        } else {
            for (uint32_t got = 0, wanted = length + (kept == 1 ? 10 : 0); got < wanted; length = got) {
                const int32_t count =
                    hg_server_lent_read(world.server, id, (uint8_t *)text + got, kept == 1 ? wanted - got : 1);
                CHECK(count > 0);
                got += (uint32_t)count;
            }
        }
        CHECK(memcmp(text, METRICS, strlen(METRICS)) == 0);
        CHECK(write_lent(&world, id, PYTHON_ANSWER) == 0);
        const uint32_t used = (uint32_t)strlen(METRICS);
        CHECK(hg_server_lent_return(world.server, id, (const uint8_t *)text + used, length - used) == 0);
        serve(&world);
        const struct answer second = expect(&world, fd, 200);
        CHECK(mentions(&second, "python"));
        CHECK(!expect(&world, fd, 200).close);
        CHECK(expect(&world, fd, 200).close && is_closed(&world, fd));
    }
    CHECK(hg_server_connections(world.server) == 0);
    world_close(&world);
}

/* A rest that is a part of a head, and one that is lent again. */
static void test_rests(void) {
    struct world world;
    char text[1024];
    world_open(&world, NULL);
    const int fd = connect_client(&world);
    uint64_t id = lent_with(&world, fd, METRICS "GET /hea");
    const uint32_t length = read_lent(&world, id, text, sizeof text);
    CHECK(write_lent(&world, id, PYTHON_ANSWER) == 0);
    CHECK(hg_server_lent_return(world.server, id, (const uint8_t *)text + strlen(METRICS),
                                length - (uint32_t)strlen(METRICS)) == 0);
    serve(&world);
    (void)expect(&world, fd, 200);
    say(&world, fd, "lthz HTTP/1.1\r\nHost: a\r\n\r\n");
    (void)expect(&world, fd, 200);
    id = lent_with(&world, fd, METRICS METRICS);
    (void)read_lent(&world, id, text, sizeof text);
    CHECK(write_lent(&world, id, PYTHON_ANSWER) == 0);
    forget_events(&world);
    CHECK(hg_server_lent_return(world.server, id, (const uint8_t *)METRICS, (uint32_t)strlen(METRICS)) == 0);
    serve(&world);
    uint64_t again = 0;
    CHECK(told(&world, HG_EVENT_LENT, &again) == 1);
    CHECK(read_lent(&world, again, text, sizeof text) == strlen(METRICS) && strcmp(text, METRICS) == 0);
    CHECK(hg_server_lent_close(world.server, again, false) == 0);
    serve(&world);
    CHECK(is_closed(&world, fd));
    world_close(&world);
}

/* A body that arrives bit by bit is told of; so is its end. */
static void test_input_is_told(void) {
    struct world world;
    char text[16384];
    uint64_t told_id = 0;
    world_open(&world, NULL);
    const int fd = connect_client(&world);
    forget_events(&world);
    sayf(&world, fd,
         "POST /v1/streams/any HTTP/1.1\r\nHost: a\r\n%sContent-Type: application/x-ndjson\r\n"
         "Transfer-Encoding: chunked\r\n\r\n",
         bearer);
    uint64_t id = 0;
    CHECK(told(&world, HG_EVENT_LENT, &id) == 1);
    CHECK(read_lent(&world, id, text, sizeof text) > 0 && strstr(text, "chunked\r\n\r\n") != NULL);
    for (int i = 0; i < 5; i++) {
        forget_events(&world);
        say(&world, fd, "2\r\n1\n\r\n");
        CHECK(told(&world, HG_EVENT_INPUT, &told_id) >= 1 && told_id == id);
        CHECK(read_lent(&world, id, text, sizeof text) == 7 && !hg_server_lent_ended(world.server, id));
    }
    /* Not read at once: nothing is lost, and the server does not take more than it has room for. */
    const uint64_t before = hg_server_memory(world.server);
    for (int i = 0; i < 100; i++) {
        say_bytes(&world, fd, 'x', 8192);
    }
    CHECK(hg_server_memory(world.server) <= before + 4 * 65536);
    CHECK(net_of(&world.net, fd)->in.length - net_of(&world.net, fd)->in.at > 100 * 8192 / 2);
    CHECK(turn(&world, 100) == 0 && world.net.slept_ms > 0); /* and it does not spin */
    uint32_t length = 0;
    for (int i = 0; i < 2000 && length < 100 * 8192; i++) {
        const int32_t count = hg_server_lent_read(world.server, id, (uint8_t *)text, sizeof text);
        CHECK(count >= 0);
        for (int32_t j = 0; j < count; j++) {
            CHECK(text[j] == 'x');
        }
        length += (uint32_t)count;
        if (count == 0) {
            serve(&world);
        }
    }
    CHECK(length == 100 * 8192);
    forget_events(&world);
    net_end(&world.net, fd);
    serve(&world);
    CHECK(told(&world, HG_EVENT_INPUT, &told_id) == 1 && told_id == id);
    CHECK(read_lent(&world, id, text, sizeof text) == 0 && hg_server_lent_ended(world.server, id));
    CHECK(turn(&world, 100) == 0); /* the end is told once, and makes nobody spin */
    CHECK(write_lent(&world, id, PYTHON_ANSWER) == 0); /* half-closed: the answer is still wanted */
    CHECK(hg_server_lent_close(world.server, id, false) == 0);
    serve(&world);
    (void)expect(&world, fd, 200);
    CHECK(is_closed(&world, fd));
    world_close(&world);
}

/* Python may write faster than the client reads, up to a bound. */
static void test_output_is_bounded_by_asking(void) {
    static char block[10001];
    struct world world;
    uint64_t drained = 0;
    world_open(&world, NULL);
    memset(block, 'y', sizeof block - 1);
    const int fd = connect_client(&world);
    const uint64_t id = lent_with(&world, fd, METRICS);
    net_of(&world.net, fd)->window = 100;
    uint32_t written = 0;
    while (write_lent(&world, id, block) == 0) {
        written += 10000;
        serve(&world);
        CHECK(written <= HG_LENT_OUTPUT + 100);
    }
    CHECK(written + 10000 >= HG_LENT_OUTPUT);
    CHECK(told(&world, HG_EVENT_DRAINED, NULL) == 0);
    CHECK(turn(&world, 100) == 0 && world.net.slept_ms > 0);
    net_widen(&world.net, fd, 1000000);
    serve(&world);
    CHECK(told(&world, HG_EVENT_DRAINED, &drained) == 1 && drained == id);
    CHECK(net_of(&world.net, fd)->out.length == written + 10000);
    CHECK(write_lent(&world, id, "z") == 0 && hg_server_lent_close(world.server, id, false) == 0);
    serve(&world);
    CHECK(is_closed(&world, fd) && net_of(&world.net, fd)->out.length == written + 10001);
    world_close(&world);
}

/* The answer before the lent request is still on its way when Python writes; and Python writes while its own is. */
static void test_order_of_output(void) {
    struct world world;
    world_open(&world, NULL);
    const int fd = net_connect(&world.net, world.listener);
    net_of(&world.net, fd)->window = 10;
    serve(&world);
    const uint64_t id = lent_with(&world, fd, HEALTH METRICS);
    CHECK(write_lent(&world, id, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\np") == 0);
    for (const char *rest = "ython"; *rest != '\0'; rest++) {
        const char piece[2] = {*rest, '\0'};
        net_widen(&world.net, fd, 7);
        serve(&world);
        CHECK(write_lent(&world, id, piece) == 0);
    }
    net_widen(&world.net, fd, NET_ENDLESS);
    serve(&world);
    const struct answer first = expect(&world, fd, 200), second = expect(&world, fd, 200);
    CHECK(mentions(&first, "\"ok\"") && mentions(&second, "python") && is_silent(&world, fd));
    CHECK(hg_server_lent_close(world.server, id, false) == 0 && is_closed(&world, fd));
    world_close(&world);
}

/* Several at a time are told of in the order they came. */
static void test_several(void) {
    struct world world;
    uint64_t ids[5];
    int fds[5];
    char text[256];
    world_open(&world, NULL);
    for (int i = 0; i < 5; i++) {
        fds[i] = net_connect(&world.net, world.listener);
        net_send(&world.net, fds[i], METRICS, strlen(METRICS));
    }
    serve(&world);
    CHECK(told(&world, HG_EVENT_LENT, NULL) == 5);
    for (int i = 0; i < 5; i++) {
        ids[i] = world.events[i].id;
    }
    for (int i = 4; i >= 0; i--) { /* served in another */
        CHECK(read_lent(&world, ids[i], text, sizeof text) == strlen(METRICS));
        CHECK(write_lent(&world, ids[i], PYTHON_ANSWER) == 0);
        CHECK(hg_server_lent_return(world.server, ids[i], (const uint8_t *)"", 0) == 0);
    }
    serve(&world);
    for (int i = 0; i < 5; i++) {
        (void)expect(&world, fds[i], 200);
        CHECK(is_silent(&world, fds[i]));
    }
    world_close(&world);
}

/* What was written goes out before the connection ends, also when the client is slow. */
static void test_close_after_output(void) {
    struct world world;
    world_open(&world, NULL);
    for (int cut = 0; cut < 2; cut++) {
        const int fd = connect_client(&world);
        const uint64_t id = lent_with(&world, fd, METRICS);
        net_of(&world.net, fd)->window = 10;
        CHECK(write_lent(&world, id, PYTHON_ANSWER) == 0);
        serve(&world);
        CHECK(hg_server_lent_close(world.server, id, cut == 1) == 0);
        CHECK(write_lent(&world, id, "x") == -EBADF);
        serve(&world);
        CHECK(is_closed(&world, fd) == (cut == 1));
        net_widen(&world.net, fd, NET_ENDLESS);
        serve(&world);
        CHECK(is_closed(&world, fd));
        CHECK(net_of(&world.net, fd)->out.length == (cut == 1 ? 10 : strlen(PYTHON_ANSWER)));
    }
    /* He never reads: not for ever, whatever he sends meanwhile. */
    for (int lingers = 0; lingers < 2; lingers++) {
        const int fd = connect_client(&world);
        const uint64_t id = lent_with(&world, fd, METRICS);
        net_of(&world.net, fd)->window = 10;
        CHECK(write_lent(&world, id, PYTHON_ANSWER) == 0 && (lingers == 0 || hg_server_lent_finish(world.server, id) == 0));
        CHECK(hg_server_lent_close(world.server, id, false) == 0);
        pass(&world, BODY_MS - TICKS_MS);
        say(&world, fd, "more");
        CHECK(!is_closed(&world, fd));
        pass(&world, HG_LINGER_MS + 2 * TICKS_MS);
        CHECK(is_closed(&world, fd) && hg_server_connections(world.server) == 0);
    }
    world_close(&world);
}

/* An answer that was not taken at once is gone: nobody looks for room for it again and again while Python, or a commit, takes its time
 * over the request behind it. */
static void test_behind_an_answer_that_was_waited_for(void) {
    struct world world;
    char post_text[1024];
    snprintf(post_text, sizeof post_text,
             "POST /v1/streams/safe HTTP/1.1\r\nHost: a\r\n%s" JSON_FIELD "Content-Length: 1\r\n\r\n1", bearer);
    const char *const behind[] = {METRICS, post_text};
    for (size_t i = 0; i < sizeof behind / sizeof *behind; i++) {
        world_open(&world, NULL);
        const int fd = connect_client(&world);
        const uint64_t id = lent_with(&world, fd, METRICS);
        net_of(&world.net, fd)->window = 10;
        CHECK(write_lent(&world, id, PYTHON_ANSWER) == 0);
        CHECK(hg_server_lent_return(world.server, id, (const uint8_t *)behind[i], (uint32_t)strlen(behind[i])) == 0);
        forget_events(&world);
        net_widen(&world.net, fd, NET_ENDLESS);
        serve(&world);
        (void)expect(&world, fd, 200);
        CHECK(told(&world, i == 0 ? HG_EVENT_LENT : HG_EVENT_ROWS, NULL) == 1);
        CHECK(turn(&world, 100) == 0 && world.net.slept_ms >= 100);
        world_close(&world);
    }
}

static void test_given_back_before_the_answer_is_taken(void) {
    struct world world;
    world_open(&world, NULL);
    const int fd = connect_client(&world);
    const uint64_t id = lent_with(&world, fd, METRICS);
    char text[256];
    (void)read_lent(&world, id, text, sizeof text);
    net_of(&world.net, fd)->window = 10;
    CHECK(write_lent(&world, id, PYTHON_ANSWER) == 0);
    CHECK(hg_server_lent_return(world.server, id, (const uint8_t *)HEALTH, (uint32_t)strlen(HEALTH)) == 0);
    serve(&world);
    CHECK(!is_closed(&world, fd));
    net_widen(&world.net, fd, NET_ENDLESS);
    serve(&world);
    const struct answer first = expect(&world, fd, 200), second = expect(&world, fd, 200);
    CHECK(mentions(&first, "python") && mentions(&second, "\"ok\""));
    world_close(&world);
}

/* As tasks/connection.py lingers: no more output, then what still comes is read over by Python. */
static void test_finish(void) {
    struct world world;
    char text[256];
    world_open(&world, NULL);
    const int fd = connect_client(&world);
    const uint64_t id = lent_with(&world, fd, METRICS);
    (void)read_lent(&world, id, text, sizeof text);
    net_of(&world.net, fd)->window = 10;
    CHECK(write_lent(&world, id, PYTHON_ANSWER) == 0 && hg_server_lent_finish(world.server, id) == 0);
    serve(&world);
    CHECK(!net_of(&world.net, fd)->finished); /* not before the answer is out */
    net_widen(&world.net, fd, NET_ENDLESS);
    serve(&world);
    (void)expect(&world, fd, 200);
    CHECK(net_of(&world.net, fd)->finished && !is_closed(&world, fd));
    forget_events(&world);
    say(&world, fd, "more");
    CHECK(told(&world, HG_EVENT_INPUT, NULL) == 1 && read_lent(&world, id, text, sizeof text) == 4);
    net_end(&world.net, fd);
    serve(&world); /* an end in both directions may as well be told as a connection that is gone */
    const int32_t count = hg_server_lent_read(world.server, id, (uint8_t *)text, 1);
    CHECK(count == -EPIPE || (count == 0 && hg_server_lent_ended(world.server, id)));
    CHECK(turn(&world, 100) == 0);
    CHECK(hg_server_lent_close(world.server, id, false) == 0);
    serve(&world);
    CHECK(is_closed(&world, fd));
    world_close(&world);
}

/* Python has waited for what was still coming: while the server drains nobody does so again. */
static void test_finish_while_it_drains(void) {
    struct world world;
    world_open(&world, NULL);
    const int fd = connect_client(&world);
    const uint64_t id = lent_with(&world, fd, METRICS);
    hg_server_drain(world.server);
    CHECK(write_lent(&world, id, PYTHON_ANSWER) == 0 && hg_server_lent_finish(world.server, id) == 0);
    serve(&world);
    (void)expect(&world, fd, 200);
    CHECK(net_of(&world.net, fd)->finished && !is_closed(&world, fd));
    CHECK(hg_server_lent_close(world.server, id, false) == 0);
    CHECK(is_closed(&world, fd) && hg_server_connections(world.server) == 0);
    world_close(&world);
}

static void test_gone(void) {
    struct world world;
    uint8_t byte;
    uint64_t gone = 0;
    world_open(&world, NULL);
    const int fd = connect_client(&world);
    const uint64_t id = lent_with(&world, fd, METRICS);
    net_reset(&world.net, fd);
    serve(&world);
    CHECK(told(&world, HG_EVENT_GONE, &gone) == 1 && gone == id);
    CHECK(hg_server_lent_read(world.server, id, &byte, 1) == -EPIPE);
    CHECK(write_lent(&world, id, "x") == -EPIPE);
    CHECK(hg_server_lent_finish(world.server, id) == -EPIPE);
    CHECK(turn(&world, 100) == 0 && told(&world, HG_EVENT_GONE, NULL) == 1); /* once */
    const int other = connect_client(&world); /* the slot is not taken as long as Python holds it */
    say(&world, other, HEALTH);
    (void)expect(&world, other, 200);
    CHECK(write_lent(&world, id, "x") == -EPIPE);
    (void)hg_server_lent_close(world.server, id, true);
    CHECK(write_lent(&world, id, "x") == -EBADF);
    CHECK(is_closed(&world, fd) && hg_server_connections(world.server) == 1);
    still_serves(&world);
    CHECK(write_lent(&world, id, "x") == -EBADF); /* whoever sits there now */
    world_close(&world);
}

/* The client goes while Python writes, and Python gives back, unknowing. */
static void test_gone_unnoticed(void) {
    struct world world;
    world_open(&world, NULL);
    for (int how = 0; how < 3; how++) {
        const int fd = connect_client(&world);
        const uint64_t id = lent_with(&world, fd, METRICS);
        net_leave(&world.net, fd);
        const int first = write_lent(&world, id, PYTHON_ANSWER);
        CHECK(first == 0 || first == -EPIPE);
        const int second = write_lent(&world, id, PYTHON_ANSWER);
        CHECK(second == 0 || second == -EPIPE);
        if (how == 0) {
            const int result = hg_server_lent_return(world.server, id, (const uint8_t *)HEALTH, (uint32_t)strlen(HEALTH));
            CHECK(result == 0 || result == -EPIPE);
            (void)hg_server_lent_close(world.server, id, true); /* as Connection.run does in the end */
        } else {
            (void)hg_server_lent_close(world.server, id, how == 1);
        }
        serve(&world);
        CHECK(is_closed(&world, fd));
    }
    CHECK(hg_server_connections(world.server) == 0 && world.plan->users == 0);
    world_close(&world);
}

static void test_ids_that_are_none(void) {
    static const uint64_t ids[] = {0, 1, 255, 256, UINT32_MAX, UINT64_C(1) << 32, UINT64_MAX};
    struct world world;
    uint8_t byte = 'x';
    world_open(&world, NULL);
    const int idle = connect_client(&world); /* is there, and not lent */
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        CHECK(hg_server_lent_read(world.server, ids[i], &byte, 1) == -EBADF);
        CHECK(hg_server_lent_write(world.server, ids[i], &byte, 1) == -EBADF);
        CHECK(hg_server_lent_return(world.server, ids[i], &byte, 1) == -EBADF);
        CHECK(hg_server_lent_close(world.server, ids[i], true) == -EBADF);
        CHECK(hg_server_lent_finish(world.server, ids[i]) == -EBADF);
    }
    say(&world, idle, HEALTH);
    (void)expect(&world, idle, 200);
    world_close(&world);
}

/* No deadline of the server's runs while Python serves. */
static void test_python_keeps_its_own_time(void) {
    struct world world;
    world_open(&world, NULL);
    const int fd = connect_client(&world);
    const uint64_t id = lent_with(&world, fd, METRICS);
    char text[256];
    (void)read_lent(&world, id, text, sizeof text);
    pass(&world, 10 * IDLE_MS);
    CHECK(!is_closed(&world, fd) && is_silent(&world, fd));
    CHECK(write_lent(&world, id, PYTHON_ANSWER) == 0);
    CHECK(hg_server_lent_return(world.server, id, (const uint8_t *)"", 0) == 0);
    serve(&world);
    (void)expect(&world, fd, 200);
    pass(&world, IDLE_MS - TICKS_MS);
    CHECK(!is_closed(&world, fd));
    world_close(&world);
}

/* A server that ends while connections are lent. */
static void test_ends_while_lent(void) {
    struct world world;
    world_open(&world, NULL);
    const int fd = connect_client(&world);
    const uint64_t id = lent_with(&world, fd, METRICS);
    forget_events(&world);
    hg_server_abort(world.server);
    serve(&world);
    CHECK(told(&world, HG_EVENT_GONE, NULL) <= 1);
    CHECK(write_lent(&world, id, "x") < 0);
    (void)hg_server_lent_close(world.server, id, true);
    CHECK(hg_server_connections(world.server) == 0 && is_closed(&world, fd));
    world_close(&world);
    world_open(&world, NULL); /* and without a word */
    (void)lent_with(&world, connect_client(&world), METRICS);
    world_close(&world);
}

int main(void) {
    test_served_and_given_back();
    test_between_others();
    test_rests();
    test_input_is_told();
    test_output_is_bounded_by_asking();
    test_order_of_output();
    test_several();
    test_close_after_output();
    test_behind_an_answer_that_was_waited_for();
    test_given_back_before_the_answer_is_taken();
    test_finish();
    test_finish_while_it_drains();
    test_gone();
    test_gone_unnoticed();
    test_ids_that_are_none();
    test_python_keeps_its_own_time();
    test_ends_while_lent();
    return 0;
}
