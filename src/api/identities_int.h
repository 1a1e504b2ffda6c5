/* identities_int.h -- how the identity service's requests name identities (profile.md b.7): by XID,
 * by namespace number or by namespace code; answers name them in the same way. */
#ifndef MU_API_IDENTITIES_INT_H
#define MU_API_IDENTITIES_INT_H

#include "api/api_int.h"

#define MU_IDENTITIES_ASKED_MAX 1000u /* in one request */

typedef enum mu_addressing {
    MU_ADDRESSED_BY_XID,
    MU_ADDRESSED_BY_NUMBER,
    MU_ADDRESSED_BY_CODE
} mu_addressing;

/* One identity that is asked for. */
typedef struct mu_asked {
    mu_addressing addressing;
    mu_str xid;     /* BY_XID */
    int64_t number; /* BY_NUMBER: as given */
    mu_str code;    /* BY_CODE: as given */
    mu_str id;
    bool is_valid;        /* the namespace is registered, the value allowed; an XID is known */
    const char *problem;  /* why the value is not allowed; NULL: it is not that */
    mu_identity identity; /* when valid */
    uint32_t namespace_id;
} mu_asked;

/* What the handlers of one request share; in the request's arena. */
typedef struct mu_identity_ask {
    mu_api_call *call;
    mu_http_request *request;
    mu_http_response *response;
    mu_arena *arena;
    uint32_t n_namespaces;
    const mu_graph_namespace *namespaces;
} mu_identity_ask;

mu_identity_ask mu_identity_ask_new(mu_http_request *request, mu_http_response *response);

/* By code without regard to case, or by number as decimal text; NULL when nobody registered it. */
const mu_graph_namespace *mu_identity_ask_namespace(const mu_identity_ask *ask, mu_str code);

/* From the parameters xid, or id with nsid or namespace. False: refused. When `must_be_valid` an
 * identity that cannot be is refused too. */
MU_CHECKED bool mu_asked_from_query(const mu_identity_ask *ask, bool must_be_valid, mu_asked *out);

/* From one item of a body: {"xid"}, {"ns"|"namespace","id"}, {"nsid","id"}, or an XID as text. */
MU_CHECKED mu_code mu_asked_from_json(const mu_identity_ask *ask, const mu_json *json,
                                      mu_asked *out, mu_err *err);

/* The identity's cluster, itself alone when `is_alone`, in `arena`; false when nothing is known. */
bool mu_asked_cluster(const mu_identity_ask *ask, const mu_asked *asked, bool is_alone,
                      mu_arena *arena, mu_graph_cluster *out);

/* {"ns","id"}, {"nsid","id"} or {"xid"}; with the code where a namespace has no number. */
void mu_write_address(const mu_identity_ask *ask, mu_json_writer *writer, mu_addressing addressing,
                      mu_identity identity);
/* As a member: "xid":"..", or `name`:{..}. */
void mu_write_address_member(const mu_identity_ask *ask, mu_json_writer *writer,
                             mu_addressing addressing, mu_str name, mu_identity identity);
/* What was asked for as it was given, as an item. */
void mu_write_asked(mu_json_writer *writer, const mu_asked *asked);

#endif
