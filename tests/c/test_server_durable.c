/* The native server and the outbox: who waits for a commit, and who is answered when it is done or has failed. */
#include "check_commit.h"

static void post_keyed(struct world *world, int fd, const char *stream, const char *key, const char *body) {
    char fields[120];
    snprintf(fields, sizeof fields, "Content-Length: %u\r\nIdempotency-Key: %s\r\n", (unsigned)strlen(body), key);
    say_post(world, fd, stream, fields);
    say(world, fd, body);
}

static void test_answered_by_the_commit(void) {
    enum { COUNT = 5 };
    struct world world;
    int fds[COUNT];
    char seq[24];
    world_open(&world, NULL);
    for (int i = 0; i < COUNT; i++) {
        fds[i] = connect_client(&world);
        post(&world, fds[i], "safe", "[1]");
        CHECK(is_silent(&world, fds[i]));
    }
    CHECK(told(&world, HG_EVENT_ROWS, NULL) >= 1);
    pass(&world, 10 * BODY_MS); /* however long that takes */
    struct hg_batch batch = take(&world, COUNT);
    for (int i = 0; i < COUNT; i++) {
        CHECK(is_silent(&world, fds[i]) && !is_closed(&world, fds[i]));
    }
    CHECK(world.gate.counters.accepted == 0);
    commit_with(&world, &batch, stored);
    for (int i = 0; i < COUNT; i++) {
        const struct answer answer = expect(&world, fds[i], 202);
        snprintf(seq, sizeof seq, "\"7.%d\"", i + 1);
        CHECK(!answer.close && mentions(&answer, seq));
        CHECK(mentions(&answer, "\"fsync\""));
        CHECK(i == 0 || net_of(&world.net, fds[i])->first_write > net_of(&world.net, fds[i - 1])->first_write);
    }
    CHECK(world.intake.bytes == 0 && world.gate.counters.accepted == COUNT && world.plan->users == 0);
    for (int i = 0; i < COUNT; i++) { /* they go on */
        say(&world, fds[i], HEALTH);
        (void)expect(&world, fds[i], 200);
    }
    pass(&world, IDLE_MS + TICKS_MS);
    CHECK(hg_server_connections(world.server) == 0);
    world_close(&world);
}

/* What follows a message that waits is served after it. */
static void test_pipelined_behind_a_commit(void) {
    static char text[4096];
    struct world world;
    world_open(&world, NULL);
    const int fd = connect_client(&world);
    const int length =
        snprintf(text, sizeof text, "%s", HEALTH) +
        snprintf(text + strlen(text), sizeof text - strlen(text),
                 "POST /v1/streams/safe HTTP/1.1\r\nHost: a\r\n%s" JSON_FIELD "Content-Length: 1\r\n\r\n1" HEALTH
                 "POST /v1/streams/safe HTTP/1.1\r\nHost: a\r\n%s" JSON_FIELD "Content-Length: 1\r\n\r\n2" HEALTH_CLOSE,
                 bearer, bearer);
    net_send(&world.net, fd, text, (size_t)length);
    serve(&world);
    (void)expect(&world, fd, 200);
    CHECK(is_silent(&world, fd));
    struct hg_batch batch = take(&world, 1);
    commit_with(&world, &batch, stored);
    (void)expect(&world, fd, 202);
    (void)expect(&world, fd, 200);
    CHECK(is_silent(&world, fd));
    batch = take(&world, 1);
    commit_with(&world, &batch, stored);
    (void)expect(&world, fd, 202);
    CHECK(expect(&world, fd, 200).close && is_closed(&world, fd));
    world_close(&world);
}

