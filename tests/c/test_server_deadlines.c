/* The native server: everything that has a deadline, by a clock that the test moves. What happens is what tasks/connection.py does. */
#include "check_server.h"

/* Not a moment before `ms` from now, and soon afterwards. */
static void check_closes_after(struct world *world, int fd, int64_t ms) {
    pass(world, ms - 1);
    CHECK(!is_closed(world, fd));
    pass(world, 1 + TICKS_MS);
    CHECK(is_closed(world, fd));
}

static void test_idle_closes_silently(void) {
    struct world world;
    world_open(&world, NULL);
    int fd = connect_client(&world);
    check_closes_after(&world, fd, IDLE_MS);
    CHECK(is_silent(&world, fd));
    fd = connect_client(&world);
    pass(&world, IDLE_MS - 1000);
    say(&world, fd, HEALTH); /* counts anew from here */
    (void)expect(&world, fd, 200);
    check_closes_after(&world, fd, IDLE_MS);
    CHECK(is_silent(&world, fd));
    fd = connect_client(&world);
    say(&world, fd, "\r\n"); /* is not a head yet */
    pass(&world, HEAD_MS + TICKS_MS);
    CHECK(!is_closed(&world, fd));
    pass(&world, IDLE_MS);
    CHECK(is_closed(&world, fd) && is_silent(&world, fd));
    world_close(&world);
}

static void test_slow_head(void) {
    struct world world;
    world_open(&world, NULL);
    const int fd = connect_client(&world);
    pass(&world, 10000);
    say(&world, fd, "GET / HTTP/1.1\r\nX: ");
    for (int64_t ms = 0; ms < HEAD_MS - 500; ms += 500) { /* no byte buys time */
        pass(&world, 500);
        CHECK(is_silent(&world, fd));
        say(&world, fd, "a");
    }
    pass(&world, 499);
    CHECK(is_silent(&world, fd));
    pass(&world, 1 + TICKS_MS);
    CHECK(expect_problem(&world, fd, 408, "timeout").close && net_of(&world.net, fd)->finished);
    check_closes_after(&world, fd, HG_LINGER_MS);
    world_close(&world);
}

/* The second request of a connection has the same time. */
static void test_slow_head_behind_another(void) {
    struct world world;
    world_open(&world, NULL);
    const int fd = connect_client(&world);
    pass(&world, HEAD_MS / 2);
    say(&world, fd, HEALTH "GET");
    (void)expect(&world, fd, 200);
    pass(&world, HEAD_MS - 1);
    CHECK(is_silent(&world, fd));
    pass(&world, 1 + TICKS_MS);
    CHECK(expect_problem(&world, fd, 408, "timeout").close);
    world_close(&world);
}

static void test_body_that_stops(void) {
    struct world world;
    world_open(&world, NULL);
    const int fd = connect_client(&world);
    say_post(&world, fd, "weather", "Content-Length: 2000\r\n");
    pass(&world, BODY_MS - 1);
    CHECK(is_silent(&world, fd));
    pass(&world, 1 + TICKS_MS);
    const struct answer answer = expect_problem(&world, fd, 408, "timeout");
    CHECK(answer.close && mentions(&answer, "\"/v1/streams/weather\"") && net_of(&world.net, fd)->finished);
    check_closes_after(&world, fd, HG_LINGER_MS);
    CHECK(world.plan->users == 0);
    world_close(&world);
}

/* HG_BODY_RATE: a trickle ends as a pause does, only later; what keeps up with it may take as long as it likes. */
static void test_body_that_trickles(void) {
    struct world world;
    int64_t ms = 0;
    world_open(&world, NULL);
    const int slow = connect_client(&world), steady = connect_client(&world);
    say_post(&world, slow, "weather", "Content-Length: 2000\r\n");
    say_post(&world, steady, "weather", "Content-Length: 2000\r\n");
    for (; is_silent(&world, slow) && ms < 60000; ms += 250) {
        say(&world, slow, " ");
        say(&world, steady, "     ");
        pass(&world, 250);
    }
    CHECK(expect_problem(&world, slow, 408, "timeout").close);
    /* A second costs 1000 ms and four bytes give back 248: 8000 ms last for 10.6 s. */
    CHECK(ms > 10000 && ms < 11500 && is_silent(&world, steady));
    for (uint32_t sent = 5 * (uint32_t)(ms / 250); sent < 2000 - 7; sent++) {
        say(&world, steady, " ");
        pass(&world, 50);
    }
    CHECK(is_silent(&world, steady));
    say(&world, steady, "{\"t\":1}");
    (void)expect(&world, steady, 202);
    world_close(&world);
}

