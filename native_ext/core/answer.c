#include "answer.h"

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

void hg_answer_begin(struct hg_gate *gate, uint16_t status, struct hg_output *output) {
    hg_output_add(output, "HTTP/1.1 ", 9);
    hg_output_number(output, status);
    hg_output_add(output, " ", 1);
    hg_output_text(output, hg_status_phrase(status));
    if (gate->clock.state != HG_CLOCK_UNSET) {
        hg_output_add(output, "\r\nDate: ", 8);
        hg_output_add(output, gate->date, sizeof gate->date);
    }
    hg_output_add(output, "\r\n", 2);
}

void hg_answer_field(struct hg_output *output, const char *name, struct hg_view value) {
    hg_output_text(output, name);
    hg_output_add(output, value.at, value.length);
    hg_output_add(output, "\r\n", 2);
}

void hg_answer_end(uint16_t status, struct hg_manner manner, struct hg_view body, struct hg_output *output) {
    if (status != 204 && status != 304) { /* RFC 9110 section 8.6 */
        hg_output_add(output, "Content-Length: ", 16);
        hg_output_number(output, body.length);
        hg_output_add(output, "\r\n", 2);
    }
    if (!manner.keep_alive) {
        hg_output_text(output, "Connection: close\r\n");
    } else if (manner.http10) {
        hg_output_text(output, "Connection: keep-alive\r\n");
    }
    hg_output_add(output, "\r\n", 2);
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
