/* headgate_native._load: the native client of `headgate load`, which is not for devices; a module of its own, so that they
 * do not load it. headgate_host/load/http_native.py is its only user. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "load/client.h"
#include "load/reply.h"

#if !defined(Py_LIMITED_API)
#error "build with Py_LIMITED_API=0x030B0000, as setup.py does"
#endif

struct client_object {
    PyObject_HEAD
    struct hg_client *client;
    bool serving; /* with the GIL */
};

static struct hg_client *client_of(PyObject *object) { return ((struct client_object *)object)->client; }

/* {bucket: count}, least, most, total */
static PyObject *histogram_tuple(const struct hg_histogram *histogram) {
    PyObject *counts = PyDict_New(), *result = NULL;
    bool fine = counts != NULL, empty = true;
    for (unsigned i = 0; i < HG_BUCKETS && fine; i++) {
        if (histogram->counts[i] != 0) {
            PyObject *index = PyLong_FromUnsignedLong(i), *count = PyLong_FromUnsignedLong(histogram->counts[i]);
            fine = index != NULL && count != NULL && PyDict_SetItem(counts, index, count) == 0;
            Py_XDECREF(index);
            Py_XDECREF(count);
            empty = false;
        }
    }
    if (fine) {
        result = Py_BuildValue("OLLL", counts, (long long)(empty ? 0 : histogram->least), (long long)histogram->most,
                               (long long)histogram->total);
    }
    Py_XDECREF(counts);
    return result;
}

/* {status: count} */
static PyObject *statuses_dict(const struct hg_tally *tally) {
    PyObject *statuses = PyDict_New();
    for (unsigned i = 0; i < HG_STATUSES && statuses != NULL; i++) {
        if (tally->statuses[i] != 0) {
            PyObject *status = PyLong_FromUnsignedLong(i), *count = PyLong_FromUnsignedLong(tally->statuses[i]);
            if (status == NULL || count == NULL || PyDict_SetItem(statuses, status, count) != 0) {
                Py_CLEAR(statuses);
            }
            Py_XDECREF(status);
            Py_XDECREF(count);
        }
    }
    return statuses;
}

static PyObject *tally_tuple(const struct hg_tally *tally) {
    PyObject *statuses = statuses_dict(tally), *result = NULL;
    PyObject *latency = statuses == NULL ? NULL : histogram_tuple(&tally->latency);
    PyObject *service = latency == NULL ? NULL : histogram_tuple(&tally->service);
    if (service != NULL) {
        const uint32_t *failures = tally->failures;
        result = Py_BuildValue("LIIIO(IIIII)OO", (long long)tally->interval, tally->operation, tally->due, tally->sent,
                               statuses, failures[HG_REFUSED], failures[HG_LOST], failures[HG_MALFORMED],
                               failures[HG_TIMEOUT], failures[HG_UNSENT], latency, service);
    }
    Py_XDECREF(statuses);
    Py_XDECREF(latency);
    Py_XDECREF(service);
    return result;
}

static bool read_address(int family, const char *host, int port, struct hg_client_options *options) {
    struct sockaddr_in *four = (struct sockaddr_in *)(void *)&options->address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)&options->address;
    bool fine = port > 0 && port <= UINT16_MAX;
    if (family == AF_INET6) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons((uint16_t)port);
        options->address_length = sizeof *six;
        fine = fine && inet_pton(AF_INET6, host, &six->sin6_addr) == 1;
    } else {
        four->sin_family = AF_INET;
        four->sin_port = htons((uint16_t)port);
        options->address_length = sizeof *four;
        fine = fine && family == AF_INET && inet_pton(AF_INET, host, &four->sin_addr) == 1;
    }
    if (!fine) {
        PyErr_SetString(PyExc_ValueError, "not a numeric address and a port");
    }
    return fine;
}

