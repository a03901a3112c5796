/* core/serve*.c: routes, refusals and the cache. What is said is the twin's; tests/wire compares the two over sockets. */
#include "check_serve.h"

#define JSON "Content-Type: application/json\r\n"
#define CBOR "Content-Type: application/cbor\r\n"

static struct scene scene;

static void test_routes(void) {
    static const struct {
        const char *method, *path, *fields, *body;
        int status; /* -1: for the twin */
        const char *words;
    } rows[] = {
        {"GET", "/healthz", "", NULL, 200, "\r\n\r\n{\"status\":\"ok\"}"},
        {"HEAD", "/healthz", "", NULL, 200, "\r\nContent-Length: 15\r\n"},
        {"GET", "http://h/healthz", "", NULL, 200, "ok"},
        {"GET", "/%68ealthz", "", NULL, 200, "ok"},
        {"POST", "/healthz", "", "", 405, "\r\nAllow: GET, HEAD\r\n"},
        {"GET", "/v1/streams/any", "", NULL, 405, "\r\nAllow: POST\r\n"},
        {"POST", "/v1/cache/k", "", "", 405, "\r\nAllow: DELETE, GET, HEAD, PUT\r\n"},
        {"PUT", "/v1/cache", "", "", 405, "\r\nAllow: GET, HEAD\r\n"},
        {"PATCH", "/v1/cache/k", "", "", 405, "\"instance\":\"/v1/cache/k\""},
        {"GET", "/nowhere", "", NULL, 404, "GET / lists what there is"},
        {"GET", "/v1/cache/", "", NULL, 404, "not_found"},
        {"GET", "/v1/streams//last/x", "", NULL, 404, "not_found"},
        {"GET", "/v1/streams/any/last/", "", NULL, 404, "not_found"},
        {"GET", "/v1/streams/any/last/a/b", "", NULL, 404, "not_found"},
        {"GET", "/healthz/", "", NULL, 404, "not_found"},
        {"GET", "/", "", NULL, -1, ""},
        {"GET", "http://h", "", NULL, -1, ""},
        {"GET", "/readyz", "", NULL, -1, ""},
        {"GET", "/metrics", "", NULL, -1, ""},
        {"GET", "/v1/cache?key=a&key=b", "", NULL, -1, ""},
        {"HEAD", "/v1/cache", "", NULL, -1, ""},
        {"POST", "/v1/streams/any", "Content-Type: application/x-ndjson\r\n", "1", -1, ""},
        {"POST", "/v1/validate/any", "Content-Type: Application/CBOR-seq;x=y\r\n", "1", -1, ""},
        {"POST", "/v1/streams/weather", CBOR, "\xa1\x61t\x01", -1, ""},
        {"GET", "/v1/cache/k", "If-None-Match: \"a\"\r\nIf-None-Match: \"b\"\r\n", NULL, -1, ""},
        {"PUT", "/v1/cache/k", "Cache-Control: a\r\nCache-Control: b\r\n", "x", -1, ""},
        {"POST", "/v1/streams/unknown", JSON, "1", 404, "unknown_stream"},
        {"GET", "/v1/streams/unknown/last/x", "", NULL, 404, "unknown_stream"},
        {"POST", "/v1/streams/any", JSON, NULL, 411, "length_required"},
        {"POST", "/v1/streams/any", JSON "Content-Encoding: gzip\r\n", "1", 415, "\r\nAccept-Encoding: identity\r\n"},
        {"POST", "/v1/streams/any", JSON "Content-Encoding: Identity\r\n", "1", 202, "durability"},
        {"POST", "/v1/streams/any", "", "1", 415, "\r\nAccept-Post: application/json, application/cbor, "},
        {"POST", "/v1/streams/any", "Content-Type: text/plain\r\n", "1", 415, "send application/json, "},
        {"POST", "/v1/streams/any", "Content-Type: Application/JSON ; charset=utf-8\r\n", "1", 202, "memory"},
        {"POST", "/v1/streams/any", CBOR, "\x01", 202, "memory"},
        {"POST", "/v1/validate/any", JSON, "1", 200, "\r\n\r\n{\"valid\":true}"},
        {"POST", "/v1/validate/weather", JSON, "{}", 422, "schema_violation"},
        {"POST", "/v1/streams/any", JSON, "{\"a\":x}", 400, "malformed_json"},
        {"POST", "/v1/streams/any", CBOR, "\xff", 400, "malformed_cbor"},
        {"POST", "/v1/streams/any", JSON, "", 400, "malformed_json"},
    };
    scene_open(&scene, 4096);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const int status = ask_with(&scene, rows[i].method, rows[i].path, rows[i].fields, rows[i].body);
        if (status != rows[i].status || (status > 0 && !says(&scene, rows[i].words))) {
            fprintf(stderr, "%s %s: %d\n%s\n", rows[i].method, rows[i].path, status, scene.answer);
        }
        CHECK(status == rows[i].status && (status < 0 || says(&scene, rows[i].words)));
        CHECK(status < 0 || says(&scene, "\r\nDate: Fri, 15 Jan 2027 08:00:00 GMT\r\n"));
    }
    CHECK(scene.gate.counters.requests[404] == 8 && scene.gate.counters.problems[HG_P_NOT_FOUND] == 6);
    CHECK(scene.gate.counters.rejected[HG_P_NOT_FOUND] == 0 && scene.gate.counters.rejected[HG_P_UNKNOWN_STREAM] == 1);
    CHECK(scene.gate.counters.accepted == 3 && scene.gate.counters.validated == 1);
    scene.gate.intake = NULL;
    CHECK(ask_with(&scene, "POST", "/v1/streams/any", JSON, "1") == -1);
    CHECK(ask_with(&scene, "POST", "/v1/validate/any", JSON, "1") == 200);
    scene_close(&scene);
}

