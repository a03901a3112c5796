/* TLS by Python's ssl module, driven from C: one SSLObject over two MemoryBIO for each connection. Measured equal to linking
 * OpenSSL, and there is none to ship. The server calls without the interpreter's lock; enter and leave take it and give it back. */
#include "tls.h"

#include <stdlib.h>
#include <string.h>

#define RECORD 16384 /* bytes of plain text in one TLS record, RFC 8446 section 5.1 */

enum name { DO_HANDSHAKE, READ, WRITE, UNWRAP, PENDING, NAME_COUNT };
static const char *const name_texts[NAME_COUNT] = {"do_handshake", "read", "write", "unwrap", "pending"};

struct tls_object {
    PyObject_HEAD
    struct hg_tls tls;
    PyObject *open, *identify;          /* callables */
    PyObject *want_read, *zero_return;  /* classes of ssl */
    PyObject *buffer;                   /* bytearray of RECORD bytes, for every read */
    PyObject *record;                   /* RECORD as an int */
    PyObject *names[NAME_COUNT];
    PyGILState_STATE lock;
    uint64_t handshakes, refused;
};

struct session {
    PyObject *incoming, *outgoing, *object; /* MemoryBIO, MemoryBIO, SSLObject */
    enum hg_tls_state state;
    uint8_t identity_length;
    uint8_t identity[255];
};

static void enter(void *context) { ((struct tls_object *)context)->lock = PyGILState_Ensure(); }

static void leave(void *context) { PyGILState_Release(((struct tls_object *)context)->lock); }

static void close_session(void *context, void *memory) {
    struct session *session = memory;
    (void)context;
    Py_XDECREF(session->incoming);
    Py_XDECREF(session->outgoing);
    Py_XDECREF(session->object);
    free(session);
}

static void *open_session(void *context) {
    struct tls_object *self = context;
    struct session *session = calloc(1, sizeof *session);
    PyObject *made = NULL;
    if (session == NULL) {
        return NULL;
    }
    made = PyObject_CallNoArgs(self->open);
    if (made == NULL || !PyTuple_Check(made) || PyTuple_Size(made) != 3) {
        if (made != NULL) {
            PyErr_SetString(PyExc_TypeError, "open() must give (incoming, outgoing, object)");
        }
        PyErr_WriteUnraisable(self->open); /* nobody is there to catch it; the connection is closed */
        Py_XDECREF(made);
        free(session);
        return NULL;
    }
    session->incoming = Py_NewRef(PyTuple_GetItem(made, 0));
    session->outgoing = Py_NewRef(PyTuple_GetItem(made, 1));
    session->object = Py_NewRef(PyTuple_GetItem(made, 2));
    Py_DECREF(made);
    return session;
}

/* The number that an attribute of a MemoryBIO, or a method without arguments, gives; 0 with the exception cleared if there is none. */
static size_t number_of(PyObject *result) {
    size_t number = 0;
    if (result != NULL) {
        number = PyLong_AsSize_t(result);
        Py_DECREF(result);
    }
    if (PyErr_Occurred() != NULL) {
        PyErr_Clear();
        return 0;
    }
    return number;
}

/* What the session wants to be sent goes to the output. */
static bool flush(struct tls_object *self, struct session *session, struct hg_output *output) {
    char *data;
    Py_ssize_t length;
    PyObject *bytes;
    if (number_of(PyObject_GetAttr(session->outgoing, self->names[PENDING])) == 0) {
        return true;
    }
    bytes = PyObject_CallMethodObjArgs(session->outgoing, self->names[READ], NULL);
    if (bytes == NULL || PyBytes_AsStringAndSize(bytes, &data, &length) < 0 || (uint64_t)length > UINT32_MAX) {
        PyErr_Clear();
        Py_XDECREF(bytes);
        return false;
    }
    hg_output_add(output, data, (uint32_t)length);
    Py_DECREF(bytes);
    return !output->failed;
}

/* The exception that is set -> the state it means; it is cleared. */
static enum hg_tls_state state_after(struct tls_object *self, const struct session *session) {
    enum hg_tls_state state = HG_TLS_BROKEN;
    if (PyErr_ExceptionMatches(self->want_read)) {
        state = session->state;
    } else if (PyErr_ExceptionMatches(self->zero_return)) {
        state = HG_TLS_ENDED;
    }
    PyErr_Clear();
    return state;
}

