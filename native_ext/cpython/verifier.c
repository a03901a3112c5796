/* The Python type over core/token.h. Issuer, Key, Claims and TokenError are those of headgate.core.jwt. */
#include "verifier.h"

#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "core/secret.h"
#include "core/sha256.h"

#define LIST_MOST 65535            /* issuers, keys of one issuer, revoked tokens of one */
#define TEXT_MOST 65535            /* bytes of one name, key or `jti` */
#define ED25519_KEY 32             /* bytes */
#define ED25519_SIGNATURE 64

enum field { SUB, ISS, SCOPES, EXP, RAW, FIELDS }; /* of Claims */
static const char *const field_texts[FIELDS] = {"sub", "iss", "scopes", "exp", "_raw"};

struct verifier_object {
    PyObject_HEAD
    struct hg_verifier *verifier;
    struct hg_tokens *tokens;
    PyObject *ed25519_verify;           /* callable, or None */
    PyObject *claims_type, *error_type; /* of headgate.core.jwt */
    PyObject *nothing;                  /* () */
    PyObject *issuer_names;             /* tuple of str */
    PyObject *fields[FIELDS];           /* names of attributes */
    uint32_t away; /* users of `tokens` whom verify must not disturb: the server for good, and calls of ed25519_verify */
};

/* --- issuers and keys as specs, over the memory of the objects they came from */

/* What the specs point into stays in `kept`, a list. Everything returned is borrowed. */
static PyObject *items_of(PyObject *object, const char *what, Py_ssize_t *count, PyObject *kept) {
    PyObject *tuple = object == NULL ? NULL : PySequence_Tuple(object);
    bool ok = tuple != NULL && PyList_Append(kept, tuple) == 0;
    *count = ok ? PyTuple_Size(tuple) : 0;
    if (*count > LIST_MOST) {
        PyErr_Format(PyExc_ValueError, "too many %s", what);
        ok = false;
    }
    Py_XDECREF(tuple);
    return ok ? tuple : NULL;
}

static bool view_of(const char *data, Py_ssize_t length, const char *what, struct hg_view *view) {
    if (data == NULL) {
        return false;
    }
    if (length > TEXT_MOST) {
        PyErr_Format(PyExc_ValueError, "%s is too long", what);
        return false;
    }
    *view = (struct hg_view){(const uint8_t *)data, (uint32_t)length};
    return true;
}

static bool text_of(PyObject *object, const char *what, struct hg_view *view) {
    const char *data;
    Py_ssize_t length = 0;
    if (object == NULL) {
        return false;
    }
    if (!PyUnicode_Check(object)) {
        PyErr_Format(PyExc_TypeError, "%s must be a str", what);
        return false;
    }
    data = PyUnicode_AsUTF8AndSize(object, &length);
    return view_of(data, length, what, view);
}

/* The index of the text among `choices`; -1: it is none of them. */
static int choice_of(PyObject *text, const char *const *choices, int count) {
    int i = PyUnicode_Check(text) ? 0 : count;
    while (i < count && PyUnicode_CompareWithASCIIString(text, choices[i]) != 0) {
        i++;
    }
    return i < count ? i : -1;
}

static bool seconds(PyObject *object, int64_t *value) {
    if (object == NULL || !hg_int(object, value)) {
        return false;
    }
    *value = *value > HG_CLOCK_MOST ? HG_CLOCK_MOST : *value < -HG_CLOCK_MOST ? -HG_CLOCK_MOST : *value;
    return true;
}

static bool key_spec(PyObject *key, struct hg_key_spec *spec, PyObject *kept) {
    static const char *const algs[] = {[HG_HS256] = "HS256", [HG_EDDSA] = "EdDSA"};
    PyObject *alg = hg_attribute(key, "alg", kept), *secret;
    const uint8_t *data;
    size_t length;
    int index;
    if (alg == NULL || !text_of(hg_attribute(key, "kid", kept), "kid", &spec->kid) ||
        (secret = hg_attribute(key, "secret", kept)) == NULL || !hg_bytes(secret, "secret", &data, &length) ||
        !view_of((const char *)data, (Py_ssize_t)length, "secret", &spec->secret)) {
        return false;
    }
    index = choice_of(alg, algs, 2);
    if (index < 0 || (index == HG_EDDSA && length != ED25519_KEY)) {
        PyErr_SetString(PyExc_ValueError, "not a key for HS256 or EdDSA");
        return false;
    }
    spec->alg = (enum hg_alg)index;
    return true;
}

