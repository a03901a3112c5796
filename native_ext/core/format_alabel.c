/* The "xn--" labels of a hostname: Punycode (RFC 3492) of something IDNA2008 allows (RFC 5891 section 5.4, RFC 5892).
 *
 * Letters, marks and digits are told by their general category, with the exceptions and the contextual rules of RFC
 * 5892. Left out, for they need tables of their own: which letters change under normalization or case folding
 * (compatibility forms such as U+FB01 pass), the Bidi rule (RFC 5893), and joining types (letters of cursive scripts
 * count as joining on both sides). Twin: firmware_py/headgate/core/a_label.py. */
#include <string.h>

#include "format_internal.h"
#include "pattern_internal.h"

#define LABEL 64 /* characters: more than an "xn--" label of 63 bytes can stand for */

/* RFC 3492 section 5. */
enum { BASE = 36, T_MIN = 1, T_MAX = 26, SKEW = 38, DAMP = 700, FIRST_BIAS = 72, FIRST_CODE = 128 };

static uint32_t adapt(uint32_t delta, uint32_t count, bool first) {
    uint32_t k = 0;
    delta /= first ? DAMP : 2;
    for (delta += delta / count; delta > (BASE - T_MIN) * T_MAX / 2; k += BASE) {
        delta /= BASE - T_MIN;
    }
    return k + (BASE - T_MIN + 1) * delta / (delta + SKEW);
}

/* -> the number of characters in `out`, 0 for what is not Punycode of anything beyond ASCII. */
static uint32_t decode(const uint8_t *p, const uint8_t *end, uint32_t out[LABEL]) {
    const uint8_t *basic = end;
    uint32_t count = 0, code = FIRST_CODE, at = 0, bias = FIRST_BIAS;
    while (basic != p && basic[-1] != '-') {
        basic--;
    }
    if (basic == p + 1 || basic == end) {
        return 0; /* a delimiter with nothing before or behind it */
    }
    for (; basic != p && p + 1 != basic; p++) {
        out[count++] = hg_is_letter(*p) ? *p | 0x20u : *p;
    }
    p = basic;
    while (p != end) {
        const uint32_t before = at;
        uint32_t weight = 1;
        for (uint32_t k = BASE;; k += BASE) {
            if (p == end || *p == '-' || count == LABEL) {
                return 0;
            }
            const uint32_t digit = hg_is_digit(*p) ? *p - '0' + 26u : (*p | 0x20u) - 'a';
            const uint32_t t = k <= bias + T_MIN ? T_MIN : k >= bias + T_MAX ? T_MAX : k - bias;
            p++;
            if (digit > (INT32_MAX - at) / weight) {
                return 0;
            }
            at += digit * weight;
            if (digit < t) {
                break;
            }
            if (weight > INT32_MAX / (BASE - t)) {
                return 0;
            }
            weight *= BASE - t;
        }
        count++;
        bias = adapt(at - before, count, before == 0);
        code += at / count;
        at %= count;
        if (code > HG_LAST_CODE_POINT || (code >= 0xD800 && code <= 0xDFFF)) {
            return 0;
        }
        memmove(out + at + 1, out + at, (count - 1 - at) * sizeof *out);
        out[at++] = code;
    }
    return count;
}

/* RFC 5892 section 2.6, and old Hangul (section 2.9). */
static const struct hg_range DISALLOWED[] = {{0x640, 0x640},   {0x7FA, 0x7FA},   {0x1100, 0x11FF}, {0x302E, 0x302F},
                                             {0x3031, 0x3035}, {0x303B, 0x303B}, {0xA960, 0xA97C}, {0xD7B0, 0xD7FB}};
static const struct hg_range ALLOWED[] = {
    {0xDF, 0xDF}, {0x3C2, 0x3C2}, {0x6FD, 0x6FE}, {0xF0B, 0xF0B}, {0x3007, 0x3007}};
/* Blocks, close enough to the scripts that the contextual rules of its appendix A ask for. */
static const struct hg_range GREEK[] = {{0x370, 0x3FF}, {0x1F00, 0x1FFF}};
static const struct hg_range HEBREW[] = {{0x591, 0x5F4}, {0xFB1D, 0xFB4F}};
static const struct hg_range KANA_HAN[] = {{0x3005, 0x3007}, {0x3021, 0x3029}, {0x3038, 0x303A}, {0x3041, 0x3096},
                                           {0x309D, 0x309F}, {0x30A1, 0x30FA}, {0x30FD, 0x30FF}, {0x31F0, 0x31FF},
                                           {0x3400, 0x4DBF}, {0x4E00, 0x9FFF}, {0x20000, 0x3FFFF}};
static const struct hg_range JOINING[] = {{0x620, 0x64A},   {0x66E, 0x6D3},     {0x6FA, 0x6FF},     {0x710, 0x77F},
                                          {0x7CA, 0x7EA},   {0x840, 0x8C9},     {0x1807, 0x1807},   {0x1820, 0x18AA},
                                          {0xA840, 0xA872}, {0x10AC0, 0x10AEF}, {0x10D00, 0x10D23}, {0x1E900, 0x1E943}};
