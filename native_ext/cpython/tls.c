/* TLS by Python's ssl module, driven from C: one SSLObject over two MemoryBIO for each connection. Python's part is everything up to
 * the end of the handshake, and the good-bye. In between records go through OpenSSL itself (openssl.h), on the same SSL: a request
 * took five calls of methods else, and gave the interpreter's lock away twice. Where OpenSSL is not to be had they go through the
 * objects. The server calls without the lock; what needs it takes it, and it is given back with leave. */
#include "tls.h"

#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "openssl.h"

#define RECORD 16384 /* bytes of plain text in one TLS record, RFC 8446 section 5.1 */
#define RECORD_HEAD 5
#define HANDSHAKE 22 /* type of a record */
#define HELLO_HEAD 9 /* bytes: a record's head, RFC 8446 section 5.1, and a handshake message's, section 4 */

enum name { DO_HANDSHAKE, READ, WRITE, UNWRAP, PENDING, NAME_COUNT };
static const char *const name_texts[NAME_COUNT] = {"do_handshake", "read", "write", "unwrap", "pending"};

struct tls_object {
    PyObject_HEAD
    struct hg_tls tls;
    PyObject *open, *identify, *failed; /* callables */
    PyObject *want_read, *zero_return;  /* classes of ssl */
    PyObject *buffer;                   /* bytearray of RECORD bytes, for every read */
    PyObject *record;                   /* RECORD as an int */
    PyObject *names[NAME_COUNT];
    const struct hg_openssl *openssl;   /* NULL: records go through the objects */
    PyGILState_STATE lock;
    bool locked;
};

struct session {
    PyObject *incoming, *outgoing, *object; /* MemoryBIO, MemoryBIO, SSLObject */
    PyObject *inner; /* what the SSLObject, which is written in Python, passes every call on to; itself if that is not to be had */
    void *ssl;         /* the object's; NULL: not known */
    void *rbio, *wbio; /* incoming's and outgoing's; once the handshake is over, and NULL if records go through the objects */
    uint8_t state;     /* enum hg_tls_state */
    bool full; /* the last read took as much as was asked for: there may be more of its record */
    uint8_t hello_length, identity_length;
    uint8_t hello[HELLO_HEAD]; /* the first bytes the peer sent; or of the record behind a HelloRetryRequest */
    uint8_t head_length, head[RECORD_HEAD]; /* of the record that is coming, of which `left` bytes are missing */
    uint16_t left;
    bool retried, looked; /* the answer was a HelloRetryRequest; no further ClientHello will come */
    uint8_t identity[HG_TOKEN_SUBJECT];
};

static void enter(void *context) { (void)context; }

static void hold_lock(struct tls_object *self) {
    if (!self->locked) {
        self->lock = PyGILState_Ensure();
        self->locked = true;
    }
}

static void leave(void *context) {
    struct tls_object *self = context;
    if (self->locked) {
        self->locked = false;
        PyGILState_Release(self->lock);
    }
}

/* Tells why a handshake failed: the exception that is set, which is cleared. Without one: it was not completed. */
static void tell_failure(struct tls_object *self) {
    PyObject *type, *error, *traceback, *done;
    PyErr_Fetch(&type, &error, &traceback); /* not PyErr_GetRaisedException: that is 3.12's */
    PyErr_NormalizeException(&type, &error, &traceback);
    done = PyObject_CallFunctionObjArgs(self->failed, error == NULL ? Py_None : error, NULL);
    if (done == NULL) {
        PyErr_WriteUnraisable(self->failed);
    }
    Py_XDECREF(done);
    Py_XDECREF(type);
    Py_XDECREF(error);
    Py_XDECREF(traceback);
}

