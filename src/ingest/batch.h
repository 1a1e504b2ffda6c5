/* batch.h -- batches of files: what is done with one once it is complete (profile.md d.4, P49).
 *
 *   loaded ─> check: every row is read, converted and accepted, nothing is kept; bad rows go to
 *             ingest/failed.h ─> too many bad ones: failed
 *          ─> apply: the same again, good rows are appended in the order of file names and rows
 *             ─> durable ─> success; the files are removed
 *
 * One background thread takes one batch at a time. A batch that was under way when the server ended
 * goes on at the next start: rows carry their number as position of source "batch:ID", so none is
 * lost or applied twice.
 */
#ifndef MU_INGEST_BATCH_H
#define MU_INGEST_BATCH_H

#include "ingest/batch_document.h"
#include "ingest/batch_files.h"
#include "ingest/failed.h"
#include "ingest/message.h"

typedef struct mu_batches mu_batches;

/* Rules of a sandbox (inlet and organisation unused), held until they are released. */
typedef struct mu_batch_rules {
    mu_inlet_rules rules;
    void *held;
} mu_batch_rules;

typedef struct mu_batches_options {
    const char *folder;
    mu_live *live;
    mu_documents *documents;
    mu_failed *failed;
    int64_t (*now_ms)(void);
    const mu_logger *logger; /* NULL: none */
    mu_metrics *metrics;
    /* `now_ms` is the time the rows are judged by. MU_E_NOT_FOUND: no such sandbox. */
    mu_code (*acquire)(void *context, mu_str sandbox, int64_t now_ms, mu_batch_rules *out,
                       mu_err *err);
    void (*release)(void *context, mu_batch_rules *rules);
    void *context;
} mu_batches_options;

/* Starts the thread, and takes up what was under way in the sandboxes of `live`. */
MU_CHECKED mu_code mu_batches_open(const mu_batches_options *options, mu_batches **out,
                                   mu_err *err);
/* Stops between two groups of rows. */
void mu_batches_close(mu_batches *batches);

mu_batch_folder mu_batches_folder(const mu_batches *batches, mu_arena *arena, mu_str sandbox,
                                  mu_str batch);

/* -------- documents of kind "batch"; each a transaction of its own -------- */

/* Texts and trees in `arena`. MU_E_NOT_FOUND. `version` (NULL allowed) is for mu_batches_put. */
MU_CHECKED mu_code mu_batches_get(mu_batches *batches, mu_arena *arena, mu_str sandbox, mu_str id,
                                  mu_batch *out, uint64_t *version, mu_err *err);

/* Adds it (version 0), or replaces that version; MU_E_CONFLICT when it has changed since. */
MU_CHECKED mu_code mu_batches_put(mu_batches *batches, mu_str sandbox, const mu_batch *batch,
                                  uint64_t version, mu_err *err);

/* Hands a loaded batch to the thread. */
void mu_batches_enqueue(mu_batches *batches, mu_str sandbox, mu_str id);

/* Removes what a successful batch brought: its events (P50), or the files of one that an export
 * wrote; its status becomes inactive. Waits. */
MU_CHECKED mu_code mu_batches_revert(mu_batches *batches, mu_str sandbox, mu_str id, mu_err *err);

/* Gives up batches that nobody completed within a week, and removes files of batches that are final
 * or unknown. The thread does it once an hour. */
MU_CHECKED mu_code mu_batches_tidy(mu_batches *batches, mu_err *err);

/* Waits until nothing is queued or under way. */
void mu_batches_wait_idle(mu_batches *batches);

#endif
