/* The type under headgate_native.Stream: core/feed.h with a verdict on each record. */
#include "schema.h"

#include <stdlib.h>

#include "core/feed.h"
#include "core/limits.h"

struct feed_object {
    PyObject_HEAD
    bool ready; /* `feed` was initialised */
    bool busy;  /* a call is under way: in another thread, or in this one below a finaliser */
    struct hg_validator *validator;
    struct hg_feed feed;
};

static PyObject *feed_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    static const char *const framings[] = {"ndjson", "json-seq", "cbor-seq"}; /* in the order of enum hg_framing */
    const struct hg_module *module = PyType_GetModuleState(type);
    PyObject *validator, *framing, *max_record, *result = NULL;
    struct feed_object *self = NULL;
    int64_t most;
    int kind = 0;
    (void)keywords;
    if (module == NULL || !PyArg_ParseTuple(args, "O!UO:Feed", module->validator, &validator, &framing, &max_record) ||
        !hg_int(max_record, &most)) {
        return NULL;
    }
    while (kind < 3 && PyUnicode_CompareWithASCIIString(framing, framings[kind]) != 0) {
        kind++;
    }
    if (kind == 3) {
        PyErr_SetString(PyExc_ValueError, "framing must be \"ndjson\", \"json-seq\" or \"cbor-seq\"");
        return NULL;
    }
    if (most < 1 || most > HG_DOCUMENT_BYTES) {
        PyErr_Format(PyExc_ValueError, "max_record must be from 1 to %d", HG_DOCUMENT_BYTES);
        return NULL;
    }
    self = (struct feed_object *)PyType_GenericAlloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->validator = (struct hg_validator *)Py_NewRef(validator);
    /* Tags count as open here and not for the validator; what nests too deeply for it is for it to say. */
    if (hg_check(hg_feed_init(&self->feed, &hg_malloc, (enum hg_framing)kind, (uint32_t)most, 4 * HG_DOCUMENT_DEPTH))) {
        self->ready = true;
        result = Py_NewRef((PyObject *)self);
    }
    Py_DECREF((PyObject *)self);
    return result;
}

static int feed_traverse(PyObject *object, visitproc visit, void *arg) {
    Py_VISIT((PyObject *)((struct feed_object *)object)->validator);
    Py_VISIT(Py_TYPE(object));
    return 0;
}

static void feed_dealloc(PyObject *object) {
    struct feed_object *self = (struct feed_object *)object;
    PyTypeObject *type = Py_TYPE(object);
    const freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    PyObject_GC_UnTrack(object);
    if (self->ready) {
        hg_feed_clear(&self->feed);
    }
    Py_XDECREF((PyObject *)self->validator);
    release(object);
    Py_DECREF((PyObject *)type);
}

static PyObject *verdict_on_record(const struct feed_object *self, enum hg_encoding_of encoding, bool cut,
                                   const struct hg_record *record) {
    const struct hg_program *program = self->validator->program;
    uint8_t *copy;
    if (!hg_last_names(program, encoding, record->data, record->length, &copy)) {
        return NULL;
    }
    const uint8_t *data = copy == NULL ? record->data : copy;
    PyObject *explained = hg_explained(program, encoding, data, record->length);
    if (cut && explained != NULL && (explained == Py_None || PyTuple_GetItem(explained, 0) != Py_True)) {
        const struct hg_fault fault = {HG_UNEXPECTED_END, record->length};
        Py_DECREF(explained);
        explained = hg_explained_fault(encoding, data, true, &fault);
    }
    free(copy);
    return explained;
}

