/* core/serve_message.c: receipts of memory and of the disk, keys, traces, last values; and no memory for any of it. */
#include "check_serve.h"

#define JSON "Content-Type: application/json\r\n"
#define CBOR "Content-Type: application/cbor\r\n"
#define TRACE "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

static struct scene scene;
static const struct hg_view nothing = {(const uint8_t *)"", 0};

static bool view_is(struct hg_view view, const char *text) {
    return view.at != NULL && view.length == strlen(text) && memcmp(view.at, text, view.length) == 0;
}

/* The only row that is queued, taken; to be given back with hg_batch_release. */
static const struct hg_row *take_one(struct hg_batch *batch) {
    hg_intake_take(&scene.intake, 8, 1 << 20, batch);
    CHECK(batch->rows == 1);
    return batch->head;
}

static int committed(const struct hg_row *row, struct hg_view replayed) {
    scene.output.length = 0;
    hg_serve_committed(&scene.gate, row, replayed, &scene.visit, &scene.output);
    return hear(&scene, false);
}

static int failed(const struct hg_row *row, const struct hg_problem *problem, uint32_t retry_s) {
    scene.output.length = 0;
    hg_serve_failed(&scene.gate, row, problem, retry_s, &scene.visit, &scene.output);
    return hear(&scene, false);
}

static void test_memory_durability_answers_at_once(void) {
    struct hg_batch batch;
    const struct hg_row *row;
    scene_open(&scene, 4096);
    CHECK(ask_with(&scene, "POST", "/v1/streams/any", JSON "traceparent: " TRACE "\r\n", "[1]") == 202);
    CHECK(strcmp(scene.answer, "HTTP/1.1 202 Accepted\r\nDate: Fri, 15 Jan 2027 08:00:00 GMT\r\nContent-Type: application/json\r\n"
                               "Content-Length: 35\r\n\r\n{\"seq\":\"7.1\",\"durability\":\"memory\"}") == 0);
    row = take_one(&batch);
    CHECK(row->seq == 1 && row->flags == HG_ROW_PROMISED && row->waiter == 0 && row->ts_ms == INT64_C(1800000000000));
    CHECK(view_is(row->stream, "any") && view_is(row->client, "dev-1") && view_is(row->body, "[1]") && row->key.at == NULL);
    CHECK(view_is(row->trace, TRACE) && view_is(row->last, "last/any/dev-1") && row->at_ms == 1000);
    hg_serve_committed(&scene.gate, row, nothing, NULL, NULL); /* nobody waits: counted and cached, whoever commits */
    hg_batch_release(&scene.intake, &batch);
    CHECK(ask(&scene, "GET", "/v1/streams/any/last/dev-1") == 200 && strcmp(body_of(&scene), "[1]") == 0);
    CHECK(says(&scene, "\r\nContent-Type: application/json\r\n") && says(&scene, "\r\nCache-Control: no-cache\r\n"));
    scene.clock.state = HG_CLOCK_UNSET;
    at_ms(&scene, 1000);
    CHECK(ask_with(&scene, "POST", "/v1/streams/any", CBOR, "\x01") == 202);
    row = take_one(&batch);
    CHECK(row->ts_ms == -1 && row->flags == (HG_ROW_PROMISED | HG_ROW_CBOR) && row->trace.at == NULL);
    hg_batch_release(&scene.intake, &batch);
    CHECK(ask(&scene, "GET", "/v1/streams/any/last/dev-1") == 200);
    CHECK(says(&scene, "\r\nContent-Type: application/cbor\r\n") && strcmp(body_of(&scene), "\x01") == 0);
    scene_close(&scene);
}

