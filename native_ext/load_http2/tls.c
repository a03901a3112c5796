#include "load_http2/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

static const unsigned char ALPN[] = "\x02h2"; /* RFC 7301 section 3.1: length, name */
enum { ALPN_LENGTH = sizeof ALPN - 1 };

static void refuse(struct hg_refusal *refusal, const char *text) {
    *refusal = (struct hg_refusal){.error = EPROTO};
    (void)snprintf(refusal->text, sizeof refusal->text, "TLS: %s", text);
}

/* What OpenSSL noted last. */
static void refuse_by_library(struct hg_refusal *refusal) {
    const unsigned long error = ERR_get_error();
    const char *reason = ERR_reason_error_string(error);
    refuse(refusal, reason == NULL ? "the connection ended" : reason);
    ERR_clear_error();
}

SSL_CTX *hg_tls_context(const struct hg_client_tls *options, struct hg_refusal *refusal) {
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    const bool trusts_some = options->insecure || context == NULL ? true
                             : options->ca_file == NULL
                                 ? SSL_CTX_set_default_verify_paths(context) == 1
                                 : SSL_CTX_load_verify_locations(context, options->ca_file, NULL) == 1;
    if (context == NULL || !trusts_some || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_alpn_protos(context, ALPN, ALPN_LENGTH) != 0) {
        refuse_by_library(refusal);
        SSL_CTX_free(context);
        return NULL;
    }
    SSL_CTX_set_verify(context, options->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return context;
}

SSL *hg_tls_new(SSL_CTX *context, int fd, const char *name) {
    SSL *tls = SSL_new(context);
    unsigned char address[sizeof(struct in6_addr)];
    const bool is_address = inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
    bool fine = tls != NULL && SSL_set_fd(tls, fd) == 1;
    if (fine && is_address) {
        fine = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), name) == 1;
    } else if (fine) {
        fine = SSL_set1_host(tls, name) == 1 && SSL_set_tlsext_host_name(tls, name) == 1;
    }
    if (!fine) {
        SSL_free(tls);
        tls = NULL;
    }
    return tls;
}

enum hg_tls_handshake hg_tls_handshake(SSL *tls, struct hg_refusal *refusal) {
    int result, error;
    ERR_clear_error();
    result = SSL_connect(tls);
    error = SSL_get_error(tls, result);
    if (error == SSL_ERROR_WANT_READ) {
        return HG_TLS_READS;
    }
    if (error == SSL_ERROR_WANT_WRITE) {
        return HG_TLS_WRITES;
    }
    if (result == 1) {
        const unsigned char *chosen = NULL;
        unsigned length = 0;
        SSL_get0_alpn_selected(tls, &chosen, &length);
        if (length == ALPN[0] && memcmp(chosen, ALPN + 1, length) == 0) {
            return HG_TLS_DONE;
        }
        refuse(refusal, "the server does not choose HTTP/2 (ALPN)");
    } else if (SSL_get_verify_result(tls) != X509_V_OK) {
        char text[200];
        (void)snprintf(text, sizeof text, "%s (its certificate: see --ca-file)",
                       X509_verify_cert_error_string(SSL_get_verify_result(tls)));
        refuse(refusal, text);
    } else {
        refuse_by_library(refusal);
    }
    return HG_TLS_FAILED;
}

/* -> -1 with errno, 0 at the end */
static ssize_t failed(SSL *tls, int result) {
    switch (SSL_get_error(tls, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: errno = EAGAIN; return -1;
    case SSL_ERROR_ZERO_RETURN: return 0;
    default: errno = EPROTO; return -1;
    }
}

ssize_t hg_tls_recv(SSL *tls, void *data, size_t length) {
    int result;
    ERR_clear_error();
    result = SSL_read(tls, data, length > INT_MAX ? INT_MAX : (int)length);
    return result > 0 ? result : failed(tls, result);
}

ssize_t hg_tls_send(SSL *tls, const void *data, size_t length) {
    int result;
    ERR_clear_error();
    result = SSL_write(tls, data, length > INT_MAX ? INT_MAX : (int)length); /* Python has SIGPIPE ignored */
    return result > 0 ? result : failed(tls, result);
}
