/* failed_int.h -- what the files behind failed.h share. */
#ifndef MU_INGEST_FAILED_INT_H
#define MU_INGEST_FAILED_INT_H

#include "ingest/batch_document.h"
#include "ingest/failed.h"

#include <pthread.h>

/* One queued message; the texts follow the struct. */
typedef struct failed_node {
    struct failed_node *next;
    mu_failed_message message;
    size_t n_bytes;
} failed_node;

/* The batch that gathers a dataset's messages just now. Background thread only. */
typedef struct failed_batch {
    struct failed_batch *next;
    mu_arena arena; /* the texts of `batch`, and `sandbox` */
    mu_str sandbox;
    mu_batch batch;
} failed_batch;

struct mu_failed {
    mu_failed_options options;
    char *root; /* DIR/failed */
    mu_counter *written, *dropped;
    /* Guards the queue. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    failed_node *first, *last;
    size_t n_bytes;
    uint64_t n_added, n_done; /* messages queued and written */
    int64_t next_warning_ms;
    bool is_closing;
    pthread_t thread;
    bool has_thread;
    failed_batch *batches;
    int64_t next_tidy_ms; /* background thread only */
    /* Guards the files. Taken after no other lock. */
    pthread_mutex_t files;
};

/* DIR/failed/SANDBOX/BATCH and a name in it; a part is left out when it is empty. In `arena`. */
mu_str mu_failed_path(const mu_failed *failed, mu_arena *arena, mu_str sandbox, mu_str batch,
                      mu_str name);

#endif