static void close_session(void *context, void *memory) {
    struct session *session = memory;
    hold_lock(context);
    if (session->state == HG_TLS_GREETING) {
        tell_failure(context);
    }
    Py_XDECREF(session->incoming);
    Py_XDECREF(session->outgoing);
    Py_XDECREF(session->inner);
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
    hold_lock(self);
    hg_openssl_watch();
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
    session->incoming = Py_NewRef(PyTuple_GetItem(made, 0)); /* calloc: HG_TLS_GREETING, nobody */
    session->outgoing = Py_NewRef(PyTuple_GetItem(made, 1));
    session->object = Py_NewRef(PyTuple_GetItem(made, 2));
    session->inner = PyObject_GetAttrString(session->object, "_sslobj");
    if (session->inner == NULL) {
        PyErr_Clear();
        session->inner = Py_NewRef(session->object);
    }
    session->ssl = self->openssl == NULL ? NULL : hg_openssl_seen();
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

static bool take_records(const struct hg_openssl *openssl, void *bio, struct hg_output *output) {
    const size_t length = openssl->BIO_ctrl_pending(bio);
    uint8_t *room;
    if (length == 0) {
        return true;
    }
    room = length > INT32_MAX ? NULL : hg_output_room(output, (uint32_t)length);
    if (room == NULL || openssl->BIO_read(bio, room, (int)length) != (int)length) {
        return false;
    }
    hg_output_use(output, (uint32_t)length);
    return true;
}

/* What is in the outgoing MemoryBIO goes to the output. */
static bool take_outgoing(struct tls_object *self, struct session *session, struct hg_output *output) {
    char *data;
    Py_ssize_t length;
    PyObject *bytes = PyObject_CallMethodObjArgs(session->outgoing, self->names[READ], NULL);
    if (bytes == NULL || PyBytes_AsStringAndSize(bytes, &data, &length) < 0 || (uint64_t)length > UINT32_MAX) {
        PyErr_Clear();
        Py_XDECREF(bytes);
        return false;
    }
    hg_output_add(output, data, (uint32_t)length);
    Py_DECREF(bytes);
    return !output->failed;
}

/* The same when there need not be anything: a call for nothing would cost more than to ask. */
static bool flush(struct tls_object *self, struct session *session, struct hg_output *output) {
    if (session->wbio != NULL) {
        return take_records(self->openssl, session->wbio, output);
    }
    return number_of(PyObject_GetAttr(session->outgoing, self->names[PENDING])) == 0 ||
           take_outgoing(self, session, output);
}

/* Says that nothing more will come from here; the peer's own close_notify is not waited for. */
static void say_goodbye(struct tls_object *self, struct session *session) {
    PyObject *done = PyObject_CallMethodObjArgs(session->object, self->names[UNWRAP], NULL);
    Py_XDECREF(done);
    PyErr_Clear();
}

/* Asked once, when the handshake is complete. false: there is a certificate, and it names nobody who could be let in. */
static bool identify(struct tls_object *self, struct session *session) {
    PyObject *name = PyObject_CallFunctionObjArgs(self->identify, session->object, NULL);
    char *data;
    Py_ssize_t length;
    bool ok = false;
    if (name == NULL || (name != Py_None && PyBytes_AsStringAndSize(name, &data, &length) < 0)) {
        PyErr_WriteUnraisable(self->identify);
    } else if (name != Py_None && (size_t)length <= sizeof session->identity) {
        memcpy(session->identity, data, (size_t)length);
        session->identity_length = (uint8_t)length;
        ok = true;
    }
    Py_XDECREF(name);
    return ok;
}

/* The SSL that was seen is the object's if its input is what the object was given, which is not taken yet. */
static bool is_of_object(const struct tls_object *self, const struct session *session) {
    const size_t given = number_of(PyObject_GetAttr(session->incoming, self->names[PENDING]));
    void *const bio = self->openssl->SSL_get_rbio(session->ssl);
    return given != 0 && bio != NULL && self->openssl->BIO_ctrl_pending(bio) == given;
}

static void greet(struct tls_object *self, struct session *session) {
    PyObject *done;
    if (session->ssl != NULL && !is_of_object(self, session)) {
        session->ssl = NULL;
    }
    done = PyObject_CallMethodObjArgs(session->object, self->names[DO_HANDSHAKE], NULL);
    if (done != NULL) {
        Py_DECREF(done);
        session->state = HG_TLS_OPEN;
        if (session->ssl != NULL) {
            session->rbio = self->openssl->SSL_get_rbio(session->ssl);
            session->wbio = self->openssl->SSL_get_wbio(session->ssl);
        }
        if (!identify(self, session)) {
            say_goodbye(self, session);
            session->state = HG_TLS_BROKEN;
        }
    } else if (PyErr_ExceptionMatches(self->want_read)) {
        PyErr_Clear();
    } else {
        tell_failure(self);
        session->state = HG_TLS_BROKEN;
    }
}

/* OpenSSL takes memory for a handshake message as soon as its length is announced, up to 128 KiB for a ClientHello, which
 * would be 128 MiB for a thousand connections that never go on. So the head of the first message is looked at before, and of
 * the second ClientHello that a HelloRetryRequest asks for.
 * false: it is too long, or cut into records so that its length does not stand in the first. */
static bool hello_fits(struct session *session, const uint8_t *data, uint32_t length) {
    const uint8_t *hello = session->hello;
    const size_t room = HELLO_HEAD - session->hello_length, taken = length < room ? length : room;
    if (taken == 0) {
        return true; /* it was looked at */
    }
    memcpy(session->hello + session->hello_length, data, taken);
    session->hello_length = (uint8_t)(session->hello_length + taken);
    if (session->hello_length < HELLO_HEAD || hello[0] != HANDSHAKE /* OpenSSL knows what else it could be */) {
        return true;
    }
    return (hello[3] << 8 | hello[4]) >= 4 && (hello[6] << 16 | hello[7] << 8 | hello[8]) <= HG_TLS_HELLO;
}

/* Of data[0..length) what is to be looked at by itself: up to the end of a record, while a ClientHello may come. */
static uint32_t part_of(struct session *session, const uint8_t *data, uint32_t length) {
    uint32_t taken = 0;
    if (session->looked) {
        return length;
    }
    while (taken < length) {
        if (session->head_length < RECORD_HEAD) {
            session->head[session->head_length++] = data[taken++];
            session->left = (uint16_t)(session->head[3] << 8 | session->head[4]);
        } else {
            const uint32_t rest = length - taken, part = rest < session->left ? rest : session->left;
            session->left = (uint16_t)(session->left - part);
            taken += part;
        }
        if (session->head_length == RECORD_HEAD && session->left == 0) {
            session->head_length = 0;
            break;
        }
    }
    return taken;
}

/* What was answered to a ClientHello asks for another one: RFC 8446 section 4.1.3, the first bytes of such a Random. */
static bool is_retry(const uint8_t *answer, uint32_t length) {
    static const uint8_t random[] = {0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11};
    const uint32_t at = HELLO_HEAD + 2; /* behind the version */
    return length >= at + sizeof random && answer[0] == HANDSHAKE && memcmp(answer + at, random, sizeof random) == 0;
}

/* A record is through, and this was answered: whether the next one has to be looked at. */
static void look_on(struct session *session, const uint8_t *answer, uint32_t length) {
    const bool hello = session->hello[0] == HANDSHAKE, retry = is_retry(answer, length);
    session->retried = session->retried || retry;
    if (retry || !hello) { /* no hello: a change_cipher_spec, which comes before the second one and means nothing */
        session->hello_length = 0;
    } else if (session->hello_length == HELLO_HEAD) { /* else its length is still to come */
        session->looked = session->retried || length != 0;
    }
}

/* Bytes from the socket, for the objects; the next step of the handshake. */
static void feed_objects(struct tls_object *self, struct session *session, const uint8_t *data, uint32_t length,
                         struct hg_output *output) {
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)data, (Py_ssize_t)length);
    PyObject *written =
        bytes == NULL ? NULL : PyObject_CallMethodObjArgs(session->incoming, self->names[WRITE], bytes, NULL);
    if (written == NULL) {
        PyErr_Clear();
        session->state = HG_TLS_BROKEN; /* no memory: the stream has a hole now */
    } else if (session->state == HG_TLS_GREETING) {
        greet(self, session);
        if (!flush(self, session, output)) {
            session->state = HG_TLS_BROKEN;
        }
    }
    Py_XDECREF(bytes);
    Py_XDECREF(written);
}

