/* batch_document.h -- a batch as the catalog keeps and shows it (profile.md d.4): one that was sent
 * as files, or one that gathers what streaming could not keep (P42).
 *
 * Kept as a document of kind "batch".
 */
#ifndef MU_INGEST_BATCH_DOCUMENT_H
#define MU_INGEST_BATCH_DOCUMENT_H

#include "json/json.h"

#define MU_BATCH_KIND       MU_STR("batch")
#define MU_BATCH_ERRORS_MAX 16u /* distinct codes of one batch; more are counted under the last */

typedef enum mu_batch_status {
    MU_BATCH_LOADING,    /* files are being sent */
    MU_BATCH_LOADED,     /* complete; waits for the worker */
    MU_BATCH_PROCESSING, /* being checked */
    MU_BATCH_STAGING,    /* checked; its rows are being applied */
    MU_BATCH_SUCCESS,
    MU_BATCH_FAILED,
    MU_BATCH_ABORTED,
    MU_BATCH_ABANDONED, /* nobody completed it within a week */
    MU_BATCH_INACTIVE   /* reverted */
} mu_batch_status;

typedef struct mu_batch_error {
    mu_str code, description;
    uint64_t n_records;
} mu_batch_error;

/* Texts and trees live as long as what the batch was read from. */
typedef struct mu_batch {
    mu_str id, organization, sandbox_id, dataset, external_id, user;
    mu_batch_status status;
    bool is_streaming; /* gathers failed messages */
    bool is_export;    /* went out, not in: its files stay, until it is reverted */
    int64_t created_ms, started_ms, completed_ms, updated_ms; /* 0: not yet */
    mu_json input_format, tags, replay;                       /* null when absent */
    bool has_diagnostics;
    double partial_percentage; /* bad rows allowed, 0 to 100; negative: not given */
    uint32_t n_errors;
    mu_batch_error errors[MU_BATCH_ERRORS_MAX];
    uint64_t n_input_records, n_output_records, n_failed_records, n_skipped_records;
    uint64_t n_input_bytes, n_output_bytes, n_input_files;
} mu_batch;

const char *mu_batch_status_name(mu_batch_status status);

/* SUCCESS, FAILED, ABORTED, ABANDONED, INACTIVE: nothing will be done with its files any more. */
bool mu_batch_is_final(mu_batch_status status);

/* Counts one record under a code; texts are borrowed. */
void mu_batch_count_error(mu_batch *batch, mu_str code, mu_str description);

/* The JSON that the catalog keeps and shows. */
void mu_batch_write(mu_json_writer *writer, const mu_batch *batch);
MU_CHECKED mu_code mu_batch_read(const mu_json *json, mu_batch *out, mu_err *err);

/* 26 characters that sort by time (ULID). */
mu_str mu_batch_new_id(mu_arena *arena, int64_t now_ms);

#endif