/* Asked once, when the handshake is complete. false: there is a certificate, and it names nobody who could be let in. */
static bool identify(struct tls_object *self, struct session *session) {
    PyObject *name = PyObject_CallFunctionObjArgs(self->identify, session->object, NULL);
    char *data;
    Py_ssize_t length;
    bool ok = false;
    if (name == NULL || PyBytes_AsStringAndSize(name, &data, &length) < 0) {
        PyErr_WriteUnraisable(self->identify);
    } else if ((size_t)length <= sizeof session->identity) {
        memcpy(session->identity, data, (size_t)length);
        session->identity_length = (uint8_t)length;
        ok = true;
    }
    Py_XDECREF(name);
    return ok;
}

static void greet(struct tls_object *self, struct session *session) {
    PyObject *done = PyObject_CallMethodObjArgs(session->object, self->names[DO_HANDSHAKE], NULL);
    if (done == NULL) {
        session->state = state_after(self, session);
        self->refused += session->state != HG_TLS_GREETING;
        return;
    }
    Py_DECREF(done);
    session->state = identify(self, session) ? HG_TLS_OPEN : HG_TLS_BROKEN;
    self->handshakes += 1;
}

static enum hg_tls_state feed(void *context, void *memory, const uint8_t *data, uint32_t length,
                              struct hg_output *output) {
    struct tls_object *self = context;
    struct session *session = memory;
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)data, (Py_ssize_t)length);
    PyObject *written =
        bytes == NULL ? NULL : PyObject_CallMethodObjArgs(session->incoming, self->names[WRITE], bytes, NULL);
    if (written == NULL) {
        PyErr_Clear();
        session->state = HG_TLS_BROKEN; /* no memory: the stream has a hole now */
    } else if (session->state == HG_TLS_GREETING) {
        greet(self, session);
    }
    Py_XDECREF(bytes);
    Py_XDECREF(written);
    if (!flush(self, session, output)) {
        session->state = HG_TLS_BROKEN;
    }
    return session->state;
}

static uint32_t read_plain(void *context, void *memory, uint8_t *plain, uint32_t room, enum hg_tls_state *state,
                           struct hg_output *output) {
    struct tls_object *self = context;
    struct session *session = memory;
    PyObject *count, *wanted;
    size_t length = 0;
    *state = session->state;
    /* An exception for "nothing yet" would cost more than to ask. */
    if (session->state != HG_TLS_OPEN ||
        (number_of(PyObject_GetAttr(session->incoming, self->names[PENDING])) == 0 &&
         number_of(PyObject_CallMethodObjArgs(session->object, self->names[PENDING], NULL)) == 0)) {
        return 0;
    }
    wanted = room >= RECORD ? Py_NewRef(self->record) : PyLong_FromUnsignedLong(room);
    count = wanted == NULL
                ? NULL
                : PyObject_CallMethodObjArgs(session->object, self->names[READ], wanted, self->buffer, NULL);
    Py_XDECREF(wanted);
    if (count == NULL) {
        session->state = state_after(self, session);
    } else {
        length = PyLong_AsSize_t(count);
        Py_DECREF(count);
        if (length > room || length > RECORD) { /* also what -1 with an exception is */
            PyErr_Clear();
            length = 0;
            session->state = HG_TLS_BROKEN;
        } else if (length == 0) { /* SSLObject.read gives b"" at the end when suppress_ragged_eofs applies */
            session->state = HG_TLS_ENDED;
        }
        memcpy(plain, PyByteArray_AsString(self->buffer), length);
    }
    if (!flush(self, session, output)) { /* a key update asks for an answer */
        session->state = HG_TLS_BROKEN;
    }
    *state = session->state;
    return (uint32_t)length;
}

static bool write_plain(void *context, void *memory, const uint8_t *plain, uint32_t length, struct hg_output *output) {
    struct tls_object *self = context;
    struct session *session = memory;
    while (length > 0) {
        PyObject *bytes = PyBytes_FromStringAndSize((const char *)plain, (Py_ssize_t)length);
        PyObject *count =
            bytes == NULL ? NULL : PyObject_CallMethodObjArgs(session->object, self->names[WRITE], bytes, NULL);
        const size_t taken = count == NULL ? 0 : PyLong_AsSize_t(count);
        Py_XDECREF(bytes);
        Py_XDECREF(count);
        if (taken == 0 || taken > length) {
            PyErr_Clear();
            session->state = HG_TLS_BROKEN;
            return false;
        }
        plain += taken;
        length -= (uint32_t)taken;
    }
    if (!flush(self, session, output)) {
        session->state = HG_TLS_BROKEN;
        return false;
    }
    return true;
}

