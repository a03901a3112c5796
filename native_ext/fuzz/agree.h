/* What must hold for any compiled schema and any document, in both encodings: all passes over it say the same. */
#ifndef HEADGATE_FUZZ_AGREE_H
#define HEADGATE_FUZZ_AGREE_H

#include "../../tests/c/check.h"
#include "core/cbor_sort.h"
#include "core/duplicates.h"
#include "core/scan.h"
#include "core/validate.h"

/* The schema `true`: takes whatever is well-formed. */
static inline struct hg_program anything(void) {
    return (struct hg_program){
        .max_depth = HG_JSON_DEPTH, .max_steps = HG_SCHEMA_STEPS, .max_bytes = HG_DOCUMENT_BYTES, .max_errors = 1};
}

/* A copy in a block of its own that ends with the NUL JSON asks for, or where the bytes end: what is read beyond is
 * seen by the sanitizer. */
static inline uint8_t *exact_copy(const uint8_t *data, size_t length, bool nul) {
    uint8_t *copy = malloc(length + nul > 0 ? length + nul : 1);
    CHECK(copy != NULL);
    if (length > 0) {
        memcpy(copy, data, length);
    }
    if (nul) {
        copy[length] = 0;
    }
    return copy;
}

struct reports {
    const struct hg_program *program;
    uint32_t length, count;
};

static inline void check_text(const char *text, uint32_t length) {
    uint32_t characters;
    const uint8_t *start = (const uint8_t *)text;
    CHECK(hg_utf8_fault(start, start + length, &characters) == NULL);
}

static inline bool check_violation(void *context, const struct hg_violation *violation) {
    struct reports *reports = context;
    reports->count++;
    CHECK(reports->count <= reports->program->max_errors);
    CHECK(violation->offset <= reports->length && violation->message_length > 0); /* or the value is missing: a fault */
    CHECK(violation->instance[violation->instance_length] == 0 && violation->message[violation->message_length] == 0);
    CHECK(violation->keyword_location[violation->keyword_location_length] == 0);
    CHECK(violation->schema[violation->schema_length] == 0);
    check_text(violation->instance, violation->instance_length);
    check_text(violation->keyword_location, violation->keyword_location_length);
    check_text(violation->schema, violation->schema_length);
    check_text(violation->schema_uri, violation->schema_uri_length);
    check_text(violation->message, violation->message_length);
    return true;
}

static inline bool out_of_steps(enum hg_verdict verdict, const struct hg_fault *fault) {
    return verdict == HG_MALFORMED && fault->reason == HG_OUT_OF_STEPS;
}

/* The pass that explains finds a reason if and only if there is one; a fault it meets behind a violation is news. */
static inline void agree_explain(const struct hg_program *program, const uint8_t *data, uint32_t length, bool json,
                                 enum hg_verdict verdict, const struct hg_fault *fault) {
    struct reports reports = {program, length, 0};
    struct hg_fault found = {HG_NO_FAULT, 0};
    const enum hg_verdict explained = json ? hg_explain_json(program, data, length, check_violation, &reports, &found)
                                           : hg_explain_cbor(program, data, length, check_violation, &reports, &found);
    if (out_of_steps(explained, &found) || out_of_steps(verdict, fault)) {
        return; /* it walks further, so it may have more to do */
    }
    CHECK((verdict == HG_VALID) == (explained == HG_VALID));
    CHECK(explained != HG_VALID || reports.count == 0);
    CHECK(explained != HG_INVALID || (verdict == HG_INVALID && reports.count > 0));
    if (verdict == HG_MALFORMED) {
        CHECK(explained == HG_MALFORMED && found.reason == fault->reason && found.offset == fault->offset);
    }
}

/* JSON text -> the CBOR it stands for, in a block of the promised size; NULL: it is not acceptable. */
static inline uint8_t *cbor_of(const struct hg_program *program, const uint8_t *data, uint32_t length,
                               enum hg_verdict *verdict, struct hg_fault *fault, uint32_t *written) {
    uint8_t *out = malloc((size_t)hg_cbor_bound(length));
    CHECK(out != NULL);
    *verdict = hg_json_to_cbor(program, data, length, out, written, fault);
    if (*verdict != HG_VALID) {
        free(out);
        return NULL;
    }
    CHECK(*written <= hg_cbor_bound(length));
    uint8_t *cbor = exact_copy(out, *written, false);
    free(out);
    return cbor;
}

