#include "api/ingestion.h"
#include "api/permission.h"

#include "base/number.h"

#include <stdlib.h>

/* POST /collection/{inlet} and /collection/batch/{inlet} (profile.md d.1, d.2).
 *
 *   loop thread:   inlet, token ─> JSON ─> each message: front door, mu_accept ─> one append
 *   commit thread: when that is durable, the answer
 *
 * A message that fails validation, or that Profile does not take, is answered like any other and
 * kept for its sender (ingest/failed.h). */

#define MESSAGES_MAX    100000u
#define SYNC_PER_MINUTE 60u /* h */

/* -------- the resource -------- */

static mu_counter *outcome_counter(mu_metrics *metrics, const char *outcome)
{
    mu_label label = {"outcome", mu_str_from(outcome)};
    return mu_metrics_counter(metrics, "muster_messages_total",
                              "Streaming messages by what became of them.", &label, 1);
}

mu_code mu_collection_new(mu_api *api, mu_intake *intake, mu_failed *failed, mu_collection **out,
                          mu_err *err)
{
    mu_collection *collection = calloc(1, sizeof *collection);
    if (collection == NULL)
        return mu_fail(err, MU_E_NOMEM, "out of memory");
    mu_metrics *metrics = api->options.metrics;
    collection->api = api;
    collection->intake = intake;
    collection->failed = failed;
    pthread_mutex_init(&collection->lock, NULL);
    mu_arena_init(&collection->arena, SIZE_MAX);
    mu_strmap_init(&collection->sync_counts);
    collection->accepted = outcome_counter(metrics, "accepted");
    collection->not_kept = outcome_counter(metrics, "not_kept");
    collection->invalid = outcome_counter(metrics, "invalid");
    collection->rejected = outcome_counter(metrics, "rejected");
    collection->refused = outcome_counter(metrics, "refused");
    collection->dropped_identities =
        mu_metrics_counter(metrics, "muster_dropped_identities_total",
                           "Identities of accepted messages that were bad or too many.", NULL, 0);
    collection->origin =
        (uint32_t)(mu_hash64(&collection, sizeof collection, (uint64_t)mu_monotonic_ns()) % 10000);
    *out = collection;
    return MU_OK;
}

void mu_collection_free(mu_collection *collection)
{
    if (collection == NULL)
        return;
    mu_strmap_free(&collection->sync_counts);
    mu_arena_free(&collection->arena);
    pthread_mutex_destroy(&collection->lock);
    free(collection);
}

/* -------- at most 60 synchronous validations a minute and inlet -------- */

/* The value of a slot: the minute in the upper, the count in the lower half. */
static bool sync_is_allowed(mu_collection *collection, mu_str inlet, int64_t now_ms)
{
    uint64_t minute = (uint64_t)(now_ms / 60000) & UINT32_MAX;
    pthread_mutex_lock(&collection->lock);
    uint64_t *slot = mu_strmap_get(&collection->sync_counts, inlet);
    if (slot == NULL)
        slot =
            mu_strmap_put(&collection->sync_counts, mu_arena_copy(&collection->arena, inlet), NULL);
    uint64_t count = *slot >> 32 == minute ? *slot & UINT32_MAX : 0;
    bool is_allowed = count < SYNC_PER_MINUTE;
    *slot = minute << 32 | (count + is_allowed);
    pthread_mutex_unlock(&collection->lock);
    return is_allowed;
}

/* -------- one message -------- */

static void count_rejected(mu_delivery *delivery, const mu_failed_message *failed)
{
    mu_label labels[] = {{"dataset", failed->dataset}, {"reason", failed->code}};
    mu_metrics *metrics = delivery->collection->api->options.metrics;
    mu_counter_add(mu_metrics_counter(metrics, "muster_failed_records_total",
                                      "Records that were not kept, by dataset and reason.", labels,
                                      2),
                   1);
}

/* Notes what goes to the failed batch once the request is sure to be answered with success. */
static void note_failed(mu_delivery *delivery, const mu_json *json, const mu_message *message,
                        const mu_acceptance *acceptance)
{
    const mu_api_sandbox *sandbox = delivery->sandbox;
    mu_buf line;
    mu_buf_init(&line, (size_t)4 << 20);
    mu_failed_line(&line, json, acceptance);
    mu_failed_message failed = {.sandbox = sandbox->store_name,
                                .organization = delivery->inlet->organization,
                                .sandbox_id = sandbox->id,
                                .dataset = message->dataset->id};
    failed.code = mu_failed_code(acceptance, &failed.description);
    failed.line = mu_arena_copy(delivery->arena, mu_buf_str(&line));
    mu_buf_free(&line);
    delivery->failed[delivery->n_failed++] = failed;
}