/* Up to the end of the handshake, record by record while a ClientHello may come. -> bytes taken. */
static uint32_t feed_greeting(struct tls_object *self, struct session *session, const uint8_t *data, uint32_t length,
                              struct hg_output *output) {
    static const uint8_t illegal_parameter[] = {21, 3, 1, 0, 2, 2, 47}; /* the alert, RFC 8446 section 6 */
    uint32_t taken = 0;
    while (taken < length && session->state == HG_TLS_GREETING) {
        const uint32_t part = part_of(session, data + taken, length - taken), before = output->length;
        if (!session->looked && !hello_fits(session, data + taken, part)) {
            PyErr_SetString(PyExc_ValueError, "ClientHello too long");
            tell_failure(self);
            hg_output_add(output, illegal_parameter, sizeof illegal_parameter);
            session->state = HG_TLS_BROKEN;
            break;
        }
        feed_objects(self, session, data + taken, part, output);
        if (!session->looked && session->head_length == 0) {
            const uint32_t answered = output->length - before;
            look_on(session, answered == 0 ? NULL : output->data + before, answered);
        }
        taken += part;
    }
    return taken;
}

static enum hg_tls_state feed(void *context, void *memory, const uint8_t *data, uint32_t length,
                              struct hg_output *output) {
    struct tls_object *self = context;
    struct session *session = memory;
    if (session->state == HG_TLS_GREETING) {
        uint32_t taken;
        hold_lock(self);
        taken = feed_greeting(self, session, data, length, output);
        data += taken;
        length -= taken;
    }
    if (length != 0 && session->state != HG_TLS_BROKEN) {
        if (session->rbio == NULL) {
            hold_lock(self);
            feed_objects(self, session, data, length, output);
        } else if (self->openssl->BIO_write(session->rbio, data, (int)length) != (int)length) {
            session->state = HG_TLS_BROKEN; /* no memory */
        }
    }
    return session->state;
}

