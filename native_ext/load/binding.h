/* What the extensions of `headgate load` have in common: the type Client. Headgate's load transports
 * (headgate_host/load/native.py) are its only users. */
#ifndef HEADGATE_LOAD_BINDING_H
#define HEADGATE_LOAD_BINDING_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#if !defined(Py_LIMITED_API)
#error "build with Py_LIMITED_API=0x030B0000, as setup.py does"
#endif

/* `name`: of the type, with its module; a literal. 0, or -1 with an exception. */
int hg_binding_add_client(PyObject *module, const char *name);

#endif
