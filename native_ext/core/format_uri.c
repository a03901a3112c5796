/* URI and URI-reference of RFC 3986, appendix A. */
#include <string.h>

#include "format_internal.h"

/* Characters from p on that are unreserved, sub-delims, of `more`, or percent-encoded -> behind them. */
static const uint8_t *skip(const uint8_t *p, const uint8_t *end, const char *more) {
    while (p != end) {
        if (*p == '%') {
            if (end - p < 3 || !hg_is_hex(p[1]) || !hg_is_hex(p[2])) {
                return p;
            }
            p += 3;
        } else if (hg_is_name(*p) || (*p != 0 && (strchr("-._~!$&'()*+,;=", *p) != NULL || strchr(more, *p) != NULL))) {
            p++;
        } else {
            return p;
        }
    }
    return p;
}

static const uint8_t *find(const uint8_t *p, const uint8_t *end, const char *any) {
    while (p != end && (*p == 0 || strchr(any, *p) == NULL)) {
        p++;
    }
    return p;
}

/* "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" ) */
static bool is_ip_future(const uint8_t *p, const uint8_t *end) {
    if (p == end || (*p | 0x20) != 'v') {
        return false;
    }
    const uint8_t *start = ++p;
    while (p != end && hg_is_hex(*p)) {
        p++;
    }
    return p != start && end - p >= 2 && *p == '.' && memchr(p, '%', (size_t)(end - p)) == NULL &&
           skip(p + 1, end, ":") == end;
}

/* [ userinfo "@" ] host [ ":" port ] */
static bool is_authority(const uint8_t *p, const uint8_t *end) {
    const uint8_t *at = skip(p, end, ":");
    if (at != end && *at == '@') {
        p = at + 1;
    }
    if (p != end && *p == '[') {
        const uint8_t *close = find(p, end, "]");
        if (close == end || !(hg_is_ipv6(p + 1, close) || is_ip_future(p + 1, close))) {
            return false;
        }
        p = close + 1;
    } else {
        p = skip(p, end, "");
    }
    if (p != end && *p++ != ':') {
        return false;
    }
    while (p != end && hg_is_digit(*p)) {
        p++;
    }
    return p == end;
}

/* Behind the scheme, or a whole relative reference: [ "//" authority ] path [ "?" query ] [ "#" fragment ]. */
static bool is_rest(const uint8_t *p, const uint8_t *end) {
    if (end - p >= 2 && p[0] == '/' && p[1] == '/') {
        const uint8_t *path = find(p + 2, end, "/?#");
        if (!is_authority(p + 2, path)) {
            return false;
        }
        p = path;
    }
    p = skip(p, end, ":@/");
    if (p != end && *p == '?') {
        p = skip(p + 1, end, ":@/?");
    }
    if (p != end && *p == '#') {
        p = skip(p + 1, end, ":@/?");
    }
    return p == end;
}

bool hg_is_uri(const uint8_t *p, const uint8_t *end) {
    if (p == end || !hg_is_letter(*p)) {
        return false;
    }
    while (p != end && (hg_is_name(*p) || *p == '+' || *p == '-' || *p == '.')) {
        p++;
    }
    return p != end && *p == ':' && is_rest(p + 1, end);
}

bool hg_is_uri_reference(const uint8_t *p, const uint8_t *end) {
    const uint8_t *first = find(p, end, ":/?#");
    if (first != end && *first == ':') { /* a relative path has no colon in its first segment */
        return hg_is_uri(p, end);
    }
    return is_rest(p, end);
}
