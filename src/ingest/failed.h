/* failed.h -- what could not be kept: rows of batches and streaming messages, with the reasons, as
 * files for their senders to read (profile.md d.1 P42, d.4).
 *
 *   DIR/failed/SANDBOX/BATCH/NAME    JSON lines: the record as it came plus "_errors"
 *
 * Streaming messages gather in one batch of status failed per dataset and hour; a background thread
 * writes them. Files are removed after keep_ms, the oldest earlier when there is more than
 * bytes_max, and lines that name an erased person at once.
 */
#ifndef MU_INGEST_FAILED_H
#define MU_INGEST_FAILED_H

#include "catalog/documents.h"
#include "ingest/accept.h"

typedef struct mu_failed mu_failed;

typedef struct mu_failed_options {
    const char *folder;
    mu_documents *documents;
    int64_t (*now_ms)(void);
    const mu_logger *logger; /* NULL: none */
    mu_metrics *metrics;
    uint64_t bytes_max;     /* of all files; 0: 1 GiB */
    int64_t keep_ms;        /* 0: 7 days */
    size_t queue_bytes_max; /* messages not yet written; 0: 16 MiB */
} mu_failed_options;

MU_CHECKED mu_code mu_failed_open(const mu_failed_options *options, mu_failed **out, mu_err *err);
/* Writes what is queued. */
void mu_failed_close(mu_failed *failed);

/* Appends a line: `record` (an object) and its "_errors". */
void mu_failed_line(mu_buf *out, const mu_json *record, const mu_acceptance *acceptance);
/* The same for text that is no JSON. */
void mu_failed_corrupt_line(mu_buf *out, mu_str text, mu_str code, mu_str message);

/* The code that stands for an acceptance in lines and in a batch's errors. */
mu_str mu_failed_code(const mu_acceptance *acceptance, mu_str *description);

/* -------- streaming -------- */

typedef struct mu_failed_message {
    mu_str sandbox; /* as the store names it */
    mu_str organization, sandbox_id, dataset;
    mu_str code, description; /* mu_failed_code */
    mu_str line;              /* mu_failed_line */
} mu_failed_message;

/* Queues a copy; never waits. A full queue drops the message, counts it and logs that once a
 * minute. Any thread. */
void mu_failed_add(mu_failed *failed, const mu_failed_message *message);

/* Waits until everything queued so far is in the files. */
void mu_failed_flush(mu_failed *failed);

/* -------- files of a batch: any thread; these wait for the disk -------- */

#define MU_FAILED_BATCH_BYTES_MAX ((uint64_t)64 << 20) /* lines beyond it are only counted */

MU_CHECKED mu_code mu_failed_append(mu_failed *failed, mu_str sandbox, mu_str batch, mu_str name,
                                    mu_str lines, mu_err *err);
void mu_failed_remove(mu_failed *failed, mu_str sandbox, mu_str batch);

typedef struct mu_failed_file {
    mu_str name;
    uint64_t length;
} mu_failed_file;

/* Names in order, in `arena`; none when the batch has no failed rows (any more). */
uint32_t mu_failed_list(mu_failed *failed, mu_arena *arena, mu_str sandbox, mu_str batch,
                        const mu_failed_file **out);

/* Opens one of them for reading. MU_E_NOT_FOUND. */
MU_CHECKED mu_code mu_failed_open_file(mu_failed *failed, mu_str sandbox, mu_str batch, mu_str name,
                                       int *fd, uint64_t *length, mu_err *err);

/* Removes every line of the sandbox that holds one of these values as a text. */
MU_CHECKED mu_code mu_failed_erase(mu_failed *failed, mu_str sandbox, uint32_t n,
                                   const mu_identity *identities, mu_err *err);

/* Removes what is too old or too much; the background thread does it once a minute. */
void mu_failed_tidy(mu_failed *failed);

#endif
