/* What the C library has and Python does not: heap and clock. The twin by ctypes is firmware_py/headgate/linux/libc.py, which
 * takes 0.4 MB of memory for it. */
#include "libc.h"

#include <sys/timex.h>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

/* Bytes from which on memory is no part of the heap and goes back to the system when it is freed. That is glibc's own default,
 * which it would raise with the first batch that is freed: then each batch's buffers leave holes in the heap. */
#define MAPPED (128 * 1024)

PyObject *hg_one_heap(PyObject *module, PyObject *unused) {
    (void)module;
    (void)unused;
#if defined(__GLIBC__)
    (void)mallopt(M_ARENA_MAX, 1);
    (void)mallopt(M_MMAP_THRESHOLD, MAPPED);
#endif
    return Py_NewRef(Py_None);
}

PyObject *hg_trim_heap(PyObject *module, PyObject *unused) {
    (void)module;
    (void)unused;
#if defined(__GLIBC__)
    (void)malloc_trim(0);
#endif
    return Py_NewRef(Py_None);
}

PyObject *hg_clock_synchronised(PyObject *module, PyObject *unused) {
    struct timex clock = {.modes = 0}; /* only read */
    (void)module;
    (void)unused;
    return PyBool_FromLong(adjtimex(&clock) >= 0 && (clock.status & STA_UNSYNC) == 0);
}
