/* request.c -- what a client asks for, checked (api.md 13.1), as the document of a new job.
 *
 * Messages begin with the JSON pointer of the member they are about.
 */
#include "export/export_int.h"

#include "base/time.h"

#include <sys/random.h>

#define NAME_BYTES 255u
#define PATHS_MAX  10000u /* as many fields as a class may have */

/* -------- ids -------- */

static void random_bytes(uint8_t *out, size_t len)
{
    for (size_t filled = 0; filled < len;) {
        ssize_t n = getrandom(out + filled, len - filled, 0);
        filled += n > 0 ? (size_t)n : 0;
    }
}

mu_str mu_export_random_hex(mu_arena *arena, size_t n_digits)
{
    uint8_t *bytes = mu_arena_alloc(arena, n_digits);
    char *out = mu_arena_alloc(arena, n_digits + 1);
    random_bytes(bytes, n_digits);
    for (size_t i = 0; i < n_digits; i++)
        out[i] = "0123456789abcdef"[bytes[i] & 15];
    return (mu_str){out, n_digits};
}

mu_str mu_export_random_uuid(mu_arena *arena)
{
    char *digits = (char *)mu_export_random_hex(arena, 32).ptr;
    digits[12] = '4';
    digits[16] = "89ab"[digits[16] & 3];
    return mu_arena_format(arena, "%.8s-%.4s-%.4s-%.4s-%.12s", digits, digits + 8, digits + 12,
                           digits + 16, digits + 20);
}

/* -------- members by kind; absent ones give NULL -------- */

typedef struct reading {
    mu_arena *arena;
    mu_workspace *workspace;
    const mu_audience_book *book;
    mu_err *err;
} reading;

static mu_code wrong(const reading *r, mu_str pointer, const char *reason)
{
    return mu_fail(r->err, MU_E_INPUT, MU_STR_FMT ": %s", MU_STR_ARG(pointer), reason);
}

static mu_str pointer_of(const reading *r, mu_str parent, const char *name)
{
    return mu_arena_format(r->arena, MU_STR_FMT "/%s", MU_STR_ARG(parent), name);
}

static mu_code member(const reading *r, const mu_json *parent, mu_str pointer, const char *name,
                      mu_json_kind kind, const char *expected, const mu_json **out)
{
    const mu_json *value = parent == NULL ? NULL : mu_json_get(parent, mu_str_from(name));
    if (value != NULL && value->kind != kind)
        return wrong(r, pointer_of(r, pointer, name), expected);
    *out = value;
    return MU_OK;
}

static mu_code object(const reading *r, const mu_json *parent, mu_str pointer, const char *name,
                      const mu_json **out)
{
    return member(r, parent, pointer, name, MU_JSON_OBJECT, "must be an object", out);
}

/* Empty when absent. */
static mu_code text(const reading *r, const mu_json *parent, mu_str pointer, const char *name,
                    mu_str *out)
{
    const mu_json *value = NULL;
    MU_TRY(member(r, parent, pointer, name, MU_JSON_STRING, "must be a string", &value));
    *out = value == NULL ? MU_STR("") : value->string;
    return MU_OK;
}

static mu_code identifier(const reading *r, const mu_json *parent, mu_str pointer, const char *name,
                          mu_str *out)
{
    MU_TRY(text(r, parent, pointer, name, out));
    return out->len <= NAME_BYTES
               ? MU_OK
               : wrong(r, pointer_of(r, pointer, name), "must be at most 255 bytes long");
}

static mu_code field_paths(const reading *r, const mu_json *parent, mu_str pointer, mu_str *out)
{
    uint32_t n = 1;
    MU_TRY(text(r, parent, pointer, "fields", out));
    for (size_t i = 0; i < out->len && n <= PATHS_MAX; i++)
        n += out->ptr[i] == ',';
    return n <= PATHS_MAX
               ? MU_OK
               : wrong(r, pointer_of(r, pointer, "fields"), "must name at most 10000 fields");
}

