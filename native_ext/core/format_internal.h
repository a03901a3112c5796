/* The parts of format.h: each function is about the whole text [p, end). */
#ifndef HEADGATE_FORMAT_INTERNAL_H
#define HEADGATE_FORMAT_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

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
