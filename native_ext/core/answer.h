/* Answers as bytes: heads, problems, dates. What is said is the twin's (core/http1.py response_head, tasks/exchange.py). */
#ifndef HEADGATE_ANSWER_H
#define HEADGATE_ANSWER_H

#include "serve.h"

/* What the connection does after an answer, and how old the client is. */
struct hg_manner {
    bool keep_alive, http10, head_only; /* head_only: HEAD */
};

/* Status line and Date. Then fields, as whole lines, then hg_answer_end. */
void hg_answer_begin(struct hg_gate *gate, uint16_t status, struct hg_output *output);
/* Framing, persistence, the empty line, and the body unless it is for HEAD. */
void hg_answer_end(uint16_t status, struct hg_manner manner, struct hg_view body, struct hg_output *output);

/* A problem about to be answered. Views may be empty; `fields`: whole lines with their CR LF; `members`: as hg_problem_body. */
struct hg_answer {
    uint16_t status;
    enum hg_code code;
    struct hg_view detail, instance, fields, members;
};
void hg_answer_problem(struct hg_gate *gate, const struct hg_answer *answer, struct hg_manner manner,
                       struct hg_output *output);

/* RFC 9110 section 5.6.7: IMF-fixdate. `now_s`: Unix seconds of the years 1970 to 9999. */
void hg_http_date(int64_t now_s, uint8_t date[29]);

static inline struct hg_view hg_text_view(const char *text) {
    return (struct hg_view){(const uint8_t *)text, (uint32_t)strlen(text)};
}

#endif
