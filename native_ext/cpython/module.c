/* headgate_native._native: the native twins. No global state, so any number of interpreters may have it. */
#include "schema.h"

/* Adds the type to the module, and a reference to it to *keep unless that is NULL. */
static int add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **keep) {
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    int result = -1;
    if (type != NULL) {
        result = PyModule_AddType(module, (PyTypeObject *)type);
        if (keep != NULL) {
            *keep = (PyTypeObject *)Py_NewRef(type);
        }
        Py_DECREF(type);
    }
    return result;
}

static int execute(PyObject *module) {
    struct hg_module *state = PyModule_GetState(module);
    PyObject *formats = NULL;
    int result = -1;
    if (add_type(module, &hg_limiter_spec, NULL) == 0 && add_type(module, &hg_store_spec, NULL) == 0 &&
        add_type(module, &hg_validator_spec, &state->validator) == 0 && add_type(module, &hg_feed_spec, NULL) == 0 &&
        (formats = hg_format_names()) != NULL) {
        result = PyModule_AddObjectRef(module, "FORMATS", formats);
    }
    Py_XDECREF(formats);
    return result;
}

static int traverse(PyObject *module, visitproc visit, void *arg) {
    Py_VISIT((PyObject *)((struct hg_module *)PyModule_GetState(module))->validator);
    return 0;
}

static int clear(PyObject *module) {
    Py_CLEAR(((struct hg_module *)PyModule_GetState(module))->validator);
    return 0;
}

static void release(void *module) { (void)clear(module); }

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void *)execute},
    {0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "headgate_native._native",
    .m_doc = "Native twins of headgate.core; headgate._accel chooses between them.",
    .m_size = sizeof(struct hg_module),
    .m_slots = slots,
    .m_traverse = traverse,
    .m_clear = clear,
    .m_free = release,
};

PyMODINIT_FUNC PyInit__native(void) { return PyModuleDef_Init(&definition); }