/* Arrays that the caller frees even when this fails: spec->keys and spec->revoked. */
static bool issuer_spec(PyObject *issuer, struct hg_issuer_spec *spec, PyObject *kept, bool *eddsa) {
    static const char *const policies[] = {
        [HG_POLICY_ESTIMATE] = "estimate", [HG_POLICY_REFUSE] = "refuse", [HG_POLICY_ACCEPT] = "accept"};
    PyObject *policy, *key_tuple, *revoked_tuple;
    struct hg_key_spec *keys;
    struct hg_view *revoked;
    Py_ssize_t key_count, revoked_count;
    int index;
    if (!text_of(hg_attribute(issuer, "name", kept), "name", &spec->name) ||
        !text_of(hg_attribute(issuer, "audience", kept), "audience", &spec->audience) ||
        !seconds(hg_attribute(issuer, "leeway_s", kept), &spec->leeway_s) ||
        !seconds(hg_attribute(issuer, "max_ttl_s", kept), &spec->max_ttl_s) ||
        (policy = hg_attribute(issuer, "clock_policy", kept)) == NULL ||
        (key_tuple = items_of(hg_attribute(issuer, "keys", kept), "keys", &key_count, kept)) == NULL ||
        (revoked_tuple = items_of(hg_attribute(issuer, "revoked", kept), "revoked tokens", &revoked_count, kept)) ==
            NULL) {
        return false;
    }
    index = choice_of(policy, policies, 3);
    if (index < 0) {
        PyErr_SetString(PyExc_ValueError, "clock_policy must be one of estimate, refuse, accept");
        return false;
    }
    spec->policy = (enum hg_clock_policy)index;
    spec->keys = keys = calloc((size_t)key_count + 1, sizeof *keys);
    spec->revoked = revoked = calloc((size_t)revoked_count + 1, sizeof *revoked);
    if (keys == NULL || revoked == NULL) {
        PyErr_NoMemory();
        return false;
    }
    for (Py_ssize_t i = 0; i < key_count; i++, spec->key_count++) {
        if (!key_spec(PyTuple_GetItem(key_tuple, i), &keys[i], kept)) {
            return false;
        }
        *eddsa = *eddsa || keys[i].alg == HG_EDDSA;
    }
    for (Py_ssize_t i = 0; i < revoked_count; i++, spec->revoked_count++) {
        if (!text_of(PyTuple_GetItem(revoked_tuple, i), "jti", &revoked[i])) {
            return false;
        }
    }
    return true;
}

/* One more name; ValueError if it is there already. */
static bool add_name(PyObject *names, PyObject *name) {
    const int there = PySequence_Contains(names, name);
    if (there > 0) {
        PyErr_Format(PyExc_ValueError, "issuer given twice: %U", name);
    }
    return there == 0 && PyList_Append(names, name) == 0;
}

/* --- Ed25519 */

/* The server calls without the interpreter's lock; with it, taking it once more costs nothing. */
static bool call_ed25519(void *context, const uint8_t public_key[32], const uint8_t *message, uint32_t length,
                         const uint8_t signature[64]) {
    struct verifier_object *self = context;
    const PyGILState_STATE lock = PyGILState_Ensure();
    PyObject *verify = Py_XNewRef(self->ed25519_verify), *answer = NULL; /* NULL: the garbage collector was here */
    bool authentic = false;
    if (verify != NULL) {
        self->away += 1; /* it may call verify, or let another thread do so */
        answer = PyObject_CallFunction(verify, "y#y#y#", (const char *)public_key, (Py_ssize_t)ED25519_KEY,
                                       (const char *)message, (Py_ssize_t)length, (const char *)signature,
                                       (Py_ssize_t)ED25519_SIGNATURE);
        authentic = answer != NULL && PyObject_IsTrue(answer) == 1;
        if (PyErr_Occurred() != NULL) {
            PyErr_WriteUnraisable(verify); /* nobody is there to catch it, and nothing is proven */
        }
        Py_XDECREF(answer);
        Py_DECREF(verify);
        self->away -= 1;
    }
    PyGILState_Release(lock);
    return authentic;
}

