/* external.h -- external audiences: files of identities that make profiles members (api.md 9).
 *
 * Kinds of documents: "externalAudience" (what was asked for, by audience id), "externalOperation",
 * "externalRun". The audience itself is one of the book. One thread carries out operations and
 * runs; what was under way when the server ended is taken up again.
 *
 * Files come from a folder: DIR/landing/PLACE, or the one that the configuration names; the path of
 * the request, without a leading "dlz-user-container/", is below it.
 */
#ifndef MU_AUDIENCE_EXTERNAL_H
#define MU_AUDIENCE_EXTERNAL_H

#include "audience/audience.h"

#define MU_EXTERNAL_AUDIENCE_KIND  MU_STR("externalAudience")
#define MU_EXTERNAL_OPERATION_KIND MU_STR("externalOperation")
#define MU_EXTERNAL_RUN_KIND       MU_STR("externalRun")

typedef struct mu_externals mu_externals;

MU_CHECKED mu_code mu_externals_new(mu_workspaces *workspaces, mu_externals **out, mu_err *err);
void mu_externals_free(mu_externals *externals);

/* A document was written that there is work to do for. */
void mu_externals_wake(mu_externals *externals);

/* Whoever changes documents of external audiences holds this, so that what it read is still so when
 * it writes; taken before any lock of the catalog. */
void mu_externals_lock(mu_externals *externals);
void mu_externals_unlock(mu_externals *externals);

/* Until nothing is under way; for tests. */
void mu_externals_wait_idle(mu_externals *externals);

/* Removes the audience, what belongs to it and its memberships, in one transaction. `version`: of
 * its document, 0 for whatever it is. MU_E_NOT_FOUND; MU_E_CONFLICT: others refer to it, or it has
 * another version, or a schedule that names it changed meanwhile. Takes the lock, then that of the
 * sandbox's books. */
MU_CHECKED mu_code mu_externals_remove(mu_externals *externals, mu_workspace *workspace, mu_str id,
                                       uint64_t version, const mu_author *author, mu_err *err);

/* The path of a request as it lies below the landing folder, a part of `text`. MU_E_INPUT: it is
 * absolute, leads out of it, or has names that begin with a dot. */
MU_CHECKED mu_code mu_external_path(mu_str text, mu_str *out, mu_err *err);

/* The document of an external audience as books know it (api.md 8.1); `request` as in api.md 9.3,
 * its customAudienceId, or `id`, becoming the audienceId. `dataset` may be empty. Borrows. */
mu_json mu_external_audience_json(mu_arena *arena, mu_str id, const mu_json *request, mu_str user,
                                  mu_str dataset, int64_t now_ms);

/* The folder that files of a sandbox come from, NUL-terminated, in `arena`. */
mu_str mu_external_landing(mu_arena *arena, const mu_workspace *workspace);

/* -------- members of its documents --------
 *
 * Those that begin with '$' are never shown.
 *
 *   externalAudience   request: what was asked for; $expires (ms), $datasetId, $last: the window of
 *                      the last ingestion that succeeded; createdBy, createdAt, updatedBy,
 * updatedAt externalOperation  what GET shows; $audienceId, $datasetId externalRun        what GET
 * shows, details included; $isExtension */

#endif
