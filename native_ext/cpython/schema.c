/* The base of headgate_native.Schema: a compiled schema and the verdicts of core/validate.h. It never changes once it is made,
 * so any number of threads may use it. */
#include "schema.h"

#include <stdlib.h>
#include <string.h>

#include "core/cbor_sort.h"
#include "core/compile.h"
#include "core/format.h"

#define SMALL 8192 /* bytes of output that need no heap */

/* --- compiling ------------------------------------------------------------------------------------------------------- */

struct compiling {
    PyObject *resolve;  /* uri -> bytes or None */
    PyObject *texts;    /* list: what resolve gave, so that it stays */
    PyObject *findings; /* list of (is an error, uri, pointer, reason) */
    bool failed;        /* an exception is set: Python is not to be called any more */
};

static bool resolve(void *context, const char *uri, uint32_t uri_length, const uint8_t **text, uint32_t *length) {
    struct compiling *compiling = context;
    const uint8_t *data;
    size_t size;
    bool found = false;
    if (compiling->failed) {
        return false;
    }
    PyObject *answer = PyObject_CallFunction(compiling->resolve, "s#", uri, (Py_ssize_t)uri_length);
    if (answer == NULL) {
        compiling->failed = true;
    } else if (answer != Py_None) {
        found = hg_bytes(answer, "a schema of the registry", &data, &size) && PyList_Append(compiling->texts, answer) == 0;
        compiling->failed = !found;
        if (found) {
            *text = data;
            *length = size > UINT32_MAX ? UINT32_MAX : (uint32_t)size; /* far beyond HG_SCHEMA_BYTES either way */
        }
    }
    Py_XDECREF(answer);
    return found;
}

static void finding(void *context, enum hg_severity severity, const char *uri, const char *pointer, const char *reason) {
    struct compiling *compiling = context;
    if (compiling->failed) {
        return;
    }
    PyObject *items[4] = {PyBool_FromLong(severity == HG_ERROR),
                          PyUnicode_DecodeUTF8(uri, (Py_ssize_t)strlen(uri), "replace"),
                          PyUnicode_DecodeUTF8(pointer, (Py_ssize_t)strlen(pointer), "replace"),
                          PyUnicode_DecodeUTF8(reason, (Py_ssize_t)strlen(reason), "replace")};
    PyObject *tuple = hg_tuple(4, items);
    compiling->failed = tuple == NULL || PyList_Append(compiling->findings, tuple) < 0;
    Py_XDECREF(tuple);
}

static PyObject *validator_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    const char *text;
    Py_ssize_t length;
    int draft, last_duplicate, unknown_keywords;
    unsigned formats, depth, steps, bytes, errors;
    struct compiling compiling = {NULL, NULL, NULL, false};
    struct hg_validator *self = NULL;
    PyObject *result = NULL;
    (void)keywords;
    if (!PyArg_ParseTuple(args, "y#iIpp(IIII)OO!:Validator", &text, &length, &draft, &formats, &last_duplicate,
                          &unknown_keywords, &depth, &steps, &bytes, &errors, &compiling.resolve, &PyList_Type,
                          &compiling.findings)) {
        return NULL;
    }
    if ((draft != HG_DRAFT_7 && draft != HG_DRAFT_2020) || length > INT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "no such draft, or a schema without end");
        return NULL;
    }
    struct hg_compile_options options = {.draft = draft == HG_DRAFT_7 ? HG_DRAFT_7 : HG_DRAFT_2020,
                                         .formats = formats,
                                         .last_duplicate = last_duplicate != 0,
                                         .unknown_keywords = unknown_keywords != 0,
                                         .max_depth = depth,
                                         .max_steps = steps,
                                         .max_bytes = bytes,
                                         .max_errors = errors,
                                         .resolve = resolve,
                                         .finding = finding,
                                         .context = &compiling};
    compiling.texts = PyList_New(0);
    if (compiling.texts == NULL || !hg_seed(NULL, options.seed) ||
        (self = (struct hg_validator *)PyType_GenericAlloc(type, 0)) == NULL) {
        goto finally;
    }
    const enum hg_status status =
        hg_compile(&hg_malloc, (const uint8_t *)text, (uint32_t)length, &options, &self->program);
    if (!compiling.failed && hg_check(status)) {
        result = (PyObject *)self;
        self = NULL;
    }
finally:
    Py_XDECREF((PyObject *)self);
    Py_XDECREF(compiling.texts);
    return result;
}

static int validator_traverse(PyObject *object, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(object)); /* an instance of a heap type owns a reference to it, and has no other */
    return 0;
}