static void test_tokens(void) {
    scene_open(&scene, 4096);
    scene.scopes = NULL;
    CHECK(ask(&scene, "GET", "/v1/cache/k") == 401 && problem_is(&scene, "missing_token"));
    CHECK(says(&scene, "\r\nWWW-Authenticate: Bearer\r\n") && !says(&scene, "detail") && !says(&scene, "reason"));
    CHECK(ask_with(&scene, "GET", "/v1/cache/k", "Authorization: Basic eA==\r\n", NULL) == 401);
    CHECK(says(&scene, "\"detail\":\"the scheme is Bearer\""));
    CHECK(ask_with(&scene, "GET", "/v1/cache/k", "Authorization: bearer   x.y\r\n", NULL) == 401);
    CHECK(problem_is(&scene, "invalid_token") && says(&scene, ",\"reason\":\"token_malformed\"}"));
    CHECK(ask_with(&scene, "GET", "/v1/cache/k", "Authorization: Bearer\r\n", NULL) == 401);
    CHECK(problem_is(&scene, "missing_token"));
    scene.scopes = ALL_SCOPES;
    scene.clock.now_s = INT64_C(4000000006);
    at_ms(&scene, 1000);
    CHECK(ask(&scene, "GET", "/v1/cache/k") == 401 && says(&scene, "\"detail\":\"exp: the token has expired\""));
    CHECK(says(&scene, "error_description=\"exp: the token has expired\"\r\n"));
    CHECK(says(&scene, ",\"reason\":\"token_expired\",\"claim\":\"exp\"}"));
    CHECK(scene.limiter.table.count == 0 && scene.store.misses == 0);
    scene_close(&scene);
}

