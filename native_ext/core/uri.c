#include "uri.h"

#include <stddef.h>
#include <string.h>

#include "scan.h"

struct span {
    const char *text; /* NULL: the component is not there at all */
    uint32_t length;
};

struct parts {
    struct span scheme, authority, path, query; /* scheme with its ':', authority with its "//", query with its '?' */
};

static bool is_alpha(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_scheme_char(char c) {
    return is_alpha(c) || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
}

static struct parts split(const char *text, uint32_t length) {
    struct parts parts = {{NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}};
    uint32_t at = 0;
    if (length != 0 && is_alpha(text[0])) {
        uint32_t i = 1;
        while (i < length && is_scheme_char(text[i])) {
            i++;
        }
        if (i < length && text[i] == ':') {
            parts.scheme = (struct span){text, i + 1};
            at = i + 1;
        }
    }
    if (length - at >= 2 && text[at] == '/' && text[at + 1] == '/') {
        uint32_t i = at + 2;
        while (i < length && text[i] != '/' && text[i] != '?') {
            i++;
        }
        parts.authority = (struct span){text + at, i - at};
        at = i;
    }
    uint32_t i = at;
    while (i < length && text[i] != '?') {
        i++;
    }
    parts.path = (struct span){text + at, i - at};
    if (i < length) {
        parts.query = (struct span){text + i, length - i};
    }
    return parts;
}

static bool append(struct hg_uri *uri, struct span span) {
    if (span.length > HG_SCHEMA_URI - uri->length) {
        return false;
    }
    if (span.length != 0) {
        memcpy(uri->text + uri->length, span.text, span.length);
        uri->length += span.length;
    }
    return true;
}

/* Section 5.2.4, in place: the segments of text[from ..) are written again without the dots. */
static void remove_dot_segments(struct hg_uri *uri, uint32_t from) {
    char *path = uri->text + from;
    const uint32_t length = uri->length - from;
    const bool absolute = length != 0 && path[0] == '/';
    uint32_t in = absolute ? 1 : 0, out = in;
    const uint32_t floor = out;
    while (in <= length) {
        uint32_t end = in;
        while (end < length && path[end] != '/') {
            end++;
        }
        const uint32_t size = end - in;
        const bool last = end == length;
        const bool dot = size == 1 && path[in] == '.';
        const bool dots = size == 2 && path[in] == '.' && path[in + 1] == '.';
        if (dots) { /* the segment before goes as well */
            if (out > floor) {
                out--;
                while (out > floor && path[out - 1] != '/') {
                    out--;
                }
            }
        } else if (!dot) {
            memmove(path + out, path + in, size);
            out += size;
            if (!last) {
                path[out++] = '/';
            }
        }
        if (last) {
            break;
        }
        in = end + 1;
    }
    uri->length = from + out;
}

bool hg_uri_resolve(const char *base, uint32_t base_length, const uint8_t *reference, uint32_t length,
                    struct hg_uri *uri, const uint8_t **fragment, uint32_t *fragment_length) {
    const uint8_t *hash = length == 0 ? NULL : memchr(reference, '#', length);
    *fragment = hash == NULL ? NULL : hash + 1;
    *fragment_length = hash == NULL ? 0 : length - (uint32_t)(hash - reference) - 1;
    const uint32_t size = hash == NULL ? length : (uint32_t)(hash - reference);
    if (size != 0 && memchr(reference, 0, size) != NULL) {
        return false;
    }
    const struct parts r = split((const char *)reference, size), b = split(base, base_length);
    bool fits, dots = true;
    uint32_t path;
    uri->length = 0;
    if (r.scheme.text != NULL) {
        fits = append(uri, r.scheme) && append(uri, r.authority);
        dots = r.authority.text != NULL || (r.path.length != 0 && r.path.text[0] == '/'); /* a URN is left alone */
        path = uri->length;
        fits = fits && append(uri, r.path);
    } else if (r.authority.text != NULL) {
        fits = append(uri, b.scheme) && append(uri, r.authority);
        path = uri->length;
        fits = fits && append(uri, r.path);
    } else {
        fits = append(uri, b.scheme) && append(uri, b.authority);
        path = uri->length;
        if (r.path.length == 0) {
            fits = fits && append(uri, b.path);
            dots = false;
        } else if (r.path.text[0] == '/') {
            fits = fits && append(uri, r.path);
        } else { /* section 5.2.3 */
            uint32_t directory = b.path.length;
            while (directory != 0 && b.path.text[directory - 1] != '/') {
                directory--;
            }
            const bool bare = b.authority.text != NULL && b.path.length == 0;
            fits = fits && append(uri, bare ? (struct span){"/", 1} : (struct span){b.path.text, directory}) &&
                   append(uri, r.path);
        }
    }
    if (fits && dots) {
        remove_dot_segments(uri, path);
    }
    if (r.query.text != NULL) {
        fits = fits && append(uri, r.query);
    } else if (r.scheme.text == NULL && r.authority.text == NULL && r.path.length == 0) {
        fits = fits && append(uri, b.query);
    }
    uri->text[uri->length] = 0;
    return fits;
}

static int hex_digit(uint8_t c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum hg_decoding hg_uri_decode(const uint8_t *text, uint32_t length, uint8_t *out, uint32_t *written) {
    uint32_t at = 0, characters;
    for (uint32_t i = 0; i < length; i++) {
        uint8_t c = text[i];
        if (c == '%') {
            if (length - i < 3 || hex_digit(text[i + 1]) < 0 || hex_digit(text[i + 2]) < 0) {
                return HG_NOT_PERCENT;
            }
            c = (uint8_t)(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
            i += 2;
        }
        out[at++] = c;
    }
    *written = at;
    return hg_utf8_fault(out, out + at, &characters) == NULL ? HG_DECODED : HG_NOT_UTF8;
}
