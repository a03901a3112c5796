/* Functions of the module: see libc.c. */
#ifndef HEADGATE_LIBC_H
#define HEADGATE_LIBC_H

#include "binding.h"

PyObject *hg_one_heap(PyObject *module, PyObject *unused);
PyObject *hg_trim_heap(PyObject *module, PyObject *unused);
PyObject *hg_clock_synchronised(PyObject *module, PyObject *unused);

#endif
