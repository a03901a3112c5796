/* gRPC calls on HTTP/2's streams: peers that do not take what they asked for, or do not end what is over. What calls mean: test_grpc.c. */
#include "check_http2.h"

enum { VERDICT = 7 }; /* bytes of an answer that says no more than that it is valid, with what stands before it */

static const uint8_t question[] = "\0\0\0\0\12\12\3any\32\3[1]"; /* a ValidateRequest */
static const uint8_t no_window[6] = {0, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0, 0, 0, 0};

static void begin(struct world *world, const struct h2_client *client, uint32_t stream, const char *method, const char *timeout) {
    uint8_t block[4096];
    char path[64];
    uint32_t length;
    snprintf(path, sizeof path, "/headgate.v1.Validator/%s", method);
    length = h2_head(block, "POST", path, "application/grpc");
    if (timeout != NULL) {
        length += h2_field(block + length, "grpc-timeout", timeout);
    }
    h2_say(world, client, NGHTTP2_HEADERS, WHOLE, stream, block, length);
}

static void ask(struct world *world, const struct h2_client *client, uint32_t stream, uint8_t flags) {
    h2_say(world, client, NGHTTP2_DATA, flags, stream, question, sizeof question - 1);
    serve(world);
}

static void grant(struct world *world, const struct h2_client *client, uint32_t stream, uint8_t bytes) {
    const uint8_t increment[4] = {0, 0, 0, bytes};
    h2_say(world, client, NGHTTP2_WINDOW_UPDATE, 0, stream, increment, sizeof increment);
    serve(world);
}

/* A window that stays shut: the stream ends when a body's time is up, and the connection goes on. */
static void test_not_taken(void) {
    struct world world;
    struct hg_library *library = h2_world(&world, NULL);
    struct h2_client client = h2_connect(&world);
    struct h2_answer answer = {.stream = 1};
    h2_say(&world, &client, NGHTTP2_SETTINGS, 0, 0, no_window, sizeof no_window);
    begin(&world, &client, 1, "ValidateOne", NULL);
    ask(&world, &client, 1, FIN);
    pass(&world, BODY_MS - TICKS_MS);
    CHECK(h2_listen(&world, &client, &answer, 1) == -1 && answer.status == 200 && answer.length == 0 && !answer.reset);
    pass(&world, 2 * TICKS_MS);
    CHECK(h2_listen(&world, &client, &answer, 1) == -1 && answer.reset && answer.code == NGHTTP2_CANCEL && !answer.ended);
    answer = (struct h2_answer){.stream = 3};
    begin(&world, &client, 3, "ValidateOne", NULL);
    ask(&world, &client, 3, FIN);
    grant(&world, &client, 3, VERDICT);
    CHECK(h2_listen(&world, &client, &answer, 1) == -1 && answer.ended && answer.length == VERDICT);
    h2_forget(&client);
    h2_world_close(&world, library);
}

/* A stream may last as long as it likes while its answers are taken, each as fast as a body; a byte now and then is not enough. */
static void test_taken_slowly(void) {
    struct world world;
    struct hg_library *library = h2_world(&world, NULL);
    struct h2_client client = h2_connect(&world);
    struct h2_answer answer = {.stream = 1};
    h2_say(&world, &client, NGHTTP2_SETTINGS, 0, 0, no_window, sizeof no_window);
    begin(&world, &client, 1, "Validate", NULL);
    ask(&world, &client, 1, 0);
    for (uint32_t turn = 1; turn <= 4; turn++) { /* there is always something that waits */
        pass(&world, BODY_MS / 2);
        ask(&world, &client, 1, 0);
        grant(&world, &client, 1, VERDICT);
        CHECK(h2_listen(&world, &client, &answer, 1) == -1 && answer.length == turn * VERDICT && !answer.reset);
    }
    for (uint32_t byte = 1; byte < VERDICT; byte++) {
        pass(&world, BODY_MS / VERDICT);
        grant(&world, &client, 1, 1);
    }
    CHECK(h2_listen(&world, &client, &answer, 1) == -1 && answer.length == 5 * VERDICT - 1 && !answer.reset);
    pass(&world, BODY_MS / VERDICT + TICKS_MS);
    CHECK(h2_listen(&world, &client, &answer, 1) == -1 && answer.reset && answer.code == NGHTTP2_CANCEL);
    h2_forget(&client);
    h2_world_close(&world, library);
}

