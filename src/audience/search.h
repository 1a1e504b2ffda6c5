/* search.h -- audiences found by words (api.md 17): an index in memory over one book, SQLite's
 * FTS5, and the subset of Lucene's query language that the service has.
 */
#ifndef MU_AUDIENCE_SEARCH_H
#define MU_AUDIENCE_SEARCH_H

#include "audience/audience.h"

#define MU_AUDIENCE_FOLDER_KIND MU_STR("audienceFolder") /* {"id","name","parentFolderId"} */
#define MU_SEARCH_ROOT          MU_STR("root")           /* what top folders are in */

typedef struct mu_searches mu_searches; /* the indexes of all workspaces; any thread */

mu_searches *mu_searches_new(void);
void mu_searches_free(mu_searches *searches);

typedef struct mu_search_hit {
    mu_str id, source_id, name, description, parent_folder_id; /* "root" at the top */
    mu_str namespace_code;
    bool is_folder;
} mu_search_hit;

typedef struct mu_search_request {
    mu_str namespace_code; /* empty: all */
    mu_str query;          /* empty: everything */
    mu_str folder_id;      /* empty: anywhere; else its direct children only, "root": the top's */
    uint32_t offset, limit;
} mu_search_request;

/* Folders first, then by relevance, then by name. Texts in `arena`. *n_all: matches in all.
 * MU_E_INPUT says what is wrong with the query. */
MU_CHECKED mu_code mu_search_entities(mu_searches *searches, mu_workspace *workspace,
                                      const mu_search_request *request, mu_arena *arena,
                                      uint32_t *n, const mu_search_hit **out, uint32_t *n_all,
                                      mu_err *err);

typedef struct mu_search_namespace {
    mu_str namespace_code;
    uint32_t n;
} mu_search_namespace;

/* Those with matches, most first, then by name. */
MU_CHECKED mu_code mu_search_namespaces(mu_searches *searches, mu_workspace *workspace,
                                        mu_str query, mu_arena *arena, uint32_t *n,
                                        const mu_search_namespace **out, mu_err *err);

/* Folders from the outermost to the one that holds the entity, which is named by its id or, when
 * external, by the client's. *found: there is such an entity. */
MU_CHECKED mu_code mu_search_taxonomy(mu_searches *searches, mu_workspace *workspace,
                                      mu_str namespace_code, mu_str entity_id, mu_arena *arena,
                                      bool *found, uint32_t *n, const mu_search_hit **out,
                                      mu_err *err);

#endif
