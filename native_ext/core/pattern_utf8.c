/* UTF-8 (RFC 3629), as far as patterns need it. */
#include "pattern_internal.h"

bool hg_lead_range(uint8_t byte, struct hg_range *range) {
    if (byte < 0xC2 || byte > 0xF4) {
        return false;
    }
    if (byte < 0xE0) {
        range->low = (byte & 0x1Fu) << 6;
        range->high = range->low + 0x3F;
    } else if (byte < 0xF0) {
        range->low = byte == 0xE0 ? 0x800 : (byte & 0x0Fu) << 12;
        range->high = byte == 0xED ? 0xD7FF : ((byte & 0x0Fu) << 12) + 0xFFF;
    } else {
        range->low = byte == 0xF0 ? 0x10000 : (byte & 0x07u) << 18;
        range->high = byte == 0xF4 ? HG_LAST_CODE_POINT : ((byte & 0x07u) << 18) + 0x3FFFF;
    }
    return true;
}

uint32_t hg_decode(const uint8_t **p, const uint8_t *end) {
    const uint8_t lead = *(*p)++;
    struct hg_range range;
    if (!hg_lead_range(lead, &range)) {
        return 0xFFFD;
    }
    uint32_t more = lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
    uint32_t code = lead & (0x3Fu >> more);
    for (; more > 0 && *p != end && (**p & 0xC0) == 0x80; more--) {
        code = code << 6 | (*(*p)++ & 0x3Fu);
    }
    return more == 0 && code >= range.low && code <= range.high ? code : 0xFFFD;
}
