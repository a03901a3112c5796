/* The Python types over core/intake.h. Reading a batch runs other people's code, or gives up the interpreter's lock: it cannot be
 * released meanwhile (`readers`). */
#include "intake.h"

#include <stdlib.h>
#include <string.h>

#include "core/limits.h"

#define MESSAGE_MAX ((INT64_C(1) << 53) - 1) /* linux/batch.py */

struct intake_object {
    PyObject_HEAD
    struct hg_intake intake;
};

struct batch_object {
    PyObject_HEAD
    PyObject *intake; /* an intake_object; the rows are charged to it */
    struct hg_batch batch;
    int readers; /* calls that walk over the rows right now */
};

struct hg_intake *hg_intake_of(PyObject *object) { return &((struct intake_object *)object)->intake; }

struct hg_batch *hg_batch_of(PyObject *object) {
    struct batch_object *self = (struct batch_object *)object;
    if (self->readers > 0) {
        PyErr_SetString(PyExc_RuntimeError, "the batch is being read");
        return NULL;
    }
    return &self->batch;
}

/* -- Intake */

static bool int_within(PyObject *object, const char *name, int64_t least, int64_t most, int64_t *value) {
    if (!hg_int(object, value)) {
        return false;
    }
    if (*value < least || *value > most) {
        PyErr_Format(PyExc_ValueError, "%s is out of range", name);
        return false;
    }
    return true;
}

static PyObject *intake_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    static char *names[] = {(char *)"boot", (char *)"max_rows", (char *)"max_bytes", NULL};
    PyObject *boot_object, *rows_object, *bytes_object;
    struct intake_object *self;
    int64_t boot, max_rows, max_bytes;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOO:Intake", names, &boot_object, &rows_object, &bytes_object) ||
        !int_within(boot_object, "boot", 1, MESSAGE_MAX, &boot) ||
        !int_within(rows_object, "max_rows", 1, UINT32_MAX, &max_rows) ||
        !int_within(bytes_object, "max_bytes", 1, UINT32_MAX, &max_bytes)) {
        return NULL;
    }
    self = (struct intake_object *)PyType_GenericAlloc(type, 0);
    if (self != NULL) {
        hg_intake_init(&self->intake, &hg_malloc, (uint64_t)boot, (uint32_t)max_rows, (uint64_t)max_bytes);
    }
    return (PyObject *)self;
}

static int intake_traverse(PyObject *object, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(object));
    return 0;
}

static void intake_dealloc(PyObject *object) {
    PyTypeObject *type = Py_TYPE(object);
    const freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    PyObject_GC_UnTrack(object);
    hg_intake_clear(hg_intake_of(object));
    release(object);
    Py_DECREF((PyObject *)type);
}

/* A str as UTF-8; NULL or None: absent, if that may be. */
static bool text_of(PyObject *object, const char *name, bool optional, struct hg_view *view) {
    Py_ssize_t length;
    const char *text;
    *view = (struct hg_view){NULL, 0};
    if (optional && (object == NULL || object == Py_None)) {
        return true;
    }
    if (!PyUnicode_Check(object)) {
        PyErr_Format(PyExc_TypeError, "%s must be str", name);
        return false;
    }
    text = PyUnicode_AsUTF8AndSize(object, &length);
    if (text == NULL) {
        return false;
    }
    if ((uint64_t)length > UINT32_MAX) {
        PyErr_Format(PyExc_OverflowError, "%s is too long", name);
        return false;
    }
    *view = (struct hg_view){(const uint8_t *)text, (uint32_t)length};
    return true;
}

static bool body_of(PyObject *object, struct hg_view *view) {
    const uint8_t *data;
    size_t length;
    if (!hg_bytes(object, "body", &data, &length)) {
        return false;
    }
    if ((uint64_t)length > UINT32_MAX) {
        PyErr_SetString(PyExc_OverflowError, "body is too long");
        return false;
    }
    *view = (struct hg_view){data, (uint32_t)length};
    return true;
}

static PyObject *refusal(const struct hg_problem *problem, uint32_t retry_s) {
    PyObject *items[3];
    items[0] = PyUnicode_FromString(hg_code_slug((enum hg_code)problem->code));
    items[1] = PyUnicode_FromString(problem->detail);
    items[2] = PyLong_FromUnsignedLong(retry_s);
    return hg_tuple(3, items);
}