/* A call of OpenSSL's has failed: what becomes of the session. */
static void fail_session(const struct hg_openssl *openssl, struct session *session, int result) {
    switch (openssl->SSL_get_error(session->ssl, result)) {
    case HG_SSL_ERROR_WANT_READ: break;
    case HG_SSL_ERROR_ZERO_RETURN: session->state = HG_TLS_ENDED; break;
    default: session->state = HG_TLS_BROKEN;
    }
    openssl->ERR_clear_error(); /* others would take it for theirs */
}

/* SSL_get_error(3): the thread's queue of errors is to be empty. */
static void forget_errors(const struct hg_openssl *openssl) {
    if (openssl->ERR_peek_error() != 0) {
        openssl->ERR_clear_error();
    }
}

static uint32_t read_records(const struct hg_openssl *openssl, struct session *session, uint8_t *plain, uint32_t room) {
    size_t length = 0;
    int result;
    if (openssl->BIO_ctrl_pending(session->rbio) == 0 && openssl->SSL_pending(session->ssl) == 0) {
        return 0;
    }
    forget_errors(openssl);
    result = openssl->SSL_read_ex(session->ssl, plain, room, &length);
    if (result != 1) {
        fail_session(openssl, session, result);
        length = 0;
    }
    return (uint32_t)length; /* at most `room` */
}