/* --- the object */

static bool take_classes(struct verifier_object *self) {
    PyObject *module = PyImport_ImportModule("headgate.core.jwt");
    if (module != NULL && (self->claims_type = PyObject_GetAttrString(module, "Claims")) != NULL) {
        self->error_type = PyObject_GetAttrString(module, "TokenError");
    }
    Py_XDECREF(module);
    if (self->claims_type != NULL && !PyType_Check(self->claims_type)) {
        PyErr_SetString(PyExc_TypeError, "Claims must be a type");
        return false;
    }
    return self->error_type != NULL && (self->nothing = PyTuple_New(0)) != NULL;
}

static bool build(struct verifier_object *self, PyObject *issuers, const uint8_t seed[HG_SEED]) {
    PyObject *kept = PyList_New(0), *names = PyList_New(0), *tuple;
    struct hg_issuer_spec *specs = NULL;
    Py_ssize_t count = 0;
    bool ok = false;
    if (kept == NULL || names == NULL || (tuple = items_of(issuers, "issuers", &count, kept)) == NULL) {
        goto finally;
    }
    specs = calloc((size_t)count + 1, sizeof *specs);
    if (specs == NULL) {
        PyErr_NoMemory();
        goto finally;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *issuer = PyTuple_GetItem(tuple, i), *name = hg_attribute(issuer, "name", kept);
        bool eddsa = false;
        if (name == NULL || !add_name(names, name) || !issuer_spec(issuer, &specs[i], kept, &eddsa)) {
            goto finally;
        }
        if (eddsa && self->ed25519_verify == Py_None) {
            PyErr_Format(PyExc_ValueError, "EdDSA keys cannot be used here; issuer: %U", name);
            goto finally;
        }
    }
    self->issuer_names = PyList_AsTuple(names);
    self->verifier = hg_verifier_new(&hg_malloc, specs, (uint32_t)count, call_ed25519, self, seed);
    if (self->verifier != NULL) {
        self->tokens = hg_tokens_new(&hg_malloc, self->verifier, seed, HG_TOKENS, HG_TOKENS_BYTES);
    }
    ok = self->issuer_names != NULL && self->tokens != NULL;
    if (self->tokens == NULL) {
        PyErr_NoMemory();
    }
finally:
    for (Py_ssize_t i = 0; specs != NULL && i < count; i++) {
        free((void *)(uintptr_t)specs[i].keys);
        free((void *)(uintptr_t)specs[i].revoked);
    }
    free(specs);
    Py_XDECREF(names);
    Py_XDECREF(kept);
    return ok;
}

static PyObject *verifier_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    static char *names[] = {"issuers", "ed25519_verify", "seed", NULL};
    PyObject *issuers, *ed25519_verify = Py_None, *seed_object = NULL, *result = NULL;
    struct verifier_object *self = NULL;
    uint8_t seed[HG_SEED];
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|OO:Verifier", names, &issuers, &ed25519_verify,
                                     &seed_object)) {
        return NULL;
    }
    self = (struct verifier_object *)PyType_GenericAlloc(type, 0);
    if (self == NULL || !hg_seed(seed_object, seed) || !take_classes(self)) {
        goto finally;
    }
    self->ed25519_verify = Py_NewRef(ed25519_verify);
    for (int i = 0; i < FIELDS; i++) {
        self->fields[i] = PyUnicode_InternFromString(field_texts[i]);
        if (self->fields[i] == NULL) {
            goto finally;
        }
    }
    if (build(self, issuers, seed)) {
        result = Py_NewRef((PyObject *)self);
    }
finally:
    Py_XDECREF((PyObject *)self);
    return result;
}

static int verifier_traverse(PyObject *object, visitproc visit, void *arg) {
    const struct verifier_object *self = (const struct verifier_object *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->ed25519_verify);
    Py_VISIT(self->claims_type);
    Py_VISIT(self->error_type);
    return 0;
}

