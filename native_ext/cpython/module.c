/* headgate_native._native: the native twins. No global state, so any number of interpreters may have it. */
#include "binding.h"

static int add_type(PyObject *module, PyType_Spec *spec) {
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    int result = -1;
    if (type != NULL) {
        result = PyModule_AddType(module, (PyTypeObject *)type);
        Py_DECREF(type);
    }
    return result;
}

static int execute(PyObject *module) {
    return add_type(module, &hg_limiter_spec) < 0 || add_type(module, &hg_store_spec) < 0 ? -1 : 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void *)execute},
    {0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "headgate_native._native",
    .m_doc = "Native twins of headgate.core; headgate._accel chooses between them.",
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__native(void) { return PyModuleDef_Init(&definition); }
