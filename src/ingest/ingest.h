/* ingest.h -- records in: files of XDM messages, entities and CSV rows become parts of a store.
 *
 * A load parses every input once (in parallel), spreads the records by hash of their identity, and
 * then builds parts slice by slice: memory stays bounded whatever the size. It commits
 * once; a load that was killed leaves nothing. Rules: design.md 7, profile.md (a) and P-decisions
 * named in the code.
 */
#ifndef MU_INGEST_INGEST_H
#define MU_INGEST_INGEST_H

#include "store/store.h"

typedef enum mu_input_format { MU_INPUT_AUTO, MU_INPUT_NDJSON, MU_INPUT_CSV } mu_input_format;

typedef struct mu_load_options {
    mu_str class_name; /* "auto", "profile", "event" or a lookup class */
    mu_str dataset;    /* "" : "default"; a message's header.datasetId wins */
    mu_input_format format;
    const mu_json *schema_file; /* NULL when none */
    bool is_strict;             /* unknown fields are errors */
    bool fail_fast;
    unsigned n_threads;
    size_t memory_max_bytes;
    int64_t now_ms;
    void (*progress)(void *context, uint64_t done_bytes, uint64_t all_bytes, uint64_t n_records);
    void *progress_context;
    /* One rejected line; `line` is 1-based. Called from one thread at a time, in order of file and
     * line within each phase. */
    void (*rejected)(void *context, mu_str file, uint64_t line, mu_str reason);
    void *rejected_context;
} mu_load_options;

typedef struct mu_load_summary {
    uint64_t n_read, n_loaded, n_rejected, n_duplicates;
    double seconds;
} mu_load_summary;

/* Loads files ("-" is standard input) into the store as one change. MU_E_INPUT when nothing could
 * be read at all or fail_fast stopped it (then nothing is committed). */
MU_CHECKED mu_code mu_load(mu_store *store, const mu_load_options *options, uint32_t n_files,
                           const char *const *files, mu_load_summary *out, mu_err *err);

#endif
