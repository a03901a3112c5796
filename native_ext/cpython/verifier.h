/* The type Verifier: core/token.h for Python, and its table of verified tokens for the server. */
#ifndef HEADGATE_VERIFIER_BINDING_H
#define HEADGATE_VERIFIER_BINDING_H

#include "binding.h"
#include "core/token.h"

/* NULL with an exception set: not a Verifier. Lives as long as the object. The table takes one caller at a time: from here on
 * it is the server's, and Verifier.verify, which any thread may call, goes without it. */
struct hg_tokens *hg_tokens_of(PyObject *object);

#endif
