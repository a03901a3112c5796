/* The type Server: core/server.h on epoll, for linux/selector.py. It waits without the interpreter's lock. */
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/limits.h"
#include "intake.h"
#include "plan.h"
#include "server_object.h"
#include "tls.h"

#define READ_MOST 16384 /* bytes of one lent_read */

static struct hg_server *of(PyObject *object) { return ((struct server_object *)object)->server; }

static bool descriptor(PyObject *object, int *fd) {
    const long number = PyLong_AsLong(object); /* as PyObject_AsFileDescriptor, for numbers only */
    if (number == -1 && PyErr_Occurred() != NULL) {
        return false;
    }
    if (number < 0 || number > INT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "no file descriptor");
        return false;
    }
    *fd = (int)number;
    return true;
}

/* --- making ---------------------------------------------------------------------------------------------------------- */

static PyObject *server_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    static char *names[] = {(char *)"plan",         (char *)"store",      (char *)"limiter",
                            (char *)"intake",       (char *)"boot",       (char *)"turn_us",
                            (char *)"buffer_bytes", (char *)"batch_rows", (char *)"batch_bytes",
                            (char *)"batches",      (char *)"linger_ms",  (char *)"memory_linger_ms",
                            (char *)"shared",       NULL};
    const struct hg_module *module = PyType_GetModuleState(type);
    PyObject *plan, *store, *limiter, *intake, *result = NULL;
    struct server_object *self = NULL;
    unsigned long long boot = 0, buffer_bytes = HG_SERVER_BYTES, batch_bytes = HG_BATCH_BYTES;
    unsigned int turn_us = HG_SERVER_TURN_US, batch_rows = HG_BATCH_RECORDS, linger_ms = HG_BATCH_LINGER_MS;
    unsigned int batches = 1, memory_linger_ms = HG_MEMORY_LINGER_MS;
    int shared = 0;
    struct hg_net net = hg_net_linux;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOOO|$KIKIKIIIp:Server", names, &plan, &store, &limiter, &intake,
                                     &boot, &turn_us, &buffer_bytes, &batch_rows, &batch_bytes, &batches, &linger_ms,
                                     &memory_linger_ms, &shared) ||
        !hg_expect(plan, module->plan, "plan") || !hg_expect(store, module->store, "store") ||
        !hg_expect(limiter, module->limiter, "limiter") ||
        (intake != Py_None && !hg_expect(intake, module->intake, "intake"))) {
        return NULL;
    }
    self = (struct server_object *)PyType_GenericAlloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->plan = Py_NewRef(plan);
    self->store = Py_NewRef(store);
    self->limiter = Py_NewRef(limiter);
    self->intake = Py_NewRef(intake);
    self->retired = PyList_New(0);
    self->tls = PyList_New(0);
    self->epoll = epoll_create1(EPOLL_CLOEXEC);
    self->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    hg_gate_init(&self->gate, &hg_malloc);
    self->gate.plan = hg_plan_of(plan);
    self->gate.store = hg_store_of(store);
    self->gate.limiter = hg_limiter_of(limiter);
    self->gate.intake = intake == Py_None ? NULL : hg_intake_of(intake);
    self->gate.boot = boot;
    self->gate.shared = shared != 0;
    if (self->retired == NULL || self->tls == NULL) {
        goto finally;
    }
    if (self->epoll < 0 || self->bell < 0) {
        (void)PyErr_SetFromErrno(PyExc_OSError);
        goto finally;
    }
    self->handover = hg_handover_new();
    if (self->handover == NULL) {
        PyErr_NoMemory();
        goto finally;
    }
    net.context = &self->epoll;
    self->server = hg_server_new(&hg_malloc, &net, &self->gate,
                                 &(struct hg_server_limits){turn_us, buffer_bytes, batch_rows, batch_bytes, batches,
                                                            linger_ms, memory_linger_ms});
    if (self->server == NULL) {
        PyErr_NoMemory();
        goto finally;
    }
    hg_server_taker(self->server, hg_commits_hand, self);
    errno = -hg_server_bell(self->server, self->bell, hg_commits_rung, self);
    result = errno != 0 ? PyErr_SetFromErrno(PyExc_OSError) : Py_NewRef((PyObject *)self);
