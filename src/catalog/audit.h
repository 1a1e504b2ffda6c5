/* audit.h -- who changed which document, when, from what and to what.
 *
 * An event is written in the transaction of the change itself, so neither is there without the
 * other. The kinds that are recorded are those of audit.def. Events never change; those older than
 * the time of retention are removed as new ones come.
 */
#ifndef MU_CATALOG_AUDIT_H
#define MU_CATALOG_AUDIT_H

#include "catalog/documents.h"

typedef enum mu_audit_action { MU_AUDIT_CREATE, MU_AUDIT_UPDATE, MU_AUDIT_DELETE } mu_audit_action;

typedef struct mu_audit_event {
    uint64_t number; /* order of changes; never reused */
    int64_t at_ms;
    mu_str sandbox, kind, id; /* of the document */
    mu_audit_action action;
    mu_str user, request_id; /* empty: the server itself */
    mu_str before, after;    /* JSON; empty: there was, or is, none */
} mu_audit_event;

/* What audit.def calls a kind; empty for one that is not recorded. */
mu_str mu_audit_resource(mu_str kind);

/* Empty texts: any. */
typedef struct mu_audit_query {
    mu_str sandbox, shared_sandbox; /* events of either */
    mu_str kind, id, user, request_id;
    bool has_action;
    mu_audit_action action;
    int64_t from_ms, before_ms; /* 0, 0: any time */
    uint64_t number;            /* 0: any */
    uint64_t offset;
    uint32_t limit;
} mu_audit_query;

/* Events, the newest first, in `arena`; *n_all: how many there are to page through. */
MU_CHECKED mu_code mu_audit_list(mu_documents *documents, mu_arena *arena,
                                 const mu_audit_query *query, uint32_t *n,
                                 const mu_audit_event **out, uint64_t *n_all, mu_err *err);

/* Records a change of something that is no document, in a transaction of its own. */
MU_CHECKED mu_code mu_audit_add(mu_documents *documents, mu_str sandbox, int64_t now_ms,
                                const mu_document_edit *edit, mu_str before, mu_err *err);

/* How long events are kept; at first for ever. */
void mu_audit_keep(mu_documents *documents, int64_t keep_ms);

#endif
