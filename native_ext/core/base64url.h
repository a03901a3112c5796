/* base64url without padding (RFC 4648 section 5), strictly: one text for one value. Twin of firmware_py/headgate/core/base64url.py. */
#ifndef HEADGATE_BASE64URL_H
#define HEADGATE_BASE64URL_H

#include <stdbool.h>
#include <stdint.h>

/* `out`: room for length * 3 / 4 bytes. false: not the canonical text of anything. */
bool hg_base64url_decode(const uint8_t *text, uint32_t length, uint8_t *out, uint32_t *written);

#endif