finally:
    Py_XDECREF((PyObject *)self);
    return result;
}

static int server_traverse(PyObject *object, visitproc visit, void *arg) {
    const struct server_object *self = (const struct server_object *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->plan);
    Py_VISIT(self->store);
    Py_VISIT(self->limiter);
    Py_VISIT(self->intake);
    Py_VISIT(self->retired);
    Py_VISIT(self->tls);
    Py_VISIT(self->http2);
    Py_VISIT(self->kept);
    return 0;
}

/* No tp_clear: connections use all of it to the end. */
static void server_dealloc(PyObject *object) {
    struct server_object *self = (struct server_object *)object;
    PyTypeObject *type = Py_TYPE(object);
    const freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    PyObject_GC_UnTrack(object);
    if (self->server != NULL) {
        hg_server_free(self->server);
    }
    hg_gate_clear(&self->gate);
    hg_handover_free(self->handover);
    if (self->epoll >= 0) {
        (void)close(self->epoll);
    }
    if (self->bell >= 0) {
        (void)close(self->bell);
    }
    Py_XDECREF(self->plan);
    Py_XDECREF(self->store);
    Py_XDECREF(self->limiter);
    Py_XDECREF(self->intake);
    Py_XDECREF(self->retired);
    Py_XDECREF(self->tls);
    Py_XDECREF(self->http2);
    Py_XDECREF(self->kept);
    release(object);
    Py_DECREF((PyObject *)type);
}

/* --- the selector's -------------------------------------------------------------------------------------------------- */

static PyObject *server_fileno(PyObject *object, PyObject *unused) {
    (void)unused;
    return PyLong_FromLong(((struct server_object *)object)->epoll);
}

static PyObject *server_listen(PyObject *object, PyObject *const *args, Py_ssize_t count) {
    struct server_object *self = (struct server_object *)object;
    const struct hg_tls *tls = NULL;
    int fd;
    if (!hg_arguments("listen", count, 2) || !descriptor(args[0], &fd)) {
        return NULL;
    }
    if (args[1] != Py_None) {
        tls = hg_tls_of(args[1]);
        if (tls == NULL || PyList_Append(self->tls, args[1]) < 0) {
            return NULL;
        }
    }
    return hg_done(hg_server_listen(self->server, fd, tls));
}

static PyObject *server_http2(PyObject *object, PyObject *capsule) {
    struct server_object *self = (struct server_object *)object;
    const struct hg_http2 *http2 = PyCapsule_GetPointer(capsule, HG_HTTP2_CAPSULE);
    if (http2 == NULL) {
        return NULL;
    }
    if (self->http2 != NULL) {
        PyErr_SetString(PyExc_ValueError, "this server has HTTP/2 already");
        return NULL;
    }
    self->http2 = Py_NewRef(capsule);
    hg_server_http2(self->server, http2);
    return Py_NewRef(Py_None);
}

static PyObject *server_unlisten(PyObject *object, PyObject *argument) {
    int fd;
    if (!descriptor(argument, &fd)) {
        return NULL;
    }
    hg_server_unlisten(of(object), fd);
    return Py_NewRef(Py_None);
}

static PyObject *watch(PyObject *object, const char *name, PyObject *const *args, Py_ssize_t count,
                       int (*change)(struct hg_server *, int, uint32_t)) {
    int fd;
    int64_t mask;
    if (!hg_arguments(name, count, 2) || !descriptor(args[0], &fd) || !hg_int(args[1], &mask)) {
        return NULL;
    }
    return hg_done(change(of(object), fd, (uint32_t)mask & (HG_NET_IN | HG_NET_OUT)));
}

static PyObject *server_register(PyObject *object, PyObject *const *args, Py_ssize_t count) {
    return watch(object, "register", args, count, hg_server_register);
}

