#include "api/ingestion.h"

#include <stdlib.h>

/* -------- rules for the batch thread -------- */

static mu_code acquire_rules(void *context, mu_str sandbox, int64_t now_ms, mu_batch_rules *out,
                             mu_err *err)
{
    mu_ingestion *ingestion = context;
    mu_intake_view *view;
    MU_TRY(mu_intake_acquire_fresh(ingestion->intake, &view, err));
    uint32_t place = mu_intake_place(view, sandbox);
    if (place == UINT32_MAX) {
        mu_intake_release(view);
        return mu_fail(err, MU_E_NOT_FOUND, "there is no such sandbox");
    }
    out->rules = mu_intake_rules(view, place, now_ms);
    out->held = view;
    return MU_OK;
}

static void release_rules(void *context, mu_batch_rules *rules)
{
    (void)context;
    mu_intake_release(rules->held);
}

/* -------- rules for the Kafka thread -------- */

static mu_code acquire_inlet(void *context, mu_str id, int64_t now_ms, mu_kafka_inlet *out,
                             mu_err *err)
{
    mu_ingestion *ingestion = context;
    mu_intake_view *view;
    MU_TRY(mu_intake_acquire_fresh(ingestion->intake, &view, err));
    const mu_intake_inlet *inlet = mu_intake_find_inlet(view, id);
    if (inlet == NULL) {
        mu_intake_release(view);
        return mu_fail(err, MU_E_NOT_FOUND,
                       "the inlet " MU_STR_FMT " of a Kafka topic is not known", MU_STR_ARG(id));
    }
    const mu_api_sandbox *sandbox = mu_intake_sandbox(view, inlet->sandbox);
    *out = (mu_kafka_inlet){.rules = mu_intake_rules(view, inlet->sandbox, now_ms),
                            .live = sandbox->live,
                            .sandbox = sandbox->store_name,
                            .sandbox_id = sandbox->id,
                            .held = view};
    out->rules.inlet = inlet->id;
    out->rules.organization = inlet->organization;
    return MU_OK;
}

static void release_inlet(void *context, mu_kafka_inlet *inlet)
{
    (void)context;
    mu_intake_release(inlet->held);
}

static mu_code start_kafka(mu_api *api, mu_ingestion *ingestion, mu_err *err)
{
    const mu_api_options *options = &api->options;
    const mu_kafka_options kafka = {.brokers = options->kafka_brokers,
                                    .n_topics = options->n_kafka_topics,
                                    .topics = options->kafka_topics,
                                    .n_settings = options->n_kafka_settings,
                                    .settings = options->kafka_settings,
                                    .live = options->live,
                                    .failed = ingestion->failed,
                                    .now_ms = options->now_ms,
                                    .logger = options->logger,
                                    .metrics = options->metrics,
                                    .acquire = acquire_inlet,
                                    .release = release_inlet,
                                    .context = ingestion};
    if (options->kafka_brokers.len == 0)
        return MU_OK;
    return mu_kafka_open(&kafka, &ingestion->kafka, err);
}

/* -------- the life of it -------- */

static mu_code start(mu_api *api, mu_ingestion *ingestion, mu_err *err)
{
    const mu_api_options *options = &api->options;
    const char *folder = mu_live_folder(options->live);
    MU_TRY(mu_intake_new(api, &ingestion->intake, err));
    const mu_failed_options failed = {.folder = folder,
                                      .documents = options->documents,
                                      .now_ms = options->now_ms,
                                      .logger = options->logger,
                                      .metrics = options->metrics};
    MU_TRY(mu_failed_open(&failed, &ingestion->failed, err));
    MU_TRY(
        mu_collection_new(api, ingestion->intake, ingestion->failed, &ingestion->collection, err));
    const mu_batches_options batches = {.folder = folder,
                                        .live = options->live,
                                        .documents = options->documents,
                                        .failed = ingestion->failed,
                                        .now_ms = options->now_ms,
                                        .logger = options->logger,
                                        .metrics = options->metrics,
                                        .acquire = acquire_rules,
                                        .release = release_rules,
                                        .context = ingestion};
    MU_TRY(mu_batches_open(&batches, &ingestion->batches, err));
    return start_kafka(api, ingestion, err);
}

mu_code mu_ingestion_new(mu_api *api, mu_ingestion **out, mu_err *err)
{
    mu_ingestion *ingestion = calloc(1, sizeof *ingestion);
    if (ingestion == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory");
    mu_code code = start(api, ingestion, err);
    if (code != MU_OK) {
        mu_ingestion_free(ingestion);
        return code;
    }
    *out = ingestion;
    return MU_OK;
}

void mu_ingestion_free(mu_ingestion *ingestion)
{
    if (ingestion == NULL)
        return;
    mu_kafka_close(ingestion->kafka);
    mu_batches_close(ingestion->batches);
    mu_collection_free(ingestion->collection);
    mu_failed_close(ingestion->failed);
    mu_intake_free(ingestion->intake);
    free(ingestion);
}

mu_code mu_ingestion_erase(mu_ingestion *ingestion, mu_str store_name, uint32_t n,
                           const mu_identity *identities, mu_err *err)
{
    return mu_failed_erase(ingestion->failed, store_name, n, identities, err);
}

mu_code mu_api_add_ingestion(mu_api *api, mu_http_router *router, mu_err *err)
{
    MU_TRY(mu_api_add_collection(api, router, err));
    MU_TRY(mu_api_add_batches(api, router, err));
    MU_TRY(mu_api_add_batch_uploads(api, router, err));
    MU_TRY(mu_api_add_failed_rows(api, router, err));
    return mu_api_add_export_files(api, router, err);
}
