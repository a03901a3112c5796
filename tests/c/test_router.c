/* core/router.c: every route, its methods, and paths near it. That the routes are those of tasks/api.py:
 * tests/twins/test_c_tables.py. */
#include "check_router.h"

static struct hg_view view(const char *text) { return (struct hg_view){(const uint8_t *)text, (uint32_t)strlen(text)}; }

static void test_paths(void) {
    static const struct {
        const char *path;
        enum hg_route route;
        const char *params[2];
    } rows[] = {
        {"/", HG_ROUTE_INDEX, {NULL, NULL}},
        {"/healthz", HG_ROUTE_HEALTH, {NULL, NULL}},
        {"/readyz", HG_ROUTE_READY, {NULL, NULL}},
        {"/metrics", HG_ROUTE_METRICS, {NULL, NULL}},
        {"/v1/streams/w", HG_ROUTE_PUBLISH, {"w", NULL}},
        {"/v1/validate/w w", HG_ROUTE_VALIDATE, {"w w", NULL}},
        {"/v1/streams/w/last/c", HG_ROUTE_LAST, {"w", "c"}},
        {"/v1/streams/last/last/last", HG_ROUTE_LAST, {"last", "last"}},
        {"/v1/streams/{}", HG_ROUTE_PUBLISH, {"{}", NULL}},
        {"/v1/cache/k", HG_ROUTE_CACHE, {"k", NULL}},
        {"/v1/cache//", HG_ROUTE_CACHE, {"/", NULL}},
        {"/v1/cache/a/b//c/", HG_ROUTE_CACHE, {"a/b//c/", NULL}},
        {"/v1/cache/{*}", HG_ROUTE_CACHE, {"{*}", NULL}},
        {"", HG_ROUTE_INDEX, {NULL, NULL}}, /* of an absolute-form target */
        {"//", HG_ROUTE_NONE, {NULL, NULL}},
        {"/v1", HG_ROUTE_NONE, {NULL, NULL}},
        {"/v1/", HG_ROUTE_NONE, {NULL, NULL}},
        {"/v1/cache", HG_ROUTE_CACHE_MANY, {NULL, NULL}},
        {"/v1/update", HG_ROUTE_UPDATE, {NULL, NULL}},
        {"/v1/updates", HG_ROUTE_NONE, {NULL, NULL}},
        {"/v1/cache/", HG_ROUTE_NONE, {NULL, NULL}},
        {"/v1/streams/", HG_ROUTE_NONE, {NULL, NULL}},
        {"/v1/streams/w/", HG_ROUTE_NONE, {NULL, NULL}},
        {"/v1/streams//last/c", HG_ROUTE_NONE, {NULL, NULL}},
        {"/v1/streams/w/last/", HG_ROUTE_NONE, {NULL, NULL}},
        {"/v1/streams/w/last/c/", HG_ROUTE_NONE, {NULL, NULL}},
        {"/v1/streams/w/lasT/c", HG_ROUTE_NONE, {NULL, NULL}},
        {"/V1/streams/w", HG_ROUTE_NONE, {NULL, NULL}},
        {"/healthz/", HG_ROUTE_NONE, {NULL, NULL}},
        {"/health", HG_ROUTE_NONE, {NULL, NULL}},
        {"/healthzz", HG_ROUTE_NONE, {NULL, NULL}},
        {"//healthz", HG_ROUTE_NONE, {NULL, NULL}},
        {"/./healthz", HG_ROUTE_NONE, {NULL, NULL}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hg_view params[2];
        CHECK(hg_route_of(view(rows[i].path), params) == rows[i].route);
        CHECK(rows[i].path[0] == '\0' || check_route(view(rows[i].path)) == rows[i].route);
        for (int k = 0; k < 2 && rows[i].params[k] != NULL; k++) {
            const struct hg_view expected = view(rows[i].params[k]);
            CHECK(params[k].length == expected.length && memcmp(params[k].at, expected.at, expected.length) == 0);
        }
    }
    CHECK(hg_route_of((struct hg_view){(const uint8_t *)"/healthz\0", 9}, (struct hg_view[2]){{NULL, 0}, {NULL, 0}}) ==
          HG_ROUTE_NONE);
}

/* All paths of up to five segments drawn from these, which is every way to be near a route. */
static void test_all_short_paths(void) {
    static const char *const segments[] = {"", "v1", "streams", "validate", "last", "cache", "healthz", "x"};
    enum { SEGMENTS = sizeof segments / sizeof segments[0] };
    uint32_t found[HG_ROUTE_COUNT] = {0};
    for (uint32_t count = 1, all = SEGMENTS; count <= 5; count++, all *= SEGMENTS) {
        for (uint32_t number = 0; number < all; number++) {
            char path[64] = "";
            for (uint32_t i = 0, rest = number; i < count; i++, rest /= SEGMENTS) {
                (void)strcat(strcat(path, "/"), segments[rest % SEGMENTS]);
            }
            const enum hg_route route = check_route(view(path));
            if (route != HG_ROUTE_NONE) {
                found[route] += 1;
            }
        }
    }
    CHECK(found[HG_ROUTE_PUBLISH] == 7 && found[HG_ROUTE_LAST] == 49 && found[HG_ROUTE_INDEX] == 1);
    CHECK(found[HG_ROUTE_CACHE] == 7 + 64 + 512); /* one to three segments, not all of them nothing: only "/v1/cache/" */
}

static void test_methods(void) {
    static const char *const allow[HG_ROUTE_COUNT] = {"POST", "POST", "GET, HEAD", "DELETE, GET, HEAD, PUT", "GET, HEAD",
                                                      "GET, HEAD, PUT", "GET, HEAD", "GET, HEAD", "GET, HEAD", "GET, HEAD"};
    static const char *const names[HG_METHOD_COUNT] = {"-", "GET", "HEAD", "POST", "PUT", "DELETE"};
    for (int route = 0; route < HG_ROUTE_COUNT; route++) {
        CHECK(strcmp(hg_route_allow((enum hg_route)route), allow[route]) == 0);
        for (uint8_t verb = 0; verb < HG_METHOD_COUNT; verb++) {
            CHECK(hg_route_takes((enum hg_route)route, verb) == (strstr(allow[route], names[verb]) != NULL));
        }
    }
}

int main(void) {
    test_paths();
    test_all_short_paths();
    test_methods();
    return 0;
}