static uint32_t read_objects(struct tls_object *self, struct session *session, uint8_t *plain, uint32_t room) {
    PyObject *count, *wanted;
    size_t length = 0;
    /* An exception for "nothing yet" would cost more than to ask. */
    if (number_of(PyObject_GetAttr(session->incoming, self->names[PENDING])) == 0 &&
        (!session->full || number_of(PyObject_CallMethodObjArgs(session->inner, self->names[PENDING], NULL)) == 0)) {
        return 0;
    }
    wanted = room >= RECORD ? Py_NewRef(self->record) : PyLong_FromUnsignedLong(room);
    count = wanted == NULL
                ? NULL
                : PyObject_CallMethodObjArgs(session->inner, self->names[READ], wanted, self->buffer, NULL);
    Py_XDECREF(wanted);
    if (count == NULL) {
        if (!PyErr_ExceptionMatches(self->want_read)) {
            session->state = PyErr_ExceptionMatches(self->zero_return) ? HG_TLS_ENDED : HG_TLS_BROKEN;
        }
        PyErr_Clear();
        return 0;
    }
    length = PyLong_AsSize_t(count);
    Py_DECREF(count);
    if (length > room || length > RECORD) { /* also what -1 with an exception is */
        PyErr_Clear();
        length = 0;
        session->state = HG_TLS_BROKEN;
    } else if (length == 0) { /* close_notify */
        session->state = HG_TLS_ENDED;
    }
    memcpy(plain, PyByteArray_AsString(self->buffer), length);
    session->full = length == (room < RECORD ? room : RECORD);
    return (uint32_t)length;
}

static uint32_t read_plain(void *context, void *memory, uint8_t *plain, uint32_t room, enum hg_tls_state *state,
                           struct hg_output *output) {
    struct tls_object *self = context;
    struct session *session = memory;
    uint32_t length = 0;
    if (session->state == HG_TLS_OPEN) {
        if (session->rbio != NULL) {
            length = read_records(self->openssl, session, plain, room);
        } else {
            hold_lock(self);
            length = read_objects(self, session, plain, room);
        }
        if (!flush(self, session, output)) { /* a key update asks for an answer */
            session->state = HG_TLS_BROKEN;
        }
    }
    *state = session->state;
    return length;
}

/* -> bytes taken; 0: none, it is broken. */
static size_t write_record(const struct hg_openssl *openssl, struct session *session, const uint8_t *plain, uint32_t length) {
    size_t taken = 0;
    int result;
    forget_errors(openssl);
    result = openssl->SSL_write_ex(session->ssl, plain, length, &taken);
    if (result != 1) {
        fail_session(openssl, session, result);
    }
    return result == 1 ? taken : 0;
}

static size_t write_object(struct tls_object *self, struct session *session, const uint8_t *plain, uint32_t length) {
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)plain, (Py_ssize_t)length);
    PyObject *count = bytes == NULL ? NULL : PyObject_CallMethodObjArgs(session->inner, self->names[WRITE], bytes, NULL);
    const size_t taken = count == NULL ? 0 : PyLong_AsSize_t(count);
    Py_XDECREF(bytes);
    Py_XDECREF(count);
    if (PyErr_Occurred() != NULL) {
        PyErr_Clear();
        return 0;
    }
    return taken;
}

/* In small records, each of which is taken away before the next: the outgoing MemoryBIO never shrinks. */
static bool write_plain(void *context, void *memory, const uint8_t *plain, uint32_t length, struct hg_output *output) {
    struct tls_object *self = context;
    struct session *session = memory;
    const bool direct = session->wbio != NULL;
    if (!direct) {
        hold_lock(self);
    }
    while (length > 0) {
        const uint32_t piece = length < HG_TLS_PIECE ? length : HG_TLS_PIECE;
        const size_t taken = direct ? write_record(self->openssl, session, plain, piece)
                                    : write_object(self, session, plain, piece);
        if (taken == 0 || taken > piece ||
            !(direct ? take_records(self->openssl, session->wbio, output) : take_outgoing(self, session, output))) {
            session->state = HG_TLS_BROKEN;
            return false;
        }
        plain += taken;
        length -= (uint32_t)taken;
    }
    return true;
}

