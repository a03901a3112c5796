/* A naive matcher for the routes of the wire interface (docs/wire.md), written without a look at core/router.c. */
#ifndef HEADGATE_TESTS_CHECK_ROUTER_H
#define HEADGATE_TESTS_CHECK_ROUTER_H

#include "check.h"
#include "core/router.h"

static const char *const wire_routes[HG_ROUTE_COUNT] = {
    [HG_ROUTE_PUBLISH] = "/v1/streams/{}",
    [HG_ROUTE_VALIDATE] = "/v1/validate/{}",
    [HG_ROUTE_LAST] = "/v1/streams/{}/last/{}",
    [HG_ROUTE_CACHE] = "/v1/cache/{*}",
    [HG_ROUTE_CACHE_MANY] = "/v1/cache",
    [HG_ROUTE_UPDATE] = "/v1/update",
    [HG_ROUTE_HEALTH] = "/healthz",
    [HG_ROUTE_READY] = "/readyz",
    [HG_ROUTE_METRICS] = "/metrics",
    [HG_ROUTE_INDEX] = "/",
};

/* Byte by byte: "{}" is one byte or more that are not "/", "{*}" one or more of any. */
static inline bool naive_match(const char *pattern, struct hg_view path, struct hg_view *param) {
    const uint8_t *at = path.at, *const end = path.at + path.length;
    while (*pattern != '\0') {
        if (*pattern == '{') {
            const bool all = pattern[1] == '*';
            const uint8_t *const start = at;
            while (at < end && (all || *at != '/')) {
                at++;
            }
            if (at == start) {
                return false;
            }
            *param++ = (struct hg_view){start, (uint32_t)(at - start)};
            pattern += all ? 3 : 2;
        } else if (at == end || *at++ != (uint8_t)*pattern++) {
            return false;
        }
    }
    return at == end;
}

/* -> the route, which is the naive one's, and so are the parameters. `path` begins with "/". */
static inline enum hg_route check_route(struct hg_view path) {
    struct hg_view params[2] = {{NULL, 0}, {NULL, 0}}, expected[2] = {{NULL, 0}, {NULL, 0}};
    const enum hg_route route = hg_route_of(path, params);
    int naive = 0;
    while (naive < HG_ROUTE_COUNT && !naive_match(wire_routes[naive], path, expected)) {
        naive++;
        expected[0] = expected[1] = (struct hg_view){NULL, 0};
    }
    CHECK(naive < HG_ROUTE_COUNT ? (int)route == naive : route == HG_ROUTE_NONE);
    for (int i = 0; i < 2 && route != HG_ROUTE_NONE; i++) {
        CHECK(expected[i].at == NULL || (params[i].at == expected[i].at && params[i].length == expected[i].length));
    }
    return route;
}

#endif
