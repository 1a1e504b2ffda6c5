/* removal.h -- what goes with an audience that is deleted, beside its members: its metrics, its
 * versions, its places in schedules (api.md 8.7). */
#ifndef MU_AUDIENCE_REMOVAL_H
#define MU_AUDIENCE_REMOVAL_H

#include "audience/audience.h"

/* Edits of one transaction, in an arena. */
typedef struct mu_edit_list {
    mu_arena *arena;
    uint32_t n, capacity;
    mu_document_edit *items;
} mu_edit_list;

/* The texts of `edit` are borrowed. */
void mu_edit_list_add(mu_edit_list *list, const mu_document_edit *edit);

/* Adds the edits. `version` is that of the audience's document; `author` is borrowed. Schedules
 * that somebody changes meanwhile make the transaction fail with MU_E_CONFLICT. */
MU_CHECKED mu_code mu_audience_removal(mu_workspace *workspace, mu_edit_list *list, mu_str id,
                                       uint64_t version, const mu_author *author, mu_err *err);

/* Versions of an audience from `last` down, as long as there are any, at most `most`. */
void mu_audience_remove_versions(mu_workspace *workspace, mu_edit_list *list, mu_str id,
                                 uint64_t last, uint32_t most);

/* The id of a version's document, in `arena`. */
mu_str mu_audience_version_id(mu_arena *arena, mu_str id, uint64_t version);

#endif