/* Also the words "true" and "false", as everywhere. */
static mu_code flag(const reading *r, const mu_json *parent, mu_str pointer, const char *name,
                    bool *out)
{
    const mu_json *value = parent == NULL ? NULL : mu_json_get(parent, mu_str_from(name));
    *out = mu_json_truth(value, false);
    if (value == NULL || mu_json_truth(value, true) == *out)
        return MU_OK;
    return wrong(r, pointer_of(r, pointer, name), "must be true or false");
}

/* Copies a time to `target` as it was written. */
static mu_code copy_time(const reading *r, const mu_json *parent, mu_str pointer, const char *name,
                         mu_json *target, int64_t *ms)
{
    mu_str value = MU_STR("");
    MU_TRY(text(r, parent, pointer, name, &value));
    if (value.len == 0)
        return MU_OK;
    if (!mu_parse_time(value, ms))
        return wrong(r, pointer_of(r, pointer, name),
                     "must be a date-time such as 2026-03-10T12:00:00Z");
    mu_json_set(r->arena, target, mu_str_from(name), mu_json_of_string(value));
    return MU_OK;
}

/* -------- filter -------- */

static mu_code add_status(const reading *r, mu_str pointer, const mu_json *given, uint32_t n_max,
                          mu_str *words, uint32_t *n)
{
    static const char *const known[] = {"realized", "existing", "exited"};
    for (size_t i = 0; given->kind == MU_JSON_STRING && i < sizeof known / sizeof known[0]; i++) {
        if (!mu_str_equal(given->string, mu_str_from(known[i])))
            continue;
        bool is_new = true;
        for (uint32_t k = 0; k < *n; k++)
            is_new &= !mu_str_equal(words[k], given->string);
        if (is_new && *n < n_max)
            words[(*n)++] = given->string;
        return MU_OK;
    }
    return wrong(r, pointer, "must name realized, existing or exited");
}

static mu_code read_status(const reading *r, const mu_json *entry, mu_str pointer, mu_json *out)
{
    const mu_json *given = mu_json_get(entry, MU_STR("status"));
    mu_str words[3] = {MU_STR("realized"), MU_STR("existing")};
    uint32_t n = 0;
    pointer = pointer_of(r, pointer, "status");
    if (given != NULL && given->kind == MU_JSON_STRING)
        MU_TRY(add_status(r, pointer, given, 3, words, &n));
    else if (given != NULL && given->kind != MU_JSON_ARRAY)
        return wrong(r, pointer, "must be a list of realized, existing and exited");
    for (uint32_t i = 0; given != NULL && given->kind == MU_JSON_ARRAY && i < given->n; i++)
        MU_TRY(add_status(r, pointer, &given->items[i], 3, words, &n));
    *out = mu_json_strings(r->arena, n == 0 ? 2 : n, words);
    return MU_OK;
}

static mu_code read_segment(const reading *r, const mu_json *entry, mu_str pointer, mu_json *out)
{
    mu_str id = MU_STR(""), namespace_code = MU_STR("");
    mu_json status;
    if (entry->kind != MU_JSON_OBJECT)
        return wrong(r, pointer, "must be an object");
    MU_TRY(identifier(r, entry, pointer, "segmentId", &id));
    MU_TRY(identifier(r, entry, pointer, "segmentNs", &namespace_code));
    if (id.len == 0)
        return wrong(r, pointer_of(r, pointer, "segmentId"), "is missing");
    if (namespace_code.len == 0)
        namespace_code = MU_STR("ups");
    MU_TRY(read_status(r, entry, pointer, &status));
    if (mu_export_audience_find(r->book, id, namespace_code) == NULL)
        return mu_fail(r->err, MU_E_INPUT,
                       MU_STR_FMT "/segmentId: there is no audience " MU_STR_FMT
                                  " of the namespace " MU_STR_FMT,
                       MU_STR_ARG(pointer), MU_STR_ARG(id), MU_STR_ARG(namespace_code));
    *out = MU_JSON_OBJECT_OF(r->arena, {MU_STR("segmentId"), mu_json_of_string(id)},
                             {MU_STR("segmentNs"), mu_json_of_string(namespace_code)},
                             {MU_STR("status"), status});
    return MU_OK;
}