static void test_fsync_durability_answers_after_the_commit(void) {
    static const struct hg_problem lost = {503, HG_P_STORAGE_FAILED, false, "the disk is full"};
    static const struct hg_problem reused = {422, HG_P_IDEMPOTENCY_KEY_REUSED, false, ""};
    struct hg_batch batch;
    const struct hg_row *row;
    scene_open(&scene, 4096);
    CHECK(ask_with(&scene, "POST", "/v1/streams/safe", JSON "Idempotency-Key: \"k-1\"\r\n", "{}") == -2);
    row = take_one(&batch);
    CHECK(row->flags == HG_ROW_DURABLE && row->waiter == WAITER && view_is(row->key, "k-1"));
    CHECK(ask(&scene, "GET", "/v1/streams/safe/last/dev-1") == 404); /* not before */
    say(&scene, "POST", "/v1/streams/safe", JSON, 2);
    CHECK(serve_head(&scene) == HG_SERVED_BODY); /* the visit of one that waits */
    CHECK(serve_body(&scene, "[]") == HG_SERVED_LATER);
    at_ms(&scene, 1012);
    CHECK(committed(row, nothing) == 202);
    CHECK(strcmp(body_of(&scene), "{\"seq\":\"7.1\",\"durability\":\"fsync\"}") == 0 && !says(&scene, "Replayed"));
    CHECK(scene.gate.counters.accepted == 1 && scene.gate.counters.latency_ms == 12);
    CHECK(committed(row, text_of("6.99")) == 202 && says(&scene, "\r\nIdempotent-Replayed: true\r\n"));
    CHECK(strcmp(body_of(&scene), "{\"seq\":\"6.99\",\"durability\":\"fsync\"}") == 0);
    CHECK(scene.gate.counters.accepted == 1 && scene.gate.counters.replayed == 1);
    CHECK(failed(row, &lost, 3) == 503 && problem_is(&scene, "storage_failed") && says(&scene, "\r\nRetry-After: 3\r\n"));
    CHECK(says(&scene, "\"detail\":\"the disk is full\",\"instance\":\"/v1/streams/safe\""));
    CHECK(failed(row, &reused, 0) == 422 && problem_is(&scene, "idempotency_key_reused") && !says(&scene, "Retry-After"));
    hg_serve_failed(&scene.gate, row, &lost, 3, NULL, NULL); /* its client is gone: counted */
    CHECK(scene.gate.counters.rejected[HG_P_STORAGE_FAILED] == 2 && scene.gate.counters.problems[HG_P_STORAGE_FAILED] == 1);
    hg_batch_release(&scene.intake, &batch);
    CHECK(ask(&scene, "GET", "/v1/streams/safe/last/dev-1") == 200 && strcmp(body_of(&scene), "{}") == 0);
    /* With a key, memory durability has to wait as well: only the commit knows whether it is a replay. */
    row = take_one(&batch);
    hg_batch_release(&scene.intake, &batch);
    CHECK(ask_with(&scene, "POST", "/v1/streams/any", JSON "Idempotency-Key: a\r\n", "1") == -2);
    row = take_one(&batch);
    CHECK(row->flags == 0 && row->waiter == WAITER);
    CHECK(committed(row, nothing) == 202 && strcmp(body_of(&scene), "{\"seq\":\"7.3\",\"durability\":\"memory\"}") == 0);
    hg_batch_release(&scene.intake, &batch);
    scene_close(&scene);
}

static void test_an_intake_that_refuses(void) {
    scene_open(&scene, 4096);
    scene.intake.room = 100; /* a row is charged 64 bytes beside body and names */
    CHECK(ask_with(&scene, "POST", "/v1/streams/safe", JSON, "\"0123456789012345678901234567\"") == 503);
    CHECK(problem_is(&scene, "outbox_full") && says(&scene, "\r\nRetry-After: 30\r\n"));
    scene.intake.room = UINT64_MAX;
    for (int row = 0; row < 8; row++) {
        CHECK(ask_with(&scene, "POST", "/v1/streams/safe", JSON, "1") == -2);
    }
    CHECK(ask_with(&scene, "POST", "/v1/streams/any", JSON, "1") == 503 && problem_is(&scene, "outbox_full"));
    CHECK(says(&scene, "\r\nRetry-After: 1\r\n"));
    scene.intake.refuse_until_ms = 3500;
    CHECK(ask_with(&scene, "POST", "/v1/streams/safe", JSON, "1") == 503 && problem_is(&scene, "storage_failed"));
    CHECK(says(&scene, "\r\nRetry-After: 3\r\n"));
    scene.intake.closing = true;
    CHECK(ask_with(&scene, "POST", "/v1/streams/any", JSON, "1") == 503 && problem_is(&scene, "draining"));
    CHECK(scene.gate.counters.accepted == 0 && scene.gate.counters.rejected[HG_P_OUTBOX_FULL] == 2);
    CHECK(ask(&scene, "GET", "/v1/streams/any/last/dev-1") == 404); /* what was not taken is not cached */
    scene_close(&scene);
}