/* What is to be said about one step of the feed, as hg_explained says it; NULL with an exception set. */
static PyObject *verdict_on(const struct feed_object *self, enum hg_step step, const struct hg_record *record) {
    const enum hg_encoding_of encoding = self->feed.framing == HG_CBOR_SEQ ? HG_CBOR : HG_JSON;
    switch (step) {
    case HG_STEP_RECORD:
    case HG_STEP_CUT:
        return verdict_on_record(self, encoding, step == HG_STEP_CUT, record);
    case HG_STEP_TOO_LARGE:
        return hg_explained_words(encoding, hg_fault_text(HG_TOO_LARGE), self->feed.max_record);
    case HG_STEP_STRAY:
        return hg_explained_words(encoding, "expected a record separator", 0);
    case HG_STEP_BROKEN:
        return hg_explained_fault(encoding, NULL, true, &record->fault);
    case HG_STEP_NO_MEMORY:
        return PyErr_NoMemory();
    case HG_STEP_MORE:
    case HG_STEP_ENDED:
        break;
    }
    return Py_NewRef(Py_None);
}

static bool enter(struct feed_object *self) {
    if (self->busy) {
        PyErr_SetString(PyExc_RuntimeError, "the stream is in use by another call");
        return false;
    }
    self->busy = true;
    return true;
}

static PyObject *feed_feed(PyObject *object, PyObject *chunk) {
    struct feed_object *self = (struct feed_object *)object;
    struct hg_document document; /* not the chunk itself: other code may run, and change it, while the results are made */
    struct hg_record record;
    enum hg_step step;
    PyObject *results = NULL;
    if (!hg_document_open(&document, chunk, self->validator->program, HG_CBOR)) { /* no document yet, only bytes */
        return NULL;
    }
    if (!enter(self)) {
        hg_document_close(&document);
        return NULL;
    }
    results = PyList_New(0);
    const uint8_t *data = document.data, *end = data + document.length;
    while (results != NULL &&
           (step = hg_feed_next(&self->feed, &data, end, &record)) != HG_STEP_MORE && step != HG_STEP_ENDED) {
        PyObject *verdict = verdict_on(self, step, &record);
        if (verdict == NULL || PyList_Append(results, verdict) < 0) {
            Py_CLEAR(results);
        }
        Py_XDECREF(verdict);
    }
    self->busy = false;
    hg_document_close(&document);
    return results;
}

static PyObject *feed_close(PyObject *object, PyObject *unused) {
    struct feed_object *self = (struct feed_object *)object;
    struct hg_record record;
    (void)unused;
    if (!enter(self)) {
        return NULL;
    }
    const enum hg_step step = hg_feed_finish(&self->feed, &record);
    PyObject *results = PyList_New(0);
    if (results != NULL && step != HG_STEP_MORE && step != HG_STEP_ENDED) {
        PyObject *verdict = verdict_on(self, step, &record);
        if (verdict == NULL || PyList_Append(results, verdict) < 0) {
            Py_CLEAR(results);
        }
        Py_XDECREF(verdict);
    }
    self->busy = false;
    return results;
}

static PyObject *feed_ended(PyObject *object, void *closure) {
    (void)closure;
    return PyBool_FromLong(((struct feed_object *)object)->feed.state == HG_FEED_ENDED);
}

static PyMethodDef methods[] = {
    {"feed", feed_feed, METH_O,
     PyDoc_STR("feed($self, chunk, /)\n--\n\n"
               "What the next bytes complete: for each record None, or (malformed, [violation, ...]).")},
    {"close", feed_close, METH_NOARGS, PyDoc_STR("close($self, /)\n--\n\nThe same for the end of the stream.")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef attributes[] = {
    {"ended", feed_ended, NULL, PyDoc_STR("The stream is closed, or it cannot go on."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Feed(validator, framing, max_record, /)\n--\n\n"
                                  "A stream of documents; headgate_native.Schema.stream is the way to use it.")},
    {Py_tp_new, (void *)feed_new},
    {Py_tp_dealloc, (void *)feed_dealloc},
    {Py_tp_traverse, (void *)feed_traverse},
    {Py_tp_methods, (void *)methods},
    {Py_tp_getset, (void *)attributes},
    {0, NULL},
};

PyType_Spec hg_feed_spec = {
    .name = "headgate_native._native.Feed",
    .basicsize = sizeof(struct feed_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