static void validator_dealloc(PyObject *object) {
    struct hg_validator *self = (struct hg_validator *)object;
    PyTypeObject *type = Py_TYPE(object);
    const freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    PyObject_GC_UnTrack(object);
    if (self->program != NULL) {
        hg_malloc.release(hg_malloc.context, self->program);
    }
    release(object);
    Py_DECREF((PyObject *)type);
}

/* --- verdicts -------------------------------------------------------------------------------------------------------- */

static bool encoding_of(PyObject *object, enum hg_encoding_of *encoding) {
    if (object == NULL || (PyUnicode_Check(object) && PyUnicode_CompareWithASCIIString(object, "json") == 0)) {
        *encoding = HG_JSON;
        return true;
    }
    if (PyUnicode_Check(object) && PyUnicode_CompareWithASCIIString(object, "cbor") == 0) {
        *encoding = HG_CBOR;
        return true;
    }
    PyErr_SetString(PyExc_ValueError, "encoding must be \"json\" or \"cbor\"");
    return false;
}

/* The first argument is a document that can be read where it is, without a thought about the interpreter's lock. */
static bool plain_bytes(const struct hg_program *program, PyObject *const *args, Py_ssize_t positional,
                        const uint8_t **data, uint32_t *length) {
    char *bytes;
    Py_ssize_t size;
    if (positional == 0 || !Py_IS_TYPE(args[0], &PyBytes_Type) ||
        PyBytes_AsStringAndSize(args[0], &bytes, &size) < 0 || size >= HG_UNLOCKED ||
        (program->flags & HG_PROGRAM_LAST_DUPLICATE) != 0) {
        return false;
    }
    *data = (const uint8_t *)bytes;
    *length = (uint32_t)size;
    return true;
}

/* Not a part of is_valid: its frame holds the copy of a document. */
static PyObject *is_valid_of_any(const struct hg_validator *self, PyObject *const *args, Py_ssize_t positional,
                                 PyObject *keywords) {
    static const char *const names[] = {"data", "encoding"};
    struct hg_document document;
    struct hg_fault fault;
    PyObject *values[2];
    enum hg_encoding_of encoding;
    if (!hg_bind("is_valid", names, 2, 1, args, positional, keywords, values) || !encoding_of(values[1], &encoding) ||
        !hg_document_open(&document, values[0], self->program, encoding)) {
        return NULL;
    }
    const bool valid = hg_judge(self->program, encoding, document.data, document.length, &fault) == HG_VALID;
    hg_document_close(&document);
    return PyBool_FromLong(valid);
}

static PyObject *validator_is_valid(PyObject *object, PyObject *const *args, Py_ssize_t positional,
                                    PyObject *keywords) {
    const struct hg_validator *self = (const struct hg_validator *)object;
    struct hg_fault fault;
    const uint8_t *data;
    uint32_t length;
    if (keywords == NULL && plain_bytes(self->program, args, positional, &data, &length)) {
        if (positional == 1) {
            return PyBool_FromLong(hg_validate_json(self->program, data, length, &fault) == HG_VALID);
        }
        if (positional == 2 && PyUnicode_Check(args[1]) && PyUnicode_CompareWithASCIIString(args[1], "cbor") == 0) {
            return PyBool_FromLong(hg_validate_cbor(self->program, data, length, &fault) == HG_VALID);
        }
    }
    return is_valid_of_any(self, args, positional, keywords);
}

static PyObject *validator_explain(PyObject *object, PyObject *const *args, Py_ssize_t positional,
                                   PyObject *keywords) {
    static const char *const names[] = {"data", "encoding"};
    const struct hg_validator *self = (const struct hg_validator *)object;
    struct hg_document document;
    PyObject *values[2];
    enum hg_encoding_of encoding;
    if (!hg_bind("validate", names, 2, 1, args, positional, keywords, values) || !encoding_of(values[1], &encoding) ||
        !hg_document_open(&document, values[0], self->program, encoding)) {
        return NULL;
    }
    PyObject *result = hg_explained(self->program, encoding, document.data, document.length);
    hg_document_close(&document);
    return result;
}

/* --- transcoding ----------------------------------------------------------------------------------------------------- */

/* Raises InvalidDocument, which is Python's: through the method _refuse of the subclass. `fault`: why there is no output,
 * in case that the document is valid as it stands. */
