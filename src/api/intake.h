/* intake.h -- what ingestion has to know of the catalog, in memory: inlets, datasets, schemas and
 * namespaces of all sandboxes, so that the streaming path reads no documents.
 *
 * A view is immutable and counted. A document that changes makes it stale; it is read anew by the
 * intake's own thread (or whoever may wait), never by a loop thread.
 */
#ifndef MU_API_INTAKE_H
#define MU_API_INTAKE_H

#include "api/api_int.h"
#include "ingest/message.h"

typedef struct mu_intake mu_intake;
typedef struct mu_intake_view mu_intake_view;

typedef struct mu_intake_inlet {
    mu_str id, organization;
    uint32_t sandbox; /* place in the view */
    bool requires_token;
} mu_intake_inlet;

MU_CHECKED mu_code mu_intake_new(mu_api *api, mu_intake **out, mu_err *err);
/* Waits for work that was handed to the intake's thread. */
void mu_intake_free(mu_intake *intake);

/* The view, or NULL when it is stale. Never waits for the disk. */
mu_intake_view *mu_intake_acquire(mu_intake *intake);

/* The view, read anew when it is stale. May wait. */
MU_CHECKED mu_code mu_intake_acquire_fresh(mu_intake *intake, mu_intake_view **out, mu_err *err);
void mu_intake_release(mu_intake_view *view);

/* Whether the sandbox's identity settings and schemas are still those of the view: what
 * mu_intake_acquire does not see. When not, mu_intake_forget makes the view stale. The arena is
 * scratch. Quick. */
bool mu_intake_is_current(mu_intake *intake, const mu_intake_view *view, uint32_t sandbox,
                          mu_arena *arena);
void mu_intake_forget(mu_intake_view *view);

/* Runs `work` on the intake's thread: what a loop thread does when the view is stale. MU_E_LIMIT:
 * too much waits already. */
typedef void mu_intake_work(void *context);
MU_CHECKED mu_code mu_intake_hand_over(mu_intake *intake, mu_intake_work *work, void *context,
                                       mu_err *err);

/* NULL when there is none. */
const mu_intake_inlet *mu_intake_find_inlet(const mu_intake_view *view, mu_str id);
const mu_api_sandbox *mu_intake_sandbox(const mu_intake_view *view, uint32_t sandbox);

/* The rules of a sandbox at `now_ms`; inlet and organisation are the caller's to fill in. They live
 * as long as the view. */
mu_inlet_rules mu_intake_rules(const mu_intake_view *view, uint32_t sandbox, int64_t now_ms);

/* The place of a sandbox in the view, by the store's spelling; UINT32_MAX when there is none. */
uint32_t mu_intake_place(const mu_intake_view *view, mu_str store_name);

#endif
