/* collection_int.h -- the streaming inlets' own structs. */
#ifndef MU_API_COLLECTION_INT_H
#define MU_API_COLLECTION_INT_H

#include "api/intake.h"
#include "base/hash.h"
#include "base/time.h"
#include "ingest/failed.h"

#include <stdatomic.h>
#include <stdio.h>

typedef struct mu_collection {
    mu_api *api;
    mu_intake *intake;
    mu_failed *failed;
    uint32_t origin; /* tells the transaction ids of two runs apart */
    _Atomic unsigned long long n_requests;
    mu_counter *accepted, *not_kept, *invalid, *rejected, *refused, *dropped_identities;
    pthread_mutex_t lock; /* guards the rest */
    mu_arena arena;       /* keys of sync_counts: inlets that exist */
    mu_strmap sync_counts;
} mu_collection;

/* One request while it is handled: by one thread. */
typedef struct mu_delivery {
    mu_collection *collection;
    mu_http_request *request;
    mu_http_response *response;
    mu_arena *arena;
    const mu_intake_view *view;
    const mu_intake_inlet *inlet;
    const mu_api_sandbox *sandbox;
    mu_inlet_rules rules;
    mu_str transaction;
    bool is_sync;
    mu_str sync_name; /* as the caller spelled it */
    uint32_t n_records, n_failed;
    mu_record *records;
    mu_failed_message *failed;
    mu_buf text; /* scratch */
} mu_delivery;

MU_CHECKED mu_code mu_collection_new(mu_api *api, mu_intake *intake, mu_failed *failed,
                                     mu_collection **out, mu_err *err);
void mu_collection_free(mu_collection *collection);

#endif
