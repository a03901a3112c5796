/* The Python type over core/intake.h. */
#include "intake.h"

#include "core/limits.h"

#define MESSAGE_MAX ((INT64_C(1) << 53) - 1) /* linux/batch.py */

struct intake_object {
    PyObject_HEAD
    struct hg_intake intake;
};

struct hg_intake *hg_intake_of(PyObject *object) { return &((struct intake_object *)object)->intake; }

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
    if (length >= UINT32_MAX) {
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

static PyObject *intake_take(PyObject *object, PyObject *const *args, Py_ssize_t positional, PyObject *keywords) {
    static const char *const names[] = {"max_rows", "max_bytes"};
    PyObject *values[2], *batch;
    int64_t max_rows, max_bytes;
    if (!hg_bind("take", names, 2, 2, args, positional, keywords, values) ||
        !int_within(values[0], "max_rows", 0, UINT32_MAX, &max_rows) ||
        !int_within(values[1], "max_bytes", 0, UINT32_MAX, &max_bytes)) {
        return NULL;
    }
    batch = hg_batch_new(object);
    if (batch != NULL) {
        hg_intake_take(hg_intake_of(object), (uint32_t)max_rows, (uint64_t)max_bytes, hg_batch_of(batch));
    }
    return batch;
}

static PyObject *intake_take_waiting(PyObject *object, PyObject *ignored) {
    PyObject *batch = hg_batch_new(object);
    (void)ignored;
    if (batch != NULL) {
        hg_intake_take_waiting(hg_intake_of(object), hg_batch_of(batch));
    }
    return batch;
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

enum number { BOOT, ROWS, BYTES, OVERFULL, OLDEST, OLDEST_WAITING, GATHERED, CROWDED, REFUSE_UNTIL, ROOM, CLOSING };
static const enum number numbers[] = {BOOT,     ROWS,    BYTES,        OVERFULL, OLDEST, OLDEST_WAITING,
                                      GATHERED, CROWDED, REFUSE_UNTIL, ROOM,     CLOSING};
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
    case GATHERED: return PyBool_FromLong(hg_intake_gathered(intake));
    case CROWDED: return PyBool_FromLong(hg_intake_crowded(intake));
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
    {"gathered", intake_get, NULL, PyDoc_STR("Everybody whom the last commit answered waits again, and they are many."),
     CLOSURE(GATHERED)},
    {"crowded", intake_get, NULL, PyDoc_STR("Three quarters full: nothing more is promised, and a commit is due."),
     CLOSURE(CROWDED)},
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
