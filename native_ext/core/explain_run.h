/* The explaining walk over a whole document: the last part of the template, after engine.h. */
#ifndef HEADGATE_EXPLAIN_RUN_H
#define HEADGATE_EXPLAIN_RUN_H

static enum hg_verdict explain_document(const struct hg_program *program, const uint8_t *data, uint32_t length,
                                        hg_report report, void *context, struct hg_fault *fault) {
    struct hg_run run;
    struct hg_scope scope;
    struct hg_explain explain;
    explain.report = report;
    explain.context = context;
    explain.left = program->max_errors;
    explain.full = explain.left == 0;
    explain.violated = false;
    explain.first = 0;
    explain.instance_length = explain.keyword_length = 0;
    explain.instance[0] = explain.keyword[0] = 0;
    const uint8_t *p = hg_run_start(&run, &scope, program, data, length);
    run.explain = &explain;
    p = document(&run, p);
    if (p != NULL && explain.violated) {
        fault->reason = HG_NO_FAULT;
        fault->offset = explain.first;
        return HG_INVALID;
    }
    return hg_run_result(&run, p, fault);
}

#endif