static void take_acceptance(mu_delivery *delivery, const mu_json *json, const mu_message *message,
                            mu_acceptance *acceptance)
{
    mu_collection *collection = delivery->collection;
    switch (acceptance->outcome) {
    case MU_ACCEPTED:
        acceptance->record.batch = delivery->transaction;
        delivery->records[delivery->n_records++] = acceptance->record;
        if (acceptance->n_dropped_identities > 0)
            mu_counter_add(collection->dropped_identities, acceptance->n_dropped_identities);
        break;
    case MU_ACCEPTED_NOT_KEPT:
        mu_counter_add(collection->not_kept, 1);
        break;
    case MU_ACCEPT_INVALID:
        mu_counter_add(collection->invalid, 1);
        note_failed(delivery, json, message, acceptance);
        break;
    case MU_ACCEPT_REJECTED:
        mu_counter_add(collection->rejected, 1);
        note_failed(delivery, json, message, acceptance);
        break;
    }
}

/* -------- answers -------- */

static void write_problem(mu_http_response *response, unsigned status, const char *title,
                          mu_str message, const mu_json *cause)
{
    mu_http_response_status(response, status);
    mu_json_writer *writer = mu_http_response_json(response);
    mu_json_begin_object(writer);
    mu_json_name(writer, MU_STR("type"));
    mu_json_string(writer,
                   MU_STR("http://ns.adobe.com/adobecloud/problem/data-collection-service/inlet"));
    mu_json_name(writer, MU_STR("status"));
    mu_json_integer(writer, status);
    mu_json_name(writer, MU_STR("title"));
    mu_json_string(writer, mu_str_from(title));
    mu_json_name(writer, MU_STR("report"));
    mu_json_begin_object(writer);
    mu_json_name(writer, MU_STR("message"));
    mu_json_string(writer, message);
    if (cause != NULL) {
        mu_json_name(writer, MU_STR("cause"));
        mu_json_value(writer, cause);
    }
    mu_json_end_object(writer);
    mu_json_end_object(writer);
}

static mu_http_outcome refuse(mu_delivery *delivery, mu_str message)
{
    mu_counter_add(delivery->collection->refused, 1);
    write_problem(delivery->response, 400, "Invalid XDM Message Format", message, NULL);
    return MU_HTTP_DONE;
}

static mu_http_outcome refuse_format(mu_delivery *delivery)
{
    static const mu_json nothing = {.kind = MU_JSON_NULL};
    return refuse(delivery, mu_message_text(delivery->arena, &delivery->rules, &nothing,
                                            "Message has unknown xdm format"));
}

/* d.1: one violation stands alone, several are gathered under one that counts them (P40). */
static mu_json violation_json(mu_arena *arena, const mu_xdm_violation *violation)
{
    mu_json json = {.kind = MU_JSON_OBJECT};
    mu_json_set(arena, &json, MU_STR("schemaLocation"),
                mu_json_of_string(violation->schema_location));
    mu_json_set(arena, &json, MU_STR("pointerToViolation"), mu_json_of_string(violation->pointer));
    mu_json_set(arena, &json, MU_STR("causingExceptions"), (mu_json){.kind = MU_JSON_ARRAY});
    mu_json_set(arena, &json, MU_STR("keyword"), mu_json_of_string(violation->keyword));
    mu_json_set(arena, &json, MU_STR("message"), mu_json_of_string(violation->message));
    return json;
}

static mu_json array_of(const mu_json *items, uint32_t n)
{
    mu_json array = {.kind = MU_JSON_ARRAY, .n = n};
    array.items = items;
    return array;
}

