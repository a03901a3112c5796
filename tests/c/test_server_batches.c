/* The native server and the outbox: when Python is told that there is something to commit. */
#include "check_commit.h"

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

/* From three quarters on nothing more is promised: whoever sends waits for the commit, which is due at once. */
static void test_who_sends_to_a_crowded_queue_waits(void) {
    const struct world_options options = {.batch_rows = 6, .batches = 3, .linger_ms = 10, .memory_linger_ms = 1000};
    struct world world;
    world_open(&world, &options);
    world.intake.max_rows = 8;
    const int fd = connect_client(&world), other = connect_client(&world), third = connect_client(&world);
    forget_events(&world);
    for (int i = 0; i < 6; i++) {
        CHECK(told(&world, HG_EVENT_ROWS, NULL) == 0);
        post(&world, fd, "any", "1");
        (void)expect(&world, fd, 202);
    }
    CHECK(told(&world, HG_EVENT_ROWS, NULL) == 1); /* of less than three batches */
    post(&world, fd, "any", "7");
    post(&world, other, "any", "8");
    CHECK(is_silent(&world, fd) && is_silent(&world, other) && world.gate.counters.accepted == 6);
    post(&world, third, "any", "9"); /* quite full */
    (void)expect_problem(&world, third, 503, "outbox_full");
    struct hg_batch batch = take(&world, 8);
    post(&world, third, "any", "9"); /* there is room, so it need not wait */
    (void)expect(&world, third, 202);
    CHECK(is_silent(&world, fd) && is_silent(&world, other));
    commit_with(&world, &batch, stored);
    const struct answer answer = expect(&world, fd, 202);
    CHECK(mentions(&answer, "\"durability\":\"memory\"") && !answer.close);
    (void)expect(&world, other, 202);
    CHECK(world.gate.counters.accepted == 9 && world.plan->users == 0);
    sayf(&world, fd, "GET /v1/streams/any/last/dev-1 HTTP/1.1\r\nHost: a\r\n%s\r\n", bearer);
    const struct answer last = expect(&world, fd, 200); /* of the message that came last, not of the one answered last */
    CHECK(mentions(&last, "9"));
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

int main(void) {
    test_rows_are_told_when_due();
    test_a_group_that_is_complete_is_due();
    test_a_group_behind_a_commit();
    test_numbers_of_groups_come_again();
    test_wait_ends_when_rows_are_due();
    test_rows_over_the_budget_are_told();
    test_batches_nobody_waits_for();
    test_who_sends_to_a_crowded_queue_waits();
    test_a_batch_that_is_none_any_more();
    test_rows_are_told_after_a_quick_commit();
    return 0;
}