static void test_scopes(void) {
    static const struct {
        const char *scopes, *method, *path;
        int status;
    } rows[] = {
        {"cache:read", "GET", "/v1/cache/a/b", 404},      {"cache:*", "GET", "/v1/cache/a/b", 404},
        {"cache:read:a", "GET", "/v1/cache/a/b", 404},    {"cache:read:a/", "GET", "/v1/cache/a/b", 404},
        {"cache:read:", "GET", "/v1/cache/a/b", 404},     {"cache:read:a/b", "GET", "/v1/cache/a/b", 404},
        {"cache:read:a/bc", "GET", "/v1/cache/a/b", 403}, {"cache:read:b", "GET", "/v1/cache/a/b", 403},
        {"cache:write", "GET", "/v1/cache/a/b", 403},     {"cache:readx", "GET", "/v1/cache/a/b", 403},
        {"cache:rea", "GET", "/v1/cache/a/b", 403},       {"read:*", "GET", "/v1/cache/a/b", 403},
        {"", "GET", "/v1/cache/a/b", 403},                {"x cache:read", "GET", "/v1/cache/a/b", 404},
        {"cache:read", "DELETE", "/v1/cache/k", 403},     {"cache:write:k", "DELETE", "/v1/cache/k", 404},
        {"cache:*", "DELETE", "/v1/cache/k", 404},        {"cache:read", "PUT", "/v1/cache/k", 403},
        {"read:any", "GET", "/v1/streams/any/last/x", 404},  {"read:*", "GET", "/v1/streams/any/last/x", 404},
        {"read:an", "GET", "/v1/streams/any/last/x", 403},   {"read:a*", "GET", "/v1/streams/any/last/x", 403},
        {"cache:read", "GET", "/v1/streams/any/last/x", 403}, {"publish:weather", "POST", "/v1/streams/any", 403},
        {"publish:any", "POST", "/v1/streams/any", 411},
    };
    scene_open(&scene, 4096);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        scene.scopes = rows[i].scopes;
        CHECK(ask(&scene, rows[i].method, rows[i].path) == rows[i].status);
    }
    scene.scopes = "x";
    CHECK(ask(&scene, "PUT", "/v1/cache/k") == 403 && says(&scene, "\"detail\":\"needs cache:write\""));
    CHECK(says(&scene, "\r\nWWW-Authenticate: Bearer error=\"insufficient_scope\", scope=\"cache:write\"\r\n"));
    CHECK(ask(&scene, "POST", "/v1/streams/any") == 403 && says(&scene, "scope=\"publish:any\""));
    CHECK(ask(&scene, "GET", "/v1/streams/any/last/x") == 403 && says(&scene, "scope=\"read:any\""));
    scene_close(&scene);
}

static void test_the_life_of_a_value(void) {
    scene_open(&scene, 4096);
    CHECK(ask(&scene, "GET", "/v1/cache/site/a%20b") == 404 && problem_is(&scene, "not_cached"));
    CHECK(says(&scene, "\"instance\":\"/v1/cache/site/a b\""));
    CHECK(ask_with(&scene, "PUT", "/v1/cache/site/a%20b", "Content-Type: image/x; a=\"b c\"\r\nCache-Control: max-age=60\r\n",
                   "one") == 201);
    CHECK(strcmp(scene.answer, "HTTP/1.1 201 Created\r\nDate: Fri, 15 Jan 2027 08:00:00 GMT\r\nETag: \"7-1\"\r\n"
                               "Content-Length: 0\r\n\r\n") == 0);
    at_ms(&scene, 3999);
    CHECK(ask(&scene, "GET", "/v1/cache/site%2fa%20b") == 200);
    CHECK(strcmp(scene.answer,
                 "HTTP/1.1 200 OK\r\nDate: Fri, 15 Jan 2027 08:00:00 GMT\r\nContent-Type: image/x; a=\"b c\"\r\nETag: \"7-1\"\r\n"
                 "Age: 2\r\nCache-Control: max-age=60\r\nX-Content-Type-Options: nosniff\r\nContent-Length: 3\r\n\r\none") == 0);
    CHECK(ask(&scene, "HEAD", "/v1/cache/site/a%20b") == 200 && says(&scene, "\r\nContent-Length: 3\r\n\r\n"));
    CHECK(ask_with(&scene, "GET", "/v1/cache/site/a%20b", "If-None-Match: \"7-1\"\r\n", NULL) == 304);
    CHECK(strcmp(scene.answer, "HTTP/1.1 304 Not Modified\r\nDate: Fri, 15 Jan 2027 08:00:00 GMT\r\nETag: \"7-1\"\r\nAge: 2\r\n"
                               "Cache-Control: max-age=60\r\nX-Content-Type-Options: nosniff\r\n\r\n") == 0);
    CHECK(ask_with(&scene, "PUT", "/v1/cache/site/a%20b", "", "two") == 204 && says(&scene, "\r\nETag: \"7-2\"\r\n"));
    CHECK(ask(&scene, "GET", "/v1/cache/site/a%20b") == 200 && strcmp(body_of(&scene), "two") == 0);
    CHECK(says(&scene, "\r\nContent-Type: application/octet-stream\r\n") && says(&scene, "\r\nCache-Control: no-cache\r\n"));
    CHECK(says(&scene, "\r\nAge: 0\r\n"));
    CHECK(ask(&scene, "DELETE", "/v1/cache/site/a%20b") == 204 && !says(&scene, "ETag"));
    CHECK(ask(&scene, "DELETE", "/v1/cache/site/a%20b") == 404 && problem_is(&scene, "not_cached"));
    CHECK(ask_with(&scene, "PUT", "/v1/cache/timed", "Cache-Control: max-age=1\r\n", "") == 201);
    at_ms(&scene, 4998);
    CHECK(ask(&scene, "GET", "/v1/cache/timed") == 200);
    at_ms(&scene, 4999);
    CHECK(ask_with(&scene, "PUT", "/v1/cache/timed", "If-Match: *\r\n", "") == 412); /* it has expired */
    CHECK(ask_with(&scene, "PUT", "/v1/cache/timed", "If-None-Match: *\r\n", "") == 201);
    scene_close(&scene);
}