/* The deadline of a call whose answer waits: the status follows the answer, if that is taken in time. */
static void test_deadline_of_what_waits(void) {
    struct world world;
    struct hg_library *library = h2_world(&world, NULL);
    struct h2_client client = h2_connect(&world);
    struct h2_answer answers[2] = {{.stream = 1}, {.stream = 3}};
    h2_say(&world, &client, NGHTTP2_SETTINGS, 0, 0, no_window, sizeof no_window);
    for (uint32_t i = 0; i < 2; i++) {
        begin(&world, &client, answers[i].stream, "Validate", "20m");
        ask(&world, &client, answers[i].stream, 0);
    }
    pass(&world, 20 + TICKS_MS);
    grant(&world, &client, 1, VERDICT);
    CHECK(h2_listen(&world, &client, answers, 2) == -1);
    CHECK(answers[0].length == VERDICT && answers[0].ended && !answers[1].ended && !answers[1].reset);
    pass(&world, BODY_MS);
    CHECK(h2_listen(&world, &client, answers, 2) == -1);
    CHECK(!answers[1].ended && answers[1].reset && answers[1].code == NGHTTP2_CANCEL);
    h2_forget(&client);
    h2_world_close(&world, library);
}

/* A call that has failed, and a client that keeps its side open: that is ended for it. */
static void test_not_ended(void) {
    struct world world;
    struct hg_library *library = h2_world(&world, NULL);
    struct h2_client client = h2_connect(&world);
    struct h2_answer answer = {.stream = 1};
    begin(&world, &client, 1, "Validate", NULL);
    h2_say(&world, &client, NGHTTP2_DATA, 0, 1, "\2\0\0\0\0", 5); /* neither compressed nor not */
    serve(&world);
    CHECK(h2_listen(&world, &client, &answer, 1) == -1 && answer.ended && !answer.reset);
    pass(&world, IDLE_MS + TICKS_MS);
    CHECK(h2_listen(&world, &client, &answer, 1) == -1 && answer.reset && answer.code == NGHTTP2_NO_ERROR);
    CHECK(!is_closed(&world, client.fd));
    h2_forget(&client);
    h2_world_close(&world, library);
}

/* One that has failed at once, before the server heard of it: so many of them that they would be a flood of resets. */
static void test_not_ended_from_the_start(void) {
    struct world world;
    struct hg_library *library = h2_world(&world, NULL);
    struct h2_client client = h2_connect(&world);
    static uint8_t block[16384];
    static char large[9000]; /* more than the metadata may have */
    for (uint32_t stream = 1; stream < 2 * 2 * HG_HTTP2_RESETS; stream += 4) {
        struct h2_answer answers[2] = {{.stream = stream}, {.stream = stream + 2}};
        uint32_t length = h2_head(block, "POST", "/headgate.v1.Validator/Validate", "application/grpc");
        memset(large, 'a', sizeof large - 1);
        length += h2_field(block + length, "x-large", large);
        begin(&world, &client, stream, "None", NULL);
        h2_say(&world, &client, NGHTTP2_HEADERS, WHOLE, stream + 2, block, length);
        serve(&world);
        CHECK(h2_listen(&world, &client, answers, 2) == -1);
        for (uint32_t i = 0; i < 2; i++) {
            CHECK(answers[i].status == 200 && answers[i].ended && answers[i].reset && answers[i].code == NGHTTP2_NO_ERROR);
        }
    }
    CHECK(hg_library_counters(library)->streams == 0 && !is_closed(&world, client.fd));
    h2_forget(&client);
    h2_world_close(&world, library);
}