/* CBOR -> JSON text with a NUL behind it, in one go and with too little room first; NULL: it is not acceptable. */
static inline uint8_t *json_of(const struct hg_program *program, const uint8_t *data, uint32_t length,
                               enum hg_verdict *verdict, struct hg_fault *fault, uint32_t *written) {
    uint8_t *small = malloc(length / 2 + 1);
    CHECK(small != NULL);
    *verdict = hg_cbor_to_json(program, data, length, small, length / 2, written, fault);
    free(small);
    if (*verdict != HG_VALID) {
        return NULL;
    }
    uint32_t again = 0;
    uint8_t *json = malloc((size_t)*written + 1);
    CHECK(json != NULL);
    CHECK(hg_cbor_to_json(program, data, length, json, *written, &again, fault) == HG_VALID && again == *written);
    json[again] = 0;
    return json;
}

static inline enum hg_verdict check_cbor(const struct hg_program *program, const uint8_t *data, uint32_t length,
                                         struct hg_fault *fault) {
    *fault = (struct hg_fault){HG_NO_FAULT, 0};
    const enum hg_verdict verdict = hg_validate_cbor(program, data, length, fault);
    CHECK((verdict == HG_MALFORMED) == (fault->reason != HG_NO_FAULT));
    CHECK(fault->offset <= length);
    agree_explain(program, data, length, false, verdict, fault);
    return verdict;
}

static inline enum hg_verdict check_json(const struct hg_program *program, const uint8_t *data, uint32_t length,
                                         struct hg_fault *fault) {
    *fault = (struct hg_fault){HG_NO_FAULT, 0};
    const enum hg_verdict verdict = hg_validate_json(program, data, length, fault);
    CHECK((verdict == HG_MALFORMED) == (fault->reason != HG_NO_FAULT));
    CHECK(fault->offset <= length);
    agree_explain(program, data, length, true, verdict, fault);
    return verdict;
}

/* The two verdicts must be the same, unless one ran out of steps, which depend on the length of the encoding. A macro:
 * what fails tells its line. */
#define CHECK_SAME(a, fault_a, b, fault_b) CHECK((a) == (b) || out_of_steps(a, fault_a) || out_of_steps(b, fault_b))

/* The same of two passes over one document: one that stops early may say "invalid" where another has read on to a fault. */
#define CHECK_VALID(a, fault_a, b, fault_b) \
    CHECK(((a) == HG_VALID) == ((b) == HG_VALID) || out_of_steps(a, fault_a) || out_of_steps(b, fault_b))

static inline void agree_json(const struct hg_program *program, const uint8_t *bytes, size_t size) {
    const struct hg_program any = anything();
    const uint32_t length = (uint32_t)size;
    struct hg_fault fault, other = {HG_NO_FAULT, 0};
    enum hg_verdict again;
    uint32_t written = 0, text_length = 0, twice = 0;
    uint8_t *data = exact_copy(bytes, size, true);
    const enum hg_verdict verdict = check_json(program, data, length, &fault);
    uint8_t *cbor = cbor_of(program, data, length, &again, &other, &written);
    CHECK_VALID(verdict, &fault, again, &other);
    CHECK(verdict != HG_MALFORMED || again != verdict || (fault.reason == other.reason && fault.offset == other.offset));
    if (cbor == NULL) { /* what it would be if the schema did not mind */
        cbor = cbor_of(&any, data, length, &again, &other, &written);
        CHECK(again == HG_VALID || verdict != HG_VALID);
    }
    if (cbor != NULL) {
        again = check_cbor(program, cbor, written, &other);
        if (verdict != HG_MALFORMED) {
            CHECK_SAME(verdict, &fault, again, &other);
        }
        uint8_t *text = json_of(&any, cbor, written, &again, &other, &text_length);
        CHECK(text != NULL);
        again = check_json(program, text, text_length, &other);
        if (verdict != HG_MALFORMED) {
            CHECK_SAME(verdict, &fault, again, &other);
        }
        uint8_t *repeated = cbor_of(&any, text, text_length, &again, &other, &twice);
        CHECK(repeated != NULL && twice == written && memcmp(repeated, cbor, written) == 0);
        struct heap heap = {0, -1};
        const struct hg_alloc memory = heap_of(&heap);
        CHECK(hg_cbor_sort(&memory, repeated, twice) == HG_OK && heap.live == 0);
        again = check_cbor(program, repeated, twice, &other);
        if (verdict != HG_MALFORMED) {
            CHECK_SAME(verdict, &fault, again, &other);
        }
        free(repeated);
        free(text);
    }
    free(cbor);
    free(data);
}