/* Canonical_Combining_Class 9 */
static const struct hg_range VIRAMA[] = {
    {0x94D, 0x94D},     {0x9CD, 0x9CD},     {0xA4D, 0xA4D},     {0xACD, 0xACD},     {0xB4D, 0xB4D},
    {0xBCD, 0xBCD},     {0xC4D, 0xC4D},     {0xCCD, 0xCCD},     {0xD3B, 0xD3C},     {0xD4D, 0xD4D},
    {0xDCA, 0xDCA},     {0xE3A, 0xE3A},     {0xEBA, 0xEBA},     {0xF84, 0xF84},     {0x1039, 0x103A},
    {0x1714, 0x1715},   {0x1734, 0x1734},   {0x17D2, 0x17D2},   {0x1A60, 0x1A60},   {0x1B44, 0x1B44},
    {0x1BAA, 0x1BAB},   {0x1BF2, 0x1BF3},   {0x2D7F, 0x2D7F},   {0xA806, 0xA806},   {0xA82C, 0xA82C},
    {0xA8C4, 0xA8C4},   {0xA953, 0xA953},   {0xA9C0, 0xA9C0},   {0xAAF6, 0xAAF6},   {0xABED, 0xABED},
    {0x10A3F, 0x10A3F}, {0x11046, 0x11046}, {0x11070, 0x11070}, {0x1107F, 0x1107F}, {0x110B9, 0x110B9},
    {0x11133, 0x11134}, {0x111C0, 0x111C0}, {0x11235, 0x11235}, {0x112EA, 0x112EA}, {0x1134D, 0x1134D},
    {0x11442, 0x11442}, {0x114C2, 0x114C2}, {0x115BF, 0x115BF}, {0x1163F, 0x1163F}, {0x116B6, 0x116B6},
    {0x1172B, 0x1172B}, {0x11839, 0x11839}, {0x1193D, 0x1193E}, {0x119E0, 0x119E0}, {0x11A34, 0x11A34},
    {0x11A47, 0x11A47}, {0x11A99, 0x11A99}, {0x11C3F, 0x11C3F}, {0x11D44, 0x11D45}, {0x11D97, 0x11D97}};

#define IN(table, code) hg_in_ranges(table, sizeof(table) / sizeof *(table), code)

/* Bits of categories, in the order of the table: Lu Ll Lt Lm Lo Mn Mc Me Nd. */
enum { LL = 1 << 1, LM = 1 << 3, LO = 1 << 4, MN = 1 << 5, MC = 1 << 6, ME = 1 << 7, ND = 1 << 8 };

struct label {
    uint32_t text[LABEL];
    uint32_t categories[LABEL];
    uint32_t count;
};

static bool has(const struct label *label, uint32_t low, uint32_t high) {
    for (uint32_t i = 0; i < label->count; i++) {
        if (label->text[i] >= low && label->text[i] <= high) {
            return true;
        }
    }
    return false;
}

static bool has_kana_or_han(const struct label *label) {
    for (uint32_t i = 0; i < label->count; i++) {
        if (IN(KANA_HAN, label->text[i])) {
            return true;
        }
    }
    return false;
}

/* RFC 5892 appendix A.1: a joining letter on both sides, marks in between not counted. */
static bool between_joining(const struct label *label, uint32_t at) {
    uint32_t before = at, behind = at + 1;
    while (before > 0 && label->categories[before - 1] == MN) {
        before--;
    }
    while (behind < label->count && label->categories[behind] == MN) {
        behind++;
    }
    return before > 0 && behind < label->count && IN(JOINING, label->text[before - 1]) &&
           IN(JOINING, label->text[behind]);
}

/* Whether the character at `at` is allowed there. */
static bool is_allowed(const struct label *label, uint32_t at) {
    const uint32_t code = label->text[at];
    const uint32_t before = at > 0 ? label->text[at - 1] : 0;
    const uint32_t behind = at + 1 < label->count ? label->text[at + 1] : 0;
    switch (code) {
    case 0xB7: /* middle dot */
        return before == 'l' && behind == 'l';
    case 0x375: /* Greek keraia */
        return IN(GREEK, behind);
    case 0x5F3: /* Hebrew geresh and gershayim */
    case 0x5F4:
        return IN(HEBREW, before);
    case 0x30FB: /* Katakana middle dot */
        return has_kana_or_han(label);
    case 0x200C: /* zero width non-joiner */
        return IN(VIRAMA, before) || between_joining(label, at);
    case 0x200D: /* zero width joiner */
        return IN(VIRAMA, before);
    default:
        break;
    }
    if (code < 0x80) {
        return true; /* a letter, a digit or a hyphen: checked as part of the hostname */
    }
    if (code >= 0x660 && code <= 0x669) { /* Arabic-Indic digits, and the extended ones, do not mix */
        return !has(label, 0x6F0, 0x6F9);
    }
    if (code >= 0x6F0 && code <= 0x6F9) {
        return !has(label, 0x660, 0x669);
    }
    return IN(ALLOWED, code) ||
           ((label->categories[at] & (LL | LM | LO | MN | MC | ND)) != 0 && !IN(DISALLOWED, code));
}

bool hg_is_punycode(const uint8_t *p, const uint8_t *end) {
    struct label label;
    label.count = decode(p, end, label.text);
    if (label.count == 0 || label.text[0] == '-' || label.text[label.count - 1] == '-' ||
        (label.count > 3 && label.text[2] == '-' && label.text[3] == '-')) {
        return false;
    }
    for (uint32_t i = 0; i < label.count; i++) {
        label.categories[i] = hg_property_of(label.text[i]);
    }
    if ((label.categories[0] & (MN | MC | ME)) != 0) {
        return false;
    }
    for (uint32_t i = 0; i < label.count; i++) {
        if (!is_allowed(&label, i)) {
            return false;
        }
    }
    return true;
}