/* An answer before it that the client does not take, while the message waits for its commit. */
static void test_slow_reader_while_it_waits(void) {
    static char text[2048];
    struct world world;
    world_open(&world, NULL);
    for (int late = 0; late < 2; late++) { /* the client reads before the commit, or after it */
        const int fd = connect_client(&world);
        net_of(&world.net, fd)->window = 10;
        snprintf(text, sizeof text,
                 HEALTH "POST /v1/streams/safe HTTP/1.1\r\nHost: a\r\n%s" JSON_FIELD "Content-Length: 1\r\n\r\n1" HEALTH,
                 bearer);
        net_send(&world.net, fd, text, strlen(text));
        serve(&world);
        struct hg_batch batch = take(&world, 1);
        if (late == 0) {
            net_widen(&world.net, fd, NET_ENDLESS);
            serve(&world);
            (void)expect(&world, fd, 200);
            pass(&world, BODY_MS + TICKS_MS); /* it has read all there was */
            CHECK(is_silent(&world, fd) && !is_closed(&world, fd));
        }
        commit_with(&world, &batch, stored);
        net_widen(&world.net, fd, NET_ENDLESS);
        serve(&world);
        if (late == 1) {
            (void)expect(&world, fd, 200);
        }
        (void)expect(&world, fd, 202);
        (void)expect(&world, fd, 200);
    }
    /* One that never reads is let go; its message is stored. */
    const int fd = connect_client(&world);
    net_of(&world.net, fd)->window = 10;
    net_send(&world.net, fd, text, strlen(text));
    serve(&world);
    pass(&world, BODY_MS + TICKS_MS);
    CHECK(is_closed(&world, fd));
    struct hg_batch batch = take(&world, 1);
    const uint64_t accepted = world.gate.counters.accepted;
    commit_with(&world, &batch, stored);
    CHECK(world.gate.counters.accepted == accepted + 1 && world.plan->users == 0);
    world_close(&world);
}

/* A client that has sent everything and closed its side still gets its answer. */
static void test_half_closed_while_it_waits(void) {
    struct world world;
    world_open(&world, NULL);
    const int fd = connect_client(&world);
    post(&world, fd, "safe", "1");
    net_end(&world.net, fd);
    serve(&world);
    CHECK(!is_closed(&world, fd));
    CHECK(turn(&world, 100) == 0 && world.net.slept_ms > 0); /* does not spin on the end meanwhile */
    struct hg_batch batch = take(&world, 1);
    commit_with(&world, &batch, stored);
    (void)expect(&world, fd, 202);
    CHECK(is_closed(&world, fd));
    world_close(&world);
}

static void test_replays_and_reused_keys(void) {
    static const char *const outcomes[] = {NULL, "6.41", ""};
    struct world world;
    int fds[3];
    world_open(&world, NULL);
    for (int i = 0; i < 3; i++) {
        fds[i] = connect_client(&world);
        post_keyed(&world, fds[i], i == 1 ? "any" : "safe", "k-1", "1"); /* a key waits whatever the durability */
        CHECK(is_silent(&world, fds[i]));
    }
    struct hg_batch batch = take(&world, 3);
    CHECK(batch.head->key.length == 3 && batch.head->waiter != 0);
    commit_with(&world, &batch, outcomes);
    struct answer answer = expect(&world, fds[0], 202);
    CHECK(mentions(&answer, "\"7.1\"") && field_of(&answer, "Idempotent-Replayed").at == NULL);
    answer = expect(&world, fds[1], 202);
    CHECK(mentions(&answer, "\"6.41\"") && mentions(&answer, "\"memory\"") &&
          has_field(&answer, "Idempotent-Replayed", "true"));
    answer = expect_problem(&world, fds[2], 422, "idempotency_key_reused");
    CHECK(!answer.close);
    CHECK(world.gate.counters.replayed == 1 && world.gate.counters.accepted == 1);
    world_close(&world);
}

/* The last value is that of what was stored, not of what was refused. */
static void test_last_values(void) {
    static const char *const outcomes[] = {NULL, ""};
    struct world world;
    world_open(&world, NULL);
    const int fd = connect_client(&world), other = connect_client(&world);
    post_keyed(&world, fd, "safe", "k", "\"first\"");
    post_keyed(&world, other, "safe", "k", "\"second\"");
    struct hg_batch batch = take(&world, 2);
    commit_with(&world, &batch, outcomes);
    (void)expect(&world, fd, 202);
    sayf(&world, fd, "GET /v1/streams/safe/last/dev-1 HTTP/1.1\r\nHost: a\r\n%s\r\n", bearer);
    const struct answer answer = expect(&world, fd, 200);
    CHECK(mentions(&answer, "\"first\""));
    world_close(&world);
}

