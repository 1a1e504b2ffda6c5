/* audit_int.h -- the audit log as documents.c uses it, inside its transactions. */
#ifndef MU_CATALOG_AUDIT_INT_H
#define MU_CATALOG_AUDIT_INT_H

#include "catalog/audit.h"
#include "catalog/sql_int.h"

/* Makes the tables; needs a transaction. */
MU_CHECKED mu_code mu_audit_make_tables(mu_catalog *catalog, mu_err *err);

/* Records an edit, unless its kind is not recorded, and removes a few events older than keep_ms
 * (0: none). `before`: the document's text, empty when there was none. Needs a transaction. */
MU_CHECKED mu_code mu_audit_write(mu_catalog *catalog, mu_str sandbox, int64_t now_ms,
                                  int64_t keep_ms, const mu_document_edit *edit, mu_str before,
                                  mu_err *err);

MU_CHECKED mu_code mu_audit_read(mu_catalog *catalog, mu_arena *arena, const mu_audit_query *query,
                                 uint32_t *n, const mu_audit_event **out, uint64_t *n_all,
                                 mu_err *err);

/* Every checksum, and whether events are missing. */
MU_CHECKED mu_code mu_audit_check(mu_catalog *catalog, mu_arena *arena,
                                  void (*problem)(void *context, mu_str sentence), void *context,
                                  mu_err *err);

#endif
