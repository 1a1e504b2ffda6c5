#include "base/number.h"
#include "base/time.h"
#include "ingest/accept_int.h"

#define EVENT_BYTES_MAX  ((size_t)10 << 10)       /* d.6, P55 */
#define RECORD_BYTES_MAX ((size_t)100 << 10)      /* d.6, P55 */
#define FUTURE_MS_MAX    ((int64_t)5 * 60 * 1000) /* P9 */

typedef struct acceptance_job {
    mu_arena *arena;
    const mu_accept_context *context;
    const mu_dataset *dataset;
    mu_xdm_behavior behavior;
    mu_accept_operation operation;
    const mu_json *entity; /* in its plain form */
    mu_acceptance *out;
} acceptance_job;

static bool reject(acceptance_job *job, mu_str code, mu_str reason)
{
    job->out->outcome = MU_ACCEPT_REJECTED;
    job->out->reason_code = code;
    job->out->reason = reason;
    return false;
}

/* -------- validation -------- */

/* A dataset without validation takes what comes: what does not fit a field's type shows nowhere,
 * but is kept. Names of the store's own fields are not for senders. */
static bool has_own_names_only(acceptance_job *job)
{
    job->out->n_violations = 0;
    for (uint32_t i = 0; i < job->entity->n; i++)
        if (mu_str_starts_with(job->entity->names[i], MU_STR("$")))
            return reject(job, MU_STR("reserved-name"),
                          MU_STR("A name that begins with '$' belongs to the store."));
    return true;
}

static bool validate(acceptance_job *job)
{
    mu_acceptance *out = job->out;
    bool is_partial = job->behavior == MU_XDM_PROFILE && job->operation != MU_ACCEPT_CREATE;
    out->n_violations =
        mu_xdm_validate(job->dataset->schema, job->entity, is_partial ? MU_XDM_PARTIAL : 0u,
                        job->arena, out->violations);
    if (out->n_violations == 0)
        return true;
    if (!job->dataset->is_validated)
        return has_own_names_only(job);
    out->outcome = MU_ACCEPT_INVALID;
    return false;
}

static bool is_in_the_future(acceptance_job *job, mu_str timestamp)
{
    mu_acceptance *out = job->out;
    out->outcome = MU_ACCEPT_INVALID;
    out->n_violations = 1;
    out->violations[0] = (mu_xdm_violation){
        .schema_location = MU_STR("#/properties/timestamp"),
        .pointer = MU_STR("#/timestamp"),
        .keyword = MU_STR("format"),
        .message = mu_arena_format(job->arena, "[%.*s] is in the future", (int)timestamp.len,
                                   timestamp.ptr),
    };
    return false;
}

/* An event's time (P5, P9) and what makes it the same event when it is sent again (P25). */
static bool read_event(acceptance_job *job, mu_record *record)
{
    const mu_json *time = mu_json_member(job->entity, MU_STR("timestamp"));
    mu_str text = time != NULL && time->kind == MU_JSON_STRING ? time->string : MU_STR("");
    if (time != NULL && time->kind == MU_JSON_INTEGER) {
        record->time_ms = time->integer;
        text = mu_arena_format(job->arena, "%lld", (long long)time->integer);
    } else if (!mu_parse_time(text, &record->time_ms) &&
               !mu_parse_integer(text, &record->time_ms)) {
        return reject(job, MU_STR("no-timestamp"), MU_STR("The event has no timestamp."));
    }
    if (record->time_ms < MU_TIME_MIN_MS)
        return reject(job, MU_STR("no-timestamp"), MU_STR("The event has no timestamp."));
    if (record->time_ms > job->context->now_ms + FUTURE_MS_MAX)
        return is_in_the_future(job, text);
    record->key = mu_json_member_string(job->entity, MU_STR("_id"), MU_STR(""));
    return record->key.len > 0 ||
           reject(job, MU_STR("no-event-id"), MU_STR("The event has no _id."));
}

/* -------- identities -------- */

/* b.6, P22: where the data is kept; `name` NULL when nowhere. */
static mu_claim choose_primary(const acceptance_job *job, const mu_claims *claims)
{
    const mu_claim *first = &claims->flagged, *second = &claims->described;
    if (job->behavior == MU_XDM_EVENT && job->context->has_priorities) {
        first = &claims->ranked;
        second = claims->n > 0 ? &claims->list[0] : first;
    } else if (job->behavior != MU_XDM_EVENT) {
        first = &claims->described;
        second = &claims->flagged;
    }
    if (first->name != NULL)
        return *first;
    if (second->name != NULL)
        return *second;
    return claims->n_good == 1 ? claims->list[0] : (mu_claim){.name = NULL};
}

static bool find_primary(acceptance_job *job, const mu_claims *claims, mu_claim *primary)
{
    if (claims->unknown_namespace.len > 0)
        return reject(job, MU_STR("unknown-namespace"),
                      mu_arena_format(job->arena, "The identity namespace %.*s is not known.",
                                      (int)claims->unknown_namespace.len,
                                      claims->unknown_namespace.ptr));
    *primary = choose_primary(job, claims);
    if (primary->problem != NULL)
        return reject(job, MU_STR("bad-primary-identity"),
                      mu_arena_format(job->arena, "The primary identity, of namespace %.*s, %s.",
                                      (int)primary->name->code.len, primary->name->code.ptr,
                                      primary->problem));
    if (primary->name != NULL)
        return true;
    if (claims->n_good == 0 && claims->n_bad > 0)
        return reject(job, MU_STR("bad-primary-identity"),
                      MU_STR("No identity of it has a value that is allowed."));
    return reject(job, MU_STR("no-primary-identity"), MU_STR("It has no primary identity."));
}

