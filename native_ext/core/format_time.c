/* date, time and date-time of RFC 3339 section 5.6, duration of its appendix A. */
#include "format_internal.h"

bool hg_is_date(const uint8_t *p, const uint8_t *end) {
    static const uint8_t DAYS[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (end - p != 10 || !hg_in_shape(p, "0000-00-") || !hg_is_digit(p[8]) || !hg_is_digit(p[9])) {
        return false;
    }
    const int month = hg_two_digits(p + 5), day = hg_two_digits(p + 8);
    if (month < 1 || month > 12 || day < 1 || day > DAYS[month - 1]) {
        return false;
    }
    const int year = hg_two_digits(p) * 100 + hg_two_digits(p + 2);
    return month != 2 || day < 29 || (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
}

bool hg_is_time(const uint8_t *p, const uint8_t *end) {
    if (end - p < 9 || !hg_in_shape(p, "00:00:00")) {
        return false;
    }
    const int hour = hg_two_digits(p), minute = hg_two_digits(p + 3), second = hg_two_digits(p + 6);
    if (hour > 23 || minute > 59 || second > 60) {
        return false;
    }
    p += 8;
    if (*p == '.') {
        const uint8_t *digits = ++p;
        while (p != end && hg_is_digit(*p)) {
            p++;
        }
        if (p == digits) {
            return false;
        }
    }
    int offset = 0; /* minutes */
    if (end - p == 6 && (*p == '+' || *p == '-') && hg_is_digit(p[1]) && hg_is_digit(p[2]) && p[3] == ':' &&
        hg_is_digit(p[4]) && hg_is_digit(p[5])) {
        const int hours = hg_two_digits(p + 1), minutes = hg_two_digits(p + 4);
        if (hours > 23 || minutes > 59) {
            return false;
        }
        offset = (hours * 60 + minutes) * (*p == '-' ? -1 : 1);
    } else if (end - p != 1 || (*p | 0x20) != 'z') {
        return false;
    }
    /* Section 5.7: a second 60 is the last one of a day in UTC. */
    return second < 60 || (hour * 60 + minute - offset + 2 * 1440) % 1440 == 1439;
}

bool hg_is_date_time(const uint8_t *p, const uint8_t *end) {
    return end - p > 11 && (p[10] | 0x20) == 't' && hg_is_date(p, p + 10) && hg_is_time(p + 11, end);
}

/* 1*DIGIT and a unit, with none of `units` left out between the first one and the last -> behind them; NULL if there is
 * none. */
static const uint8_t *parts(const uint8_t *p, const uint8_t *end, const char *units) {
    const uint8_t *good = 0;
    for (bool first = true; p != end && hg_is_digit(*p); first = false) {
        while (p != end && hg_is_digit(*p)) {
            p++;
        }
        while (first && p != end && *units != 0 && *units != *p) {
            units++;
        }
        if (p == end || *units == 0 || *units != *p) {
            return 0;
        }
        units++;
        good = ++p;
    }
    return good;
}

bool hg_is_duration(const uint8_t *p, const uint8_t *end) {
    if (end - p < 3 || *p++ != 'P') {
        return false;
    }
    if (end[-1] == 'W') {
        return parts(p, end, "W") == end;
    }
    if (*p != 'T') {
        p = parts(p, end, "YMD");
        if (p == 0 || p == end) {
            return p != 0;
        }
    }
    return *p == 'T' && parts(p + 1, end, "HMS") == end;
}
