#include "openssl.h"

#include <dlfcn.h>
#include <string.h>

#include "binding.h"

enum { EX_INDEX_SSL = 0 }; /* CRYPTO_EX_INDEX_SSL: application data of SSLs, CRYPTO_get_ex_new_index(3) */

static _Thread_local struct {
    void *ssl;
    unsigned count;
} made;

/* OpenSSL calls it for each new SSL, since data of ours could have to be made with it. */
static void note_made(void *parent, void *pointer, void *data, int index, long argl, void *argp) {
    (void)pointer, (void)data, (void)index, (void)argl, (void)argp;
    made.ssl = parent;
    made.count += 1;
}

void hg_openssl_watch(void) { made.count = 0; }

void *hg_openssl_seen(void) { return made.count == 1 ? made.ssl : NULL; }

/* What is linked to the module `_ssl`; of one that is built into Python, what Python itself shows. NULL: it cannot be asked. */
static void *open_library(void) {
    PyObject *module = PyImport_ImportModule("_ssl");
    PyObject *version = module == NULL ? NULL : PyObject_GetAttrString(module, "OPENSSL_VERSION");
    const char *name = version == NULL ? NULL : PyUnicode_AsUTF8AndSize(version, NULL);
    const bool is_openssl = name != NULL && strncmp(name, "OpenSSL ", 8) == 0; /* others have functions of the same names */
    PyObject *file = module == NULL ? NULL : PyObject_GetAttrString(module, "__file__");
    PyObject *path = file == NULL ? NULL : PyUnicode_EncodeFSDefault(file);
    void *library = NULL;
    if (!is_openssl) {
        library = NULL;
    } else if (path != NULL) {
        library = dlopen(PyBytes_AsString(path), RTLD_LAZY | RTLD_LOCAL); /* it is loaded already */
    } else if (module != NULL) {
        library = dlopen(NULL, RTLD_LAZY);
    }
    PyErr_Clear();
    Py_XDECREF(path);
    Py_XDECREF(file);
    Py_XDECREF(version);
    Py_XDECREF(module);
    return library;
}

static bool find_all(struct hg_openssl *openssl) {
#define NAMED(type, name, parameters) {#name, offsetof(struct hg_openssl, name)},
    static const struct {
        const char *name;
        size_t at;
    } names[] = {HG_OPENSSL_FUNCTIONS(NAMED)};
    void *library = open_library();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        void *symbol = library == NULL ? NULL : dlsym(library, names[i].name);
        if (symbol == NULL) {
            return false;
        }
        memcpy((char *)openssl + names[i].at, &symbol, sizeof symbol);
    }
    return true;
}

const struct hg_openssl *hg_openssl_find(void) {
    static struct hg_openssl openssl;
    static enum { NOT_YET, FOUND, MISSING } state = NOT_YET;
    if (state == NOT_YET) {
        state = find_all(&openssl) && openssl.CRYPTO_get_ex_new_index(EX_INDEX_SSL, 0, NULL, note_made, NULL, NULL) >= 0
                    ? FOUND
                    : MISSING;
    }
    return state == FOUND ? &openssl : NULL;
}
