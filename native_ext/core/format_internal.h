/* The parts of format.h: each function is about the whole text [p, end). */
#ifndef HEADGATE_FORMAT_INTERNAL_H
#define HEADGATE_FORMAT_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline bool hg_is_digit(uint8_t c) {
    return c >= '0' && c <= '9';
}
static inline bool hg_is_letter(uint8_t c) {
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}
static inline bool hg_is_hex(uint8_t c) {
    return hg_is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}
static inline bool hg_is_name(uint8_t c) {
    return hg_is_letter(c) || hg_is_digit(c);
}

/* Eight bytes side by side, whatever the byte order: no carry leaves a lane that is below 0x80, and one that is not has the bit
 * looked at itself. */
#define HG_EIGHT(byte) (UINT64_C(0x0101010101010101) * (byte))
static inline uint64_t hg_eight(const void *p) {
    uint64_t lanes;
    memcpy(&lanes, p, sizeof lanes);
    return lanes;
}
/* The eight bytes at p are like `shape`: a digit where it has '0', else the same. */
static inline bool hg_in_shape(const uint8_t *p, const char shape[8]) {
    const uint64_t model = hg_eight(shape), lanes = hg_eight(p) ^ model;
    /* '0' is the only one of a shape with bits 0x30 and not 0x0F: "0" ^ ("-", ":") differ in the lowest four bits */
    const uint64_t fixed = (model | model >> 1 | model >> 2 | model >> 3) & HG_EIGHT(1); /* 1: must be the same */
    return (((lanes + HG_EIGHT(0x76) + fixed * 9) | lanes) & HG_EIGHT(0x80)) == 0;       /* 9 + 0x76 < 0x80; 0 + 0x7f */
}
static inline int hg_two_digits(const uint8_t *p) {
    return (p[0] - '0') * 10 + p[1] - '0';
}

/* format_time.c */
bool hg_is_date(const uint8_t *p, const uint8_t *end);
bool hg_is_time(const uint8_t *p, const uint8_t *end);
bool hg_is_date_time(const uint8_t *p, const uint8_t *end);
bool hg_is_duration(const uint8_t *p, const uint8_t *end);

/* format_host.c */
bool hg_is_ipv4(const uint8_t *p, const uint8_t *end);
bool hg_is_ipv6(const uint8_t *p, const uint8_t *end);
bool hg_is_hostname(const uint8_t *p, const uint8_t *end);
bool hg_is_email(const uint8_t *p, const uint8_t *end);

/* format_alabel.c: p behind "xn--", at most 59 bytes of letters, digits and hyphens. */
bool hg_is_punycode(const uint8_t *p, const uint8_t *end);

/* format_uri.c */
bool hg_is_uri(const uint8_t *p, const uint8_t *end);
bool hg_is_uri_reference(const uint8_t *p, const uint8_t *end);

#endif
