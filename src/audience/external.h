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

#endif