static void finish(void *context, void *memory, struct hg_output *output) {
    struct tls_object *self = context;
    struct session *session = memory;
    if (session->state == HG_TLS_OPEN || session->state == HG_TLS_ENDED) {
        PyObject *done = PyObject_CallMethodObjArgs(session->object, self->names[UNWRAP], NULL);
        Py_XDECREF(done);
        PyErr_Clear(); /* the peer's own close_notify is not waited for */
        (void)flush(self, session, output);
    }
}

static struct hg_view identity_of(void *context, void *memory) {
    const struct session *session = memory;
    (void)context;
    return (struct hg_view){session->identity, session->identity_length};
}

const struct hg_tls *hg_tls_of(PyObject *object) { return &((struct tls_object *)object)->tls; }

static PyObject *tls_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    static char *names[] = {(char *)"open", (char *)"identify", NULL};
    PyObject *open, *identify, *ssl = NULL, *result = NULL;
    struct tls_object *self = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OO:Tls", names, &open, &identify)) {
        return NULL;
    }
    self = (struct tls_object *)PyType_GenericAlloc(type, 0);
    if (self == NULL || (ssl = PyImport_ImportModule("ssl")) == NULL) {
        goto finally;
    }
    self->tls = (struct hg_tls){self, enter, leave, open_session, close_session, feed, read_plain, write_plain, finish, identity_of};
    self->open = Py_NewRef(open);
    self->identify = Py_NewRef(identify);
    self->want_read = PyObject_GetAttrString(ssl, "SSLWantReadError");
    self->zero_return = PyObject_GetAttrString(ssl, "SSLZeroReturnError");
    self->buffer = PyByteArray_FromStringAndSize(NULL, RECORD);
    self->record = PyLong_FromLong(RECORD);
    if (self->want_read == NULL || self->zero_return == NULL || self->buffer == NULL || self->record == NULL) {
        goto finally;
    }
    for (int i = 0; i < NAME_COUNT; i++) {
        self->names[i] = PyUnicode_InternFromString(name_texts[i]);
        if (self->names[i] == NULL) {
            goto finally;
        }
    }
    result = Py_NewRef((PyObject *)self);
finally:
    Py_XDECREF((PyObject *)self);
    Py_XDECREF(ssl);
    return result;
}

static int tls_traverse(PyObject *object, visitproc visit, void *arg) {
    const struct tls_object *self = (const struct tls_object *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->open);
    Py_VISIT(self->identify);
    Py_VISIT(self->want_read);
    Py_VISIT(self->zero_return);
    return 0;
}

static int tls_clear(PyObject *object) {
    struct tls_object *self = (struct tls_object *)object;
    Py_CLEAR(self->open);
    Py_CLEAR(self->identify);
    Py_CLEAR(self->want_read);
    Py_CLEAR(self->zero_return);
    return 0;
}

static void tls_dealloc(PyObject *object) {
    struct tls_object *self = (struct tls_object *)object;
    PyTypeObject *type = Py_TYPE(object);
    const freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    PyObject_GC_UnTrack(object);
    (void)tls_clear(object);
    Py_CLEAR(self->buffer);
    Py_CLEAR(self->record);
    for (int i = 0; i < NAME_COUNT; i++) {
        Py_CLEAR(self->names[i]);
    }
    release(object);
    Py_DECREF((PyObject *)type);
}

static PyObject *tls_handshakes(PyObject *object, void *closure) {
    (void)closure;
    return PyLong_FromUnsignedLongLong(((struct tls_object *)object)->handshakes);
}

static PyObject *tls_refused(PyObject *object, void *closure) {
    (void)closure;
    return PyLong_FromUnsignedLongLong(((struct tls_object *)object)->refused);
}

static PyGetSetDef attributes[] = {
    {"handshakes", tls_handshakes, NULL, PyDoc_STR("Handshakes completed."), NULL},
    {"refused", tls_refused, NULL, PyDoc_STR("Handshakes that failed."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR(
         "Tls(open, identify)\n--\n\n"
         "TLS for a Server's connections, by Python's ssl.\n\n"
         "`open()` -> (incoming MemoryBIO, outgoing MemoryBIO, server-side SSLObject over the two), for each connection;\n"
         "`identify(object)` -> bytes: who the peer's certificate says it is, b\"\" for nobody. Asked after the handshake;\n"
         "an exception ends the connection.")},
    {Py_tp_new, (void *)tls_new},
    {Py_tp_dealloc, (void *)tls_dealloc},
    {Py_tp_traverse, (void *)tls_traverse},
    {Py_tp_clear, (void *)tls_clear},
    {Py_tp_getset, (void *)attributes},
    {0, NULL},
};

PyType_Spec hg_tls_spec = {
    .name = "headgate_native._native.Tls",
    .basicsize = sizeof(struct tls_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
