/* Documents on their way into core/validate.h, and what it has to say about them on its way back. */
#include "schema.h"

#include <stdlib.h>
#include <string.h>

#include "core/duplicates.h"

bool hg_last_names(const struct hg_program *program, enum hg_encoding_of encoding, const uint8_t *data, size_t length,
                   uint8_t **copy) {
    PyThreadState *state = NULL;
    *copy = NULL;
    if ((program->flags & HG_PROGRAM_LAST_DUPLICATE) == 0 || encoding != HG_JSON || length > program->max_bytes) {
        return true;
    }
    if (length >= HG_UNLOCKED) {
        state = PyEval_SaveThread();
    }
    const enum hg_status status = hg_drop_duplicates(&hg_malloc, program, data, (uint32_t)length, copy);
    if (state != NULL) {
        PyEval_RestoreThread(state);
    }
    return hg_check(status);
}

/* The bytes of any other object than `bytes`. */
static bool copy_buffer(struct hg_document *document, PyObject *object) {
    Py_buffer view;
    if (PyObject_GetBuffer(object, &view, PyBUF_SIMPLE) < 0) {
        return false;
    }
    uint8_t *copy = document->stack;
    const size_t length = (size_t)view.len;
    if (length >= sizeof document->stack) {
        copy = document->heap = malloc(length + 1);
    }
    if (copy != NULL) {
        if (length > 0) {
            memcpy(copy, view.buf, length);
        }
        copy[length] = 0;
        document->data = copy;
        document->length = length;
    } else {
        PyErr_NoMemory();
    }
    PyBuffer_Release(&view);
    return copy != NULL;
}

bool hg_document_open(struct hg_document *document, PyObject *object, const struct hg_program *program,
                      enum hg_encoding_of encoding) {
    uint8_t *copy;
    document->heap = NULL;
    if (PyBytes_Check(object)) {
        char *data;
        Py_ssize_t length;
        if (PyBytes_AsStringAndSize(object, &data, &length) < 0) {
            return false;
        }
        document->data = (const uint8_t *)data;
        document->length = (size_t)length;
    } else if (!copy_buffer(document, object)) {
        return false;
    }
    if (!hg_last_names(program, encoding, document->data, document->length, &copy)) {
        free(document->heap);
        return false;
    }
    if (copy != NULL) {
        free(document->heap);
        document->data = document->heap = copy;
    }
    return true;
}

void hg_document_close(struct hg_document *document) { free(document->heap); }

enum hg_verdict hg_judge(const struct hg_program *program, enum hg_encoding_of encoding, const uint8_t *data,
                         size_t length, struct hg_fault *fault) {
    enum hg_verdict verdict;
    PyThreadState *state = NULL;
    if (length > program->max_bytes) {
        *fault = (struct hg_fault){HG_TOO_LARGE, program->max_bytes};
        return HG_MALFORMED;
    }
    if (length >= HG_UNLOCKED) {
        state = PyEval_SaveThread();
    }
    verdict = encoding == HG_JSON ? hg_validate_json(program, data, (uint32_t)length, fault)
                                  : hg_validate_cbor(program, data, (uint32_t)length, fault);
    if (state != NULL) {
        PyEval_RestoreThread(state);
    }
    return verdict;
}

/* --- violations ------------------------------------------------------------------------------------------------------ */

struct collector {
    PyObject *list;
    PyThreadState *state; /* of this thread while it runs without the lock, else NULL */
    bool failed;          /* an exception is set */
    const uint8_t *data;  /* JSON, for the lines; NULL: CBOR */
    uint32_t offset;      /* data[offset] ... */
    uint32_t line;        /* ... is in this line */
};

static PyObject *text_of(const char *text, uint32_t length) {
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)length, "replace");
}

/* The line (from 1) of the byte at `offset`; 0 for CBOR. Violations come in the order of the document, more or less: what is wrong with an
 * object comes behind what is wrong in it. So the way from one to the next is what is read, in either direction. */
