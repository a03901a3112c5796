/* headgate_native._load: load over HTTP/1.1, which is not for devices; a module of its own, so that they do not load it. */
#include "load/binding.h"
#include "load_http1/reply.h"

/* For the tests that it has in common with its twin: the client itself reads from sockets. */
static PyObject *read_reply(PyObject *module, PyObject *args) {
    struct hg_reply reply = {0};
    struct hg_shot *shot = hg_shot_new("", 0);
    PyObject *pieces, *result = NULL;
    int to_head, ended;
    enum hg_reply_result found = HG_REPLY_MORE;
    (void)module;
    if (shot == NULL) {
        return PyErr_NoMemory();
    }
    if (!PyArg_ParseTuple(args, "O!pp:read_reply", &PyList_Type, &pieces, &to_head, &ended)) {
        goto finally;
    }
    hg_reply_begin(&reply, to_head != 0, shot);
    for (Py_ssize_t i = 0; i < PyList_Size(pieces) && found != HG_REPLY_WRONG; i++) {
        char *data;
        Py_ssize_t length;
        if (PyBytes_AsStringAndSize(PyList_GetItem(pieces, i), &data, &length) != 0) {
            goto finally;
        }
        found = found == HG_REPLY_DONE ? HG_REPLY_WRONG : hg_reply_feed(&reply, data, (size_t)length);
    }
    if (found == HG_REPLY_MORE && ended) {
        found = hg_reply_eof(&reply);
    }
    result = Py_BuildValue("siNy#", found == HG_REPLY_MORE ? "more" : found == HG_REPLY_DONE ? "done" : "wrong",
                           (int)reply.status, PyBool_FromLong(reply.keep_alive),
                           shot->body == NULL ? "" : shot->body, (Py_ssize_t)shot->body_length);
finally:
    hg_reply_clear(&reply);
    hg_shot_free(shot);
    return result;
}

static PyMethodDef functions[] = {
    {"read_reply", read_reply, METH_VARARGS,
     PyDoc_STR("read_reply(pieces, to_head, ended, /)\n--\n\n('more', 'done' or 'wrong', status, keep-alive, body)")},
    {NULL, NULL, 0, NULL},
};

static int execute(PyObject *module) { return hg_binding_add_client(module, "headgate_native._load.Client"); }

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void *)execute},
    {0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "headgate_native._load",
    .m_doc = "Load over HTTP/1.1.",
    .m_size = 0,
    .m_slots = slots,
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit__load(void) { return PyModuleDef_Init(&definition); }