/* A number may have more digits in CBOR than JSON text is allowed here. */
static inline bool number_too_long(const struct hg_fault *fault) {
    return fault->reason == HG_NUMBER_TOO_LONG || fault->reason == HG_EXPONENT_RANGE;
}

static inline void agree_cbor(const struct hg_program *program, const uint8_t *bytes, size_t size) {
    const struct hg_program any = anything();
    const uint32_t length = (uint32_t)size;
    struct hg_fault fault, other = {HG_NO_FAULT, 0};
    enum hg_verdict again;
    uint32_t written = 0;
    uint8_t *data = exact_copy(bytes, size, false);
    const enum hg_verdict verdict = check_cbor(program, data, length, &fault);
    uint8_t *text = json_of(program, data, length, &again, &other, &written);
    if (text == NULL) {
        CHECK(again != HG_VALID);
        if (verdict == HG_VALID) {
            CHECK(again == HG_MALFORMED && (other.reason == HG_CBOR_NO_JSON || other.reason == HG_OUT_OF_STEPS));
        } else {
            CHECK_VALID(verdict, &fault, again, &other);
            CHECK(verdict != HG_MALFORMED || again != verdict ||
                  (fault.reason == other.reason && fault.offset == other.offset));
        }
    } else {
        CHECK_SAME(verdict, &fault, again, &other);
        again = check_json(program, text, written, &other);
        if (!number_too_long(&other)) {
            CHECK_SAME(HG_VALID, &fault, again, &other);
        }
        free(text);
    }
    if (verdict == HG_INVALID) { /* and what it would be as JSON if the schema did not mind */
        text = json_of(&any, data, length, &again, &other, &written);
        if (text != NULL) {
            again = check_json(program, text, written, &other);
            if (!number_too_long(&other)) {
                CHECK_SAME(verdict, &fault, again, &other);
            }
            free(text);
        }
    }
    free(data);
}

/* duplicates="last": what is left names nothing twice and reads as JSON if the whole did, but for the names. */
static inline void agree_duplicates(const struct hg_program *program, const uint8_t *bytes, size_t size, long fail_at) {
    struct heap heap = {0, fail_at};
    const struct hg_alloc memory = heap_of(&heap);
    const struct hg_program any = anything();
    struct hg_program last = any;
    struct hg_fault fault = {HG_NO_FAULT, 0}, other = {HG_NO_FAULT, 0};
    uint8_t *copy = NULL, *data = exact_copy(bytes, size, true);
    last.flags |= HG_PROGRAM_LAST_DUPLICATE;
    const enum hg_status status = hg_drop_duplicates(&memory, &last, data, (uint32_t)size, &copy);
    CHECK(status == HG_OK || (status == HG_NO_MEMORY && fail_at > 0 && copy == NULL));
    CHECK(heap.live == (copy != NULL));
    if (copy != NULL) {
        CHECK(hg_validate_json(&last, data, (uint32_t)size, &fault) == HG_VALID);
        CHECK(hg_validate_json(&any, data, (uint32_t)size, &fault) == HG_MALFORMED);
        CHECK(fault.reason == HG_DUPLICATE_NAME);
        CHECK(hg_validate_json(&any, copy, (uint32_t)size, &other) == HG_VALID);
        agree_json(program, copy, size);
        heap_release(&heap, copy);
    } else if (status == HG_OK) { /* there was none, or it is broken anyway */
        const bool good = hg_validate_json(&any, data, (uint32_t)size, &fault) == HG_VALID;
        CHECK(good == (hg_validate_json(&last, data, (uint32_t)size, &other) == HG_VALID));
    }
    free(data);
}

#endif
