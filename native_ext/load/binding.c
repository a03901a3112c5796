#include "load/binding.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "load/client.h"

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
        result = Py_BuildValue("LIIIO(IIIIII)OO", (long long)tally->interval, tally->operation, tally->due, tally->sent,
                               statuses, failures[HG_REFUSED], failures[HG_LOST], failures[HG_MALFORMED],
                               failures[HG_TIMEOUT], failures[HG_UNSENT], failures[HG_RESET], latency, service);
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

/* OSError(errno, text) */
static void raise_refusal(const struct hg_refusal *refusal) {
    if (refusal->text[0] == '\0') {
        errno = refusal->error;
        PyErr_SetFromErrno(PyExc_OSError);
    } else {
        PyObject *arguments = Py_BuildValue("is", refusal->error, refusal->text);
        if (arguments != NULL) {
            PyErr_SetObject(PyExc_OSError, arguments);
            Py_DECREF(arguments);
        }
    }
}

static PyObject *client_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    struct hg_client_options options = {0};
    struct hg_refusal refusal;
    struct client_object *self = NULL;
    const char *host;
    int family, port, insecure = 0;
    long long connections, streams, queue, timeout_ns;
    if (keywords != NULL && PyDict_Size(keywords) != 0) {
        PyErr_SetString(PyExc_TypeError, "Client takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "isiLLLL|zzp:Client", &family, &host, &port, &connections, &streams, &queue,
                          &timeout_ns, &options.tls.name, &options.tls.ca_file, &insecure) ||
        !read_address(family, host, port, &options)) {
        return NULL;
    }
    if (connections < 1 || connections > HG_CLIENT_CONNECTIONS || streams < 1 || streams > HG_CLIENT_STREAMS ||
        queue < 0 || queue > UINT32_MAX || timeout_ns < 1) {
        PyErr_SetString(PyExc_ValueError, "connections, streams, queue or timeout out of range");
        return NULL;
    }
    options.connections = (uint32_t)connections;
    options.streams = (uint32_t)streams;
    options.queue = (uint32_t)queue;
    options.timeout_ns = timeout_ns;
    options.tls.insecure = insecure != 0;
    self = (struct client_object *)PyType_GenericAlloc(type, 0);
    if (self != NULL && (self->client = hg_client_new(&options, &refusal)) == NULL) {
        Py_CLEAR(self);
        raise_refusal(&refusal);
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
    struct hg_refusal refusal;
    bool fine;
    (void)ignored;
    Py_BEGIN_ALLOW_THREADS
    fine = hg_client_open(client_of(object), &refusal);
    Py_END_ALLOW_THREADS
    if (!fine) {
        raise_refusal(&refusal);
        return NULL;
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
    unsigned operation, flags;
    unsigned long long ticket;
    const char *data;
    Py_ssize_t length;
    struct hg_shot *shot;
    if (!PyArg_ParseTuple(args, "LIIKy#:push", &due_ns, &operation, &flags, &ticket, &data, &length)) {
        return NULL;
    }
    if (flags >= HG_FLAGS) {
        PyErr_SetString(PyExc_ValueError, "unknown flags");
        return NULL;
    }
    shot = hg_shot_new(data, (size_t)length);
    if (shot == NULL) {
        return PyErr_NoMemory();
    }
    shot->due_ns = due_ns;
    shot->operation = operation;
    shot->flags = flags;
    shot->ticket = ticket;
    hg_client_push(client_of(object), shot);
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

static PyObject *client_judged(PyObject *object, PyObject *ignored) {
    struct hg_client *client = client_of(object);
    struct hg_shot *shot = hg_client_judged(client);
    PyObject *result = PyList_New(0);
    (void)ignored;
    while (shot != NULL) {
        struct hg_shot *next = shot->next;
        PyObject *item = NULL;
        if (result != NULL) {
            item = Py_BuildValue("KLiy#", (unsigned long long)shot->ticket,
                                 (long long)hg_client_interval(client, shot), (int)shot->status,
                                 shot->body == NULL ? "" : shot->body, (Py_ssize_t)shot->body_length);
        }
        if (item == NULL || PyList_Append(result, item) != 0) {
            Py_CLEAR(result);
        }
        Py_XDECREF(item);
        hg_shot_free(shot);
        shot = next;
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
     PyDoc_STR("push($self, due_ns, operation, flags, ticket, data, /)\n--\n\nA request at its time; due_ns 0: closed loop.")},
    {"drop", client_drop, METH_NOARGS, PyDoc_STR("drop($self, /)\n--\n\nForget what is not due yet.")},
    {"serve", client_serve, METH_NOARGS, PyDoc_STR("serve($self, /)\n--\n\nSend and receive until stop(), without the GIL.")},
    {"stop", client_stop, METH_NOARGS, PyDoc_STR("stop($self, /)\n--\n\nFrom another thread.")},
    {"take", client_take, METH_NOARGS,
     PyDoc_STR("take($self, /)\n--\n\nSince the last time: [(interval, operation, due, sent, statuses, failures, latency, "
               "service)].")},
    {"judged", client_judged, METH_NOARGS,
     PyDoc_STR("judged($self, /)\n--\n\nOf requests that are JUDGED, since the last time: [(ticket, interval, status, "
               "body)]; status -1: it failed, interval -1: it was due in the warm-up.")},
    {"state", client_state, METH_NOARGS, PyDoc_STR("state($self, /)\n--\n\n(not due yet, under way, CPU ns of serve)")},
    {"late", client_late, METH_NOARGS, PyDoc_STR("late($self, /)\n--\n\nThe histogram of late starts, which begins anew.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot client_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Client(family, host, port, connections, streams, queue, timeout_ns, tls_name=None, "
                                  "ca_file=None, insecure=False, /)\n--\n\nLoad over a pool of connections; see "
                                  "native_ext/load/client.h.")},
    {Py_tp_new, (void *)client_new},
    {Py_tp_dealloc, (void *)client_dealloc},
    {Py_tp_methods, (void *)methods},
    {0, NULL},
};

static const struct {
    const char *name;
    long value;
} constants[] = {{"TO_HEAD", HG_TO_HEAD}, {"GRPC", HG_GRPC}, {"JUDGED", HG_JUDGED}, {"GRPC_OK", HG_GRPC_OK}};

int hg_binding_add_client(PyObject *module, const char *name) {
    PyType_Spec spec = {
        .name = name,
        .basicsize = sizeof(struct client_object),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
        .slots = client_slots,
    };
    PyObject *type = PyType_FromModuleAndSpec(module, &spec, NULL);
    int result = type == NULL ? -1 : PyModule_AddType(module, (PyTypeObject *)type);
    for (size_t i = 0; i < sizeof constants / sizeof constants[0] && result == 0; i++) {
        result = PyModule_AddIntConstant(module, constants[i].name, constants[i].value);
    }
    Py_XDECREF(type);
    return result;
}
