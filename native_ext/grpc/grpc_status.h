/* How a gRPC call ends: problems of the wire interface as status codes, and the trailers that say so. Twin of
 * firmware_py/headgate/linux/grpc_status.py. */
#ifndef HEADGATE_GRPC_STATUS_H
#define HEADGATE_GRPC_STATUS_H

#include "core/output.h"

/* https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
enum hg_grpc_status {
    HG_GRPC_OK = 0,
    HG_GRPC_CANCELLED = 1,
    HG_GRPC_UNKNOWN = 2,
    HG_GRPC_INVALID_ARGUMENT = 3,
    HG_GRPC_DEADLINE_EXCEEDED = 4,
    HG_GRPC_NOT_FOUND = 5,
    HG_GRPC_ALREADY_EXISTS = 6,
    HG_GRPC_PERMISSION_DENIED = 7,
    HG_GRPC_RESOURCE_EXHAUSTED = 8,
    HG_GRPC_FAILED_PRECONDITION = 9,
    HG_GRPC_UNIMPLEMENTED = 12,
    HG_GRPC_INTERNAL = 13,
    HG_GRPC_UNAVAILABLE = 14,
    HG_GRPC_UNAUTHENTICATED = 16
};

/* What is wrong with one field of the request. */
struct hg_grpc_violation {
    struct hg_view field, description;
};

/* A call that did not succeed. Views may be empty. */
struct hg_grpc_failure {
    enum hg_grpc_status status;
    struct hg_view message;       /* UTF-8, for people */
    struct hg_view code;          /* a problem's: "rate_limited"; empty: the details do not have one */
    const struct hg_grpc_violation *violations;
    uint32_t violation_count;
    uint32_t retry_s;             /* 0: nothing is said about it */
};

/* Of a problem's HTTP status and its code. */
enum hg_grpc_status hg_grpc_status_of(uint16_t status, struct hg_view code);

/* The trailers as lines of fields ("grpc-status: 0" CR LF ...). Details that would make them longer than clients take are left out:
 * violations, the last first. `scratch` is for the details while they are made. */
void hg_grpc_trailers(const struct hg_grpc_failure *failure, struct hg_output *scratch, struct hg_output *lines);

#endif
