/* headgate_native._http2: the library of frames for Server.http2, an extension of its own so that who does not configure HTTP/2 does not
 * load libnghttp2. `library`: the capsule; `version`: libnghttp2's. */
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

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void *)execute},
    {0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "headgate_native._http2",
    .m_doc = "HTTP/2 for the native server, on libnghttp2.",
    .m_size = 0,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__http2(void) { return PyModuleDef_Init(&definition); }