static int verifier_clear(PyObject *object) { /* a cycle is either broken here, or in the classes themselves */
    Py_CLEAR(((struct verifier_object *)object)->ed25519_verify);
    return 0;
}

static void verifier_dealloc(PyObject *object) {
    struct verifier_object *self = (struct verifier_object *)object;
    PyTypeObject *type = Py_TYPE(object);
    const freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    PyObject_GC_UnTrack(object);
    if (self->tokens != NULL) {
        hg_tokens_free(self->tokens);
    }
    if (self->verifier != NULL) {
        hg_verifier_free(self->verifier);
    }
    Py_XDECREF(self->ed25519_verify);
    Py_XDECREF(self->claims_type);
    Py_XDECREF(self->error_type);
    Py_XDECREF(self->nothing);
    Py_XDECREF(self->issuer_names);
    for (int i = 0; i < FIELDS; i++) {
        Py_XDECREF(self->fields[i]);
    }
    release(object);
    Py_DECREF((PyObject *)type);
}

/* No other type has this function: it needs no module's state, which no object of a stranger's type leads to. */
struct hg_tokens *hg_tokens_of(PyObject *object) {
    struct verifier_object *self = (struct verifier_object *)object;
    if (PyType_GetSlot(Py_TYPE(object), Py_tp_dealloc) != (void *)verifier_dealloc) {
        PyErr_SetString(PyExc_TypeError, "verifier must be the native Verifier");
        return NULL;
    }
    self->away += 1;
    return self->tokens;
}

/* --- verify */

static PyObject *scopes_tuple(struct hg_view scopes) {
    PyObject *items[HG_TOKEN_SCOPES];
    Py_ssize_t count = 0;
    for (uint32_t from = 0; from < scopes.length && count < HG_TOKEN_SCOPES; count++) {
        const uint8_t *space = memchr(scopes.at + from, ' ', scopes.length - from);
        const uint32_t to = space == NULL ? scopes.length : (uint32_t)(space - scopes.at);
        items[count] = PyUnicode_FromStringAndSize((const char *)scopes.at + from, (Py_ssize_t)(to - from));
        from = to + 1;
    }
    return hg_tuple(count, items);
}

/* Claims.__new__ and its attributes; __init__, in Python, would cost more than a hit in the table. */
static PyObject *claims_object(const struct verifier_object *self, const struct hg_claims *claims) {
    const newfunc create = (newfunc)PyType_GetSlot((PyTypeObject *)self->claims_type, Py_tp_new);
    PyObject *result = NULL;
    /* First all that reads *claims: making a tuple may collect garbage, and a finaliser may call verify. */
    PyObject *values[FIELDS] = {
        [SUB] = PyUnicode_FromStringAndSize((const char *)claims->sub.at, (Py_ssize_t)claims->sub.length),
        [ISS] = Py_XNewRef(PyTuple_GetItem(self->issuer_names, (Py_ssize_t)claims->issuer)),
        [EXP] = PyLong_FromLongLong(claims->exp),
        [RAW] = PyBytes_FromStringAndSize((const char *)claims->raw.at, (Py_ssize_t)claims->raw.length),
    };
    bool ok;
    values[SCOPES] = scopes_tuple(claims->scopes);
    ok = create != NULL && (result = create((PyTypeObject *)self->claims_type, self->nothing, NULL)) != NULL;
    for (int i = 0; i < FIELDS; i++) {
        ok = ok && values[i] != NULL && PyObject_SetAttr(result, self->fields[i], values[i]) == 0;
        Py_XDECREF(values[i]);
    }
    if (!ok) {
        Py_CLEAR(result);
    }
    return result;
}

static void raise_error(const struct verifier_object *self, const struct hg_token_error *error) {
    PyObject *exception =
        PyObject_CallFunction(self->error_type, "sss", error->code, error->claim, error->detail);
    if (exception != NULL) {
        PyErr_SetObject(self->error_type, exception);
        Py_DECREF(exception);
    }
}

