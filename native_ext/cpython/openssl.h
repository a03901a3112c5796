/* OpenSSL as Python's ssl has loaded it: the functions that records pass through once a handshake is over. They are found by their
 * names, so that there is nothing to link or to ship; all of it is OpenSSL's public interface, 1.1.1 or later. */
#ifndef HEADGATE_OPENSSL_H
#define HEADGATE_OPENSSL_H

#include <stdbool.h>
#include <stddef.h>

enum { HG_SSL_ERROR_WANT_READ = 2, HG_SSL_ERROR_ZERO_RETURN = 6 }; /* SSL_get_error(3) */

typedef void (*hg_openssl_made)(void *parent, void *pointer, void *data, int index, long argl, void *argp);

/* type, name, parameters. SSL and BIO are void here. */
#define HG_OPENSSL_FUNCTIONS(F)                                                                           \
    F(int, CRYPTO_get_ex_new_index, (int kind, long, void *, hg_openssl_made, void *dup, void *free))     \
    F(void *, SSL_get_rbio, (const void *ssl))                                                            \
    F(void *, SSL_get_wbio, (const void *ssl))                                                            \
    F(int, SSL_read_ex, (void *ssl, void *data, size_t room, size_t *length))                             \
    F(int, SSL_write_ex, (void *ssl, const void *data, size_t length, size_t *written))                   \
    F(int, SSL_pending, (const void *ssl))                                                                \
    F(int, SSL_has_pending, (const void *ssl))                                                            \
    F(int, SSL_get_error, (const void *ssl, int result))                                                  \
    F(size_t, BIO_ctrl_pending, (void *bio))                                                              \
    F(int, BIO_read, (void *bio, void *data, int room))                                                   \
    F(int, BIO_write, (void *bio, const void *data, int length))                                          \
    F(unsigned long, ERR_peek_error, (void))                                                              \
    F(void, ERR_clear_error, (void))

#define HG_OPENSSL_MEMBER(type, name, parameters) type(*name) parameters;
struct hg_openssl {
    HG_OPENSSL_FUNCTIONS(HG_OPENSSL_MEMBER)
};

/* NULL: not to be had, since it is hidden inside of Python, or something else. To be called with the interpreter's lock. */
const struct hg_openssl *hg_openssl_find(void);

/* Between the two calls one thread lets others make SSLs. -> the only one that it has made; NULL: none, or several. */
void hg_openssl_watch(void);
void *hg_openssl_seen(void);

#endif
