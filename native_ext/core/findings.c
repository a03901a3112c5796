#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "compiler.h"

/* What is wrong or odd with a schema, told to the caller: an error at once, lints at the end in the order of the
 * documents. */

enum { REASON = 512 }; /* bytes of a sentence */

struct lint {
    uint32_t document, item, text;
};

bool hg_no_memory(struct hg_compiler *compiler) {
    if (compiler->status == HG_OK) {
        compiler->status = HG_NO_MEMORY;
    }
    return false;
}

const char *hg_shorten(const uint8_t *text, uint32_t length, char out[HG_SHORT]) {
    static const char ESCAPES[] = "\"\\\b\f\n\r\t", ESCAPED[] = "\"\\bfnrt";
    uint32_t at = 0, characters = 0;
    out[at++] = '"';
    for (uint32_t i = 0; i < length; i++) {
        const uint8_t c = text[i];
        if ((c & 0xC0) != 0x80 && characters++ == HG_SHOWN) {
            memcpy(out + at, "...", 3);
            at += 3;
            break;
        }
        const char *escape = c == 0 ? NULL : strchr(ESCAPES, c);
        if (escape != NULL) {
            out[at++] = '\\';
            out[at++] = ESCAPED[escape - ESCAPES];
        } else if (c < 0x20) {
            static const char HEX[] = "0123456789abcdef";
            memcpy(out + at, "\\u00", 4);
            out[at + 4] = HEX[c >> 4];
            out[at + 5] = HEX[c & 15];
            at += 6;
        } else {
            out[at++] = (char)c;
        }
    }
    out[at++] = '"';
    out[at] = 0;
    return out;
}

const char *hg_plain(const uint8_t *text, uint32_t length, char out[HG_SHORT]) {
    uint32_t size = length;
    if (length > HG_SHORT - 4) {
        size = HG_SHORT - 4;
        while ((text[size] & 0xC0) == 0x80) { /* not within a character */
            size--;
        }
    }
    if (size != 0) {
        memcpy(out, text, size);
    }
    strcpy(out + size, size == length ? "" : "...");
    return out;
}

static bool tell(struct hg_compiler *compiler, enum hg_severity severity, uint32_t document, uint32_t item,
                 const char *reason) {
    const struct hg_document *what = &compiler->documents[document];
    struct hg_buffer path = {0};
    bool told = true;
    if (compiler->options->finding != NULL) {
        told = (item == 0 || hg_tree_path(&what->tree, HG_TREE_ROOT, item, &path, compiler->memory)) &&
               hg_buffer_append(&path, compiler->memory, "", 1);
        if (told) {
            compiler->options->finding(compiler->options->context, severity,
                                       (const char *)compiler->texts.data + what->uri, (const char *)path.data, reason);
        }
        hg_buffer_clear(&path, compiler->memory);
    }
    return told || hg_no_memory(compiler);
}

bool hg_error(struct hg_compiler *compiler, uint32_t document, uint32_t item, const char *format, ...) {
    char reason[REASON];
    va_list arguments;
    if (compiler->status == HG_OK) {
        va_start(arguments, format);
        vsnprintf(reason, sizeof reason, format, arguments);
        va_end(arguments);
        if (tell(compiler, HG_ERROR, document, item, reason)) {
            compiler->status = HG_BAD_SCHEMA;
        }
    }
    return false;
}

bool hg_lint(struct hg_compiler *compiler, uint32_t document, uint32_t item, const char *format, ...) {
    char reason[REASON];
    va_list arguments;
    const struct lint lint = {document, item, compiler->lint_texts.size};
    if (compiler->options->finding == NULL || compiler->lints.size / sizeof lint == HG_SCHEMA_LINTS) {
        return true;
    }
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    return (hg_buffer_append(&compiler->lint_texts, compiler->memory, reason, (uint32_t)strlen(reason) + 1) &&
            hg_buffer_append(&compiler->lints, compiler->memory, &lint, sizeof lint)) ||
           hg_no_memory(compiler);
}

bool hg_tell_lints(struct hg_compiler *compiler) {
    struct lint *lints = (struct lint *)(void *)compiler->lints.data;
    const uint32_t count = compiler->lints.size / (uint32_t)sizeof *lints;
    for (uint32_t i = 1; i < count; i++) {
        const struct lint lint = lints[i];
        uint32_t k = i;
        for (; k != 0 && (lints[k - 1].document > lint.document ||
                          (lints[k - 1].document == lint.document && lints[k - 1].item > lint.item));
             k--) {
            lints[k] = lints[k - 1];
        }
        lints[k] = lint;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!tell(compiler, HG_LINT, lints[i].document, lints[i].item,
                  (const char *)compiler->lint_texts.data + lints[i].text)) {
            return false;
        }
    }
    return true;
}