static PyObject *intake_add(PyObject *object, PyObject *const *args, Py_ssize_t positional, PyObject *keywords) {
    static const char *const names[] = {"stream", "client", "body", "ts_ms", "at_ms", "flags", "key", "trace"};
    struct hg_row row = {.ts_ms = -1};
    struct hg_problem problem;
    PyObject *values[8];
    int64_t flags;
    uint64_t seq;
    uint32_t retry_s;
    if (!hg_bind("add", names, 8, 6, args, positional, keywords, values) ||
        (values[3] != Py_None && !int_within(values[3], "ts_ms", 0, HG_TIME_MS, &row.ts_ms)) ||
        !int_within(values[4], "at_ms", 0, HG_TIME_MS, &row.at_ms) ||
        !int_within(values[5], "flags", 0, HG_ROW_DURABLE | HG_ROW_PROMISED | HG_ROW_CBOR, &flags) ||
        !text_of(values[0], "stream", false, &row.stream) || !text_of(values[1], "client", false, &row.client) ||
        !body_of(values[2], &row.body) || !text_of(values[6], "key", true, &row.key) ||
        !text_of(values[7], "trace", true, &row.trace)) {
        return NULL;
    }
    row.flags = (uint32_t)flags;
    if (hg_intake_add(hg_intake_of(object), &row, &seq, &problem, &retry_s) != HG_P_NONE) {
        return refusal(&problem, retry_s);
    }
    return PyLong_FromUnsignedLongLong(seq);
}

/* An empty batch of this intake. */
static struct batch_object *new_batch(PyObject *intake) {
    struct batch_object *batch = (struct batch_object *)PyType_GenericAlloc(HG_MODULE(intake)->batch, 0);
    if (batch != NULL) {
        batch->intake = Py_NewRef(intake);
    }
    return batch;
}

static PyObject *intake_take(PyObject *object, PyObject *const *args, Py_ssize_t positional, PyObject *keywords) {
    static const char *const names[] = {"max_rows", "max_bytes"};
    struct batch_object *batch;
    PyObject *values[2];
    int64_t max_rows, max_bytes;
    if (!hg_bind("take", names, 2, 2, args, positional, keywords, values) ||
        !int_within(values[0], "max_rows", 0, UINT32_MAX, &max_rows) ||
        !int_within(values[1], "max_bytes", 0, UINT32_MAX, &max_bytes)) {
        return NULL;
    }
    batch = new_batch(object);
    if (batch != NULL) {
        hg_intake_take(hg_intake_of(object), (uint32_t)max_rows, (uint64_t)max_bytes, &batch->batch);
    }
    return (PyObject *)batch;
}

static PyObject *intake_take_waiting(PyObject *object, PyObject *ignored) {
    struct batch_object *batch = new_batch(object);
    (void)ignored;
    if (batch != NULL) {
        hg_intake_take_waiting(hg_intake_of(object), &batch->batch);
    }
    return (PyObject *)batch;
}

static PyMethodDef intake_methods[] = {
    {"add", (PyCFunction)(void (*)(void))intake_add, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("add($self, /, stream, client, body, ts_ms, at_ms, flags, key=None, trace=None)\n--\n\n"
               "The message's number; or why it is refused: (code of the 503, detail, Retry-After in s).")},
    {"take", (PyCFunction)(void (*)(void))intake_take, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("take($self, /, max_rows, max_bytes)\n--\n\n"
               "The oldest rows: at least one unless there is none or `max_rows` is 0, then as many as both limits allow.")},
    {"take_waiting", intake_take_waiting, METH_NOARGS,
     PyDoc_STR("take_waiting($self, /)\n--\n\nAll rows that are not promised.")},
    {NULL, NULL, 0, NULL},
};

enum number { BOOT, ROWS, BYTES, OVERFULL, OLDEST, OLDEST_WAITING, REFUSE_UNTIL, ROOM, CLOSING };
static const enum number numbers[] = {BOOT, ROWS, BYTES, OVERFULL, OLDEST, OLDEST_WAITING, REFUSE_UNTIL, ROOM, CLOSING};
#define CLOSURE(which) ((void *)(uintptr_t)&numbers[which])

static PyObject *or_none(int64_t ms) { return ms < 0 ? Py_NewRef(Py_None) : PyLong_FromLongLong(ms); }

static PyObject *intake_get(PyObject *object, void *closure) {
    const struct hg_intake *intake = hg_intake_of(object);
    switch (*(const enum number *)closure) {
    case BOOT: return PyLong_FromUnsignedLongLong(intake->boot);
    case ROWS: return PyLong_FromUnsignedLong(intake->rows);
    case BYTES: return PyLong_FromUnsignedLongLong(intake->bytes);
    case OVERFULL: return PyLong_FromUnsignedLongLong(intake->overfull);
    case OLDEST: return or_none(intake->oldest_ms);
    case OLDEST_WAITING: return or_none(intake->oldest_waiting_ms);
    case REFUSE_UNTIL: return PyLong_FromLongLong(intake->refuse_until_ms);
    case ROOM: return intake->room == UINT64_MAX ? Py_NewRef(Py_None) : PyLong_FromUnsignedLongLong(intake->room);
    case CLOSING: return PyBool_FromLong(intake->closing);
    }
    return NULL;
}