static void finish(void *context, void *memory, struct hg_output *output) {
    struct tls_object *self = context;
    struct session *session = memory;
    if (session->state == HG_TLS_OPEN || session->state == HG_TLS_ENDED) {
        hold_lock(self);
        say_goodbye(self, session);
        (void)flush(self, session, output);
    }
}

static struct hg_view identity_of(void *context, void *memory) {
    const struct session *session = memory;
    (void)context;
    return (struct hg_view){session->identity, session->identity_length};
}

/* Of records that go through the objects it is not known: false. */
static bool is_partial(void *context, void *memory) {
    const struct tls_object *self = context;
    const struct session *session = memory;
    return session->state == HG_TLS_OPEN && session->rbio != NULL && self->openssl->SSL_has_pending(session->ssl) == 1;
}

const struct hg_tls *hg_tls_of(PyObject *object) { return &((struct tls_object *)object)->tls; }

static PyObject *tls_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    static char *names[] = {(char *)"open", (char *)"identify", (char *)"failed", (char *)"direct", NULL};
    PyObject *open, *identify, *failed, *ssl = NULL, *result = NULL;
    struct tls_object *self = NULL;
    int direct = 1;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOO|p:Tls", names, &open, &identify, &failed, &direct)) {
        return NULL;
    }
    self = (struct tls_object *)PyType_GenericAlloc(type, 0);
    if (self == NULL || (ssl = PyImport_ImportModule("ssl")) == NULL) {
        goto finally;
    }
    self->tls = (struct hg_tls){self, enter, leave, open_session, close_session, feed, read_plain, write_plain, finish,
                                identity_of, is_partial};
    self->open = Py_NewRef(open);
    self->identify = Py_NewRef(identify);
    self->failed = Py_NewRef(failed);
    self->openssl = direct ? hg_openssl_find() : NULL;
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
    Py_VISIT(self->failed);
    Py_VISIT(self->want_read);
    Py_VISIT(self->zero_return);
    return 0;
}

static int tls_clear(PyObject *object) {
    struct tls_object *self = (struct tls_object *)object;
    Py_CLEAR(self->open);
    Py_CLEAR(self->identify);
    Py_CLEAR(self->failed);
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

static PyObject *get_direct(PyObject *object, void *unused) {
    (void)unused;
    return PyBool_FromLong(((struct tls_object *)object)->openssl != NULL);
}

static PyGetSetDef attributes[] = {
    {"direct", get_direct, NULL, PyDoc_STR("Records go through OpenSSL itself."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR(
         "Tls(open, identify, failed, direct=True)\n--\n\n"
         "TLS for a Server's connections, by Python's ssl.\n\n"
         "`open()` -> (incoming MemoryBIO, outgoing MemoryBIO, server-side SSLObject over the two), for each connection;\n"
         "`identify(object)` -> bytes: who the peer's certificate says it is, b\"\" for nobody, None: the connection must\n"
         "end. Asked when the handshake is complete. `failed(error)`: it failed; None: the connection ended before.\n\n"
         "`direct`: after the handshake records go through OpenSSL itself where it can be found, not through the objects.")},
    {Py_tp_getset, (void *)attributes},
    {Py_tp_new, (void *)tls_new},
    {Py_tp_dealloc, (void *)tls_dealloc},
    {Py_tp_traverse, (void *)tls_traverse},
    {Py_tp_clear, (void *)tls_clear},
    {0, NULL},
};

PyType_Spec hg_tls_spec = {
    .name = "headgate_native._native.Tls",
    .basicsize = sizeof(struct tls_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
