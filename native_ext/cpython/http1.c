/* The Python types over core/http1.h: RequestParser and the Request it gives. */
#include "core/http1.h"

#include "binding.h"
#include "core/http1_head.h"
#include "core/limits.h"

/* Immutable: a copy of the head and where its parts are; what is asked for is made then. */
struct request_object {
    PyObject_HEAD
    struct hg_request request;
    PyObject *head; /* bytes */
};

struct parser_object {
    PyObject_HEAD
    struct hg_http1_limits limits;
    struct hg_http1 parser;
    PyObject *input; /* bytes, of which [at, length) are not consumed; NULL: all are */
    uint32_t at, length;
    bool ended;
};

PyObject *hg_set_http1(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    struct hg_module *state = PyModule_GetState(module);
    PyObject **const places[3] = {&state->need_data, &state->end, &state->problem};
    if (count != 3) {
        PyErr_Format(PyExc_TypeError, "set_http1() takes 3 arguments (%zd given)", count);
        return NULL;
    }
    for (int i = 0; i < 3; i++) {
        PyObject *const old = *places[i];
        *places[i] = Py_NewRef(args[i]);
        Py_XDECREF(old);
    }
    return Py_NewRef(Py_None);
}

static int visit_type(PyObject *object, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(object)); /* an instance of a heap type owns a reference to it; bytes refer to nothing */
    return 0;
}

static void release_object(PyObject *object, PyObject *bytes) {
    PyTypeObject *type = Py_TYPE(object);
    const freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    PyObject_GC_UnTrack(object);
    Py_XDECREF(bytes);
    release(object);
    Py_DECREF((PyObject *)type);
}

static PyObject *bytes_of(struct hg_view view) {
    return PyBytes_FromStringAndSize((const char *)view.at, (Py_ssize_t)view.length);
}

/* ---- Request ---- */

static void request_dealloc(PyObject *object) { release_object(object, ((struct request_object *)object)->head); }

static const uint8_t *head_of(const struct request_object *self) {
    return (const uint8_t *)PyBytes_AsString(self->head);
}

static struct hg_view view_of(const struct request_object *self, struct hg_span span) {
    return (struct hg_view){head_of(self) + span.at, span.length};
}

static PyObject *request_method(PyObject *object, void *closure) {
    const struct request_object *self = (struct request_object *)object;
    (void)closure;
    return bytes_of(view_of(self, self->request.method));
}

static PyObject *request_target(PyObject *object, void *closure) {
    const struct request_object *self = (struct request_object *)object;
    (void)closure;
    return bytes_of(view_of(self, self->request.target));
}

static PyObject *request_query(PyObject *object, void *closure) {
    const struct request_object *self = (struct request_object *)object;
    const struct hg_view query = view_of(self, self->request.query);
    (void)closure;
    return PyUnicode_FromStringAndSize((const char *)query.at, (Py_ssize_t)query.length);
}

static PyObject *request_path(PyObject *object, void *closure) {
    const struct request_object *self = (struct request_object *)object;
    const struct hg_view path = view_of(self, self->request.path);
    uint8_t *decoded;
    PyObject *result;
    (void)closure;
    if (self->request.path_empty) {
        return PyUnicode_FromString("/");
    }
    if (self->request.path_plain) {
        return PyUnicode_FromStringAndSize((const char *)path.at, (Py_ssize_t)path.length);
    }
    decoded = hg_malloc.alloc(hg_malloc.context, path.length);
    if (decoded == NULL) {
        return PyErr_NoMemory();
    }
    result = PyUnicode_FromStringAndSize((const char *)decoded, (Py_ssize_t)hg_percent_decode(path, decoded));
    hg_malloc.release(hg_malloc.context, decoded);
    return result;
}

/* A field's name in lower case. (Filled in afterwards: with its bytes given, CPython answers with its own shared object
 * for a single character, which is not ours to write to.) */
static PyObject *lower_case(struct hg_view name) {
    PyObject *lower = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)name.length);
    if (lower != NULL) {
        char *text = PyBytes_AsString(lower);
        for (uint32_t i = 0; i < name.length; i++) {
            const uint8_t c = name.at[i];
            text[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
        }
    }
    return lower;
}

