#include "router.h"

/* What follows a route's prefix. */
enum shape {
    NOTHING,      /* the path ends */
    SEGMENT,      /* one segment, the first parameter */
    SEGMENT_LAST, /* one segment, "last", one segment */
    REST          /* everything, slashes too; not empty */
};

#define TAKES(verb) (1u << (verb))
#define READS (TAKES(HG_GET) | TAKES(HG_HEAD))
#define PREFIX(text) text, sizeof(text) - 1

static const struct {
    const char *prefix; /* after the path's first "/" */
    uint8_t length, shape;
    uint8_t verbs;
    const char *allow; /* sorted, as the twin has it */
} routes[HG_ROUTE_COUNT] = {
    [HG_ROUTE_PUBLISH] = {PREFIX("v1/streams/"), SEGMENT, TAKES(HG_POST), "POST"},
    [HG_ROUTE_VALIDATE] = {PREFIX("v1/validate/"), SEGMENT, TAKES(HG_POST), "POST"},
    [HG_ROUTE_LAST] = {PREFIX("v1/streams/"), SEGMENT_LAST, READS, "GET, HEAD"},
    [HG_ROUTE_CACHE] = {PREFIX("v1/cache/"), REST, READS | TAKES(HG_PUT) | TAKES(HG_DELETE), "DELETE, GET, HEAD, PUT"},
    [HG_ROUTE_CACHE_MANY] = {PREFIX("v1/cache"), NOTHING, READS, "GET, HEAD"},
    [HG_ROUTE_UPDATE] = {PREFIX("v1/update"), NOTHING, READS | TAKES(HG_PUT), "GET, HEAD, PUT"},
    [HG_ROUTE_HEALTH] = {PREFIX("healthz"), NOTHING, READS, "GET, HEAD"},
    [HG_ROUTE_READY] = {PREFIX("readyz"), NOTHING, READS, "GET, HEAD"},
    [HG_ROUTE_METRICS] = {PREFIX("metrics"), NOTHING, READS, "GET, HEAD"},
    [HG_ROUTE_INDEX] = {PREFIX(""), NOTHING, READS, "GET, HEAD"},
};

enum { TELLING = 4 }; /* the byte in which most prefixes differ: as a rule no other is compared */

/* The bytes of `text` before its first "/". */
static struct hg_view first_segment(struct hg_view text) {
    const uint8_t *const slash = text.length == 0 ? NULL : memchr(text.at, '/', text.length);
    return (struct hg_view){text.at, slash == NULL ? text.length : (uint32_t)(slash - text.at)};
}

static bool fits(uint8_t shape, struct hg_view rest, struct hg_view params[2]) {
    static const char last[] = "/last/";
    const uint32_t length = sizeof last - 1;
    params[0] = shape == REST ? rest : first_segment(rest);
    if (shape == NOTHING) {
        return rest.length == 0;
    }
    if (shape == SEGMENT_LAST) {
        const struct hg_view after = {rest.at + params[0].length, rest.length - params[0].length};
        if (params[0].length == 0 || after.length <= length || memcmp(after.at, last, length) != 0) {
            return false;
        }
        params[1] = (struct hg_view){after.at + length, after.length - length};
        return first_segment(params[1]).length == params[1].length;
    }
    return rest.length != 0 && params[0].length == rest.length;
}

enum hg_route hg_route_of(struct hg_view path, struct hg_view params[2]) {
    const struct hg_view rest = {path.at + 1, path.length == 0 ? 0 : path.length - 1};
    for (int route = 0; route < HG_ROUTE_COUNT; route++) {
        const uint32_t length = routes[route].length;
        if (rest.length >= length && (length < TELLING || rest.at[TELLING - 1] == routes[route].prefix[TELLING - 1]) &&
            memcmp(rest.at, routes[route].prefix, length) == 0 &&
            fits(routes[route].shape, (struct hg_view){rest.at + length, rest.length - length}, params)) {
            return (enum hg_route)route;
        }
    }
    return HG_ROUTE_NONE;
}

bool hg_route_takes(enum hg_route route, uint8_t verb) { return (routes[route].verbs & TAKES(verb)) != 0; }

const char *hg_route_allow(enum hg_route route) { return routes[route].allow; }
