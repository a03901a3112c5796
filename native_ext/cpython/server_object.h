/* What an object of the type Server is made of, for the files that implement it: server.c, server_commits.c. */
#ifndef HEADGATE_SERVER_OBJECT_H
#define HEADGATE_SERVER_OBJECT_H

#include <errno.h>
#include <stdatomic.h>

#include "binding.h"
#include "core/server.h"
#include "handover.h"

struct server_object {
    PyObject_HEAD
    struct hg_gate gate;
    struct hg_server *server;
    int epoll, bell; /* bell: an eventfd, rung by another thread */
    _Atomic(struct hg_batch *) posted; /* committed, and to be released at the next look; NULL: none */
    atomic_bool tell;                  /* Python is to be told then */
    PyObject *kept;                    /* the Batch that was posted last; NULL: none */
    struct hg_handover *handover;      /* of batches that are due, to the outbox's thread */
    PyObject *plan, *store, *limiter, *intake;
    PyObject *retired; /* list: earlier plans that requests may still be on */
    PyObject *tls;     /* list: of the listeners */
    PyObject *http2;   /* the capsule; NULL: none */
};

static inline PyObject *hg_done(int result) {
    if (result < 0) {
        errno = -result;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return Py_NewRef(Py_None);
}

static inline bool hg_identity(PyObject *object, uint64_t *id) {
    *id = PyLong_AsUnsignedLongLong(object);
    return PyErr_Occurred() == NULL;
}

static inline bool hg_arguments(const char *name, Py_ssize_t count, Py_ssize_t wanted) {
    if (count == wanted) {
        return true;
    }
    PyErr_Format(PyExc_TypeError, "%s() takes %zd arguments", name, wanted);
    return false;
}

/* server_commits.c. What happens in hg_server_wait: hg_rung and hg_taker of core/server.h, with the object as context. */
bool hg_commits_rung(void *context);
void hg_commits_hand(void *context, const struct hg_server_limits *limits, const struct hg_clock *clock);
/* Methods, as server_port.CommitServer. */
PyObject *hg_commits_release(PyObject *object, PyObject *const *args, Py_ssize_t count);
PyObject *hg_commits_fail(PyObject *object, PyObject *const *args, Py_ssize_t count);
PyObject *hg_commits_post(PyObject *object, PyObject *const *args, Py_ssize_t count);
PyObject *hg_commits_order(PyObject *object, PyObject *unused);
PyObject *hg_commits_recall(PyObject *object, PyObject *unused);
PyObject *hg_commits_take(PyObject *object, PyObject *const *args, Py_ssize_t count);

#endif
