/* The Python type over the batches of core/intake.h. Reading one runs other people's code, or gives up the interpreter's lock: it
 * cannot be released meanwhile (`readers`). */
#include "intake.h"

#include <stdlib.h>
#include <string.h>

struct batch_object {
    PyObject_HEAD
    PyObject *intake; /* an Intake; the rows are charged to it */
    struct hg_batch batch;
    int readers; /* calls that walk over the rows right now */
};

PyObject *hg_batch_new(PyObject *intake) {
    struct batch_object *self = (struct batch_object *)PyType_GenericAlloc(HG_MODULE(intake)->batch, 0);
    if (self != NULL) {
        self->intake = Py_NewRef(intake);
    }
    return (PyObject *)self;
}

struct hg_batch *hg_batch_of(PyObject *object) {
    struct batch_object *self = (struct batch_object *)object;
    if (self->readers > 0) {
        PyErr_SetString(PyExc_RuntimeError, "the batch is being read");
        return NULL;
    }
    return &self->batch;
}

static int batch_traverse(PyObject *object, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((struct batch_object *)object)->intake);
    return 0;
}

/* One that was neither released nor given back: its rows are gone. Their charge stays, since this may be any thread. */
static void batch_dealloc(PyObject *object) {
    struct batch_object *self = (struct batch_object *)object;
    PyTypeObject *type = Py_TYPE(object);
    const freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    PyObject_GC_UnTrack(object);
    hg_batch_clear(&self->batch);
    Py_XDECREF(self->intake);
    release(object);
    Py_DECREF((PyObject *)type);
}

static Py_ssize_t batch_length(PyObject *object) { return (Py_ssize_t)((struct batch_object *)object)->batch.rows; }

/* Indices -> *skip, as hg_skipped reads it; NULL when there are none. To be freed. */
static bool skip_of(PyObject *object, uint32_t rows, uint8_t **skip) {
    PyObject *iterator = NULL, *item;
    int64_t index;
    bool ok = false;
    *skip = NULL;
    if (object == NULL) {
        return true;
    }
    iterator = PyObject_GetIter(object);
    while (iterator != NULL && (item = PyIter_Next(iterator)) != NULL) {
        ok = hg_int(item, &index);
        Py_DECREF(item);
        if (ok && (index < 0 || index >= rows)) {
            PyErr_SetString(PyExc_IndexError, "no such row in the batch");
            ok = false;
        }
        if (ok && *skip == NULL && (*skip = calloc(rows / 8 + 1, 1)) == NULL) {
            PyErr_NoMemory();
            ok = false;
        }
        if (!ok) {
            break;
        }
        (*skip)[index / 8] |= (uint8_t)(1 << index % 8);
    }
    ok = iterator != NULL && PyErr_Occurred() == NULL;
    Py_XDECREF(iterator);
    return ok;
}

/* Room for the CBOR: `into` made so long and held as it is, or new bytes. -> a new reference to it, *data. */
static PyObject *cbor_room(PyObject *into, uint64_t length, Py_buffer *hold, uint8_t **data) {
    PyObject *bytes;
    if (length > UINT32_MAX || length > PY_SSIZE_T_MAX) {
        PyErr_SetString(PyExc_OverflowError, "the batch is too large");
        return NULL;
    }
    if (into == NULL || into == Py_None) {
        bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)length);
        *data = bytes == NULL ? NULL : (uint8_t *)PyBytes_AsString(bytes);
        return bytes;
    }
    if (!PyByteArray_CheckExact(into)) { /* a subclass may lend other memory than it resizes */
        PyErr_SetString(PyExc_TypeError, "into must be a bytearray");
        return NULL;
    }
    if (PyByteArray_Resize(into, (Py_ssize_t)length) < 0 || PyObject_GetBuffer(into, hold, PyBUF_WRITABLE) < 0) {
        return NULL;
    }
    *data = hold->buf;
    return Py_NewRef(into);
}

static PyObject *batch_cbor(PyObject *object, PyObject *const *args, Py_ssize_t positional, PyObject *keywords) {
    static const char *const names[] = {"head", "skip", "into"};
    struct batch_object *self = (struct batch_object *)object;
    PyObject *values[3], *bytes = NULL;
    PyThreadState *state;
    Py_buffer hold = {.obj = NULL};
    uint8_t *data;
    struct hg_output output;
    const uint8_t *head;
    uint8_t *skip = NULL;
    size_t head_length;
    uint64_t length;
    self->readers += 1;
    if (!hg_bind("cbor", names, 3, 1, args, positional, keywords, values) ||
        !hg_bytes(values[0], "head", &head, &head_length) || !skip_of(values[1], self->batch.rows, &skip)) {
        goto finally;
    }
    length = head_length + hg_batch_cbor_length(&self->batch, skip);
    bytes = cbor_room(values[2], length, &hold, &data);
    if (bytes == NULL) {
        goto finally;
    }
    /* Into the object itself, which nobody else knows yet, or is to leave alone. */
    hg_output_init(&output, &hg_malloc, (uint32_t)length);
    output.data = data;
    output.capacity = (uint32_t)length;
    state = PyEval_SaveThread();
    hg_output_add(&output, head, (uint32_t)head_length);
    (void)hg_batch_cbor(&self->batch, skip, &output); /* fits: its length was asked */
    PyEval_RestoreThread(state);
finally:
    PyBuffer_Release(&hold);
    free(skip);
    self->readers -= 1;
    return bytes;
}

