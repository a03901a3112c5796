/* What the type files of the extension share. The limited API of CPython 3.11: one binary for every later 3.x. */
#ifndef HEADGATE_BINDING_H
#define HEADGATE_BINDING_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/alloc.h"
#include "core/siphash.h"
#include "core/status.h"

#if !defined(Py_LIMITED_API)
#error "build with Py_LIMITED_API=0x030B0000, as setup.py does"
#endif

extern PyType_Spec hg_batch_spec;
extern PyType_Spec hg_feed_spec;
extern PyType_Spec hg_intake_spec;
extern PyType_Spec hg_limiter_spec;
extern PyType_Spec hg_parser_spec;
extern PyType_Spec hg_plan_type_spec;
extern PyType_Spec hg_request_spec;
extern PyType_Spec hg_server_spec;
extern PyType_Spec hg_store_spec;
extern PyType_Spec hg_tls_spec;
extern PyType_Spec hg_validator_spec;
extern PyType_Spec hg_verifier_spec;

/* The state of the module: one for each interpreter that imports it. The types that others are given as arguments. */
struct hg_module {
    PyTypeObject *validator, *store, *limiter, *verifier, *plan, *intake, *batch, *tls, *request;
    PyObject *need_data, *end, *problem; /* of set_http1; NULL until then */
};
/* http1.c: set_http1 */
PyObject *hg_set_http1(PyObject *module, PyObject *const *args, Py_ssize_t count);

/* Of any object of this module's types. */
#define HG_MODULE(object) ((const struct hg_module *)PyType_GetModuleState(Py_TYPE(object)))

/* For objects of these types only (hg_expect); what they give lives as long as the object. */
struct hg_store *hg_store_of(PyObject *object);
struct hg_limiter *hg_limiter_of(PyObject *object);

extern const struct hg_alloc hg_malloc;

/* Every function below returns false with an exception set. */

/* Bind positional and keyword arguments to `count` names, of which the first `required` must be given; the borrowed
 * values go to `values`, NULL where nothing was given. */
bool hg_bind(const char *function, const char *const *names, int count, int required, PyObject *const *args,
             Py_ssize_t positional, PyObject *keywords, PyObject **values);
/* Any Python int; one that 64 bits cannot hold becomes the largest or smallest, which every range check refuses. */
bool hg_int(PyObject *object, int64_t *value);
bool hg_bytes(PyObject *object, const char *name, const uint8_t **data, size_t *length);
/* NULL or b"": from os.urandom. */
bool hg_seed(PyObject *object, uint8_t seed[HG_SEED]);
/* Raises what the status stands for; true for HG_OK. */
bool hg_check(enum hg_status status);

/* The argument `name` is of this type of ours. */
bool hg_expect(PyObject *object, PyTypeObject *type, const char *name);

/* The attribute, which stays in the list `kept`; borrowed. NULL with an exception set. */
PyObject *hg_attribute(PyObject *object, const char *name, PyObject *kept);

/* A tuple of the items, whose references it takes even when it fails; NULL with an exception set when one is NULL. */
PyObject *hg_tuple(Py_ssize_t count, PyObject *const *items);

#endif