static void refuse(PyObject *self, enum hg_encoding_of encoding, const struct hg_document *document,
                   const struct hg_fault *fault) {
    const struct hg_program *program = ((struct hg_validator *)self)->program;
    PyObject *explained = hg_explained(program, encoding, document->data, document->length);
    if (explained == Py_None) {
        Py_DECREF(explained);
        explained = hg_explained_fault(encoding, document->data, true, fault);
    }
    if (explained != NULL) {
        Py_XDECREF(PyObject_CallMethod(self, "_refuse", "(O)", explained));
        Py_DECREF(explained);
        if (PyErr_Occurred() == NULL) {
            PyErr_SetString(PyExc_ValueError, "the document is not valid");
        }
    }
}

/* To CBOR (`sorted`: with the names of each map in order, RFC 8949 section 4.2.1), into `out` with room for it. */
static PyObject *to_cbor(PyObject *self, const struct hg_document *document, uint8_t *out, bool sorted) {
    const struct hg_program *program = ((struct hg_validator *)self)->program;
    const bool unlocked = document->length >= HG_UNLOCKED;
    PyThreadState *state = unlocked ? PyEval_SaveThread() : NULL;
    struct hg_fault fault;
    uint32_t written = 0;
    enum hg_status status = HG_OK;
    const enum hg_verdict verdict =
        hg_json_to_cbor(program, document->data, (uint32_t)document->length, out, &written, &fault);
    if (verdict == HG_VALID && sorted) {
        status = hg_cbor_sort(&hg_malloc, out, written);
    }
    if (unlocked) {
        PyEval_RestoreThread(state);
    }
    if (verdict != HG_VALID) {
        refuse(self, HG_JSON, document, &fault);
        return NULL;
    }
    return hg_check(status) ? PyBytes_FromStringAndSize((const char *)out, (Py_ssize_t)written) : NULL;
}

static PyObject *to_cbor_of_any(PyObject *object, PyObject *const *args, Py_ssize_t positional, PyObject *keywords) {
    static const char *const names[] = {"data", "deterministic"};
    const struct hg_program *program = ((struct hg_validator *)object)->program;
    struct hg_document document;
    uint8_t small[SMALL], *large = NULL;
    const struct hg_fault too_large = {HG_TOO_LARGE, program->max_bytes};
    PyObject *values[2], *result = NULL;
    if (positional > 1) {
        PyErr_SetString(PyExc_TypeError, "to_cbor() takes one argument; deterministic is given by its name");
        return NULL;
    }
    if (!hg_bind("to_cbor", names, 2, 1, args, positional, keywords, values)) {
        return NULL;
    }
    const int sorted = values[1] == NULL ? 0 : PyObject_IsTrue(values[1]);
    if (sorted < 0 || !hg_document_open(&document, values[0], program, HG_JSON)) {
        return NULL;
    }
    if (document.length > program->max_bytes) {
        refuse(object, HG_JSON, &document, &too_large);
        goto finally;
    }
    const uint64_t bound = hg_cbor_bound((uint32_t)document.length);
    if (bound > SMALL && (bound > SIZE_MAX || (large = malloc((size_t)bound)) == NULL)) {
        PyErr_NoMemory();
        goto finally;
    }
    result = to_cbor(object, &document, large == NULL ? small : large, sorted != 0);
finally:
    free(large);
    hg_document_close(&document);
    return result;
}

static PyObject *validator_to_cbor(PyObject *object, PyObject *const *args, Py_ssize_t positional,
                                   PyObject *keywords) {
    const struct hg_program *program = ((struct hg_validator *)object)->program;
    const uint8_t *data;
    uint32_t length, written;
    if (positional == 1 && keywords == NULL && plain_bytes(program, args, positional, &data, &length) &&
        hg_cbor_bound(length) <= SMALL) {
        uint8_t out[SMALL];
        struct hg_fault fault;
        if (hg_json_to_cbor(program, data, length, out, &written, &fault) == HG_VALID) {
            return PyBytes_FromStringAndSize((const char *)out, (Py_ssize_t)written);
        }
    }
    return to_cbor_of_any(object, args, positional, keywords); /* also to say why it is refused */
}

/* `room` bytes of `out`; *written is what the whole text needs. The lock is given back where that pays. */
static enum hg_verdict to_json(const struct hg_program *program, const struct hg_document *document, uint8_t *out,
                               uint32_t room, uint32_t *written, struct hg_fault *fault) {
    PyThreadState *state = document->length >= HG_UNLOCKED ? PyEval_SaveThread() : NULL;
    const enum hg_verdict verdict =
        hg_cbor_to_json(program, document->data, (uint32_t)document->length, out, room, written, fault);
    if (state != NULL) {
        PyEval_RestoreThread(state);
    }
    return verdict;
}