/* No burst buys more than body_ms. */
static void test_body_budget_is_bounded(void) {
    struct world world;
    world_open(&world, NULL);
    const int fd = connect_client(&world);
    say_post(&world, fd, "large", "Content-Length: 200000\r\n");
    say_bytes(&world, fd, 'x', 100000);
    pass(&world, BODY_MS - 1);
    CHECK(is_silent(&world, fd));
    pass(&world, 1 + TICKS_MS);
    CHECK(expect_problem(&world, fd, 408, "timeout").close);
    world_close(&world);
}

/* It was answered; there is nothing more to say. */
static void test_skipped_body_that_stops(void) {
    struct world world;
    world_open(&world, NULL);
    const int fd = connect_client(&world);
    say(&world, fd, "POST /v1/streams/weather HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n123");
    CHECK(!expect(&world, fd, 401).close);
    pass(&world, BODY_MS - 1);
    CHECK(!net_of(&world.net, fd)->finished && !is_closed(&world, fd));
    pass(&world, 1 + TICKS_MS);
    CHECK(is_silent(&world, fd) && net_of(&world.net, fd)->finished);
    pass(&world, HG_LINGER_MS + TICKS_MS);
    CHECK(is_closed(&world, fd) && is_silent(&world, fd));
    world_close(&world);
}

/* Who asks and does not read. */
static void test_answer_that_is_not_taken(void) {
    struct world world;
    world_open(&world, NULL);
    const int fd = connect_client(&world);
    net_of(&world.net, fd)->window = 40;
    say(&world, fd, HEALTH);
    check_closes_after(&world, fd, BODY_MS);
    CHECK(net_of(&world.net, fd)->out.length == 40 && hg_server_connections(world.server) == 0);
    /* In time it goes out, and the connection is as before. */
    const int other = connect_client(&world);
    net_of(&world.net, other)->window = 40;
    say(&world, other, HEALTH);
    pass(&world, BODY_MS - 1);
    net_widen(&world.net, other, NET_ENDLESS);
    serve(&world);
    (void)expect(&world, other, 200);
    pass(&world, BODY_MS);
    CHECK(!is_closed(&world, other));
    say(&world, other, HEALTH);
    (void)expect(&world, other, 200);
    world_close(&world);
}

static void test_linger_ends(void) {
    struct world world;
    world_open(&world, NULL);
    int fd = connect_client(&world);
    say(&world, fd, "rubbish\n");
    (void)expect(&world, fd, 400);
    check_closes_after(&world, fd, HG_LINGER_MS);
    fd = connect_client(&world);
    say(&world, fd, "rubbish\n");
    for (int64_t ms = 0; ms < HG_LINGER_MS - 100; ms += 100) { /* what comes buys no time */
        say(&world, fd, "more");
        pass(&world, 100);
        CHECK(!is_closed(&world, fd));
    }
    pass(&world, 100 + TICKS_MS);
    CHECK(is_closed(&world, fd));
    fd = connect_client(&world);
    say(&world, fd, "rubbish\n");
    net_reset(&world.net, fd);
    serve(&world);
    CHECK(is_closed(&world, fd));
    world_close(&world);
}

/* An answer before the linger that is not taken. */
static void test_refusal_that_is_not_taken(void) {
    struct world world;
    world_open(&world, NULL);
    const int fd = connect_client(&world);
    net_of(&world.net, fd)->window = 10;
    say(&world, fd, "rubbish\n");
    CHECK(!net_of(&world.net, fd)->finished); /* not before the answer is written */
    check_closes_after(&world, fd, BODY_MS);
    world_close(&world);
}

