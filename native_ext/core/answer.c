#include "answer.h"

#include "decimal.h"

static void two_digits(uint8_t *out, int64_t number) {
    out[0] = (uint8_t)('0' + number / 10 % 10);
    out[1] = (uint8_t)('0' + number % 10);
}

/* Days to a civil date with years that begin in March, so that the leap day comes last. */
void hg_http_date(int64_t now_s, uint8_t date[29]) {
    const int64_t days = now_s / 86400, seconds = now_s % 86400;
    const int64_t shifted = days + 719468; /* days since 0000-03-01 */
    const int64_t era = shifted / 146097, of_era = shifted % 146097;
    const int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const int64_t month = (5 * of_year + 2) / 153; /* 0 = March */
    const int64_t day = of_year - (153 * month + 2) / 5 + 1;
    const int64_t year = era * 400 + year_of_era + (month >= 10 ? 1 : 0); /* January and February */
    memcpy(date, "Thu, 00 Mar 0000 00:00:00 GMT", 29);
    memcpy(date, &"ThuFriSatSunMonTueWed"[days % 7 * 3], 3);
    two_digits(date + 5, day);
    memcpy(date + 8, &"MarAprMayJunJulAugSepOctNovDecJanFeb"[month * 3], 3);
    two_digits(date + 12, year / 100);
    two_digits(date + 14, year % 100);
    two_digits(date + 17, seconds / 3600);
    two_digits(date + 20, seconds % 3600 / 60);
    two_digits(date + 23, seconds % 60);
}

static uint8_t *put(uint8_t *to, const void *data, size_t length) {
    memcpy(to, data, length);
    return to + length;
}
#define PUT(to, text) put(to, text, sizeof(text) - 1)

HG_RARE static void make_beginning(struct hg_beginning *beginning, uint16_t status, int64_t dated_s) {
    const char *const phrase = hg_status_phrase(status);
    const size_t length = strlen(phrase);
    uint8_t *at = PUT(beginning->text, "HTTP/1.1 ");
    *at++ = (uint8_t)('0' + status / 100);
    two_digits(at, status % 100);
    at[2] = ' ';
    at = put(at + 3, phrase, length < HG_PHRASE ? length : HG_PHRASE);
    if (dated_s != HG_UNDATED) {
        at = PUT(at, "\r\nDate: ");
        hg_http_date(dated_s, at); /* RFC 9110 section 5.6.7 */
        at += 29;
    }
    at = PUT(at, "\r\n");
    beginning->status = status;
    beginning->length = (uint16_t)(at - beginning->text);
}

void hg_answer_begin(struct hg_gate *gate, uint16_t status, struct hg_output *output) {
    struct hg_beginning *beginning = &gate->beginnings[status % HG_BEGINNINGS];
    uint8_t *const room = hg_output_room(output, sizeof beginning->text);
    if (room == NULL) {
        return;
    }
    if (HG_UNLIKELY(beginning->status != status)) {
        make_beginning(beginning, status, gate->dated_s);
    }
    memcpy(room, beginning->text, sizeof beginning->text); /* of a constant size: its length is what counts */
    hg_output_use(output, beginning->length);
}

void hg_answer_end(uint16_t status, struct hg_manner manner, struct hg_view body, struct hg_output *output) {
    uint8_t *const room = hg_output_room(output, 96), *at = room; /* 96: all three lines */
    if (room == NULL) {
        return;
    }
    if (status != 204 && status != 304) { /* RFC 9110 section 8.6 */
        at = PUT(at, "Content-Length: ") + hg_decimal_digits(body.length);
        (void)hg_decimal_before(at, body.length);
        at = PUT(at, "\r\n");
    }
    if (!manner.keep_alive) {
        at = PUT(at, "Connection: close\r\n");
    } else if (manner.http10) {
        at = PUT(at, "Connection: keep-alive\r\n");
    }
    at = PUT(at, "\r\n");
    hg_output_use(output, (uint32_t)(at - room));
    if (!manner.head_only) {
        hg_output_add(output, body.at, body.length);
    }
}

void hg_answer_problem(struct hg_gate *gate, const struct hg_answer *answer, struct hg_manner manner,
                       struct hg_output *output) {
    struct hg_output *body = &gate->scratch;
    body->length = 0;
    body->failed = false;
    hg_problem_body(body, answer->status, answer->code, answer->detail, answer->instance, answer->members);
    hg_answer_begin(gate, answer->status, output);
    hg_output_text(output, "Content-Type: application/problem+json\r\n");
    hg_output_add(output, answer->fields.at, answer->fields.length);
    hg_answer_end(answer->status, manner, (struct hg_view){body->data, body->failed ? 0 : body->length}, output);
}
