/* The Python type over core/store.h. */
#include "core/store.h"

#include "binding.h"
#include "core/limits.h"

struct store_object {
    PyObject_HEAD
    bool ready; /* `store` was initialised */
    struct hg_store store;
};

struct hg_store *hg_store_of(PyObject *object) { return &((struct store_object *)object)->store; }

static PyObject *store_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    static char *names[] = {"max_bytes", "max_value", "max_entries", "seed", NULL};
    PyObject *bytes_object, *value_object = NULL, *entries_object = NULL, *seed_object = NULL, *result = NULL;
    struct store_object *self = NULL;
    int64_t max_bytes, max_value = HG_CACHE_VALUE, max_entries = HG_CACHE_ENTRIES;
    uint8_t seed[HG_SEED];
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|OOO:Store", names, &bytes_object, &value_object,
                                     &entries_object, &seed_object) ||
        !hg_int(bytes_object, &max_bytes) || (value_object != NULL && !hg_int(value_object, &max_value)) ||
        (entries_object != NULL && !hg_int(entries_object, &max_entries))) {
        goto finally;
    }
    self = (struct store_object *)PyType_GenericAlloc(type, 0);
    if (self == NULL || !hg_seed(seed_object, seed) ||
        !hg_check(hg_store_init(&self->store, &hg_malloc, seed, max_bytes, max_value, max_entries))) {
        goto finally;
    }
    self->ready = true;
    result = (PyObject *)self;
    self = NULL;
finally:
    Py_XDECREF((PyObject *)self);
    return result;
}

static int store_traverse(PyObject *object, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(object)); /* an instance of a heap type owns a reference to it, and has no other */
    return 0;
}

static void store_dealloc(PyObject *object) {
    struct store_object *self = (struct store_object *)object;
    PyTypeObject *type = Py_TYPE(object);
    const freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    PyObject_GC_UnTrack(object);
    if (self->ready) {
        hg_store_clear(&self->store);
    }
    release(object);
    Py_DECREF((PyObject *)type);
}

static PyObject *store_put(PyObject *object, PyObject *const *args, Py_ssize_t positional, PyObject *keywords) {
    static const char *const names[] = {"key", "value", "meta", "ttl_ms", "now_ms"};
    struct store_object *self = (struct store_object *)object;
    PyObject *values[5];
    const uint8_t *key, *value, *meta;
    size_t key_length, value_length, meta_length;
    int64_t ttl_ms, now_ms;
    uint64_t version;
    if (!hg_bind("put", names, 5, 5, args, positional, keywords, values) ||
        !hg_bytes(values[1], "value", &value, &value_length) || !hg_bytes(values[2], "meta", &meta, &meta_length) ||
        !hg_bytes(values[0], "key", &key, &key_length) || !hg_int(values[3], &ttl_ms) ||
        !hg_int(values[4], &now_ms) ||
        !hg_check(hg_store_put(&self->store, key, key_length, value, value_length, meta, meta_length, ttl_ms, now_ms,
                               &version))) {
        return NULL;
    }
    return PyLong_FromUnsignedLongLong(version);
}

typedef enum hg_status (*look)(struct hg_store *, const uint8_t *, size_t, int64_t, bool *, struct hg_found *);

static PyObject *look_up(PyObject *object, const char *name, PyObject *const *args, Py_ssize_t positional,
                         PyObject *keywords, look how) {
    static const char *const names[] = {"key", "now_ms"};
    struct store_object *self = (struct store_object *)object;
    PyObject *values[2], *items[4] = {NULL, NULL, NULL, NULL};
    const uint8_t *key;
    size_t key_length;
    int64_t now_ms;
    bool hit;
    struct hg_found found;
    if (!hg_bind(name, names, 2, 2, args, positional, keywords, values) ||
        !hg_bytes(values[0], "key", &key, &key_length) || !hg_int(values[1], &now_ms) ||
        !hg_check(how(&self->store, key, key_length, now_ms, &hit, &found))) {
        return NULL;
    }
    if (!hit) {
        return Py_NewRef(Py_None);
    }
    /* All four come before the tuple: making a tuple may collect garbage, a finaliser may use this very store, and then
     * found.value and found.meta would point at freed memory. Making bytes and ints never does. */
    if ((items[0] = PyBytes_FromStringAndSize((const char *)found.value, (Py_ssize_t)found.value_length)) != NULL &&
        (items[1] = PyBytes_FromStringAndSize((const char *)found.meta, (Py_ssize_t)found.meta_length)) != NULL &&
        (items[2] = PyLong_FromUnsignedLongLong(found.version)) != NULL) {
        items[3] = PyLong_FromLongLong(found.ttl_ms);
    }
    return hg_tuple(4, items);
}

static PyObject *store_get(PyObject *object, PyObject *const *args, Py_ssize_t positional, PyObject *keywords) {
    return look_up(object, "get", args, positional, keywords, hg_store_get);
}

static PyObject *store_peek(PyObject *object, PyObject *const *args, Py_ssize_t positional, PyObject *keywords) {
    return look_up(object, "peek", args, positional, keywords, hg_store_peek);
}

static PyObject *store_delete(PyObject *object, PyObject *const *args, Py_ssize_t positional, PyObject *keywords) {
    static const char *const names[] = {"key", "now_ms"};
    struct store_object *self = (struct store_object *)object;
    PyObject *values[2];
    const uint8_t *key;
    size_t key_length;
    int64_t now_ms;
    bool deleted;
    if (!hg_bind("delete", names, 2, 2, args, positional, keywords, values) ||
        !hg_bytes(values[0], "key", &key, &key_length) || !hg_int(values[1], &now_ms) ||
        !hg_check(hg_store_delete(&self->store, key, key_length, now_ms, &deleted))) {
        return NULL;
    }
    return PyBool_FromLong(deleted);
}

