#include "plan.h"

#include <stdlib.h>

#include "schema.h"
#include "verifier.h"

struct plan_object {
    PyObject_HEAD
    struct hg_plan *plan;
    PyObject *kept; /* list: what the plan points into */
};

struct hg_plan *hg_plan_of(PyObject *object) { return ((struct plan_object *)object)->plan; }

static bool integer(PyObject *object, const char *name, int64_t low, int64_t high, PyObject *kept, int64_t *value) {
    PyObject *number = hg_attribute(object, name, kept);
    if (number == NULL || !hg_int(number, value)) {
        return false;
    }
    if (*value < low || *value > high) {
        PyErr_Format(PyExc_ValueError, "%s is out of range", name);
        return false;
    }
    return true;
}

static bool small(PyObject *object, const char *name, PyObject *kept, uint32_t *value) {
    int64_t number;
    if (!integer(object, name, 0, INT32_MAX, kept, &number)) {
        return false;
    }
    *value = (uint32_t)number;
    return true;
}

static bool text(PyObject *object, struct hg_view *view) {
    Py_ssize_t length;
    const char *data = object == NULL ? NULL : PyUnicode_AsUTF8AndSize(object, &length);
    if (data == NULL) {
        return false;
    }
    if (length > INT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "a text is too long");
        return false;
    }
    *view = (struct hg_view){(const uint8_t *)data, (uint32_t)length};
    return true;
}

/* The reference tokens of the last value's key. */
static bool pointer(PyObject *tokens, PyObject *kept, struct hg_stream *stream) {
    PyObject *memory;
    struct hg_view *views;
    const Py_ssize_t count = PyList_Size(tokens);
    if (count < 0 || count > INT16_MAX) {
        return false;
    }
    memory = PyBytes_FromStringAndSize(NULL, count * (Py_ssize_t)sizeof *views + 1);
    if (memory == NULL || PyList_Append(kept, memory) < 0) {
        Py_XDECREF(memory);
        return false;
    }
    Py_DECREF(memory);
    views = (struct hg_view *)(void *)PyBytes_AsString(memory); /* aligned as an object's data is */
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!text(PyList_GetItem(tokens, i), &views[i])) {
            return false;
        }
    }
    stream->tokens = views;
    stream->token_count = (uint32_t)count;
    return true;
}

static bool read_stream(PyObject *object, const struct hg_module *module, PyObject *kept, struct hg_stream *stream) {
    PyObject *schema = hg_attribute(object, "schema", kept), *durable = hg_attribute(object, "durable", kept);
    PyObject *key = hg_attribute(object, "cache_key", kept);
    *stream = (struct hg_stream){0};
    if (schema == NULL || durable == NULL || key == NULL || !hg_expect(schema, module->validator, "schema") ||
        !text(hg_attribute(object, "name", kept), &stream->name) ||
        !integer(object, "rate_milli", 1, INT64_MAX, kept, &stream->rate_milli) ||
        !integer(object, "burst", 1, INT64_MAX, kept, &stream->burst) ||
        !integer(object, "last_ttl_ms", 0, INT64_MAX, kept, &stream->last_ttl_ms) ||
        !small(object, "body_limit", kept, &stream->body_limit)) {
        return false;
    }
    stream->schema = ((struct hg_validator *)schema)->program;
    stream->durable = PyObject_IsTrue(durable) == 1;
    stream->by_client = key == Py_None;
    return stream->by_client || pointer(key, kept, stream);
}

static bool read_spec(PyObject *object, PyObject *kept, struct hg_plan_spec *spec) {
    PyObject *verifier = hg_attribute(object, "verifier", kept), *separator = PyUnicode_FromString(" ");
    PyObject *scopes = hg_attribute(object, "certificate_scopes", kept);
    PyObject *joined = separator == NULL || scopes == NULL ? NULL : PyUnicode_Join(separator, scopes);
    const bool ok = verifier != NULL && joined != NULL && PyList_Append(kept, joined) == 0 &&
                    (spec->tokens = hg_tokens_of(verifier)) != NULL && text(joined, &spec->certificate_scopes) &&
                    small(object, "cache_value", kept, &spec->cache_value) &&
                    integer(object, "cache_rate_milli", 1, INT64_MAX, kept, &spec->cache_rate_milli) &&
                    integer(object, "cache_burst", 1, INT64_MAX, kept, &spec->cache_burst) &&
                    small(object, "connections", kept, &spec->connections) &&
                    small(object, "idle_ms", kept, &spec->idle_ms) && small(object, "head_ms", kept, &spec->head_ms) &&
                    small(object, "body_ms", kept, &spec->body_ms);
    Py_XDECREF(separator);
    Py_XDECREF(joined);
    return ok;
}

static PyObject *plan_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    static char *names[] = {(char *)"plan", NULL};
    const struct hg_module *module = PyType_GetModuleState(type);
    PyObject *object, *streams, *values = NULL, *result = NULL;
    struct plan_object *self = NULL;
    struct hg_stream *specs = NULL;
    struct hg_plan_spec spec = {0};
    Py_ssize_t count;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O:Plan", names, &object)) {
        return NULL;
    }
    self = (struct plan_object *)PyType_GenericAlloc(type, 0);
    if (self == NULL || (self->kept = PyList_New(0)) == NULL || !read_spec(object, self->kept, &spec) ||
        (streams = hg_attribute(object, "streams", self->kept)) == NULL || (values = PyMapping_Values(streams)) == NULL ||
        PyList_Append(self->kept, values) < 0) {
        goto finally;
    }
    count = PyList_Size(values);
    specs = calloc((size_t)count + 1, sizeof *specs);
    if (specs == NULL || count > INT32_MAX) {
        PyErr_NoMemory();
        goto finally;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!read_stream(PyList_GetItem(values, i), module, self->kept, &specs[i])) {
            goto finally;
        }
    }
    spec.streams = specs;
    spec.stream_count = (uint32_t)count;
    self->plan = hg_plan_new(&hg_malloc, &spec);
    if (self->plan == NULL) {
        PyErr_NoMemory();
        goto finally;
    }
    result = Py_NewRef((PyObject *)self);
finally:
    free(specs);
    Py_XDECREF(values);
    Py_XDECREF((PyObject *)self);
    return result;
}

static int plan_traverse(PyObject *object, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((struct plan_object *)object)->kept);
    return 0;
}

/* No tp_clear: what a plan points into must live as long as the plan. */
static void plan_dealloc(PyObject *object) {
    struct plan_object *self = (struct plan_object *)object;
    PyTypeObject *type = Py_TYPE(object);
    const freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    PyObject_GC_UnTrack(object);
    if (self->plan != NULL) {
        hg_plan_free(self->plan);
    }
    Py_XDECREF(self->kept);
    release(object);
    Py_DECREF((PyObject *)type);
}

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Plan(plan)\n--\n\n"
                                  "What a Server executes: a headgate.tasks.plan.Plan of native parts, compiled. It does not\n"
                                  "change, and keeps alive what it refers to.")},
    {Py_tp_new, (void *)plan_new},
    {Py_tp_dealloc, (void *)plan_dealloc},
    {Py_tp_traverse, (void *)plan_traverse},
    {0, NULL},
};

PyType_Spec hg_plan_type_spec = {
    .name = "headgate_native._native.Plan",
    .basicsize = sizeof(struct plan_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