static mu_json cause_of(mu_arena *arena, const mu_acceptance *acceptance)
{
    uint32_t n = acceptance->n_violations;
    mu_json *items = MU_NEW_ARRAY(arena, mu_json, n);
    for (uint32_t i = 0; i < n; i++)
        items[i] = violation_json(arena, &acceptance->violations[i]);
    mu_json *list = items;
    if (n > 1) {
        list = MU_NEW(arena, mu_json);
        list->kind = MU_JSON_OBJECT;
        mu_json_set(arena, list, MU_STR("schemaLocation"), mu_json_of_string(MU_STR("#")));
        mu_json_set(arena, list, MU_STR("pointerToViolation"), mu_json_of_string(MU_STR("#")));
        mu_json_set(
            arena, list, MU_STR("message"),
            mu_json_of_string(mu_arena_format(arena, "%u schema violations found", (unsigned)n)));
        mu_json_set(arena, list, MU_STR("causingExceptions"), array_of(items, n));
    }
    mu_json cause = {.kind = MU_JSON_OBJECT};
    mu_json_set(arena, &cause, MU_STR("_streamingValidation"), array_of(list, 1));
    return cause;
}

static void write_single(mu_delivery *delivery)
{
    mu_json_writer *writer = mu_http_response_json(delivery->response);
    mu_json_begin_object(writer);
    mu_json_name(writer, MU_STR("inletId"));
    mu_json_string(writer, delivery->inlet->id);
    mu_json_name(writer, MU_STR("xactionId"));
    mu_json_string(writer, delivery->transaction);
    mu_json_name(writer, MU_STR("receivedTimeMs"));
    mu_json_integer(writer, delivery->rules.accept.now_ms);
    mu_json_name(writer, delivery->sync_name);
    mu_json_begin_object(writer);
    if (delivery->is_sync) {
        mu_json_name(writer, MU_STR("status"));
        mu_json_string(writer, MU_STR("pass"));
    } else {
        mu_json_name(writer, MU_STR("skipped"));
        mu_json_boolean(writer, true);
    }
    mu_json_end_object(writer);
    mu_json_end_object(writer);
}

/* -------- making it durable -------- */

/* On the commit thread. */
static void answer_when_durable(void *context, mu_code code)
{
    mu_http_request *request = context;
    if (code != MU_OK) {
        mu_http_response *response = mu_http_request_response(request);
        mu_http_response_clear(response);
        mu_http_refuse_busy(request, response, MU_STR("The message could not be made durable."),
                            10);
    }
    mu_http_complete(request);
}

/* The response is written; sends it once the records are durable. Afterwards the request may be
 * gone. */
static mu_http_outcome deliver(mu_delivery *delivery)
{
    mu_err err;
    uint64_t sequence;
    mu_collection *collection = delivery->collection;
    mu_http_request *request = delivery->request;
    if (delivery->n_records > 0 && mu_sandbox_append(delivery->sandbox->live, delivery->n_records,
                                                     delivery->records, &sequence, &err) != MU_OK) {
        mu_http_response_clear(delivery->response);
        mu_http_refuse_busy(request, delivery->response, mu_str_from(err.text),
                            err.code == MU_E_LIMIT ? 1 : 30);
        return MU_HTTP_DONE;
    }
    mu_counter_add(collection->accepted, delivery->n_records);
    for (uint32_t i = 0; i < delivery->n_failed; i++) {
        count_rejected(delivery, &delivery->failed[i]);
        mu_failed_add(collection->failed, &delivery->failed[i]);
    }
    if (delivery->n_records == 0)
        return MU_HTTP_DONE;
    if (mu_live_when_durable(collection->api->options.live, sequence, answer_when_durable, request,
                             &err) != MU_OK)
        answer_when_durable(request, err.code);
    return MU_HTTP_LATER;
}

/* -------- single messages -------- */

static mu_http_outcome take_single(mu_delivery *delivery, const mu_json *json)
{
    mu_message message;
    mu_str refusal;
    mu_acceptance acceptance;
    if (!mu_message_read(delivery->arena, &delivery->rules, json, &message, &refusal))
        return refuse(delivery, refusal);
    mu_message_accept(delivery->arena, &delivery->rules, &message, &acceptance);
    if (delivery->is_sync && acceptance.outcome == MU_ACCEPT_INVALID) {
        mu_counter_add(delivery->collection->invalid, 1);
        mu_json cause = cause_of(delivery->arena, &acceptance);
        write_problem(
            delivery->response, 400, "Invalid XDM Message Format",
            mu_message_text(delivery->arena, &delivery->rules, json, "Message is invalid"), &cause);
        return MU_HTTP_DONE;
    }
    mu_record record;
    mu_failed_message failed;
    delivery->records = &record;
    delivery->failed = &failed;
    take_acceptance(delivery, json, &message, &acceptance);
    write_single(delivery);
    return deliver(delivery);
}