static void test_preconditions(void) {
    static const struct {
        const char *fields;
        int get, put, absent_put;
    } rows[] = {
        {"If-Match: \"7-1\"\r\n", 200, 204, 412},
        {"If-Match: *\r\n", 200, 204, 412},
        {"If-Match: \"x\" , \"7-1\"\r\n", 200, 204, 412},
        {"If-Match: W/\"7-1\"\r\n", 412, 412, 412},
        {"If-Match: \"7-2\"\r\n", 412, 412, 412},
        {"If-Match: 7-1\r\n", 412, 412, 412},
        {"If-Match:\r\n", 412, 412, 412},
        {"If-None-Match: \"7-1\"\r\n", 304, 412, 201},
        {"If-None-Match: W/\"7-1\"\r\n", 304, 412, 201},
        {"If-None-Match: \"x\",W/\"7-1\"\t,\"y\"\r\n", 304, 412, 201},
        {"If-None-Match: *\r\n", 304, 412, 201},
        {"If-None-Match: W/*\r\n", 200, 204, 201},
        {"If-None-Match: w/\"7-1\"\r\n", 200, 204, 201},
        {"If-None-Match: \"7-11\"\r\n", 200, 204, 201},
        {"If-None-Match:\r\n", 200, 204, 201},
        {"If-None-Match: ,,\r\n", 200, 204, 201},
        {"If-Match: \"7-1\"\r\nIf-None-Match: \"7-1\"\r\n", 304, 412, 412},
        {"If-Match: \"x\"\r\nIf-None-Match: *\r\n", 412, 412, 412},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        scene_open(&scene, 4096);
        CHECK(ask_with(&scene, "GET", "/v1/cache/k", rows[i].fields, NULL) == 404);
        CHECK(ask_with(&scene, "DELETE", "/v1/cache/k", rows[i].fields, NULL) == 404);
        CHECK(!says(&scene, "ETag"));
        CHECK(ask_with(&scene, "PUT", "/v1/cache/k", "", "1") == 201);
        CHECK(ask_with(&scene, "GET", "/v1/cache/k", rows[i].fields, NULL) == rows[i].get);
        CHECK(ask_with(&scene, "HEAD", "/v1/cache/k", rows[i].fields, NULL) == rows[i].get);
        CHECK(ask_with(&scene, "PUT", "/v1/cache/k", rows[i].fields, "2") == rows[i].put);
        CHECK(rows[i].put != 412 || (problem_is(&scene, "precondition_failed") && says(&scene, "\r\nETag: \"7-1\"\r\n")));
        CHECK(ask(&scene, "GET", "/v1/cache/k") == 200 && strcmp(body_of(&scene), rows[i].put == 412 ? "1" : "2") == 0);
        CHECK(ask(&scene, "DELETE", "/v1/cache/k") == 204);
        CHECK(ask_with(&scene, "PUT", "/v1/cache/k", rows[i].fields, "3") == rows[i].absent_put);
        scene_close(&scene);
    }
}