/* One whose answer waits for the window while its virtual connection is found idle. */
static void test_not_ended_and_not_taken(void) {
    const struct world_options options = {.idle_ms = BODY_MS / 2};
    struct world world;
    struct hg_library *library = h2_world(&world, &options);
    struct h2_client client = h2_connect(&world);
    struct h2_answer answer = {.stream = 1};
    h2_say(&world, &client, NGHTTP2_SETTINGS, 0, 0, no_window, sizeof no_window);
    begin(&world, &client, 1, "Validate", NULL);
    ask(&world, &client, 1, 0);
    pass(&world, options.idle_ms + TICKS_MS);
    CHECK(h2_listen(&world, &client, &answer, 1) == -1 && answer.status == 200 && answer.length == 0 && !answer.reset);
    grant(&world, &client, 1, VERDICT);
    CHECK(h2_listen(&world, &client, &answer, 1) == -1 && answer.length == VERDICT && answer.ended);
    CHECK(answer.reset && answer.code == NGHTTP2_NO_ERROR && hg_library_counters(library)->streams == 0);
    CHECK(!is_closed(&world, client.fd));
    h2_forget(&client);
    h2_world_close(&world, library);
}

/* A call that had begun when the server was told to stop: its message is served, and the answer is the status too, whether the client
 * ends its side with the message or after the answer. */
static void test_drain(void) {
    struct world world;
    struct hg_library *library = h2_world(&world, NULL);
    struct h2_client client = h2_connect(&world);
    static struct h2_answer answers[2];
    memset(answers, 0, sizeof answers);
    for (uint32_t i = 0; i < 2; i++) {
        answers[i].stream = 1 + 2 * i;
        begin(&world, &client, answers[i].stream, "ValidateOne", NULL);
    }
    serve(&world);
    hg_server_drain(world.server);
    serve(&world);
    ask(&world, &client, 1, FIN);
    ask(&world, &client, 3, 0);
    CHECK(h2_listen(&world, &client, answers, 2) == NGHTTP2_NO_ERROR);
    for (uint32_t i = 0; i < 2; i++) {
        CHECK(answers[i].length == VERDICT && answers[i].ended && strcmp(answers[i].grpc_status, "0") == 0);
    }
    h2_forget(&client);
    h2_world_close(&world, library);
}

/* Messages that are not whole, as many as can be begun: they take only so much, and others are served. */
static void test_not_whole(void) {
    static const uint8_t prefix[5] = {0, HG_GRPC_MESSAGE >> 24 & 255, HG_GRPC_MESSAGE >> 16 & 255, HG_GRPC_MESSAGE >> 8 & 255, HG_GRPC_MESSAGE & 255};
    static const uint8_t piece[16384];
    static struct h2_answer answer;
    struct world world;
    struct hg_library *library = h2_world(&world, NULL);
    struct h2_client client = h2_connect(&world), other = h2_connect(&world);
    const uint64_t before = hg_server_memory(world.server);
    uint32_t refused = 0;
    for (uint32_t stream = 1; stream < 2 * HG_HTTP2_STREAMS; stream += 2) {
        memset(&answer, 0, sizeof answer);
        answer.stream = stream;
        begin(&world, &client, stream, "ValidateOne", NULL);
        h2_say(&world, &client, NGHTTP2_DATA, 0, stream, prefix, sizeof prefix);
        for (uint32_t at = 0; at + sizeof piece < HG_GRPC_MESSAGE && !answer.ended; at += (uint32_t)sizeof piece) {
            h2_say(&world, &client, NGHTTP2_DATA, 0, stream, piece, sizeof piece);
            serve(&world);
            CHECK(h2_listen(&world, &client, &answer, 1) == -1 && !answer.reset);
        }
        CHECK(!answer.ended || strcmp(answer.grpc_status, "14") == 0);
        refused += answer.ended;
    }
    CHECK(refused != 0 && refused < HG_HTTP2_STREAMS);
    CHECK(hg_server_memory(world.server) - before < HG_GRPC_HELD + 2 * HG_GRPC_MESSAGE + HG_HTTP2_STREAMS * 4096);
    memset(&answer, 0, sizeof answer);
    answer.stream = 1;
    begin(&world, &other, 1, "ValidateOne", NULL);
    ask(&world, &other, 1, FIN);
    CHECK(h2_listen(&world, &other, &answer, 1) == -1 && answer.ended && strcmp(answer.grpc_status, "0") == 0);
    h2_forget(&client);
    h2_forget(&other);
    h2_world_close(&world, library);
}

int main(void) {
    test_not_whole();
    test_not_taken();
    test_taken_slowly();
    test_deadline_of_what_waits();
    test_not_ended();
    test_not_ended_from_the_start();
    test_not_ended_and_not_taken();
    test_drain();
    return 0;
}
