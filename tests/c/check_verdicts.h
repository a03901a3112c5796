/* What the tests of merging and looking share: documents are decided, and both passes say the same. */
#ifndef HEADGATE_TESTS_CHECK_VERDICTS_H
#define HEADGATE_TESTS_CHECK_VERDICTS_H

#include "check_compile.h"
#include "core/validate.h"

static inline bool count_report(void *context, const struct hg_violation *violation) {
    (void)violation;
    ++*(unsigned *)context;
    return true;
}

/* Both passes, the one over the parts and the one over what was made of them, say `valid`. */
static inline void check_document(const struct run *run, const char *schema, const char *text, bool valid) {
    struct hg_fault fault = {HG_NO_FAULT, 0};
    const uint32_t length = (uint32_t)strlen(text);
    unsigned reports = 0;
    const enum hg_verdict verdict = hg_validate_json(run->program, (const uint8_t *)text, length, &fault);
    const enum hg_verdict explained =
        hg_explain_json(run->program, (const uint8_t *)text, length, count_report, &reports, &fault);
    if (verdict != (valid ? HG_VALID : HG_INVALID) || explained != verdict) {
        fprintf(stderr, "%s\n%s\n%d %d\n", schema, text, (int)verdict, (int)explained);
        CHECK(false);
    }
    CHECK((reports == 0) == valid);
}

/* The same for all that are not NULL. */
static inline void check_documents(const struct run *run, const char *schema, const char *const *texts, size_t count,
                                   bool valid) {
    for (size_t i = 0; i < count; i++) {
        if (texts[i] != NULL) {
            check_document(run, schema, texts[i], valid);
        }
    }
}

#endif
