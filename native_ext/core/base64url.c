#include "base64url.h"

#define BAD 64
#define IN(c, low, high) ((c) >= (low) && (c) <= (high))
#define VALUE(c)                                                                                                          \
    (uint8_t)(IN(c, 'A', 'Z') ? (c) - 'A' : IN(c, 'a', 'z') ? (c) - 'a' + 26 : IN(c, '0', '9') ? (c) - '0' + 52 :        \
              (c) == '-' ? 62 : (c) == '_' ? 63 : BAD)
#define VALUE4(c) VALUE(c), VALUE((c) + 1), VALUE((c) + 2), VALUE((c) + 3)
#define VALUE16(c) VALUE4(c), VALUE4((c) + 4), VALUE4((c) + 8), VALUE4((c) + 12)
static const uint8_t values[128] = {VALUE16(0x00), VALUE16(0x10), VALUE16(0x20), VALUE16(0x30),
                                    VALUE16(0x40), VALUE16(0x50), VALUE16(0x60), VALUE16(0x70)};

static uint32_t value_of(uint8_t c) { return c < 128 ? values[c] : BAD; }

bool hg_base64url_decode(const uint8_t *text, uint32_t length, uint8_t *out, uint32_t *written) {
    const uint32_t extra = length % 4;
    const uint8_t *const whole = text + (length - extra);
    uint8_t *o = out;
    uint32_t seen = 0;
    for (; text != whole; text += 4, o += 3) {
        const uint32_t a = value_of(text[0]), b = value_of(text[1]), c = value_of(text[2]), d = value_of(text[3]);
        seen |= a | b | c | d;
        o[0] = (uint8_t)(a << 2 | b >> 4);
        o[1] = (uint8_t)(b << 4 | c >> 2);
        o[2] = (uint8_t)(c << 6 | d);
    }
    if (extra == 1) { /* never occurs */
        return false;
    }
    if (extra != 0) {
        const uint32_t a = value_of(text[0]), b = value_of(text[1]), c = extra == 3 ? value_of(text[2]) : 0;
        seen |= a | b | c;
        /* Bits of the last character that belong to no byte must be zero, section 3.5. */
        if ((extra == 2 ? b & 15 : c & 3) != 0) {
            return false;
        }
        *o++ = (uint8_t)(a << 2 | b >> 4);
        if (extra == 3) {
            *o++ = (uint8_t)(b << 4 | c >> 2);
        }
    }
    *written = (uint32_t)(o - out);
    return seen < BAD;
}