/* Rows by stream, of a few streams; all others go to the dict at once. */
struct counts {
    PyObject *dict;
    uint32_t length;
    struct {
        struct hg_view stream;
        uint32_t rows;
    } counted[16];
};

/* What is counted so far -> the dict. */
static bool settle(struct counts *counts) {
    bool ok = true;
    for (uint32_t i = 0; i < counts->length && ok; i++) {
        const struct hg_view stream = counts->counted[i].stream;
        PyObject *name = PyUnicode_DecodeUTF8((const char *)stream.at, (Py_ssize_t)stream.length, NULL), *sum = NULL;
        PyObject *known = name == NULL ? NULL : PyDict_GetItemWithError(counts->dict, name);
        if (name != NULL && PyErr_Occurred() == NULL) {
            sum = PyLong_FromUnsignedLongLong(counts->counted[i].rows +
                                              (known == NULL ? 0 : PyLong_AsUnsignedLongLong(known)));
        }
        ok = sum != NULL && PyDict_SetItem(counts->dict, name, sum) == 0;
        Py_XDECREF(sum);
        Py_XDECREF(name);
    }
    counts->length = 0;
    return ok;
}

static bool count_row(struct counts *counts, struct hg_view stream) {
    uint32_t i = 0;
    while (i < counts->length && (counts->counted[i].stream.length != stream.length ||
                                  memcmp(counts->counted[i].stream.at, stream.at, stream.length) != 0)) {
        i++;
    }
    if (i == sizeof counts->counted / sizeof counts->counted[0]) {
        if (!settle(counts)) {
            return false;
        }
        i = 0;
    }
    if (i == counts->length) {
        counts->counted[i].stream = stream;
        counts->counted[i].rows = 0;
        counts->length += 1;
    }
    counts->counted[i].rows += 1;
    return true;
}

static PyObject *batch_totals(PyObject *object, PyObject *const *args, Py_ssize_t positional, PyObject *keywords) {
    static const char *const names[] = {"skip"};
    struct batch_object *self = (struct batch_object *)object;
    struct counts counts = {.dict = PyDict_New()};
    PyObject *values[1], *items[2] = {NULL, NULL}, *result = NULL;
    uint64_t payload = 0;
    uint32_t index = 0;
    uint8_t *skip = NULL;
    self->readers += 1;
    if (counts.dict == NULL || !hg_bind("totals", names, 1, 0, args, positional, keywords, values) ||
        !skip_of(values[0], self->batch.rows, &skip)) {
        goto finally;
    }
    if (skip == NULL && self->batch.mixed == 0 && self->batch.rows != 0) { /* known since it was taken */
        payload = self->batch.payload;
        counts.counted[0].stream = self->batch.head->stream;
        counts.counted[0].rows = self->batch.rows;
        counts.length = 1;
    }
    for (const struct hg_row *row = counts.length != 0 ? NULL : self->batch.head; row != NULL; row = row->next, index++) {
        if (!hg_skipped(skip, index)) {
            payload += row->body.length;
            if (!count_row(&counts, row->stream)) {
                goto finally;
            }
        }
    }
    if (settle(&counts)) {
        items[0] = PyLong_FromUnsignedLongLong(payload);
        items[1] = counts.dict;
        counts.dict = NULL;
        result = hg_tuple(2, items);
    }
finally:
    free(skip);
    Py_XDECREF(counts.dict);
    self->readers -= 1;
    return result;
}

/* (index, number, scope, digest of the body) */
static PyObject *keyed_row(uint32_t index, const struct hg_row *row, const struct hg_row_key *key) {
    PyObject *items[4];
    items[0] = PyLong_FromUnsignedLong(index);
    items[1] = PyLong_FromUnsignedLongLong(row->seq);
    items[2] = PyBytes_FromStringAndSize((const char *)key->scope, HG_KEY_DIGEST);
    items[3] = PyBytes_FromStringAndSize((const char *)key->body, HG_KEY_DIGEST);
    return hg_tuple(4, items);
}