/* A commit that fails: who waits is told, what was promised is tried again. */
static void test_commit_that_fails(void) {
    struct world world;
    world_open(&world, NULL);
    const int safe = connect_client(&world), memory = connect_client(&world), behind = connect_client(&world);
    post(&world, memory, "any", "\"promised\"");
    (void)expect(&world, memory, 202);
    post(&world, safe, "safe", "1");
    struct hg_batch batch = take(&world, 2);
    post(&world, memory, "any", "\"promised too\"");
    (void)expect(&world, memory, 202);
    post(&world, behind, "safe", "2");
    CHECK(world.intake.rows == 2 && is_silent(&world, behind));
    hg_server_fail(world.server, &batch, &failed, 7);
    CHECK(batch.head == NULL);
    serve(&world);
    const int told_to[] = {safe, behind};
    for (int i = 0; i < 2; i++) {
        const struct answer answer = expect_problem(&world, told_to[i], 503, "storage_failed");
        CHECK(!answer.close && has_field(&answer, "Retry-After", "7") && mentions(&answer, "the disk is full"));
    }
    CHECK(world.intake.rows == 2 && world.plan->users == 0);
    batch = take(&world, 2); /* in the order they came */
    CHECK(memcmp(batch.head->body.at, "\"promised\"", 10) == 0 && batch.head->seq < batch.head->next->seq);
    commit_with(&world, &batch, stored);
    CHECK(world.intake.bytes == 0 && is_silent(&world, memory));
    say(&world, safe, HEALTH);
    (void)expect(&world, safe, 200);
    CHECK(world.gate.counters.accepted == 2 && world.gate.counters.rejected[HG_P_STORAGE_FAILED] == 2);
    world_close(&world);
}

static void test_intake_without_room(void) {
    struct world world;
    world_open(&world, NULL);
    world.intake.max_rows = 1;
    const int fd = connect_client(&world), other = connect_client(&world);
    post(&world, fd, "safe", "1");
    post(&world, other, "safe", "2");
    const struct answer answer = expect_problem(&world, other, 503, "outbox_full");
    CHECK(!answer.close && has_field(&answer, "Retry-After", "1") && is_silent(&world, fd));
    struct hg_batch batch = take(&world, 1);
    commit_with(&world, &batch, stored);
    (void)expect(&world, fd, 202);
    post(&world, other, "safe", "2"); /* there is room again */
    CHECK(is_silent(&world, other) && world.intake.rows == 1);
    world_close(&world);
}

/* Clients that are gone before their commit: the message is stored all the same, and nobody else gets their answer. */
static void test_gone_before_the_commit(void) {
    struct world world;
    world_open(&world, NULL);
    for (int how = 0; how < 4; how++) { /* reset or left; noticed before the release or not */
        const int fd = connect_client(&world);
        post(&world, fd, "safe", "1");
        struct hg_batch batch = take(&world, 1);
        if (how % 2 == 0) {
            net_reset(&world.net, fd);
        } else {
            net_leave(&world.net, fd);
        }
        if (how / 2 == 0) {
            serve(&world);
            pass(&world, 5000);
        }
        const int other = connect_client(&world); /* may sit in the same slot */
        post(&world, other, "safe", "2");
        const uint64_t accepted = world.gate.counters.accepted;
        commit_with(&world, &batch, stored);
        CHECK(is_silent(&world, other) && world.gate.counters.accepted == accepted + 1);
        CHECK(is_closed(&world, fd) && is_silent(&world, fd));
        batch = take(&world, 1);
        commit_with(&world, &batch, stored);
        (void)expect(&world, other, 202);
        net_end(&world.net, other);
        serve(&world);
    }
    CHECK(hg_server_connections(world.server) == 0 && world.intake.bytes == 0 && world.plan->users == 0);
    world_close(&world);
}

/* The answer waits for a client that does not read; others are not kept from theirs. */
static void test_slow_reader_among_those_who_wait(void) {
    struct world world;
    world_open(&world, NULL);
    const int slow = connect_client(&world), quick = connect_client(&world);
    post(&world, slow, "safe", "1");
    post(&world, quick, "safe", "2");
    net_of(&world.net, slow)->window = 10;
    struct hg_batch batch = take(&world, 2);
    commit_with(&world, &batch, stored);
    (void)expect(&world, quick, 202);
    net_widen(&world.net, slow, NET_ENDLESS);
    serve(&world);
    (void)expect(&world, slow, 202);
    world_close(&world);
}

/* The outbox may answer after the server's end. */
static void test_batch_outlives_the_connections(void) {
    struct world world;
    world_open(&world, NULL);
    const int fd = connect_client(&world);
    post(&world, fd, "safe", "1");
    post(&world, connect_client(&world), "safe", "2");
    struct hg_batch batch = take(&world, 2);
    hg_server_abort(world.server);
    serve(&world);
    CHECK(is_closed(&world, fd) && hg_server_connections(world.server) == 0 && world.plan->users == 0);
    commit_with(&world, &batch, stored);
    CHECK(world.gate.counters.accepted == 2 && world.intake.bytes == 0);
    world_close(&world);
}

