/* TLS 1.2 and newer as a client speaks it, for HTTP/2 (RFC 9113 section 9.2), on OpenSSL. */
#ifndef HEADGATE_LOAD_HTTP2_TLS_H
#define HEADGATE_LOAD_HTTP2_TLS_H

#include <openssl/ssl.h>
#include <sys/types.h>

#include "load/client.h"

/* NULL with the reason. */
SSL_CTX *hg_tls_context(const struct hg_client_tls *options, struct hg_refusal *refusal);
/* On a connected socket; NULL: no memory. `name`: a host's, or an address; the certificate has to be its own. */
SSL *hg_tls_new(SSL_CTX *context, int fd, const char *name);

enum hg_tls_handshake { HG_TLS_DONE, HG_TLS_READS, HG_TLS_WRITES, HG_TLS_FAILED };
/* Goes on with it; FAILED with the reason. DONE means that the server has chosen HTTP/2. */
enum hg_tls_handshake hg_tls_handshake(SSL *tls, struct hg_refusal *refusal);

/* As recv and send on a socket that does not block. */
ssize_t hg_tls_recv(SSL *tls, void *data, size_t length);
ssize_t hg_tls_send(SSL *tls, const void *data, size_t length);

#endif