static uint32_t line_of(struct collector *to, uint32_t offset) {
    if (to->data == NULL) {
        return 0;
    }
    if (offset < to->offset) {
        to->line -= hg_line(to->data + offset, to->offset - offset) - 1;
    } else {
        to->line += hg_line(to->data + to->offset, offset - to->offset) - 1;
    }
    to->offset = offset;
    return to->line;
}

static bool collect(void *context, const struct hg_violation *violation) {
    struct collector *to = context;
    const bool unlocked = to->state != NULL;
    if (unlocked) {
        PyEval_RestoreThread(to->state);
    }
    PyObject *items[7] = {text_of(violation->instance, violation->instance_length),
                          text_of(violation->schema, violation->schema_length),
                          text_of(violation->message, violation->message_length),
                          text_of(violation->keyword_location, violation->keyword_location_length),
                          text_of(violation->schema_uri, violation->schema_uri_length),
                          PyLong_FromUnsignedLong(violation->offset),
                          PyLong_FromUnsignedLong(line_of(to, violation->offset))};
    PyObject *tuple = hg_tuple(7, items);
    to->failed = tuple == NULL || PyList_Append(to->list, tuple) < 0;
    Py_XDECREF(tuple);
    if (unlocked) {
        to->state = PyEval_SaveThread();
    }
    return !to->failed;
}

static PyObject *explained_once(bool malformed, const char *words, uint32_t offset, uint32_t line) {
    char message[128];
    PyOS_snprintf(message, sizeof message, malformed ? "%s at byte %lu" : "%s", words, (unsigned long)offset);
    return Py_BuildValue("(O[(sssssII)])", malformed ? Py_True : Py_False, "", "", message, "", "", (unsigned)offset,
                         (unsigned)line);
}

PyObject *hg_explained_words(enum hg_encoding_of encoding, const char *words, uint32_t offset) {
    return explained_once(true, words, offset, encoding == HG_JSON);
}

PyObject *hg_explained_fault(enum hg_encoding_of encoding, const uint8_t *data, bool malformed,
                             const struct hg_fault *fault) {
    struct collector to = {.data = encoding == HG_JSON ? data : NULL, .line = 1};
    if (fault->reason == HG_OUT_OF_STEPS) { /* nothing is wrong with its syntax; it is about the document as a whole */
        return explained_once(false, hg_fault_text(fault->reason), 0, line_of(&to, 0));
    }
    return explained_once(malformed, hg_fault_text(fault->reason), fault->offset, line_of(&to, fault->offset));
}

PyObject *hg_explained(const struct hg_program *program, enum hg_encoding_of encoding, const uint8_t *data,
                       size_t length) {
    struct hg_fault fault = {HG_NO_FAULT, 0};
    struct collector to = {.data = encoding == HG_JSON ? data : NULL, .line = 1};
    PyObject *result = NULL;
    enum hg_verdict verdict = hg_judge(program, encoding, data, length, &fault);
    if (verdict == HG_VALID) {
        result = Py_NewRef(Py_None);
        goto finally;
    }
    if (length > program->max_bytes) {
        result = hg_explained_fault(encoding, data, true, &fault);
        goto finally;
    }
    to.list = PyList_New(0);
    if (to.list == NULL) {
        goto finally;
    }
    if (length >= HG_UNLOCKED) {
        to.state = PyEval_SaveThread();
    }
    verdict = encoding == HG_JSON ? hg_explain_json(program, data, (uint32_t)length, collect, &to, &fault)
                                  : hg_explain_cbor(program, data, (uint32_t)length, collect, &to, &fault);
    if (to.state != NULL) {
        PyEval_RestoreThread(to.state);
    }
    if (to.failed) {
        goto finally;
    }
    if (verdict == HG_MALFORMED || PyList_Size(to.list) == 0) {
        result = hg_explained_fault(encoding, data, verdict == HG_MALFORMED, &fault);
    } else {
        result = Py_BuildValue("(OO)", Py_False, to.list);
    }
finally:
    Py_XDECREF(to.list);
    return result;
}