static int intake_set(PyObject *object, PyObject *value, void *closure) {
    struct hg_intake *intake = hg_intake_of(object);
    const enum number which = *(const enum number *)closure;
    int64_t number = 0;
    int truth;
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "cannot be deleted");
        return -1;
    }
    if (which == CLOSING) {
        truth = PyObject_IsTrue(value);
        intake->closing = truth > 0;
        return truth < 0 ? -1 : 0;
    }
    if (which == ROOM && value == Py_None) {
        intake->room = UINT64_MAX;
        return 0;
    }
    if (!int_within(value, which == ROOM ? "room" : "refuse_until_ms", 0, INT64_MAX, &number)) {
        return -1;
    }
    if (which == ROOM) {
        intake->room = (uint64_t)number;
    } else {
        intake->refuse_until_ms = number;
    }
    return 0;
}

static PyGetSetDef intake_attributes[] = {
    {"boot", intake_get, NULL, PyDoc_STR("Of all its messages."), CLOSURE(BOOT)},
    {"rows", intake_get, NULL, PyDoc_STR("Rows queued."), CLOSURE(ROWS)},
    {"bytes", intake_get, NULL, PyDoc_STR("Charged, queued and taken."), CLOSURE(BYTES)},
    {"overfull", intake_get, NULL, PyDoc_STR("Rows refused for want of room."), CLOSURE(OVERFULL)},
    {"oldest_ms", intake_get, NULL, PyDoc_STR("`at_ms` of the first row queued."), CLOSURE(OLDEST)},
    {"oldest_waiting_ms", intake_get, NULL, PyDoc_STR("`at_ms` of the first row queued that is not promised."),
     CLOSURE(OLDEST_WAITING)},
    {"refuse_until_ms", intake_get, intake_set, PyDoc_STR("Monotonic; what is not promised is refused until then."),
     CLOSURE(REFUSE_UNTIL)},
    {"room", intake_get, intake_set, PyDoc_STR("Bytes the disk budget has left beyond `bytes`; None: no bound."),
     CLOSURE(ROOM)},
    {"closing", intake_get, intake_set, PyDoc_STR("Everything is refused."), CLOSURE(CLOSING)},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot intake_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Intake(boot, max_rows, max_bytes)\n--\n\n"
                                  "Accepted messages on their way to the disk; twin of headgate.linux.intake.Intake.")},
    {Py_tp_new, (void *)intake_new},
    {Py_tp_dealloc, (void *)intake_dealloc},
    {Py_tp_traverse, (void *)intake_traverse},
    {Py_tp_methods, (void *)intake_methods},
    {Py_tp_getset, (void *)intake_attributes},
    {0, NULL},
};

PyType_Spec hg_intake_spec = {
    .name = "headgate_native._native.Intake",
    .basicsize = sizeof(struct intake_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = intake_slots,
};

/* -- Batch */

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
    hg_batch_clear(&hg_malloc, &self->batch);
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

static PyObject *batch_cbor(PyObject *object, PyObject *const *args, Py_ssize_t positional, PyObject *keywords) {
    static const char *const names[] = {"head", "skip"};
    struct batch_object *self = (struct batch_object *)object;
    PyObject *values[2], *bytes = NULL;
    PyThreadState *state;
    struct hg_output output;
    const uint8_t *head;
    uint8_t *skip = NULL;
    size_t head_length;
    uint64_t length;
    self->readers += 1;
    if (!hg_bind("cbor", names, 2, 1, args, positional, keywords, values) ||
        !hg_bytes(values[0], "head", &head, &head_length) || !skip_of(values[1], self->batch.rows, &skip)) {
        goto finally;
    }
    length = head_length + hg_batch_cbor_length(&self->batch, skip);
    if (length > UINT32_MAX || length > PY_SSIZE_T_MAX) {
        PyErr_SetString(PyExc_OverflowError, "the batch is too large");
        goto finally;
    }
    bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)length);
    if (bytes == NULL) {
        goto finally;
    }
    /* Into the bytes object itself, which nobody else knows yet. */
    hg_output_init(&output, &hg_malloc, (uint32_t)length);
    output.data = (uint8_t *)PyBytes_AsString(bytes);
    output.capacity = (uint32_t)length;
    state = PyEval_SaveThread();
    hg_output_add(&output, head, (uint32_t)head_length);
    (void)hg_batch_cbor(&self->batch, skip, &output); /* fits: its length was asked */
    PyEval_RestoreThread(state);
finally:
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
    for (const struct hg_row *row = self->batch.head; row != NULL; row = row->next, index++) {
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
    uint32_t count = 0, index = 0, k = 0;
    bool ok = list != NULL;
    (void)ignored;
    self->readers += 1;
    for (const struct hg_row *row = self->batch.head; row != NULL; row = row->next) {
        count += row->key.at != NULL;
    }
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
     PyDoc_STR("cbor($self, /, head, skip=())\n--\n\n"
               "`head`, then the rows as elements of the array of linux/batch.py.")},
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