static mu_code read_segments(const reading *r, const mu_json *filter, mu_json *out)
{
    const mu_json *given = NULL;
    const mu_str at = MU_STR("/filter");
    MU_TRY(member(r, filter, at, "segments", MU_JSON_ARRAY, "must be a list of objects", &given));
    if (given == NULL || given->n == 0)
        return MU_OK;
    mu_json *items = MU_NEW_ARRAY(r->arena, mu_json, given->n);
    for (uint32_t i = 0; i < given->n; i++)
        MU_TRY(read_segment(r, &given->items[i],
                            mu_arena_format(r->arena, "/filter/segments/%u", i), &items[i]));
    mu_json_set(r->arena, out, MU_STR("segments"),
                (mu_json){.kind = MU_JSON_ARRAY, .n = given->n, .items = items});
    return MU_OK;
}

static mu_code read_qualification(const reading *r, const mu_json *filter, mu_json *out)
{
    const mu_json *given = NULL;
    const mu_str at = MU_STR("/filter/segmentQualificationTime");
    mu_json times = {.kind = MU_JSON_OBJECT};
    int64_t start_ms = INT64_MIN, end_ms = INT64_MAX;
    MU_TRY(object(r, filter, MU_STR("/filter"), "segmentQualificationTime", &given));
    MU_TRY(copy_time(r, given, at, "startTime", &times, &start_ms));
    MU_TRY(copy_time(r, given, at, "endTime", &times, &end_ms));
    if (start_ms > end_ms)
        return wrong(r, at, "startTime must not be after endTime");
    if (times.n > 0)
        mu_json_set(r->arena, out, MU_STR("segmentQualificationTime"), times);
    return MU_OK;
}

static mu_code read_filter(const reading *r, const mu_json *body, mu_json *out)
{
    const mu_json *filter = NULL;
    bool empty_profiles = false;
    int64_t ignored;
    *out = (mu_json){.kind = MU_JSON_OBJECT};
    MU_TRY(object(r, body, MU_STR(""), "filter", &filter));
    MU_TRY(read_segments(r, filter, out));
    MU_TRY(read_qualification(r, filter, out));
    if (mu_json_member(out, MU_STR("segmentQualificationTime")) != NULL &&
        mu_json_member(out, MU_STR("segments")) == NULL)
        return wrong(r, MU_STR("/filter/segmentQualificationTime"), "needs segments to look at");
    MU_TRY(copy_time(r, filter, MU_STR("/filter"), "fromIngestTimestamp", out, &ignored));
    MU_TRY(flag(r, filter, MU_STR("/filter"), "emptyProfiles", &empty_profiles));
    mu_json_set(r->arena, out, MU_STR("emptyProfiles"), mu_json_of_boolean(empty_profiles));
    return MU_OK;
}

/* -------- events -------- */

static mu_code read_events(const reading *r, const mu_json *body, mu_json *out)
{
    const mu_json *additional = NULL, *list = NULL, *filter = NULL;
    const mu_str at = MU_STR("/additionalFields/eventList");
    const mu_str at_filter = MU_STR("/additionalFields/eventList/filter");
    mu_str fields = MU_STR("");
    mu_json shown, times = {.kind = MU_JSON_OBJECT};
    int64_t from_ms = INT64_MIN, to_ms = INT64_MAX;
    *out = (mu_json){.kind = MU_JSON_NULL};
    MU_TRY(object(r, body, MU_STR(""), "additionalFields", &additional));
    MU_TRY(object(r, additional, MU_STR("/additionalFields"), "eventList", &list));
    if (list == NULL)
        return MU_OK;
    MU_TRY(field_paths(r, list, at, &fields));
    MU_TRY(object(r, list, at, "filter", &filter));
    MU_TRY(copy_time(r, filter, at_filter, "fromIngestTimestamp", &times, &from_ms));
    MU_TRY(copy_time(r, filter, at_filter, "toIngestTimestamp", &times, &to_ms));
    if (from_ms > to_ms)
        return wrong(r, at_filter, "fromIngestTimestamp must not be after toIngestTimestamp");
    shown = MU_JSON_OBJECT_OF(r->arena, {MU_STR("fields"), mu_json_of_string(fields)});
    if (times.n > 0)
        mu_json_set(r->arena, &shown, MU_STR("filter"), times);
    *out = MU_JSON_OBJECT_OF(r->arena, {MU_STR("eventList"), shown});
    return MU_OK;
}