static void test_idempotency_keys(void) {
    static const struct {
        const char *sent, *kept; /* NULL: refused */
    } rows[] = {
        {"a", "a"}, {"\"a\"", "a"}, {"!~", "!~"}, {"\"", NULL}, {"\"\"", NULL}, {"", NULL},
        {"a\"b", NULL}, {"\"a\"b\"", NULL}, {"a b", NULL}, {"a\tb", NULL}, {"\xc3\xa9", NULL}, {"\"a", NULL},
    };
    char fields[200], key[131];
    struct hg_batch batch;
    scene_open(&scene, 4096);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        snprintf(fields, sizeof fields, JSON "Idempotency-Key: %s\r\n", rows[i].sent);
        CHECK(ask_with(&scene, "POST", "/v1/streams/any", fields, "1") == (rows[i].kept == NULL ? 400 : -2));
        if (rows[i].kept == NULL) {
            CHECK(problem_is(&scene, "bad_idempotency_key") && says(&scene, "1 to 128 visible ASCII characters"));
        } else {
            CHECK(view_is(take_one(&batch)->key, rows[i].kept));
            hg_batch_release(&scene.intake, &batch);
        }
    }
    for (uint32_t length = 128; length <= 130; length++) { /* quotes are not counted */
        memset(key, 'k', length);
        key[length] = '\0';
        snprintf(fields, sizeof fields, JSON "Idempotency-Key: %s\r\n", key);
        CHECK(ask_with(&scene, "POST", "/v1/streams/any", fields, "1") == (length == 128 ? -2 : 400));
        if (length == 130) {
            key[0] = key[129] = '"';
            snprintf(fields, sizeof fields, JSON "Idempotency-Key: %s\r\n", key);
            CHECK(ask_with(&scene, "POST", "/v1/streams/any", fields, "1") == -2);
        }
    }
    scene_close(&scene);
}

