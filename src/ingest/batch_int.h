/* batch_int.h -- what the files behind batch.h share. */
#ifndef MU_INGEST_BATCH_INT_H
#define MU_INGEST_BATCH_INT_H

#include "ingest/batch.h"
#include "ingest/batch_rows.h"
#include "ingest/convert.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct batch_job {
    struct batch_job *next;
    mu_arena arena; /* the texts */
    mu_str sandbox, id;
    int64_t not_before_ms; /* on the monotonic clock: after a failure of the system */
} batch_job;

struct mu_batches {
    mu_batches_options options;
    mu_counter *rows_applied, *rows_failed;
    pthread_mutex_t lock; /* guards the queue */
    pthread_cond_t changed;
    batch_job *first, *last;
    bool is_busy;
    int64_t next_tidy_ms; /* batch thread only */
    _Atomic bool is_closing;
    pthread_t thread;
    bool has_thread;
};

/* Takes a batch as far as it goes. MU_E_CANCELLED: closing. Any other failure is the system's: the
 * batch stays as it is, to be tried again. */
MU_CHECKED mu_code mu_batch_process(mu_batches *batches, mu_str sandbox, mu_str id, mu_err *err);

#endif
