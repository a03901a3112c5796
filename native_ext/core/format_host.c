/* Addresses: ipv4 (RFC 2673 section 3.2), ipv6 (RFC 4291 section 2.2), hostname (RFC 1123 section 2.1), email (RFC 5321
 * section 4.1.2). */
#include <string.h>

#include "format_internal.h"

#define LABEL 63 /* bytes of one label, and of a whole name: RFC 1035 section 2.3.4 */
#define NAME 253
#define LOCAL_PART 64 /* RFC 5321 section 4.5.3.1.1 */

bool hg_is_ipv4(const uint8_t *p, const uint8_t *end) {
    for (int part = 0; part < 4; part++) {
        if (part > 0 && (p == end || *p++ != '.')) {
            return false;
        }
        if (p == end || !hg_is_digit(*p)) {
            return false;
        }
        unsigned value = (unsigned)(*p++ - '0');
        for (int more = value == 0 ? 0 : 2; more > 0 && p != end && hg_is_digit(*p); more--) { /* no leading zero */
            value = value * 10 + (unsigned)(*p++ - '0');
        }
        if (value > 255) {
            return false;
        }
    }
    return p == end;
}

bool hg_is_ipv6(const uint8_t *p, const uint8_t *end) {
    unsigned groups = 0;
    bool gap = false;
    if (end - p >= 2 && p[0] == ':' && p[1] == ':') {
        gap = true;
        p += 2;
    }
    while (p != end) {
        const uint8_t *start = p;
        while (p != end && p - start < 5 && hg_is_hex(*p)) {
            p++;
        }
        if (p != end && *p == '.') {
            if (!hg_is_ipv4(start, end)) {
                return false;
            }
            groups += 2;
            break;
        }
        if (p == start || p - start > 4) {
            return false;
        }
        groups++;
        if (groups > 8) {
            return false;
        }
        if (p == end) {
            break;
        }
        if (*p++ != ':' || p == end) {
            return false;
        }
        if (*p == ':') {
            if (gap) {
                return false;
            }
            gap = true;
            p++;
        }
    }
    return gap ? groups < 8 : groups == 8; /* `::` stands for one group at least */
}

/* One label: letters, digits and hyphens, these not at the ends. */
static bool is_label(const uint8_t *p, const uint8_t *end) {
    if (p == end || end - p > LABEL || *p == '-' || end[-1] == '-') {
        return false;
    }
    for (; p != end; p++) {
        if (!hg_is_name(*p) && *p != '-') {
            return false;
        }
    }
    return true;
}

static bool is_a_label(const uint8_t *p, const uint8_t *end) {
    return end - p >= 4 && (p[0] | 0x20) == 'x' && (p[1] | 0x20) == 'n' && p[2] == '-' && p[3] == '-';
}

/* Labels with dots between them. `idna`: what begins with "xn--" must be the name of something (RFC 5891). */
static bool is_domain(const uint8_t *p, const uint8_t *end, bool idna) {
    if (end - p > NAME) {
        return false;
    }
    for (;;) {
        const uint8_t *dot = p;
        while (dot != end && *dot != '.') {
            dot++;
        }
        if (!is_label(p, dot) || (idna && is_a_label(p, dot) && !hg_is_punycode(p + 4, dot))) {
            return false;
        }
        if (dot == end) {
            return true;
        }
        p = dot + 1;
    }
}

bool hg_is_hostname(const uint8_t *p, const uint8_t *end) {
    return is_domain(p, end, true);
}

/* atext of RFC 5322 section 3.2.3. */
static bool is_atext(uint8_t c) {
    return hg_is_name(c) || (c != 0 && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* Dot-string or Quoted-string -> behind it, NULL if it is neither. */
static const uint8_t *local_part(const uint8_t *p, const uint8_t *end) {
    if (p != end && *p == '"') {
        for (p++; p != end && *p != '"'; p++) {
            if (*p == '\\' && ++p == end) {
                return NULL;
            }
            if (*p < 32 || *p > 126) {
                return NULL;
            }
        }
        return p == end ? NULL : p + 1;
    }
    for (;;) {
        const uint8_t *start = p;
        while (p != end && is_atext(*p)) {
            p++;
        }
        if (p == start) {
            return NULL;
        }
        if (p == end || *p != '.') {
            return p;
        }
        p++;
    }
}

bool hg_is_email(const uint8_t *p, const uint8_t *end) {
    const uint8_t *at = local_part(p, end);
    if (at == NULL || at - p > LOCAL_PART || at == end || *at != '@') {
        return false;
    }
    p = at + 1;
    if (end - p > 2 && *p == '[' && end[-1] == ']') {
        p++;
        end--;
        static const char IPV6[] = "ipv6:";
        size_t i = 0;
        while (i < 5 && p + i != end && (p[i] | (IPV6[i] > '9' && IPV6[i] != ':' ? 0x20 : 0)) == (uint8_t)IPV6[i]) {
            i++;
        }
        return i == 5 ? hg_is_ipv6(p + 5, end) : hg_is_ipv4(p, end);
    }
    return is_domain(p, end, false);
}
