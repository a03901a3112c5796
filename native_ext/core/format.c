#include "format.h"

#include <string.h>

#include "format_internal.h"
#include "limits.h"
#include "pattern.h"

static const char *const NAMES[HG_FORMAT_COUNT] = {
    [HG_FORMAT_NONE] = "",
    [HG_FORMAT_DATE_TIME] = "date-time",
    [HG_FORMAT_DATE] = "date",
    [HG_FORMAT_TIME] = "time",
    [HG_FORMAT_DURATION] = "duration",
    [HG_FORMAT_UUID] = "uuid",
    [HG_FORMAT_EMAIL] = "email",
    [HG_FORMAT_HOSTNAME] = "hostname",
    [HG_FORMAT_IPV4] = "ipv4",
    [HG_FORMAT_IPV6] = "ipv6",
    [HG_FORMAT_URI] = "uri",
    [HG_FORMAT_URI_REFERENCE] = "uri-reference",
    [HG_FORMAT_JSON_POINTER] = "json-pointer",
    [HG_FORMAT_RELATIVE_JSON_POINTER] = "relative-json-pointer",
    [HG_FORMAT_REGEX] = "regex",
};

enum hg_format hg_format_named(const uint8_t *name, uint32_t length) {
    for (int format = HG_FORMAT_NONE + 1; format < HG_FORMAT_COUNT; format++) {
        if (strlen(NAMES[format]) == length && memcmp(NAMES[format], name, length) == 0) {
            return (enum hg_format)format;
        }
    }
    return HG_FORMAT_NONE;
}

const char *hg_format_name(enum hg_format format) {
    return NAMES[format];
}

/* Bit 0x80: the lane of `lanes`, all of which are below 0x80, is from `low` to `high`. */
static uint64_t within(uint64_t lanes, uint8_t low, uint8_t high) {
    return (lanes + HG_EIGHT(0x80u - low)) & ~(lanes + HG_EIGHT(0x7Fu - high)) & HG_EIGHT(0x80);
}

/* RFC 9562 section 4: 8-4-4-4-12 hexadecimal digits of either case, any version. */
static bool is_uuid(const uint8_t *p, const uint8_t *end) {
    uint8_t digits[32];
    if (end - p != 36 || p[8] != '-' || p[13] != '-' || p[18] != '-' || p[23] != '-') {
        return false;
    }
    memcpy(digits, p, 8);
    memcpy(digits + 8, p + 9, 4);
    memcpy(digits + 12, p + 14, 4);
    memcpy(digits + 16, p + 19, 4);
    memcpy(digits + 20, p + 24, 12);
    uint64_t good = HG_EIGHT(0x80);
    for (int i = 0; i < 32; i += 8) {
        const uint64_t lanes = hg_eight(digits + i), low = lanes & HG_EIGHT(0x7F);
        good &= (within(low, '0', '9') | within(low | HG_EIGHT(0x20), 'a', 'f')) & ~lanes;
    }
    return good == HG_EIGHT(0x80);
}

/* RFC 6901 section 3. */
static bool is_json_pointer(const uint8_t *p, const uint8_t *end) {
    if (p != end && *p != '/') {
        return false;
    }
    for (; p != end; p++) {
        if (*p == '~' && (++p == end || (*p != '0' && *p != '1'))) {
            return false;
        }
    }
    return true;
}

/* Digits without a leading zero -> behind them, NULL if there are none. */
static const uint8_t *integer(const uint8_t *p, const uint8_t *end) {
    const uint8_t *start = p;
    while (p != end && hg_is_digit(*p)) {
        p++;
    }
    return p == start || (*start == '0' && p - start > 1) ? NULL : p;
}

/* draft-bhutton-relative-json-pointer-00 section 3: up so many levels, perhaps to another index, then down, or "#". */
static bool is_relative_json_pointer(const uint8_t *p, const uint8_t *end) {
    p = integer(p, end);
    if (p != NULL && p != end && (*p == '+' || *p == '-')) {
        p = p + 1 != end && p[1] != '0' ? integer(p + 1, end) : NULL;
    }
    return p != NULL && ((end - p == 1 && *p == '#') || is_json_pointer(p, end));
}

bool hg_format_holds(enum hg_format format, const uint8_t *text, uint32_t length) {
    const uint8_t *end = text + length;
    if (length > HG_FORMAT_TEXT) {
        return false;
    }
    switch (format) {
    case HG_FORMAT_DATE_TIME:
        return hg_is_date_time(text, end);
    case HG_FORMAT_DATE:
        return hg_is_date(text, end);
    case HG_FORMAT_TIME:
        return hg_is_time(text, end);
    case HG_FORMAT_DURATION:
        return hg_is_duration(text, end);
    case HG_FORMAT_UUID:
        return is_uuid(text, end);
    case HG_FORMAT_EMAIL:
        return hg_is_email(text, end);
    case HG_FORMAT_HOSTNAME:
        return hg_is_hostname(text, end);
    case HG_FORMAT_IPV4:
        return hg_is_ipv4(text, end);
    case HG_FORMAT_IPV6:
        return hg_is_ipv6(text, end);
    case HG_FORMAT_URI:
        return hg_is_uri(text, end);
    case HG_FORMAT_URI_REFERENCE:
        return hg_is_uri_reference(text, end);
    case HG_FORMAT_JSON_POINTER:
        return is_json_pointer(text, end);
    case HG_FORMAT_RELATIVE_JSON_POINTER:
        return is_relative_json_pointer(text, end);
    case HG_FORMAT_REGEX:
        return hg_pattern_is_regex(text, length);
    case HG_FORMAT_NONE:
    case HG_FORMAT_COUNT:
        break;
    }
    return true; /* no format: nothing to hold */
}