static PyObject *store_drop(PyObject *object, PyObject *const *args, Py_ssize_t positional, PyObject *keywords) {
    static const char *const names[] = {"prefix", "version"};
    struct store_object *self = (struct store_object *)object;
    PyObject *values[2];
    const uint8_t *prefix;
    size_t length;
    int64_t version;
    if (!hg_bind("drop", names, 2, 2, args, positional, keywords, values) ||
        !hg_bytes(values[0], "prefix", &prefix, &length) || !hg_int(values[1], &version)) {
        return NULL;
    }
    return PyLong_FromUnsignedLongLong(
        hg_store_drop(&self->store, prefix, length, version > 0 ? (uint64_t)version : 0));
}

/* One entry as a tuple; NULL: an exception. */
static PyObject *scanned(const struct hg_found *found) {
    PyObject *items[5] = {NULL, NULL, NULL, NULL, NULL};
    /* All five come before the tuple: see look_up. */
    if ((items[0] = PyBytes_FromStringAndSize((const char *)found->key, (Py_ssize_t)found->key_length)) != NULL &&
        (items[1] = PyBytes_FromStringAndSize((const char *)found->value, (Py_ssize_t)found->value_length)) != NULL &&
        (items[2] = PyBytes_FromStringAndSize((const char *)found->meta, (Py_ssize_t)found->meta_length)) != NULL &&
        (items[3] = PyLong_FromUnsignedLongLong(found->version)) != NULL) {
        items[4] = PyLong_FromLongLong(found->ttl_ms);
    }
    return hg_tuple(5, items);
}

static PyObject *store_scan(PyObject *object, PyObject *const *args, Py_ssize_t positional, PyObject *keywords) {
    static const char *const names[] = {"restart", "most", "now_ms"};
    struct store_object *self = (struct store_object *)object;
    PyObject *values[3], *list = NULL, *item = NULL;
    int64_t most, now_ms, left = HG_CACHE_SCAN_BYTES;
    struct hg_found found;
    bool more;
    int restart;
    if (!hg_bind("scan", names, 3, 3, args, positional, keywords, values) ||
        (restart = PyObject_IsTrue(values[0])) < 0 || !hg_int(values[1], &most) || !hg_int(values[2], &now_ms) ||
        (list = PyList_New(0)) == NULL) {
        return NULL;
    }
    do {
        if (!hg_check(hg_store_scan(&self->store, restart != 0, now_ms, &more, &found)) ||
            (more && ((item = scanned(&found)) == NULL || PyList_Append(list, item) < 0))) {
            Py_CLEAR(list);
            more = false;
        }
        if (more) {
            left -= (int64_t)(found.key_length + found.value_length + found.meta_length + HG_ENTRY_OVERHEAD);
        }
        Py_CLEAR(item);
        restart = 0;
    } while (more && left > 0 && PyList_Size(list) < most);
    return list;
}

static PyObject *store_stats(PyObject *object, PyObject *unused) {
    const struct hg_store *store = &((struct store_object *)object)->store;
    (void)unused;
    return Py_BuildValue("{sKsKsKsKsKsKsK}", "entries", (unsigned long long)store->table.count, "bytes",
                         (unsigned long long)store->bytes, "hits", (unsigned long long)store->hits, "misses",
                         (unsigned long long)store->misses, "writes", (unsigned long long)store->version, "evictions", (unsigned long long)store->evictions,
                         "expirations", (unsigned long long)store->expirations);
}

static PyMethodDef methods[] = {
    {"put", (PyCFunction)(void (*)(void))store_put, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("put($self, /, key, value, meta, ttl_ms, now_ms)\n--\n\n"
               "Store `value` and return its version, or 0 when it does not fit.")},
    {"get", (PyCFunction)(void (*)(void))store_get, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("get($self, /, key, now_ms)\n--\n\n"
               "(value, meta, version, ms left to live or 0 = for ever), or None.")},
    {"peek", (PyCFunction)(void (*)(void))store_peek, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("peek($self, /, key, now_ms)\n--\n\nAs `get`, but no hit, no miss and no mark.")},
    {"drop", (PyCFunction)(void (*)(void))store_drop, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("drop($self, /, prefix, version)\n--\n\n"
               "Remove the entries whose key begins with `prefix`, up to this version -> how many.")},
    {"delete", (PyCFunction)(void (*)(void))store_delete, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("delete($self, /, key, now_ms)\n--\n\nRemove the entry; False when there was no live one.")},
    {"scan", (PyCFunction)(void (*)(void))store_scan, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("scan($self, /, restart, most, now_ms)\n--\n\n"
               "The next entries, oldest first: (key, value, meta, version, ms left to live or 0 = for ever).")},
    {"stats", store_stats, METH_NOARGS,
     PyDoc_STR("stats($self, /)\n--\n\nentries bytes hits misses writes evictions expirations.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Store(max_bytes, max_value=65536, max_entries=65536, seed=b'')\n--\n\n"
                                  "Cache with TTL, byte budget and SIEVE; twin of headgate.core.store.Store.\n\n"
                                  "`seed`: 16 bytes that key the hash table; empty: random ones.")},
    {Py_tp_new, (void *)store_new},
    {Py_tp_dealloc, (void *)store_dealloc},
    {Py_tp_traverse, (void *)store_traverse},
    {Py_tp_methods, (void *)methods},
    {0, NULL},
};

PyType_Spec hg_store_spec = {
    .name = "headgate_native._native.Store",
    .basicsize = sizeof(struct store_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