static void test_what_a_put_may_say(void) {
    static const struct {
        const char *fields;
        int status;
        const char *cache_control; /* of the GET, or a word of the refusal */
    } rows[] = {
        {"", 201, "no-cache"},
        {"Cache-Control: max-age=1\r\n", 201, "max-age=1"},
        {"Cache-Control: MAX-AGE=\"007\"\r\n", 201, "max-age=7"},
        {"Cache-Control: private , max-age=10\t, x=max-age=5\r\n", 201, "max-age=10"},
        {"Cache-Control: max-age=2147483647\r\n", 201, "max-age=2147483647"},
        {"Cache-Control: max-age=2147483648\r\n", 201, "max-age=2147483647"},
        {"Cache-Control: max-age=99999999999999999999999\r\n", 201, "max-age=2147483647"},
        {"Cache-Control: max-age =5, s-maxage=0\r\n", 201, "no-cache"},
        {"Cache-Control:\r\n", 201, "no-cache"},
        {"Cache-Control: max-age\r\n", 400, "bad_cache_control"},
        {"Cache-Control: max-age=\r\n", 400, "bad_cache_control"},
        {"Cache-Control: max-age=0\r\n", 400, "bad_cache_control"},
        {"Cache-Control: max-age=000000000000\r\n", 400, "bad_cache_control"},
        {"Cache-Control: max-age=-1\r\n", 400, "bad_cache_control"},
        {"Cache-Control: max-age=1.5\r\n", 400, "bad_cache_control"},
        {"Cache-Control: max-age=9999999999x\r\n", 400, "bad_cache_control"},
        {"Cache-Control: max-age=5, max-age=5\r\n", 400, "bad_cache_control"},
        {"Content-Range: bytes 0-0/9\r\n", 400, "bad_content_range"}, /* RFC 9110 section 14.5 */
        {"Content-Range:\r\n", 400, "bad_content_range"},
        {"content-range: bytes 0-0/9\r\nContent-Range: bytes 1-1/9\r\n", 400, "bad_content_range"},
        {"Content-Encoding: gzip\r\n", 415, "Accept-Encoding: identity"},
        {"Content-Encoding: identity\r\n", 201, "no-cache"},
        {"Content-Type:\r\n", 201, "no-cache"},
    };
    char type[160] = "Content-Type: ", path[300] = "/v1/cache/";
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        scene_open(&scene, 4096);
        CHECK(ask_with(&scene, "PUT", "/v1/cache/k", rows[i].fields, "x") == rows[i].status);
        if (rows[i].status == 201) {
            CHECK(ask(&scene, "GET", "/v1/cache/k") == 200 && says(&scene, "\r\nCache-Control: "));
            CHECK(strncmp(strstr(scene.answer, "Cache-Control: ") + 15, rows[i].cache_control,
                          strlen(rows[i].cache_control)) == 0);
        } else {
            CHECK(says(&scene, rows[i].cache_control));
            CHECK(ask(&scene, "GET", "/v1/cache/k") == 404);
        }
        scene_close(&scene);
    }
    scene_open(&scene, 4096);
    memset(type + 14, 'x', 128);
    strcpy(type + 14 + 128, "\r\n");
    CHECK(ask_with(&scene, "PUT", "/v1/cache/k", type, "x") == 201);
    strcpy(type + 14 + 128, "x\r\n");
    CHECK(ask_with(&scene, "PUT", "/v1/cache/k", type, "x") == 415 && says(&scene, "a media type may have 128 bytes"));
    memset(path + 10, 'k', 253);
    CHECK(ask_with(&scene, "PUT", path, "", "x") == 201 && ask(&scene, "GET", path) == 200);
    path[10 + 253] = 'k';
    CHECK(ask_with(&scene, "PUT", path, "", "x") == 414 && problem_is(&scene, "uri_too_long"));
    CHECK(ask(&scene, "GET", path) == 414 && says(&scene, "a key may have 253 bytes"));
    CHECK(ask(&scene, "PUT", "/v1/cache/k") == 411);
    scene_close(&scene);
}