static PyObject *request_headers(PyObject *object, void *closure) {
    const struct request_object *self = (struct request_object *)object;
    PyObject *list = PyList_New(0);
    struct hg_view name, value;
    uint32_t at = 0;
    (void)closure;
    while (list != NULL && hg_http1_each_field(&self->request, head_of(self), &at, &name, &value)) {
        PyObject *items[2] = {lower_case(name), bytes_of(value)}, *field = hg_tuple(2, items);
        if (field == NULL || PyList_Append(list, field) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(field);
    }
    return list;
}

/* The field's value; several lines are joined by ", " (RFC 9110 section 5.3). */
static PyObject *request_header(PyObject *object, PyObject *wanted) {
    const struct request_object *self = (struct request_object *)object;
    const uint8_t *const head = head_of(self), *text;
    size_t length;
    struct hg_view name, value, first = {NULL, 0};
    uint32_t at = 0, total = 0, count = 0;
    PyObject *joined;
    char *out;
    if (!hg_bytes(wanted, "name", &text, &length)) {
        return NULL;
    }
    while (hg_http1_each_field(&self->request, head, &at, &name, &value)) {
        if (name.length == length && hg_same_any_case(name, (const char *)text, name.length)) {
            first = count == 0 ? value : first;
            total += value.length;
            count += 1;
        }
    }
    if (count < 2) {
        return count == 0 ? Py_NewRef(Py_None) : bytes_of(first);
    }
    joined = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)total + 2 * ((Py_ssize_t)count - 1));
    if (joined == NULL) {
        return NULL;
    }
    out = PyBytes_AsString(joined);
    for (at = 0; hg_http1_each_field(&self->request, head, &at, &name, &value);) {
        if (name.length == length && hg_same_any_case(name, (const char *)text, name.length)) {
            memcpy(out, value.at, value.length);
            out += value.length;
            if (--count != 0) {
                memcpy(out, ", ", 2);
                out += 2;
            }
        }
    }
    return joined;
}

static PyObject *request_http10(PyObject *object, void *closure) {
    (void)closure;
    return PyBool_FromLong(((struct request_object *)object)->request.http10);
}

static PyObject *request_keep_alive(PyObject *object, void *closure) {
    (void)closure;
    return PyBool_FromLong(((struct request_object *)object)->request.keep_alive);
}

static PyObject *request_length(PyObject *object, void *closure) {
    (void)closure;
    return PyLong_FromLongLong(((struct request_object *)object)->request.length);
}

static PyObject *request_expect(PyObject *object, void *closure) {
    (void)closure;
    return PyBool_FromLong(((struct request_object *)object)->request.expect_continue);
}