/* -------- destination -------- */

/* What the dataset says of its files; JSON when it says nothing (docs/decisions/0221). */
static mu_code read_format(const reading *r, mu_str dataset, mu_export_format *out)
{
    mu_document document;
    mu_json json;
    mu_err problem;
    *out = MU_EXPORT_JSON;
    mu_code code = mu_document_get(r->workspace->options->documents, r->arena, r->workspace->place,
                                   MU_STR("dataset"), dataset, &document, &problem);
    if (code == MU_E_NOT_FOUND)
        return r->workspace->options->settings.dataset_check == 0
                   ? MU_OK
                   : mu_fail(r->err, MU_E_INPUT,
                             "UPLIB-101554-503: /destination/datasetId: there is no "
                             "dataset " MU_STR_FMT,
                             MU_STR_ARG(dataset));
    if (code != MU_OK)
        return mu_fail(r->err, code, "%s", problem.text);
    MU_TRY(mu_json_parse(r->arena, document.json, &json, r->err));
    const mu_json *format = mu_json_at(&json, MU_STR("fileDescription.format"));
    if (format == NULL)
        format = mu_json_get(&json, MU_STR("format"));
    if (format == NULL || format->kind != MU_JSON_STRING || format->string.len == 0)
        return MU_OK;
    if (mu_export_format_read(format->string, out))
        return MU_OK;
    return wrong(r, MU_STR("/destination/datasetId"),
                 "the dataset's format must be json, csv or parquet");
}

static mu_json batches_of(const reading *r, const mu_json *segments)
{
    uint32_t n = segments == NULL ? 0 : segments->n;
    mu_json *items = MU_NEW_ARRAY(r->arena, mu_json, n);
    for (uint32_t i = 0; i < n; i++) {
        items[i] = segments->items[i];
        mu_json_set(r->arena, &items[i], MU_STR("batchId"),
                    mu_json_of_string(mu_export_random_hex(r->arena, 32)));
    }
    return (mu_json){.kind = MU_JSON_ARRAY, .n = n, .items = items};
}

static mu_code read_destination(const reading *r, const mu_json *body, const mu_json *filter,
                                mu_json *out, mu_export_format *format)
{
    const mu_json *given = NULL;
    const mu_str at = MU_STR("/destination");
    mu_str dataset = MU_STR("");
    bool segment_per_batch = false;
    MU_TRY(object(r, body, MU_STR(""), "destination", &given));
    MU_TRY(identifier(r, given, at, "datasetId", &dataset));
    if (dataset.len == 0)
        MU_TRY(identifier(r, given, at, "dataSetId", &dataset));
    if (dataset.len == 0)
        return wrong(r, MU_STR("/destination/datasetId"), "is missing");
    MU_TRY(flag(r, given, at, "segmentPerBatch", &segment_per_batch));
    const mu_json *segments = mu_json_member(filter, MU_STR("segments"));
    if (segment_per_batch && segments == NULL)
        return wrong(r, MU_STR("/destination/segmentPerBatch"), "needs filter.segments");
    MU_TRY(read_format(r, dataset, format));
    *out = MU_JSON_OBJECT_OF(r->arena, {MU_STR("datasetId"), mu_json_of_string(dataset)},
                             {MU_STR("segmentPerBatch"), mu_json_of_boolean(segment_per_batch)});
    if (segment_per_batch)
        mu_json_set(r->arena, out, MU_STR("batches"), batches_of(r, segments));
    else
        mu_json_set(r->arena, out, MU_STR("batchId"),
                    mu_json_of_string(mu_export_random_hex(r->arena, 32)));
    return MU_OK;
}

/* -------- schema and merge policy -------- */

