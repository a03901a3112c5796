#include "router.h"

#define PARAMETER "{}" /* one segment, not empty */
#define REST "{*}"     /* all that follows, not empty */
#define TAKES(verb) (1u << (verb))
#define READS (TAKES(HG_GET) | TAKES(HG_HEAD))

static const struct {
    const char *segments[6]; /* ends with NULL */
    unsigned verbs;
    const char *allow; /* sorted, as the twin has it */
} routes[HG_ROUTE_COUNT] = {
    [HG_ROUTE_PUBLISH] = {{"v1", "streams", PARAMETER}, TAKES(HG_POST), "POST"},
    [HG_ROUTE_VALIDATE] = {{"v1", "validate", PARAMETER}, TAKES(HG_POST), "POST"},
    [HG_ROUTE_LAST] = {{"v1", "streams", PARAMETER, "last", PARAMETER}, READS, "GET, HEAD"},
    [HG_ROUTE_CACHE] = {{"v1", "cache", REST}, READS | TAKES(HG_PUT) | TAKES(HG_DELETE), "DELETE, GET, HEAD, PUT"},
    [HG_ROUTE_CACHE_MANY] = {{"v1", "cache"}, READS, "GET, HEAD"},
    [HG_ROUTE_UPDATE] = {{"v1", "update"}, READS | TAKES(HG_PUT), "GET, HEAD, PUT"},
    [HG_ROUTE_HEALTH] = {{"healthz"}, READS, "GET, HEAD"},
    [HG_ROUTE_READY] = {{"readyz"}, READS, "GET, HEAD"},
    [HG_ROUTE_METRICS] = {{"metrics"}, READS, "GET, HEAD"},
    [HG_ROUTE_INDEX] = {{""}, READS, "GET, HEAD"},
};

/* The path after its first "/", segment by segment. */
static bool matches(const char *const *segments, struct hg_view path, struct hg_view params[2]) {
    uint32_t from = 0, param = 0;
    for (; *segments != NULL; segments++) {
        const uint8_t *slash;
        struct hg_view part;
        if (from > path.length) { /* the path is shorter */
            return false;
        }
        slash = from == path.length ? NULL : memchr(path.at + from, '/', path.length - from);
        part = (struct hg_view){path.at + from, (slash == NULL ? path.length : (uint32_t)(slash - path.at)) - from};
        if (strcmp(*segments, REST) == 0) {
            part.length = path.length - from;
        }
        if ((*segments)[0] == '{') {
            if (part.length == 0) {
                return false;
            }
            params[param++] = part;
        } else if (strlen(*segments) != part.length || memcmp(*segments, part.at, part.length) != 0) {
            return false;
        }
        from += part.length + 1;
    }
    return from == path.length + 1;
}

enum hg_route hg_route_of(struct hg_view path, struct hg_view params[2]) {
    const struct hg_view rest = {path.at + 1, path.length == 0 ? 0 : path.length - 1};
    for (int route = 0; route < HG_ROUTE_COUNT; route++) {
        if (matches(routes[route].segments, rest, params)) {
            return (enum hg_route)route;
        }
    }
    return HG_ROUTE_NONE;
}

bool hg_route_takes(enum hg_route route, uint8_t verb) { return (routes[route].verbs & TAKES(verb)) != 0; }

const char *hg_route_allow(enum hg_route route) { return routes[route].allow; }
