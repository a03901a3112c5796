/* URI references and their resolution (RFC 3986 section 5), as far as JSON Schema needs it. */
#ifndef HEADGATE_URI_H
#define HEADGATE_URI_H

#include <stdbool.h>
#include <stdint.h>

#include "limits.h"

/* An absolute URI without its fragment (or a relative one, if there was no base to resolve it against). */
struct hg_uri {
    uint32_t length;
    char text[HG_SCHEMA_URI + 1]; /* NUL-terminated */
};

/* `reference` against `base` -> *uri, without the fragment (section 5.2). *fragment: what stands behind '#' in the
 * reference (not decoded), NULL if there is no '#'. false: the result is longer than HG_SCHEMA_URI or has a NUL. */
bool hg_uri_resolve(const char *base, uint32_t base_length, const uint8_t *reference, uint32_t length,
                    struct hg_uri *uri, const uint8_t **fragment, uint32_t *fragment_length);

enum hg_decoding { HG_DECODED, HG_NOT_PERCENT, HG_NOT_UTF8 };
/* Percent-decoding (section 2.1) in place of `length` bytes from `text` into `out` (may be the same). */
enum hg_decoding hg_uri_decode(const uint8_t *text, uint32_t length, uint8_t *out, uint32_t *written);

#endif