static bool is_profile_class(mu_str name)
{
    static const mu_str suffix = {"__union", 7};
    if (mu_str_ends_with(name, suffix))
        name.len -= suffix.len;
    return mu_str_equal(name, MU_STR("_xdm.context.profile")) ||
           mu_str_equal(name, MU_STR("https://ns.adobe.com/xdm/context/profile"));
}

/* {"name"}, {"id"} or the name alone (api.md 7). */
static mu_code read_schema(const reading *r, const mu_json *body, mu_json *out)
{
    const mu_json *given = mu_json_get(body, MU_STR("schema"));
    mu_str name = MU_STR("");
    if (given != NULL && given->kind == MU_JSON_STRING)
        name = given->string;
    else
        MU_TRY(object(r, body, MU_STR(""), "schema", &given));
    if (given != NULL && given->kind == MU_JSON_OBJECT)
        MU_TRY(text(r, given, MU_STR("/schema"), "name", &name));
    if (given != NULL && given->kind == MU_JSON_OBJECT && name.len == 0)
        MU_TRY(text(r, given, MU_STR("/schema"), "id", &name));
    if (name.len == 0)
        return wrong(r, MU_STR("/schema/name"), "is missing");
    if (!is_profile_class(name))
        return wrong(r, MU_STR("/schema/name"),
                     "must be _xdm.context.profile: profiles are what is exported");
    *out = MU_JSON_OBJECT_OF(r->arena, {MU_STR("name"), mu_json_of_string(name)});
    return MU_OK;
}

static mu_code find_policy(const reading *r, mu_str id, mu_stored_policy *out)
{
    mu_err problem;
    mu_code code = mu_workspace_policy(r->workspace, r->arena, id, MU_STR(""), out, &problem);
    if (code == MU_E_NOT_FOUND)
        return mu_fail(r->err, MU_E_INPUT, "/mergePolicy/id: there is no merge policy " MU_STR_FMT,
                       MU_STR_ARG(id));
    return code == MU_OK ? MU_OK : mu_fail(r->err, code, "%s", problem.text);
}

/* That of the segments; external ones have none. */
static mu_code policy_of_segments(const reading *r, const mu_json *segments, mu_stored_policy *out)
{
    bool has_one = false;
    for (uint32_t i = 0; segments != NULL && i < segments->n; i++) {
        const mu_json *entry = &segments->items[i];
        mu_stored_policy policy;
        const mu_audience *audience = mu_export_audience_find(
            r->book, mu_json_member_string(entry, MU_STR("segmentId"), MU_STR("")),
            mu_json_member_string(entry, MU_STR("segmentNs"), MU_STR("")));
        if (audience == NULL || audience->is_external)
            continue;
        MU_TRY(find_policy(r, audience->merge_policy_id, &policy));
        if (has_one && !mu_str_equal(policy.policy.id, out->policy.id))
            return wrong(r, MU_STR("/mergePolicy/id"),
                         "is needed, since the segments have different merge policies");
        *out = policy;
        has_one = true;
    }
    return has_one ? MU_OK : find_policy(r, MU_STR(""), out);
}

static mu_code read_policy(const reading *r, const mu_json *body, const mu_json *filter,
                           mu_json *out)
{
    const mu_json *given = NULL;
    const mu_str at = MU_STR("/mergePolicy");
    mu_str id = MU_STR("");
    mu_stored_policy policy = {.version = 1};
    MU_TRY(object(r, body, MU_STR(""), "mergePolicy", &given));
    MU_TRY(identifier(r, given, at, "id", &id));
    if (id.len > 0)
        MU_TRY(find_policy(r, id, &policy));
    else
        MU_TRY(policy_of_segments(r, mu_json_member(filter, MU_STR("segments")), &policy));
    const mu_json *version = given == NULL ? NULL : mu_json_get(given, MU_STR("version"));
    bool is_number =
        version != NULL && (version->kind == MU_JSON_INTEGER || version->kind == MU_JSON_DOUBLE);
    if (version != NULL && !is_number)
        return wrong(r, MU_STR("/mergePolicy/version"), "must be a number");
    if (is_number && (version->kind == MU_JSON_INTEGER ? (double)version->integer
                                                       : version->number) != (double)policy.version)
        return mu_fail(r->err, MU_E_INPUT,
                       "/mergePolicy/version: only the current version, %lld, is kept",
                       (long long)policy.version);
    *out = MU_JSON_OBJECT_OF(r->arena, {MU_STR("version"), mu_json_of_integer(policy.version)});
    if (policy.policy.id.len > 0)
        mu_json_set(r->arena, out, MU_STR("id"), mu_json_of_string(policy.policy.id));
    return MU_OK;
}

