#include "binding.h"

#include <stdlib.h>
#include <string.h>

static void *plain_alloc(void *context, size_t size) {
    (void)context;
    return malloc(size);
}

static void plain_release(void *context, void *memory) {
    (void)context;
    free(memory);
}

/* Not PyMem_*: the core must be able to run without the interpreter's lock. */
const struct hg_alloc hg_malloc = {plain_alloc, plain_release, NULL};

bool hg_bind(const char *function, const char *const *names, int count, int required, PyObject *const *args,
             Py_ssize_t positional, PyObject *keywords, PyObject **values) {
    const Py_ssize_t named = keywords == NULL ? 0 : PyTuple_Size(keywords);
    if (positional > count) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most %d arguments (%zd given)", function, count, positional);
        return false;
    }
    for (int i = 0; i < count; i++) {
        values[i] = i < positional ? args[i] : NULL;
    }
    for (Py_ssize_t k = 0; k < named; k++) {
        PyObject *keyword = PyTuple_GetItem(keywords, k);
        int i = 0;
        while (i < count && PyUnicode_CompareWithASCIIString(keyword, names[i]) != 0) {
            i++;
        }
        if (i == count) {
            PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", function, keyword);
            return false;
        }
        if (values[i] != NULL) {
            PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%s'", function, names[i]);
            return false;
        }
        values[i] = args[positional + k];
    }
    for (int i = 0; i < required; i++) {
        if (values[i] == NULL) {
            PyErr_Format(PyExc_TypeError, "%s() missing required argument '%s'", function, names[i]);
            return false;
        }
    }
    return true;
}

bool hg_int(PyObject *object, int64_t *value) {
    int overflow = 0;
    const long long number = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (number == -1 && overflow == 0 && PyErr_Occurred() != NULL) {
        return false;
    }
    *value = overflow > 0 ? INT64_MAX : overflow < 0 ? INT64_MIN : (int64_t)number;
    return true;
}

bool hg_bytes(PyObject *object, const char *name, const uint8_t **data, size_t *length) {
    char *start;
    Py_ssize_t size;
    if (!PyBytes_Check(object)) {
        PyErr_Format(PyExc_TypeError, "%s must be bytes", name);
        return false;
    }
    if (PyBytes_AsStringAndSize(object, &start, &size) < 0) {
        return false;
    }
    *data = (const uint8_t *)start;
    *length = (size_t)size;
    return true;
}

bool hg_seed(PyObject *object, uint8_t seed[HG_SEED]) {
    bool ok = false;
    PyObject *os = NULL, *random = NULL;
    const uint8_t *data;
    size_t length = 0;
    if (object != NULL && !hg_bytes(object, "seed", &data, &length)) {
        goto finally;
    }
    if (length == 0) {
        os = PyImport_ImportModule("os");
        if (os == NULL) {
            goto finally;
        }
        random = PyObject_CallMethod(os, "urandom", "i", HG_SEED);
        if (random == NULL || !hg_bytes(random, "os.urandom()", &data, &length)) {
            goto finally;
        }
    }
    if (length != HG_SEED) {
        PyErr_SetString(PyExc_ValueError, "seed must be empty or 16 bytes");
        goto finally;
    }
    memcpy(seed, data, HG_SEED);
    ok = true;
finally:
    Py_XDECREF(random);
    Py_XDECREF(os);
    return ok;
}

bool hg_check(enum hg_status status) {
    if (status == HG_OK) {
        return true;
    }
    if (status == HG_NO_MEMORY) {
        PyErr_NoMemory();
    } else {
        PyErr_SetString(PyExc_ValueError, hg_status_text(status));
    }
    return false;
}

bool hg_expect(PyObject *object, PyTypeObject *type, const char *name) {
    if (object != NULL && type != NULL && PyObject_TypeCheck(object, type)) {
        return true;
    }
    PyErr_Format(PyExc_TypeError, "%s must be the native type of that name", name);
    return false;
}

PyObject *hg_attribute(PyObject *object, const char *name, PyObject *kept) {
    PyObject *value = PyObject_GetAttrString(object, name);
    const bool ok = value != NULL && PyList_Append(kept, value) == 0;
    Py_XDECREF(value);
    return ok ? value : NULL;
}

PyObject *hg_tuple(Py_ssize_t count, PyObject *const *items) {
    bool complete = true;
    for (Py_ssize_t i = 0; i < count; i++) {
        complete = complete && items[i] != NULL;
    }
    PyObject *tuple = complete ? PyTuple_New(count) : NULL;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (tuple == NULL) {
            Py_XDECREF(items[i]);
        } else {
            (void)PyTuple_SetItem(tuple, i, items[i]); /* cannot fail: the tuple is new and i is inside it */
        }
    }
    return tuple;
}
