/* Commits of what the type Server has let in: Python, or the outbox's thread, says how they end; and how a batch gets to that thread
 * without Python. */
#include <sys/types.h>
#include <unistd.h>

#include "intake.h"
#include "server_object.h"

static void release_posted(struct server_object *self) {
    struct hg_batch *batch = atomic_exchange(&self->posted, NULL);
    if (batch != NULL) {
        hg_server_release(self->server, batch, NULL, NULL);
    }
}

/* In hg_server_wait: what the outbox's thread has posted. */
bool hg_commits_rung(void *context) {
    struct server_object *self = context;
    uint64_t times;
    if (read(self->bell, &times, sizeof times) < 0) {
        return false; /* EAGAIN: somebody else was meant */
    }
    release_posted(self);
    return atomic_exchange(&self->tell, false);
}

/* In hg_server_wait: rows are due. */
void hg_commits_hand(void *context, const struct hg_server_limits *limits, const struct hg_clock *clock) {
    struct server_object *self = context;
    release_posted(self); /* there is room for one only */
    hg_handover_hand(self->handover, self->gate.intake, limits, clock);
}

struct outcomes {
    PyObject *mapping; /* index -> "boot.seq" of the first message under its key, or False: used for another body */
    bool failed;
};

static const char *outcome_of(void *context, uint32_t index) {
    struct outcomes *outcomes = context;
    PyObject *key = outcomes->failed ? NULL : PyLong_FromUnsignedLong(index);
    PyObject *value = key == NULL ? NULL : PyObject_GetItem(outcomes->mapping, key);
    const char *text = NULL;
    if (value == NULL && key != NULL && PyErr_ExceptionMatches(PyExc_KeyError)) {
        PyErr_Clear();
    } else if (value == Py_False) {
        text = "";
    } else if (value != NULL) {
        text = PyUnicode_AsUTF8AndSize(value, NULL); /* the mapping keeps it */
    }
    outcomes->failed = outcomes->failed || PyErr_Occurred() != NULL;
    Py_XDECREF(key);
    Py_XDECREF(value);
    return outcomes->failed ? NULL : text;
}

static bool has_intake(const struct server_object *self) {
    if (self->intake == Py_None) {
        PyErr_SetString(PyExc_ValueError, "this server has no intake");
        return false;
    }
    return true;
}

static struct hg_batch *batch_argument(struct server_object *self, PyObject *object) {
    const struct hg_module *module = HG_MODULE((PyObject *)self);
    return has_intake(self) && hg_expect(object, module->batch, "batch") ? hg_batch_of(object) : NULL;
}

PyObject *hg_commits_release(PyObject *object, PyObject *const *args, Py_ssize_t count) {
    struct server_object *self = (struct server_object *)object;
    struct hg_batch *batch;
    struct outcomes outcomes;
    if (!hg_arguments("release", count, 2) || (batch = batch_argument(self, args[0])) == NULL) {
        return NULL;
    }
    outcomes = (struct outcomes){args[1], false};
    if (atomic_load(&self->posted) == batch) {
        atomic_store(&self->posted, NULL);
    }
    hg_server_release(self->server, batch, args[1] == Py_None ? NULL : outcome_of, &outcomes);
    return outcomes.failed ? NULL : Py_NewRef(Py_None);
}

PyObject *hg_commits_fail(PyObject *object, PyObject *const *args, Py_ssize_t count) {
    struct server_object *self = (struct server_object *)object;
    struct hg_problem problem = {503, HG_P_NONE, false, ""};
    struct hg_batch *batch;
    const char *slug, *detail;
    int64_t retry_s;
    if (!hg_arguments("fail", count, 4) || (batch = batch_argument(self, args[0])) == NULL ||
        (slug = PyUnicode_AsUTF8AndSize(args[1], NULL)) == NULL ||
        (detail = PyUnicode_AsUTF8AndSize(args[2], NULL)) == NULL || !hg_int(args[3], &retry_s)) {
        return NULL;
    }
    for (int code = 0; code < HG_P_COUNT; code++) {
        if (strcmp(hg_code_slug((enum hg_code)code), slug) == 0) {
            problem.code = (uint8_t)code;
        }
    }
    if (problem.code == HG_P_NONE || retry_s < 0 || retry_s > INT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "no such problem, or no such time");
        return NULL;
    }
    problem.detail = detail;
    hg_server_fail(self->server, batch, &problem, (uint32_t)retry_s);
    return Py_NewRef(Py_None);
}

/* The batch, or None, is there to be released; the bell has not been rung yet. One without rows is released already: the event loop
 * may have heard of the commit, and begun the next, before its thread came to say so here. */
static bool leave(struct server_object *self, PyObject *object, PyObject *tell) {
    const int truth = PyObject_IsTrue(tell);
    struct hg_batch *batch = NULL;
    if (truth < 0 || (object != Py_None && (batch = batch_argument(self, object)) == NULL)) {
        return false;
    }
    if (batch != NULL && batch->rows != 0) {
        PyObject *last = self->kept;
        if (atomic_load(&self->posted) != NULL) {
            PyErr_SetString(PyExc_RuntimeError, "the last batch was not released yet");
            return false;
        }
        self->kept = Py_NewRef(object);
        atomic_store(&self->posted, batch);
        Py_XDECREF(last);
    }
    if (truth == 1) {
        atomic_store(&self->tell, true);
    }
    return true;
}

static int ring(const struct server_object *self) {
    const uint64_t once = 1;
    return write(self->bell, &once, sizeof once) < 0 ? -errno : 0;
}

/* This and `take` are for the outbox's thread, which holds the interpreter's lock then. */
PyObject *hg_commits_post(PyObject *object, PyObject *const *args, Py_ssize_t count) {
    struct server_object *self = (struct server_object *)object;
    if (!hg_arguments("post", count, 2) || !leave(self, args[0], args[1])) {
        return NULL;
    }
    return hg_done(ring(self));
}

PyObject *hg_commits_order(PyObject *object, PyObject *unused) {
    (void)unused;
    return PyLong_FromUnsignedLongLong(hg_handover_order(((struct server_object *)object)->handover));
}

PyObject *hg_commits_recall(PyObject *object, PyObject *unused) {
    (void)unused;
    return PyLong_FromUnsignedLongLong(hg_handover_recall(((struct server_object *)object)->handover));
}

/* It sleeps without the interpreter's lock. The bell is rung when it is known that somebody waits: with
 * one processor for both threads, the server runs next. */
PyObject *hg_commits_take(PyObject *object, PyObject *const *args, Py_ssize_t count) {
    struct server_object *self = (struct server_object *)object;
    uint64_t order;
    struct hg_clock clock;
    PyThreadState *thread;
    PyObject *items[3];
    bool handed;
    int error;
    if (!hg_arguments("take", count, 3) || !hg_identity(args[0], &order) || !has_intake(self)) {
        return NULL;
    }
    items[0] = hg_batch_new(self->intake);
    if (items[0] == NULL || !leave(self, args[1], args[2])) {
        Py_XDECREF(items[0]);
        return NULL;
    }
    thread = PyEval_SaveThread();
    hg_handover_want(self->handover, order, hg_batch_of(items[0]));
    error = ring(self);
    handed = hg_handover_wait(self->handover, hg_batch_of(items[0]), &clock);
    PyEval_RestoreThread(thread);
    if (!handed) {
        Py_DECREF(items[0]);
        return hg_done(error);
    }
    items[1] = PyLong_FromLongLong(clock.now_s);
    items[2] = PyBool_FromLong(clock.state == HG_CLOCK_TRUSTED);
    return hg_tuple(3, items);
}