/* The digests of all rows that have a key, one after the other. */
static bool digest_keys(const struct hg_batch *batch, struct hg_row_key *keys) {
    const hg_sha256_blocks blocks = hg_sha256_best();
    struct hg_output scratch;
    bool ok = true;
    hg_output_init(&scratch, &hg_malloc, UINT32_MAX);
    for (const struct hg_row *row = batch->head; row != NULL && ok; row = row->next) {
        ok = row->key.at == NULL || hg_row_key(row, blocks, &scratch, keys++);
    }
    hg_output_clear(&scratch);
    return ok;
}

static PyObject *batch_keyed(PyObject *object, PyObject *ignored) {
    struct batch_object *self = (struct batch_object *)object;
    struct hg_row_key *keys = NULL;
    PyObject *list = PyList_New(0);
    PyThreadState *state;
    const uint32_t count = self->batch.keyed;
    uint32_t index = 0, k = 0;
    bool ok = list != NULL;
    (void)ignored;
    self->readers += 1;
    if (count == 0 || !ok) {
        goto finally;
    }
    keys = malloc(sizeof *keys * count);
    ok = keys != NULL;
    if (ok) {
        state = PyEval_SaveThread();
        ok = digest_keys(&self->batch, keys);
        PyEval_RestoreThread(state);
    }
    if (!ok) {
        PyErr_NoMemory();
    }
    for (const struct hg_row *row = self->batch.head; row != NULL && ok; row = row->next, index++) {
        if (row->key.at != NULL) {
            PyObject *item = keyed_row(index, row, &keys[k++]);
            ok = item != NULL && PyList_Append(list, item) == 0;
            Py_XDECREF(item);
        }
    }
finally:
    free(keys);
    self->readers -= 1;
    if (!ok) {
        Py_CLEAR(list);
    }
    return list;
}

static PyObject *batch_seqs(PyObject *object, PyObject *ignored) {
    struct batch_object *self = (struct batch_object *)object;
    PyObject *list;
    Py_ssize_t index = 0;
    (void)ignored;
    self->readers += 1;
    list = PyList_New((Py_ssize_t)self->batch.rows);
    for (const struct hg_row *row = self->batch.head; row != NULL && list != NULL; row = row->next) {
        PyObject *seq = PyLong_FromUnsignedLongLong(row->seq);
        if (seq == NULL) {
            Py_CLEAR(list);
        } else {
            (void)PyList_SetItem(list, index++, seq); /* cannot fail: the index is inside it */
        }
    }
    self->readers -= 1;
    return list;
}

static PyObject *batch_release(PyObject *object, PyObject *ignored) {
    struct hg_batch *batch = hg_batch_of(object);
    (void)ignored;
    if (batch == NULL) {
        return NULL;
    }
    hg_batch_release(hg_intake_of(((struct batch_object *)object)->intake), batch);
    Py_RETURN_NONE;
}

static PyObject *batch_give_back(PyObject *object, PyObject *ignored) {
    struct hg_batch *batch = hg_batch_of(object);
    (void)ignored;
    if (batch == NULL) {
        return NULL;
    }
    hg_batch_give_back(hg_intake_of(((struct batch_object *)object)->intake), batch);
    Py_RETURN_NONE;
}

static PyMethodDef batch_methods[] = {
    {"seqs", batch_seqs, METH_NOARGS, PyDoc_STR("seqs($self, /)\n--\n\nThe numbers of the rows.")},
    {"keyed", batch_keyed, METH_NOARGS,
     PyDoc_STR("keyed($self, /)\n--\n\n"
               "Of the rows with a key: (index, number, outbox_keys.scope_of(...), outbox_keys.digest(body)).")},
    {"totals", (PyCFunction)(void (*)(void))batch_totals, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("totals($self, /, skip=())\n--\n\n(bytes of all bodies, number of rows by stream).")},
    {"cbor", (PyCFunction)(void (*)(void))batch_cbor, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("cbor($self, /, head, skip=(), into=None)\n--\n\n"
               "`head`, then the rows as elements of the array of linux/batch.py; in place of what the bytearray `into` holds.")},
    {"release", batch_release, METH_NOARGS,
     PyDoc_STR("release($self, /)\n--\n\nForget the rows: they are stored, or whoever waits was told.")},
    {"give_back", batch_give_back, METH_NOARGS,
     PyDoc_STR("give_back($self, /)\n--\n\n"
               "The commit failed: promised rows go back to the front of the queue, all others are released.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot batch_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Rows taken together; twin of headgate.linux.intake.Batch. Made by Intake.take.")},
    {Py_tp_dealloc, (void *)batch_dealloc},
    {Py_tp_traverse, (void *)batch_traverse},
    {Py_tp_methods, (void *)batch_methods},
    {Py_sq_length, (void *)batch_length},
    {0, NULL},
};

PyType_Spec hg_batch_spec = {
    .name = "headgate_native._native.Batch",
    .basicsize = sizeof(struct batch_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = batch_slots,
};
