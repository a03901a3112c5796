/* The native server and the outbox: who waits for a commit, and who is answered when it is done or has failed. Here the test is
 * linux/outbox.py. */
#include "check_server.h"

static const struct hg_problem failed = {503, HG_P_STORAGE_FAILED, false, "the disk is full or failing"};

/* outcomes[i] of row i. */
static const char *outcome_of(void *context, uint32_t index) { return ((const char *const *)context)[index]; }

static void commit_with(struct world *world, struct hg_batch *batch, const char *const *outcomes) {
    hg_server_release(world->server, batch, outcome_of, (void *)(uintptr_t)outcomes);
    CHECK(batch->head == NULL && batch->rows == 0);
    serve(world);
}

static const char *const stored[64] = {NULL};

static struct hg_batch take(struct world *world, uint32_t rows) {
    struct hg_batch batch;
    hg_intake_take(&world->intake, 64, UINT64_MAX, &batch);
    CHECK(batch.rows == rows);
    return batch;
}

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

static const struct world_options lingering = {.batch_rows = 6, .linger_ms = 5, .memory_linger_ms = 1000};

/* Python is told of rows when they are due, and once: a row that somebody waits for sooner than others, a batch at once. */
static void test_rows_are_told_when_due(void) {
    struct world world;
    world_open(&world, &lingering);
    const int fd = connect_client(&world), waiting = connect_client(&world), other = connect_client(&world);
    post(&world, fd, "any", "1");
    pass(&world, 500);
    post(&world, fd, "any", "2");
    pass(&world, 499);
    CHECK(told(&world, HG_EVENT_ROWS, NULL) == 0);
    pass(&world, 1);
    CHECK(told(&world, HG_EVENT_ROWS, NULL) == 1);
    post(&world, waiting, "safe", "3");
    pass(&world, 5000);
    CHECK(told(&world, HG_EVENT_ROWS, NULL) == 1); /* it knows, and takes them all */
    struct hg_batch batch = take(&world, 3);
    forget_events(&world);
    commit_with(&world, &batch, stored);
    (void)expect(&world, waiting, 202);
    post(&world, fd, "any", "4");
    post(&world, waiting, "safe", "5");
    pass(&world, 4);
    post(&world, other, "safe", "6");
    CHECK(told(&world, HG_EVENT_ROWS, NULL) == 0);
    pass(&world, 1);
    CHECK(told(&world, HG_EVENT_ROWS, NULL) == 1);
    batch = take(&world, 3);
    forget_events(&world);
    post(&world, fd, "any", "7"); /* while the batch is on its way to the disk */
    commit_with(&world, &batch, stored);
    pass(&world, 999);
    CHECK(told(&world, HG_EVENT_ROWS, NULL) == 0);
    pass(&world, 1);
    CHECK(told(&world, HG_EVENT_ROWS, NULL) == 1);
    for (int i = 0; i < 5; i++) {
        post(&world, fd, "any", "8");
        CHECK(told(&world, HG_EVENT_ROWS, NULL) == (i < 4 ? 1 : 2)); /* six of them */
    }
    post(&world, fd, "any", "9");
    pass(&world, 2000);
    CHECK(told(&world, HG_EVENT_ROWS, NULL) == 2);
    batch = take(&world, 7);
    forget_events(&world);
    hg_server_fail(world.server, &batch, &failed, 1);
    serve(&world);
    CHECK(told(&world, HG_EVENT_ROWS, NULL) == 1); /* they are due as before */
    world_close(&world);
}

/* Rows of a group are due as soon as everybody whom the last commit answered waits again. */
static void post_all(struct world *world, const int *fds, int count) {
    for (int i = 0; i < count; i++) {
        post(world, fds[i], "safe", "1");
    }
}

static void commit_all(struct world *world, const int *fds, int count) {
    struct hg_batch batch = take(world, (uint32_t)count);
    forget_events(world);
    commit_with(world, &batch, stored);
    for (int i = 0; i < count; i++) {
        (void)expect(world, fds[i], 202);
    }
}