static PyGetSetDef request_attributes[] = {
    {"method", request_method, NULL, PyDoc_STR("Bytes as received."), NULL},
    {"target", request_target, NULL, PyDoc_STR("Bytes as received."), NULL},
    {"path", request_path, NULL, PyDoc_STR("Decoded."), NULL},
    {"query", request_query, NULL, PyDoc_STR("As received, without the \"?\"."), NULL},
    {"headers", request_headers, NULL, PyDoc_STR("[(lower-case name, value), ...] in order."), NULL},
    {"http10", request_http10, NULL, PyDoc_STR("No chunked answer for this one."), NULL},
    {"keep_alive", request_keep_alive, NULL, PyDoc_STR("The client lets the connection persist."), NULL},
    {"length", request_length, NULL, PyDoc_STR("Bytes of body, -1 chunked, 0 none."), NULL},
    {"expect_continue", request_expect, NULL, PyDoc_STR("It waits for 100 before it sends the body."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef request_methods[] = {
    {"header", request_header, METH_O,
     PyDoc_STR("header($self, name, /)\n--\n\n"
               "The field's value or None; several lines are joined by \", \". `name` is lower-case.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot request_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("A request's head; twin of headgate.core.http1.Request, and immutable.")},
    {Py_tp_dealloc, (void *)request_dealloc},
    {Py_tp_traverse, (void *)visit_type},
    {Py_tp_methods, (void *)request_methods},
    {Py_tp_getset, (void *)request_attributes},
    {0, NULL},
};

PyType_Spec hg_request_spec = {
    .name = "headgate_native._native.Request",
    .basicsize = sizeof(struct request_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = request_slots,
};

/* ---- RequestParser ---- */

static bool limit_of(PyObject *object, const char *name, uint32_t *limit) {
    int64_t value = *limit;
    if (object != NULL && !hg_int(object, &value)) {
        return false;
    }
    if (value < 0 || value > HG_HTTP1_MOST) {
        PyErr_Format(PyExc_ValueError, "%s must be between 0 and %d", name, HG_HTTP1_MOST);
        return false;
    }
    *limit = (uint32_t)value;
    return true;
}

static PyObject *parser_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    static char *names[] = {"max_head", "max_line", "max_headers", NULL};
    struct hg_http1_limits limits = {HG_HTTP_HEAD, HG_HTTP_LINE, HG_HTTP_HEADERS};
    PyObject *head = NULL, *line = NULL, *fields = NULL;
    struct parser_object *self;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|OOO:RequestParser", names, &head, &line, &fields) ||
        !limit_of(head, names[0], &limits.head) || !limit_of(line, names[1], &limits.line) ||
        !limit_of(fields, names[2], &limits.fields)) {
        return NULL;
    }
    self = (struct parser_object *)PyType_GenericAlloc(type, 0);
    if (self != NULL) {
        self->limits = limits;
        hg_http1_init(&self->parser, &self->limits);
    }
    return (PyObject *)self;
}

static void parser_dealloc(PyObject *object) { release_object(object, ((struct parser_object *)object)->input); }

/* Nothing of the input is needed any more. */
static void drop_input(struct parser_object *self) {
    self->at = 0;
    self->length = 0;
    Py_CLEAR(self->input);
}

static PyObject *parser_feed(PyObject *object, PyObject *data) {
    struct parser_object *self = (struct parser_object *)object;
    const uint32_t left = self->length - self->at;
    const uint8_t *more;
    size_t length;
    PyObject *input;
    if (!hg_bytes(data, "data", &more, &length)) {
        return NULL;
    }
    if (hg_http1_closed(&self->parser) || self->parser.state == HG_HTTP1_REFUSED) {
        return Py_NewRef(Py_None);
    }
    if (length > UINT32_MAX - left) {
        PyErr_SetString(PyExc_OverflowError, "4 GiB of input at once");
        return NULL;
    }
    if (left == 0) {
        input = Py_NewRef(data);
    } else {
        input = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)left + (Py_ssize_t)length);
        if (input == NULL) {
            return NULL;
        }
        memcpy(PyBytes_AsString(input), PyBytes_AsString(self->input) + self->at, left);
        memcpy(PyBytes_AsString(input) + left, more, length);
    }
    drop_input(self);
    self->input = input;
    self->length = left + (uint32_t)length;
    return Py_NewRef(Py_None);
}

static PyObject *parser_eof(PyObject *object, PyObject *unused) {
    (void)unused;
    ((struct parser_object *)object)->ended = true;
    return Py_NewRef(Py_None);
}

static PyObject *parser_rest(PyObject *object, PyObject *unused) {
    struct parser_object *self = (struct parser_object *)object;
    const bool some = self->input != NULL && hg_http1_idle(&self->parser); /* inside a head the parser counts on it */
    const char *const input = some ? PyBytes_AsString(self->input) + self->at : NULL;
    PyObject *const rest = PyBytes_FromStringAndSize(input, some ? (Py_ssize_t)(self->length - self->at) : 0);
    (void)unused;
    if (rest != NULL && some) {
        drop_input(self);
    }
    return rest;
}

static PyObject *parser_idle(PyObject *object, void *closure) {
    const struct parser_object *self = (struct parser_object *)object;
    (void)closure;
    return PyBool_FromLong(hg_http1_idle(&self->parser) && self->at == self->length);
}

static PyObject *raise_problem(struct parser_object *self) {
    const struct hg_problem *problem = &self->parser.problem;
    PyObject *const type = HG_MODULE((PyObject *)self)->problem;
    const char *const slug = hg_code_slug((enum hg_code)problem->code);
    PyObject *args = Py_BuildValue("(iss)", (int)problem->status, slug, problem->detail);
    PyObject *keywords = Py_BuildValue("{sO}", "close", problem->close ? Py_True : Py_False);
    PyObject *raised = NULL;
    drop_input(self);
    if (args != NULL && keywords != NULL) {
        raised = PyObject_Call(type, args, keywords);
    }
    if (raised != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(raised), raised);
    }
    Py_XDECREF(raised);
    Py_XDECREF(keywords);
    Py_XDECREF(args);
    return NULL;
}

/* `head`: new reference to the head's bytes. It comes before the object, for making that may collect garbage, and a
 * finaliser may use this very parser. */
static PyObject *new_request(PyTypeObject *type, struct hg_request request, PyObject *head) {
    struct request_object *made = head == NULL ? NULL : (struct request_object *)PyType_GenericAlloc(type, 0);
    if (made == NULL) {
        Py_XDECREF(head);
        return NULL;
    }
    made->request = request;
    made->head = head;
    return (PyObject *)made;
}

static PyObject *parser_next(PyObject *object, PyObject *unused) {
    static const uint8_t nothing[1] = {0};
    struct parser_object *self = (struct parser_object *)object;
    const struct hg_module *const state = HG_MODULE(object);
    const uint8_t *const input = self->input == NULL ? nothing : (const uint8_t *)PyBytes_AsString(self->input);
    const uint8_t *const data = input + self->at;
    const uint32_t length = self->length - self->at;
    struct hg_view part;
    uint32_t consumed;
    PyObject *result = NULL;
    (void)unused;
    if (state->need_data == NULL || state->end == NULL || state->problem == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "set_http1() comes before RequestParser.next()");
        return NULL;
    }
    const enum hg_http1_event event = hg_http1_next(&self->parser, data, length, &consumed, &part);
    switch (event) {
    case HG_HTTP_MORE:
        if (self->ended && !hg_http1_ended(&self->parser, length - consumed)) {
            return raise_problem(self);
        }
        result = Py_NewRef(state->need_data);
        break;
    case HG_HTTP_REQUEST: {
        const struct hg_request request = self->parser.request;
        PyObject *head = bytes_of((struct hg_view){data + consumed - request.head, request.head});
        self->at += consumed;
        consumed = 0;
        result = new_request(state->request, request, head);
        break;
    }
    case HG_HTTP_PART:
        result = part.length == self->length ? Py_NewRef(self->input) : bytes_of(part); /* all of it: without a copy */
        break;
    case HG_HTTP_END: result = Py_NewRef(state->end); break;
    case HG_HTTP_REFUSED: return raise_problem(self);
    }
    self->at += consumed;
    if (self->at == self->length) { /* an idle connection holds no input */
        drop_input(self);
    }
    return result;
}