/* Waiting for ever, the server wakes up for its deadlines by itself, and for nothing else. */
static void test_waits_until_the_deadline(void) {
    struct world world;
    world_open(&world, NULL);
    const int fd = connect_client(&world);
    const int64_t start_us = world.net.now_us;
    for (int i = 0; i < 20 && !world.net.for_ever; i++) {
        const int count = turn(&world, -1);
        CHECK(count == 0 || (count == -EINTR && world.net.for_ever));
    }
    const int64_t took_ms = (world.net.now_us - start_us) / 1000;
    CHECK(is_closed(&world, fd) && took_ms >= IDLE_MS && took_ms <= IDLE_MS + TICKS_MS);
    world_close(&world);
}

/* Many deadlines, each kept. */
static void test_thousand_deadlines(void) {
    enum { COUNT = 300 };
    static int fds[COUNT];
    struct world world;
    world_open(&world, NULL);
    for (int i = 0; i < COUNT; i++) {
        fds[i] = connect_client(&world);
        say(&world, fds[i], i % 3 == 0 ? "G" : "");
        pass(&world, 10);
    }
    for (int64_t ms = 0; ms < IDLE_MS + 5000; ms += 100) {
        pass(&world, 100);
        for (int i = 0; i < COUNT; i++) {
            const int64_t age_ms = ms + 100 + 10 * (COUNT - i), due_ms = i % 3 == 0 ? HEAD_MS : IDLE_MS;
            const bool over = i % 3 == 0 ? !is_silent(&world, fds[i]) : is_closed(&world, fds[i]);
            CHECK(age_ms < due_ms ? !over : age_ms < due_ms + TICKS_MS || over);
        }
    }
    CHECK(hg_server_connections(world.server) == 0);
    world_close(&world);
}

/* The date goes on between two calls of hg_server_clock, and its seconds begin when the system's do. */
static void test_dates(void) {
    struct world world;
    world_open(&world, NULL);
    const int fd = connect_client(&world);
    say(&world, fd, HEALTH);
    struct answer answer = expect(&world, fd, 200);
    CHECK(has_field(&answer, "Date", "Fri, 15 Jan 2027 08:00:00 GMT"));
    pass(&world, 7000);
    say(&world, fd, HEALTH);
    answer = expect(&world, fd, 200);
    CHECK(has_field(&answer, "Date", "Fri, 15 Jan 2027 08:00:07 GMT"));
    pass(&world, 600);
    const struct hg_clock set = {NET_WALL_S + 60, NET_WALL_S, HG_CLOCK_TRUSTED};
    hg_server_clock(world.server, &set); /* in the middle of one */
    pass(&world, 399);
    say(&world, fd, HEALTH);
    answer = expect(&world, fd, 200);
    CHECK(has_field(&answer, "Date", "Fri, 15 Jan 2027 08:01:00 GMT"));
    pass(&world, 1);
    say(&world, fd, HEALTH);
    answer = expect(&world, fd, 200);
    CHECK(has_field(&answer, "Date", "Fri, 15 Jan 2027 08:01:01 GMT"));
    const struct hg_clock unset = {0, NET_WALL_S, HG_CLOCK_UNSET};
    hg_server_clock(world.server, &unset);
    say(&world, fd, HEALTH);
    answer = expect(&world, fd, 200);
    CHECK(field_of(&answer, "Date").at == NULL);
    world_close(&world);
}

int main(void) {
    test_idle_closes_silently();
    test_slow_head();
    test_slow_head_behind_another();
    test_body_that_stops();
    test_body_that_trickles();
    test_body_budget_is_bounded();
    test_skipped_body_that_stops();
    test_answer_that_is_not_taken();
    test_linger_ends();
    test_refusal_that_is_not_taken();
    test_waits_until_the_deadline();
    test_thousand_deadlines();
    test_dates();
    return 0;
}
