/* headgate_native._http2: the library of frames for Server.http2, an extension of its own so that who does not configure HTTP/2 does not
 * load libnghttp2. `library`: the capsule; `version`: libnghttp2's; `counters()`: what happened on all of its connections. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdlib.h>

#include <nghttp2/nghttp2.h>

#include "http2/library.h"

#if !defined(Py_LIMITED_API)
#error "build with Py_LIMITED_API=0x030B0000, as setup.py does"
#endif

static void *allocate(void *context, size_t size) {
    (void)context;
    return malloc(size);
}

static void release(void *context, void *memory) {
    (void)context;
    free(memory);
}

/* No server is left: each keeps the capsule. */
static void free_library(PyObject *capsule) {
    const struct hg_http2 *http2 = PyCapsule_GetPointer(capsule, HG_HTTP2_CAPSULE);
    hg_library_free(http2->context);
}

/* {name: count}, without those that never happened. */
static PyObject *by_name(const uint64_t *counts, uint32_t count, const char *(*name_of)(uint32_t)) {
    PyObject *mapping = PyDict_New();
    for (uint32_t i = 0; i < count && mapping != NULL; i++) {
        PyObject *const number = counts[i] == 0 ? NULL : PyLong_FromUnsignedLongLong(counts[i]);
        if (counts[i] != 0 && (number == NULL || PyDict_SetItemString(mapping, name_of(i), number) < 0)) {
            Py_CLEAR(mapping);
        }
        Py_XDECREF(number);
    }
    return mapping;
}

static const char *code_name(uint32_t code) { return code < HG_HTTP2_CODES ? nghttp2_http2_strerror(code) : "OTHER"; }

static const char *flood_name(uint32_t flood) {
    static const char *const names[HG_FLOODS] = {"resets", "frames", "continuations", "fields", "others"};
    return names[flood];
}

static PyObject *counters(PyObject *module, PyObject *unused) {
    const struct hg_http2_counters *all = NULL;
    PyObject *const capsule = PyObject_GetAttrString(module, "library");
    const struct hg_http2 *const http2 = capsule == NULL ? NULL : PyCapsule_GetPointer(capsule, HG_HTTP2_CAPSULE);
    PyObject *result = NULL;
    (void)unused;
    if (http2 != NULL) {
        all = hg_library_counters(http2->context);
        result = Py_BuildValue( /* N: takes the reference, and fails for NULL */
            "{sIsIsKsKsNsNsNsN}", "connections", (unsigned int)all->connections, "streams", (unsigned int)all->streams,
            "connections_total", (unsigned long long)all->connections_total, "streams_total",
            (unsigned long long)all->streams_total, "resets_received",
            by_name(all->resets_received, HG_HTTP2_CODES + 1, code_name), "resets_sent",
            by_name(all->resets_sent, HG_HTTP2_CODES + 1, code_name), "goaways_sent",
            by_name(all->goaways_sent, HG_HTTP2_CODES + 1, code_name), "floods", by_name(all->floods, HG_FLOODS, flood_name));
    }
    Py_XDECREF(capsule);
    return result;
}

static int execute(PyObject *module) {
    struct hg_library *library = hg_library_new(&(struct hg_alloc){allocate, release, NULL});
    PyObject *capsule;
    int result;
    if (library == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    capsule = PyCapsule_New((void *)(uintptr_t)hg_library_http2(library), HG_HTTP2_CAPSULE, free_library);
    if (capsule == NULL) {
        hg_library_free(library);
        return -1;
    }
    result = PyModule_AddObjectRef(module, "library", capsule);
    Py_DECREF(capsule);
    return result < 0 ? result : PyModule_AddStringConstant(module, "version", nghttp2_version(0)->version_str);
}

static PyMethodDef methods[] = {
    {"counters", counters, METH_NOARGS, PyDoc_STR("counters() -> dict: what happened, by name; numbers, or numbers by reason.")},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void *)execute},
    {0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "headgate_native._http2",
    .m_doc = "HTTP/2 for the native server, on libnghttp2.",
    .m_size = 0,
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__http2(void) { return PyModuleDef_Init(&definition); }