static PyMethodDef parser_methods[] = {
    {"feed", parser_feed, METH_O, PyDoc_STR("feed($self, data, /)\n--\n\nMore input.")},
    {"eof", parser_eof, METH_NOARGS,
     PyDoc_STR("eof($self, /)\n--\n\nNo more input: an unfinished message becomes a Problem.")},
    {"rest", parser_rest, METH_NOARGS,
     PyDoc_STR("rest($self, /)\n--\n\nWhat came after END, taken out; nothing while a message is read.")},
    {"next", parser_next, METH_NOARGS,
     PyDoc_STR("next($self, /)\n--\n\n"
               "NEED_DATA, a Request, a body part (bytes, not empty) or END. Raises Problem, again and again.")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef parser_attributes[] = {
    {"idle", parser_idle, NULL, PyDoc_STR("Between messages, with no byte of the next one."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot parser_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("RequestParser(max_head=8192, max_line=4096, max_headers=64)\n--\n\n"
                                  "One connection's input; twin of headgate.core.http1.RequestParser.\n\n"
                                  "Limits in bytes and fields, at most 65535 each. set_http1() comes before it.")},
    {Py_tp_new, (void *)parser_new},
    {Py_tp_dealloc, (void *)parser_dealloc},
    {Py_tp_traverse, (void *)visit_type},
    {Py_tp_methods, (void *)parser_methods},
    {Py_tp_getset, (void *)parser_attributes},
    {0, NULL},
};

PyType_Spec hg_parser_spec = {
    .name = "headgate_native._native.RequestParser",
    .basicsize = sizeof(struct parser_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = parser_slots,
};
