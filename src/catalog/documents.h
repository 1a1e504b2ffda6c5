/* documents.h -- what people edit, as JSON documents in the catalog: schemas, field groups,
 * descriptors, datasets, batches, merge policies, namespaces, inlets, jobs.
 *
 * A document has a sandbox, a kind ("dataset", "mergePolicy", ...) and an id, unique among its kind
 * in its sandbox. Every row carries a checksum. They have a database of their own, documents.db
 * with a write-ahead log: a commit is one sync (docs/decisions/0250). Each call is one transaction,
 * durable when it returns. Any number of threads; calls take turns.
 */
#ifndef MU_CATALOG_DOCUMENTS_H
#define MU_CATALOG_DOCUMENTS_H

#include "base/arena.h"

typedef struct mu_documents mu_documents;

/* `folder`: the data folder; documents.db is made when it is missing, with the documents of an
 * older folder's catalog.db. One process at a time: whoever holds the folder's lock. */
MU_CHECKED mu_code mu_documents_open(const char *folder, mu_documents **out, mu_err *err);
void mu_documents_close(mu_documents *documents);

typedef struct mu_document {
    mu_str id;
    mu_str json;
    uint64_t number; /* order of creation in the catalog; never reused */
    int64_t created_ms, updated_ms;
    uint64_t version; /* 1, then one more with each change */
} mu_document;

/* MU_E_NOT_FOUND. Texts in `arena`, as everywhere here. */
MU_CHECKED mu_code mu_document_get(mu_documents *documents, mu_arena *arena, mu_str sandbox,
                                   mu_str kind, mu_str id, mu_document *out, mu_err *err);

/* All of a kind in the order of creation. */
MU_CHECKED mu_code mu_document_list(mu_documents *documents, mu_arena *arena, mu_str sandbox,
                                    mu_str kind, uint32_t *n, const mu_document **out, mu_err *err);

/* One edit of a transaction. */
typedef enum mu_document_action {
    MU_DOCUMENT_ADD,     /* MU_E_CONFLICT when it is there already */
    MU_DOCUMENT_REPLACE, /* MU_E_NOT_FOUND when it is not; version_before 0: whatever it is, else
                            MU_E_CONFLICT when it is another */
    MU_DOCUMENT_PUT,     /* either */
    MU_DOCUMENT_REMOVE   /* MU_E_NOT_FOUND */
} mu_document_action;

/* Who asked for a change, as the audit log has it (audit.h). Texts are borrowed. */
typedef struct mu_author {
    mu_str user; /* the token's subject, or the client's id */
    mu_str request_id;
} mu_author;

typedef struct mu_document_edit {
    mu_document_action action;
    mu_str kind, id, json;
    uint64_t version_before;
    const mu_author *author; /* NULL: the server itself */
} mu_document_edit;

/* All edits in one transaction, or none. */
MU_CHECKED mu_code mu_document_edit_all(mu_documents *documents, mu_str sandbox, int64_t now_ms,
                                        uint32_t n, const mu_document_edit *edits, mu_err *err);

/* A number that differs after any document of the sandbox changed: for caches. */
uint64_t mu_documents_generation(mu_documents *documents);

/* The same for one kind, in any sandbox. Read it before the documents that are to be cached. */
uint64_t mu_documents_kind_generation(mu_documents *documents, mu_str kind);

/* All documents of a kind in a folder that nobody needs to have opened, also beside a server;
 * nothing is written. None when there is no catalog. */
typedef struct mu_placed_document {
    mu_str sandbox;
    mu_document document;
} mu_placed_document;
MU_CHECKED mu_code mu_documents_read_kind(const char *folder, mu_arena *arena, mu_str kind,
                                          uint32_t *n, const mu_placed_document **out, mu_err *err);

/* Every checksum; each problem is given to `problem` as one sentence. */
MU_CHECKED mu_code mu_documents_verify(const char *folder,
                                       void (*problem)(void *context, mu_str sentence),
                                       void *context, mu_err *err);

/* Copies one committed state to a new file, replacing one of that name; nothing when there are no
 * documents. Beside a running server or without one; synced by the caller. */
MU_CHECKED mu_code mu_documents_copy(const char *folder, const char *path, mu_err *err);

#endif