static PyObject *verify(struct verifier_object *self, const uint8_t *token, size_t length,
                        const struct hg_clock *clock) {
    const uint32_t size = length > HG_TOKEN ? HG_TOKEN + 1 : (uint32_t)length; /* longer is refused unread */
    struct hg_token_error error;
    PyObject *result = NULL;
    if (self->away == 0) {
        const struct hg_claims *claims;
        if (hg_tokens_verify(self->tokens, token, size, clock, &claims, &error)) {
            return claims_object(self, claims);
        }
    } else {
        uint8_t scratch[HG_TOKEN_SCRATCH];
        struct hg_claims claims;
        const bool ok = hg_token_verify(self->verifier, token, size, clock, scratch, NULL, &claims, &error);
        if (ok) {
            result = claims_object(self, &claims);
        }
        hg_wipe(scratch, sizeof scratch);
        if (ok) {
            return result;
        }
    }
    raise_error(self, &error);
    return NULL;
}

static PyObject *verifier_verify(PyObject *object, PyObject *const *args, Py_ssize_t positional, PyObject *keywords) {
    static const char *const names[] = {"token", "now_s", "clock", "floor_s"};
    static const char *const states[] = {
        [HG_CLOCK_UNSET] = "unset", [HG_CLOCK_ESTIMATED] = "estimated", [HG_CLOCK_TRUSTED] = "trusted"};
    PyObject *values[4], *bytes = NULL, *result = NULL;
    const uint8_t *token;
    size_t length;
    struct hg_clock clock;
    int state;
    if (!hg_bind("verify", names, 4, 3, args, positional, keywords, values) || !seconds(values[1], &clock.now_s)) {
        return NULL;
    }
    clock.floor_s = clock.now_s;
    if (values[3] != NULL && values[3] != Py_None && !seconds(values[3], &clock.floor_s)) {
        return NULL;
    }
    state = choice_of(values[2], states, 3);
    clock.state = state < 0 ? HG_CLOCK_UNSET : (enum hg_clock_state)state;
    /* What is not bytes could change while ed25519_verify looks at it. */
    bytes = PyBytes_Check(values[0]) ? Py_NewRef(values[0]) : PyBytes_FromObject(values[0]);
    if (bytes != NULL && hg_bytes(bytes, "token", &token, &length)) {
        result = verify((struct verifier_object *)object, token, length, &clock);
    }
    Py_XDECREF(bytes);
    return result;
}

static PyObject *verifier_stats(PyObject *object, PyObject *unused) {
    struct hg_tokens_stats stats;
    (void)unused;
    hg_tokens_stats(((struct verifier_object *)object)->tokens, &stats);
    return Py_BuildValue("{sKsKsKsKsK}", "entries", (unsigned long long)stats.entries, "bytes",
                         (unsigned long long)stats.bytes, "hits", (unsigned long long)stats.hits, "misses",
                         (unsigned long long)stats.misses, "evictions", (unsigned long long)stats.evictions);
}

static PyMethodDef methods[] = {
    {"verify", (PyCFunction)(void (*)(void))verifier_verify, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("verify($self, /, token, now_s, clock, floor_s=None)\n--\n\n"
               "The claims of an authentic, current token for us; TokenError for every other.\n\n"
               "See headgate.core.jwt.Verifier.verify, whose answers these are.")},
    {"stats", verifier_stats, METH_NOARGS,
     PyDoc_STR("stats($self, /)\n--\n\nOf the table of verified tokens: entries bytes hits misses evictions.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR(
         "Verifier(issuers, ed25519_verify=None, seed=b'')\n--\n\n"
         "Verifies tokens, and remembers them; twin of headgate.core.jwt.Verifier.\n\n"
         "An exception of `ed25519_verify` is reported by sys.unraisablehook, and the token refused.\n"
         "`seed`: 16 bytes that key the hash table; empty: random ones.")},
    {Py_tp_new, (void *)verifier_new},
    {Py_tp_dealloc, (void *)verifier_dealloc},
    {Py_tp_traverse, (void *)verifier_traverse},
    {Py_tp_clear, (void *)verifier_clear},
    {Py_tp_methods, (void *)methods},
    {0, NULL},
};

PyType_Spec hg_verifier_spec = {
    .name = "headgate_native._native.Verifier",
    .basicsize = sizeof(struct verifier_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