/* -------- batches of messages -------- */

static void take_one_of_many(mu_delivery *delivery, const mu_json *json, uint32_t index,
                             mu_json_writer *writer)
{
    mu_message message;
    mu_str refusal;
    mu_acceptance acceptance;
    char digits[16];
    mu_json_begin_object(writer);
    if (mu_message_read(delivery->arena, &delivery->rules, json, &message, &refusal)) {
        mu_message_accept(delivery->arena, &delivery->rules, &message, &acceptance);
        take_acceptance(delivery, json, &message, &acceptance);
        size_t n = (size_t)snprintf(digits, sizeof digits, ":%u", (unsigned)index);
        mu_buf_clear(&delivery->text);
        mu_buf_add_str(&delivery->text, delivery->transaction);
        mu_buf_add(&delivery->text, digits, n);
        mu_json_name(writer, MU_STR("xactionId"));
        mu_json_string(writer, mu_buf_str(&delivery->text));
    } else {
        mu_counter_add(delivery->collection->refused, 1);
        mu_json_name(writer, MU_STR("statusCode"));
        mu_json_integer(writer, 400);
        mu_json_name(writer, MU_STR("message"));
        mu_json_string(writer, refusal);
    }
    mu_json_end_object(writer);
}

static mu_http_outcome take_many(mu_delivery *delivery, const mu_json *json)
{
    const mu_json *messages = mu_json_member(json, MU_STR("messages"));
    if (messages == NULL || messages->kind != MU_JSON_ARRAY || messages->n > MESSAGES_MAX)
        return refuse_format(delivery);
    delivery->records = MU_NEW_ARRAY(delivery->arena, mu_record, messages->n);
    delivery->failed = MU_NEW_ARRAY(delivery->arena, mu_failed_message, messages->n);
    mu_http_response_status(delivery->response, 207);
    mu_json_writer *writer = mu_http_response_json(delivery->response);
    mu_json_begin_object(writer);
    mu_json_name(writer, MU_STR("inletId"));
    mu_json_string(writer, delivery->inlet->id);
    mu_json_name(writer, MU_STR("batchId"));
    mu_json_string(writer, delivery->transaction);
    mu_json_name(writer, MU_STR("receivedTimeMs"));
    mu_json_integer(writer, delivery->rules.accept.now_ms);
    mu_json_name(writer, MU_STR("responses"));
    mu_json_begin_array(writer);
    mu_buf_init(&delivery->text, 256);
    for (uint32_t i = 0; i < messages->n; i++)
        take_one_of_many(delivery, &messages->items[i], i, writer);
    mu_buf_free(&delivery->text);
    mu_json_end_array(writer);
    mu_json_end_object(writer);
    return deliver(delivery);
}

/* -------- the request -------- */

static mu_http_outcome refuse_token(mu_delivery *delivery, mu_api_token_state state)
{
    bool is_missing = state == MU_API_TOKEN_MISSING;
    mu_str message = mu_arena_format(delivery->arena, "[%.*s] Ims service token is %s",
                                     (int)delivery->inlet->id.len, delivery->inlet->id.ptr,
                                     is_missing ? "empty" : "invalid");
    mu_http_response_status(delivery->response, is_missing ? 401 : 403);
    mu_json_writer *writer = mu_http_response_json(delivery->response);
    mu_json_begin_object(writer);
    mu_json_name(writer, MU_STR("type"));
    mu_json_string(
        writer,
        MU_STR("https://ns.adobe.com/adobecloud/problem/data-collection-service-authorization"));
    mu_json_name(writer, MU_STR("status"));
    mu_json_string(writer, is_missing ? MU_STR("401") : MU_STR("403"));
    mu_json_name(writer, MU_STR("title"));
    mu_json_string(writer, MU_STR("Authorization"));
    mu_json_name(writer, MU_STR("report"));
    mu_json_begin_object(writer);
    mu_json_name(writer, MU_STR("message"));
    mu_json_string(writer, message);
    mu_json_end_object(writer);
    mu_json_end_object(writer);
    return MU_HTTP_DONE;
}

