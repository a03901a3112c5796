/* What the types over core/validate.h share. */
#ifndef HEADGATE_SCHEMA_BINDING_H
#define HEADGATE_SCHEMA_BINDING_H

#include "binding.h"
#include "core/validate.h"

/* Documents of at least so many bytes are judged without the interpreter's lock: below it, giving it back and getting it
 * again would cost more than the others gain. */
#define HG_UNLOCKED 32768

struct hg_validator {
    PyObject_HEAD
    struct hg_program *program; /* NULL only while being made */
};

/* hg_drop_duplicates, where the program asks for it: *copy is NULL or to be freed. false with an exception set. */
bool hg_last_names(const struct hg_program *program, enum hg_encoding_of encoding, const uint8_t *data, size_t length,
                   uint8_t **copy);
/* The verdict; without the interpreter's lock where that pays. The bytes must stay as they are, and data[length] be 0 for JSON. */
enum hg_verdict hg_judge(const struct hg_program *program, enum hg_encoding_of encoding, const uint8_t *data,
                         size_t length, struct hg_fault *fault);
/* None if the document is valid, else (malformed, [violation, ...]); NULL with an exception set. A violation is (instance,
 * schema, message, keyword location, URI of the schema document, offset, line). */
PyObject *hg_explained(const struct hg_program *program, enum hg_encoding_of encoding, const uint8_t *data,
                       size_t length);
/* The one violation that a fault is. `data` as above, for the line. */
PyObject *hg_explained_fault(enum hg_encoding_of encoding, const uint8_t *data, bool malformed,
                             const struct hg_fault *fault);
/* A malformed document whose bytes are not there any more: "`words` at byte `offset`". */
PyObject *hg_explained_words(enum hg_encoding_of encoding, const char *words, uint32_t offset);

/* The bytes of a document, which nobody can change and which end with a NUL: those of a `bytes`, else a copy. For a program with
 * HG_PROGRAM_LAST_DUPLICATE, JSON has no name twice in it any more. */
struct hg_document {
    const uint8_t *data;
    size_t length;
    uint8_t *heap;
    uint8_t stack[4097];
};
/* false with an exception set: not bytes-like, or no memory. Otherwise to be closed. */
bool hg_document_open(struct hg_document *document, PyObject *object, const struct hg_program *program,
                      enum hg_encoding_of encoding);
void hg_document_close(struct hg_document *document);

/* The names of the formats, in the order of enum hg_format, HG_FORMAT_NONE left out. */
PyObject *hg_format_names(void);

#endif