static void test_a_group_that_is_complete_is_due(void) {
    enum { GROUP = HG_GATHERED_ROWS + 2 };
    const struct world_options options = {.linger_ms = 5, .memory_linger_ms = 1000};
    struct world world;
    int fds[GROUP + 1];
    world_open(&world, &options);
    for (int i = 0; i <= GROUP; i++) {
        fds[i] = connect_client(&world);
    }
    post_all(&world, fds, GROUP);
    CHECK(told(&world, HG_EVENT_ROWS, NULL) == 1); /* nobody is missing: nobody was answered before */
    commit_all(&world, fds, GROUP);
    post_all(&world, fds, GROUP - 1);
    post(&world, fds[GROUP], "safe", "1"); /* a newcomer makes up for nobody */
    CHECK(told(&world, HG_EVENT_ROWS, NULL) == 0);
    post_all(&world, fds + GROUP - 1, 1);
    CHECK(told(&world, HG_EVENT_ROWS, NULL) == 1);
    commit_all(&world, fds, GROUP + 1);
    post(&world, fds[0], "any", "1"); /* a commit that answers nobody: those of the last are still expected */
    struct hg_batch batch = take(&world, 1);
    commit_with(&world, &batch, stored);
    (void)expect(&world, fds[0], 202);
    forget_events(&world);
    post_all(&world, fds, GROUP);
    CHECK(told(&world, HG_EVENT_ROWS, NULL) == 0);
    net_end(&world.net, fds[GROUP]); /* whoever goes stays away, like one with a connection for each message */
    serve(&world);
    CHECK(told(&world, HG_EVENT_ROWS, NULL) == 0);
    pass(&world, 5);
    CHECK(told(&world, HG_EVENT_ROWS, NULL) == 1);
    commit_all(&world, fds, GROUP);
    post_all(&world, fds, HG_GATHERED_ROWS - 1); /* three of the group are missing ... */
    pass(&world, 5);
    commit_all(&world, fds, HG_GATHERED_ROWS - 1);
    post_all(&world, fds, HG_GATHERED_ROWS - 1); /* ... and now nobody, but they are few */
    CHECK(told(&world, HG_EVENT_ROWS, NULL) == 0);
    pass(&world, 5);
    CHECK(told(&world, HG_EVENT_ROWS, NULL) == 1);
    world_close(&world);
}

/* A group that comes back while its commit's answers are written is seen, though rows of others had been told of before. */
static void test_a_group_behind_a_commit(void) {
    enum { GROUP = HG_GATHERED_ROWS };
    const struct world_options options = {.linger_ms = 5, .memory_linger_ms = 1000};
    struct world world;
    int fds[2 * GROUP];
    world_open(&world, &options);
    for (int i = 0; i < 2 * GROUP; i++) {
        fds[i] = connect_client(&world);
    }
    post_all(&world, fds, GROUP);
    struct hg_batch batch = take(&world, GROUP);
    post_all(&world, fds + GROUP, GROUP); /* meanwhile */
    forget_events(&world);
    for (int i = 0; i < GROUP; i++) { /* there already when the answers go out */
        say_post(&world, fds[i], "safe", "Content-Length: 1\r\n");
        say(&world, fds[i], "1");
    }
    commit_with(&world, &batch, stored);
    CHECK(told(&world, HG_EVENT_ROWS, NULL) == 1 && world.intake.rows == 2 * GROUP);
    world_close(&world);
}

/* Groups are numbered 1 to 255 over and over: one who comes back after so many takes nobody else's place. */
static void test_numbers_of_groups_come_again(void) {
    struct world world;
    world_open(&world, NULL);
    const int late = connect_client(&world), fd = connect_client(&world);
    post(&world, late, "safe", "1");
    commit_all(&world, &late, 1);
    for (int i = 0; i < UINT8_MAX; i++) {
        post(&world, fd, "safe", "1");
        commit_all(&world, &fd, 1);
    }
    CHECK(world.intake.expected == 1);
    post(&world, fd, "safe", "1");
    CHECK(world.intake.expected == 0);
    post(&world, late, "safe", "1");
    CHECK(world.intake.expected == 0);
    world_close(&world);
}

/* A server with nothing else to do wakes up for them. */
static void test_wait_ends_when_rows_are_due(void) {
    struct world world;
    world_open(&world, &lingering);
    const int fd = connect_client(&world), waiting = connect_client(&world);
    post(&world, fd, "any", "1");
    const uint64_t slept_ms = world.net.slept_ms;
    for (int i = 0; i < 3 && told(&world, HG_EVENT_ROWS, NULL) == 0; i++) { /* one of them ends for the clock */
        CHECK(turn(&world, 10000) == 0);
    }
    CHECK(told(&world, HG_EVENT_ROWS, NULL) == 1 && world.net.slept_ms - slept_ms == 1000);
    struct hg_batch batch = take(&world, 1);
    commit_with(&world, &batch, stored);
    forget_events(&world);
    const int64_t start_us = world.net.now_us;
    post(&world, waiting, "safe", "2");
    for (int i = 0; i < 3 && told(&world, HG_EVENT_ROWS, NULL) == 0; i++) {
        CHECK(turn(&world, -1) == 0);
    }
    CHECK(told(&world, HG_EVENT_ROWS, NULL) == 1 && world.net.now_us - start_us == 5000);
    world_close(&world);
}

/* Refused for want of room on the disk: perhaps something has expired. */
static void test_rows_over_the_budget_are_told(void) {
    struct world world;
    world_open(&world, NULL);
    world.intake.room = 0;
    const int fd = connect_client(&world);
    for (int i = 0; i < 5; i++) {
        post(&world, fd, "any", "1");
        const struct answer answer = expect_problem(&world, fd, 503, "outbox_full");
        CHECK(!answer.close && has_field(&answer, "Retry-After", "30"));
    }
    CHECK(told(&world, HG_EVENT_ROWS, NULL) == 1); /* not for every one */
    world_close(&world);
}

