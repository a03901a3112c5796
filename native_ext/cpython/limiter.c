/* The Python type over core/limiter.h. */
#include "core/limiter.h"

#include "binding.h"
#include "core/limits.h"

struct limiter_object {
    PyObject_HEAD
    bool ready; /* `limiter` was initialised */
    struct hg_limiter limiter;
};

struct hg_limiter *hg_limiter_of(PyObject *object) { return &((struct limiter_object *)object)->limiter; }

static PyObject *limiter_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    static char *names[] = {"capacity", "seed", NULL};
    PyObject *capacity_object = NULL, *seed_object = NULL, *result = NULL;
    struct limiter_object *self = NULL;
    int64_t capacity = HG_LIMITER_CLIENTS;
    uint8_t seed[HG_SEED];
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|OO:Limiter", names, &capacity_object, &seed_object) ||
        (capacity_object != NULL && !hg_int(capacity_object, &capacity))) {
        goto finally;
    }
    self = (struct limiter_object *)PyType_GenericAlloc(type, 0);
    if (self == NULL || !hg_seed(seed_object, seed) ||
        !hg_check(hg_limiter_init(&self->limiter, &hg_malloc, seed, capacity))) {
        goto finally;
    }
    self->ready = true;
    result = (PyObject *)self;
    self = NULL;
finally:
    Py_XDECREF((PyObject *)self);
    return result;
}

static int limiter_traverse(PyObject *object, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(object)); /* an instance of a heap type owns a reference to it, and has no other */
    return 0;
}

static void limiter_dealloc(PyObject *object) {
    struct limiter_object *self = (struct limiter_object *)object;
    PyTypeObject *type = Py_TYPE(object);
    const freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    PyObject_GC_UnTrack(object);
    if (self->ready) {
        hg_limiter_clear(&self->limiter);
    }
    release(object);
    Py_DECREF((PyObject *)type);
}

static PyObject *limiter_take(PyObject *object, PyObject *const *args, Py_ssize_t positional, PyObject *keywords) {
    static const char *const names[] = {"key", "rate_milli", "burst", "now_ms", "cost"};
    struct limiter_object *self = (struct limiter_object *)object;
    PyObject *values[5], *items[2];
    const uint8_t *key;
    size_t key_length;
    int64_t rate_milli, burst, now_ms, cost = 1, wait_ms, left;
    if (!hg_bind("take", names, 5, 4, args, positional, keywords, values) ||
        !hg_bytes(values[0], "key", &key, &key_length) || !hg_int(values[1], &rate_milli) ||
        !hg_int(values[2], &burst) || !hg_int(values[3], &now_ms) ||
        (values[4] != NULL && !hg_int(values[4], &cost)) ||
        !hg_check(hg_limiter_take(&self->limiter, key, key_length, rate_milli, burst, now_ms, cost, &wait_ms, &left))) {
        return NULL;
    }
    items[0] = PyLong_FromLongLong(wait_ms);
    items[1] = items[0] == NULL ? NULL : PyLong_FromLongLong(left);
    return hg_tuple(2, items);
}

static Py_ssize_t limiter_length(PyObject *object) {
    return (Py_ssize_t)((struct limiter_object *)object)->limiter.table.count;
}

static PyObject *limiter_evicted(PyObject *object, void *closure) {
    (void)closure;
    return PyLong_FromUnsignedLongLong(((struct limiter_object *)object)->limiter.evicted);
}

static PyMethodDef methods[] = {
    {"take", (PyCFunction)(void (*)(void))limiter_take, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("take($self, /, key, rate_milli, burst, now_ms, cost=1)\n--\n\n"
               "Take `cost` tokens from the bucket of `key`: (wait_ms, whole tokens left).\n\n"
               "See headgate.core.limiter.Limiter.take, whose answers these are.")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef attributes[] = {
    {"evicted", limiter_evicted, NULL, PyDoc_STR("Buckets that went because the table was full."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Limiter(capacity=4096, seed=b'')\n--\n\n"
                                  "Token buckets in a bounded table; twin of headgate.core.limiter.Limiter.\n\n"
                                  "`seed`: 16 bytes that key the hash table; empty: random ones.")},
    {Py_tp_new, (void *)limiter_new},
    {Py_tp_dealloc, (void *)limiter_dealloc},
    {Py_tp_traverse, (void *)limiter_traverse},
    {Py_tp_methods, (void *)methods},
    {Py_tp_getset, (void *)attributes},
    {Py_sq_length, (void *)limiter_length},
    {0, NULL},
};

PyType_Spec hg_limiter_spec = {
    .name = "headgate_native._native.Limiter",
    .basicsize = sizeof(struct limiter_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
