/* Names that the schema does not know: one that is given twice is found, wherever and however it is written, and no other name is taken for one. */
#include "check_compile.h"
#include "core/validate.h"

enum { MOST = 140, NAME = 40 }; /* more names than are remembered; bytes of one, at most */

static bool ignore(void *context, const struct hg_violation *violation) {
    (void)context;
    (void)violation;
    return true;
}

/* Names that have one hash: it is of both ends and the middle. Or names of all kinds. */
static void name_of(int i, bool alike, char out[NAME]) {
    (void)snprintf(out, NAME, alike ? "same%02xabcdefghij%02xends" : "%d", i, i);
    if (!alike && i % 3 == 0) {
        (void)snprintf(out, NAME, "%s%d", "a name of some length ", i);
    }
}

/* {"0": 0, ...}; `last` again at the end (escaped: by an escape), or -1. -> length; *at: where that name begins. */
static uint32_t write_object(char *out, int count, bool alike, int last, bool escaped, uint32_t *at) {
    size_t length = (size_t)sprintf(out, "{");
    char name[NAME];
    for (int i = 0; i < count; i++) {
        name_of(i, alike, name);
        length += (size_t)sprintf(out + length, "%s\"%s\": [\"x\", {}]", i == 0 ? "" : ", ", name);
    }
    if (last >= 0) {
        name_of(last, alike, name);
        length += (size_t)sprintf(out + length, ", ");
        *at = (uint32_t)length;
        if (escaped) {
            length += (size_t)sprintf(out + length, "\"\\u%04x%s\":1", (unsigned)name[0], name + 1);
        } else {
            length += (size_t)sprintf(out + length, "\"%s\":1", name);
        }
    }
    return (uint32_t)(length + (size_t)sprintf(out + length, "}"));
}

static void check_twice(const struct run *run, const char *text, uint32_t length, bool twice, uint32_t at) {
    struct hg_fault fault = {HG_NO_FAULT, 0}, other = {HG_NO_FAULT, 0};
    const enum hg_verdict verdict = hg_validate_json(run->program, (const uint8_t *)text, length, &fault);
    const enum hg_verdict explained = hg_explain_json(run->program, (const uint8_t *)text, length, ignore, NULL, &other);
    CHECK(verdict == (twice ? HG_MALFORMED : HG_VALID) && explained == verdict);
    if (twice) {
        CHECK(fault.reason == HG_DUPLICATE_NAME && fault.offset == at);
        CHECK(other.reason == HG_DUPLICATE_NAME && other.offset == at);
    }
}

int main(void) {
    static const char *const SCHEMAS[] = {"{\"minProperties\":1}", "{\"type\":\"object\",\"properties\":{\"zz\":{}}}",
                                          "{\"items\":true,\"additionalProperties\":{\"type\":\"array\"},\"properties\":{\"1\":{}}}"};
    static char text[MOST * 64];
    for (size_t s = 0; s < sizeof SCHEMAS / sizeof *SCHEMAS; s++) {
        for (int nested = 0; nested <= 1; nested++) {
            struct run run;
            char schema[256];
            (void)snprintf(schema, sizeof schema, nested ? "{\"properties\":{\"o\":true},\"allOf\":[%s]}" : "%s", SCHEMAS[s]);
            (void)compiled(&run, schema);
            for (int alike = 0; alike <= 1; alike++) {
                for (int count = 1; count <= MOST; count += count < 60 ? 1 : 13) {
                    uint32_t at = 0, length = write_object(text, count, alike != 0, -1, false, &at);
                    check_twice(&run, text, length, false, 0);
                    for (int last = 0; s != 2 && last < count; last += 1 + count / 7) {
                        for (int escaped = 0; escaped <= 1; escaped++) {
                            length = write_object(text, count, alike != 0, last, escaped != 0, &at);
                            check_twice(&run, text, length, true, at);
                        }
                    }
                }
            }
            end(&run);
        }
    }
    /* what nothing is said of at all */
    struct run run;
    (void)compiled(&run, "{\"properties\":{\"o\":true}}");
    static char whole[MOST * 64 + 16];
    for (int count = 1; count <= MOST; count += 3) {
        uint32_t at = 0;
        (void)write_object(text, count, count % 2 == 0, count / 2, count % 4 == 1, &at);
        const int length = snprintf(whole, sizeof whole, "{\"o\":[%s]}", text);
        check_twice(&run, whole, (uint32_t)length, true, at + 6);
        (void)write_object(text, count, count % 2 == 0, -1, false, &at);
        (void)snprintf(whole, sizeof whole, "{\"o\":[%s]}", text);
        check_twice(&run, whole, (uint32_t)strlen(whole), false, 0);
    }
    end(&run);
    return 0;
}