static void test_value_limit_and_budget(void) {
    const struct hg_problem too_large = {413, HG_P_BODY_TOO_LARGE, false, ""};
    char value[VALUE_LIMIT + 2];
    memset(value, 'v', sizeof value - 1);
    value[VALUE_LIMIT] = '\0';
    scene_open(&scene, 4096);
    CHECK(ask_with(&scene, "PUT", "/v1/cache/k", "", value) == 201);
    CHECK(ask(&scene, "GET", "/v1/cache/k") == 200 && strcmp(body_of(&scene), value) == 0);
    /* Whoever reads the body keeps to visit.limit. */
    say(&scene, "PUT", "/v1/cache/k", "", VALUE_LIMIT + 1);
    CHECK(serve_head(&scene) == HG_SERVED_BODY && scene.visit.limit == VALUE_LIMIT);
    hg_serve_refusal(&scene.gate, &scene.request, (const uint8_t *)scene.head, &scene.visit, &too_large, true, &scene.output);
    CHECK(hear(&scene, false) == 413 && problem_is(&scene, "body_too_large") && scene.visit.keep_alive);
    CHECK(says(&scene, "\"detail\":\"this resource takes 100 bytes\""));
    for (char key = 'a'; key <= 'z'; key++) { /* charged 64 bytes each beside key, meta and value: 15 fit */
        const char path[] = {'/', 'v', '1', '/', 'c', 'a', 'c', 'h', 'e', '/', key, '\0'};
        CHECK(ask_with(&scene, "PUT", path, "", value) == (key == 'k' ? 204 : 201));
    }
    CHECK(scene.store.evictions > 0 && scene.store.bytes <= 4096 && scene.store.table.count < 26);
    scene_close(&scene);
    scene_open(&scene, 0); /* nothing is kept */
    CHECK(ask_with(&scene, "PUT", "/v1/cache/k", "", "") == 413 && problem_is(&scene, "value_too_large"));
    CHECK(ask_with(&scene, "POST", "/v1/streams/any", JSON, "1") == 202);
    CHECK(ask(&scene, "GET", "/v1/streams/any/last/dev-1") == 404 && problem_is(&scene, "no_last_value"));
    scene_close(&scene);
}

/* A restored entry may have been put before the monotonic clock's zero (linux/cache_snapshot.py). */
static void test_an_entry_from_before(void) {
    uint64_t version;
    scene_open(&scene, 4096);
    CHECK(hg_store_put(&scene.store, (const uint8_t *)"kv/k", 4, (const uint8_t *)"v", 1, (const uint8_t *)"9 -4000 a/b c", 13, 0,
                       1000, &version) == HG_OK);
    CHECK(ask(&scene, "GET", "/v1/cache/k") == 200 && says(&scene, "\r\nAge: 5\r\nCache-Control: max-age=9\r\n"));
    CHECK(says(&scene, "\r\nContent-Type: a/b c\r\n"));
    scene_close(&scene);
}

/* The fields of an answer are kept from one to the next: not for another value, not when its time goes on or it is put again. */
static void test_values_in_turn(void) {
    uint8_t meta[600] = "0 1000 ";
    uint64_t version;
    scene_open(&scene, 65536);
    at_ms(&scene, 1000);
    CHECK(ask_with(&scene, "PUT", "/v1/cache/a", "Content-Type: t/a\r\n", "one") == 201);
    CHECK(ask_with(&scene, "PUT", "/v1/cache/b", "Content-Type: t/b\r\nCache-Control: max-age=9\r\n", "two") == 201);
    for (int64_t now_ms = 1000; now_ms < 5000; now_ms += 250) {
        char age[32];
        sprintf(age, "\r\nAge: %d\r\n", (int)(now_ms - 1000) / 1000);
        at_ms(&scene, now_ms);
        for (int turn = 0; turn < 4; turn++) {
            const bool a = turn % 3 != 1;
            CHECK(ask(&scene, "GET", a ? "/v1/cache/a" : "/v1/cache/b") == 200 && says(&scene, age));
            CHECK(says(&scene, a ? "\r\nContent-Type: t/a\r\nETag: \"7-1\"\r\n" : "\r\nContent-Type: t/b\r\nETag: \"7-2\"\r\n"));
            CHECK(says(&scene, "max-age=9") != a && strcmp(body_of(&scene), a ? "one" : "two") == 0);
        }
        CHECK(ask_with(&scene, "GET", "/v1/cache/a", "If-None-Match: \"7-1\"\r\n", NULL) == 304 && says(&scene, age));
        CHECK(ask_with(&scene, "GET", "/v1/cache/b", "If-None-Match: \"7-1\"\r\n", NULL) == 200 && says(&scene, age));
    }
    CHECK(ask_with(&scene, "PUT", "/v1/cache/a", "Content-Type: t/a\r\n", "1ne") == 204);
    CHECK(ask(&scene, "GET", "/v1/cache/a") == 200 && says(&scene, "\r\nETag: \"7-3\"\r\nAge: 0\r\n"));
    memset(meta + 7, 't', sizeof meta - 7); /* longer than any that is let in: cut */
    CHECK(hg_store_put(&scene.store, (const uint8_t *)"kv/k", 4, meta, 1, meta, sizeof meta, 0, 1000, &version) == HG_OK);
    CHECK(ask(&scene, "GET", "/v1/cache/k") == 200 && says(&scene, "ttt\r\nETag: \"7-4\"\r\n"));
    CHECK(ask_with(&scene, "GET", "/v1/cache/k", "If-None-Match: \"7-4\"\r\n", NULL) == 304);
    scene_close(&scene);
}

