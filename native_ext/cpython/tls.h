/* The type Tls: core/tls.h by Python's ssl. */
#ifndef HEADGATE_TLS_BINDING_H
#define HEADGATE_TLS_BINDING_H

#include "binding.h"
#include "core/tls.h"

/* Of an object whose type was looked at (hg_expect). Lives as long as the object. */
const struct hg_tls *hg_tls_of(PyObject *object);

#endif