static PyObject *server_modify(PyObject *object, PyObject *const *args, Py_ssize_t count) {
    return watch(object, "modify", args, count, hg_server_modify);
}

static PyObject *server_unregister(PyObject *object, PyObject *argument) {
    int fd;
    return descriptor(argument, &fd) ? hg_done(hg_server_unregister(of(object), fd)) : NULL;
}

/* Not before it is time; ceil() would be all that is wanted of the library of mathematics. */
static int32_t up_to_ms(double seconds) {
    int32_t ms;
    if (!(seconds > 0)) { /* not a number: at once */
        return 0;
    }
    if (seconds > INT32_MAX / 1000) {
        return INT32_MAX;
    }
    ms = (int32_t)(seconds * 1000);
    return ms + (ms < seconds * 1000);
}

static PyObject *server_wait(PyObject *object, PyObject *argument) {
    struct hg_net_ready ready[HG_NET_BATCH];
    struct hg_server *server = of(object);
    int32_t timeout_ms = -1;
    int count;
    PyObject *list;
    PyThreadState *thread;
    if (argument != Py_None) {
        const double seconds = PyFloat_AsDouble(argument);
        if (seconds == -1.0 && PyErr_Occurred() != NULL) {
            return NULL;
        }
        timeout_ms = up_to_ms(seconds);
    }
    thread = PyEval_SaveThread();
    count = hg_server_wait(server, ready, timeout_ms);
    PyEval_RestoreThread(thread);
    if (count < 0) {
        return hg_done(count);
    }
    list = PyList_New(count);
    for (int i = 0; i < count && list != NULL; i++) {
        PyObject *pair = Py_BuildValue("(iI)", (int)ready[i].tag, (unsigned int)ready[i].events);
        if (pair == NULL || PyList_SetItem(list, i, pair) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *server_events(PyObject *object, PyObject *unused) {
    static const char *const kinds[] = {
        [HG_EVENT_NONE] = "",        [HG_EVENT_LENT] = "lent", [HG_EVENT_INPUT] = "input",       [HG_EVENT_DRAINED] = "drained",
        [HG_EVENT_GONE] = "gone",    [HG_EVENT_ROWS] = "rows", [HG_EVENT_NO_FILES] = "no_files", [HG_EVENT_EMPTY] = "empty",
        [HG_EVENT_CHANGES] = "changes", [HG_EVENT_COMMITTED] = "committed"};
    PyObject *list = PyList_New(0);
    struct hg_event event;
    (void)unused;
    while (list != NULL && hg_server_event(of(object), &event)) {
        PyObject *pair = Py_BuildValue("(sK)", kinds[event.kind], (unsigned long long)event.id);
        if (pair == NULL || PyList_Append(list, pair) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(pair);
    }
    return list;
}

static PyObject *server_changes(PyObject *object, PyObject *unused) {
    PyObject *list = PyList_New(0); /* first: what follows must not let anything else run */
    const struct hg_view changes = hg_server_changes(of(object));
    (void)unused;
    for (uint32_t at = 0, length; at < changes.length && list != NULL; at += 1 + length) {
        PyObject *key;
        length = (uint32_t)changes.at[at] + 1;
        key = PyBytes_FromStringAndSize((const char *)changes.at + at + 1, (Py_ssize_t)length);
        if (key == NULL || PyList_Append(list, key) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(key);
    }
    return list;
}

/* Plans that no request is on any more. */
static bool let_go(struct server_object *self) {
    for (Py_ssize_t i = PyList_Size(self->retired); i-- > 0;) {
        if (hg_plan_of(PyList_GetItem(self->retired, i))->users == 0 && PySequence_DelItem(self->retired, i) < 0) {
            return false;
        }
    }
    return true;
}

static PyObject *server_set_clock(PyObject *object, PyObject *const *args, Py_ssize_t count) {
    static const char *const states[] = {"unset", "estimated", "trusted"};
    struct hg_clock clock = {0};
    int state = 0;
    if (!hg_arguments("set_clock", count, 3) || !hg_int(args[0], &clock.now_s) || !hg_int(args[2], &clock.floor_s)) {
        return NULL;
    }
    while (state < 3 && (!PyUnicode_Check(args[1]) || PyUnicode_CompareWithASCIIString(args[1], states[state]) != 0)) {
        state++;
    }
    if (state == 3 || clock.now_s < 0 || clock.now_s > HG_TOKEN_TIME || clock.floor_s < 0 || clock.floor_s > HG_TOKEN_TIME) {
        PyErr_SetString(PyExc_ValueError, "the clock is unset, estimated or trusted, between 1970 and 9999");
        return NULL;
    }
    clock.state = (enum hg_clock_state)state;
    hg_server_clock(of(object), &clock);
    return let_go((struct server_object *)object) ? Py_NewRef(Py_None) : NULL;
}

/* --- lent connections ------------------------------------------------------------------------------------------------ */

static PyObject *server_lent_read(PyObject *object, PyObject *argument) {
    uint8_t data[READ_MOST];
    uint64_t id;
    int32_t count;
    if (!hg_identity(argument, &id)) {
        return NULL;
    }
    count = hg_server_lent_read(of(object), id, data, sizeof data);
    return count < 0 || (count == 0 && hg_server_lent_ended(of(object), id))
               ? hg_done(count)
               : PyBytes_FromStringAndSize((const char *)data, count);
}

static PyObject *server_lent_write(PyObject *object, PyObject *const *args, Py_ssize_t count) {
    uint64_t id;
    const uint8_t *data;
    size_t length;
    int result;
    if (!hg_arguments("lent_write", count, 2) || !hg_identity(args[0], &id) || !hg_bytes(args[1], "data", &data, &length)) {
        return NULL;
    }
    result = length > INT32_MAX ? -EMSGSIZE : hg_server_lent_write(of(object), id, data, (uint32_t)length);
    return result < 0 ? hg_done(result) : PyBool_FromLong(result);
}

static PyObject *server_lent_return(PyObject *object, PyObject *const *args, Py_ssize_t count) {
    uint64_t id;
    const uint8_t *rest;
    size_t length;
    if (!hg_arguments("lent_return", count, 2) || !hg_identity(args[0], &id) || !hg_bytes(args[1], "rest", &rest, &length)) {
        return NULL;
    }
    return hg_done(length > INT32_MAX ? -EMSGSIZE : hg_server_lent_return(of(object), id, rest, (uint32_t)length));
}

static PyObject *server_lent_close(PyObject *object, PyObject *const *args, Py_ssize_t count) {
    uint64_t id;
    int abort;
    if (!hg_arguments("lent_close", count, 2) || !hg_identity(args[0], &id) || (abort = PyObject_IsTrue(args[1])) < 0) {
        return NULL;
    }
    return hg_done(hg_server_lent_close(of(object), id, abort == 1));
}

static PyObject *server_lent_finish(PyObject *object, PyObject *argument) {
    uint64_t id;
    return hg_identity(argument, &id) ? hg_done(hg_server_lent_finish(of(object), id)) : NULL;
}

static PyObject *server_lent_identity(PyObject *object, PyObject *argument) {
    uint64_t id;
    struct hg_view name;
    int error;
    if (!hg_identity(argument, &id)) {
        return NULL;
    }
    error = hg_server_lent_identity(of(object), id, &name);
    return error < 0 ? hg_done(error) : PyUnicode_DecodeUTF8((const char *)name.at, (Py_ssize_t)name.length, "replace");
}

/* --- the rest -------------------------------------------------------------------------------------------------------- */

static PyObject *server_drain(PyObject *object, PyObject *unused) {
    (void)unused;
    hg_server_drain(of(object));
    return Py_NewRef(Py_None);
}

static PyObject *server_abort(PyObject *object, PyObject *unused) {
    (void)unused;
    hg_server_abort(of(object));
    return Py_NewRef(Py_None);
}

static bool put_count(PyObject *mapping, PyObject *key, uint64_t count) {
    PyObject *number = count == 0 ? NULL : PyLong_FromUnsignedLongLong(count);
    const bool ok = key != NULL && (count == 0 || (number != NULL && PyDict_SetItem(mapping, key, number) == 0));
    Py_XDECREF(number);
    Py_XDECREF(key);
    return ok;
}

/* {slug: count} of what was counted at all. */
static PyObject *by_code(const uint64_t counts[HG_P_COUNT]) {
    PyObject *mapping = PyDict_New();
    for (int code = 0; code < HG_P_COUNT && mapping != NULL; code++) {
        if (!put_count(mapping, PyUnicode_FromString(hg_code_slug((enum hg_code)code)), counts[code])) {
            Py_CLEAR(mapping);
        }
    }
    return mapping;
}

static PyObject *by_status(const uint64_t *counts, long most) {
    PyObject *mapping = PyDict_New();
    for (long status = 0; status < most && mapping != NULL; status++) {
        if (counts[status] != 0 && !put_count(mapping, PyLong_FromLong(status), counts[status])) {
            Py_CLEAR(mapping);
        }
    }
    return mapping;
}

static PyObject *server_counters(PyObject *object, PyObject *unused) {
    const struct hg_counters *counters = &((struct server_object *)object)->gate.counters;
    PyObject *latency = PyList_New(HG_LATENCY_BUCKETS + 1);
    (void)unused;
    for (int i = 0; i <= HG_LATENCY_BUCKETS && latency != NULL; i++) {
        PyObject *number = PyLong_FromUnsignedLongLong(counters->latency[i]);
        if (number == NULL || PyList_SetItem(latency, i, number) < 0) {
            Py_CLEAR(latency);
        }
    }
    /* N: takes the reference, and fails for NULL. */
    return Py_BuildValue("{sKsKsKsKsKsIsKsNsNsNsN}", "accepted", (unsigned long long)counters->accepted, "replayed",
                         (unsigned long long)counters->replayed, "validated", (unsigned long long)counters->validated,
                         "opened", (unsigned long long)counters->opened, "refused",
                         (unsigned long long)counters->refused, "connections", (unsigned int)counters->connections,
                         "latency_ms", (unsigned long long)counters->latency_ms, "requests",
                         by_status(counters->requests, (long)(sizeof counters->requests / sizeof *counters->requests)),
                         "problems", by_code(counters->problems), "rejected", by_code(counters->rejected), "latency",
                         latency);
}

static PyObject *get_plan(PyObject *object, void *closure) {
    (void)closure;
    return Py_NewRef(((struct server_object *)object)->plan);
}

static int set_plan(PyObject *object, PyObject *value, void *closure) {
    struct server_object *self = (struct server_object *)object;
    PyObject *old = self->plan;
    (void)closure;
    if (!hg_expect(value, HG_MODULE(object)->plan, "plan") || PyList_Append(self->retired, old) < 0) {
        return -1;
    }
    self->plan = Py_NewRef(value);
    hg_server_plan(self->server, hg_plan_of(value));
    Py_DECREF(old);
    return let_go(self) ? 0 : -1;
}

static PyObject *get_connections(PyObject *object, void *closure) {
    (void)closure;
    return PyLong_FromUnsignedLong(hg_server_connections(of(object)));
}

static PyObject *get_memory(PyObject *object, void *closure) {
    (void)closure;
    return PyLong_FromUnsignedLongLong(hg_server_memory(of(object)));
}

#define FAST(function) (PyCFunction)(void (*)(void))function, METH_FASTCALL

static PyMethodDef methods[] = {
    {"fileno", server_fileno, METH_NOARGS, PyDoc_STR("The epoll set.")},
    {"listen", FAST(server_listen), PyDoc_STR("listen(fd, tls, /): accept connections; `tls`: a Tls or None.")},
    {"http2", server_http2, METH_O, PyDoc_STR("http2(capsule, /): connections may speak it from now on; see _http2.")},
    {"unlisten", server_unlisten, METH_O, PyDoc_STR("unlisten(fd, /)")},
    {"register", FAST(server_register), PyDoc_STR("register(fd, mask, /): 1 readable, 2 writable.")},
    {"modify", FAST(server_modify), PyDoc_STR("modify(fd, mask, /)")},
    {"unregister", server_unregister, METH_O, PyDoc_STR("unregister(fd, /)")},
    {"wait", server_wait, METH_O, PyDoc_STR("wait(timeout_s, /) -> [(fd, mask), ...]: serve meanwhile.")},
    {"events", server_events, METH_NOARGS, PyDoc_STR("[(kind, connection or 0), ...], each once.")},
    {"changes", server_changes, METH_NOARGS, PyDoc_STR("[key, ...]: put or deleted in the shared cache, each change once.")},
    {"set_clock", FAST(server_set_clock), PyDoc_STR("set_clock(now_s, state, floor_s, /)")},
    {"lent_read", server_lent_read, METH_O, PyDoc_STR("lent_read(id, /) -> bytes; b'': wait; None: the end.")},
    {"lent_write", FAST(server_lent_write), PyDoc_STR("lent_write(id, data, /) -> wait for 'drained'")},
    {"lent_return", FAST(server_lent_return), PyDoc_STR("lent_return(id, rest, /)")},
    {"lent_close", FAST(server_lent_close), PyDoc_STR("lent_close(id, abort, /)")},
    {"lent_finish", server_lent_finish, METH_O, PyDoc_STR("lent_finish(id, /): no more output.")},
    {"lent_identity", server_lent_identity, METH_O, PyDoc_STR("lent_identity(id, /): by the client's certificate.")},
    {"release", FAST(hg_commits_release), PyDoc_STR("release(batch, outcomes, /): it is committed.")},
    {"post", FAST(hg_commits_post), PyDoc_STR("post(batch, tell, /): any thread: a commit has ended; release `batch`, or None, soon.")},
    {"order", hg_commits_order, METH_NOARGS, PyDoc_STR("order() -> its number: batches that are due go to whoever takes them, until recall().")},
    {"recall", hg_commits_recall, METH_NOARGS, PyDoc_STR("No order holds any more; any thread. -> batches that went there since the beginning.")},
    {"take", FAST(hg_commits_take), PyDoc_STR("take(order, batch, tell, /): post(batch, tell); -> (batch, now_s, trusted), or None: recalled. Another thread waits so.")},
    {"fail", FAST(hg_commits_fail), PyDoc_STR("fail(batch, code, detail, retry_s, /): it is not.")},
    {"drain", server_drain, METH_NOARGS, PyDoc_STR("Accept no more, finish what is under way.")},
    {"abort", server_abort, METH_NOARGS, PyDoc_STR("Close every connection.")},
    {"counters", server_counters, METH_NOARGS, PyDoc_STR("As headgate.tasks.counters.Counters.")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef attributes[] = {
    {"plan", get_plan, set_plan, PyDoc_STR("Of new requests."), NULL},
    {"connections", get_connections, NULL, PyDoc_STR("Open now."), NULL},
    {"memory", get_memory, NULL, PyDoc_STR("Bytes held for connections."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Server(plan, store, limiter, intake, *, boot=0, turn_us=…, buffer_bytes=…, batch_rows=…, "
                                  "batch_bytes=…, batches=…, linger_ms=…, memory_linger_ms=…, shared=False)\n--\n\n"
                                  "The native server, see headgate/linux/server_port.py. `intake`: an Intake, or None: then\n"
                                  "messages are lent as well.")},
    {Py_tp_new, (void *)server_new},
    {Py_tp_dealloc, (void *)server_dealloc},
    {Py_tp_traverse, (void *)server_traverse},
    {Py_tp_methods, (void *)methods},
    {Py_tp_getset, (void *)attributes},
    {0, NULL},
};

PyType_Spec hg_server_spec = {
    .name = "headgate_native._native.Server",
    .basicsize = sizeof(struct server_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
