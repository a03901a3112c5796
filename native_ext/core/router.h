/* The routes of the wire interface (tasks/api.py). Static segments and one-level parameters, a last {key*} takes the rest. */
#ifndef HEADGATE_ROUTER_H
#define HEADGATE_ROUTER_H

#include "http1.h"

enum hg_route {
    HG_ROUTE_PUBLISH,  /* stream */
    HG_ROUTE_VALIDATE, /* stream */
    HG_ROUTE_LAST,     /* stream, client */
    HG_ROUTE_CACHE,    /* key */
    HG_ROUTE_CACHE_MANY, /* keys in the query */
    HG_ROUTE_UPDATE,
    HG_ROUTE_HEALTH,
    HG_ROUTE_READY,
    HG_ROUTE_METRICS,
    HG_ROUTE_INDEX,
    HG_ROUTE_COUNT,
    HG_ROUTE_NONE /* 404 */
};

/* `path` decoded. *params: up to two, in the order of the path. */
enum hg_route hg_route_of(struct hg_view path, struct hg_view params[2]);
/* The method is one of the route's (HEAD where GET is); otherwise 405 with this Allow. */
bool hg_route_takes(enum hg_route route, uint8_t verb);
const char *hg_route_allow(enum hg_route route);

#endif