static PyObject *to_json_of_any(PyObject *object, PyObject *data) {
    const struct hg_program *program = ((struct hg_validator *)object)->program;
    struct hg_document document;
    struct hg_fault fault = {HG_TOO_LARGE, program->max_bytes};
    uint8_t small[SMALL], *large = NULL;
    uint32_t written = 0, room = SMALL;
    enum hg_verdict verdict = HG_MALFORMED;
    PyObject *result = NULL;
    if (!hg_document_open(&document, data, program, HG_CBOR)) {
        return NULL;
    }
    if (document.length <= program->max_bytes) {
        /* Where the first guess is too small, the second try knows how long the text is. */
        bool again = document.length <= SMALL / 2;
        if (again) {
            verdict = to_json(program, &document, small, room, &written, &fault);
            again = verdict == HG_VALID && written > room;
            room = written;
        } else {
            room = 2 * (uint32_t)document.length;
            again = true;
        }
        while (again) {
            free(large);
            large = malloc(room);
            if (large == NULL) {
                PyErr_NoMemory();
                goto finally;
            }
            verdict = to_json(program, &document, large, room, &written, &fault);
            again = verdict == HG_VALID && written > room;
            room = written;
        }
    }
    if (verdict == HG_VALID) {
        result = PyBytes_FromStringAndSize((const char *)(large == NULL ? small : large), (Py_ssize_t)written);
    } else {
        refuse(object, HG_CBOR, &document, &fault);
    }
finally:
    free(large);
    hg_document_close(&document);
    return result;
}

static PyObject *validator_to_json(PyObject *object, PyObject *argument) {
    const struct hg_program *program = ((struct hg_validator *)object)->program;
    const uint8_t *data;
    uint32_t length, written;
    if (plain_bytes(program, &argument, 1, &data, &length) && length <= SMALL / 2) { /* most texts are less than twice as long */
        uint8_t out[SMALL];
        struct hg_fault fault;
        if (hg_cbor_to_json(program, data, length, out, SMALL, &written, &fault) == HG_VALID && written <= SMALL) {
            return PyBytes_FromStringAndSize((const char *)out, (Py_ssize_t)written);
        }
    }
    return to_json_of_any(object, argument); /* also to say why it is refused */
}

PyObject *hg_format_names(void) {
    PyObject *names = PyTuple_New(HG_FORMAT_COUNT - 1);
    for (int i = 1; names != NULL && i < HG_FORMAT_COUNT; i++) {
        PyObject *name = PyUnicode_FromString(hg_format_name((enum hg_format)i));
        if (name == NULL || PyTuple_SetItem(names, i - 1, name) < 0) {
            Py_CLEAR(names);
        }
    }
    return names;
}

static PyMethodDef methods[] = {
    {"is_valid", (PyCFunction)(void (*)(void))validator_is_valid, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("is_valid($self, /, data, encoding='json')\n--\n\n"
               "The verdict on one document; what is malformed is not valid.\n\n"
               "`data`: any bytes-like object (a `bytes` is read in place, others are copied). `encoding`: \"json\" or\n"
               "\"cbor\". From 32 KiB on, other threads run meanwhile.")},
    {"to_cbor", (PyCFunction)(void (*)(void))validator_to_cbor, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("to_cbor($self, /, data, *, deterministic=False)\n--\n\n"
               "The valid JSON document as CBOR (RFC 8949) in its preferred, shortest forms.\n\n"
               "`deterministic`: names in the order of RFC 8949 section 4.2.1, instead of their order in the document.\n"
               "Raises InvalidDocument, whose `result` says why.")},
    {"to_json", validator_to_json, METH_O,
     PyDoc_STR("to_json($self, data, /)\n--\n\n"
               "The valid CBOR document as compact JSON text in UTF-8.\n\n"
               "Raises InvalidDocument, whose `result` says why; also for values that JSON does not have.")},
    {"_explain", (PyCFunction)(void (*)(void))validator_explain, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("_explain($self, /, data, encoding='json')\n--\n\nNone, or (malformed, [violation, ...]).")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("The compiled schema; headgate_native.Schema is the class to use.")},
    {Py_tp_new, (void *)validator_new},
    {Py_tp_dealloc, (void *)validator_dealloc},
    {Py_tp_traverse, (void *)validator_traverse},
    {Py_tp_methods, (void *)methods},
    {0, NULL},
};

PyType_Spec hg_validator_spec = {
    .name = "headgate_native._native.Validator",
    .basicsize = sizeof(struct hg_validator),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