static void test_traces(void) {
    static const struct {
        const char *sent;
        bool valid;
    } rows[] = {
        {TRACE, true},
        {"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", true}, /* of a later version */
        {"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true},
        {"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.more", false},
        {TRACE "-more", false},
        {"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false},
        {"00-00000000000000000000000000000000-b7ad6b7169203331-01", false},
        {"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false},
        {"00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false},
        {"00-0af7651916cd43dd8448eb211c80319cb-7ad6b7169203331-01", false},
        {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0", false},
        {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g", false},
        {"", false},
    };
    char fields[200];
    struct hg_batch batch;
    scene_open(&scene, 4096);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct hg_row *row;
        snprintf(fields, sizeof fields, JSON "traceparent: %s\r\n", rows[i].sent);
        CHECK(ask_with(&scene, "POST", "/v1/streams/any", fields, "1") == 202);
        row = take_one(&batch);
        CHECK((row->trace.at != NULL) == rows[i].valid);
        CHECK(!rows[i].valid || (row->trace.length == 55 && memcmp(row->trace.at, rows[i].sent, 55) == 0));
        hg_batch_release(&scene.intake, &batch);
    }
    scene_close(&scene);
}

static void test_whose_last_value(void) {
    static const struct {
        const char *station; /* JSON */
        const char *last;    /* key after last/weather/; NULL: none is kept */
    } rows[] = {
        {"\"st-1\"", "st-1"},  {"\"\\u0041\\/\"", "A/"}, {"12", "12"}, {"-0", "0"}, {"1.50e1", "15"}, {"1e3", "1000"},
        {"1.5", NULL},         {"\"\"", NULL},           {"true", NULL}, {"null", NULL}, {"[1]", NULL}, {"{}", NULL},
    };
    char body[400], expected[80];
    struct hg_batch batch;
    scene_open(&scene, 4096);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct hg_row *row;
        snprintf(body, sizeof body, "{\"t\":1,\"station\":%s}", rows[i].station);
        CHECK(ask_with(&scene, "POST", "/v1/streams/weather", JSON, body) == 202);
        row = take_one(&batch);
        snprintf(expected, sizeof expected, "last/weather/%s", rows[i].last == NULL ? "" : rows[i].last);
        CHECK(rows[i].last == NULL ? row->last.length == 0 : view_is(row->last, expected));
        CHECK(row->last_ttl_ms == 5000);
        hg_batch_release(&scene.intake, &batch);
    }
    CHECK(ask(&scene, "GET", "/v1/streams/weather/last/st-1") == 200 && says(&scene, "\r\nCache-Control: max-age=5\r\n"));
    CHECK(ask(&scene, "GET", "/v1/streams/weather/last/A%2F") == 404); /* a segment more: no such route */
    at_ms(&scene, 6000);
    CHECK(ask(&scene, "GET", "/v1/streams/weather/last/st-1") == 404 && problem_is(&scene, "no_last_value"));
    for (size_t length = 243; length <= 244; length++) { /* a key has at most 256 bytes; 13 are the prefix */
        char path[400] = "/v1/streams/weather/last/", name[245];
        memset(name, 'n', length);
        name[length] = '\0';
        snprintf(body, sizeof body, "{\"t\":1,\"station\":\"%s\"}", name);
        CHECK(ask_with(&scene, "POST", "/v1/streams/weather", JSON, body) == 202);
        CHECK(take_one(&batch)->last.length == (length == 243 ? 256 : 13 + 1 + 32)); /* NUL and a hash */
        hg_batch_release(&scene.intake, &batch);
        CHECK(ask(&scene, "GET", strcat(path, name)) == 200 && strcmp(body_of(&scene), body) == 0);
    }
    scene_close(&scene);
}

static void test_violations_are_in_the_order_of_the_document(void) {
    const char *first, *second;
    scene_open(&scene, 4096);
    CHECK(ask_with(&scene, "POST", "/v1/streams/weather", JSON, "{\"u\":\"x\",\"t\":100}") == 422);
    first = strstr(scene.answer, "{\"instance\":\"/u\",\"schema\":\"/properties/u/type\",\"message\":\"");
    second = strstr(scene.answer, "{\"instance\":\"/t\",\"schema\":\"/properties/t/maximum\",\"message\":\"");
    CHECK(first != NULL && second != NULL && first < second && says(&scene, ",\"errors\":[{"));
    CHECK(ask_with(&scene, "POST", "/v1/streams/weather", JSON, "{\"t\":100,\"u\":1,}") == 400); /* further on it is worse */
    CHECK(problem_is(&scene, "malformed_json") && says(&scene, " at byte 15\""));
    CHECK(ask_with(&scene, "POST", "/v1/streams/any", JSON, "{\"a\":1,\"a\":2}") == 400);
    CHECK(scene.gate.counters.rejected[HG_P_SCHEMA_VIOLATION] == 1 && scene.gate.counters.rejected[HG_P_MALFORMED_JSON] == 2);
    scene_close(&scene);
}

/* Every request of a life, with the n-th allocation failing: each gives a whole answer, or says that it could not be written. */
static bool live(long fail_at) {
    static const struct {
        const char *method, *path, *fields, *body;
        int status;
    } rows[] = {
        {"GET", "/healthz", "", NULL, 200},
        {"PUT", "/v1/cache/k", "", "one", 201},
        {"PUT", "/v1/cache/k", "", "longer", 204},
        {"GET", "/v1/cache/k", "", NULL, 200},
        {"GET", "/v1/cache/k", "If-Match: \"x\"\r\n", NULL, 412},
        {"DELETE", "/v1/cache/none", "", NULL, 404},
        {"POST", "/v1/streams/weather", JSON, "{\"t\":1,\"station\":\"\\u0041\"}", 202},
        {"POST", "/v1/streams/weather", JSON, "{\"t\":\"x\",\"u\":\"y\"}", 422},
        {"POST", "/v1/streams/any", JSON, "{", 400},
        {"POST", "/v1/streams/safe", JSON "Idempotency-Key: k\r\n", "1", -2},
        {"POST", "/v1/streams/other", JSON, "1", 404},
        {"POST", "/v1/streams/slow", JSON, "1", 202},
        {"POST", "/v1/streams/slow", JSON, "1", 202},
        {"POST", "/v1/streams/slow", JSON, "1", 429},
    };
    struct hg_batch batch;
    bool reached = false; /* an allocation has failed */
    scene_open(&scene, 4096);
    scene.heap.fail_at = fail_at;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const int status = ask_with(&scene, rows[i].method, rows[i].path, rows[i].fields, rows[i].body);
        const bool now = fail_at > 0 && scene.heap.fail_at <= 0 && !reached;
        if (now) {
            /* No answer, an answer that says so, or one without its details. */
            CHECK(status == 0 || status == 503 || status == rows[i].status);
            CHECK(status != 503 || problem_is(&scene, "out_of_memory"));
        } else {
            /* What a request before it could not store is not there, or has taken no rate. */
            CHECK(status == rows[i].status || (reached && status != 0 && status != 503));
        }
        reached = reached || now;
        check_store(&scene.store);
        check_limiter(&scene.limiter);
    }
    scene.scopes = "none";
    (void)ask(&scene, "GET", "/v1/cache/k");
    hg_intake_take(&scene.intake, 8, 1 << 20, &batch);
    for (const struct hg_row *row = batch.head; row != NULL; row = row->next) {
        scene.output.length = 0;
        scene.output.failed = false;
        hg_serve_committed(&scene.gate, row, nothing, &scene.visit, &scene.output);
        (void)hear(&scene, false);
    }
    hg_batch_release(&scene.intake, &batch);
    scene_close(&scene);
    return reached;
}

static void test_no_memory_at_every_point(void) {
    long points = 0;
    CHECK(!live(-1));
    while (live(points + 1)) {
        points += 1;
    }
    CHECK(points > 20);
}

int main(void) {
    test_memory_durability_answers_at_once();
    test_fsync_durability_answers_after_the_commit();
    test_an_intake_that_refuses();
    test_idempotency_keys();
    test_traces();
    test_whose_last_value();
    test_violations_are_in_the_order_of_the_document();
    test_no_memory_at_every_point();
    return 0;
}