/* -------- the document -------- */

static void set_text(mu_arena *arena, mu_json *json, const char *name, mu_str value)
{
    if (value.len > 0)
        mu_json_set(arena, json, mu_str_from(name), mu_json_of_string(value));
}

static mu_json own_members(const reading *r, const mu_export_request *request,
                           mu_export_format format)
{
    mu_json own = {.kind = MU_JSON_OBJECT};
    set_text(r->arena, &own, "format", mu_export_format_name(format));
    set_text(r->arena, &own, "organization", request->organization);
    set_text(r->arena, &own, "sandboxId", request->sandbox_id);
    set_text(r->arena, &own, "scheduleId", request->schedule_id);
    set_text(r->arena, &own, "runId", request->run_id);
    return own;
}

static mu_code check(const reading *r, const mu_export_request *request, mu_json *out)
{
    const mu_json *body = request->request, *evaluation = NULL;
    mu_str fields = MU_STR("");
    mu_json filter, events, destination, schema, policy;
    mu_export_format format = MU_EXPORT_JSON;
    bool segmentation = false;
    const mu_str profile_instance =
        request->profile_instance_id.len > 0 ? request->profile_instance_id : MU_STR("ups");
    if (body == NULL || body->kind != MU_JSON_OBJECT)
        return mu_fail(r->err, MU_E_INPUT, "an export is asked for with an object");
    MU_TRY(field_paths(r, body, MU_STR(""), &fields));
    MU_TRY(read_filter(r, body, &filter));
    MU_TRY(read_events(r, body, &events));
    MU_TRY(read_destination(r, body, &filter, &destination, &format));
    MU_TRY(read_schema(r, body, &schema));
    MU_TRY(read_policy(r, body, &filter, &policy));
    MU_TRY(object(r, body, MU_STR(""), "evaluationInfo", &evaluation));
    MU_TRY(flag(r, evaluation, MU_STR("/evaluationInfo"), "segmentation", &segmentation));
    *out = MU_JSON_OBJECT_OF(
        r->arena, {MU_STR("status"), mu_json_of_string(MU_STR("NEW"))},
        {MU_STR("jobType"), mu_json_of_string(MU_STR("BATCH"))},
        {MU_STR("destination"), destination}, {MU_STR("fields"), mu_json_of_string(fields)},
        {MU_STR("schema"), schema}, {MU_STR("filter"), filter}, {MU_STR("mergePolicy"), policy},
        {MU_STR("profileInstanceId"), mu_json_of_string(profile_instance)},
        {MU_STR("requestId"), mu_json_of_string(request->request_id)},
        {MU_EXPORT_OWN, own_members(r, request, format)});
    if (events.kind == MU_JSON_OBJECT)
        mu_json_set(r->arena, out, MU_STR("additionalFields"), events);
    if (evaluation != NULL)
        mu_json_set(r->arena, out, MU_STR("evaluationInfo"),
                    MU_JSON_OBJECT_OF(r->arena,
                                      {MU_STR("segmentation"), mu_json_of_boolean(segmentation)}));
    return MU_OK;
}

mu_code mu_export_request_check(mu_arena *arena, mu_workspace *workspace,
                                const mu_export_request *request, mu_json *out, mu_err *err)
{
    reading r = {.arena = arena, .workspace = workspace, .err = err};
    MU_TRY(mu_audience_book_acquire(workspace->books, &r.book, err));
    mu_code code = check(&r, request, out);
    mu_audience_book_release(r.book);
    return code;
}
