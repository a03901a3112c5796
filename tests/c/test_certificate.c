/* Clients known by their TLS certificate instead of a token. Twin: tests/unit/test_gateway.py. */
#include "check_serve.h"

#define JSON "Content-Type: application/json\r\n"

static void begin(struct scene *scene, const char *identity) {
    scene_open(scene, 100000);
    scene->scopes = NULL;
    scene->identity = identity;
}

static void test_scopes(void) {
    struct scene scene;
    begin(&scene, "mill");
    CHECK(ask_with(&scene, "POST", "/v1/streams/any", JSON, "1") == 202);
    CHECK(scene.visit.sub_length == 4 && memcmp(scene.visit.sub, "mill", 4) == 0);
    CHECK(ask_with(&scene, "POST", "/v1/validate/any", JSON, "1") == 200);
    CHECK(ask(&scene, "GET", "/v1/streams/any/last/x") == 404); /* let in; there is no value */
    CHECK(ask_with(&scene, "POST", "/v1/streams/weather", JSON, "1") == 403);
    CHECK(ask(&scene, "GET", "/v1/streams/safe/last/x") == 403);
    CHECK(ask(&scene, "GET", "/v1/cache/x") == 403);
    scene.identity = "";
    CHECK(ask_with(&scene, "POST", "/v1/streams/any", JSON, "1") == 401);
    scene_close(&scene);
}

static void test_a_token_decides(void) {
    struct scene scene;
    begin(&scene, "mill");
    scene.scopes = "read:safe";
    CHECK(ask_with(&scene, "POST", "/v1/streams/any", JSON, "1") == 403);
    CHECK(ask(&scene, "GET", "/v1/streams/safe/last/x") == 404);
    CHECK(scene.visit.sub_length == 5 && memcmp(scene.visit.sub, "dev-1", 5) == 0);
    scene.scopes = NULL;
    CHECK(ask_with(&scene, "POST", "/v1/streams/any", JSON "Authorization: Bearer x.y.z\r\n", "1") == 401);
    CHECK(ask_with(&scene, "POST", "/v1/streams/any", JSON "Authorization: Basic eDp5\r\n", "1") == 401);
    CHECK(ask_with(&scene, "POST", "/v1/streams/any", JSON "Authorization:\r\n", "1") == 401);
    scene_close(&scene);
}

static void test_certificates_that_do_not_count(void) {
    struct scene scene;
    begin(&scene, "mill");
    scene.plan->spec.certificate_scopes.length = 0;
    CHECK(ask(&scene, "GET", "/v1/streams/any/last/x") == 401);
    scene_close(&scene);
}

static void test_the_rate_is_the_identitys(void) {
    struct scene scene;
    begin(&scene, "mill");
    CHECK(ask_with(&scene, "POST", "/v1/streams/slow", JSON, "1") == 202);
    CHECK(ask_with(&scene, "POST", "/v1/streams/slow", JSON, "1") == 202);
    CHECK(ask_with(&scene, "POST", "/v1/streams/slow", JSON, "1") == 429);
    scene.identity = "mill-2";
    CHECK(ask_with(&scene, "POST", "/v1/streams/slow", JSON, "1") == 202);
    scene_close(&scene);
}

static void test_the_longest_name(void) {
    char name[HG_TOKEN_SUBJECT + 2];
    struct scene scene;
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    begin(&scene, name);
    CHECK(ask(&scene, "GET", "/v1/streams/any/last/x") == 401); /* tls.c gives none such */
    scene.identity = name + 1;
    CHECK(ask(&scene, "GET", "/v1/streams/any/last/x") == 404);
    CHECK(scene.visit.sub_length == HG_TOKEN_SUBJECT && memcmp(scene.visit.sub, name, HG_TOKEN_SUBJECT) == 0);
    scene_close(&scene);
}

int main(void) {
    test_scopes();
    test_a_token_decides();
    test_certificates_that_do_not_count();
    test_the_rate_is_the_identitys();
    test_the_longest_name();
    return 0;
}