/* In open mode any token will do; else it must belong to the inlet's organisation, and to a client
 * that may enter its sandbox. */
static mu_api_token_state token_state(const mu_delivery *delivery)
{
    const mu_api_sandbox *sandbox = mu_intake_sandbox(delivery->view, delivery->inlet->sandbox);
    const mu_api_client *client = NULL;
    mu_api_token_state state =
        mu_api_authenticate(delivery->collection->api, delivery->request, &client);
    if (state == MU_API_TOKEN_VALID && client != NULL &&
        (!mu_str_equal(client->organization, delivery->inlet->organization) ||
         !mu_api_may_enter(client, sandbox->name)))
        return MU_API_TOKEN_INVALID;
    return state;
}

/* P2.3: both names of the parameter. */
static mu_code read_sync(mu_delivery *delivery, mu_err *err)
{
    const mu_http_pairs *query = mu_http_request_query(delivery->request);
    mu_str value;
    delivery->sync_name = MU_STR("syncValidation");
    if (mu_http_pairs_find(query, MU_STR("synchronousValidation"), &value))
        delivery->sync_name = MU_STR("synchronousValidation");
    return mu_http_pairs_boolean(query, delivery->sync_name, false, &delivery->is_sync, err);
}

static mu_http_outcome refuse_body(mu_delivery *delivery, const mu_err *err)
{
    if (err->code == MU_E_NOMEM) {
        mu_http_refuse_busy(delivery->request, delivery->response, mu_str_from(err->text), 1);
        return MU_HTTP_DONE;
    }
    if (err->code == MU_E_LIMIT) {
        mu_http_refuse(delivery->request, delivery->response, MU_HTTP_PROBLEM_BODY_TOO_LARGE,
                       mu_str_from(err->text));
        return MU_HTTP_DONE;
    }
    return refuse_format(delivery);
}

static mu_http_outcome take_body(mu_delivery *delivery, bool is_batch)
{
    mu_err err;
    mu_json json;
    delivery->is_sync = false;
    delivery->sync_name = MU_STR("syncValidation");
    if (!is_batch && read_sync(delivery, &err) != MU_OK) {
        mu_http_refuse(delivery->request, delivery->response, MU_HTTP_PROBLEM_BAD_QUERY,
                       mu_str_from(err.text));
        return MU_HTTP_DONE;
    }
    if (delivery->is_sync && !sync_is_allowed(delivery->collection, delivery->inlet->id,
                                              delivery->rules.accept.now_ms)) {
        write_problem(delivery->response, 429, "Too Many Requests",
                      mu_message_text(delivery->arena, &delivery->rules,
                                      &(mu_json){.kind = MU_JSON_NULL},
                                      "Synchronous validation is limited to 60 requests a minute"),
                      NULL);
        mu_http_response_header(delivery->response, MU_STR("Retry-After"), MU_STR("60"));
        return MU_HTTP_DONE;
    }
    if (mu_http_request_json(delivery->request, &json, &err) != MU_OK)
        return refuse_body(delivery, &err);
    return is_batch ? take_many(delivery, &json) : take_single(delivery, &json);
}

/* "1584479347507:2153:240": receive time, the process, a number. */
static mu_str next_transaction(mu_delivery *delivery)
{
    unsigned long long number =
        atomic_fetch_add_explicit(&delivery->collection->n_requests, 1, memory_order_relaxed);
    return mu_arena_format(delivery->arena, "%lld:%u:%llu",
                           (long long)delivery->rules.accept.now_ms,
                           (unsigned)delivery->collection->origin, number);
}

static bool is_smile(const mu_http_request *request)
{
    mu_str type;
    return mu_http_request_header(request, MU_STR("Content-Type"), &type) &&
           mu_str_starts_with(type, MU_STR("application/x-jackson-smile"));
}