static bool enters_graph(const mu_claim *claim)
{
    return claim->name->type != MU_IDENTITY_NON_PEOPLE && claim->name->type != MU_IDENTITY_PARTNER;
}

static mu_identity identity_of(const mu_claim *claim)
{
    return (mu_identity){claim->name->code, claim->value};
}

/* The primary, then those it is linked with, then the others: P16 says which 20 take part. */
static void place_identities(acceptance_job *job, const mu_claims *claims, const mu_claim *primary)
{
    const mu_claim *kept[MU_IDENTITIES_MAX];
    uint32_t n_kept = 0, n = 0;
    kept[n_kept++] = primary;
    for (uint32_t i = 0; i < claims->n && n_kept < MU_IDENTITIES_MAX; i++)
        if (claims->list[i].name != primary->name ||
            !mu_str_equal(claims->list[i].value, primary->value))
            kept[n_kept++] = &claims->list[i];
    bool is_linked = job->dataset->for_identity && enters_graph(primary);
    mu_identity *identities = MU_NEW_ARRAY(job->arena, mu_identity, n_kept);
    identities[n++] = identity_of(primary);
    for (uint32_t i = 1; i < n_kept; i++)
        if (enters_graph(kept[i]))
            identities[n++] = identity_of(kept[i]);
    job->out->record.n_linked = is_linked && n > 1 ? n : 0;
    for (uint32_t i = 1; i < n_kept; i++)
        if (!enters_graph(kept[i]))
            identities[n++] = identity_of(kept[i]);
    if (job->behavior == MU_XDM_LOOKUP)
        identities[0].namespace_code = MU_STR("");
    job->out->record.identities = identities;
    job->out->record.n_identities = job->behavior == MU_XDM_LOOKUP ? 1 : n;
    job->out->n_dropped_identities = claims->n_bad + claims->n_good - n_kept;
}

/* -------- the record -------- */

/* P27: the time that the customer's own system says. */
static bool read_customer_time(acceptance_job *job, mu_record *record)
{
    const mu_json *audit = mu_json_member(job->entity, MU_STR("extSourceSystemAudit"));
    mu_str text = mu_json_member_string(audit, MU_STR("lastUpdatedDate"), MU_STR(""));
    return mu_parse_time(text, &record->time_ms) ||
           reject(job, MU_STR("no-customer-timestamp"),
                  MU_STR("The dataset goes by extSourceSystemAudit.lastUpdatedDate, which is no "
                         "date-time here."));
}

static mu_record_kind kind_of(const acceptance_job *job)
{
    if (job->behavior == MU_XDM_EVENT)
        return MU_RECORD_EVENT;
    if (job->behavior == MU_XDM_LOOKUP)
        return MU_RECORD_LOOKUP;
    switch (job->operation) {
    case MU_ACCEPT_CREATE:
        return MU_RECORD_CREATE;
    case MU_ACCEPT_MERGE:
        return MU_RECORD_MERGE;
    case MU_ACCEPT_DELETE:
        break;
    }
    return MU_RECORD_DELETE;
}

static bool write_document(acceptance_job *job, mu_record *record)
{
    bool is_event = job->behavior == MU_XDM_EVENT;
    size_t bytes_max = is_event ? EVENT_BYTES_MAX : RECORD_BYTES_MAX;
    if (record->kind == MU_RECORD_DELETE ||
        mu_compact_entity(job->arena, job->entity, bytes_max, &record->document))
        return true;
    return reject(job, MU_STR("too-large"),
                  mu_arena_format(job->arena, "The %s takes more than %zu bytes.",
                                  is_event ? "event" : "record", bytes_max));
}

static bool make_record(acceptance_job *job)
{
    mu_record *record = &job->out->record;
    *record = (mu_record){
        .kind = kind_of(job), .received_ms = job->context->now_ms, .dataset = job->dataset->id};
    if (job->behavior == MU_XDM_LOOKUP)
        record->class_name = mu_xdm_schema_id(job->dataset->schema);
    if (job->behavior == MU_XDM_EVENT && !read_event(job, record))
        return false;
    if (!job->dataset->for_profile)
        return true;
    if (job->behavior == MU_XDM_PROFILE && job->dataset->orders_by_customer &&
        !read_customer_time(job, record))
        return false;
    mu_claims claims;
    mu_claim primary;
    mu_claims_read(job->context, job->dataset->schema, job->entity, &claims);
    if (!find_primary(job, &claims, &primary))
        return false;
    place_identities(job, &claims, &primary);
    return write_document(job, record);
}

void mu_accept(mu_arena *arena, const mu_accept_context *context, const mu_dataset *dataset,
               mu_accept_operation operation, const mu_json *entity, mu_acceptance *out)
{
    out->outcome = MU_ACCEPT_REJECTED;
    out->n_violations = out->n_dropped_identities = 0;
    out->reason = out->reason_code = MU_STR("");
    acceptance_job job = {.arena = arena,
                          .context = context,
                          .dataset = dataset,
                          .behavior = mu_xdm_schema_behavior(dataset->schema),
                          .operation = operation,
                          .out = out};
    if (operation == MU_ACCEPT_CREATE && dataset->is_upsert && job.behavior == MU_XDM_PROFILE)
        job.operation = MU_ACCEPT_MERGE;
    if (operation != MU_ACCEPT_CREATE && job.behavior != MU_XDM_PROFILE) {
        reject(&job, MU_STR("operation-not-allowed"),
               MU_STR("Only records of the profile class can be merged and deleted."));
        return;
    }
    job.entity = mu_xdm_plain_entity(dataset->schema, entity, arena);
    if (validate(&job) && make_record(&job))
        out->outcome = dataset->for_profile ? MU_ACCEPTED : MU_ACCEPTED_NOT_KEPT;
}
