/* date, time and date-time of RFC 3339 section 5.6, duration of its appendix A. */
#include "format_internal.h"

/* The number of `width` digits at p, -1 if they are not all digits. */
static int number(const uint8_t *p, int width) {
    int value = 0;
    for (int i = 0; i < width; i++) {
        if (!hg_is_digit(p[i])) {
            return -1;
        }
        value = value * 10 + (p[i] - '0');
    }
    return value;
}

bool hg_is_date(const uint8_t *p, const uint8_t *end) {
    static const uint8_t DAYS[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (end - p != 10 || p[4] != '-' || p[7] != '-') {
        return false;
    }
    const int year = number(p, 4), month = number(p + 5, 2), day = number(p + 8, 2);
    if (year < 0 || month < 1 || month > 12 || day < 1 || day > DAYS[month - 1]) {
        return false;
    }
    return month != 2 || day < 29 || (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
}

bool hg_is_time(const uint8_t *p, const uint8_t *end) {
    if (end - p < 9 || p[2] != ':' || p[5] != ':') {
        return false;
    }
    const int hour = number(p, 2), minute = number(p + 3, 2), second = number(p + 6, 2);
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) {
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
    if (end - p == 6 && (*p == '+' || *p == '-') && p[3] == ':') {
        const int hours = number(p + 1, 2), minutes = number(p + 4, 2);
        if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) {
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
