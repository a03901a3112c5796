/* The type Tls: core/tls.h by Python's ssl. */
#ifndef HEADGATE_TLS_BINDING_H
#define HEADGATE_TLS_BINDING_H

#include "binding.h"
#include "core/tls.h"

/* NULL with an exception set: not a Tls. Lives as long as the object. */
const struct hg_tls *hg_tls_of(PyObject *object);

#endif