static PyObject *client_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    struct hg_client_options options = {0};
    struct client_object *self = NULL;
    const char *host;
    int family, port;
    long long connections, queue, timeout_ns;
    if (keywords != NULL && PyDict_Size(keywords) != 0) {
        PyErr_SetString(PyExc_TypeError, "Client takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "isiLLL:Client", &family, &host, &port, &connections, &queue, &timeout_ns) ||
        !read_address(family, host, port, &options)) {
        return NULL;
    }
    if (connections < 1 || connections > HG_CLIENT_CONNECTIONS || queue < 0 || queue > UINT32_MAX || timeout_ns < 1) {
        PyErr_SetString(PyExc_ValueError, "connections, queue or timeout out of range");
        return NULL;
    }
    options.connections = (uint32_t)connections;
    options.queue = (uint32_t)queue;
    options.timeout_ns = timeout_ns;
    self = (struct client_object *)PyType_GenericAlloc(type, 0);
    if (self != NULL && (self->client = hg_client_new(&options)) == NULL) {
        Py_CLEAR(self);
        PyErr_SetFromErrno(PyExc_OSError);
    }
    return (PyObject *)self;
}

static void client_dealloc(PyObject *object) {
    PyTypeObject *type = Py_TYPE(object);
    const freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    if (client_of(object) != NULL) {
        hg_client_free(client_of(object));
    }
    release(object);
    Py_DECREF((PyObject *)type);
}

