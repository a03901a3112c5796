/* headgate_native._native: the native twins. No global state, so any number of interpreters may have it. */
#include "schema.h"

#include <stddef.h>

#include "libc.h"

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

/* The types, and where the module keeps those that are asked for as arguments. */
#define KEPT(member) offsetof(struct hg_module, member)
#define NOT_KEPT SIZE_MAX
static const struct {
    PyType_Spec *spec;
    size_t kept;
} types[] = {
    {&hg_limiter_spec, KEPT(limiter)}, {&hg_store_spec, KEPT(store)},         {&hg_verifier_spec, KEPT(verifier)},
    {&hg_intake_spec, KEPT(intake)},   {&hg_batch_spec, KEPT(batch)},         {&hg_tls_spec, KEPT(tls)},
    {&hg_plan_type_spec, KEPT(plan)},  {&hg_server_spec, NOT_KEPT},           {&hg_parser_spec, NOT_KEPT},
    {&hg_request_spec, KEPT(request)}, {&hg_validator_spec, KEPT(validator)}, {&hg_feed_spec, NOT_KEPT},
};

static int execute(PyObject *module) {
    char *state = PyModule_GetState(module);
    PyObject *formats = hg_format_names();
    int result = formats == NULL ? -1 : 0;
    for (size_t i = 0; i < sizeof types / sizeof *types && result == 0; i++) {
        const size_t kept = types[i].kept;
        result = add_type(module, types[i].spec, kept == NOT_KEPT ? NULL : (PyTypeObject **)(void *)(state + kept));
    }
    if (result == 0) {
        result = PyModule_AddObjectRef(module, "FORMATS", formats);
    }
    Py_XDECREF(formats);
    return result;
}

static int traverse(PyObject *module, visitproc visit, void *arg) {
    const struct hg_module *state = PyModule_GetState(module);
    Py_VISIT((PyObject *)state->validator);
    Py_VISIT((PyObject *)state->store);
    Py_VISIT((PyObject *)state->limiter);
    Py_VISIT((PyObject *)state->verifier);
    Py_VISIT((PyObject *)state->plan);
    Py_VISIT((PyObject *)state->intake);
    Py_VISIT((PyObject *)state->batch);
    Py_VISIT((PyObject *)state->tls);
    Py_VISIT((PyObject *)state->request);
    Py_VISIT(state->need_data);
    Py_VISIT(state->end);
    Py_VISIT(state->problem);
    return 0;
}

static int clear(PyObject *module) {
    struct hg_module *state = PyModule_GetState(module);
    Py_CLEAR(state->validator);
    Py_CLEAR(state->store);
    Py_CLEAR(state->limiter);
    Py_CLEAR(state->verifier);
    Py_CLEAR(state->plan);
    Py_CLEAR(state->intake);
    Py_CLEAR(state->batch);
    Py_CLEAR(state->tls);
    Py_CLEAR(state->request);
    Py_CLEAR(state->need_data);
    Py_CLEAR(state->end);
    Py_CLEAR(state->problem);
    return 0;
}

static void release(void *module) { (void)clear(module); }

static PyMethodDef functions[] = {
    {"set_http1", (PyCFunction)(void (*)(void))hg_set_http1, METH_FASTCALL,
     PyDoc_STR("set_http1(need_data, end, problem, /)\n--\n\n"
               "What RequestParser.next returns besides requests and parts of bodies, and the exception it raises:\n"
               "problem(status, code, detail, close=True).")},
    {"one_heap", hg_one_heap, METH_NOARGS,
     PyDoc_STR("one_heap()\n--\n\nAll threads allocate from one heap, where each would have one of its own (glibc).")},
    {"trim_heap", hg_trim_heap, METH_NOARGS,
     PyDoc_STR("trim_heap()\n--\n\nWhat is free in the heap goes back to the system (glibc).")},
    {"clock_synchronised", hg_clock_synchronised, METH_NOARGS,
     PyDoc_STR("clock_synchronised()\n--\n\nWhether something disciplines the clock, by the kernel's word: adjtimex(2).")},
    {NULL, NULL, 0, NULL},
};

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
    .m_methods = functions,
    .m_traverse = traverse,
    .m_clear = clear,
    .m_free = release,
};

PyMODINIT_FUNC PyInit__native(void) { return PyModuleDef_Init(&definition); }