/* What waits in a freed server: rows are the intake's, and stay. */
static void test_freed_while_they_wait(void) {
    struct world world;
    world_open(&world, NULL);
    post(&world, connect_client(&world), "safe", "1");
    hg_server_unlisten(world.server, world.listener);
    hg_server_free(world.server);
    world.server = NULL;
    CHECK(world.intake.rows == 1);
    world_close(&world);
}

struct ringer {
    struct world *world;
    int fd;
    struct hg_batch *batch;
    bool tell;
};

static bool rung(void *context) {
    const struct ringer *ringer = context;
    net_of(&ringer->world->net, ringer->fd)->ready = false;
    if (ringer->batch != NULL) {
        hg_server_release(ringer->world->server, ringer->batch, NULL, NULL);
    }
    return ringer->tell;
}

/* Another thread has committed: the wait itself answers, and goes on; Python is told only if it asked for that. */
static void test_a_bell_ends_a_commit(void) {
    struct world world;
    struct ringer ringer = {.world = &world};
    world_open(&world, NULL);
    ringer.fd = net_add(&world.net, NET_OTHER);
    CHECK(hg_server_bell(world.server, ringer.fd, rung, &ringer) == 0);
    for (int tell = 0; tell < 2; tell++) {
        const int fd = connect_client(&world);
        post(&world, fd, "safe", "1");
        struct hg_batch batch = take(&world, 1);
        forget_events(&world);
        ringer.batch = &batch;
        ringer.tell = tell == 1;
        net_of(&world.net, ringer.fd)->ready = true;
        CHECK(turn(&world, 100) == 0); /* it is not asyncio's */
        CHECK(told(&world, HG_EVENT_COMMITTED, NULL) == (uint32_t)tell && world.event_count == (uint32_t)tell);
        (void)expect(&world, fd, 202);
        CHECK(batch.head == NULL && world.intake.bytes == 0);
    }
    ringer.batch = NULL; /* nothing for the server */
    ringer.tell = true;
    forget_events(&world);
    net_of(&world.net, ringer.fd)->ready = true;
    CHECK(turn(&world, 100) == 0 && told(&world, HG_EVENT_COMMITTED, NULL) == 1);
    world_close(&world);
}

struct taker {
    struct world *world;
    struct hg_batch batch;
    bool willing;
    uint32_t asked;
    int64_t now_s;
};

static void take_them(void *context, const struct hg_server_limits *limits, const struct hg_clock *clock) {
    struct taker *taker = context;
    taker->asked += 1;
    if (taker->willing) {
        hg_intake_take(&taker->world->intake, limits->batch_rows, limits->batch_bytes, &taker->batch);
        taker->now_s = clock->now_s;
    }
}

/* Rows that are due go to who takes them, and Python hears nothing of it; of those that are not taken it hears as ever. */
static void test_rows_that_are_taken_are_not_told(void) {
    struct world world;
    struct taker taker = {.world = &world};
    world_open(&world, NULL);
    hg_server_taker(world.server, take_them, &taker);
    forget_events(&world);
    for (int willing = 0; willing < 2; willing++) {
        const int fd = connect_client(&world);
        taker.willing = willing == 1;
        taker.asked = 0;
        forget_events(&world);
        post(&world, fd, "safe", "1");
        CHECK(taker.asked >= 1 && told(&world, HG_EVENT_ROWS, NULL) == (willing == 1 ? 0u : 1u));
        struct hg_batch batch = taker.batch;
        if (willing == 0) {
            batch = take(&world, 1);
        }
        CHECK(batch.rows == 1 && world.intake.rows == 0 && (willing == 0 || taker.now_s == world.gate.clock.now_s));
        commit_with(&world, &batch, stored);
        (void)expect(&world, fd, 202);
    }
    taker.asked = 0; /* nobody waits for this one: several of those may share a commit, which is Python's to decide */
    forget_events(&world);
    post(&world, connect_client(&world), "any", "1");
    CHECK(taker.asked == 0);
    world_close(&world);
}

int main(void) {
    test_answered_by_the_commit();
    test_rows_that_are_taken_are_not_told();
    test_a_bell_ends_a_commit();
    test_pipelined_behind_a_commit();
    test_slow_reader_while_it_waits();
    test_half_closed_while_it_waits();
    test_replays_and_reused_keys();
    test_last_values();
    test_commit_that_fails();
    test_intake_without_room();
    test_gone_before_the_commit();
    test_slow_reader_among_those_who_wait();
    test_batch_outlives_the_connections();
    test_freed_while_they_wait();
    return 0;
}
