/* The type Plan: core/plan.h from the object of headgate.tasks.plan. */
#ifndef HEADGATE_PLAN_BINDING_H
#define HEADGATE_PLAN_BINDING_H

#include "binding.h"
#include "core/plan.h"

/* For objects of this type only (hg_expect); lives as long as the object. */
struct hg_plan *hg_plan_of(PyObject *object);

#endif