static PyObject *client_open(PyObject *object, PyObject *ignored) {
    int error;
    (void)ignored;
    Py_BEGIN_ALLOW_THREADS
    error = hg_client_open(client_of(object));
    Py_END_ALLOW_THREADS
    if (error != 0) {
        errno = error;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_RETURN_NONE;
}

static PyObject *client_begin(PyObject *object, PyObject *args) {
    long long measure_from_ns, interval_ns;
    if (!PyArg_ParseTuple(args, "LL:begin", &measure_from_ns, &interval_ns)) {
        return NULL;
    }
    if (interval_ns < 1) {
        PyErr_SetString(PyExc_ValueError, "an interval is positive");
        return NULL;
    }
    hg_client_begin(client_of(object), measure_from_ns, interval_ns);
    Py_RETURN_NONE;
}

static PyObject *client_push(PyObject *object, PyObject *args) {
    long long due_ns;
    unsigned operation;
    int to_head;
    const char *data;
    Py_ssize_t length;
    if (!PyArg_ParseTuple(args, "LIpy#:push", &due_ns, &operation, &to_head, &data, &length)) {
        return NULL;
    }
    if (!hg_client_push(client_of(object), due_ns, operation, to_head != 0, data, (size_t)length)) {
        return PyErr_NoMemory();
    }
    Py_RETURN_NONE;
}

static PyObject *client_drop(PyObject *object, PyObject *ignored) {
    (void)ignored;
    hg_client_drop(client_of(object));
    Py_RETURN_NONE;
}

static PyObject *client_serve(PyObject *object, PyObject *ignored) {
    struct client_object *self = (struct client_object *)object;
    (void)ignored;
    if (self->serving) {
        PyErr_SetString(PyExc_RuntimeError, "it serves already");
        return NULL;
    }
    self->serving = true;
    Py_BEGIN_ALLOW_THREADS
    hg_client_serve(self->client);
    Py_END_ALLOW_THREADS
    self->serving = false;
    Py_RETURN_NONE;
}

static PyObject *client_stop(PyObject *object, PyObject *ignored) {
    (void)ignored;
    hg_client_stop(client_of(object));
    Py_RETURN_NONE;
}

static PyObject *client_take(PyObject *object, PyObject *ignored) {
    struct hg_tally *tally = hg_client_take(client_of(object));
    PyObject *result = PyList_New(0);
    (void)ignored;
    while (tally != NULL) {
        struct hg_tally *next = tally->next;
        PyObject *item = result == NULL ? NULL : tally_tuple(tally);
        if (item == NULL || PyList_Append(result, item) != 0) {
            Py_CLEAR(result);
        }
        Py_XDECREF(item);
        free(tally);
        tally = next;
    }
    return result;
}

static PyObject *client_state(PyObject *object, PyObject *ignored) {
    const struct hg_client_state state = hg_client_state(client_of(object));
    (void)ignored;
    return Py_BuildValue("KKL", (unsigned long long)state.ahead, (unsigned long long)state.pending,
                         (long long)state.cpu_ns);
}

static PyObject *client_late(PyObject *object, PyObject *ignored) {
    struct hg_histogram *late = malloc(sizeof *late);
    PyObject *result = NULL;
    (void)ignored;
    if (late == NULL) {
        return PyErr_NoMemory();
    }
    hg_client_late(client_of(object), late);
    result = histogram_tuple(late);
    free(late);
    return result;
}

static PyMethodDef methods[] = {
    {"open", client_open, METH_NOARGS, PyDoc_STR("open($self, /)\n--\n\nOpen all connections; OSError for none.")},
    {"begin", client_begin, METH_VARARGS, PyDoc_STR("begin($self, measure_from_ns, interval_ns, /)\n--\n\nBefore pushing.")},
    {"push", client_push, METH_VARARGS,
     PyDoc_STR("push($self, due_ns, operation, to_head, data, /)\n--\n\nA request at its time; due_ns 0: closed loop.")},
    {"drop", client_drop, METH_NOARGS, PyDoc_STR("drop($self, /)\n--\n\nForget what is not due yet.")},
    {"serve", client_serve, METH_NOARGS, PyDoc_STR("serve($self, /)\n--\n\nSend and receive until stop(), without the GIL.")},
    {"stop", client_stop, METH_NOARGS, PyDoc_STR("stop($self, /)\n--\n\nFrom another thread.")},
    {"take", client_take, METH_NOARGS,
     PyDoc_STR("take($self, /)\n--\n\nSince the last time: [(interval, operation, due, sent, statuses, failures, latency, "
               "service)].")},
    {"state", client_state, METH_NOARGS, PyDoc_STR("state($self, /)\n--\n\n(not due yet, under way, CPU ns of serve)")},
    {"late", client_late, METH_NOARGS, PyDoc_STR("late($self, /)\n--\n\nThe histogram of late starts, which begins anew.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot client_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Client(family, host, port, connections, queue, timeout_ns, /)\n--\n\n"
                                  "HTTP/1.1 load over keep-alive connections; see native_ext/load/client.h.")},
    {Py_tp_new, (void *)client_new},
    {Py_tp_dealloc, (void *)client_dealloc},
    {Py_tp_methods, (void *)methods},
    {0, NULL},
};

static PyType_Spec client_spec = {
    .name = "headgate_native._load.Client",
    .basicsize = sizeof(struct client_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = client_slots,
};

/* For the tests that it has in common with its twin: the client itself reads from sockets. */
static PyObject *read_reply(PyObject *module, PyObject *args) {
    struct hg_reply reply = {0};
    PyObject *pieces, *result = NULL;
    int to_head, ended;
    enum hg_reply_result found = HG_REPLY_MORE;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!pp:read_reply", &PyList_Type, &pieces, &to_head, &ended)) {
        return NULL;
    }
    hg_reply_begin(&reply, to_head != 0);
    for (Py_ssize_t i = 0; i < PyList_Size(pieces) && found != HG_REPLY_WRONG; i++) {
        char *data;
        Py_ssize_t length;
        if (PyBytes_AsStringAndSize(PyList_GetItem(pieces, i), &data, &length) != 0) {
            goto finally;
        }
        found = found == HG_REPLY_DONE ? HG_REPLY_WRONG : hg_reply_feed(&reply, data, (size_t)length);
    }
    if (found == HG_REPLY_MORE && ended) {
        found = hg_reply_eof(&reply);
    }
    result = Py_BuildValue("siN", found == HG_REPLY_MORE ? "more" : found == HG_REPLY_DONE ? "done" : "wrong",
                           (int)reply.status, PyBool_FromLong(reply.keep_alive));
finally:
    hg_reply_clear(&reply);
    return result;
}

static PyMethodDef functions[] = {
    {"read_reply", read_reply, METH_VARARGS,
     PyDoc_STR("read_reply(pieces, to_head, ended, /)\n--\n\n('more', 'done' or 'wrong', status, keep-alive)")},
    {NULL, NULL, 0, NULL},
};

static int execute(PyObject *module) {
    PyObject *type = PyType_FromModuleAndSpec(module, &client_spec, NULL);
    int result = type == NULL ? -1 : PyModule_AddType(module, (PyTypeObject *)type);
    Py_XDECREF(type);
    return result;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void *)execute},
    {0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "headgate_native._load",
    .m_doc = "The native client of headgate load.",
    .m_size = 0,
    .m_slots = slots,
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit__load(void) { return PyModuleDef_Init(&definition); }