static mu_http_outcome take_request(mu_delivery *delivery, mu_str inlet, bool is_batch)
{
    delivery->inlet = mu_intake_find_inlet(delivery->view, inlet);
    if (delivery->inlet == NULL) {
        write_problem(delivery->response, 404, "Not Found",
                      mu_arena_format(delivery->arena, "inletId: [%.*s] is not known",
                                      (int)inlet.len, inlet.ptr),
                      NULL);
        return MU_HTTP_DONE;
    }
    mu_api_token_state state =
        delivery->inlet->requires_token ? token_state(delivery) : MU_API_TOKEN_VALID;
    if (state != MU_API_TOKEN_VALID)
        return refuse_token(delivery, state);
    if (is_smile(delivery->request)) {
        write_problem(delivery->response, 415, "Unsupported Media Type",
                      MU_STR("Messages are application/json."), NULL);
        return MU_HTTP_DONE;
    }
    delivery->sandbox = mu_intake_sandbox(delivery->view, delivery->inlet->sandbox);
    delivery->rules = mu_intake_rules(delivery->view, delivery->inlet->sandbox,
                                      mu_api_now_ms(delivery->collection->api));
    delivery->rules.inlet = delivery->inlet->id;
    delivery->rules.organization = delivery->inlet->organization;
    delivery->transaction = next_transaction(delivery);
    return take_body(delivery, is_batch);
}

static bool is_batch_route(const mu_http_request *request)
{
    return mu_str_ends_with(mu_http_request_route(request), MU_STR("/batch/{inlet}"));
}

static mu_http_outcome handle_with(mu_collection *collection, mu_intake_view *view,
                                   mu_http_request *request, mu_http_response *response)
{
    mu_delivery delivery = {.collection = collection,
                            .request = request,
                            .response = response,
                            .arena = mu_http_request_arena(request),
                            .view = view};
    mu_http_outcome outcome = take_request(
        &delivery, mu_http_request_parameter(request, MU_STR("inlet")), is_batch_route(request));
    mu_intake_release(view);
    return outcome;
}

/* -------- when the view is stale -------- */

/* On the intake's thread. */
static void handle_late(void *context)
{
    mu_http_request *request = context;
    mu_collection *collection = mu_http_request_state(request);
    mu_http_response *response = mu_http_request_response(request);
    mu_intake_view *view;
    mu_err err;
    if (mu_intake_acquire_fresh(collection->intake, &view, &err) != MU_OK) {
        mu_http_refuse_busy(request, response, mu_str_from(err.text), 5);
        mu_http_complete(request);
        return;
    }
    if (handle_with(collection, view, request, response) == MU_HTTP_DONE)
        mu_http_complete(request);
}

/* NULL when documents or the identity settings have changed since it was read. */
static mu_intake_view *acquire_view(mu_collection *collection, mu_http_request *request)
{
    mu_intake_view *view = mu_intake_acquire(collection->intake);
    if (view == NULL)
        return NULL;
    const mu_intake_inlet *inlet =
        mu_intake_find_inlet(view, mu_http_request_parameter(request, MU_STR("inlet")));
    if (inlet == NULL || mu_intake_is_current(collection->intake, view, inlet->sandbox,
                                              mu_http_request_arena(request)))
        return view;
    mu_intake_forget(view);
    mu_intake_release(view);
    return NULL;
}

static mu_http_outcome handle(mu_http_request *request, mu_http_response *response, void *context)
{
    mu_collection *collection = context;
    mu_intake_view *view = acquire_view(collection, request);
    if (view != NULL)
        return handle_with(collection, view, request, response);
    mu_err err;
    mu_http_request_set_state(request, collection);
    if (mu_intake_hand_over(collection->intake, handle_late, request, &err) == MU_OK)
        return MU_HTTP_LATER;
    mu_http_refuse_busy(request, response, mu_str_from(err.text), 1);
    return MU_HTTP_DONE;
}

mu_code mu_api_add_collection(mu_api *api, mu_http_router *router, mu_err *err)
{
    static const char *const patterns[] = {
        "/collection/{inlet}",
        "/collection/batch/{inlet}",
        "/data/foundation/import/collection/{inlet}",
        "/data/foundation/import/collection/batch/{inlet}",
    };
    mu_http_route routes[sizeof patterns / sizeof patterns[0]];
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
        routes[i] = (mu_http_route){.method = MU_HTTP_POST,
                                    .pattern = patterns[i],
                                    .handler = handle,
                                    .context = api->ingestion->collection,
                                    .body_max_bytes = (uint64_t)1 << 20};
    return mu_api_add(api, router, MU_API_UNCHECKED, routes, sizeof patterns / sizeof patterns[0],
                      err);
}