static void test_rates(void) {
    scene_open(&scene, 4096);
    CHECK(ask_with(&scene, "POST", "/v1/streams/slow", JSON, "1") == 202);
    CHECK(ask_with(&scene, "POST", "/v1/streams/slow", "", "1") == 415); /* it costs as well */
    CHECK(ask_with(&scene, "POST", "/v1/validate/slow", JSON, "1") == 429 && problem_is(&scene, "rate_limited"));
    CHECK(says(&scene, "\r\nRetry-After: 1\r\nRateLimit-Policy: \"slow\";q=2;w=2\r\nRateLimit: \"slow\";r=0;t=1\r\n"));
    CHECK(says(&scene, "\"detail\":\"wait 1000 ms\""));
    CHECK(ask_with(&scene, "POST", "/v1/streams/any", JSON, "1") == 202);
    at_ms(&scene, 2000);
    CHECK(ask_with(&scene, "POST", "/v1/validate/slow", JSON, "1") == 200);
    CHECK(scene.limiter.table.count == 2 && scene.gate.counters.rejected[HG_P_RATE_LIMITED] == 1);
    CHECK(ask(&scene, "GET", "/v1/cache/k") == 404 && scene.limiter.table.count == 3);
    scene_close(&scene);
}

static void test_connections_end(void) {
    scene_open(&scene, 4096);
    CHECK(ask_with(&scene, "GET", "/healthz", "Connection: close\r\n", NULL) == 200 && !scene.visit.keep_alive);
    scene.body_known = false;
    CHECK(ask_with(&scene, "POST", "/nowhere", "", "x") == 404 && !scene.visit.keep_alive);
    scene.body_known = true;
    CHECK(ask_with(&scene, "POST", "/nowhere", "", "x") == 404 && scene.visit.keep_alive);
    scene.gate.draining = true;
    CHECK(ask(&scene, "GET", "/healthz") == 200 && !scene.visit.keep_alive);
    scene.clock.state = HG_CLOCK_UNSET;
    at_ms(&scene, 1000);
    CHECK(ask(&scene, "GET", "/healthz") == 200 && !says(&scene, "Date"));
    scene.output.length = 0;
    hg_serve_problem(&scene.gate, &(struct hg_problem){503, HG_P_TOO_MANY_CONNECTIONS, true, ""}, 1, &scene.output);
    CHECK(hear(&scene, false) == 503 && says(&scene, "\r\nRetry-After: 1\r\n") && says(&scene, "Connection: close"));
    scene_close(&scene);
}

/* The changes noted so far, which are forgotten: keys without their prefix, with a blank after each. */
static const char *changes(void) {
    static char text[300];
    struct hg_output *noted = &scene.gate.changes;
    uint32_t length = 0;
    for (uint32_t at = 0; at < noted->length; at += noted->data[at] + 2u) {
        const uint32_t key = noted->data[at] + 1u;
        CHECK(at + 1 + key <= noted->length && memcmp(noted->data + at + 1, "kv/", 3) == 0);
        CHECK(length + key < sizeof text);
        memcpy(text + length, noted->data + at + 4, key - 3);
        length += key - 3;
        text[length++] = ' ';
    }
    text[length] = '\0';
    noted->length = 0;
    return text;
}

