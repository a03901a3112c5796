/* The types Intake and Batch: core/intake.h. */
#ifndef HEADGATE_INTAKE_BINDING_H
#define HEADGATE_INTAKE_BINDING_H

#include "binding.h"
#include "core/intake.h"

/* An empty Batch of this Intake. */
PyObject *hg_batch_new(PyObject *intake);

/* Both are for objects of these types only (hg_expect), and what they give lives as long as the object. */
struct hg_intake *hg_intake_of(PyObject *object);
/* To release it or to give it back. NULL with an exception set: a thread is reading it. */
struct hg_batch *hg_batch_of(PyObject *object);

#endif