/* As long as nobody waits, several batches are told of at once. */
static void test_batches_nobody_waits_for(void) {
    const struct world_options options = {.batch_rows = 2, .batches = 3, .linger_ms = 10, .memory_linger_ms = 1000};
    struct world world;
    world_open(&world, &options);
    const int fd = connect_client(&world), waiting = connect_client(&world);
    forget_events(&world);
    for (int i = 0; i < 5; i++) {
        post(&world, fd, "any", "1");
    }
    CHECK(told(&world, HG_EVENT_ROWS, NULL) == 0);
    post(&world, fd, "any", "6");
    CHECK(told(&world, HG_EVENT_ROWS, NULL) == 1);
    struct hg_batch batch = take(&world, 6);
    commit_with(&world, &batch, stored);
    forget_events(&world);
    post(&world, fd, "any", "7"); /* fewer: after memory_linger_ms, as ever */
    pass(&world, 990);
    CHECK(told(&world, HG_EVENT_ROWS, NULL) == 0);
    pass(&world, 10);
    CHECK(told(&world, HG_EVENT_ROWS, NULL) == 1);
    batch = take(&world, 1);
    commit_with(&world, &batch, stored);
    forget_events(&world);
    post(&world, fd, "any", "8");
    post(&world, fd, "any", "9");
    CHECK(told(&world, HG_EVENT_ROWS, NULL) == 0);
    post(&world, waiting, "safe", "10"); /* one batch is there, and now somebody waits */
    CHECK(told(&world, HG_EVENT_ROWS, NULL) == 1);
    batch = take(&world, 3);
    commit_with(&world, &batch, stored);
    forget_events(&world);
    post(&world, waiting, "safe", "11");
    CHECK(told(&world, HG_EVENT_ROWS, NULL) == 0);
    post(&world, fd, "any", "12");
    CHECK(told(&world, HG_EVENT_ROWS, NULL) == 1);
    world_close(&world);
}

/* Bytes on their way to the disk count for a batch. Once they are there, what is queued may be none any more, of which Python was
 * told; it is to be told again when it is one. */
static void test_a_batch_that_is_none_any_more(void) {
    const uint64_t row = HG_ROW_OVERHEAD + sizeof "any" - 1 + sizeof "dev-1" - 1 + 1;
    const struct world_options options = {.batch_rows = 3, .batch_bytes = 4 * row, .linger_ms = 10, .memory_linger_ms = 1000};
    struct world world;
    world_open(&world, &options);
    const int fd = connect_client(&world), other = connect_client(&world);
    for (int i = 0; i < 3; i++) {
        post(&world, fd, "any", "1");
    }
    struct hg_batch batch = take(&world, 3);
    forget_events(&world);
    post(&world, fd, "any", "2");
    CHECK(world.intake.bytes == 4 * row && told(&world, HG_EVENT_ROWS, NULL) == 1);
    post(&world, fd, "any", "3");
    say_post(&world, other, "any", "Content-Length: 1\r\n");
    forget_events(&world);
    hg_server_release(world.server, &batch, outcome_of, (void *)(uintptr_t)stored);
    net_send(&world.net, other, "4", 1); /* before the server has looked again */
    serve(&world);
    CHECK(world.intake.rows == 3 && told(&world, HG_EVENT_ROWS, NULL) == 1);
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

/* Rows that come in the same wait as others have gone before it: nobody else would tell of them. */
static void test_rows_are_told_after_a_quick_commit(void) {
    static char text[4096];
    struct world world;
    world_open(&world, NULL);
    const int fd = connect_client(&world);
    snprintf(text, sizeof text, "POST /v1/streams/safe HTTP/1.1\r\nHost: a\r\n%s" JSON_FIELD "Content-Length: 1\r\n\r\n1",
             bearer);
    for (int i = 0; i < 4; i++) {
        net_send(&world.net, fd, text, strlen(text));
    }
    for (int i = 0; i < 4; i++) {
        forget_events(&world);
        CHECK(turn(&world, -1) == 0 && told(&world, HG_EVENT_ROWS, NULL) == 1);
        struct hg_batch batch = take(&world, 1);
        hg_server_release(world.server, &batch, outcome_of, (void *)(uintptr_t)stored);
    }
    serve(&world);
    for (int i = 0; i < 4; i++) {
        (void)expect(&world, fd, 202);
    }
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

int main(void) {
    test_answered_by_the_commit();
    test_a_bell_ends_a_commit();
    test_pipelined_behind_a_commit();
    test_slow_reader_while_it_waits();
    test_half_closed_while_it_waits();
    test_replays_and_reused_keys();
    test_last_values();
    test_commit_that_fails();
    test_rows_are_told_when_due();
    test_a_group_that_is_complete_is_due();
    test_a_group_behind_a_commit();
    test_numbers_of_groups_come_again();
    test_wait_ends_when_rows_are_due();
    test_rows_over_the_budget_are_told();
    test_batches_nobody_waits_for();
    test_a_batch_that_is_none_any_more();
    test_intake_without_room();
    test_rows_are_told_after_a_quick_commit();
    test_gone_before_the_commit();
    test_slow_reader_among_those_who_wait();
    test_batch_outlives_the_connections();
    test_freed_while_they_wait();
    return 0;
}
