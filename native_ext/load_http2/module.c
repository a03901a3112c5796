/* headgate_native._load_http2: load over HTTP/2 and gRPC, built where nghttp2 and OpenSSL are. */
#include "load/binding.h"

static int execute(PyObject *module) { return hg_binding_add_client(module, "headgate_native._load_http2.Client"); }

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void *)execute},
    {0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "headgate_native._load_http2",
    .m_doc = "Load over HTTP/2.",
    .m_size = 0,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__load_http2(void) { return PyModuleDef_Init(&definition); }