/* With a second level: what is not here is left to the twin, untouched; what is here is served, and changes are noted. */
static void test_a_shared_cache(void) {
    char path[300] = "/v1/cache/";
    scene_open(&scene, 4096);
    CHECK(ask_with(&scene, "PUT", "/v1/cache/k", "", "1") == 201 && strcmp(changes(), "") == 0);
    scene.gate.shared = true;
    CHECK(ask(&scene, "GET", "/v1/cache/k") == 200 && ask(&scene, "HEAD", "/v1/cache/k") == 200);
    CHECK(ask(&scene, "GET", "/v1/cache/none") == -1 && ask(&scene, "HEAD", "/v1/cache/none") == -1);
    CHECK(ask(&scene, "DELETE", "/v1/cache/none") == -1);
    CHECK(ask_with(&scene, "GET", "/v1/cache/none", "If-None-Match: *\r\n", NULL) == -1);
    CHECK(ask_with(&scene, "PUT", "/v1/cache/none", "If-None-Match: *\r\n", "1") == -1);
    CHECK(ask_with(&scene, "PUT", "/v1/cache/none", "If-Match: \"7-1\"\r\n", "1") == -1);
    CHECK(strcmp(changes(), "") == 0);
    CHECK(ask_with(&scene, "PUT", "/v1/cache/none", "", "1") == 201);
    CHECK(ask_with(&scene, "PUT", "/v1/cache/k", "If-Match: *\r\n", "2") == -1); /* k may go while the body comes */
    CHECK(ask_with(&scene, "PUT", "/v1/cache/k", "If-None-Match: *\r\n", "3") == -1);
    CHECK(ask(&scene, "DELETE", "/v1/cache/k") == 204 && strcmp(changes(), "none k ") == 0);
    CHECK(ask(&scene, "GET", "/v1/streams/any/last/x") == 404); /* last values are not shared */
    memset(path + 10, 'x', 254);
    CHECK(ask(&scene, "GET", path) == 414);
    path[263] = '\0';
    CHECK(ask(&scene, "GET", path) == -1);
    CHECK(ask_with(&scene, "PUT", path, "", "") == 201 && strlen(changes()) == 254);
    scene.scopes = "cache:read";
    CHECK(ask(&scene, "DELETE", "/v1/cache/none") == 403);
    scene_close(&scene);
}

/* What is refused has changed nothing: told of, a key that is not here would be deleted at the second level. */
static void test_a_refused_put_of_a_shared_cache(void) {
    char value[VALUE_LIMIT + 1];
    memset(value, 'v', VALUE_LIMIT);
    value[VALUE_LIMIT] = '\0';
    scene_open(&scene, HG_ENTRY_OVERHEAD + VALUE_LIMIT); /* without its key */
    scene.gate.shared = true;
    CHECK(ask_with(&scene, "PUT", "/v1/cache/a", "", "1") == 201);
    CHECK(ask_with(&scene, "PUT", "/v1/cache/none", "", value) == 413 && problem_is(&scene, "value_too_large"));
    CHECK(strcmp(changes(), "a ") == 0);
    scene_close(&scene);
}

/* A change that cannot be noted is not made. */
static void test_no_room_for_a_change(void) {
    scene_open(&scene, 4096);
    scene.gate.shared = true;
    CHECK(ask_with(&scene, "PUT", "/v1/cache/k", "", "1") == 201 && strcmp(changes(), "k ") == 0);
    scene.gate.changes.most = scene.gate.changes.capacity = 4; /* never less than what is there already */
    CHECK(ask_with(&scene, "PUT", "/v1/cache/long", "", "1") == 503 && problem_is(&scene, "out_of_memory"));
    CHECK(ask_with(&scene, "PUT", "/v1/cache/k", "", "2") == 503);
    CHECK(ask(&scene, "DELETE", "/v1/cache/k") == 503);
    CHECK(ask(&scene, "GET", "/v1/cache/k") == 200 && strcmp(body_of(&scene), "1") == 0);
    scene.gate.changes.most = HG_CHANGES_BYTES;
    CHECK(ask_with(&scene, "PUT", "/v1/cache/k", "", "2") == 204 && strcmp(changes(), "k ") == 0);
    scene_close(&scene);
}

int main(void) {
    test_routes();
    test_tokens();
    test_scopes();
    test_the_life_of_a_value();
    test_preconditions();
    test_what_a_put_may_say();
    test_value_limit_and_budget();
    test_an_entry_from_before();
    test_values_in_turn();
    test_rates();
    test_connections_end();
    test_a_shared_cache();
    test_a_refused_put_of_a_shared_cache();
    test_no_room_for_a_change();
    return 0;
}
